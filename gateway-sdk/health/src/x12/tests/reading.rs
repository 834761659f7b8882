//! Claims of other writers: read, or refused with segment, loop and element.

use super::*;

/// By hand, with other separators than ours: a subscriber's claim with a rendering provider, an authorisation and another payer, and a claim of a
/// dependent.
pub(super) const FILE: &str = "\
ISA|00|          |00|          |ZZ|CLINIC         |ZZ|PAYER          |260701|0900|!|00501|000000007|0|T|>'
GS|HC|CLINIC|PAYER|20260701|0900|7|X|005010X222A1'
ST|837|0001|005010X222A1'
BHT|0019|00|7|20260701|0900|CH'
NM1|41|2|CLINIC|||||46|CLINIC'
PER|IC|CLINIC|TE|5555550100'
NM1|40|2|PAYER|||||46|PAYER'
HL|1||20|1'
NM1|85|2|CLINIC|||||XX|1234567893'
N3|1 MAIN STREET'
N4|SPRINGFIELD|IL|627010000'
REF|EI|123456789'
HL|2|1|22|1'
SBR|S|18|||||||CI'
NM1|IL|1|DOE|ANN||||MI|M-0001'
DMG|D8|19800229|F'
NM1|PR|2|PAYER|||||PI|PAYER1'
CLM|A-17|300|||11>B>7|Y|A|Y|Y'
REF|F8|08080808080808080808080808080808'
REF|G1|07070707070707070707070707070707'
HI|ABK>C435|ABF>E11'
NM1|82|1|WHO|DID||||XX|1000000004'
SBR|P|18|||||||CI'
AMT|D|50.5'
OI|||Y|||Y'
NM1|IL|1|DOE|ANN||||MI|Z9'
NM1|PR|2|OTHER|||||PI|OTHER'
LX|1'
SV1|HC>X-1001>59>LT|200|UN|2|||1>2'
DTP|472|D8|20260601'
SVD|OTHER|50.5|HC>X-1001||2'
DTP|573|D8|20260615'
LX|2'
SV1|HC>X-1002|100|UN|1|22||1'
DTP|472|RD8|20260602-20260602'
NTE|ADD|SAID'
HL|3|2|23|0'
PAT|19'
NM1|QC|1|DOE|TOM'
DMG|D8|20150304|M'
CLM|A-18|75.25|||11>B>1|Y|A|Y|Y'
HI|ABK>J20'
LX|1'
SV1|HC>X-1003|75.25|UN|1|||1'
DTP|472|D8|20260603'
SE|44|0001'
GE|1|7'
IEA|1|000000007'
";

pub(super) fn file() -> String {
    let body = FILE
        .lines()
        .skip_while(|line| !line.starts_with("ST|"))
        .take_while(|line| !line.starts_with("GE|"));
    FILE.replace("SE|44|", &format!("SE|{}|", body.count()))
}

#[test]
fn a_file_of_another_writer_is_read() {
    let read = read(&file());
    assert_eq!(read.len(), 2);
    let Ok(Submission::Claim(first)) = &read[0].outcome else {
        panic!("{:#?}", read[0])
    };
    let first = &first.claim;
    assert_eq!(
        (first.frequency, first.total, first.coverage),
        (Frequency::Replacement, 30_000, MEMBER)
    );
    assert_eq!(first.diagnoses, ["C43.5", "E11"]);
    let line = &first.lines[0];
    assert_eq!(
        (line.charge, line.units, line.diagnoses.as_slice()),
        (20_000, 2, [1, 2].as_slice())
    );
    assert_eq!(
        (line.modifiers.join(" "), line.place.as_deref()),
        ("59 LT".to_owned(), Some("11"))
    );
    assert_eq!(line.rendering_npi.as_deref(), Some(PERFORMER));
    assert_eq!(line.other_payer.map(|other| other.paid), Some(5_050));
    assert_eq!(
        (first.lines[1].place.as_deref(), first.lines[1].other_payer),
        (Some("22"), None)
    );
    assert!(first.lines.iter().all(|line| line.authorisation.is_some()));
    assert!(
        read[0]
            .ignored
            .iter()
            .any(|p| p.at == "segment 36 (NTE, loop 2400)"),
        "{:?}",
        read[0].ignored
    );
    let Ok(Submission::Claim(second)) = &read[1].outcome else {
        panic!("{:#?}", read[1])
    };
    assert_ne!(second.claim.coverage, MEMBER, "the dependent's own");
    assert_eq!(second.claim.total, 7_525);
}

