//! The route, asked by payers and by everybody else.

use std::sync::Mutex;

use careledger_api::adjudication::{Claim, ClaimLine};
use careledger_api::contracts::claims::{FingerprintKey, Period};
use careledger_api::ids::Hash;
use careledger_api::roles::ROLE_ATTRIBUTE;
use careledger_sdk::fingerprint::{Blinding, FingerprintError, Fingerprinter, Input, ObliviousError, Person};
use careledger_sdk::vault::{VaultClient, VaultError, VaultRequest, WireError};
use fabric_msp::cryptogen::{OrgSpec, Organization, UserSpec};
use fabric_msp::{Identity, Msp, SigningIdentity};

use super::*;
use crate::Members;
use crate::fingerprint::{FingerprintLimits, FingerprintLog, Seed};
use crate::kek::KeyProvider;
use crate::release::ChainError;

const REGULATOR: &str = "RegulatorMSP";
const INSURER: &str = "InsurerMSP";
const LIMITS: FingerprintLimits = FingerprintLimits {
    per_day: 8,
    per_minute: 8,
};

/// A peer that knows one payer and what is open, until it cannot be asked.
#[derive(Debug)]
struct Peer {
    payers: Msp,
    /// The serialized identity that has the role.
    payer: Vec<u8>,
    open: Mutex<Option<FingerprintKey>>,
    gone: Mutex<bool>,
}

impl Peer {
    fn shows<T>(&self, answer: T) -> Result<T, ChainError> {
        match *self.gone.lock().unwrap() {
            true => Err(ChainError("the peer is down".to_owned())),
            false => Ok(answer),
        }
    }
}

impl FingerprintChain for Arc<Peer> {
    async fn payer(&self, serialized: &[u8], now: i64) -> Result<Option<Identity>, ChainError> {
        let identity = self.payers.identity(serialized).ok();
        let identity = identity.filter(|identity| {
            self.payers.validate(identity).is_ok() && identity.expires_at() > now && serialized == self.payer
        });
        self.shows(identity)
    }

    async fn open_period(&self, period: Period) -> Result<Option<FingerprintKey>, ChainError> {
        let open = self.open.lock().unwrap().clone();
        self.shows(open.filter(|_| period == quarter()))
    }
}

struct World {
    dir: tempfile::TempDir,
    regulator: Organization,
    server: Server,
    peer: Arc<Peer>,
    vault: VaultClient,
    payer: SigningIdentity,
    opener: SigningIdentity,
    /// Of the payer with another role, a provider's, and one that only calls itself by the insurer's name.
    strangers: [SigningIdentity; 3],
}

impl World {
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let regulator = organisation(&dir, "real", "regulator.example.com", REGULATOR);
        let insurer = organisation(&dir, "real", "insurer.example.com", INSURER);
        let clinic = organisation(&dir, "real", "clinic.example.com", "ClinicMSP");
        let impostor = organisation(&dir, "other", "insurer.example.com", INSURER);
        let payer = identity(&insurer, "payer");
        let peer = Arc::new(Peer {
            payers: Msp::from_config(&insurer.msp_config().unwrap()).unwrap(),
            payer: payer.serialized().to_vec(),
            open: Mutex::new(None),
            gone: Mutex::new(false),
        });
        let server = start(&dir, &regulator, &peer).await;
        let vault = client(&regulator, &server);
        let world = Self {
            server,
            peer,
            vault,
            payer,
            opener: identity(&regulator, "vault"),
            strangers: [
                identity(&insurer, "portal"),
                identity(&clinic, "payer"),
                identity(&impostor, "payer"),
            ],
            regulator,
            dir,
        };
        let key = world
            .vault
            .period_key(&world.opener, key_request())
            .await
            .unwrap();
        world.peer.open.lock().unwrap().replace(key);
        world
    }

    /// The same vault's directory, opened by a new server.
    async fn restart(self) -> Self {
        let Self {
            dir,
            regulator,
            server,
            peer,
            ..
        } = self;
        server.stop().await;
        let server = start(&dir, &regulator, &peer).await;
        let vault = client(&regulator, &server);
        Self {
            dir,
            regulator,
            server,
            peer,
            vault,
            ..self
        }
    }

    fn key(&self) -> FingerprintKey {
        self.peer.open.lock().unwrap().clone().unwrap()
    }

    async fn ask(&self, lines: u16) -> Result<Vec<Hash>, FingerprintError> {
        let claim = claim(lines);
        let person = person("Müller-Lüdenscheid", "Anna Maria");
        let inputs = claim
            .lines
            .iter()
            .map(|line| Input::of(&person, &claim, line).unwrap());
        self.asker(&self.payer)
            .of_inputs(quarter(), &self.key(), inputs.collect(), now())
            .await
    }

    fn asker<'a>(&'a self, identity: &'a SigningIdentity) -> Fingerprinter<'a> {
        Fingerprinter {
            vault: &self.vault,
            regulator: REGULATOR,
            channel: "health",
            identity,
        }
    }

    async fn send(&self, who: &SigningIdentity, request: FingerprintRequest) -> Result<usize, VaultError> {
        let answer = self.vault.fingerprints(who, request).await;
        answer.map(|evaluation| evaluation.elements.len())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("vault/log")).unwrap()
    }
}

