//! The payer's work: all that waits decided, or received, and put on remittances; what was done is told also where a signal ends it, or the network does.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use careledger_api::contracts::claims::{ClaimStatus, Waiting, WaitingClaim, WaitingStep};
use careledger_api::ids::ClaimId;
use careledger_sdk::Failure;
use careledger_sdk::claims::desk::{Decided, Outcome, Task};
use futures::StreamExt;
use serde_json::{Value, json};

use super::args::WorkArgs;
use super::comparing::{COMPARED, Comparison, Uncompared};
use super::day::{self, Day, Unread};
use super::money::money;
use super::reaching::{Failed, Rows, Tally, Then};
use super::replying::{self, Replies};
use crate::output::Output;
use crate::stopping::{Signal, Signals, Stopped};
use crate::{Result, values};

/// Nothing is lost, and nothing is done twice: what is not done waits on the ledger as before.
const AGAIN: &str = "the same command goes on with what waits";
/// How long what is under way may take to end once a signal asks for it.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn work(args: &WorkArgs, output: &Output) -> Result<()> {
    let mut day = Day::open(&args.desk).await?;
    day.desk = day.desk.clone().together(usize::try_from(args.together)?);
    let comparison = match &args.members {
        Some(members) => Some(Comparison::open(&day.site, members, day.identity(&args.desk)?)?),
        None => None,
    };
    let mut signals = Signals::listen()?;
    let under_way = AtomicBool::new(false);
    let mut told = Told::default();
    let signal = {
        let work = Work {
            args,
            day: &day,
            under_way: &under_way,
            output,
        };
        let mut run = pin!(work.run(comparison.as_ref(), &mut told));
        tokio::select! {
            () = &mut run => None,
            signal = signals.next() => {
                day.desk.stop();
                if under_way.load(Ordering::Relaxed) {
                    output.line("stopping: what is under way ends first, unless a second signal comes");
                    tokio::select! {
                        () = &mut run => {}
                        _ = signals.next() => {}
                        () = tokio::time::sleep(PATIENCE) => {}
                    }
                }
                Some(signal)
            }
        }
    };
    let cut = under_way.load(Ordering::Relaxed);
    if let Some(tx) = &told.last
        && !cut
    {
        // The next step may be a provider's.
        let providers = day.providers.iter().map(String::as_str);
        let all = providers.chain([day.payer.as_str()]);
        tokio::select! {
            () = day.site.settle_at(all, tx) => {}
            _ = signals.next() => {}
        }
    }
    // One that came when all was done ended nothing.
    let signal = signal.filter(|_| !told.finished);
    told.end(args, signal.map(|signal| (signal, cut)), output)
}

/// One run of the command.
struct Work<'a> {
    args: &'a WorkArgs,
    day: &'a Day,
    /// Whether a transaction may be on its way.
    under_way: &'a AtomicBool,
    output: &'a Output,
}

/// What happened, for the end.
#[derive(Debug, Default)]
struct Told {
    rows: Vec<Vec<String>>,
    claims: Vec<Value>,
    remittances: Vec<Value>,
    held: Vec<Value>,
    questions: Replies,
    unread: Unread,
    /// Claims of which it cannot be read here where they stand, by provider.
    unreadable: BTreeMap<String, BTreeSet<ClaimId>>,
    /// Claims that are not done, by kind.
    tally: Tally,
    /// Claims that were not reached, in a row.
    unreached: Option<Rows>,
    /// Whether the payer's own peer does not answer any more.
    lost: bool,
    /// Claims that the regulator's vault does not answer yet, and in how many seconds it does.
    waiting: Option<(usize, u64)>,
    conflicts: u32,
    /// A transaction of the newest block.
    last: Option<String>,
    block: u64,
    /// Claims that are decided or received, and claims that are on remittances.
    done: usize,
    remitted: usize,
    /// Claims that were found and not begun.
    left: usize,
    /// Whether what waits was found, and what is approved.
    listed: bool,
    looked: bool,
    /// Whether nothing was left out for a signal's sake.
    finished: bool,
}

