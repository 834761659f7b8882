//! A consortium moves to a network of another channel, as its administrator does it: what patients decided, what was anchored and what was logged goes along.

use std::path::PathBuf;

use careledger_api::ids::{ClaimId, CoverageId, PlanId};
use careledger_tests::billing::{NPI, days_ago};
use careledger_tests::command::{self, Running};
use careledger_tests::engine::embedded_only;
use serde_json::{Value, json};

const ALONE: &str = "it stops one network and starts another";

struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a directory"),
        }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_string_lossy().into_owned()
    }

    fn start(&self, network: &str, more: &[&str]) -> Running {
        Running::start(
            &PathBuf::from(self.path(network)),
            &[&["--base-port", "0"], more].concat(),
        )
    }

    /// Runs a command; its exit code, its document, and what it said on stderr.
    fn run(&self, args: &[&str]) -> (Option<i32>, Value, String) {
        let output = command::run(&[args, &["--json"]].concat());
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let document = serde_json::from_str(text.lines().next().unwrap_or("null")).expect("JSON");
        (
            output.status.code(),
            document,
            String::from_utf8(output.stderr).expect("UTF-8"),
        )
    }

    fn done(&self, args: &[&str]) -> Value {
        let (code, document, stderr) = self.run(args);
        assert_eq!(code, Some(0), "{args:?} {stderr}");
        document
    }

    /// Writes what a command reads; its path.
    fn file(&self, name: &str, content: &Value) -> String {
        let path = self.path(name);
        std::fs::write(&path, content.to_string()).expect("written");
        path
    }

    fn refused(&self, args: &[&str]) -> String {
        let (code, document, stderr) = self.run(args);
        assert_eq!(code, Some(1), "{args:?} {document} {stderr}");
        stderr
    }
}

