//! What the ledger makes of rivals in one block, who guards keys, and what an altered peer gains.

use crate::fixture::{CLINIC, HOSPITAL, INSURER, REGULATOR, World, world};
use careledger_api::HealthError;
use careledger_api::adjudication::{Claim, ClaimLine};
use careledger_api::codes::{Category, OverrideReason};
use careledger_api::contracts::claims::{ClaimBody, ClaimsClient};
use careledger_api::contracts::consent::{Consent, ConsentsClient, Outcome};
use careledger_api::ids::{ClaimId, ConsentId, CoverageId, Hash, TxId};
use careledger_api::roles::Role;
use fabric_contract_core::KeyPolicy;
use fabric_contract_mock::Endorsed;

fn revoking(world: &World, consent: ConsentId) -> Endorsed {
    let (revocation, intent) = world.wallet.revocation(&[consent]);
    let portal = world.client(CLINIC, Role::Portal);
    let request = ConsentsClient::new(&portal)
        .revoke(HOSPITAL, revocation, intent)
        .endorsed_by([HOSPITAL]);
    portal.endorse(request.call().clone()).unwrap()
}

fn asking(world: &World) -> Endorsed {
    let clinician = world.client(CLINIC, Role::Clinician);
    let request = world.request(world.wallet.patient(), &[Category::Laboratory]);
    let request = ConsentsClient::new(&clinician)
        .access(HOSPITAL, request)
        .endorsed_by([HOSPITAL]);
    clinician.endorse(request.call().clone()).unwrap()
}

async fn granted(world: &World) -> Consent {
    let consent = world.wallet.consent(&[Category::Laboratory]);
    world
        .grant(&consent, &world.wallet.granting(&consent))
        .await
        .unwrap();
    consent
}

fn codes(world: &World, block: impl IntoIterator<Item = Endorsed>) -> Vec<&'static str> {
    world
        .mock
        .commit(block)
        .unwrap()
        .into_iter()
        .map(|outcome| outcome.code.as_str_name())
        .collect()
}

#[tokio::test]
async fn a_revocation_beats_the_access_behind_it_in_the_block() {
    let world = world().await;
    let consent = granted(&world).await;
    let block = [revoking(&world, consent.id), asking(&world)];
    assert_eq!(codes(&world, block), ["VALID", "MVCC_READ_CONFLICT"]);
}

#[tokio::test]
async fn revocations_conflict_with_themselves_alone() {
    let world = world().await;
    let (one, two) = (granted(&world).await, granted(&world).await);
    let block = [revoking(&world, one.id), revoking(&world, two.id)];
    assert_eq!(
        codes(&world, block),
        ["VALID", "VALID"],
        "the epoch is written blindly"
    );
    let third = granted(&world).await;
    let twice = [revoking(&world, third.id), revoking(&world, third.id)];
    assert_eq!(codes(&world, twice), ["VALID", "MVCC_READ_CONFLICT"]);
    let again = revoking(&world, third.id);
    assert_eq!(codes(&world, [again]), ["VALID"], "revoked already is success");
}

#[tokio::test]
async fn accesses_do_not_conflict_and_nothing_stops_an_emergency() {
    let world = world().await;
    let consent = granted(&world).await;
    let doctor = world.client(CLINIC, Role::Emergency);
    let request = world.emergency(world.wallet.patient(), OverrideReason::Emergency, 30);
    let request = ConsentsClient::new(&doctor)
        .break_glass(HOSPITAL, request)
        .endorsed_by([HOSPITAL]);
    let glass = doctor.endorse(request.call().clone()).unwrap();
    let block = [
        asking(&world),
        asking(&world),
        revoking(&world, consent.id),
        glass,
    ];
    assert_eq!(codes(&world, block), ["VALID"; 4]);
}

#[tokio::test]
async fn two_organisations_guard_what_is_written_once() {
    let world = world().await;
    let consent = granted(&world).await;
    let access = world.access(&[Category::Laboratory]).await.unwrap();
    let glass = world.break_glass(OverrideReason::Emergency, 30).await.unwrap();
    let (revocation, intent) = world.wallet.revocation(&[consent.id]);
    world.revoke(&revocation, &intent).await.unwrap();
    let patient = world.wallet.patient();
    let key = world.wallet.key.public_key().id();
    let peer = world.client(HOSPITAL, Role::Custodian);
    let keys = [
        "secret".to_owned(),
        format!("pat~{patient}"),
        format!("key~{patient}~{key}"),
        format!("consent~{patient}~{}", consent.id),
        format!("revoke~{patient}~{}", consent.id),
        format!("acc~{patient}~{access}"),
        format!("tx~{access}"),
        format!("acc~{patient}~{glass}"),
        format!("bg~{glass}"),
    ];
    for key in keys {
        let policy =
            peer.transact(|ctx| Ok::<_, HealthError>(ctx.private_key_policy("care_HospitalMSP", &key)?));
        let expected = KeyPolicy::all_peers([HOSPITAL, REGULATOR]);
        assert_eq!(policy.unwrap().value, Some(expected), "{key}");
    }
}

