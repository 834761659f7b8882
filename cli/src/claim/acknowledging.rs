//! What the sender of an X12 file hears: what its form is worth (999), which claims were received, accepted or rejected (277CA), and what was decided on
//! requests for authorisations (278).

use std::path::PathBuf;

use careledger_api::HealthError;
use careledger_api::contracts::claims::AuthorisationRequest;
use careledger_api::ids::ClaimId;
use careledger_sdk::claims::{Problem, Read, Submission};
use careledger_sdk::wallet::unix_now;
use careledger_sdk::x12::{Decision, Received, Status, Word};
use fabric_contract_core::CallError;
use serde_json::{Value, json};

use super::args::{AcknowledgementArgs, AnswersArgs};
use super::parties::{Parties, Side};
use super::reading::{self, Found, Part};
use super::submission::place;
use crate::Result;
use crate::files::Pending;
use crate::output::Output;

/// Largest control number of an interchange.
pub(super) const MAX_CONTROL: u32 = 999_999_999;

/// Answers to a file that is submitted. They have their names once it is: a run that breaks off leaves none, and is run again.
pub(super) struct Answers {
    file: Option<Pending>,
    claims: Option<Pending>,
    control: Option<u32>,
    now: i64,
}

impl Answers {
    /// Fails for an answer that is there already, before anything is submitted.
    pub(super) fn new(args: &AnswersArgs) -> Result<Self> {
        if args.acknowledge.is_some() && args.acknowledge == args.acknowledge_claims {
            return Err("the 999 and the 277CA are two files; name another for --acknowledge-claims".into());
        }
        let pending = |path: &Option<PathBuf>| path.as_deref().map(Pending::new).transpose();
        Ok(Self {
            file: pending(&args.acknowledge)?,
            claims: pending(&args.acknowledge_claims)?,
            control: args.control,
            now: unix_now(),
        })
    }

    /// A 999 for each interchange of a file that was read, also of one that cannot be submitted: written, and not named yet. What keeps its claims'
    /// acknowledgment from being written is found here too, before anything is submitted.
    pub(super) fn of_file(&mut self, found: &Found) -> Result<()> {
        if self.file.is_none() && self.claims.is_none() {
            return Ok(());
        }
        let answered = interchanges(found);
        if answered.is_empty() {
            return Err("only X12 is answered in X12, and nothing of this file can be".into());
        }
        if self.claims.is_some() && answered.iter().all(|received| received.asks_for_reviews()) {
            return Err("a 277CA is of claims: what is decided on requests, `careledger claim acknowledgement` writes".into());
        }
        let (first, then) = self.numbers(&answered)?;
        if self.claims.is_some() {
            for (number, received) in (then..).zip(of_claims(&answered)) {
                let words = vec![Word::Received; received.reads().count()];
                received
                    .claim_acknowledgment(&words, &received.reply(number, self.now))
                    .map_err(|problem| format!("a 277CA of this file cannot be written: {problem}"))?;
            }
        }
        let now = self.now;
        let Some(pending) = &mut self.file else {
            return Ok(());
        };
        let texts = (first..)
            .zip(&answered)
            .map(|(number, received)| received.acknowledgment(&received.reply(number, now)));
        pending.write(&joined(texts)?)
    }

    /// Whether there are any.
    pub(super) fn are_asked_for(&self) -> bool {
        self.file.is_some() || self.claims.is_some()
    }

    /// Names the 999: nothing of the file is left to be submitted.
    pub(super) fn name_file(&mut self, output: &Output) -> Result<()> {
        match self.file.take() {
            None => Ok(()),
            Some(pending) => named(pending, "999", output),
        }
    }

    /// The 277CA of each interchange's claims, once it is known what became of them.
    pub(super) fn of_claims(
        &mut self,
        found: &Found,
        words: Vec<Vec<Option<Word>>>,
        output: &Output,
    ) -> Result<()> {
        let Some(mut pending) = self.claims.take() else {
            return Ok(());
        };
        let words: Option<Vec<Vec<Word>>> = words
            .into_iter()
            .map(|words| words.into_iter().collect())
            .collect();
        let Some(words) = words else {
            return Err("the ledger did not answer for each claim, and no 277CA is written; submit the file again: what is submitted changes nothing then".into());
        };
        let (_, then) = self.numbers(&interchanges(found))?;
        let of_parts = found.parts().iter().zip(&words);
        let of_parts = of_parts.filter_map(|(part, words)| Some((part.interchange()?, words)));
        let of_claims = of_parts.filter(|(received, _)| is_of_claims(received));
        let texts = (then..).zip(of_claims).map(|(number, (received, words))| {
            received.claim_acknowledgment(words, &received.reply(number, self.now))
        });
        pending.write(&joined(texts)?)?;
        named(pending, "277CA", output)
    }

