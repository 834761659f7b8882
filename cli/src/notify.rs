//! `careledger notify`: a custodian tells of every access and of whatever happens to patients' keys, on its standard output or by a webhook.

use std::path::PathBuf;
use std::pin::pin;

use careledger_api::HealthError;
use careledger_api::contracts::consent::{Delivery as ReceiptOf, DeliveryChannel, Notice};
use careledger_api::roles::Role;
use careledger_sdk::HealthClient;
use careledger_sdk::notify::{
    AllowedHost, Delivery, Journal, Notifications, Outbox, RetryPolicy, SendError, Told, Webhook,
    WebhookSecret,
};
use careledger_sdk::wallet::{salt, unix_now};
use clap::Args;
use fabric_contract_core::CallError;
use serde_json::{Value, json};

use crate::output::Output;
use crate::site::Site;
use crate::values::{list, time};
use crate::{Result, network};

/// `careledger notify`.
#[derive(Debug, Args)]
pub struct NotifyArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The custodian, by its MSP id.
    #[arg(long, value_name = "MSP")]
    pub custodian: String,
    /// Announce every access and every change to an account to this https URL, with opaque ids only. Accesses that the patient wants not to be told of are left out. Without it, print who asked for what, when and why.
    #[arg(long, value_name = "URL", requires_all = ["secret_file", "allow"])]
    pub webhook: Option<String>,
    /// The file with the secret that signs webhooks: 32 bytes or more, mode 600.
    #[arg(long, value_name = "FILE", requires = "webhook")]
    pub secret_file: Option<PathBuf>,
    /// A destination that webhooks may go to: host, or host:port. May be given several times. Addresses that are not of the public internet are refused whatever is allowed here.
    #[arg(long, value_name = "HOST", requires = "webhook")]
    pub allow: Vec<AllowedHost>,
    /// Trust the certificates of this CA (PEM) as well.
    #[arg(long, value_name = "FILE", requires = "webhook")]
    pub ca: Option<PathBuf>,
    /// What was delivered already; without it, a file under `notify` in the network's directory.
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
    /// List the webhooks that were given up, and end. The service must be stopped.
    #[arg(long, conflicts_with_all = ["webhook", "secret_file", "allow", "ca"])]
    pub dead_letters: bool,
    /// Take those up again at the next start.
    #[arg(long, requires = "dead_letters")]
    pub retry: bool,
    /// Also write a receipt for each printed access, which the patient's log shows: this output is how patients are told.
    #[arg(long, value_name = "CHANNEL", conflicts_with_all = ["webhook", "dead_letters"])]
    pub receipts: Option<DeliveryChannel>,
    /// End once this many deliveries were printed.
    #[arg(long, value_name = "N", conflicts_with_all = ["webhook", "dead_letters"])]
    pub count: Option<u64>,
}

/// Runs until it is interrupted.
pub async fn run(args: &NotifyArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.dir)?;
    site.require_custodian(&args.custodian)?;
    let journal = journal(args)?;
    if args.dead_letters {
        return dead_letters(args, &site, journal, output);
    }
    match (&args.webhook, &args.secret_file) {
        (Some(url), Some(secret)) => {
            let mut webhook = Webhook::new(url, &args.allow, WebhookSecret::read(secret)?)?;
            if let Some(ca) = &args.ca {
                webhook = webhook.trust(&std::fs::read(ca).map_err(|e| format!("{}: {e}", ca.display()))?)?;
            }
            match webhook.check().await {
                Err(refused @ SendError::NotPublic { .. }) => return Err(refused.into()),
                // The network of this machine may come up later.
                Err(error) => tracing::warn!(%error, "the webhook's destination cannot be reached yet"),
                Ok(()) => {}
            }
            announce(args, &site, journal, webhook, output).await
        }
        _ => print(args, &site, journal, output).await,
    }
}

async fn announce(
    args: &NotifyArgs,
    site: &Site,
    journal: PathBuf,
    webhook: Webhook,
    output: &Output,
) -> Result<()> {
    let client = site.client(&args.custodian, Role::Notifier).await?;
    let mut outbox = Outbox::open(&client, &args.custodian, journal, webhook, RetryPolicy::default()).await?;
    let interrupted = network::interrupted()?;
    output.line("ready");
    tokio::select! {
        stopped = outbox.run() => match stopped? {},
        () = interrupted => Ok(()),
    }
}

