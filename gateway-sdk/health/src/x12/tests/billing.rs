//! Claims as they are written for another payer: 837I and 837D, and after the ledger's payer has decided.

use super::*;
use careledger_api::adjudication::{Area, ClaimKind, ClaimLine, Site};

/// Revenue codes by the procedure: lines that nothing but a revenue code tells apart are not read.
fn institution(claim: &Claim) -> Institution {
    parties::institution(claim, |line| {
        format!("04{:0>2}", line.procedure.trim_start_matches("X-100"))
    })
}

/// As an 837I holds it.
fn institutional(claim: &Claim) -> Claim {
    let mut claim = Claim {
        kind: ClaimKind::Institutional,
        ..claim.clone()
    };
    let authorisation = claim.lines[0].authorisation;
    for line in &mut claim.lines {
        line.place = None;
        line.diagnoses.clear();
        line.authorisation = authorisation;
    }
    claim
}

/// As an 837D holds it, with teeth on every other line.
fn dental(claim: &Claim) -> Claim {
    let mut claim = Claim {
        kind: ClaimKind::Oral,
        ..claim.clone()
    };
    for line in &mut claim.lines {
        line.site = match line.sequence % 3 {
            0 => None,
            1 => Some(Site {
                teeth: [("12", "MO"), ("A", "")]
                    .map(|(tooth, surfaces)| (tooth.parse().unwrap(), surfaces.parse().unwrap()))
                    .into(),
                areas: [Area::Upper].into(),
                body: None,
            }),
            _ => Some(Site::area(Area::LowerLeft)),
        };
    }
    claim
}

fn written(claim: &Claim, institution: Option<Institution>) -> Result<String, Problem> {
    let billed = Billed {
        institution,
        ..billed(claim)
    };
    claims_to_x12(&[billed], &biller(), &envelope())
}

fn read_again(file: &str) -> Claim {
    match &read(file)[0].outcome {
        Ok(Submission::Claim(body)) => body.claim.clone(),
        other => panic!("{other:?}\n{file}"),
    }
}

fn some() -> Claim {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    any_claim(SYSTEM).new_tree(&mut runner).unwrap().current()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_kind_that_is_written_is_read_again(claim in any_claim(SYSTEM), again in any::<bool>()) {
        let claim = if again { replacing(&claim, SYSTEM) } else { claim };
        let hospital = institutional(&claim);
        let file = written(&hospital, Some(institution(&hospital))).unwrap();
        prop_assert!(file.contains("*005010X223A2~"));
        prop_assert_eq!(&read_again(&file), &hospital);
        let teeth = dental(&claim);
        let file = written(&teeth, None).unwrap();
        prop_assert!(file.contains("*005010X224A2~"));
        prop_assert_eq!(&read_again(&file), &teeth);
    }

    /// What the ledger's payer paid is what the other payer reads, line by line, and nothing names the ledger's numbers.
    #[test]
    fn the_next_payer_hears_what_was_paid(claim in any_claim(SYSTEM), again in any::<bool>(), kind in 0u8..3) {
        let mut claim = if again { replacing(&claim, SYSTEM) } else { claim };
        claim.lines.iter_mut().for_each(|line| line.other_payer = None);
        let claim = match kind {
            0 => claim,
            1 => institutional(&claim),
            _ => dental(&claim),
        };
        let decided = decided(&claim);
        let billed = Billed {
            institution: (kind == 1).then(|| institution(&claim)),
            after: Some(After {
                decided: &decided,
                paid: date("2026-07-01"),
                name: "FIRST".into(),
                number: "FIRST1".into(),
            }),
            ..billed(&claim)
        };
        let file = claims_to_x12(&[billed], &biller(), &envelope()).unwrap();
        let again = read_again(&file);
        for (line, result) in again.lines.iter().zip(&decided.lines) {
            prop_assert_eq!(line.other_payer.map(|other| other.paid), Some(result.allowed));
        }
        prop_assert_eq!((again.frequency, again.replaces), (Frequency::Original, None));
        prop_assert!(again.lines.iter().all(|line| line.authorisation.is_none()));
        prop_assert!(!file.contains("REF*G1") && !file.contains("REF*F8"));
        // What it did not pay is said to the minor unit.
        let charged = again.total;
        let adjusted: i64 = decided.lines.iter().map(|line| line.co + line.pr + line.oa + line.pi).sum();
        prop_assert_eq!(charged - adjusted, decided.allowed);
        prop_assert_eq!(file.contains("CAS*"), adjusted > 0);
    }
}