async fn start(dir: &tempfile::TempDir, regulator: &Organization, peer: &Arc<Peer>) -> Server {
    let vault = dir.path().join("vault");
    let seed = Seed::open_or_create(&vault, KeyProvider::File).unwrap();
    // What a server that stopped still had under way may hold it for a moment.
    let log = loop {
        match FingerprintLog::open(&vault.join("log"), LIMITS) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => tokio::task::yield_now().await,
            opened => break opened.unwrap(),
        }
    };
    let evaluator = Evaluator {
        regulator: REGULATOR.into(),
        channel: "health".into(),
        seed,
        log: Arc::new(log),
        chain: Arc::clone(peer),
        members: Members::new(Msp::from_config(&regulator.msp_config().unwrap()).unwrap()),
    };
    let tls = regulator.node_tls("peer0").unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    Server::start_fingerprints(address, &tls.certificate_pem, &tls.key_pem, evaluator)
        .await
        .unwrap()
}

fn client(regulator: &Organization, server: &Server) -> VaultClient {
    let ca = regulator.tls_ca().unwrap().certificate_pem();
    VaultClient::new(format!("https://{}", server.address()), ca.as_bytes()).unwrap()
}

fn organisation(dir: &tempfile::TempDir, place: &str, domain: &str, msp_id: &str) -> Organization {
    let users = ["payer", "portal", "vault"]
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

fn quarter() -> Period {
    "2026Q4".parse().unwrap()
}

fn person(family: &str, given: &str) -> Person {
    Person {
        family: family.into(),
        given: given.into(),
        born: "1980-02-29".parse().unwrap(),
    }
}

fn claim(lines: u16) -> Claim {
    let line = |sequence: u16| -> ClaimLine {
        serde_json::from_value(serde_json::json!({
            "sequence": sequence, "procedure": format!("X-{sequence:04}"), "date": "2026-11-02", "units": 1, "charge": 100,
        }))
        .unwrap()
    };
    let lines: Vec<ClaimLine> = (1..=lines).map(line).collect();
    serde_json::from_value(serde_json::json!({
        "id": "00".repeat(16), "coverage": "01".repeat(16), "provider_npi": "1234567893", "currency": "USD",
        "lines": lines, "total": 100 * lines.len(),
    }))
    .unwrap()
}

/// The fingerprints of a claim's lines, of which all are of that quarter.
async fn asked(
    asker: &Fingerprinter<'_>,
    claim: &Claim,
    person: &Person,
    period: Period,
    key: &FingerprintKey,
) -> Result<Vec<Hash>, FingerprintError> {
    let inputs = claim.lines.iter().map(|line| Input::of(person, claim, line));
    let inputs = inputs.collect::<Result<_, _>>()?;
    asker.of_inputs(period, key, inputs, now()).await
}

fn request() -> FingerprintRequest {
    let (claim, person) = (claim(1), person("Lovelace", "Ada"));
    let input = Input::of(&person, &claim, &claim.lines[0]).unwrap();
    FingerprintRequest {
        regulator: REGULATOR.into(),
        channel: "health".into(),
        period: quarter(),
        elements: Blinding::of(vec![input]).unwrap().elements().to_vec(),
        at: now(),
    }
}

fn key_request() -> PeriodKeyRequest {
    PeriodKeyRequest {
        regulator: REGULATOR.into(),
        channel: "health".into(),
        period: quarter(),
        at: now(),
    }
}

#[tokio::test]
async fn two_spellings_of_one_person_have_one_fingerprint_and_the_log_has_nothing_of_them() {
    let world = World::open().await;
    let claim = claim(2);
    let (asker, key) = (world.asker(&world.payer), world.key());
    let of = async |family: &str, given: &str| {
        let person = person(family, given);
        asked(&asker, &claim, &person, quarter(), &key).await.unwrap()
    };
    let one = of("Müller-Lüdenscheid", "Anna Maria").await;
    assert_eq!(one.len(), 2);
    assert_ne!(one[0], one[1]);
    assert_eq!(one, of("MUELLER LUEDENSCHEID", "ANNA").await);
    let other = of("Muller", "Anna").await;
    assert!(one.iter().all(|known| !other.contains(known)));

    let log = world.log();
    assert_eq!(log.lines().count(), 3, "{log}");
    for line in log.lines() {
        let parts: Vec<&str> = line.split(' ').collect();
        assert_eq!((parts[1], parts[3], parts[4]), (INSURER, "2026Q4", "2"), "{line}");
    }
    // A quarter that is not open.
    let next: Period = "2027Q1".parse().unwrap();
    let refused = asked(&asker, &claim, &person("Lovelace", "Ada"), next, &key).await;
    assert!(
        matches!(refused, Err(FingerprintError::Refused(period)) if period == next),
        "{refused:?}"
    );
    world.server.stop().await;
}

#[tokio::test]
async fn strangers_old_requests_and_what_is_no_request_get_the_one_refusal_and_cost_nothing() {
    let world = World::open().await;
    let refused = async |who: &SigningIdentity, request: FingerprintRequest, what: &str| {
        let answer = world.send(who, request).await;
        assert!(
            matches!(answer, Err(VaultError::NotReleased)),
            "{what}: {answer:?}"
        );
    };
    for stranger in &world.strangers {
        refused(stranger, request(), "a stranger").await;
    }
    refused(&world.opener, request(), "the regulator itself").await;
    for at in [now() - 400, now() + 400, 0, i64::MIN, i64::MAX] {
        refused(&world.payer, FingerprintRequest { at, ..request() }, "old").await;
    }
    let elsewhere = |regulator: &str, channel: &str| FingerprintRequest {
        regulator: regulator.into(),
        channel: channel.into(),
        ..request()
    };
    refused(&world.payer, elsewhere(INSURER, "health"), "another vault").await;
    refused(&world.payer, elsewhere(REGULATOR, "other"), "another channel").await;
    let with = |elements: Vec<String>| FingerprintRequest {
        elements,
        ..request()
    };
    refused(&world.payer, with(Vec::new()), "nothing").await;
    refused(&world.payer, with(vec!["00".repeat(32)]), "the identity").await;
    refused(&world.payer, with(vec!["zz".repeat(32)]), "no hex").await;
    refused(
        &world.payer,
        with(vec![request().elements[0].clone(); 101]),
        "too many",
    )
    .await;
    let closed = FingerprintRequest {
        period: "2026Q3".parse().unwrap(),
        ..request()
    };
    refused(&world.payer, closed, "a quarter that is not open").await;

    // Under another's name, altered, and signed as something else: compared byte by byte.
    let http = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(
            world.regulator.tls_ca().unwrap().certificate_pem().as_bytes(),
        )
        .unwrap()])
        .no_proxy()
        .build()
        .unwrap();
    let sign = |who: &SigningIdentity| signed(who, request());
    let mut forged = sign(&world.strangers[2]);
    forged.identity = sign(&world.payer).identity;
    let mut altered = sign(&world.payer);
    altered.request.elements = request().elements;
    let mut unsigned = sign(&world.payer);
    unsigned.signature = String::new();
    for (what, signed) in [
        ("stranger", sign(&world.strangers[0])),
        ("forged", forged),
        ("altered", altered),
        ("unsigned", unsigned),
    ] {
        let url = format!("{}/v1/fingerprints", world.vault.url());
        let answer = http.post(url).json(&signed).send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.bytes().await.unwrap().len()),
            (404, 0),
            "{what}"
        );
    }
    assert_eq!(world.log(), "", "nothing was answered");
    assert_eq!(world.ask(8).await.unwrap().len(), 8, "and nothing was counted");

    // The key: for the own organisation's role alone, now.
    for who in [
        &world.payer,
        &world.strangers[0],
        &identity(&world.regulator, "payer"),
    ] {
        let refused = world.vault.period_key(who, key_request()).await;
        assert!(matches!(refused, Err(VaultError::NotTaken)), "{refused:?}");
    }
    let old = PeriodKeyRequest {
        at: now() - 400,
        ..key_request()
    };
    assert!(matches!(
        world.vault.period_key(&world.opener, old).await,
        Err(VaultError::NotTaken)
    ));
    world.server.stop().await;
}

