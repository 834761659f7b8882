//! Quarters of fingerprints: opened in two halves by the regulator, replaced on its word, closed once their claims are decided.

use crate::claims::{at, codes};
use crate::claims_elsewhere::{
    OTHER, adjudicated, body, claimed, forge, marked, replaced, seen, step, submit, two_payers,
};
use crate::fixture::{HOSPITAL, INSURER, REGULATOR, World};
use careledger_api::HealthError;
use careledger_api::adjudication::Frequency;
use careledger_api::contracts::claims::{
    ClaimStatus, ClaimsClient, FingerprintKey, FingerprintOpening, FingerprintPeriod, Period,
};
use careledger_api::ids::{Salt, TxId};
use careledger_api::roles::Role;
use fabric_contract_mock::now;
use serde_json::json;

/// Of the fixture's day.
pub(crate) const QUARTER: &str = "2027Q1";
pub(crate) const SALT: Salt = Salt::from_bytes([0x5a; 32]);

pub(crate) fn open(world: &World, period: &str) -> Result<TxId, HealthError> {
    opening(world, period, 3, None)
}

/// Both halves of it; the key's bytes, and those of the one that it is to replace.
fn opening(world: &World, period: &str, key: u8, instead_of: Option<u8>) -> Result<TxId, HealthError> {
    let salted_by = salted(world, period)?;
    announcing(world, REGULATOR, opening_of(period, key, salted_by, instead_of))
}

fn salted(world: &World, period: &str) -> Result<TxId, HealthError> {
    let vault = world.client(REGULATOR, Role::Vault);
    let period = FingerprintPeriod {
        period: period.parse().unwrap(),
        salt: SALT,
    };
    now(async { at!(world, &vault, REGULATOR, open_fingerprints(REGULATOR, period)) })
}

fn opening_of(period: &str, key: u8, salted_by: TxId, instead_of: Option<u8>) -> FingerprintOpening {
    let bytes = |of: u8| FingerprintKey::new(vec![of; 32]).unwrap();
    FingerprintOpening {
        period: period.parse().unwrap(),
        key: bytes(key),
        salted_by,
        instead_of: instead_of.map(bytes),
    }
}

fn announcing(world: &World, organisation: &str, opening: FingerprintOpening) -> Result<TxId, HealthError> {
    let vault = world.client(organisation, Role::Vault);
    let sent = ClaimsClient::new(&vault).announce_fingerprints(opening).send();
    now(async { world.receipt(sent.await) })
}

fn key_of(world: &World, period: &str) -> Result<FingerprintKey, HealthError> {
    let payer = world.client(OTHER, Role::Payer);
    let asked = ClaimsClient::new(&payer).fingerprint_key(period.parse::<Period>().unwrap());
    now(asked.endorsed_by([OTHER]).send()).map_err(|error| crate::fixture::contract_error::<()>(Err(error)))
}

fn closing(world: &World, period: &str) -> Result<TxId, HealthError> {
    let vault = world.client(REGULATOR, Role::Vault);
    let period: Period = period.parse().unwrap();
    now(async { at!(world, &vault, REGULATOR, close_fingerprints(REGULATOR, period)) })
}

