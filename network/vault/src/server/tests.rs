//! The content routes over TLS, and a client against a vault that lies.

mod taken_back;

use std::path::Path as FsPath;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use careledger_api::codes::Category;
use careledger_api::ids::{DocumentId, KemPublicKey, TxId};
use careledger_api::roles::ROLE_ATTRIBUTE;
use careledger_sdk::sealing::{KemKeyPair, SealContext, seal};
use careledger_sdk::vault::format::{CHUNK, Layout};
use careledger_sdk::vault::{
    ContentError, ReleaseRequest, ReleaseResponse, ReleasedItem, ReleasedRecord, SealedContent,
    SignedRequest, UploadRequest, VaultClient, VaultError,
};
use fabric_msp::cryptogen::{OrgSpec, Organization, UserSpec};
use fabric_msp::{Msp, SigningIdentity};
use futures::TryStreamExt;
use futures::future::BoxFuture;
use tokio::io::AsyncReadExt;
use tokio_util::io::StreamReader;

use super::*;
use crate::kek::FileKey;
use crate::release::ChainError;

const HOSPITAL: &str = "HospitalMSP";
const DOCUMENT: DocumentId = DocumentId::from_bytes([5; 16]);
/// Where silence is what a test is about; elsewhere nothing is cut off because the machine is busy.
const SHORT: Duration = Duration::from_secs(2);

/// An access that is open until somebody closes it, on a peer that answers until it is gone.
#[derive(Default)]
struct Access {
    closed: AtomicBool,
    peer_gone: AtomicBool,
    asked: AtomicUsize,
}

impl sessions::Sessions for Access {
    fn is_open<'a>(
        &'a self,
        _: &'a TxId,
        _: (DocumentId, u32),
        _: i64,
    ) -> BoxFuture<'a, Result<bool, ChainError>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = match self.peer_gone.load(Ordering::SeqCst) {
            true => Err(ChainError("gone".into())),
            false => Ok(!self.closed.load(Ordering::SeqCst)),
        };
        Box::pin(std::future::ready(answer))
    }
}

/// The hospital's content routes, served; and a release route that gives anybody everything, since the rule is tested elsewhere.
struct World {
    dir: tempfile::TempDir,
    files: Files,
    access: Arc<Access>,
    server: Server,
    ca_pem: String,
    hospital: Organization,
    kem: KemKeyPair,
}

impl World {
    async fn open() -> Self {
        Self::idle_for(super::files::IDLE).await
    }

    async fn idle_for(idle: Duration) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let hospital = organisation(dir.path(), "hospital.example.com", HOSPITAL);
        let kek = FileKey::open_or_create(&dir.path().join("kek")).unwrap();
        let store = Store::open(&dir.path().join("vault"), Box::new(kek))
            .await
            .unwrap();
        let scope = Scope {
            custodian: HOSPITAL.into(),
            channel: "health".into(),
        };
        let members = Members::new(Msp::from_config(&hospital.msp_config().unwrap()).unwrap());
        let access = Arc::new(Access::default());
        let files = Files {
            idle,
            ..Files::new(scope, Arc::new(store), members, Arc::clone(&access) as _)
        };
        let kem = KemKeyPair::generate();
        let router = files.clone().router().merge(releasing(&files, kem.public()));
        let server = serve(&hospital, router).await;
        Self {
            ca_pem: hospital.tls_ca().unwrap().certificate_pem(),
            kem,
            dir,
            files,
            access,
            server,
            hospital,
        }
    }

    fn vault(&self) -> VaultClient {
        self.vault_at(&self.server)
    }

    fn vault_at(&self, server: &Server) -> VaultClient {
        VaultClient::new(format!("https://{}", server.address()), self.ca_pem.as_bytes()).unwrap()
    }

    fn identity(&self, role: &str) -> SigningIdentity {
        identity(&self.hospital, role)
    }

    fn request(&self) -> UploadRequest {
        UploadRequest {
            custodian: HOSPITAL.into(),
            channel: "health".into(),
            document: DOCUMENT,
            version: 1,
            mime: "application/dicom".into(),
            size: None,
            at: now(),
        }
    }

    /// The stored document, as a client of `server` sees it.
    async fn released(&self, server: &Server) -> ReleasedRecord {
        let request = ReleaseRequest {
            custodian: HOSPITAL.into(),
            channel: "health".into(),
            tx: "aa".parse().unwrap(),
            categories: vec![Category::Imaging],
        };
        let mut released = self
            .vault_at(server)
            .released(&self.identity("custodian"), request, &self.kem)
            .await
            .unwrap();
        released.remove(0)
    }

    fn kept(&self) -> usize {
        ["content", "entries"]
            .map(|part| {
                std::fs::read_dir(self.dir.path().join("vault").join(part)).map_or(0, Iterator::count)
            })
            .iter()
            .sum()
    }

    async fn nothing_stays(&self) {
        tokio::time::timeout(Duration::from_secs(60), async {
            while self.kept() > 0 || self.files.uploads.available_permits() < 8 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("nothing stays of an upload that failed");
    }

    fn http(&self) -> reqwest::Client {
        careledger_sdk::install_crypto_provider();
        reqwest::Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(self.ca_pem.as_bytes()).unwrap()])
            .no_proxy()
            .build()
            .unwrap()
    }

    fn url(&self, document: DocumentId, version: u32) -> String {
        format!(
            "https://{}/v1/content/{document}/{version}",
            self.server.address()
        )
    }
}

