//! Appeals: three levels with another decider each, the last outside of the payer; after payment; taken back.

use crate::claims::{
    adjudicate, at, book, claim, codes, covered_by, date, id, payers, payment, person, providers, submit,
    view, waiting,
};
use crate::claims_outside::taken_up;
use crate::claims_review::{aside, decided, denying, names, step};
use crate::fixture::{HOSPITAL, INSURER, REGULATOR, World, contract_error, world};
use careledger_api::HealthError;
use careledger_api::adjudication::{EditCode, Limit, ProcedureRules, Ruling, Sex, Span, Standing};
use careledger_api::contracts::claims::{
    APPEAL_DAYS, AppealAct, AppealBody, AppealDecision, AppealStatus, ClaimStatus, ClaimStep, ClaimsClient,
    RemittanceBody, Rulings, StandingBody,
};
use careledger_api::date::{Date, DateRange};
use careledger_api::ids::{RemittanceId, TxId};
use careledger_api::roles::Role;
use fabric_contract_mock::{MockClient, now};

pub fn said(world: &World) -> AppealBody {
    AppealBody {
        claim: id(1),
        text: "the wait was waived".into(),
        documents: vec![],
        salt: world.wallet.salt(),
    }
}

pub fn decision(world: &World, act: AppealAct, rulings: Rulings) -> AppealDecision {
    AppealDecision {
        act,
        level: None,
        step: step(world),
        rulings,
        reason: "as the plan says".into(),
    }
}

pub fn appealed(world: &World) -> Result<TxId, HealthError> {
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    now(async { providers!(world, &biller, appeal(said(world))) })
}

pub fn answered(
    world: &World,
    by: &MockClient,
    act: AppealAct,
    rulings: Rulings,
) -> Result<TxId, HealthError> {
    now(async { payers!(world, by, decide_appeal(decision(world, act, rulings))) })
}

pub fn upheld(world: &World, by: &MockClient) -> Result<TxId, HealthError> {
    answered(world, by, AppealAct::Uphold, Rulings::new())
}

pub fn withdrawn(world: &World) -> Result<TxId, HealthError> {
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let step = ClaimStep {
        claim: id(1),
        salt: world.wallet.salt(),
    };
    now(async { providers!(world, &biller, withdraw_appeal(step)) })
}

/// Two units under a limit of one in a year, or priced for one on a line: a reduction that promises an appeal.
pub async fn reduced(limited: bool) -> World {
    let world = world().await;
    covered_by(&world, |plan| {
        (plan.deductible, plan.coinsurance) = (0, 0);
        if limited {
            let limits = vec![Limit {
                units: 1,
                within: Span::Year,
                per_site: false,
            }];
            let rules = ProcedureRules {
                limits,
                ..ProcedureRules::default()
            };
            plan.procedures.insert("X-1001".into(), rules);
        } else {
            plan.prices.get_mut("X-1001").unwrap().max_units = 1;
        }
    })
    .await;
    let mut two = claim(&world, 1, "X-1001");
    two.claim.lines[0].units = 2;
    (two.claim.lines[0].charge, two.claim.total) = (40_000, 40_000);
    submit(&world, two).await.unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Approved);
    world
}

#[tokio::test]
async fn an_appeal_goes_up_and_nobody_decides_twice() {
    let world = decided(denying()).await;
    let people: Vec<_> = (0..3).map(|_| person(&world, INSURER, Role::Payer)).collect();
    let none = upheld(&world, &people[0]).unwrap_err();
    assert!(
        matches!(&none, HealthError::ConflictState(text) if text.contains("nobody appealed")),
        "{none}"
    );
    appealed(&world).unwrap();
    assert!(
        matches!(appealed(&world), Err(HealthError::ConflictState(_))),
        "it is open"
    );
    upheld(&world, &people[0]).unwrap();
    assert_eq!(
        view(&world, 1).await.appeal.unwrap().status,
        AppealStatus::FirstUpheld
    );
    let closed = upheld(&world, &people[1]);
    assert!(matches!(closed, Err(HealthError::ConflictState(_))));
    appealed(&world).unwrap();
    let overturned = |by: &MockClient| answered(&world, by, AppealAct::Overturn, aside(EditCode::Waiting));
    assert!(
        matches!(overturned(&people[0]), Err(HealthError::SodViolation(_))),
        "the first level's"
    );
    overturned(&people[1]).unwrap();
    let paid = view(&world, 1).await;
    assert_eq!(paid.status, ClaimStatus::Approved);
    let said = paid.appeal.unwrap();
    assert_eq!((said.status, said.said.len()), (AppealStatus::Overturned, 2));
    assert!(matches!(appealed(&world), Err(HealthError::ConflictState(_))));
}

