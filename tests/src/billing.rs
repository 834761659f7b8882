//! A claim from its plan to its payment, with values that are easy to recognise wherever they turn up.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use careledger::health::{HOSPITAL, INSURER};
use careledger_api::adjudication::{Claim, ClaimLine, Coverage, NetworkRules, Plan, Price};
use careledger_api::contracts::claims::{
    AdjudicationStep, ClaimBody, ClaimView, CoverageBody, Payment, PlanBody,
};
use careledger_api::date::{Date, DateRange};
use careledger_api::ids::{ClaimId, CoverageId, PlanId};
use careledger_api::roles::Role;
use careledger_sdk::HealthClient;
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
    let covered = cover(&payer, plan()).await;
    let claim = visit(covered.coverage.id);
    submit(&provider, &claim).await;
    adjudicate(&payer, claim.id).await;
    let reference = format!("REMIT-{}", hex::encode(rand::random::<[u8; 12]>()));
    let payment = payment(&payer, claim.id, &reference).await;
    let paid = payer.claims().pay(INSURER, HOSPITAL, payment).send().await;
    PaidClaim {
        claim: claim.id,
        coverage: covered.coverage.id,
        coverage_salt: covered.salt.to_string(),
        reference,
        tx_id: paid.expect("paid").tx_id,
    }
}

/// Publishes and loads a plan, and covers a member by it, at the insurer.
pub async fn cover(payer: &HealthClient, plan: Plan) -> CoverageBody {
    cover_at(INSURER, payer, plan).await
}

/// The same at any payer.
pub async fn cover_at(msp_id: &str, payer: &HealthClient, plan: Plan) -> CoverageBody {
    let plan = PlanBody { plan, salt: salt() };
    let period = DateRange {
        from: "2000-01-01".parse().expect("a date"),
        until: "2199-12-31".parse().expect("a date"),
    };
    let id = CoverageId::from_bytes(rand::random());
    let covered = CoverageBody {
        coverage: Coverage::new(id, plan.plan.id, plan.plan.version, period),
        salt: salt(),
    };
    let commitment = plan.commitment().expect("a commitment");
    let claims = payer.claims();
    let published = claims.publish_plan(plan.plan.id, plan.plan.version, commitment);
    published.send().await.expect("published");
    claims.load_plan(msp_id, plan).send().await.expect("loaded");
    let enrolled = claims.enrol_member(msp_id, covered.clone()).send().await;
    enrolled.expect("covered");
    covered
}

/// The hospital submits a claim to the insurer.
pub async fn submit(provider: &HealthClient, claim: &Claim) {
    submit_to(INSURER, provider, claim).await;
}

/// The same to any payer; the transaction's id.
pub async fn submit_to(payer: &str, provider: &HealthClient, claim: &Claim) -> String {
    let body = ClaimBody {
        claim: claim.clone(),
        salt: salt(),
    };
    let submitted = provider.claims().submit_claim(payer, HOSPITAL, body).send();
    submitted.await.expect("submitted").tx_id
}

/// The insurer adjudicates a claim.
pub async fn adjudicate(payer: &HealthClient, claim: ClaimId) {
    let step = AdjudicationStep::new(claim, salt());
    let adjudicated = payer.claims().adjudicate(INSURER, HOSPITAL, step).send().await;
    adjudicated.expect("adjudicated");
}

/// A claim as the insurer's own peer has it.
pub async fn view(payer: &HealthClient, claim: ClaimId) -> ClaimView {
    view_at(INSURER, payer, claim).await
}

/// The same at any payer.
pub async fn view_at(msp_id: &str, payer: &HealthClient, claim: ClaimId) -> ClaimView {
    let view = payer.claims().claim(msp_id, HOSPITAL, claim);
    view.endorsed_by([msp_id]).send().await.expect("the payer's view")
}

/// The payment of what was allowed, by a bank's reference.
pub async fn payment(payer: &HealthClient, claim: ClaimId, reference: &str) -> Payment {
    let adjudication = view(payer, claim).await.adjudication;
    Payment {
        claim,
        amount: adjudication.expect("adjudicated").allowed,
        reference: reference.to_owned(),
        salt: salt(),
    }
}

/// A plan with a price for [`PROCEDURE`].
pub fn plan() -> Plan {
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

/// The day so many days ago, the same one for as long as the tests run: past midnight it does not move.
pub fn days_ago(days: i64) -> Date {
    static BEGAN: LazyLock<i64> = LazyLock::new(unix_now);
    Date::from_unix(*BEGAN - days * 86_400).expect("a date")
}

/// A visit of today.
pub fn visit(coverage: CoverageId) -> Claim {
    let line = ClaimLine::new(1, PROCEDURE, days_ago(0), 1, 18_000);
    let id = ClaimId::from_bytes(rand::random());
    Claim::new(id, coverage, NPI, "USD", vec![line])
}