/// Prints each access and then acknowledges it: after a crash between the two it is printed again, marked as such.
async fn print(args: &NotifyArgs, site: &Site, journal: PathBuf, output: &Output) -> Result<()> {
    let client = site.client(&args.custodian, Role::Notifier).await?;
    let mut notifications = Notifications::open(&client, &args.custodian, journal).await?;
    let mut left = args.count.unwrap_or(u64::MAX);
    let mut interrupted = pin!(network::interrupted()?);
    while left > 0 {
        let delivery = tokio::select! {
            delivery = notifications.next() => delivery?,
            () = &mut interrupted => return Ok(()),
        };
        output.line(line(&delivery));
        output.document(&document(&delivery));
        let access = delivery.notice.as_ref().and_then(Told::access);
        if let (Some(channel), Some(notice)) = (args.receipts, access.filter(|notice| notice.wanted)) {
            receipt(&client, &args.custodian, channel, notice).await?;
        }
        delivery.ack().await?;
        left -= 1;
    }
    Ok(())
}

/// Writes that the patient was told. A receipt that is there already stands.
async fn receipt(
    client: &HealthClient,
    custodian: &str,
    channel: DeliveryChannel,
    notice: &Notice,
) -> Result<()> {
    let told = ReceiptOf {
        patient: notice.patient,
        subject: notice.notification.tx.clone(),
        channel,
        at: unix_now(),
        salt: salt(),
    };
    let written = client
        .consents()
        .ack_notification(custodian.to_owned(), vec![told])
        .send()
        .await;
    match written {
        Ok(_) | Err(CallError::Contract(HealthError::Duplicate(_))) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn dead_letters(args: &NotifyArgs, site: &Site, path: PathBuf, output: &Output) -> Result<()> {
    let mut journal = Journal::open(path, &site.consortium().channel, &args.custodian)?;
    let dead = journal.dead().to_vec();
    for letter in &dead {
        output.line(format!(
            "{} of block {}: given up after {} attempts",
            letter.tx, letter.block, letter.attempts
        ));
    }
    let revived = if args.retry { journal.revive()? } else { 0 };
    output.line(format!(
        "{} given up, {revived} of them taken up again, {} wait",
        dead.len(),
        journal.waiting()
    ));
    output.document(&json!({ "dead_letters": dead, "revived": revived, "waiting": journal.waiting() }));
    Ok(())
}

fn line(delivery: &Delivery) -> String {
    let again = if delivery.redelivered { " (again)" } else { "" };
    let Notice {
        patient,
        notification,
        wanted,
    } = match &delivery.notice {
        Some(Told::Access(notice)) => notice,
        Some(Told::Account(notice)) => {
            return format!(
                "{}{again}: the account of patient {}: {} at {}",
                delivery.id,
                notice.patient,
                notice.act,
                time(notice.at)
            );
        }
        None => {
            return format!(
                "{}{again}: this organisation's peer does not hold what it was",
                delivery.id
            );
        }
    };
    let unwanted = if *wanted {
        ""
    } else {
        "; the patient wants not to be told"
    };
    let why = notification
        .reason
        .map_or_else(String::new, |reason| format!(" ({reason})"));
    format!(
        "{}{again}: {} of {} asked at {} for {} of patient {patient} for {}{why}: {}{unwanted}",
        delivery.id,
        notification.role,
        notification.organisation,
        time(notification.at),
        list(&notification.requested, "everything"),
        notification.purpose,
        notification.outcome,
    )
}

/// One line of JSON for each delivery.
fn document(delivery: &Delivery) -> Value {
    json!({
        "delivery": delivery.id, "kind": delivery.topic.as_str(), "block": delivery.block, "redelivered": delivery.redelivered,
        "notice": delivery.notice,
    })
}

fn journal(args: &NotifyArgs) -> Result<PathBuf> {
    if let Some(path) = &args.journal {
        return Ok(path.clone());
    }
    let dir = args.dir.join("notify");
    std::fs::create_dir_all(&dir)?;
    let kind = if args.webhook.is_some() || args.dead_letters {
        "webhook"
    } else {
        "printed"
    };
    Ok(dir.join(format!("{}-{kind}.journal", args.custodian)))
}
