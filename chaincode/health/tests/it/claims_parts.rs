//! What ranges over a pair's claims does so in parts, however much of what lies there is no claim.

use crate::claims::{covered_by, id, on, submit};
use crate::claims_forged::forge;
use crate::fixture::{HOSPITAL, INSURER, World, world};
use careledger_api::contracts::claims::{ClaimsClient, ListQuery, MAX_LOOKED_AT, WaitingQuery};
use careledger_api::ids::ClaimId;
use careledger_api::roles::Role;
use serde_json::Value;

/// Two claims, with so many keys of no form in between that they lie in two parts.
async fn far_apart() -> (World, ClaimId) {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    for (n, day) in [(1, "2027-01-13"), (250, "2027-01-14")] {
        submit(&world, on(&world, n, day)).await.unwrap();
    }
    let forged: Vec<(String, Value)> = (2..250)
        .map(|n| (format!("claim~{}", id(n)), Value::Null))
        .collect();
    assert!(forged.len() >= MAX_LOOKED_AT && forge(&world, HOSPITAL, &forged));
    let last_of_first = id(u8::try_from(MAX_LOOKED_AT).expect("fewer than the keys"));
    (world, last_of_first)
}

#[tokio::test]
async fn what_waits_comes_in_parts() {
    let (world, last) = far_apart().await;
    let payer = world.client(INSURER, Role::Payer);
    let part = async |after| {
        let query = WaitingQuery {
            after,
            ..WaitingQuery::default()
        };
        let asked = ClaimsClient::new(&payer).waiting(INSURER, HOSPITAL, query);
        let found = asked.endorsed_by([INSURER]).send().await.unwrap();
        let claims: Vec<ClaimId> = found.claims.iter().map(|row| row.claim).collect();
        (claims, found.next)
    };
    assert_eq!(part(None).await, (vec![id(1)], Some(last)));
    assert_eq!(part(Some(last)).await, (vec![id(250)], None));
}

#[tokio::test]
async fn a_list_comes_in_parts() {
    let (world, last) = far_apart().await;
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let part = async |after| {
        let query = ListQuery {
            after,
            ..ListQuery::default()
        };
        let asked = ClaimsClient::new(&biller).list_claims(INSURER, HOSPITAL, query);
        let found = asked.endorsed_by([HOSPITAL]).send().await.unwrap();
        let claims: Vec<ClaimId> = found.claims.iter().map(|row| row.claim).collect();
        (claims, found.next)
    };
    assert_eq!(part(None).await, (vec![id(1)], Some(last)));
    assert_eq!(part(Some(last)).await, (vec![id(250)], None));
}
