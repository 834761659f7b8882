//! Broken glasses in full: two steps, exclusions, reviews that go to the regulator, counts.

use crate::fixture::{
    CLINIC, Call, HOSPITAL, REGULATOR, World, consortium, contract_error, empty_world, world,
};
use careledger_api::HealthError;
use careledger_api::codes::{Category, OverrideReason, Purpose};
use careledger_api::consortium::Policy;
use careledger_api::contracts::consent::{
    AccessKind, BreakGlassRequest, Consent, ConsentsClient, Effect, Escalation, OpenReview, Outcome,
    REVIEW_SECONDS, Release, Review, ReviewOutcome, ReviewState,
};
use careledger_api::contracts::registry::RegistryClient;
use careledger_api::ids::{EncounterId, PatientId, TxId};
use careledger_api::roles::Role;

async fn opened(world: &World, tx: &TxId) -> Vec<Category> {
    let release = world.release(tx, world.now()).await.unwrap();
    release.documents.iter().map(|d| d.category).collect()
}

async fn broken(world: &World) -> TxId {
    world.break_glass(OverrideReason::Emergency, 60).await.unwrap()
}

/// A deny that names break-glass and these labels.
fn keeping_out(world: &World, labels: &[&str]) -> Consent {
    let mut consent = world.wallet.consent(&[]);
    let provision = &mut consent.provisions[0];
    provision.effect = Effect::Deny;
    provision.purposes = vec![Purpose::BreakTheGlass];
    provision.labels = labels.iter().map(|l| l.parse().unwrap()).collect();
    consent
}

async fn grant(world: &World, consent: Consent) {
    world
        .grant(&consent, &world.wallet.granting(&consent))
        .await
        .unwrap();
}

async fn review(world: &World, organisation: &str, access: &TxId, outcome: ReviewOutcome) -> Call<()> {
    let review = Review {
        access: access.clone(),
        outcome,
        salt: world.wallet.salt(),
    };
    let officer = world.client(organisation, Role::Dpo);
    let sent = ConsentsClient::new(&officer)
        .review(HOSPITAL, review)
        .endorsed_by([HOSPITAL]);
    sent.send().await.map(drop)
}

async fn escalate(world: &World, organisation: &str, access: &TxId) -> Call<()> {
    let escalation = Escalation {
        access: access.clone(),
        salt: world.wallet.salt(),
    };
    let officer = world.client(organisation, Role::Dpo);
    let sent = ConsentsClient::new(&officer)
        .escalate(HOSPITAL, escalation)
        .endorsed_by([HOSPITAL]);
    sent.send().await.map(drop)
}

#[tokio::test]
async fn the_second_step_opens_what_the_first_did_not() {
    let world = world().await;
    let first = broken(&world).await;
    assert_eq!(
        opened(&world, &first).await,
        [Category::EmergencySummary],
        "summary first"
    );
    let second = world.full(&first).await.unwrap();
    assert_eq!(
        opened(&world, &second).await.len(),
        5,
        "all documents, the labelled note as well"
    );
    let record = world.outcome(&second).await.unwrap();
    assert_eq!(
        (record.kind, record.follows),
        (AccessKind::BreakGlassFull, Some(first.clone()))
    );
    assert_eq!(record.emergency.unwrap().reason, OverrideReason::Emergency);
    let officer = world.client(HOSPITAL, Role::Dpo);
    let open: Vec<OpenReview> = ConsentsClient::new(&officer)
        .open_reviews(HOSPITAL)
        .send()
        .await
        .unwrap();
    let mut reviewed: Vec<_> = open.into_iter().map(|r| (r.access, r.follows)).collect();
    reviewed.sort();
    let mut expected = [(first.clone(), None), (second, Some(first))];
    expected.sort();
    assert_eq!(reviewed, expected, "each step has its review");
}

