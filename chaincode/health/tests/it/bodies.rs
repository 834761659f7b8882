//! Every other role of every organisation asks every peer for every private body, and is refused.

use crate::fixture::{
    CLINIC, Call, HOSPITAL, INSURER, NOW, ORGANISATIONS, REGULATOR, World, bytes, contract_error, world,
};
use crate::wallet::Wallet;
use careledger_api::HealthError;
use careledger_api::adjudication::{Claim, Coverage};
use careledger_api::codes::Category;
use careledger_api::contracts::claims::{
    AdjudicationStep, ClaimBody, ClaimStep, ClaimsClient, CoverageBody, EligibilityQuery, Payment,
};
use careledger_api::contracts::consent::{ConsentsClient, Requester, Review, ReviewOutcome};
use careledger_api::contracts::credential::{CredentialsClient, StandingQuery};
use careledger_api::contracts::identity::{
    AccountStep, IdentityClient, LapsingQuery, PatientQuery, RecoveryAttestation, SpentNonce,
};
use careledger_api::date::DateRange;
use careledger_api::ids::{ClaimId, CoverageId, Hash, PlanId, RecoveryId, Salt, TxId};
use careledger_api::roles::Role;
use fabric_contract_core::CallError;
use fabric_contract_mock::{MockClient, now};

pub type Attempt<'w> = Box<dyn Fn(&MockClient, &str) -> Call<()> + 'w>;

/// A function, who may call it, and how.
pub type Reader<'w> = (&'static str, Vec<(&'static str, Role)>, Attempt<'w>);

