//! Credentials and recoveries on the network: a suspension in a race with an access and a broken glass, and a recovery as far as it comes without waiting
//! three days.

use careledger::credentials::person_of_user;
use careledger::health::{CLINIC, HOSPITAL, REGULATOR, consortium};
use careledger_api::HealthError;
use careledger_api::codes::{Category, OverrideReason};
use careledger_api::contracts::consent::{AccessRequest, BreakGlassRequest};
use careledger_api::contracts::credential::CredentialStatus;
use careledger_api::contracts::identity::IdentityAct;
use careledger_api::ids::{KemPublicKey, TxId};
use careledger_api::keys::{Algorithm, DeviceKey};
use careledger_api::recovery::Rules;
use careledger_api::roles::Role;
use careledger_sdk::wallet::{GuardianCard, PatientAt, Signed, policy_of};
use careledger_sdk::{HealthCallError, HealthClient, Wallet};
use careledger_tests::hospital::Hospital;
use fabric_contract_core::CallError;

fn refusal<T: std::fmt::Debug>(result: Result<T, HealthCallError>) -> HealthError {
    match result {
        Err(CallError::Contract(error)) => error,
        other => panic!("the contract's refusal was expected, not {other:?}"),
    }
}

fn glass(hospital: &Hospital) -> BreakGlassRequest {
    BreakGlassRequest {
        patient: hospital.patient.id(),
        reason: OverrideReason::Emergency,
        minutes: 30,
        attest: true,
        encounter: None,
        kem_key: KemPublicKey::from_bytes([9; 32]),
    }
}

