//! Groups, encounters and the consortium's policy, from the certificate and the registry to the release.

use crate::fixture::*;
use careledger_api::HealthError;
use careledger_api::codes::{Category, Purpose};
use careledger_api::consortium::Policy;
use careledger_api::contracts::consent::{
    AccessRequest, ActorFilter, ConsentsClient, Effect, Outcome, Provision, RELEASE_SECONDS,
};
use careledger_api::contracts::record::RecordClient;
use careledger_api::contracts::registry::RegistryClient;
use careledger_api::ids::{EncounterId, TxId};
use careledger_api::roles::{GROUPS_ATTRIBUTE, MAX_GROUP_BYTES, MAX_GROUPS, ROLE_ATTRIBUTE, Role};
use fabric_contract_mock::MockClient;

/// A clinician whose certificate lists groups.
fn member(world: &World, organisation: &str, groups: &str) -> MockClient {
    let attributes = [
        (ROLE_ATTRIBUTE, Role::Clinician.as_str()),
        (GROUPS_ATTRIBUTE, groups),
    ];
    let person = world.mock.as_client(organisation, attributes).unwrap();
    world.issue(organisation, &person).unwrap();
    person
}

async fn ask(world: &World, who: &MockClient, request: AccessRequest) -> Result<TxId, HealthError> {
    let sent = ConsentsClient::new(who)
        .access(HOSPITAL, request)
        .endorsed_by([HOSPITAL]);
    world.receipt(sent.send().await)
}

async fn outcome(world: &World, who: &MockClient) -> Outcome {
    let request = world.request(world.wallet.patient(), &[Category::Laboratory]);
    let tx = ask(world, who, request).await.unwrap();
    world.outcome(&tx).await.unwrap().outcome
}

fn icu_at_the_clinic() -> ActorFilter {
    ActorFilter {
        organisation: Some(CLINIC.into()),
        group: Some("icu".into()),
        ..ActorFilter::default()
    }
}

#[tokio::test]
async fn a_group_of_the_certificate_opens_and_closes() {
    let world = world().await;
    let mut consent = world.wallet.consent(&[]);
    consent.provisions[0].actors = vec![icu_at_the_clinic()];
    world
        .grant(&consent, &world.wallet.granting(&consent))
        .await
        .unwrap();
    let (icu, ward) = (
        member(&world, CLINIC, "ward-2, icu"),
        member(&world, CLINIC, "ward-2"),
    );
    assert_eq!(outcome(&world, &icu).await, Outcome::Permitted);
    assert_eq!(outcome(&world, &ward).await, Outcome::Refused);
    let (without, elsewhere) = (
        world.client(CLINIC, Role::Clinician),
        member(&world, REGULATOR, "icu"),
    );
    assert_eq!(outcome(&world, &without).await, Outcome::Refused);
    assert_eq!(
        outcome(&world, &elsewhere).await,
        Outcome::Refused,
        "another's icu"
    );

    let mut everybody = world.wallet.consent(&[]);
    everybody.provisions.push(Provision {
        actors: vec![icu_at_the_clinic()],
        ..Provision::new(Effect::Deny)
    });
    let (revocation, intent) = world.wallet.revocation(&[consent.id]);
    world.revoke(&revocation, &intent).await.unwrap();
    world
        .grant(&everybody, &world.wallet.granting(&everybody))
        .await
        .unwrap();
    assert_eq!(outcome(&world, &icu).await, Outcome::Refused);
    assert_eq!(outcome(&world, &ward).await, Outcome::Permitted);
    assert_eq!(outcome(&world, &elsewhere).await, Outcome::Permitted);
    // The clinic does not say of which groups this one is: the deny may be about them.
    assert_eq!(outcome(&world, &without).await, Outcome::Refused);
}