#[test]
fn what_all_other_payers_paid_counts() {
    let with = |amounts: &[&str], services: &[&str]| {
        let others: String = amounts
            .iter()
            .map(|amount| format!("SBR|P|18|||||||CI'\nAMT|D|{amount}'\n"))
            .collect();
        let paid: String = services
            .iter()
            .map(|paid| format!("SVD|OTHER|{paid}|HC>X-1001||2'\n"))
            .collect();
        let file = FILE
            .replacen("SBR|P|18|||||||CI'\nAMT|D|50.5'\n", &others, 1)
            .replacen("SVD|OTHER|50.5|HC>X-1001||2'\n", &paid, 1);
        let count = file
            .lines()
            .skip_while(|line| !line.starts_with("ST|"))
            .take_while(|line| !line.starts_with("GE|"))
            .count();
        let mut all = read(&file.replace("SE|44|", &format!("SE|{count}|")));
        all.remove(0).outcome.map(|submission| match submission {
            Submission::Claim(body) => body.claim.lines[0].other_payer.map(|other| other.paid),
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(with(&["40", "10.5"], &["40", "10.5"]), Ok(Some(5_050)));
    assert_eq!(with(&["50.5", "0"], &["50.5"]), Ok(Some(5_050)));
    for (amounts, services) in [
        (["40", "10.5"].as_slice(), ["10.5"].as_slice()),
        (&["40", "10.5"], &["40"]),
        (&["40", "10.5"], &[]),
        (&["50.5"], &["50.51"]),
        (&["0"], &["50.5"]),
        (&["60.5", "-10"], &["50.5"]),
        (&["50.501"], &["50.5"]),
    ] {
        let problems = with(amounts, services).expect_err("refused");
        assert_eq!(
            problems[0].at, "segment 18 (CLM), loop 2320, AMT",
            "{amounts:?} {services:?}"
        );
    }
}

#[test]
fn payments_of_two_payers_for_a_claim_of_one_line_add_up() {
    let file = file().replacen(
        "HI|ABK>J20'\n",
        "HI|ABK>J20'\nSBR|P|18|||||||CI'\nAMT|D|40'\nSBR|S|18|||||||CI'\nAMT|D|10.5'\n",
        1,
    );
    let count = file.lines().count() - 4;
    let at = file.find("SE|").unwrap();
    let end = file[at..].find('\n').unwrap() + at;
    let file = format!("{}SE|{count}|0001'{}", &file[..at], &file[end..]);
    let Ok(Submission::Claim(body)) = &read(&file)[1].outcome else {
        panic!("{:#?}", read(&file))
    };
    assert_eq!(
        body.claim.lines[0].other_payer.map(|other| other.paid),
        Some(5_050)
    );
}

#[test]
fn a_wrong_claim_is_refused_and_the_other_is_read() {
    for (right, wrong, at) in [
        ("11>B>7", "11>B>3", "segment 18 (CLM, loop 2300), element 05"),
        (
            "REF|F8|0808",
            "REF|F8|ZZ08",
            "segment 19 (REF, loop 2300), element 02",
        ),
        (
            "REF|G1|0707",
            "REF|G1|ZZ07",
            "segment 20 (REF, loop 2300), element 02",
        ),
        ("ABK>C435", "BK>4019", "segment 21 (HI, loop 2300), element 01"),
        (
            "XX|1000000004",
            "XX|1000000005",
            "segment 22 (NM1, loop 2300), element 09",
        ),
        ("|UN|2|", "|MJ|2|", "segment 29 (SV1, loop 2400), element 03"),
        ("|UN|2|", "|UN|2.5|", "segment 29 (SV1, loop 2400), element 04"),
        ("HC>X-1001>59", "HC>x-1001>59", "segment 28 (LX, loop 2400)"),
        (
            "D8|20260601",
            "D8|20260231",
            "segment 30 (DTP, loop 2400), element 03",
        ),
        (
            "RD8|20260602-20260602",
            "RD8|20260602-20260603",
            "segment 35 (DTP, loop 2400), element 03",
        ),
        ("CLM|A-17|300|", "CLM|A-17|301|", "segment 18 (CLM)"),
        (
            "CLM|A-17|300|",
            "CLM|A-17|300.001|",
            "segment 18 (CLM), element 02",
        ),
        (
            "SVD|OTHER|50.5",
            "SVD|OTHER|X",
            "segment 31 (SVD, loop 2430), element 02",
        ),
        ("LX|2'", "ZZZ|2'", "segment 33 (ZZZ, loop 2430), element 00"),
    ] {
        let file = file();
        assert!(file.contains(right), "{right}");
        let read = read(&file.replacen(right, wrong, 1));
        let problems = read[0].outcome.as_ref().expect_err(wrong);
        assert!(problems.iter().any(|p| p.at == at), "{wrong}: {problems:#?}");
        assert!(read[1].outcome.is_ok(), "{wrong}");
    }
    // What is said of both is wrong in both.
    for (right, wrong, at) in [
        (
            "XX|1234567893",
            "XX|1234567890",
            "segment 9 (NM1, loop 2010AA), element 09",
        ),
        (
            "PI|PAYER1",
            "PI|PAYER2",
            "segment 17 (NM1, loop 2010BB), element 09",
        ),
    ] {
        for read in read(&file().replacen(right, wrong, 1)) {
            let problems = read.outcome.expect_err(wrong);
            assert!(problems.iter().any(|p| p.at == at), "{wrong}: {problems:#?}");
        }
    }
}

#[test]
fn no_refusal_shows_anything_of_a_person() {
    let file = file()
        .replace("M-0001", "SECRET")
        .replace("A-17", "SECRET")
        .replace("TOM", "SECRET");
    let shown = format!("{:?}", read(&file));
    assert!(!shown.contains("SECRET"), "{shown}");
}

#[test]
fn a_broken_frame_refuses_the_file() {
    let refused = |file: &str| claims_from_x12(file.as_bytes(), &directory()).expect_err(file);
    for (right, wrong, at) in [
        ("GE|1|7", "GE|2|7", "(GE)"),
        ("GE|1|7", "GE|1|8", "(GE)"),
        ("IEA|1|000000007", "IEA|2|000000007", "(IEA)"),
        ("IEA|1|000000007", "IEA|1|000000008", "(IEA)"),
        ("005010X222A1'\nST", "005010X299A1'\nST", "(GS)"),
        ("005010X222A1'\nST", "005010X223A2'\nST", "(ST)"),
        ("ST|837", "ST|835", "(ST)"),
        (
            "BHT|0019|00|7|20260701|0900|CH",
            "BHT|0019|00|7|20260701|0900|RP",
            "(BHT)",
        ),
        ("IEA|1|000000007'", "", "end of the file"),
        ("IEA|1|000000007'", "IEA|1|000000007'ISA|'", "(ISA)"),
        ("N3|1", "N3Q7|1", "segment 10"),
    ] {
        let FileError::Frame(Problem { at: found, .. }) = refused(&file().replacen(right, wrong, 1)) else {
            panic!("{wrong}")
        };
        assert!(found.contains(at), "{wrong}: {found}");
    }
    // One segment more or fewer than SE says, and another control number.
    for wrong in [
        file().replacen("N3|1 MAIN STREET'\n", "", 1),
        file().replace("|0001'\nGE", "|0002'\nGE"),
    ] {
        assert!(matches!(refused(&wrong), FileError::Frame(p) if p.at.contains("(SE)")));
    }
    for file in ["", "ISA", "{}", &FILE[..80], &file().replace("|!|", "|>|")] {
        assert_eq!(refused(file), FileError::Another("X12 837 of one interchange"));
    }
}
