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
    let response = gateway.endorse(endorse(true, &[])).await.expect("endorsed");
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
        let response = gateway.endorse(endorse(false, &[])).await.expect("endorsed");
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
        .endorse(endorse(true, &["C", "B"]))
        .await
        .expect("endorsed");
    assert_eq!(
        endorsers(&response.prepared_transaction.expect("a transaction")),
        ["b", "c"]
    );
    assert_eq!(local.calls(), 0);
    let error = gateway
        .endorse(endorse(false, &["B", "X", "Y"]))
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
    let error = gateway.endorse(endorse(false, &[])).await.expect_err("refused");
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
        .endorse(endorse(false, &["A"]))
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
    let response = gateway.endorse(endorse(false, &[])).await.expect("endorsed");
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
    let error = gateway.endorse(endorse(false, &[])).await.expect_err("refused");
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
        let response = gateway.endorse(endorse(true, &[])).await.expect("endorsed");
        assert_eq!(
            endorsers(&response.prepared_transaction.expect("a transaction")),
            ["a", "b"]
        );
    }
    assert_eq!(c.calls(), 0);
    // Without transient data there is nothing to protect: anybody may endorse a blind write.
    let mut calls = 0;
    while c.calls() == 0 && calls < 50 {
        gateway.endorse(endorse(false, &[])).await.expect("endorsed");
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
    let error = gateway.endorse(endorse(true, &[])).await.expect_err("refused");
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
        code(gateway.endorse(EndorseRequest::default()).await),
        Code::InvalidArgument
    );
    let mut garbage = endorse(false, &[]);
    garbage.proposed_transaction = Some(SignedProposal {
        proposal_bytes: vec![0xff; 30],
        signature: Vec::new(),
    });
    assert_eq!(
        code(gateway.endorse(garbage.clone()).await),
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
