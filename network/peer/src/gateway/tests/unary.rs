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
    assert_eq!(details(&error)[0].0, "OrdererMSP");
    assert_eq!(
        submit("good", "other").await.expect_err("refused").code(),
        Code::FailedPrecondition
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
