//! Device keys, guardians, freezes and recoveries of patients, and the credentials of professionals.

use careledger::credentials::person_of_user;
use careledger::health::{CLINIC, HOSPITAL, REGULATOR, consortium};
use careledger_api::contracts::credential::{CredentialKind, Licence, Renewal, StandingQuery};
use careledger_api::contracts::identity::{AccountStep, LapsingQuery, PatientQuery, SpentNonce};
use careledger_api::date::Period;
use careledger_api::ids::{Hash, Nonce};
use careledger_api::keys::{Algorithm, DeviceKey};
use careledger_api::recovery::Rules;
use careledger_api::roles::Role;
use careledger_sdk::Wallet;
use careledger_sdk::credential::Verified;
use careledger_sdk::wallet::{GuardianCard, GuardianKey, PatientAt, policy_of, salt, unfreezing, unix_now};

use super::super::Story;
use super::{ask, refused, submit};

/// Plays all of it.
pub(super) async fn play(story: &Story) {
    keys(story).await;
    guarded(story).await;
    credentials(story).await;
}

fn device(algorithm: Algorithm) -> DeviceKey {
    DeviceKey::from_secret(algorithm, &rand::random::<[u8; 32]>()).expect("a key")
}

async fn enrolled(story: &Story) -> PatientAt {
    let patient = Wallet::generate(consortium()).at(HOSPITAL).expect("a wallet");
    story.plant(&patient.id().to_string());
    let registrar = story.client(HOSPITAL, Role::Registrar);
    submit!(story, registrar, identity.enrol[patient.enrol()]);
    patient
}

async fn keys(story: &Story) {
    let (patient, portal) = (enrolled(story).await, story.client(CLINIC, Role::Portal));
    let (tablet, watch) = (device(Algorithm::Ed25519), device(Algorithm::P256));
    let added = patient.add_key(tablet.public_key()).expect("signed");
    submit!(story, portal, identity.add_key[Ok::<_, ()>(added.clone())]);
    refused!(story, portal, identity.add_key[Ok::<_, ()>(added)]);
    let on_tablet = patient.with_key(tablet.clone());
    submit!(
        story,
        portal,
        identity.rotate_key[on_tablet.rotate_key(watch.public_key())]
    );
    refused!(
        story,
        portal,
        identity.revoke_key[on_tablet.revoke_key(watch.public_key().id())]
    );
    let on_watch = patient.with_key(watch.clone());
    submit!(story, portal, identity.freeze[patient.freeze(None)]);
    refused!(story, portal, identity.unfreeze[patient.unfreeze()]);
    submit!(story, portal, identity.unfreeze[on_watch.unfreeze()]);
    submit!(
        story,
        portal,
        identity.revoke_key[patient.revoke_key(watch.public_key().id())]
    );

    let registrar = story.client(HOSPITAL, Role::Registrar);
    let query = PatientQuery {
        patient: patient.id(),
    };
    ask!(story, registrar, identity.keys(HOSPITAL, query.clone()));
    ask!(story, registrar, identity.account(HOSPITAL, query));
    let keeper = story.client(HOSPITAL, Role::Custodian);
    let spent = SpentNonce {
        patient: patient.id(),
        nonce: Nonce::from_bytes(rand::random()),
    };
    refused!(story, keeper, identity.prune_nonces(HOSPITAL, vec![spent]));
}

