//! A provider's front desk asks about a coverage, the payer's desk answers, and nobody else learns of it.

use std::path::{Path, PathBuf};
use std::thread;

use careledger::health::{HOSPITAL, INSURER};
use careledger_api::ids::{CoverageId, PlanId};
use careledger_tests::command::{self, HealthNetwork, Running};
use careledger_tests::scan::{Hit, Needles};
use fabric_ledger::BlockFiles;
use prost::Message;
use serde_json::{Value, json};

/// An invented code, easy to recognise wherever it turns up.
const PROCEDURE: &str = "X-7731-KNEE";
const NPI: &str = "1234567893";
/// A file by hand.
const INQUIRIES: &str = include_str!("../../gateway-sdk/health/tests/samples/inquiry.270");

#[test]
fn a_front_desk_asks_and_the_payers_desk_answers_within_the_wait() {
    let temporary = tempfile::tempdir().expect("a directory");
    let files = Files(temporary.path().to_owned());
    let network = HealthNetwork::start(&files.path("network"));
    let coverage = files.cover();
    let coverage_text = coverage.to_string();

    // Nobody is at the payer's desk.
    let ask = |more: &[&str]| {
        let begin = ["eligible", &coverage_text, "--npi", NPI, "--procedure", PROCEDURE];
        files.provider(&[&begin, more].concat())
    };
    let (ended, told) = ask(&["--wait", "0"]);
    assert!(!ended, "{told}");
    assert_eq!(told["eligibility"]["status"], "OPEN");
    let question = told["question"].as_str().expect("an id").to_owned();
    let (_, waiting) = files.run(&["waiting", "--as", INSURER]);
    assert_eq!(waiting["questions"][HOSPITAL][0]["question"], json!(question));
    let (ended, replied) = files.run(&["reply", "--as", INSURER]);
    assert!(ended, "{replied}");
    assert_eq!(replied["questions"].as_array().map(Vec::len), Some(1));
    let (ended, told) = files.provider(&["eligible", "--question", &question]);
    assert!(ended, "{told}");
    let answer = &told["eligibility"]["answer"];
    assert_eq!(answer["standing"], "COVERED");
    assert_eq!(
        answer["left"]["deductible"],
        json!({ "of": 20_000, "left": 20_000 })
    );
    let service = &answer["services"][0];
    assert_eq!(service["standing"], "NEEDS_AUTHORISATION");
    // 150.00 by the plan: the deductible is more than that.
    assert_eq!(
        (&service["estimate"]["charge"], &service["estimate"]["member"]),
        (&json!(15_000), &json!(15_000))
    );

    // One waits in the front office while the payer's day begins.
    thread::scope(|scope| {
        let asking = scope.spawn(|| ask(&["--wait", "600"]));
        let mut answered = 0;
        while answered == 0 {
            let (_, worked) = files.run(&["work", "--as", INSURER, "--with", HOSPITAL]);
            answered = worked["questions"].as_array().map_or(0, Vec::len);
        }
        let (ended, told) = asking.join().expect("it ends");
        assert!(ended, "{told}");
        assert_eq!(told["eligibility"]["status"], "ANSWERED");
    });

    // By a file of FHIR, which is the same question each time; of a coverage that the payer does not have, no more than that.
    let form = files.form(&coverage_text);
    let fhir = ["eligible", &form, "--fhir", "--wait", "0"];
    let (_, queued) = files.provider(&fhir);
    assert_eq!(queued["outcome"], "queued", "{queued}");
    let other = CoverageId::from_bytes(rand::random()).to_string();
    let unknown = files.provider(&["eligible", &other, "--wait", "0"]).1;
    assert!(files.run(&["reply", "--as", INSURER]).0);
    let (ended, written) = files.provider(&fhir);
    assert!(ended, "{written}");
    assert_eq!(written["resourceType"], "CoverageEligibilityResponse");
    assert_eq!(written["insurance"][0]["inforce"], true);
    let unknown = unknown["question"].as_str().expect("an id").to_owned();
    let unknown = files.provider(&["eligible", "--question", &unknown]).1;
    assert_eq!(unknown["eligibility"]["answer"]["standing"], "NOT_KNOWN_HERE");
    assert_eq!(unknown["eligibility"]["answer"]["terms"], Value::Null);

    corrected(&files, &coverage_text);

    // An X12 270, whose third patient nobody knows; what is open is asked for again by the same file.
    let (batch, answer) = (files.inquiries(&coverage_text), files.name("batch.271"));
    let ask = ["eligible", &batch, "--wait", "0", "--x12", &answer];
    let (ended, told) = files.provider(&ask);
    assert!(!ended, "{told}");
    assert_eq!(told["inquiries"][0]["eligibility"]["status"], "OPEN");
    assert!(files.read("batch.271").contains("AAA*Y**42*P~"));
    assert!(!files.provider(&ask).0, "an answer is never overwritten");
    assert!(files.run(&["reply", "--as", INSURER]).0);
    let again = files.name("again.271");
    let (ended, told) = files.provider(&["eligible", &batch, "--wait", "0", "--x12", &again]);
    assert!(!ended, "two are not known: {told}");
    let text = files.read("again.271");
    assert!(
        text.contains("EB*1*IND*30~") && text.contains("AAA*N**75*C~"),
        "{text}"
    );

    // The payer's own look is in whole amounts, for people.
    let dir = files.name("network");
    let own = [
        "claim",
        "eligible",
        &coverage_text,
        "--as",
        INSURER,
        "--dir",
        &dir,
    ];
    let shown = command::run(&own);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("0.00 USD of the deductible"), "{shown}");
    let look = [
        "claim",
        "eligible",
        "--question",
        &question,
        "--as",
        HOSPITAL,
        "--payer",
        INSURER,
        "--dir",
        &dir,
    ];
    let shown = command::run(&look);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.contains("200.00") && shown.contains("no promise"),
        "{shown}"
    );

    let log = Running::log_of(&files.path("network"));
    if network.stop() {
        nobody_else_knows(&files.path("network"), &log, &coverage_text);
    }
}