#[tokio::test]
async fn the_second_step_is_the_same_persons_and_within_the_firsts_window() {
    let world = world().await;
    let first = broken(&world).await;
    let colleague = world.client(HOSPITAL, Role::Emergency);
    assert_eq!(
        contract_error(world.full_by(&colleague, &first).await),
        HealthError::NotFound
    );
    let clinician = world.client(CLINIC, Role::Clinician);
    assert!(matches!(
        contract_error(world.full_by(&clinician, &first).await),
        HealthError::Forbidden(_)
    ));
    let access = world.access(&[Category::Laboratory]).await.unwrap();
    assert_eq!(
        contract_error(world.full(&access).await),
        HealthError::NotFound,
        "an access is no broken glass"
    );
    let second = world.full(&first).await.unwrap();
    assert_eq!(
        contract_error(world.full(&second).await),
        HealthError::NotFound,
        "nor is a second step a first one"
    );
    world.advance(60 * 60 - 1);
    world.full(&first).await.unwrap();
    world.advance(1);
    assert!(matches!(
        contract_error(world.full(&first).await),
        HealthError::Expired(_)
    ));
}

#[tokio::test]
async fn reason_window_attestation_and_encounter_are_kept() {
    let world = world().await;
    let doctor = world.client(CLINIC, Role::Emergency);
    let consents = ConsentsClient::new(&doctor);
    let request = |change: fn(&mut BreakGlassRequest)| {
        let mut request = world.emergency(world.wallet.patient(), OverrideReason::ProfessionalJudgement, 240);
        change(&mut request);
        consents
            .break_glass(HOSPITAL, request)
            .endorsed_by([HOSPITAL])
            .send()
    };
    let wrong: [fn(&mut BreakGlassRequest); 3] =
        [|r| r.minutes = 0, |r| r.minutes = 241, |r| r.attest = false];
    for change in wrong {
        assert!(matches!(
            contract_error(request(change).await),
            HealthError::InvalidCode(_)
        ));
    }
    let encounter = EncounterId::from_bytes([3; 16]);
    let tx = request(|r| r.encounter = Some(EncounterId::from_bytes([3; 16])))
        .await
        .unwrap()
        .value
        .tx;
    let record = world.outcome(&tx).await.unwrap();
    assert_eq!(record.emergency.unwrap().encounter, Some(encounter));
    assert_eq!(record.expires_at, world.now() + 240 * 60);
}

#[tokio::test]
async fn an_unknown_patient_stays_unknown_in_the_second_step() {
    let world = world().await;
    let doctor = world.client(CLINIC, Role::Emergency);
    let request = world.emergency(PatientId::from_bytes([0xee; 32]), OverrideReason::Emergency, 60);
    let first = ConsentsClient::new(&doctor)
        .break_glass(HOSPITAL, request)
        .endorsed_by([HOSPITAL])
        .send()
        .await;
    let second = world.full(&first.unwrap().value.tx).await.unwrap();
    assert_eq!(world.outcome(&second).await.unwrap().outcome, Outcome::Refused);
    assert!(opened(&world, &second).await.is_empty());
}

#[tokio::test]
async fn what_the_patient_excluded_stays_closed_and_no_other_deny_does() {
    let world = world().await;
    let mut closed = world.wallet.consent(&[]);
    closed.provisions[0].effect = Effect::Deny;
    closed.provisions[0].purposes.clear();
    grant(&world, closed).await;
    let mut everything = keeping_out(&world, &[]);
    everything.provisions[0].categories.clear();
    grant(&world, everything).await;
    let first = broken(&world).await;
    let all = world.full(&first).await.unwrap();
    assert_eq!(
        opened(&world, &all).await.len(),
        5,
        "denies that name no data or not break-glass do not stop an emergency"
    );
    grant(&world, keeping_out(&world, &["MH"])).await;
    assert_eq!(
        opened(&world, &all).await.len(),
        4,
        "also one that came since: MH means PSY as well"
    );
    let without = world.full(&first).await.unwrap();
    assert!(!opened(&world, &without).await.contains(&Category::Note));
    assert_eq!(opened(&world, &first).await, [Category::EmergencySummary]);
}

/// The vault tells a doctor whose glass is permitted that nothing opens; this is all that it goes by.
#[tokio::test]
async fn no_summary_and_one_kept_closed_are_the_same_answer() {
    let nothing_there = empty_world().await;
    nothing_there.enrol(&nothing_there.wallet).await.unwrap();
    let closed = world().await;
    let mut kept = keeping_out(&closed, &[]);
    kept.provisions[0].categories = vec![Category::EmergencySummary];
    grant(&closed, kept).await;
    let mut heard: Option<Release> = None;
    for world in [nothing_there, closed] {
        let glass = broken(&world).await;
        let release = world.release(&glass, world.now()).await.unwrap();
        assert_eq!(release.record.outcome, Outcome::Permitted);
        assert!(release.documents.is_empty());
        // Who, when and whose it was differ, and are the doctor's own.
        let record = heard.as_ref().unwrap_or(&release).record.clone();
        let release = Release { record, ..release };
        assert_eq!(heard.get_or_insert_with(|| release.clone()), &release);
    }
}

