//! Blocks: every way in which a transaction can be wrong has its code, and changes nothing.

use fabric_protos::common::{ChannelHeader, Envelope, Header, Payload};
use fabric_protos::peer::{
    ChaincodeActionPayload, CollectionConfigPackage, Proposal, Transaction, TxValidationCode as Code,
};
use prost::Message;

use crate::testing::{Net, Request, sign_block};
use crate::{BlockRefused, CommitError};

/// Changes a part of a transaction and signs the whole again.
fn resigned(
    net: &Net,
    envelope: &Envelope,
    change: impl FnOnce(&mut ChannelHeader, &mut ChaincodeActionPayload),
) -> Envelope {
    let mut payload = Payload::decode(envelope.payload.as_slice()).expect("decodes");
    let mut header = payload.header.take().expect("has a header");
    let mut channel = ChannelHeader::decode(header.channel_header.as_slice()).expect("decodes");
    let mut transaction = Transaction::decode(payload.data.as_slice()).expect("decodes");
    let action = &mut transaction.actions[0];
    let mut content = ChaincodeActionPayload::decode(action.payload.as_slice()).expect("decodes");
    change(&mut channel, &mut content);
    header.channel_header = channel.encode_to_vec();
    action.payload = content.encode_to_vec();
    let payload = Payload {
        header: Some(header),
        data: transaction.encode_to_vec(),
    }
    .encode_to_vec();
    Envelope {
        signature: net.client(0).sign(&payload).expect("signs"),
        payload,
    }
}

