//! Broken rules, each of which the exploration must find: it can fail.

use super::super::step;
use super::exploration::{
    a_guardian_listed_twice, a_watchful_owner, below_the_threshold, guardians_who_lapsed, lowered_protection,
};
use super::explorer::{Machine, Scenario, explore};
use super::*;
use crate::hashing::tagged_hash;

/// The exploration of the scenario finds the broken machine out, and the path it tells ends with the take-over.
fn found(scenario: &Scenario, broken: Machine) {
    let path = explore(scenario, broken).expect_err("the broken rule is found");
    assert!(path.len() > 2, "{path:#?}");
}

/// One approval fewer than the threshold is enough.
#[test]
fn a_threshold_off_by_one() {
    found(&below_the_threshold(4), |rules, account, act, at| {
        let mut next = step(rules, account, act, at)?;
        if let Some(recovery) = next.recovery.as_mut()
            && let Approvals::Guardians(all) = &recovery.approvals
            && all.len() + 1 >= usize::from(recovery.policy.threshold)
            && recovery.stage == Stage::Initiated
        {
            recovery.stage = Stage::Approved;
        }
        Ok(next)
    });
}

/// Two officers are enough, whatever their organisations.
#[test]
fn officers_of_one_organisation() {
    found(&below_the_threshold(4), |rules, account, act, at| {
        let mut act = act.clone();
        if let Act::Open { by, .. } | Act::Approve { by, .. } = &mut act
            && let Approver::Officer { organisation, person } = by
        {
            organisation.push_str(&person.to_string());
        }
        step(rules, account, &act, at)
    });
}

/// An approval counts for the recovery that is going on, whatever key it names.
#[test]
fn approvals_of_another_key() {
    found(&below_the_threshold(4), |rules, account, act, at| {
        let mut act = act.clone();
        if let Act::Approve { key, .. } = &mut act
            && let Some(recovery) = &account.recovery
        {
            *key = recovery.key;
        }
        step(rules, account, &act, at)
    });
}

/// Anybody counts as a guardian.
#[test]
fn strangers_as_guardians() {
    found(&below_the_threshold(4), |rules, account, act, at| {
        let mut act = act.clone();
        if let Act::Approve { by, .. } = &mut act
            && let Approver::Officer { person, .. } = by
        {
            *by = Approver::Guardian {
                commitment: Hash::from_bytes([2; 32]),
                key: KeyId::from_bytes(*person.as_bytes()),
            };
        }
        step(rules, account, &act, at)
    });
}

/// A guardian counts once for each commitment, not once for each key.
#[test]
fn guardians_counted_by_commitment() {
    found(&a_guardian_listed_twice(), |rules, account, act, at| {
        let mut act = act.clone();
        if let Act::Open { by, .. } | Act::Approve { by, .. } = &mut act
            && let Approver::Guardian { commitment, key } = by
        {
            *key = KeyId::from_bytes(*tagged_hash("x", &[commitment.as_bytes()]).as_bytes());
        }
        step(rules, account, &act, at)
    });
}

/// A veto changes nothing.
#[test]
fn a_veto_without_effect() {
    found(&a_watchful_owner(5), |rules, account, act, at| match act {
        Act::Veto { .. } => {
            step(rules, account, act, at)?;
            Ok(account.clone())
        }
        _ => step(rules, account, act, at),
    });
}

/// A veto holds only while approvals are missing.
#[test]
fn a_veto_too_late_once_approved() {
    found(&a_watchful_owner(5), |rules, account, act, at| {
        let approved = |r: &Recovery| r.stage != Stage::Initiated;
        match act {
            Act::Veto { .. } if account.recovery.as_ref().is_some_and(approved) => {
                Err(HealthError::ConflictState("approved".into()))
            }
            _ => step(rules, account, act, at),
        }
    });
}