#[tokio::test]
async fn what_the_law_excludes_stays_closed() {
    let world = world().await;
    let admin = world.mock.as_admin(REGULATOR).unwrap();
    let mut amended = consortium();
    amended.policy = Policy {
        break_glass_excluded: ["BH".parse().unwrap()].into(),
        ..Policy::default()
    };
    RegistryClient::new(&admin)
        .amend(1, amended)
        .send()
        .await
        .unwrap();
    let first = broken(&world).await;
    let second = world.full(&first).await.unwrap();
    let categories = opened(&world, &second).await;
    assert!(
        categories.len() == 4 && !categories.contains(&Category::Note),
        "{categories:?}"
    );
}

#[tokio::test]
async fn a_review_that_waits_goes_to_the_regulator_who_alone_decides_it() {
    let world = world().await;
    let glass = broken(&world).await;
    assert!(matches!(
        contract_error(escalate(&world, HOSPITAL, &glass).await),
        HealthError::Forbidden(_)
    ));
    world.advance(REVIEW_SECONDS as u64 - 1);
    assert!(matches!(
        contract_error(escalate(&world, REGULATOR, &glass).await),
        HealthError::ConflictState(_)
    ));
    world.advance(1);
    escalate(&world, REGULATOR, &glass).await.unwrap();
    assert!(matches!(
        contract_error(escalate(&world, REGULATOR, &glass).await),
        HealthError::Duplicate(_)
    ));
    let late = review(&world, HOSPITAL, &glass, ReviewOutcome::Justified).await;
    assert!(matches!(contract_error(late), HealthError::ConflictState(_)));
    let officer = world.client(REGULATOR, Role::Dpo);
    let raised = ConsentsClient::new(&officer)
        .escalated(HOSPITAL)
        .send()
        .await
        .unwrap();
    assert_eq!(
        raised
            .iter()
            .map(|r| (&r.open.access, r.state))
            .collect::<Vec<_>>(),
        [(&glass, ReviewState::Escalated)]
    );
    review(&world, REGULATOR, &glass, ReviewOutcome::Inconclusive)
        .await
        .unwrap();
    assert!(
        ConsentsClient::new(&officer)
            .escalated(HOSPITAL)
            .send()
            .await
            .unwrap()
            .is_empty()
    );
    let done = escalate(&world, REGULATOR, &glass).await;
    assert_eq!(contract_error(done), HealthError::NotFound, "decided");
}

#[tokio::test]
async fn an_unjustified_glass_reaches_the_regulator_and_the_counts() {
    let world = world().await;
    let mut glasses = Vec::new();
    for _ in 0..4 {
        glasses.push(broken(&world).await);
    }
    review(&world, HOSPITAL, &glasses[0], ReviewOutcome::Unjustified)
        .await
        .unwrap();
    review(&world, HOSPITAL, &glasses[1], ReviewOutcome::Justified)
        .await
        .unwrap();
    world.advance(REVIEW_SECONDS as u64);
    escalate(&world, REGULATOR, &glasses[2]).await.unwrap();
    let officer = world.client(REGULATOR, Role::Dpo);
    let consents = ConsentsClient::new(&officer);
    let raised = consents.escalated(HOSPITAL).send().await.unwrap();
    let states: Vec<_> = raised.iter().map(|r| r.state).collect();
    assert_eq!(states.len(), 2);
    assert!(states.contains(&ReviewState::Unjustified) && states.contains(&ReviewState::Escalated));
    let counts = consents.break_glass_counts(HOSPITAL).send().await.unwrap();
    assert_eq!((counts.len(), counts[0].organisation.as_str()), (1, CLINIC));
    let one_each = [
        ReviewState::Open,
        ReviewState::Escalated,
        ReviewState::Justified,
        ReviewState::Unjustified,
    ];
    assert_eq!(
        counts[0].reviews,
        one_each.into_iter().map(|state| (state, 1)).collect()
    );
}
