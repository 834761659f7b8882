//! A consent's life on the network: asked for, given, used, taken back; by the patient, by who acts for them and by officers; and rivals in one block.

use std::time::Duration;

use careledger::health::{self, CLINIC, HOSPITAL, REGULATOR};
use careledger_api::codes::{Category, Purpose};
use careledger_api::contracts::consent::{
    ActorFilter, Confirmation, ConsentRequest, ConsentState, Guardianship, Measure, OfficialAct, Power,
    Relation, RequestState, Taken,
};
use careledger_api::date::Date;
use careledger_api::ids::{ActId, AuthorityId, Hash, RequestId};
use careledger_api::roles::Role;
use careledger_sdk::receipt::{ConsentReceipt, Controller};
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::wallet::{PatientAt, Signed, salt, unix_now};
use careledger_sdk::{HealthClient, Wallet};
use careledger_tests::engine;
use careledger_tests::hospital::{GRANTED, Hospital, treatment_at_the_clinic, two_hours};
use fabric_contract_core::{Call, CallError};
use fabric_gateway_sdk::{DecodedBlock, Transaction, ValidationCode};
use fabric_node::{Cutting, NetworkConfig};

/// How often two transactions that are to share a block are sent at most: on a busy machine the orderer often cuts between them.
const ROUNDS: usize = 60;

