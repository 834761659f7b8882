//! Lists for both sides: a claim under the one step that it waits for at its provider, by status, day and coverage, and remittances that are found again.

use crate::claims::{
    adjudicate, asking, claim, covered_by, id, instead, member, on, payers, paying, providers, receive,
    remittance, replace, request, submit, view,
};
use crate::claims_forged::forge;
use crate::claims_money::reversal;
use crate::fixture::{HOSPITAL, INSURER, World, bytes, world};
use careledger_api::adjudication::Frequency;
use careledger_api::contracts::claims::{
    ANSWER_DAYS, APPEAL_DAYS, AppealBody, AuthorisationAct, AuthorisationDecision, ClaimList, ClaimStatus,
    ClaimStep, ClaimsClient, Information, ListQuery, ListedClaim, ProviderStep, RemittanceList,
    RemittanceQuery,
};
use careledger_api::date::Date;
use careledger_api::ids::{CoverageId, RemittanceId};
use careledger_api::roles::Role;
use serde_json::json;

const FOR_PROVIDER: ListQuery = ListQuery {
    status: None,
    since: None,
    coverage: None,
    for_provider: true,
    after: None,
    requests_after: None,
};

async fn list(world: &World, query: ListQuery) -> ClaimList {
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let asked = ClaimsClient::new(&biller).list_claims(INSURER, HOSPITAL, query);
    asked.endorsed_by([HOSPITAL]).send().await.unwrap()
}

/// What waits for the provider: claim, step, last day.
pub async fn steps(world: &World) -> Vec<(u8, ProviderStep, Option<Date>)> {
    let rows = list(world, FOR_PROVIDER).await.claims;
    rows.iter()
        .map(|row| (row.claim.as_bytes()[0], row.step.unwrap(), row.until))
        .collect()
}

pub async fn remittances(world: &World, query: RemittanceQuery) -> RemittanceList {
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let asked = ClaimsClient::new(&biller).remittances(INSURER, HOSPITAL, query);
    asked.endorsed_by([HOSPITAL]).send().await.unwrap()
}

pub fn in_days(world: &World, days: i64) -> Option<Date> {
    Some(Date::from_unix(world.now() + days * 86_400).unwrap())
}

#[tokio::test]
async fn money_waits_for_its_provider_one_step_after_the_other() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let payer = world.client(INSURER, Role::Payer);
    submit(&world, claim(&world, 1, "X-1001")).await.unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    payers!(&world, &payer, remit(remittance(&world, 4, &[1]))).unwrap();
    assert_eq!(steps(&world).await, [], "a claim on its way waits for the payer");
    let row = |list: ClaimList| -> ListedClaim { list.claims.into_iter().next().unwrap() };
    let listed = row(list(&world, ListQuery::default()).await);
    assert_eq!((listed.allowed, listed.paid), (Some(17_100), 0));
    assert_eq!(listed.remittances, [RemittanceId::from_bytes(bytes(4))]);
    assert_eq!(view(&world, 1).await.remittances, listed.remittances);
    let found = remittances(&world, RemittanceQuery::default()).await.remittances;
    assert_eq!((found[0].to_pay, found[0].to_confirm), (1, 0));

    paying(&world, 1, 17_100).await.unwrap();
    assert_eq!(steps(&world).await, [(1, ProviderStep::Confirm, None)]);
    assert_eq!(row(list(&world, FOR_PROVIDER).await).paid, 17_100);
    let found = remittances(&world, RemittanceQuery::default()).await.remittances;
    assert_eq!((found[0].to_pay, found[0].to_confirm), (0, 1));
    let came = ClaimStep {
        claim: id(1),
        salt: world.wallet.salt(),
    };
    providers!(&world, &biller, confirm(came)).unwrap();
    assert_eq!(steps(&world).await, [], "the money is there");

    payers!(&world, &payer, reverse(reversal(&world, 1))).unwrap();
    assert_eq!(steps(&world).await, [(1, ProviderStep::Replace, None)]);
    replace(&world, instead(&world, 2, 1, Frequency::Replacement))
        .await
        .unwrap();
    assert_eq!(
        steps(&world).await,
        [
            (1, ProviderStep::GiveBack, None),
            (2, ProviderStep::Receipt, None)
        ],
        "the correction waits in the place of what it corrects, whose money has to come back"
    );
    let all = list(&world, ListQuery::default()).await.claims;
    assert_eq!((all[0].correction, all[1].corrects), (Some(id(2)), Some(id(1))));
    assert_eq!(all[0].allowed, None, "it was taken back");
    receive(&world, &[2]).await.unwrap();
    assert_eq!(steps(&world).await, [(1, ProviderStep::GiveBack, None)]);
    assert_eq!(
        list(&world, ListQuery::default()).await.claims[0].successor,
        Some(id(2))
    );
}