#[tokio::test]
async fn each_step_of_a_claim_belongs_to_one_organisation() {
    let world = world().await;
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let line = ClaimLine::new(1, "X-1", world.today(), 1, 5);
    let (id, coverage) = (ClaimId::from_bytes([1; 16]), CoverageId::from_bytes([1; 16]));
    let claim = Claim::new(id, coverage, "1234567893", "USD", vec![line]);
    let body = ClaimBody {
        claim,
        salt: world.wallet.salt(),
    };
    let claims = ClaimsClient::new(&biller);
    claims
        .submit_claim(INSURER, HOSPITAL, body)
        .endorsed_by([HOSPITAL])
        .send()
        .await
        .unwrap();
    let policy = |key: String| {
        let read = biller.transact(|ctx| {
            Ok::<_, HealthError>(ctx.private_key_policy("pair_InsurerMSP_HospitalMSP", &key)?)
        });
        read.unwrap().value
    };
    let both = Some(KeyPolicy::all_peers([INSURER, HOSPITAL]));
    assert_eq!(policy(format!("claim~{id}")), both);
    assert_eq!(
        policy(format!("conf~{id}")),
        Some(KeyPolicy::any_peer([HOSPITAL]))
    );
    assert_eq!(policy(format!("head~{id}")), None, "the payer has not seen it");
    crate::claims::adjudicate(&world, id).await.unwrap();
    assert_eq!(policy(format!("head~{id}")), Some(KeyPolicy::any_peer([INSURER])));
}

/// A custodian alone endorses its collection. With altered code it can write a consent that nobody signed, but its honest vault does not
/// act on it.
#[tokio::test]
async fn a_consent_that_nobody_signed_releases_nothing() {
    let world = world().await;
    let patient = world.wallet.patient();
    let forged = world.wallet.consent(&[Category::Laboratory]);
    let intent = world
        .wallet
        .granting(&world.wallet.consent(&[Category::Medication]));
    let altered = world.client(HOSPITAL, Role::Custodian);
    let written = altered.transact(|ctx| {
        let era = ctx.private_hash("care_HospitalMSP", &format!("era~{patient}"))?.map(|hash| Hash::from_bytes(hash.try_into().unwrap()));
        let slots: serde_json::Value = ctx
            .private_get_json("care_HospitalMSP", &format!("pidx~{patient}"))?
            .unwrap_or_default();
        let slot = slots["slots"][0].as_str().unwrap_or_default();
        let forged = Consent { id: slot.parse()?, ..forged.clone() };
        let value = serde_json::json!({
            "granted": {
                "consent": forged, "intent": intent, "tx": "00", "at": 0, "nanos": 0, "era": era, "under": null, "answers": null,
            },
            "salt": forged.salt,
        });
        ctx.private_put_json("care_HospitalMSP", &format!("consent~{patient}~{slot}"), &value)?;
        Ok::<_, HealthError>(())
    });
    written.unwrap();
    let tx: TxId = world.access(&[Category::Laboratory]).await.unwrap();
    assert_eq!(world.outcome(&tx).await.unwrap().outcome, Outcome::Permitted);
    let release = world.release(&tx, world.now()).await.unwrap();
    assert!(release.fresh && release.epoch_unchanged && release.documents.is_empty());
}

/// Who carries a revocation can keep its body from every peer: it counts by its hash.
#[tokio::test]
async fn a_revocation_whose_body_was_withheld_counts() {
    let world = world().await;
    let revoked = granted(&world).await;
    let revoking = revoking(&world, revoked.id).withholding_private_values();
    assert_eq!(codes(&world, [revoking]), ["VALID"]);
    // Until somebody writes the epoch again nothing can be decided: its body is missing too.
    let laboratory = [Category::Laboratory];
    assert!(world.access(&laboratory).await.is_err());
    let note = world.wallet.consent(&[Category::Note]);
    world.grant(&note, &world.wallet.granting(&note)).await.unwrap();
    let asked = [Category::Laboratory, Category::Note];
    let tx = world.access(&asked).await.unwrap();
    let shape = world.mock.last_simulation().unwrap().shape();
    assert_eq!(world.outcome(&tx).await.unwrap().permitted, [Category::Note]);
    let other = crate::fixture::world().await;
    other.access(&asked).await.unwrap();
    assert_eq!(
        shape,
        other.mock.last_simulation().unwrap().shape(),
        "the chain shows the same"
    );
}
