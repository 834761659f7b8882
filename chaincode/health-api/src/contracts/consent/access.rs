//! Accesses, broken glasses, and what a vault may release on them.

use super::offline::Offline;
use crate::codes::{Action, Category, Code, Label, Obligation, OverrideReason, Purpose};
use crate::date::DateRange;
use crate::ids::{ConsentId, DocumentId, EncounterId, KemPublicKey, Nonce, PatientId, Salt, TxId};
use crate::intent::SignedIntent;
use crate::merkle::batch::BatchProof;
use crate::roles::Role;
use serde::{Deserialize, Serialize};

/// Longest break-glass window, in minutes.
pub const MAX_BREAK_GLASS_MINUTES: u16 = 240;
/// How long after its proposal a transaction may release keys, in seconds.
pub const RELEASE_SECONDS: i64 = 300;

/// A request for access.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessRequest {
    /// Whose data.
    pub patient: PatientId,
    /// What for; not BTG, which has its own function.
    pub purpose: Purpose,
    /// Doing what.
    pub action: Action,
    /// Which categories: 1 to 13, each once.
    pub categories: Vec<Category>,
    /// Only items with these labels, where stated.
    #[serde(default)]
    pub labels: Option<Vec<Label>>,
    /// Only items with these codes, where stated.
    #[serde(default)]
    pub codes: Option<Vec<Code>>,
    /// Only items dated in this range, where stated.
    #[serde(default)]
    pub data_period: Option<DateRange>,
    /// Only items of this authoring organisation (MSP id), where stated.
    #[serde(default)]
    pub authored_by: Option<String>,
    /// Only these documents, where stated.
    #[serde(default)]
    pub documents: Option<Vec<DocumentId>>,
    /// Only items of this encounter, where stated.
    #[serde(default)]
    pub encounter: Option<EncounterId>,
    /// Where the vault seals keys to; fresh for this request.
    pub kem_key: KemPublicKey,
}

impl AccessRequest {
    /// Asks to read everything of these categories; its other fields narrow that.
    pub fn new(
        patient: PatientId,
        purpose: Purpose,
        categories: impl Into<Vec<Category>>,
        kem_key: KemPublicKey,
    ) -> Self {
        Self {
            patient,
            purpose,
            action: Action::Access,
            categories: categories.into(),
            labels: None,
            codes: None,
            data_period: None,
            authored_by: None,
            documents: None,
            encounter: None,
            kem_key,
        }
    }
}

/// A glass to break.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakGlassRequest {
    /// Whose emergency summary.
    pub patient: PatientId,
    /// Why.
    pub reason: OverrideReason,
    /// For how long: 1 to [`MAX_BREAK_GLASS_MINUTES`].
    pub minutes: u16,
    /// The requester attests that the reason holds; must be true.
    pub attest: bool,
    /// During which encounter.
    #[serde(default)]
    pub encounter: Option<EncounterId>,
    /// Where the vault seals keys to; fresh for this request.
    pub kem_key: KemPublicKey,
}

/// The second step of a broken glass: all current documents but those that the patient or the consortium's policy excluded from break-glass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FullBreakGlassRequest {
    /// The first step: a broken glass of the same person, still within its window. Patient, reason and encounter are taken from it.
    pub first: TxId,
    /// For how long: 1 to [`MAX_BREAK_GLASS_MINUTES`].
    pub minutes: u16,
    /// The requester attests that the summary did not suffice; must be true.
    pub attest: bool,
    /// Where the vault seals keys to; fresh for this request.
    pub kem_key: KemPublicKey,
}

crate::codes::code_enum! {
    /// What kind of access an event records.
    AccessKind {
        /// On a consent.
        Access = "access",
        /// Broken glass.
        BreakGlass = "break-glass",
        /// Broken glass, second step: beyond the emergency summary.
        BreakGlassFull = "break-glass-full",
        /// The patient's own reading, on a signed request.
        Own = "own",
        /// Broken glass without the network, filed afterwards.
        Offline = "offline",
        /// Somebody looked for the patient in an emergency and found them. In notifications only.
        Find = "find",
    }
}

