//! A coverage changes from a day on, under one id: versions, what they decide, what goes on.

use crate::claims::{adjudicate, at, claim, codes, covered_by, date, id, member, on, plan, submit, view};
use crate::claims_holding::anew;
use crate::claims_money::paid;
use crate::fixture::{HOSPITAL, INSURER, World, bytes, world};
use careledger_api::HealthError;
use careledger_api::adjudication::{ClaimLine, Coverage, Limit, Plan, ProcedureRules, Sex, Span};
use careledger_api::contracts::claims::{
    AdjudicationStep, ClaimStatus, ClaimsClient, CoverageAmendment, CoverageEnd, Eligibility,
    EligibilityQuery,
};
use careledger_api::date::DateRange;
use careledger_api::ids::{CoverageId, PlanId, TxId};
use careledger_api::roles::Role;

/// As the members of these tests are enrolled.
fn enrolled() -> Coverage {
    let period = DateRange {
        from: date("2026-01-01"),
        until: date("2027-12-31"),
    };
    Coverage::new(member(), PlanId::from_bytes(bytes(1)), 1, period)
}

fn amendment(world: &World, from: &str, change: impl FnOnce(&mut Coverage)) -> CoverageAmendment {
    let mut coverage = enrolled();
    change(&mut coverage);
    CoverageAmendment {
        from: date(from),
        coverage,
        salt: world.wallet.salt(),
    }
}

async fn amended(world: &World, from: &str, change: impl FnOnce(&mut Coverage)) -> Result<TxId, HealthError> {
    let payer = world.client(INSURER, Role::Payer);
    let amendment = amendment(world, from, change);
    at!(world, &payer, INSURER, amend_coverage(INSURER, amendment))
}

async fn ended(world: &World, last: &str) -> Result<TxId, HealthError> {
    let payer = world.client(INSURER, Role::Payer);
    let end = CoverageEnd {
        coverage: member(),
        last: date(last),
        salt: world.wallet.salt(),
    };
    at!(world, &payer, INSURER, end_coverage(INSURER, end))
}

async fn eligible(world: &World, day: &str) -> Eligibility {
    let payer = world.client(INSURER, Role::Payer);
    let query = EligibilityQuery {
        coverage: member(),
        on: date(day),
    };
    let asked = ClaimsClient::new(&payer).eligibility(INSURER, query);
    asked.endorsed_by([INSURER]).send().await.unwrap()
}

/// The plan's second version.
async fn second(world: &World, change: impl FnOnce(&mut Plan)) {
    let payer = world.client(INSURER, Role::Payer);
    let mut body = plan(world);
    body.plan.version = 2;
    change(&mut body.plan);
    let commitment = body.commitment().unwrap();
    let claims = ClaimsClient::new(&payer);
    let published = claims.publish_plan(body.plan.id, 2, commitment).send().await;
    world.receipt(published).unwrap();
    at!(world, &payer, INSURER, load_plan(INSURER, body)).unwrap();
}

fn price(plan: &mut Plan, amount: i64) {
    for price in plan.prices.values_mut() {
        price.amount = amount;
    }
}

/// Submits and decides a claim of a day; where it stands, and what is allowed.
async fn decided(world: &World, n: u8, day: &str) -> (ClaimStatus, i64) {
    submit(world, on(world, n, day)).await.unwrap();
    adjudicate(world, id(n)).await.unwrap();
    stands(world, n).await
}

async fn stands(world: &World, n: u8) -> (ClaimStatus, i64) {
    let view = view(world, n).await;
    (view.status, view.adjudication.unwrap().allowed)
}

#[tokio::test]
async fn a_question_that_the_payers_own_list_answers_is_answered_by_mending_it() {
    let world = world().await;
    covered_by(&world, |plan| {
        let rules = ProcedureRules {
            sex: Some(Sex::Female),
            ..ProcedureRules::default()
        };
        plan.procedures.insert("X-1001".into(), rules);
    })
    .await;
    assert_eq!(decided(&world, 1, "2027-01-10").await.0, ClaimStatus::Pended);
    let nothing = anew(&world, 1).await;
    assert!(
        matches!(nothing, Err(HealthError::ConflictState(_))),
        "nothing has changed"
    );
    amended(&world, "2026-01-01", |coverage| coverage.sex = Some(Sex::Female))
        .await
        .unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Pended, "not by itself");
    anew(&world, 1).await.unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Approved);
    assert_eq!(decided(&world, 2, "2027-01-11").await.0, ClaimStatus::Approved);
}

