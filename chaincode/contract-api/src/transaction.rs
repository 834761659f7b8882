//! Runs one INIT or TRANSACTION message and answers it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use fabric_contract_core::{Chaincode, LedgerError, Refusal, Response};
use fabric_protos::peer;
use fabric_protos::peer::chaincode_message::Type;
use fabric_protos::peer::{ChaincodeInput, ChaincodeMessage};
use prost::Message;

use crate::ledger::StreamLedger;
use crate::link::{Link, TransactionKey};
use crate::proposal::ProposalParts;

/// What the peer offers beyond single reads and writes; `None` where it does not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Writes in one message at most.
    pub write_batch: Option<usize>,
    /// Keys in one read at most.
    pub get_multiple: Option<usize>,
}

/// Runs a transaction on this thread and sends COMPLETED or ERROR. Never panics.
pub(crate) fn run(chaincode: &Chaincode, link: &Link, limits: Limits, message: ChaincodeMessage) {
    let key = TransactionKey {
        channel_id: message.channel_id.clone(),
        tx_id: message.txid.clone(),
    };
    let answer = execute(chaincode, link, limits, &key, message).unwrap_or_else(|text| {
        tracing::warn!(
            tx_id = key.tx_id,
            channel = key.channel_id,
            error = text,
            "a transaction broke"
        );
        key.message(Type::Error, text.into_bytes())
    });
    if link.send(answer).is_err() {
        tracing::debug!(tx_id = key.tx_id, "the stream ended before the transaction");
    }
}

fn execute(
    chaincode: &Chaincode,
    link: &Link,
    limits: Limits,
    key: &TransactionKey,
    message: ChaincodeMessage,
) -> Result<ChaincodeMessage, String> {
    let init = message.r#type() == Type::Init;
    let input = ChaincodeInput::decode(message.payload.as_slice())
        .map_err(|error| format!("failed to unmarshal input: {error}"))?;
    let parts = match &message.proposal {
        Some(signed) => ProposalParts::read(signed)
            .map_err(|error| format!("failed to read the signed proposal: {error}"))?,
        None => ProposalParts::default(),
    };
    let ledger = StreamLedger::new(link, key, limits, parts);
    let result = catch_unwind(AssertUnwindSafe(|| chaincode.invoke(&ledger, &input.args)));
    let response = match result {
        Ok(response) => {
            // Also after a refusal: a calling chaincode may go on and keep what this one wrote.
            ledger
                .flush()
                .map_err(|error| format!("failed send batch: {}", text(error)))?;
            response
        }
        // The panic's own text may quote data of the transaction; its hook has logged it where the program wants that.
        Err(_) => Refusal::framework(500, "PANICKED", "the contract panicked").into_response(),
    };
    if init && response.status >= 500 {
        return Ok(ChaincodeMessage {
            chaincode_event: ledger.into_event(),
            ..key.message(Type::Error, response.message.into_bytes())
        });
    }
    let Response {
        status,
        message,
        payload,
    } = response;
    let response = peer::Response {
        status,
        message,
        payload,
    };
    Ok(ChaincodeMessage {
        chaincode_event: ledger.into_event(),
        ..key.message(Type::Completed, response.encode_to_vec())
    })
}

fn text(error: LedgerError) -> String {
    match error {
        LedgerError::Peer(text) => text,
        other => other.to_string(),
    }
}
