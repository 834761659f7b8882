//! The commands of patients and institutions, as a person types them, against one running network.

mod acts;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use careledger_tests::command::{self, HealthNetwork};
use careledger_tests::engine;
use serde_json::Value;

use self::acts::{asked, no_summary, templates};

/// A directory with a running network in `network`, and a wallet.
struct World {
    dir: tempfile::TempDir,
}

/// What a command gave.
#[derive(Debug)]
struct Given {
    code: Option<i32>,
    document: Value,
    stderr: String,
}

impl World {
    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_string_lossy().into_owned()
    }

    fn network(&self) -> PathBuf {
        self.dir.path().join("network")
    }

    /// A command on the network, with `--json`.
    fn run(&self, args: &[&str]) -> Given {
        let dir = self.path("network");
        let output = command::run(&[args, &["--dir", &dir, "--json"]].concat());
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        Given {
            code: output.status.code(),
            document: serde_json::from_str(text.lines().next().unwrap_or("null")).expect("JSON"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    /// A command with the wallet.
    fn patient(&self, args: &[&str]) -> Given {
        let wallet = self.path("wallet");
        self.run(&[args, &["--wallet", &wallet]].concat())
    }
}

impl Given {
    /// What a command said that did what it was asked.
    fn done(self) -> Value {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self.document
    }

    /// What a command said that did not.
    fn failed(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{:?} {}", self.document, self.stderr);
        self.stderr
    }
}

#[test]
fn a_patient_decides_and_a_clinic_reads() {
    let world = World {
        dir: tempfile::tempdir().expect("a directory"),
    };
    let network = HealthNetwork::start(&world.network());
    let patient = wallet(&world);
    let file = world.path("glucose.json");
    let content: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(&file, &content).expect("written");
    let document = anchored(&world, &patient, &file);
    let out = |name: &str| world.path(name);
    let fetch = |to: &str, more: &[&str]| {
        let out = out(to);
        let args = [
            "record",
            "fetch",
            &document,
            "--category",
            "laboratory",
            "--out",
            &out,
            "--as",
            "ClinicMSP",
        ];
        world.run(&[&args, more].concat())
    };
    let of_patient = ["--patient", patient.as_str()];

    // Nobody sees anything until the patient says so; what is refused gives no reason and leaves no file.
    let refused = fetch("none", &of_patient).failed(1);
    assert!(refused.contains("releases nothing"), "{refused}");
    assert!(!Path::new(&out("none")).exists() && !Path::new(&out("none.opening")).exists());

    let granted = world.patient(&[
        "consent",
        "grant",
        "--to",
        "ClinicMSP",
        "--purpose",
        "TREAT",
        "--category",
        "laboratory,medication",
        "--for",
        "2h",
    ]);
    let consent = granted.done()["consent"].as_str().expect("an id").to_owned();
    let listed = world.patient(&["consent", "list"]).done();
    assert_eq!(listed["consents"][0]["view"]["consent"]["id"], consent.as_str());
    assert_eq!(listed["consents"].as_array().map(Vec::len), Some(1));

    fetch("glucose", &of_patient).done();
    assert_eq!(std::fs::read(out("glucose")).expect("fetched"), content);
    let verify = |name: &str| {
        let (file, opening) = (out(name), out("glucose.opening"));
        world.run(&[
            "record",
            "verify",
            &document,
            &file,
            "--opening",
            &opening,
            "--as",
            "ClinicMSP",
        ])
    };
    assert_eq!(verify("glucose").done()["verification"], "MATCH");
    let mut altered = content.clone();
    altered[400_000] ^= 1;
    std::fs::write(out("altered"), &altered).expect("written");
    assert!(verify("altered").failed(1).contains("MISMATCH"));
    std::fs::write(out("short"), &content[..content.len() - 1]).expect("written");
    assert!(verify("short").failed(1).contains("MISMATCH"));
    let there = fetch("glucose", &of_patient).failed(1);
    assert!(there.contains("there already"), "{there}");

    // Taken back, it holds at once.
    let revoked = world.patient(&["consent", "revoke", "--to", "ClinicMSP"]).done();
    assert_eq!(revoked["revoked"][0]["consents"][0], consent.as_str());
    assert_eq!(
        world.patient(&["consent", "list"]).done()["consents"],
        serde_json::json!([])
    );
    let all = world.patient(&["consent", "list", "--all"]).done();
    assert_eq!(all["consents"][0]["view"]["state"], "revoked");
    fetch("again", &of_patient).failed(1);
    world.patient(&["consent", "revoke", &consent]).done();
    world.patient(&["consent", "revoke", "--all"]).done();

    // The patient reads the own record without anybody's leave, through any organisation's portal, and the log tells all of it.
    let wallet = world.path("wallet");
    fetch("own", &["--own", "--wallet", &wallet]).done();
    assert_eq!(std::fs::read(out("own")).expect("fetched"), content);
    let log = world.patient(&["consent", "log", "--as", "ClinicMSP"]).done();
    let outcomes: Vec<&str> = log["log"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|e| {
            e["entry"]["what"]["entry"]["notification"]["outcome"]
                .as_str()
                .unwrap_or("?")
        })
        .collect();
    assert_eq!(outcomes, ["refused", "permitted", "refused", "permitted"]);

    told(&world, outcomes.len());
    templates(&world);
    asked(&world, &patient);
    shut_out(&world, || fetch("shut", &of_patient));
    no_summary(&world, &patient);

    // Started again, the network and its vaults have what they had.
    let network = network.restarted();
    world
        .patient(&[
            "consent",
            "grant",
            "--template",
            "treatment",
            "--to",
            "ClinicMSP",
            "--for",
            "30m",
            "--max-uses",
            "5",
            "--frequency",
            "3/7d",
            "--erase-at",
            "2036-01-01",
            "--basis",
            "health-care",
            "--policy-uri",
            "https://hospital.example/privacy",
        ])
        .done();
    let listed = world.patient(&["consent", "list"]).done();
    let limited = &listed["consents"][0]["view"]["consent"];
    assert_eq!(
        limited["limits"],
        serde_json::json!({
            "max_uses": 5, "frequency": { "times": 3, "within": 7 * 86_400 }, "erase_at": 2_082_758_400,
        })
    );
    assert_eq!(
        limited["grounds"],
        serde_json::json!({
            "policy": { "uri": "https://hospital.example/privacy" }, "lawful_basis": "health-care",
        })
    );
    fetch("later", &of_patient).done();
    assert_eq!(std::fs::read(out("later")).expect("fetched"), content);
    // With the only device it is asked first: nobody but officers could open the account again.
    let asked = world.patient(&["wallet", "freeze"]).failed(1);
    assert!(
        asked.contains("two officers alone") && asked.contains("--yes"),
        "{asked}"
    );
    let frozen = || world.patient(&["wallet", "keys", "list"]).done()["accounts"][0]["frozen"].clone();
    assert_eq!(frozen(), false);
    world.patient(&["wallet", "freeze", "--yes"]).done();
    assert_eq!(frozen(), true);
    if network.stop() {
        let gone = fetch("gone", &of_patient).failed(1);
        assert!(gone.contains("ClinicMSP's peer"), "{gone}");
    }
}

#[test]
fn wrong_usage_is_told_with_what_would_be_right() {
    let world = World {
        dir: tempfile::tempdir().expect("a directory"),
    };
    let grant = |more: &[&str]| {
        world.patient(&[&["consent", "grant", "--to", "ClinicMSP", "--for", "2h"], more].concat())
    };
    for (given, says) in [
        (grant(&["--purpose", "CURE"]), "BTG, HOPERAT"),
        (
            grant(&["--purpose", "TREAT", "--category", "labs"]),
            "laboratory, vital-signs",
        ),
        (grant(&["--purpose", "TREAT", "--label", "SECRET"]), "PSY"),
        (grant(&["--purpose", "TREAT", "--code", "2345-7"]), "loinc|2345-7"),
        (grant(&["--template", "holiday"]), "emergency-travel"),
        (
            grant(&["--template", "treatment", "--purpose", "TREAT"]),
            "cannot be used with",
        ),
        (grant(&[]), "--purpose"),
        (grant(&["--purpose", "TREAT", "--frequency", "often"]), "3/7d"),
        (grant(&["--purpose", "TREAT", "--max-uses", "0"]), "1..=10000"),
        (grant(&["--purpose", "TREAT", "--basis", "whim"]), "health-care"),
        (
            grant(&["--purpose", "TREAT", "--policy-version", "1"]),
            "--policy-uri",
        ),
        (
            world.patient(&[
                "consent",
                "grant",
                "--template",
                "treatment",
                "--to",
                "ClinicMSP",
                "--for",
                "soon",
            ]),
            "30m, 2h",
        ),
        (world.patient(&["consent", "revoke"]), "--all"),
        (world.patient(&["consent", "revoke", "12"]), "32 lower-case hex"),
        (world.run(&["record", "fetch", "00"]), "32 lower-case hex"),
        (world.patient(&["wallet", "keys", "add"]), "--new-wallet"),
        (
            world.patient(&["wallet", "keys", "add", "--key", "rsa:00"]),
            "wallet join",
        ),
        (
            world.patient(&["wallet", "guardians", "set", "--threshold", "2"]),
            "--guardian",
        ),
        (
            world.patient(&["wallet", "recover", "approve", "--card", "c", "--unfreeze", "0"]),
            "--out",
        ),
        (
            world.run(&["record", "find", "--as", "ClinicMSP", "--code", &"0".repeat(32)]),
            "--attest",
        ),
        (
            world.run(&["record", "find", "--as", "ClinicMSP", "--attest", "--code", "12"]),
            "0123-4567",
        ),
        (
            world.patient(&["consent", "list", "--for-patient", &"0".repeat(64)]),
            "--authority",
        ),
        (
            world.patient(&[
                "consent",
                "delegate",
                "--to",
                &"0".repeat(64),
                "--for",
                "1d",
                "--power",
                "all",
            ]),
            "--power",
        ),
        (
            world.run(&["credential", "suspend", "--as", "ClinicMSP"]),
            "--certificate",
        ),
        (
            world.run(&[
                "notify",
                "--custodian",
                "HospitalMSP",
                "--webhook",
                "https://x.test/",
            ]),
            "--secret-file",
        ),
    ] {
        let said = given.failed(2);
        assert!(said.contains(says), "{says} in {said}");
    }
    // Without a network or a wallet, it says how to come by one.
    let said = world.patient(&["consent", "list"]).failed(1);
    assert!(said.contains("network up"), "{said}");
}

/// A new wallet, enrolled at the hospital; the patient's id there.
fn wallet(world: &World) -> String {
    let path = world.path("wallet");
    let new = |more: &[&str]| command::run(&[&["wallet", "new", "--wallet"], more].concat());
    assert!(new(&[&path]).status.success());
    let mode = std::fs::metadata(&path).expect("a wallet").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(new(&[&path]).status.code(), Some(1), "never overwritten");

    let nowhere = world.patient(&["consent", "list"]).failed(1);
    assert!(nowhere.contains("wallet enrol"), "{nowhere}");
    let enrolled = world.patient(&["wallet", "enrol", "--at", "HospitalMSP"]).done();
    let patient = enrolled["patient"].as_str().expect("an id").to_owned();
    let insurer = world
        .patient(&["wallet", "enrol", "--at", "InsurerMSP"])
        .failed(1);
    assert!(insurer.contains("HospitalMSP, ClinicMSP"), "{insurer}");

    let shown = world.patient(&["wallet", "show"]).done();
    assert_eq!(shown["ids"][0]["patient"], patient.as_str());
    assert_eq!(
        (&shown["ids"][0]["enrolled"], &shown["ids"][1]["enrolled"]),
        (&true.into(), &false.into())
    );
    assert_ne!(shown["ids"][0]["patient"], shown["ids"][1]["patient"]);
    let kept: Value = serde_json::from_slice(&std::fs::read(&path).expect("a wallet")).expect("JSON");
    let secret = kept["plain"]["secret"].as_str().expect("a secret");
    assert!(!shown.to_string().contains(secret));

    // Encrypted, it opens with its passphrase alone.
    let (locked, phrase) = (world.path("locked"), world.path("phrase"));
    std::fs::write(&phrase, "correct horse battery staple\n").expect("written");
    assert!(new(&[&locked, "--passphrase-file", &phrase]).status.success());
    let refused = world.run(&["wallet", "show", "--wallet", &locked]).failed(1);
    assert!(refused.contains("passphrase"), "{refused}");
    world
        .run(&[
            "wallet",
            "show",
            "--wallet",
            &locked,
            "--passphrase-file",
            &phrase,
        ])
        .done();
    patient
}

/// The hospital anchors the file and finds it again; the document's id.
fn anchored(world: &World, patient: &str, file: &str) -> String {
    let anchor = |more: &[&str]| {
        let args = [
            "record",
            "anchor",
            file,
            "--at",
            "HospitalMSP",
            "--patient",
            patient,
            "--category",
            "laboratory",
        ];
        world.run(&[&args, more].concat())
    };
    let stranger = anchor(&["--author", "NobodyMSP"]).failed(1);
    assert!(stranger.contains("RegulatorMSP"), "{stranger}");
    let done = anchor(&[
        "--code",
        "loinc|2345-7",
        "--date",
        "2026-11-20",
        "--mime",
        "application/json",
    ])
    .done();
    let document = done["document"].as_str().expect("an id").to_owned();
    let mode = std::fs::metadata(format!("{file}.opening"))
        .expect("an opening")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = anchor(&[]).failed(1);
    assert!(again.contains("never overwritten"), "{again}");
    let located = world
        .run(&["record", "locate", "--at", "HospitalMSP", "--patient", patient])
        .done();
    assert_eq!(located["documents"].as_array().map(Vec::len), Some(1));
    assert_eq!(located["documents"][0]["head"]["document"], document.as_str());
    assert_eq!(
        world.run(&["record", "verify", &document, file]).done()["verification"],
        "MATCH"
    );
    document
}

/// Why the parts with notifications are for the embedded engine.
const FEED: &str =
    "telling the patient: a custodian's feed tells of every patient, and others' accesses come in between";

/// The hospital's notifier prints each access once, over two runs; a webhook to this machine is refused.
fn told(world: &World, accesses: usize) {
    if engine::embedded_only(FEED) {
        return;
    }
    let print = |count: &str, receipts: &[&str]| {
        let dir = world.path("network");
        let args = [
            "notify",
            "--custodian",
            "HospitalMSP",
            "--json",
            "--dir",
            &dir,
            "--count",
            count,
        ];
        let output = command::run(&[args.as_slice(), receipts].concat());
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let lines: Vec<Value> = text
            .lines()
            .map(|l| serde_json::from_str(l).expect("JSON"))
            .collect();
        assert!(
            lines
                .iter()
                .all(|l| l["redelivered"] == false && l["notice"]["patient"].is_string())
        );
        lines
            .iter()
            .map(|l| l["delivery"].as_str().expect("an id").to_owned())
            .collect::<Vec<_>>()
    };
    // The enrolment comes first: it is told, and needs no receipt.
    let mut ids = print("2", &["--receipts", "message"]);
    let log = world.patient(&["consent", "log"]).done();
    let told = |place: usize| log["log"][place]["entry"]["delivered_at"].is_number();
    assert_eq!((told(0), told(1)), (true, false), "the log shows who was told");
    ids.extend(print(&(accesses - 1).to_string(), &[]));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), accesses + 1, "each once");

    let secret = world.path("secret");
    std::fs::write(&secret, "s".repeat(32)).expect("written");
    let hook = |url: &str, allow: &str| {
        let args = [
            "notify",
            "--custodian",
            "HospitalMSP",
            "--secret-file",
            &secret,
            "--webhook",
            url,
            "--allow",
            allow,
        ];
        world.run(&args).failed(1)
    };
    let open = hook("https://localhost:8443/", "localhost:8443");
    assert!(open.contains("600"), "{open}");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).expect("changed");
    for (url, allow, says) in [
        ("https://localhost:8443/", "localhost:8443", "public internet"),
        ("https://127.0.0.1/", "127.0.0.1", "public internet"),
        ("https://[::1]/", "[::1]", "public internet"),
        ("https://169.254.169.254/", "169.254.169.254", "public internet"),
        ("http://hooks.example.org/", "hooks.example.org", "https"),
        ("https://hooks.example.org/", "other.example.org", "allowed"),
    ] {
        let said = hook(url, allow);
        assert!(said.contains(says), "{url}: {said}");
    }
    let letters = world
        .run(&["notify", "--custodian", "HospitalMSP", "--dead-letters"])
        .done();
    assert_eq!(letters["dead_letters"], serde_json::json!([]));
}

