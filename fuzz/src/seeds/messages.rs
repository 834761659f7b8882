//! Proposals, transactions and the messages of the services.

use super::*;

pub(crate) fn proposal() -> Vec<Vec<u8>> {
    let text = |args: &[&str]| args.iter().map(|arg| arg.as_bytes().to_vec()).collect();
    let mut proposals = deployment();
    proposals.push(call(CHANNEL, CHAINCODE, text(&["put", "k", "v"])));
    proposals.push(call(CHANNEL, "qscc", text(&["GetChainInfo", CHANNEL])));
    proposals.push(call("", "cscc", text(&["GetChannels"])));
    proposals.iter().map(Message::encode_to_vec).collect()
}

/// Arguments of system chaincode: its name first.
pub(crate) fn system() -> Vec<Vec<u8>> {
    let text = |args: &[&str]| args.iter().map(|arg| arg.as_bytes().to_vec()).collect::<Vec<_>>();
    let name = lifecycle::QueryChaincodeDefinitionArgs {
        name: CHAINCODE.to_owned(),
    };
    let mut calls = vec![
        text(&["qscc", "GetBlockByNumber", CHANNEL, "0"]),
        text(&["qscc", "GetBlockByTxID", CHANNEL, "x"]),
        text(&["cscc", "GetConfigBlock", CHANNEL]),
        text(&["cscc", "JoinChain", "genesis"]),
        vec![
            b"_lifecycle".to_vec(),
            b"QueryChaincodeDefinition".to_vec(),
            name.encode_to_vec(),
        ],
    ];
    for proposal in deployment() {
        let payload = peer::ChaincodeProposalPayload::decode(proposal.payload.as_slice()).unwrap_or_default();
        let spec = peer::ChaincodeInvocationSpec::decode(payload.input.as_slice()).unwrap_or_default();
        let input = spec
            .chaincode_spec
            .and_then(|spec| spec.input)
            .unwrap_or_default();
        calls.push([vec![b"_lifecycle".to_vec()], input.args].concat());
    }
    let input = |args| peer::ChaincodeInput {
        args,
        ..Default::default()
    };
    calls
        .into_iter()
        .map(|args| input(args).encode_to_vec())
        .collect()
}

fn version(block_num: u64, tx_num: u64) -> Option<kvrwset::Version> {
    Some(kvrwset::Version { block_num, tx_num })
}

fn namespace(name: &str) -> rw::NsReadWriteSet {
    let public = kvrwset::KvrwSet {
        reads: vec![kvrwset::KvRead {
            key: "r".into(),
            version: version(1, 0),
        }],
        range_queries_info: vec![kvrwset::RangeQueryInfo {
            start_key: "a".into(),
            end_key: "z".into(),
            itr_exhausted: true,
            reads_info: Some(kvrwset::range_query_info::ReadsInfo::RawReads(
                kvrwset::QueryReads {
                    kv_reads: vec![kvrwset::KvRead {
                        key: "b".into(),
                        version: version(2, 1),
                    }],
                },
            )),
        }],
        writes: vec![
            kvrwset::KvWrite {
                key: "b".into(),
                is_delete: false,
                value: b"v".to_vec(),
            },
            kvrwset::KvWrite {
                key: "c".into(),
                is_delete: true,
                value: Vec::new(),
            },
        ],
        metadata_writes: vec![kvrwset::KvMetadataWrite {
            key: "b".into(),
            entries: vec![kvrwset::KvMetadataEntry {
                name: "VALIDATION_PARAMETER".into(),
                value: fabric_msp::policy::signed_by_any_peer(&["Org1MSP"]).encode_to_vec(),
            }],
        }],
    };
    let hashed = kvrwset::HashedRwSet {
        hashed_reads: vec![kvrwset::KvReadHash {
            key_hash: vec![1; 32],
            version: version(1, 0),
        }],
        hashed_writes: vec![kvrwset::KvWriteHash {
            key_hash: vec![2; 32],
            is_delete: false,
            value_hash: vec![3; 32],
            is_purge: false,
        }],
        metadata_writes: Vec::new(),
    };
    rw::NsReadWriteSet {
        namespace: name.to_owned(),
        rwset: public.encode_to_vec(),
        collection_hashed_rwset: vec![rw::CollectionHashedReadWriteSet {
            collection_name: "private".into(),
            hashed_rwset: hashed.encode_to_vec(),
            pvt_rwset_hash: vec![4; 32],
        }],
    }
}

