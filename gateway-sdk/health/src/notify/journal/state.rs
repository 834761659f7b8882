//! The lines of a journal, and what they add up to.

use std::collections::{BTreeMap, BTreeSet};

use careledger_api::ids::TxId;
use serde::{Deserialize, Serialize};

use super::DeadLetter;
use crate::notify::subject::Topic;

/// A delivery that is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::notify) struct Open {
    pub(in crate::notify) tx: TxId,
    pub(in crate::notify) topic: Topic,
    pub(in crate::notify) block: u64,
    pub(in crate::notify) attempts: u32,
    /// Not before, milliseconds since 1970.
    pub(in crate::notify) due: i64,
}

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Line {
    Journal {
        version: u32,
        channel: String,
        custodian: String,
    },
    /// The stream is in this block, of which these were received.
    Place {
        block: u64,
        received: BTreeSet<TxId>,
    },
    Received {
        block: u64,
        tx: TxId,
        #[serde(default, skip_serializing_if = "Topic::is_access")]
        topic: Topic,
    },
    Passed {
        block: u64,
    },
    Done {
        tx: TxId,
    },
    Failed {
        tx: TxId,
        attempts: u32,
        due: i64,
    },
    Dead {
        tx: TxId,
        attempts: u32,
    },
    Again {
        tx: TxId,
    },
    /// An open delivery, carried over by a rewrite.
    Open {
        block: u64,
        tx: TxId,
        #[serde(default, skip_serializing_if = "Topic::is_access")]
        topic: Topic,
        attempts: u32,
        due: i64,
    },
    /// A dead one, carried over by a rewrite.
    Gone(DeadLetter),
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// The block in which the stream is; all before it are dealt with.
    pub(super) block: u64,
    /// Received of that block.
    pub(super) received: BTreeSet<TxId>,
    /// Received and not done, by the order of receipt.
    pub(super) open: BTreeMap<u64, Open>,
    /// Where each of them is.
    pub(super) places: BTreeMap<TxId, u64>,
    /// Given up.
    pub(super) dead: Vec<DeadLetter>,
    next: u64,
}

impl State {
    pub(super) fn apply(&mut self, line: Line) {
        match line {
            Line::Journal { .. } => {}
            Line::Place { block, received } => {
                self.block = block;
                self.received = received;
            }
            Line::Received { block, tx, topic } => {
                self.advance(block);
                self.received.insert(tx.clone());
                self.push(Open {
                    tx,
                    topic,
                    block,
                    attempts: 0,
                    due: 0,
                });
            }
            Line::Passed { block } => self.advance(block),
            Line::Done { tx } => drop(self.take(&tx)),
            Line::Failed { tx, attempts, due } => {
                if let Some(open) = self.places.get(&tx).and_then(|place| self.open.get_mut(place)) {
                    open.attempts = attempts;
                    open.due = due;
                }
            }
            Line::Dead { tx, attempts } => {
                if let Some(Open { tx, topic, block, .. }) = self.take(&tx) {
                    self.dead.push(DeadLetter {
                        tx,
                        topic,
                        block,
                        attempts,
                    });
                }
            }
            Line::Again { tx } => {
                if let Some(place) = self.dead.iter().position(|d| d.tx == tx) {
                    let DeadLetter { tx, topic, block, .. } = self.dead.remove(place);
                    self.push(Open {
                        tx,
                        topic,
                        block,
                        attempts: 0,
                        due: 0,
                    });
                }
            }
            Line::Open {
                block,
                tx,
                topic,
                attempts,
                due,
            } => self.push(Open {
                tx,
                topic,
                block,
                attempts,
                due,
            }),
            Line::Gone(dead) => self.dead.push(dead),
        }
    }

    fn advance(&mut self, block: u64) {
        if block > self.block {
            self.block = block;
            self.received.clear();
        }
    }

    fn push(&mut self, open: Open) {
        self.places.insert(open.tx.clone(), self.next);
        self.open.insert(self.next, open);
        self.next += 1;
    }

    fn take(&mut self, tx: &TxId) -> Option<Open> {
        self.places.remove(tx).and_then(|place| self.open.remove(&place))
    }
}

pub(super) fn write_line(out: &mut Vec<u8>, line: &Line) {
    let json = serde_json::to_string(line).expect("a line has only strings and numbers");
    out.extend_from_slice(format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes())).as_bytes());
}

pub(super) fn parse(text: &[u8]) -> Option<Line> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('\n')?;
    let (crc, json) = text.split_once(' ')?;
    (u32::from_str_radix(crc, 16).ok()? == crc32fast::hash(json.as_bytes())).then_some(())?;
    serde_json::from_str(json).ok()
}
