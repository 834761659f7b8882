//! Consents, accesses, break-glass.

use crate::codes::{Action, Category, Code, CodeFilter, Label, Obligation, OverrideReason, Purpose};
use crate::contracts::identity::PatientQuery;
use crate::date::{DateRange, Period};
use crate::decision::Decision;
use crate::ids::{ConsentId, DocumentId, KemPublicKey, PatientId, Salt, TxId};
use crate::intent::SignedIntent;
use crate::roles::Role;
use crate::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext, contract};
use serde::{Deserialize, Serialize};

/// Active consents a patient may have at one custodian. Every access reads this many slots, used or not.
pub const CONSENT_SLOTS: usize = 8;
/// Provisions of one consent.
pub const MAX_PROVISIONS: usize = 32;
/// Longest period of a consent: ten years, in seconds.
pub const MAX_CONSENT_SECONDS: i64 = 10 * 366 * 86_400;
/// Longest break-glass window, in minutes.
pub const MAX_BREAK_GLASS_MINUTES: u16 = 240;
/// How long after its proposal a transaction may release keys, in seconds.
pub const RELEASE_SECONDS: i64 = 300;

crate::codes::code_enum! {
    /// Whether a provision opens or closes.
    Effect {
        /// Opens.
        Permit = "permit",
        /// Closes; stands over every permit.
        Deny = "deny",
    }
}

/// Who a provision is about. All stated parts must hold; an empty one says everybody.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActorFilter {
    /// MSP id of the organisation.
    #[serde(default)]
    pub organisation: Option<String>,
    /// Certificate role.
    #[serde(default)]
    pub role: Option<Role>,
    /// Person, as [`Requester::person`].
    #[serde(default)]
    pub person: Option<String>,
}

/// One rule of a consent. An empty list (or none) does not restrict; several entries of one list are alternatives; all lists must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provision {
    /// Opens or closes.
    pub effect: Effect,
    /// Who.
    #[serde(default)]
    pub actors: Vec<ActorFilter>,
    /// What for. TREAT covers ETREAT; BTG is covered by BTG alone.
    #[serde(default)]
    pub purposes: Vec<Purpose>,
    /// Doing what.
    #[serde(default)]
    pub actions: Vec<Action>,
    /// Which categories.
    #[serde(default)]
    pub categories: Vec<Category>,
    /// Which labels (each with its group). A permit that names no label does not cover an item with a sensitivity label.
    #[serde(default)]
    pub labels: Vec<Label>,
    /// Which clinical codes.
    #[serde(default)]
    pub codes: Vec<CodeFilter>,
    /// Clinical dates of the data.
    #[serde(default)]
    pub data_period: Option<DateRange>,
    /// MSP ids of authoring organisations.
    #[serde(default)]
    pub authored_by: Vec<String>,
    /// Single documents.
    #[serde(default)]
    pub documents: Vec<DocumentId>,
    /// When, within the consent's own period.
    #[serde(default)]
    pub period: Option<Period>,
    /// What a permit obliges to.
    #[serde(default)]
    pub obligations: Vec<Obligation>,
}

/// A patient's consent at one custodian.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// Drawn by the wallet; also the intent's nonce.
    pub id: ConsentId,
    /// Who consents.
    pub patient: PatientId,
    /// When it holds.
    pub period: Period,
    /// 1 to [`MAX_PROVISIONS`] rules. Nothing is permitted that none of them permits.
    pub provisions: Vec<Provision>,
    /// Salts the private value.
    pub salt: Salt,
}

/// Takes consents back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// Who takes back.
    pub patient: PatientId,
    /// Which: 1 to [`CONSENT_SLOTS`]. To revoke all, name all: the wallet knows them, and `my_consents` lists them.
    pub consents: Vec<ConsentId>,
    /// Salts the private values.
    pub salt: Salt,
}

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
    /// Where the vault seals keys to; fresh for this request.
    pub kem_key: KemPublicKey,
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
    /// Tagged hash of the certificate's subject and issuer, hex. The organisation knows who it is.
    pub person: String,
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
    /// The break-glass request; none for an access.
    pub emergency: Option<BreakGlassRequest>,
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
    /// The patient's epoch the decision saw; none for a broken glass and for a patient without one.
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
    /// No grant and no revocation of that patient since the decision. Always true for a broken glass, which does not read the epoch.
    pub epoch_unchanged: bool,
    /// The documents that may be released: what the decision, run again, permits. Empty unless all of the above hold.
    pub documents: Vec<ReleasableDocument>,
    /// What the requester is obliged to.
    pub obligations: Vec<Obligation>,
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
}

