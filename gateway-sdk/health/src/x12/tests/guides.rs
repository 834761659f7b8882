//! Institutional and dental claims: what differs from professional ones.

use super::*;
use careledger_api::adjudication::{ClaimKind, ClaimLine};

const INSTITUTIONAL: &str = include_str!("../../../tests/samples/institutional.837");
const DENTAL: &str = include_str!("../../../tests/samples/dental.837");

fn claim(file: &str) -> Claim {
    match read(file).remove(0).outcome {
        Ok(Submission::Claim(body)) => body.claim,
        other => panic!("{other:#?}"),
    }
}

/// The first problem of a file's one claim, once `right` of it is `wrong`.
fn refused(file: &str, right: &str, wrong: &str) -> Problem {
    let changed = file.replacen(right, wrong, 1);
    assert_ne!(changed, file, "{right}");
    read(&changed).remove(0).outcome.expect_err(wrong).remove(0)
}

#[test]
fn an_institutions_claim_is_read() {
    let claim = claim(INSTITUTIONAL);
    assert_eq!(
        (claim.kind, claim.total, claim.frequency),
        (ClaimKind::Institutional, 45_000, Frequency::Original)
    );
    assert_eq!(claim.diagnoses, ["C43.5", "E11"]);
    let [first, second] = claim.lines.as_slice() else {
        panic!("{claim:#?}")
    };
    assert_eq!(
        (
            first.procedure.as_str(),
            first.units,
            first.charge,
            first.modifiers.join(" ")
        ),
        ("X-1001", 2, 30_000, "59".to_owned())
    );
    // Without a procedure, the revenue code says what it is; without a day, the statement's one day counts.
    assert_eq!(
        (second.procedure.as_str(), second.date, second.place.as_deref()),
        ("0250", date("2026-06-01"), None)
    );
    let said: Vec<String> = read(INSTITUTIONAL)[0]
        .ignored
        .iter()
        .map(|p| p.at.clone())
        .collect();
    assert_eq!(
        said,
        [
            "segment 20 (CLM, loop 2300)",
            "segment 22 (CL1, loop 2300)",
            "segment 25 (HI, loop 2300)",
            "segment 28 (SV2, loop 2400)"
        ],
        "type of bill, admission, occurrence and revenue code"
    );
}

#[test]
fn a_resolver_names_revenue_codes_and_dental_procedures() {
    use crate::claims::{Directory, Register};
    let register = Register {
        payers: ["PI|PAYER1".to_owned()].into(),
        members: [("MI|M-0001".to_owned(), MEMBER)].into(),
        procedures: [
            ("NU|0250".to_owned(), "PHARMACY".to_owned()),
            ("AD|X-1001".to_owned(), "CHECK-UP".to_owned()),
        ]
        .into(),
        ..Register::default()
    };
    let directory = Directory::new(register, crate::claims::testing::numbers());
    for (file, line, procedure) in [(INSTITUTIONAL, 1, "PHARMACY"), (DENTAL, 0, "CHECK-UP")] {
        let read = claims_from_x12(file.as_bytes(), &directory).unwrap().remove(0);
        match read.outcome {
            Ok(Submission::Claim(body)) => assert_eq!(body.claim.lines[line].procedure, procedure),
            other => panic!("{other:#?}"),
        }
    }
}

#[test]
fn what_an_institution_writes_and_no_line_can_hold_is_refused() {
    for (right, wrong, at) in [
        ("13:A:1", "13:B:1", "segment 20 (CLM, loop 2300), element 05"),
        ("13:A:1", "13:A:3", "segment 20 (CLM, loop 2300), element 05"),
        // Which day of the statement it was is not said.
        (
            "20260601-20260601",
            "20260601-20260603",
            "segment 30 (LX, loop 2400)",
        ),
        (
            "20260601-20260601",
            "20260601-20260531",
            "segment 21 (DTP, loop 2300), element 03",
        ),
        (
            "HC:X-1001",
            "HP:X-1001",
            "segment 28 (SV2, loop 2400), element 02",
        ),
        ("SV2*0250", "SV2*", "segment 31 (SV2, loop 2400), element 01"),
        ("*UN*1~", "*F2*1~", "segment 31 (SV2, loop 2400), element 04"),
        ("*UN*1~", "*UN*1.5~", "segment 31 (SV2, loop 2400), element 05"),
        ("*UN*1~", "*UN*1**20~", "segment 31 (SV2, loop 2400), element 07"),
        ("SV2*0250", "SV1*0250", "segment 31 (SV1, loop 2400), element 00"),
    ] {
        assert_eq!(refused(INSTITUTIONAL, right, wrong).at, at, "{wrong}");
    }
    let days = INSTITUTIONAL.replacen("*UN*1~", "*DA*1~", 1);
    assert_eq!(claim(&days).lines[1].units, 1, "days are units");
}

