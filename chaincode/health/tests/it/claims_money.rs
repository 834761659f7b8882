//! Claims come again, are replaced, taken back, remitted, paid, reversed; and what their member paid.

use crate::claims::{
    adjudicate, at, book, claim, codes, correct, covered_by, id, instead, member, on, payment, remittance,
    replace, submit, view,
};
use crate::fixture::{HOSPITAL, INSURER, World, bytes, world};
use careledger_api::HealthError;
use careledger_api::adjudication::{Accumulators, Effect, Frequency, Limit, ProcedureRules, Span, Standing};
use careledger_api::contracts::claims::{
    AdjudicationStep, ClaimStatus, ClaimStep, ClaimsClient, CoverageEnd, EligibilityQuery, Fold, Reversal,
    StandingBody,
};
use careledger_api::date::DateRange;
use careledger_api::ids::RemittanceId;
use careledger_api::roles::Role;
use fabric_contract_mock::Endorsed;

pub async fn paid(world: &World) -> Accumulators {
    let payer = world.client(INSURER, Role::Payer);
    let query = EligibilityQuery {
        coverage: member(),
        on: world.today(),
    };
    let asked = ClaimsClient::new(&payer).eligibility(INSURER, query);
    asked.endorsed_by([INSURER]).send().await.unwrap().accumulators
}

/// An adjudication as it waits for its block.
fn endorsed(world: &World, n: u8) -> Endorsed {
    let payer = world.client(INSURER, Role::Payer);
    let step = AdjudicationStep::new(id(n), world.wallet.salt());
    let request = ClaimsClient::new(&payer)
        .adjudicate(INSURER, HOSPITAL, step)
        .endorsed_by([INSURER]);
    payer.endorse(request.call().clone()).unwrap()
}

pub fn reversal(world: &World, n: u8) -> Reversal {
    Reversal {
        claim: id(n),
        reason: "paid to the wrong account".into(),
        salt: world.wallet.salt(),
    }
}

#[tokio::test]
async fn the_same_claim_again_changes_nothing() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    let body = claim(&world, 1, "X-1001");
    submit(&world, body.clone()).await.unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    submit(&world, body.clone()).await.unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Approved);
    let mut other = body;
    other.salt = world.wallet.salt();
    let taken = submit(&world, other).await.unwrap_err();
    assert!(matches!(taken, HealthError::Duplicate(_)));
    let freq = submit(&world, instead(&world, 2, 1, Frequency::Replacement)).await;
    assert!(matches!(freq, Err(HealthError::InvalidCode(_))));
}

