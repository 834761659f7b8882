//! What is written as X12, in the eyes of pyx12, which knows the implementation guides by maps of its own; and its verdict on broken files, beside ours.
//! `scripts/test` installs it (scripts/x12.txt) and names its python in `CARELEDGER_X12_PYTHON`; a plain `cargo test` leaves this out.

// Helpers of tests are no tests to the lint; what they unwrap fails the test all the same.
#![allow(clippy::unwrap_used)]

use careledger_api::adjudication::{
    Accumulators, Adjudication, Claim, ClaimLine, Coverage, Facts, Frequency, NetworkRules, OtherPayer, Plan,
    Price, Sex, adjudicate,
};
use careledger_api::date::{Date, DateRange};
use careledger_api::ids::{AuthorisationId, ClaimId, CoverageId, PlanId, RemittanceId};
use careledger_sdk::claims::{Account, Directory, Numbers, Register};
use careledger_sdk::x12::{
    Address, Billed, Biller, Envelope, Payee, Payer, Remittance, Remitted, advice_from_x12, claims_from_x12,
    claims_to_x12, remittance_to_x12,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

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
        .map(|(claim, number)| Billed {
            claim,
            number: number.into(),
            member_number: "M-0001".into(),
            last_name: "DOE".into(),
            first_name: "ANN".into(),
            born: day("1980-02-29"),
            sex: Some(Sex::Female),
            address: address(),
        })
        .collect();
    let biller = Biller {
        name: "CLINIC".into(),
        tax_number: "123456789".into(),
        address: address(),
        telephone: "5555550100".into(),
        payer_name: "PAYER".into(),
        payer_number: "PAYER1".into(),
    };
    claims_to_x12(&billed, &biller, &envelope()).unwrap()
}

fn remittance(claims: &[Claim], decided: &[Adjudication], reversed: bool, owed: i64) -> String {
    let account = Account {
        claim_number: Some("A-1".into()),
        member_number: Some("M-0001".into()),
    };
    let remittance = Remittance {
        id: RemittanceId::from_bytes([6; 16]),
        date: day("2026-07-01"),
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
        currency: "USD",
        claims: claims
            .iter()
            .zip(decided)
            .map(|(claim, adjudication)| Remitted {
                claim,
                adjudication,
                reversed,
                account: account.clone(),
                secondary: false,
            })
            .collect(),
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

fn day(text: &str) -> Date {
    text.parse().unwrap()
}
