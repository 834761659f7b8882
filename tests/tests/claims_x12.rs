//! A billing system's X12 file through the commands of a running network: what its sender hears at once, and what the payer says later.

use std::path::PathBuf;

use careledger::health::{HOSPITAL, INSURER};
use careledger_api::date::Date;
use careledger_api::ids::{ClaimId, CoverageId, PlanId};
use careledger_sdk::claims::{Directory, Numbers, Register, Submission};
use careledger_sdk::wallet::unix_now;
use careledger_sdk::x12::{AcknowledgedClaim, acknowledged_from_x12, claims_from_x12};
use careledger_tests::billing::NPI;
use careledger_tests::command::{self, HealthNetwork};
use serde_json::{Value, json};

/// A file by hand: one claim of two lines.
const FILE: &str = include_str!("../../gateway-sdk/health/tests/samples/institutional.837");
/// Requests for authorisations.
const REVIEW: &str = include_str!("../../gateway-sdk/health/tests/samples/request.278");

#[test]
fn the_sender_of_an_x12_file_hears_what_became_of_each_claim() {
    let temporary = tempfile::tempdir().expect("a directory");
    let files = Files(temporary.path().to_owned());
    let network = HealthNetwork::start(&files.path("network"));
    files.cover();
    let submit = [
        "submit",
        &files.write("batch.837", &two_claims()),
        "--acknowledge",
        &files.name("batch.999"),
        "--acknowledge-claims",
        &files.name("batch.277"),
        "--control",
        "7",
    ];
    let (ended, told) = files.provider(&submit);
    assert!(!ended, "the second claim's total is wrong");
    let claim = told["claims"][0]["claim"].as_str().expect("an id").to_owned();
    let file = files.read("batch.999");
    assert!(file.contains("IK5*A~") && file.contains("*000000007*"), "{file}");
    let words = files.acknowledged("batch.277");
    assert_eq!(
        words,
        [
            (true, vec!["A1:19:PR".to_owned()]),
            (false, vec!["A8:400".to_owned()])
        ]
    );
    // An answer is never overwritten, and nothing is submitted before that is known.
    assert!(!files.provider(&submit).0);

    let batch = files.name("batch.837");
    let waits = files.provider(&["acknowledgement", &batch]);
    assert_eq!(waits.1["claims"][0]["word"], "received", "{waits:?}");
    let adjudicate = ["adjudicate", &claim, "--as", INSURER, "--with", HOSPITAL];
    assert!(files.run(&adjudicate).0);
    let answer = ["acknowledgement", &batch, "--x12", &files.name("payer.277")];
    let (ended, told) = files.provider(&answer);
    assert!(ended);
    assert_eq!(
        (&told["claims"][0]["word"], &told["claims"][1]["word"]),
        (&json!("accepted"), &json!("rejected"))
    );
    let words = files.acknowledged("payer.277");
    assert_eq!(words[0], (true, vec!["A2:20".to_owned()]));

    // A number that is used again for another claim stays the first one's.
    let other = files.write("other.837", &FILE.replace("X-1001", "X-1002"));
    assert!(!files.provider(&["submit", &other]).0);
    let (_, told) = files.provider(&["acknowledgement", &other]);
    assert_eq!(told["claims"][0]["statuses"], json!(["A3:54"]));

    // A frame that is broken is answered, and nothing of the file is submitted.
    let broken = files.write("broken.837", &FILE.replace("GE*1*", "GE*2*"));
    let (ended, _) = files.provider(&["submit", &broken, "--acknowledge", &files.name("broken.999")]);
    assert!(!ended);
    assert!(files.read("broken.999").contains("AK9*R*2*1*0*5~"));

    // The subscriber's services are asked for, on days that are not over; the dependent has no coverage.
    let review = REVIEW.replace("202607", "209907");
    let (ended, told) = files.provider(&["submit", &files.write("review.278", &review)]);
    assert!(!ended);
    let asked = told["claims"][0]["authorisations"].as_array().expect("ids");
    assert_eq!(
        (asked.len(), told["claims"][0]["transactions"][1].is_object()),
        (2, true)
    );
    assert_eq!(told["claims"][1]["authorisations"], json!([]));
    let first = asked[0].as_str().expect("an id").to_owned();
    let decide = [
        "authorise",
        "decide",
        &first,
        "--as",
        INSURER,
        "--with",
        HOSPITAL,
        "--approve",
    ];
    assert!(files.run(&decide).0);
    let review = files.name("review.278");
    let (ended, told) = files.provider(&["acknowledgement", &review, "--x12", &files.name("answer.278")]);
    assert!(ended, "{told}");
    assert_eq!(
        (&told["claims"][0]["status"], &told["claims"][1]["status"]),
        (&json!("APPROVED"), &json!("REQUESTED"))
    );
    let answer = files.read("answer.278");
    for said in [
        "TRN*2*R-1*",
        &format!("HCR*A1*{first}~"),
        "HCR*A4~",
        "AAA*N**67*C~",
    ] {
        assert!(answer.contains(said), "{said}: {answer}");
    }

    several_interchanges(&files);
    network.stop();
}

