//! What a provider says after its claim is there: answers, documents, appeals taken back; and what is asked of it before.

use careledger_api::adjudication::{ClaimLine, Frequency};
use careledger_api::consortium::OrganisationRole;
use careledger_api::contracts::claims::{
    Attachment, ClaimStatus, ClaimStep, Information, ListQuery, PaymentConsent, SelfPayment,
};
use careledger_api::roles::Role;
use careledger_sdk::HealthClient;
use careledger_sdk::wallet::salt;
use fabric_contract_core::CallError;
use fabric_gateway_sdk::Error;
use serde_json::json;

use super::args::{AttachArgs, ConsentArgs, InformArgs, SelfPaidArgs, StepArgs};
use super::given;
use super::parties::{Parties, Side};
use crate::output::Output;
use crate::site::Site;
use crate::{Result, files};

pub(super) async fn inform(args: &InformArgs, output: &Output) -> Result<()> {
    let claim = args.step.claim;
    let information = Information {
        claim,
        text: given::text(&args.text)?,
        documents: args.document.clone(),
        salt: salt(),
    };
    let parties = Parties::open(&args.step.between).await?;
    parties.require(Side::Provider)?;
    output.doing("answering");
    let claims = parties.client().claims();
    let done = claims
        .provide_information(parties.payer.clone(), parties.provider.clone(), information)
        .send()
        .await?;
    let did = format!("claim {claim} is answered; it waits for the payer again");
    parties
        .finish(&done, &did, json!({ "claim": claim }), output)
        .await;
    Ok(())
}

pub(super) async fn attach(args: &AttachArgs, output: &Output) -> Result<()> {
    let claim = args.step.claim;
    let title = given::text(&args.title)?;
    let parties = Parties::open(&args.step.between).await?;
    parties.require(Side::Provider)?;
    let (hash, kept) = files::digest(&args.file, "attachment", "attached")?;
    let attachment = Attachment {
        claim,
        line: args.line,
        hash,
        title,
        salt: salt(),
    };
    output.doing("attaching");
    let claims = parties.client().claims();
    let sent = claims
        .submit_attachment(parties.payer.clone(), parties.provider.clone(), attachment)
        .send()
        .await;
    let done = match sent {
        Ok(done) => done,
        // It may be on the ledger all the same, and then this alone proves of what document it is.
        Err(error @ CallError::Transport(Error::Submit(_) | Error::CommitStatus(_))) => {
            return Err(format!(
                "{error}; whether it is attached is not known: `careledger claim show {claim} --json` tells, and {} is kept for it",
                kept.display()
            )
            .into());
        }
        Err(error) => {
            // Nothing belongs to it.
            std::fs::remove_file(&kept)?;
            return Err(error.into());
        }
    };
    let did = format!(
        "{hash} is attached to claim {claim}; {} proves of what it is",
        kept.display()
    );
    let document = json!({ "claim": claim, "hash": hash, "kept": kept });
    parties.finish(&done, &did, document, output).await;
    Ok(())
}

pub(super) async fn withdraw(args: &StepArgs, output: &Output) -> Result<()> {
    let parties = Parties::open(&args.between).await?;
    parties.require(Side::Provider)?;
    let claim = args.claim;
    output.doing("withdrawing");
    let claims = parties.client().claims();
    let step = ClaimStep { claim, salt: salt() };
    let done = claims
        .withdraw_appeal(parties.payer.clone(), parties.provider.clone(), step)
        .send()
        .await?;
    let did = format!("the appeal of claim {claim} is taken back");
    parties
        .finish(&done, &did, json!({ "claim": claim }), output)
        .await;
    Ok(())
}

pub(super) async fn consent(args: &ConsentArgs, output: &Output) -> Result<()> {
    let consent: PaymentConsent = given::body(&args.file, "payment consent")?;
    let parties = Parties::open(&args.between).await?;
    parties.require(Side::Provider)?;
    let (coverage, is_given) = (consent.coverage, consent.given);
    output.doing("taking down the consent");
    let claims = parties.client().claims();
    let done = claims
        .record_consent(parties.payer.clone(), parties.provider.clone(), consent)
        .send()
        .await?;
    let did = if is_given {
        format!(
            "{} may be told of coverage {coverage}'s services of those days",
            parties.payer
        )
    } else {
        format!(
            "nothing of coverage {coverage} is submitted to {} for those days, nor paid",
            parties.payer
        )
    };
    let document = json!({ "coverage": coverage, "given": is_given });
    parties.finish(&done, &did, document, output).await;
    Ok(())
}

pub(super) async fn self_paid(args: &SelfPaidArgs, output: &Output) -> Result<()> {
    let payment: SelfPayment = given::body(&args.file, "list of services that a patient paid")?;
    payment.validate()?;
    let site = Site::open(&args.dir)?;
    site.require_custodian(&args.provider)?;
    let client = site.client(&args.provider, Role::ProviderBilling).await?;
    let (count, restricted, coverage) = (payment.services.len(), payment.restricted, payment.coverage);
    if restricted {
        output.doing("looking what payers have already");
        require_kept(&site, &client, &args.provider, &payment).await?;
    }
    output.doing("restricting");
    let done = client
        .claims()
        .restrict_payer(args.provider.clone(), payment)
        .send()
        .await?;
    site.settle(&args.provider, &done.tx_id).await;
    output.line(match restricted {
        true => format!("{count} services are kept from the payer"),
        false => format!("{count} services may be claimed again"),
    });
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({
        "coverage": coverage, "services": count, "restricted": restricted, "tx": done.tx_id, "block": done.block_number,
    }));
    Ok(())
}

/// Fails where a payer has one of the services in a claim that stands: it would be paid, and is not kept from anybody.
async fn require_kept(
    site: &Site,
    client: &HealthClient,
    provider: &str,
    payment: &SelfPayment,
) -> Result<()> {
    let payers = site.consortium().with_role(OrganisationRole::Payer);
    let mut told = Vec::new();
    for payer in payers.into_iter().filter(|payer| *payer != provider) {
        let mut query = ListQuery {
            coverage: Some(payment.coverage),
            ..ListQuery::default()
        };
        loop {
            let claims = client.claims();
            let asked = claims.list_claims(payer, provider, query);
            let part = asked.endorsed_by([provider]).send().await?;
            for row in part.claims {
                if row.status.is_taken_back() || row.status == ClaimStatus::Rejected {
                    continue;
                }
                let asked = claims.claim(payer, provider, row.claim);
                let claim = asked.endorsed_by([provider]).send().await?.claim;
                let kept = |line: &ClaimLine| payment.services.contains(&(line.procedure.clone(), line.date));
                if claim.frequency != Frequency::Void && claim.lines.iter().any(kept) {
                    told.push(format!("claim {} at {payer} ({})", row.claim, row.status));
                }
            }
            match part.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
    }
    match told.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "the payer has such a service already, in {}: void that first (frequency 8; a replacement without the service where it has others), and say this again; nothing is kept from the payer by this",
            told.join(", ")
        )
        .into()),
    }
}
