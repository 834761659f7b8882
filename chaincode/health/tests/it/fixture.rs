//! A consortium of four organisations on the mock network, with one enrolled patient and five documents.

use crate::exposure;
use crate::wallet::Wallet;
use careledger_api::codes::{Category, Code, ICD10_CM, OverrideReason, Purpose};
use careledger_api::consortium::{Consortium, Organisation, OrganisationRole};
use careledger_api::contracts::consent::{
    AccessRecord, AccessRequest, BreakGlassRequest, Consent, ConsentsClient, Notification, Release,
    Revocation,
};
use careledger_api::contracts::credential::{CredentialKind, CredentialsClient, NewCredential, person_of};
use careledger_api::contracts::identity::{IdentityClient, PatientQuery};
use careledger_api::contracts::record::{DocumentMetadata, LocatedDocument, NewDocument, RecordClient};
use careledger_api::contracts::registry::RegistryClient;
use careledger_api::date::{Date, Period};
use careledger_api::ids::{DocumentId, Hash, KemPublicKey, PatientId, TxId};
use careledger_api::intent::SignedIntent;
use careledger_api::roles::{ROLE_ATTRIBUTE, Role};
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{CallError, ClientIdentity, Committed, Timestamp};
use fabric_contract_mock::{MockClient, MockCollection, MockError, MockLedger, now};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

pub const HOSPITAL: &str = "HospitalMSP";
pub const CLINIC: &str = "ClinicMSP";
pub const INSURER: &str = "InsurerMSP";
pub const REGULATOR: &str = "RegulatorMSP";
pub const ORGANISATIONS: [&str; 4] = [HOSPITAL, CLINIC, INSURER, REGULATOR];
pub const CONSORTIUM: &str = "careledger";
pub const CHANNEL: &str = "health";
/// 2027-01-15T08:00:00Z.
pub const NOW: i64 = 1_800_000_000;

pub type Call<T> = Result<T, CallError<HealthError, MockError>>;

pub struct World {
    pub mock: MockLedger,
    pub wallet: Wallet,
    /// Those who ask for data, by organisation and role, with their credentials.
    credentialed: RefCell<BTreeMap<(String, Role), MockClient>>,
}

/// Sixteen bytes that look like an id.
pub fn bytes(id: u8) -> [u8; 16] {
    [id; 16]
}

/// The contract's own refusal; anything else is a failed test.
pub fn contract_error<T: std::fmt::Debug>(result: Call<T>) -> HealthError {
    match result {
        Err(CallError::Contract(error)) => error,
        other => panic!("the contract's refusal was expected, not {other:?}"),
    }
}

pub fn consortium() -> Consortium {
    let organisation = |msp_id: &str, role| Organisation {
        msp_id: msp_id.into(),
        roles: [role].into(),
    };
    Consortium {
        id: CONSORTIUM.into(),
        channel: CHANNEL.into(),
        chaincode: careledger_chaincode::CHAINCODE_NAME.into(),
        organisations: vec![
            organisation(HOSPITAL, OrganisationRole::Custodian),
            organisation(CLINIC, OrganisationRole::Custodian),
            organisation(INSURER, OrganisationRole::Payer),
            organisation(REGULATOR, OrganisationRole::Regulator),
        ],
        policy: Default::default(),
    }
}

/// The network with its consortium established and every collection opened.
pub async fn empty_world() -> World {
    opened(consortium()).await
}

/// The same of another consortium.
pub async fn opened(consortium: Consortium) -> World {
    let world = established_as(consortium.clone(), CHANNEL).await;
    for collection in consortium.collections().iter().filter(|c| c.name != "log") {
        let owner = &collection.members[0];
        let role = if consortium.has_role(owner, OrganisationRole::Payer) {
            Role::Payer
        } else {
            Role::Custodian
        };
        let opener = world.client(owner, role);
        let secret = world.wallet.salt();
        let opened = RegistryClient::new(&opener).open_collection(collection.name.clone(), secret);
        opened.endorsed_by([owner]).send().await.unwrap();
    }
    world
}

/// The network with its consortium established on this channel, and nothing else; the wallet signs for that channel.
pub async fn established(channel: &'static str) -> World {
    established_as(consortium(), channel).await
}

async fn established_as(consortium: Consortium, channel: &'static str) -> World {
    let consortium = Consortium {
        channel: channel.into(),
        ..consortium
    };
    let collections = consortium.collections();
    let organisations = consortium.organisations.iter().map(|o| o.msp_id.clone());
    let mock = MockLedger::builder(careledger_chaincode::chaincode())
        .channel(channel)
        .chaincode(careledger_chaincode::CHAINCODE_NAME)
        .organisations(organisations)
        .collections(
            collections
                .iter()
                .map(|c| MockCollection::new(&c.name, &c.members)),
        )
        .time(Timestamp {
            seconds: NOW,
            nanos: 0,
        })
        .watch(exposure::check)
        .start()
        .unwrap();
    let world = World {
        mock,
        wallet: Wallet::new(1),
        credentialed: RefCell::default(),
    };
    world.wallet.channel.set(channel);
    let admin = world.mock.as_admin(REGULATOR).unwrap();
    RegistryClient::new(&admin)
        .establish(consortium)
        .send()
        .await
        .unwrap();
    world
}

