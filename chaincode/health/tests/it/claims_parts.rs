//! What ranges over a pair's claims or questions does so in parts, however much of what lies there is none.

use crate::claims::{covered_by, id, on, submit};
use crate::claims_eligibility::{ask, question, question_id};
use crate::claims_forged::{forge, salt};
use crate::fixture::{HOSPITAL, INSURER, World, world};
use careledger_api::contracts::claims::{
    ClaimsClient, ListQuery, MAX_LOOKED_AT, MAX_READ, QUESTION_DAYS, QuestionQuery, WaitingQuery,
};
use careledger_api::ids::{ClaimId, QuestionId};
use careledger_api::roles::Role;
use serde_json::{Value, json};

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

/// A part of the payer's list of questions, and where the next one begins.
async fn questions(world: &World, after: Option<QuestionId>) -> (Vec<QuestionId>, Option<QuestionId>) {
    let payer = world.client(INSURER, Role::Payer);
    let query = QuestionQuery { open: false, after };
    let asked = ClaimsClient::new(&payer).eligibility_questions(INSURER, HOSPITAL, query);
    let list = asked.endorsed_by([INSURER]).send().await.unwrap();
    let rows = list.questions.iter().map(|row| row.question);
    (rows.collect(), list.next)
}

/// What the provider may destroy, of a part.
async fn over(world: &World, after: Option<QuestionId>) -> Vec<QuestionId> {
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let query = QuestionQuery { open: false, after };
    let asked = ClaimsClient::new(&biller).eligibility_over(INSURER, HOSPITAL, query);
    asked.endorsed_by([HOSPITAL]).send().await.unwrap()
}

#[tokio::test]
async fn keys_that_name_no_question_count_and_no_question_is_lost_among_them() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    for n in [1, 2] {
        ask(&world, question(&world, n)).await.unwrap();
    }
    let one = question_id(1).to_string();
    // Behind the first question, between the two, behind all ids.
    for begin in [one.as_str(), &format!("{}g", &one[..2]), "g"] {
        let named = (0..MAX_LOOKED_AT).map(|n| format!("elig~{begin}{n:04}~"));
        let forged: Vec<(String, Value)> = named.map(|key| (key, Value::Null)).collect();
        assert!(forge(&world, INSURER, &forged));
    }
    let (mut found, mut parts, mut after) = (Vec::new(), 0, None);
    loop {
        let (rows, next) = questions(&world, after).await;
        (found, parts) = ([found, rows].concat(), parts + 1);
        match next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(found, [1, 2].map(question_id));
    assert_eq!(parts, 4, "one for each heap, and one that finds no more");
    world.advance(QUESTION_DAYS.unsigned_abs() * 86_400);
    assert_eq!(over(&world, None).await, [question_id(1)]);
    // Behind that one: what it names is not looked at again.
    assert_eq!(over(&world, Some(question_id(1))).await, []);
    let between = format!("{}{}", &one[..2], "f".repeat(30)).parse().unwrap();
    assert_eq!(over(&world, Some(between)).await, [question_id(2)]);
}

#[tokio::test]
async fn a_part_of_the_questions_ends_at_its_bytes() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    ask(&world, question(&world, 9)).await.unwrap();
    let half = usize::try_from(MAX_READ / 2).unwrap();
    for n in [1, 2, 3] {
        let long = json!({"salt": salt(&world), "more": "x".repeat(half)});
        let key = format!("elig~{}", question_id(n));
        assert!(forge(&world, INSURER, &[(key, long)]));
    }
    assert_eq!(questions(&world, None).await, (vec![], Some(question_id(2))));
    let (rest, next) = questions(&world, Some(question_id(2))).await;
    assert_eq!((rest, next), (vec![question_id(9)], None));
    world.advance(QUESTION_DAYS.unsigned_abs() * 86_400);
    assert_eq!(over(&world, None).await, []);
    assert_eq!(over(&world, Some(question_id(2))).await, [question_id(9)]);
}
