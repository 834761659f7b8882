//! A subscriber to be killed: `careledger-notify-child DIR CUSTODIAN JOURNAL SEEN`. It writes each access and each change of an account that it is told of
//! into the file SEEN, then acknowledges it, and says on a line what it did at every step. It ends with its standard input, so that it never outlives the test that started it.
#![forbid(unsafe_code)]

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use careledger::health;
use careledger_api::roles::Role;
use careledger_sdk::HealthClient;
use careledger_sdk::notify::{Delivery, Notifications, Told};
use careledger_tests::members::endpoint;
use fabric_gateway_sdk::{Gateway, SigningIdentity};

type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let args: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [dir, custodian, journal, seen] = args.as_slice() else {
        return Err(
            "name the network's directory, the custodian, the journal and the file of seen accesses".into(),
        );
    };
    let custodian = custodian.to_str().ok_or("an MSP id is text")?;
    std::thread::spawn(|| {
        let _ended = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let summary = careledger::network::summary(dir)?;
    let member = summary.organisation(custodian).ok_or("no such custodian")?;
    let identity = SigningIdentity::from_msp_dir(&member.users[Role::Notifier.as_str()], custodian)?;
    let channel = endpoint(&summary, custodian).connect().await?;
    let gateway = Gateway::builder(channel).identity(identity).connect();
    let client = HealthClient::new(&gateway, health::consortium());
    let mut notifications = Notifications::open(&client, custodian, journal).await?;
    say("opened")?;
    loop {
        let delivery = notifications.next().await?;
        say("received")?;
        see(seen, &delivery)?;
        say("seen")?;
        delivery.ack().await?;
        say("acknowledged")?;
    }
}

/// What an application does that wants each access once: a delivery that may have been dealt with is looked up first, any other is not.
fn see(seen: &Path, delivery: &Delivery) -> Result<(), Error> {
    let id = delivery.id.to_string();
    if delivery.redelivered && std::fs::read_to_string(seen).unwrap_or_default().contains(&id) {
        return Ok(());
    }
    let what = match delivery.notice.as_ref().ok_or("a delivery without its body")? {
        Told::Access(notice) => format!("{} {}", notice.notification.kind, notice.notification.outcome),
        Told::Account(notice) => format!("account {}", notice.act),
    };
    // One write, so that a killed process leaves a whole line or none.
    let line = format!("{id} {what}\n");
    let mut file = OpenOptions::new().append(true).create(true).open(seen)?;
    file.write_all(line.as_bytes())?;
    file.sync_data()?;
    Ok(())
}

fn say(what: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{what}")
}
