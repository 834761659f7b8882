//! The health consortium with everything an attack needs: a running vault, an enrolled patient with anchored records, and in every organisation a
//! person of every role.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use careledger::credentials;
use careledger::health::{self, CLINIC, Gateways, HOSPITAL, Packages, REGULATOR};
use careledger::vault::{self, VaultPlan};
use careledger_api::codes::{Category, OverrideReason, Purpose};
use careledger_api::contracts::consent::{
    AccessRequest, ActorFilter, BreakGlassRequest, Consent, Effect, Provision,
};
use careledger_api::date::Period;
use careledger_api::ids::{DocumentId, KemPublicKey, TxId};
use careledger_api::roles::{ROLE_ATTRIBUTE, Role};
use careledger_sdk::anchor::{NewRecord, anchor_records, metadata_of};
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::vault::{HolderReport, OpenedRecord, ReleaseRequest, VaultClient, VaultError};
use careledger_sdk::wallet::{PatientAt, Signed, unix_now};
use careledger_sdk::{HealthClient, Session, Wallet, fhir};
use careledger_vault::Server;
use careledger_vault::erase::BackupPlan;
use careledger_vault::kek::FileKey;
use careledger_vault::replication::Timing;
use careledger_vault::store::Store;
use fabric_gateway_sdk::{Gateway, SigningIdentity};
use fabric_msp::cryptogen::UserSpec;
use fabric_node::{Network, NetworkConfig, NetworkSummary};
use tempfile::TempDir;
use tonic::transport::Channel;

use crate::engine::{Embedded, Engine};
use crate::members::endpoint;

/// What the patient of these tests grants.
pub const GRANTED: [Category; 2] = [Category::Laboratory, Category::Medication];

/// The running consortium.
#[derive(Debug)]
pub struct Hospital {
    /// The network, where it is an embedded one.
    pub network: Embedded,
    /// The hospital's vault.
    pub server: Server,
    /// A client of it.
    pub vault: VaultClient,
    /// Its records.
    pub store: Arc<Store>,
    /// The regulator's vault, which holds replicas of them.
    pub replica: Replica,
    /// A patient with records at the hospital.
    pub patient: PatientAt,
    /// The patient's records by category.
    pub documents: BTreeMap<Category, Vec<DocumentId>>,
    summary: NetworkSummary,
    channels: BTreeMap<String, Channel>,
    session: Session,
    dir: TempDir,
}

/// A vault that holds replicas.
#[derive(Debug)]
pub struct Replica {
    /// The vault.
    pub server: Server,
    /// A client of it.
    pub vault: VaultClient,
}

impl Hospital {
    /// Starts network and vault, establishes the consortium, enrols a patient and anchors a generated history: on the engine that the environment
    /// names (see [`Engine`]). On a network of real Fabric the consortium is there, with what other tests wrote; vaults, people, patient and records are new.
    pub async fn open() -> Self {
        match Engine::of_environment() {
            Engine::Embedded => Self::open_on(health::network_config()).await,
            Engine::Fabric(dir) => Self::open_on_fabric(&dir, None).await,
        }
    }

    async fn open_on_fabric(network: &Path, replication: Option<Timing>) -> Self {
        careledger_sdk::install_crypto_provider();
        let summary = careledger::network::summary(network).expect("a network's directory");
        for organisation in &summary.organisations {
            let tree = summary.tree(&organisation.msp_id).expect("a member");
            for user in everybody(&organisation.domain) {
                if !tree.user_dir(&user.name).exists() {
                    tree.add_user(&user).expect("a person is added");
                }
            }
        }
        let gateways = Gateways::connect(&summary).await.expect("the peers answer");
        let dir = tempfile::tempdir().expect("a temporary directory");
        Self::assemble(Embedded::none(), summary, gateways, dir, replication).await
    }

    /// The same on a network of another configuration.
    pub async fn open_on(config: NetworkConfig) -> Self {
        let packages = health::in_process_packages().expect("packages");
        Self::open_with(config, &packages, None).await
    }

    /// The same where each member's peers run the chaincode of a package of their own.
    pub async fn open_running(config: NetworkConfig, packages: &Packages) -> Self {
        Self::open_with(config, packages, None).await
    }

    /// The same as [`open`](Self::open) with the hospital's vault copying every version to the regulator's by itself.
    pub async fn open_replicating(timing: Timing) -> Self {
        if let Engine::Fabric(dir) = Engine::of_environment() {
            return Self::open_on_fabric(&dir, Some(timing)).await;
        }
        let packages = health::in_process_packages().expect("packages");
        Self::open_with(health::network_config(), &packages, Some(timing)).await
    }

    async fn open_with(config: NetworkConfig, packages: &Packages, replication: Option<Timing>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let config = with_everybody(config)
            .with_free_ports()
            .with_dir(dir.path().join("network"));
        let network = Network::start(config).await.expect("the network starts");
        let gateways = Gateways::connect(network.summary())
            .await
            .expect("the peers answer");
        health::establish(&gateways, packages, &mut |_| {})
            .await
            .expect("the consortium is established");
        let summary = network.summary().clone();
        Self::assemble(network.into(), summary, gateways, dir, replication).await
    }

