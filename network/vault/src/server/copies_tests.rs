//! Two vaults over TLS: the hospital's, which copies every version by itself, and the regulator's, which holds the copies.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path as FsPath, PathBuf};
use std::sync::Mutex as Locked;
use std::time::Duration;

use careledger_api::contracts::record::{Probe, ProbeResult, ProbeView, Replica, ReplicaView};
use careledger_api::ids::{BatchId, DocumentId, Hash, Salt};
use careledger_api::merkle::ContentOpening;
use careledger_api::merkle::batch::{BatchBuilder, BatchProof};
use careledger_api::roles::ROLE_ATTRIBUTE;
use careledger_sdk::vault::{ProvenDocument, ReplicationRequest, VaultClient, VaultError};
use fabric_msp::Msp;
use fabric_msp::cryptogen::{OrgSpec, Organization, UserSpec};

use super::*;
use crate::kek::FileKey;
use crate::release::ChainError;
use crate::store::StoreError;

const HOSPITAL: &str = "HospitalMSP";
const REGULATOR: &str = "RegulatorMSP";
const SOON: Timing = Timing {
    first: Duration::from_millis(2),
    longest: Duration::from_millis(20),
    probe_every: Duration::from_secs(86_400),
};

/// What both organisations' peers show.
#[derive(Debug, Default)]
struct Ledger {
    /// Versions that are anchored, with what they need to be proven by.
    anchored: Locked<BTreeMap<(DocumentId, u32), Option<BatchProof>>>,
    replicas: Locked<Vec<ReplicaView>>,
    probes: Locked<Vec<ProbeResult>>,
}

impl Ledger {
    fn anchor(&self, document: DocumentId, version: u32) {
        self.anchored.lock().unwrap().insert((document, version), None);
    }
}

impl Anchors for Ledger {
    async fn is_anchored(
        &self,
        document: DocumentId,
        version: u32,
        _: ContentOpening,
        proof: Option<BatchProof>,
    ) -> Result<bool, ChainError> {
        let anchored = self.anchored.lock().unwrap();
        Ok(anchored
            .get(&(document, version))
            .is_some_and(|needed| needed.is_none() || *needed == proof))
    }
}

impl Replicas for Ledger {
    async fn replicas(&self) -> Result<Vec<ReplicaView>, ChainError> {
        Ok(self.replicas.lock().unwrap().clone())
    }

    async fn register(&self, replica: Replica) -> Result<(), ChainError> {
        self.replicas.lock().unwrap().push(ReplicaView {
            replica,
            registered: now(),
            last: None,
            lost: false,
        });
        Ok(())
    }

    async fn record(&self, probe: Probe) -> Result<(), ChainError> {
        let mut replicas = self.replicas.lock().unwrap();
        let view = replicas
            .iter_mut()
            .find(|view| view.replica.id == probe.replica)
            .ok_or_else(|| ChainError("no such replica".into()))?;
        view.lost = probe.result == ProbeResult::Lost;
        view.last = Some(ProbeView {
            result: probe.result,
            at: now(),
            organisation: HOSPITAL.into(),
            tx: "aa".parse().unwrap(),
        });
        self.probes.lock().unwrap().push(probe.result);
        Ok(())
    }
}

struct World {
    dir: tempfile::TempDir,
    ledger: Arc<Ledger>,
    hospital: Organization,
    regulator: Organization,
}

