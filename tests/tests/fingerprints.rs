//! Two payers that are asked to pay for one service of one person, on a running network: the second one finds out, and nobody learns more than that.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use careledger::health::{self, Gateways, HOSPITAL, INSURER, REGULATOR};
use careledger::vaults::{HealthSummary, VaultPorts, VaultSettings, Vaults};
use careledger_api::HealthError;
use careledger_api::adjudication::{Claim, EditCode, Frequency};
use careledger_api::consortium::{Organisation, OrganisationRole};
use careledger_api::contracts::claims::{
    ClaimBatch, ClaimBody, ClaimStatus, FingerprintKey, Information, Period,
};
use careledger_api::ids::ClaimId;
use careledger_api::roles::Role;
use careledger_sdk::HealthClient;
use careledger_sdk::fingerprint::{FingerprintError, Fingerprinter, Input, Person};
use careledger_sdk::vault::VaultClient;
use careledger_sdk::wallet::{salt, unix_now};
use careledger_tests::billing::{cover_at, plan, submit_to, view_at, visit};
use careledger_tests::command;
use careledger_tests::engine;
use careledger_tests::scan::Needles;
use fabric_contract_core::CallError;
use fabric_node::{Network, OrganisationConfig};
use serde_json::{Value, json};

const FUND: &str = "FundMSP";
/// The member, as the two payers write the name.
const NAMES: [(&str, &str); 2] = [
    ("Zwölfer-Lüdenscheid", "Hildegund Maria"),
    ("ZWOELFER LUEDENSCHEID", "HILDEGUND"),
];
const BORN: &str = "1931-07-23";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_payer_asks_and_pays_once_the_first_ones_claim_is_taken_back() {
    if engine::embedded_only("it has a second payer") {
        return;
    }
    let world = World::start().await;
    let insurer = world.client(INSURER, Role::Payer);
    let fund = world.client(FUND, Role::Payer);
    let provider = world.client(HOSPITAL, Role::ProviderBilling);

    let first = visit(cover_at(INSURER, &insurer, plan()).await.coverage.id);
    let mut second = visit(cover_at(FUND, &fund, plan()).await.coverage.id);
    // Also where midnight was between the two.
    second.lines.clone_from(&first.lines);
    let period = Period::of(first.lines[0].date);
    world.not_open_yet(&insurer, &first, period).await;
    let opened = world.open(period);
    let tx = opened["tx"].as_str().expect("a transaction");
    world.everybody_has(tx).await;
    assert_eq!(world.open(period)["tx"], Value::Null, "it is open");
    world.cannot_close_yet(period);

    for (payer, claim) in [(INSURER, &first), (FUND, &second)] {
        let submitted = submit_to(payer, &provider, claim).await;
        world.everybody_has(&submitted).await;
    }
    let decided = world.adjudicate(INSURER, &first, NAMES[0]).await;
    assert_eq!(decided, ClaimStatus::Approved);
    let asked = world.adjudicate(FUND, &second, NAMES[1]).await;
    assert_eq!(asked, ClaimStatus::Pended);
    let rules = rules(&fund, second.id).await;
    assert_eq!(rules, [EditCode::OtherClaim]);

    // Nobody has to be found by hand: the hospital takes the first claim back, and answers.
    let mut taken_back = visit(first.coverage);
    taken_back.lines.clone_from(&first.lines);
    taken_back.frequency = Frequency::Void;
    taken_back.replaces = Some(first.id);
    let body = ClaimBody {
        claim: taken_back.clone(),
        salt: salt(),
    };
    let voided = provider
        .claims()
        .replace_claim(INSURER, HOSPITAL, body)
        .send()
        .await;
    voided.expect("taken back");
    let batch = ClaimBatch {
        claims: BTreeSet::from([taken_back.id]),
        salt: salt(),
    };
    let received = insurer
        .claims()
        .acknowledge(INSURER, HOSPITAL, batch)
        .send()
        .await;
    world.everybody_has(&received.expect("received").tx_id).await;
    let information = Information {
        claim: second.id,
        text: "the other one was taken back".to_owned(),
        documents: Vec::new(),
        salt: salt(),
    };
    let informed = provider
        .claims()
        .provide_information(FUND, HOSPITAL, information)
        .send()
        .await;
    world.everybody_has(&informed.expect("answered").tx_id).await;
    let decided = world.adjudicate(FUND, &second, NAMES[1]).await;
    assert_eq!(decided, ClaimStatus::Approved);

    world.who_asked(&[(INSURER, 1), (FUND, 1), (FUND, 1)]);
    world.strangers_get_nothing(&first, period).await;
    world.holds_nothing_of_the_person();
    world.stop().await;
}