#[test]
fn a_dentists_claim_is_read() {
    let claim = claim(DENTAL);
    assert_eq!((claim.kind, claim.total), (ClaimKind::Oral, 22_000));
    assert_eq!(claim.diagnoses, ["K02.53"]);
    let [first, second] = claim.lines.as_slice() else {
        panic!("{claim:#?}")
    };
    assert_eq!(
        (
            first.procedure.as_str(),
            first.units,
            first.place.as_deref(),
            first.date
        ),
        ("X-1001", 2, Some("11"), date("2026-06-03"))
    );
    assert_eq!(
        (first.diagnoses.as_slice(), first.rendering_npi.as_deref()),
        ([1].as_slice(), Some(PERFORMER))
    );
    assert_eq!(
        (second.modifiers.join(" "), second.place.as_deref(), second.date),
        ("22".to_owned(), Some("22"), date("2026-06-04"))
    );
    assert_eq!(read(DENTAL)[0].ignored, [], "also tooth and surfaces count");
    let site = |line: &ClaimLine| line.site.as_ref().map(ToString::to_string);
    assert_eq!((site(first), site(second)), (Some("12 OL".into()), None));
    let prosthesis = DENTAL.replacen("*22***1~", "*22**I*1~", 1);
    assert_eq!(read(&prosthesis)[0].ignored[0].at, "segment 28 (SV3, loop 2400)");
    let units = DENTAL.replacen("*22***1~", "*22~", 1);
    assert_eq!(self::claim(&units).lines[1].units, 1, "one where none is said");
    for (right, wrong, at) in [
        (
            "AD:X-1002",
            "HC:X-1002",
            "segment 28 (SV3, loop 2400), element 01",
        ),
        ("*22***1~", "*22***X~", "segment 28 (SV3, loop 2400), element 06"),
        ("*2*****1~", "*2*****9~", "segment 24 (LX, loop 2400)"),
        (
            "*2*****1~",
            "*2*****A~",
            "segment 25 (SV3, loop 2400), element 11",
        ),
        ("11:B:1", "11:A:1", "segment 20 (CLM, loop 2300), element 05"),
    ] {
        assert_eq!(refused(DENTAL, right, wrong).at, at, "{wrong}");
    }
}

#[test]
fn teeth_surfaces_and_areas_of_the_mouth_are_read() {
    let sites = |file: &str| -> Vec<String> {
        let lines = claim(file).lines;
        lines
            .iter()
            .map(|line| line.site.as_ref().map(ToString::to_string).unwrap_or_default())
            .collect()
    };
    let many = DENTAL
        .replace("TOO*JP*12*L:O~", "TOO*JP*12*L:O~\nTOO*JP*AS~\nTOO*JP*3*D~")
        .replace("*22***1~", "*22*10:01**1~")
        .replace("SE*28*", "SE*30*");
    assert_eq!(sites(&many), ["3 D, 12 OL, AS", "area 01, area 10"]);
    for (right, wrong, at, status) in [
        (
            "TOO*JP*12",
            "TOO*JP*33",
            "segment 26 (TOO, loop 2400), element 02",
            "A7:244",
        ),
        (
            "TOO*JP*12",
            "TOO*JP*",
            "segment 26 (TOO, loop 2400), element 02",
            "A6:244",
        ),
        (
            "TOO*JP*12",
            "TOO*JO*12",
            "segment 26 (TOO, loop 2400), element 01",
            "A7:244",
        ),
        (
            "12*L:O~",
            "12*L:V~",
            "segment 26 (TOO, loop 2400), element 03",
            "A7:240",
        ),
        (
            "12*L:O~",
            "12*L:L~",
            "segment 26 (TOO, loop 2400), element 03",
            "A7:240",
        ),
        (
            "DTP*472*D8*20260604~\nSE*28",
            "TOO*JP*12~\nTOO*JP*12*M~\nDTP*472*D8*20260604~\nSE*30",
            "segment 30 (TOO, loop 2400), element 02",
            "A7:244",
        ),
        (
            "*22***1~",
            "*22*50**1~",
            "segment 28 (SV3, loop 2400), element 04",
            "A7:245",
        ),
    ] {
        assert_eq!(refused(DENTAL, right, wrong).at, at, "{wrong}");
        let read = read(&DENTAL.replacen(right, wrong, 1)).remove(0);
        match Word::of_read(&read) {
            Word::Rejected(statuses) => assert_eq!(statuses[0].to_string(), status, "{wrong}"),
            other => panic!("{wrong}: {other:?}"),
        }
    }
}

#[test]
fn lines_that_only_a_revenue_code_tells_apart_are_refused() {
    // Two fillings of one day: another tooth is another service, and the same one again is for the payer's rule.
    let two = |tooth: &str| {
        DENTAL.replace(
            "SV3*AD:X-1002:22*120*22***1~\nDTP*472*D8*20260604~",
            &format!("SV3*AD:X-1001*120****1~\n{tooth}"),
        )
    };
    for tooth in ["TOO*JP*14~", "TOO*JP*12*L:M~", "TOO*JP*12*L:O~"] {
        assert_eq!(claim(&two(tooth)).lines.len(), 2, "{tooth}");
    }
    let revenue =
        |code: &str| INSTITUTIONAL.replace("SV2*0250**150", &format!("SV2*{code}*HC:X-1001:59*150"));
    let problem = read(&revenue("0451"))
        .remove(0)
        .outcome
        .expect_err("another")
        .remove(0);
    assert_eq!(problem.at, "segment 30 (LX, loop 2400)");
    assert_eq!(claim(&revenue("0450")).lines.len(), 2);
}

#[test]
fn later_errata_are_read_and_other_guides_are_not() {
    for (file, guide) in [(INSTITUTIONAL, "005010X223A"), (DENTAL, "005010X224A")] {
        let other = |errata: &str| file.replace(&format!("{guide}2"), &format!("{guide}{errata}"));
        assert_eq!(claim(&other("3")), claim(file));
        assert!(claims_from_x12(other("9").as_bytes(), &directory()).is_err());
    }
}
