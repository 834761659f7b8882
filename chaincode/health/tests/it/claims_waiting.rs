//! What waits for a payer: each claim under the one step that it waits for, in parts, and nothing that somebody made up.

use crate::claims::{
    adjudicate, claim, covered_by, id, member, on, payers, payment, providers, remitting, submit, view,
};
use crate::claims_forged::{forge, forge_word, salt};
use crate::claims_review::{decided, denying};
use crate::fixture::{HOSPITAL, INSURER, World, bytes, world};
use careledger_api::contracts::claims::{
    AppealBody, AuthorisationRequest, CLAIM_SECONDS, ClaimStatus, ClaimsClient, FraudFlag, RemittanceBody,
    Waiting, WaitingQuery, WaitingStep,
};
use careledger_api::date::DateRange;
use careledger_api::hashing::sha256;
use careledger_api::ids::{AuthorisationId, ClaimId, CoverageId, RemittanceId};
use careledger_api::roles::Role;
use serde_json::json;
use std::collections::BTreeSet;

async fn waiting(world: &World, query: WaitingQuery) -> Waiting {
    let payer = world.client(INSURER, Role::Payer);
    let asked = ClaimsClient::new(&payer).waiting(INSURER, HOSPITAL, query);
    asked.endorsed_by([INSURER]).send().await.unwrap()
}

pub async fn steps(world: &World) -> Vec<(ClaimId, WaitingStep)> {
    let found = waiting(world, WaitingQuery::default()).await;
    found.claims.iter().map(|row| (row.claim, row.step)).collect()
}

#[tokio::test]
async fn a_claim_waits_for_one_step_after_the_other() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    let payer = world.client(INSURER, Role::Payer);
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    assert_eq!(waiting(&world, WaitingQuery::default()).await, Waiting::default());
    submit(&world, on(&world, 1, "2027-01-14")).await.unwrap();
    let row = &waiting(&world, WaitingQuery::default()).await.claims[0];
    assert_eq!((row.coverage, row.status), (member(), ClaimStatus::Submitted));
    assert_eq!(row.due, Some(row.since + CLAIM_SECONDS));
    let one = |step| vec![(id(1), step)];
    assert_eq!(steps(&world).await, one(WaitingStep::Decide));

    let flag = FraudFlag {
        claim: id(1),
        line: None,
        kind: "phantom".into(),
        score: 10,
        explanation: "no record of the visit".into(),
        salt: world.wallet.salt(),
    };
    payers!(&world, &payer, flag(flag)).unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    assert_eq!(steps(&world).await, one(WaitingStep::Review));

    submit(&world, on(&world, 2, "2027-01-13")).await.unwrap();
    adjudicate(&world, id(2)).await.unwrap();
    let two = |step| vec![(id(1), WaitingStep::Review), (id(2), step)];
    assert_eq!(steps(&world).await, two(WaitingStep::Remit));
    let remittance = RemittanceBody {
        id: RemittanceId::from_bytes(bytes(1)),
        claims: BTreeSet::from([id(2)]),
        salt: world.wallet.salt(),
    };
    payers!(&world, &payer, remit(remittance)).unwrap();
    assert_eq!(steps(&world).await, two(WaitingStep::Pay));
    let due = crate::claims::book(&world, 2).await.due;
    payers!(&world, &payer, pay(payment(&world, 2, due))).unwrap();
    assert_eq!(
        steps(&world).await,
        one(WaitingStep::Review),
        "a paid claim waits for nobody"
    );
    // Denied: it came too late.
    submit(&world, on(&world, 3, "2026-01-05")).await.unwrap();
    adjudicate(&world, id(3)).await.unwrap();
    let denied = |step| [(id(1), WaitingStep::Review), (id(3), step)];
    assert_eq!(
        steps(&world).await,
        denied(WaitingStep::Remit),
        "its provider is told"
    );
    remitting(&world, 3).await.unwrap();
    assert_eq!(
        steps(&world).await,
        one(WaitingStep::Review),
        "once, and it waits for nobody"
    );
    let appeal = AppealBody {
        claim: id(3),
        text: "the contract says more".into(),
        documents: vec![],
        salt: world.wallet.salt(),
    };
    providers!(&world, &biller, appeal(appeal)).unwrap();
    assert_eq!(
        steps(&world).await,
        [(id(1), WaitingStep::Review), (id(3), WaitingStep::Appeal)]
    );
    let step = |step| WaitingQuery {
        step: Some(step),
        ..WaitingQuery::default()
    };
    let appeals = waiting(&world, step(WaitingStep::Appeal)).await;
    assert_eq!(appeals.claims.len(), 1);
    assert_eq!(
        waiting(&world, step(WaitingStep::Decide)).await,
        Waiting::default()
    );
    // From behind the first on.
    let rest = WaitingQuery {
        after: Some(id(1)),
        ..WaitingQuery::default()
    };
    let rest = waiting(&world, rest).await;
    assert_eq!(
        rest.claims.iter().map(|row| row.claim).collect::<Vec<_>>(),
        [id(3)]
    );
}

