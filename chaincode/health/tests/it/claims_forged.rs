//! One organisation with altered code: either member of a pair's collection writes any key of it that is absent. None of what it can write there moves the
//! other's money.

use crate::claims::{
    adjudicate, approved, authorised, authorising, book, came, codes, covered_by, id, on, paid, paying,
    payment, providers, receive, remittance, remitting, replace, request, submit, view, waiting,
};
use crate::fixture::{CLINIC, HOSPITAL, INSURER, World, world};
use careledger_api::HealthError;
use careledger_api::adjudication::Frequency;
use careledger_api::contracts::claims::{
    AdjudicationStep, ClaimBody, ClaimStatus, ClaimsClient, ReportQuery,
};
use careledger_api::ids::TxId;
use careledger_api::roles::Role;
use fabric_contract_core::{KeyPolicy, Principal};
use fabric_contract_mock::now;
use serde_json::{Value, json};

pub const PAIR: &str = "pair_InsurerMSP_HospitalMSP";

/// An organisation's peer runs code of its own, which writes values to the pair's collection. False where the ledger would not take them: the key's own
/// policy asks for another organisation. (The mock checks no policies; absent keys are under the collection's, which either member satisfies.)
pub fn forge(world: &World, organisation: &str, values: &[(String, Value)]) -> bool {
    let role = match organisation {
        INSURER => Role::Payer,
        _ => Role::ProviderBilling,
    };
    let altered = world.client(organisation, role);
    let own = Principal::new(organisation, fabric_contract_core::Role::Peer);
    let written = altered.transact(|ctx| {
        for (key, value) in values {
            let guard = ctx.private_key_policy(PAIR, key)?;
            if guard.is_some_and(|guard| guard.required > 1 || !guard.principals.contains(&own)) {
                return Err(HealthError::Forbidden("the ledger does not take it".into()));
            }
            ctx.private_put_json(PAIR, key, value)?;
        }
        Ok::<_, HealthError>(())
    });
    written.is_ok()
}

/// The altered code guards a key.
pub fn guard(world: &World, key: &str, policy: &KeyPolicy) {
    let altered = world.client(HOSPITAL, Role::ProviderBilling);
    let guarded = altered.transact(|ctx| {
        ctx.set_private_key_policy(PAIR, key, policy)?;
        Ok::<_, HealthError>(())
    });
    guarded.unwrap();
}

/// The provider's peer writes a claim without any of the contract's checks; its keys are guarded as the contract does, or the claim's is not.
pub fn forge_claim(world: &World, body: &ClaimBody, guarded: bool) {
    let n = body.claim.id;
    let values = [
        (
            format!("claim~{n}"),
            json!({"claim": body.claim, "received": "2027-01-14", "salt": body.salt}),
        ),
        (format!("conf~{n}"), json!({"payment": null, "salt": salt(world)})),
    ];
    assert!(forge(world, HOSPITAL, &values));
    guard(world, &values[1].0, &KeyPolicy::any_peer([HOSPITAL]));
    if guarded {
        guard(world, &values[0].0, &KeyPolicy::all_peers([INSURER, HOSPITAL]));
    }
}

/// The provider's peer says of a claim what it likes: the key is its own.
pub fn forge_word(world: &World, n: u8, change: impl FnOnce(&mut Value)) {
    let key = format!("conf~{}", id(n));
    let mut word = stored(world, key.clone());
    change(&mut word);
    assert!(forge(world, HOSPITAL, &[(key, word)]));
}

pub fn stored(world: &World, key: String) -> Value {
    let value = world.mock.private(HOSPITAL, PAIR, &key).unwrap();
    serde_json::from_slice(&value.unwrap()).unwrap()
}

pub fn salt(world: &World) -> Value {
    json!(world.wallet.salt())
}

fn head(world: &World, status: &str, decided: Option<&TxId>) -> Value {
    let tx = json!("ab".repeat(32));
    json!({
        "status": status, "tx": tx, "salt": salt(world), "deciders": [], "rulings": {},
        "decided": decided.map(|tx| json!({"tx": tx, "on": "2027-01-15"})),
    })
}

