//! The machine, step by step; every order of acts is in `exploration`, and in `mutants` that the exploration finds broken rules.

mod exploration;
mod explorer;
mod mutants;

use super::*;
use crate::ids::PersonId;

/// Time in ticks: a proposal's time differs from the peers' by at most one, so the margin is two.
pub(super) const TICKS: Rules = Rules {
    min_delay: 1,
    max_delay: 9,
    default_delay: 2,
    min_institutional_delay: 3,
    margin: 2,
    open_for: 3,
    quiet: 1,
    guardian_life: 1_000,
    max_live_keys: 3,
};

pub(super) fn key(n: u8) -> KeyId {
    KeyId::from_bytes([n; 32])
}

pub(super) fn id(n: u8) -> RecoveryId {
    RecoveryId::from_bytes([n; 16])
}

/// Guardian `n`: its commitment and its key.
pub(super) fn guardian(n: u8) -> Approver {
    Approver::Guardian {
        commitment: Hash::from_bytes([n; 32]),
        key: key(100 + n),
    }
}

pub(super) fn officer(organisation: &str, n: u8) -> Approver {
    Approver::Officer {
        organisation: organisation.into(),
        person: PersonId::from_bytes([n; 32]),
    }
}

pub(super) fn policy(guardians: &[u8], threshold: u8, delay: i64, institutional: bool) -> RecoveryPolicy {
    RecoveryPolicy {
        guardians: guardians.iter().map(|n| Hash::from_bytes([*n; 32])).collect(),
        threshold,
        delay,
        institutional,
    }
}

/// The owner's first key.
pub(super) const OWN: u8 = 1;
/// The owner's second key.
pub(super) const SECOND: u8 = 2;
/// The key that the owner has after losing the others.
pub(super) const FRESH: u8 = 3;
/// The attacker's key.
pub(super) const EVIL: u8 = 9;

fn account() -> Account {
    let mut account = Account::enrolled(key(OWN), &TICKS);
    account.policy = policy(&[1, 2, 3], 2, 2, true);
    account
}

/// Applies acts one after the other; each must be allowed.
fn played(mut account: Account, acts: &[(i64, Act)]) -> Account {
    for (at, act) in acts {
        account = step(&TICKS, &account, act, *at).unwrap_or_else(|e| panic!("{act:?} at {at}: {e}"));
    }
    account
}

fn open(by: Approver) -> Act {
    Act::Open {
        id: id(1),
        key: key(FRESH),
        by,
    }
}

fn approve(by: Approver) -> Act {
    Act::Approve {
        id: id(1),
        key: key(FRESH),
        by,
    }
}

const EXECUTE: Act = Act::Execute {
    id: RecoveryId::from_bytes([1; 16]),
};

#[test]
fn two_of_three_guardians_recover_after_the_delay() {
    let approved = played(
        account(),
        &[(0, open(guardian(1))), (1, approve(guardian(3))), (1, Act::Begin)],
    );
    assert!(approved.require_open().is_err(), "no grants now");
    assert!(step(&TICKS, &approved, &EXECUTE, 4).is_err(), "1 + 2 + 2 is 5");
    assert!(
        step(&TICKS, &approved, &EXECUTE, 8).is_err(),
        "expired after 3 more"
    );
    let recovered = played(approved, &[(5, EXECUTE)]);
    assert_eq!(recovered.live, [key(FRESH)].into());
    assert!(recovered.knows(&key(OWN)), "the old key proves what it signed");
    let by_old = Act::AddKey {
        by: key(OWN),
        key: key(SECOND),
    };
    assert!(step(&TICKS, &recovered, &by_old, 6).is_err());
}

#[test]
fn two_officers_of_two_organisations_recover_after_the_longer_delay() {
    let half = played(account(), &[(0, open(officer("H", 1)))]);
    for (by, why) in [
        (officer("H", 1), "the same officer"),
        (officer("H", 2), "the same organisation"),
        (
            officer("R", 1),
            "the same person under another organisation's name",
        ),
    ] {
        let refused = step(&TICKS, &half, &approve(by), 1);
        assert!(
            matches!(refused, Err(HealthError::SodViolation(_))),
            "{why}: {refused:?}"
        );
    }
    assert!(
        step(&TICKS, &half, &approve(guardian(1)), 1).is_err(),
        "no mixing with guardians"
    );
    let approved = played(half, &[(1, approve(officer("R", 3))), (1, Act::Begin)]);
    assert!(
        step(&TICKS, &approved, &EXECUTE, 6).is_err(),
        "twice the delay: 1 + 4 + 2 is 7"
    );
    played(approved, &[(7, EXECUTE)]);

    let mut closed = account();
    closed.policy.institutional = false;
    assert!(matches!(
        step(&TICKS, &closed, &open(officer("H", 1)), 0),
        Err(HealthError::Forbidden(_))
    ));
}

