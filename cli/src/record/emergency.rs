//! `careledger record emergency`: the emergency summary, from the custodian's vault or whichever replica answers. And `careledger record offline`: the same
//! from the custodian's vault alone, on a ticket that the doctor signs, for when the ledger cannot be written.

use careledger_api::HealthError;
use careledger_api::contracts::consent::{BreakGlassRequest, OfflineTicket};
use careledger_api::contracts::record::Verification;
use careledger_api::ids::{KemPublicKey, TicketId};
use careledger_sdk::HealthClient;
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::vault::{Archive, ReleasedRecord};
use careledger_sdk::wallet::unix_now;
use serde_json::{Value, json};

use super::args::EmergencyArgs;
use super::fetch::write;
use super::own::compared;
use crate::Result;
use crate::output::Output;
use crate::site::Site;

/// Breaks the glass and writes what that opens.
pub(super) async fn emergency(args: &EmergencyArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.dir)?;
    let client = site.client(&args.asker, args.role).await?;
    let (vault, replicas) = (site.vault(&args.at)?, site.replicas(&args.at)?);
    let identity = site.identity(&args.asker, args.role)?;
    output.doing("breaking the glass");
    let archive = Archive::new(&client, &vault, &identity, &args.at).with_replicas(&replicas);
    // The archive draws a fresh key in this one's place.
    let released = archive
        .break_glass(request(args, KemKeyPair::generate().public()))
        .await?;
    let mut written = Vec::new();
    for record in &released {
        written.push(kept(args, record, true, output).await?);
    }
    if released.is_empty() {
        output.line(nothing(args));
    }
    output.line("the access is on the ledger, is told to the patient and will be reviewed");
    output.document(&json!({ "custodian": args.at, "documents": written }));
    Ok(())
}

/// Hands a signed ticket in and writes what that opens. Care does not wait for a ledger: where the own peer cannot be asked, the summary is written all the
/// same, and it is said that nothing was compared.
pub(super) async fn offline(args: &EmergencyArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.dir)?;
    let (vault, identity) = (site.vault(&args.at)?, site.identity(&args.asker, args.role)?);
    let kem = KemKeyPair::generate();
    let ticket = OfflineTicket {
        id: TicketId::from_bytes(rand::random()),
        consortium: site.consortium().id.clone(),
        custodian: args.at.clone(),
        request: request(args, kem.public()),
        at: unix_now(),
    };
    let id = ticket.id;
    let certificate = identity.identity().certificate_pem();
    let signed = ticket.sign(&args.asker, &certificate, |message| {
        let signature = identity.sign(message);
        signature.map_err(|error| HealthError::BadIntent(format!("the identity does not sign: {error}")))
    })?;
    output.doing("handing the ticket in");
    let released = vault.offline(&site.consortium().channel, &signed, &kem).await?;
    let client = match site.client(&args.asker, args.role).await {
        Ok(client) => Some(client),
        Err(error) => {
            output.line(format!("nothing is compared with the ledger: {error}"));
            None
        }
    };
    let mut written = Vec::new();
    for record in &released {
        let verified = match &client {
            Some(client) => anchored(client, args, record, output).await?,
            None => false,
        };
        written.push(kept(args, record, verified, output).await?);
    }
    if released.is_empty() {
        output.line(nothing(args));
    }
    output.line(format!(
        "ticket {id} is on the ledger or will be, is told to the patient and will be reviewed"
    ));
    output.document(&json!({ "custodian": args.at, "ticket": id, "documents": written }));
    Ok(())
}

fn request(args: &EmergencyArgs, kem_key: KemPublicKey) -> BreakGlassRequest {
    BreakGlassRequest {
        patient: args.patient,
        reason: args.reason,
        minutes: args.minutes,
        attest: args.attest,
        encounter: None,
        kem_key,
    }
}

/// What a doctor hears who is permitted and for whom nothing opens. It says no more than the vault does: there may be a summary that the patient keeps from a
/// broken glass.
fn nothing(args: &EmergencyArgs) -> String {
    format!(
        "{at} has no emergency summary of this patient that a broken glass opens; trying again opens nothing either. Ask {at}'s people, or another \
         custodian that knows the patient (record emergency --at)",
        at = args.at
    )
}

/// Whether the own ledger anchors a record; false where it cannot be asked. Fails if it anchors another content.
async fn anchored(
    client: &HealthClient,
    args: &EmergencyArgs,
    record: &ReleasedRecord,
    output: &Output,
) -> Result<bool> {
    match compared(client, &args.asker, record).await {
        Ok(Verification::Match) => Ok(true),
        Ok(other) => Err(format!("the vault gave another content than the one anchored: {other}").into()),
        Err(error) => {
            output.line(format!(
                "document {} is not compared with the ledger: {error}",
                record.document
            ));
            Ok(false)
        }
    }
}

/// Writes a record into its file, and gives what the document says of it.
async fn kept(
    args: &EmergencyArgs,
    record: &ReleasedRecord,
    verified: bool,
    output: &Output,
) -> Result<Value> {
    std::fs::create_dir_all(&args.out)?;
    output.doing("reading");
    let out = args.out.join(record.document.to_string());
    let size = write(record, &out).await?;
    let compared = if verified {
        format!("verified on {}'s ledger", args.asker)
    } else {
        "not verified".to_owned()
    };
    output.line(format!(
        "{size} bytes of document {} in {}, {compared}",
        record.document,
        out.display(),
    ));
    Ok(json!({
        "document": record.document, "version": record.version, "category": record.category,
        "mime": record.content.opening().mime, "size": size, "out": out, "vault": record.vault, "verified": verified,
    }))
}
