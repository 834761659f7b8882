//! Signatures of later blocks, verified on all processors while an earlier block is checked.
//!
//! The outcome of a verification depends on key, message and signature alone and is remembered (see
//! [`fabric_msp::verification_counts`]): the check of the block itself, which comes in order and under the
//! configuration in force, then finds it. What does not verify is verified again there and refused.

use fabric_channel::Bundle;
use fabric_msp::policy::valid_identities;
use fabric_protos::common::Block;

use crate::validator::block_signatures;
use crate::validator::endorsement::signatures;
use crate::validator::envelope::{Content, check};

/// Verifies what the ordering nodes, the creators and the endorsers signed.
pub(super) fn verify_signatures(block: &Block, bundle: &Bundle) {
    let msps = bundle.msps();
    if let Some(header) = &block.header
        && let Some(Ok(signed)) = block_signatures(block, header)
    {
        valid_identities(&signed, msps);
    }
    for envelope in block.data.iter().flat_map(|data| &data.data) {
        let checked = check(envelope, bundle.channel_id(), msps, |_| Ok(false));
        if let Ok(Ok(checked)) = checked
            && let Content::Endorsed(endorsed) = &checked.content
        {
            valid_identities(&signatures(endorsed), msps);
        }
    }
}
