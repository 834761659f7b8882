//! The walks of docs/guide.md, played line by line as they are printed there.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use careledger_api::date::Date;
use careledger_tests::billing::{NPI, days_ago};
use careledger_tests::command::{HealthNetwork, program};
use careledger_tests::engine::Engine;
use serde_json::{Value, json};

/// What a `<name>` of a walk stands for: the place in the JSON document that the line with the name in its comment prints.
const NAMES: [(&str, &str); 23] = [
    ("anna", "/patient"),
    ("ben", "/patient"),
    ("dora", "/patient"),
    ("code", "/code"),
    ("ben-guards", "/key"),
    ("cleo-guards", "/key"),
    ("recovery", "/recovery"),
    ("new-key", "/key"),
    ("authority", "/authority"),
    ("consent", "/consent"),
    ("document", "/document"),
    ("act", "/act"),
    ("access", "/tx"),
    ("coverage", "/coverage"),
    ("claim", "/claims/0/claim"),
    ("late", "/claims/0/claim"),
    ("proposal", "/tx"),
    ("later", "/claims/0/claim"),
    ("remittance", "/remittance/id"),
    ("asked", "/authorisation"),
    ("today", "/claims/0/claim"),
    ("flag", "/flags/0/flag"),
    ("own-key", "/public"),
];

