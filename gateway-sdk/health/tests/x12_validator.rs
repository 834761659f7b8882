//! What is written as X12, in the eyes of pyx12, which knows the implementation guides by maps of its own; and its verdict on broken files, beside ours.
//! `scripts/test` installs it (scripts/x12.txt) and names its python in `CARELEDGER_X12_PYTHON`; a plain `cargo test` leaves this out.

// Helpers of tests are no tests to the lint; what they unwrap fails the test all the same.
#![allow(clippy::unwrap_used)]

use careledger_api::adjudication::{
    Accumulators, Adjudication, Claim, ClaimKind, ClaimLine, Coverage, Facts, Frequency, NetworkRules,
    OtherPayer, Plan, Price, adjudicate, deny_unknown_coverage,
};
use careledger_api::date::{Date, DateRange};
use careledger_api::ids::{AuthorisationId, ClaimId, CoverageId, PlanId, RemittanceId};
use careledger_sdk::claims::{Account, Directory, Numbers, Register};
use careledger_sdk::x12::{
    Acknowledged, Address, After, Attending, Billed, Biller, Envelope, Institution, InsuredBefore,
    OtherSubscriber, PatientIs, Payee, Payer, Received, Remittance, Remitted, Word, acknowledged_from_x12,
    acknowledgments_from_x12, advice_from_x12, claims_from_x12, claims_to_x12, received_from_x12,
    remittance_to_x12,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

#[path = "samples/parties.rs"]
mod parties;

use parties::{billed, biller, envelope, institution, payee, payer, remitted};

const MEMBER: CoverageId = CoverageId::from_bytes([2; 16]);
const PLAN: PlanId = PlanId::from_bytes([1; 16]);

#[test]
#[ignore = "needs pyx12; scripts/test installs it"]
fn what_is_written_is_valid() {
    let claims = [first(), replacement(), after_another_payer()];
    let bill = bill(&claims);
    assert_eq!(verdict(&bill), "valid", "{bill}");
    for read in claims_from_x12(bill.as_bytes(), &directory()).unwrap() {
        assert!(read.outcome.is_ok(), "{read:?}");
    }
    let mut papers = Vec::new();
    for (reversed, owed) in [(false, 0), (true, 0), (false, 5_000)] {
        let decided: Vec<Adjudication> = claims.iter().map(decided).collect();
        let paper = remittance(&claims, &decided, reversed, owed);
        assert_eq!(advice_from_x12(paper.as_bytes()).unwrap().len(), 1);
        papers.push(paper);
    }
    // Denials alone; and one that is taken back, with what is decided instead.
    let denied: Vec<Adjudication> = claims.iter().map(deny_unknown_coverage).collect();
    papers.push(remittance(&claims, &denied, false, 0));
    let instead = decided(&claims[0]);
    let both = [
        remitted(&claims[0], &denied[0], true),
        remitted(&claims[0], &instead, false),
    ];
    papers.push(advised(both.to_vec(), 0));
    for (paper, said) in papers.iter().zip(verdicts(&papers)) {
        assert_eq!(said, "valid", "{paper}");
    }
}

#[test]
#[ignore = "needs pyx12; scripts/test installs it"]
fn the_largest_claim_is_valid() {
    let line = |sequence: u16| ClaimLine {
        modifiers: ["59", "LT", "A1", "Z9"].map(str::to_owned).to_vec(),
        place: Some("22".into()),
        diagnoses: vec![12, 1, 2, 11],
        ..ClaimLine::new(
            sequence,
            "X-10011001100110",
            day("2026-06-01"),
            999,
            19_999_999_999,
        )
    };
    let mut claim = Claim {
        lines: (1..=50).map(line).collect(),
        currency: "EUR".into(),
        frequency: Frequency::Void,
        replaces: Some(ClaimId::from_bytes([8; 16])),
        ..first()
    };
    claim.total = 50 * 19_999_999_999;
    claim.diagnoses = (0..12).map(|n| format!("C{n:02}.5")).collect();
    let claims = [claim];
    let bill = bill(&claims);
    assert_eq!(verdict(&bill), "valid", "{bill}");
    let read = claims_from_x12(bill.as_bytes(), &directory()).unwrap();
    assert!(read[0].outcome.is_ok(), "{read:?}");
}

#[test]
#[ignore = "needs pyx12; scripts/test installs it"]
fn both_refuse_what_is_broken() {
    let claims = [first()];
    let bill = bill(&claims);
    let refused = |file: &str| {
        claims_from_x12(file.as_bytes(), &directory())
            .map_or(true, |read| read.iter().any(|read| read.outcome.is_err()))
    };
    assert!(!refused(&bill));
    let broken: Vec<String> = [
        ("SE*", "SE*1"),
        ("IEA*1*", "IEA*2*"),
        ("*11:B:1*", "*11:C:1*"),
        ("*D8*20260601", "*D8*20260631"),
        ("*UN*2*", "*QQ*2*"),
        ("HI*ABK", "HI*QQQ"),
    ]
    .map(|(right, wrong)| changed(&bill, right, wrong))
    .to_vec();
    for (file, said) in broken.iter().zip(verdicts(&broken)) {
        assert_ne!(said, "valid", "{file}");
        assert!(refused(file), "{file}");
    }
    let decided = [decided(&claims[0])];
    let paper = remittance(&claims, &decided, false, 0);
    let broken: Vec<String> = [("SE*", "SE*1"), ("CAS*CO", "CAS*QQ"), ("BPR*I*", "BPR*I*A")]
        .map(|(right, wrong)| changed(&paper, right, wrong))
        .to_vec();
    for (file, said) in broken.iter().zip(verdicts(&broken)) {
        assert_ne!(said, "valid", "{file}");
        assert!(advice_from_x12(file.as_bytes()).is_err(), "{file}");
    }
}

#[test]
#[ignore = "needs pyx12; scripts/test installs it"]
fn acknowledgments_are_valid() {
    let claims = [first(), replacement(), after_another_payer()];
    let bill = bill(&claims);
    let changes = [
        ("ISA*00", "ISA*00"),
        ("*UN*2*", "*QQ*2*"),
        ("*D8*20260601", "*D8*20260631"),
        ("*11:B:1*", "*11:C:1*"),
        ("MI*M-0001", "MI*"),
        ("HI*ABK", "ZZ*ABK"),
        ("SE*", "SE*1"),
        ("GE*1*", "GE*2*"),
        ("IEA*1*", "IEA*2*"),
    ];
    let mut answers = Vec::new();
    for (right, wrong) in changes {
        let received = received(&bill.replacen(right, wrong, 1));
        let envelope = received.reply(7, 1_782_000_000);
        answers.push(received.acknowledgment(&envelope).unwrap());
        let words: Vec<Word> = received.reads().map(Word::of_read).collect();
        if !words.is_empty() {
            answers.push(received.claim_acknowledgment(&words, &envelope).unwrap());
        }
    }
    // One with a type of bill, decided about.
    let received = received(INSTITUTIONAL);
    let envelope = received.reply(8, 1_782_000_000);
    answers.push(
        received
            .claim_acknowledgment(&[Word::Accepted], &envelope)
            .unwrap(),
    );
    let said = verdicts(&answers);
    let wrong: Vec<_> = answers
        .iter()
        .zip(&said)
        .filter(|(_, said)| *said != "valid")
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    for answer in answers.iter().filter(|answer| answer.contains("ST*277")) {
        assert!(!acknowledged_from_x12(answer.as_bytes()).unwrap().is_empty());
    }
}

/// By hand: read here, valid there.
const INSTITUTIONAL: &str = include_str!("samples/institutional.837");

#[test]
#[ignore = "needs pyx12; scripts/test installs it"]
fn an_institutions_claim_is_valid() {
    assert_eq!(verdict(INSTITUTIONAL), "valid");
    let read = claims_from_x12(INSTITUTIONAL.as_bytes(), &directory()).unwrap();
    assert!(read[0].outcome.is_ok(), "{read:?}");
    let broken: Vec<String> = [
        ("13:A:1", "13:B:1"),
        ("*UN*1~", "*F2*1~"),
        ("SV2*0250", "SV2*"),
        ("SV2*0250", "SV1*0250"),
        ("20260601-20260601", "20260631-20260631"),
    ]
    .map(|(right, wrong)| changed(INSTITUTIONAL, right, wrong))
    .to_vec();
    for (file, said) in broken.iter().zip(verdicts(&broken)) {
        assert_ne!(said, "valid", "{file}");
        let read = claims_from_x12(file.as_bytes(), &directory()).unwrap();
        assert!(read[0].outcome.is_err(), "{file}");
    }
}

#[test]
#[ignore = "needs pyx12; scripts/test installs it"]
fn an_institutions_claims_are_written_as_their_guide_says() {
    let hospital = |claim: Claim| {
        let mut claim = Claim {
            kind: ClaimKind::Institutional,
            ..claim
        };
        for line in &mut claim.lines {
            (line.place, line.authorisation) = (None, None);
            line.diagnoses.clear();
        }
        claim
    };
    let claims = [first(), replacement(), after_another_payer()].map(hospital);
    let mut authorised = claims[0].clone();
    for line in &mut authorised.lines {
        line.authorisation = Some(AuthorisationId::from_bytes([7; 16]));
    }
    let plain = outpatient(&claims[0]);
    let mut stay = Institution {
        bill: "11".into(),
        admitted: Some(day("2026-05-31")),
        admitting: Some("C43.5".into()),
        ..plain.clone()
    };
    // A line of a revenue code alone.
    let mut room = claims[0].clone();
    room.lines[1].procedure = "0120".into();
    stay.revenue.insert(2, "0120".into());
    let decided = decided(&claims[0]);
    let after = After {
        decided: &decided,
        paid: day("2026-07-01"),
        name: "FIRST".into(),
        number: "FIRST1".into(),
    };
    let written = |claim, institution: &Institution, after| {
        let billed = Billed {
            institution: Some(institution.clone()),
            after,
            ..billed(claim, "A-1")
        };
        claims_to_x12(&[billed], &biller(), &envelope()).unwrap()
    };
    let files = [
        written(&claims[0], &plain, None),
        written(&claims[1], &plain, None),
        written(&claims[2], &plain, None),
        written(&authorised, &plain, None),
        written(&room, &stay, None),
        written(&claims[0], &plain, Some(after.clone())),
    ];
    for (file, said) in files.iter().zip(verdicts(&files)) {
        assert_eq!(said, "valid", "{file}");
        assert!(
            claims_from_x12(file.as_bytes(), &directory()).unwrap()[0]
                .outcome
                .is_ok()
        );
    }
    let professional = first();
    let childs = InsuredBefore {
        member_number: "F-77".into(),
        group: Some("G-12".into()),
        subscriber: Some(OtherSubscriber {
            last_name: "ROE".into(),
            first_name: "SAM".into(),
            patient: PatientIs::Child,
        }),
    };
    for insured_before in [None, Some(childs)] {
        let billed = Billed {
            after: Some(after.clone()),
            insured_before,
            ..billed(&professional, "A-1")
        };
        let file = claims_to_x12(&[billed], &biller(), &envelope()).unwrap();
        assert_eq!(verdict(&file), "valid", "{file}");
    }
}

#[test]
#[ignore = "needs pyx12; scripts/test installs it"]
fn another_readers_acknowledgment_is_understood() {
    let files: Vec<String> = [
        ("SV2*0450", "SV2*0450"),
        ("20260601-20260601", "20260631-20260601"),
        ("13:A:1", "13:Z:1"),
    ]
    .map(|(right, wrong)| INSTITUTIONAL.replacen(right, wrong, 1))
    .to_vec();
    let said: Vec<Acknowledged> = pyx12(&["--acknowledge"], &files)
        .iter()
        .map(|line| serde_json::from_str::<String>(line).unwrap())
        .map(|answer| acknowledgments_from_x12(answer.as_bytes()).unwrap())
        .collect();
    assert!(said[0].is_accepted());
    let found = |said: &Acknowledged| -> Vec<(String, usize, usize)> {
        let findings = said.sets().flat_map(|(_, set)| set.findings.clone());
        let each = findings.map(|f| (f.id, f.position, f.elements.first().map_or(0, |of| of.element)));
        each.collect()
    };
    assert_eq!(found(&said[1]), [("DTP".to_owned(), 19, 3)]);
    assert_eq!(found(&said[2]), [("CLM".to_owned(), 18, 5)]);
    assert!(said[1..].iter().all(|said| !said.is_accepted()));
}

fn outpatient(claim: &Claim) -> Institution {
    institution(claim, |_| "0450".to_owned())
}

fn received(file: &str) -> Received {
    received_from_x12(file.as_bytes(), &directory()).unwrap()
}

/// The first `right` of a file made `wrong`.
fn changed(file: &str, right: &str, wrong: &str) -> String {
    let changed = file.replacen(right, wrong, 1);
    assert_ne!(changed, file, "{right}");
    changed
}

/// What pyx12 says of a file.
fn verdict(file: &str) -> String {
    verdicts(&[file.to_owned()]).remove(0)
}

/// What pyx12 says of each file.
fn verdicts(files: &[String]) -> Vec<String> {
    pyx12(&[], files)
}

fn pyx12(options: &[&str], files: &[String]) -> Vec<String> {
    let python = std::env::var("CARELEDGER_X12_PYTHON")
        .expect("CARELEDGER_X12_PYTHON names a python with scripts/x12.txt");
    let dir = tempfile::tempdir().unwrap();
    let path = |index: usize| dir.path().join(format!("{index}.x12"));
    for (index, file) in files.iter().enumerate() {
        std::fs::write(path(index), file).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/x12.py");
    let output = Command::new(python)
        .arg(script)
        .args(options)
        .args((0..files.len()).map(path))
        .output()
        .unwrap();
    let said: Vec<String> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(
        said.len(),
        files.len(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

fn first() -> Claim {
    let lines = vec![
        ClaimLine {
            modifiers: vec!["59".into(), "LT".into()],
            place: Some("11".into()),
            diagnoses: vec![1, 2],
            rendering_npi: Some("1000000004".into()),
            authorisation: Some(AuthorisationId::from_bytes([7; 16])),
            ..ClaimLine::new(1, "X-1001", day("2026-06-01"), 2, 45_000)
        },
        ClaimLine {
            place: Some("11".into()),
            diagnoses: vec![1],
            ..ClaimLine::new(2, "X-1009", day("2026-06-02"), 1, 7_525)
        },
    ];
    let mut claim = Claim::new(ClaimId::from_bytes([3; 16]), MEMBER, "1234567893", "USD", lines);
    claim.diagnoses = vec!["C43.5".into(), "E11".into()];
    claim
}

fn replacement() -> Claim {
    Claim {
        id: ClaimId::from_bytes([4; 16]),
        frequency: Frequency::Replacement,
        replaces: Some(ClaimId::from_bytes([8; 16])),
        ..first()
    }
}

fn after_another_payer() -> Claim {
    let mut claim = Claim {
        id: ClaimId::from_bytes([5; 16]),
        ..first()
    };
    claim.lines[0].other_payer = Some(OtherPayer { paid: 5_050 });
    claim
}

fn bill(claims: &[Claim]) -> String {
    let billed: Vec<Billed<'_>> = claims
        .iter()
        .zip(["A-1", "A-2", "A-3"])
        .map(|(claim, number)| billed(claim, number))
        .collect();
    claims_to_x12(&billed, &biller(), &envelope()).unwrap()
}

fn remittance(claims: &[Claim], decided: &[Adjudication], reversed: bool, owed: i64) -> String {
    let both = claims.iter().zip(decided);
    let all = both.map(|(claim, adjudication)| remitted(claim, adjudication, reversed));
    advised(all.collect(), owed)
}

fn advised(claims: Vec<Remitted<'_>>, owed: i64) -> String {
    let remittance = Remittance {
        id: RemittanceId::from_bytes([6; 16]),
        date: day("2026-07-01"),
        trace: "BANK-77",
        payer: payer(),
        payee: payee(),
        currency: "USD",
        claims,
        brought_forward: owed,
    };
    remittance_to_x12(&remittance, &envelope()).unwrap()
}

/// One line is paid in part, the other has no price.
fn decided(claim: &Claim) -> Adjudication {
    let price = Price {
        amount: 20_000,
        max_units: 40,
    };
    let plan = Plan {
        id: PLAN,
        version: 1,
        currency: "USD".into(),
        deductible: 10_000,
        copay: 500,
        coinsurance: 2_000,
        out_of_pocket_maximum: 30_000,
        timely_filing_days: 365,
        prices: BTreeMap::from([("X-1001".to_owned(), price)]),
        network: NetworkRules::default(),
        procedures: BTreeMap::new(),
    };
    let days = DateRange {
        from: day("2026-01-01"),
        until: day("2026-12-31"),
    };
    let mut coverage = Coverage::new(MEMBER, PLAN, 1, days);
    coverage.secondary = claim.lines[0].other_payer.is_some();
    let facts = Facts::new(day("2026-06-30"), Accumulators::default());
    let mut claim = claim.clone();
    for line in &mut claim.lines {
        line.authorisation = None;
    }
    adjudicate(&claim, plan.checked().unwrap(), &coverage, &facts).unwrap()
}

fn directory() -> Directory {
    let register = Register {
        payers: BTreeSet::from(["PI|PAYER1".to_owned()]),
        members: BTreeMap::from([("MI|M-0001".to_owned(), MEMBER)]),
        ..Register::default()
    };
    Directory::new(register, Numbers::new(&[9; 32], "PayerMSP"))
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}
