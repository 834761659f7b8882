//! Every route of a whole vault, asked by those it does not answer.

use std::sync::atomic::{AtomicBool, Ordering};

use careledger_api::contracts::consent::{
    Demographics, FindAnswer, FindQuery, OfflineOpening, OfflineReport, Release, Sex, SignedTicket,
};
use careledger_api::contracts::record::{
    ErasureConfirmation, ErasureReceipt, IndexPage, InventoryPage, InventoryPlace, Probe, Replica,
    ReplicaView, Verification,
};
use careledger_api::ids::{DocumentId, Hash, PatientId, Salt, TxId};
use careledger_api::merkle::ContentOpening;
use careledger_api::merkle::batch::BatchProof;
use careledger_api::roles::ROLE_ATTRIBUTE;
use careledger_sdk::vault::{
    CheckRequest, EraseRequest, FindQuestion, LedgerPoint, LocateRequest, LocateResponse, PersonEntry,
    ProbeRequest, ReleaseRequest, ReplicaOf, SignedRequest, VaultRequest, WireError,
};
use fabric_msp::cryptogen::{OrgSpec, Organization, UserSpec};
use fabric_msp::{Msp, SigningIdentity};
use reqwest::StatusCode;

use super::*;
use crate::find::CommittedSearch;
use crate::kek::FileKey;
use crate::offline::Filed;
use crate::release::{Chain, ChainError, CommittedAccess};

const HOSPITAL: &str = "HospitalMSP";
const CLINIC: &str = "ClinicMSP";

/// A peer that shows nothing, until it cannot be asked.
#[derive(Debug, Default)]
struct Peer {
    gone: AtomicBool,
}

impl Peer {
    fn shows<T>(&self, answer: T) -> Result<T, ChainError> {
        match self.gone.load(Ordering::SeqCst) {
            true => Err(ChainError("gone".into())),
            false => Ok(answer),
        }
    }
}

impl Chain for Peer {
    async fn access(&self, _: &TxId, _: i64) -> Result<Option<CommittedAccess>, ChainError> {
        self.shows(None)
    }

    async fn session(&self, _: &TxId, _: i64) -> Result<Option<Release>, ChainError> {
        self.shows(None)
    }
}

impl FindChain for Peer {
    async fn search(&self, _: &TxId, _: i64) -> Result<Option<CommittedSearch>, ChainError> {
        self.shows(None)
    }

    async fn code_holder(&self, _: Hash) -> Result<Option<PatientId>, ChainError> {
        self.shows(None)
    }

    async fn log(&self, _: FindAnswer) -> Result<bool, ChainError> {
        self.shows(true)
    }
}

impl IndexChain for Peer {
    async fn index(&self, _: &TxId, _: i64, _: u32) -> Result<IndexPage, ChainError> {
        self.shows(IndexPage::blank())
    }
}

impl Erasures for Peer {
    async fn erasure(&self, _: DocumentId) -> Result<Option<ErasureReceipt>, ChainError> {
        self.shows(None)
    }

    async fn has_records(&self, _: PatientId) -> Result<bool, ChainError> {
        self.shows(true)
    }

    async fn confirm(&self, _: ErasureConfirmation) -> Result<(), ChainError> {
        self.shows(())
    }
}

impl Anchors for Peer {
    async fn is_anchored(
        &self,
        _: DocumentId,
        _: u32,
        _: ContentOpening,
        _: Option<BatchProof>,
    ) -> Result<bool, ChainError> {
        self.shows(false)
    }
}

impl Replicas for Peer {
    async fn replicas(&self) -> Result<Vec<ReplicaView>, ChainError> {
        self.shows(Vec::new())
    }

    async fn register(&self, _: Replica) -> Result<(), ChainError> {
        self.shows(())
    }

    async fn record(&self, _: Probe) -> Result<(), ChainError> {
        self.shows(())
    }
}

impl OfflineChain for Peer {
    async fn is_member(&self, _: &SignedTicket, _: i64) -> Result<bool, ChainError> {
        self.shows(false)
    }

    async fn opening(&self, _: &SignedTicket, _: i64) -> Result<Option<OfflineOpening>, ChainError> {
        self.shows(None)
    }

    async fn file(&self, _: OfflineReport) -> Result<Filed, ChainError> {
        self.shows(Filed::Refused)
    }
}

impl Inventory for Peer {
    async fn inventory(&self, _: Option<InventoryPlace>) -> Result<InventoryPage, ChainError> {
        let (documents, next) = (Vec::new(), None);
        self.shows(InventoryPage { documents, next })
    }

