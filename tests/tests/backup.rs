//! Backups as an administrator makes and restores them: the network goes on from them, nothing that was changed is restored, and what was erased stays erased.

use std::path::PathBuf;

use careledger::health::{CHAINCODE, CLINIC, Gateways, HOSPITAL, INSURER, REGULATOR};
use careledger::network::summary;
use careledger::vaults::HealthSummary;
use careledger_api::contracts::record::Purge;
use careledger_api::ids::DocumentId;
use careledger_api::roles::Role;
use careledger_sdk::vault::{EraseRequest, VaultClient};
use careledger_sdk::wallet::{salt, unix_now};
use careledger_tests::command::{self, Running};
use careledger_tests::engine::embedded_only;
use fabric_ledger::LedgerOptions;
use serde_json::Value;

const ALONE: &str = "it copies and removes the nodes' own files";
/// Where the hospital's peer and vault are in a network's directory.
const HOSPITALS: [&str; 2] = ["peers/peer0.hospital.example.com", "vaults/HospitalMSP"];

struct World {
    dir: tempfile::TempDir,
    /// A patient of the hospital, and a record there that the clinic may read.
    patient: String,
    document: String,
    /// Another one.
    other: String,
}

impl World {
    /// A stopped network with a patient, two records and a consent, and its backup in `backup`.
    fn backed_up() -> Self {
        let mut world = Self {
            dir: tempfile::tempdir().expect("a directory"),
            patient: String::new(),
            document: String::new(),
            other: String::new(),
        };
        let network = world.start("network");
        let wallet = world.path("wallet");
        done(&["wallet", "new", "--wallet", &wallet]);
        let dir = world.path("network");
        let at = ["--dir", dir.as_str()];
        let own = ["--wallet", wallet.as_str(), "--dir", dir.as_str()];
        let enrolled = done(&[&["wallet", "enrol", "--at", HOSPITAL], &own[..]].concat());
        world.patient = id(&enrolled, "patient");
        let anchor = |patient: &str, name: &str| {
            let file = world.path(name);
            std::fs::write(&file, br#"{"resourceType": "Observation"}"#).expect("written");
            let anchor = ["record", "anchor", &file, "--at", HOSPITAL, "--patient", patient];
            let anchored = [&anchor[..], &["--category", "laboratory"], &at].concat();
            id(&done(&anchored), "document")
        };
        let (first, second) = (
            anchor(&world.patient, "record.json"),
            anchor(&world.patient, "other.json"),
        );
        (world.document, world.other) = (first, second);
        let grant = ["consent", "grant", "--to", CLINIC, "--purpose", "TREAT"];
        let terms = ["--category", "laboratory", "--for", "2h"];
        done(&[&grant[..], &terms, &own].concat());
        let busy = refused(&world.backup("busy"));
        assert!(busy.contains("in use"), "{busy}");
        assert!(network.stop().success());
        done(&world.backup("backup"));
        world
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_string_lossy().into_owned()
    }

    fn start(&self, network: &str) -> Running {
        Running::start(&PathBuf::from(self.path(network)), &["--base-port", "0"])
    }

    fn backup(&self, to: &str) -> Vec<String> {
        let words = [
            "network",
            "backup",
            "--dir",
            &self.path("network"),
            "--out",
            &self.path(to),
        ];
        words.map(str::to_owned).to_vec()
    }

    fn restore(&self, from: &str, to: &str, more: &[&str]) -> Vec<String> {
        let (from, to) = (self.path(from), self.path(to));
        let words = [&["network", "restore", "--from", &from, "--dir", &to], more].concat();
        words.into_iter().map(str::to_owned).collect()
    }

    fn fetch(&self, network: &str, document: &str, to: &str) -> Vec<String> {
        let (dir, to) = (self.path(network), self.path(to));
        let words = [
            "record",
            "fetch",
            document,
            "--category",
            "laboratory",
            "--out",
            &to,
        ];
        let who = ["--as", CLINIC, "--patient", &self.patient, "--dir", &dir];
        let words = [&words[..], &who].concat();
        words.into_iter().map(str::to_owned).collect()
    }

    fn remove(&self, network: &str, places: &[&str]) {
        for place in places {
            std::fs::remove_dir_all(self.dir.path().join(network).join(place)).expect("it was there");
        }
    }

    /// The files of a vault's store that say what a document's key and content are.
    fn kept(&self, network: &str, document: &str) -> Vec<String> {
        let vault = self.dir.path().join(network).join(HOSPITALS[1]);
        let mut found = Vec::new();
        for part in ["entries", "content"] {
            for file in std::fs::read_dir(vault.join(part)).expect("a store") {
                let name = file.expect("read").file_name().to_string_lossy().into_owned();
                if name.starts_with(document) {
                    found.push(format!("{part}/{name}"));
                }
            }
        }
        found.sort();
        found
    }
}

/// Runs a command; its exit code, its document, and what it said on stderr.
fn run(args: &[impl AsRef<str>]) -> (Option<i32>, Value, String) {
    let mut args: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
    args.push("--json");
    let output = command::run(&args);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let document = serde_json::from_str(text.lines().next().unwrap_or("null")).expect("JSON");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    (output.status.code(), document, stderr)
}

fn done(args: &[impl AsRef<str>]) -> Value {
    let (code, document, stderr) = run(args);
    assert_eq!(code, Some(0), "{stderr}");
    document
}

fn refused(args: &[impl AsRef<str>]) -> String {
    let (code, document, stderr) = run(args);
    assert_eq!(code, Some(1), "{document} {stderr}");
    stderr
}

fn id(document: &Value, field: &str) -> String {
    document[field].as_str().expect("an id").to_owned()
}

#[test]
fn a_network_goes_on_from_its_backup() {
    if embedded_only(ALONE) {
        return;
    }
    let world = World::backed_up();
    let files = world.dir.path().join("backup/network");
    assert!(
        !files
            .join("peers/peer0.hospital.example.com/channels/health/db")
            .exists()
    );
    let inside = refused(&world.backup("network/backup"));
    assert!(inside.contains("which is to be copied"), "{inside}");
    let there = refused(&world.backup("backup"));
    assert!(there.contains("is there"), "{there}");
    let full = refused(&world.restore("backup", "network", &[]));
    assert!(full.contains("not empty"), "{full}");

    // Everything is lost but the backup.
    std::fs::rename(world.path("network"), world.path("lost")).expect("moved");
    let restored = done(&world.restore("backup", "elsewhere", &[]));
    assert!(
        restored["blocks"]
            .as_array()
            .is_some_and(|blocks| blocks.len() == 4)
    );
    let network = world.start("elsewhere");
    done(&world.fetch("elsewhere", &world.document, "fetched"));
    let (fetched, kept) = (world.path("fetched"), world.path("record.json"));
    assert_eq!(
        std::fs::read(fetched).expect("fetched"),
        std::fs::read(kept).expect("kept")
    );
    assert!(network.stop().success());

    // One wrong byte, anywhere, is found.
    let blocks = files.join("peers/peer0.clinic.example.com/channels/health/blocks");
    let block = std::fs::read_dir(blocks)
        .expect("blocks")
        .next()
        .expect("a file")
        .expect("read");
    let mut bytes = std::fs::read(block.path()).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(block.path(), bytes).expect("written");
    let changed = refused(&world.restore("backup", "again", &[]));
    assert!(changed.contains("not what it was"), "{changed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_erased_after_a_backup_stays_erased_after_a_restore() {
    if embedded_only(ALONE) {
        return;
    }
    careledger_sdk::install_crypto_provider();
    let world = World::backed_up();
    let network = world.start("network");
    erase(&world).await;
    assert!(network.stop().success());
    assert!(world.kept("network", &world.document).is_empty());
    let in_the_way = refused(&world.restore("backup", "network", &["--organisation", HOSPITAL]));
    assert!(in_the_way.contains("move it away"), "{in_the_way}");

    // The hospital lost its disks. What comes back has the key of what was erased.
    world.remove("network", &HOSPITALS);
    done(&world.restore("backup", "network", &["--organisation", HOSPITAL]));
    assert_eq!(world.kept("network", &world.document).len(), 2);
    let network = world.start("network");
    assert!(
        world.kept("network", &world.document).is_empty(),
        "destroyed before the vault served"
    );
    assert_eq!(world.kept("network", &world.other).len(), 2, "and nothing else");
    refused(&world.fetch("network", &world.document, "none"));
    assert!(network.stop().success());
    assert!(
        purged(&world, "peer0.hospital.example.com"),
        "the peer purged it again"
    );
    let dir = world.path("network");
    assert_eq!(done(&["audit", "verify", "--dir", &dir])["ok"], true);

    // The ledger is lost as well: what a list names is destroyed all the same.
    let list = world.path("erased");
    std::fs::write(&list, format!("{}\n", world.document)).expect("written");
    done(&world.restore("backup", "older", &["--erased", &list]));
    let network = world.start("older");
    assert!(world.kept("older", &world.document).is_empty());
    refused(&world.fetch("older", &world.document, "nothing"));
    done(&world.fetch("older", &world.other, "other"));
    assert!(network.stop().success());
}

/// Erases the world's document as two organisations do, on the ledger and in the vaults.
async fn erase(world: &World) {
    let dir = PathBuf::from(world.path("network"));
    let network = summary(&dir).expect("it runs");
    let gateways = Gateways::connect(&network).await.expect("the peers answer");
    let document: DocumentId = world.document.parse().expect("an id");
    let client = |msp_id: &str, role: Role| gateways.health(msp_id, role).expect("a client");
    let everywhere = async |tx_id: String| {
        for member in [HOSPITAL, CLINIC, INSURER, REGULATOR] {
            let admin = gateways.health_as(member, "Admin").expect("a client");
            admin.caught_up(&tx_id).await.expect("the peer follows");
        }
    };
    macro_rules! act {
        ($client:expr, $call:ident($($argument:expr),*)) => {
            everywhere($client.records().$call($($argument),*).send().await.expect("committed").tx_id).await
        };
    }
    let (hospital, regulator) = (client(HOSPITAL, Role::Dpo), client(REGULATOR, Role::Dpo));
    act!(hospital, open_erasure(document));
    act!(hospital, approve_erasure(document));
    act!(regulator, approve_erasure(document));
    act!(regulator, execute_erasure(document));
    let purge = Purge {
        patient: world.patient.parse().expect("an id"),
        documents: vec![document],
        corrections: vec![],
        salt: salt(),
    };
    act!(client(HOSPITAL, Role::Custodian), purge_erased(HOSPITAL, purge));
    let place = HealthSummary::read(&dir).expect("a health network").vaults[HOSPITAL].clone();
    let ca = std::fs::read(&place.tls_ca).expect("a certificate");
    let vault = VaultClient::new(place.url, &ca).expect("a client");
    let keeper = gateways
        .identity(HOSPITAL, Role::Custodian.as_str())
        .expect("an identity");
    let request = EraseRequest {
        holder: HOSPITAL.to_owned(),
        custodian: HOSPITAL.to_owned(),
        channel: network.channel,
        document,
        patient: None,
        at: unix_now(),
    };
    vault.erase(&keeper, request).await.expect("erased");
}

/// Whether a stopped peer's state has nothing of the erased document in the hospital's collection.
fn purged(world: &World, host: &str) -> bool {
    let peer = world.dir.path().join("network/peers").join(host);
    let ledger = peer.join("channels/health");
    let ledger = fabric_peer::open_ledger(&ledger, HOSPITAL, LedgerOptions::default()).expect("a ledger");
    let state = ledger.query();
    let described = state
        .private_range(CHAINCODE, "care_HospitalMSP", "doc~", "doc~~")
        .expect("a member");
    let keys: Vec<String> = described.map(|pair| pair.expect("read").key).collect();
    assert!(keys.iter().any(|key| key.contains(&world.other)), "{keys:?}");
    keys.iter().all(|key| !key.contains(&world.document))
}