fn organisation(dir: &FsPath, domain: &str, msp_id: &str) -> Organization {
    let users = ["custodian", "clinician"]
        .map(|role| UserSpec::client(&format!("{role}@{domain}")).with_attribute(ROLE_ATTRIBUTE, role));
    let spec = OrgSpec {
        users: users.into(),
        ..OrgSpec::peers(domain, msp_id)
    };
    Organization::generate(dir, &spec, None).unwrap()
}

fn identity(organisation: &Organization, role: &str) -> SigningIdentity {
    let name = format!("{role}@{}", organisation.domain());
    organisation.user_identity(&name).unwrap()
}

async fn serve(organisation: &Organization, router: Router) -> Server {
    let tls = organisation.node_tls("peer0").unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    listen::listen(address, &tls.certificate_pem, &tls.key_pem, router)
        .await
        .unwrap()
}

/// Gives the key of [`DOCUMENT`] to anybody, with a ticket and without the file.
fn releasing(files: &Files, to: KemPublicKey) -> Router {
    let store = Arc::clone(&files.store);
    let handle = move |Json(signed): Json<SignedRequest>| async move {
        let request = &signed.request;
        let entry = store.entry(DOCUMENT, 1).await.unwrap();
        let content = SealedContent {
            dek: hex::encode(entry.dek.as_slice()),
            opening: entry.opening,
            ticket: store.tickets().give(&request.tx, DOCUMENT, 1, now(), now() + 60),
        };
        let context = SealContext {
            channel: &request.channel,
            tx: &request.tx,
            document: DOCUMENT,
            version: 1,
        };
        let sealed = seal(&to, context, &serde_json::to_vec(&content).unwrap()).unwrap();
        Json(ReleaseResponse {
            items: vec![ReleasedItem {
                document: DOCUMENT,
                version: 1,
                category: Category::Imaging,
                proof: None,
                encapsulated: STANDARD.encode(sealed.encapsulated),
                sealed: STANDARD.encode(sealed.ciphertext),
                file: None,
            }],
            obligations: vec![],
            erase_at: None,
        })
    };
    Router::new().route("/v1/release", post(handle))
}

fn content(size: usize) -> Vec<u8> {
    let mut content = vec![0x5a; size];
    for (index, part) in content.chunks_mut(4_096).enumerate() {
        part[0] = index as u8;
        let end = part.len() - 1;
        part[end] = (index >> 8) as u8;
    }
    content
}

/// A content that breaks off after `whole` MiB.
fn breaking_off(whole: usize) -> impl tokio::io::AsyncRead + Send + 'static {
    let parts = (0..whole).map(|_| Ok(Bytes::from(vec![7; 1 << 20])));
    let broken = std::iter::once(Err(std::io::Error::other("the scanner was unplugged")));
    StreamReader::new(futures::stream::iter(parts.chain(broken)))
}