/// Of three interchanges in a file the one in the middle is broken: each is answered, and the others' claims are submitted.
fn several_interchanges(files: &Files) {
    // Each of another day: a service is claimed once.
    let numbered = |number: &str| {
        let file = FILE.replace("CLM*I-1*", &format!("CLM*I-{number}*"));
        file.replace("000000009", &format!("00000001{number}"))
            .replace("20260601", &format!("2026060{number}"))
    };
    let broken = numbered("4").replace("GE*1*", "GE*2*");
    let three = [numbered("3"), broken, numbered("5")].concat();
    let batch = files.write("three.837", &three);
    let (ended, _) = files.provider(&["submit", &batch, "--acknowledge", &files.name("unnumbered.999")]);
    assert!(!ended, "three answers have three numbers");
    let answer = files.name("three.999");
    let (ended, told) = files.provider(&["submit", &batch, "--acknowledge", &answer, "--control", "20"]);
    assert!(!ended, "one is broken");
    let submitted: Vec<_> = told["claims"]
        .as_array()
        .expect("claims")
        .iter()
        .map(|c| &c["number"])
        .collect();
    assert_eq!(submitted, ["I-3", "I-5"]);
    assert!(told["claims"][1]["transactions"][0].is_object(), "{told}");
    assert_eq!(told["broken"][0]["at"], "interchange 2");
    let (ended, told) = files.run(&["x12", "read", &answer]);
    assert!(!ended, "not all is accepted");
    let verdict = |index: usize| &told["answers"][index]["groups"][0]["verdict"];
    assert_eq!(
        (verdict(0), verdict(1), verdict(2)),
        (&json!("accepted"), &json!("rejected"), &json!("accepted"))
    );
    // Some programs write a mark before UTF-8.
    let marked = files.write("marked.999", &format!("\u{feff}{}", files.read("three.999")));
    let (_, again) = files.run(&["x12", "read", &marked]);
    assert_eq!(again["answers"], told["answers"]);
}

