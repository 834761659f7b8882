use fabric_protos::common::{
    Block, BlockData, BlockHeader, BlockMetadata, ChannelHeader, Envelope, Header, Payload, SignatureHeader,
};
use fabric_protos::kvrwset::{KvRead, KvWrite, KvrwSet, Version};
use fabric_protos::msp::SerializedIdentity;
use fabric_protos::peer::{
    ChaincodeAction, ChaincodeActionPayload, ChaincodeEndorsedAction, ChaincodeEvent, ChaincodeId,
    ChaincodeInput, ChaincodeInvocationSpec, ChaincodeProposalPayload, ChaincodeSpec, Endorsement,
    ProposalResponsePayload, Response, Transaction, TransactionAction,
};
use fabric_protos::rwset::{CollectionHashedReadWriteSet, NsReadWriteSet, TxReadWriteSet};
use prost::Message;

use crate::{DecodedBlock, KeyRead, KeyWrite, TransactionKind, ValidationCode};

/// A block with one transaction that was read too late and one that cannot be decoded.
pub(super) fn block(number: u64) -> Block {
    let set = KvrwSet {
        reads: vec![
            KvRead {
                key: "k".to_owned(),
                version: Some(Version {
                    block_num: 2,
                    tx_num: 1,
                }),
            },
            KvRead {
                key: "new".to_owned(),
                version: None,
            },
        ],
        writes: vec![
            KvWrite {
                key: "k".to_owned(),
                is_delete: false,
                value: b"v".to_vec(),
            },
            KvWrite {
                key: "old".to_owned(),
                is_delete: true,
                value: Vec::new(),
            },
        ],
        ..Default::default()
    };
    let changes = NsReadWriteSet {
        namespace: "care".to_owned(),
        rwset: set.encode_to_vec(),
        collection_hashed_rwset: vec![CollectionHashedReadWriteSet {
            collection_name: "pair".to_owned(),
            hashed_rwset: Vec::new(),
            pvt_rwset_hash: vec![7; 32],
        }],
    };
    let results = TxReadWriteSet {
        data_model: 0,
        ns_rwset: vec![changes],
    };
    let event = ChaincodeEvent {
        chaincode_id: "care".to_owned(),
        tx_id: "t".to_owned(),
        event_name: "e".to_owned(),
        payload: Vec::new(),
    };
    let action = ChaincodeAction {
        results: results.encode_to_vec(),
        events: event.encode_to_vec(),
        response: Some(Response {
            status: 200,
            message: String::new(),
            payload: b"result".to_vec(),
        }),
        chaincode_id: Some(ChaincodeId {
            name: "care".to_owned(),
            version: "1.0".to_owned(),
            path: String::new(),
        }),
    };
    let member = |msp_id: &str| {
        SerializedIdentity {
            mspid: msp_id.to_owned(),
            id_bytes: b"certificate".to_vec(),
        }
        .encode_to_vec()
    };
    let endorsed = ProposalResponsePayload {
        proposal_hash: vec![1],
        extension: action.encode_to_vec(),
    };
    let spec = ChaincodeInvocationSpec {
        chaincode_spec: Some(ChaincodeSpec {
            input: Some(ChaincodeInput {
                args: vec![b"put".to_vec(), b"k".to_vec()],
                ..Default::default()
            }),
            ..Default::default()
        }),
    };
    let payload = ChaincodeActionPayload {
        chaincode_proposal_payload: ChaincodeProposalPayload {
            input: spec.encode_to_vec(),
            ..Default::default()
        }
        .encode_to_vec(),
        action: Some(ChaincodeEndorsedAction {
            proposal_response_payload: endorsed.encode_to_vec(),
            endorsements: vec![Endorsement {
                endorser: member("Org2MSP"),
                signature: vec![5],
            }],
        }),
    };
    let action = TransactionAction {
        header: Vec::new(),
        payload: payload.encode_to_vec(),
    };
    let channel_header = ChannelHeader {
        r#type: 3,
        tx_id: "t".to_owned(),
        channel_id: "health".to_owned(),
        timestamp: Some(prost_types::Timestamp { seconds: 9, nanos: 8 }),
        ..Default::default()
    };
    let payload = Payload {
        header: Some(Header {
            channel_header: channel_header.encode_to_vec(),
            signature_header: SignatureHeader {
                creator: member("Org1MSP"),
                nonce: vec![1],
            }
            .encode_to_vec(),
        }),
        data: Transaction {
            actions: vec![action],
        }
        .encode_to_vec(),
    };
    let envelope = Envelope {
        payload: payload.encode_to_vec(),
        signature: vec![2],
    };
    Block {
        header: Some(BlockHeader {
            number,
            previous_hash: vec![3; 32],
            data_hash: vec![4; 32],
        }),
        data: Some(BlockData {
            data: vec![envelope.encode_to_vec(), vec![0xff; 12]],
        }),
        metadata: Some(BlockMetadata {
            metadata: vec![Vec::new(), Vec::new(), vec![11, 2]],
        }),
    }
}

#[test]
fn a_block_says_who_did_what_with_which_verdict() {
    let decoded = DecodedBlock::decode(&block(5));
    assert_eq!((decoded.number, decoded.transactions.len()), (5, 2));
    let transaction = &decoded.transactions[0];
    assert_eq!(transaction.transaction_id, "t");
    assert_eq!(transaction.code, ValidationCode::MVCC_READ_CONFLICT);
    assert_eq!(transaction.creator.msp_id, "Org1MSP");
    assert_eq!(transaction.timestamp, (9, 8));
    let call = transaction.chaincode().expect("a call");
    assert_eq!(
        (call.chaincode.as_str(), call.version.as_str(), call.status),
        ("care", "1.0", 200)
    );
    assert_eq!(call.args, [b"put".to_vec(), b"k".to_vec()]);
    assert_eq!(call.result, b"result");
    assert_eq!(
        call.event.as_ref().map(|event| event.event_name.as_str()),
        Some("e")
    );
    assert_eq!(call.endorsements[0].endorser.msp_id, "Org2MSP");
    let changes = &call.changes[0];
    assert_eq!(
        changes.reads[0],
        KeyRead {
            key: "k".to_owned(),
            version: Some((2, 1))
        }
    );
    assert_eq!(changes.reads[1].version, None);
    assert_eq!(
        changes.writes[0],
        KeyWrite {
            key: "k".to_owned(),
            value: Some(b"v".to_vec())
        }
    );
    assert_eq!(
        changes.writes[1],
        KeyWrite {
            key: "old".to_owned(),
            value: None
        }
    );
    assert_eq!(
        (
            changes.private[0].collection.as_str(),
            changes.private[0].hash.len()
        ),
        ("pair", 32)
    );
}

#[test]
fn bytes_that_are_no_transaction_are_shown_as_such() {
    let decoded = DecodedBlock::decode(&block(5));
    assert!(matches!(
        decoded.transactions[1].kind,
        TransactionKind::Undecodable(_)
    ));
    assert_eq!(decoded.transactions[1].code.name(), Some("BAD_PAYLOAD"));
}

#[test]
fn a_block_from_an_orderer_has_no_verdicts_yet() {
    let mut unvalidated = block(1);
    unvalidated.metadata = None;
    let decoded = DecodedBlock::decode(&unvalidated);
    assert_eq!(decoded.transactions[0].code.name(), Some("NOT_VALIDATED"));
    assert!(DecodedBlock::decode(&Block::default()).transactions.is_empty());
}
