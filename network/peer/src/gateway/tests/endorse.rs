use super::super::deadline::Deadline;
use super::*;

#[tokio::test]
async fn a_majority_endorses_and_the_transient_data_stays_out_of_the_transaction() {
    let (b, c) = (Peer::endorsing("b"), Peer::endorsing("c"));
    let setup = Setup::new(
        "OutOf(2, 'A.peer', 'B.peer', 'C.peer')",
        Peer::endorsing("a"),
        vec![("B", b.clone()), ("C", c.clone())],
    );
    let (gateway, _) = setup.start().await;
    let response = gateway
        .endorse(endorse(true, &[]), Deadline::default())
        .await
        .expect("endorsed");
    let envelope = response.prepared_transaction.expect("a transaction");
    assert_eq!(endorsers(&envelope).len(), 2);
    assert_eq!(endorsers(&envelope)[0], "a");
    assert_eq!(b.calls() + c.calls(), 1, "no more than needed");
    assert!(
        !envelope.payload.windows(20).any(|window| window == [9; 20]),
        "transient data in a transaction"
    );
    assert!(envelope.signature.is_empty());
}

#[tokio::test]
async fn a_peer_that_is_down_is_replaced_by_another_organisation() {
    let c = Peer::endorsing("c");
    let mut setup = Setup::new(
        "OutOf(2, 'A.peer', 'B.peer', 'C.peer')",
        Peer::endorsing("a"),
        vec![("C", c.clone())],
    );
    setup.dead = vec!["B"];
    let (gateway, _) = setup.start().await;
    for _ in 0..4 {
        let response = gateway
            .endorse(endorse(false, &[]), Deadline::default())
            .await
            .expect("endorsed");
        assert_eq!(
            endorsers(&response.prepared_transaction.expect("a transaction")),
            ["a", "c"]
        );
    }
    assert_eq!(c.calls(), 4);
}

#[tokio::test]
async fn named_organisations_are_asked_and_no_others() {
    let (b, c) = (Peer::endorsing("b"), Peer::endorsing("c"));
    let local = Peer::endorsing("a");
    let setup = Setup::new(
        "OR('A.peer')",
        local.clone(),
        vec![("B", b.clone()), ("C", c.clone())],
    );
    let (gateway, _) = setup.start().await;
    let response = gateway
        .endorse(endorse(true, &["C", "B"]), Deadline::default())
        .await
        .expect("endorsed");
    assert_eq!(
        endorsers(&response.prepared_transaction.expect("a transaction")),
        ["b", "c"]
    );
    assert_eq!(local.calls(), 0);
    let error = gateway
        .endorse(endorse(false, &["B", "X", "Y"]), Deadline::default())
        .await
        .expect_err("refused");
    assert_eq!(error.code(), Code::Unavailable);
    assert_eq!(
        error.message(),
        "failed to find any endorsing peers for org(s): X, Y"
    );
}

