//! What is written is read again and balances; what is wrong is refused with segment, loop and element.

use super::*;
use crate::claims::testing::{
    MEMBER, PERFORMER, any_claim, changed, coverage, date, directory, plan, replacing,
};
use crate::claims::{Account, FileError, Problem, Read, Submission};
use careledger_api::adjudication::{
    Accumulators, Adjudication, Claim, EditCode, Effect, Facts, Frequency, Group, Ruling, Sex, adjudicate,
    check,
};
use careledger_api::ids::RemittanceId;
use proptest::prelude::*;

const SYSTEM: &str = "CLM01";

fn envelope() -> Envelope {
    Envelope {
        sender: ("ZZ".into(), "CLINIC".into()),
        receiver: ("ZZ".into(), "PAYER".into()),
        control: 42,
        made: 1_782_000_000,
        production: false,
    }
}

fn address() -> Address {
    Address {
        street: "1 MAIN STREET".into(),
        city: "SPRINGFIELD".into(),
        state: "IL".into(),
        postcode: "627010000".into(),
    }
}

fn biller() -> Biller {
    Biller {
        name: "CLINIC".into(),
        tax_number: "123456789".into(),
        address: address(),
        telephone: "5555550100".into(),
        payer_name: "PAYER".into(),
        payer_number: "PAYER1".into(),
    }
}

fn billed(claim: &Claim) -> Billed<'_> {
    Billed {
        claim,
        number: "A-1".into(),
        member_number: "M-0001".into(),
        last_name: "DOE".into(),
        first_name: "ANN".into(),
        born: date("1980-02-29"),
        sex: Some(Sex::Female),
        address: address(),
    }
}

fn remittance<'a>(claims: Vec<Remitted<'a>>, currency: &'a str, brought_forward: i64) -> Remittance<'a> {
    Remittance {
        id: RemittanceId::from_bytes([5; 16]),
        date: date("2026-07-01"),
        trace: "BANK-77",
        payer: Payer {
            name: "PAYER".into(),
            tax_number: "987654321".into(),
            address: address(),
            telephone: "5555550199".into(),
        },
        payee: Payee {
            name: "CLINIC".into(),
            npi: "1234567893".into(),
        },
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

fn remitted<'a>(claim: &'a Claim, adjudication: &'a Adjudication, reversed: bool) -> Remitted<'a> {
    Remitted {
        claim,
        adjudication,
        reversed,
        account: Account {
            claim_number: Some("A-1".into()),
            member_number: Some("M-0001".into()),
        },
        secondary: false,
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
    fn any_change_of_a_file_is_read_or_refused(file in changed(FILE)) {
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

/// A remittance by hand: a claim of one line, less what was brought forward.
const PAPER: &str = "\
ISA*00*          *00*          *ZZ*PAYER          *ZZ*CLINIC         *260701*0900*^*00501*000000008*0*T*:~
GS*HP*PAYER*CLINIC*20260701*0900*8*X*005010X221A1~
ST*835*0001~
BPR*I*50*C*CHK************20260701~
TRN*1*BANK-77*1987654321~
LX*1~
CLP*A-1*1*300*100*50*12*03030303030303030303030303030303*11~
SVC*HC:X-1001:59*300*100**2~
DTM*472*20260601~
CAS*CO*45*150~
CAS*PR*1*40**3*10~
REF*6R*1~
LQ*HE*N130~
PLB*1234567893*20261231*FB:05*50~
SE*13*0001~
GE*1*8~
IEA*1*000000008~
";

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

/// By hand, with other separators than ours: a subscriber's claim with a rendering provider, an authorisation and another payer, and a claim of a
/// dependent.
const FILE: &str = "\
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

fn file() -> String {
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
        ("005010X222A1'\nST", "005010X223A2'\nST", "(GS)"),
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