/// A file that is refused stands in the way of nothing: its correction is sent, and what was sent is the same the next time.
fn corrected(files: &Files, coverage: &str) {
    let question = json!({ "coverage": coverage, "on": "2026-07-01", "purposes": ["validation"] });
    let ask = |content: &Value| {
        let file = files.write("question.json", content);
        files.provider(&["eligible", &file, "--wait", "0"]).1
    };
    // By the command, and by the contract: no salt that was drawn.
    for (field, wrong) in [("purposes", json!([])), ("salt", json!("00".repeat(32)))] {
        let mut refused = question.clone();
        refused[field] = wrong;
        assert_eq!(ask(&refused)["question"], Value::Null, "{field}");
    }
    let asked = ask(&question);
    assert_eq!(asked["eligibility"]["status"], "OPEN", "{asked}");
    assert_eq!(ask(&question)["question"], asked["question"]);

    let request = |units: u32| {
        let content = json!({
            "coverage": coverage, "procedure": PROCEDURE, "units": units, "provider_npi": NPI, "urgent": false,
            "period": { "from": "2026-07-01", "until": "2026-07-31" },
        });
        let file = files.write("authorisation.json", &content);
        files.run(&["authorise", "request", &file, "--as", HOSPITAL, "--with", INSURER])
    };
    assert!(!request(0).0, "no units");
    let (ended, asked) = request(1);
    assert!(ended, "{asked}");
    assert_eq!(request(1).1["authorisation"], asked["authorisation"]);
}

/// What was asked and answered is in no block and no log, and on no disk but the payer's and the provider's.
fn nobody_else_knows(network: &Path, log: &Path, coverage: &str) {
    let needles = Needles::new([PROCEDURE, coverage]);
    let mut blocks = 0;
    let peers = std::fs::read_dir(network.join("peers")).expect("the peers' directories");
    let peers: Vec<PathBuf> = peers.map(|peer| peer.expect("an entry").path()).collect();
    for peer in &peers {
        let channels = std::fs::read_dir(peer.join("channels")).expect("a peer has channels");
        for channel in channels {
            let ledger = channel.expect("an entry").path();
            for block in BlockFiles::open(&ledger).expect("block files") {
                let block = block.expect("a whole block");
                assert_clean(&needles.scan("block", &block.encode_to_vec()));
                blocks += 1;
            }
        }
    }
    assert!(blocks > 20, "only {blocks} blocks");
    let own = |path: &Path| {
        let name = path.to_string_lossy();
        peers.iter().any(|peer| peer == path) && (name.contains("insurer") || name.contains("hospital"))
    };
    let elsewhere = needles.scan_tree(network, &own).expect("readable files");
    assert!(elsewhere.files > 20, "only {} files were read", elsewhere.files);
    assert_clean(&elsewhere.hits);
    let of_both = peers.iter().filter(|peer| own(peer));
    let found = of_both.map(|peer| {
        needles
            .scan_tree(peer, &|_| false)
            .expect("readable files")
            .hits
            .len()
    });
    assert!(
        found.sum::<usize>() > 0,
        "the two hold it, so the search must find it there"
    );
    let log = std::fs::read(log).expect("a log");
    assert_clean(&needles.scan("log", &log));
}