/// The payer before knows the member by another number, and perhaps as somebody's child.
#[test]
fn the_payer_before_knows_the_member_by_its_own_number() {
    let mut claim = some();
    claim.lines.iter_mut().for_each(|line| line.other_payer = None);
    let decided = decided(&claim);
    let written = |insured_before: Option<InsuredBefore>, second: bool| {
        let after = second.then(|| After {
            decided: &decided,
            paid: date("2026-07-01"),
            name: "FIRST".into(),
            number: "FIRST1".into(),
        });
        let billed = Billed {
            after,
            insured_before,
            ..billed(&claim)
        };
        claims_to_x12(&[billed], &biller(), &envelope())
    };
    let of_other = |file: &str| -> Vec<String> {
        let lines = file.lines().skip_while(|line| !line.starts_with("CLM*"));
        let names = lines.filter(|line| line.starts_with("SBR*") || line.starts_with("NM1*IL*"));
        names.map(str::to_owned).collect()
    };
    let own = written(None, true).unwrap();
    assert_eq!(
        of_other(&own),
        ["SBR*P*18*******CI~", "NM1*IL*1*DOE*ANN****MI*M-0001~"]
    );
    let mut before = InsuredBefore {
        member_number: "F-77".into(),
        group: None,
        subscriber: None,
    };
    let number = written(Some(before.clone()), true).unwrap();
    assert_eq!(
        of_other(&number),
        ["SBR*P*18*******CI~", "NM1*IL*1*DOE*ANN****MI*F-77~"]
    );
    before.group = Some("G-12".into());
    before.subscriber = Some(OtherSubscriber {
        last_name: "ROE".into(),
        first_name: "SAM".into(),
        patient: PatientIs::Child,
    });
    let child = written(Some(before.clone()), true).unwrap();
    assert_eq!(
        of_other(&child),
        ["SBR*P*19*G-12******CI~", "NM1*IL*1*ROE*SAM****MI*F-77~"]
    );
    // The receiver's own member stays who it was, and what is read is the same.
    assert!(child.contains("NM1*IL*1*DOE*ANN****MI*M-0001~"));
    assert_eq!(read_again(&child), read_again(&own));
    let refused = written(Some(before.clone()), false).unwrap_err();
    assert!(refused.reason.contains("no payer decides before"), "{refused}");
    before.member_number = "F:77".into();
    assert_eq!(written(Some(before), true).unwrap_err().at, "NM109");
}

/// The ledger would take the second for the first again: it has no place for what tells them apart.
#[test]
fn lines_that_a_revenue_code_alone_tells_apart_are_refused() {
    let mut claim = institutional(&some());
    claim.lines.truncate(1);
    let second = ClaimLine {
        sequence: 2,
        ..claim.lines[0].clone()
    };
    claim.total = 2 * second.charge;
    claim.lines.push(second);
    let mut institution = institution(&claim);
    assert_eq!(
        read_again(&written(&claim, Some(institution.clone())).unwrap()),
        claim
    );
    institution.revenue.insert(2, "0490".into());
    let file = written(&claim, Some(institution)).unwrap();
    let Err(problems) = &read(&file)[0].outcome else {
        panic!("{file}");
    };
    assert_eq!(problems.len(), 1);
    assert!(problems[0].reason.contains("revenue code"), "{problems:?}");
}

#[test]
fn a_line_of_a_revenue_code_alone_has_no_procedure() {
    let mut claim = institutional(&some());
    claim.lines.truncate(1);
    claim.lines[0].procedure = "0250".into();
    claim.lines[0].modifiers.clear();
    claim.lines[0].other_payer = None;
    claim.total = claim.lines[0].charge;
    let mut institution = institution(&claim);
    institution.revenue.insert(1, "0250".into());
    let file = written(&claim, Some(institution)).unwrap();
    assert!(file.contains("SV2*0250**"), "{file}");
    assert_eq!(read_again(&file), claim);
}