    /// The numbers of the first 999 and of the first 277CA.
    fn numbers(&self, answered: &[&Received]) -> Result<(u32, u32)> {
        let count = answered.len();
        let first = first_number(self.control, 2 * count, 2, self.now)?;
        Ok((first, first + u32::try_from(count)?))
    }
}

fn interchanges(found: &Found) -> Vec<&Received> {
    found.parts().iter().filter_map(Part::interchange).collect()
}

/// A 277CA is written of its claims.
fn is_of_claims(received: &Received) -> bool {
    !received.asks_for_reviews() && received.refusal().is_none()
}

fn of_claims<'a>(all: &[&'a Received]) -> impl Iterator<Item = &'a Received> {
    all.iter().copied().filter(|received| is_of_claims(received))
}

/// The first of so many numbers. Without one of the caller's own, one that no other second has, if no more are needed than a second has: two.
pub(super) fn first_number(given: Option<u32>, needed: usize, spare: usize, now: i64) -> Result<u32> {
    let needed = u32::try_from(needed)?.max(1);
    match given {
        Some(first) if first <= MAX_CONTROL - needed + 1 => Ok(first),
        Some(_) => Err(format!("--control: {needed} numbers up to {MAX_CONTROL} are needed from it on").into()),
        None if needed as usize <= spare => {
            // Even, so that the next is free.
            let half = now.rem_euclid(499_999_999) + 1;
            Ok(u32::try_from(half * 2).unwrap_or(2))
        }
        None => Err(format!(
            "the file has several interchanges, and their answers need {needed} numbers never used before between the two: name the first with --control"
        )
        .into()),
    }
}

pub(super) async fn acknowledgement(args: &AcknowledgementArgs, output: &Output) -> Result<()> {
    let AcknowledgementArgs { reading, .. } = args;
    let answer = args.x12.as_deref().map(Pending::new).transpose()?;
    let parties = Parties::open(&reading.between).await?;
    parties.require(Side::Provider)?;
    let resolver = reading::resolver(reading, &parties.payer, true, output)?;
    let found = reading::read(&reading.file, &resolver)?;
    if let [only] = found.parts()
        && let Some(error) = only.broken()
    {
        return Err(format!("{}: {error}", reading.file.display()).into());
    }
    let mut told = Told::default();
    for part in found.parts() {
        if let Some(error) = part.broken() {
            output.line(format!("{}nothing of it was submitted: {error}", part.at()));
        }
        let (mut words, mut decisions) = (Vec::new(), Vec::new());
        for read in part.reads() {
            match &read.outcome {
                Ok(Submission::Authorisations(requests)) => {
                    let mut of_event = Vec::new();
                    for request in requests {
                        let decision = decision(&parties, request).await?;
                        told.service(part, read, request, &decision);
                        of_event.push(decision);
                    }
                    decisions.push(of_event);
                }
                _ => {
                    let (id, word) = word(&parties, read).await?;
                    told.claim(part, read, id, &word);
                    words.push(word);
                    decisions.push(Vec::new());
                }
            }
        }
        told.answers.push((words, decisions));
    }
    output.table(&["PLACE", "NUMBER", "ID", "WHAT IS SAID"], &told.rows);
    for reason in &told.reasons {
        output.line(reason);
    }
    output.document(&json!({ "file": reading.file, "claims": told.documents }));
    match answer {
        None => Ok(()),
        Some(answer) => told.write(answer, &found, args.control, output),
    }
}

/// What is said of a file.
#[derive(Default)]
struct Told {
    rows: Vec<Vec<String>>,
    /// Why what was not read was not.
    reasons: Vec<String>,
    documents: Vec<Value>,
    /// Of each part: of its claims, and of its events' services.
    answers: Vec<(Vec<Word>, Vec<Vec<Decision>>)>,
}

impl Told {
    fn claim(&mut self, part: &Part, read: &Read, id: Option<ClaimId>, word: &Word) {
        let (became, statuses) = match word {
            Word::Received => ("received", Vec::new()),
            Word::Accepted => ("accepted", Vec::new()),
            Word::Rejected(statuses) => ("rejected", statuses.iter().map(Status::to_string).collect()),
        };
        let id_text = id.map_or_else(String::new, |id| id.to_string());
        self.row(part, read, id_text, described(word));
        self.documents.push(json!({
            "at": place(part, read),
            "number": read.account.claim_number,
            "claim": id,
            "word": became,
            "statuses": statuses,
        }));
        let problems: &[Problem] = read.outcome.as_ref().err().map_or(&[], Vec::as_slice);
        self.reasons
            .extend(problems.iter().map(|problem| format!("{}{problem}", part.at())));
    }

