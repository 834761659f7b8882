//! A provider's front desk asks the payer about a coverage: what is answered, what is not, and what nobody can make up.

use crate::claims::{
    AUTHORISATION, adjudicate, at, authorised, authorising, codes, covered_as, covered_by, date, id, member,
    on, payers, providers, request, submit, waiting,
};
use crate::claims_forged::{PAIR, forge, guard};
use crate::fixture::{CLINIC, HOSPITAL, INSURER, World, bytes, world};
use careledger_api::HealthError;
use careledger_api::adjudication::{EditCode, Limit, ProcedureRules, Span};
use careledger_api::contracts::claims::{
    AskedService, AuthorisationAct, AuthorisationDecision, ClaimsClient, CoverageEnd, CoverageStanding,
    EligibilityAnswer, EligibilityPurpose, EligibilityQuestion, EligibilityView, MAX_OPEN_QUESTIONS,
    PaymentConsent, QUESTION_DAYS, QUESTION_PARTS, QuestionBatch, QuestionList, QuestionQuery,
    QuestionStatus, QuestionStep, SelfPayment, ServiceStanding, YearSum,
};
use careledger_api::date::DateRange;
use careledger_api::ids::{CoverageId, QuestionId, TxId};
use careledger_api::roles::Role;
use fabric_contract_core::KeyPolicy;
use serde_json::json;

const DAY: &str = "2027-01-15";

pub fn question_id(n: u8) -> QuestionId {
    QuestionId::from_bytes(bytes(n))
}

/// About the member's coverage on that day, for one visit.
pub fn question(world: &World, n: u8) -> EligibilityQuestion {
    let mut question = EligibilityQuestion::new(question_id(n), member(), date(DAY), world.wallet.salt());
    question.purposes.extend(EligibilityPurpose::ALL);
    question.provider_npi = Some("1234567893".into());
    question.currency = Some("USD".into());
    question.services = vec![AskedService {
        charge: Some(25_000),
        ..AskedService::new("X-1001")
    }];
    question
}

pub async fn ask(world: &World, question: EligibilityQuestion) -> Result<TxId, HealthError> {
    let desk = world.client(HOSPITAL, Role::ProviderBilling);
    providers!(world, &desk, ask_eligibility(question))
}

fn step(world: &World, n: u8) -> QuestionStep {
    QuestionStep {
        question: question_id(n),
        salt: world.wallet.salt(),
    }
}

async fn answer(world: &World, n: u8) -> Result<TxId, HealthError> {
    let payer = world.client(INSURER, Role::Payer);
    payers!(world, &payer, answer_eligibility(step(world, n)))
}

async fn seen(world: &World, n: u8) -> EligibilityView {
    let desk = world.client(HOSPITAL, Role::ProviderBilling);
    let asked = ClaimsClient::new(&desk).eligibility_answer(INSURER, HOSPITAL, question_id(n));
    asked.endorsed_by([HOSPITAL]).send().await.unwrap()
}

/// Asked and answered.
async fn told(world: &World, question: EligibilityQuestion) -> EligibilityAnswer {
    let n = question.id.as_bytes()[0];
    ask(world, question).await.unwrap();
    answer(world, n).await.unwrap();
    let view = seen(world, n).await;
    assert_eq!(view.status, QuestionStatus::Answered);
    view.answer.unwrap()
}

async fn listed(world: &World, open: bool) -> Vec<(QuestionId, QuestionStatus)> {
    let payer = world.client(INSURER, Role::Payer);
    let query = QuestionQuery { open, after: None };
    let asked = ClaimsClient::new(&payer).eligibility_questions(INSURER, HOSPITAL, query);
    let list: QuestionList = asked.endorsed_by([INSURER]).send().await.unwrap();
    assert_eq!(list.next, None);
    let rows = list.questions.into_iter();
    rows.map(|row| (row.question, row.status)).collect()
}

