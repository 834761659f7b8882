//! Claims of a file: read whole, refused with every reason or submitted, many at once; told in the file's order.

use std::time::Duration;

use careledger_api::adjudication::Frequency;
use careledger_api::contracts::claims::{AuthorisationRequest, ClaimBody};
use careledger_api::ids::{AuthorisationId, ClaimId};
use careledger_sdk::Failure;
use careledger_sdk::claims::desk::{Office, Sent};
use careledger_sdk::claims::{Read, Submission};
use careledger_sdk::x12::Word;
use fabric_contract_core::CallError;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::acknowledging::Answers;
use super::args::SubmitArgs;
use super::parties::{Parties, Side};
use super::reaching::{Failed, Rows, Tally, Then};
use super::reading::{self, Found, Part};
use crate::output::Output;
use crate::stopping::{Signal, Signals, Stopped};
use crate::{Result, values};

/// How long what is under way may take to end once a signal asks for it.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn submit(args: &SubmitArgs, output: &Output) -> Result<()> {
    let SubmitArgs { reading, .. } = args;
    let mut answers = Answers::new(&args.answers)?;
    let parties = Parties::open(&reading.between).await?;
    parties.require(Side::Provider)?;
    let resolver = reading::resolver(reading, &parties.payer, args.check, output)?;
    let found = reading::read(&reading.file, &resolver)?;
    answers.of_file(&found)?;
    let file = reading.file.display();
    if let [only] = found.parts()
        && let Some(error) = only.broken()
    {
        answers.name_file(output)?;
        return Err(format!("{file}: {error}").into());
    }
    let total = found.count();
    if total == 0 && found.parts().iter().all(|part| part.broken().is_none()) {
        answers.name_file(output)?;
        return Err(format!("{file} holds no claim").into());
    }
    if reading.coverage.is_some() && total > 1 {
        return Err(format!(
            "{file} holds {total} claims; --coverage is for a file of one: say whose they are with --register"
        )
        .into());
    }
    let mut became: Vec<Became> = reads(&found)
        .map(|read| Became::of_read(read, args.check))
        .collect();
    let mut run = Run::default();
    run.tally.refused = became.iter().filter(|became| !became.refused.is_empty()).count();
    if !args.check {
        run.submit(args, &parties, &found, &mut became, output).await?;
    }
    run.left = became.iter().filter(|became| !became.begun).count();
    run.submitted = became
        .iter()
        .filter(|became| !became.committed.is_empty())
        .count();
    let (mut told, mut broken, mut all_words) = (Vec::new(), Vec::new(), Vec::new());
    let mut all = became.into_iter();
    for part in found.parts() {
        if let Some(error) = part.broken() {
            output.line(format!("{}nothing of it is submitted: {error}", part.at()));
            broken.push(json!({ "at": part.at().trim_end_matches(", "), "refused": error.to_string() }));
        }
        let mut words = Vec::new();
        for (read, became) in part.reads().into_iter().zip(&mut all) {
            told.push(tell(part, read, &became, output));
            words.push(became.word);
        }
        all_words.push(words);
    }
    run.tally.told(output);
    output.document(&json!({
        "file": reading.file, "claims": told, "broken": broken, "refused": run.tally.refused,
        "overtaken": run.tally.count(Failure::Overtaken), "unreached": run.tally.count(Failure::Unreached), "left": run.left, "stopped": run.why(),
    }));
    let waits = answers.are_asked_for() && !run.is_complete();
    if run.is_complete() {
        answers.name_file(output)?;
        answers.of_claims(&found, all_words, output)?;
    }
    run.end(&found, (&parties, args.check), broken.len(), waits)
}

/// The claims of a file, or its events with requests, in their order.
fn reads(found: &Found) -> impl Iterator<Item = &Read> {
    found.parts().iter().flat_map(Part::reads)
}

/// What became of a claim.
#[derive(Default)]
struct Became {
    /// Whether anything was done about it; whatever was not is left as it is.
    begun: bool,
    /// The transactions that were committed, with their blocks.
    committed: Vec<(String, u64)>,
    /// Every reason why it, or a part of it, is refused.
    refused: Vec<String>,
    /// Why it, or a part of it, is to be sent again as it is.
    again: Vec<Failed>,
    /// What an acknowledgment says of it; none where it is not known what became of it.
    word: Option<Word>,
}