fn codes(codes: &[u8]) -> Vec<Code> {
    codes
        .iter()
        .map(|code| Code::try_from(i32::from(*code)).expect("a code"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_transactions_get_fabrics_codes() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    let good = net.endorsed(&["put", "good", "v"], &[0, 1]).await;
    let alone = net.endorsed(&["put", "alone", "v"], &[0]).await;

    let mut forged = net.endorsed(&["put", "forged", "v"], &[0, 1]).await;
    forged.signature = net.client(1).sign(&forged.payload).expect("signs");

    let tampered = resigned(
        &net,
        &net.endorsed(&["put", "tampered", "v"], &[0, 1]).await,
        |_, content| {
            let action = content.action.as_mut().expect("has an action");
            action.endorsements[1].signature = net.peers[1].signer().sign(b"something else").expect("signs");
        },
    );
    let doubled = resigned(
        &net,
        &net.endorsed(&["put", "doubled", "v"], &[0]).await,
        |_, content| {
            let action = content.action.as_mut().expect("has an action");
            action.endorsements.push(action.endorsements[0].clone());
        },
    );
    let client_endorsed = resigned(
        &net,
        &net.endorsed(&["put", "client", "v"], &[0]).await,
        |_, content| {
            // A client of another organisation is no peer of it.
            let action = content.action.as_mut().expect("has an action");
            let endorser = net.client(1).serialized().to_vec();
            let signed = [action.proposal_response_payload.as_slice(), &endorser].concat();
            let signature = net.client(1).sign(&signed).expect("signs");
            action
                .endorsements
                .push(fabric_protos::peer::Endorsement { endorser, signature });
        },
    );
    let other_input = resigned(
        &net,
        &net.endorsed(&["put", "input", "v"], &[0, 1]).await,
        |_, content| {
            content.chaincode_proposal_payload.push(0x18);
        },
    );
    let other_id = resigned(
        &net,
        &net.endorsed(&["put", "id", "v"], &[0, 1]).await,
        |channel, _| {
            channel.tx_id.replace_range(..1, "x");
        },
    );
    let garbage = Envelope {
        payload: vec![0xff; 20],
        signature: vec![1],
    };
    let headless = Envelope {
        payload: Payload {
            header: None,
            data: vec![1],
        }
        .encode_to_vec(),
        signature: vec![1],
    };

    let block = [
        good,
        alone,
        forged,
        tampered,
        doubled,
        client_endorsed,
        other_input,
        other_id,
        garbage,
        headless,
    ];
    let found = net.order(block).await;
    let expected = [
        Code::Valid,
        Code::EndorsementPolicyFailure,
        Code::BadCreatorSignature,
        Code::EndorsementPolicyFailure,
        Code::EndorsementPolicyFailure,
        Code::EndorsementPolicyFailure,
        Code::InvalidEndorserTransaction,
        Code::BadProposalTxid,
        Code::BadPayload,
        Code::BadCommonHeader,
    ];
    assert_eq!(codes(&found), expected);
    for key in ["alone", "forged", "tampered", "doubled", "client", "input", "id"] {
        assert_eq!(net.value(2, key), None, "{key}");
    }
    assert_eq!(net.value(2, "good"), Some(b"v".to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_counts_once() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    let envelope = net.endorsed(&["put", "k", "v"], &[0, 1]).await;
    let found = net.order([envelope.clone(), envelope.clone()]).await;
    assert_eq!(codes(&found), [Code::Valid, Code::DuplicateTxid]);
    assert_eq!(codes(&net.order([envelope]).await), [Code::DuplicateTxid]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_rivals_one_wins() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    let first = net.endorsed(&["add", "k", "1"], &[0, 1]).await;
    let second = net.endorsed(&["add", "k", "2"], &[1, 2]).await;
    let late = net.endorsed(&["add", "k", "3"], &[0, 2]).await;
    assert_eq!(
        codes(&net.order([first, second]).await),
        [Code::Valid, Code::MvccReadConflict]
    );
    assert_eq!(codes(&net.order([late]).await), [Code::MvccReadConflict]);
    assert_eq!(net.value(0, "k"), Some(b"1".to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_for_another_channel_is_refused() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    let envelope = net.endorsed(&["put", "k", "v"], &[0, 1]).await;
    let moved = resigned(&net, &envelope, |channel, _| {
        channel.channel_id = "elsewhere".to_owned()
    });
    // The proposal hash covers the channel: endorsements cannot be taken along.
    assert_eq!(
        codes(&net.order([moved]).await),
        [Code::InvalidEndorserTransaction]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_a_policy_of_its_own_obeys_it_alone() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    let put = net.endorsed(&["put", "k", "1"], &[0, 1]).await;
    assert_eq!(net.order([put]).await, [0]);
    let policy = net.endorsed(&["policy", "k", "Org3MSP"], &[0, 1]).await;
    // In the same block, the policy of the key is in flux.
    let meanwhile = net.endorsed(&["put", "k", "2"], &[0, 1]).await;
    let elsewhere = net.endorsed(&["put", "other", "2"], &[0, 1]).await;
    let found = net.order([policy, meanwhile, elsewhere]).await;
    assert_eq!(
        codes(&found),
        [Code::Valid, Code::EndorsementPolicyFailure, Code::Valid]
    );

    let majority = net.endorsed(&["put", "k", "3"], &[0, 1]).await;
    let owner = net.endorsed(&["put", "k", "4"], &[2]).await;
    let found = net.order([majority, owner]).await;
    assert_eq!(codes(&found), [Code::EndorsementPolicyFailure, Code::Valid]);
    assert_eq!(net.value(1, "k"), Some(b"4".to_vec()));

    let interest = net
        .evaluated(&["put", "k", "5"], 0)
        .await
        .interest
        .expect("says its interest");
    assert!(interest.chaincodes[0].disregard_namespace_policy);
    assert_eq!(
        interest.chaincodes[0].key_policies,
        [fabric_msp::policy::signed_by_any_peer(&["Org3MSP"])]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_next_block_of_the_orderer_is_taken() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    let channel = net.channel(0);
    let (height, last) = (channel.ledger().height(), channel.ledger().last_hash());
    let data = vec![net.endorsed(&["put", "k", "v"], &[0, 1]).await.encode_to_vec()];
    let refused = |block| {
        let (peer, channel) = (net.peers[0].clone(), channel.clone());
        async move {
            match peer.commit(&channel, block).await {
                Err(CommitError::Refused(why)) => why,
                other => panic!("{other:?}"),
            }
        }
    };
    let sign = |number, last: &[u8]| sign_block(&net.orderer, number, last.to_vec(), data.clone());

    let late = refused(sign(height + 1, &last)).await;
    assert_eq!(
        late,
        BlockRefused::Number {
            expected: height,
            found: height + 1
        }
    );
    assert_eq!(
        refused(sign(height, &[1; 32])).await,
        BlockRefused::PreviousHash(height)
    );
    let mut changed = sign(height, &last);
    changed.data.as_mut().expect("has data").data[0].push(0);
    assert_eq!(refused(changed).await, BlockRefused::DataHash(height));
    let stranger = sign_block(net.peers[1].signer(), height, last.clone(), data.clone());
    assert!(matches!(refused(stranger).await, BlockRefused::Signature { .. }));
    let mut unsigned = sign(height, &last);
    unsigned.metadata.as_mut().expect("has metadata").metadata[0].clear();
    assert!(matches!(refused(unsigned).await, BlockRefused::Signature { .. }));
    let empty = sign_block(&net.orderer, height, last.clone(), Vec::new());
    assert_eq!(refused(empty).await, BlockRefused::Incomplete("transactions"));
    let mut unusual = data[0].clone();
    unusual.extend([0x18, 1]); // a field that envelopes do not have
    for bytes in [Vec::new(), vec![0xff; 9], unusual] {
        let malformed = sign_block(&net.orderer, height, last.clone(), vec![data[0].clone(), bytes]);
        assert_eq!(
            refused(malformed).await,
            BlockRefused::Transaction {
                number: height,
                index: 1
            }
        );
    }

    assert_eq!(channel.ledger().height(), height);
    net.peers[0]
        .commit(&channel, sign(height, &last))
        .await
        .expect("the right one is taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_changes_makes_what_ran_under_it_invalid() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    let before = net.endorsed(&["put", "k", "v"], &[0, 1]).await;
    for (index, peer) in net.peers.iter().enumerate() {
        let approve = super::lifecycle::approval(2, "2.0", "");
        let envelope = Request::system("_lifecycle", "ApproveChaincodeDefinitionForMyOrg", &approve)
            .endorsed(&net.admin(index), [peer])
            .await;
        assert_eq!(net.order([envelope]).await, [0]);
    }
    let mut args = net.commit_args(2, CollectionConfigPackage::default());
    args.version = "2.0".to_owned();
    let commit = Request::system("_lifecycle", "CommitChaincodeDefinition", &args);
    let commit = commit.endorsed(&net.admin(0), &net.peers).await;
    assert_eq!(
        codes(&net.order([commit, before]).await),
        [Code::Valid, Code::MvccReadConflict]
    );
    // Approved without a package: nobody runs it any more.
    let response = net.evaluated(&["get", "k"], 0).await.response.expect("responds");
    assert!(
        response
            .message
            .contains("exists, but chaincode is not installed"),
        "{}",
        response.message
    );
}

/// Proposals and transactions are the same bytes: a helper of the tests must not hide a mistake.
#[test]
fn a_transaction_id_is_that_of_its_proposal() {
    let net = Net::new();
    let signed = Request::chaincode(&["get", "k"]).signed(&net.client(0));
    let proposal = Proposal::decode(signed.proposal_bytes.as_slice()).expect("decodes");
    let header = Header::decode(proposal.header.as_slice()).expect("decodes");
    let channel = ChannelHeader::decode(header.channel_header.as_slice()).expect("decodes");
    assert_eq!(channel.tx_id.len(), 64);
}