#[tokio::test]
async fn a_new_price_list_reaches_a_member_from_its_day_on_and_sums_and_limits_go_on() {
    let world = world().await;
    let twice = |plan: &mut Plan| {
        let rules = ProcedureRules {
            limits: vec![Limit {
                units: 3,
                within: Span::Year,
                per_site: false,
            }],
            ..ProcedureRules::default()
        };
        plan.procedures.insert("X-1001".into(), rules);
    };
    covered_by(&world, twice).await;
    assert_eq!(
        decided(&world, 1, "2027-01-10").await,
        (ClaimStatus::Approved, 17_100)
    );
    assert_eq!(
        decided(&world, 2, "2027-01-13").await,
        (ClaimStatus::Approved, 18_000)
    );
    second(&world, |plan| {
        twice(plan);
        price(plan, 10_000);
    })
    .await;
    amended(&world, "2027-01-12", |coverage| coverage.plan_version = 2)
        .await
        .unwrap();
    // The deductible is met, and not asked a second time.
    assert_eq!(
        decided(&world, 3, "2027-01-14").await,
        (ClaimStatus::Approved, 9_000)
    );
    assert_eq!(paid(&world).await.deductible, 1_000);
    // Of the day of service, not of the decision; and the limit counts what both versions covered.
    assert_eq!(decided(&world, 4, "2027-01-11").await, (ClaimStatus::Denied, 0));
    let day = eligible(&world, "2027-01-11").await;
    assert_eq!((day.covered, day.version, day.coverage), (true, 1, enrolled()));
    let day = eligible(&world, "2027-01-12").await;
    assert_eq!(
        (day.covered, day.version, day.coverage.plan_version),
        (true, 2, 2)
    );
    // What is decided stays so, and is decided anew on request.
    assert_eq!(stands(&world, 2).await, (ClaimStatus::Approved, 18_000));
    anew(&world, 2).await.unwrap();
    assert_eq!(stands(&world, 2).await, (ClaimStatus::Approved, 9_000));
}

#[tokio::test]
async fn a_lower_maximum_is_never_passed_whatever_was_filled_before() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    for (n, day) in [(1, "2027-01-10"), (2, "2027-01-11")] {
        decided(&world, n, day).await;
    }
    assert_eq!(paid(&world).await.out_of_pocket, 2_900 + 2_000);
    second(&world, |plan| {
        price(plan, 2_000);
        plan.out_of_pocket_maximum = 5_000;
    })
    .await;
    amended(&world, "2027-01-12", |coverage| coverage.plan_version = 2)
        .await
        .unwrap();
    assert_eq!(
        decided(&world, 3, "2027-01-14").await,
        (ClaimStatus::Approved, 1_900)
    );
    assert_eq!(paid(&world).await.out_of_pocket, 5_000);
}

#[tokio::test]
async fn lines_under_two_versions_are_claimed_apart_unless_they_are_alike() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    let spanning = |n: u8, days: [&str; 2]| {
        let mut body = claim(&world, n, "X-1001");
        body.claim.lines = (1..)
            .zip(days)
            .map(|(n, day)| ClaimLine::new(n, "X-1001", date(day), 1, 25_000))
            .collect();
        body.claim.total = 50_000;
        body
    };
    submit(&world, spanning(1, ["2027-01-08", "2027-01-13"]))
        .await
        .unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Approved);
    // The same terms for a longer time.
    amended(&world, "2027-01-12", |coverage| {
        coverage.period.until = date("2028-12-31");
    })
    .await
    .unwrap();
    submit(&world, spanning(2, ["2027-01-09", "2027-01-14"]))
        .await
        .unwrap();
    adjudicate(&world, id(2)).await.unwrap();
    assert_eq!(view(&world, 2).await.status, ClaimStatus::Approved);
    let before = paid(&world).await;
    amended(&world, "2027-01-12", |coverage| coverage.secondary = true)
        .await
        .unwrap();
    anew(&world, 2).await.unwrap();
    let denied = view(&world, 2).await;
    assert_eq!(denied.status, ClaimStatus::Denied);
    for line in denied.adjudication.unwrap().lines {
        assert_eq!(line.edits[0].reason.as_deref(), Some("239"));
    }
    // What the decision before counted is given back.
    assert_eq!(paid(&world).await.out_of_pocket, before.out_of_pocket - 4_000);
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Approved);
}