    /// The network's directory.
    pub fn network_dir(&self) -> &Path {
        &self.summary.dir
    }

    /// Everything beside network and consortium.
    async fn assemble(
        network: Embedded,
        summary: NetworkSummary,
        gateways: Gateways,
        dir: TempDir,
        replication: Option<Timing>,
    ) -> Self {
        credit_everybody(&gateways).await;

        let (replica, ..) = start_vault(
            &summary,
            &gateways,
            REGULATOR,
            &dir.path().join("replica"),
            vec![],
            None,
        )
        .await;
        let replicas = vec![(REGULATOR.to_owned(), replica.vault.clone())];
        let (Replica { server, vault }, store) = start_vault(
            &summary,
            &gateways,
            HOSPITAL,
            &dir.path().join("vault"),
            replicas,
            replication,
        )
        .await;
        let mut channels = BTreeMap::new();
        for member in &summary.organisations {
            let channel = endpoint(&summary, &member.msp_id)
                .connect()
                .await
                .expect("the peer answers");
            channels.insert(member.msp_id.clone(), channel);
        }
        let patient = Wallet::generate(health::consortium())
            .at(HOSPITAL)
            .expect("a wallet");
        let mut hospital = Self {
            network,
            server,
            vault,
            store,
            replica,
            patient,
            documents: BTreeMap::new(),
            summary,
            channels,
            session: Session::new(),
            dir,
        };
        // Every organisation's own gateway is in the session before anybody's else is used.
        for msp_id in hospital.channels.keys() {
            hospital.client(msp_id, Role::Dpo);
        }
        hospital.enrol(&hospital.patient).await;
        hospital.anchor(&Arc::clone(&hospital.store)).await;
        hospital
    }

    /// Where everything is: `network` with the peers' and the orderer's files, `vault`, and `replica`.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A client of a person, through the person's own organisation's peer.
    pub fn client(&self, msp_id: &str, role: Role) -> HealthClient {
        self.client_at(msp_id, self.identity(msp_id, role.as_str()))
    }

    /// A client of anybody, through any organisation's peer. All of them share a session: a test's next step sees what its last one committed.
    pub fn client_at(&self, peer: &str, identity: SigningIdentity) -> HealthClient {
        self.client_alone(peer, identity).in_session(&self.session)
    }

    /// The same outside the session: it waits for nobody, as a load must not.
    pub fn client_alone(&self, peer: &str, identity: SigningIdentity) -> HealthClient {
        let gateway = Gateway::builder(self.channels[peer].clone())
            .identity(identity)
            .connect();
        HealthClient::new(&gateway, health::consortium())
    }

    /// The connection to an organisation's peer.
    pub fn channel(&self, msp_id: &str) -> Channel {
        self.channels[msp_id].clone()
    }

    /// A person by role, `User1`, or `Admin`.
    pub fn identity(&self, msp_id: &str, name: &str) -> SigningIdentity {
        let member = self.summary.tree(msp_id).expect("a member");
        let name = if name == "Admin" {
            name.to_owned()
        } else {
            format!("{name}@{}", member.domain())
        };
        member.user_identity(&name).expect("a person")
    }

    /// Waits until the regulator's vault holds so many versions that the hospital's copied by itself, and nothing waits.
    pub async fn replicated(&self, versions: u64) -> HolderReport {
        let mut report = self.server.replication().remove(0);
        let done = report.wait_for(|report| report.copied == versions && report.waiting == 0);
        let done = tokio::time::timeout(std::time::Duration::from_secs(60), done).await;
        done.expect("copied in time").expect("the vault runs").clone()
    }

    /// The patient lets the clinic see [`GRANTED`] for two hours.
    pub async fn grant(&self) -> Signed<Consent> {
        let signed = self
            .patient
            .grant(two_hours(), vec![treatment_at_the_clinic()])
            .expect("signed");
        let portal = self.client(HOSPITAL, Role::Portal);
        portal
            .consents()
            .grant(HOSPITAL, signed.body.clone(), signed.intent.clone())
            .send()
            .await
            .expect("granted");
        signed
    }

    /// A clinician of the clinic asks for access; the transaction is committed whatever its outcome.
    pub async fn access(&self, categories: &[Category], kem: &KemKeyPair) -> TxId {
        let clinician = self.client(CLINIC, Role::Clinician);
        let request = self.request(categories, kem.public());
        let access = clinician
            .consents()
            .access(HOSPITAL, request)
            .send()
            .await
            .expect("committed");
        access.tx_id.parse().expect("a transaction id")
    }

    /// What an emergency doctor asks for half an hour.
    pub fn emergency(&self, kem_key: KemPublicKey) -> BreakGlassRequest {
        BreakGlassRequest {
            patient: self.patient.id(),
            reason: OverrideReason::Emergency,
            minutes: 30,
            attest: true,
            encounter: None,
            kem_key,
        }
    }

