//! Credentials: who issues, suspends and reinstates them, and that nobody asks for data without one.

use crate::fixture::{CLINIC, HOSPITAL, INSURER, NOW, REGULATOR, World, contract_error, world};
use careledger_api::HealthError;
use careledger_api::codes::{Category, OverrideReason};
use careledger_api::contracts::consent::ConsentsClient;
use careledger_api::contracts::credential::{
    Credential, CredentialDetails, CredentialKind, CredentialStatus, CredentialsClient, Licence,
    NewCredential, Renewal, Standing, StandingQuery, Verification, VerificationProcess, VerificationStatus,
    person_of,
};
use careledger_api::date::{Date, Period};
use careledger_api::ids::{Hash, PersonId, Salt, TxId};
use careledger_api::roles::Role;
use fabric_contract_core::ClientIdentity;
use fabric_contract_mock::{Endorsed, MockClient, now};

const YEAR: i64 = 365 * 86_400;

fn person(client: &MockClient) -> PersonId {
    person_of(&ClientIdentity::from_creator(client.creator()).unwrap())
}

fn issuer(world: &World, organisation: &str) -> MockClient {
    world.newcomer(organisation, Role::Issuer)
}

fn suspend(world: &World, by: &str, who: &MockClient) -> Result<TxId, HealthError> {
    let issuer = issuer(world, by);
    let call = CredentialsClient::new(&issuer).suspend(who.msp_id(), person(who));
    world.receipt(now(call.send()))
}

fn reinstate(world: &World, by: &str, who: &MockClient) -> Result<TxId, HealthError> {
    let issuer = issuer(world, by);
    let call = CredentialsClient::new(&issuer).reinstate(who.msp_id(), person(who));
    world.receipt(now(call.send()))
}

fn revoke(world: &World, by: &str, who: &MockClient) -> Result<TxId, HealthError> {
    let issuer = issuer(world, by);
    let call = CredentialsClient::new(&issuer).revoke(who.msp_id(), person(who));
    world.receipt(now(call.send()))
}

fn renew(world: &World, who: &MockClient, until: i64, commitment: Hash) -> Result<TxId, HealthError> {
    let issuer = issuer(world, who.msp_id());
    let renewal = Renewal {
        person: person(who),
        period: Period { from: NOW, until },
        commitment,
    };
    world.receipt(now(CredentialsClient::new(&issuer).renew(renewal).send()))
}

fn status(world: &World, who: &MockClient) -> Credential {
    let anybody = world.newcomer(INSURER, Role::Auditor);
    now(CredentialsClient::new(&anybody)
        .status(who.msp_id(), person(who))
        .send())
    .unwrap()
}

/// Asks for access as a clinician; the refusal, if there is one.
fn ask(world: &World, clinician: &MockClient) -> Result<TxId, HealthError> {
    let request = world.request(world.wallet.patient(), &[Category::Laboratory]);
    let call = ConsentsClient::new(clinician).access(HOSPITAL, request);
    world.receipt(now(call.endorsed_by([HOSPITAL]).send()))
}

fn break_glass(world: &World, doctor: &MockClient) -> Result<TxId, HealthError> {
    let request = world.emergency(world.wallet.patient(), OverrideReason::Emergency, 30);
    let call = ConsentsClient::new(doctor).break_glass(HOSPITAL, request);
    world.receipt(now(call.endorsed_by([HOSPITAL]).send()))
}

fn forbidden(result: Result<TxId, HealthError>) -> bool {
    matches!(result, Err(HealthError::Forbidden(_)))
}

#[tokio::test]
async fn nobody_asks_without_an_active_credential_not_even_in_an_emergency() {
    let world = world().await;
    for (role, ask) in [
        (
            Role::Clinician,
            ask as fn(&World, &MockClient) -> Result<TxId, HealthError>,
        ),
        (Role::Researcher, ask),
        (Role::Emergency, ask),
        (Role::Emergency, break_glass),
    ] {
        let doctor = world.newcomer(CLINIC, role);
        assert!(forbidden(ask(&world, &doctor)), "{role} without a credential");
        world.issue(CLINIC, &doctor).unwrap();
        ask(&world, &doctor).unwrap();
        suspend(&world, CLINIC, &doctor).unwrap();
        assert!(forbidden(ask(&world, &doctor)), "{role}, suspended");
        reinstate(&world, CLINIC, &doctor).unwrap();
        ask(&world, &doctor).unwrap();
        revoke(&world, REGULATOR, &doctor).unwrap();
        assert!(forbidden(ask(&world, &doctor)), "{role}, revoked");
    }
}

