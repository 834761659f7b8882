use super::*;

/// A block whose transactions set events: id, chaincode, validation code.
fn block(number: u64, transactions: &[(&str, &str, u8)]) -> Block {
    let envelope = |(id, chaincode, _): &(&str, &str, u8)| {
        let event = ChaincodeEvent {
            chaincode_id: (*chaincode).to_owned(),
            tx_id: (*id).to_owned(),
            event_name: "e".to_owned(),
            payload: Vec::new(),
        };
        let action = ChaincodeAction {
            events: event.encode_to_vec(),
            ..Default::default()
        };
        let payload = ProposalResponsePayload {
            extension: action.encode_to_vec(),
            ..Default::default()
        };
        let action = ChaincodeEndorsedAction {
            proposal_response_payload: payload.encode_to_vec(),
            ..Default::default()
        };
        let payload = ChaincodeActionPayload {
            action: Some(action),
            ..Default::default()
        };
        let action = TransactionAction {
            payload: payload.encode_to_vec(),
            ..Default::default()
        };
        let channel_header = ChannelHeader {
            r#type: HeaderType::EndorserTransaction.into(),
            ..Default::default()
        };
        let payload = Payload {
            header: Some(Header {
                channel_header: channel_header.encode_to_vec(),
                ..Default::default()
            }),
            data: Transaction {
                actions: vec![action],
            }
            .encode_to_vec(),
        };
        Envelope {
            payload: payload.encode_to_vec(),
            signature: Vec::new(),
        }
        .encode_to_vec()
    };
    let codes = transactions.iter().map(|(_, _, code)| *code).collect();
    Block {
        header: Some(BlockHeader {
            number,
            ..Default::default()
        }),
        data: Some(BlockData {
            data: transactions.iter().map(envelope).collect(),
        }),
        metadata: Some(BlockMetadata {
            metadata: vec![Vec::new(), Vec::new(), codes],
        }),
    }
}

impl Channel {
    fn commit(&self, block: Block) {
        let number = block.header.as_ref().expect("a header").number;
        self.blocks
            .lock()
            .expect("no panic")
            .insert(number, Arc::new(block));
        self.height.send_replace(number + 1);
    }
}

fn events_request(start: Option<u64>, after: &str) -> SignedChaincodeEventsRequest {
    let request = ChaincodeEventsRequest {
        channel_id: "health".to_owned(),
        chaincode_id: "cc".to_owned(),
        identity: b"reader".to_vec(),
        start_position: start.map(|number| SeekPosition {
            r#type: Some(seek_position::Type::Specified(SeekSpecified { number })),
        }),
        after_transaction_id: after.to_owned(),
    };
    SignedChaincodeEventsRequest {
        request: request.encode_to_vec(),
        signature: b"signed".to_vec(),
    }
}

#[tokio::test]
async fn events_of_valid_transactions_come_in_order_and_blocks_without_any_are_passed_over() {
    let (gateway, channel) = Setup::new("OR('A.peer')", Peer::endorsing("a"), Vec::new())
        .start()
        .await;
    channel.commit(block(0, &[("t0", "cc", 0)]));
    let mut live = gateway
        .chaincode_events(events_request(None, ""))
        .await
        .expect("a stream");
    let mut all = gateway
        .chaincode_events(events_request(Some(0), ""))
        .await
        .expect("a stream");
    channel.commit(block(1, &[("t1", "cc", 11), ("t2", "other", 0)]));
    channel.commit(block(2, &[("t3", "cc", 0), ("t4", "cc", 0)]));

    let first = live.next().await.expect("an item").expect("events");
    assert_eq!(first.block_number, 2);
    assert_eq!(
        first
            .events
            .iter()
            .map(|event| event.tx_id.as_str())
            .collect::<Vec<_>>(),
        ["t3", "t4"]
    );
    assert_eq!(
        all.next().await.expect("an item").expect("events").block_number,
        0
    );
    assert_eq!(
        all.next().await.expect("an item").expect("events").block_number,
        2
    );
    assert!(all.next().now_or_never().is_none(), "waits for the next block");
}

#[tokio::test]
async fn events_go_on_after_a_transaction() {
    let (gateway, channel) = Setup::new("OR('A.peer')", Peer::endorsing("a"), Vec::new())
        .start()
        .await;
    for number in 0..3 {
        let before = format!("before-{number}");
        channel.commit(block(
            number,
            &[
                (&before, "cc", 0),
                (&format!("in-{number}"), "cc", 0),
                ("t", "cc", 0),
            ],
        ));
    }
    let mut events = gateway
        .chaincode_events(events_request(None, "in-1"))
        .await
        .expect("a stream");
    let first = events.next().await.expect("an item").expect("events");
    assert_eq!((first.block_number, first.events.len()), (1, 1));
    assert_eq!(
        events
            .next()
            .await
            .expect("an item")
            .expect("events")
            .events
            .len(),
        3
    );
    let mut request = events_request(None, "");
    request.signature = b"forged".to_vec();
    let error = gateway.chaincode_events(request).await.err().expect("refused");
    assert_eq!(error.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_gateway_that_closes_ends_streams_and_waits() {
    let (gateway, _) = Setup::new("OR('A.peer')", Peer::endorsing("a"), Vec::new())
        .start()
        .await;
    let mut events = gateway
        .chaincode_events(events_request(None, ""))
        .await
        .expect("a stream");
    assert!(events.next().now_or_never().is_none());
    let request = CommitStatusRequest {
        transaction_id: "never".to_owned(),
        channel_id: "health".to_owned(),
        identity: b"reader".to_vec(),
    };
    let request = SignedCommitStatusRequest {
        request: request.encode_to_vec(),
        signature: b"signed".to_vec(),
    };
    let waiting = tokio::spawn({
        let gateway = gateway.clone();
        async move { gateway.commit_status(request).await }
    });
    gateway.close();
    assert!(events.next().await.is_none());
    assert_eq!(
        waiting.await.expect("no panic").expect_err("refused").code(),
        Code::Unavailable
    );
}

#[tokio::test]
async fn only_a_block_or_the_next_commit_may_be_named_as_the_start() {
    let (gateway, channel) = Setup::new("OR('A.peer')", Peer::endorsing("a"), Vec::new())
        .start()
        .await;
    channel.commit(block(0, &[("t0", "cc", 0)]));
    let from = |position| {
        let mut request = events_request(None, "");
        let mut content = ChaincodeEventsRequest::decode(request.request.as_slice()).expect("decodes");
        content.start_position = Some(SeekPosition {
            r#type: Some(position),
        });
        request.request = content.encode_to_vec();
        gateway.chaincode_events(request)
    };
    let refused = [
        (seek_position::Type::Oldest(Default::default()), "Oldest"),
        (seek_position::Type::Newest(Default::default()), "Newest"),
    ];
    for (position, name) in refused {
        let error = from(position).await.err().expect("refused");
        assert_eq!(error.code(), Code::InvalidArgument);
        assert_eq!(
            error.message(),
            format!("invalid start position type: *orderer.SeekPosition_{name}")
        );
    }
    let mut next = from(seek_position::Type::NextCommit(Default::default()))
        .await
        .expect("a stream");
    assert!(
        next.next().now_or_never().is_none(),
        "what is committed is no news"
    );
    // A transaction that the ledger does not know leaves the position in force: everything up to it is passed over,
    // and it never comes.
    let mut unknown = gateway
        .chaincode_events(events_request(Some(0), "unknown"))
        .await
        .expect("a stream");
    assert!(unknown.next().now_or_never().is_none());
}