#[tokio::test]
async fn a_head_that_the_payer_did_not_write_pays_nothing() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    submit(&world, on(&world, 1, "2027-01-14")).await.unwrap();
    submit(&world, on(&world, 2, "2027-01-15")).await.unwrap();
    let real = adjudicate(&world, id(1)).await.unwrap();
    let mut adjudication = stored(&world, format!("adj~{}~{real}", id(1)));
    adjudication["adjudication"]["claim"] = json!(id(2));
    adjudication["adjudication"]["allowed"] = json!(1_000_000);
    for status in ["APPROVED", "PAYABLE"] {
        let values = [
            (format!("adj~{}~{real}", id(2)), adjudication.clone()),
            (format!("head~{}", id(2)), head(&world, status, Some(&real))),
        ];
        forge(&world, HOSPITAL, &values);
        for amount in [1_000_000, 17_100] {
            let paid = paying(&world, 2, amount).await.unwrap_err();
            assert!(matches!(paid, HealthError::ConflictState(_)), "{paid:?}");
        }
        let remitted = remitting(&world, 2).await.unwrap_err();
        assert!(matches!(remitted, HealthError::ConflictState(_)));
        let decided = adjudicate(&world, id(2)).await.unwrap_err();
        assert!(
            matches!(&decided, HealthError::ConflictState(text) if text.contains("somebody else")),
            "{decided:?}"
        );
    }
}

#[tokio::test]
async fn nothing_that_a_provider_adds_makes_a_claim_paid_twice() {
    let world = paid().await;
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    providers!(&world, &biller, confirm(came(&world))).unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Cleared);
    // The copy stays the payer's after the payment.
    let one = id(1);
    assert!(!forge(
        &world,
        HOSPITAL,
        &[(format!("head~{one}"), head(&world, "APPROVED", None))]
    ));
    let marks = json!({"by": null, "text": "", "salt": salt(&world)});
    for kind in ["rev", "void", "repl", "prop"] {
        assert!(forge(
            &world,
            HOSPITAL,
            &[(format!("{kind}~{one}"), marks.clone())]
        ));
    }
    for refused in [paying(&world, 1, 17_100).await, remitting(&world, 1).await] {
        assert!(matches!(refused, Err(HealthError::ConflictState(_))));
    }
    let mut instead = on(&world, 2, "2027-01-14");
    (instead.claim.frequency, instead.claim.replaces) = (Frequency::Replacement, Some(one));
    let replaced = replace(&world, instead).await;
    assert!(
        matches!(replaced, Err(HealthError::ConflictState(_))),
        "{replaced:?}"
    );
    assert_eq!(
        (book(&world, 1).await.paid, book(&world, 1).await.due),
        (17_100, 0)
    );
}

/// The provider's peer skips its own checks: fingerprints, the form, what a replacement is.
#[tokio::test]
async fn a_provider_that_skipped_its_checks_gains_nothing() {
    let world = approved().await;
    let forged = |n: u8, guarded: bool, change: &dyn Fn(&mut ClaimBody)| {
        let mut body = on(&world, n, "2027-01-14");
        change(&mut body);
        forge_claim(&world, &body, guarded);
    };
    // The same service once more.
    forged(2, true, &|_| ());
    adjudicate(&world, id(2)).await.unwrap();
    assert_eq!(view(&world, 2).await.status, ClaimStatus::Denied);
    // What no form may have.
    forged(3, true, &|body| body.claim.total = 1);
    // A replacement of a claim that goes on.
    forged(4, true, &|body| {
        (body.claim.frequency, body.claim.replaces) = (Frequency::Replacement, Some(id(1)));
    });
    receive(&world, &[3, 4]).await.unwrap();
    for n in [3, 4] {
        let seen = view(&world, n).await;
        assert_eq!(seen.status, ClaimStatus::Rejected);
        assert!(!seen.rejection.is_empty());
        let decided = adjudicate(&world, id(n)).await;
        assert!(matches!(decided, Err(HealthError::ConflictState(_))));
    }
    // Another claim's body under an id.
    let other = stored(&world, format!("claim~{}", id(1)));
    assert!(forge(&world, HOSPITAL, &[(format!("claim~{}", id(5)), other)]));
    assert_eq!(
        adjudicate(&world, id(5)).await.unwrap_err(),
        HealthError::NotFound
    );
    // A body that the provider alone can change: nothing is decided on it.
    forged(6, false, &|body| {
        body.claim.lines[0].date = "2027-01-13".parse().unwrap();
    });
    let unguarded = adjudicate(&world, id(6)).await;
    assert!(matches!(unguarded, Err(HealthError::ConflictState(_))));
    // What has no form ends nobody's view.
    let odd = json!({"salt": salt(&world)});
    assert!(forge(&world, HOSPITAL, &[(format!("claim~{}", id(7)), odd)]));
    let payer = world.client(INSURER, Role::Payer);
    let report = ClaimsClient::new(&payer).service_report(INSURER, HOSPITAL, ReportQuery::default());
    let report = report.endorsed_by([INSURER]).send().await.unwrap();
    assert_eq!(report.claims.in_time, 2);
}