#[test]
fn the_walk_of_the_guide_works_as_written() {
    let dir = tempfile::tempdir().expect("a directory");
    let guide = guide();
    let lines = walk(&guide, "### A walk for patients, organisations and clinicians");
    assert!(lines.len() > 40, "the walk was found: {} lines", lines.len());
    // Somebody new each time: of two persons alike, nobody is found.
    let letter = || char::from(rand::random_range(b'a'..=b'z'));
    let family: String = (0..12).map(|_| letter()).collect();
    let person = json!({
        "family": format!("O'{family}"), "given": "Anna", "birth": "1980-02-29", "sex": "female", "postcode": "02139",
    })
    .to_string();
    for (name, content) in [
        ("glucose.json", r#"{"resourceType": "Observation"}"#),
        ("summary.json", r#"{"resourceType": "Bundle"}"#),
        ("person.json", person.as_str()),
        ("birth-certificate.pdf", "a certificate"),
    ] {
        std::fs::write(dir.path().join(name), content).expect("written");
    }
    let network = HealthNetwork::start(&dir.path().join("careledger-network"));
    let mut known = BTreeMap::new();
    let mut said = BTreeMap::new();
    for line in lines {
        let document = play(dir.path(), line, &mut known);
        said.insert(
            line.split(" #").next().unwrap_or(line).trim_end().to_owned(),
            document,
        );
    }
    let _was_its_own = network.stop();

    // What the walk's comments say came about.
    let of = |start: &str| -> &Value {
        let found = said.iter().find(|(line, _)| line.starts_with(start));
        found.map(|(_, document)| document).expect("a line of the walk")
    };
    let enrolled = of("careledger wallet enrol --wallet anna.json");
    assert_eq!(enrolled["checked"], serde_json::json!(["RegulatorMSP"]));
    let keys = &of("careledger wallet keys list")["accounts"][0];
    assert_eq!(keys["live"].as_array().map(Vec::len), Some(2));
    assert_eq!(keys["retired"].as_array().map(Vec::len), Some(1));
    assert_eq!(keys["checked"], serde_json::json!(["RegulatorMSP"]));
    let status = &of("careledger wallet recover status")["accounts"][0];
    assert!(status["executable"].is_array(), "its delay counts: {status}");
    let own = of("careledger record own");
    assert_eq!(own["records"].as_array().map(Vec::len), Some(1));
    let out = dir
        .path()
        .join(own["records"][0]["out"].as_str().expect("a file"));
    let original = dir.path().join("glucose.json");
    assert_eq!(
        std::fs::read(out).expect("read"),
        std::fs::read(original).expect("written")
    );
    let offline = &of("careledger record offline")["documents"];
    assert_eq!(offline.as_array().map(Vec::len), Some(1), "{offline}");
    assert_eq!(offline[0]["category"], "emergency-summary");
    let out = dir.path().join(offline[0]["out"].as_str().expect("a file"));
    let original = dir.path().join("summary.json");
    assert_eq!(
        std::fs::read(out).expect("read"),
        std::fs::read(original).expect("written")
    );
    let located = of("careledger record locate");
    assert_eq!(located["documents"][0]["document"], known["document"].as_str());
    for find in [
        "careledger record find --as ClinicMSP --code",
        "careledger record find --as ClinicMSP --person",
    ] {
        assert_eq!(
            of(find)["searches"][0]["patient"],
            known["anna"].as_str(),
            "{find}"
        );
    }
    let accounting = of("careledger consent accounting")["accounting"].to_string();
    assert!(accounting.contains("County court"), "{accounting}");
    // On a network that others use, too, the custodian's first notice is of whatever came first.
    if Engine::of_environment() == Engine::Embedded {
        assert_eq!(of("careledger notify")["kind"], "account");
    }
    let standing = &of("careledger credential standing")["standing"][0];
    assert_eq!(
        (&standing["active"], &standing["licence_matches"]),
        (&true.into(), &true.into())
    );
    let authorities = &of("careledger consent authorities")["authorities"];
    assert_eq!(authorities[0]["view"]["holder"], known["anna"].as_str());
}

#[test]
fn the_walk_for_claims_works_as_written() {
    let dir = tempfile::tempdir().expect("a directory");
    let guide = guide();
    let lines = walk(&guide, "### A walk for claims");
    assert!(lines.len() > 20, "the walk was found: {} lines", lines.len());
    let day = days_ago;
    let plan = hex::encode(rand::random::<[u8; 16]>());
    // A number is one claim for ever, on a network that is there for longer than a test, too.
    let first: u32 = rand::random();
    let number = |nth: u32| format!("A-{first}-{nth}");
    let always = json!({ "from": "2000-01-01", "until": "2199-12-31" });
    for (name, content) in [
        (
            "plan.json",
            json!({
                "id": plan, "version": 1, "currency": "USD", "deductible": 2000, "copay": 1000, "coinsurance": 1000,
                "out_of_pocket_maximum": 200000, "timely_filing_days": 90, "prices": { "X-0042": { "amount": 15000, "max_units": 1 } },
            }),
        ),
        (
            "coverage.json",
            json!({ "plan": plan, "plan_version": 1, "period": { "from": "2000-01-01", "until": "2199-12-31" }, "born": "1980-02-29" }),
        ),
        (
            "later-coverage.json",
            json!({
                "plan": plan, "plan_version": 1, "period": { "from": "2000-01-01", "until": "2199-12-31" }, "born": "1980-02-29",
                "secondary": true,
            }),
        ),
        ("claim.json", fhir_claim(&number(1), day(0))),
        ("late.json", fhir_claim(&number(2), day(200))),
        ("later.json", fhir_claim(&number(3), day(201))),
        ("today.json", fhir_claim(&number(4), day(1))),
        ("own.json", fhir_claim(&number(5), day(2))),
        (
            "request.json",
            json!({
                "coverage": "<coverage>", "procedure": "X-0042", "units": 6, "provider_npi": NPI, "urgent": true,
                "period": { "from": day(0), "until": day(-60) },
            }),
        ),
        (
            "standing.json",
            json!({ "npi": NPI, "standing": { "active": always, "network": always } }),
        ),
        (
            "paid.json",
            json!({ "coverage": "<coverage>", "services": [["X-0042", day(2)]], "restricted": true }),
        ),
        (
            "consent.json",
            json!({ "coverage": "<coverage>", "given": true, "period": { "from": day(400), "until": day(-30) } }),
        ),
        (
            "parties.json",
            json!({
                "sender": ["ZZ", "INSURER"], "receiver": ["ZZ", "HOSPITAL"], "control": 1, "production": false, "trace": "4711",
                "payer": {
                    "name": "THE INSURER", "tax_number": "123456789", "telephone": "6175550100",
                    "address": { "street": "1 MAIN STREET", "city": "BOSTON", "state": "MA", "postcode": "02108" },
                },
                "payee": { "name": "THE HOSPITAL", "npi": NPI },
            }),
        ),
    ] {
        std::fs::write(dir.path().join(name), content.to_string()).expect("written");
    }
    for (name, content) in [
        ("appeal.txt", "it was sent in time, by post\n"),
        ("why.txt", "the visit was shorter than its level says"),
        ("answer.txt", "the record has its length"),
        ("cleared.txt", "the record was seen"),
        ("title.txt", "the visit's record"),
        ("record.pdf", "a record"),
    ] {
        std::fs::write(dir.path().join(name), content).expect("written");
    }
    let network = HealthNetwork::start(&dir.path().join("careledger-network"));
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    let said: Vec<(&str, Value)> = lines
        .into_iter()
        .map(|line| {
            // What a file says of the coverage is written once its id is known.
            if let Some(coverage) = known.get("coverage") {
                fill(
                    dir.path(),
                    &["request.json", "paid.json", "consent.json"],
                    coverage,
                );
            }
            (line, play(dir.path(), line, &mut known))
        })
        .collect();
    let _was_its_own = network.stop();

    let of = |start: &str| -> Vec<&Value> {
        let found = said.iter().filter(|(line, _)| line.starts_with(start));
        found.map(|(_, document)| document).collect()
    };
    let submitted = of("careledger claim submit claim.json");
    // The check came before the secret that ids follow from.
    let ids: Vec<&Value> = submitted
        .iter()
        .skip(1)
        .map(|document| &document["claims"][0]["claim"])
        .collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1], "the same file is the same claim");
    assert_eq!(
        submitted[0]["claims"][0]["transactions"],
        json!([]),
        "only checked"
    );
    let explained = of("careledger claim explain");
    let explanation = &explained[0]["explanation"];
    assert_eq!(
        (&explanation["paid"], &explanation["owed"]),
        (&json!(10_800), &json!(4_200))
    );
    assert_eq!(explained[1]["resourceType"], "ExplanationOfBenefit");
    let advice = std::fs::read_to_string(dir.path().join("advice.835")).expect("written");
    assert!(advice.starts_with("ISA*") && advice.contains("*108*"), "{advice}");
    assert_eq!(
        of("careledger claim remit --show")[0]["remittance"]["total"],
        10_800
    );
    let listed = of("careledger claim remit --list")[0]["remittances"].to_string();
    assert!(listed.contains(&known["remittance"]), "{listed}");
    for done in ["pay", "confirm"] {
        let settled = of(&format!("careledger claim {done} --remittance"))[0];
        assert_eq!(
            (&settled["count"], &settled["amount"]),
            (&json!(1), &json!(10_800)),
            "{settled}"
        );
    }
    let own = |claims: &Value| -> Value {
        let rows = claims.as_array().cloned().unwrap_or_default();
        let found = rows.iter().find(|row| row["claim"] == known["claim"].as_str());
        found.cloned().unwrap_or_default()
    };
    let waits = own(&of("careledger claim waiting --as HospitalMSP")[0]["waiting"]["InsurerMSP"]["claims"]);
    assert_eq!(
        (&waits["step"], &waits["paid"]),
        (&json!("confirm"), &json!(10_800))
    );
    let cleared = own(&of("careledger claim list")[0]["claims"]["InsurerMSP"]["claims"]);
    assert_eq!(cleared["remittances"], json!([known["remittance"]]));
    assert_eq!(of("careledger claim show")[0]["claim"]["status"], "CLEARED");
    let late = of("careledger claim adjudicate <late>")[0];
    assert_eq!(late["claim"]["status"], "DENIED");
    let confirmed =
        of("careledger claim rule <late> --as InsurerMSP --with HospitalMSP --confirm <proposal> --user");
    assert_eq!(confirmed[0]["claim"]["status"], "APPROVED");
    assert!(of("careledger claim decide")[0]["tx"].is_string());

    let waiting = of("careledger claim waiting --as InsurerMSP ");
    let asked = &waiting[0]["waiting"]["HospitalMSP"]["authorisations"];
    assert!(asked.to_string().contains(&known["asked"]), "{asked}");
    assert_eq!(
        of("careledger claim authorise show")[0]["authorisation"]["status"],
        "APPROVED"
    );
    let became = |worked: &Value| -> Value {
        let claims = worked["claims"].as_array().cloned().unwrap_or_default();
        let found = claims
            .iter()
            .find(|claim| claim["claim"] == known["today"].as_str());
        found.map_or(Value::Null, |claim| claim["status"].clone())
    };
    let worked = of("careledger claim work");
    assert_eq!(
        (became(worked[0]), became(worked[1])),
        (json!("PENDED"), json!("APPROVED"))
    );
    let remitted = worked[1]["remittances"].to_string();
    assert!(
        remitted.contains(&known["today"]) && remitted.contains(&known["late"]),
        "{remitted}"
    );
    let flags = &of("careledger claim flags")[0]["flags"];
    assert_eq!(
        (&flags[0]["kind"], &flags[0]["cleared"]),
        (&json!("upcoding"), &Value::Null)
    );
    let eligible = of("careledger claim eligible");
    let found = |n: usize| {
        let found = &eligible[n]["eligibility"];
        json!([found["covered"], found["version"], found["coverage"]["secondary"]])
    };
    assert_eq!(found(0), json!([true, 1, null]));
    assert_eq!(found(1), json!([true, 2, true]));
    let report = &of("careledger claim report")[0]["reports"]["HospitalMSP"];
    assert_eq!(report["claims"]["open"], 0, "{report}");
    let mine = of("careledger claim mine");
    let listed = mine[2]["claims"].as_array().expect("a list");
    let own = |claim: &&Value| claim["claim"] == known["claim"].as_str();
    assert_eq!(listed.iter().find(own).expect("the claim")["status"], "CLEARED");
    // Its money has come since; what was decided has not changed.
    assert_eq!(mine[3]["explanation"]["lines"], explanation["lines"]);
}

