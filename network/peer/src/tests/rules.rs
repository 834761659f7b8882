//! The endorser's rules: which proposals are taken, and what is answered (`core/endorser` of Fabric).

use fabric_protos::common::{ChannelHeader, Header, HeaderType, SignatureHeader};
use fabric_protos::peer::{CollectionConfigPackage, Proposal, ProposalResponse, SignedProposal};
use prost::Message;

use crate::ProposalError;
use crate::testing::{CHAINCODE, CHANNEL, Net, Request, payload};

/// A proposal with a changed header, signed as it is then.
fn changed(
    net: &Net,
    request: &Request,
    change: impl FnOnce(&mut ChannelHeader, &mut SignatureHeader),
) -> SignedProposal {
    let client = net.client(0);
    let proposal = request.proposal(&client);
    let header = Header::decode(proposal.header.as_slice()).expect("decodes");
    let mut channel = ChannelHeader::decode(header.channel_header.as_slice()).expect("decodes");
    let mut signature = SignatureHeader::decode(header.signature_header.as_slice()).expect("decodes");
    change(&mut channel, &mut signature);
    let header = Header {
        channel_header: channel.encode_to_vec(),
        signature_header: signature.encode_to_vec(),
    };
    let proposal_bytes = Proposal {
        header: header.encode_to_vec(),
        ..proposal
    }
    .encode_to_vec();
    SignedProposal {
        signature: client.sign(&proposal_bytes).expect("signs"),
        proposal_bytes,
    }
}

async fn answer(net: &Net, signed: SignedProposal) -> Result<ProposalResponse, String> {
    let answer = net.peers[0].process_proposal(signed).await;
    answer.map_err(|error: ProposalError| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_header_decides_what_is_a_proposal() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    let get = Request::chaincode(&["get", "k"]);
    for kind in [HeaderType::EndorserTransaction, HeaderType::Config] {
        let signed = changed(&net, &get, |channel, _| channel.r#type = kind as i32);
        let answer = answer(&net, signed).await.expect("is a proposal");
        assert!(answer.endorsement.is_some(), "{kind:?}");
    }
    let kinds = [
        HeaderType::Message,
        HeaderType::ConfigUpdate,
        HeaderType::OrdererTransaction,
        HeaderType::DeliverSeekInfo,
        HeaderType::ChaincodePackage,
    ];
    for kind in kinds {
        let signed = changed(&net, &get, |channel, _| channel.r#type = kind as i32);
        let refused = answer(&net, signed).await.expect_err("is refused");
        let expected = format!(
            "error validating proposal: invalid header type {}",
            kind.as_str_name()
        );
        assert_eq!(refused, expected);
    }
    let signed = changed(&net, &get, |channel, _| channel.r#type = 99);
    let refused = answer(&net, signed).await.expect_err("is refused");
    assert_eq!(refused, "error validating proposal: invalid header type 99");

    let epoch = changed(&net, &get, |channel, _| channel.epoch = 1);
    assert_eq!(
        answer(&net, epoch).await.expect_err("is refused"),
        "error validating proposal: epoch is non-zero"
    );
    let nonce = changed(&net, &get, |_, signature| signature.nonce.clear());
    assert_eq!(
        answer(&net, nonce).await.expect_err("is refused"),
        "error validating proposal: nonce is empty"
    );
    let creator = changed(&net, &get, |_, signature| signature.creator.clear());
    assert_eq!(
        answer(&net, creator).await.expect_err("is refused"),
        "error validating proposal: creator is empty"
    );
    let id = changed(&net, &get, |channel, _| channel.tx_id = "f00".into());
    let refused = answer(&net, id).await.expect_err("is refused");
    assert!(
        refused.starts_with("error validating proposal: incorrectly computed txid 'f00' -- expected '"),
        "{refused}"
    );
    let extension = changed(&net, &get, |channel, _| channel.extension.clear());
    assert_eq!(
        answer(&net, extension).await.expect_err("is refused"),
        "ChaincodeHeaderExtension.ChaincodeId is nil"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_decides_to_the_number() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    // Status, endorsed, with payload.
    let cases = [
        (200, true, true),
        (399, true, true),
        (400, false, false),
        (499, false, false),
        (500, false, true),
        (999, false, true),
    ];
    for (status, endorsed, with_payload) in cases {
        let response = net.evaluated(&["status", &status.to_string()], 0).await;
        let found = (response.endorsement.is_some(), !response.payload.is_empty());
        assert_eq!(found, (endorsed, with_payload), "{status}");
        assert_eq!(response.interest.is_some(), with_payload, "{status}");
        assert_eq!(response.version, i32::from(endorsed), "{status}");
        assert_eq!(response.response.expect("responds").status, status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_channel_nothing_is_endorsed_and_chaincode_does_not_run() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    let channels = Request {
        chaincode: "cscc".to_owned(),
        ..Request::chaincode(&["GetChannels"]).on("")
    };
    let response = channels.sent(&net.client(0), &net.peers[0]).await;
    assert!(response.endorsement.is_none() && response.payload.is_empty() && response.interest.is_none());
    payload(&response);
    // Nothing there can be a duplicate: the same proposal again.
    channels.sent(&net.client(0), &net.peers[0]).await;
    let response = Request::chaincode(&["put", "k", "v"])
        .on("")
        .sent(&net.client(0), &net.peers[0])
        .await;
    assert!(response.endorsement.is_none());
    assert_eq!(response.response.expect("responds").status, 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_interest_says_which_policies_matter() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    let read = net.evaluated(&["get", "k"], 0).await.interest.expect("has one");
    assert_eq!(read.chaincodes.len(), 1);
    assert_eq!(
        (
            read.chaincodes[0].name.as_str(),
            read.chaincodes[0].disregard_namespace_policy
        ),
        (CHAINCODE, false)
    );
    let put = net.endorsed(&["put", "k", "v"], &[0, 1]).await;
    assert_eq!(net.order([put]).await, [0]);
    let policy = net.endorsed(&["policy", "k", "Org1MSP"], &[0, 1]).await;
    assert_eq!(net.order([policy]).await, [0]);
    // The key's own policy stands in for the chaincode's.
    let write = net
        .evaluated(&["put", "k", "w"], 0)
        .await
        .interest
        .expect("has one");
    assert!(write.chaincodes[0].disregard_namespace_policy);
    let expected = fabric_msp::policy::signed_by_any_peer(&["Org1MSP"]);
    assert_eq!(write.chaincodes[0].key_policies, [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_id_is_refused_whatever_became_of_it() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    let request = Request::chaincode(&["put", "k", "v"]);
    // One endorsement is not enough: the transaction is invalid, and its id is used up.
    let alone = request.endorsed(&net.client(0), [&net.peers[0]]).await;
    let id = fabric_ledger::ParsedTx::from_envelope(&alone.encode_to_vec()).tx_id;
    assert_eq!(net.order([alone]).await, [10]);
    let again = answer(&net, request.signed(&net.client(0)))
        .await
        .expect_err("is refused");
    assert_eq!(again, format!("duplicate transaction found [{id}]"));
    let elsewhere = request.clone().on("").signed(&net.client(0));
    answer(&net, elsewhere)
        .await
        .expect("another channel knows nothing of it");
    assert_eq!(net.channel(0).id(), CHANNEL);
}