/// What the ledger's payer paid of a claim is what the next payer reads, and why not more; and a number stands for one file.
#[test]
fn the_next_payer_is_billed_with_what_the_first_one_paid() {
    let temporary = tempfile::tempdir().expect("a directory");
    let files = Files(temporary.path().to_owned());
    let network = HealthNetwork::start(&files.path("network"));
    let coverage = files.cover();
    let (claim, today) = (
        ClaimId::from_bytes(rand::random()),
        Date::from_unix(unix_now()).expect("a day"),
    );
    let body = json!({
        "id": claim, "coverage": coverage, "provider_npi": NPI, "currency": "USD", "diagnoses": ["E11.9"], "total": 27_000,
        "lines": [
            { "sequence": 1, "procedure": "X-1001", "date": today, "units": 1, "charge": 18_000, "place": "11", "diagnoses": [1] },
            { "sequence": 2, "procedure": "X-9999", "date": today, "units": 1, "charge": 9_000, "place": "11", "diagnoses": [1] },
        ],
    });
    let id = claim.to_string();
    let between = ["--as", HOSPITAL, "--with", INSURER];
    let payers = ["--as", INSURER, "--with", HOSPITAL];
    let bill = |parties: &str, to: &str, more: &[&str]| {
        let (parties, to) = (files.name(parties), files.name(to));
        files.run(&[&["x12", "bill", &parties, "--x12", &to], &between[..], more].concat())
    };
    let parties = |paid: Option<Date>| {
        let member = json!({
            "before": { "member_number": "F-77", "group": "G-12", "subscriber": { "last_name": "ROE", "first_name": "SAM", "patient": "spouse" } },
            "number": "A-1", "member_number": "M-0001", "last_name": "DOE", "first_name": "ANN", "born": "1980-02-29", "sex": "female",
            "address": { "street": "1 MAIN STREET", "city": "SPRINGFIELD", "state": "IL", "postcode": "627010000" },
        });
        json!({
            "sender": ["ZZ", "HOSPITAL"], "receiver": ["ZZ", "NEXT"], "control": 7, "production": false,
            "biller": {
                "name": "THE HOSPITAL", "tax_number": "123456789", "telephone": "5555550100", "payer_name": "NEXT", "payer_number": "NEXT1",
                "address": { "street": "1 MAIN STREET", "city": "SPRINGFIELD", "state": "IL", "postcode": "627010000" },
            },
            "before": { "name": "THE FIRST", "number": "FIRST1", "paid": paid }, "claims": { &id: member },
        })
        .to_string()
    };
    files.write("parties.json", &parties(None));
    let submitted = files.run(
        &[
            &["submit", &files.write("claim.json", &body.to_string())],
            &between[..],
        ]
        .concat(),
    );
    assert!(submitted.0, "{submitted:?}");
    assert!(
        !bill("parties.json", "early.837", &[]).0,
        "nothing is decided yet"
    );
    assert!(!files.path("early.837").exists());
    assert!(files.run(&[&["adjudicate", &id], &payers[..]].concat()).0);
    assert!(
        !bill("parties.json", "unpaid.837", &[]).0,
        "the ledger has no day yet"
    );
    assert!(
        files
            .run(&[&["pay", &id, "--reference", "TRN-1"], &payers[..]].concat())
            .0
    );
    let (billed, told) = bill("parties.json", "copy.837", &[]);
    assert!(billed);
    assert_eq!(told["control"], 7);

    let file = files.read("copy.837");
    for said in [
        "SVD*FIRST1*140*",
        "CAS*CO*45*30",
        "CAS*PR*3*10",
        "SVD*FIRST1*0*",
        "AMT*D*140~",
        "SBR*P*01*G-12******CI~",
        "NM1*IL*1*ROE*SAM****MI*F-77~",
        "NM1*IL*1*DOE*ANN****MI*M-0001~",
    ] {
        assert!(file.contains(said), "{said}: {file}");
    }
    // The day on which the ledger has the payment.
    let until = Date::from_unix(unix_now()).expect("a day");
    let days = [today, until].map(|day| format!("DTP*573*D8*{}~", day.to_string().replace('-', "")));
    assert!(days.iter().any(|day| file.contains(day)), "{file}");
    assert!(!file.contains(&id), "the ledger's numbers stay there");
    let register = Register {
        payers: ["PI|NEXT1".to_owned()].into(),
        members: [("MI|M-0001".to_owned(), coverage)].into(),
        ..Register::default()
    };
    let next = Directory::new(register, Numbers::new(&[9; 32], "NextMSP"));
    let read = claims_from_x12(file.as_bytes(), &next)
        .expect("an 837P")
        .remove(0);
    let Ok(Submission::Claim(again)) = &read.outcome else {
        panic!("{read:?}");
    };
    let paid: Vec<_> = again
        .claim
        .lines
        .iter()
        .map(|line| Some(line.other_payer?.paid))
        .collect();
    assert_eq!((again.claim.total, paid), (27_000, vec![Some(14_000), Some(0)]));

    // The same again is the same file; another content is another number's.
    assert!(bill("parties.json", "again.837", &[]).0);
    files.write("other.json", &parties("2026-07-01".parse().ok()));
    assert!(!bill("other.json", "other.837", &[]).0, "number 7 is used");
    assert!(!files.path("other.837").exists());
    let (billed, told) = bill("other.json", "other.837", &["--control", "8"]);
    let other = files.read("other.837");
    assert!(billed && other.contains("*000000008*") && other.contains("DTP*573*D8*20260701~"));
    assert_eq!(told["control"], 8);
    network.stop();
}

