//! What collections may be defined, and how an upgrade may change them.

use fabric_msp::policy::{Role, n_out_of_role, signed_by_any_member};
use fabric_protos::common::SignaturePolicyEnvelope;
use fabric_protos::lifecycle as proto;
use fabric_protos::peer::{
    ApplicationPolicy, CollectionConfigPackage, CollectionPolicyConfig, StaticCollectionConfig,
    application_policy, collection_policy_config,
};

use super::lifecycle::{approval, approve, ask};
use super::private::{PAIR, private_value};
use fabric_protos::peer::TxValidationCode as Code;

use crate::testing::{Net, Request, collections, edited, transient};

fn members(policy: Option<SignaturePolicyEnvelope>) -> Option<CollectionPolicyConfig> {
    Some(CollectionPolicyConfig {
        payload: policy.map(collection_policy_config::Payload::SignaturePolicy),
    })
}

fn pair(edit: impl Fn(&mut StaticCollectionConfig)) -> CollectionConfigPackage {
    edited(collections(&[("pair", PAIR, 0, 1)]), edit)
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_with_impossible_collections_are_refused() {
    let net = Net::deployed(pair(|collection| collection.block_to_live = 5)).await;
    let both = n_out_of_role(2, Role::Member, &["Org1MSP", "Org2MSP"]);
    let mut dangling = signed_by_any_member(&["Org1MSP"]);
    dangling.identities.clear();
    let with_policy = |policy: Option<CollectionPolicyConfig>| {
        pair(move |collection| collection.member_orgs_policy.clone_from(&policy))
    };
    let cases = [
        (
            pair(|collection| collection.name = "_pair".into()),
            "invalid collection name '_pair'. Names can only consist of alphanumerics, '_', and '-' and cannot begin with '_'",
        ),
        (
            pair(|collection| collection.name.clear()),
            "invalid collection name ''. Names can only consist of alphanumerics, '_', and '-' and cannot begin with '_'",
        ),
        (
            pair(|collection| collection.required_peer_count = 2),
            "collection-name: pair -- maximum peer count (1) cannot be less than the required peer count (2)",
        ),
        (
            pair(|collection| collection.required_peer_count = -1),
            "collection-name: pair -- requiredPeerCount (-1) cannot be less than zero",
        ),
        (
            with_policy(None),
            "collection member policy is not set for collection 'pair'",
        ),
        (
            with_policy(members(None)),
            "collection member org policy is empty for collection 'pair'",
        ),
        (
            with_policy(members(Some(both))),
            "collection-name: pair -- error in member org policy: signature policy is not an OR concatenation, NOutOf 2",
        ),
        (
            with_policy(members(Some(dangling))),
            "invalid member org policy for collection 'pair': identity index out of range, requested 0, but identities length is 0",
        ),
        (
            pair(|collection| collection.block_to_live = 6),
            "the BlockToLive in an existing collection [pair] modified. Existing value [5]",
        ),
        (
            CollectionConfigPackage::default(),
            "the proposed collection config does not contain previously defined collections",
        ),
    ];
    for (collections, expected) in cases {
        let args = proto::ApproveChaincodeDefinitionForMyOrgArgs {
            collections: Some(collections.clone()),
            ..approval(2, "1.0", "")
        };
        let approved = approve(&net, &args).await;
        let args = net.commit_args(2, collections);
        let committed = ask(&net, "CommitChaincodeDefinition", &args).await;
        for response in [approved, committed] {
            assert_eq!(response.status, 500, "{expected}");
            assert!(
                response.message.ends_with(expected),
                "{}\n  is not\n{expected}",
                response.message
            );
        }
    }
    // Members, counts and flags may change, and collections may come.
    let mut more = collections(&[("pair", &["Org1MSP", "Org3MSP"], 1, 2), ("new", PAIR, 0, 0)]);
    more = edited(more, |collection| {
        if collection.name == "pair" {
            (collection.block_to_live, collection.member_only_read) = (5, false);
        }
    });
    net.deploy(2, more).await;
}

/// A collection's own policy stands in for the chaincode's; without one the chaincode's applies; an organisation's implicit
/// collection has that organisation's.
#[tokio::test(flavor = "multi_thread")]
async fn writes_are_endorsed_by_the_collections_policy() {
    let list = edited(
        collections(&[("pair", PAIR, 0, 2), ("own", PAIR, 0, 2)]),
        |collection| {
            if collection.name == "own" {
                collection.endorsement_policy = Some(ApplicationPolicy {
                    r#type: Some(application_policy::Type::SignaturePolicy(
                        fabric_msp::policy::signed_by_any_peer(&["Org2MSP"]),
                    )),
                });
            }
        },
    );
    let net = Net::deployed(list).await;
    let write = async |collection: &str, endorsers: &[usize]| {
        let peers: Vec<_> = endorsers.iter().map(|index| net.peers[*index].clone()).collect();
        let request = Request::chaincode(&["putp", collection, "k"]).with(transient("value", "v"));
        net.order([request.endorsed(&net.client(1), &peers).await]).await[0]
    };
    let failure = Code::EndorsementPolicyFailure as u8;
    // The channel's default for chaincode is a majority: two of three.
    assert_eq!(write("pair", &[1]).await, failure);
    assert_eq!(private_value(&net, 1), None, "nothing of an invalid transaction");
    assert_eq!(write("pair", &[0, 1]).await, 0);
    assert_eq!(write("own", &[1]).await, 0);
    assert_eq!(write("own", &[0, 2]).await, failure);
    assert_eq!(write("_implicit_org_Org2MSP", &[1]).await, 0);
    assert_eq!(write("_implicit_org_Org2MSP", &[0, 2]).await, failure);
}