#[test]
fn one_guardian_counts_once_whatever_commitments_lead_to_the_key() {
    let again = Approver::Guardian {
        commitment: Hash::from_bytes([2; 32]),
        key: key(101),
    };
    let half = played(account(), &[(0, open(guardian(1)))]);
    assert!(matches!(
        step(&TICKS, &half, &approve(guardian(1)), 0),
        Err(HealthError::Duplicate(_))
    ));
    assert!(matches!(
        step(&TICKS, &half, &approve(again), 0),
        Err(HealthError::SodViolation(_))
    ));
    assert!(matches!(
        step(&TICKS, &half, &approve(guardian(4)), 0),
        Err(HealthError::Forbidden(_))
    ));
    let other_key = Act::Approve {
        id: id(1),
        key: key(EVIL),
        by: guardian(2),
    };
    assert!(matches!(
        step(&TICKS, &half, &other_key, 0),
        Err(HealthError::BadIntent(_))
    ));
}

#[test]
fn a_veto_ends_it_and_keeps_it_quiet_and_an_expiry_bars_its_opener() {
    let veto = Act::Veto {
        by: key(OWN),
        id: id(1),
    };
    for acts in [
        vec![(0, open(guardian(1)))],
        vec![(0, open(guardian(1))), (0, approve(guardian(2)))],
        vec![(0, open(guardian(1))), (0, approve(guardian(2))), (0, Act::Begin)],
    ] {
        let vetoed = played(played(account(), &acts), &[(2, veto.clone())]);
        assert!(vetoed.recovery.is_none() && vetoed.require_open().is_ok());
        assert!(matches!(
            step(&TICKS, &vetoed, &open(guardian(2)), 2),
            Err(HealthError::Limit(_))
        ));
        played(vetoed, &[(3, open(guardian(2)))]);
    }
    let opened = played(account(), &[(0, open(guardian(1)))]);
    assert!(
        step(&TICKS, &opened, &open(guardian(2)), 2).is_err(),
        "one at a time"
    );
    assert!(matches!(
        step(&TICKS, &opened, &open(guardian(1)), 3),
        Err(HealthError::Limit(_))
    ));
    let other = played(opened.clone(), &[(3, open(guardian(2)))]);
    assert_eq!(other.recovery.unwrap().opener, Hash::from_bytes([2; 32]));
    played(opened, &[(6, open(guardian(1)))]);
}

#[test]
fn what_strengthens_holds_at_once_and_the_rest_waits() {
    let choose = |account: &Account, new: &RecoveryPolicy| {
        let act = Act::Choose {
            by: key(OWN),
            policy: new.clone(),
        };
        step(&TICKS, account, &act, 0).unwrap()
    };
    for stronger in [
        policy(&[1, 2, 3], 3, 2, true),
        policy(&[1, 2, 3], 2, 3, true),
        policy(&[1, 2, 3], 2, 2, false),
    ] {
        let next = choose(&account(), &stronger);
        assert_eq!((&next.policy, &next.pending), (&stronger, &None));
    }
    for other in [
        policy(&[1, 2, 3], 1, 2, true),
        policy(&[1, 2, 3], 2, 1, true),
        policy(&[1, 2], 2, 2, true),
        policy(&[1, 2, 3, 4], 3, 3, false),
        policy(&[], 0, 2, true),
    ] {
        let next = choose(&account(), &other);
        assert_eq!(next.policy, account().policy);
        let begun = played(next, &[(1, Act::Begin)]);
        assert_eq!(begun.clone().settled(&TICKS, 4).policy, account().policy);
        assert_eq!(begun.settled(&TICKS, 5).policy, other, "1 + 2 + 2");
    }
    let mut closed = account();
    closed.policy.institutional = false;
    assert!(choose(&closed, &policy(&[1, 2, 3], 3, 3, true)).pending.is_some());
    let first = Account::enrolled(key(OWN), &TICKS);
    assert!(choose(&first, &policy(&[1], 1, 2, true)).pending.is_none());
    assert!(
        choose(&first, &policy(&[1], 1, 1, true)).pending.is_some(),
        "a shorter delay waits also with the first guardians"
    );
}

