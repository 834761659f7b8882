//! One transaction to execute, and its outcome.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fabric_protos::peer;

use crate::ledger::TransactionLedger;
use crate::resolver::ChaincodeResolver;

/// A transaction for a chaincode.
#[derive(Clone)]
pub struct Execution {
    /// Channel; empty for calls of system chaincode without one.
    pub channel_id: String,
    /// Transaction id; one chaincode runs it at most once at a time on a channel.
    pub tx_id: String,
    /// Chaincode name, which is also the namespace.
    pub chaincode_name: String,
    /// Arguments. `is_init` asks for initialisation; decorations are the peer's and are cleared.
    pub input: peer::ChaincodeInput,
    /// The client's proposal, handed to the chaincode.
    pub proposal: Option<peer::SignedProposal>,
    /// Simulator; without one every ledger request of the chaincode fails with "no ledger context".
    pub ledger: Option<Arc<dyn TransactionLedger>>,
    /// The peer's knowledge of definitions and access.
    pub resolver: Arc<dyn ChaincodeResolver>,
    /// Longest run time; `None` takes the host's default.
    pub timeout: Option<Duration>,
}

impl fmt::Debug for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execution")
            .field("channel_id", &self.channel_id)
            .field("tx_id", &self.tx_id)
            .field("chaincode_name", &self.chaincode_name)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// What the chaincode answered; the write set is in the simulator.
#[derive(Debug, Clone, PartialEq)]
pub struct Executed {
    /// Status, message and payload. A status from 400 on is the chaincode's refusal, not an error of the host.
    pub response: peer::Response,
    /// Event, with chaincode name and transaction id filled in.
    pub event: Option<peer::ChaincodeEvent>,
}
