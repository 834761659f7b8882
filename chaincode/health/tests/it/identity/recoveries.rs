//! Guardians, officers, delays and vetoes.

use super::*;
use crate::officers::in_force;
use careledger_api::contracts::consent::Measure;

#[tokio::test]
async fn two_of_three_guardians_restore_the_keys_after_the_delay() {
    let world = world().await;
    let (old, fresh) = (owner(), Key::new(61));
    grant(&world, &old).unwrap();
    let [one, _, three] = guardians();
    choose(&world, &old, &policy(2, RULES.default_delay)).unwrap();
    open(&world, &fresh, one.approves(&world, to(&fresh))).unwrap();
    grant(&world, &old).unwrap();
    approve(&world, &fresh, three.approves(&world, to(&fresh))).unwrap();
    let closed = |done: Done| assert!(matches!(done, Err(HealthError::ConflictState(_))), "{done:?}");
    closed(grant(&world, &old));
    closed(execute(&world, &fresh));
    begin(&world).unwrap();
    closed(begin(&world));
    closed(grant(&world, &old));
    // What was granted before stays.
    let tx = world.access(&[Category::Laboratory]).await.unwrap();
    assert_eq!(world.outcome(&tx).await.unwrap().outcome, Outcome::Permitted);
    let (from, until) = account(&world).executable.unwrap();
    assert_eq!(from, world.now() + RULES.default_delay + RULES.margin);
    world.advance((RULES.default_delay + RULES.margin - 1) as u64);
    closed(execute(&world, &fresh));
    assert!(
        matches!(grant(&world, &fresh), Err(HealthError::BadIntent(_))),
        "no key of the patient's yet"
    );
    world.advance(1);
    assert!(world.now() == from && from < until);
    let tx = execute(&world, &fresh).unwrap();

    let after = account(&world).account;
    assert_eq!(after.live, [fresh.id()].into());
    assert_eq!(after.retired, [old.id()]);
    assert!(matches!(grant(&world, &old), Err(HealthError::BadIntent(_))));
    grant(&world, &fresh).unwrap();
    // What the old key signed still opens what it opened, and what the new one signs opens as well.
    let access = world.access(&[Category::Laboratory]).await.unwrap();
    let release = world.release(&access, world.now()).await.unwrap();
    assert_eq!(release.documents.len(), 1);
    // No file key was wrapped for the old device: the new one reads the own record as it is, and the old one no more.
    assert!(matches!(reads(&world, &old), Err(HealthError::BadIntent(_))));
    let own = reads(&world, &fresh).unwrap();
    let release = world.release(&own, world.now()).await.unwrap();
    assert_eq!(release.documents.len(), 1);
    let notifier = world.client(HOSPITAL, Role::Notifier);
    let notice = now(IdentityClient::new(&notifier).notice(HOSPITAL, tx).send()).unwrap();
    assert_eq!(
        (notice.act, notice.patient),
        (IdentityAct::RecoveryExecuted, world.wallet.patient())
    );
    assert!(execute(&world, &fresh).is_err(), "once");
}

#[tokio::test]
async fn proposals_dated_as_far_wrong_as_peers_let_pass_do_not_shorten_the_delay() {
    let world = world().await;
    let fresh = Key::new(61);
    choose(&world, &owner(), &policy(2, RULES.default_delay)).unwrap();
    let [one, two, _] = guardians();
    open(&world, &fresh, one.approves(&world, to(&fresh))).unwrap();
    approve(&world, &fresh, two.approves(&world, to(&fresh))).unwrap();
    let dated = |seconds: i64| {
        portal(&world).at(Timestamp {
            seconds: world.now() + seconds,
            nanos: 0,
        })
    };
    begin_as(&world, &dated(-300)).unwrap();
    world.advance((RULES.default_delay - 1) as u64);
    let early = execute_as(&world, &dated(300), &fresh);
    assert!(matches!(early, Err(HealthError::ConflictState(_))), "{early:?}");
    world.advance(1);
    execute_as(&world, &dated(300), &fresh).unwrap();
}