impl Became {
    /// Before anything is submitted.
    fn of_read(read: &Read, check: bool) -> Self {
        match &read.outcome {
            Ok(_) => Self {
                begun: check,
                ..Self::default()
            },
            Err(problems) => Self {
                begun: true,
                refused: problems.iter().map(ToString::to_string).collect(),
                word: Some(Word::of_read(read)),
                ..Self::default()
            },
        }
    }

    fn of(sent: Sent) -> Self {
        let (mut refused, mut again) = (Vec::new(), Vec::new());
        let mut word = (!sent.is_again()).then_some(Word::Received);
        for error in &sent.failed {
            let failed = Failed::from(error);
            match failed.kind {
                Failure::Refused => refused.push(failed.reason),
                _ => again.push(failed),
            }
            word = match error {
                CallError::Contract(error) => word.map(|_| Word::of_refusal(error)),
                _ => None,
            };
        }
        Self {
            begun: true,
            committed: sent.committed,
            refused,
            again,
            word,
        }
    }

    /// The reasons of a kind.
    fn when(&self, kind: Failure) -> Vec<&str> {
        self.again.iter().filter_map(|failed| failed.when(kind)).collect()
    }
}

/// How submitting a file went.
#[derive(Default)]
struct Run {
    /// Claims that are not submitted, by kind.
    tally: Tally,
    /// Claims that are submitted, as a whole or in part.
    submitted: usize,
    /// Claims that were not begun.
    left: usize,
    /// Whether the provider's own peer does not answer any more.
    lost: bool,
    /// The signal that ended it, and whether something was under way even then.
    stopped: Option<(Signal, bool)>,
}

impl Run {
    async fn submit(
        &mut self,
        args: &SubmitArgs,
        parties: &Parties,
        found: &Found,
        became: &mut [Became],
        output: &Output,
    ) -> Result<()> {
        let together = usize::try_from(args.together)?;
        let readable = reads(found).enumerate();
        let (places, submissions): (Vec<usize>, Vec<Submission>) = readable
            .filter_map(|(place, read)| Some((place, read.outcome.clone().ok()?)))
            .unzip();
        let total = submissions.len() as u64;
        let mut signals = Signals::listen()?;
        let office =
            Office::new(parties.client().clone(), &parties.payer, &parties.provider).together(together);
        let mut sending = office.submit(submissions);
        let (mut rows, mut done) = (Rows::new(together), 0u64);
        let (mut newest, mut ends): (Option<(u64, String)>, Option<Instant>) = (None, None);
        output.advance(0, total, "submitting");
        loop {
            let over = async move {
                match ends {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                next = sending.next() => {
                    let Some((place, sent)) = next else { break };
                    done += 1;
                    output.advance(done, total, format!("{done} of {total} submitted"));
                    newest = sent.committed.iter().map(|(tx, block)| (*block, tx.clone())).chain(newest).max();
                    let Some(place) = places.get(place).copied() else { continue };
                    let Some(became) = became.get_mut(place) else { continue };
                    *became = Became::of(sent);
                    let failed = self.count(place, became);
                    match rows.after(&parties.payer, failed, async || office.is_reached().await).await {
                        Then::GoOn => {}
                        Then::Leave => {
                            office.stop();
                            output.line("one claim after the other is not reached, and no more of them is begun");
                        }
                        Then::Stop => {
                            office.stop();
                            self.lost = true;
                        }
                    }
                }
                signal = signals.next() => match self.stopped {
                    None => {
                        office.stop();
                        output.line("stopping: what is under way ends first, unless a second signal comes");
                        (self.stopped, ends) = (Some((signal, false)), Some(Instant::now() + PATIENCE));
                    }
                    Some((first, _)) => {
                        self.stopped = Some((first, true));
                        break;
                    }
                },
                () = over => {
                    self.stopped = self.stopped.map(|(signal, _)| (signal, true));
                    break;
                }
            }
        }
        output.done();
        if let Some((_, tx)) = newest
            && !self.lost
            && !self.stopped.is_some_and(|(_, cut)| cut)
        {
            // The next step is the payer's.
            let both = [parties.payer.as_str(), parties.provider.as_str()];
            parties.site.settle_at(both, &tx).await;
        }
        Ok(())
    }

    /// Counts what failed of a claim, once for each kind; the kind that says most of whether the network is there.
    fn count(&mut self, place: usize, became: &Became) -> Option<Failure> {
        self.tally.refused += usize::from(!became.refused.is_empty());
        let mut kinds = [Failure::Unreached, Failure::Overtaken].into_iter();
        let failed = kinds.find_map(|kind| became.again.iter().find(|failed| failed.kind == kind));
        if let Some(failed) = failed {
            self.tally
                .add(&format!("number {} of the file", place + 1), 1, failed);
        }
        failed.map(|failed| failed.kind)
    }

    /// Whether it is known of each claim what became of it.
    fn is_complete(&self) -> bool {
        self.left == 0 && self.tally.to_do_again() == 0
    }

    /// Why it ended before its end.
    fn why(&self) -> Option<&'static str> {
        match self.stopped {
            // One that came when all was done ended nothing.
            Some((signal, _)) if !self.is_complete() => Some(signal.as_str()),
            _ => self.lost.then_some("UNREACHED"),
        }
    }