/// Longer than the database takes.
fn long_key() -> Vec<u8> {
    let key = "k".repeat(70_000);
    let public = kvrwset::KvrwSet {
        reads: vec![kvrwset::KvRead {
            key: key.clone(),
            version: None,
        }],
        metadata_writes: vec![kvrwset::KvMetadataWrite {
            key: key.clone(),
            entries: Vec::new(),
        }],
        ..kvrwset::KvrwSet::default()
    };
    let set = rw::TxReadWriteSet {
        ns_rwset: vec![rw::NsReadWriteSet {
            namespace: CHAINCODE.to_owned(),
            rwset: public.encode_to_vec(),
            ..rw::NsReadWriteSet::default()
        }],
        ..rw::TxReadWriteSet::default()
    };
    set.encode_to_vec()
}

pub(crate) fn rwset() -> Vec<Vec<u8>> {
    [results(), vec![long_key()]].concat()
}

fn results() -> Vec<Vec<u8>> {
    let set = |namespaces: &[&str]| rw::TxReadWriteSet {
        data_model: 0,
        ns_rwset: namespaces.iter().map(|name| namespace(name)).collect(),
    };
    [&[CHAINCODE][..], &["_lifecycle", CHAINCODE]]
        .iter()
        .map(|names| set(names).encode_to_vec())
        .collect()
}

pub(crate) fn transaction() -> Vec<Vec<u8>> {
    let action = |results| peer::ChaincodeAction {
        results,
        events: peer::ChaincodeEvent {
            chaincode_id: CHAINCODE.into(),
            event_name: "e".into(),
            ..Default::default()
        }
        .encode_to_vec(),
        response: Some(peer::Response {
            status: 200,
            ..Default::default()
        }),
        chaincode_id: Some(peer::ChaincodeId {
            name: CHAINCODE.into(),
            version: "1.0".into(),
            ..Default::default()
        }),
    };
    results()
        .into_iter()
        .map(|results| action(results).encode_to_vec())
        .collect()
}

pub(crate) fn envelope() -> Vec<Vec<u8>> {
    let proposal = call(CHANNEL, CHAINCODE, Vec::new());
    let actions = transaction().into_iter().map(|extension| {
        let visible = peer::ChaincodeActionPayload {
            chaincode_proposal_payload: proposal.payload.clone(),
            action: Some(peer::ChaincodeEndorsedAction {
                proposal_response_payload: peer::ProposalResponsePayload {
                    proposal_hash: vec![0; 32],
                    extension,
                }
                .encode_to_vec(),
                endorsements: Vec::new(),
            }),
        };
        let action = peer::TransactionAction {
            header: Vec::new(),
            payload: visible.encode_to_vec(),
        };
        let payload = Payload {
            header: Header::decode(proposal.header.as_slice()).ok(),
            data: peer::Transaction {
                actions: vec![action],
            }
            .encode_to_vec(),
        };
        payload.encode_to_vec()
    });
    actions.collect()
}

pub(crate) fn chaincode() -> Vec<Vec<u8>> {
    let message = |kind: Type, payload: Vec<u8>| ChaincodeMessage {
        r#type: kind as i32,
        payload,
        ..ChaincodeMessage::default()
    };
    let get = peer::GetState {
        key: "k".into(),
        collection: String::new(),
    };
    let put = peer::PutState {
        key: "k".into(),
        value: b"v".to_vec(),
        collection: "private".into(),
    };
    let range = peer::GetStateByRange {
        start_key: "a".into(),
        end_key: "z".into(),
        ..Default::default()
    };
    let query = peer::GetQueryResult {
        query: r#"{"selector":{"a":{"$gt":1}}}"#.into(),
        ..Default::default()
    };
    let metadata = peer::PutStateMetadata {
        key: "k".into(),
        collection: String::new(),
        metadata: Some(peer::StateMetadata {
            metakey: "VALIDATION_PARAMETER".into(),
            value: fabric_msp::policy::signed_by_any_peer(&["Org1MSP"]).encode_to_vec(),
        }),
    };
    let batch = peer::WriteBatchState {
        rec: vec![peer::WriteRecord {
            key: "b".into(),
            value: b"v".to_vec(),
            r#type: peer::write_record::Type::PutState as i32,
            ..Default::default()
        }],
    };
    let many = peer::GetStateMultiple {
        keys: vec!["k".into(), "b".into()],
        collection: String::new(),
    };
    let invoke = peer::ChaincodeSpec {
        chaincode_id: Some(peer::ChaincodeId {
            name: "qscc".into(),
            ..Default::default()
        }),
        input: Some(peer::ChaincodeInput {
            args: vec![b"GetChainInfo".to_vec(), CHANNEL.into()],
            ..Default::default()
        }),
        ..Default::default()
    };
    let messages = [
        message(Type::GetState, get.encode_to_vec()),
        message(Type::PutState, put.encode_to_vec()),
        message(Type::GetStateByRange, range.encode_to_vec()),
        message(Type::GetQueryResult, query.encode_to_vec()),
        message(
            Type::QueryStateNext,
            peer::QueryStateNext { id: "1".into() }.encode_to_vec(),
        ),
        message(
            Type::GetHistoryForKey,
            peer::GetHistoryForKey { key: "k".into() }.encode_to_vec(),
        ),
        message(Type::PutStateMetadata, metadata.encode_to_vec()),
        message(Type::GetStateMetadata, get.encode_to_vec()),
        message(Type::GetPrivateDataHash, put.encode_to_vec()),
        message(Type::PurgePrivateData, put.encode_to_vec()),
        message(Type::WriteBatchState, batch.encode_to_vec()),
        message(Type::GetStateMultiple, many.encode_to_vec()),
        message(Type::InvokeChaincode, invoke.encode_to_vec()),
        message(Type::Keepalive, Vec::new()),
    ];
    let all = peer::ChaincodeInput {
        args: messages.iter().map(Message::encode_to_vec).collect(),
        ..Default::default()
    };
    let single = messages.iter().map(|message| peer::ChaincodeInput {
        args: vec![message.encode_to_vec()],
        ..Default::default()
    });
    single.chain([all]).map(|input| input.encode_to_vec()).collect()
}

