//! Guardians who are renewed every year, or lapse.

use super::*;
use careledger_api::contracts::identity::{LapsingPage, LapsingQuery, REMINDER_SECONDS};

const YEAR: i64 = RULES.guardian_life;

fn renew(world: &World) -> Done {
    let step = account_step(world);
    let intent = owner().sign(world, "renewGuardians", world.wallet.nonce(), ("step", &step));
    let portal = portal(world);
    let renewing = IdentityClient::new(&portal).renew_guardians(HOSPITAL, step, intent);
    send(world, renewing, &BOTH)
}

fn remind(world: &World) -> Done {
    let notifier = world.client(HOSPITAL, Role::Notifier);
    let reminding = IdentityClient::new(&notifier).remind_guardians(HOSPITAL, account_step(world));
    send(world, reminding, &[HOSPITAL])
}

fn lapsing(world: &World, after: Option<PatientId>) -> LapsingPage {
    let notifier = world.client(HOSPITAL, Role::Notifier);
    let asked = IdentityClient::new(&notifier).lapsing(HOSPITAL, LapsingQuery { after });
    now(asked.send()).unwrap()
}

fn told(world: &World, tx: TxId) -> IdentityAct {
    let notifier = world.client(HOSPITAL, Role::Notifier);
    let notice = now(IdentityClient::new(&notifier).notice(HOSPITAL, tx).send()).unwrap();
    assert_eq!(notice.patient, world.wallet.patient());
    notice.act
}

fn advance(world: &World, seconds: i64) {
    world.advance(u64::try_from(seconds).unwrap());
}

#[tokio::test]
async fn a_guardian_who_was_not_renewed_for_a_year_approves_nothing() {
    let world = world().await;
    let fresh = Key::new(61);
    let [one, two, _] = guardians();
    choose(&world, &owner(), &policy(2, RULES.default_delay)).unwrap();
    advance(&world, YEAR - 60);
    let renewed = renew(&world).unwrap();
    assert_eq!(told(&world, renewed), IdentityAct::GuardiansRenewed);
    advance(&world, YEAR - 1);
    open(&world, &fresh, one.approves(&world, to(&fresh))).unwrap();
    advance(&world, 1);
    let late = approve(&world, &fresh, two.approves(&world, to(&fresh)));
    assert!(matches!(late, Err(HealthError::Forbidden(_))), "{late:?}");
    let late = renew(&world);
    assert!(matches!(late, Err(HealthError::ConflictState(_))), "{late:?}");
}

#[tokio::test]
async fn who_lapsed_is_chosen_again_and_waits_for_the_delay() {
    let world = world().await;
    let fresh = Key::new(61);
    let [one, ..] = guardians();
    let chosen = policy(2, RULES.default_delay);
    choose(&world, &owner(), &chosen).unwrap();
    advance(&world, YEAR);
    choose(&world, &owner(), &chosen).unwrap();
    let waits = account(&world).account;
    assert!(waits.pending.is_some_and(|pending| pending.policy == chosen));
    begin(&world).unwrap();
    let opening = || open(&world, &fresh, one.approves(&world, to(&fresh)));
    advance(&world, RULES.default_delay + RULES.margin - 1);
    let early = opening();
    assert!(matches!(early, Err(HealthError::Forbidden(_))), "{early:?}");
    advance(&world, 1);
    opening().unwrap();
}

#[tokio::test]
async fn the_patient_is_told_once_before_the_guardians_lapse() {
    let world = world().await;
    let patient = world.wallet.patient();
    let nobody = |page: LapsingPage| assert_eq!((page.patients, page.next), (vec![], None));
    let other = Wallet::new(4);
    world.enrol(&other).await.unwrap();
    nobody(lapsing(&world, None));
    let none = remind(&world);
    assert!(matches!(none, Err(HealthError::ConflictState(_))), "{none:?}");

    choose(&world, &owner(), &policy(2, RULES.default_delay)).unwrap();
    advance(&world, YEAR - REMINDER_SECONDS - 1);
    nobody(lapsing(&world, None));
    let early = remind(&world);
    assert!(matches!(early, Err(HealthError::ConflictState(_))), "{early:?}");
    advance(&world, 1);
    assert_eq!(lapsing(&world, None).patients, [patient]);
    let reminded = remind(&world).unwrap();
    assert_eq!(told(&world, reminded), IdentityAct::GuardiansLapse);
    nobody(lapsing(&world, None));
    let again = remind(&world);
    assert!(matches!(again, Err(HealthError::Duplicate(_))), "{again:?}");
    // Renewed, the next year's lapse is another one.
    renew(&world).unwrap();
    nobody(lapsing(&world, None));
    advance(&world, YEAR - REMINDER_SECONDS);
    assert_eq!(lapsing(&world, None).patients, [patient]);
    // A page begins behind the one before.
    nobody(lapsing(&world, Some(PatientId::from_bytes([0xff; 32]))));
}

#[tokio::test]
async fn guardians_whose_choice_had_to_wait_are_told_of_too() {
    let world = world().await;
    let patient = world.wallet.patient();
    // Shorter than the delay in force: it waits, and nothing is written when it comes into force.
    choose(&world, &owner(), &policy(2, RULES.min_delay)).unwrap();
    begin(&world).unwrap();
    let waited = RULES.default_delay + RULES.margin;
    advance(&world, waited + YEAR - REMINDER_SECONDS - 1);
    assert_eq!(lapsing(&world, None).patients, []);
    advance(&world, 1);
    assert_eq!(lapsing(&world, None).patients, [patient]);
    let reminded = remind(&world).unwrap();
    assert_eq!(told(&world, reminded), IdentityAct::GuardiansLapse);
    assert_eq!(lapsing(&world, None).patients, []);
}