#[test]
fn what_a_guide_cannot_hold_is_not_written() {
    let claim = Claim {
        currency: "USD".into(),
        ..some()
    };
    let hospital = institutional(&claim);
    let reason = |claim: &Claim, institution| written(claim, institution).unwrap_err().reason;
    assert!(reason(&hospital, None).contains("837I"));
    assert!(reason(&claim, Some(institution(&claim))).contains("837I"));
    let mut short = institution(&hospital);
    short.revenue.clear();
    assert!(reason(&hospital, Some(short)).contains("revenue"));
    let mut two = hospital.clone();
    two.lines = vec![
        ClaimLine {
            authorisation: Some("07".repeat(16).parse().unwrap()),
            ..hospital.lines[0].clone()
        },
        ClaimLine {
            sequence: 2,
            authorisation: None,
            ..hospital.lines[0].clone()
        },
    ];
    assert!(reason(&two, Some(institution(&two))).contains("one authorisation"));
    let mut sited = claim.clone();
    sited.lines[0].site = Some(Site::area(Area::Upper));
    assert!(reason(&sited, None).contains("modifiers"));
    let mut teeth = dental(&claim);
    teeth.lines[0].site = Some(Site::body("368208006".parse().unwrap()));
    assert!(reason(&teeth, None).contains("teeth"));
    let mut many = dental(&claim);
    many.diagnoses = ["A00", "A01", "A02", "A03", "A04"].map(str::to_owned).to_vec();
    assert!(reason(&many, None).contains("4 diagnoses"));
    for kind in [ClaimKind::Pharmacy, ClaimKind::Vision] {
        let other = Claim {
            kind,
            ..claim.clone()
        };
        assert!(reason(&other, None).contains("professional"));
    }
    let mixed = [billed(&claim), billed(&teeth)];
    let refused = claims_to_x12(&mixed, &biller(), &envelope()).unwrap_err();
    assert!(refused.reason.contains("one kind"), "{refused}");
    // A decision on another claim, or one that is not made yet, is no payer's word.
    let mut claim = claim;
    claim.lines.iter_mut().for_each(|line| line.other_payer = None);
    let right = decided(&claim);
    let mut pended = right.clone();
    pended.lines[0].pended = true;
    let mut other = right;
    other.claim = "ff".repeat(16).parse().unwrap();
    for decided in [&pended, &other] {
        let after = Some(After {
            decided,
            paid: date("2026-07-01"),
            name: "FIRST".into(),
            number: "FIRST1".into(),
        });
        let billed = Billed {
            after,
            ..billed(&claim)
        };
        let refused = claims_to_x12(&[billed], &biller(), &envelope()).unwrap_err();
        assert!(refused.reason.contains("adjudication"), "{refused}");
    }
}

#[test]
fn nothing_that_another_payer_paid_is_said_of_every_line() {
    let file = reading::file().replacen("AMT|D|50.5", "AMT|D|0", 1);
    let file = file.replacen("SVD|OTHER|50.5|HC>X-1001||2'\nDTP|573|D8|20260615'\n", "", 1);
    let file = file.replacen("SE|44|", "SE|42|", 1);
    let claim = read_again(&file);
    assert!(
        claim
            .lines
            .iter()
            .all(|line| line.other_payer.is_some_and(|other| other.paid == 0)),
        "{claim:?}"
    );
}

#[test]
fn a_remittance_says_which_units_are_covered() {
    let mut claim = Claim {
        currency: "USD".into(),
        ..some()
    };
    claim.lines.truncate(1);
    claim.lines[0].units = 5;
    claim.total = claim.lines[0].charge;
    let mut decided = decided(&claim);
    for (covered, said) in [(5, "**5~"), (3, "**3**5~"), (0, "**0**5~")] {
        decided.lines[0].units = covered;
        let paper = remittance(vec![remitted(&claim, &decided, false)], "USD", 0);
        let file = remittance_to_x12(&paper, &envelope()).unwrap();
        let line = file.lines().find(|line| line.starts_with("SVC*")).unwrap();
        assert!(line.ends_with(said), "{line}");
    }
}