#[tokio::test]
async fn a_credential_of_another_organisation_or_another_time_does_not_count() {
    let world = world().await;
    let doctor = world.newcomer(CLINIC, Role::Clinician);
    // The hospital's issuer vouches for a person of the clinic: the credential stands under the hospital's name.
    world.issue(HOSPITAL, &doctor).unwrap();
    assert!(forbidden(ask(&world, &doctor)));
    world.issue(CLINIC, &doctor).unwrap();
    ask(&world, &doctor).unwrap();
    world.advance(YEAR as u64);
    assert!(forbidden(ask(&world, &doctor)), "over");
    renew(&world, &doctor, NOW + 2 * YEAR, Hash::from_bytes([7; 32])).unwrap();
    ask(&world, &doctor).unwrap();
}

#[tokio::test]
async fn a_suspension_beats_access_and_broken_glass_behind_it_in_the_block() {
    let world = world().await;
    let doctor = world.client(CLINIC, Role::Emergency);
    let endorsed = |call: &fabric_contract_core::Call| -> Endorsed { doctor.endorse(call.clone()).unwrap() };
    let patient = world.wallet.patient();
    let consents = ConsentsClient::new(&doctor);
    let access = consents
        .access(HOSPITAL, world.request(patient, &[Category::Laboratory]))
        .endorsed_by([HOSPITAL]);
    let glass = consents
        .break_glass(HOSPITAL, world.emergency(patient, OverrideReason::Emergency, 30))
        .endorsed_by([HOSPITAL]);
    let issuer = issuer(&world, REGULATOR);
    let suspension = CredentialsClient::new(&issuer).suspend(CLINIC, person(&doctor));
    let block = [
        endorsed(access.call()),
        issuer.endorse(suspension.call().clone()).unwrap(),
        endorsed(access.call()),
        endorsed(glass.call()),
    ];
    let outcomes = world.mock.commit(block).unwrap();
    let codes: Vec<&str> = outcomes.iter().map(|o| o.code.as_str_name()).collect();
    assert_eq!(
        codes,
        ["VALID", "VALID", "MVCC_READ_CONFLICT", "MVCC_READ_CONFLICT"]
    );
}

#[tokio::test]
async fn a_vault_releases_nothing_to_whoever_was_suspended_since() {
    let world = world().await;
    let consent = world.wallet.consent(&[Category::Laboratory]);
    world
        .grant(&consent, &world.wallet.granting(&consent))
        .await
        .unwrap();
    let doctor = world.client(CLINIC, Role::Clinician);
    let tx = ask(&world, &doctor).unwrap();
    let emergency = world.client(CLINIC, Role::Emergency);
    let glass = break_glass(&world, &emergency).unwrap();
    for tx in [&tx, &glass] {
        assert_eq!(world.release(tx, world.now()).await.unwrap().documents.len(), 1);
    }
    suspend(&world, REGULATOR, &doctor).unwrap();
    suspend(&world, CLINIC, &emergency).unwrap();
    for tx in [&tx, &glass] {
        let release = world.release(tx, world.now()).await.unwrap();
        assert!(release.fresh && release.in_time && release.documents.is_empty());
    }
}

#[tokio::test]
async fn an_organisation_does_not_undo_what_the_regulator_did() {
    let world = world().await;
    let doctor = world.client(CLINIC, Role::Clinician);
    suspend(&world, CLINIC, &doctor).unwrap();
    suspend(&world, REGULATOR, &doctor).unwrap();
    let refused = reinstate(&world, CLINIC, &doctor);
    assert!(
        matches!(refused, Err(HealthError::SodViolation(_))),
        "{refused:?}"
    );
    let blocked = renew(&world, &doctor, NOW + YEAR, Hash::from_bytes([7; 32]));
    assert!(
        matches!(blocked, Err(HealthError::ConflictState(_))),
        "{blocked:?}"
    );
    assert!(matches!(
        world.issue(CLINIC, &doctor),
        Err(HealthError::Duplicate(_))
    ));
    assert_eq!(status(&world, &doctor).status, CredentialStatus::Suspended);
    reinstate(&world, REGULATOR, &doctor).unwrap();
    assert_eq!(status(&world, &doctor).status, CredentialStatus::Active);
    suspend(&world, CLINIC, &doctor).unwrap();
    suspend(&world, CLINIC, &doctor).unwrap();
    reinstate(&world, CLINIC, &doctor).unwrap();
    revoke(&world, CLINIC, &doctor).unwrap();
    for again in [
        reinstate(&world, REGULATOR, &doctor),
        suspend(&world, REGULATOR, &doctor),
        revoke(&world, CLINIC, &doctor),
        renew(&world, &doctor, NOW + YEAR, Hash::from_bytes([7; 32])),
    ] {
        assert!(matches!(again, Err(HealthError::ConflictState(_))), "{again:?}");
    }
}