#[tokio::test]
async fn a_front_desk_learns_what_a_service_would_come_to_and_the_claim_comes_to_that() {
    let world = world().await;
    covered_by(&world, |plan| {
        let rules = ProcedureRules {
            limits: vec![Limit {
                units: 3,
                within: Span::Year,
                per_site: false,
            }],
            ..ProcedureRules::default()
        };
        plan.procedures.insert("X-1001".into(), rules);
    })
    .await;
    let first = told(&world, question(&world, 1)).await;
    assert_eq!(first.standing, CoverageStanding::Covered);
    let terms = first.terms.unwrap();
    assert_eq!((terms.version, terms.currency.as_str()), (1, "USD"));
    assert!(terms.period.contains(date(DAY)) && !terms.secondary);
    let left = first.left.unwrap();
    assert_eq!(
        left.deductible,
        YearSum {
            of: 1_000,
            left: 1_000
        }
    );
    let service = &first.services[0];
    assert_eq!(
        (service.standing, service.in_network, service.sequence),
        (ServiceStanding::Covered, true, 1)
    );
    assert_eq!((service.limits[0].units, service.limits[0].left), (3, 3));
    assert_eq!(service.share.unwrap().coinsurance, 1_000);
    assert_eq!(service.authorisation, None);
    let estimate = service.estimate.unwrap();

    submit(&world, on(&world, 1, DAY)).await.unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    let decided = crate::claims::view(&world, 1).await.adjudication.unwrap();
    let line = &decided.lines[0];
    assert_eq!(
        (
            estimate.paid,
            estimate.member,
            estimate.written_off,
            estimate.part
        ),
        (line.allowed, line.pr, line.co, line.patient)
    );

    // What the claim used up is gone, and the same service again is no duplicate of a question's.
    let second = told(&world, question(&world, 2)).await;
    let left = second.left.unwrap();
    assert_eq!(left.deductible.left, 0);
    assert_eq!(left.out_of_pocket.left, 100_000 - line.pr);
    let service = &second.services[0];
    assert_eq!(
        (service.limits[0].left, service.standing),
        (2, ServiceStanding::Covered)
    );
    assert!(service.why.iter().all(|edit| edit.code != EditCode::Duplicate));
    assert_eq!(
        seen(&world, 1)
            .await
            .answer
            .unwrap()
            .left
            .unwrap()
            .deductible
            .left,
        1_000
    );
}

#[tokio::test]
async fn nothing_is_told_that_was_not_asked() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    let mut bare = EligibilityQuestion::new(question_id(1), member(), date(DAY), world.wallet.salt());
    let plain = told(&world, bare.clone()).await;
    assert_eq!((plain.left, plain.services.len()), (None, 0));
    bare.id = question_id(2);
    bare.purposes = [EligibilityPurpose::Benefits].into();
    let sums = told(&world, bare).await;
    assert!(sums.left.is_some() && sums.services.is_empty());
    let mut needs = question(&world, 3);
    needs.purposes = [EligibilityPurpose::Authorisation].into();
    let needs = told(&world, needs).await;
    let service = &needs.services[0];
    assert_eq!(
        (needs.left, service.estimate, service.share, service.limits.len()),
        (None, None, None, 0)
    );
    assert!(service.why.iter().all(|edit| edit.amount == 0));
    let text = serde_json::to_string(&needs).unwrap();
    for personal in ["born", "sex", "accumulators"] {
        assert!(!text.contains(personal), "{text}");
    }
}

#[tokio::test]
async fn a_coverage_that_is_not_the_payers_does_not_hold_and_nothing_is_told_of_it() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    covered_as(&world, 2, |_| ()).await;
    let mut other = question(&world, 1);
    other.coverage = CoverageId::from_bytes(bytes(9));
    let unknown = told(&world, other).await;
    assert_eq!(unknown.standing, CoverageStanding::Unknown);
    assert_eq!(
        (unknown.terms, unknown.left, unknown.services.len()),
        (None, None, 0)
    );

    let payer = world.client(INSURER, Role::Payer);
    let mut late = question(&world, 2);
    late.on = date("2028-01-01");
    let late = told(&world, late).await;
    assert_eq!(
        (late.standing, late.left, late.services.len()),
        (CoverageStanding::Ended, None, 0)
    );
    let mut early = question(&world, 3);
    early.on = date("2025-12-31");
    assert_eq!(told(&world, early).await.standing, CoverageStanding::NotYet);
    let end = CoverageEnd {
        coverage: member(),
        last: date("2025-12-31"),
        salt: world.wallet.salt(),
    };
    at!(world, &payer, INSURER, end_coverage(INSURER, end)).unwrap();
    let never = told(&world, question(&world, 4)).await;
    assert_eq!((never.standing, never.terms), (CoverageStanding::Ended, None));
    // The other member's holds as before.
    let mut other = question(&world, 5);
    other.coverage = CoverageId::from_bytes(bytes(2));
    assert_eq!(told(&world, other).await.standing, CoverageStanding::Covered);
}