/// A running vault.
struct Vault {
    server: Server,
    store: Arc<Store>,
    client: VaultClient,
    replication: Option<Arc<Replication>>,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            ledger: Arc::new(Ledger::default()),
            hospital: organisation(dir.path(), "hospital.example.com", HOSPITAL),
            regulator: organisation(dir.path(), "regulator.example.com", REGULATOR),
            dir,
        }
    }

    async fn holder(&self, port: u16) -> Vault {
        self.vault(&self.regulator, REGULATOR, port, Vec::new()).await
    }

    async fn custodian(&self, holder: &VaultClient) -> Vault {
        let replicas = vec![(REGULATOR.to_owned(), holder.clone())];
        self.vault(&self.hospital, HOSPITAL, 0, replicas).await
    }

    /// The routes of copies, as [`Server::start`] has them.
    async fn vault(
        &self,
        of: &Organization,
        holder: &str,
        port: u16,
        replicas: Vec<(String, VaultClient)>,
    ) -> Vault {
        let dir = self.files(holder);
        let kek = FileKey::open_or_create(&self.dir.path().join(format!("{holder}.kek"))).unwrap();
        let store = Arc::new(Store::open(&dir, Box::new(kek)).await.unwrap());
        let members = |of: &Organization| Members::new(Msp::from_config(&of.msp_config().unwrap()).unwrap());
        let signer = identity(of, "vault");
        let scope = Scope {
            custodian: HOSPITAL.into(),
            channel: "health".into(),
        };
        let replication = (!replicas.is_empty()).then(|| {
            let sources = Sources {
                scope: scope.clone(),
                store: Arc::clone(&store),
                chain: Arc::clone(&self.ledger),
                signer: signer.clone(),
            };
            Arc::new(Replication::start(sources, &replicas, SOON))
        });
        let service = Service {
            scope,
            store: Arc::clone(&store),
            served: ServedLog::open(&dir.join("served")).unwrap(),
            chain: Arc::clone(&self.ledger),
            members: members(of),
            persons: PersonIndex::open(&dir.join("persons")).unwrap(),
            erasing: Erasing {
                holder: holder.into(),
                signer,
                peers: Vec::new(),
                backups: Vec::new(),
                replicas,
            },
            replica: (holder == REGULATOR).then(|| Holder::of(members(&self.hospital))),
            replication: None,
            checks: None,
        };
        let router = Router::new()
            .route("/v1/replication", post(replication::handle::<Ledger>))
            .route("/v1/probes", post(replica::probe::<Ledger>))
            .route("/v1/replicas/key", get(replica::key::<Ledger>))
            .route("/v1/replicas/{document}/{version}", put(replica::take::<Ledger>))
            .with_state(Arc::new(Shared {
                service,
                erasing: Mutex::new(()),
                checking: Mutex::new(()),
                limits: Limits::default(),
                copies: Arc::new(Semaphore::new(COPIES)),
                replication: replication.clone(),
            }));
        let tls = of.node_tls("peer0").unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let server = listen::listen(address, &tls.certificate_pem, &tls.key_pem, router)
            .await
            .unwrap();
        let ca = of.tls_ca().unwrap().certificate_pem();
        let client = VaultClient::new(format!("https://{}", server.address()), ca.as_bytes()).unwrap();
        Vault {
            server,
            store,
            client,
            replication,
        }
    }

    fn files(&self, holder: &str) -> PathBuf {
        self.dir.path().join(holder)
    }

    async fn ask(&self, vault: &Vault, request: ReplicationRequest) -> Result<HolderReport, VaultError> {
        let signer = identity(&self.hospital, "custodian");
        let report = vault.client.replication(&signer, request).await?;
        Ok(report.holders.into_iter().next().unwrap())
    }
}

impl Vault {
    async fn put(&self, document: DocumentId, version: u32, content: &[u8]) {
        self.store
            .put(document, version, "text/plain", content)
            .await
            .unwrap();
    }

    async fn until(&self, done: impl FnMut(&HolderReport) -> bool) -> HolderReport {
        let mut report = self.replication.as_ref().unwrap().reports().remove(0);
        let reached = tokio::time::timeout(Duration::from_secs(20), report.wait_for(done)).await;
        reached.expect("in time").expect("the copies go on").clone()
    }

    async fn stop(self) {
        if let Some(replication) = self.replication {
            replication.stop().await;
        }
        self.server.stop().await;
    }
}

fn organisation(dir: &FsPath, domain: &str, msp_id: &str) -> Organization {
    let users = ["custodian", "clinician", "vault"]
        .map(|role| UserSpec::client(&format!("{role}@{domain}")).with_attribute(ROLE_ATTRIBUTE, role));
    let spec = OrgSpec {
        users: users.into(),
        ..OrgSpec::peers(domain, msp_id)
    };
    Organization::generate(dir, &spec, None).unwrap()
}

fn identity(of: &Organization, role: &str) -> fabric_msp::SigningIdentity {
    of.user_identity(&format!("{role}@{}", of.domain())).unwrap()
}

fn document(n: u8) -> DocumentId {
    DocumentId::from_bytes([n; 16])
}

fn request() -> ReplicationRequest {
    ReplicationRequest {
        custodian: HOSPITAL.into(),
        channel: "health".into(),
        retry: false,
        probe: false,
        proofs: Vec::new(),
        at: now(),
    }
}

