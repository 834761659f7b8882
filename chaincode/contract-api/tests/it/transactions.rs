//! Transactions: reads, writes, batches, refusals, panics, the end of the stream.

use fabric_contract_api::{
    Chaincode, ContractHandler, ContractMetadata, KeyPolicy, Ledger, LedgerError, Response,
};
use fabric_protos::peer;
use fabric_protos::peer::chaincode_message::Type;
use fabric_protos::peer::{ChaincodeAdditionalParams, ChaincodeMessage};
use prost::Message;

use crate::peer::{Peer, batching};

/// A contract of one function.
pub struct Run<F>(pub F);

impl<F> ContractHandler for Run<F>
where
    F: Fn(&dyn Ledger, &[Vec<u8>]) -> Result<Vec<u8>, LedgerError> + Send + Sync,
{
    fn name(&self) -> &str {
        "run"
    }

    fn metadata(&self) -> ContractMetadata {
        ContractMetadata {
            name: "run".into(),
            description: String::new(),
            transactions: Vec::new(),
        }
    }

    fn invoke(&self, ledger: &dyn Ledger, _function: &str, args: &[Vec<u8>]) -> Response {
        match (self.0)(ledger, args) {
            Ok(payload) => Response::success(payload),
            Err(error) => Response {
                status: 500,
                message: error.to_string(),
                payload: Vec::new(),
            },
        }
    }
}

pub fn chaincode<F>(run: F) -> Chaincode
where
    F: Fn(&dyn Ledger, &[Vec<u8>]) -> Result<Vec<u8>, LedgerError> + Send + Sync + 'static,
{
    Chaincode::new().contract(Run(run))
}

#[tokio::test]
async fn reads_the_proposal_and_state() {
    let chaincode = chaincode(|ledger, _| {
        assert_eq!(
            (ledger.channel_id(), ledger.tx_id(), ledger.chaincode()),
            ("ch", "tx1", "cc")
        );
        assert_eq!((ledger.timestamp().seconds, ledger.timestamp().nanos), (42, 7));
        assert_eq!(ledger.creator().msp_id, "Org1MSP");
        assert_eq!(ledger.transient()["hint"], b"\"secret\"");
        ledger.set_event("seen", b"event")?;
        assert_eq!(ledger.private_hash("coll", "a")?, None);
        Ok(ledger.get_state("a")?.unwrap_or_default())
    });
    let mut peer = Peer::start(chaincode, ChaincodeAdditionalParams::default()).await;
    peer.invoke("tx1", &["f"]).await;
    let request: peer::GetState = peer.answer(Type::GetPrivateDataHash, Vec::new()).await;
    assert_eq!((request.key.as_str(), request.collection.as_str()), ("a", "coll"));
    let request: peer::GetState = peer.answer(Type::GetState, b"value".to_vec()).await;
    assert_eq!((request.key.as_str(), request.collection.as_str()), ("a", ""));
    let completed = peer.expect(Type::Completed).await;
    assert_eq!(
        (completed.txid.as_str(), completed.channel_id.as_str()),
        ("tx1", "ch")
    );
    let event = completed.chaincode_event.unwrap();
    assert_eq!(
        (event.event_name.as_str(), event.payload.as_slice()),
        ("seen", &b"event"[..])
    );
    let response = peer::Response::decode(completed.payload.as_slice()).unwrap();
    assert_eq!(
        (response.status, response.payload.as_slice()),
        (200, &b"value"[..])
    );
}

fn writes(count: usize) -> Chaincode {
    chaincode(move |ledger, _| {
        for n in 0..count {
            ledger.put_state(&format!("k{n}"), b"v")?;
        }
        ledger.private_put("coll", "p", b"v")?;
        ledger.del_state("d")?;
        ledger.private_purge("coll", "q")?;
        ledger.set_key_policy("k0", &KeyPolicy::any_peer(["AMSP"]))?;
        Ok(Vec::new())
    })
}