/// The same with an enrolled patient and documents of five categories; the note is labelled PSY.
pub async fn world() -> World {
    let world = empty_world().await;
    world.enrol(&world.wallet).await.unwrap();
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let record = RecordClient::new(&keeper);
    let metadata: Vec<DocumentMetadata> = [
        (Category::Laboratory, None, None),
        (Category::Medication, None, None),
        (Category::Problem, None, Some("C43.5")),
        (Category::Note, Some("PSY"), Some("F32.9")),
        (Category::EmergencySummary, None, None),
    ]
    .into_iter()
    .zip(1u8..)
    .map(|((category, label, code), id)| DocumentMetadata {
        patient: world.wallet.patient(),
        document: DocumentId::from_bytes(bytes(id)),
        version: 1,
        category,
        codes: code
            .map(|code: &str| Code {
                system: ICD10_CM.into(),
                code: code.into(),
            })
            .into_iter()
            .collect(),
        labels: label
            .map(|label: &str| label.parse().unwrap())
            .into_iter()
            .collect(),
        date: Some("2026-11-01".parse().unwrap()),
        encounter: None,
        author: HOSPITAL.into(),
        emergency: category == Category::EmergencySummary,
        proof: None,
        salt: world.wallet.salt(),
    })
    .collect();
    let half = record
        .describe(HOSPITAL, metadata.clone())
        .endorsed_by([HOSPITAL])
        .send()
        .await;
    assert_eq!(contract_error(half), HealthError::NotFound, "anchored first");
    let anchors = metadata
        .iter()
        .map(|m| NewDocument {
            document: m.document,
            commitment: Hash::from_bytes([7; 32]),
        })
        .collect();
    world.receipt(record.anchor_many(anchors).send().await).unwrap();
    world
        .receipt(
            record
                .describe(HOSPITAL, metadata)
                .endorsed_by([HOSPITAL])
                .send()
                .await,
        )
        .unwrap();
    world
}

impl World {
    /// A person of an organisation. Who asks for data is always the same one, with a credential.
    pub fn client(&self, organisation: &str, role: Role) -> MockClient {
        if !role.needs_credential() {
            return self.newcomer(organisation, role);
        }
        let place = (organisation.to_owned(), role);
        let known = self.credentialed.borrow().get(&place).cloned();
        known.unwrap_or_else(|| {
            let person = self.newcomer(organisation, role);
            self.issue(organisation, &person).unwrap();
            self.credentialed.borrow_mut().insert(place, person.clone());
            person
        })
    }

    /// The organisation's issuer gives a person a credential for a year.
    pub fn issue(&self, organisation: &str, person: &MockClient) -> Result<TxId, HealthError> {
        let credential = NewCredential {
            person: person_of(&ClientIdentity::from_creator(person.creator()).unwrap()),
            kind: CredentialKind::Licence,
            period: Period {
                from: NOW - 86_400,
                until: NOW + 365 * 86_400,
            },
            commitment: Hash::from_bytes([6; 32]),
        };
        let issuer = self.newcomer(organisation, Role::Issuer);
        self.receipt(now(CredentialsClient::new(&issuer)
            .issue(vec![credential])
            .send()))
    }

    /// A person with a certificate of their own and no credential.
    pub fn newcomer(&self, organisation: &str, role: Role) -> MockClient {
        self.mock
            .as_client(organisation, [(ROLE_ATTRIBUTE, role.as_str())])
            .unwrap()
    }

    pub fn now(&self) -> i64 {
        self.mock.time().seconds
    }

    pub fn today(&self) -> Date {
        Date::from_unix(self.now()).unwrap()
    }

    pub fn advance(&self, seconds: u64) {
        self.mock.advance(Duration::from_secs(seconds));
    }

    /// The transaction's id, or the contract's refusal. Of every transaction that went through it checks what a block may show.
    pub fn receipt(&self, sent: Call<Committed<Receipt>>) -> Result<TxId, HealthError> {
        match sent {
            Ok(committed) => {
                self.check_what_the_block_shows();
                assert_eq!(committed.value.tx.as_str(), committed.tx_id);
                Ok(committed.value.tx)
            }
            Err(CallError::Contract(error)) => Err(error),
            Err(other) => panic!("unexpected failure: {other:?}"),
        }
    }