#[tokio::test]
async fn groups_that_cannot_be_read_are_refused_and_the_most_fit_the_record() {
    let world = world().await;
    let consent = world.wallet.consent(&[]);
    world
        .grant(&consent, &world.wallet.granting(&consent))
        .await
        .unwrap();
    let most: Vec<String> = (0..MAX_GROUPS)
        .map(|n| format!("{n:0>MAX_GROUP_BYTES$}"))
        .collect();
    let full = member(&world, CLINIC, &most.join(","));
    let none = world.client(CLINIC, Role::Clinician);
    for person in [full, none] {
        let request = world.request(world.wallet.patient(), &[Category::Laboratory]);
        let tx = ask(&world, &person, request).await.unwrap();
        assert_eq!(world.outcome(&tx).await.unwrap().outcome, Outcome::Permitted);
    }
    for groups in [
        format!("{},one-more", most.join(",")),
        "two words".into(),
        "x".repeat(33),
    ] {
        let attributes = [
            (ROLE_ATTRIBUTE, Role::Clinician.as_str()),
            (GROUPS_ATTRIBUTE, groups.as_str()),
        ];
        let person = world.mock.as_client(CLINIC, attributes).unwrap();
        let request = world.request(world.wallet.patient(), &[Category::Laboratory]);
        let refused = ask(&world, &person, request).await;
        assert!(matches!(refused, Err(HealthError::InvalidCode(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn a_person_or_group_without_its_organisation_is_no_actor() {
    let world = world().await;
    for actor in [
        ActorFilter {
            group: Some("icu".into()),
            ..ActorFilter::default()
        },
        ActorFilter {
            person: Some("p".into()),
            ..ActorFilter::default()
        },
    ] {
        let mut consent = world.wallet.consent(&[]);
        consent.provisions[0].actors = vec![actor];
        let refused = world.grant(&consent, &world.wallet.granting(&consent)).await;
        assert!(matches!(contract_error(refused), HealthError::InvalidCode(_)));
    }
}

#[tokio::test]
async fn an_encounter_opens_its_own_documents() {
    let world = world().await;
    let (stay, other) = (EncounterId::from_bytes([1; 16]), EncounterId::from_bytes([2; 16]));
    let mut described: Vec<_> = world.locate().await.into_iter().map(|l| l.metadata).collect();
    for metadata in &mut described {
        metadata.encounter = (metadata.category == Category::Laboratory).then_some(stay);
    }
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let sent = RecordClient::new(&keeper)
        .describe(HOSPITAL, described.clone())
        .endorsed_by([HOSPITAL]);
    world.receipt(sent.send().await).unwrap();

    let mut consent = world.wallet.consent(&[]);
    consent.provisions[0].encounters = vec![stay];
    world
        .grant(&consent, &world.wallet.granting(&consent))
        .await
        .unwrap();
    let clinician = world.client(CLINIC, Role::Clinician);
    let mut released = Vec::new();
    for encounter in [Some(stay), Some(other), None] {
        let mut request = world.request(
            world.wallet.patient(),
            &[Category::Laboratory, Category::Medication],
        );
        request.encounter = encounter;
        let tx = ask(&world, &clinician, request).await.unwrap();
        let release = world.release(&tx, world.now()).await.unwrap();
        released.push(release.documents.iter().map(|d| d.category).collect::<Vec<_>>());
    }
    assert_eq!(released, [vec![Category::Laboratory], vec![], vec![]]);
}

#[tokio::test]
async fn a_policy_of_opt_out_permits_treatment_of_what_is_not_sensitive_and_a_deny_stands() {
    let world = world().await;
    let admin = world.mock.as_admin(HOSPITAL).unwrap();
    let registry = RegistryClient::new(&admin);
    let mut consortium = consortium();
    consortium.policy = Policy {
        without_consent: [Purpose::Research].into(),
        ..Policy::default()
    };
    let refused = registry.amend(1, consortium.clone()).send().await;
    assert!(matches!(contract_error(refused), HealthError::InvalidCode(_)));
    consortium.policy.without_consent = [Purpose::Treatment].into();
    registry.amend(1, consortium).send().await.unwrap();

    let clinician = world.client(CLINIC, Role::Clinician);
    let both = [Category::Laboratory, Category::Note];
    let request = world.request(world.wallet.patient(), &both);
    let tx = ask(&world, &clinician, request.clone()).await.unwrap();
    let record = world.outcome(&tx).await.unwrap();
    assert_eq!((record.outcome, record.basis.len()), (Outcome::Permitted, 0));
    assert_eq!(record.expires_at, record.at + RELEASE_SECONDS);
    let release = world.release(&tx, world.now()).await.unwrap();
    let released: Vec<Category> = release.documents.iter().map(|d| d.category).collect();
    assert_eq!(released, [Category::Laboratory], "the note is labelled PSY");

    let mut research = request.clone();
    research.purpose = Purpose::Research;
    let tx = ask(&world, &clinician, research).await.unwrap();
    assert_eq!(world.outcome(&tx).await.unwrap().outcome, Outcome::Refused);

    let mut deny = world.wallet.consent(&[]);
    deny.provisions[0].effect = Effect::Deny;
    world.grant(&deny, &world.wallet.granting(&deny)).await.unwrap();
    let tx = ask(&world, &clinician, request).await.unwrap();
    assert_eq!(world.outcome(&tx).await.unwrap().outcome, Outcome::Refused);
}
