use super::*;

fn evaluate(targets: &[&str]) -> EvaluateRequest {
    EvaluateRequest {
        transaction_id: "t".to_owned(),
        channel_id: "health".to_owned(),
        proposed_transaction: Some(proposal(false)),
        target_organizations: targets.iter().map(|msp_id| (*msp_id).to_owned()).collect(),
    }
}

#[tokio::test]
async fn an_evaluation_prefers_the_own_peer_and_obeys_targets() {
    let b = Peer::new(|_| Ok(endorsement("b", "from b", None)));
    let (gateway, _) = Setup::new("OR('A.peer')", Peer::endorsing("a"), vec![("B", b)])
        .start()
        .await;
    let result =
        |response: fabric_protos::gateway::EvaluateResponse| response.result.expect("a result").payload;
    assert_eq!(
        result(gateway.evaluate(evaluate(&[])).await.expect("evaluated")),
        b"result"
    );
    assert_eq!(
        result(gateway.evaluate(evaluate(&["B"])).await.expect("evaluated")),
        b"from b"
    );
    let error = gateway.evaluate(evaluate(&["X"])).await.expect_err("refused");
    assert_eq!(error.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn an_evaluation_goes_on_to_the_next_peer_unless_the_chaincode_refused() {
    let b = Peer::endorsing("b");
    let local = Peer::new(|call| Ok(refusal(if call == 0 { 500 } else { 404 }, "no")));
    let (gateway, _) = Setup::new("OR('A.peer')", local, vec![("B", b.clone())])
        .start()
        .await;
    gateway
        .evaluate(evaluate(&[]))
        .await
        .expect("evaluated by the other peer");
    assert_eq!(b.calls(), 1);
    let error = gateway.evaluate(evaluate(&[])).await.expect_err("refused");
    assert_eq!(error.code(), Code::Unknown);
    assert_eq!(
        error.message(),
        "evaluate call to endorser returned error: chaincode response 404, no"
    );
    assert_eq!(
        details(&error),
        [("A".to_owned(), "chaincode response 404, no".to_owned())]
    );
    assert_eq!(b.calls(), 1);
}

#[tokio::test]
async fn the_orderers_answer_decides_a_submission() {
    let (gateway, _) = Setup::new("OR('A.peer')", Peer::endorsing("a"), Vec::new())
        .start()
        .await;
    let submit = |payload: &str, channel: &str| {
        gateway.submit(SubmitRequest {
            transaction_id: "t".to_owned(),
            channel_id: channel.to_owned(),
            prepared_transaction: Some(Envelope {
                payload: payload.as_bytes().to_vec(),
                signature: vec![1],
            }),
        })
    };
    submit("good", "health").await.expect("taken");
    let error = submit("bad", "health").await.expect_err("refused");
    assert_eq!(error.code(), Code::Aborted);
    assert_eq!(
        error.message(),
        "received unsuccessful response from orderer: status=FORBIDDEN, info=so it is"
    );
    let error = submit("busy", "health").await.expect_err("refused");
    assert_eq!(error.code(), Code::Unavailable);
    assert_eq!(
        details(&error),
        [(
            "OrdererMSP".to_owned(),
            "received unsuccessful response from orderer: status=SERVICE_UNAVAILABLE, info=so it is"
                .to_owned()
        )],
        "one detail for each orderer"
    );
    let error = submit("good", "other").await.expect_err("refused");
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert_eq!(
        error.message(),
        "failed to get config for channel [other]: could not get last config for channel other"
    );
}

#[tokio::test]
async fn only_readers_learn_a_commit_status() {
    let (gateway, _) = Setup::new("OR('A.peer')", Peer::endorsing("a"), Vec::new())
        .start()
        .await;
    let ask = |transaction_id: &str, identity: &str| {
        let request = CommitStatusRequest {
            transaction_id: transaction_id.to_owned(),
            channel_id: "health".to_owned(),
            identity: identity.as_bytes().to_vec(),
        };
        gateway.commit_status(SignedCommitStatusRequest {
            request: request.encode_to_vec(),
            signature: b"signed".to_vec(),
        })
    };
    let status = ask("t", "reader").await.expect("answered");
    assert_eq!((status.result, status.block_number), (0, 7));
    assert_eq!(ask("rival", "reader").await.expect("answered").result, 11);
    assert_eq!(
        ask("t", "stranger").await.expect_err("refused").code(),
        Code::PermissionDenied
    );
    assert_eq!(
        ask("", "reader").await.expect_err("refused").code(),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn a_further_orderer_takes_what_the_first_cannot() {
    let (gateway, channel) = Setup::new("OR('A.peer')", Peer::endorsing("a"), Vec::new())
        .with_dead_orderers(3)
        .start()
        .await;
    assert_eq!(channel.orderers.len(), 4);
    let submit = |payload: &str| {
        gateway.submit(SubmitRequest {
            transaction_id: "t".to_owned(),
            channel_id: "health".to_owned(),
            prepared_transaction: Some(Envelope {
                payload: payload.as_bytes().to_vec(),
                signature: vec![1],
            }),
        })
    };
    for _ in 0..4 {
        submit("good").await.expect("one of them answers");
        // A refusal by the one that answers is final.
        assert_eq!(submit("bad").await.expect_err("refused").code(), Code::Aborted);
    }
    let error = submit("busy").await.expect_err("nobody takes it");
    assert_eq!(error.code(), Code::Unavailable);
    assert_eq!(
        error.message(),
        "no orderers could successfully process transaction"
    );
    assert_eq!(details(&error).len(), 4);
}

#[tokio::test]
async fn without_orderers_nothing_is_submitted() {
    let (gateway, _) = Setup::new("OR('A.peer')", Peer::endorsing("a"), Vec::new())
        .without_orderer()
        .start()
        .await;
    let error = gateway
        .submit(SubmitRequest {
            channel_id: "health".to_owned(),
            prepared_transaction: Some(Envelope {
                payload: vec![1],
                signature: vec![1],
            }),
            ..Default::default()
        })
        .await
        .expect_err("refused");
    assert_eq!(
        (error.code(), error.message()),
        (Code::Unavailable, "no orderer nodes available")
    );
}

#[tokio::test]
async fn the_own_organisation_evaluates_first_and_then_who_has_more_blocks() {
    let failing = || Peer::new(|_| Ok(refusal(500, "broken")));
    let (a1, b, c) = (failing(), failing(), Peer::endorsing("c"));
    let local = failing();
    let setup = Setup::new(
        "OR('A.peer')",
        local.clone(),
        vec![("B", b.clone()), ("A", a1.clone()), ("C", c.clone())],
    );
    let (gateway, channel) = setup.start().await;
    channel.change(|peers| {
        peers[1].ledger_height = 7;
        peers[3].ledger_height = 9;
    });
    gateway.evaluate(evaluate(&[])).await.expect("evaluated by C");
    assert_eq!(
        (local.calls(), a1.calls(), c.calls(), b.calls()),
        (1, 1, 1, 0),
        "A's peers first, then the highest"
    );
    let error = gateway.evaluate(evaluate(&["B"])).await.expect_err("only B may");
    assert_eq!(error.code(), Code::Aborted);
    assert_eq!(
        error.message(),
        "failed to evaluate transaction, see attached details for more info"
    );
    assert_eq!(details(&error), [("B".to_owned(), "broken".to_owned())]);
    let transient = EvaluateRequest {
        proposed_transaction: Some(proposal(true)),
        ..evaluate(&[])
    };
    let error = gateway.evaluate(transient).await.expect_err("only A may");
    assert_eq!(details(&error).len(), 2);
    assert_eq!((b.calls(), c.calls()), (1, 1));
    channel.change(|peers| peers.retain(|peer| peer.msp_id != "A"));
    let transient = EvaluateRequest {
        proposed_transaction: Some(proposal(true)),
        ..evaluate(&[])
    };
    let error = gateway.evaluate(transient).await.expect_err("nobody may");
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert_eq!(
        error.message(),
        "no endorsers found in the gateway's organization; retry specifying target organization(s) to protect \
         transient data: no peers available to evaluate chaincode cc in channel health"
    );
}

#[tokio::test]
async fn whoever_waits_for_a_commit_waits_no_longer_than_its_deadline() {
    use fabric_protos::gateway::gateway_server::Gateway;
    let (gateway, _) = Setup::new("OR('A.peer')", Peer::endorsing("a"), Vec::new())
        .start()
        .await;
    let question = CommitStatusRequest {
        transaction_id: "never".to_owned(),
        channel_id: "health".to_owned(),
        identity: b"reader".to_vec(),
    };
    let mut request = Request::new(SignedCommitStatusRequest {
        request: question.encode_to_vec(),
        signature: b"signed".to_vec(),
    });
    request
        .metadata_mut()
        .insert("grpc-timeout", "20m".parse().expect("a value"));
    let late = Gateway::commit_status(&gateway, request).await.expect_err("late");
    assert_eq!(
        (late.code(), late.message()),
        (Code::DeadlineExceeded, "context deadline exceeded")
    );
}
