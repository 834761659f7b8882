//! The wire, byte by byte. Expected bytes are written out by hand from protobuf's encoding rules:
//! a field begins with `number << 3 | type`, where type 0 is a varint and 2 is length-delimited.

use std::collections::BTreeMap;

use prost::Message;

use crate::common::{self, BlockMetadataIndex, HeaderType};
use crate::kvrwset::{HashedRwSet, KvRead, KvReadHash, KvWrite, KvWriteHash, KvrwSet, Version};
use crate::peer::chaincode_message::Type;
use crate::peer::{self, TxValidationCode};

#[test]
fn channel_header_fields_have_their_numbers_and_types() {
    let header = common::ChannelHeader {
        r#type: HeaderType::EndorserTransaction as i32,
        version: 1,
        timestamp: Some(prost_types::Timestamp { seconds: 5, nanos: 7 }),
        channel_id: "ch".into(),
        tx_id: "tx".into(),
        epoch: 9,
        extension: vec![0xaa],
        tls_cert_hash: vec![0xbb],
    };
    let expected: &[u8] = &[
        0x08, 3, // type
        0x10, 1, // version
        0x1a, 4, 0x08, 5, 0x10, 7, // timestamp { seconds, nanos }
        0x22, 2, b'c', b'h', // channel_id
        0x2a, 2, b't', b'x', // tx_id
        0x30, 9, // epoch
        0x3a, 1, 0xaa, // extension
        0x42, 1, 0xbb, // tls_cert_hash
    ];
    assert_eq!(header.encode_to_vec(), expected);
}

#[test]
fn chaincode_message_fields_have_their_numbers_and_types() {
    let message = peer::ChaincodeMessage {
        r#type: Type::GetStateMultiple as i32,
        timestamp: None,
        payload: vec![1],
        txid: "t".into(),
        proposal: Some(peer::SignedProposal {
            proposal_bytes: vec![2],
            signature: vec![3],
        }),
        chaincode_event: Some(peer::ChaincodeEvent {
            event_name: "e".into(),
            ..Default::default()
        }),
        channel_id: "c".into(),
    };
    let expected: &[u8] = &[
        0x08, 25, // type
        0x1a, 1, 1, // payload
        0x22, 1, b't', // txid
        0x2a, 6, 0x0a, 1, 2, 0x12, 1, 3, // proposal
        0x32, 3, 0x1a, 1, b'e', // chaincode_event
        0x3a, 1, b'c', // channel_id
    ];
    assert_eq!(message.encode_to_vec(), expected);
}

#[test]
fn public_write_set_matches_hand_computed_bytes() {
    let set = KvrwSet {
        reads: vec![KvRead {
            key: "k".into(),
            version: Some(Version {
                block_num: 2,
                tx_num: 1,
            }),
        }],
        range_queries_info: vec![],
        writes: vec![
            KvWrite {
                key: "k".into(),
                is_delete: false,
                value: vec![0xff],
            },
            KvWrite {
                key: "d".into(),
                is_delete: true,
                value: vec![],
            },
        ],
        metadata_writes: vec![],
    };
    let expected: &[u8] = &[
        0x0a, 9, 0x0a, 1, b'k', 0x12, 4, 0x08, 2, 0x10, 1, // reads
        0x1a, 6, 0x0a, 1, b'k', 0x1a, 1, 0xff, // writes: put
        0x1a, 5, 0x0a, 1, b'd', 0x10, 1, // writes: delete
    ];
    assert_eq!(set.encode_to_vec(), expected);
}

#[test]
fn private_write_set_matches_hand_computed_bytes() {
    let set = HashedRwSet {
        hashed_reads: vec![KvReadHash {
            key_hash: vec![1],
            version: None,
        }],
        hashed_writes: vec![KvWriteHash {
            key_hash: vec![2],
            is_delete: true,
            value_hash: vec![3],
            is_purge: true,
        }],
        metadata_writes: vec![],
    };
    let expected: &[u8] = &[
        0x0a, 3, 0x0a, 1, 1, // hashed_reads
        0x12, 10, 0x0a, 1, 2, 0x10, 1, 0x1a, 1, 3, 0x20, 1, // hashed_writes
    ];
    assert_eq!(set.encode_to_vec(), expected);
}