/// A patient's signed question, answered to clients of one organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedQuery {
    /// Who asks.
    pub patient: PatientId,
    /// MSP id of the organisation whose client carries the question and sees the answer.
    pub reader: String,
}

/// A consent with its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentView {
    /// The consent.
    pub consent: Consent,
    /// Whether it was taken back.
    pub revoked: bool,
}

crate::codes::code_enum! {
    /// What a review of a broken glass found.
    ReviewOutcome {
        /// Rightly broken.
        Justified = "justified",
        /// Wrongly broken.
        Unjustified = "unjustified",
        /// It cannot be said.
        Inconclusive = "inconclusive",
    }
}

/// A finished review of a broken glass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Review {
    /// The break-glass transaction.
    pub access: TxId,
    /// The finding.
    pub outcome: ReviewOutcome,
    /// Salts the private value.
    pub salt: Salt,
}

/// A review that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenReview {
    /// The break-glass transaction.
    pub access: TxId,
    /// When, seconds since 1970.
    pub at: i64,
    /// MSP id of the organisation that broke the glass.
    pub organisation: String,
    /// The reason given.
    pub reason: OverrideReason,
}

/// Consents, accesses and break-glass, all in `care_<custodian>`.
#[contract(name = "consent", error = HealthError)]
pub trait Consents {
    /// Writes a consent. Any organisation's client, with the patient's intent. `REPLAYED` if the consent's id was used, `LIMIT` if all slots
    /// hold consents that are neither revoked nor over, `EXPIRED` if its period is over.
    #[submit]
    fn grant(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] consent: Consent,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Takes consents back. Any organisation's client, with the patient's intent. What is revoked already stays so: success.
    #[submit]
    fn revoke(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] revocation: Revocation,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Asks for access and writes what came of it. Roles `clinician`, `emergency`, `researcher` of any organisation. Succeeds whatever the
    /// decision: the outcome is private, and the custodian's vault tells it after the commit.
    #[submit]
    fn access(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] request: AccessRequest,
    ) -> Result<Receipt, HealthError>;

    /// Breaks the glass: opens the emergency summary, opens a review, and is notified like any access. Role `emergency` of any organisation.
    /// `INVALID_CODE` without a reason of the table, without attestation or outside 1 to 240 minutes.
    #[submit]
    fn break_glass(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] request: BreakGlassRequest,
    ) -> Result<Receipt, HealthError>;

    /// Closes the review of a broken glass. Role `dpo` of the custodian or a regulator, not of the organisation that broke it
    /// (`SOD_VIOLATION`). `NOT_FOUND` if no such review is open.
    #[submit]
    fn review(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] review: Review,
    ) -> Result<Receipt, HealthError>;

    /// What the decision would be now. Role `custodian` of the custodian. The requester is the given one, not the caller.
    #[evaluate]
    fn decide(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        #[transient] requester: Requester,
        #[transient] request: AccessRequest,
    ) -> Result<Decision, HealthError>;

    /// The committed event of an access or broken glass. Role `custodian` or `vault` of the custodian. `NOT_FOUND` unless committed valid.
    #[evaluate]
    fn outcome(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        tx: TxId,
    ) -> Result<AccessRecord, HealthError>;

    /// Decides again, on current state, at `now` (seconds since 1970, the vault's clock). Role `vault` or `custodian` of the custodian.
    /// `NOT_FOUND` unless the access is committed valid.
    #[evaluate]
    fn release(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        tx: TxId,
        now: i64,
    ) -> Result<Release, HealthError>;

    /// Every access, attempt and broken glass of a patient, oldest first. Role `notifier` or `custodian` of the custodian.
    #[evaluate]
    fn notifications(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        #[transient] query: PatientQuery,
    ) -> Result<Vec<Notification>, HealthError>;

    /// The same for the patient, by a signed question. A client of the organisation named as reader.
    #[evaluate]
    fn my_notifications(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        #[transient] query: SignedQuery,
        #[transient] intent: SignedIntent,
    ) -> Result<Vec<Notification>, HealthError>;

    /// The patient's consents that fill slots, by a signed question. A client of the organisation named as reader.
    #[evaluate]
    fn my_consents(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        #[transient] query: SignedQuery,
        #[transient] intent: SignedIntent,
    ) -> Result<Vec<ConsentView>, HealthError>;

    /// Reviews that wait. Role `dpo` of the custodian or a regulator.
    #[evaluate]
    fn open_reviews(&self, ctx: &ReadContext<'_>, custodian: String) -> Result<Vec<OpenReview>, HealthError>;
}