/// A network with two payers, and its vaults.
struct World {
    temporary: tempfile::TempDir,
    network: Network,
    gateways: Gateways,
    vaults: Vaults,
}

impl World {
    async fn start() -> Self {
        careledger_sdk::install_crypto_provider();
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let dir = temporary.path().join("network");
        let mut config = health::network_config();
        let mut fund = OrganisationConfig::new(FUND, "fund.example.com");
        let people = health::people(&[OrganisationRole::Payer], "fund.example.com");
        fund.users.extend(people);
        config.organisations.push(fund);
        let config = config.with_free_ports().with_dir(&dir);
        let network = Network::start(config).await.expect("the network starts");
        let mut consortium = health::consortium();
        consortium.organisations.push(Organisation {
            msp_id: FUND.to_owned(),
            roles: [OrganisationRole::Payer].into(),
        });
        // What the consortium is, before the ledger says it.
        let told = HealthSummary {
            consortium,
            vaults: Default::default(),
            replicas: Default::default(),
            fingerprints: None,
        };
        told.write(&dir).expect("written");
        let gateways = Gateways::connect(network.summary())
            .await
            .expect("the peers answer");
        let packages = health::in_process_packages_of(gateways.consortium()).expect("packages");
        health::establish(&gateways, &packages, &mut |_| {})
            .await
            .expect("the consortium is established");
        let settings = VaultSettings {
            listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
            ports: VaultPorts::Free,
            probe_every: Duration::from_secs(3_600),
        };
        let vaults = Vaults::start(network.summary(), &gateways, settings).await;
        Self {
            temporary,
            network,
            gateways,
            vaults: vaults.expect("the vaults start"),
        }
    }

    fn dir(&self) -> PathBuf {
        self.temporary.path().join("network")
    }

    fn client(&self, msp_id: &str, role: Role) -> HealthClient {
        self.gateways.health(msp_id, role).expect("a person")
    }

    /// The regulator opens a quarter, by the command.
    fn open(&self, period: Period) -> Value {
        let dir = self.dir();
        let (period, dir) = (period.to_string(), dir.to_string_lossy());
        json_of(&["claim", "period", "open", &period, "--dir", &dir, "--json"])
    }

    /// Waits until every organisation's peer has a transaction: what one of them did, another one's peer need not know yet.
    async fn everybody_has(&self, tx_id: &str) {
        for member in &self.gateways.consortium().organisations {
            let client = self
                .gateways
                .health_as(&member.msp_id, "Admin")
                .expect("a client");
            client.caught_up(tx_id).await.expect("it is committed");
        }
    }

    fn cannot_close_yet(&self, period: Period) {
        let (period, dir) = (period.to_string(), self.dir());
        let output = command::run(&[
            "claim",
            "period",
            "close",
            &period,
            "--dir",
            &dir.to_string_lossy(),
        ]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "it is still compared");
        assert!(told.contains("two years after its end"), "{told}");
    }

    /// The payer decides by the command, with its list of members.
    async fn adjudicate(&self, payer: &str, claim: &Claim, (family, given): (&str, &str)) -> ClaimStatus {
        let list = self.temporary.path().join("members");
        let members =
            json!({ claim.coverage.to_string(): { "family": family, "given": given, "born": BORN } });
        std::fs::write(&list, members.to_string()).expect("a file");
        let (claim, list, dir) = (claim.id.to_string(), list.to_string_lossy(), self.dir());
        let dir = dir.to_string_lossy();
        let who = [
            "--as",
            payer,
            "--with",
            HOSPITAL,
            "--members",
            &list,
            "--dir",
            &dir,
            "--json",
        ];
        let told = json_of(&[&["claim", "adjudicate", &claim], who.as_slice()].concat());
        self.everybody_has(told["tx"].as_str().expect("a transaction"))
            .await;
        serde_json::from_value(told["claim"]["status"].clone()).expect("a status")
    }

    fn vault(&self) -> VaultClient {
        let named = self.vaults.summary.fingerprints.as_ref().expect("a vault");
        assert_eq!(named.regulator, REGULATOR);
        let ca = std::fs::read(&named.vault.tls_ca).expect("a CA");
        VaultClient::new(named.vault.url.clone(), &ca).expect("a client")
    }