/// The margin covers one end of the delay only: proposals are dated back at its beginning and forward at its end.
#[test]
fn half_a_margin() {
    found(&a_watchful_owner(5), |rules, account, act, at| {
        let half = Rules {
            margin: 1,
            ..rules.clone()
        };
        step(&half, account, act, at)
    });
}

/// The delay counts from the last approval, which may have been held back.
#[test]
fn a_delay_that_counts_from_the_approval() {
    found(&a_watchful_owner(5), |rules, account, act, at| {
        let mut next = step(rules, account, act, at)?;
        if let Some(recovery) = next.recovery.as_mut()
            && recovery.stage == Stage::Approved
        {
            recovery.stage = Stage::Timelocked(at);
        }
        Ok(next)
    });
}

/// A weaker policy holds at once.
#[test]
fn a_lowering_that_does_not_wait() {
    found(&lowered_protection(), |rules, account, act, at| {
        let mut next = step(rules, account, act, at)?;
        if let (Act::Choose { .. }, Some(pending)) = (act, next.pending.take_if(|_| true)) {
            next.policy = pending.policy;
        } else if let Act::Cancel { .. } | Act::Begin = act {
            next.pending = account.pending.clone();
        }
        Ok(next)
    });
}

/// A waiting policy counts from the proposal that chose it, which may have been held back.
#[test]
fn a_lowering_that_counts_from_its_choice() {
    found(&lowered_protection(), |rules, account, act, at| {
        let mut next = step(rules, account, act, at)?;
        if let (Act::Choose { .. }, Some(pending)) = (act, next.pending.as_mut()) {
            pending.since = Some(at);
        }
        Ok(next)
    });
}

/// A second choice takes over the time that the first has waited.
#[test]
fn a_second_choice_on_the_first_ones_time() {
    found(&lowered_protection(), |rules, account, act, at| {
        let mut next = step(rules, account, act, at)?;
        let since = account.pending.as_ref().and_then(|p| p.since);
        if let (Act::Choose { .. }, Some(pending)) = (act, next.pending.as_mut()) {
            pending.since = since;
        }
        Ok(next)
    });
}

/// An approved recovery is executed although its delay never began.
#[test]
fn an_execution_without_delay() {
    found(&a_watchful_owner(5), |rules, account, act, at| {
        let mut next = account.clone();
        if let (Act::Execute { id }, Some(recovery)) = (act, next.recovery.as_mut())
            && recovery.id == *id
            && recovery.stage == Stage::Approved
        {
            recovery.stage = Stage::Timelocked(at - recovery.delay(rules) - rules.margin);
        }
        step(rules, &next, act, at)
    });
}

/// A guardian counts for ever.
#[test]
fn guardians_who_never_lapse() {
    found(&guardians_who_lapsed(), |rules, account, act, at| {
        let endless = Rules {
            guardian_life: i64::MAX,
            ..rules.clone()
        };
        step(&endless, account, act, at)
    });
}

/// A renewal brings back who lapsed.
#[test]
fn a_renewal_of_lapsed_guardians() {
    found(&guardians_who_lapsed(), |rules, account, act, at| match act {
        Act::Renew { by } if account.live.contains(by) => {
            let mut next = account.clone().settled(rules, at);
            next.renewed.values_mut().for_each(|renewed| *renewed = at);
            Ok(next)
        }
        _ => step(rules, account, act, at),
    });
}

/// The choice of the guardians who are chosen already holds at once, also where they lapsed.
#[test]
fn a_choice_of_lapsed_guardians_that_does_not_wait() {
    found(&guardians_who_lapsed(), |rules, account, act, at| {
        let mut next = step(rules, account, act, at)?;
        if let (Act::Choose { .. }, Some(pending)) = (act, next.pending.as_ref())
            && pending.policy == account.policy
        {
            next.renewed.values_mut().for_each(|renewed| *renewed = at);
            next.pending = None;
        }
        Ok(next)
    });
}