#[tokio::test]
async fn an_authorisation_is_asked_for_found_and_used() {
    let world = authorising().await;
    let needed = told(&world, question(&world, 1)).await;
    let service = &needed.services[0];
    assert_eq!(service.standing, ServiceStanding::NeedsAuthorisation);
    assert_eq!(service.authorisation.as_ref().unwrap().given, None);
    assert!(service.estimate.unwrap().paid > 0, "as it would be under one");

    let payer = world.client(INSURER, Role::Payer);
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    providers!(&world, &biller, request_authorisation(request(&world, 2))).unwrap();
    let approve = AuthorisationDecision {
        id: AUTHORISATION,
        act: AuthorisationAct::Approve,
        given: None,
        reason: None,
        salt: world.wallet.salt(),
    };
    payers!(&world, &payer, decide_authorisation(approve)).unwrap();
    let found = told(&world, question(&world, 2)).await;
    let service = &found.services[0];
    assert_eq!(service.standing, ServiceStanding::Covered);
    let given = service.authorisation.clone().unwrap().given.unwrap();
    assert_eq!((given.id, given.units_left), (AUTHORISATION, 2));
    // Of another day, another provider, and more units than are left.
    let mut later = question(&world, 3);
    later.on = date("2027-02-15");
    let mut theirs = question(&world, 4);
    theirs.provider_npi = Some("1000000004".into());
    let mut many = question(&world, 5);
    many.services[0].units = 3;
    let mut named = question(&world, 6);
    named.services[0].units = 3;
    named.services[0].authorisation = Some(AUTHORISATION);
    for (asked, left) in [(later, None), (theirs, None), (many, Some(2)), (named, Some(2))] {
        let service = told(&world, asked).await.services.remove(0);
        assert_eq!(service.standing, ServiceStanding::NeedsAuthorisation);
        let given = service.authorisation.unwrap().given;
        assert_eq!(given.map(|given| given.units_left), left);
    }
    submit(&world, authorised(&world, 1, 2)).await.unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    let used = told(&world, question(&world, 7)).await;
    assert_eq!(used.services[0].standing, ServiceStanding::NeedsAuthorisation);
    assert_eq!(used.services[0].authorisation.as_ref().unwrap().given, None);
}

#[tokio::test]
async fn what_the_plan_refuses_is_told_with_its_rule_and_the_first_day() {
    let world = world().await;
    covered_by(&world, |plan| {
        let waits = ProcedureRules {
            waiting_days: 600,
            ..ProcedureRules::default()
        };
        plan.procedures.insert("X-1001".into(), waits);
    })
    .await;
    let mut asked = question(&world, 1);
    asked.services.push(AskedService::new("X-9999"));
    let answer = told(&world, asked).await;
    let [waits, unpriced] = answer.services.as_slice() else {
        panic!("{answer:?}")
    };
    assert_eq!(waits.standing, ServiceStanding::NotCovered);
    assert_eq!(waits.covered_from, Some(date("2027-08-24")));
    assert_eq!(waits.why[0].code, EditCode::Waiting);
    assert_eq!((waits.estimate, unpriced.share), (None, None));
    assert_eq!(unpriced.why[0].code, EditCode::PriceList);
}