#[tokio::test]
async fn a_custodian_uploads_a_stream_and_a_requester_reads_it_whole_and_in_ranges() {
    let world = World::open().await;
    let content = content((2 << 20) + 77);
    let body = std::io::Cursor::new(content.clone());
    let opening = world
        .vault()
        .upload(&world.identity("custodian"), world.request(), body)
        .await
        .unwrap();
    assert_eq!(opening, world.files.store.reopen(DOCUMENT, 1).await.unwrap());
    assert_eq!(opening.size, content.len() as u64);

    let record = world.released(&world.server).await;
    assert_eq!(record.content.opening(), &opening);
    assert!(record.content.read(u64::MAX).await.unwrap() == content);
    let (from, to) = (CHUNK as u64 - 5, 5 * CHUNK as u64 + 1);
    let mut part = Vec::new();
    let mut stream = record.content.range(from..to).unwrap();
    stream.read_to_end(&mut part).await.unwrap();
    assert!(part == content[from as usize..to as usize]);
    assert_eq!(world.files.downloads.available_permits(), 64);

    let again = world
        .vault()
        .upload(&world.identity("custodian"), world.request(), b"x".as_slice())
        .await;
    assert!(
        matches!(again, Err(VaultError::Exists { version: 1, .. })),
        "{again:?}"
    );
    assert_eq!(
        opening,
        world.files.store.reopen(DOCUMENT, 1).await.unwrap(),
        "untouched"
    );
    world.server.stop().await;
}

#[tokio::test]
async fn an_upload_is_taken_from_a_custodian_of_the_organisation_on_a_fresh_request_for_this_vault_alone() {
    let world = World::open().await;
    let refused = async |identity: &SigningIdentity, request: UploadRequest, what: &str| {
        let answer = world.vault().upload(identity, request, b"x".as_slice()).await;
        assert!(matches!(answer, Err(VaultError::NotTaken)), "{what}: {answer:?}");
    };
    let custodian = world.identity("custodian");
    refused(&world.identity("clinician"), world.request(), "another role").await;
    let elsewhere = tempfile::tempdir().unwrap();
    for (domain, msp_id) in [
        ("clinic.example.com", "ClinicMSP"),
        ("hospital.example.com", HOSPITAL),
    ] {
        // Another organisation, and one that only calls itself by this one's name.
        let stranger = organisation(&elsewhere.path().join(msp_id), domain, msp_id);
        refused(&identity(&stranger, "custodian"), world.request(), msp_id).await;
    }
    for at in [now() - 301, now() + 330, 0, i64::MIN, i64::MAX] {
        refused(
            &custodian,
            UploadRequest {
                at,
                ..world.request()
            },
            "not now",
        )
        .await;
    }
    let custodian_of = |custodian: &str, channel: &str| UploadRequest {
        custodian: custodian.into(),
        channel: channel.into(),
        ..world.request()
    };
    refused(&custodian, custodian_of("ClinicMSP", "health"), "another vault").await;
    refused(&custodian, custodian_of(HOSPITAL, "other"), "another channel").await;
    refused(
        &custodian,
        UploadRequest {
            version: 0,
            ..world.request()
        },
        "no version",
    )
    .await;
    let mime = "x".repeat(256);
    refused(
        &custodian,
        UploadRequest {
            mime,
            ..world.request()
        },
        "a long media type",
    )
    .await;

    // A signature for one document does not do for another, nor for other words.
    let signed = SignedRequest::new::<VaultError>(world.request(), custodian.serialized(), |message| {
        Ok(custodian.sign(message).unwrap())
    })
    .unwrap();
    let mut other = signed.clone();
    other.request.mime = "text/html".into();
    for (request, document, version) in [
        (&signed, DocumentId::from_bytes([6; 16]), 1),
        (&signed, DOCUMENT, 2),
        (&other, DOCUMENT, 1),
    ] {
        let value = format!(
            "Careledger {}",
            STANDARD.encode(serde_json::to_vec(request).unwrap())
        );
        let put = world
            .http()
            .put(world.url(document, version))
            .header("authorization", value);
        assert_eq!(put.body("x").send().await.unwrap().status(), 403);
    }
    let bare = world
        .http()
        .put(world.url(DOCUMENT, 1))
        .body("x")
        .send()
        .await
        .unwrap();
    assert_eq!(bare.status(), 403);
    assert_eq!(world.kept(), 0);
    world.server.stop().await;
}