#[tokio::test]
async fn a_quarter_is_opened_once_and_closed_when_its_claims_are_decided() {
    let world = two_payers().await;
    assert_eq!(key_of(&world, QUARTER).unwrap().as_bytes(), [3; 32]);
    assert_eq!(key_of(&world, "2026Q4").unwrap_err(), HealthError::NotFound);
    assert_eq!(claimed(&world, INSURER, 1, 14, 7), ClaimStatus::Approved);
    for key in [3, 4] {
        let again = opening(&world, QUARTER, key, None).unwrap_err();
        assert!(
            matches!(&again, HealthError::Duplicate(text) if text.contains(&"03".repeat(32))),
            "{again:?}"
        );
    }
    // Nothing of it changed: what was marked is met.
    assert_eq!(claimed(&world, OTHER, 2, 14, 7), ClaimStatus::Pended);
    let undrawn = FingerprintPeriod {
        period: "2027Q2".parse().unwrap(),
        salt: Salt::from_bytes([0; 32]),
    };
    let vault = world.client(REGULATOR, Role::Vault);
    let undrawn = at!(&world, &vault, REGULATOR, open_fingerprints(REGULATOR, undrawn));
    assert!(matches!(undrawn, Err(HealthError::SaltMissing(_))));
    assert!(matches!(
        closing(&world, QUARTER),
        Err(HealthError::ConflictState(_))
    ));
    assert_eq!(closing(&world, "2026Q4").unwrap_err(), HealthError::NotFound);
    let late = open(&world, "2024Q3").unwrap_err();
    assert!(matches!(late, HealthError::ConflictState(_)), "{late:?}");
    let any = salted(&world, "2027Q2").unwrap();
    let late = announcing(&world, REGULATOR, opening_of("2024Q3", 3, any, None)).unwrap_err();
    assert!(matches!(late, HealthError::ConflictState(_)), "{late:?}");
    // 2027-03-31 and 731 days are 2029-03-31.
    let days = |text: &str| text.parse::<careledger_api::date::Date>().unwrap().days();
    let left = days("2029-03-31") - days("2027-01-15");
    world.advance(u64::try_from(left).unwrap() * 86_400);
    assert!(matches!(
        closing(&world, QUARTER),
        Err(HealthError::ConflictState(_))
    ));
    world.advance(86_400);
    closing(&world, QUARTER).unwrap();
    assert_eq!(key_of(&world, QUARTER).unwrap_err(), HealthError::NotFound);
    assert_eq!(closing(&world, QUARTER).unwrap_err(), HealthError::NotFound);
    assert!(matches!(
        open(&world, QUARTER),
        Err(HealthError::ConflictState(_))
    ));
}

/// No organisation alone opens a quarter, or keeps the regulator from it.
#[tokio::test]
async fn a_quarter_cannot_be_squatted() {
    let world = two_payers().await;
    let own = json!({"period": "2026Q4", "salt": SALT});
    // Whatever is written where a salt might stand, no public word names it.
    let taken: TxId = "ab".repeat(32).parse().unwrap();
    for hands in [OTHER, REGULATOR] {
        let key = format!(
            "fpp~2026Q4~{}",
            if hands == OTHER {
                "cd".repeat(32)
            } else {
                taken.to_string()
            }
        );
        assert!(forge(&world, OTHER, &key, Some(&own), Some(hands)));
    }
    assert_eq!(key_of(&world, "2026Q4").unwrap_err(), HealthError::NotFound);
    // The public word is the regulator's, by the rule that most organisations' peers keep.
    for (organisation, role) in [(OTHER, Role::Vault), (OTHER, Role::Payer), (REGULATOR, Role::Dpo)] {
        let client = world.client(organisation, role);
        let opening = opening_of("2026Q4", 8, taken.clone(), None);
        let refused = ClaimsClient::new(&client).announce_fingerprints(opening).send();
        let refused = world.receipt(refused.await);
        assert!(
            matches!(refused, Err(HealthError::Forbidden(_))),
            "{organisation} {role}: {refused:?}"
        );
    }
    open(&world, "2026Q4").unwrap();
    assert_eq!(key_of(&world, "2026Q4").unwrap().as_bytes(), [3; 32]);
    let salt = salted(&world, "2026Q4").unwrap();
    assert!(!forge(
        &world,
        OTHER,
        &format!("fpp~2026Q4~{salt}"),
        Some(&own),
        None
    ));
}

#[tokio::test]
async fn a_lost_seed_or_salt_is_replaced_on_the_regulators_word() {
    let world = two_payers().await;
    assert_eq!(claimed(&world, INSURER, 1, 14, 7), ClaimStatus::Approved);
    assert!(matches!(
        opening(&world, QUARTER, 4, Some(9)),
        Err(HealthError::Duplicate(_))
    ));
    opening(&world, QUARTER, 4, Some(3)).unwrap();
    assert_eq!(key_of(&world, QUARTER).unwrap().as_bytes(), [4; 32]);
}