#[tokio::test]
async fn requests_for_authorisations_come_by_their_time() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    submit(&world, claim(&world, 1, "X-1001")).await.unwrap();
    for (n, urgent) in [(1, false), (2, true)] {
        let request = AuthorisationRequest {
            id: AuthorisationId::from_bytes(bytes(n)),
            coverage: CoverageId::from_bytes(bytes(1)),
            procedure: "X-1001".into(),
            units: 1,
            period: DateRange {
                from: "2027-01-01".parse().unwrap(),
                until: "2027-12-31".parse().unwrap(),
            },
            provider_npi: "1234567893".into(),
            urgent,
            documents: vec![],
            salt: world.wallet.salt(),
        };
        providers!(&world, &biller, request_authorisation(request)).unwrap();
    }
    let found = waiting(&world, WaitingQuery::default()).await;
    let order: Vec<(bool, bool)> = found
        .authorisations
        .iter()
        .map(|request| (request.urgent, request.due > request.since))
        .collect();
    assert_eq!(order, [(true, true), (false, true)]);
    let decide = WaitingQuery {
        step: Some(WaitingStep::Decide),
        ..WaitingQuery::default()
    };
    let claims = waiting(&world, decide).await;
    assert_eq!((claims.claims.len(), claims.authorisations.len()), (1, 0));
}

#[tokio::test]
async fn no_appeal_that_somebody_makes_up_hides_what_waits() {
    let world = decided(denying()).await;
    submit(&world, on(&world, 2, "2027-01-13")).await.unwrap();
    let waits = (id(2), WaitingStep::Decide);
    let unsaid = [(id(1), WaitingStep::Remit), waits];
    assert_eq!(steps(&world).await, unsaid);
    let said = |level: u8| AppealBody {
        claim: id(1),
        text: format!("level {level}"),
        documents: vec![],
        salt: world.wallet.salt(),
    };
    // A second level that nobody decided the first one for.
    let list = |level: u8| {
        let key = format!("appeal~{}~{level}~made-up", id(1));
        let value = json!(said(level));
        assert!(forge(&world, HOSPITAL, &[(key.clone(), value.clone())]));
        let hash = sha256(&serde_json::to_vec(&value).unwrap());
        forge_word(&world, 1, |word| {
            word["said"][format!("appeal/{level}")] = json!({"key": key, "hash": hash});
        });
    };
    list(2);
    assert_eq!(steps(&world).await, unsaid, "no second level without a first");
    list(1);
    let open = [(id(1), WaitingStep::Appeal), waits];
    assert_eq!(steps(&world).await, open, "the first one is open");
    assert_eq!(view(&world, 1).await.appeal.unwrap().said, ["level 1"]);
    // What is no answer answers nothing.
    let told = format!("appans~{}~1", id(1));
    let act = |act: &str| json!({"act": act, "reason": "none", "salt": salt(&world)});
    for nonsense in [
        json!(1),
        act("withdraw"),
        act("escalate"),
        json!({"act": "uphold"}),
    ] {
        assert!(forge(&world, HOSPITAL, &[(told.clone(), nonsense)]));
        assert_eq!(steps(&world).await, open);
    }
    let payer = world.client(INSURER, Role::Payer);
    let explained = ClaimsClient::new(&payer).explanation(INSURER, HOSPITAL, id(1));
    explained.endorsed_by([INSURER]).send().await.unwrap();
}