#[tokio::test]
async fn a_veto_ends_a_recovery_and_beats_its_execution_in_the_block() {
    let world = world().await;
    let (own, fresh) = (owner(), Key::new(61));
    waiting(&world, &fresh);
    world.advance((RULES.default_delay + RULES.margin) as u64);
    let portal = portal(&world);
    let identity = IdentityClient::new(&portal);
    let (step, intent) = recovery_step(&world, &fresh, "executeRecovery");
    let executing = identity
        .execute_recovery(HOSPITAL, step, intent)
        .endorsed_by(BOTH);
    let executing = portal.endorse(executing.call().clone()).unwrap();
    let (step, intent) = recovery_step(&world, &own, "vetoRecovery");
    let vetoing = identity
        .veto_recovery(HOSPITAL, step, intent)
        .endorsed_by([HOSPITAL]);
    let vetoing = portal.endorse(vetoing.call().clone()).unwrap();
    let outcomes = world.mock.commit([vetoing, executing]).unwrap();
    let codes: Vec<&str> = outcomes.iter().map(|o| o.code.as_str_name()).collect();
    assert_eq!(codes, ["VALID", "MVCC_READ_CONFLICT"]);
    assert_eq!(execute(&world, &fresh), Err(HealthError::NotFound));
    grant(&world, &own).unwrap();
    let [one, ..] = guardians();
    let again = open(&world, &fresh, one.approves(&world, to(&fresh)));
    assert!(matches!(again, Err(HealthError::Limit(_))), "{again:?}");
    world.advance(RULES.quiet as u64);
    let same_id = open(&world, &fresh, one.approves(&world, to(&fresh)));
    assert!(matches!(same_id, Err(HealthError::Replayed(_))), "{same_id:?}");
}

#[tokio::test]
async fn an_approval_beats_the_grant_behind_it_in_the_block() {
    let world = world().await;
    let (own, fresh) = (owner(), Key::new(61));
    choose(&world, &own, &policy(2, RULES.default_delay)).unwrap();
    let [one, two, _] = guardians();
    open(&world, &fresh, one.approves(&world, to(&fresh))).unwrap();
    let consent = world.wallet.consent(&[Category::Laboratory]);
    let portal = portal(&world);
    let granting = ConsentsClient::new(&portal)
        .grant(HOSPITAL, consent.clone(), world.wallet.granting(&consent))
        .endorsed_by([HOSPITAL]);
    let granting = portal.endorse(granting.call().clone()).unwrap();
    let approval = RecoveryApproval {
        patient: world.wallet.patient(),
        recovery: R,
        key: fresh.id(),
        approval: two.approves(&world, to(&fresh)),
        salt: world.wallet.salt(),
    };
    let approving = IdentityClient::new(&portal)
        .approve_recovery(HOSPITAL, approval)
        .endorsed_by(BOTH);
    let approving = portal.endorse(approving.call().clone()).unwrap();
    let outcomes = world.mock.commit([approving, granting]).unwrap();
    let codes: Vec<&str> = outcomes.iter().map(|o| o.code.as_str_name()).collect();
    assert_eq!(codes, ["VALID", "MVCC_READ_CONFLICT"]);
}