#[tokio::test]
async fn every_anchored_version_is_copied_once_also_what_was_kept_before_a_restart_or_while_the_holder_was_gone()
 {
    let world = World::new();
    let holder = world.holder(0).await;
    let (client, port) = (holder.client.clone(), holder.server.address().port());
    let custodian = world.custodian(&client).await;
    world.ledger.anchor(document(1), 1);
    custodian.put(document(1), 1, b"first").await;
    custodian.until(|report| report.copied == 1).await;
    let (here, there) = (
        custodian.store.entry(document(1), 1).await.unwrap(),
        holder.store.entry(document(1), 1).await.unwrap(),
    );
    assert!(here.dek == there.dek && here.opening == there.opening);
    holder.store.reopen(document(1), 1).await.unwrap();

    // The holder goes away; what comes meanwhile waits, over a restart of the custodian's vault as well.
    holder.stop().await;
    // Nobody listens there, and nobody else gets the port.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.set_reuseaddr(true).unwrap();
    held.bind(([127, 0, 0, 1], port).into()).unwrap();
    world.ledger.anchor(document(1), 2);
    custodian.put(document(1), 2, b"second").await;
    let waiting = custodian.until(|report| report.trouble.is_some()).await;
    assert_eq!((waiting.copied, waiting.waiting), (1, 1));
    custodian.stop().await;
    let custodian = world.custodian(&client).await;
    drop(held);
    let holder = world.holder(port).await;
    let done = custodian.until(|report| report.copied == 2).await;
    assert_eq!((done.waiting, done.trouble), (0, None));
    holder.store.reopen(document(1), 2).await.unwrap();

    // A lost note has the version sent again, which the holder takes as done.
    assert!(
        custodian
            .store
            .unmark_copied(REGULATOR, (document(1), 1))
            .await
            .unwrap()
    );
    custodian.stop().await;
    let custodian = world.custodian(&client).await;
    custodian.until(|report| report.copied == 2).await;
    let replicas = world.ledger.replicas.lock().unwrap().clone();
    assert_eq!(replicas.len(), 1, "registered once: {replicas:?}");
    assert_eq!(
        (replicas[0].replica.document, replicas[0].replica.locator.as_str()),
        (None, client.url())
    );
    custodian.stop().await;
    holder.stop().await;
}

#[tokio::test]
async fn what_is_not_anchored_waits_and_what_is_erased_does_not() {
    let world = World::new();
    let holder = world.holder(0).await;
    let custodian = world.custodian(&holder.client).await;
    custodian.put(document(1), 1, b"not yet").await;
    let report = custodian.until(|report| report.failing == 1).await;
    assert_eq!((report.copied, report.waiting, report.trouble), (0, 1, None));
    world.ledger.anchor(document(1), 1);
    custodian.until(|report| report.copied == 1).await;

    // Erased before it was anchored: never sent. And the notes go with the document.
    custodian.put(document(2), 1, b"never").await;
    custodian.until(|report| report.failing == 1).await;
    custodian.store.erase(document(2)).await.unwrap();
    custodian.until(|report| report.waiting == 0).await;
    assert!(!holder.store.has(document(2), 1).await.unwrap());
    let (left, copied) = custodian.store.uncopied(REGULATOR).await.unwrap();
    assert_eq!((left, copied), (vec![], 1));
    custodian.store.erase(document(1)).await.unwrap();
    let marked = custodian.store.sample_copied(REGULATOR, 10).await.unwrap();
    assert_eq!(marked, []);
    custodian.stop().await;
    holder.stop().await;
}

