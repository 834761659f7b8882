//! Why a proposal is refused before anything runs.

use std::time::Duration;

use fabric_protos::common::HeaderType;

use crate::syscc::access::AccessRefused;

/// A proposal was refused before execution; over gRPC this is the call's error. The texts follow Fabric's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProposalError {
    /// A part of it does not decode.
    #[error("error unmarshalling {what}: {source}")]
    Malformed {
        /// The part.
        what: &'static str,
        /// The decoder's answer.
        #[source]
        source: prost::DecodeError,
    },
    /// A part of it is not there.
    #[error("{0}")]
    Missing(&'static str),
    /// The creator's certificate has expired.
    #[error("proposal client identity expired")]
    Expired,
    /// The client's clock, or the proposal's age, is out of bounds.
    #[error(
        "request unauthorized due to incorrect timestamp {client}, peer time {peer}, peer.authentication.timewindow {window:?} (times in seconds since 1970)"
    )]
    Window {
        /// The proposal's time, in seconds since 1970.
        client: i64,
        /// This peer's time.
        peer: i64,
        /// How far they may be apart.
        window: Duration,
    },
    /// Not a kind of message for endorsers.
    #[error("error validating proposal: invalid header type {}", header_type(*.0))]
    HeaderType(i32),
    /// A header field has a value that it may not have.
    #[error("error validating proposal: {0}")]
    Invalid(&'static str),
    /// The transaction id does not follow from nonce and creator.
    #[error("error validating proposal: incorrectly computed txid '{found}' -- expected '{expected}'")]
    TransactionId {
        /// The proposal's id.
        found: String,
        /// What it must be.
        expected: String,
    },
    /// No member of this channel, or no identity at all.
    #[error(
        "error validating proposal: access denied: channel [{channel}] creator org unknown, creator is malformed"
    )]
    UnknownCreator {
        /// The channel.
        channel: String,
    },
    /// The creator's certificate is not valid, or the signature is not the creator's.
    #[error("error validating proposal: access denied: channel [{channel}] creator org [{msp_id}]")]
    Creator {
        /// The channel.
        channel: String,
        /// The creator's organisation.
        msp_id: String,
    },
    /// The channel has a transaction of this id already.
    #[error("duplicate transaction found [{tx_id}]")]
    Duplicate {
        /// The transaction id.
        tx_id: String,
    },
    /// The creator may not propose on the channel.
    #[error(transparent)]
    Access(AccessRefused),
    /// The ledger did not answer.
    #[error("the ledger failed: {0}")]
    Ledger(#[from] fabric_ledger::LedgerError),
}

/// The type's name, or its number where it has none.
fn header_type(number: i32) -> String {
    HeaderType::try_from(number).map_or_else(|_| number.to_string(), |kind| kind.as_str_name().to_owned())
}