    async fn verification(
        &self,
        _: DocumentId,
        _: u32,
        _: ContentOpening,
        _: Option<BatchProof>,
    ) -> Result<Option<Verification>, ChainError> {
        self.shows(None)
    }

    async fn tip(&self) -> Result<LedgerPoint, ChainError> {
        let hash = Hash::from_bytes([1; 32]);
        self.shows(LedgerPoint { height: 1, hash })
    }

    async fn hash_at(&self, _: u64) -> Result<Option<Hash>, ChainError> {
        self.shows(Some(Hash::from_bytes([1; 32])))
    }

    async fn anchor_report(&self, _: Hash) -> Result<TxId, ChainError> {
        self.shows("aa".parse().unwrap())
    }
}

struct World {
    dir: tempfile::TempDir,
    server: Server,
    peer: Arc<Peer>,
    http: reqwest::Client,
    keeper: SigningIdentity,
    /// Of another role, of another organisation, and of one that only calls itself by the hospital's name.
    strangers: [SigningIdentity; 3],
}

impl World {
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let hospital = organisation(&dir, "real", "hospital.example.com", HOSPITAL);
        let clinic = organisation(&dir, "real", "clinic.example.com", CLINIC);
        let impostor = organisation(&dir, "other", "hospital.example.com", HOSPITAL);
        let vault = dir.path().join("vault");
        let kek = FileKey::open_or_create(&dir.path().join("kek")).unwrap();
        let store = Store::open(&vault, Box::new(kek)).await.unwrap();
        let peer = Arc::new(Peer::default());
        let service = Service {
            scope: Scope {
                custodian: HOSPITAL.into(),
                channel: "health".into(),
            },
            store: Arc::new(store),
            served: ServedLog::open(&vault.join("served")).unwrap(),
            chain: Arc::clone(&peer),
            members: Members::new(Msp::from_config(&hospital.msp_config().unwrap()).unwrap()),
            persons: PersonIndex::open(&vault.join("persons")).unwrap(),
            erasing: Erasing {
                holder: HOSPITAL.into(),
                signer: identity(&hospital, "custodian"),
                peers: Vec::new(),
                backups: Vec::new(),
                replicas: Vec::new(),
            },
            replica: None,
            replication: None,
            checks: None,
        };
        let tls = hospital.node_tls("peer0").unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Server::start(address, &tls.certificate_pem, &tls.key_pem, service)
            .await
            .unwrap();
        careledger_sdk::install_crypto_provider();
        let ca = hospital.tls_ca().unwrap().certificate_pem();
        let http = reqwest::Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(ca.as_bytes()).unwrap()])
            .no_proxy()
            .build()
            .unwrap();
        Self {
            server,
            peer,
            http,
            keeper: identity(&hospital, "custodian"),
            strangers: [
                identity(&hospital, "clinician"),
                identity(&clinic, "custodian"),
                identity(&impostor, "custodian"),
            ],
            dir,
        }
    }

    async fn post<R: VaultRequest>(&self, route: &str, who: &SigningIdentity, request: R) -> StatusCode {
        self.send(route, &signed(who, request)).await
    }

    async fn send<R: VaultRequest>(&self, route: &str, signed: &SignedRequest<R>) -> StatusCode {
        self.answer(route, signed).await.0
    }

    async fn answer<R: VaultRequest>(&self, route: &str, signed: &SignedRequest<R>) -> (StatusCode, Vec<u8>) {
        let answer = self.http.post(self.url(route)).json(signed).send().await.unwrap();
        (answer.status(), answer.bytes().await.unwrap().to_vec())
    }

    fn url(&self, route: &str) -> String {
        format!("https://{}{route}", self.server.address())
    }

    fn persons(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("vault/persons")).unwrap()
    }
}

fn organisation(dir: &tempfile::TempDir, place: &str, domain: &str, msp_id: &str) -> Organization {
    let users = ["custodian", "clinician"]
        .map(|role| UserSpec::client(&format!("{role}@{domain}")).with_attribute(ROLE_ATTRIBUTE, role));
    let spec = OrgSpec {
        users: users.into(),
        ..OrgSpec::peers(domain, msp_id)
    };
    Organization::generate(dir.path().join(place).join(msp_id), &spec, None).unwrap()
}

fn identity(organisation: &Organization, role: &str) -> SigningIdentity {
    let name = format!("{role}@{}", organisation.domain());
    organisation.user_identity(&name).unwrap()
}

fn signed<R: VaultRequest>(who: &SigningIdentity, request: R) -> SignedRequest<R> {
    SignedRequest::new::<WireError>(request, who.serialized(), |message| {
        Ok(who.sign(message).unwrap())
    })
    .unwrap()
}

