//! The consent contract: what changes it here, the questions in `questions`, accesses in `access`.

mod access;
mod alert;
pub(crate) mod authority;
mod death;
mod disclosure;
mod dispute;
mod filing;
mod find;
mod grant;
mod guardians;
mod held;
mod log;
mod mine;
mod official;
mod offline;
mod own;
mod questions;
mod release;
mod request;
mod review;
mod telling;

pub(crate) use death::{counts, is_dead};
pub(crate) use mine::{asked_by_patient, read_for_patient};
pub(crate) use release::release as released;

use careledger_api::contracts::consent::{
    AccessRecord, AccessRequest, AlertLog, Assent, AuthorityView, BreakGlassCounts, BreakGlassRequest,
    CodeQuery, CodeRegistration, CodeRemoval, Confirmation, Consent, ConsentQuery, ConsentRequest,
    ConsentView, Consents, Delegation, DelegationEnd, Delivery, Disclosure, Dispute, DisputeAnswer,
    EscalatedReview, Escalation, FindAnswer, FindRequest, FindView, FullBreakGlassRequest, LogEntry, LogPage,
    LogQuery, Notice, Notification, NotificationChoice, OfficialAct, OfflineOpening, OfflineReport, OpenAct,
    OpenReview, ReceiptBasis, Release, RequestView, RequestWithdrawal, Requester, Response, Review,
    Revocation, SignedQuery, SignedTicket,
};
use careledger_api::contracts::identity::PatientQuery;
use careledger_api::decision::Decision;
use careledger_api::ids::{PatientId, TxId};
use careledger_api::intent::SignedIntent;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};

pub(crate) use filing::{open_patient, write_epoch};

pub(crate) struct ConsentRules;

impl Consents for ConsentRules {
    fn request_access(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        request: ConsentRequest,
    ) -> Result<Receipt, HealthError> {
        request::request(ctx, &custodian, request)
    }

    fn withdraw_request(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        withdrawal: RequestWithdrawal,
    ) -> Result<Receipt, HealthError> {
        request::withdraw(ctx, &custodian, withdrawal)
    }

    fn respond(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        response: Response,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        request::respond(ctx, &custodian, response, intent)
    }

    fn grant(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        consent: Consent,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        grant::grant(ctx, &custodian, consent, intent)
    }

    fn amend(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        consent: Consent,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        grant::amend(ctx, &custodian, consent, intent)
    }

    fn revoke(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        revocation: Revocation,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        grant::revoke(ctx, &custodian, revocation, intent)
    }

    fn delegate(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        delegation: Delegation,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        authority::delegate(ctx, &custodian, delegation, intent)
    }

    fn undelegate(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        end: DelegationEnd,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        authority::undelegate(ctx, &custodian, end, intent)
    }

    fn assent(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        assent: Assent,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        authority::assent(ctx, &custodian, assent, intent)
    }

    fn propose_act(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        act: OfficialAct,
    ) -> Result<Receipt, HealthError> {
        official::propose(ctx, &custodian, act)
    }

    fn confirm_act(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        confirmation: Confirmation,
    ) -> Result<Receipt, HealthError> {
        official::confirm(ctx, &custodian, confirmation)
    }

    fn access(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        request: AccessRequest,
    ) -> Result<Receipt, HealthError> {
        access::access(ctx, &custodian, request)
    }

    fn break_glass(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        request: BreakGlassRequest,
    ) -> Result<Receipt, HealthError> {
        access::break_glass(ctx, &custodian, request)
    }

    fn review(&self, ctx: &Context<'_>, custodian: String, review: Review) -> Result<Receipt, HealthError> {
        review::review(ctx, &custodian, review)
    }

    fn break_glass_full(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        request: FullBreakGlassRequest,
    ) -> Result<Receipt, HealthError> {
        access::break_glass_full(ctx, &custodian, request)
    }

    fn access_own(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        request: AccessRequest,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        own::access_own(ctx, &custodian, request, intent)
    }

    fn backfill(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        report: OfflineReport,
    ) -> Result<Receipt, HealthError> {
        offline::backfill(ctx, &custodian, report)
    }

    fn escalate(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        escalation: Escalation,
    ) -> Result<Receipt, HealthError> {
        review::escalate(ctx, &custodian, escalation)
    }

    fn record_disclosure(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        disclosure: Disclosure,
    ) -> Result<Receipt, HealthError> {
        disclosure::record_disclosure(ctx, &custodian, disclosure)
    }

    fn ack_notification(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        deliveries: Vec<Delivery>,
    ) -> Result<Receipt, HealthError> {
        disclosure::ack_notification(ctx, &custodian, deliveries)
    }

