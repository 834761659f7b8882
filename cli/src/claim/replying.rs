//! The payer's answers to front desks.

use std::time::Duration;

use careledger_sdk::Failure;
use careledger_sdk::claims::desk::Replied;
use futures::StreamExt;
use serde_json::{Value, json};

use super::args::ReplyArgs;
use super::day::{Day, Unread};
use crate::output::Output;
use crate::stopping::Signals;
use crate::{Result, values};

/// Between two looks for questions.
const LOOK: Duration = Duration::from_secs(1);

/// What was done about questions.
#[derive(Debug, Default)]
pub(super) struct Replies {
    /// Each question, for programs.
    pub(super) all: Vec<Value>,
    /// How many are answered.
    pub(super) answered: usize,
    /// Those that are not, each with its reason.
    pub(super) refused: Vec<String>,
    /// The transaction of the last answer.
    pub(super) last: Option<(String, u64)>,
}

impl Replies {
    fn add(&mut self, replied: Replied) {
        let Replied {
            question,
            provider,
            conflicts,
            result,
        } = replied;
        let refused = result.as_ref().err().map(ToString::to_string);
        let committed = result.ok().flatten();
        self.all.push(json!({
            "provider": provider, "question": question, "conflicts": conflicts, "refused": refused,
            "tx": committed.as_ref().map(|(tx, _)| tx),
        }));
        match refused {
            Some(reason) => self
                .refused
                .push(format!("{provider}: question {question}: {reason}")),
            None => self.answered += 1,
        }
        if committed.is_some() {
            self.last = committed;
        }
    }

    /// Tells people.
    pub(super) fn told(&self, output: &Output) {
        if self.answered > 0 {
            output.line(format!("{} answered", values::counted(self.answered, "question")));
        }
        for refused in &self.refused {
            output.line(refused);
        }
    }
}

/// Answers all that waits. `forget`: answers that are over are destroyed afterwards.
pub(super) async fn round(day: &Day, unread: &mut Unread, forget: bool, output: &Output) -> Replies {
    let mut replies = Replies::default();
    for provider in &day.providers {
        let waiting = match day.desk.questions(provider).await {
            Ok(waiting) => waiting,
            Err(error) => {
                unread.add(provider, &error);
                continue;
            }
        };
        let ids = waiting.iter().map(|row| row.question);
        let mut answers = day.desk.replies(provider, ids);
        while let Some(replied) = answers.next().await {
            let failed = replied.result.as_ref().err().map(Failure::of);
            replies.add(replied);
            output.doing(format!("{} answered", replies.answered));
            // The others wait as before; each would be tried for as long.
            if failed == Some(Failure::Unreached) && !day.desk.is_reached().await {
                return replies;
            }
        }
        if forget && let Err(error) = day.desk.forget(provider).await {
            output.line(format!(
                "{provider}: answers that are over are not destroyed yet: {error}"
            ));
        }
    }
    replies
}

pub(super) async fn reply(args: &ReplyArgs, output: &Output) -> Result<()> {
    let day = Day::open(&args.desk).await?;
    if args.watch {
        return watch(&day, output).await;
    }
    output.doing("looking for questions");
    let mut unread = Unread::default();
    let replies = round(&day, &mut unread, true, output).await;
    if let Some((tx, _)) = &replies.last {
        // The provider looks next.
        let providers = day.providers.iter().map(String::as_str);
        day.site
            .settle_at(providers.chain([day.payer.as_str()]), tx)
            .await;
    }
    output.done();
    if replies.all.is_empty() && unread.0.is_empty() {
        output.line("nothing waits");
    }
    replies.told(output);
    output.document(&json!({ "payer": day.payer, "questions": replies.all, "unread": unread.0 }));
    let refused = replies.refused.len();
    let refused = (refused > 0).then(|| format!("{} not answered", values::counted(refused, "question")));
    let wrong: Vec<String> = refused.into_iter().chain(unread.told(output)).collect();
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("; ").into()),
    }
}

/// Answers what comes, until a signal; that is how it ends, and no failure.
async fn watch(day: &Day, output: &Output) -> Result<()> {
    let mut signals = Signals::listen()?;
    let (mut answered, mut failing) = (0, None);
    loop {
        let mut unread = Unread::default();
        let replies = tokio::select! {
            replies = round(day, &mut unread, false, output) => replies,
            _ = signals.next() => break,
        };
        answered += replies.answered;
        replies.told(output);
        // The same trouble is told once.
        let now = (!unread.0.is_empty()).then(|| unread.0.clone());
        if now != failing {
            unread.told(output);
            failing = now;
        }
        output.doing(format!("{answered} answered; waiting for questions"));
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = signals.next() => break,
        }
    }
    output.done();
    output.document(&json!({ "payer": day.payer, "answered": answered }));
    Ok(())
}
