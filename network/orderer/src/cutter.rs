//! Grouping messages into blocks (`orderer/common/blockcutter` of Fabric).

use fabric_protos::common::Envelope;

/// The channel's limits for one block, from its `BatchSize` configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Most messages in a block; 0 is taken for 1.
    pub max_message_count: u32,
    /// Bytes of payloads and signatures that a block should not exceed. A larger message gets its own block.
    pub preferred_max_bytes: u32,
}

/// The messages of one block, in order.
pub(crate) type Batch = Vec<Envelope>;

/// Collects messages until a block is full.
#[derive(Debug, Default)]
pub(crate) struct BlockCutter {
    pending: Batch,
    pending_bytes: u64,
}

impl BlockCutter {
    /// Takes the next message and answers with the blocks that are now complete, in order.
    ///
    /// Two come out when a message above the preferred size ends the pending block and fills its own.
    pub(crate) fn add(&mut self, message: Envelope, limits: BatchLimits) -> Vec<Batch> {
        let bytes = size(&message);
        let preferred = u64::from(limits.preferred_max_bytes);
        let mut complete = Vec::new();
        if bytes > preferred {
            complete.extend(self.cut());
            complete.push(vec![message]);
            return complete;
        }
        if self.pending_bytes + bytes > preferred {
            complete.extend(self.cut());
        }
        self.pending.push(message);
        self.pending_bytes += bytes;
        if self.pending.len() as u64 >= u64::from(limits.max_message_count) {
            complete.extend(self.cut());
        }
        complete
    }

    /// Ends the pending block, if there is one.
    pub(crate) fn cut(&mut self) -> Option<Batch> {
        self.pending_bytes = 0;
        let batch = std::mem::take(&mut self.pending);
        (!batch.is_empty()).then_some(batch)
    }

    /// How many messages wait for their block to be complete.
    pub(crate) fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// Whether messages wait for their block to be complete.
    pub(crate) fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }
}

/// What the limits count: payload and signature, without the few bytes of framing.
pub(crate) fn size(message: &Envelope) -> u64 {
    (message.payload.len() + message.signature.len()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BatchLimits = BatchLimits {
        max_message_count: 3,
        preferred_max_bytes: 100,
    };

    fn message(bytes: usize) -> Envelope {
        Envelope {
            payload: vec![7; bytes - 10],
            signature: vec![9; 10],
        }
    }

    fn sizes(batches: &[Batch]) -> Vec<Vec<u64>> {
        batches
            .iter()
            .map(|batch| batch.iter().map(size).collect())
            .collect()
    }

    #[test]
    fn a_block_is_cut_at_the_message_count() {
        let mut cutter = BlockCutter::default();
        assert!(cutter.add(message(20), LIMITS).is_empty());
        assert!(cutter.add(message(20), LIMITS).is_empty());
        assert_eq!(sizes(&cutter.add(message(20), LIMITS)), [[20, 20, 20]]);
        assert!(!cutter.is_pending());
        assert_eq!(cutter.cut(), None);
    }

    #[test]
    fn a_message_that_would_overflow_starts_the_next_block() {
        let mut cutter = BlockCutter::default();
        cutter.add(message(60), LIMITS);
        assert_eq!(sizes(&cutter.add(message(41), LIMITS)), [[60]]);
        assert_eq!(cutter.cut().map(|batch| batch.len()), Some(1));
    }

    #[test]
    fn the_preferred_size_itself_still_fits() {
        let mut cutter = BlockCutter::default();
        cutter.add(message(60), LIMITS);
        assert!(cutter.add(message(40), LIMITS).is_empty());
        assert!(
            cutter
                .add(
                    message(100),
                    BatchLimits {
                        preferred_max_bytes: 200,
                        ..LIMITS
                    }
                )
                .len()
                == 1
        );
    }

    #[test]
    fn an_oversize_message_is_isolated() {
        let mut cutter = BlockCutter::default();
        cutter.add(message(20), LIMITS);
        assert_eq!(sizes(&cutter.add(message(101), LIMITS)), [[20], [101]]);
        assert!(!cutter.is_pending());
        assert_eq!(sizes(&cutter.add(message(101), LIMITS)), [[101]]);
    }
}