fn assert_clean(hits: &[Hit]) {
    assert!(
        hits.is_empty(),
        "{} hits, the first: {:#?}",
        hits.len(),
        hits.first()
    );
}

struct Files(PathBuf);

impl Files {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    fn write(&self, name: &str, content: &Value) -> String {
        std::fs::write(self.path(name), content.to_string()).expect("a file");
        self.name(name)
    }

    /// A plan under which the procedure needs an authorisation, and a member.
    fn cover(&self) -> CoverageId {
        let plan = PlanId::from_bytes(rand::random());
        let coverage = CoverageId::from_bytes(rand::random());
        let rules = json!({
            "id": plan, "version": 1, "currency": "USD", "deductible": 20_000, "copay": 1_000, "coinsurance": 1_000,
            "out_of_pocket_maximum": 200_000, "timely_filing_days": 90,
            "prices": { PROCEDURE: { "amount": 15_000, "max_units": 5 } },
            "procedures": { PROCEDURE: { "authorisation": true, "limits": [{ "units": 3, "within": "year" }] } },
        });
        let covered = json!({
            "id": coverage, "plan": plan, "plan_version": 1, "period": { "from": "2000-01-01", "until": "2199-12-31" },
        });
        for (command, name, content) in [("plan", "plan.json", rules), ("enrol", "coverage.json", covered)] {
            let file = self.write(name, &content);
            assert!(self.run(&[command, &file, "--as", INSURER]).0, "{command}");
        }
        coverage
    }

    /// A question as a hospital's own system writes it.
    fn form(&self, coverage: &str) -> String {
        let form = json!({
            "resourceType": "CoverageEligibilityRequest", "status": "active", "created": "2026-06-30", "servicedDate": "2026-07-01",
            "purpose": ["validation", "benefits"], "patient": { "reference": "Patient/1" },
            "identifier": [{ "system": "urn:hospital:questions", "value": hex::encode(rand::random::<[u8; 8]>()) }],
            "provider": { "identifier": { "system": "http://hl7.org/fhir/sid/us-npi", "value": NPI } },
            "insurer": { "identifier": { "system": "urn:careledger:msp", "value": INSURER } },
            "insurance": [{ "coverage": { "identifier": { "system": "urn:careledger:coverage", "value": coverage } } }],
            "item": [{ "productOrService": { "coding": [{ "code": PROCEDURE }] } }],
        });
        let register = json!({ "payers": [format!("urn:careledger:msp|{INSURER}")] });
        self.write("register.json", &register);
        self.write("request.json", &form)
    }

    /// Three patients, of whom the first is the member.
    fn inquiries(&self, coverage: &str) -> String {
        let register = json!({ "payers": ["PI|PAYER1"], "members": { "MI|M-0001": coverage } });
        self.write("register.json", &register);
        std::fs::write(self.path("batch.270"), INQUIRIES).expect("a file");
        self.name("batch.270")
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("it is written")
    }

    /// A command of the hospital about the insurer.
    fn provider(&self, args: &[&str]) -> (bool, Value) {
        let register = self.name("register.json");
        let mut all = [args, &["--as", HOSPITAL, "--payer", INSURER]].concat();
        if args.contains(&"--fhir") || args.contains(&"--x12") {
            all.extend(["--register", &register]);
        }
        self.run(&all)
    }

    fn run(&self, args: &[&str]) -> (bool, Value) {
        let dir = self.name("network");
        let output = command::run(&[&["claim"], args, &["--dir", &dir, "--json"]].concat());
        let document = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.status.success(), document)
    }
}