/// A gateway request behind a byte that says which.
pub(crate) fn gateway() -> Vec<Vec<u8>> {
    let tagged = |kind: u8, message: Vec<u8>| [vec![kind], message].concat();
    let proposal = SignedProposal {
        proposal_bytes: call(CHANNEL, CHAINCODE, Vec::new()).encode_to_vec(),
        signature: vec![1],
    };
    let endorse = gw::EndorseRequest {
        transaction_id: "x".into(),
        channel_id: CHANNEL.into(),
        proposed_transaction: Some(proposal.clone()),
        endorsing_organizations: vec!["Org1MSP".into()],
    };
    let evaluate = gw::EvaluateRequest {
        transaction_id: "x".into(),
        channel_id: CHANNEL.into(),
        proposed_transaction: Some(proposal),
        target_organizations: Vec::new(),
    };
    let submit = gw::SubmitRequest {
        transaction_id: "x".into(),
        channel_id: CHANNEL.into(),
        prepared_transaction: Some(Envelope {
            payload: envelope().swap_remove(0),
            signature: vec![1],
        }),
    };
    let status = gw::CommitStatusRequest {
        transaction_id: "x".into(),
        channel_id: CHANNEL.into(),
        identity: Vec::new(),
    };
    let events = gw::ChaincodeEventsRequest {
        channel_id: CHANNEL.into(),
        chaincode_id: CHAINCODE.into(),
        ..Default::default()
    };
    vec![
        tagged(0, endorse.encode_to_vec()),
        tagged(1, evaluate.encode_to_vec()),
        tagged(2, submit.encode_to_vec()),
        tagged(3, status.encode_to_vec()),
        tagged(4, events.encode_to_vec()),
    ]
}

pub(crate) fn deliver() -> Vec<Vec<u8>> {
    let position = |kind| Some(orderer::SeekPosition { r#type: Some(kind) });
    use orderer::seek_position::Type as At;
    let infos = [
        (
            At::Oldest(orderer::SeekOldest {}),
            At::Newest(orderer::SeekNewest {}),
        ),
        (
            At::Specified(orderer::SeekSpecified { number: 1 }),
            At::Specified(orderer::SeekSpecified { number: 2 }),
        ),
        (
            At::NextCommit(orderer::SeekNextCommit {}),
            At::Specified(orderer::SeekSpecified { number: u64::MAX }),
        ),
    ];
    let header = |kind: HeaderType| Header {
        channel_header: ChannelHeader {
            r#type: kind as i32,
            channel_id: CHANNEL.into(),
            ..ChannelHeader::default()
        }
        .encode_to_vec(),
        signature_header: Vec::new(),
    };
    let payload = infos.into_iter().map(|(start, stop)| Payload {
        header: Some(header(HeaderType::DeliverSeekInfo)),
        data: orderer::SeekInfo {
            start: position(start),
            stop: position(stop),
            behavior: orderer::seek_info::SeekBehavior::FailIfNotReady as i32,
            ..orderer::SeekInfo::default()
        }
        .encode_to_vec(),
    });
    payload.map(|payload| payload.encode_to_vec()).collect()
}