fn tx() -> TxId {
    "aa01".parse().unwrap()
}

fn entry() -> PersonEntry {
    PersonEntry {
        custodian: HOSPITAL.into(),
        channel: "health".into(),
        patient: PatientId::from_bytes([1; 32]),
        person: Some(Demographics {
            family: "Lovelace".into(),
            given: "Ada".into(),
            birth: "1980-02-29".parse().unwrap(),
            sex: Sex::Female,
            postcode: "10115".into(),
        }),
        at: now(),
    }
}

fn erasure() -> EraseRequest {
    EraseRequest {
        holder: HOSPITAL.into(),
        custodian: HOSPITAL.into(),
        channel: "health".into(),
        document: DocumentId::from_bytes([1; 16]),
        patient: None,
        at: now(),
    }
}

fn check() -> CheckRequest {
    CheckRequest {
        holder: HOSPITAL.into(),
        custodian: HOSPITAL.into(),
        channel: "health".into(),
        chunks: None,
        at: now(),
    }
}

/// Asks with the request as it is by strangers, and altered by the keeper; each is a 403.
macro_rules! refuses {
    ($world:expr, $route:literal, $request:expr, $($field:ident: $value:expr),+ $(,)?) => {{
        for stranger in &$world.strangers {
            assert_eq!($world.post($route, stranger, $request).await, 403, "{} by a stranger", $route);
        }
        $({
            let mut request = $request;
            request.$field = $value;
            assert_eq!($world.post($route, &$world.keeper, request).await, 403, "{} {}", $route, stringify!($field));
        })+
        // Another text under the signature, another kind of request, and no signature at all.
        let mut other = signed(&$world.keeper, $request);
        other.request.at += 1;
        assert_eq!($world.send($route, &other).await, 403, "{} altered", $route);
        let mut none = signed(&$world.keeper, $request);
        none.signature = String::new();
        assert_eq!($world.send($route, &none).await, 403, "{} unsigned", $route);
    }};
}

#[tokio::test]
async fn what_changes_or_costs_something_is_done_for_the_own_custodian_now_and_here_alone() {
    let world = World::open().await;
    for at in [now() - 400, now() + 400, 0, i64::MIN, i64::MAX] {
        refuses!(world, "/v1/persons", entry(), at: at);
        refuses!(world, "/v1/erasures", erasure(), at: at);
        refuses!(world, "/v1/checks", check(), at: at);
    }
    refuses!(world, "/v1/persons", entry(), custodian: CLINIC.into(), channel: "other".into());
    refuses!(world, "/v1/erasures", erasure(), holder: CLINIC.into(), custodian: CLINIC.into(), channel: "other".into());
    refuses!(world, "/v1/checks", check(), holder: CLINIC.into(), custodian: CLINIC.into(), channel: "other".into());
    assert_eq!(world.persons(), "", "nobody was entered");

    let mut nameless = entry();
    nameless.person.as_mut().unwrap().family = "--".into();
    assert_eq!(world.post("/v1/persons", &world.keeper, nameless).await, 400);
    assert_eq!(world.post("/v1/persons", &world.keeper, entry()).await, 204);
    assert_eq!(world.persons().lines().count(), 1);
    let out = PersonEntry {
        person: None,
        ..entry()
    };
    assert_eq!(world.post("/v1/persons", &world.keeper, out).await, 204);
    assert_eq!(world.persons(), "");

    assert_eq!(world.post("/v1/checks", &world.keeper, check()).await, 200);
    world.peer.gone.store(true, Ordering::SeqCst);
    assert_eq!(world.post("/v1/checks", &world.keeper, check()).await, 503);
    assert_eq!(world.post("/v1/erasures", &world.keeper, erasure()).await, 503);
    world.server.stop().await;
}