#[test]
fn range_query_holds_one_kind_of_reads() {
    use crate::kvrwset::{QueryReadsMerkleSummary, RangeQueryInfo, range_query_info::ReadsInfo};
    let info = RangeQueryInfo {
        start_key: "a".into(),
        end_key: "b".into(),
        itr_exhausted: true,
        reads_info: Some(ReadsInfo::ReadsMerkleHashes(QueryReadsMerkleSummary {
            max_degree: 50,
            max_level: 2,
            max_level_hashes: vec![vec![9]],
        })),
    };
    let expected: &[u8] = &[
        0x0a, 1, b'a', 0x12, 1, b'b', 0x18, 1, // start, end, exhausted
        0x2a, 7, 0x08, 50, 0x10, 2, 0x1a, 1, 9, // Merkle summary
    ];
    assert_eq!(info.encode_to_vec(), expected);
}

#[test]
fn block_metadata_keeps_empty_slots() {
    let metadata = common::BlockMetadata {
        metadata: vec![vec![], vec![], vec![0, 255]],
    };
    assert_eq!(metadata.encode_to_vec(), [0x0a, 0, 0x0a, 0, 0x0a, 2, 0, 255]);
}

#[test]
fn block_metadata_slots_are_fixed() {
    assert_eq!(BlockMetadataIndex::Signatures as i32, 0);
    assert_eq!(BlockMetadataIndex::LastConfig as i32, 1);
    assert_eq!(BlockMetadataIndex::TransactionsFilter as i32, 2);
    assert_eq!(BlockMetadataIndex::Orderer as i32, 3);
    assert_eq!(BlockMetadataIndex::CommitHash as i32, 4);
}

#[test]
fn write_record_type_is_the_fifth_field() {
    use crate::peer::write_record;
    let record = peer::WriteRecord {
        key: "k".into(),
        value: vec![],
        collection: "c".into(),
        metadata: Some(peer::StateMetadata {
            metakey: "m".into(),
            value: vec![1],
        }),
        r#type: write_record::Type::PutStateMetadata as i32,
    };
    let expected: &[u8] = &[
        0x0a, 1, b'k', 0x1a, 1, b'c', 0x22, 6, 0x0a, 1, b'm', 0x12, 1, 1, 0x28, 21,
    ];
    assert_eq!(record.encode_to_vec(), expected);
}

#[test]
fn proposal_response_skips_field_three() {
    let response = peer::ProposalResponse {
        version: 1,
        response: Some(peer::Response {
            status: 200,
            ..Default::default()
        }),
        payload: vec![1],
        endorsement: Some(peer::Endorsement {
            endorser: vec![2],
            signature: vec![3],
        }),
        ..Default::default()
    };
    let expected: &[u8] = &[
        0x08, 1, 0x22, 3, 0x08, 0xc8, 0x01, 0x2a, 1, 1, 0x32, 6, 0x0a, 1, 2, 0x12, 1, 3,
    ];
    assert_eq!(response.encode_to_vec(), expected);
}

#[test]
fn filtered_block_skips_field_three() {
    let block = peer::FilteredBlock {
        channel_id: "c".into(),
        number: 1,
        filtered_transactions: vec![peer::FilteredTransaction {
            txid: "t".into(),
            r#type: HeaderType::EndorserTransaction as i32,
            tx_validation_code: TxValidationCode::InvalidOtherReason as i32,
            data: None,
        }],
    };
    let expected: &[u8] = &[
        0x0a, 1, b'c', 0x10, 1, 0x22, 8, 0x0a, 1, b't', 0x10, 3, 0x18, 0xff, 0x01,
    ];
    assert_eq!(block.encode_to_vec(), expected);
}

#[test]
fn maps_marshal_in_key_order_whatever_the_insertion_order() {
    let forwards: BTreeMap<_, _> = [("a".to_owned(), vec![1u8]), ("b".to_owned(), vec![2])].into();
    let backwards: BTreeMap<_, _> = [("b".to_owned(), vec![2u8]), ("a".to_owned(), vec![1])].into();
    let payload = |transient_map| peer::ChaincodeProposalPayload {
        input: vec![],
        transient_map,
    };
    let bytes = payload(forwards).encode_to_vec();
    assert_eq!(bytes, payload(backwards).encode_to_vec());
    assert_eq!(
        bytes,
        [
            0x12, 6, 0x0a, 1, b'a', 0x12, 1, 1, 0x12, 6, 0x0a, 1, b'b', 0x12, 1, 2
        ]
    );
}