    /// What such an access asks.
    pub fn request(&self, categories: &[Category], kem_key: KemPublicKey) -> AccessRequest {
        AccessRequest::new(self.patient.id(), Purpose::Treatment, categories, kem_key)
    }

    /// Asks the vault, over TLS, as somebody.
    pub async fn release(
        &self,
        who: &SigningIdentity,
        tx: &TxId,
        categories: &[Category],
        kem: &KemKeyPair,
    ) -> Result<Vec<OpenedRecord>, VaultError> {
        let request = ReleaseRequest {
            custodian: HOSPITAL.to_owned(),
            channel: health::consortium().channel,
            tx: tx.clone(),
            categories: categories.to_vec(),
        };
        self.vault.release(who, request, kem).await
    }

    /// Enrols a patient at the hospital.
    pub async fn enrol(&self, patient: &PatientAt) {
        let Signed { body, intent } = patient.enrol().expect("signed");
        let registrar = self.client(HOSPITAL, Role::Registrar);
        registrar
            .identity()
            .enrol(HOSPITAL, body, intent)
            .send()
            .await
            .expect("enrolled");
    }

    async fn anchor(&mut self, store: &Store) {
        let bundle = fhir::generate(11, "2024-06-30").to_string();
        let mut records = fhir::parse(bundle.as_bytes()).expect("a bundle");
        records.push(fhir::emergency_summary(&records));
        let mut new = Vec::new();
        for record in &records {
            let document = DocumentId::from_bytes(rand::random());
            let opening = store
                .put(document, 1, &record.mime, record.content.as_slice())
                .await
                .expect("stored");
            let metadata = metadata_of(record, self.patient.id(), document, HOSPITAL).expect("metadata");
            self.documents
                .entry(metadata.category)
                .or_default()
                .push(document);
            new.push(NewRecord {
                document,
                commitment: opening.commitment(),
                metadata,
            });
        }
        anchor_records(&self.client(HOSPITAL, Role::Custodian), HOSPITAL, new)
            .await
            .expect("anchored");
    }
}

/// From a minute ago for two hours.
pub fn two_hours() -> Period {
    let now = unix_now();
    Period {
        from: now - 60,
        until: now + 7_200,
    }
}

/// A permit of [`GRANTED`] for treatment at the clinic.
pub fn treatment_at_the_clinic() -> Provision {
    Provision {
        actors: vec![ActorFilter {
            organisation: Some(CLINIC.to_owned()),
            ..ActorFilter::default()
        }],
        purposes: vec![Purpose::Treatment],
        categories: GRANTED.to_vec(),
        ..Provision::new(Effect::Permit)
    }
}

/// Starts a vault with the hospital's records: the hospital's own, or the regulator's with replicas.
async fn start_vault(
    network: &NetworkSummary,
    gateways: &Gateways,
    holder: &str,
    dir: &Path,
    replicas: Vec<(String, VaultClient)>,
    replication: Option<Timing>,
) -> (Replica, Arc<Store>) {
    std::fs::create_dir(dir).expect("a directory");
    let kek = FileKey::open_or_create(&dir.join("kek")).expect("a key");
    let store = Arc::new(Store::open(dir, Box::new(kek)).await.expect("a store"));
    let plan = VaultPlan {
        holder,
        custodian: HOSPITAL,
        dir,
        store: Arc::clone(&store),
        replicas,
        backups: vec![BackupPlan {
            name: format!("nightly copies of {holder}"),
            days: 35,
        }],
        replication,
        address: vault::LOOPBACK,
    };
    let server = vault::start(network, gateways, plan)
        .await
        .expect("the vault starts");
    let vault = vault::client(network, holder, &server).expect("a client");
    (Replica { server, vault }, store)
}

/// Credentials for those whom [`with_everybody`] added.
async fn credit_everybody(gateways: &Gateways) {
    for member in health::consortium().organisations {
        let have = health::asking(&member.msp_id);
        let others: Vec<&str> = Role::ALL
            .iter()
            .filter(|role| role.needs_credential() && !have.contains(role))
            .map(|role| role.as_str())
            .collect();
        credentials::issue(gateways, &member.msp_id, &others)
            .await
            .expect("credentials are issued");
    }
}

/// A person of every role in every organisation.
fn with_everybody(mut config: NetworkConfig) -> NetworkConfig {
    for organisation in &mut config.organisations {
        for person in everybody(&organisation.domain) {
            if organisation.users.iter().all(|user| user.name != person.name) {
                organisation.users.push(person);
            }
        }
    }
    config
}

fn everybody(domain: &str) -> impl Iterator<Item = UserSpec> {
    Role::ALL.iter().map(move |role| {
        UserSpec::client(&format!("{role}@{domain}")).with_attribute(ROLE_ATTRIBUTE, role.as_str())
    })
}
