//! What is written is read again and balances; what is wrong is refused with segment, loop and element.

use super::*;
use crate::claims::testing::{
    MEMBER, PERFORMER, any_claim, changed, coverage, date, directory, plan, replacing,
};
use crate::claims::{Account, FileError, Problem, Read, Submission};
use careledger_api::adjudication::{
    Accumulators, Adjudication, Claim, EditCode, Effect, Facts, Frequency, Group, Ruling, adjudicate, check,
    deny_unknown_coverage,
};
use careledger_api::ids::RemittanceId;
use proptest::prelude::*;

mod acknowledging;
mod answer;
mod billing;
mod guides;
mod interchanges;
#[path = "../../tests/samples/parties.rs"]
mod parties;
mod reading;
mod response;
mod review;

use parties::{biller, envelope, payee, payer, remitted};

const SYSTEM: &str = "CLM01";

fn billed(claim: &Claim) -> Billed<'_> {
    parties::billed(claim, "A-1")
}

fn remittance<'a>(claims: Vec<Remitted<'a>>, currency: &'a str, brought_forward: i64) -> Remittance<'a> {
    Remittance {
        id: RemittanceId::from_bytes([5; 16]),
        date: date("2026-07-01"),
        trace: "BANK-77",
        payer: payer(),
        payee: payee(),
        currency,
        claims,
        brought_forward,
    }
}

/// Every question is answered: the rule that raised it is upheld.
fn decided(claim: &Claim) -> Adjudication {
    let plan = plan(&claim.currency);
    let mut facts = Facts::new(date("2026-06-30"), Accumulators::default());
    loop {
        let result = adjudicate(claim, plan.checked().unwrap(), &coverage(), &facts).unwrap();
        let asked = result
            .lines
            .iter()
            .flat_map(|line| &line.edits)
            .filter(|edit| edit.effect == Effect::Pended);
        let asked: Vec<(u16, EditCode)> = asked.filter_map(|edit| Some((edit.line?, edit.code))).collect();
        if asked.is_empty() {
            return result;
        }
        for (line, code) in asked {
            facts
                .rulings
                .entry(line)
                .or_default()
                .insert(code, Ruling::Upheld);
        }
    }
}