#[tokio::test]
async fn questions_and_denials_wait_for_their_provider_until_their_last_day() {
    let world = asking("X-1002").await;
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    submit(&world, claim(&world, 1, "X-1002")).await.unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    // It came too late.
    submit(&world, on(&world, 2, "2026-01-10")).await.unwrap();
    adjudicate(&world, id(2)).await.unwrap();
    assert_eq!(
        view(&world, 2).await.status,
        ClaimStatus::Denied,
        "{:?}",
        view(&world, 2).await.adjudication
    );
    let answer = (1, ProviderStep::Answer, in_days(&world, ANSWER_DAYS));
    let appeal = (2, ProviderStep::Appeal, in_days(&world, APPEAL_DAYS));
    assert_eq!(steps(&world).await, [answer, appeal]);
    assert_eq!(list(&world, FOR_PROVIDER).await.claims[1].appeal_until, appeal.2);

    let information = Information {
        claim: id(1),
        text: "see the admission form".into(),
        documents: vec![],
        salt: world.wallet.salt(),
    };
    providers!(&world, &biller, provide_information(information)).unwrap();
    assert_eq!(steps(&world).await, [appeal], "an answer waits for the payer");
    world.advance(u64::try_from(APPEAL_DAYS + 1).unwrap() * 86_400);
    assert_eq!(steps(&world).await, [], "nothing is appealed after its days");
}

#[tokio::test]
async fn what_is_under_appeal_waits_for_nobody_here() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    submit(&world, on(&world, 1, "2026-01-10")).await.unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    let appeal = AppealBody {
        claim: id(1),
        text: "it came by post".into(),
        documents: vec![],
        salt: world.wallet.salt(),
    };
    providers!(&world, &biller, appeal(appeal)).unwrap();
    assert_eq!(steps(&world).await, []);
    let withdrawal = ClaimStep {
        claim: id(1),
        salt: world.wallet.salt(),
    };
    providers!(&world, &biller, withdraw_appeal(withdrawal)).unwrap();
    assert_eq!(
        steps(&world).await,
        [],
        "nor is there another one after it was taken back"
    );
}

#[tokio::test]
async fn claims_are_found_by_status_day_and_coverage_and_requests_that_came_back() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    let payer = world.client(INSURER, Role::Payer);
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    submit(&world, on(&world, 1, "2027-01-13")).await.unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    world.advance(86_400);
    submit(&world, on(&world, 2, "2027-01-14")).await.unwrap();
    let ids = async |query| -> Vec<u8> {
        let rows = list(&world, query).await.claims;
        rows.iter().map(|row| row.claim.as_bytes()[0]).collect()
    };
    let all = ListQuery::default();
    assert_eq!(ids(all).await, [1, 2]);
    let status = Some(ClaimStatus::Submitted);
    assert_eq!(ids(ListQuery { status, ..all }).await, [2]);
    let since = in_days(&world, 0);
    assert_eq!(ids(ListQuery { since, ..all }).await, [2]);
    let coverage = Some(member());
    assert_eq!(ids(ListQuery { coverage, ..all }).await, [1, 2]);
    let coverage = Some(CoverageId::from_bytes(bytes(9)));
    assert_eq!(ids(ListQuery { coverage, ..all }).await, [0u8; 0]);
    let after = Some(id(1));
    assert_eq!(ids(ListQuery { after, ..all }).await, [2]);

    let asked = request(&world, 3);
    providers!(&world, &biller, request_authorisation(asked.clone())).unwrap();
    assert_eq!(list(&world, FOR_PROVIDER).await.authorisations, []);
    let pend = AuthorisationDecision {
        id: asked.id,
        act: AuthorisationAct::Pend,
        given: None,
        reason: Some("which record shows it?".into()),
        salt: world.wallet.salt(),
    };
    payers!(&world, &payer, decide_authorisation(pend)).unwrap();
    let found = list(&world, FOR_PROVIDER).await.authorisations;
    assert_eq!((found.len(), found[0].authorisation), (1, asked.id));
    assert_eq!(list(&world, all).await.authorisations, [], "they are no claims");
}

#[tokio::test]
async fn remittances_are_listed_by_day_and_what_is_made_up_ends_no_list() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    let payer = world.client(INSURER, Role::Payer);
    for (n, day) in [(1, "2027-01-13"), (2, "2027-01-14")] {
        submit(&world, on(&world, n, day)).await.unwrap();
        adjudicate(&world, id(n)).await.unwrap();
        payers!(&world, &payer, remit(remittance(&world, n, &[n]))).unwrap();
        world.advance(86_400);
    }
    submit(&world, on(&world, 3, "2027-01-12")).await.unwrap();
    let forged = [
        (format!("head~{}", id(3)), json!({"status": 7})),
        (
            format!("rem~{}", RemittanceId::from_bytes(bytes(3))),
            json!("nothing"),
        ),
        ("rem~zz".to_owned(), json!({})),
    ];
    assert!(forge(&world, HOSPITAL, &forged));
    let listed = list(&world, ListQuery::default()).await;
    assert_eq!((listed.claims.len(), listed.unreadable), (2, vec![id(3)]));
    let ids = async |query| -> Vec<RemittanceId> {
        let list = remittances(&world, query).await;
        list.remittances.iter().map(|row| row.remittance).collect()
    };
    let remittance = |n| RemittanceId::from_bytes(bytes(n));
    let all = RemittanceQuery::default();
    assert_eq!(ids(all).await, [remittance(1), remittance(2)]);
    let after = Some(remittance(1));
    assert_eq!(ids(RemittanceQuery { after, ..all }).await, [remittance(2)]);
    let since = in_days(&world, -1);
    assert_eq!(ids(RemittanceQuery { since, ..all }).await, [remittance(2)]);
    let first = &remittances(&world, all).await.remittances[0];
    assert_eq!(
        (first.claims, first.total, first.currency.as_deref()),
        (1, 17_100, Some("USD"))
    );
}