impl Told {
    fn cannot_read(&mut self, found: &[(String, Waiting)]) {
        for (provider, waiting) in found.iter().filter(|(_, waiting)| !waiting.unreadable.is_empty()) {
            let all = self.unreadable.entry(provider.clone()).or_default();
            all.extend(&waiting.unreadable);
        }
    }

    fn committed(&mut self, tx: &str, block: u64) {
        if block >= self.block {
            (self.last, self.block) = (Some(tx.to_owned()), block);
        }
    }

    fn waits(&mut self, task: &Task, seconds: u64) {
        self.left = self.left.saturating_sub(1);
        let before = self.waiting.map_or(0, |(claims, _)| claims);
        self.waiting = Some((before + 1, seconds));
        self.claims
            .push(json!({ "provider": task.provider, "claim": task.claim, "answered_in": seconds }));
    }

    /// Tells it all. `stopped`: the signal that ended the work, and whether something was under way even then.
    fn end(self, args: &WorkArgs, stopped: Option<(Signal, bool)>, output: &Output) -> Result<()> {
        output.done();
        let nothing = self.claims.is_empty() && self.remittances.is_empty() && self.held.is_empty();
        let nothing = nothing && self.questions.all.is_empty();
        self.questions.told(output);
        if nothing && self.unread.0.is_empty() && stopped.is_none() {
            output.line("nothing waits");
        }
        output.table(&["PROVIDER", "CLAIM", "BECAME", "TO BE PAID"], &self.rows);
        self.tally.told(output);
        let unreached = self.lost.then_some("UNREACHED");
        output.document(&json!({
            "questions": self.questions.all, "claims": self.claims, "remittances": self.remittances, "held": self.held, "unread": self.unread.0, "unreadable": self.unreadable,
            "refused": self.tally.refused, "overtaken": self.tally.count(Failure::Overtaken), "unreached": self.tally.count(Failure::Unreached), "conflicts": self.conflicts,
            "stopped": stopped.map(|(signal, _)| signal.as_str()).or(unreached), "left": self.left,
        }));
        // Nothing is lost: they wait on the ledger as before.
        let waiting = self.waiting.map(|(claims, seconds)| {
            format!(
                "{} not decided: the organisation used up what the regulator's vault answers it; the same command goes on in {}",
                values::are(claims, "claim"),
                values::span(seconds)
            )
        });
        let unread = self.unread.told(output);
        // Their provider's doing: no failure of this run.
        for (provider, claims) in &self.unreadable {
            let claims: Vec<&ClaimId> = claims.iter().collect();
            day::unreadable(provider, "claim", &claims, output);
        }
        let beside = waiting.into_iter().chain(unread);
        if stopped.is_none() && !self.lost {
            let wrong: Vec<String> = self.wrong().into_iter().chain(beside).collect();
            return match wrong.is_empty() {
                true => Ok(()),
                false => Err(wrong.join("; ").into()),
            };
        }
        let mut words = self.words(args, stopped.is_some_and(|(_, cut)| cut));
        if self.tally.refused > 0 {
            words.push_str(&format!(
                "; {} refused, each for its reason",
                values::are(self.tally.refused, "claim")
            ));
        }
        let words = [words].into_iter().chain(beside).collect::<Vec<_>>().join("; ");
        Err(match stopped {
            Some((signal, _)) => Stopped::by(signal, words).into(),
            None => format!("{}'s peer does not answer: {words}", args.desk.payer).into(),
        })
    }

    /// What is wrong after a work that came to its end.
    fn wrong(&self) -> Vec<String> {
        let mut wrong = self.tally.words("claim");
        if self.left > 0 {
            wrong.push(format!("{} not begun", values::are(self.left, "claim")));
        }
        if self.left + self.tally.to_do_again() > 0 {
            wrong.push(AGAIN.to_owned());
        }
        wrong
    }

    /// What a work that ended before its end has done, and what it left.
    fn words(&self, args: &WorkArgs, cut: bool) -> String {
        if !self.listed {
            return "nothing was begun".to_owned();
        }
        let did = if args.receive { "received" } else { "decided" };
        let mut words = vec![format!("{} {did}", values::are(self.done, "claim"))];
        if self.looked {
            words.push(format!("{} on a remittance", values::are(self.remitted, "claim")));
        } else if args.remit {
            words.push("nothing is put on remittances yet".to_owned());
        }
        let left = values::are(self.left + self.tally.to_do_again(), "claim");
        words.push(match cut || self.tally.count(Failure::Unreached) > 0 {
            false => format!("{left} left"),
            true => format!("{left} left, of which some were under way and may be done all the same"),
        });
        words.push(AGAIN.to_owned());
        words.join("; ")
    }