    /// The end of the command. `broken`: how many interchanges cannot be read; `waits`: whether an answer to the sender is not written yet.
    fn end(
        &self,
        found: &Found,
        (parties, check): (&Parties, bool),
        broken: usize,
        waits: bool,
    ) -> Result<()> {
        let mut interchanges = found.parts().iter().filter_map(Part::interchange).peekable();
        let reviews = interchanges.peek().is_some() && interchanges.all(|one| one.asks_for_reviews());
        let one = if reviews { "request" } else { "claim" };
        let mut wrong = Vec::new();
        if !self.is_complete() {
            wrong.push(format!("{} submitted", values::are(self.submitted, one)));
        }
        if broken > 0 {
            wrong.push(format!(
                "{broken} of {} cannot be read",
                values::counted(found.parts().len(), "interchange")
            ));
        }
        wrong.extend(self.tally.words(one));
        if self.left > 0 {
            let under_way = match self.stopped {
                Some((_, true)) => ", or were under way and may be submitted all the same",
                _ => "",
            };
            wrong.push(format!("{} not begun{under_way}", values::are(self.left, one)));
        }
        let mends = broken + self.tally.refused > 0;
        let unchanged = "what is submitted changes nothing then";
        wrong.extend(match (mends, self.is_complete()) {
            (false, true) => return Ok(()),
            (true, true) if check => Some("correct that".to_owned()),
            (true, true) => Some(format!("correct that and submit the file again: {unchanged}")),
            (true, false) => Some(format!(
                "correct what is refused; the same command goes on with the others, and {unchanged}"
            )),
            (false, false) => Some(format!(
                "nothing is wrong with that: the same command goes on with it, and {unchanged}"
            )),
        });
        if waits {
            wrong.push("the answers to its sender are written once all of it was reached".to_owned());
        }
        let wrong = wrong.join("; ");
        Err(match (self.stopped, self.lost) {
            (Some((signal, _)), _) if !self.is_complete() => Stopped::by(signal, wrong).into(),
            (_, true) => format!("{}'s peer does not answer: {wrong}", parties.provider).into(),
            _ => wrong.into(),
        })
    }
}

/// Tells of one claim, and gives its part of the document.
fn tell(part: &Part, read: &Read, became: &Became, output: &Output) -> Value {
    let what = read
        .outcome
        .as_ref()
        .map_or_else(|_| "the claim".to_owned(), described);
    let at = place(part, read);
    // The number is the file's own; whoever submits it looks for the claim by it.
    let number = read.account.claim_number.as_deref();
    let failed = !became.refused.is_empty() || !became.again.is_empty();
    let did = match (failed, became.committed.is_empty()) {
        (false, true) => "can be submitted",
        (false, false) => "is submitted",
        (true, true) => "is refused",
        (true, false) => "is submitted in part",
    };
    // What is done again as it is says the same of each: it is told by its number, at the end.
    let shown = became.begun && !(became.refused.is_empty() && became.committed.is_empty() && failed);
    if shown {
        let named = number.map_or_else(String::new, |number| format!(" ({number})"));
        output.line(format!("{at}{named}: {what} {did}"));
        if let (Ok(Submission::Claim(body)), false) = (&read.outcome, became.committed.is_empty())
            && body.claim.frequency != Frequency::Original
        {
            output.line("  it takes effect when the payer receives it");
        }
        for reason in &became.refused {
            output.line(format!("  {reason}"));
        }
        for ignored in &read.ignored {
            output.line(format!("  not taken along: {ignored}"));
        }
    }
    let committed = became.committed.iter();
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
        "refused": became.refused,
        "overtaken": became.when(Failure::Overtaken),
        "unreached": became.when(Failure::Unreached),
        "left": !became.begun,
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