    fn choose_notifications(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        choice: NotificationChoice,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        telling::choose_notifications(ctx, &custodian, choice, &intent)
    }

    fn dispute(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        dispute: Dispute,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        dispute::dispute(ctx, &custodian, dispute, intent)
    }

    fn answer_dispute(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        answer: DisputeAnswer,
    ) -> Result<Receipt, HealthError> {
        dispute::answer(ctx, &custodian, answer)
    }

    fn register_code(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        registration: CodeRegistration,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        find::register_code(ctx, &custodian, registration, intent)
    }

    fn revoke_code(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        removal: CodeRemoval,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        find::revoke_code(ctx, &custodian, removal, intent)
    }

    fn find(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        request: FindRequest,
    ) -> Result<Receipt, HealthError> {
        find::find(ctx, &custodian, request)
    }

    fn log_find(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        answer: FindAnswer,
    ) -> Result<Receipt, HealthError> {
        find::log_find(ctx, &custodian, answer)
    }

    fn log_alert(&self, ctx: &Context<'_>, custodian: String, log: AlertLog) -> Result<Receipt, HealthError> {
        alert::log_alert(ctx, &custodian, log)
    }

    fn decide(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        requester: Requester,
        request: AccessRequest,
    ) -> Result<Decision, HealthError> {
        questions::decide(ctx, &custodian, &requester, &request)
    }

    fn outcome(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        tx: TxId,
    ) -> Result<AccessRecord, HealthError> {
        questions::outcome(ctx, &custodian, &tx)
    }

    fn release(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        tx: TxId,
        now: i64,
    ) -> Result<Release, HealthError> {
        release::release(ctx, &custodian, &tx, now)
    }

    fn offline_opening(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        now: i64,
        signed: SignedTicket,
    ) -> Result<OfflineOpening, HealthError> {
        offline::opening(ctx, &custodian, now, &signed)
    }

    fn notifications(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        query: PatientQuery,
    ) -> Result<Vec<Notification>, HealthError> {
        questions::notifications(ctx, &custodian, &query.patient)
    }

    fn notice(&self, ctx: &ReadContext<'_>, custodian: String, tx: TxId) -> Result<Notice, HealthError> {
        questions::notice(ctx, &custodian, &tx)
    }

    fn my_log(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        query: LogQuery,
        intent: SignedIntent,
    ) -> Result<LogPage, HealthError> {
        log::my_log(ctx, &custodian, &query, &intent)
    }

    fn accounting(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        query: PatientQuery,
    ) -> Result<Vec<LogEntry>, HealthError> {
        log::accounting(ctx, &custodian, &query.patient)
    }

    fn my_consents(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        query: SignedQuery,
        intent: SignedIntent,
    ) -> Result<Vec<ConsentView>, HealthError> {
        mine::consents(ctx, &custodian, &query, &intent)
    }

    fn my_requests(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        query: SignedQuery,
        intent: SignedIntent,
    ) -> Result<Vec<RequestView>, HealthError> {
        mine::requests(ctx, &custodian, &query, &intent)
    }

    fn my_authorities(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        query: SignedQuery,
        intent: SignedIntent,
    ) -> Result<Vec<AuthorityView>, HealthError> {
        mine::authorities(ctx, &custodian, &query, &intent)
    }

    fn my_receipt(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        query: ConsentQuery,
        intent: SignedIntent,
    ) -> Result<ReceiptBasis, HealthError> {
        mine::receipt(ctx, &custodian, &query, &intent)
    }

    fn open_acts(&self, ctx: &ReadContext<'_>, custodian: String) -> Result<Vec<OpenAct>, HealthError> {
        official::open(ctx, &custodian)
    }

    fn open_reviews(&self, ctx: &ReadContext<'_>, custodian: String) -> Result<Vec<OpenReview>, HealthError> {
        review::open_reviews(ctx, &custodian)
    }

    fn escalated(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
    ) -> Result<Vec<EscalatedReview>, HealthError> {
        review::escalated(ctx, &custodian)
    }

    fn break_glass_counts(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
    ) -> Result<Vec<BreakGlassCounts>, HealthError> {
        review::counts(ctx, &custodian)
    }

    fn find_record(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        tx: TxId,
        now: i64,
    ) -> Result<FindView, HealthError> {
        find::find_record(ctx, &custodian, &tx, now)
    }

    fn code_holder(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        query: CodeQuery,
    ) -> Result<Option<PatientId>, HealthError> {
        find::code_holder(ctx, &custodian, &query)
    }
}