#[tokio::test]
async fn the_last_level_is_not_the_payers() {
    let world = decided(denying()).await;
    let people: Vec<_> = (0..3).map(|_| person(&world, INSURER, Role::Payer)).collect();
    let outside = person(&world, REGULATOR, Role::Legal);
    let read = || {
        now(ClaimsClient::new(&outside)
            .explanation(INSURER, HOSPITAL, id(1))
            .endorsed_by([INSURER])
            .send())
    };
    for payers in &people[..2] {
        appealed(&world).unwrap();
        let early = upheld(&world, &outside);
        assert!(matches!(early, Err(HealthError::Forbidden(_))), "not yet theirs");
        assert!(matches!(contract_error(read()), HealthError::Forbidden(_)));
        upheld(&world, payers).unwrap();
    }
    appealed(&world).unwrap();
    let own = upheld(&world, &people[2]);
    assert!(matches!(own, Err(HealthError::Forbidden(_))), "{own:?}");
    taken_up(&world, &outside, 1, INSURER).unwrap();
    assert_eq!(read().unwrap().paid, 0);
    answered(&world, &outside, AppealAct::Overturn, aside(EditCode::Waiting)).unwrap();
    let paid = view(&world, 1).await;
    assert_eq!(paid.appeal.unwrap().status, AppealStatus::Overturned);
    assert_eq!(book(&world, 1).await.due, 17_100);
}

#[tokio::test]
async fn who_decided_before_does_not_decide_the_appeal() {
    let world = world().await;
    covered_by(&world, |plan| {
        plan.procedures.insert("X-1001".into(), denying());
    })
    .await;
    submit(&world, claim(&world, 1, "X-1001")).await.unwrap();
    let first = person(&world, INSURER, Role::Payer);
    payers!(&world, &first, adjudicate(step(&world))).unwrap();
    appealed(&world).unwrap();
    for act in [AppealAct::Uphold, AppealAct::Overturn] {
        let refused = answered(&world, &first, act, aside(EditCode::Waiting));
        assert!(matches!(refused, Err(HealthError::SodViolation(_))), "{act}");
    }
    let nobody = world.newcomer(INSURER, Role::Payer);
    assert!(matches!(upheld(&world, &nobody), Err(HealthError::Forbidden(_))));
}

#[tokio::test]
async fn an_appeal_has_its_time_and_can_be_taken_back() {
    let world = decided(denying()).await;
    let none = withdrawn(&world).unwrap_err();
    assert!(
        matches!(&none, HealthError::ConflictState(text) if text.contains("nobody appealed")),
        "{none}"
    );
    appealed(&world).unwrap();
    withdrawn(&world).unwrap();
    assert_eq!(
        view(&world, 1).await.appeal.unwrap().status,
        AppealStatus::Withdrawn
    );
    let reviewer = person(&world, INSURER, Role::Payer);
    for late in [upheld(&world, &reviewer), withdrawn(&world), appealed(&world)] {
        assert!(matches!(late, Err(HealthError::ConflictState(_))));
    }
    let late = decided(denying()).await;
    late.advance(180 * 86_400);
    appealed(&late).unwrap();
    let over = decided(denying()).await;
    over.advance(181 * 86_400);
    assert!(matches!(appealed(&over), Err(HealthError::Expired(_))));
}

#[tokio::test]
async fn a_paid_but_reduced_claim_is_appealed_and_the_difference_is_paid() {
    for limited in [true, false] {
        let world = reduced(limited).await;
        let payer = world.client(INSURER, Role::Payer);
        payers!(&world, &payer, pay(payment(&world, 1, 20_000))).unwrap();
        appealed(&world).unwrap();
        let reviewer = person(&world, INSURER, Role::Payer);
        let code = match limited {
            true => EditCode::UnitLimit,
            false => EditCode::Quantity,
        };
        answered(&world, &reviewer, AppealAct::Overturn, aside(code)).unwrap();
        let (seen, booked) = (view(&world, 1).await, book(&world, 1).await);
        assert_eq!(
            (seen.status, booked.paid, booked.due),
            (ClaimStatus::Approved, 20_000, 20_000)
        );
        let whole = payers!(&world, &payer, pay(payment(&world, 1, 40_000)));
        assert!(matches!(whole, Err(HealthError::InvalidCode(_))));
        payers!(&world, &payer, pay(payment(&world, 1, 20_000))).unwrap();
        let seen = view(&world, 1).await;
        assert_eq!((seen.status, seen.payments.len()), (ClaimStatus::Paid, 2));
        let again = payers!(&world, &payer, pay(payment(&world, 1, 20_000)));
        assert!(matches!(again, Err(HealthError::ConflictState(_))));
    }
}