#[test]
fn validation_codes_are_dense_to_25_then_254_and_255() {
    let known: Vec<i32> = (0..=255)
        .filter(|code| TxValidationCode::try_from(*code).is_ok())
        .collect();
    let expected: Vec<i32> = (0..=25).chain([254, 255]).collect();
    assert_eq!(known, expected);

    let names = [
        (TxValidationCode::Valid, 0, "VALID"),
        (TxValidationCode::BadCreatorSignature, 4, "BAD_CREATOR_SIGNATURE"),
        (
            TxValidationCode::InvalidEndorserTransaction,
            5,
            "INVALID_ENDORSER_TRANSACTION",
        ),
        (TxValidationCode::BadProposalTxid, 8, "BAD_PROPOSAL_TXID"),
        (TxValidationCode::DuplicateTxid, 9, "DUPLICATE_TXID"),
        (
            TxValidationCode::EndorsementPolicyFailure,
            10,
            "ENDORSEMENT_POLICY_FAILURE",
        ),
        (TxValidationCode::MvccReadConflict, 11, "MVCC_READ_CONFLICT"),
        (TxValidationCode::PhantomReadConflict, 12, "PHANTOM_READ_CONFLICT"),
        (
            TxValidationCode::TargetChainNotFound,
            14,
            "TARGET_CHAIN_NOT_FOUND",
        ),
        (TxValidationCode::BadHeaderExtension, 19, "BAD_HEADER_EXTENSION"),
        (TxValidationCode::BadRwset, 22, "BAD_RWSET"),
        (TxValidationCode::IllegalWriteset, 23, "ILLEGAL_WRITESET"),
        (TxValidationCode::InvalidChaincode, 25, "INVALID_CHAINCODE"),
        (TxValidationCode::NotValidated, 254, "NOT_VALIDATED"),
        (TxValidationCode::InvalidOtherReason, 255, "INVALID_OTHER_REASON"),
    ];
    for (code, number, name) in names {
        assert_eq!((code as i32, code.as_str_name()), (number, name));
    }
}

#[test]
fn chaincode_message_types_leave_out_twelve() {
    let known: Vec<i32> = (0..=64)
        .filter(|number| Type::try_from(*number).is_ok())
        .collect();
    let expected: Vec<i32> = (0..=25).filter(|number| *number != 12).collect();
    assert_eq!(known, expected);
    assert_eq!(Type::Completed as i32, 6);
    assert_eq!(Type::Response as i32, 13);
    assert_eq!(Type::Keepalive as i32, 18);
    assert_eq!(Type::PurgePrivateData.as_str_name(), "PURGE_PRIVATE_DATA");
    assert_eq!(Type::WriteBatchState as i32, 24);
}

#[test]
fn statuses_are_http_numbers() {
    let all = [0, 200, 400, 403, 404, 413, 500, 501, 503];
    let known: Vec<i32> = (0..=600)
        .filter(|status| common::Status::try_from(*status).is_ok())
        .collect();
    assert_eq!(known, all);
}

#[test]
fn unknown_fields_are_skipped() {
    let mut bytes = common::Envelope {
        payload: vec![1],
        signature: vec![2],
    }
    .encode_to_vec();
    bytes.extend_from_slice(&[0x7a, 1, 0]); // field 15
    let decoded = common::Envelope::decode(bytes.as_slice()).expect("skips field 15");
    assert_eq!(
        decoded,
        common::Envelope {
            payload: vec![1],
            signature: vec![2]
        }
    );
}

#[test]
fn services_keep_their_full_names() {
    use tonic::server::NamedService;
    struct Nothing;
    fn name<S: NamedService>() -> &'static str {
        S::NAME
    }
    assert_eq!(
        name::<crate::gateway::gateway_server::GatewayServer<Nothing>>(),
        "gateway.Gateway"
    );
    assert_eq!(
        name::<peer::endorser_server::EndorserServer<Nothing>>(),
        "protos.Endorser"
    );
    assert_eq!(
        name::<peer::deliver_server::DeliverServer<Nothing>>(),
        "protos.Deliver"
    );
    assert_eq!(
        name::<peer::chaincode_support_server::ChaincodeSupportServer<Nothing>>(),
        "protos.ChaincodeSupport"
    );
    assert_eq!(
        name::<peer::chaincode_server::ChaincodeServer<Nothing>>(),
        "protos.Chaincode"
    );
    assert_eq!(
        name::<crate::orderer::atomic_broadcast_server::AtomicBroadcastServer<Nothing>>(),
        "orderer.AtomicBroadcast"
    );
    assert_eq!(
        name::<crate::discovery::discovery_server::DiscoveryServer<Nothing>>(),
        "discovery.Discovery"
    );
}
