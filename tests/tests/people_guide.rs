//! The walk of docs/guide.md for patients, organisations and clinicians, played line by line as it is printed there.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use careledger_tests::command::{HealthNetwork, program};
use careledger_tests::engine::Engine;
use serde_json::Value;

/// What a `<name>` of the walk stands for: the field of the JSON document that the line with the name in its comment prints.
const NAMES: [(&str, &str); 13] = [
    ("anna", "patient"),
    ("ben", "patient"),
    ("dora", "patient"),
    ("code", "code"),
    ("ben-guards", "key"),
    ("cleo-guards", "key"),
    ("recovery", "recovery"),
    ("new-key", "key"),
    ("authority", "authority"),
    ("consent", "consent"),
    ("document", "document"),
    ("act", "act"),
    ("access", "tx"),
];

#[test]
fn the_walk_of_the_guide_works_as_written() {
    let dir = tempfile::tempdir().expect("a directory");
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide.md");
    let guide = std::fs::read_to_string(guide).expect("the guide");
    let lines = walk(&guide);
    assert!(lines.len() > 40, "the walk was found: {} lines", lines.len());
    for (name, content) in [
        ("glucose.json", r#"{"resourceType": "Observation"}"#),
        (
            "person.json",
            r#"{"family": "O'Neill", "given": "Anna", "birth": "1980-02-29", "sex": "female", "postcode": "02139"}"#,
        ),
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
    assert_eq!(of("careledger notify")["kind"], "account");
    let standing = &of("careledger credential standing")["standing"][0];
    assert_eq!(
        (&standing["active"], &standing["licence_matches"]),
        (&true.into(), &true.into())
    );
    let authorities = &of("careledger consent authorities")["authorities"];
    assert_eq!(authorities[0]["view"]["holder"], known["anna"].as_str());
}

/// The lines of the walk's console blocks, without their prompts.
fn walk(guide: &str) -> Vec<&str> {
    let (_, walk) = guide
        .split_once("### A walk for patients, organisations and clinicians")
        .expect("the guide has a walk");
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
            let value = document[field]
                .as_str()
                .unwrap_or_else(|| panic!("no {field}: {command}\n{document}"));
            known.insert(name.to_owned(), value.to_owned());
        }
    }
    document
}
