//! Every other role of every organisation asks every peer for every step and body of claims, and is refused.

use crate::bodies::{Reader, everybody_else_is_refused};
use crate::fixture::{HOSPITAL, INSURER, REGULATOR, World, bytes, world};
use crate::wallet::Wallet;
use careledger_api::adjudication::{Claim, Coverage, Standing};
use careledger_api::contracts::claims::{
    AdjudicationStep, AppealAct, AppealBody, AppealDecision, Attachment, AuthorisationAct,
    AuthorisationAnswer, AuthorisationDecision, AuthorisationRequest, ClaimBatch, ClaimBody, ClaimStep,
    ClaimsClient, CoverageAmendment, CoverageEnd, EligibilityQuestion, ExternalQuery, Feedback,
    FingerprintPeriod, FlagClearance, Fold, FraudFlag, Information, ListQuery, MemberClaimQuery, MemberKey,
    MemberQuery, OutdatedQuery, PaymentConsent, Period, QuestionBatch, QuestionQuery, QuestionStep, Recovery,
    RemittanceBody, RemittanceConfirmation, RemittancePayment, RemittanceQuery, ReportQuery, Reversal,
    ReversalDecline, ReversalRequest, RulingConfirmation, RulingProposal, Rulings, SelfPayment, StandingBody,
    WaitingQuery,
};
use careledger_api::date::DateRange;
use careledger_api::ids::{
    AuthorisationId, ClaimId, CoverageId, Hash, PlanId, QuestionId, RemittanceId, Salt,
};
use careledger_api::roles::Role;
use fabric_contract_mock::now;

/// A function's name on the wire, who may call it, and the call.
macro_rules! reader {
    ($name:literal, $allowed:expr, $function:ident($($argument:expr),*)) => {{
        let reader: Reader<'_> = (
            $name,
            $allowed,
            Box::new(move |client, peer| {
                now(ClaimsClient::new(client).$function($($argument),*).endorsed_by([peer]).send()).map(drop)
            }),
        );
        reader
    }};
}