#[tokio::test]
async fn the_limit_holds_across_a_restart_and_the_key_stays() {
    let world = World::open().await;
    let before = world.ask(5).await.unwrap();
    let world = world.restart().await;
    let refused = world.ask(4).await;
    // The five are less than a day ago, whenever that was.
    let told =
        matches!(refused, Err(FingerprintError::OverTheLimit(seconds)) if (1..=86_400).contains(&seconds));
    assert!(told, "{refused:?}");
    assert_eq!(
        world.ask(3).await.unwrap(),
        before[..3],
        "the same key, and three are left"
    );
    assert!(world.ask(1).await.is_err());
    assert_eq!(world.log().lines().count(), 2);
    world.server.stop().await;
}

#[tokio::test]
async fn another_key_than_the_ledgers_is_refused_at_both_ends() {
    let world = World::open().await;
    // A payer that was shown another key takes no fingerprint.
    let other = FingerprintKey::new(
        Seed::open_or_create(tempfile::tempdir().unwrap().path(), KeyProvider::File)
            .unwrap()
            .secret(quarter())
            .unwrap()
            .public()
            .to_vec(),
    )
    .unwrap();
    let (claim, person) = (claim(1), person("Lovelace", "Ada"));
    let asker = world.asker(&world.payer);
    let fooled = asked(&asker, &claim, &person, quarter(), &other).await;
    assert!(
        matches!(fooled, Err(FingerprintError::Oblivious(ObliviousError::Proof))),
        "{fooled:?}"
    );
    // A vault whose seed is not the one that the quarter was opened with says that it fails, as it does without its peer.
    world.peer.open.lock().unwrap().replace(other);
    let failed = world.send(&world.payer, request()).await;
    assert!(
        matches!(failed, Err(VaultError::Failed { status: 503, .. })),
        "{failed:?}"
    );
    *world.peer.gone.lock().unwrap() = true;
    let failed = world.send(&world.payer, request()).await;
    assert!(
        matches!(failed, Err(VaultError::Failed { status: 503, .. })),
        "{failed:?}"
    );
    world.server.stop().await;
}

fn signed<R: VaultRequest>(who: &SigningIdentity, request: R) -> SignedRequest<R> {
    SignedRequest::new::<WireError>(request, who.serialized(), |message| {
        Ok(who.sign(message).unwrap())
    })
    .unwrap()
}