#[tokio::test]
async fn the_same_question_again_is_one_and_another_under_its_id_is_refused() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    let asked = question(&world, 1);
    ask(&world, asked.clone()).await.unwrap();
    ask(&world, asked.clone()).await.unwrap();
    let mut other = asked.clone();
    other.on = date("2027-01-16");
    assert!(matches!(ask(&world, other).await, Err(HealthError::Duplicate(_))));
    assert_eq!(
        listed(&world, true).await,
        [(question_id(1), QuestionStatus::Open)]
    );
    answer(&world, 1).await.unwrap();
    let answered = seen(&world, 1).await;
    ask(&world, asked).await.unwrap();
    let again = answer(&world, 1).await;
    assert!(matches!(again, Err(HealthError::ConflictState(_))), "{again:?}");
    assert_eq!(seen(&world, 1).await, answered);
    assert_eq!(listed(&world, true).await, []);
    assert_eq!(
        listed(&world, false).await,
        [(question_id(1), QuestionStatus::Answered)]
    );
    assert!(matches!(answer(&world, 2).await, Err(HealthError::NotFound)));
}

#[tokio::test]
async fn a_question_that_no_payer_could_answer_is_refused() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    let good = || question(&world, 1);
    let mut wrong = vec![good(); 8];
    wrong[0].purposes.clear();
    wrong[1].services = vec![AskedService::new("X-1001"); 21];
    wrong[2].provider_npi = None;
    wrong[3].provider_npi = Some("1234567890".into());
    wrong[4].currency = None;
    wrong[5].services[0].units = 0;
    wrong[6].services[0].charge = Some(0);
    wrong[7].services[0].procedure = "lower".into();
    for (n, wrong) in wrong.into_iter().enumerate() {
        let refused = ask(&world, wrong).await;
        assert!(
            matches!(refused, Err(HealthError::InvalidCode(_))),
            "{n}: {refused:?}"
        );
    }
    ask(&world, good()).await.unwrap();
}

#[tokio::test]
async fn what_the_patient_keeps_from_the_payer_is_not_asked_about() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let paid = SelfPayment {
        coverage: member(),
        services: [("X-1001".to_owned(), date(DAY))].into(),
        restricted: true,
        salt: world.wallet.salt(),
    };
    at!(&world, &biller, HOSPITAL, restrict_payer(HOSPITAL, paid)).unwrap();
    let kept = ask(&world, question(&world, 1)).await;
    assert!(matches!(kept, Err(HealthError::ConflictState(_))), "{kept:?}");
    let mut bare = EligibilityQuestion::new(question_id(2), member(), date(DAY), world.wallet.salt());
    ask(&world, bare.clone()).await.unwrap();
    let refused = PaymentConsent {
        coverage: member(),
        given: false,
        period: DateRange {
            from: date("2027-01-01"),
            until: date("2027-12-31"),
        },
        document: None,
        salt: world.wallet.salt(),
    };
    providers!(&world, &biller, record_consent(refused)).unwrap();
    bare.id = question_id(3);
    let kept = ask(&world, bare).await;
    assert!(matches!(kept, Err(HealthError::ConflictState(_))), "{kept:?}");
}