#[tokio::test]
async fn a_remittance_is_paid_once_and_taken_back_whole() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    let payer = world.client(INSURER, Role::Payer);
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    for (n, day) in [(1, "2027-01-14"), (2, "2027-01-15")] {
        submit(&world, on(&world, n, day)).await.unwrap();
        adjudicate(&world, id(n)).await.unwrap();
    }
    at!(
        world,
        &payer,
        INSURER,
        remit(INSURER, HOSPITAL, remittance(&world, 1, &[1, 2]))
    )
    .unwrap();
    let asked = ClaimsClient::new(&biller).remittance(INSURER, HOSPITAL, RemittanceId::from_bytes(bytes(1)));
    let seen = asked.endorsed_by([HOSPITAL]).send().await.unwrap();
    assert_eq!((seen.amounts[&id(1)], seen.total), (17_100, 17_100 + 18_000));
    assert_eq!((seen.reversed.len(), seen.standing), (0, seen.total));
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Payable);
    let twice = at!(
        world,
        &payer,
        INSURER,
        remit(INSURER, HOSPITAL, remittance(&world, 2, &[1]))
    );
    assert!(matches!(twice, Err(HealthError::ConflictState(_))));
    let none = at!(
        world,
        &payer,
        INSURER,
        remit(INSURER, HOSPITAL, remittance(&world, 3, &[]))
    );
    assert!(matches!(none, Err(HealthError::Limit(_))));

    at!(
        world,
        &payer,
        INSURER,
        pay(INSURER, HOSPITAL, payment(&world, 1, 17_100))
    )
    .unwrap();
    let mut void = instead(&world, 5, 1, Frequency::Void);
    void.claim.lines[0].date = "2027-01-14".parse().unwrap();
    let void = replace(&world, void).await;
    assert!(
        matches!(void, Err(HealthError::ConflictState(_))),
        "money has moved"
    );
    let before = paid(&world).await;
    at!(
        world,
        &payer,
        INSURER,
        reverse(INSURER, HOSPITAL, reversal(&world, 1))
    )
    .unwrap();
    let reversed = view(&world, 1).await;
    assert_eq!(reversed.status, ClaimStatus::Reversed);
    let asked = ClaimsClient::new(&biller).remittance(INSURER, HOSPITAL, RemittanceId::from_bytes(bytes(1)));
    let seen = asked.endorsed_by([HOSPITAL]).send().await.unwrap();
    assert_eq!(
        (seen.reversed, seen.standing, seen.total),
        ([id(1)].into(), 18_000, 35_100)
    );
    // What it was made of does not change any more.
    let asked = ClaimsClient::new(&biller).remitted(INSURER, HOSPITAL, RemittanceId::from_bytes(bytes(1)));
    let issued = asked.endorsed_by([HOSPITAL]).send().await.unwrap();
    let issued: Vec<_> = issued
        .iter()
        .map(|of| {
            (
                of.claim.id,
                of.amount,
                of.adjudication.allowed,
                of.stands,
                of.again,
            )
        })
        .collect();
    // The first was paid before it was reversed.
    assert_eq!(
        issued,
        [
            (id(1), 17_100, 17_100, true, false),
            (id(2), 18_000, 18_000, true, false)
        ]
    );
    let unknown = ClaimsClient::new(&biller).remitted(INSURER, HOSPITAL, RemittanceId::from_bytes(bytes(9)));
    let unknown = unknown.endorsed_by([HOSPITAL]).send().await;
    assert!(matches!(
        unknown,
        Err(fabric_contract_core::CallError::Contract(HealthError::NotFound))
    ));
    assert_eq!(
        (book(&world, 1).await.due, book(&world, 2).await.due),
        (0, 18_000)
    );
    assert_eq!(reversed.reversal.as_deref(), Some("paid to the wrong account"));
    assert_eq!(before.out_of_pocket - paid(&world).await.out_of_pocket, 2_900);
    let step = ClaimStep {
        claim: id(1),
        salt: world.wallet.salt(),
    };
    let confirmed = at!(world, &biller, HOSPITAL, confirm(INSURER, HOSPITAL, step));
    assert!(matches!(confirmed, Err(HealthError::ConflictState(_))));
    let twice = at!(
        world,
        &payer,
        INSURER,
        reverse(INSURER, HOSPITAL, reversal(&world, 1))
    );
    assert!(matches!(twice, Err(HealthError::ConflictState(_))));
    let again = at!(
        world,
        &payer,
        INSURER,
        pay(INSURER, HOSPITAL, payment(&world, 1, 17_100))
    );
    assert!(matches!(again, Err(HealthError::ConflictState(_))));
    let mut instead = instead(&world, 6, 1, Frequency::Replacement);
    instead.claim.lines[0].date = "2027-01-14".parse().unwrap();
    correct(&world, instead).await.unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Replaced);
}

#[tokio::test]
async fn two_adjudicators_race_and_one_wins() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    submit(&world, claim(&world, 1, "X-1001")).await.unwrap();
    let block = [endorsed(&world, 1), endorsed(&world, 1)];
    assert_eq!(codes(&world, block), ["VALID", "MVCC_READ_CONFLICT"]);
}