crate::codes::code_enum! {
    /// What came of an access.
    Outcome {
        /// Something was opened.
        Permitted = "permitted",
        /// Nothing was opened: denied, no consent, unknown patient alike.
        Refused = "refused",
    }
}

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requester {
    /// MSP id.
    pub organisation: String,
    /// Certificate role.
    pub role: Role,
    /// Tagged hash of organisation and certificate's subject and issuer, hex. The organisation knows who it is.
    pub person: String,
    /// The groups that the organisation put into the certificate, sorted: at most [`crate::roles::MAX_GROUPS`]. Empty where it puts none.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// A committed access or broken glass, as the custodian keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessRecord {
    /// The transaction.
    pub tx: TxId,
    /// Which kind.
    pub kind: AccessKind,
    /// The proposal's time, seconds since 1970 (the client's clock; peers refuse more than 5 minutes of difference).
    pub at: i64,
    /// Who.
    pub requester: Requester,
    /// The access request; none for a broken glass.
    pub request: Option<AccessRequest>,
    /// The break-glass request; none for an access. For the second step: the first one's patient, reason and encounter.
    pub emergency: Option<BreakGlassRequest>,
    /// The first step that the second step of a broken glass follows.
    #[serde(default)]
    pub follows: Option<TxId>,
    /// What the patient signed, for an access of kind `own`: it proves itself to the vault.
    #[serde(default)]
    pub intent: Option<SignedIntent>,
    /// Of kind `offline`: when it happened. `at` is then when it was filed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offline: Option<Offline>,
    /// What came of it.
    pub outcome: Outcome,
    /// Categories opened.
    pub permitted: Vec<Category>,
    /// What the requester is obliged to.
    pub obligations: Vec<Obligation>,
    /// The consents it rests on.
    pub basis: Vec<ConsentId>,
    /// When it ends, seconds since 1970.
    pub expires_at: i64,
    /// The patient's epoch the decision saw; none for a broken glass, an own access and a patient without one.
    pub epoch: Option<TxId>,
    /// `HMAC(collection secret, tx)`, so that the value's hash in the block cannot be guessed.
    pub salt: Salt,
}

impl AccessRecord {
    /// Whose data was asked for.
    pub fn patient(&self) -> Option<PatientId> {
        self.request
            .as_ref()
            .map(|r| r.patient)
            .or(self.emergency.as_ref().map(|e| e.patient))
    }

    /// Where the vault seals keys to.
    pub fn kem_key(&self) -> Option<KemPublicKey> {
        self.request
            .as_ref()
            .map(|r| r.kem_key)
            .or(self.emergency.as_ref().map(|e| e.kem_key))
    }
}

/// What a vault may release on an access, on the asked peer's current state at the vault's time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The committed event.
    pub record: AccessRecord,
    /// The proposal is at most [`RELEASE_SECONDS`] old (or ahead) at the asked time.
    pub fresh: bool,
    /// The asked time lies before the access ends.
    pub in_time: bool,
    /// No grant and no revocation of that patient since the decision. Always true for a broken glass and an own access, which do not read the
    /// epoch.
    pub epoch_unchanged: bool,
    /// The requester holds a credential that counts at the asked time, where the role needs one.
    pub credentialed: bool,
    /// The documents that may be released: what the decision, run again, permits. Empty unless all of the above hold.
    pub documents: Vec<ReleasableDocument>,
    /// What the requester is obliged to.
    pub obligations: Vec<Obligation>,
    /// When the requester deletes what it gets, seconds since 1970, where a consent that it rests on says so.
    #[serde(default)]
    pub erase_at: Option<i64>,
}

/// A document that may be released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleasableDocument {
    /// The document.
    pub document: DocumentId,
    /// Its newest described version.
    pub version: u32,
    /// Its category.
    pub category: Category,
    /// What shows a first version that was anchored in a batch and has no head of its own.
    #[serde(default)]
    pub proof: Option<BatchProof>,
}

/// What a patient is told about one access or attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notification {
    /// The transaction.
    pub tx: TxId,
    /// Which kind.
    pub kind: AccessKind,
    /// When, seconds since 1970.
    pub at: i64,
    /// MSP id of the asking organisation.
    pub organisation: String,
    /// The asker's role.
    pub role: Role,
    /// What for; BTG for a broken glass.
    pub purpose: Purpose,
    /// Why the glass was broken.
    pub reason: Option<OverrideReason>,
    /// What was asked for.
    pub requested: Vec<Category>,
    /// What was opened.
    pub permitted: Vec<Category>,
    /// What came of it.
    pub outcome: Outcome,
    /// Of a glass that was broken without the network and filed afterwards: when it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offline: Option<Offline>,
}

/// One access or attempt, and whom to tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// The patient's id at the custodian, who alone knows the person behind it.
    pub patient: PatientId,
    /// What to tell.
    pub notification: Notification,
    /// Whether the patient wants to be told; the log has it whatever the patient wants.
    pub wanted: bool,
}

/// Whether a patient wants to be told of accesses at this custodian.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotificationChoice {
    /// Who chooses.
    pub patient: PatientId,
    /// Told or not.
    pub wanted: bool,
    /// The intent's nonce.
    pub nonce: Nonce,
    /// Salts the private value.
    pub salt: Salt,
}