    fn check_what_the_block_shows(&self) {
        let simulation = self.mock.last_simulation().unwrap();
        let shape = simulation.shape();
        let private = shape.keys().any(|(_, collection)| !collection.is_empty());
        let public = simulation.public_keys_written().next().is_some();
        assert!(
            private != public,
            "a transaction writes public keys or touches bodies, never both: {shape:?}"
        );
        let writes = shape
            .values()
            .any(|counts| counts.writes + counts.deletes + counts.metadata_writes > 0);
        assert!(
            writes,
            "a transaction without a write needs the channel's majority"
        );
        let event = simulation.event.expect("one event for every transaction");
        let patient = self.wallet.patient().to_string();
        for text in [simulation.response.payload, event.payload] {
            assert!(!String::from_utf8(text).unwrap().contains(&patient));
        }
    }

    pub async fn enrol(&self, wallet: &Wallet) -> Result<TxId, HealthError> {
        let (enrolment, intent) = wallet.enrolment();
        let registrar = self.client(HOSPITAL, Role::Registrar);
        let sent = IdentityClient::new(&registrar)
            .enrol(HOSPITAL, enrolment, intent)
            .endorsed_by([HOSPITAL]);
        self.receipt(sent.send().await)
    }

    pub async fn grant(&self, consent: &Consent, intent: &SignedIntent) -> Call<TxId> {
        let portal = self.client(CLINIC, Role::Portal);
        let sent = ConsentsClient::new(&portal).grant(HOSPITAL, consent.clone(), intent.clone());
        self.checked(sent.endorsed_by([HOSPITAL]).send().await)
    }

    pub async fn revoke(&self, revocation: &Revocation, intent: &SignedIntent) -> Call<TxId> {
        let portal = self.client(CLINIC, Role::Portal);
        let sent = ConsentsClient::new(&portal).revoke(HOSPITAL, revocation.clone(), intent.clone());
        self.checked(sent.endorsed_by([HOSPITAL]).send().await)
    }

    pub fn request(&self, patient: PatientId, categories: &[Category]) -> AccessRequest {
        AccessRequest::new(
            patient,
            Purpose::Treatment,
            categories,
            KemPublicKey::from_bytes([9; 32]),
        )
    }

    /// A clinician of the clinic asks for categories of the patient.
    pub async fn access(&self, categories: &[Category]) -> Call<TxId> {
        self.ask(self.request(self.wallet.patient(), categories)).await
    }

    pub async fn ask(&self, request: AccessRequest) -> Call<TxId> {
        self.mock.advance(Duration::from_millis(1));
        let clinician = self.client(CLINIC, Role::Clinician);
        let sent = ConsentsClient::new(&clinician)
            .access(HOSPITAL, request)
            .endorsed_by([HOSPITAL]);
        self.checked(sent.send().await)
    }

    pub async fn break_glass(&self, reason: OverrideReason, minutes: u16) -> Call<TxId> {
        let request = self.emergency(self.wallet.patient(), reason, minutes);
        let doctor = self.client(CLINIC, Role::Emergency);
        let sent = ConsentsClient::new(&doctor)
            .break_glass(HOSPITAL, request)
            .endorsed_by([HOSPITAL]);
        self.checked(sent.send().await)
    }

    pub fn emergency(&self, patient: PatientId, reason: OverrideReason, minutes: u16) -> BreakGlassRequest {
        BreakGlassRequest {
            patient,
            reason,
            minutes,
            attest: true,
            encounter: None,
            kem_key: KemPublicKey::from_bytes([9; 32]),
        }
    }

    pub async fn outcome(&self, tx: &TxId) -> Call<AccessRecord> {
        let vault = self.client(HOSPITAL, Role::Vault);
        ConsentsClient::new(&vault)
            .outcome(HOSPITAL, tx.clone())
            .send()
            .await
    }

    pub async fn release(&self, tx: &TxId, now: i64) -> Call<Release> {
        let vault = self.client(HOSPITAL, Role::Vault);
        ConsentsClient::new(&vault)
            .release(HOSPITAL, tx.clone(), now)
            .send()
            .await
    }

    pub async fn notifications(&self) -> Call<Vec<Notification>> {
        let notifier = self.client(HOSPITAL, Role::Notifier);
        let query = PatientQuery {
            patient: self.wallet.patient(),
        };
        ConsentsClient::new(&notifier)
            .notifications(HOSPITAL, query)
            .send()
            .await
    }

    pub async fn locate(&self) -> Vec<LocatedDocument> {
        let keeper = self.client(HOSPITAL, Role::Custodian);
        let query = PatientQuery {
            patient: self.wallet.patient(),
        };
        RecordClient::new(&keeper)
            .locate(HOSPITAL, query)
            .send()
            .await
            .unwrap()
    }

    /// As [`World::receipt`], with every error kept.
    fn checked(&self, sent: Call<Committed<Receipt>>) -> Call<TxId> {
        let committed = sent?;
        self.check_what_the_block_shows();
        Ok(committed.value.tx)
    }
}