#[tokio::test]
async fn a_document_of_a_batch_is_copied_once_a_custodian_tells_its_proof() {
    let world = World::new();
    let holder = world.holder(0).await;
    let custodian = world.custodian(&holder.client).await;
    let mut batch = BatchBuilder::new(BatchId::from_bytes([1; 16]), Salt::from_bytes([2; 32]));
    let folded = batch.next_document();
    custodian.put(folded, 1, b"of a batch").await;
    batch.push(Hash::from_bytes([3; 32])).unwrap();
    let proof = batch.finish().unwrap().documents.remove(0).proof;
    let anchored = &world.ledger.anchored;
    anchored.lock().unwrap().insert((folded, 1), Some(proof.clone()));
    custodian.until(|report| report.failing == 1).await;

    let proven = ProvenDocument {
        document: folded,
        proof: proof.clone(),
    };
    let told = |by: &str| {
        let (signer, proven) = (identity(&world.hospital, by), [proven.clone()]);
        let client = custodian.client.clone();
        async move { client.prove(&signer, HOSPITAL, "health", proven).await }
    };
    assert!(matches!(told("clinician").await, Err(VaultError::NotTaken)));
    assert_eq!(custodian.store.proof_of(folded).await.unwrap(), None);
    told("custodian").await.unwrap();
    custodian.until(|report| report.copied == 1).await;
    assert_eq!(custodian.store.proof_of(folded).await.unwrap(), Some(proof));
    custodian.store.erase(folded).await.unwrap();
    assert_eq!(custodian.store.proof_of(folded).await.unwrap(), None);

    // A vault that copies nothing says so, and nobody else's custodian is answered.
    let none = world.ask(&holder, request()).await;
    assert!(matches!(none, Err(VaultError::NotTaken)), "{none:?}");
    let elsewhere = ReplicationRequest {
        channel: "other".into(),
        ..request()
    };
    assert!(matches!(
        world.ask(&custodian, elsewhere).await,
        Err(VaultError::NotTaken)
    ));
    let regulators = identity(&world.regulator, "custodian");
    let none = holder.client.replication(&regulators, request()).await;
    assert!(matches!(none, Err(VaultError::NoReplicas)), "{none:?}");
    custodian.stop().await;
    holder.stop().await;
}

#[tokio::test]
async fn a_probe_finds_a_damaged_copy_records_it_and_has_it_made_anew() {
    let world = World::new();
    let holder = world.holder(0).await;
    let custodian = world.custodian(&holder.client).await;
    let content = vec![7; 300_000];
    for n in [1, 2] {
        world.ledger.anchor(document(n), 1);
        custodian.put(document(n), 1, &content).await;
    }
    custodian.until(|report| report.copied == 2).await;
    let probe = async || {
        let before = world.ledger.probes.lock().unwrap().len();
        let request = ReplicationRequest {
            probe: true,
            ..request()
        };
        world.ask(&custodian, request).await.unwrap();
        custodian
            .until(|_| world.ledger.probes.lock().unwrap().len() > before)
            .await;
        custodian
            .until(|report| report.copied == 2 && report.waiting == 0)
            .await
    };
    let report = probe().await;
    let probed = report.probed.expect("probed");
    assert_eq!((probed.result, probed.sampled), (ProbeResult::Intact, 2));

    let place = holder.store.local_path(document(2), 1).await.unwrap();
    let mut bytes = std::fs::read(&place).unwrap();
    bytes[150_000] ^= 1;
    std::fs::write(&place, bytes).unwrap();
    assert!(matches!(
        holder.store.reopen(document(2), 1).await,
        Err(StoreError::Content(_))
    ));
    probe().await;
    holder
        .store
        .reopen(document(2), 1)
        .await
        .expect("made anew from the custodian's");
    probe().await;
    // A copy that is gone altogether is found as well.
    let entry = world
        .files(REGULATOR)
        .join("entries")
        .join(format!("{}.1", document(1)));
    std::fs::remove_file(entry).unwrap();
    probe().await;
    holder.store.reopen(document(1), 1).await.expect("made anew");
    assert_eq!(
        *world.ledger.probes.lock().unwrap(),
        [
            ProbeResult::Intact,
            ProbeResult::Damaged,
            ProbeResult::Intact,
            ProbeResult::Damaged
        ]
    );

    // The holder moves: the ledger names its new place, and the old one is over.
    custodian.stop().await;
    holder.stop().await;
    let holder = world.holder(0).await;
    let custodian = world.custodian(&holder.client).await;
    custodian
        .until(|_| world.ledger.replicas.lock().unwrap().iter().any(|view| view.lost))
        .await;
    let replicas = world.ledger.replicas.lock().unwrap().clone();
    let standing: BTreeSet<(&str, bool)> = replicas
        .iter()
        .map(|view| (view.replica.locator.as_str(), view.lost))
        .collect();
    assert_eq!(standing.len(), 2);
    assert!(standing.contains(&(holder.client.url(), false)), "{standing:?}");
    custodian.stop().await;
    holder.stop().await;
}