#[test]
fn a_policy_has_to_make_sense() {
    for bad in [
        policy(&[1, 2], 3, 2, true),
        policy(&[1, 2], 0, 2, true),
        policy(&[], 1, 2, true),
        policy(&[1], 1, 0, true),
        policy(&[1], 1, 10, true),
        policy(&[1, 2, 3, 4, 5, 6, 7, 8, 9], 2, 2, true),
    ] {
        assert!(bad.validate(&TICKS).is_err(), "{bad:?}");
    }
    for good in [
        policy(&[], 0, 1, false),
        policy(&[1, 2, 3, 4, 5, 6, 7, 8], 8, 9, true),
    ] {
        good.validate(&TICKS).unwrap();
    }
    RecoveryPolicy::initial(&Rules::STANDARD)
        .validate(&Rules::STANDARD)
        .unwrap();
}

#[test]
fn a_frozen_account_takes_no_key_and_no_policy_until_another_key_or_the_guardians_open_it() {
    let freeze = Act::Freeze { by: key(OWN) };
    let add = Act::AddKey {
        by: key(OWN),
        key: key(SECOND),
    };
    let frozen = played(account(), &[(0, add), (0, freeze)]);
    assert!(frozen.require_open().is_err());
    for refused in [
        Act::AddKey {
            by: key(SECOND),
            key: key(FRESH),
        },
        Act::RotateKey {
            by: key(SECOND),
            key: key(FRESH),
        },
        Act::Choose {
            by: key(OWN),
            policy: policy(&[1, 2, 3], 3, 2, true),
        },
        Act::Unfreeze {
            by: Signers::Key(key(OWN)),
        },
        Act::Unfreeze {
            by: Signers::Key(key(FRESH)),
        },
    ] {
        assert!(step(&TICKS, &frozen, &refused, 1).is_err(), "{refused:?}");
    }
    let by = |all: &[(u8, u8)]| Act::Unfreeze {
        by: Signers::Guardians(
            all.iter()
                .map(|(commitment, k)| (Hash::from_bytes([*commitment; 32]), key(*k)))
                .collect(),
        ),
    };
    for few in [
        by(&[(1, 101)]),
        by(&[(1, 101), (2, 101)]),
        by(&[(1, 101), (4, 104)]),
        by(&[(1, 101), (2, 102), (4, 104)]),
    ] {
        assert!(step(&TICKS, &frozen, &few, 1).is_err(), "{few:?}");
    }
    for enough in [
        by(&[(1, 101), (2, 102)]),
        Act::Unfreeze {
            by: Signers::Key(key(SECOND)),
        },
    ] {
        let open = played(frozen.clone(), &[(1, enough)]);
        assert!(open.require_open().is_ok() && open.freezes_ended == 1);
    }
    let again = played(frozen, &[(1, Act::Freeze { by: key(SECOND) })]);
    assert_eq!(again.frozen_by, Some(key(OWN)), "the first freeze counts");
}

#[test]
fn keys_come_and_go_within_their_bounds() {
    let add = |by: u8, new: u8| Act::AddKey {
        by: key(by),
        key: key(new),
    };
    let full = played(account(), &[(0, add(1, 2)), (0, add(2, 3))]);
    assert!(matches!(
        step(&TICKS, &full, &add(1, 4), 0),
        Err(HealthError::Limit(_))
    ));
    assert!(matches!(
        step(&TICKS, &account(), &add(1, 1), 0),
        Err(HealthError::Duplicate(_))
    ));
    assert!(step(&TICKS, &account(), &add(5, 6), 0).is_err());
    let rotated = played(
        full,
        &[(
            0,
            Act::RotateKey {
                by: key(1),
                key: key(4),
            },
        )],
    );
    assert_eq!(rotated.live, [key(2), key(3), key(4)].into());
    let revoked = played(
        rotated,
        &[(
            0,
            Act::RevokeKey {
                by: key(2),
                key: key(2),
            },
        )],
    );
    assert_eq!(revoked.retired, [key(1), key(2)]);
    assert!(
        matches!(
            step(&TICKS, &revoked, &add(3, 1), 0),
            Err(HealthError::Duplicate(_))
        ),
        "a key does not come back"
    );
    let mut many = account();
    for n in 10..60 {
        many = played(
            many.clone(),
            &[(
                0,
                Act::RotateKey {
                    by: *many.live.first().unwrap(),
                    key: key(n),
                },
            )],
        );
    }
    assert_eq!(many.retired.len(), MAX_RETIRED);
    assert!(many.knows(&key(58)) && !many.knows(&key(10)));
}