/// How many records a clinician of the clinic gets now.
async fn read(hospital: &Hospital) -> usize {
    let kem = KemKeyPair::generate();
    let tx = hospital.access(&GRANTED, &kem).await;
    let clinician = hospital.identity(CLINIC, "clinician");
    hospital
        .release(&clinician, &tx, &GRANTED, &kem)
        .await
        .map_or(0, |records| records.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asked_for_reviewed_given_used_and_taken_back() {
    let hospital = Hospital::open().await;
    let me = &hospital.patient;
    let (clinician, portal) = (
        hospital.client(CLINIC, Role::Clinician),
        hospital.client(HOSPITAL, Role::Portal),
    );
    let now = unix_now();
    let request = ConsentRequest {
        id: RequestId::from_bytes(rand::random()),
        patient: me.id(),
        purposes: vec![Purpose::Treatment],
        categories: GRANTED.to_vec(),
        period: two_hours(),
        open_until: now + 3_600,
        note: Hash::from_bytes(rand::random()),
        salt: salt(),
    };
    let asked = clinician.consents().request_access(HOSPITAL, request.clone());
    asked.send().await.expect("asked");
    assert_eq!(read(&hospital).await, 0);

    let Signed { body, intent } = me.ask("myRequests", HOSPITAL).expect("signed");
    let open = portal.consents().my_requests(HOSPITAL, body, intent);
    let open = open.send().await.expect("answered");
    assert_eq!((open.len(), open[0].state), (1, RequestState::Open));
    assert_eq!(
        (&open[0].request, open[0].requester.organisation.as_str()),
        (&request, CLINIC)
    );

    let answer = me
        .accept(request.id, two_hours(), vec![treatment_at_the_clinic()])
        .expect("signed");
    let consent = answer.body.consent.clone().expect("accepted").id;
    let filed = portal.consents().respond(HOSPITAL, answer.body, answer.intent);
    let filed = filed.send().await.expect("filed");
    let opened = read(&hospital).await;
    assert!(opened > 0);

    let receipt = receipt_of(&hospital, &portal, consent).await;
    assert_eq!(receipt.proof.transaction.as_str(), filed.tx_id);
    let block = portal.network().block_of_transaction(&filed.tx_id);
    let block = DecodedBlock::decode(&block.await.expect("the block"));
    let shown: Vec<bool> = block.transactions.iter().map(|tx| receipt.shown_by(tx)).collect();
    assert_eq!(shown.iter().filter(|shown| **shown).count(), 1);
    let mut altered = receipt;
    altered.proof.value = altered.proof.value.replace("laboratory", "medication");
    assert!(!block.transactions.iter().any(|tx| altered.shown_by(tx)));

    // The sdk carries a revocation until it stands, and a second time without effect.
    let revocation = me.revoke(vec![consent]).expect("signed");
    portal.revoke(HOSPITAL, &revocation).await.expect("revoked");
    assert_eq!(read(&hospital).await, 0);
    portal
        .revoke(HOSPITAL, &revocation)
        .await
        .expect("revoked already");
    let states = history(&hospital, me, &portal).await;
    assert_eq!(states, [ConsentState::Revoked]);
    hospital.network.stop().await;
}

async fn receipt_of(
    hospital: &Hospital,
    portal: &HealthClient,
    consent: careledger_api::ids::ConsentId,
) -> ConsentReceipt {
    let Signed { body, intent } = hospital.patient.ask_receipt(consent, HOSPITAL).expect("signed");
    let basis = portal.consents().my_receipt(HOSPITAL, body, intent);
    let controller = Controller {
        name: "Hospital".into(),
        msp_id: HOSPITAL.into(),
        jurisdiction: "US-CA".into(),
        language: "en".into(),
        policy_url: "https://hospital.example/privacy".into(),
    };
    let receipt =
        ConsentReceipt::issue(basis.send().await.expect("answered"), controller).expect("a receipt");
    let text = serde_json::to_string(&receipt).expect("JSON");
    serde_json::from_str(&text).expect("it travels as JSON")
}

async fn history(hospital: &Hospital, who: &PatientAt, portal: &HealthClient) -> Vec<ConsentState> {
    let Signed { body, intent } = who.ask("myConsents", HOSPITAL).expect("signed");
    assert_eq!(body.patient, hospital.patient.id());
    let views = portal.consents().my_consents(HOSPITAL, body, intent);
    let views = views.send().await.expect("answered");
    views.into_iter().map(|view| view.state).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_act_for_the_patient_within_what_they_were_given() {
    let hospital = Hospital::open().await;
    let me = &hospital.patient;
    let portal = hospital.client(HOSPITAL, Role::Portal);
    let mother = Wallet::generate(health::consortium())
        .at(HOSPITAL)
        .expect("a wallet");
    hospital.enrol(&mother).await;

    // Two officers register her; one organisation's endorsement is not enough.
    let guardianship = Guardianship {
        authority: AuthorityId::from_bytes(rand::random()),
        holder: mother.id(),
        relation: Relation::Parent,
        from: Date::from_unix(unix_now() - 86_400).expect("a date"),
        until: Date::from_unix(unix_now() + 300 * 86_400).expect("a date"),
    };
    let act = OfficialAct {
        id: ActId::from_bytes(rand::random()),
        patient: me.id(),
        measure: Measure::Appoint(guardianship.clone()),
        basis: Hash::from_bytes(rand::random()),
        salt: salt(),
    };
    let registrar = hospital.client(HOSPITAL, Role::Registrar);
    let proposed = registrar.consents().propose_act(HOSPITAL, act.clone());
    proposed.send().await.expect("proposed");
    let officer = hospital.client(REGULATOR, Role::Dpo);
    let confirmation = Confirmation {
        act: act.id,
        salt: salt(),
    };
    let alone = officer.consents().confirm_act(HOSPITAL, confirmation.clone());
    let alone = alone.endorsed_by([HOSPITAL]).send().await;
    assert!(
        matches!(
            &alone,
            Err(CallError::Transport(error))
                if error.validation_code() == Some(ValidationCode::ENDORSEMENT_POLICY_FAILURE)
        ),
        "{alone:?}"
    );
    let confirmed = officer.consents().confirm_act(HOSPITAL, confirmation);
    confirmed.send().await.expect("in force");

    let she = mother.acting_for(me.id(), guardianship.authority);
    grant(&portal, she.grant(two_hours(), vec![treatment_at_the_clinic()])).await;
    let opened = read(&hospital).await;
    assert!(opened > 0, "the vault checks the guardian's signature");
    // The patient shuts the clinic out, whatever permits it, and lifts that again.
    let clinic = ActorFilter {
        organisation: Some(CLINIC.to_owned()),
        ..ActorFilter::default()
    };
    let denial = me.shut_out(clinic).expect("signed");
    let lifted = vec![denial.body.id];
    grant(&portal, Ok(denial)).await;
    assert_eq!(read(&hospital).await, 0);
    let lifting = me.revoke(lifted).expect("signed");
    portal.revoke(HOSPITAL, &lifting).await.expect("lifted");
    assert_eq!(read(&hospital).await, opened);
    let all = she.revoke_all().expect("signed");
    portal.revoke(HOSPITAL, &all).await.expect("taken back");
    assert_eq!(read(&hospital).await, 0);
    let states = history(&hospital, &she, &portal).await;
    assert_eq!(states, [ConsentState::Revoked, ConsentState::Revoked]);
    hospital.network.stop().await;
}

async fn grant(
    portal: &HealthClient,
    signed: Result<Signed<careledger_api::contracts::consent::Consent>, careledger_api::HealthError>,
) {
    let Signed { body, intent } = signed.expect("signed");
    let granted = portal.consents().grant(HOSPITAL, body, intent);
    granted.send().await.expect("granted");
}

/// A call endorsed by the hospital and not yet ordered.
async fn endorsed(client: &HealthClient, call: &Call) -> Transaction {
    let contract = client.network().contract(health::CHAINCODE);
    let proposal = contract
        .proposal(&format!("{}:{}", call.contract, call.function))
        .args(call.args.clone())
        .transient_all(call.transient.clone())
        .endorsing_organizations([HOSPITAL]);
    proposal.build().endorse().await.expect("endorsed")
}

/// Orders two transactions one behind the other: their verdicts, and whether they share a block.
async fn ordered(first: &Transaction, second: &Transaction) -> ([ValidationCode; 2], bool) {
    let (first, second) = (
        first.submit().await.expect("taken"),
        second.submit().await.expect("taken"),
    );
    let first = first.status().await.expect("a status");
    let second = second.status().await.expect("a status");
    (
        [first.code, second.code],
        first.block_number == second.block_number,
    )
}

/// What wins when a patient takes something back while somebody makes use of it: whoever is ordered first, also within one block.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_ordered_first_wins_within_one_block() {
    if engine::embedded_only("it cuts blocks by its own settings") {
        return;
    }
    let mut config: NetworkConfig = health::network_config();
    config.cutting = Cutting::Timer;
    config.batch.timeout = Duration::from_millis(100);
    let hospital = Hospital::open_on(config).await;
    let me = &hospital.patient;
    let portal = hospital.client(HOSPITAL, Role::Portal);
    let clinician = hospital.client_at(HOSPITAL, hospital.identity(CLINIC, "clinician"));
    let sister = Wallet::generate(health::consortium())
        .at(HOSPITAL)
        .expect("a wallet");
    hospital.enrol(&sister).await;

    let access = async || {
        let request = hospital.request(&[Category::Laboratory], KemKeyPair::generate().public());
        endorsed(&clinician, clinician.consents().access(HOSPITAL, request).call()).await
    };
    let taking = async |taken: Taken| {
        let reason = careledger_api::contracts::consent::RevocationReason::Choice;
        let Signed { body, intent } = me.take_back(taken, reason).expect("signed");
        endorsed(&portal, portal.consents().revoke(HOSPITAL, body, intent).call()).await
    };
    let granting = async |who: &PatientAt| {
        let signed = who.grant(two_hours(), vec![treatment_at_the_clinic()]);
        let Signed { body, intent } = signed.expect("signed");
        endorsed(&portal, portal.consents().grant(HOSPITAL, body, intent).call()).await
    };
    let valid = ValidationCode::VALID;
    let conflict = ValidationCode::MVCC_READ_CONFLICT;

    // Every pair in both orders; a slow machine may cut between them, which changes no verdict: such a round is played again for the block's sake.
    for revoke_first in [true, false] {
        let shared = async {
            for _ in 0..ROUNDS {
                let signed = me
                    .grant(two_hours(), vec![treatment_at_the_clinic()])
                    .expect("signed");
                let id = signed.body.id;
                grant(&portal, Ok(signed)).await;
                let (access, revoke) = (access().await, taking(Taken::Consents(vec![id])).await);
                let ((codes, one_block), expected) = if revoke_first {
                    (ordered(&revoke, &access).await, [valid, conflict])
                } else {
                    (ordered(&access, &revoke).await, [valid, valid])
                };
                assert_eq!(codes, expected, "revocation first: {revoke_first}");
                if one_block {
                    return true;
                }
            }
            false
        };
        assert!(shared.await, "never in one block");

        let shared = async {
            for _ in 0..ROUNDS {
                let (grant, all) = (granting(me).await, taking(Taken::All).await);
                let ((codes, one_block), expected) = if revoke_first {
                    (ordered(&all, &grant).await, [valid, conflict])
                } else {
                    (ordered(&grant, &all).await, [valid, valid])
                };
                assert_eq!(codes, expected, "revocation of all first: {revoke_first}");
                assert_eq!(read(&hospital).await, 0, "either way nothing counts");
                if one_block {
                    return true;
                }
            }
            false
        };
        assert!(shared.await, "never in one block");

        let shared = async {
            for _ in 0..ROUNDS {
                let delegation = me.delegate(sister.id(), [Power::Grant].into(), two_hours());
                let Signed { body, intent } = delegation.expect("signed");
                let authority = body.id;
                let given = portal.consents().delegate(HOSPITAL, body, intent);
                given.send().await.expect("delegated");
                let she = sister.acting_for(me.id(), authority);
                let Signed { body, intent } = me.undelegate(authority).expect("signed");
                let end = portal.consents().undelegate(HOSPITAL, body, intent);
                let (grant, end) = (granting(&she).await, endorsed(&portal, end.call()).await);
                let ((codes, one_block), expected) = if revoke_first {
                    (ordered(&end, &grant).await, [valid, conflict])
                } else {
                    (ordered(&grant, &end).await, [valid, valid])
                };
                assert_eq!(codes, expected, "end of the delegation first: {revoke_first}");
                assert_eq!(read(&hospital).await, 0, "it lapses with the delegation");
                if one_block {
                    return true;
                }
            }
            false
        };
        assert!(shared.await, "never in one block");
    }
    hospital.network.stop().await;
}