#[tokio::test]
async fn members_claims_conflict_only_where_they_meet() {
    let world = world().await;
    covered_by(&world, |plan| {
        plan.out_of_pocket_maximum = 25_000;
        let price = plan.prices["X-1001"];
        for code in ["X-1002", "X-1003", "X-1004"] {
            plan.prices.insert(code.into(), price);
        }
    })
    .await;
    for (n, code) in [
        (1, "X-1001"),
        (2, "X-1001"),
        (3, "X-1002"),
        (10, "X-1003"),
        (4, "X-1004"),
        (12, "X-1004"),
    ] {
        let mut body = on(&world, n, &format!("2027-01-{n:02}"));
        body.claim.lines[0].procedure = code.into();
        submit(&world, body).await.unwrap();
    }
    // The deductible is not met: one after the other.
    let first = [endorsed(&world, 1), endorsed(&world, 2)];
    assert_eq!(codes(&world, first), ["VALID", "MVCC_READ_CONFLICT"]);
    assert_eq!(paid(&world).await.out_of_pocket, 2_900);
    // Then both at once, beside the sum, in a slot each: (25,000 - 2,900) / 8 = 2,762.
    let between = [endorsed(&world, 2), endorsed(&world, 3)];
    assert_eq!(codes(&world, between), ["VALID", "VALID"]);
    assert_eq!(paid(&world).await.out_of_pocket, 6_900);
    // The slot of 10 is that of 2, and full: it writes the sum, which the other has read.
    let full = [endorsed(&world, 10), endorsed(&world, 4)];
    assert_eq!(codes(&world, full), ["VALID", "MVCC_READ_CONFLICT"]);
    assert_eq!(paid(&world).await.out_of_pocket, 8_900);
    // Two of one procedure count together.
    let same = [endorsed(&world, 4), endorsed(&world, 12)];
    assert_eq!(codes(&world, same), ["VALID", "MVCC_READ_CONFLICT"]);
    let payer = world.client(INSURER, Role::Payer);
    let fold = || Fold {
        coverage: member(),
        year: 2027,
        salt: world.wallet.salt(),
    };
    let folded = at!(world, &payer, INSURER, fold_accumulators(INSURER, fold()));
    folded.unwrap();
    assert_eq!(paid(&world).await.out_of_pocket, 10_900);
    let again = at!(world, &payer, INSURER, fold_accumulators(INSURER, fold()));
    assert_eq!(again.unwrap_err(), HealthError::NotFound, "each counts once");
}

/// The most that members can be asked for, whatever is decided at once and whoever folds.
#[tokio::test]
async fn the_years_maximum_is_never_passed_whether_anybody_folds_or_not() {
    const MAXIMUM: i64 = 30_000;
    for folds in [false, true] {
        let world = world().await;
        covered_by(&world, |plan| plan.out_of_pocket_maximum = MAXIMUM).await;
        let payer = world.client(INSURER, Role::Payer);
        for n in 1..=15 {
            submit(&world, on(&world, n, &format!("2027-01-{n:02}")))
                .await
                .unwrap();
        }
        for pair in (1..=15u8).collect::<Vec<_>>().chunks(2) {
            let block: Vec<Endorsed> = pair.iter().map(|n| endorsed(&world, *n)).collect();
            let verdicts = codes(&world, block);
            for (n, verdict) in pair.iter().zip(verdicts) {
                if verdict != "VALID" {
                    adjudicate(&world, id(*n)).await.unwrap();
                }
            }
            if folds {
                let fold = Fold {
                    coverage: member(),
                    year: 2027,
                    salt: world.wallet.salt(),
                };
                let folded = at!(world, &payer, INSURER, fold_accumulators(INSURER, fold));
                assert!(matches!(folded, Ok(_) | Err(HealthError::NotFound)));
            }
            assert!(paid(&world).await.out_of_pocket <= MAXIMUM);
        }
        let mut asked = 0;
        for n in 1..=15 {
            asked += view(&world, n).await.adjudication.unwrap().member;
        }
        // 2,900, then 2,000 each: fourteen more would be 30,900.
        assert_eq!((asked, paid(&world).await.out_of_pocket), (MAXIMUM, MAXIMUM));
    }
}