    async fn fingerprints(
        &self,
        (msp_id, role): (&str, Role),
        claim: &Claim,
        period: Period,
        key: FingerprintKey,
    ) -> Result<usize, FingerprintError> {
        let (vault, channel) = (self.vault(), self.gateways.consortium().channel.clone());
        let identity = self.gateways.identity(msp_id, role.as_str()).expect("a person");
        let fingerprinter = Fingerprinter {
            vault: &vault,
            regulator: REGULATOR,
            channel: &channel,
            identity: &identity,
        };
        let inputs = claim.lines.iter().map(|line| Input::of(&person(), claim, line));
        let inputs = inputs.collect::<Result<_, _>>()?;
        let found = fingerprinter.of_inputs(period, &key, inputs, unix_now()).await;
        found.map(|found| found.len())
    }

    async fn not_open_yet(&self, payer: &HealthClient, claim: &Claim, period: Period) {
        let refused = payer.claims().fingerprint_key(period).send().await;
        assert!(
            matches!(refused, Err(CallError::Contract(HealthError::NotFound))),
            "{refused:?}"
        );
        let key = FingerprintKey::new(vec![2; 32]).expect("a key");
        let refused = self
            .fingerprints((INSURER, Role::Payer), claim, period, key)
            .await;
        assert!(
            matches!(refused, Err(FingerprintError::Refused(_))),
            "{refused:?}"
        );
    }

    /// A provider, a payer's other people, and the regulator's own: no key from the ledger but for payers, no answer from the vault.
    async fn strangers_get_nothing(&self, claim: &Claim, period: Period) {
        let payer = self.client(INSURER, Role::Payer);
        let key = payer.claims().fingerprint_key(period).send().await.expect("open");
        for who in [
            (HOSPITAL, Role::ProviderBilling),
            (INSURER, Role::Portal),
            (REGULATOR, Role::Vault),
        ] {
            let refused = self.fingerprints(who, claim, period, key.clone()).await;
            assert!(
                matches!(refused, Err(FingerprintError::Refused(_))),
                "{who:?}: {refused:?}"
            );
        }
        let provider = self.client(HOSPITAL, Role::ProviderBilling);
        let refused = provider.claims().fingerprint_key(period).send().await;
        assert!(
            matches!(refused, Err(CallError::Contract(HealthError::Forbidden(_)))),
            "{refused:?}"
        );
        let answered = self.fingerprints((FUND, Role::Payer), claim, period, key).await;
        assert_eq!(answered.expect("a payer is answered"), 1);
    }

    /// What the vault wrote down: who, for which quarter, how many.
    fn who_asked(&self, expected: &[(&str, u32)]) {
        let log = self
            .dir()
            .join("vaults")
            .join(REGULATOR)
            .join("fingerprints/asked");
        let log = std::fs::read_to_string(log).expect("a log");
        let told: Vec<(&str, u32)> = log
            .lines()
            .map(|line| {
                let parts: Vec<&str> = line.split(' ').collect();
                assert_eq!(parts.len(), 5, "{line}");
                (parts[1], parts[4].parse().expect("a number"))
            })
            .collect();
        assert_eq!(told, expected);
    }

    /// The names were in the payers' own lists alone, which are outside of the network's directory: no block, no disk, no log of anybody has them.
    fn holds_nothing_of_the_person(&self) {
        let mut tokens: Vec<String> = NAMES
            .iter()
            .flat_map(|(family, given)| [family.to_string(), given.to_string()])
            .collect();
        tokens.extend(["ZWOLFERLUDENSCHEID", "Hildegund", BORN].map(str::to_owned));
        let scanned = Needles::new(tokens).scan_tree(&self.dir(), &|_: &Path| false);
        let scanned = scanned.expect("readable files");
        assert!(scanned.files > 100, "only {} files were read", scanned.files);
        assert!(scanned.hits.is_empty(), "{:?}", scanned.hits);
    }

    async fn stop(self) {
        self.vaults.stop().await;
        self.network.stop().await;
    }
}

/// Runs a command to its end; its JSON document.
fn json_of(args: &[&str]) -> Value {
    let output = command::run(args);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {told}");
    assert!(
        !told.contains(BORN) && !told.contains("Zw"),
        "nothing of the member is in it: {told}"
    );
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn person() -> Person {
    Person {
        family: NAMES[0].0.to_owned(),
        given: NAMES[0].1.to_owned(),
        born: BORN.parse().expect("a date"),
    }
}

/// The rules that a claim ran into at the second payer.
async fn rules(payer: &HealthClient, claim: ClaimId) -> Vec<EditCode> {
    let adjudication = view_at(FUND, payer, claim)
        .await
        .adjudication
        .expect("adjudicated");
    let edits = adjudication.lines.iter().flat_map(|line| &line.edits);
    edits.map(|edit| edit.code).collect()
}
