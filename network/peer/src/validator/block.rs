//! All transactions of a block.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use fabric_channel::Bundle;
use fabric_ledger::{Ledger, ParsedTx};
use fabric_protos::common::{Block, ConfigEnvelope};
use fabric_protos::peer::TxValidationCode as Code;
use prost::Message;

use super::endorsement::{self, Against, PolicyUpdates};
use super::envelope::{self, Checked, Content, Refused};
use super::{Refusal, ValidationError, View};
use crate::ids::short;
use crate::lifecycle::Definitions;

/// Starting a thread costs about as much as checking one transaction: below this many each it does not pay.
const WORTH_A_THREAD: usize = 4;

/// What a block is validated against: the channel as the block before left it.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) channel_id: &'a str,
    pub(crate) view: &'a View,
    pub(crate) definitions: &'a Definitions,
    pub(crate) ledger: &'a Ledger,
}

/// The verdict over a block, before the ledger's own checks of versions.
#[derive(Debug)]
pub(crate) struct Validated {
    /// Why each transaction is invalid; `None` for valid ones.
    pub(crate) refusals: Vec<Option<Refusal>>,
    /// The transactions, decoded.
    pub(crate) transactions: Vec<ParsedTx>,
    /// The configuration in force from the next block on, if this block changes it.
    pub(crate) config: Option<Arc<Bundle>>,
}

impl Validated {
    /// One code per transaction, as the block's metadata holds them.
    pub(crate) fn codes(&self) -> Vec<u8> {
        let code = |refusal: &Option<Refusal>| refusal.as_ref().map_or(Code::Valid, |refusal| refusal.code);
        // All codes are below 256.
        self.refusals
            .iter()
            .map(|refusal| u8::try_from(code(refusal) as i32).unwrap_or(u8::MAX))
            .collect()
    }
}

/// Validates the transactions of a block, in parallel where there are several.
pub(crate) fn validate(block: &Block, context: Context<'_>) -> Result<Validated, ValidationError> {
    let (Some(header), Some(data)) = (&block.header, &block.data) else {
        return Err(ValidationError::Malformed(
            block.header.as_ref().map_or(0, |header| header.number),
        ));
    };
    let msps = context.view.bundle().msps();
    let check = |index: usize| {
        let envelope = data.data.get(index).map_or(&[][..], Vec::as_slice);
        envelope::check(envelope, context.channel_id, msps, |tx_id| {
            context.ledger.tx_exists(tx_id)
        })
    };
    let mut verdicts = Vec::with_capacity(data.data.len());
    for verdict in in_parallel(data.data.len(), check) {
        verdicts.push(Verdict::from(verdict?));
    }

    check_policies(&mut verdicts, context)?;
    refuse_repeated_ids(&mut verdicts);

    let mut config = None;
    for verdict in &verdicts {
        if let (Some(Content::Config(envelope)), None) = (&verdict.content, &verdict.refusal) {
            let refused = |why: String| ValidationError::Config {
                block: header.number,
                why,
            };
            let envelope =
                ConfigEnvelope::decode(envelope.as_slice()).map_err(|error| refused(error.to_string()))?;
            let bundle = context
                .view
                .bundle()
                .apply_update(&envelope)
                .map_err(|error| refused(error.to_string()))?;
            bundle
                .capabilities()
                .check_peer()
                .map_err(|source| ValidationError::Unsupported {
                    channel: context.channel_id.to_owned(),
                    block: header.number,
                    source: Box::new(source),
                })?;
            config = Some(Arc::new(bundle));
        }
    }
    for verdict in &verdicts {
        if let Some(Refusal { code, why }) = &verdict.refusal {
            let (tx, code) = (short(&verdict.parsed.tx_id), code.as_str_name());
            tracing::warn!(
                channel = context.channel_id,
                block = header.number,
                tx,
                code,
                why,
                "invalid transaction"
            );
        }
    }
    let (transactions, refusals) = verdicts
        .into_iter()
        .map(|verdict| (verdict.parsed, verdict.refusal))
        .unzip();
    Ok(Validated {
        refusals,
        transactions,
        config,
    })
}