    fn service(&mut self, part: &Part, read: &Read, request: &AuthorisationRequest, decision: &Decision) {
        let (said, status) = match decision {
            Decision::Standing(view) => (view.status.to_string(), Some(view.status)),
            Decision::NotAsked => ("not on the ledger: submit the file".to_owned(), None),
            Decision::Taken => ("its number is used for another request".to_owned(), None),
        };
        self.row(part, read, request.id.to_string(), said);
        self.documents.push(json!({
            "at": place(part, read),
            "number": read.account.claim_number,
            "authorisation": request.id,
            "procedure": request.procedure,
            "status": status,
            "taken": *decision == Decision::Taken,
        }));
    }

    fn row(&mut self, part: &Part, read: &Read, id: String, said: String) {
        let number = read.account.claim_number.clone().unwrap_or_default();
        self.rows.push(vec![place(part, read), number, id, said]);
    }

    /// A 277CA of each interchange with claims, a 278 of each with requests.
    fn write(&self, mut answer: Pending, found: &Found, control: Option<u32>, output: &Output) -> Result<()> {
        let of_parts = found.parts().iter().zip(&self.answers);
        let answered: Vec<_> = of_parts
            .filter_map(|(part, answers)| Some((part.interchange()?, answers)))
            .filter(|(received, _)| received.refusal().is_none())
            .collect();
        if answered.is_empty() {
            return Err("only an X12 837 or 278 is answered in X12; this file is something else".into());
        }
        let now = unix_now();
        let first = first_number(control, answered.len(), 1, now)?;
        let texts = (first..)
            .zip(&answered)
            .map(|(number, (received, (words, decisions)))| {
                let envelope = received.reply(number, now);
                match received.asks_for_reviews() {
                    true => received.review_response(decisions, &envelope),
                    false => received.claim_acknowledgment(words, &envelope),
                }
            });
        let reviews = answered.iter().all(|(received, _)| received.asks_for_reviews());
        let claims = answered.iter().all(|(received, _)| !received.asks_for_reviews());
        let what = match (claims, reviews) {
            (true, _) => "277CA",
            (_, true) => "278",
            _ => "277CA and 278",
        };
        answer.write(&joined(texts)?)?;
        named(answer, what, output)
    }
}

/// What the payer says of a claim that was submitted, by its own peer's copy.
async fn word(parties: &Parties, read: &Read) -> Result<(Option<ClaimId>, Word)> {
    let Ok(Submission::Claim(body)) = &read.outcome else {
        return Ok((None, Word::of_read(read)));
    };
    let id = body.claim.id;
    let claims = parties.client().claims();
    let asked = claims
        .claim(parties.payer.clone(), parties.provider.clone(), id)
        .endorsed_by([parties.own()])
        .send()
        .await;
    match asked {
        Ok(view) if view.claim == body.claim => Ok((Some(id), Word::of_view(&view))),
        // The number was used before for another claim, which keeps it.
        Ok(_) => Ok((Some(id), Word::taken())),
        Err(CallError::Contract(HealthError::NotFound)) => Ok((Some(id), Word::not_found())),
        Err(error) => Err(error.into()),
    }
}

/// The same of a service for which an authorisation was asked.
async fn decision(parties: &Parties, request: &AuthorisationRequest) -> Result<Decision> {
    let claims = parties.client().claims();
    let asked = claims
        .authorisation(parties.payer.clone(), parties.provider.clone(), request.id)
        .endorsed_by([parties.own()])
        .send()
        .await;
    match asked {
        Ok(view) if view.request == *request => Ok(Decision::Standing(Box::new(view))),
        Ok(_) => Ok(Decision::Taken),
        Err(CallError::Contract(HealthError::NotFound)) => Ok(Decision::NotAsked),
        Err(error) => Err(error.into()),
    }
}

fn described(word: &Word) -> String {
    match word {
        Word::Received => "submitted; the payer has not received it yet".to_owned(),
        Word::Accepted => "accepted".to_owned(),
        // The payer has said nothing.
        _ if *word == Word::not_found() => "not on the ledger: submit the file".to_owned(),
        Word::Rejected(statuses) => {
            let codes: Vec<String> = statuses.iter().map(Status::to_string).collect();
            format!("rejected: {}", codes.join(", "))
        }
    }
}

/// Interchanges, one after the other.
fn joined(texts: impl Iterator<Item = std::result::Result<String, Problem>>) -> Result<String> {
    let texts: std::result::Result<Vec<String>, Problem> = texts.collect();
    Ok(texts.map_err(|problem| problem.to_string())?.concat())
}

fn named(pending: Pending, what: &str, output: &Output) -> Result<()> {
    let path = pending.name()?;
    output.line(format!("written as X12 {what} to {}", path.display()));
    Ok(())
}
