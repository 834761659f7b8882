//! A claim's form: what no plan could pay.

use super::{AppealRoute, Claim, Edit, EditCode, Effect, note};
use crate::adjudication::{
    Frequency, MAX_AMOUNT, MAX_DIAGNOSES, MAX_DOCUMENTS, MAX_LINES, MAX_MODIFIERS, Site,
};
use std::collections::BTreeSet;

pub(super) fn check(claim: &Claim) -> Vec<Edit> {
    let mut found = Vec::new();
    let mut form = |line: Option<u16>, wrong: bool, explanation: &'static str| {
        if wrong {
            found.push(refusal(EditCode::Form, line, explanation));
        }
    };
    form(
        None,
        !(1..=MAX_LINES).contains(&claim.lines.len()),
        "a claim has 1 to 50 lines",
    );
    form(
        None,
        !is_currency(&claim.currency),
        "a currency is written as three capital letters",
    );
    let first = claim.frequency == Frequency::Original;
    form(
        None,
        first != claim.replaces.is_none() || claim.replaces == Some(claim.id),
        "a replacement and a void name the other claim that they are for, a first claim names none",
    );
    form(
        None,
        claim.diagnoses.len() > MAX_DIAGNOSES
            || !distinct(&claim.diagnoses)
            || !claim.diagnoses.iter().all(|code| is_diagnosis(code)),
        "a claim has at most 12 diagnoses, each once, written as ICD-10-CM codes: a letter, a digit, and up to six letters, digits or a dot",
    );
    form(
        None,
        !distinct(claim.lines.iter().map(|line| line.sequence)),
        "each line has its own number",
    );
    let years: BTreeSet<u16> = claim.lines.iter().map(|l| l.date.year()).collect();
    form(
        None,
        years.len() > 1,
        "all lines of a claim lie in one calendar year",
    );
    for line in &claim.lines {
        let at = Some(line.sequence);
        form(at, line.sequence == 0, "lines are numbered from 1");
        form(
            at,
            !is_procedure(&line.procedure),
            "a procedure code has 1 to 16 capital letters, digits or -",
        );
        form(at, !(1..=999).contains(&line.units), "a line has 1 to 999 units");
        form(
            at,
            !(1..=MAX_AMOUNT).contains(&line.charge),
            "a charge is above zero and at most 10^12 minor units",
        );
        form(
            at,
            line.modifiers.len() > MAX_MODIFIERS
                || !distinct(&line.modifiers)
                || !line.modifiers.iter().all(|modifier| is_modifier(modifier)),
            "a line has at most 4 modifiers, each once, of two capital letters or digits",
        );
        form(
            at,
            !line.place.as_deref().is_none_or(is_place),
            "a place of service has two digits",
        );
        form(
            at,
            !line.site.as_ref().is_none_or(Site::is_valid),
            "a line's site names at most 32 teeth and 5 areas of the mouth, or one other part of the body, and at least one of them",
        );
        let listed = |pointer: &u8| (1..=claim.diagnoses.len()).contains(&usize::from(*pointer));
        form(
            at,
            !distinct(&line.diagnoses) || !line.diagnoses.iter().all(listed),
            "a line points at diagnoses of the claim, each once, counted from 1",
        );
        form(
            at,
            line.documents.len() > MAX_DOCUMENTS || !distinct(&line.documents),
            "a line names at most 16 documents, each once",
        );
        let paid = line.other_payer.map_or(0, |other| other.paid);
        form(
            at,
            paid < 0 || paid > line.charge,
            "another payer has paid nothing or more, and at most the line's charge",
        );
    }
    let sum = claim
        .lines
        .iter()
        .try_fold(0i64, |sum, line| sum.checked_add(line.charge));
    form(
        None,
        sum != Some(claim.total),
        "the total is the sum of the lines' charges",
    );
    found
}

/// What the front end refuses; nothing is paid and nothing denied, because there is no claim yet.
pub(super) fn refusal(code: EditCode, line: Option<u16>, explanation: &'static str) -> Edit {
    Edit {
        line,
        effect: Effect::Denied,
        appeal: Some(AppealRoute::Correct),
        ..note(code, 0, explanation)
    }
}

pub(in crate::adjudication) fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase())
}

pub(in crate::adjudication) fn is_procedure(code: &str) -> bool {
    (1..=16).contains(&code.len()) && code.bytes().all(|b| is_capital(b) || b == b'-')
}

pub(in crate::adjudication) fn is_modifier(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(is_capital)
}

