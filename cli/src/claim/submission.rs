//! Claims of a file: read whole, refused with every reason or submitted one by one.

use std::io::Read as _;
use std::path::Path;

use careledger_api::adjudication::{Claim, Frequency};
use careledger_api::contracts::claims::{AuthorisationRequest, ClaimBody};
use careledger_api::ids::{AuthorisationId, ClaimId, CoverageId, DocumentId, PlanId};
use careledger_sdk::HealthCallError;
use careledger_sdk::claims::{
    Account, Directory, MAX_FILE, Named, Numbers, Read, Register, Resolver, Submission,
};
use careledger_sdk::fhir::claims::claims_from_fhir;
use careledger_sdk::x12::claims_from_x12;
use fabric_contract_core::Committed;
use serde_json::{Value, json};

use super::args::SubmitArgs;
use super::parties::{Parties, Side};
use crate::output::Output;
use crate::{Result, files};

pub(super) async fn submit(args: &SubmitArgs, output: &Output) -> Result<()> {
    let parties = Parties::open(&args.between).await?;
    parties.require(Side::Provider)?;
    let resolver = resolver(args, &parties.payer, output)?;
    let found = read(&args.file, &resolver)?;
    if found.is_empty() {
        return Err(format!("{} holds no claim", args.file.display()).into());
    }
    if args.coverage.is_some() && found.len() > 1 {
        return Err(format!(
            "{} holds {} claims; --coverage is for a file of one: say whose they are with --register",
            args.file.display(),
            found.len()
        )
        .into());
    }
    let total = found.len() as u64;
    let (mut told, mut refused) = (Vec::new(), 0u64);
    for (number, read) in (1..).zip(found) {
        output.advance(number, total, "submitting");
        let sent = match read.outcome.clone() {
            Err(problems) => Sent {
                refused: problems.iter().map(ToString::to_string).collect(),
                ..Sent::default()
            },
            Ok(_) if args.check => Sent::default(),
            Ok(submission) => send(&parties, submission).await,
        };
        refused += u64::from(!sent.refused.is_empty());
        told.push(tell(&read, &sent, output));
    }
    output.document(&json!({ "file": args.file, "claims": told }));
    match refused {
        0 => Ok(()),
        _ => Err(format!(
            "{refused} of {total} are not {}; correct them and submit the file again: the others change nothing then",
            if args.check { "accepted" } else { "submitted" }
        )
        .into()),
    }
}

/// What became of a claim.
#[derive(Default)]
struct Sent {
    /// The transactions that were committed, with their blocks.
    committed: Vec<(String, u64)>,
    /// Every reason why it, or a part of it, is not submitted.
    refused: Vec<String>,
}

async fn send(parties: &Parties, submission: Submission) -> Sent {
    let (payer, provider) = (&parties.payer, &parties.provider);
    let claims = parties.client().claims();
    let mut sent = Sent::default();
    match submission {
        Submission::Claim(body) => {
            let done = match body.claim.frequency {
                Frequency::Original => claims.submit_claim(payer, provider, *body).send().await,
                _ => claims.replace_claim(payer, provider, *body).send().await,
            };
            sent.add(parties, done).await;
        }
        // One for each line: that one is refused keeps none of the others back.
        Submission::Authorisations(requests) => {
            for request in requests {
                let done = claims
                    .request_authorisation(payer, provider, request)
                    .send()
                    .await;
                sent.add(parties, done).await;
            }
        }
    }
    sent
}

impl Sent {
    async fn add<T>(&mut self, parties: &Parties, done: std::result::Result<Committed<T>, HealthCallError>) {
        match done {
            Ok(done) => {
                parties.settle(&done).await;
                self.committed.push((done.tx_id, done.block_number));
            }
            Err(error) => self.refused.push(error.to_string()),
        }
    }
}