#[tokio::test]
async fn only_guardians_approve_and_only_what_they_signed() {
    let world = world().await;
    let fresh = Key::new(61);
    let [one, two, three] = guardians();
    let none = open(&world, &fresh, one.approves(&world, to(&fresh)));
    assert!(
        matches!(none, Err(HealthError::Forbidden(_))),
        "no guardians yet: {none:?}"
    );
    choose(&world, &owner(), &policy(2, RULES.default_delay)).unwrap();
    let stranger = open(&world, &fresh, Key::new(99).approves(&world, to(&fresh)));
    assert!(matches!(stranger, Err(HealthError::Forbidden(_))), "{stranger:?}");
    let bad = |done: Done| assert!(matches!(done, Err(HealthError::BadIntent(_))), "{done:?}");
    let other_key = Key::new(62);
    bad(open(&world, &fresh, one.approves(&world, to(&other_key))));
    let mut forged = one.approves(&world, to(&fresh));
    forged.guardian = two.0.public_key();
    forged.opening = two.opening();
    bad(open(&world, &fresh, forged));
    open(&world, &fresh, one.approves(&world, to(&fresh))).unwrap();
    assert!(matches!(
        approve(&world, &fresh, one.approves(&world, to(&fresh))),
        Err(HealthError::Duplicate(_))
    ));
    bad(approve(&world, &fresh, two.approves(&world, to(&other_key))));
    let mut other_patient = GuardianStatement::new(
        &consortium(),
        HOSPITAL,
        PatientId::from_bytes([9; 32]),
        to(&fresh),
    );
    let sign = |s: &GuardianStatement| s.sign(&two.0, two.opening(), Nonce::from_bytes([1; 16])).unwrap();
    bad(approve(&world, &fresh, sign(&other_patient)));
    other_patient.patient = world.wallet.patient();
    other_patient.custodian = CLINIC.into();
    bad(approve(&world, &fresh, sign(&other_patient)));
    assert!(account(&world).executable.is_none());
    approve(&world, &fresh, three.approves(&world, to(&fresh))).unwrap();
    let more = approve(&world, &fresh, two.approves(&world, to(&fresh)));
    assert!(matches!(more, Err(HealthError::ConflictState(_))), "{more:?}");
}

fn attest(world: &World, officer: &MockClient, fresh: &Key) -> Done {
    let attestation = RecoveryAttestation {
        patient: world.wallet.patient(),
        recovery: R,
        key: fresh.0.public_key(),
        proof: Hash::from_bytes(*world.wallet.salt().as_bytes()),
        salt: world.wallet.salt(),
    };
    let nonce = Nonce::from_bytes(*R.as_bytes());
    let intent = fresh.sign(world, "attestRecovery", nonce, ("attestation", &attestation));
    send(
        world,
        IdentityClient::new(officer).attest_recovery(HOSPITAL, attestation, intent),
        &BOTH,
    )
}

#[tokio::test]
async fn two_officers_of_two_organisations_restore_the_keys_after_the_longer_delay() {
    let world = world().await;
    let fresh = Key::new(61);
    let officer = |organisation| world.newcomer(organisation, Role::RecoveryOfficer);
    let first = officer(HOSPITAL);
    let elsewhere = attest(&world, &officer(CLINIC), &fresh);
    assert!(
        matches!(elsewhere, Err(HealthError::Forbidden(_))),
        "{elsewhere:?}"
    );
    attest(&world, &first, &fresh).unwrap();
    for (second, why) in [
        (&first, "the same officer"),
        (&officer(HOSPITAL), "the same organisation"),
    ] {
        let refused = attest(&world, second, &fresh);
        assert!(
            matches!(refused, Err(HealthError::SodViolation(_))),
            "{why}: {refused:?}"
        );
    }
    let too_few = begin(&world);
    assert!(
        matches!(too_few, Err(HealthError::ConflictState(_))),
        "{too_few:?}"
    );
    let tx = attest(&world, &officer(REGULATOR), &fresh).unwrap();
    let notifier = world.client(HOSPITAL, Role::Notifier);
    let notice = now(IdentityClient::new(&notifier).notice(HOSPITAL, tx).send()).unwrap();
    assert_eq!(notice.act, IdentityAct::RecoveryAttested, "the patient is told");
    begin(&world).unwrap();
    world.advance((RULES.default_delay + RULES.margin) as u64);
    assert!(execute(&world, &fresh).is_err(), "seven days");
    world.advance((RULES.min_institutional_delay - RULES.default_delay) as u64);
    execute(&world, &fresh).unwrap();
    assert_eq!(account(&world).account.live, [fresh.id()].into());
}

