//! `careledger record emergency`: the emergency summary, from the custodian's vault or whichever replica answers.

use careledger_api::contracts::consent::BreakGlassRequest;
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::vault::Archive;
use serde_json::json;

use super::args::EmergencyArgs;
use super::fetch::write;
use crate::Result;
use crate::output::Output;
use crate::site::Site;

/// Breaks the glass and writes what that opens.
pub(super) async fn emergency(args: &EmergencyArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.dir)?;
    let client = site.client(&args.asker, args.role).await?;
    let (vault, replicas) = (site.vault(&args.at)?, site.replicas(&args.at)?);
    let identity = site.identity(&args.asker, args.role)?;
    let request = BreakGlassRequest {
        patient: args.patient,
        reason: args.reason,
        minutes: args.minutes,
        attest: args.attest,
        encounter: None,
        // Replaced by a fresh one.
        kem_key: KemKeyPair::generate().public(),
    };
    output.doing("breaking the glass");
    let archive = Archive::new(&client, &vault, &identity, &args.at).with_replicas(&replicas);
    let released = archive.break_glass(request).await?;
    std::fs::create_dir_all(&args.out)?;
    output.doing("reading");
    let mut written = Vec::new();
    for record in &released {
        let out = args.out.join(record.document.to_string());
        let size = write(record, &out).await?;
        output.line(format!(
            "{size} bytes of document {} in {}, verified on {}'s ledger",
            record.document,
            out.display(),
            args.asker
        ));
        written.push(json!({
            "document": record.document, "version": record.version, "category": record.category,
            "mime": record.content.opening().mime, "size": size, "out": out, "vault": record.vault,
        }));
    }
    output.line("the access is on the ledger, is told to the patient and will be reviewed");
    output.document(&json!({ "custodian": args.at, "documents": written }));
    Ok(())
}