pub(in crate::adjudication) fn is_place(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_diagnosis(code: &str) -> bool {
    let mut bytes = code.bytes();
    let head = bytes.next().is_some_and(|b| b.is_ascii_uppercase())
        && bytes.next().is_some_and(|b| b.is_ascii_digit());
    head && (3..=8).contains(&code.len()) && bytes.all(|b| is_capital(b) || b == b'.')
}

fn is_capital(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn distinct<T: Ord>(values: impl IntoIterator<Item = T>) -> bool {
    let mut seen = BTreeSet::new();
    values.into_iter().all(|value| seen.insert(value))
}

#[cfg(test)]
mod tests {
    use crate::adjudication::tests::{claim, line};
    use crate::adjudication::{Claim, ClaimLine, EditCode, Frequency, OtherPayer, Site, check};
    use crate::ids::{ClaimId, DocumentId};

    fn refused(claim: &Claim) -> bool {
        check(claim).first().map(|e| e.code) == Some(EditCode::Form)
    }

    #[test]
    fn what_no_plan_could_pay_is_refused() {
        let good = claim(vec![line(1, "X-1001", 1, 900)]);
        assert_eq!(check(&good), []);
        for wrong in [
            Claim {
                total: 901,
                ..good.clone()
            },
            Claim {
                currency: "usd".into(),
                ..good.clone()
            },
            claim(vec![]),
            claim((1..=51).map(|n| line(n, "X-1001", 1, 1)).collect()),
            claim(vec![line(1, "X-1001", 0, 900)]),
            claim(vec![line(1, "X-1001", 1_000, 900)]),
            claim(vec![line(0, "X-1001", 1, 900)]),
            claim(vec![line(1, "X 1001", 1, 900)]),
            claim(vec![line(1, "X-1001", 1, -900)]),
            claim(vec![line(1, "X-1001", 1, 900), line(1, "X-1002", 1, 900)]),
            Claim {
                lines: vec![line(1, "X-1", 1, i64::MAX), line(2, "X-1", 1, i64::MAX)],
                ..good.clone()
            },
            Claim {
                frequency: Frequency::Void,
                ..good.clone()
            },
            Claim {
                replaces: Some(ClaimId::from_bytes([9; 16])),
                ..good.clone()
            },
            Claim {
                frequency: Frequency::Replacement,
                replaces: Some(good.id),
                ..good.clone()
            },
            Claim {
                diagnoses: vec!["C43".into(), "C43".into()],
                ..good.clone()
            },
            Claim {
                diagnoses: vec!["c43".into()],
                ..good
            },
        ] {
            assert!(refused(&wrong), "{wrong:?}");
        }
    }

    #[test]
    fn what_a_line_may_say_has_its_form() {
        let plain = line(1, "X-1001", 1, 900);
        let full = Claim {
            diagnoses: vec!["C43.5".into(), "E11".into()],
            ..claim(vec![ClaimLine {
                modifiers: vec!["59".into(), "LT".into()],
                place: Some("11".into()),
                site: serde_json::from_str(r#"{"teeth":{"14":"MO"},"areas":["20"]}"#).unwrap(),
                diagnoses: vec![2, 1],
                documents: vec![DocumentId::from_bytes([1; 16])],
                other_payer: Some(OtherPayer { paid: 900 }),
                ..plain.clone()
            }])
        };
        assert_eq!(check(&full), []);
        for wrong in [
            ClaimLine {
                modifiers: vec!["599".into()],
                ..plain.clone()
            },
            ClaimLine {
                modifiers: vec!["59".into(), "59".into()],
                ..plain.clone()
            },
            ClaimLine {
                modifiers: ["A1", "A2", "A3", "A4", "A5"].map(str::to_owned).to_vec(),
                ..plain.clone()
            },
            ClaimLine {
                place: Some("1".into()),
                ..plain.clone()
            },
            ClaimLine {
                site: Some(Site::default()),
                ..plain.clone()
            },
            ClaimLine {
                site: serde_json::from_str(r#"{"areas":["20"],"body":"8966001"}"#).unwrap(),
                ..plain.clone()
            },
            ClaimLine {
                diagnoses: vec![1],
                ..plain.clone()
            },
            ClaimLine {
                documents: vec![DocumentId::from_bytes([1; 16]); 2],
                ..plain.clone()
            },
            ClaimLine {
                other_payer: Some(OtherPayer { paid: 901 }),
                ..plain.clone()
            },
            ClaimLine {
                other_payer: Some(OtherPayer { paid: -1 }),
                ..plain
            },
        ] {
            assert!(refused(&claim(vec![wrong.clone()])), "{wrong:?}");
        }
    }
}