#[tokio::test]
async fn claims_before_count_whatever_the_payers_client_says_and_races_do_not_pass_a_limit() {
    let world = world().await;
    covered_by(&world, |plan| {
        plan.deductible = 0;
        let rules = ProcedureRules {
            limits: vec![Limit {
                units: 1,
                within: Span::Year,
                per_site: false,
            }],
            ..ProcedureRules::default()
        };
        plan.procedures.insert("X-1001".into(), rules);
    })
    .await;
    submit(&world, on(&world, 1, "2027-01-02")).await.unwrap();
    submit(&world, on(&world, 2, "2027-01-03")).await.unwrap();
    let race = [endorsed(&world, 1), endorsed(&world, 2)];
    assert_eq!(codes(&world, race), ["VALID", "MVCC_READ_CONFLICT"]);
    adjudicate(&world, id(2)).await.unwrap();
    assert_eq!(view(&world, 2).await.status, ClaimStatus::Denied);

    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let asked = ClaimsClient::new(&biller).explanation(INSURER, HOSPITAL, id(2));
    let explained = asked.endorsed_by([HOSPITAL]).send().await.unwrap();
    assert_eq!(
        (explained.paid, explained.owed, explained.charged),
        (0, 25_000, 25_000)
    );
    let why = &explained.lines[0].why[0];
    assert_eq!((why.effect, why.reason.as_deref()), (Effect::Denied, Some("119")));
    assert!(why.appeal.is_some());
    assert_eq!(explained.appeal_until.days() - world.today().days(), 180);

    // What the first claim used is free again once it is taken back.
    let mut void = instead(&world, 3, 1, Frequency::Void);
    void.claim.lines[0].date = "2027-01-02".parse().unwrap();
    correct(&world, void).await.unwrap();
    submit(&world, on(&world, 4, "2027-01-04")).await.unwrap();
    adjudicate(&world, id(4)).await.unwrap();
    assert_eq!(view(&world, 4).await.status, ClaimStatus::Approved);
}

#[tokio::test]
async fn coverage_ends_and_standing_counts_on_the_day_of_service() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    let payer = world.client(INSURER, Role::Payer);
    let end = |last: &str| CoverageEnd {
        coverage: member(),
        last: last.parse().unwrap(),
        salt: world.wallet.salt(),
    };
    let outside = at!(world, &payer, INSURER, end_coverage(INSURER, end("2028-01-01")));
    assert!(matches!(outside, Err(HealthError::InvalidCode(_))));
    at!(world, &payer, INSURER, end_coverage(INSURER, end("2027-01-10"))).unwrap();
    let year = DateRange {
        from: "2027-01-01".parse().unwrap(),
        until: "2027-12-31".parse().unwrap(),
    };
    let standing = |npi: &str| StandingBody {
        npi: npi.into(),
        standing: Standing {
            active: year,
            network: Some(year),
            excluded_from: Some("2027-01-05".parse().unwrap()),
        },
        bills_for: Default::default(),
        salt: world.wallet.salt(),
    };
    let wrong = at!(
        world,
        &payer,
        INSURER,
        set_standing(INSURER, standing("1234567898"))
    );
    assert!(matches!(wrong, Err(HealthError::InvalidCode(_))));
    at!(
        world,
        &payer,
        INSURER,
        set_standing(INSURER, standing("1234567893"))
    )
    .unwrap();
    for (n, day, status, reason) in [
        (1, "2027-01-04", ClaimStatus::Approved, None),
        (2, "2027-01-05", ClaimStatus::Denied, Some("B7")),
        (3, "2027-01-11", ClaimStatus::Denied, Some("B7")),
    ] {
        submit(&world, on(&world, n, day)).await.unwrap();
        adjudicate(&world, id(n)).await.unwrap();
        let seen = view(&world, n).await;
        assert_eq!(seen.status, status, "{day}");
        if let Some(reason) = reason {
            let edit = seen.adjudication.unwrap().lines[0].edits[0].clone();
            assert_eq!(edit.reason.as_deref(), Some(reason), "{day}");
        }
    }
    let query = EligibilityQuery {
        coverage: member(),
        on: "2027-01-11".parse().unwrap(),
    };
    let asked = ClaimsClient::new(&payer).eligibility(INSURER, query);
    assert!(!asked.endorsed_by([INSURER]).send().await.unwrap().covered);
}