    /// What became of a claim, or why it is not decided.
    fn became(
        &mut self,
        task: &Task,
        result: &std::result::Result<Decided, Failed>,
        conflicts: u32,
        currency: &str,
    ) {
        self.conflicts = self.conflicts.saturating_add(conflicts);
        self.left = self.left.saturating_sub(1);
        self.done += usize::from(result.is_ok());
        let (became, due) = match result {
            Ok(decided) => {
                if let Some((tx, block)) = &decided.committed {
                    self.committed(tx, *block);
                }
                // Of a pended claim nothing is paid yet, whatever its other lines come to.
                let due = decided.is_payable().then_some(decided.due);
                (decided.status.to_string(), due)
            }
            Err(failed) => (failed.reason.clone(), None),
        };
        let amount = due.map_or(String::new(), |due| money(due, currency));
        let failed = result.as_ref().err();
        // What was not reached is no row of its own: it would say the same a hundred times.
        if failed.is_none_or(|failed| failed.kind == Failure::Refused) {
            self.rows.push(vec![
                task.provider.clone(),
                task.claim.to_string(),
                became,
                amount,
            ]);
        }
        if let Some(failed) = failed {
            let what = format!("{}: claim {}", task.provider, task.claim);
            self.tally.add(&what, 1, failed);
        }
        let when = |kind| failed.and_then(|failed| failed.when(kind));
        self.claims.push(json!({
            "provider": task.provider, "claim": task.claim, "conflicts": conflicts, "due": due,
            "status": result.as_ref().ok().map(|decided| decided.status),
            "tx": result.as_ref().ok().and_then(|decided| decided.committed.as_ref()).map(|(tx, _)| tx),
            "refused": when(Failure::Refused), "overtaken": when(Failure::Overtaken), "unreached": when(Failure::Unreached),
        }));
    }
}

