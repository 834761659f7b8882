//! Reading the ledger (`core/scc/qscc` of Fabric).

use fabric_chaincode_host::SystemCall;
use fabric_ledger::LedgerError;
use fabric_protos::peer::{ProcessedTransaction, Response};
use prost::Message;

use super::{Caller, access, error, success, text};
use crate::{Channel, Peer};

/// `args`: function, channel, and what to look for.
pub(super) fn invoke(peer: &Peer, caller: &Caller, call: &SystemCall) -> Response {
    let [function, channel_id, rest @ ..] = call.args.as_slice() else {
        return error(format!("Incorrect number of arguments, {}", call.args.len()));
    };
    let (function, channel_id) = (text(function), text(channel_id));
    let wanted = match (function.as_str(), rest) {
        ("GetChainInfo", _) => &[][..],
        (_, [wanted, ..]) => wanted,
        _ => return error(format!("missing 3rd argument for {function}")),
    };
    let Some(channel) = peer.channel(&channel_id) else {
        return error(format!("Invalid chain ID, {channel_id}"));
    };
    let resource = format!("qscc/{function}");
    // The proposal may be for another channel than the one asked about.
    let creator = channel
        .bundle()
        .msps()
        .valid_identity(caller.creator.serialized());
    let allowed = creator.map_err(|error| error.to_string()).and_then(|creator| {
        access::check(peer, Some(&channel.bundle()), &resource, &creator).map_err(|error| error.to_string())
    });
    if let Err(why) = allowed {
        return error(format!("access denied for [{function}][{channel_id}]: [{why}]"));
    }
    match function.as_str() {
        "GetChainInfo" => success(channel.ledger().info().encode_to_vec()),
        "GetBlockByNumber" => block_by_number(&channel, &text(wanted)),
        "GetBlockByHash" => {
            let found = channel.ledger().block_by_hash(wanted);
            let hash = hex::encode(wanted);
            let missing = format!("no such block hash [{hash}] in index");
            answer(
                found,
                &format!("Failed to get block hash {hash}, error"),
                &missing,
            )
        }
        "GetBlockByTxID" => {
            let tx_id = text(wanted);
            let found = channel.ledger().block_by_tx_id(&tx_id);
            let missing = format!("no such transaction ID [{tx_id}] in index");
            answer(
                found,
                &format!("Failed to get block for txID {tx_id}, error"),
                &missing,
            )
        }
        "GetTransactionByID" => transaction(&channel, &text(wanted)),
        _ => error(format!("Requested function {function} not found.")),
    }
}

fn block_by_number(channel: &Channel, number: &str) -> Response {
    let parsed = match number.parse::<u64>() {
        Ok(number) => number,
        Err(why) => return error(format!("Failed to parse block number with error {why}")),
    };
    // Fabric takes the largest number for "the last block".
    let number = if parsed == u64::MAX {
        channel.height().saturating_sub(1)
    } else {
        parsed
    };
    answer(
        channel.ledger().block(number),
        &format!("Failed to get block number {number}, error"),
        &format!("no such block number [{number}] in index"),
    )
}

fn transaction(channel: &Channel, tx_id: &str) -> Response {
    let failed = format!("Failed to get transaction with id {tx_id}, error");
    match channel.ledger().transaction(tx_id) {
        Ok(Some(found)) => {
            let transaction = ProcessedTransaction {
                transaction_envelope: Some(found.envelope),
                validation_code: i32::from(found.code),
            };
            success(transaction.encode_to_vec())
        }
        Ok(None) => error(format!("{failed} no such transaction ID [{tx_id}] in index")),
        Err(why) => error(format!("{failed} {why}")),
    }
}

fn answer<M: Message>(
    found: Result<Option<std::sync::Arc<M>>, LedgerError>,
    failed: &str,
    missing: &str,
) -> Response {
    match found {
        Ok(Some(message)) => success(message.encode_to_vec()),
        Ok(None) => error(format!("{failed} {missing}")),
        Err(why) => error(format!("{failed} {why}")),
    }
}
