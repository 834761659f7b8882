//! 6. The visit's claim: submitted, adjudicated, paid; a duplicate and an impossible one refused.

use std::collections::BTreeMap;
use std::time::Instant;

use careledger_api::adjudication::{Claim, ClaimLine, Coverage, NetworkRules, Plan, Price};
use careledger_api::contracts::claims::{AdjudicationStep, ClaimBody, CoverageBody, Payment, PlanBody};
use careledger_api::date::{Date, DateRange};
use careledger_api::ids::{ClaimId, CoverageId, PlanId};
use careledger_api::roles::Role;
use careledger_sdk::HealthClient;
use careledger_sdk::wallet::{salt, unix_now};

use super::report::{ClaimReport, Narrator, milliseconds};
use super::story::refusal_code;
use crate::Result;
use crate::health::{Gateways, HOSPITAL, INSURER};

/// An emergency visit; the code is invented, since procedure code lists are licensed.
const VISIT: &str = "X-0042";
/// Valid: its check digit is Luhn's over 80840 and the number.
const NPI: &str = "1234567893";
/// The same with another check digit.
const BAD_NPI: &str = "1234567898";
/// In cents, as all amounts here.
const CHARGE: i64 = 18_000;

/// Plays the claim's part.
pub async fn settle(gateways: &Gateways, tell: &mut Narrator<'_>) -> Result<()> {
    tell.chapter("6. The hospital claims the visit from the insurer");
    let payer = gateways.health(INSURER, Role::Payer)?;
    let provider = gateways.health(HOSPITAL, Role::ProviderBilling)?;
    let coverage = insure(&payer, tell).await?;

    let began = Instant::now();
    let claim = visit(coverage, NPI)?;
    tell.doing("submitting the claim");
    let submitted = provider
        .claims()
        .submit_claim(INSURER, HOSPITAL, body(claim.clone()))
        .send()
        .await?;
    tell.committed(
        "hospital submits the claim",
        &submitted.tx_id,
        submitted.block_number,
    );
    payer.caught_up(&submitted.tx_id).await?;
    let step = AdjudicationStep::new(claim.id, salt());
    tell.doing("adjudicating");
    let decided = payer.claims().adjudicate(INSURER, HOSPITAL, step).send().await?;
    tell.committed(
        "insurer adjudicates it against the plan",
        &decided.tx_id,
        decided.block_number,
    );
    let view = payer.claims().claim(INSURER, HOSPITAL, claim.id).send().await?;
    let amount = view.adjudication.ok_or("the claim has no adjudication")?.allowed;
    let payment = Payment {
        claim: claim.id,
        amount,
        reference: hex::encode(rand::random::<[u8; 12]>()),
        salt: salt(),
    };
    tell.doing("paying");
    let paid = payer.claims().pay(INSURER, HOSPITAL, payment).send().await?;
    tell.committed("insurer pays", &paid.tx_id, paid.block_number);
    let ms = milliseconds(began);
    provider.caught_up(&paid.tx_id).await?;
    let status = provider
        .claims()
        .claim(INSURER, HOSPITAL, claim.id)
        .send()
        .await?
        .status;
    tell.remark(format!("the claim is {status} {ms:.0} ms after its submission"));
    tell.report.claim = ClaimReport {
        status: status.to_string(),
        ms,
    };

    tell.doing("submitting the same visit again");
    let again = Claim {
        id: ClaimId::from_bytes(rand::random()),
        ..claim
    };
    let code = refusal_code(
        provider
            .claims()
            .submit_claim(INSURER, HOSPITAL, body(again))
            .send()
            .await,
    )?;
    tell.refused("the same visit is claimed again", None, &code);
    tell.report.duplicate_claim = code;

    tell.doing("submitting an impossible claim");
    let impossible = visit(coverage, BAD_NPI)?;
    let code = refusal_code(
        provider
            .claims()
            .submit_claim(INSURER, HOSPITAL, body(impossible))
            .send()
            .await,
    )?;
    tell.refused("a provider identifier has a wrong check digit", None, &code);
    tell.report.bad_npi_claim = code;
    Ok(())
}

/// Publishes a plan and covers the patient under it.
async fn insure(payer: &HealthClient, tell: &mut Narrator<'_>) -> Result<CoverageId> {
    let plan = Plan {
        id: PlanId::from_bytes(rand::random()),
        version: 1,
        currency: "USD".to_owned(),
        deductible: 2_000,
        copay: 1_000,
        coinsurance: 1_000,
        out_of_pocket_maximum: 200_000,
        timely_filing_days: 90,
        prices: BTreeMap::from([(
            VISIT.to_owned(),
            Price {
                amount: 15_000,
                max_units: 1,
            },
        )]),
        network: NetworkRules::default(),
        procedures: BTreeMap::new(),
    };
    let period = DateRange {
        from: "2000-01-01".parse()?,
        until: "2199-12-31".parse()?,
    };
    let id = CoverageId::from_bytes(rand::random());
    let coverage = Coverage::new(id, plan.id, plan.version, period);
    let plan_body = PlanBody { plan, salt: salt() };
    tell.doing("publishing the plan");
    let published = payer
        .claims()
        .publish_plan(coverage.plan, coverage.plan_version, plan_body.commitment()?)
        .send()
        .await?;
    tell.committed(
        "insurer publishes a plan's commitment",
        &published.tx_id,
        published.block_number,
    );
    tell.doing("loading the plan");
    let loaded = payer.claims().load_plan(INSURER, plan_body).send().await?;
    tell.committed(
        "insurer loads the plan's rules privately",
        &loaded.tx_id,
        loaded.block_number,
    );
    tell.doing("enrolling the member");
    let enrolled = payer
        .claims()
        .enrol_member(
            INSURER,
            CoverageBody {
                coverage,
                salt: salt(),
            },
        )
        .send()
        .await?;
    tell.committed(
        "insurer covers the patient",
        &enrolled.tx_id,
        enrolled.block_number,
    );
    Ok(id)
}

fn visit(coverage: CoverageId, npi: &str) -> Result<Claim> {
    let line = ClaimLine::new(1, VISIT, Date::from_unix(unix_now())?, 1, CHARGE);
    let id = ClaimId::from_bytes(rand::random());
    Ok(Claim::new(id, coverage, npi, "USD", vec![line]))
}

fn body(claim: Claim) -> ClaimBody {
    ClaimBody { claim, salt: salt() }
}
