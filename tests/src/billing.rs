//! A claim from its plan to its payment, with values that are easy to recognise wherever they turn up.

use std::collections::BTreeMap;

use careledger::health::{HOSPITAL, INSURER};
use careledger_api::adjudication::{Claim, ClaimLine, Coverage, NetworkRules, Plan, Price};
use careledger_api::contracts::claims::{AdjudicationStep, ClaimBody, CoverageBody, Payment, PlanBody};
use careledger_api::date::{Date, DateRange};
use careledger_api::ids::{ClaimId, CoverageId, PlanId};
use careledger_api::roles::Role;
use careledger_sdk::wallet::{salt, unix_now};

use crate::hospital::Hospital;

/// The provider's identifier in the claim: its check digit holds.
pub const NPI: &str = "1234567893";
/// What the payer's plan prices and the provider bills; invented, since procedure code lists are licensed.
pub const PROCEDURE: &str = "X-0042-VISIT";

/// A claim that the insurer has paid to the hospital.
#[derive(Debug, Clone)]
pub struct PaidClaim {
    /// The claim's id: in the pair's collection.
    pub claim: ClaimId,
    /// The coverage's id: in the payer's collection and in the claim.
    pub coverage: CoverageId,
    /// The coverage's salt: in the payer's collection alone.
    pub coverage_salt: String,
    /// The bank's reference: in the pair's collection.
    pub reference: String,
    /// The payment's transaction.
    pub tx_id: String,
}

/// Publishes and loads a plan, covers a member, and has a visit claimed, adjudicated and paid.
pub async fn paid_claim(hospital: &Hospital) -> PaidClaim {
    let payer = hospital.client(INSURER, Role::Payer);
    let provider = hospital.client(HOSPITAL, Role::ProviderBilling);
    let plan = PlanBody {
        plan: plan(),
        salt: salt(),
    };
    let period = DateRange {
        from: "2000-01-01".parse().expect("a date"),
        until: "2199-12-31".parse().expect("a date"),
    };
    let id = CoverageId::from_bytes(rand::random());
    let coverage = Coverage::new(id, plan.plan.id, plan.plan.version, period);
    let covered = CoverageBody {
        coverage,
        salt: salt(),
    };
    let coverage_salt = covered.salt.to_string();
    let commitment = plan.commitment().expect("a commitment");
    let claims = payer.claims();
    claims
        .publish_plan(plan.plan.id, plan.plan.version, commitment)
        .send()
        .await
        .expect("published");
    claims.load_plan(INSURER, plan).send().await.expect("loaded");
    claims
        .enrol_member(INSURER, covered)
        .send()
        .await
        .expect("covered");

    let claim = claim(id);
    let paid = PaidClaim {
        claim: claim.id,
        coverage: id,
        coverage_salt,
        reference: format!("REMIT-{}", hex::encode(rand::random::<[u8; 12]>())),
        tx_id: String::new(),
    };
    let body = ClaimBody { claim, salt: salt() };
    let submitted = provider.claims().submit_claim(INSURER, HOSPITAL, body).send();
    let submitted = submitted.await.expect("submitted");
    payer
        .caught_up(&submitted.tx_id)
        .await
        .expect("the insurer's peer has it");
    let step = AdjudicationStep::new(paid.claim, salt());
    claims
        .adjudicate(INSURER, HOSPITAL, step)
        .send()
        .await
        .expect("adjudicated");
    let view = claims
        .claim(INSURER, HOSPITAL, paid.claim)
        .endorsed_by([INSURER])
        .send();
    let adjudication = view
        .await
        .expect("the payer's view")
        .adjudication
        .expect("adjudicated");
    let payment = Payment {
        claim: paid.claim,
        amount: adjudication.allowed,
        reference: paid.reference.clone(),
        salt: salt(),
    };
    let payment = claims.pay(INSURER, HOSPITAL, payment).send().await.expect("paid");
    PaidClaim {
        tx_id: payment.tx_id,
        ..paid
    }
}

fn plan() -> Plan {
    Plan {
        id: PlanId::from_bytes(rand::random()),
        version: 1,
        currency: "USD".to_owned(),
        deductible: 2_000,
        copay: 1_000,
        coinsurance: 1_000,
        out_of_pocket_maximum: 200_000,
        timely_filing_days: 90,
        prices: BTreeMap::from([(
            PROCEDURE.to_owned(),
            Price {
                amount: 15_000,
                max_units: 1,
            },
        )]),
        network: NetworkRules::default(),
        procedures: BTreeMap::new(),
    }
}

fn claim(coverage: CoverageId) -> Claim {
    let today = Date::from_unix(unix_now()).expect("a date");
    let line = ClaimLine::new(1, PROCEDURE, today, 1, 18_000);
    let id = ClaimId::from_bytes(rand::random());
    Claim::new(id, coverage, NPI, "USD", vec![line])
}
