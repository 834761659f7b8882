//! Parts of the patient's day that stand for themselves: requests, emergencies without a summary, templates.

use std::path::Path;

use careledger_tests::command;
use serde_json::Value;

use super::World;

/// The clinic asks, the patient accepts a part, and declines another time.
pub(super) fn asked(world: &World, patient: &str) {
    let request = || {
        let args = [
            "consent",
            "request",
            "--as",
            "ClinicMSP",
            "--at",
            "HospitalMSP",
            "--patient",
            patient,
        ];
        let terms = [
            "--purpose",
            "TREAT",
            "--category",
            "laboratory,imaging",
            "--for",
            "2d",
        ];
        let done = world.run(&[args.as_slice(), &terms].concat()).done();
        done["request"].as_str().expect("an id").to_owned()
    };
    let first = request();
    let open = world.patient(&["consent", "requests"]).done();
    assert_eq!(open["requests"][0]["view"]["request"]["id"], first.as_str());
    let respond = |id: &str, answer: &[&str]| world.patient(&[&["consent", "respond", id], answer].concat());
    let beyond = respond(&first, &["--accept", "--category", "note"]).failed(1);
    assert!(beyond.contains("laboratory, imaging"), "{beyond}");
    let accepted = respond(&first, &["--accept", "--category", "laboratory", "--for", "1h"]).done();
    let listed = world.patient(&["consent", "list"]).done();
    let view = &listed["consents"][0]["view"];
    assert_eq!(view["consent"]["id"], accepted["consent"]);
    assert_eq!(
        view["consent"]["provisions"][0]["categories"],
        serde_json::json!(["laboratory"])
    );
    respond(&first, &["--decline"]).failed(1);

    let second = request();
    assert_eq!(respond(&second, &["--decline"]).done()["consent"], Value::Null);
    assert_eq!(
        world.patient(&["consent", "requests"]).done()["requests"],
        serde_json::json!([])
    );
    let unknown = respond(&"0".repeat(32), &["--decline"]).failed(1);
    assert!(unknown.contains("consent requests"), "{unknown}");
    let consent = accepted["consent"].as_str().expect("an id");
    world.patient(&["consent", "revoke", consent]).done();
}

/// Who rightly breaks the glass of a patient without emergency summary is told so, and the patient's log claims no more than was permitted; of a patient whom
/// nobody knows nothing is told.
pub(super) fn no_summary(world: &World, patient: &str) {
    let (dir, out) = (world.path("network"), world.path("summary"));
    let reach = |how: &str, patient: &str, more: &[&str]| {
        let asked = [
            "record",
            how,
            "--attest",
            "--at",
            "HospitalMSP",
            "--as",
            "ClinicMSP",
        ];
        let place = ["--dir", &dir, "--out", &out, "--patient", patient];
        command::run(&[&asked[..], &place, more].concat())
    };
    for how in ["emergency", "offline"] {
        let told = reach(how, patient, &[]);
        let text = String::from_utf8(told.stdout).expect("UTF-8");
        assert_eq!(told.status.code(), Some(0), "{text}");
        assert!(text.contains("HospitalMSP has no emergency summary"), "{text}");
        assert!(!Path::new(&out).exists());
        let unknown = reach(how, &"ee".repeat(32), &["--json"]);
        let text = String::from_utf8(unknown.stderr).expect("UTF-8");
        assert_eq!(unknown.status.code(), Some(1), "{text}");
        assert!(text.contains("releases nothing on this request"), "{text}");
    }
    let wallet = world.path("wallet");
    let log = command::run(&[
        "--log", "debug", "consent", "log", "--wallet", &wallet, "--dir", &dir,
    ]);
    let traced = String::from_utf8_lossy(&log.stderr);
    assert!(traced.contains("DEBUG"), "{traced}");
    assert!(!traced.contains('\u{1b}'), "no terminal, no colours");
    let log = String::from_utf8(log.stdout).expect("UTF-8");
    // The ticket may be filed a little later.
    let glass = log.lines().find(|line| line.contains(" for BTG ")).unwrap_or("");
    assert!(
        glass.contains("permitted to see emergency-summary, if there was any; review open"),
        "{log}"
    );
}

/// Terms for common needs, in one line each.
pub(super) fn templates(world: &World) {
    let grant = |more: &[&str]| world.patient(&[&["consent", "grant", "--for", "7d"], more].concat());
    let needs = grant(&["--template", "treatment"]).failed(1);
    assert!(needs.contains("--to"), "{needs}");
    let nobody = grant(&["--template", "treatment", "--to", "NobodyMSP"]).failed(1);
    assert!(nobody.contains("ClinicMSP"), "{nobody}");
    grant(&["--template", "emergency-travel"]).done();
    let study = grant(&["--template", "research", "--to", "ClinicMSP"]).failed(1);
    assert!(study.contains("study"), "{study}");
    grant(&[
        "--template",
        "research",
        "--to",
        "ClinicMSP",
        "--group",
        "study-7",
    ])
    .done();
    grant(&["--to", "any", "--deny", "--purpose", "HPAYMT", "--label", "PSY"]).done();
    let listed = world.patient(&["consent", "list"]).done();
    let of = |place: usize, field: &str| {
        listed["consents"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|c| c["view"]["consent"]["provisions"][0][field].to_string())
            .collect::<Vec<_>>()[place]
            .clone()
    };
    let all: Vec<String> = (0..3)
        .map(|place| {
            format!(
                "{} {} {}",
                of(place, "effect"),
                of(place, "purposes"),
                of(place, "actors")
            )
        })
        .collect();
    assert!(
        all.iter().any(|p| p.contains("ETREAT") && p.contains("[]")),
        "{all:?}"
    );
    assert!(
        all.iter()
            .any(|p| p.contains("HRESCH") && p.contains("researcher")),
        "{all:?}"
    );
    assert!(
        all.iter().any(|p| p.contains("deny") && p.contains("HPAYMT")),
        "{all:?}"
    );
    let ids: Vec<String> = listed["consents"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|c| c["view"]["consent"]["id"].as_str().expect("an id").to_owned())
        .collect();
    world
        .patient(
            &[
                &["consent", "revoke"],
                ids.iter().map(String::as_str).collect::<Vec<_>>().as_slice(),
            ]
            .concat(),
        )
        .done();
}
