//! What another payer paid: read from its answer, by line, and never dropped.

use super::*;

#[test]
fn another_payers_answer_counts_once_it_is_a_decision_in_the_claims_currency() {
    let with = |outcome: &str, currency: &str| {
        let mut form = form();
        form["contained"] = json!([{ "resourceType": "ClaimResponse", "id": "r", "status": "active", "use": "claim", "outcome": outcome,
            "item": [{ "itemSequence": 1, "adjudication": [
                { "category": { "coding": [{ "code": "benefit" }] }, "amount": { "value": 40, "currency": currency } }] }] }]);
        form["insurance"].as_array_mut().unwrap().push(
            json!({ "sequence": 2, "focal": false, "coverage": { "reference": "Coverage/2" },
            "claimResponse": { "reference": "#r" } }),
        );
        read(form.to_string().as_bytes())
    };
    let Ok(Submission::Claim(body)) = with("complete", "USD") else {
        panic!("{:?}", with("complete", "USD"))
    };
    assert_eq!(
        body.claim.lines[0].other_payer.map(|other| other.paid),
        Some(4_000)
    );
    assert_eq!(
        with("queued", "USD").unwrap_err()[0].at,
        "Claim.insurance[1].claimResponse"
    );
    assert_eq!(with("complete", "EUR").unwrap_err()[0].at, "Claim.insurance");
}

/// A claim of two lines with the answer of a payer before, changed; the lines' other payments.
fn after_another_payer(change: impl FnOnce(&mut Value)) -> Result<Vec<Option<i64>>, Vec<Problem>> {
    let benefit = |value: u32| {
        json!([{ "category": { "coding": [{ "code": "benefit" }] },
        "amount": { "value": value, "currency": "USD" } }])
    };
    let mut form = form();
    let mut second = form["item"][0].clone();
    second["sequence"] = json!(2);
    form["item"].as_array_mut().unwrap().push(second);
    form["contained"] = json!([{ "resourceType": "ClaimResponse", "id": "r", "status": "active", "use": "claim", "outcome": "complete",
        "item": [{ "itemSequence": 1, "adjudication": benefit(50) }, { "itemSequence": 2, "adjudication": benefit(30) }],
        "total": benefit(80), "payment": { "amount": { "value": 79, "currency": "USD" } } }]);
    form["insurance"].as_array_mut().unwrap().push(
        json!({ "sequence": 2, "focal": false, "coverage": { "reference": "Coverage/2" },
        "claimResponse": { "reference": "#r" } }),
    );
    change(&mut form);
    match read(form.to_string().as_bytes())? {
        Submission::Claim(body) => Ok(body
            .claim
            .lines
            .iter()
            .map(|line| line.other_payer.map(|other| other.paid))
            .collect()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_another_payer_paid_is_divided_by_line_or_refused() {
    type Change = fn(&mut Value);
    fn added(form: &mut Value, sequences: Value) {
        let answer = &mut form["contained"][0];
        let mut line = answer["item"].as_array_mut().unwrap().remove(1);
        line.as_object_mut().unwrap().remove("itemSequence");
        line["itemSequence"] = sequences;
        answer["addItem"] = json!([line]);
    }
    let taken: [Change; 3] = [
        |_| {},
        |form| added(form, json!([2])),
        |form| {
            let answer = form["contained"][0].as_object_mut().unwrap();
            answer.remove("total");
            answer["payment"]["amount"]["value"] = json!(80);
        },
    ];
    for (index, change) in taken.into_iter().enumerate() {
        assert_eq!(
            after_another_payer(change),
            Ok(vec![Some(5_000), Some(3_000)]),
            "{index}"
        );
    }
    let refused: [(&str, Change); 9] = [
        ("line by line", |form| {
            form["contained"][0].as_object_mut().unwrap().remove("item");
        }),
        ("in all", |form| {
            form["contained"][0]["item"].as_array_mut().unwrap().pop();
        }),
        ("in all", |form| {
            // The payment alone says it.
            form["contained"][0].as_object_mut().unwrap().remove("total");
        }),
        ("does not have", |form| {
            form["contained"][0]["item"][1]["itemSequence"] = json!(3)
        }),
        ("(addItem)", |form| added(form, json!([]))),
        ("(addItem)", |form| added(form, json!([1, 2]))),
        ("(use)", |form| {
            form["contained"][0]["use"] = json!("preauthorization")
        }),
        ("(status)", |form| {
            form["contained"][0]["status"] = json!("cancelled")
        }),
        ("name it once", |form| {
            let mut third = form["insurance"][1].clone();
            third["sequence"] = json!(3);
            form["insurance"].as_array_mut().unwrap().push(third);
        }),
    ];
    for (said, change) in refused {
        let problems = after_another_payer(change).expect_err(said);
        assert!(
            problems
                .iter()
                .all(|p| p.at.ends_with("].claimResponse") && p.reason.contains(said)),
            "{said}: {problems:#?}"
        );
    }
}

#[test]
fn what_another_payer_paid_is_said_once_for_a_line() {
    let problems = after_another_payer(|form| {
        let answer = &mut form["contained"][0];
        let twice = answer["item"][0]["adjudication"][0].clone();
        answer["item"][0]["adjudication"]
            .as_array_mut()
            .unwrap()
            .push(twice);
        answer["total"] = json!([]);
        answer.as_object_mut().unwrap().remove("payment");
    })
    .unwrap_err();
    assert!(problems[0].reason.contains("once"), "{problems:?}");
}

/// Without it this payer would pay what another one has paid.
#[test]
fn what_another_payer_paid_is_not_dropped() {
    let mut claim = one();
    claim.lines.truncate(1);
    claim.lines[0].other_payer = Some(careledger_api::adjudication::OtherPayer { paid: 0 });
    let refused = claim_to_fhir(&claim, &paper()).unwrap_err();
    assert!(refused.reason.contains("another payer"), "{refused:?}");
}