struct Verdict {
    parsed: ParsedTx,
    /// `None` once the envelope was refused.
    content: Option<Content>,
    refusal: Option<Refusal>,
}

impl Verdict {
    fn endorsed(&self) -> Option<&envelope::Endorsed> {
        match (&self.content, &self.refusal) {
            (Some(Content::Endorsed(endorsed)), None) => Some(endorsed),
            _ => None,
        }
    }
}

impl From<Result<Checked, Box<Refused>>> for Verdict {
    fn from(outcome: Result<Checked, Box<Refused>>) -> Self {
        match outcome {
            Ok(Checked { parsed, content }) => Self {
                parsed,
                content: Some(content),
                refusal: None,
            },
            Err(refused) => {
                let Refused { refusal, parsed } = *refused;
                Self {
                    parsed,
                    content: None,
                    refusal: Some(refusal),
                }
            }
        }
    }
}

/// Transactions that write a key whose policy an earlier transaction of the block changes wait for that
/// one's verdict: they are invalid if it is valid. All others are checked in parallel.
fn check_policies(verdicts: &mut [Verdict], context: Context<'_>) -> Result<(), ValidationError> {
    let state = context.ledger.query();
    let against = Against {
        view: context.view,
        definitions: context.definitions,
        state: &state,
    };
    let transactions = verdicts.iter().map(|verdict| &verdict.parsed).enumerate();
    let updates = PolicyUpdates::of(transactions);
    let earlier: Vec<BTreeSet<usize>> = verdicts
        .iter()
        .enumerate()
        .map(|(index, verdict)| match verdict.endorsed() {
            Some(endorsed) => updates.before(index, &endorsed.rwset),
            None => BTreeSet::new(),
        })
        .collect();
    drop(updates);
    let check = |index: usize| -> Result<Option<Refusal>, ValidationError> {
        let verdict: Option<&Verdict> = verdicts.get(index);
        match verdict.and_then(Verdict::endorsed) {
            Some(endorsed) => Ok(endorsement::check(endorsed, against)?.err()),
            None => Ok(None),
        }
    };
    let refusals = in_parallel(verdicts.len(), check);
    for (index, refusal) in refusals.into_iter().enumerate() {
        let refusal = refusal?;
        let updated = earlier[index]
            .iter()
            .any(|other| verdicts[*other].refusal.is_none());
        if verdicts[index].endorsed().is_none() {
            continue;
        }
        verdicts[index].refusal = if updated {
            let why = "an earlier transaction of this block changes the policy of a key that it writes";
            Some(Refusal::new(Code::EndorsementPolicyFailure, why.to_owned()))
        } else {
            refusal
        };
    }
    Ok(())
}

/// Of several valid transactions with one id the first counts.
fn refuse_repeated_ids(verdicts: &mut [Verdict]) {
    let mut seen = BTreeSet::new();
    for verdict in verdicts {
        if verdict.endorsed().is_some() && !seen.insert(verdict.parsed.tx_id.clone()) {
            let why = "an earlier transaction of this block has the same id".to_owned();
            verdict.refusal = Some(Refusal::new(Code::DuplicateTxid, why));
        }
    }
}

/// `task(0)..task(count)` on all processors, the results in order.
fn in_parallel<T: Send>(count: usize, task: impl Fn(usize) -> T + Sync) -> Vec<T> {
    // Asked once: on Linux every question reads three files.
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    let processors = PROCESSORS.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from));
    let threads = (count / WORTH_A_THREAD).min(*processors);
    if threads <= 1 {
        return (0..count).map(task).collect();
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::with_capacity(count / threads + 1);
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return done;
            }
            done.push((index, task(index)));
        }
    };
    let mut results = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut results = work();
        for other in others {
            match other.join() {
                Ok(done) => results.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    });
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parallel_results_keep_their_order() {
        let squares = in_parallel(1_000, |index| index * index);
        assert_eq!(squares, (0..1_000).map(|index| index * index).collect::<Vec<_>>());
        assert!(in_parallel(0, |index| index).is_empty());
    }
}