/// Puts a coverage's id into files that name one.
fn fill(dir: &Path, names: &[&str], coverage: &str) {
    for name in names {
        let path = dir.join(name);
        let text = std::fs::read_to_string(&path).expect("a file");
        std::fs::write(&path, text.replace("<coverage>", coverage)).expect("written");
    }
}

/// A claim of one visit as a billing system writes it.
fn fhir_claim(number: &str, day: Date) -> Value {
    json!({
        "resourceType": "Claim", "status": "active", "use": "claim", "created": day,
        "identifier": [{ "system": "urn:hospital:claims", "value": number }],
        "type": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/claim-type", "code": "professional" }] },
        "patient": { "reference": "Patient/1" },
        "insurer": { "identifier": { "system": "urn:careledger:msp", "value": "InsurerMSP" } },
        "provider": { "identifier": { "system": "http://hl7.org/fhir/sid/us-npi", "value": NPI } },
        "insurance": [{ "sequence": 1, "focal": true, "coverage": { "reference": "Coverage/1" } }],
        "item": [{
            "sequence": 1, "productOrService": { "coding": [{ "code": "X-0042" }] }, "servicedDate": day,
            "net": { "value": 180, "currency": "USD" },
        }],
    })
}

fn guide() -> String {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide.md");
    std::fs::read_to_string(guide).expect("the guide")
}