#[tokio::test]
async fn an_open_appeal_stops_the_payment_and_races_with_it() {
    let world = reduced(true).await;
    let payer = world.client(INSURER, Role::Payer);
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let paying = waiting!(&payer, INSURER, pay(payment(&world, 1, 20_000)));
    let appealing = waiting!(&biller, HOSPITAL, appeal(said(&world)));
    assert_eq!(
        codes(&world, [appealing, paying]),
        ["VALID", "MVCC_READ_CONFLICT"]
    );
    let remittance = RemittanceBody {
        id: RemittanceId::from_bytes([1; 16]),
        claims: [id(1)].into(),
        salt: world.wallet.salt(),
    };
    for stopped in [
        payers!(&world, &payer, pay(payment(&world, 1, 20_000))),
        payers!(&world, &payer, remit(remittance)),
    ] {
        assert!(matches!(stopped, Err(HealthError::ConflictState(_))));
    }
    withdrawn(&world).unwrap();
    payers!(&world, &payer, pay(payment(&world, 1, 20_000))).unwrap();
    // The other way round the appeal is said once more, of the paid claim.
    let other = reduced(true).await;
    let payer = other.client(INSURER, Role::Payer);
    let biller = other.client(HOSPITAL, Role::ProviderBilling);
    let paying = waiting!(&payer, INSURER, pay(payment(&other, 1, 20_000)));
    let appealing = waiting!(&biller, HOSPITAL, appeal(said(&other)));
    assert_eq!(
        codes(&other, [paying, appealing]),
        ["VALID", "MVCC_READ_CONFLICT"]
    );
    appealed(&other).unwrap();
}

#[tokio::test]
async fn who_overturns_leaves_nothing_and_a_remittance_does_not_stop_an_appeal() {
    let world = reduced(true).await;
    let payer = world.client(INSURER, Role::Payer);
    let reviewer = person(&world, INSURER, Role::Payer);
    let remittance = |n| RemittanceBody {
        id: RemittanceId::from_bytes([n; 16]),
        claims: [id(1)].into(),
        salt: world.wallet.salt(),
    };
    let issued = |n| {
        let asked = ClaimsClient::new(&payer).remitted(INSURER, HOSPITAL, RemittanceId::from_bytes([n; 16]));
        let of = now(asked.endorsed_by([INSURER]).send()).unwrap().remove(0);
        (of.amount, of.stands, of.again)
    };
    payers!(&world, &payer, remit(remittance(1))).unwrap();
    assert_eq!(issued(1), (20_000, true, false));
    appealed(&world).unwrap();
    let idle = answered(&world, &reviewer, AppealAct::Overturn, aside(EditCode::Setting));
    assert!(matches!(idle, Err(HealthError::InvalidCode(_))), "{idle:?}");
    let nothing = answered(&world, &reviewer, AppealAct::Divide, aside(EditCode::Setting)).unwrap_err();
    assert!(names(&nothing, "line 1 LIMIT"), "{nothing:?}");
    upheld(&world, &reviewer).unwrap();
    appealed(&world).unwrap();
    let second = person(&world, INSURER, Role::Payer);
    answered(&world, &second, AppealAct::Overturn, aside(EditCode::UnitLimit)).unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Approved);
    // The first one was never paid, and nothing of it will be; whoever books both books too much.
    assert_eq!(issued(1), (20_000, false, false));
    payers!(&world, &payer, remit(remittance(2))).unwrap();
    payers!(&world, &payer, pay(payment(&world, 1, 40_000))).unwrap();
    assert_eq!(
        (issued(1), issued(2)),
        ((20_000, false, false), (40_000, true, true))
    );
    let standing = |n| {
        let asked =
            ClaimsClient::new(&payer).remittance(INSURER, HOSPITAL, RemittanceId::from_bytes([n; 16]));
        let seen = now(asked.endorsed_by([INSURER]).send()).unwrap();
        (seen.total, seen.standing, seen.reversed.len())
    };
    assert_eq!(
        (standing(1), standing(2)),
        ((20_000, 0, 0), (40_000, 40_000, 0)),
        "money counts on one remittance"
    );
}