#[tokio::test]
async fn only_issuers_of_the_organisation_or_a_regulator_change_a_credential() {
    let world = world().await;
    let doctor = world.client(CLINIC, Role::Clinician);
    for by in [HOSPITAL, INSURER] {
        assert!(forbidden(suspend(&world, by, &doctor)), "{by}");
        assert!(forbidden(reinstate(&world, by, &doctor)), "{by}");
        assert!(forbidden(revoke(&world, by, &doctor)), "{by}");
    }
    for role in Role::ALL.iter().filter(|role| **role != Role::Issuer) {
        let other = world.newcomer(CLINIC, *role);
        let credentials = CredentialsClient::new(&other);
        let person = person(&doctor);
        let suspended = world.receipt(now(credentials.suspend(CLINIC, person).send()));
        assert!(forbidden(suspended), "{role}");
        let new = NewCredential {
            person: PersonId::from_bytes([1; 32]),
            kind: CredentialKind::Licence,
            period: Period {
                from: NOW,
                until: NOW + 1,
            },
            commitment: Hash::from_bytes([1; 32]),
        };
        assert!(
            forbidden(world.receipt(now(credentials.issue(vec![new]).send()))),
            "{role}"
        );
    }
}

#[tokio::test]
async fn bounds_of_number_and_period_are_kept() {
    let world = world().await;
    let issuer = issuer(&world, CLINIC);
    let credentials = CredentialsClient::new(&issuer);
    let new = |id: u8, from: i64, until: i64| NewCredential {
        person: PersonId::from_bytes([id; 32]),
        kind: CredentialKind::Board,
        period: Period { from, until },
        commitment: Hash::from_bytes([1; 32]),
    };
    let send = |all: Vec<NewCredential>| world.receipt(now(credentials.issue(all).send()));
    assert!(matches!(send(vec![]), Err(HealthError::Limit(_))));
    let many = (0..65).map(|id| new(id, NOW, NOW + 1)).collect();
    assert!(matches!(send(many), Err(HealthError::Limit(_))));
    let twice = vec![new(1, NOW, NOW + 1), new(1, NOW, NOW + 2)];
    assert!(matches!(send(twice), Err(HealthError::Limit(_))));
    for (from, until) in [(NOW, NOW), (NOW, NOW + 4 * YEAR), (i64::MIN, i64::MAX)] {
        let result = send(vec![new(1, from, until)]);
        assert!(matches!(result, Err(HealthError::InvalidCode(_))), "{result:?}");
    }
    send((0..64).map(|id| new(id, NOW, NOW + 1)).collect()).unwrap();
}

fn details(world: &World, who: &MockClient, number: &str) -> CredentialDetails {
    CredentialDetails {
        person: person(who),
        npi: "1234567893".into(),
        licence: Licence {
            jurisdiction: "US-MA".into(),
            number: number.into(),
        },
        class: "MD".into(),
        verification: Some(Verification {
            status_list: None,
            status: VerificationStatus::Validated,
            process: VerificationProcess::Primary,
            source: "US-MA-BORIM".into(),
            on: Date::from_unix(NOW - 10 * 86_400).unwrap(),
        }),
        salt: world.wallet.salt(),
    }
}

fn file(world: &World, by: &MockClient, details: &CredentialDetails) -> Result<TxId, HealthError> {
    let call = CredentialsClient::new(by).file(CLINIC, vec![details.clone()]);
    world.receipt(now(call.endorsed_by([CLINIC]).send()))
}

fn check(world: &World, npi: &str, licence: Option<Licence>) -> Vec<Standing> {
    let issuer = issuer(world, REGULATOR);
    let query = StandingQuery {
        npi: npi.into(),
        licence,
    };
    now(CredentialsClient::new(&issuer)
        .check(CLINIC, query)
        .endorsed_by([REGULATOR])
        .send())
    .unwrap()
}

