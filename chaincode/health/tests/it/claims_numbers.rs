//! Who bills under a provider's number: what the payer says of it counts, not who knows the number.

use crate::claims::{adjudicate, at, covered_by, date, id, on, paying, remitting, submit, view};
use crate::fixture::{CLINIC, HOSPITAL, INSURER, World, world};
use careledger_api::HealthError;
use careledger_api::adjudication::Standing;
use careledger_api::contracts::claims::{
    AdjudicationStep, ClaimStatus, ClaimsClient, MAX_BILLING, StandingBody,
};
use careledger_api::date::DateRange;
use careledger_api::roles::Role;

/// The hospital's number, under which these organisations bill.
async fn bills(world: &World, providers: &[&str]) -> Result<(), HealthError> {
    let year = DateRange {
        from: date("2027-01-01"),
        until: date("2027-12-31"),
    };
    let standing = StandingBody {
        npi: "1234567893".into(),
        standing: Standing {
            active: year,
            network: Some(year),
            excluded_from: None,
        },
        bills_for: providers.iter().map(ToString::to_string).collect(),
        salt: world.wallet.salt(),
    };
    let payer = world.client(INSURER, Role::Payer);
    at!(world, &payer, INSURER, set_standing(INSURER, standing)).map(|_| ())
}

/// A claim of the clinic's under the hospital's number, decided.
async fn clinics(world: &World, number: u8, day: &str) -> ClaimStatus {
    let clinic = world.client(CLINIC, Role::ProviderBilling);
    let claim = on(world, number, day);
    at!(world, &clinic, CLINIC, submit_claim(INSURER, CLINIC, claim)).unwrap();
    let payer = world.client(INSURER, Role::Payer);
    let step = AdjudicationStep::new(id(number), world.wallet.salt());
    at!(world, &payer, INSURER, adjudicate(INSURER, CLINIC, step)).unwrap();
    let asked = ClaimsClient::new(&payer).claim(INSURER, CLINIC, id(number));
    asked.endorsed_by([INSURER]).send().await.unwrap().status
}

#[tokio::test]
async fn whoever_knows_a_number_does_not_bill_under_it() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    bills(&world, &[HOSPITAL]).await.unwrap();
    assert_eq!(clinics(&world, 5, "2027-01-14").await, ClaimStatus::Denied);
    // The hospital's own service is no duplicate of what was denied.
    submit(&world, on(&world, 1, "2027-01-14")).await.unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    let decided = view(&world, 1).await;
    assert_eq!(
        decided.status,
        ClaimStatus::Approved,
        "{:?}",
        decided.adjudication
    );
    // Two organisations bill under one number where the payer says so.
    bills(&world, &[CLINIC, HOSPITAL]).await.unwrap();
    assert_eq!(clinics(&world, 6, "2027-01-13").await, ClaimStatus::Approved);
}

#[tokio::test]
async fn what_was_approved_before_is_held_and_decided_anew() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    submit(&world, on(&world, 1, "2027-01-14")).await.unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    bills(&world, &[CLINIC]).await.unwrap();
    let refused = remitting(&world, 1).await;
    assert!(
        matches!(&refused, Err(HealthError::ConflictState(why)) if why.contains("bills for another")),
        "{refused:?}"
    );
    bills(&world, &[]).await.unwrap();
    remitting(&world, 1).await.unwrap();
    bills(&world, &[CLINIC]).await.unwrap();
    assert!(paying(&world, 1, 17_100).await.is_err());
}

#[tokio::test]
async fn a_number_bills_for_organisations_of_the_consortium() {
    let world = world().await;
    let refused = bills(&world, &["NobodyMSP"]).await;
    assert!(matches!(refused, Err(HealthError::InvalidCode(_))), "{refused:?}");
    let many: Vec<String> = (0..=MAX_BILLING).map(|n| format!("P{n:02}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(matches!(bills(&world, &many).await, Err(HealthError::Limit(_))));
}