/// Guardians restore, the owner vetoes; two officers attest, the owner vetoes again.
async fn guarded(story: &Story) {
    let (patient, portal) = (enrolled(story).await, story.client(CLINIC, Role::Portal));
    let guardian = || Wallet::generate(consortium()).guardian_key().expect("a key");
    let guardians: Vec<GuardianKey> = (0..3).map(|_| guardian()).collect();
    let cards: Vec<GuardianCard> = guardians
        .iter()
        .map(|g| GuardianCard::issue(&patient, g.public_key()))
        .collect();
    for card in &cards {
        story.plant(&card.opening.to_string());
    }
    let delay = Rules::STANDARD.default_delay;
    let policy = |threshold| policy_of(&cards, threshold, delay, true).expect("a policy");
    submit!(
        story,
        portal,
        identity.choose_guardians[patient.choose_guardians(policy(2))]
    );
    submit!(
        story,
        portal,
        identity.choose_guardians[patient.choose_guardians(policy(1))]
    );
    submit!(story, portal, identity.renew_guardians[patient.renew_guardians()]);
    let notifier = story.client(HOSPITAL, Role::Notifier);
    ask!(
        story,
        notifier,
        identity.lapsing(HOSPITAL, LapsingQuery::default())
    );
    let reminder = AccountStep {
        patient: patient.id(),
        salt: salt(),
    };
    refused!(story, notifier, identity.remind_guardians(HOSPITAL, reminder));
    submit!(story, portal, identity.cancel_choice[patient.cancel_choice()]);
    refused!(story, portal, identity.cancel_choice[patient.cancel_choice()]);

    let frozen = submit!(story, portal, identity.freeze[patient.freeze(None)]);
    let approvals = |number: u32| {
        let two = guardians.iter().zip(&cards).take(2);
        two.map(|(key, card)| key.unfreeze(card, number).expect("signed"))
            .collect()
    };
    refused!(
        story,
        portal,
        identity.unfreeze_by_guardians(HOSPITAL, unfreezing(patient.id(), approvals(7)))
    );
    submit!(
        story,
        portal,
        identity.unfreeze_by_guardians(HOSPITAL, unfreezing(patient.id(), approvals(0)))
    );
    let notifier = story.client(HOSPITAL, Role::Notifier);
    ask!(story, notifier, identity.notice(HOSPITAL, frozen));

    let restoring = Wallet::generate(consortium())
        .at(HOSPITAL)
        .expect("a wallet")
        .restoring(patient.id());
    let approve = |n: usize| {
        let approval = guardians[n].approve(&cards[n], restoring.recovery(), restoring.key());
        approval.expect("signed")
    };
    submit!(story, portal, identity.init_recovery[restoring.open(approve(0))]);
    refused!(story, portal, identity.approve_recovery(HOSPITAL, approve(0)));
    submit!(story, portal, identity.approve_recovery(HOSPITAL, approve(2)));
    submit!(
        story,
        portal,
        identity.begin_delay(HOSPITAL, restoring.begin_delay())
    );
    refused!(story, portal, identity.execute_recovery[restoring.execute()]);
    ask!(story, portal, identity.my_account[patient.ask_account(CLINIC)]);
    submit!(
        story,
        portal,
        identity.veto_recovery[patient.veto_recovery(restoring.recovery())]
    );
    refused!(
        story,
        portal,
        identity.veto_recovery[patient.veto_recovery(restoring.recovery())]
    );

    let other = enrolled(story).await;
    let restoring = Wallet::generate(consortium())
        .at(HOSPITAL)
        .expect("a wallet")
        .restoring(other.id());
    let officer = story.client(HOSPITAL, Role::RecoveryOfficer);
    let attestation = || restoring.attestation(Hash::from_bytes(rand::random()));
    submit!(story, officer, identity.attest_recovery[attestation()]);
    refused!(story, officer, identity.attest_recovery[attestation()]);
    let second = story.client(REGULATOR, Role::RecoveryOfficer);
    submit!(story, second, identity.attest_recovery[attestation()]);
    submit!(
        story,
        portal,
        identity.veto_recovery[other.veto_recovery(restoring.recovery())]
    );
}

async fn credentials(story: &Story) {
    let issuer = story.client(HOSPITAL, Role::Issuer);
    let person = person_of_user(&story.hospital.identity(HOSPITAL, Role::Portal.as_str())).expect("a person");
    story.publish(&person);
    let now = unix_now();
    let verified = |number: &str, until| Verified {
        kind: CredentialKind::ControlledSubstances,
        period: Period {
            from: now - 60,
            until,
        },
        npi: "1234567893".to_owned(),
        licence: Licence {
            jurisdiction: "US-WY-Laramie".to_owned(),
            number: number.to_owned(),
        },
        class: "MD-Ophthalmology".to_owned(),
    };
    let first = verified("LIC-88-Quincey", now + 86_400)
        .prepare(person)
        .expect("well formed");
    submit!(story, issuer, credentials.issue(vec![first.public.clone()]));
    refused!(story, issuer, credentials.issue(vec![first.public]));
    submit!(
        story,
        issuer,
        credentials.file(HOSPITAL, vec![first.details.clone()])
    );
    let mut other = first.details;
    other.licence.number = "LIC-99-Quincey".to_owned();
    refused!(story, issuer, credentials.file(HOSPITAL, vec![other]));
    let second = verified("LIC-77-Quincey", now + 2 * 86_400)
        .prepare(person)
        .expect("well formed");
    let renewal = Renewal {
        person,
        period: second.public.period,
        commitment: second.public.commitment,
    };
    submit!(story, issuer, credentials.renew(renewal));
    submit!(story, issuer, credentials.file(HOSPITAL, vec![second.details]));
    ask!(story, issuer, credentials.status(HOSPITAL, person));
    for npi in ["1234567893", "1888888884"] {
        let query = StandingQuery {
            npi: npi.to_owned(),
            licence: Some(Licence {
                jurisdiction: "US-WY-Laramie".to_owned(),
                number: "LIC-77-Quincey".to_owned(),
            }),
        };
        ask!(story, issuer, credentials.check(HOSPITAL, query));
    }
    let regulator = story.client(REGULATOR, Role::Issuer);
    submit!(story, regulator, credentials.suspend(HOSPITAL, person));
    refused!(story, issuer, credentials.reinstate(HOSPITAL, person));
    submit!(story, regulator, credentials.reinstate(HOSPITAL, person));
    submit!(story, issuer, credentials.revoke(HOSPITAL, person));
}