fn read(file: &str) -> Vec<Read> {
    claims_from_x12(file.as_bytes(), &directory()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_claim_that_is_written_is_read_again(claim in any_claim(SYSTEM), again in any::<bool>()) {
        let claim = if again { replacing(&claim, SYSTEM) } else { claim };
        let file = claims_to_x12(&[billed(&claim), billed(&claim)], &biller(), &envelope()).unwrap();
        let read = read(&file);
        prop_assert_eq!(read.len(), 2);
        prop_assert_eq!(&read[0].outcome, &read[1].outcome, "one claim, twice");
        prop_assert_eq!(read[0].account.member_number.as_deref(), Some("M-0001"));
        match &read[0].outcome {
            Ok(Submission::Claim(body)) => prop_assert_eq!(&body.claim, &claim),
            other => panic!("{other:?}\n{file}"),
        }
    }

    #[test]
    fn a_remittance_balances_and_is_read_again(
        claims in proptest::collection::vec((any_claim(SYSTEM), any::<bool>()), 1..4), owed in 0i64..50_000,
    ) {
        let claims: Vec<(Claim, bool)> =
            claims.into_iter().map(|(claim, reversed)| (Claim { currency: "USD".into(), ..claim }, reversed)).collect();
        let decided: Vec<Adjudication> = claims.iter().map(|(claim, _)| decided(claim)).collect();
        let remitted = claims.iter().zip(&decided).map(|((claim, reversed), a)| remitted(claim, a, *reversed)).collect();
        let file = remittance_to_x12(&remittance(remitted, "USD", owed), &envelope()).unwrap();
        let advice = advice_from_x12(file.as_bytes()).unwrap().remove(0);
        let sign = |reversed: bool| if reversed { -1 } else { 1 };
        let sum: i64 = claims.iter().zip(&decided).map(|((_, reversed), a)| sign(*reversed) * a.allowed).sum();
        prop_assert_eq!(advice.paid, (sum - owed).max(0));
        for ((claim, reversed), (decided, advised)) in claims.iter().zip(decided.iter().zip(&advice.claims)) {
            prop_assert_eq!(advised.claim, Some(claim.id));
            prop_assert_eq!(advised.paid, sign(*reversed) * decided.allowed);
            for (line, told) in decided.lines.iter().zip(&advised.lines) {
                let of = |group: Group| -> i64 {
                    told.adjustments.iter().filter(|(g, ..)| *g == group).map(|(.., amount)| *amount).sum()
                };
                prop_assert_eq!(told.charge, sign(*reversed) * line.charge);
                for (group, amount) in [(Group::Contractual, line.co), (Group::Patient, line.pr), (Group::Other, line.oa), (Group::Payer, line.pi)] {
                    prop_assert_eq!(of(group), sign(*reversed) * amount);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn any_change_of_a_file_is_read_or_refused(file in changed(reading::FILE)) {
        if let Ok(read) = claims_from_x12(&file, &directory()) {
            for read in read {
                match read.outcome {
                    Ok(Submission::Claim(body)) => prop_assert_eq!(check(&body.claim), vec![]),
                    Ok(other) => panic!("{other:?}"),
                    Err(problems) => prop_assert!(!problems.is_empty()),
                }
            }
        }
    }

    #[test]
    fn any_change_of_a_remittance_is_read_or_refused(file in changed(PAPER)) {
        if let Ok(sets) = advice_from_x12(&file) {
            for set in sets {
                let kept: i64 = set.provider.iter().map(|(_, amount)| *amount).sum();
                prop_assert_eq!(set.claims.iter().map(|claim| claim.paid).sum::<i64>() - kept, set.paid);
            }
        }
    }
}

#[test]
fn a_denial_is_told_with_nothing_paid_and_taken_back_by_what_is_decided_instead() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let claim = Claim {
        currency: "USD".into(),
        ..any_claim(SYSTEM).new_tree(&mut runner).unwrap().current()
    };
    let denied = deny_unknown_coverage(&claim);
    let told = |remitted: Vec<Remitted<'_>>| {
        let file = remittance_to_x12(&remittance(remitted, "USD", 0), &envelope()).unwrap();
        let advice = advice_from_x12(file.as_bytes()).unwrap().remove(0);
        (file, advice)
    };
    let (file, advice) = told(vec![remitted(&claim, &denied, false)]);
    assert!(file.contains("BPR*H*0*C*NON*"), "{file}");
    let of = &advice.claims[0];
    assert_eq!((of.status.as_str(), of.charge, of.paid), ("4", claim.total, 0));
    let kept = |of: &AdvisedClaim| -> i64 {
        let lines = of.lines.iter().flat_map(|line| &line.adjustments);
        lines.map(|(.., amount)| *amount).sum()
    };
    assert_eq!(
        (advice.paid, kept(of)),
        (0, claim.total),
        "the reasons say all of it"
    );

    let right = decided(&claim);
    let (_, advice) = told(vec![
        remitted(&claim, &denied, true),
        remitted(&claim, &right, false),
    ]);
    let [before, instead] = advice.claims.as_slice() else {
        panic!("{advice:?}")
    };
    assert_eq!(
        (before.status.as_str(), before.charge, before.paid, kept(before)),
        ("22", -claim.total, 0, -claim.total)
    );
    assert_eq!((instead.charge, instead.paid), (claim.total, right.allowed));
    assert_eq!(advice.paid, right.allowed);
}

/// A remittance by hand: a claim of one line, less what was brought forward.
const PAPER: &str = include_str!("../../tests/samples/remittance.835");

#[test]
fn a_remittance_of_another_writer_is_read() {
    let advice = advice_from_x12(PAPER.as_bytes()).unwrap().remove(0);
    assert_eq!((advice.paid, advice.trace.as_str()), (5_000, "BANK-77"));
    assert_eq!(advice.provider, [("FB".to_owned(), 5_000)]);
    let line = &advice.claims[0].lines[0];
    assert_eq!(
        (line.procedure.as_str(), line.date, line.number.as_deref()),
        ("X-1001", Some(date("2026-06-01")), Some("1"))
    );
    let adjusted = |group, reason: &str, amount| (group, reason.to_owned(), amount);
    assert_eq!(
        line.adjustments,
        [
            adjusted(Group::Contractual, "45", 15_000),
            adjusted(Group::Patient, "1", 4_000),
            adjusted(Group::Patient, "3", 1_000)
        ]
    );
    assert_eq!(line.remarks, ["N130"]);
}

#[test]
fn a_line_without_a_place_is_not_billed() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut claim = any_claim(SYSTEM).new_tree(&mut runner).unwrap().current();
    assert!(claims_to_x12(&[billed(&claim)], &biller(), &envelope()).is_ok());
    claim.lines.last_mut().unwrap().place = None;
    let refused = claims_to_x12(&[billed(&claim)], &biller(), &envelope()).unwrap_err();
    assert!(refused.reason.contains("place of service"), "{refused}");
}

#[test]
fn a_remittance_has_one_payment_and_it_is_a_credit() {
    let bpr = "BPR*I*50*C*CHK************20260701~\n";
    assert!(PAPER.contains(bpr));
    for (instead, segments, at) in [
        (String::new(), 12, "transaction set 0001"),
        (bpr.repeat(2), 14, "transaction set 0001"),
        (bpr.replace("*C*", "*D*"), 13, "segment 4 (BPR), element 03"),
        (bpr.replace("*C*", "**"), 13, "segment 4 (BPR), element 03"),
    ] {
        let file = PAPER
            .replace(bpr, &instead)
            .replace("SE*13*", &format!("SE*{segments}*"))
            // Without a payment, the rest would balance to 0.
            .replace(
                "FB:05*50~",
                if instead.is_empty() {
                    "FB:05*100~"
                } else {
                    "FB:05*50~"
                },
            );
        match advice_from_x12(file.as_bytes()) {
            Err(FileError::Frame(problem)) => assert_eq!(problem.at, at, "{instead}"),
            other => panic!("{instead}: {other:?}"),
        }
    }
}

#[test]
fn what_does_not_balance_is_neither_written_nor_read() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let claim = Claim {
        currency: "USD".into(),
        ..any_claim(SYSTEM).new_tree(&mut runner).unwrap().current()
    };
    let right = decided(&claim);
    let written = |decided: &Adjudication| {
        remittance_to_x12(
            &remittance(vec![remitted(&claim, decided, false)], "USD", 0),
            &envelope(),
        )
    };
    let mut wrong = right.clone();
    wrong.lines[0].co += 1;
    assert!(written(&wrong).unwrap_err().reason.contains("balance"));
    let mut wrong = right.clone();
    wrong.allowed += 1;
    assert!(written(&wrong).unwrap_err().reason.contains("balance"));
    let mut wrong = right.clone();
    wrong.lines[0].pended = true;
    assert!(written(&wrong).unwrap_err().reason.contains("not decided"));
    let file = written(&right).unwrap();
    let bpr = file.lines().find(|line| line.starts_with("BPR")).unwrap();
    let changed = file.replace(bpr, &bpr.replacen("*C*", "7*C*", 1));
    assert!(
        matches!(advice_from_x12(changed.as_bytes()), Err(FileError::Frame(p)) if p.reason.contains("BPR02"))
    );
    let svc = file.lines().find(|line| line.starts_with("SVC")).unwrap();
    let amounts: Vec<&str> = svc.split('*').collect();
    let changed = file.replacen(
        svc,
        &svc.replacen(&format!("*{}*", amounts[2]), &format!("*7{}*", amounts[2]), 1),
        1,
    );
    assert!(
        matches!(advice_from_x12(changed.as_bytes()), Err(FileError::Frame(p)) if p.reason.contains("line"))
    );
}

#[test]
fn texts_that_would_break_a_segment_are_refused() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let claim = any_claim(SYSTEM).new_tree(&mut runner).unwrap().current();
    for bad in [
        "",
        "A*B",
        "A~B",
        "A:B",
        "A^B",
        " A",
        "Ä",
        "A\nB",
        "123456789012345678901",
    ] {
        let billed = Billed {
            number: bad.into(),
            ..billed(&claim)
        };
        assert!(claims_to_x12(&[billed], &biller(), &envelope()).is_err(), "{bad}");
    }
}

#[test]
fn a_remittance_is_named_whole_and_paid_to_a_number_that_can_be_one() {
    let whole = remittance(Vec::new(), "USD", 7);
    let file = remittance_to_x12(&whole, &envelope()).unwrap();
    let id = whole.id.to_string();
    assert!(
        file.contains(&format!("REF*EV*{id}~")) && file.contains(&format!("*FB:{id}*")),
        "{file}"
    );
    for npi in ["1234567890", "1", ""] {
        let mut wrong = whole.clone();
        wrong.payee.npi = npi.into();
        let problem = remittance_to_x12(&wrong, &envelope()).unwrap_err();
        assert_eq!(problem.at, "N104", "{problem}");
    }
}