/// An organisation that is shut out sees nothing, whatever is granted; the denial's revocation lifts it.
fn shut_out(world: &World, fetch: impl Fn() -> Given) {
    let denied = world
        .patient(&["consent", "revoke", "--shut-out", "ClinicMSP"])
        .done();
    let denial = denied["denied"][0]["consent"].as_str().expect("an id").to_owned();
    world
        .patient(&[
            "consent",
            "grant",
            "--template",
            "treatment",
            "--to",
            "ClinicMSP",
            "--for",
            "1h",
        ])
        .done();
    fetch().failed(1);
    world.patient(&["consent", "revoke", &denial]).done();
    // Told or not, the log has it.
    world.patient(&["consent", "notifications", "off"]).done();
    fetch().done();
    wanted_no_more(world);
    world.patient(&["consent", "notifications", "on"]).done();
    world.patient(&["consent", "revoke", "--to", "ClinicMSP"]).done();
}

/// The refused attempt, asked about later, is no longer wanted either; so is the one after it.
fn wanted_no_more(world: &World) {
    if engine::embedded_only(FEED) {
        return;
    }
    let dir = world.path("network");
    let output = command::run(&[
        "notify",
        "--custodian",
        "HospitalMSP",
        "--count",
        "2",
        "--json",
        "--dir",
        &dir,
    ]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let last = text.lines().last().expect("a line");
    let last: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(last["notice"]["wanted"], false);
}