fn readers(world: &World) -> Vec<Reader<'_>> {
    let payer = || vec![(INSURER, Role::Payer)];
    let provider = || vec![(HOSPITAL, Role::ProviderBilling)];
    let either = || vec![(INSURER, Role::Payer), (HOSPITAL, Role::ProviderBilling)];
    let salt = Salt::from_bytes([1; 32]);
    let claim = ClaimId::from_bytes(bytes(1));
    let coverage = CoverageId::from_bytes(bytes(1));
    let authorisation = AuthorisationId::from_bytes(bytes(1));
    let remittance = RemittanceId::from_bytes(bytes(1));
    let question = QuestionId::from_bytes(bytes(1));
    let batch = move || QuestionBatch {
        questions: [question].into(),
        salt,
    };
    let day = world.today();
    let period = DateRange {
        from: day,
        until: day,
    };
    let step = move || AdjudicationStep::new(claim, salt);
    let text = || "a reason".to_owned();
    let unproven = || Wallet::new(9).enrolment().1;
    vec![
        reader!(
            "claims:amendCoverage",
            payer(),
            amend_coverage(
                INSURER,
                CoverageAmendment {
                    from: day,
                    coverage: Coverage::new(coverage, PlanId::from_bytes(bytes(1)), 1, period),
                    salt
                }
            )
        ),
        reader!(
            "claims:endCoverage",
            payer(),
            end_coverage(
                INSURER,
                CoverageEnd {
                    coverage,
                    last: day,
                    salt
                }
            )
        ),
        reader!(
            "claims:setStanding",
            payer(),
            set_standing(
                INSURER,
                StandingBody {
                    npi: "1234567893".into(),
                    standing: Standing {
                        active: period,
                        network: None,
                        excluded_from: None
                    },
                    bills_for: Default::default(),
                    salt
                }
            )
        ),
        reader!(
            "claims:requestAuthorisation",
            provider(),
            request_authorisation(
                INSURER,
                HOSPITAL,
                AuthorisationRequest {
                    id: authorisation,
                    coverage,
                    procedure: "X-1".into(),
                    units: 0,
                    period,
                    provider_npi: String::new(),
                    urgent: false,
                    documents: vec![],
                    salt
                }
            )
        ),
        reader!(
            "claims:decideAuthorisation",
            payer(),
            decide_authorisation(
                INSURER,
                HOSPITAL,
                AuthorisationDecision {
                    id: authorisation,
                    act: AuthorisationAct::Approve,
                    given: None,
                    reason: None,
                    salt
                }
            )
        ),
        reader!(
            "claims:answerAuthorisation",
            provider(),
            answer_authorisation(
                INSURER,
                HOSPITAL,
                AuthorisationAnswer {
                    id: authorisation,
                    act: AuthorisationAct::Cancel,
                    text: text(),
                    documents: vec![],
                    salt
                }
            )
        ),
        reader!(
            "claims:authorisation",
            either(),
            authorisation(INSURER, HOSPITAL, authorisation)
        ),
        reader!(
            "claims:askEligibility",
            provider(),
            ask_eligibility(
                INSURER,
                HOSPITAL,
                EligibilityQuestion::new(question, coverage, day, salt)
            )
        ),
        reader!(
            "claims:answerEligibility",
            payer(),
            answer_eligibility(INSURER, HOSPITAL, QuestionStep { question, salt })
        ),
        reader!(
            "claims:dropQuestions",
            provider(),
            drop_questions(INSURER, HOSPITAL, batch())
        ),
        reader!(
            "claims:dropAnswers",
            payer(),
            drop_answers(INSURER, HOSPITAL, batch())
        ),
        reader!(
            "claims:eligibilityAnswer",
            either(),
            eligibility_answer(INSURER, HOSPITAL, question)
        ),
        reader!(
            "claims:eligibilityQuestions",
            either(),
            eligibility_questions(INSURER, HOSPITAL, QuestionQuery::default())
        ),
        reader!(
            "claims:eligibilityOver",
            either(),
            eligibility_over(INSURER, HOSPITAL, QuestionQuery::default())
        ),
        reader!(
            "claims:replaceClaim",
            provider(),
            replace_claim(
                INSURER,
                HOSPITAL,
                ClaimBody {
                    claim: Claim::new(claim, coverage, "", "USD", vec![]),
                    salt
                }
            )
        ),
        reader!(
            "claims:provideInformation",
            provider(),
            provide_information(
                INSURER,
                HOSPITAL,
                Information {
                    claim,
                    text: text(),
                    documents: vec![],
                    salt
                }
            )
        ),
        reader!(
            "claims:proposeRuling",
            payer(),
            propose_ruling(
                INSURER,
                HOSPITAL,
                RulingProposal {
                    claim,
                    rulings: Rulings::new(),
                    reason: text(),
                    salt
                }
            )
        ),
        reader!(
            "claims:confirmRuling",
            payer(),
            confirm_ruling(
                INSURER,
                HOSPITAL,
                RulingConfirmation {
                    proposal: "00".repeat(32).parse().unwrap(),
                    step: step()
                }
            )
        ),
        reader!(
            "claims:appeal",
            provider(),
            appeal(
                INSURER,
                HOSPITAL,
                AppealBody {
                    claim,
                    text: text(),
                    documents: vec![],
                    salt
                }
            )
        ),
        reader!(
            "claims:decideAppeal",
            vec![(INSURER, Role::Payer), (REGULATOR, Role::Legal)],
            decide_appeal(
                INSURER,
                HOSPITAL,
                AppealDecision {
                    act: AppealAct::Uphold,
                    level: None,
                    step: step(),
                    rulings: Rulings::new(),
                    reason: text()
                }
            )
        ),
        // A regulator's `legal` too, without a credential, and of what is not there.
        reader!(
            "claims:takeUpAppeal",
            vec![],
            take_up_appeal(INSURER, HOSPITAL, ClaimStep { claim, salt })
        ),
        reader!(
            "claims:externalAppeals",
            vec![],
            external_appeals(INSURER, HOSPITAL, ExternalQuery::default())
        ),
        reader!(
            "claims:remit",
            payer(),
            remit(
                INSURER,
                HOSPITAL,
                RemittanceBody {
                    id: remittance,
                    claims: [claim].into(),
                    salt
                }
            )
        ),
        reader!(
            "claims:remittance",
            either(),
            remittance(INSURER, HOSPITAL, remittance)
        ),
        reader!(
            "claims:remitted",
            either(),
            remitted(INSURER, HOSPITAL, remittance)
        ),
        reader!(
            "claims:payRemittance",
            payer(),
            pay_remittance(
                INSURER,
                HOSPITAL,
                RemittancePayment {
                    remittance,
                    claims: [claim].into(),
                    expected: None,
                    set_off: [claim].into(),
                    reference: "r".into(),
                    salt
                }
            )
        ),
        reader!(
            "claims:confirmRemittance",
            provider(),
            confirm_remittance(
                INSURER,
                HOSPITAL,
                RemittanceConfirmation {
                    remittance,
                    claims: [claim].into(),
                    expected: None,
                    salt
                }
            )
        ),
        reader!(
            "claims:remittanceMoney",
            either(),
            remittance_money(INSURER, HOSPITAL, remittance)
        ),
        reader!(
            "claims:reverse",
            payer(),
            reverse(
                INSURER,
                HOSPITAL,
                Reversal {
                    claim,
                    reason: text(),
                    salt
                }
            )
        ),
        reader!(
            "claims:requestReversal",
            provider(),
            request_reversal(
                INSURER,
                HOSPITAL,
                ReversalRequest {
                    claim,
                    reason: text(),
                    salt
                }
            )
        ),
        reader!(
            "claims:declineReversal",
            payer(),
            decline_reversal(
                INSURER,
                HOSPITAL,
                ReversalDecline {
                    claim,
                    request: 1,
                    reason: text(),
                    salt
                }
            )
        ),
        reader!(
            "claims:outdatedClaims",
            payer(),
            outdated_claims(
                INSURER,
                OutdatedQuery {
                    coverage,
                    after: None
                }
            )
        ),
        reader!(
            "claims:recover",
            payer(),
            recover(
                INSURER,
                HOSPITAL,
                Recovery {
                    claim,
                    reference: "r".into(),
                    salt
                }
            )
        ),
        reader!(
            "claims:foldAccumulators",
            payer(),
            fold_accumulators(
                INSURER,
                Fold {
                    coverage,
                    year: 2027,
                    salt
                }
            )
        ),
        reader!(
            "claims:submitAttachment",
            provider(),
            submit_attachment(
                INSURER,
                HOSPITAL,
                Attachment {
                    claim,
                    line: None,
                    hash: Hash::from_bytes([1; 32]),
                    title: text(),
                    salt
                }
            )
        ),
        reader!(
            "claims:flag",
            payer(),
            flag(
                INSURER,
                HOSPITAL,
                FraudFlag {
                    claim,
                    line: None,
                    kind: "phantom".into(),
                    score: 1,
                    explanation: text(),
                    salt
                }
            )
        ),
        reader!(
            "claims:clearFlag",
            payer(),
            clear_flag(
                INSURER,
                HOSPITAL,
                FlagClearance {
                    claim,
                    flag: "ab".repeat(32).parse().unwrap(),
                    reason: text(),
                    salt
                }
            )
        ),
        reader!(
            "claims:feedback",
            vec![(INSURER, Role::Payer), (INSURER, Role::Portal)],
            feedback(
                INSURER,
                HOSPITAL,
                Feedback {
                    claim,
                    line: 1,
                    rendered: true,
                    salt
                }
            )
        ),
        reader!(
            "claims:recordConsent",
            provider(),
            record_consent(
                INSURER,
                HOSPITAL,
                PaymentConsent {
                    coverage,
                    given: true,
                    period,
                    document: None,
                    salt
                }
            )
        ),
        reader!(
            "claims:restrictPayer",
            vec![
                (HOSPITAL, Role::ProviderBilling),
                (HOSPITAL, Role::Registrar),
                (HOSPITAL, Role::Custodian)
            ],
            restrict_payer(
                HOSPITAL,
                SelfPayment {
                    coverage,
                    services: [("X-1".to_owned(), day)].into(),
                    restricted: true,
                    salt
                }
            )
        ),
        reader!(
            "claims:listClaims",
            either(),
            list_claims(INSURER, HOSPITAL, ListQuery::default())
        ),
        reader!(
            "claims:remittances",
            either(),
            remittances(INSURER, HOSPITAL, RemittanceQuery::default())
        ),
        reader!(
            "claims:serviceReport",
            payer(),
            service_report(INSURER, HOSPITAL, ReportQuery::default())
        ),
        reader!(
            "claims:waiting",
            payer(),
            waiting(INSURER, HOSPITAL, WaitingQuery::default())
        ),
        reader!(
            "claims:openFingerprints",
            vec![(REGULATOR, Role::Vault)],
            open_fingerprints(
                REGULATOR,
                FingerprintPeriod {
                    period: Period::of(day),
                    salt
                }
            )
        ),
        reader!(
            "claims:closeFingerprints",
            vec![(REGULATOR, Role::Vault)],
            close_fingerprints(REGULATOR, Period::of(day))
        ),
        reader!(
            "claims:fingerprintKey",
            vec![(INSURER, Role::Payer), (REGULATOR, Role::Vault)],
            fingerprint_key(Period::of(day))
        ),
        reader!(
            "claims:setMemberKey",
            payer(),
            set_member_key(
                INSURER,
                MemberKey {
                    coverage,
                    key: None,
                    salt
                }
            )
        ),
        reader!(
            "claims:myClaims",
            vec![(INSURER, Role::Portal)],
            my_claims(INSURER, MemberQuery { coverage }, unproven())
        ),
        reader!(
            "claims:myExplanation",
            vec![(INSURER, Role::Portal)],
            my_explanation(
                INSURER,
                MemberClaimQuery {
                    coverage,
                    provider: HOSPITAL.into(),
                    claim
                },
                unproven()
            )
        ),
        reader!("claims:book", payer(), book(INSURER, HOSPITAL, claim)),
        reader!(
            "claims:acknowledge",
            payer(),
            acknowledge(
                INSURER,
                HOSPITAL,
                ClaimBatch {
                    claims: [claim].into(),
                    salt
                }
            )
        ),
        reader!(
            "claims:withdrawAppeal",
            provider(),
            withdraw_appeal(INSURER, HOSPITAL, ClaimStep { claim, salt })
        ),
        reader!(
            "claims:explanation",
            either(),
            explanation(INSURER, HOSPITAL, claim)
        ),
    ]
}

#[tokio::test]
async fn everybody_but_payer_and_provider_is_refused() {
    let world = world().await;
    everybody_else_is_refused(&world, readers(&world));
}
