//! Consents, accesses, break-glass.

mod access;
mod alert;
mod authority;
mod disclosure;
mod find;
mod grounds;
mod history;
mod log;
mod offline;
mod request;
mod review;
mod terms;

pub use access::*;
pub use alert::*;
pub use authority::*;
pub use disclosure::*;
pub use find::*;
pub use grounds::*;
pub use history::*;
pub use log::*;
pub use offline::*;
pub use request::*;
pub use review::*;
pub use terms::*;

use crate::contracts::identity::PatientQuery;
use crate::decision::Decision;
use crate::ids::{PatientId, TxId};
use crate::intent::SignedIntent;
use crate::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext, contract};

/// Consents, accesses and break-glass, all in `care_<custodian>`.
#[contract(name = "consent", error = HealthError)]
pub trait Consents {
    /// Asks a patient for a consent. Roles `clinician`, `researcher` of any organisation. Whether the patient is known here makes no difference.
    /// `LIMIT` if the organisation has eight open requests to this patient, `DUPLICATE` if the request's id was used.
    #[submit]
    fn request_access(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] request: ConsentRequest,
    ) -> Result<Receipt, HealthError>;

    /// Takes a request back. Who made it. `NOT_FOUND` for anybody else's, `CONFLICT_STATE` if it was withdrawn before.
    #[submit]
    fn withdraw_request(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] withdrawal: RequestWithdrawal,
    ) -> Result<Receipt, HealthError>;

    /// Answers a request: a consent accepts it in the same transaction, none denies it, and the block does not tell which. Any organisation's client,
    /// with the patient's intent, or under an authority that gives `request` and, to accept, `grant`. `CONFLICT_STATE` if it was answered or
    /// withdrawn or its time is over, and as [`grant`](Self::grant).
    #[submit]
    fn respond(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] response: Response,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Writes a consent. Any organisation's client, with the patient's intent, or under an authority that gives `grant`: then it ends with the
    /// authority. `REPLAYED` if the consent's id was used, `LIMIT` if all slots for its kind hold consents that count, `EXPIRED` if its period is over.
    #[submit]
    fn grant(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] consent: Consent,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Puts a consent in another's place ([`Consent::supersedes`]): the new one counts exactly when the old one no longer does. As
    /// [`grant`](Self::grant); an authority has to give `grant` and `revoke`. `NOT_FOUND` if there is no such consent, `CONFLICT_STATE` if it was
    /// taken back or amended.
    #[submit]
    fn amend(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] consent: Consent,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Takes consents back, those named or all. Any organisation's client, with the patient's intent, or under an authority that gives `revoke`. What is
    /// revoked already stays so, and the same intent carried again changes nothing: both are success. To take back whatever permits an organisation, role,
    /// person or group, the patient grants a consent that denies it: that holds over every permit, known or forgotten, and its revocation lifts it.
    #[submit]
    fn revoke(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] revocation: Revocation,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Lets another patient of this custodian act in the patient's name. Any organisation's client, with the intent of the patient's own key.
    /// `REPLAYED` if the authority's id was used, `EXPIRED` if its period is over.
    #[submit]
    fn delegate(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] delegation: Delegation,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Ends a delegation; what was granted under it lapses at once. Any organisation's client, with the intent of the patient's own key. Ended before
    /// is success; `NOT_FOUND` if there is none, `FORBIDDEN` for a guardian or proxy, whom two officers dismiss.
    #[submit]
    fn undelegate(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] end: DelegationEnd,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Writes what a minor says about a consent that a parent or guardian gave. Any organisation's client, with the intent of the minor's own key.
    /// `NOT_FOUND` if there is no such consent, `CONFLICT_STATE` if it was not given under guardianship or the minor has spoken about it.
    #[submit]
    fn assent(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] assent: Assent,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// The first officer's part of an official act. Role `dpo` of the custodian or a regulator; to appoint or dismiss a guardian also `registrar` or
    /// `custodian` of the custodian. `DUPLICATE` if the act's id was used.
    #[submit]
    fn propose_act(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] act: OfficialAct,
    ) -> Result<Receipt, HealthError>;

    /// The second officer's part, which puts the act in force. Role `dpo` of the custodian or a regulator, not of the proposer's organisation
    /// (`SOD_VIOLATION`). `NOT_FOUND` if there is no such act, patient, guardian, authority or death, `EXPIRED` after 30 days, `CONFLICT_STATE` if it is
    /// in force, or death and the kind of authority do not go together.
    #[submit]
    fn confirm_act(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] confirmation: Confirmation,
    ) -> Result<Receipt, HealthError>;

    /// Asks for access and writes what came of it. Roles `clinician`, `emergency`, `researcher` of any organisation, and `payer` of a payer for the
    /// purpose HPAYMT and those below it (`FORBIDDEN` for any other). Succeeds whatever the decision: the outcome is private, and the custodian's
    /// vault tells it after the commit.
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

    /// The second step of a broken glass: all current documents but those that the patient or the consortium's policy excluded from
    /// break-glass; opens a review of its own. Role `emergency`, the person who made the first step (`NOT_FOUND` for another's, or none).
    /// `EXPIRED` once the first step's window is over.
    #[submit]
    fn break_glass_full(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] request: FullBreakGlassRequest,
    ) -> Result<Receipt, HealthError>;

    /// Reads the patient's own record, with the patient's intent and the purpose PATRQT: the vault then releases all current documents that
    /// the request names, sealed to the wallet's key, to the client that carried it. Any organisation's client with a role. `REPLAYED` if
    /// the intent was used.
    #[submit]
    fn access_own(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] request: AccessRequest,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Files a glass that was broken while the network could not be reached: it enters the patient's log, is told and reviewed as any other, and nothing is
    /// released on it. Roles `vault`, `custodian` of the custodian, which handed the summary out. `BAD_INTENT` for a ticket that is not signed for this
    /// custodian by its certificate's key, `FORBIDDEN` for a signer who is not of the role `emergency` of a member, `CLOCK_SKEW` where ticket and handing
    /// out lie more than five minutes apart or ahead, `NOT_FOUND` for an unknown patient, `DUPLICATE` for a ticket that was filed. A late filing
    /// ([`BACKFILL_SECONDS`]) and a credential that did not count are marked, not refused.
    #[submit]
    fn backfill(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] report: OfflineReport,
    ) -> Result<Receipt, HealthError>;

    /// Takes a review that waits for more than 72 hours to the regulator: from then on the regulator alone decides it. Role `dpo` of a
    /// regulator, not of the organisation that broke the glass (`SOD_VIOLATION`). `CONFLICT_STATE` before, `DUPLICATE` a second time,
    /// `NOT_FOUND` if no such review waits.
    #[submit]
    fn escalate(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] escalation: Escalation,
    ) -> Result<Receipt, HealthError>;

    /// Writes a disclosure made outside the ledger. Role `custodian` of the custodian. `NOT_FOUND` for an unknown patient.
    #[submit]
    fn record_disclosure(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] disclosure: Disclosure,
    ) -> Result<Receipt, HealthError>;

    /// Writes that patients were told of accesses: 1 to [`MAX_DELIVERIES`] receipts. Role `notifier` of the custodian. Receipts that are there
    /// already are passed over; `DUPLICATE` if all are, `NOT_FOUND` for an access that is not the patient's.
    #[submit]
    fn ack_notification(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] deliveries: Vec<Delivery>,
    ) -> Result<Receipt, HealthError>;

    /// Switches notifications of accesses on or off; the log is written all the same. Any organisation's client, with the intent of the patient's own
    /// key. `REPLAYED` for an intent that was used.
    #[submit]
    fn choose_notifications(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] choice: NotificationChoice,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Objects to an access, a broken glass or a disclosure. Any organisation's client, with the patient's intent. `NOT_FOUND` for an act that
    /// is not in the patient's log, `DUPLICATE` for one that is disputed already.
    #[submit]
    fn dispute(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] dispute: Dispute,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Answers a dispute. Role `dpo` of the custodian. `NOT_FOUND` without such a dispute, `DUPLICATE` a second time.
    #[submit]
    fn answer_dispute(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] answer: DisputeAnswer,
    ) -> Result<Receipt, HealthError>;

    /// Registers a code by which the patient is found in an emergency. Any organisation's client, with the patient's intent. A lost code is
    /// replaced by registering another and taking the lost one back. `DUPLICATE` if the code was registered before.
    #[submit]
    fn register_code(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] registration: CodeRegistration,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Takes a code back. Any organisation's client, with the patient's intent. `NOT_FOUND` if it is not the patient's, `DUPLICATE` a second
    /// time.
    #[submit]
    fn revoke_code(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] removal: CodeRemoval,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Searches for a patient who cannot say who they are. Role `emergency` of any organisation. The transaction holds a commitment to the
    /// query, not the query; the custodian's vault answers after the commit, within [`FINDS_PER_PERSON`] and [`FINDS_PER_ORGANISATION`] an
    /// hour. `INVALID_CODE` without attestation.
    #[submit]
    fn find(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] request: FindRequest,
    ) -> Result<Receipt, HealthError>;

    /// Writes whom a search found, before the requester learns it; for a search that found nobody an id drawn at random. Role `vault` of the
    /// custodian. `REPLAYED` if the search was answered, `NOT_FOUND` unless it is committed valid.
    #[submit]
    fn log_find(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] answer: FindAnswer,
    ) -> Result<Receipt, HealthError>;

    /// Writes what an allergy and interaction check found. Roles `clinician`, `emergency`, `researcher`, the person who made the named access or
    /// broke the named glass (`NOT_FOUND` for another's, or none). The patient sees it in the log.
    #[submit]
    fn log_alert(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] log: AlertLog,
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

    /// Decides again, on current state, at `now` (seconds since 1970, the vault's clock). Role `vault` or `custodian` of the custodian, or
    /// `vault` of a regulator, which may hold replicas. `NOT_FOUND` unless the access is committed valid.
    #[evaluate]
    fn release(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        tx: TxId,
        now: i64,
    ) -> Result<Release, HealthError>;

    /// What a ticket of a time without the network opens at `now` (seconds since 1970, the vault's clock). Role `vault` of the custodian, which checked
    /// the certificate. `BAD_INTENT` for a ticket that is not signed for this custodian by its certificate's key, `FORBIDDEN` for a signer who is not of
    /// the role `emergency` of a member, `NOT_FOUND` for an unknown patient.
    #[evaluate]
    fn offline_opening(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        now: i64,
        #[transient] signed: SignedTicket,
    ) -> Result<OfflineOpening, HealthError>;

    /// Every access, attempt and broken glass of a patient, oldest first. Role `notifier` or `custodian` of the custodian.
    #[evaluate]
    fn notifications(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        #[transient] query: PatientQuery,
    ) -> Result<Vec<Notification>, HealthError>;

    /// What one committed access, attempt, broken glass or found patient means to a patient, and to which: what a notifier asks after the block's event, which
    /// names the transaction alone. Role `notifier` or `custodian` of the custodian. `NOT_FOUND` unless committed valid.
    #[evaluate]
    fn notice(&self, ctx: &ReadContext<'_>, custodian: String, tx: TxId) -> Result<Notice, HealthError>;

    /// The patient's log, a page at a time, by a signed question: accesses, refusals and broken glasses with their reviews, own readings,
    /// disclosures, searches and alerts, each with receipt and dispute. A client of the organisation named as reader.
    #[evaluate]
    fn my_log(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        #[transient] query: LogQuery,
        #[transient] intent: SignedIntent,
    ) -> Result<LogPage, HealthError>;

    /// The accounting of disclosures that a patient may ask the custodian for: disclosures of the last six years and what other
    /// organisations were permitted to see. Roles `custodian`, `dpo` of the custodian.
    #[evaluate]
    fn accounting(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        #[transient] query: PatientQuery,
    ) -> Result<Vec<LogEntry>, HealthError>;

    /// Every consent there was, oldest first, with what became of it, by a signed question of the patient or of who holds `view`. A client of the
    /// organisation named as reader.
    #[evaluate]
    fn my_consents(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        #[transient] query: SignedQuery,
        #[transient] intent: SignedIntent,
    ) -> Result<Vec<ConsentView>, HealthError>;

    /// Every request there was for the patient's consent, oldest first, by a signed question of the patient or of who holds `request`. A client of the
    /// organisation named as reader.
    #[evaluate]
    fn my_requests(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        #[transient] query: SignedQuery,
        #[transient] intent: SignedIntent,
    ) -> Result<Vec<RequestView>, HealthError>;

    /// Who may act, or might, in the patient's name, by a signed question of the patient or of who holds `view`. A client of the organisation named as
    /// reader.
    #[evaluate]
    fn my_authorities(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        #[transient] query: SignedQuery,
        #[transient] intent: SignedIntent,
    ) -> Result<Vec<AuthorityView>, HealthError>;

    /// What a receipt for one consent rests on, by a signed question of the patient or of who holds `view`. A client of the organisation named as
    /// reader. `NOT_FOUND` if there is no such consent.
    #[evaluate]
    fn my_receipt(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        #[transient] query: ConsentQuery,
        #[transient] intent: SignedIntent,
    ) -> Result<ReceiptBasis, HealthError>;

    /// Official acts that wait for their second officer. Role `dpo` of the custodian or a regulator.
    #[evaluate]
    fn open_acts(&self, ctx: &ReadContext<'_>, custodian: String) -> Result<Vec<OpenAct>, HealthError>;

    /// Reviews that wait. Role `dpo` of the custodian or a regulator.
    #[evaluate]
    fn open_reviews(&self, ctx: &ReadContext<'_>, custodian: String) -> Result<Vec<OpenReview>, HealthError>;

    /// Reviews that lie with the regulator: overdue or found unjustified. Role `dpo` of the custodian or a regulator.
    #[evaluate]
    fn escalated(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
    ) -> Result<Vec<EscalatedReview>, HealthError>;

    /// How often each organisation broke the glass, and how the reviews stand. Role `dpo` of the custodian or a regulator.
    #[evaluate]
    fn break_glass_counts(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
    ) -> Result<Vec<BreakGlassCounts>, HealthError>;

    /// A committed search, judged at `now` (seconds since 1970, the vault's clock). Role `vault` or `custodian` of the custodian.
    /// `NOT_FOUND` unless it is committed valid.
    #[evaluate]
    fn find_record(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        tx: TxId,
        now: i64,
    ) -> Result<FindView, HealthError>;

    /// The patient who registered a code and has not taken it back. Role `vault` of the custodian.
    #[evaluate]
    fn code_holder(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        #[transient] query: CodeQuery,
    ) -> Result<Option<PatientId>, HealthError>;
}
