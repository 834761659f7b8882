use fabric_contract_core::{Call, Transport, TransportError};

use super::peer::Peer;

#[tokio::test]
async fn a_contract_carries_the_calls_of_typed_clients() {
    let peer = Peer::start().await;
    let contract = peer.gateway().network("health").contract_named("care", "default");
    let call = |name: &str| Call {
        contract: name.to_owned(),
        function: "put".to_owned(),
        args: vec![b"v".to_vec()],
        transient: [("secret".to_owned(), b"s".to_vec())].into(),
        endorsing_organizations: vec!["Org1MSP".to_owned()],
    };
    let submitted = Transport::submit(&contract, call("consent"))
        .await
        .expect("submitted");
    assert_eq!(
        (submitted.payload.as_slice(), submitted.block_number),
        (&b"v"[..], 42)
    );
    Transport::evaluate(&contract, call("")).await.expect("evaluated");
    let sent = &peer.endorsed()[0];
    assert_eq!(sent.args, ["consent:put", "v"]);
    assert_eq!(
        (sent.transient.as_slice(), sent.organizations.as_slice()),
        (&["secret".to_owned()][..], &["Org1MSP".to_owned()][..])
    );
    assert_eq!(peer.evaluated()[0].args[0], "default:put");

    let refused = Call {
        function: "refuse".to_owned(),
        ..Call::default()
    };
    let plain = peer.gateway().network("health").contract("care");
    let error = Transport::submit(&plain, refused).await.expect_err("refused");
    assert_eq!(
        TransportError::chaincode_message(&error).map(|(status, _)| status),
        Some(409)
    );
}