/// Whoever writes a mark or a salt may withhold its value.
#[tokio::test]
async fn what_is_withheld_asks_and_is_replaced_on_the_regulators_word_alone() {
    let world = two_payers().await;
    for (payer, n) in [(INSURER, 1), (OTHER, 2)] {
        submit(&world, payer, body(&world, payer, n, 14));
    }
    let insurer = world.client(INSURER, Role::Payer);
    let decided = ClaimsClient::new(&insurer).adjudicate(INSURER, HOSPITAL, step(&world, 1, Some(7)));
    let decided = insurer
        .endorse(decided.endorsed_by([INSURER]).call().clone())
        .unwrap();
    assert_eq!(codes(&world, [decided.withholding_private_values()]), ["VALID"]);
    assert_eq!(adjudicated(&world, OTHER, 2, Some(7)), ClaimStatus::Pended);
    let vault = world.client(REGULATOR, Role::Vault);
    let period = FingerprintPeriod {
        period: "2026Q4".parse().unwrap(),
        salt: SALT,
    };
    let laid = ClaimsClient::new(&vault).open_fingerprints(REGULATOR, period);
    let laid = vault
        .endorse(laid.endorsed_by([REGULATOR]).call().clone())
        .unwrap();
    let salted_by: TxId = laid.tx_id.parse().unwrap();
    assert_eq!(codes(&world, [laid.withholding_private_values()]), ["VALID"]);
    announcing(&world, REGULATOR, opening_of("2026Q4", 3, salted_by, None)).unwrap();
    let withheld = key_of(&world, "2026Q4").unwrap_err();
    assert!(matches!(withheld, HealthError::Ledger(_)), "{withheld:?}");
    opening(&world, "2026Q4", 3, Some(3)).unwrap();
    assert_eq!(key_of(&world, "2026Q4").unwrap().as_bytes(), [3; 32]);
}

/// A regulator names a salt that it gives nobody, or one that is not there.
#[tokio::test]
async fn a_salt_that_nobody_has_stops_no_decision_and_releases_no_mark() {
    let world = two_payers().await;
    assert_eq!(claimed(&world, INSURER, 1, 14, 7), ClaimStatus::Approved);
    let vault = world.client(REGULATOR, Role::Vault);
    let period = FingerprintPeriod {
        period: QUARTER.parse().unwrap(),
        salt: SALT,
    };
    let laid = ClaimsClient::new(&vault).open_fingerprints(REGULATOR, period);
    let laid = vault
        .endorse(laid.endorsed_by([REGULATOR]).call().clone())
        .unwrap();
    let withheld: TxId = laid.tx_id.parse().unwrap();
    assert_eq!(codes(&world, [laid.withholding_private_values()]), ["VALID"]);
    let anew = |fingerprint| {
        let client = world.client(INSURER, Role::Payer);
        let mut step = step(&world, 1, fingerprint);
        step.anew = true;
        now(async { at!(world, &client, INSURER, adjudicate(INSURER, HOSPITAL, step)) }).unwrap();
        seen(&world, INSURER, 1).status
    };
    let salts = [(4, withheld), (5, "ab".repeat(32).parse().unwrap())];
    for (n, (key, salted_by)) in (2u8..).zip(salts) {
        announcing(
            &world,
            REGULATOR,
            opening_of(QUARTER, key, salted_by, Some(key - 1)),
        )
        .unwrap();
        for fingerprint in [None, Some(7)] {
            assert_eq!(anew(fingerprint), ClaimStatus::Approved);
            assert_eq!(marked(&world, 7), [INSURER]);
        }
        // What is new is not compared.
        assert_eq!(claimed(&world, OTHER, n, 14 - n, 8), ClaimStatus::Approved);
        assert!(marked(&world, 8).is_empty());
    }
    // It goes with what it stood for.
    replaced(&world, INSURER, body(&world, INSURER, 9, 14), 1, Frequency::Void);
    assert!(marked(&world, 7).is_empty());
}