impl Work<'_> {
    async fn run(&self, comparison: Option<&Comparison>, told: &mut Told) {
        // Somebody stands at a front desk.
        self.output.doing("answering questions about coverages");
        let replies = replying::round(self.day, &mut told.unread, true, self.output);
        told.questions = self.under_way(replies).await;
        if let Some((tx, block)) = told.questions.last.clone() {
            told.committed(&tx, block);
        }
        self.output.doing("looking for what waits");
        let found = self
            .day
            .waiting(Some(WaitingStep::Decide), &mut told.unread)
            .await;
        told.cannot_read(&found);
        if self.args.receive {
            self.receive(found, told).await;
        } else {
            self.decide(&found, comparison, told).await;
        }
        let stopped = self.day.desk.is_stopped() && told.left > 0;
        if self.args.remit && !self.day.desk.is_stopped() {
            self.output.doing("looking for what is approved");
            let approved = self.day.waiting(Some(WaitingStep::Remit), &mut told.unread).await;
            told.cannot_read(&approved);
            told.looked = true;
            self.remit(approved, told).await;
        }
        let remitted = told.looked || !self.args.remit;
        told.finished = !stopped && remitted && told.left == 0;
    }

    /// While this runs, transactions may be on their way.
    async fn under_way<T>(&self, of: impl Future<Output = T>) -> T {
        self.under_way.store(true, Ordering::Relaxed);
        let done = of.await;
        self.under_way.store(false, Ordering::Relaxed);
        done
    }

    /// After an outcome at a provider: begins nothing more where that is no use.
    async fn after(&self, provider: &str, failed: Option<Failure>, told: &mut Told) {
        let desk = &self.day.desk;
        let together = usize::try_from(self.args.together).unwrap_or(usize::MAX);
        let rows = told.unreached.get_or_insert_with(|| Rows::new(together));
        match rows
            .after(provider, failed, async || desk.is_reached().await)
            .await
        {
            Then::GoOn => {}
            Then::Leave => {
                desk.leave(provider);
                self.output.line(format!(
                    "{provider}: one claim after the other is not reached, and no more of them is begun"
                ));
            }
            Then::Stop => {
                desk.stop();
                told.lost = true;
            }
        }
    }

    async fn decide(&self, found: &[(String, Waiting)], comparison: Option<&Comparison>, told: &mut Told) {
        let Self { day, output, .. } = self;
        let rows: BTreeMap<_, &WaitingClaim> = found
            .iter()
            .flat_map(|(_, waiting)| &waiting.claims)
            .map(|row| (row.claim, row))
            .collect();
        let all = found
            .iter()
            .flat_map(|(provider, waiting)| waiting.claims.iter().map(move |row| Task::of(provider, row)));
        let all: Vec<Task> = all.collect();
        let total = all.len() as u64;
        (told.left, told.listed) = (all.len(), true);
        let mut done = 0;
        let mut run = comparison.map(|comparison| comparison.begin(&day.client));
        let together = if run.is_some() { COMPARED } else { all.len().max(1) };
        for some in all.chunks(together) {
            if day.desk.is_stopped() {
                return;
            }
            let mut tasks = some.to_vec();
            if let Some(run) = &mut run {
                output.advance(done, total, "comparing with other payers");
                tasks.clear();
                let mut asked = false;
                for (task, compared) in run.compare(&day.payer, some, output).await {
                    match compared {
                        Ok(()) => tasks.push(task),
                        Err(Uncompared::Waits(seconds)) => told.waits(&task, seconds),
                        // One whose member is not on the list keeps no other from being decided.
                        Err(Uncompared::Refused(reason)) => {
                            let kind = Failure::Refused;
                            told.became(&task, &Err(Failed { kind, reason }), 0, "");
                        }
                        Err(Uncompared::Unreached(reason)) => {
                            let kind = Failure::Unreached;
                            told.became(&task, &Err(Failed { kind, reason }), 0, "");
                            // It may be the vault alone; then the others, which need no answer of it, are decided.
                            if !std::mem::replace(&mut asked, true) && !day.desk.is_reached().await {
                                day.desk.stop();
                                told.lost = true;
                            }
                        }
                    }
                }
                done += (some.len() - tasks.len()) as u64;
            }
            let mut outcomes = day.desk.work(tasks);
            while let Some(outcome) = self.under_way(outcomes.next()).await {
                let Outcome {
                    task,
                    conflicts,
                    result,
                } = outcome;
                done += 1;
                output.advance(done, total, format!("{done} of {total} decided"));
                let currency = rows.get(&task.claim).map_or("", |row| row.currency.as_str());
                let result = result.map_err(|error| Failed::from(&error));
                told.became(&task, &result, conflicts, currency);
                let failed = result.err().map(|failed| failed.kind);
                self.after(&task.provider, failed, told).await;
            }
        }
    }

    async fn receive(&self, found: Vec<(String, Waiting)>, told: &mut Told) {
        let is_submitted = |row: &&WaitingClaim| row.status == ClaimStatus::Submitted;
        let all = found.iter().flat_map(|(_, waiting)| &waiting.claims);
        (told.left, told.listed) = (all.filter(is_submitted).count(), true);
        for (provider, waiting) in found {
            let submitted = waiting.claims.iter().filter(is_submitted);
            let (corrections, others): (Vec<_>, Vec<_>) = submitted.partition(|row| row.corrects);
            let ids = |rows: Vec<&WaitingClaim>| rows.iter().map(|row| row.claim).collect::<Vec<_>>();
            // What is corrected is received once it is known that it is.
            let desk = &self.day.desk;
            let corrections = desk.receive(&provider, ids(corrections));
            let mut batches = corrections.chain(desk.receive(&provider, ids(others)));
            while let Some(batch) = self.under_way(batches.next()).await {
                self.output.doing(format!("{} received", told.claims.len()));
                told.conflicts = told.conflicts.saturating_add(batch.conflicts);
                told.left = told.left.saturating_sub(batch.claims.len());
                let failed = batch.result.as_ref().err().map(Failed::from);
                if let Ok(Some((tx, block))) = &batch.result {
                    told.committed(tx, *block);
                }
                let when = |kind| failed.as_ref().and_then(|failed| failed.when(kind));
                if let Some(failed) = &failed {
                    told.tally.add(&provider, batch.claims.len(), failed);
                }
                for claim in &batch.claims {
                    told.done += usize::from(failed.is_none());
                    let refused = when(Failure::Refused);
                    if failed.is_none() || refused.is_some() {
                        let became = refused.unwrap_or("received").to_owned();
                        told.rows.push(vec![provider.clone(), claim.to_string(), became]);
                    }
                    told.claims.push(json!({
                        "provider": provider, "claim": claim, "refused": refused,
                        "overtaken": when(Failure::Overtaken), "unreached": when(Failure::Unreached),
                    }));
                }
                let failed = failed.map(|failed| failed.kind);
                self.after(&provider, failed, told).await;
            }
        }
    }

    async fn remit(&self, approved: Vec<(String, Waiting)>, told: &mut Told) {
        let Self { day, output, .. } = self;
        let all = approved.iter().flat_map(|(_, waiting)| &waiting.claims);
        told.left += all.filter(|row| row.held.is_none()).count();
        for (provider, waiting) in approved {
            // A remittance is paid in one currency, and its 835 has one payee.
            let mut payees: BTreeMap<(String, String), Vec<_>> = BTreeMap::new();
            for row in waiting.claims {
                let Some(reason) = row.held else {
                    let payee = (row.currency, row.provider_npi);
                    payees.entry(payee).or_default().push(row.claim);
                    continue;
                };
                // It waits for people, and is no failure of this run.
                output.line(format!("{provider}: claim {} is held: {reason}", row.claim));
                told.held
                    .push(json!({ "provider": provider, "claim": row.claim, "held": reason }));
            }
            for ((currency, _), claims) in payees {
                let mut batches = day.desk.remit(&provider, claims);
                let mut elsewhere: BTreeMap<_, usize> = BTreeMap::new();
                while let Some(batch) = self.under_way(batches.next()).await {
                    output.doing(format!("{} remittances", told.remittances.len()));
                    told.conflicts = told.conflicts.saturating_add(batch.conflicts);
                    told.left = told.left.saturating_sub(batch.claims.len());
                    told.remitted += batch.result.as_ref().map_or(0, |_| batch.claims.len());
                    match &batch.result {
                        // Another desk was there first: the claim is where it should be.
                        Ok(issued) if issued.elsewhere => *elsewhere.entry(issued.id).or_default() += 1,
                        Ok(issued) => {
                            if let Some((tx, block)) = &issued.committed {
                                told.committed(tx, *block);
                            }
                            output.line(format!(
                                "{provider}: remittance {} of {}, {}",
                                issued.id,
                                values::counted(batch.claims.len(), "claim"),
                                money(issued.total, &currency)
                            ));
                        }
                        Err(error) => {
                            let failed = Failed::from(error);
                            told.tally.add(&provider, batch.claims.len(), &failed);
                            if let Some(reason) = failed.when(Failure::Refused) {
                                for claim in &batch.claims {
                                    output
                                        .line(format!("{provider}: claim {claim} is not remitted: {reason}"));
                                }
                            }
                        }
                    }
                    let failed = batch.result.as_ref().err().map(Failed::from);
                    let when = |kind| failed.as_ref().and_then(|failed| failed.when(kind));
                    told.remittances.push(json!({
                        "provider": provider, "claims": batch.claims, "currency": currency,
                        "remittance": batch.result.as_ref().ok().map(|issued| issued.id),
                        "total": batch.result.as_ref().ok().map(|issued| issued.total),
                        "elsewhere": batch.result.as_ref().is_ok_and(|issued| issued.elsewhere),
                        "refused": when(Failure::Refused), "overtaken": when(Failure::Overtaken), "unreached": when(Failure::Unreached),
                    }));
                    let failed = failed.map(|failed| failed.kind);
                    self.after(&provider, failed, told).await;
                }
                for (remittance, count) in elsewhere {
                    output.line(format!(
                        "{provider}: {} on remittance {remittance} already, by somebody else",
                        values::are(count, "claim")
                    ));
                }
            }
        }
    }
}