#[test]
fn consents_records_and_the_log_move_to_another_channel() {
    if embedded_only(ALONE) {
        return;
    }
    let world = World::new();
    let (old, new, out) = (world.path("old"), world.path("new"), world.path("export"));
    let wallet = world.path("wallet");
    let first = world.start("old", &[]);
    world.done(&["wallet", "new", "--wallet", &wallet]);
    let patient = ["--wallet", wallet.as_str()];
    let at = |dir: &str, args: &[&str], more: &[&str]| -> Vec<String> {
        let all = [args, more, &["--dir", dir]].concat();
        all.into_iter().map(str::to_owned).collect()
    };
    let done = |args: Vec<String>| world.done(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let refused = |args: Vec<String>| world.refused(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let enrolled = done(at(&old, &["wallet", "enrol", "--at", "HospitalMSP"], &patient));
    let id = enrolled["patient"].as_str().expect("an id").to_owned();
    let anchor = |category: &str| {
        let file = world.path(&format!("{category}.json"));
        std::fs::write(&file, br#"{"resourceType": "Observation"}"#).expect("written");
        let anchored = done(at(
            &old,
            &["record", "anchor", &file, "--at", "HospitalMSP", "--patient", &id],
            &["--category", category],
        ));
        anchored["document"].as_str().expect("an id").to_owned()
    };
    let (granted, kept) = (anchor("laboratory"), anchor("imaging"));
    let grant = ["consent", "grant", "--to", "ClinicMSP", "--purpose", "TREAT"];
    let terms = ["--category", "laboratory", "--for", "2h"];
    done(at(&old, &[&grant[..], &terms].concat(), &patient));
    let to_hospital = ["consent", "grant", "--to", "HospitalMSP", "--purpose", "TREAT"];
    let imaging = ["--category", "imaging", "--for", "2h"];
    done(at(&old, &[&to_hospital[..], &imaging].concat(), &patient));
    let fetch = |dir: &str, document: &str, category: &str, to: &str| {
        let to = world.path(to);
        at(
            dir,
            &["record", "fetch", document, "--out", &to, "--as", "ClinicMSP"],
            &["--patient", &id, "--category", category],
        )
    };
    done(fetch(&old, &granted, "laboratory", "before"));
    refused(fetch(&old, &kept, "imaging", "none"));
    // What was refused is in the log once the hospital's peer has its block.
    let log = |dir: &str, entries: usize| loop {
        let log = done(at(dir, &["consent", "log"], &patient));
        let log = log["log"].as_array().expect("a list").clone();
        if log.len() >= entries {
            break log;
        }
    };
    let logged = log(&old, 2);
    assert_eq!(logged.len(), 2);

    // While it runs, nothing is exported.
    let busy = world.refused(&["network", "export", "--dir", &old, "--out", &world.path("busy")]);
    assert!(busy.contains("in use"), "{busy}");
    assert!(first.stop().success());
    let exported = world.done(&["network", "export", "--dir", &old, "--out", &out]);
    assert_eq!(exported["channel"], "health-2");
    // Another organisation's own export finds the same.
    let other = world.path("other");
    let of_regulator = ["network", "export", "--dir", &old, "--out", &other];
    let of_regulator = world.done(&[&of_regulator[..], &["--organisation", "RegulatorMSP"]].concat());
    assert_eq!(of_regulator["origin"], exported["origin"]);
    assert_eq!(of_regulator["bodies"]["care_HospitalMSP"], "RegulatorMSP");
    assert!(!world.dir.path().join("other/bodies/HospitalMSP").exists());

    // What was exported is taken over, with nothing signed anew: the same decisions, the same files, the same log.
    let second = world.start("new", &["--from", &out]);
    done(fetch(&new, &granted, "laboratory", "after"));
    let (before, after) = (world.path("before"), world.path("after"));
    assert_eq!(
        std::fs::read(before).expect("fetched"),
        std::fs::read(&after).expect("fetched")
    );
    refused(fetch(&new, &kept, "imaging", "none"));
    let opening = format!("{after}.opening");
    let verify = at(
        &new,
        &["record", "verify", &granted, &after, "--opening", &opening],
        &["--as", "InsurerMSP"],
    );
    assert_eq!(done(verify)["verification"], "MATCH");
    let moved = log(&new, 4);
    assert_eq!((&moved[..2], moved.len()), (&logged[..], 4));
    done(at(&new, &["consent", "revoke", "--to", "ClinicMSP"], &patient));
    refused(fetch(&new, &granted, "laboratory", "none"));

    // Started again without the export, it is what it was.
    assert!(second.stop().success());
    let third = world.start("new", &[]);
    refused(fetch(&new, &granted, "laboratory", "none"));
    done(at(&new, &[&grant[..], &terms].concat(), &patient));
    done(fetch(&new, &granted, "laboratory", "again"));
    assert!(third.stop().success());

    // It moves on, with what was signed for either channel, and never back.
    let (last, further) = (world.path("last"), world.path("further"));
    let back = world.path("back");
    let back = [
        "network",
        "export",
        "--dir",
        &new,
        "--out",
        &back,
        "--channel",
        "health",
    ];
    let back = world.refused(&back);
    assert!(back.contains("another name"), "{back}");
    let exported = world.done(&["network", "export", "--dir", &new, "--out", &further]);
    assert_eq!(exported["channel"], "health-3");
    let fourth = world.start("last", &["--from", &further]);
    done(fetch(&last, &granted, "laboratory", "thrice"));
    refused(fetch(&last, &kept, "imaging", "none"));
    let own = world.path("own");
    let fetch_own = ["record", "fetch", &kept, "--out", &own, "--as", "HospitalMSP"];
    done(at(
        &last,
        &fetch_own,
        &["--patient", &id, "--category", "imaging"],
    ));
    let moved = log(&last, 8);
    assert_eq!(&moved[..2], &logged[..]);
    assert!(fourth.stop().success());

    // The old log is proven as long as its blocks are there.
    let (blocks, genesis) = (format!("{out}/blocks"), format!("{out}/health.block"));
    let source = ["--file", blocks.as_str(), "--genesis", genesis.as_str()];
    assert_eq!(
        world.done(&[&["audit", "verify"], &source[..]].concat())["ok"],
        true
    );
    let (tx, proof) = (
        logged[0]["entry"]["tx"].as_str().expect("an id"),
        world.path("proof"),
    );
    let export = ["audit", "export", "proof", "--tx", tx, "--out", &proof];
    world.done(&[&export[..], &source].concat());
    let proven = world.done(&["audit", "verify", "--proof", &proof, "--genesis", &genesis]);
    assert_eq!(
        (&proven["tx_id"], &proven["channel"]),
        (&tx.into(), &"health".into())
    );
}

/// A member whose coverage changed ten days ago: each day has its version before the move and after it, also where a claim is decided.
#[test]
fn an_amended_coverage_holds_on_its_days_after_the_move() {
    if embedded_only(ALONE) {
        return;
    }
    let world = World::new();
    let (old, new, out) = (world.path("old"), world.path("new"), world.path("export"));
    let (changed, today) = (days_ago(10), days_ago(0));
    let claim = |dir: &str, args: &[&str]| world.done(&[&["claim"], args, &["--dir", dir]].concat());
    let payer = |dir: &str, args: &[&str]| claim(dir, &[args, &["--as", "InsurerMSP"]].concat());
    let (plan, coverage) = (
        PlanId::from_bytes(rand::random()),
        CoverageId::from_bytes(rand::random()).to_string(),
    );
    let covered = |version: u32| {
        json!({
            "id": coverage, "plan": plan, "plan_version": version,
            "period": { "from": "2000-01-01", "until": "2199-12-31" },
        })
    };

    let first = world.start("old", &[]);
    for (version, price) in [(1, 15_000), (2, 20_000)] {
        let rules = json!({
            "id": plan, "version": version, "currency": "USD", "deductible": 0, "copay": 0, "coinsurance": 0,
            "out_of_pocket_maximum": 200_000, "timely_filing_days": 90,
            "prices": { "X-0042": { "amount": price, "max_units": 1 } },
        });
        payer(
            &old,
            &["plan", &world.file(&format!("plan-{version}.json"), &rules)],
        );
    }
    payer(&old, &["enrol", &world.file("coverage.json", &covered(1))]);
    let amended = world.file("amended.json", &covered(2));
    payer(
        &old,
        &["amend", &coverage, &amended, "--from", &changed.to_string()],
    );
    let versions = |dir: &str| -> Vec<(Value, Value)> {
        let days = [20, 11, 10, 0].map(|days| days_ago(days).to_string());
        days.iter()
            .map(|day| {
                let found = payer(dir, &["eligible", &coverage, "--on", day]);
                let found = &found["eligibility"];
                assert_eq!(found["covered"], true, "{day}");
                (
                    found["version"].clone(),
                    found["coverage"]["plan_version"].clone(),
                )
            })
            .collect()
    };
    let before = versions(&old);
    let plans: Vec<&Value> = before.iter().map(|(_, plan)| plan).collect();
    assert_eq!(plans, [1, 1, 2, 2]);
    assert!(first.stop().success());

    world.done(&["network", "export", "--dir", &old, "--out", &out]);
    let second = world.start("new", &["--from", &out]);
    assert_eq!(versions(&new), before);
    for (day, paid) in [(days_ago(11), 15_000), (today, 20_000)] {
        let id = ClaimId::from_bytes(rand::random()).to_string();
        let visit = json!({
            "id": id, "coverage": coverage, "provider_npi": NPI, "currency": "USD", "total": 30_000,
            "lines": [{ "sequence": 1, "procedure": "X-0042", "date": day, "units": 1, "charge": 30_000 }],
        });
        let visit = world.file("claim.json", &visit);
        let hospital = ["--as", "HospitalMSP", "--with", "InsurerMSP"];
        claim(&new, &[&["submit", &visit], &hospital[..]].concat());
        let decided = payer(&new, &["adjudicate", &id, "--with", "HospitalMSP"]);
        assert_eq!(decided["claim"]["adjudication"]["allowed"], paid, "{day}");
    }
    assert!(second.stop().success());
}

#[test]
fn an_export_that_was_changed_is_not_taken_over() {
    if embedded_only(ALONE) {
        return;
    }
    let world = World::new();
    let (old, out) = (world.path("old"), world.path("export"));
    assert!(world.start("old", &[]).stop().success());
    world.done(&["network", "export", "--dir", &old, "--out", &out]);
    let same = ["network", "export", "--dir", &old, "--out", &world.path("same")];
    let refused = world.refused(&[&same[..], &["--channel", "health"]].concat());
    assert!(refused.contains("another name"), "{refused}");

    // A credential that the old ledger never had.
    let part = PathBuf::from(&out).join("public/00000.json");
    let text = std::fs::read_to_string(&part).expect("a part");
    let mut entries: Value = serde_json::from_str(&text).expect("JSON");
    let forged = entries[0]["value"]
        .as_str()
        .expect("text")
        .replacen("ClinicMSP", "InsurerMSP", 1);
    let forged = if forged == entries[0]["value"] {
        format!("{forged} ")
    } else {
        forged
    };
    entries[0]["value"] = forged.into();
    std::fs::write(&part, entries.to_string()).expect("written");
    let new = world.path("new");
    let refused = world.refused(&["network", "up", "--dir", &new, "--base-port", "0", "--from", &out]);
    assert!(refused.contains("not the part that the origin has"), "{refused}");
    // With what was exported, the same start goes on.
    std::fs::write(&part, text).expect("written");
    assert!(world.start("new", &["--from", &out]).stop().success());
}