/// The lines of a walk's console blocks, without their prompts.
fn walk<'a>(guide: &'a str, title: &str) -> Vec<&'a str> {
    let (_, walk) = guide.split_once(title).expect("the guide has a walk");
    let walk = walk.split("\n## ").next().unwrap_or(walk);
    walk.lines().filter_map(|line| line.strip_prefix("$ ")).collect()
}

/// Plays a line in `dir` and learns the names in its comment; gives the first document it printed. A line whose comment begins with `refused` fails with 1,
/// all others succeed.
fn play(dir: &Path, line: &str, known: &mut BTreeMap<String, String>) -> Value {
    let (command, comment) = line.split_once(" #").unwrap_or((line, ""));
    let mut command = command.trim_end().to_owned();
    for (name, value) in known.iter() {
        command = command.replace(&format!("<{name}>"), value);
    }
    assert!(!command.contains('<'), "a name that nothing gave: {command}");
    let arguments = command.strip_prefix("careledger ").expect("a careledger command");
    let output = Command::new("sh")
        .args(["-c", &format!("\"$CARELEDGER\" {arguments} --json")])
        .env("CARELEDGER", program())
        .current_dir(dir)
        .output()
        .expect("sh runs");
    let (text, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    // On a network that goes on, an earlier walk gave the credential.
    if Engine::of_environment() != Engine::Embedded
        && errors.contains("the person has a credential of this organisation")
    {
        return Value::Null;
    }
    let expected = i32::from(comment.trim_start().starts_with("refused"));
    assert_eq!(output.status.code(), Some(expected), "{command}\n{text}{errors}");
    let document: Value = text.lines().next().map_or(Value::Null, |first| {
        serde_json::from_str(first).expect("a JSON document")
    });
    for (name, field) in NAMES {
        if comment.contains(&format!("<{name}>")) {
            let value = document
                .pointer(field)
                .and_then(Value::as_str)
                .unwrap_or_else(|| panic!("no {field}: {command}\n{document}"));
            known.insert(name.to_owned(), value.to_owned());
        }
    }
    document
}