/// Files by hand, as a payer sends them; nothing of a patient is told.
#[test]
fn what_a_payer_sends_is_told_in_words() {
    let samples =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway-sdk/health/tests/samples");
    let told = |name: &str| {
        let file = samples.join(name).to_string_lossy().into_owned();
        let read = ["claim", "x12", "read", &file];
        let document = command::run(&[&read[..], &["--json"]].concat());
        let document: Value = serde_json::from_slice(&document.stdout).expect("JSON");
        let output = command::run(&read);
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(!text.contains("DOE") && !text.contains("M-0001"), "{text}");
        (output.status.success(), text, document["answers"][0].clone())
    };
    let (ended, text, document) = told("remittance.835");
    assert!(ended, "{text}");
    for said in [
        "835: 50.00 USD for 1 claim, by payment BANK-77",
        "claim A-1: paid, charged 300.00, paid 100.00",
        "  X-1001 on 2026-06-01: charged 300.00, paid 100.00; 150.00 under CO, reason 45; 40.00 under PR, reason 1; 10.00 under PR, reason 3; remark N130",
        "beside the claims, FB: 50.00 kept back",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert_eq!(document["remittances"][0]["claims"][0]["paid"], 10_000);

    let (ended, text, document) = told("acknowledgment.277");
    assert!(!ended, "one is rejected");
    assert!(
        text.contains("claim A-17: rejected, A7:476 (something is invalid), A7:454"),
        "{text}"
    );
    assert!(
        text.contains("claim A-18: accepted, A2:20 (taken up for a decision)"),
        "{text}"
    );
    assert_eq!(document["claims"][1]["accepted"], true);
    assert!(told("acknowledgment.999").1.contains("of A-17"));
}

/// The file's claim, and another one whose total is not its lines' sum.
fn two_claims() -> String {
    let (start, end) = (
        FILE.find("CLM*").expect("a claim"),
        FILE.find("SE*").expect("an end"),
    );
    let other = FILE[start..end].replace("CLM*I-1*450*", "CLM*I-2*451*");
    let count = FILE.lines().count() - 4 + other.lines().count();
    let tail = &FILE[end..];
    let rest = tail.find('\n').expect("a line");
    format!("{}{other}SE*{count}*0001~{}", &FILE[..end], &tail[rest..])
}

/// The directory of a test.
struct Files(PathBuf);

impl Files {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).expect("a file");
        self.name(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("it is written")
    }

    fn acknowledged(&self, name: &str) -> Vec<(bool, Vec<String>)> {
        let claims = acknowledged_from_x12(self.read(name).as_bytes()).expect("a 277CA");
        let told = |claim: AcknowledgedClaim| {
            let statuses = claim.statuses.iter().map(ToString::to_string);
            (claim.accepted, statuses.collect())
        };
        claims.into_iter().map(told).collect()
    }

    /// A plan, a member, and the register that finds it; the coverage.
    fn cover(&self) -> CoverageId {
        let plan = PlanId::from_bytes(rand::random());
        let coverage = CoverageId::from_bytes(rand::random());
        let rules = json!({
            "id": plan, "version": 1, "currency": "USD", "deductible": 0, "copay": 1_000, "coinsurance": 0,
            "out_of_pocket_maximum": 200_000, "timely_filing_days": 90,
            "prices": { "X-1001": { "amount": 15_000, "max_units": 5 } },
        });
        let covered = json!({
            "id": coverage, "plan": plan, "plan_version": 1,
            "period": { "from": "2000-01-01", "until": "2199-12-31" },
        });
        let register = json!({ "payers": ["PI|PAYER1"], "members": { "MI|M-0001": coverage } });
        for (command, name, content) in [("plan", "plan.json", rules), ("enrol", "coverage.json", covered)] {
            let file = self.write(name, &content.to_string());
            assert!(self.run(&[command, &file, "--as", INSURER]).0, "{command}");
        }
        self.write("register.json", &register.to_string());
        coverage
    }

    /// A command of the hospital about the insurer.
    fn provider(&self, args: &[&str]) -> (bool, Value) {
        let register = self.name("register.json");
        // Of its own: on a network that is there for longer than a test, the file's numbers are other claims each time.
        let secret = self.name("billing.secret");
        if !std::path::Path::new(&secret).exists() {
            std::fs::write(
                &secret,
                json!(hex::encode(rand::random::<[u8; 32]>())).to_string(),
            )
            .expect("a secret");
        }
        let ends = [
            "--as",
            HOSPITAL,
            "--with",
            INSURER,
            "--register",
            &register,
            "--secret",
            &secret,
        ];
        self.run(&[args, &ends].concat())
    }

    fn run(&self, args: &[&str]) -> (bool, Value) {
        let dir = self.name("network");
        // What is read without a network has none.
        let dir: &[&str] = if args.starts_with(&["x12", "read"]) {
            &[]
        } else {
            &["--dir", &dir]
        };
        let output = command::run(&[&["claim"], args, dir, &["--json"]].concat());
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!told.contains("M-0001") && !told.contains("DOE"), "{told}");
        let document = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.status.success(), document)
    }
}