#[tokio::test]
async fn a_slow_answer_takes_no_level_away() {
    let world = decided(denying()).await;
    let day = |days: u64| world.advance(days * 86_400);
    // Within the year of the reviewers' credentials.
    let slowly = || upheld(&world, &person(&world, INSURER, Role::Payer)).unwrap();
    let until = || {
        let biller = world.client(HOSPITAL, Role::ProviderBilling);
        let asked = ClaimsClient::new(&biller).explanation(INSURER, HOSPITAL, id(1));
        now(asked.endorsed_by([HOSPITAL]).send()).unwrap().appeal_until
    };
    let in_days = |days: i64| Date::from_unix(world.now() + days * 86_400).unwrap();
    assert_eq!(until(), in_days(APPEAL_DAYS));
    day(10);
    appealed(&world).unwrap();
    day(171);
    slowly();
    assert_eq!(until(), in_days(APPEAL_DAYS), "from the answer on");
    day(180);
    appealed(&world).unwrap();
    slowly();
    day(181);
    let late = appealed(&world);
    assert!(matches!(late, Err(HealthError::Expired(_))), "{late:?}");
}

/// A plan under which a denial hides a question.
fn asking_behind() -> ProcedureRules {
    ProcedureRules {
        sex: Some(Sex::Female),
        ..denying()
    }
}

#[tokio::test]
async fn an_appeal_finds_a_question_and_the_next_level_is_left() {
    let world = decided(asking_behind()).await;
    let people: Vec<_> = (0..3).map(|_| person(&world, INSURER, Role::Payer)).collect();
    appealed(&world).unwrap();
    let whole = answered(&world, &people[0], AppealAct::Overturn, aside(EditCode::Waiting)).unwrap_err();
    assert!(names(&whole, "line 1 PROCEDURE"), "{whole:?}");
    answered(&world, &people[0], AppealAct::Divide, aside(EditCode::Waiting)).unwrap();
    let asked = view(&world, 1).await;
    assert_eq!(asked.status, ClaimStatus::Pended);
    assert!(asked.answer_until.is_some());
    assert_eq!(asked.appeal.unwrap().status, AppealStatus::FirstPartial);
    assert!(matches!(appealed(&world), Err(HealthError::ConflictState(_))));
    // Nobody answers, and the denial is taken to the next level.
    world.advance(46 * 86_400);
    adjudicate(&world, id(1)).await.unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Denied);
    appealed(&world).unwrap();
    answered(
        &world,
        &people[1],
        AppealAct::Overturn,
        aside(EditCode::Procedure),
    )
    .unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Approved);
    let made = book(&world, 1).await.made;
    assert_eq!(made.len(), 2);
    assert!(made.iter().all(|made| made.proposed_by.is_none()));
}

#[tokio::test]
async fn the_last_level_leaves_no_question() {
    let world = decided(asking_behind()).await;
    let outside = person(&world, REGULATOR, Role::Legal);
    for _ in 0..2 {
        appealed(&world).unwrap();
        upheld(&world, &person(&world, INSURER, Role::Payer)).unwrap();
    }
    appealed(&world).unwrap();
    let asking = answered(&world, &outside, AppealAct::Divide, aside(EditCode::Waiting)).unwrap_err();
    assert!(names(&asking, "line 1 PROCEDURE"), "{asking:?}");
    let mut both = aside(EditCode::Waiting);
    both.get_mut(&1)
        .unwrap()
        .insert(EditCode::Procedure, Ruling::SetAside);
    answered(&world, &outside, AppealAct::Overturn, both).unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Approved);
}

#[tokio::test]
async fn what_was_paid_is_not_taken_back_by_an_appeal_and_the_reviewer_learns_why() {
    let world = reduced(true).await;
    let payer = world.client(INSURER, Role::Payer);
    payers!(&world, &payer, pay(payment(&world, 1, 20_000))).unwrap();
    // Since then the provider's credential has ended.
    let ended = Standing {
        active: DateRange {
            from: date("2020-01-01"),
            until: date("2020-12-31"),
        },
        network: None,
        excluded_from: None,
    };
    let standing = StandingBody {
        npi: "1234567893".into(),
        standing: ended,
        bills_for: Default::default(),
        salt: world.wallet.salt(),
    };
    at!(&world, &payer, INSURER, set_standing(INSURER, standing)).unwrap();
    appealed(&world).unwrap();
    let reviewer = person(&world, INSURER, Role::Payer);
    let less = answered(&world, &reviewer, AppealAct::Divide, aside(EditCode::UnitLimit)).unwrap_err();
    assert!(names(&less, "line 1 CREDENTIAL"), "{less:?}");
    let mut both = aside(EditCode::UnitLimit);
    both.get_mut(&1)
        .unwrap()
        .insert(EditCode::Credential, Ruling::SetAside);
    answered(&world, &reviewer, AppealAct::Overturn, both).unwrap();
    assert_eq!(book(&world, 1).await.due, 20_000);
}
