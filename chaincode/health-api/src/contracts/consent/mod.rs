//! Consents, accesses, break-glass.

mod access;
mod review;
mod terms;

pub use access::*;
pub use review::*;
pub use terms::*;

use crate::contracts::identity::PatientQuery;
use crate::decision::Decision;
use crate::ids::TxId;
use crate::intent::SignedIntent;
use crate::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext, contract};

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