#[tokio::test]
async fn a_provider_does_not_authorise_itself() {
    let world = authorising().await;
    let asked = request(&world, 9);
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    providers!(&world, &biller, request_authorisation(asked.clone())).unwrap();
    let approved = json!({
        "status": "APPROVED", "given": {"units": 9, "period": asked.period}, "used": 0, "text": null,
        "tx": "ab".repeat(32), "salt": salt(&world),
    });
    assert!(forge(
        &world,
        HOSPITAL,
        &[(format!("authhead~{}", asked.id), approved)]
    ));
    submit(&world, authorised(&world, 1, 1)).await.unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Denied);
}

/// The payer alone cannot say that its money came, nor answer for the provider.
#[tokio::test]
async fn a_payer_does_not_speak_for_the_provider() {
    let world = approved().await;
    let paid = paying(&world, 1, 17_100).await.unwrap();
    let one = id(1);
    let came = json!({"payment": paid, "salt": salt(&world)});
    assert!(!forge(&world, INSURER, &[(format!("conf~{one}"), came)]));
    let mut body = stored(&world, format!("claim~{one}"));
    body["claim"]["lines"][0]["charge"] = json!(1);
    assert!(!forge(&world, INSURER, &[(format!("claim~{one}"), body)]));
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Paid);
}

/// One id in two pairs of a payer is two claims, and one service of one performer is paid once, whoever bills for it.
#[tokio::test]
async fn two_providers_of_one_payer_do_not_meet_in_an_id_but_in_a_service() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    let elsewhere = |n: u8, day: &str| {
        let biller = world.client(CLINIC, Role::ProviderBilling);
        let payer = world.client(INSURER, Role::Payer);
        let mut body = on(&world, n, day);
        body.claim.provider_npi = "1000000004".into();
        body.claim.lines[0].rendering_npi = Some("1234567893".into());
        let claims = ClaimsClient::new(&biller);
        let sent = now(claims
            .submit_claim(INSURER, CLINIC, body)
            .endorsed_by([CLINIC])
            .send());
        world.receipt(sent).unwrap();
        let step = AdjudicationStep::new(id(n), world.wallet.salt());
        let claims = ClaimsClient::new(&payer);
        let sent = now(claims
            .adjudicate(INSURER, CLINIC, step)
            .endorsed_by([INSURER])
            .send());
        world.receipt(sent).unwrap();
        let seen = now(claims.claim(INSURER, CLINIC, id(n)).endorsed_by([INSURER]).send());
        seen.unwrap().status
    };
    submit(&world, on(&world, 1, "2027-01-14")).await.unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    assert_eq!(elsewhere(1, "2027-01-13"), ClaimStatus::Approved, "the same id");
    assert_eq!(
        elsewhere(2, "2027-01-14"),
        ClaimStatus::Denied,
        "the same service"
    );
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Approved);
}

#[tokio::test]
async fn of_two_remittances_or_payments_in_one_block_one_counts() {
    let world = approved().await;
    let payer = world.client(INSURER, Role::Payer);
    let remitting = |n: u8| waiting!(&payer, INSURER, remit(remittance(&world, n, &[1])));
    let block = [remitting(1), remitting(2)];
    assert_eq!(codes(&world, block), ["VALID", "MVCC_READ_CONFLICT"]);
    let paying = || waiting!(&payer, INSURER, pay(payment(&world, 1, 17_100)));
    let block = [paying(), paying()];
    assert_eq!(codes(&world, block), ["VALID", "MVCC_READ_CONFLICT"]);
    assert_eq!(book(&world, 1).await.paid, 17_100);
}