#[tokio::test]
async fn nobody_restores_a_dead_patients_keys() {
    let world = world().await;
    choose(&world, &owner(), &policy(2, RULES.default_delay)).unwrap();
    let [first, second, _] = guardians();
    let fresh = Key::new(60);
    open(&world, &fresh, first.approves(&world, to(&fresh))).unwrap();
    let day = world.today();
    in_force(&world, Measure::RegisterDeath(day)).await;
    let approved = approve(&world, &fresh, second.approves(&world, to(&fresh)));
    assert!(matches!(approved, Err(HealthError::Forbidden(_))), "{approved:?}");
    let officer = world.client(HOSPITAL, Role::RecoveryOfficer);
    let attested = attest(&world, &officer, &Key::new(61));
    assert!(
        matches!(attested, Err(HealthError::ConflictState(_))),
        "{attested:?}"
    );
    in_force(&world, Measure::CorrectDeath).await;
    approve(&world, &fresh, second.approves(&world, to(&fresh))).unwrap();
}

#[tokio::test]
async fn a_live_key_vetoes_institutions_and_may_exclude_them() {
    let world = world().await;
    let (own, fresh) = (owner(), Key::new(61));
    let officer = |organisation| world.newcomer(organisation, Role::RecoveryOfficer);
    attest(&world, &officer(HOSPITAL), &fresh).unwrap();
    attest(&world, &officer(REGULATOR), &fresh).unwrap();
    begin(&world).unwrap();
    veto(&world, &own).unwrap();
    world.advance((8 * DAY) as u64);
    assert_eq!(execute(&world, &fresh), Err(HealthError::NotFound));
    let alone = RecoveryPolicy {
        institutional: false,
        ..policy(2, RULES.default_delay)
    };
    choose(&world, &own, &alone).unwrap();
    let refused = attest(&world, &officer(HOSPITAL), &fresh);
    assert!(matches!(refused, Err(HealthError::Forbidden(_))), "{refused:?}");
}

#[tokio::test]
async fn a_weaker_policy_waits_can_be_cancelled_and_is_not_chosen_by_an_old_signature() {
    let world = world().await;
    let own = owner();
    let (strong, weak) = (policy(2, RULES.default_delay), policy(1, RULES.min_delay));
    choose(&world, &own, &strong).unwrap();
    choose(&world, &own, &weak).unwrap();
    assert_eq!(account(&world).account.policy, strong);
    begin(&world).unwrap();
    let step = account_step(&world);
    let intent = own.sign(&world, "cancelChoice", world.wallet.nonce(), ("step", &step));
    let portal = portal(&world);
    let identity = IdentityClient::new(&portal);
    let cancelled = identity.cancel_choice(HOSPITAL, step, intent);
    send(&world, cancelled, &BOTH).unwrap();
    world.advance((RULES.default_delay + RULES.margin) as u64);
    assert_eq!(account(&world).account.policy, strong);

    let choice = PolicyChoice {
        patient: world.wallet.patient(),
        policy: weak.clone(),
        salt: world.wallet.salt(),
    };
    let signed = own.sign(
        &world,
        "chooseGuardians",
        world.wallet.nonce(),
        ("choice", &choice),
    );
    let chosen = identity.choose_guardians(HOSPITAL, choice.clone(), signed.clone());
    send(&world, chosen, &BOTH).unwrap();
    let again = identity.choose_guardians(HOSPITAL, choice, signed);
    assert!(matches!(
        send(&world, again, &BOTH),
        Err(HealthError::Replayed(_))
    ));
    begin(&world).unwrap();
    world.advance((RULES.default_delay + RULES.margin) as u64);
    assert_eq!(account(&world).account.policy, weak, "nobody cancelled");
}