#[tokio::test]
async fn details_are_filed_under_their_commitment_and_checked_by_npi_and_licence() {
    let world = world().await;
    let doctor = world.newcomer(CLINIC, Role::Clinician);
    let issuer = issuer(&world, CLINIC);
    let first = details(&world, &doctor, "230417");
    assert_eq!(file(&world, &issuer, &first), Err(HealthError::NotFound));
    world.issue(CLINIC, &doctor).unwrap();
    let other = file(&world, &issuer, &first);
    assert!(
        matches!(other, Err(HealthError::InvalidCode(_))),
        "the issued one commits to something else: {other:?}"
    );
    renew(&world, &doctor, NOW + YEAR, first.commitment().unwrap()).unwrap();
    file(&world, &issuer, &first).unwrap();
    // What the block shows of the filing: keys and values as hashes alone.
    let simulation = world.mock.last_simulation().unwrap();
    assert_eq!(simulation.public_keys_written().count(), 0);

    let licence = |number: &str| {
        Some(Licence {
            number: number.into(),
            ..first.licence.clone()
        })
    };
    let found = check(&world, "1234567893", licence("230417"));
    let [standing] = found.as_slice() else {
        panic!("one person: {found:?}")
    };
    assert_eq!((standing.active, standing.licence_matches), (true, Some(true)));
    assert_eq!(standing.credential.person, person(&doctor));
    assert_eq!(
        check(&world, "1234567893", licence("999"))[0].licence_matches,
        Some(false)
    );
    assert!(check(&world, "1000000004", None).is_empty());

    suspend(&world, REGULATOR, &doctor).unwrap();
    assert!(!check(&world, "1234567893", None)[0].active);
    reinstate(&world, REGULATOR, &doctor).unwrap();
    let second = details(&world, &doctor, "555");
    renew(&world, &doctor, NOW + YEAR, second.commitment().unwrap()).unwrap();
    assert!(
        check(&world, "1234567893", None).is_empty(),
        "not verified again yet"
    );
    file(&world, &issuer, &second).unwrap();
    let found = check(&world, "1234567893", licence("230417"));
    assert_eq!(found.len(), 1, "superseded details do not count");
    assert_eq!(found[0].licence_matches, Some(false));
}

/// The suspended person comes back with a new certificate: the public credential cannot show it, the question by NPI does.
#[tokio::test]
async fn two_certificates_of_one_npi_are_seen_together() {
    let world = world().await;
    let issuer = issuer(&world, CLINIC);
    for number in ["1", "2"] {
        let doctor = world.newcomer(CLINIC, Role::Clinician);
        world.issue(CLINIC, &doctor).unwrap();
        let details = details(&world, &doctor, number);
        renew(&world, &doctor, NOW + YEAR, details.commitment().unwrap()).unwrap();
        file(&world, &issuer, &details).unwrap();
        if number == "1" {
            suspend(&world, REGULATOR, &doctor).unwrap();
        }
    }
    let mut active: Vec<bool> = check(&world, "1234567893", None)
        .iter()
        .map(|s| s.active)
        .collect();
    active.sort_unstable();
    assert_eq!(active, [false, true]);
}

#[tokio::test]
async fn a_verification_at_the_source_is_told_until_it_is_too_old() {
    let world = world().await;
    let doctor = world.newcomer(CLINIC, Role::Clinician);
    let issuer = issuer(&world, CLINIC);
    let known = details(&world, &doctor, "230417");
    let credential = NewCredential {
        person: known.person,
        kind: CredentialKind::Licence,
        period: Period {
            from: NOW,
            until: NOW + YEAR,
        },
        commitment: known.commitment().unwrap(),
    };
    let issued = now(CredentialsClient::new(&issuer).issue(vec![credential]).send());
    world.receipt(issued).unwrap();
    file(&world, &issuer, &known).unwrap();
    let mut told = Vec::new();
    for days in [0, 110, 1] {
        world.advance(days * 86_400);
        let standing = check(&world, &known.npi, None).remove(0);
        assert_eq!(standing.verification, known.verification);
        told.push(standing.verified);
    }
    assert_eq!(told, [true, true, false], "120 days after it was made");
}

#[tokio::test]
async fn what_is_malformed_is_refused_before_anything_is_written() {
    let world = world().await;
    let doctor = world.client(CLINIC, Role::Clinician);
    let issuer = issuer(&world, CLINIC);
    let good = details(&world, &doctor, "1");
    for bad in [
        CredentialDetails {
            npi: "1234567898".into(),
            ..good.clone()
        },
        CredentialDetails {
            class: "x".repeat(33),
            ..good.clone()
        },
    ] {
        assert!(matches!(
            file(&world, &issuer, &bad),
            Err(HealthError::InvalidCode(_))
        ));
    }
    let unsalted = CredentialDetails {
        salt: Salt::from_bytes([0; 32]),
        ..good
    };
    assert!(matches!(
        file(&world, &issuer, &unsalted),
        Err(HealthError::SaltMissing(_))
    ));
    let query = StandingQuery {
        npi: "12".into(),
        licence: None,
    };
    let asked = now(CredentialsClient::new(&issuer).check(CLINIC, query).send());
    assert!(matches!(contract_error(asked), HealthError::InvalidCode(_)));
}
