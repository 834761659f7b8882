//! Claims of a file: read whole, refused with every reason or submitted one by one.

use careledger_api::adjudication::Frequency;
use careledger_api::contracts::claims::{AuthorisationRequest, ClaimBody};
use careledger_api::ids::{AuthorisationId, ClaimId};
use careledger_sdk::HealthCallError;
use careledger_sdk::claims::{Read, Submission};
use careledger_sdk::x12::Word;
use fabric_contract_core::{CallError, Committed};
use serde_json::{Value, json};

use super::acknowledging::Answers;
use super::args::SubmitArgs;
use super::parties::{Parties, Side};
use super::reading::{self, Part};
use crate::output::Output;
use crate::{Result, values};

pub(super) async fn submit(args: &SubmitArgs, output: &Output) -> Result<()> {
    let SubmitArgs { reading, .. } = args;
    let answers = Answers::new(&args.answers)?;
    let parties = Parties::open(&reading.between).await?;
    parties.require(Side::Provider)?;
    let resolver = reading::resolver(reading, &parties.payer, args.check, output)?;
    let found = reading::read(&reading.file, &resolver)?;
    answers.of_file(&found, output)?;
    let file = reading.file.display();
    if let [only] = found.parts()
        && let Some(error) = only.broken()
    {
        return Err(format!("{file}: {error}").into());
    }
    let total = found.count();
    if total == 0 && found.parts().iter().all(|part| part.broken().is_none()) {
        return Err(format!("{file} holds no claim").into());
    }
    if reading.coverage.is_some() && total > 1 {
        return Err(format!(
            "{file} holds {total} claims; --coverage is for a file of one: say whose they are with --register"
        )
        .into());
    }
    let (mut told, mut broken, mut all_words) = (Vec::new(), Vec::new(), Vec::new());
    let (mut number, mut refused) = (0u64, 0u64);
    for part in found.parts() {
        if let Some(error) = part.broken() {
            output.line(format!("{}nothing of it is submitted: {error}", part.at()));
            broken.push(json!({ "at": part.at().trim_end_matches(", "), "refused": error.to_string() }));
        }
        let mut words = Vec::new();
        for read in part.reads() {
            number += 1;
            output.advance(number, total as u64, "submitting");
            let sent = match read.outcome.clone() {
                Err(problems) => Sent {
                    refused: problems.iter().map(ToString::to_string).collect(),
                    word: Some(Word::of_read(read)),
                    ..Sent::default()
                },
                Ok(_) if args.check => Sent::default(),
                Ok(submission) => send(&parties, submission).await,
            };
            refused += u64::from(!sent.refused.is_empty());
            told.push(tell(part, read, &sent, output));
            words.push(sent.word);
        }
        all_words.push(words);
    }
    output.document(&json!({ "file": reading.file, "claims": told, "broken": broken }));
    answers.of_claims(&found, all_words, output)?;
    let done = if args.check { "accepted" } else { "submitted" };
    let again = "correct them and submit the file again: the others change nothing then";
    match (refused, broken.len()) {
        (0, 0) => Ok(()),
        (_, 0) => Err(format!("{refused} of {total} are not {done}; {again}").into()),
        (_, lost) => Err(format!(
            "{} of {} interchanges cannot be read, and {refused} of {total} claims of the others are not {done}; {again}",
            lost,
            found.parts().len()
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
    /// What an acknowledgment says of it; none where it is not known what became of it.
    word: Option<Word>,
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
                self.word = Some(Word::Received);
            }
            Err(error) => {
                self.refused.push(error.to_string());
                self.word = match error {
                    CallError::Contract(error) => Some(Word::of_refusal(&error)),
                    _ => None,
                };
            }
        }
    }
}

/// Tells of one claim, and gives its part of the document.
fn tell(part: &Part, read: &Read, sent: &Sent, output: &Output) -> Value {
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
    let at = place(part, read);
    // The number is the file's own; whoever submits it looks for the claim by it.
    let number = read.account.claim_number.as_deref();
    let named = number.map_or_else(String::new, |number| format!(" ({number})"));
    output.line(format!("{at}{named}: {what} {became}"));
    if let (Ok(Submission::Claim(body)), false) = (&read.outcome, sent.committed.is_empty())
        && body.claim.frequency != Frequency::Original
    {
        output.line("  it takes effect when the payer receives it");
    }
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
        "at": at,
        "number": number,
        "claim": claim,
        "authorisations": authorisations,
        "transactions": transactions,
        "refused": sent.refused,
        "ignored": read.ignored.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// Where in the file it stands.
pub(super) fn place(part: &Part, read: &Read) -> String {
    format!("{}{}", part.at(), read.at)
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
            format!(
                "{what} {} of {}",
                claim.id,
                values::counted(claim.lines.len(), "line")
            )
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
