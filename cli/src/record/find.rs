//! `careledger record find` and `person`: an unconscious patient is found by the code on a card or by identity documents, under break-glass alone.

use std::path::{Path, PathBuf};

use careledger_api::codes::OverrideReason;
use careledger_api::consortium::OrganisationRole;
use careledger_api::contracts::consent::{Demographics, FindQuery, FindRequest};
use careledger_api::ids::{FindCode, PatientId, TxId};
use careledger_api::roles::Role;
use careledger_sdk::HealthClient;
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::vault::{FindQuestion, PersonEntry};
use careledger_sdk::wallet::{salt, unix_now};
use clap::Args;
use serde_json::json;

use crate::args::CustodianPatientArgs;
use crate::output::Output;
use crate::site::Site;
use crate::{Result, files, values};

/// Largest file with a person that is read, bytes.
const MAX_PERSON: u64 = 64 * 1024;

/// `careledger record find`.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("whom").required(true),
    after_help = "Examples:\n  careledger record find --as ClinicMSP --code 0123-4567-89ab-cdef-0123-4567-89ab-cdef --reason OVRINCOMP --attest\n  careledger record find --as ClinicMSP --person person.json --reason OVRINCOMP --attest\nwhere person.json is {\"family\": \"…\", \"given\": \"…\", \"birth\": \"1980-02-29\", \"sex\": \"female\", \"postcode\": \"…\"}: a file, so that no name is on a\ncommand line. Who is found is told; `record emergency` then opens the summary."
)]
pub struct FindArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The searching organisation, by MSP id, as its role `emergency`.
    #[arg(long = "as", value_name = "MSP")]
    pub asker: String,
    /// The custodian to search at, by its MSP id. Without it, all of them.
    #[arg(long, value_name = "MSP")]
    pub at: Option<String>,
    /// The code on the patient's card or lock screen.
    #[arg(long, value_name = "CODE", value_parser = values::find_code, group = "whom")]
    pub code: Option<FindCode>,
    /// What identity documents say: a file of JSON, or `-` for the standard input.
    #[arg(long, value_name = "FILE", group = "whom")]
    pub person: Option<PathBuf>,
    /// Why, by code.
    #[arg(long, value_name = "CODE", value_parser = values::override_reason, default_value = "OVRER")]
    pub reason: OverrideReason,
    /// You attest that the reason holds; nobody is searched for without it.
    #[arg(long, required = true)]
    pub attest: bool,
}

/// `careledger record person`.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("entry").required(true),
    after_help = "Example:\n  careledger record person --at HospitalMSP --patient 1d6f… --file person.json        the file's form is that of `record find`"
)]
pub struct PersonArgs {
    /// Who it is, where.
    #[command(flatten)]
    pub who: CustodianPatientArgs,
    /// What identity documents say: a file of JSON, or `-` for the standard input.
    #[arg(long, value_name = "FILE", group = "entry")]
    pub file: Option<PathBuf>,
    /// Take the patient out of the index.
    #[arg(long, group = "entry")]
    pub remove: bool,
}

/// Searches at each custodian that is named or there is.
pub(super) async fn find(args: &FindArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.dir)?;
    let query = match (&args.code, &args.person) {
        (Some(code), _) => FindQuery::Code(*code),
        (None, Some(path)) => FindQuery::Person(person(path)?.normalised()?),
        (None, None) => return Err("name the code with --code, or a file with --person".into()),
    };
    let custodians: Vec<String> = match &args.at {
        Some(at) => {
            site.require_custodian(at)?;
            vec![at.clone()]
        }
        None => {
            let all = site.consortium().with_role(OrganisationRole::Custodian);
            all.into_iter().map(str::to_owned).collect()
        }
    };
    let client = site.client(&args.asker, Role::Emergency).await?;
    let (mut rows, mut searches, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for custodian in &custodians {
        output.doing(format!("searching at {custodian}"));
        match search(args, &site, &client, custodian, &query).await {
            Ok((tx, found)) => {
                rows.push(vec![
                    custodian.clone(),
                    found.map_or_else(|| "nobody, or several alike".to_owned(), |id| id.to_string()),
                ]);
                searches.push(json!({ "custodian": custodian, "patient": found, "tx": tx }));
            }
            // One vault that is down hides nobody at another.
            Err(error) if custodians.len() > 1 => {
                output.line(format!("{custodian} does not answer: {error}"));
                failed.push(json!({ "custodian": custodian, "error": error.to_string() }));
            }
            Err(error) => return Err(error),
        }
    }
    output.table(&["CUSTODIAN", "PATIENT"], &rows);
    output.line("each search is logged, and who was found is told");
    output.document(&json!({ "searches": searches, "failed": failed }));
    if searches.iter().all(|search| search["patient"].is_null()) {
        return Err("nobody was found".into());
    }
    Ok(())
}

/// A search on the ledger, which has a commitment to the query alone, and then the vault's sealed answer.
async fn search(
    args: &FindArgs,
    site: &Site,
    client: &HealthClient,
    custodian: &str,
    query: &FindQuery,
) -> Result<(TxId, Option<PatientId>)> {
    let (vault, identity) = (
        site.vault(custodian)?,
        site.identity(&args.asker, Role::Emergency)?,
    );
    let (kem, salt) = (KemKeyPair::generate(), salt());
    let request = FindRequest {
        query: query.commitment(&salt)?,
        reason: args.reason,
        attest: args.attest,
        encounter: None,
        kem_key: kem.public(),
    };
    let done = client
        .consents()
        .find(custodian.to_owned(), request)
        .send()
        .await?;
    let tx: TxId = done.tx_id.parse()?;
    let question = FindQuestion {
        custodian: custodian.to_owned(),
        channel: site.consortium().channel.clone(),
        tx: tx.clone(),
        query: query.clone(),
        salt,
    };
    Ok((tx, vault.find(&identity, question, &kem).await?))
}

/// Tells the custodian's own vault what identity documents say of a patient; it keeps a keyed hash.
pub(super) async fn enter(args: &PersonArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.who.dir)?;
    let (vault, identity) = (
        site.vault(&args.who.at)?,
        site.identity(&args.who.at, Role::Custodian)?,
    );
    let entry = PersonEntry {
        custodian: args.who.at.clone(),
        channel: site.consortium().channel.clone(),
        patient: args.who.patient,
        person: match &args.file {
            Some(path) => Some(person(path)?),
            None => None,
        },
        at: unix_now(),
    };
    let entered = entry.person.is_some();
    vault.enter_person(&identity, entry).await?;
    output.line(if entered {
        format!(
            "{}'s vault finds that patient by identity documents; it keeps a keyed hash of them",
            args.who.at
        )
    } else {
        format!(
            "{}'s vault finds that patient by no identity documents any more",
            args.who.at
        )
    });
    output.document(&json!({ "custodian": args.who.at, "patient": args.who.patient, "entered": entered }));
    Ok(())
}

/// What identity documents say, from a file. No error repeats it.
fn person(path: &Path) -> Result<Demographics> {
    let bytes = files::bytes(path, MAX_PERSON)?;
    serde_json::from_slice(&bytes).map_err(|_| {
        format!(
            "{} is no person: it has family, given, birth (year-month-day), sex (female, male, other or unknown) and postcode, as JSON",
            path.display()
        )
        .into()
    })
}