#[tokio::test]
async fn an_upload_that_does_not_come_to_its_end_leaves_nothing() {
    let world = World::idle_for(SHORT).await;
    let (vault, custodian) = (world.vault(), world.identity("custodian"));
    for whole in [0, 1, 12] {
        let broken = vault
            .upload(&custodian, world.request(), breaking_off(whole))
            .await;
        assert!(broken.is_err(), "{whole} MiB and a break");
        world.nothing_stays().await;
    }
    // A client that goes silent, and one that goes away.
    let silent = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"begin"))]);
    let silent = StreamReader::new(futures::StreamExt::chain(silent, futures::stream::pending()));
    let answer = vault.upload(&custodian, world.request(), silent).await;
    assert!(
        matches!(
            answer,
            Err(VaultError::Failed { status: 400, .. } | VaultError::Unreachable { .. })
        ),
        "{answer:?}"
    );
    world.nothing_stays().await;
    let endless = vault.upload(&custodian, world.request(), tokio::io::repeat(7));
    let begun = async {
        while world.kept() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        answer = endless => panic!("an endless upload ended: {answer:?}"),
        () = begun => {}
    }
    world.nothing_stays().await;

    for size in [0, 4, 6] {
        let request = UploadRequest {
            size: Some(size),
            ..world.request()
        };
        let wrong = vault.upload(&custodian, request, b"12345".as_slice()).await;
        assert!(
            matches!(wrong, Err(VaultError::Failed { status: 400, .. })),
            "{wrong:?}"
        );
    }
    world.nothing_stays().await;
    let request = UploadRequest {
        size: Some(5),
        ..world.request()
    };
    vault
        .upload(&custodian, request, b"12345".as_slice())
        .await
        .unwrap();
    world.server.stop().await;
}

#[tokio::test]
async fn ciphertext_goes_to_the_holder_of_a_ticket_for_it_in_the_range_asked_for() {
    let world = World::open().await;
    let store = &world.files.store;
    let content = content(CHUNK + 10);
    store.put(DOCUMENT, 1, "x", content.as_slice()).await.unwrap();
    store.put(DOCUMENT, 2, "x", b"other".as_slice()).await.unwrap();
    let tx = "aa".parse().unwrap();
    let ticket = store.tickets().give(&tx, DOCUMENT, 1, now(), now() + 60);
    let size = store.file(DOCUMENT, 1).await.unwrap().size();
    let http = world.http();
    let get = async |ticket: &str, version: u32, range: Option<&str>| {
        let request = http.get(world.url(DOCUMENT, version)).bearer_auth(ticket);
        let request = range
            .into_iter()
            .fold(request, |r, range| r.header("range", range));
        request.send().await.unwrap()
    };
    let whole = get(&ticket, 1, None).await;
    assert_eq!(whole.status(), 200);
    let whole = whole.bytes().await.unwrap();
    assert_eq!(whole.len() as u64, size);
    assert!(!whole.windows(100).any(|w| w == &content[..100]), "ciphertext");
    let part = get(&ticket, 1, Some("bytes=100-299")).await;
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"], format!("bytes 100-299/{size}"));
    assert_eq!(part.bytes().await.unwrap(), whole[100..300]);
    for range in ["bytes=0-1,4-5", "bytes=9999999-", "bytes=5-4", "nonsense"] {
        let refused = get(&ticket, 1, Some(range)).await;
        assert_eq!(refused.status(), 416, "{range}");
        assert_eq!(refused.headers()["content-range"], format!("bytes */{size}"));
    }
    let over = store.tickets().give(&tx, DOCUMENT, 1, now() - 100, now() - 1);
    assert_eq!(
        get(&ticket, 2, None).await.status(),
        404,
        "another version's ticket"
    );
    assert_eq!(get(&over, 1, None).await.status(), 404, "a ticket that is over");
    assert_eq!(get("", 1, None).await.status(), 404);
    let gone = store.tickets().give(&tx, DOCUMENT, 3, now(), now() + 60);
    assert_eq!(
        get(&gone, 3, None).await.status(),
        404,
        "a version that is not there"
    );
    let _all = world.files.downloads.acquire_many(64).await.unwrap();
    assert_eq!(get(&ticket, 1, None).await.status(), 503, "no place left");
    world.server.stop().await;
}