#[tokio::test]
async fn an_unknown_transaction_a_forged_signature_and_another_vault_get_the_same_answer() {
    let world = World::open().await;
    let who = &world.strangers[0];
    let release = |custodian: &str, channel: &str| ReleaseRequest {
        custodian: custodian.into(),
        channel: channel.into(),
        tx: tx(),
        categories: vec![careledger_api::codes::Category::Laboratory],
    };
    let find = |custodian: &str, channel: &str| FindQuestion {
        custodian: custodian.into(),
        channel: channel.into(),
        tx: tx(),
        query: FindQuery::Person(entry().person.unwrap()),
        salt: Salt::from_bytes([1; 32]),
    };
    let locate = |custodian: &str, channel: &str| LocateRequest {
        custodian: custodian.into(),
        channel: channel.into(),
        tx: tx(),
        page: 0,
    };
    macro_rules! all_alike {
        ($route:literal, $request:expr) => {{
            let mut answers = Vec::new();
            for (custodian, channel) in [(HOSPITAL, "health"), (CLINIC, "health"), (HOSPITAL, "other")] {
                answers.push(
                    world
                        .answer($route, &signed(who, $request(custodian, channel)))
                        .await,
                );
            }
            let mut forged = signed(who, $request(HOSPITAL, "health"));
            forged.identity = signed(&world.keeper, $request(HOSPITAL, "health")).identity;
            answers.push(world.answer($route, &forged).await);
            let mut garbled = signed(who, $request(HOSPITAL, "health"));
            garbled.identity = "AAAA".into();
            answers.push(world.answer($route, &garbled).await);
            answers.dedup();
            assert_eq!(answers.len(), 1, "{}: {answers:?}", $route);
            answers.remove(0)
        }};
    }
    assert_eq!(
        all_alike!("/v1/release", release),
        (StatusCode::NOT_FOUND, Vec::new())
    );
    assert_eq!(all_alike!("/v1/find", find), (StatusCode::NOT_FOUND, Vec::new()));
    let (status, page) = all_alike!("/v1/locate", locate);
    let blank = serde_json::to_vec(&LocateResponse {
        page: IndexPage::blank(),
    });
    assert_eq!((status, page), (StatusCode::OK, blank.unwrap()));
    world.peer.gone.store(true, Ordering::SeqCst);
    assert_eq!(
        world.post("/v1/release", who, release(HOSPITAL, "health")).await,
        503
    );
    assert_eq!(world.post("/v1/find", who, find(HOSPITAL, "health")).await, 503);
    assert_eq!(
        world.post("/v1/locate", who, locate(HOSPITAL, "health")).await,
        503
    );
    world.server.stop().await;
}

#[tokio::test]
async fn what_is_no_request_and_what_this_vault_does_not_do_is_refused() {
    let world = World::open().await;
    let routes = [
        "/v1/release",
        "/v1/locate",
        "/v1/find",
        "/v1/offline",
        "/v1/persons",
        "/v1/erasures",
        "/v1/checks",
        "/v1/probes",
    ];
    for route in routes {
        let post = || {
            world
                .http
                .post(world.url(route))
                .header("content-type", "application/json")
        };
        for (body, what) in [
            ("", "nothing"),
            ("{", "no JSON"),
            ("{}", "no request"),
            ("[1]", "something else"),
        ] {
            let status = post().body(body).send().await.unwrap().status();
            assert!(status.is_client_error(), "{route} {what}: {status}");
        }
        let long = format!("{{\"request\":\"{}\"", "x".repeat(MAX_REQUEST));
        let long = post().body(long).send().await.unwrap().status();
        assert_eq!(long, 413, "{route}");
        let got = world.http.get(world.url(route)).send().await.unwrap().status();
        assert_eq!(got, 405, "{route}");
        let no_json = world
            .http
            .post(world.url(route))
            .body("{}")
            .send()
            .await
            .unwrap()
            .status();
        assert_eq!(no_json, 415, "{route}");
    }
    // It holds nobody's replicas, and makes none.
    let key = world
        .http
        .get(world.url("/v1/replicas/key"))
        .send()
        .await
        .unwrap()
        .status();
    assert_eq!(key, 404);
    let copy = ReplicaOf {
        custodian: HOSPITAL.into(),
        holder: HOSPITAL.into(),
        channel: "health".into(),
        document: DocumentId::from_bytes([1; 16]),
        version: 1,
    };
    let probe = ProbeRequest {
        copy,
        nonce: "00".repeat(32),
        at: now(),
    };
    assert_eq!(world.post("/v1/probes", &world.keeper, probe).await, 403);
    for part in ["v1/replicas", "v1/content"] {
        let url = world.url(&format!("/{part}/{}/1", DocumentId::from_bytes([1; 16])));
        for header in ["", "Careledger", "Careledger !", "Careledger e30=", "Bearer x"] {
            let put = world.http.put(&url).header("authorization", header).body("x");
            assert_eq!(put.send().await.unwrap().status(), 403, "{part} {header}");
        }
    }
    for path in ["/", "/v1", "/v1/content/xyz/1", "/v1/content/00/0"] {
        let got = world.http.get(world.url(path)).send().await.unwrap().status();
        assert!(got.is_client_error(), "{path}: {got}");
    }
    let alive = world.http.get(world.url("/healthz")).send().await.unwrap();
    assert_eq!(alive.text().await.unwrap(), "ok");
    world.server.stop().await;
}