/// Tells of one claim, and gives its part of the document.
fn tell(read: &Read, sent: &Sent, output: &Output) -> Value {
    let what = read
        .outcome
        .as_ref()
        .map_or_else(|_| "the claim".to_owned(), described);
    let became = match (sent.refused.is_empty(), sent.committed.is_empty()) {
        (true, true) => "can be submitted",
        (true, false) => "is submitted",
        (false, true) => "is refused",
        (false, false) => "is submitted in part",
    };
    output.line(format!("{}: {what} {became}", read.at));
    for reason in &sent.refused {
        output.line(format!("  {reason}"));
    }
    for ignored in &read.ignored {
        output.line(format!("  not taken along: {ignored}"));
    }
    let committed = sent.committed.iter();
    let transactions: Vec<Value> = committed
        .map(|(tx, block)| json!({ "tx": tx, "block": block }))
        .collect();
    let (claim, authorisations): (Option<ClaimId>, Vec<AuthorisationId>) = match &read.outcome {
        Ok(Submission::Claim(body)) => (Some(body.claim.id), Vec::new()),
        Ok(Submission::Authorisations(requests)) => (None, requests.iter().map(|r| r.id).collect()),
        Err(_) => (None, Vec::new()),
    };
    json!({
        "at": read.at,
        "claim": claim,
        "authorisations": authorisations,
        "transactions": transactions,
        "refused": sent.refused,
        "ignored": read.ignored.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn described(submission: &Submission) -> String {
    match submission {
        Submission::Claim(body) => {
            let ClaimBody { claim, .. } = &**body;
            let what = match claim.frequency {
                Frequency::Replacement => "the replacement",
                Frequency::Void => "the void",
                _ => "claim",
            };
            format!("{what} {} of {} lines", claim.id, claim.lines.len())
        }
        Submission::Authorisations(requests) => {
            let ids: Vec<String> = requests
                .iter()
                .map(|r: &AuthorisationRequest| r.id.to_string())
                .collect();
            format!("authorisation {}", ids.join(", "))
        }
    }
}

/// Every claim of a file, by its form: X12 begins with its interchange's header, FHIR names its resource.
fn read(path: &Path, resolver: &ForOne) -> Result<Vec<Read>> {
    let unreadable = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    let failed = |error: careledger_sdk::claims::FileError| format!("{}: {error}", path.display());
    if bytes.trim_ascii_start().starts_with(b"ISA") {
        return Ok(claims_from_x12(&bytes, resolver).map_err(failed)?);
    }
    if let Ok(claim) = serde_json::from_slice::<Claim>(&bytes) {
        return Ok(vec![own(claim, resolver)]);
    }
    Ok(claims_from_fhir(&bytes, resolver).map_err(failed)?)
}

/// A claim of the ledger's own form: its id is its number.
fn own(claim: Claim, resolver: &ForOne) -> Read {
    let salt = resolver.numbers().salt("claim", &claim);
    let outcome = match salt {
        Ok(salt) => Ok(Submission::Claim(Box::new(ClaimBody { claim, salt }))),
        Err(error) => Err(vec![careledger_sdk::claims::Problem::new(
            "claim",
            error.to_string(),
        )]),
    };
    Read {
        at: "claim".to_owned(),
        account: Account::default(),
        outcome,
        ignored: Vec::new(),
    }
}

/// The register, and what the command line says beside it.
struct ForOne {
    directory: Directory,
    coverage: Option<CoverageId>,
    any_payer: bool,
}

fn resolver(args: &SubmitArgs, payer: &str, output: &Output) -> Result<ForOne> {
    let register: Register = match &args.register {
        Some(path) => files::read_list(path, "register")?,
        None => Register::default(),
    };
    Ok(ForOne {
        any_payer: args.register.is_none(),
        coverage: args.coverage,
        directory: Directory::new(register, Numbers::new(&secret(args, output)?, payer)),
    })
}

/// The provider's secret, drawn where there is none; a check alone leaves none behind.
fn secret(args: &SubmitArgs, output: &Output) -> Result<[u8; 32]> {
    let path = args.secret.clone().unwrap_or_else(|| {
        let name = format!("billing-{}.secret", args.between.own);
        args.between.dir.join(name)
    });
    if !path.exists() {
        let drawn = rand::random();
        if args.check {
            output.line("no secret for ids is there yet: the claims' ids are others when they are submitted");
        } else {
            files::write(&path, &hex::encode(drawn))?;
            output.line(format!(
                "{} is made: keep it, since ids of claims follow from it",
                path.display()
            ));
        }
        return Ok(drawn);
    }
    let text: String = files::read(&path, "secret for ids")?;
    let bytes = hex::decode(&text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| {
        let wanted = "a JSON string of 64 hexadecimal digits";
        format!("{} is no secret for ids; {wanted} is expected", path.display()).into()
    })
}

impl Resolver for ForOne {
    fn is_payer(&self, insurer: &Named) -> bool {
        self.any_payer || self.directory.is_payer(insurer)
    }

    fn coverage(&self, member: &Named) -> Option<CoverageId> {
        self.coverage.or_else(|| self.directory.coverage(member))
    }

    fn provider(&self, provider: &Named) -> Option<String> {
        self.directory.provider(provider)
    }

    fn plan(&self, plan: &Named) -> Option<(PlanId, u32)> {
        self.directory.plan(plan)
    }

    fn document(&self, document: &Named) -> Option<DocumentId> {
        self.directory.document(document)
    }

    fn authorisation(&self, number: &str) -> Option<AuthorisationId> {
        self.directory.authorisation(number)
    }

    fn claim(&self, number: &str) -> Option<ClaimId> {
        self.directory.claim(number)
    }

    fn procedure(&self, system: Option<&str>, code: &str) -> Option<String> {
        self.directory.procedure(system, code)
    }

    fn numbers(&self) -> &Numbers {
        self.directory.numbers()
    }
}