#[tokio::test]
async fn an_old_peer_gets_one_message_for_each_write() {
    let mut peer = Peer::start(writes(2), ChaincodeAdditionalParams::default()).await;
    peer.invoke("tx", &["f"]).await;
    for key in ["k0", "k1"] {
        let put: peer::PutState = peer.answer(Type::PutState, Vec::new()).await;
        assert_eq!(
            put,
            peer::PutState {
                key: key.into(),
                value: b"v".to_vec(),
                collection: String::new()
            }
        );
    }
    let put: peer::PutState = peer.answer(Type::PutState, Vec::new()).await;
    assert_eq!(put.collection, "coll");
    let del: peer::DelState = peer.answer(Type::DelState, Vec::new()).await;
    assert_eq!(del.key, "d");
    let purge: peer::PurgePrivateState = peer.answer(Type::PurgePrivateData, Vec::new()).await;
    assert_eq!((purge.key.as_str(), purge.collection.as_str()), ("q", "coll"));
    let policy: peer::PutStateMetadata = peer.answer(Type::PutStateMetadata, Vec::new()).await;
    assert_eq!(policy.metadata.unwrap().metakey, "VALIDATION_PARAMETER");
    assert_eq!(peer.completed().await.status, 200);
}

#[tokio::test]
async fn a_new_peer_gets_batches_of_its_size_in_order() {
    // The peer says 1; the shims take no maximum below 100.
    let mut peer = Peer::start(writes(150), batching()).await;
    peer.invoke("tx", &["f"]).await;
    let first: peer::WriteBatchState = peer.answer(Type::WriteBatchState, Vec::new()).await;
    let second: peer::WriteBatchState = peer.answer(Type::WriteBatchState, Vec::new()).await;
    assert_eq!((first.rec.len(), second.rec.len()), (100, 54));
    let keys: Vec<_> = first
        .rec
        .iter()
        .chain(&second.rec)
        .map(|record| record.key.clone())
        .collect();
    assert_eq!(keys[0..2], ["k0", "k1"]);
    assert_eq!(keys[148..], ["k148", "k149", "p", "d", "q", "k0"]);
    let kinds: Vec<_> = second.rec[50..].iter().map(|record| record.r#type()).collect();
    use peer::write_record::Type as Write;
    assert_eq!(
        kinds,
        [
            Write::PutState,
            Write::DelState,
            Write::PurgePrivateData,
            Write::PutStateMetadata
        ]
    );
    assert_eq!(peer.completed().await.status, 200);
}

#[tokio::test]
async fn a_refused_batch_ends_the_transaction() {
    let mut peer = Peer::start(writes(0), batching()).await;
    peer.invoke("tx", &["f"]).await;
    peer.expect(Type::WriteBatchState).await;
    peer.send("tx", Type::Error, b"no write access".to_vec()).await;
    let error = peer.expect(Type::Error).await;
    assert_eq!(error.payload, b"failed send batch: no write access");
}

#[tokio::test]
async fn large_values_are_sent_before_they_pile_up() {
    let chaincode = chaincode(|ledger, _| {
        ledger.put_state("large", &vec![1; 5 * 1024 * 1024])?;
        ledger.get_state("after")?;
        Ok(Vec::new())
    });
    let mut peer = Peer::start(chaincode, batching()).await;
    peer.invoke("tx", &["f"]).await;
    let batch: peer::WriteBatchState = peer.answer(Type::WriteBatchState, Vec::new()).await;
    assert_eq!(batch.rec.len(), 1);
    let _: peer::GetState = peer.answer(Type::GetState, Vec::new()).await;
    assert_eq!(peer.completed().await.status, 200);
}

#[tokio::test]
async fn writes_before_a_call_to_chaincode_are_sent_before_it() {
    let chaincode = chaincode(|ledger, _| {
        ledger.put_state("k", b"v")?;
        let response = ledger.invoke_chaincode("other", "ch2", &[b"g".to_vec()])?;
        assert_eq!((response.status, response.message.as_str()), (404, "none"));
        let failed = ledger.invoke_chaincode("other", "", &[])?;
        Ok(failed.message.into_bytes())
    });
    let mut peer = Peer::start(chaincode, batching()).await;
    peer.invoke("tx", &["f"]).await;
    let _: peer::WriteBatchState = peer.answer(Type::WriteBatchState, Vec::new()).await;
    let reply = |kind: Type, payload| {
        ChaincodeMessage {
            r#type: kind.into(),
            payload,
            ..ChaincodeMessage::default()
        }
        .encode_to_vec()
    };
    let refused = peer::Response {
        status: 404,
        message: "none".into(),
        payload: Vec::new(),
    };
    let call: peer::ChaincodeSpec = peer
        .answer(
            Type::InvokeChaincode,
            reply(Type::Completed, refused.encode_to_vec()),
        )
        .await;
    assert_eq!(call.chaincode_id.unwrap().name, "other/ch2");
    assert_eq!(call.input.unwrap().args, [b"g"]);
    let call: peer::ChaincodeSpec = peer
        .answer(Type::InvokeChaincode, reply(Type::Error, b"broken".to_vec()))
        .await;
    assert_eq!(call.chaincode_id.unwrap().name, "other");
    assert_eq!(peer.completed().await.payload, b"broken");
}

#[tokio::test]
async fn several_private_keys_are_read_with_one_message() {
    let read = chaincode(|ledger, _| {
        let values = ledger.private_gets("coll", &["a", "b"])?;
        assert_eq!(values, [None, Some(b"value".to_vec())]);
        Ok(Vec::new())
    });
    let mut peer = Peer::start(read, batching()).await;
    peer.invoke("tx", &["f"]).await;
    let result = peer::GetStateMultipleResult {
        values: vec![Vec::new(), b"value".to_vec()],
    };
    let asked: peer::GetStateMultiple = peer.answer(Type::GetStateMultiple, result.encode_to_vec()).await;
    assert_eq!(
        (asked.collection.as_str(), asked.keys),
        ("coll", vec!["a".to_owned(), "b".to_owned()])
    );
    assert_eq!(peer.completed().await.status, 200);
}

#[tokio::test]
async fn several_keys_are_read_in_chunks_or_one_by_one() {
    let read = || {
        chaincode(|ledger, _| {
            let keys: Vec<String> = (0..101).map(|n| n.to_string()).collect();
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let values = ledger.get_states(&keys)?;
            assert_eq!(values.len(), 101);
            assert_eq!(values[100].as_deref(), Some(&b"last"[..]));
            assert_eq!(values[0], None);
            Ok(Vec::new())
        })
    };
    let mut peer = Peer::start(read(), batching()).await;
    peer.invoke("tx", &["f"]).await;
    let result = |values: Vec<Vec<u8>>| peer::GetStateMultipleResult { values }.encode_to_vec();
    let first: peer::GetStateMultiple = peer
        .answer(Type::GetStateMultiple, result(vec![vec![]; 100]))
        .await;
    let second: peer::GetStateMultiple = peer
        .answer(Type::GetStateMultiple, result(vec![b"last".to_vec()]))
        .await;
    assert_eq!((first.keys.len(), second.keys), (100, vec!["100".to_owned()]));
    assert_eq!(peer.completed().await.status, 200);

    let mut old = Peer::start(read(), ChaincodeAdditionalParams::default()).await;
    old.invoke("tx", &["f"]).await;
    for n in 0..101 {
        let value = if n == 100 { b"last".to_vec() } else { Vec::new() };
        let _: peer::GetState = old.answer(Type::GetState, value).await;
    }
    assert_eq!(old.completed().await.status, 200);
}

#[tokio::test]
async fn a_panic_ends_its_own_transaction_only() {
    let chaincode = chaincode(|ledger, _| {
        ledger.put_state("k", b"v")?;
        assert_ne!(ledger.tx_id(), "tx-bad", "a secret");
        Ok(Vec::new())
    });
    let mut peer = Peer::start(chaincode, batching()).await;
    peer.invoke("tx-bad", &["f"]).await;
    let response = peer.completed().await;
    assert_eq!(response.status, 500);
    assert!(response.message.contains("panicked"), "{}", response.message);
    assert!(!response.message.contains("secret"), "{}", response.message);
    peer.invoke("tx-good", &["f"]).await;
    let _: peer::WriteBatchState = peer.answer(Type::WriteBatchState, Vec::new()).await;
    assert_eq!(peer.completed().await.status, 200);
}

#[tokio::test]
async fn transactions_run_side_by_side_and_get_their_own_replies() {
    let chaincode = chaincode(|ledger, _| Ok(ledger.get_state("k")?.unwrap_or_default()));
    let mut peer = Peer::start(chaincode, batching()).await;
    for tx_id in ["a", "b"] {
        peer.invoke(tx_id, &["f"]).await;
    }
    for _ in 0..2 {
        peer.expect(Type::GetState).await;
    }
    peer.send("b", Type::Response, b"for b".to_vec()).await;
    let completed = peer.expect(Type::Completed).await;
    let response = peer::Response::decode(completed.payload.as_slice()).unwrap();
    assert_eq!(
        (completed.txid.as_str(), response.payload.as_slice()),
        ("b", &b"for b"[..])
    );
    peer.send("a", Type::Error, b"GET_STATE failed".to_vec()).await;
    let response = peer.completed().await;
    assert_eq!(
        (response.status, response.message.as_str()),
        (500, "the peer refused: GET_STATE failed")
    );
}

#[tokio::test]
async fn requests_fail_when_the_stream_ends() {
    let (sender, mut failures) = tokio::sync::mpsc::unbounded_channel();
    let chaincode = chaincode(move |ledger, _| {
        let result = ledger.get_state("k");
        sender.send(result).ok();
        Ok(Vec::new())
    });
    let mut peer = Peer::start(chaincode, batching()).await;
    peer.invoke("tx", &["f"]).await;
    peer.expect(Type::GetState).await;
    drop(peer);
    assert!(matches!(
        failures.recv().await,
        Some(Err(LedgerError::Disconnected(_)))
    ));
}

#[tokio::test]
async fn init_fails_as_an_error_message() {
    let chaincode = chaincode(|_, _| Err(LedgerError::Peer("no".into())));
    let mut peer = Peer::start(chaincode, batching()).await;
    peer.call("tx", Type::Init, &["f"]).await;
    assert_eq!(peer.expect(Type::Error).await.payload, b"the peer refused: no");
    peer.invoke("tx", &["f"]).await;
    assert_eq!(peer.completed().await.status, 500);
}

#[tokio::test]
async fn keepalives_are_echoed_in_every_state() {
    let mut peer = Peer::unregistered(chaincode(|_, _| Ok(Vec::new())));
    peer.expect(Type::Register).await;
    peer.send("", Type::Keepalive, Vec::new()).await;
    peer.expect(Type::Keepalive).await;
    peer.send("", Type::Registered, Vec::new()).await;
    peer.send("", Type::Ready, Vec::new()).await;
    peer.send("", Type::Keepalive, Vec::new()).await;
    peer.expect(Type::Keepalive).await;
    // A reply that nobody waits for and a message without meaning do no harm.
    peer.send("ghost", Type::Response, Vec::new()).await;
    peer.send("", Type::Registered, Vec::new()).await;
    peer.invoke("tx", &["f"]).await;
    assert_eq!(peer.completed().await.status, 200);
}

#[tokio::test]
async fn a_transaction_before_ready_ends_the_stream() {
    let mut peer = Peer::unregistered(chaincode(|_, _| Ok(Vec::new())));
    peer.expect(Type::Register).await;
    peer.invoke("tx", &["f"]).await;
    assert!(peer.from_chaincode.recv().await.is_none());
}