/// Every function that reads a body, with who may call it; the rest of the world is tried.
fn body_readers(world: &World) -> Vec<Reader<'_>> {
    let patient = world.wallet.patient();
    let query = move || PatientQuery { patient };
    let tx: TxId = "00".repeat(32).parse().unwrap();
    let (outcome, release, notice_of, review_of) = (tx.clone(), tx.clone(), tx.clone(), tx);
    let salt = Salt::from_bytes([1; 32]);
    let step = move || ClaimStep {
        claim: ClaimId::from_bytes(bytes(1)),
        salt,
    };
    let requester = || Requester {
        organisation: CLINIC.into(),
        role: Role::Clinician,
        person: "p".into(),
        groups: vec![],
    };
    vec![
        (
            "identity:keys",
            vec![(HOSPITAL, Role::Registrar), (HOSPITAL, Role::Custodian)],
            Box::new(move |c, peer| {
                now(IdentityClient::new(c)
                    .keys(HOSPITAL, query())
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "identity:lapsing",
            vec![(HOSPITAL, Role::Notifier), (HOSPITAL, Role::Custodian)],
            Box::new(move |c, peer| {
                now(IdentityClient::new(c)
                    .lapsing(HOSPITAL, LapsingQuery::default())
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "identity:remindGuardians",
            vec![(HOSPITAL, Role::Notifier), (HOSPITAL, Role::Custodian)],
            Box::new(move |c, peer| {
                let step = AccountStep { patient, salt };
                now(IdentityClient::new(c)
                    .remind_guardians(HOSPITAL, step)
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "identity:pruneNonces",
            vec![(HOSPITAL, Role::Custodian)],
            Box::new(move |c, peer| {
                let spent = vec![SpentNonce {
                    patient,
                    nonce: careledger_api::ids::Nonce::from_bytes(bytes(1)),
                }];
                now(IdentityClient::new(c)
                    .prune_nonces(HOSPITAL, spent)
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "identity:enrol",
            vec![(HOSPITAL, Role::Registrar), (HOSPITAL, Role::Custodian)],
            Box::new(move |c, peer| {
                let (enrolment, intent) = Wallet::new(9).enrolment();
                now(IdentityClient::new(c)
                    .enrol(HOSPITAL, enrolment, intent)
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "consent:decide",
            vec![(HOSPITAL, Role::Custodian)],
            Box::new(move |c, peer| {
                let request = world.request(patient, &[Category::Laboratory]);
                now(ConsentsClient::new(c)
                    .decide(HOSPITAL, requester(), request)
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "consent:outcome",
            vec![(HOSPITAL, Role::Custodian), (HOSPITAL, Role::Vault)],
            Box::new(move |c, peer| {
                now(ConsentsClient::new(c)
                    .outcome(HOSPITAL, outcome.clone())
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "consent:release",
            vec![
                (HOSPITAL, Role::Custodian),
                (HOSPITAL, Role::Vault),
                (REGULATOR, Role::Vault),
            ],
            Box::new(move |c, peer| {
                now(ConsentsClient::new(c)
                    .release(HOSPITAL, release.clone(), NOW)
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "consent:notice",
            vec![(HOSPITAL, Role::Custodian), (HOSPITAL, Role::Notifier)],
            Box::new(move |c, peer| {
                now(ConsentsClient::new(c)
                    .notice(HOSPITAL, notice_of.clone())
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "consent:notifications",
            vec![(HOSPITAL, Role::Custodian), (HOSPITAL, Role::Notifier)],
            Box::new(move |c, peer| {
                now(ConsentsClient::new(c)
                    .notifications(HOSPITAL, query())
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "consent:openReviews",
            vec![(HOSPITAL, Role::Dpo), (REGULATOR, Role::Dpo)],
            Box::new(|c, peer| {
                now(ConsentsClient::new(c)
                    .open_reviews(HOSPITAL)
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "consent:review",
            vec![(HOSPITAL, Role::Dpo), (REGULATOR, Role::Dpo)],
            Box::new(move |c, peer| {
                let review = Review {
                    access: review_of.clone(),
                    outcome: ReviewOutcome::Justified,
                    salt,
                };
                now(ConsentsClient::new(c)
                    .review(HOSPITAL, review)
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "identity:account",
            vec![
                (HOSPITAL, Role::Registrar),
                (HOSPITAL, Role::Custodian),
                (HOSPITAL, Role::RecoveryOfficer),
            ],
            Box::new(move |c, peer| {
                now(IdentityClient::new(c)
                    .account(HOSPITAL, query())
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "identity:notice",
            vec![(HOSPITAL, Role::Notifier), (HOSPITAL, Role::Custodian)],
            Box::new(move |c, peer| {
                let tx: TxId = "00".repeat(32).parse().unwrap();
                now(IdentityClient::new(c)
                    .notice(HOSPITAL, tx)
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "identity:attestRecovery",
            vec![
                (HOSPITAL, Role::RecoveryOfficer),
                (REGULATOR, Role::RecoveryOfficer),
            ],
            Box::new(move |c, peer| {
                let (enrolment, intent) = Wallet::new(9).enrolment();
                let attestation = RecoveryAttestation {
                    patient,
                    recovery: RecoveryId::from_bytes(bytes(1)),
                    key: enrolment.key,
                    proof: Hash::from_bytes([1; 32]),
                    salt,
                };
                now(IdentityClient::new(c)
                    .attest_recovery(HOSPITAL, attestation, intent)
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "credential:file",
            vec![(HOSPITAL, Role::Issuer)],
            Box::new(|c, peer| {
                now(CredentialsClient::new(c)
                    .file(HOSPITAL, vec![])
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "credential:check",
            vec![
                (HOSPITAL, Role::Issuer),
                (HOSPITAL, Role::Custodian),
                (REGULATOR, Role::Issuer),
            ],
            Box::new(|c, peer| {
                let query = StandingQuery {
                    npi: "1234567893".into(),
                    licence: None,
                };
                now(CredentialsClient::new(c)
                    .check(HOSPITAL, query)
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "claims:enrolMember",
            vec![(INSURER, Role::Payer)],
            Box::new(move |c, peer| {
                let day = world.today();
                let period = DateRange {
                    from: day,
                    until: day,
                };
                let (id, plan) = (CoverageId::from_bytes(bytes(1)), PlanId::from_bytes(bytes(1)));
                let coverage = Coverage::new(id, plan, 1, period);
                let body = CoverageBody { coverage, salt };
                now(ClaimsClient::new(c)
                    .enrol_member(INSURER, body)
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "claims:submitClaim",
            vec![(HOSPITAL, Role::ProviderBilling)],
            Box::new(move |c, peer| {
                let (id, coverage) = (ClaimId::from_bytes(bytes(1)), CoverageId::from_bytes(bytes(1)));
                let claim = Claim::new(id, coverage, "", "USD", vec![]);
                let body = ClaimBody { claim, salt };
                now(ClaimsClient::new(c)
                    .submit_claim(INSURER, HOSPITAL, body)
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "claims:adjudicate",
            vec![(INSURER, Role::Payer)],
            Box::new(move |c, peer| {
                let step = AdjudicationStep::new(step().claim, salt);
                now(ClaimsClient::new(c)
                    .adjudicate(INSURER, HOSPITAL, step)
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "claims:pay",
            vec![(INSURER, Role::Payer)],
            Box::new(move |c, peer| {
                let payment = Payment {
                    claim: ClaimId::from_bytes(bytes(1)),
                    amount: 1,
                    reference: "r".into(),
                    salt,
                };
                now(ClaimsClient::new(c)
                    .pay(INSURER, HOSPITAL, payment)
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "claims:confirm",
            vec![(HOSPITAL, Role::ProviderBilling)],
            Box::new(move |c, peer| {
                now(ClaimsClient::new(c)
                    .confirm(INSURER, HOSPITAL, step())
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "claims:claim",
            vec![(INSURER, Role::Payer), (HOSPITAL, Role::ProviderBilling)],
            Box::new(|c, peer| {
                let claim = ClaimId::from_bytes(bytes(1));
                now(ClaimsClient::new(c)
                    .claim(INSURER, HOSPITAL, claim)
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "claims:eligibility",
            vec![(INSURER, Role::Payer)],
            Box::new(move |c, peer| {
                let query = EligibilityQuery {
                    coverage: CoverageId::from_bytes(bytes(1)),
                    on: world.today(),
                };
                now(ClaimsClient::new(c)
                    .eligibility(INSURER, query)
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
    ]
}

#[tokio::test]
async fn every_other_role_and_organisation_is_refused_every_body_on_every_peer() {
    let world = world().await;
    everybody_else_is_refused(&world, body_readers(&world));
}

/// Has every role of every organisation, and people without a role, try each function on every peer: only those who may are not forbidden to.
pub fn everybody_else_is_refused(world: &World, functions: Vec<Reader<'_>>) {
    let everybody: Vec<(&str, Role, MockClient)> = ORGANISATIONS
        .into_iter()
        .flat_map(|organisation| Role::ALL.iter().map(move |role| (organisation, *role)))
        .map(|(organisation, role)| (organisation, role, world.client(organisation, role)))
        .collect();
    let nobody = world.mock.as_client(HOSPITAL, [("department", "x")]).unwrap();
    let admin = world.mock.as_admin(HOSPITAL).unwrap();
    for (function, allowed, attempt) in functions {
        for (organisation, role, client) in &everybody {
            for peer in ORGANISATIONS {
                let result = attempt(client, peer);
                let forbidden = matches!(result, Err(CallError::Contract(HealthError::Forbidden(_))));
                let may = allowed.contains(&(organisation, *role));
                assert_eq!(
                    forbidden, !may,
                    "{function} by {role} of {organisation} on {peer}: {result:?}"
                );
            }
        }
        for client in [&nobody, &admin] {
            assert!(
                matches!(
                    contract_error(attempt(client, HOSPITAL)),
                    HealthError::Forbidden(_)
                ),
                "{function}"
            );
        }
    }
}
