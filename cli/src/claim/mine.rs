//! `careledger claim mine`: a member's own claims, and the key by which they ask.

use std::path::PathBuf;

use careledger_api::contracts::claims::MemberKey;
use careledger_api::ids::{ClaimId, CoverageId};
use careledger_api::keys::PublicKey;
use careledger_api::roles::Role;
use careledger_sdk::wallet::{Signed, salt};
use clap::Args;
use serde_json::json;

use super::money::money;
use super::showing::explained;
use crate::Result;
use crate::output::Output;
use crate::site::Site;
use crate::values;
use crate::wallet::Patient;
use crate::wallet::args::WalletArgs;

/// `careledger claim mine`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  careledger claim mine 0011… --at InsurerMSP --key\n  careledger claim mine 0011… --at InsurerMSP\n  careledger claim mine 0011… --at InsurerMSP --claim 2233… --with HospitalMSP\nThe first prints the key that the payer takes down with `claim member-key`; before that the others are refused."
)]
pub struct MineArgs {
    /// The coverage, as the payer told it.
    #[arg(value_name = "COVERAGE", value_parser = values::id::<CoverageId>)]
    pub coverage: CoverageId,
    /// Wallet and network.
    #[command(flatten)]
    pub wallet: WalletArgs,
    /// The payer, by MSP id.
    #[arg(long = "at", value_name = "MSP")]
    pub payer: String,
    /// Explain this claim. Needs --with.
    #[arg(long, value_name = "CLAIM", value_parser = values::id::<ClaimId>, requires = "provider")]
    pub claim: Option<ClaimId>,
    /// The provider that claims, by MSP id. Needs --claim.
    #[arg(long = "with", value_name = "MSP", requires = "claim")]
    pub provider: Option<String>,
    /// Print the wallet's key for the payer, and ask nothing.
    #[arg(long, conflicts_with = "claim")]
    pub key: bool,
}

/// `careledger claim member-key`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  careledger claim member-key 0011… p256:02ab… --as InsurerMSP")]
pub struct MemberKeyArgs {
    /// The member's coverage.
    #[arg(value_name = "COVERAGE", value_parser = values::id::<CoverageId>)]
    pub coverage: CoverageId,
    /// The key that the member's wallet printed (`claim mine --key`). Without it, the one before is taken away.
    #[arg(value_name = "KEY", value_parser = values::public_key)]
    pub key: Option<PublicKey>,
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The payer, by MSP id.
    #[arg(long = "as", value_name = "MSP")]
    pub payer: String,
}

pub(super) async fn mine(args: &MineArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(&args.wallet)?;
    let member = patient.member(&args.payer, args.coverage)?;
    if args.key {
        let text = values::key_text(&member.public_key());
        output.line(format!("the key of this wallet for {}: {text}", args.payer));
        output.document(&json!({ "payer": args.payer, "coverage": args.coverage, "public": text }));
        return Ok(());
    }
    let portal = patient.site.client(&args.payer, Role::Portal).await?;
    if let (Some(claim), Some(provider)) = (args.claim, &args.provider) {
        let Signed { body, intent } = member.explanation(provider, claim)?;
        let claims = portal.claims();
        let explanation = claims
            .my_explanation(args.payer.clone(), body, intent)
            .send()
            .await?;
        explained(&explanation, output);
        output.document(&json!({ "explanation": explanation }));
        return Ok(());
    }
    let Signed { body, intent } = member.claims()?;
    let claims = portal
        .claims()
        .my_claims(args.payer.clone(), body, intent)
        .send()
        .await?;
    if claims.is_empty() {
        output.line(format!("{} has received no claim for this coverage", args.payer));
    }
    for of in &claims {
        let days = match of.days.from == of.days.until {
            true => of.days.from.to_string(),
            false => format!("{} to {}", of.days.from, of.days.until),
        };
        output.line(format!(
            "claim {} of {}, {days}: {}, {} charged",
            of.claim,
            of.provider,
            of.status,
            money(of.charged, &of.currency)
        ));
    }
    output.document(&json!({ "claims": claims }));
    Ok(())
}

pub(super) async fn member_key(args: &MemberKeyArgs, output: &Output) -> Result<()> {
    let client = Site::open(&args.dir)?.client(&args.payer, Role::Payer).await?;
    let key = MemberKey {
        coverage: args.coverage,
        key: args.key.clone(),
        salt: salt(),
    };
    output.doing("taking down the member's key");
    let claims = client.claims();
    let done = claims.set_member_key(args.payer.clone(), key).send().await?;
    output.line(match args.key {
        Some(_) => format!(
            "the member of coverage {} asks with this key from now on",
            args.coverage
        ),
        None => format!("nobody asks about coverage {} any more", args.coverage),
    });
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({ "coverage": args.coverage, "tx": done.tx_id, "block": done.block_number }));
    Ok(())
}