fn request(hospital: &Hospital) -> AccessRequest {
    hospital.request(&[Category::Laboratory], KemPublicKey::from_bytes([9; 32]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_clinician_is_refused_at_once_also_in_an_emergency() {
    let hospital = Hospital::open().await;
    let doctor = hospital.client(CLINIC, Role::Emergency);
    let person = person_of_user(&hospital.identity(CLINIC, Role::Emergency.as_str())).unwrap();
    let regulator = hospital.client(REGULATOR, Role::Issuer);
    doctor
        .consents()
        .break_glass(HOSPITAL, glass(&hospital))
        .send()
        .await
        .unwrap();

    // Many accesses race the suspension: whatever is ordered before it holds, whatever is ordered behind it is invalid or refused.
    let race = async {
        for _ in 0..40 {
            let asked = doctor.consents().access(HOSPITAL, request(&hospital));
            match asked.send().await {
                // Before the suspension, or endorsed before it and ordered behind it.
                Ok(_) | Err(CallError::Transport(_)) => {}
                Err(CallError::Contract(HealthError::Forbidden(_))) => break,
                Err(other) => panic!("{other:?}"),
            }
        }
    };
    let suspending = async {
        regulator
            .credentials()
            .suspend(CLINIC, person)
            .send()
            .await
            .unwrap()
    };
    let ((), suspension) = tokio::join!(race, suspending);
    doctor.caught_up(&suspension.tx_id).await.unwrap();
    hospital
        .client(HOSPITAL, Role::Custodian)
        .caught_up(&suspension.tx_id)
        .await
        .unwrap();
    let access = doctor
        .consents()
        .access(HOSPITAL, request(&hospital))
        .send()
        .await;
    assert!(matches!(refusal(access), HealthError::Forbidden(_)));
    let broken = doctor
        .consents()
        .break_glass(HOSPITAL, glass(&hospital))
        .send()
        .await;
    assert!(matches!(refusal(broken), HealthError::Forbidden(_)));

    // The clinic does not undo what the regulator did; the regulator does.
    let clinic = hospital.client(CLINIC, Role::Issuer);
    clinic.caught_up(&suspension.tx_id).await.unwrap();
    let undone = clinic.credentials().reinstate(CLINIC, person).send().await;
    assert!(matches!(refusal(undone), HealthError::SodViolation(_)));
    let status = clinic.credentials().status(CLINIC, person).send().await.unwrap();
    assert_eq!(status.status, CredentialStatus::Suspended);
    let back = regulator
        .credentials()
        .reinstate(CLINIC, person)
        .send()
        .await
        .unwrap();
    hospital
        .client(HOSPITAL, Role::Custodian)
        .caught_up(&back.tx_id)
        .await
        .unwrap();
    doctor
        .consents()
        .break_glass(HOSPITAL, glass(&hospital))
        .send()
        .await
        .unwrap();
}

/// Waits until both organisations that guard the account have a transaction.
async fn on_both(hospital: &Hospital, tx: &str) {
    for organisation in [HOSPITAL, REGULATOR] {
        let client = hospital.client(organisation, Role::Custodian);
        client.caught_up(tx).await.expect("committed");
    }
}

async fn grant(
    hospital: &Hospital,
    portal: &HealthClient,
    patient: &PatientAt,
) -> Result<(), HealthCallError> {
    use careledger_tests::hospital::{treatment_at_the_clinic, two_hours};
    let Signed { body, intent } = patient
        .grant(two_hours(), vec![treatment_at_the_clinic()])
        .expect("signed");
    let granted = portal.consents().grant(HOSPITAL, body, intent).send().await?;
    on_both(hospital, &granted.tx_id).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_waits_is_too_early_and_ends_by_the_owners_veto() {
    let hospital = Hospital::open().await;
    let (patient, portal) = (&hospital.patient, hospital.client(HOSPITAL, Role::Portal));
    let identity = portal.identity();

    // A second device, then a rotation of it: both organisations endorse.
    let tablet = DeviceKey::from_secret(Algorithm::Ed25519, &[5; 32]).unwrap();
    let Signed { body, intent } = patient.add_key(tablet.public_key()).unwrap();
    let added = identity.add_key(HOSPITAL, body, intent).send().await.unwrap();
    on_both(&hospital, &added.tx_id).await;
    let newer = DeviceKey::from_secret(Algorithm::P256, &[6; 32]).unwrap();
    let on_tablet = patient.with_key(tablet);
    let Signed { body, intent } = on_tablet.rotate_key(newer.public_key()).unwrap();
    let rotated = identity.rotate_key(HOSPITAL, body, intent).send().await.unwrap();
    on_both(&hospital, &rotated.tx_id).await;
    let tablet = patient.with_key(newer);
    let refused = refusal(grant(&hospital, &portal, &on_tablet).await);
    assert!(matches!(refused, HealthError::BadIntent(_)), "{refused}");
    grant(&hospital, &portal, &tablet).await.unwrap();

    let wallets: Vec<Wallet> = (0..3).map(|_| Wallet::generate(consortium())).collect();
    let guardians: Vec<_> = wallets.iter().map(|w| w.guardian_key().unwrap()).collect();
    let cards: Vec<GuardianCard> = guardians
        .iter()
        .map(|g| GuardianCard::issue(patient, g.public_key()))
        .collect();
    let policy = policy_of(&cards, 2, Rules::STANDARD.default_delay, true).unwrap();
    let Signed { body, intent } = patient.choose_guardians(policy).unwrap();
    let chosen = identity
        .choose_guardians(HOSPITAL, body, intent)
        .send()
        .await
        .unwrap();
    on_both(&hospital, &chosen.tx_id).await;

    let restoring = Wallet::generate(consortium())
        .at(HOSPITAL)
        .unwrap()
        .restoring(patient.id());
    let approval = |n: usize| {
        guardians[n]
            .approve(&cards[n], restoring.recovery(), restoring.key())
            .unwrap()
    };
    // The guardians reach the ledger through another organisation's gateway.
    let clinic = hospital.client(CLINIC, Role::Portal);
    let Signed { body, intent } = restoring.open(approval(0)).unwrap();
    let opened = clinic
        .identity()
        .init_recovery(HOSPITAL, body, intent)
        .send()
        .await
        .unwrap();
    on_both(&hospital, &opened.tx_id).await;
    grant(&hospital, &portal, patient).await.unwrap();
    let approved = clinic
        .identity()
        .approve_recovery(HOSPITAL, approval(2))
        .send()
        .await
        .unwrap();
    on_both(&hospital, &approved.tx_id).await;
    let refused = refusal(grant(&hospital, &portal, patient).await);
    assert!(matches!(refused, HealthError::ConflictState(_)), "{refused}");
    let begun = clinic
        .identity()
        .begin_delay(HOSPITAL, restoring.begin_delay())
        .send()
        .await
        .unwrap();
    on_both(&hospital, &begun.tx_id).await;
    let Signed { body, intent } = restoring.execute().unwrap();
    let early = clinic
        .identity()
        .execute_recovery(HOSPITAL, body, intent)
        .send()
        .await;
    let early = refusal(early);
    assert!(early.to_string().contains("too early"), "{early}");

    // The notifier learns whose account it is; the owner looks at it and vetoes.
    let notifier = hospital.client(HOSPITAL, Role::Notifier);
    let tx: TxId = begun.tx_id.parse().unwrap();
    let notice = notifier.identity().notice(HOSPITAL, tx).send().await.unwrap();
    assert_eq!(
        (notice.patient, notice.act),
        (patient.id(), IdentityAct::DelayBegun)
    );
    let Signed { body, intent } = patient.ask_account(CLINIC).unwrap();
    let view = clinic
        .identity()
        .my_account(HOSPITAL, body, intent)
        .send()
        .await
        .unwrap();
    assert_eq!(view.account.live.len(), 2);
    let recovery = view.account.recovery.expect("a recovery is open");
    assert_eq!(recovery.key, restoring.key());
    let Signed { body, intent } = tablet.veto_recovery(recovery.id).unwrap();
    let vetoed = identity
        .veto_recovery(HOSPITAL, body, intent)
        .send()
        .await
        .unwrap();
    on_both(&hospital, &vetoed.tx_id).await;
    let Signed { body, intent } = restoring.execute().unwrap();
    let gone = clinic
        .identity()
        .execute_recovery(HOSPITAL, body, intent)
        .send()
        .await;
    assert_eq!(refusal(gone), HealthError::NotFound);
    grant(&hospital, &portal, patient).await.unwrap();
}