#[tokio::test]
async fn a_reader_that_stops_reading_loses_its_place() {
    let world = World::idle_for(SHORT).await;
    let store = &world.files.store;
    store
        .put(DOCUMENT, 1, "x", tokio::io::repeat(1).take(24 << 20))
        .await
        .unwrap();
    let ticket = store
        .tickets()
        .give(&"aa".parse().unwrap(), DOCUMENT, 1, now(), now() + 60);
    let get = world.http().get(world.url(DOCUMENT, 1)).bearer_auth(ticket);
    let mut response = get.send().await.unwrap();
    assert_eq!(world.files.downloads.available_permits(), 63);
    tokio::time::timeout(Duration::from_secs(60), async {
        while world.files.downloads.available_permits() < 64 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the place is free again");
    let mut read = 0;
    let ended = loop {
        match response.chunk().await {
            Ok(Some(bytes)) => read += bytes.len(),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    assert!(
        ended.is_err() && read < 24 << 20,
        "no silent end after {read} bytes"
    );
    world.server.stop().await;
}

/// How a vault may lie on its content route.
#[derive(Debug, Clone, Copy)]
enum Lie {
    /// One byte of the file is another one.
    Flip(usize),
    /// A long answer breaks off with the connection.
    Break,
    /// A long answer ends early as if it were whole.
    End,
    /// More bytes than the range has.
    More,
    /// Another document's file of the same length.
    Swap,
    /// The part before the one asked for.
    Shift,
    /// The whole file where a part was asked for.
    Whole,
    /// A file that got longer.
    Longer,
}

async fn lying(
    State((store, lie)): State<(Arc<Store>, Lie)>,
    Path((document, version)): Path<(DocumentId, u32)>,
    headers: HeaderMap,
) -> Response {
    let document = if matches!(lie, Lie::Swap) {
        DocumentId::from_bytes([9; 16])
    } else {
        document
    };
    let mut file = store
        .file(document, version)
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap()
        .to_vec();
    if let Lie::Flip(at) = lie {
        file[at] ^= 1;
    }
    let range = headers[header::RANGE].to_str().unwrap();
    let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    let size = file.len() + usize::from(matches!(lie, Lie::Longer));
    let described = format!("bytes {first}-{last}/{size}");
    let mut part = file[first..=last].to_vec();
    let long = part.len() > CHUNK;
    let half = Bytes::copy_from_slice(&part[..part.len() / 2]);
    let body = match lie {
        Lie::Break if long => {
            let broken = Err(std::io::Error::other("cut"));
            Body::from_stream(futures::stream::iter([Ok(half), broken]))
        }
        Lie::End if long => Body::from_stream(futures::stream::iter([Ok::<_, std::io::Error>(half)])),
        Lie::Shift if long => Body::from(file[first - 1..last].to_vec()),
        Lie::Whole => return (StatusCode::OK, file).into_response(),
        Lie::More => {
            part.push(0);
            Body::from(part)
        }
        _ => Body::from(part),
    };
    (
        StatusCode::PARTIAL_CONTENT,
        [(header::CONTENT_RANGE, described)],
        body,
    )
        .into_response()
}

#[tokio::test]
async fn whatever_a_vault_sends_no_wrong_byte_comes_out_and_no_end_before_the_end() {
    let world = World::open().await;
    let store = &world.files.store;
    let content = content(40 * CHUNK + 10);
    store.put(DOCUMENT, 1, "x", content.as_slice()).await.unwrap();
    let other = vec![1; content.len()];
    store
        .put(DocumentId::from_bytes([9; 16]), 1, "x", other.as_slice())
        .await
        .unwrap();
    let layout = Layout::of(content.len() as u64).unwrap();
    let flips = [
        0,
        layout.sealed(0, &(20..21)).start as usize,
        layout.leaves(0).start as usize,
        layout.tops().start as usize,
    ];
    let lies = [
        Lie::Break,
        Lie::End,
        Lie::More,
        Lie::Swap,
        Lie::Shift,
        Lie::Whole,
        Lie::Longer,
    ];
    for lie in lies.into_iter().chain(flips.map(Lie::Flip)) {
        let routes = Router::new()
            .route("/v1/content/{document}/{version}", get(lying))
            .with_state((Arc::clone(store), lie));
        let liar = serve(
            &world.hospital,
            routes.merge(releasing(&world.files, world.kem.public())),
        )
        .await;
        let record = world.released(&liar).await;
        let (mut out, mut stream) = (Vec::new(), record.content.stream());
        let error: ContentError = loop {
            match stream.try_next().await {
                Ok(Some(bytes)) => out.extend_from_slice(&bytes),
                Ok(None) => panic!("{lie:?}: it ended after {} bytes of {}", out.len(), content.len()),
                Err(error) => break error,
            }
        };
        assert!(
            content.starts_with(&out),
            "{lie:?}: wrong bytes came out before {error}"
        );
        liar.stop().await;
    }
    let honest = world.released(&world.server).await;
    assert!(honest.content.read(u64::MAX).await.unwrap() == content);
    world.server.stop().await;
}
