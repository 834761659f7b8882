//! The last level of an appeal on a running network: a regulator's reviewer finds it, reads the claim with a trace, decides, and reads it no more.

use careledger::health::{HOSPITAL, INSURER, REGULATOR};
use careledger_tests::command::{self, HealthNetwork};
use serde_json::{Value, json};

use crate::claims_paying::Files;

#[test]
fn the_reviewer_outside_finds_reads_and_decides_what_is_at_its_level() {
    let temporary = tempfile::tempdir().expect("a directory");
    let files = Files(temporary.path().to_owned());
    let network = HealthNetwork::start(&files.path("network"));
    let coverage = files.cover();
    // Both are denied: they came too late.
    let (late, other) = (files.approved(coverage, 200), files.approved(coverage, 201));
    let reviewer = |args: &[&str]| files.run(&[args, &["--as", REGULATOR, "--with", HOSPITAL]].concat());
    // On a network that others use as well, more may wait.
    let waits = |claim: &str| -> Option<Value> {
        let (ended, told) = files.run(&["waiting", "--as", REGULATOR]);
        assert!(ended, "{told}");
        let rows = told["waiting"].as_array().cloned().expect("a list");
        rows.into_iter().find(|row| row["appeal"]["claim"] == claim)
    };
    let refused = |args: &[&str]| -> String {
        let network = files.name("network");
        let output = command::run(&[&["claim"], args, &["--dir", &network]].concat());
        assert!(!output.status.success(), "{args:?}");
        String::from_utf8(output.stderr).expect("text")
    };
    let show = ["show", &late, "--as", REGULATOR, "--with", HOSPITAL];

    let text = files.write("appeal.txt", "it was sent in time, by post");
    for user in ["payer2", "payer3"] {
        assert!(files.provider(&["appeal", &late, "--text", &text]).0);
        assert_eq!(waits(&late), None, "it is the payer's");
        let told = refused(&show);
        assert!(told.contains("claim waiting --as RegulatorMSP"), "{told}");
        let uphold = [
            "decide",
            &late,
            "--uphold",
            "--reason",
            "it came late",
            "--user",
            user,
        ];
        let (ended, told) = files.payer(&uphold);
        assert!(ended, "{told}");
    }
    assert!(files.provider(&["appeal", &late, "--text", &text]).0);

    let row = waits(&late).expect("it waits outside");
    assert_eq!(
        (&row["payer"], &row["provider"], &row["appeal"]["taken_up"]),
        (&json!(INSURER), &json!(HOSPITAL), &json!(false))
    );
    assert!(row["appeal"]["since"].is_string(), "{row}");
    assert_eq!(waits(&other), None);
    let (ended, told) = reviewer(&["show", &late]);
    assert!(ended, "{told}");
    assert!(
        told["taken_up"].is_string(),
        "the first look leaves a trace: {told}"
    );
    assert_eq!(told["claim"]["appeal"]["said"].as_array().map(Vec::len), Some(3));
    assert_eq!(
        told["claim"]["adjudication"]["lines"][0]["edits"][0]["code"],
        "TIMELY_FILING"
    );
    assert_eq!(reviewer(&["show", &late]).1["taken_up"], Value::Null, "once");
    assert_eq!(waits(&late).expect("it waits")["appeal"]["taken_up"], true);
    let (ended, told) = reviewer(&["explain", &late]);
    assert!(
        ended && told["explanation"]["lines"][0]["why"].is_array(),
        "{told}"
    );
    for seen in [
        files.provider(&["show", &late]).1,
        files.payer(&["show", &late]).1,
    ] {
        let by = &seen["claim"]["reviewers"][0]["organisation"];
        assert_eq!(by, REGULATOR, "both see who reads: {seen}");
    }

    // Nothing else, for nobody else, in words that lead on.
    let told = refused(&["show", &other, "--as", REGULATOR, "--with", HOSPITAL]);
    assert!(told.contains("no appeal of such a claim waits"), "{told}");
    let told = refused(&[&show[..], &["--user", "auditor"]].concat());
    assert!(told.contains("role"), "{told}");
    for wrong in [
        &["list", "--as", REGULATOR][..],
        &["confirm", &late, "--as", REGULATOR, "--with", HOSPITAL],
    ] {
        let told = refused(wrong);
        assert!(told.contains("neither pays nor bills claims"), "{told}");
    }
    let by = |more: &[&str]| {
        let both = ["--as", INSURER, "--with", HOSPITAL];
        refused(
            &[
                &["decide", &late, "--uphold", "--reason", "late"],
                &both[..],
                more,
            ]
            .concat(),
        )
    };
    let told = by(&["--by", REGULATOR, "--user", "payer4"]);
    assert!(told.contains("nobody called payer4"), "not ignored: {told}");
    let told = by(&["--by", HOSPITAL]);
    assert!(told.contains("is no regulator"), "{told}");
    by(&["--user", "payer4"]);

    let overturn = [
        "decide",
        &late,
        "--overturn",
        "1:TIMELY_FILING",
        "--reason",
        "the stamp shows it",
    ];
    let (ended, told) = reviewer(&overturn);
    assert!(ended, "{told}");
    assert_eq!(waits(&late), None);
    let told = refused(&show);
    assert!(
        told.contains("no appeal of such a claim waits"),
        "its reading is over: {told}"
    );
    let seen = files.provider(&["show", &late]).1;
    assert_eq!(seen["claim"]["status"], "APPROVED", "{seen}");
    assert_eq!(seen["claim"]["reviewers"].as_array().map(Vec::len), Some(1));
    network.stop();
}