#[test]
fn the_standard_times_are_those_of_the_design() {
    let rules = Rules::STANDARD;
    assert_eq!(
        (rules.default_delay, rules.max_delay, rules.margin),
        (72 * 3_600, 30 * 86_400, 600)
    );
    assert_eq!(rules.institutional_delay(rules.default_delay), 7 * 86_400);
    assert_eq!(rules.institutional_delay(rules.max_delay), 60 * 86_400);
}

#[test]
fn a_guardian_counts_for_a_year_after_the_last_renewal_and_a_lapsed_one_is_chosen_again() {
    let chosen = Act::Choose {
        by: key(OWN),
        policy: policy(&[1, 2, 3], 3, 2, true),
    };
    let renew = Act::Renew { by: key(OWN) };
    let year = TICKS.guardian_life;
    let fresh = played(account(), &[(10, chosen.clone())]);
    assert_eq!(fresh.lapses(&TICKS), Some(10 + year));
    played(fresh.clone(), &[(10 + year - 1, open(guardian(1)))]);
    let refused = step(&TICKS, &fresh, &open(guardian(1)), 10 + year);
    assert!(matches!(refused, Err(HealthError::Forbidden(_))), "{refused:?}");
    // Renewed, they count on; a renewal that was dated earlier takes nothing back.
    let renewed = played(fresh.clone(), &[(500, renew.clone()), (499, renew.clone())]);
    assert_eq!(renewed.lapses(&TICKS), Some(500 + year));
    played(renewed, &[(10 + year, open(guardian(1)))]);
    // Nor does a guardian who lapses while a recovery goes on.
    let going_on = played(fresh.clone(), &[(10 + year - 1, open(guardian(1)))]);
    let refused = step(&TICKS, &going_on, &approve(guardian(2)), 10 + year);
    assert!(matches!(refused, Err(HealthError::Forbidden(_))), "{refused:?}");

    let lapsed = 10 + year;
    for (by, why) in [
        (key(OWN), "a renewal brings nobody back"),
        (key(EVIL), "nor does a stranger"),
    ] {
        assert!(step(&TICKS, &fresh, &Act::Renew { by }, lapsed).is_err(), "{why}");
    }
    let again = played(fresh.clone(), &[(lapsed, chosen)]);
    assert!(again.pending.is_some(), "the same guardians, and yet it waits");
    let back = played(again, &[(lapsed, Act::Begin), (lapsed + 4, renew)]);
    assert_eq!(back.renewed.len(), 3);
    assert!(back.lapses(&TICKS) >= Some(lapsed + 4 + year));
    played(back, &[(lapsed + 5, open(guardian(1)))]);

    // One who lapsed opens no frozen account either.
    let freeze = Act::Freeze { by: key(OWN) };
    let frozen = played(fresh, &[(20, freeze)]);
    let all = [1, 2, 3].map(|n| (Hash::from_bytes([n; 32]), key(100 + n)));
    let unfreeze = Act::Unfreeze {
        by: Signers::Guardians(all.into()),
    };
    assert!(step(&TICKS, &frozen, &unfreeze, lapsed).is_err());
    played(frozen, &[(lapsed - 1, unfreeze)]);
}

#[test]
fn an_account_from_before_renewals_were_kept_is_read_and_its_guardians_count() {
    let mut json = serde_json::to_value(account()).unwrap();
    json.as_object_mut().unwrap().remove("renewed");
    let before: Account = serde_json::from_value(json).unwrap();
    assert_eq!((&before, before.lapses(&TICKS)), (&account(), None));
    let renewed = played(before, &[(5, Act::Renew { by: key(OWN) })]);
    assert_eq!(renewed.renewed.len(), 3);
}

#[test]
fn who_freezes_with_the_only_key_needs_guardians_to_open_again() {
    let opens = |account: &Account, lost: Option<u8>, at: i64| {
        account.opens_without(&TICKS, &key(OWN), lost.map(key).as_ref(), at)
    };
    let mut alone = account();
    assert!(opens(&alone, None, 0), "two of three guardians");
    alone.renewed = [1, 2].map(|n| (Hash::from_bytes([n; 32]), 0)).into();
    assert!(opens(&alone, None, TICKS.guardian_life - 1));
    assert!(!opens(&alone, None, TICKS.guardian_life), "two have lapsed");
    alone.policy = RecoveryPolicy::initial(&TICKS);
    assert!(!opens(&alone, None, 0), "nobody");
    alone.live.insert(key(SECOND));
    assert!(opens(&alone, None, 0), "another device");
    assert!(!opens(&alone, Some(SECOND), 0), "which is the lost one");
}