#[tokio::test]
async fn an_end_holds_for_all_versions_until_another_day_is_said() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    ended(&world, "2027-01-10").await.unwrap();
    amended(&world, "2027-01-01", |coverage| {
        coverage.born = Some(date("1980-02-29"))
    })
    .await
    .unwrap();
    let day = eligible(&world, "2027-01-11").await;
    assert_eq!((day.covered, day.version), (false, 2));
    assert_eq!(day.coverage.period.until, date("2027-01-10"));
    ended(&world, "2027-01-11").await.unwrap();
    assert!(eligible(&world, "2027-01-11").await.covered);
    // It never held: its first day is not covered either.
    for wrong in ["2025-12-30", "2028-01-01"] {
        let refused = ended(&world, wrong).await;
        assert!(matches!(refused, Err(HealthError::InvalidCode(_))), "{wrong}");
    }
    ended(&world, "2025-12-31").await.unwrap();
    assert!(!eligible(&world, "2026-01-01").await.covered);
    assert_eq!(decided(&world, 1, "2027-01-10").await.0, ClaimStatus::Denied);
}

#[tokio::test]
async fn what_is_no_version_of_the_coverage_is_refused() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    let payer = world.client(INSURER, Role::Payer);
    let unloaded = amended(&world, "2027-01-01", |coverage| coverage.plan_version = 2).await;
    assert_eq!(unloaded.unwrap_err(), HealthError::NotFound);
    let unknown = amended(&world, "2027-01-01", |coverage| {
        coverage.id = CoverageId::from_bytes(bytes(9));
    });
    assert_eq!(unknown.await.unwrap_err(), HealthError::NotFound);
    second(&world, |plan| plan.currency = "JPY".into()).await;
    let wrong = [
        amended(&world, "2027-01-01", |coverage| coverage.plan_version = 2).await,
        amended(&world, "2028-01-01", |_| ()).await,
        amended(&world, "2027-01-01", |coverage| {
            coverage.plan = PlanId::from_bytes(bytes(9));
        })
        .await,
        amended(&world, "2027-01-01", |coverage| {
            coverage.period.until = date("2025-12-31");
        })
        .await,
    ];
    for refused in wrong {
        assert!(matches!(refused, Err(HealthError::InvalidCode(_))), "{refused:?}");
    }
    let secondary = |coverage: &mut Coverage| coverage.secondary = true;
    amended(&world, "2027-01-01", secondary).await.unwrap();
    let again = amended(&world, "2027-01-01", secondary).await;
    assert!(matches!(again, Err(HealthError::Duplicate(_))));
    amended(&world, "2027-01-01", |_| ()).await.unwrap();
    assert!(
        !eligible(&world, "2027-01-01").await.coverage.secondary,
        "the newest"
    );
    let provider = world.client(HOSPITAL, Role::ProviderBilling);
    let body = amendment(&world, "2027-01-02", secondary);
    let other = at!(&world, &provider, INSURER, amend_coverage(INSURER, body));
    assert!(matches!(other, Err(HealthError::Forbidden(_))));

    // Of two in one block the first counts; and a claim is decided by what was there before it, or again.
    let endorsed = |from: &str| {
        let body = amendment(&world, from, secondary);
        let asked = ClaimsClient::new(&payer).amend_coverage(INSURER, body);
        payer
            .endorse(asked.endorsed_by([INSURER]).call().clone())
            .unwrap()
    };
    submit(&world, on(&world, 1, "2027-01-10")).await.unwrap();
    let step = AdjudicationStep::new(id(1), world.wallet.salt());
    let asked = ClaimsClient::new(&payer).adjudicate(INSURER, HOSPITAL, step);
    let deciding = payer
        .endorse(asked.endorsed_by([INSURER]).call().clone())
        .unwrap();
    let race = [endorsed("2027-01-03"), endorsed("2027-01-04"), deciding];
    assert_eq!(
        codes(&world, race),
        ["VALID", "MVCC_READ_CONFLICT", "MVCC_READ_CONFLICT"]
    );
}
