//! Where on the body a service was done: two fillings of one day on two teeth are two services.

use crate::claims::{adjudicate, claim, correct, covered_by, id, instead, submit, view};
use crate::fixture::{World, world};
use careledger_api::HealthError;
use careledger_api::adjudication::{
    ClaimLine, EditCode, Effect, Frequency, Limit, ProcedureRules, Site, Span,
};
use careledger_api::contracts::claims::{ANSWER_DAYS, ClaimBody, ClaimStatus};

fn tooth(number: &str, surfaces: &str) -> Option<Site> {
    Some(Site::tooth(number.parse().unwrap(), surfaces.parse().unwrap()))
}

/// A filling of today.
fn filling(world: &World, n: u8, site: Option<Site>) -> ClaimBody {
    let mut body = claim(world, n, "X-1001");
    body.claim.lines[0].site = site;
    body
}

/// Status, and the rules that stopped the first line.
async fn decided(world: &World, n: u8) -> (ClaimStatus, Vec<EditCode>) {
    adjudicate(world, id(n)).await.unwrap();
    let view = view(world, n).await;
    let edits = view.adjudication.unwrap().lines[0].edits.clone();
    let stops = edits
        .into_iter()
        .filter(|edit| matches!(edit.effect, Effect::Denied | Effect::Pended));
    (view.status, stops.map(|edit| edit.code).collect())
}

#[tokio::test]
async fn a_second_filling_on_another_tooth_is_paid_and_the_same_one_is_not() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    submit(&world, filling(&world, 1, tooth("14", "MO")))
        .await
        .unwrap();
    assert_eq!(decided(&world, 1).await, (ClaimStatus::Approved, vec![]));
    for (n, site) in [(2, tooth("15", "MO")), (3, tooth("14", "D"))] {
        submit(&world, filling(&world, n, site)).await.unwrap();
        assert_eq!(
            decided(&world, n).await,
            (ClaimStatus::Approved, vec![]),
            "claim {n}"
        );
    }
    // The front end knows the same surfaces of the same tooth, in whatever order they are written.
    let again = submit(&world, filling(&world, 4, tooth("14", "OM"))).await;
    assert!(matches!(again, Err(HealthError::Duplicate(_))), "{again:?}");
    // Two lines of one claim are its payer's to deny.
    let mut twice = filling(&world, 5, tooth("3", "MO"));
    let second = ClaimLine {
        sequence: 2,
        ..twice.claim.lines[0].clone()
    };
    twice.claim.lines.push(second);
    twice.claim.total *= 2;
    submit(&world, twice).await.unwrap();
    adjudicate(&world, id(5)).await.unwrap();
    let decided = view(&world, 5).await;
    assert_eq!(decided.status, ClaimStatus::Partial);
    let second = decided.adjudication.unwrap().lines[1].clone();
    let why: Vec<EditCode> = second.edits.iter().map(|edit| edit.code).collect();
    assert_eq!((second.covered, why.last()), (false, Some(&EditCode::Duplicate)));
}

#[tokio::test]
async fn a_tooth_that_is_not_said_is_asked_for() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    submit(&world, filling(&world, 1, tooth("14", "MO")))
        .await
        .unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    for (n, site) in [(2, None), (3, tooth("14", "DO"))] {
        submit(&world, filling(&world, n, site)).await.unwrap();
        let asked = (ClaimStatus::Pended, vec![EditCode::NearDuplicate]);
        assert_eq!(decided(&world, n).await, asked, "claim {n}");
        assert!(
            view(&world, n).await.answer_until.is_some(),
            "the provider has its days"
        );
    }
    // The provider corrects the one, and says nothing to the other.
    let mut named = instead(&world, 4, 2, Frequency::Replacement);
    named.claim.lines[0].site = tooth("15", "MO");
    correct(&world, named).await.unwrap();
    assert_eq!(decided(&world, 4).await, (ClaimStatus::Approved, vec![]));
    world.advance(u64::try_from(ANSWER_DAYS + 1).unwrap() * 86_400);
    let late = (ClaimStatus::Denied, vec![EditCode::Unanswered]);
    assert_eq!(decided(&world, 3).await, late);
}

#[tokio::test]
async fn a_lifetimes_limit_for_one_tooth_counts_all_years_of_that_tooth() {
    let world = world().await;
    covered_by(&world, |plan| {
        let rules = ProcedureRules {
            limits: vec![Limit {
                units: 1,
                within: Span::Lifetime,
                per_site: true,
            }],
            ..ProcedureRules::default()
        };
        plan.procedures.insert("X-1001".into(), rules);
    })
    .await;
    let year_before = |n: u8, site: Option<Site>| {
        let mut body = filling(&world, n, site);
        body.claim.lines[0].date = "2026-12-01".parse().unwrap();
        body
    };
    submit(&world, year_before(1, tooth("3", ""))).await.unwrap();
    assert_eq!(decided(&world, 1).await, (ClaimStatus::Approved, vec![]));
    submit(&world, filling(&world, 2, tooth("3", "MO")))
        .await
        .unwrap();
    let spent = (ClaimStatus::Denied, vec![EditCode::UnitLimit]);
    assert_eq!(decided(&world, 2).await, spent);
    submit(&world, filling(&world, 3, tooth("4", "MO")))
        .await
        .unwrap();
    assert_eq!(decided(&world, 3).await, (ClaimStatus::Approved, vec![]));
    // Which tooth it was, the payer does not know.
    submit(&world, year_before(4, None)).await.unwrap();
    let asked = decided(&world, 4).await;
    assert_eq!(asked.0, ClaimStatus::Pended);
    assert!(asked.1.contains(&EditCode::UnitLimit), "{asked:?}");
}