#[tokio::test]
async fn the_chaincodes_refusal_comes_back_as_a_detail() {
    let local = Peer::new(|_| Ok(refusal(409, r#"{"code":"TAKEN"}"#)));
    let (gateway, _) = Setup::new("OR('A.peer')", local, Vec::new()).start().await;
    let error = gateway
        .endorse(endorse(false, &[]), Deadline::default())
        .await
        .expect_err("refused");
    assert_eq!(error.code(), Code::Aborted);
    assert_eq!(
        error.message(),
        "failed to endorse transaction, see attached details for more info"
    );
    assert_eq!(
        details(&error),
        [(
            "A".to_owned(),
            r#"chaincode response 409, {"code":"TAKEN"}"#.to_owned()
        )]
    );
    let error = gateway
        .endorse(endorse(false, &["A"]), Deadline::default())
        .await
        .expect_err("refused");
    assert_eq!(
        error.message(),
        "failed to collect enough transaction endorsements, see attached details for more info"
    );
}

#[tokio::test]
async fn a_peer_that_lags_is_asked_again_until_the_results_agree() {
    let late = Peer::new(|call| Ok(endorsement("b", if call < 2 { "old" } else { "result" }, None)));
    let (gateway, _) = Setup::new(
        "AND('A.peer', 'B.peer')",
        Peer::endorsing("a"),
        vec![("B", late.clone())],
    )
    .start()
    .await;
    let response = gateway
        .endorse(endorse(false, &[]), Deadline::default())
        .await
        .expect("endorsed");
    assert_eq!(
        endorsers(&response.prepared_transaction.expect("a transaction")),
        ["a", "b"]
    );
    assert_eq!(late.calls(), 3);
}

#[tokio::test]
async fn results_that_never_agree_are_an_error() {
    let other = Peer::new(|_| Ok(endorsement("b", "other", None)));
    let (gateway, _) = Setup::new(
        "AND('A.peer', 'B.peer')",
        Peer::endorsing("a"),
        vec![("B", other)],
    )
    .start()
    .await;
    let error = gateway
        .endorse(endorse(false, &[]), Deadline::default())
        .await
        .expect_err("refused");
    assert_eq!(error.code(), Code::Aborted);
    assert_eq!(
        details(&error),
        [("B".to_owned(), "ProposalResponsePayloads do not match".to_owned())]
    );
}

#[tokio::test]
async fn transient_data_goes_to_members_of_the_collection_only() {
    let (b, c) = (Peer::endorsing("b"), Peer::endorsing("c"));
    let local = Peer::new(|_| Ok(endorsement("a", "result", Some(collection("pair")))));
    let mut setup = Setup::new(
        "OutOf(2, 'A.peer', 'B.peer', 'C.peer')",
        local.clone(),
        vec![("B", b.clone()), ("C", c.clone())],
    );
    setup.collection = Some(("pair", "OR('A.member', 'B.member')"));
    let (gateway, _) = setup.start().await;
    for _ in 0..6 {
        let response = gateway
            .endorse(endorse(true, &[]), Deadline::default())
            .await
            .expect("endorsed");
        assert_eq!(
            endorsers(&response.prepared_transaction.expect("a transaction")),
            ["a", "b"]
        );
    }
    assert_eq!(c.calls(), 0);
    // Without transient data there is nothing to protect: anybody may endorse a blind write.
    let mut calls = 0;
    while c.calls() == 0 && calls < 50 {
        gateway
            .endorse(endorse(false, &[]), Deadline::default())
            .await
            .expect("endorsed");
        calls += 1;
    }
    assert!(c.calls() > 0);
}

#[tokio::test]
async fn a_policy_beyond_the_collection_says_so() {
    let b = Peer::endorsing("b");
    let local = Peer::new(|_| Ok(endorsement("a", "result", Some(collection("own")))));
    let mut setup = Setup::new("AND('A.peer', 'B.peer')", local, vec![("B", b.clone())]);
    setup.collection = Some(("own", "OR('A.member')"));
    let (gateway, _) = setup.start().await;
    let error = gateway
        .endorse(endorse(true, &[]), Deadline::default())
        .await
        .expect_err("refused");
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert!(
        error.message().contains("private data collection(s): [own]"),
        "{}",
        error.message()
    );
    assert_eq!(b.calls(), 0);
}

#[tokio::test]
async fn requests_that_are_none_are_refused() {
    let (gateway, _) = Setup::new("OR('A.peer')", Peer::endorsing("a"), Vec::new())
        .start()
        .await;
    let code = |result: Result<_, Status>| result.map(drop).expect_err("refused").code();
    assert_eq!(
        code(
            gateway
                .endorse(EndorseRequest::default(), Deadline::default())
                .await
        ),
        Code::InvalidArgument
    );
    let mut garbage = endorse(false, &[]);
    garbage.proposed_transaction = Some(SignedProposal {
        proposal_bytes: vec![0xff; 30],
        signature: Vec::new(),
    });
    assert_eq!(
        code(gateway.endorse(garbage.clone(), Deadline::default()).await),
        Code::InvalidArgument
    );
    let request = EvaluateRequest {
        proposed_transaction: garbage.proposed_transaction,
        ..Default::default()
    };
    assert_eq!(
        gateway.evaluate(request).await.expect_err("refused").code(),
        Code::InvalidArgument
    );
    let unsigned = SubmitRequest {
        channel_id: "health".to_owned(),
        prepared_transaction: Some(Envelope {
            payload: vec![1],
            signature: Vec::new(),
        }),
        ..Default::default()
    };
    let error = gateway.submit(unsigned).await.expect_err("refused");
    assert_eq!(error.message(), "prepared transaction must be signed");
    let error = gateway
        .commit_status(SignedCommitStatusRequest::default())
        .await
        .expect_err("refused");
    assert_eq!(error.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn the_next_peer_of_an_organisation_steps_in_and_the_one_with_more_blocks_is_asked_first() {
    let (b0, b1) = (Peer::endorsing("b0"), Peer::endorsing("b1"));
    let setup = Setup::new(
        "AND('A.peer', 'B.peer')",
        Peer::endorsing("a"),
        vec![("B", b0.clone()), ("B", b1.clone())],
    );
    let (gateway, channel) = setup.start().await;
    channel.change(|peers| peers[2].ledger_height = 9);
    for _ in 0..4 {
        let response = gateway
            .endorse(endorse(false, &[]), Deadline::default())
            .await
            .expect("endorsed");
        assert_eq!(
            endorsers(&response.prepared_transaction.expect("a transaction")),
            ["a", "b1"]
        );
    }
    assert_eq!((b0.calls(), b1.calls()), (0, 4));
    // The better one goes: nobody notices but the other.
    channel.change(|peers| peers[2].endpoint.address = "127.0.0.1:1".to_owned());
    for organisations in [&[][..], &["A", "B"]] {
        let response = gateway
            .endorse(endorse(false, organisations), Deadline::default())
            .await
            .expect("endorsed");
        assert_eq!(
            endorsers(&response.prepared_transaction.expect("a transaction")),
            ["a", "b0"]
        );
    }
    assert_eq!((b0.calls(), b1.calls()), (2, 4));
}

#[tokio::test]
async fn every_peer_that_failed_is_named() {
    let refusing = Peer::new(|_| Ok(refusal(500, "no such function")));
    let mut setup = Setup::new(
        "AND('A.peer', 'B.peer')",
        Peer::endorsing("a"),
        vec![("B", refusing.clone())],
    );
    setup.dead = vec!["B"];
    let (gateway, channel) = setup.start().await;
    let error = gateway
        .endorse(endorse(false, &[]), Deadline::default())
        .await
        .expect_err("refused");
    assert_eq!(error.code(), Code::Aborted);
    assert_eq!(
        error.message(),
        "failed to collect enough transaction endorsements, see attached details for more info"
    );
    let found = details(&error);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[1].1.starts_with("rpc error: code = Unavailable desc = "),
        "{found:?}"
    );
    assert_eq!(found[0], ("B".to_owned(), "no such function".to_owned()));
    // Two layouts, of which the second cannot be had either.
    assert_eq!(refusing.calls(), 1);
    drop(channel);
}

#[tokio::test]
async fn a_layout_whose_organisation_fails_gives_way_to_the_next() {
    let failing = Peer::new(|_| Ok(refusal(400, "not here")));
    let c = Peer::endorsing("c");
    let setup = Setup::new(
        "OR(AND('A.peer', 'B.peer'), AND('A.peer', 'C.peer', 'D.peer'))",
        Peer::endorsing("a"),
        vec![
            ("B", failing.clone()),
            ("C", c.clone()),
            ("D", Peer::endorsing("d")),
        ],
    );
    let (gateway, _) = setup.start().await;
    let response = gateway
        .endorse(endorse(false, &[]), Deadline::default())
        .await
        .expect("endorsed");
    // The smaller layout is tried first.
    assert_eq!(failing.calls(), 1);
    assert_eq!(
        endorsers(&response.prepared_transaction.expect("a transaction")),
        ["a", "c", "d"]
    );
}

#[tokio::test]
async fn key_policies_and_called_chaincode_choose_the_endorsers() {
    let (b, c) = (Peer::endorsing("b"), Peer::endorsing("c"));
    let key = ChaincodeCall {
        name: "cc".to_owned(),
        key_policies: vec![parse("OR('C.peer')").expect("a policy")],
        disregard_namespace_policy: true,
        ..Default::default()
    };
    let local = Peer::new(move |_| Ok(endorsement("a", "result", Some(key.clone()))));
    let setup = Setup::new(
        "AND('A.peer', 'B.peer')",
        local,
        vec![("B", b.clone()), ("C", c.clone())],
    );
    let (gateway, _) = setup.start().await;
    let response = gateway
        .endorse(endorse(false, &[]), Deadline::default())
        .await
        .expect("endorsed");
    // The first endorser is of no organisation that the key names: its endorsement is left out.
    assert_eq!(
        endorsers(&response.prepared_transaction.expect("a transaction")),
        ["c"]
    );
    assert_eq!((b.calls(), c.calls()), (0, 1));

    let unknown = ChaincodeCall {
        name: "other".to_owned(),
        ..Default::default()
    };
    let local = Peer::new(move |_| Ok(endorsement("a", "result", Some(unknown.clone()))));
    let (gateway, _) = Setup::new("OR('A.peer')", local, Vec::new()).start().await;
    let error = gateway
        .endorse(endorse(false, &[]), Deadline::default())
        .await
        .expect_err("refused");
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert_eq!(
        error.message(),
        "no combination of peers can be derived which satisfy the endorsement policy: No metadata was found for \
         chaincode other in channel health"
    );
}

#[tokio::test]
async fn without_an_own_peer_with_the_chaincode_others_endorse_but_see_no_transient_data() {
    let local = Peer::endorsing("a");
    let b = Peer::endorsing("b");
    let setup = Setup::new("OR('A.peer', 'B.peer')", local.clone(), vec![("B", b.clone())]);
    let (gateway, channel) = setup.start().await;
    channel.change(|peers| peers[0].chaincodes.clear());
    let response = gateway
        .endorse(endorse(false, &[]), Deadline::default())
        .await
        .expect("endorsed");
    assert_eq!(
        endorsers(&response.prepared_transaction.expect("a transaction")),
        ["b"]
    );
    let error = gateway
        .endorse(endorse(true, &[]), Deadline::default())
        .await
        .expect_err("refused");
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert_eq!(
        error.message(),
        "no endorsers found in the gateway's organization; retry specifying endorsing organization(s) to protect \
         transient data"
    );
    // An older definition than the channel's is another chaincode.
    channel.change(|peers| {
        peers[1].chaincodes.insert("cc".to_owned(), "0".to_owned());
    });
    let error = gateway
        .endorse(endorse(false, &[]), Deadline::default())
        .await
        .expect_err("refused");
    assert_eq!(
        error.message(),
        "no combination of peers can be derived which satisfy the endorsement policy: required chaincodes are not \
         installed on sufficient peers"
    );
    assert_eq!(local.calls(), 0);
}

#[tokio::test]
async fn a_channel_that_is_not_there_is_told_as_fabric_tells_it() {
    let (gateway, _) = Setup::new("OR('A.peer')", Peer::endorsing("a"), Vec::new())
        .start()
        .await;
    let on_other = |transient, organisations: &[&str]| EndorseRequest {
        proposed_transaction: Some(proposal_on("other", transient)),
        ..endorse(transient, organisations)
    };
    let refused = async |request| {
        let refused = gateway.endorse(request, Deadline::default()).await;
        let status = refused.expect_err("refused");
        (status.code(), status.message().to_owned())
    };
    assert_eq!(
        refused(on_other(false, &[])).await,
        (
            Code::FailedPrecondition,
            "no combination of peers can be derived which satisfy the endorsement policy: No metadata was found for \
             chaincode cc in channel other"
                .to_owned()
        )
    );
    assert_eq!(refused(on_other(true, &[])).await.0, Code::FailedPrecondition);
    assert_eq!(
        refused(on_other(false, &["A"])).await,
        (
            Code::Unavailable,
            "failed to find any endorsing peers for org(s): A".to_owned()
        )
    );
    let evaluate = EvaluateRequest {
        proposed_transaction: Some(proposal_on("other", false)),
        ..Default::default()
    };
    let status = gateway.evaluate(evaluate).await.expect_err("refused");
    let text = "failed to get config for channel [other]: could not get last config for channel other";
    assert_eq!((status.code(), status.message()), (Code::Unavailable, text));
}

#[tokio::test]
async fn the_clients_deadline_is_the_gateways() {
    use fabric_protos::gateway::gateway_server::Gateway;
    let never = || Peer::new(|_| Err(Status::cancelled("never")));
    let request = |organisations: &[&str]| {
        let mut request = Request::new(endorse(false, organisations));
        request
            .metadata_mut()
            .insert("grpc-timeout", "20m".parse().expect("a value"));
        request
    };
    let (gateway, _) = Setup::new("OR('A.peer')", never(), Vec::new()).start().await;
    let late = |status: Status| (status.code(), status.message().to_owned());
    let status = Gateway::endorse(&gateway, request(&[])).await.expect_err("late");
    assert_eq!(
        late(status),
        (
            Code::DeadlineExceeded,
            "endorsement timeout expired while collecting first endorsement".to_owned()
        )
    );
    let status = Gateway::endorse(&gateway, request(&["A"]))
        .await
        .expect_err("late");
    assert_eq!(
        late(status),
        (
            Code::DeadlineExceeded,
            "endorsement timeout expired while collecting endorsements".to_owned()
        )
    );
}