#[tokio::test]
async fn neither_side_speaks_for_the_other() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    ask(&world, question(&world, 1)).await.unwrap();
    let stored = world
        .mock
        .private(HOSPITAL, PAIR, &format!("elig~{}", question_id(1)));
    let mut stored: serde_json::Value = serde_json::from_slice(&stored.unwrap().unwrap()).unwrap();
    // The payer changes no question.
    stored["question"]["on"] = json!("2027-01-16");
    let key = |n: u8| format!("elig~{}", question_id(n));
    assert!(!forge(&world, INSURER, &[(key(1), stored.clone())]));
    // What somebody else than the provider can change is no question of its.
    stored["question"]["id"] = json!(question_id(2));
    assert!(forge(&world, INSURER, &[(key(2), stored.clone())]));
    assert!(matches!(
        answer(&world, 2).await,
        Err(HealthError::ConflictState(_))
    ));
    assert_eq!(
        listed(&world, true).await,
        [(question_id(1), QuestionStatus::Open)]
    );

    // The provider writes itself an answer: it is not the payer's, and the payer gives none beside it.
    answer(&world, 1).await.unwrap();
    let real = seen(&world, 1).await.answer.unwrap();
    let mut three = question(&world, 3);
    three.id = question_id(3);
    ask(&world, three.clone()).await.unwrap();
    let made_up = EligibilityAnswer {
        question: question_id(3),
        asked: three.commitment().unwrap(),
        ..real
    };
    let value = json!({"answer": made_up, "tx": "ab".repeat(32)});
    let answer_key = |n: u8| format!("eligans~{}", question_id(n));
    assert!(forge(&world, HOSPITAL, &[(answer_key(3), value.clone())]));
    assert_eq!(seen(&world, 3).await.answer, None);
    let refused = answer(&world, 3).await;
    assert!(
        matches!(refused, Err(HealthError::ConflictState(_))),
        "{refused:?}"
    );
    // Not even where it hands it to the payer: the payer's book does not know it.
    guard(&world, &answer_key(3), &KeyPolicy::any_peer([INSURER]));
    assert!(answer(&world, 3).await.is_err());
    let payer = world.client(INSURER, Role::Payer);
    let looked = ClaimsClient::new(&payer).eligibility_answer(INSURER, HOSPITAL, question_id(3));
    assert_eq!(looked.endorsed_by([INSURER]).send().await.unwrap().answer, None);
    let looked = ClaimsClient::new(&payer).eligibility_answer(INSURER, HOSPITAL, question_id(1));
    assert!(
        looked
            .endorsed_by([INSURER])
            .send()
            .await
            .unwrap()
            .answer
            .is_some()
    );
    // Nor does it change the payer's.
    assert!(!forge(&world, HOSPITAL, &[(answer_key(1), value)]));
    // A question that is changed after its answer has none.
    let asked = world.mock.private(HOSPITAL, PAIR, &key(1)).unwrap();
    let mut asked: serde_json::Value = serde_json::from_slice(&asked.unwrap()).unwrap();
    asked["question"]["on"] = json!("2027-01-20");
    assert!(forge(&world, HOSPITAL, &[(key(1), asked)]));
    assert_eq!(seen(&world, 1).await.answer, None);
}

#[tokio::test]
async fn a_payer_that_takes_the_count_first_stops_its_own_questions_alone() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    ask(&world, question(&world, 1)).await.unwrap();
    let entries = world.mock.entries(HOSPITAL, PAIR).unwrap();
    let mut keys = entries.into_iter().map(|entry| entry.key);
    let count = keys.find(|key| key.starts_with("eligopen~")).unwrap();
    guard(&world, &count, &KeyPolicy::any_peer([INSURER]));
    let refused = ask(&world, question(&world, 1 + QUESTION_PARTS)).await;
    assert!(
        matches!(refused, Err(HealthError::ConflictState(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_provider_has_so_many_open_questions_and_no_more_until_some_are_answered_or_dropped() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    let nth = |n: usize| {
        let mut question = question(&world, 1);
        let mut id = [0u8; 16];
        // One part: the last byte is the same.
        id[0] = u8::try_from(n).unwrap();
        question.id = QuestionId::from_bytes(id);
        question
    };
    for n in 0..MAX_OPEN_QUESTIONS {
        ask(&world, nth(n)).await.unwrap();
    }
    let one_more = ask(&world, nth(100)).await;
    assert!(matches!(one_more, Err(HealthError::Limit(_))), "{one_more:?}");
    let payer = world.client(INSURER, Role::Payer);
    let step = QuestionStep {
        question: nth(0).id,
        salt: world.wallet.salt(),
    };
    payers!(&world, &payer, answer_eligibility(step)).unwrap();
    ask(&world, nth(100)).await.unwrap();
    assert!(ask(&world, nth(101)).await.is_err());
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let dropped = QuestionBatch {
        questions: [nth(1).id].into(),
        salt: world.wallet.salt(),
    };
    providers!(&world, &biller, drop_questions(dropped.clone())).unwrap();
    let again = providers!(&world, &biller, drop_questions(dropped));
    assert!(matches!(again, Err(HealthError::NotFound)));
    ask(&world, nth(101)).await.unwrap();
    assert!(ask(&world, nth(102)).await.is_err());
    world.advance(QUESTION_DAYS.unsigned_abs() * 86_400);
    ask(&world, nth(102)).await.unwrap();
}

#[tokio::test]
async fn after_its_days_a_question_is_not_answered_and_an_answer_goes() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    for n in [1, 2] {
        ask(&world, question(&world, n)).await.unwrap();
    }
    answer(&world, 1).await.unwrap();
    let payer = world.client(INSURER, Role::Payer);
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let batch = |n: u8| QuestionBatch {
        questions: [question_id(n)].into(),
        salt: world.wallet.salt(),
    };
    let young = payers!(&world, &payer, drop_answers(batch(1)));
    assert!(matches!(young, Err(HealthError::ConflictState(_))), "{young:?}");
    world.advance(QUESTION_DAYS.unsigned_abs() * 86_400);
    assert!(matches!(answer(&world, 2).await, Err(HealthError::Expired(_))));
    assert_eq!(seen(&world, 2).await.status, QuestionStatus::Expired);
    let over = |client, peer| async move {
        let asked = ClaimsClient::new(client).eligibility_over(INSURER, HOSPITAL, QuestionQuery::default());
        asked.endorsed_by([peer]).send().await.unwrap()
    };
    assert_eq!(over(&payer, INSURER).await, [question_id(1)]);
    assert_eq!(over(&biller, HOSPITAL).await, [question_id(1), question_id(2)]);
    payers!(&world, &payer, drop_answers(batch(1))).unwrap();
    assert!(over(&payer, INSURER).await.is_empty());
    assert_eq!(seen(&world, 1).await.answer, None);
    assert_eq!(listed(&world, true).await, []);
    let both = QuestionBatch {
        questions: [question_id(1), question_id(2)].into(),
        salt: world.wallet.salt(),
    };
    providers!(&world, &biller, drop_questions(both)).unwrap();
    assert_eq!(listed(&world, false).await, []);
    for n in [1, 2] {
        let key = format!("elig~{}", question_id(n));
        for peer in [HOSPITAL, INSURER] {
            let left = world.mock.private(peer, PAIR, &key).unwrap();
            assert_eq!(left, None);
        }
    }
}

#[tokio::test]
async fn an_answer_is_made_anew_where_the_members_sums_change_in_its_block() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    submit(&world, on(&world, 1, DAY)).await.unwrap();
    ask(&world, question(&world, 1)).await.unwrap();
    let payer = world.client(INSURER, Role::Payer);
    let decision = careledger_api::contracts::claims::AdjudicationStep::new(id(1), world.wallet.salt());
    let decided = waiting!(&payer, INSURER, adjudicate(decision));
    let answered = waiting!(&payer, INSURER, answer_eligibility(step(&world, 1)));
    let verdicts = codes(&world, [decided, answered]);
    assert_eq!(verdicts, ["VALID", "MVCC_READ_CONFLICT"]);
    answer(&world, 1).await.unwrap();
    let left = seen(&world, 1).await.answer.unwrap().left.unwrap();
    assert_eq!(left.deductible.left, 0);
}

#[tokio::test]
async fn another_provider_reads_and_asks_nothing_of_it() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    ask(&world, question(&world, 1)).await.unwrap();
    let clinic = world.client(CLINIC, Role::ProviderBilling);
    let asked = ClaimsClient::new(&clinic).eligibility_answer(INSURER, HOSPITAL, question_id(1));
    assert!(asked.endorsed_by([HOSPITAL]).send().await.is_err());
    let own = ClaimsClient::new(&clinic).eligibility_answer(INSURER, CLINIC, question_id(1));
    assert!(own.endorsed_by([CLINIC]).send().await.is_err());
    // The same id between other two is another question.
    at!(
        &world,
        &clinic,
        CLINIC,
        ask_eligibility(INSURER, CLINIC, question(&world, 1))
    )
    .unwrap();
    assert_eq!(listed(&world, true).await.len(), 1);
}
