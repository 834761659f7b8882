//! `_lifecycle`: what organisations agree on, and what they may not.

use fabric_protos::lifecycle as proto;
use fabric_protos::lifecycle::{ChaincodeSource, chaincode_source};
use fabric_protos::peer::{CollectionConfigPackage, Response};
use prost::Message;

use crate::testing::{CHAINCODE, Net, Request, collections, payload};

/// An approval of the test's chaincode, with a package or without.
pub(crate) fn approval(
    sequence: i64,
    version: &str,
    package_id: &str,
) -> proto::ApproveChaincodeDefinitionForMyOrgArgs {
    let local = chaincode_source::Local {
        package_id: package_id.to_owned(),
    };
    let source = if package_id.is_empty() {
        chaincode_source::Type::Unavailable(chaincode_source::Unavailable {})
    } else {
        chaincode_source::Type::LocalPackage(local)
    };
    proto::ApproveChaincodeDefinitionForMyOrgArgs {
        sequence,
        name: CHAINCODE.to_owned(),
        version: version.to_owned(),
        source: Some(ChaincodeSource { r#type: Some(source) }),
        ..Default::default()
    }
}

pub(super) async fn ask(net: &Net, function: &str, args: &impl Message) -> Response {
    let response = Request::system("_lifecycle", function, args)
        .sent(&net.admin(0), &net.peers[0])
        .await;
    response.response.expect("responds")
}

pub(super) async fn approve(net: &Net, args: &proto::ApproveChaincodeDefinitionForMyOrgArgs) -> Response {
    ask(net, "ApproveChaincodeDefinitionForMyOrg", args).await
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_can_be_read_back() {
    let net = Net::deployed(collections(&[("pair", &["Org1MSP", "Org2MSP"], 0, 1)])).await;
    let args = proto::QueryChaincodeDefinitionArgs {
        name: CHAINCODE.to_owned(),
    };
    let found = ask(&net, "QueryChaincodeDefinition", &args).await;
    let found = proto::QueryChaincodeDefinitionResult::decode(&*found.payload).expect("decodes");
    assert_eq!((found.sequence, found.version.as_str()), (1, "1.0"));
    assert_eq!(
        (
            found.endorsement_plugin.as_str(),
            found.validation_plugin.as_str()
        ),
        ("escc", "vscc")
    );
    assert!(found.approvals.len() == 3 && found.approvals.values().all(|approved| *approved));
    assert_eq!(
        found.collections,
        Some(collections(&[("pair", &["Org1MSP", "Org2MSP"], 0, 1)]))
    );

    let all = ask(
        &net,
        "QueryChaincodeDefinitions",
        &proto::QueryChaincodeDefinitionsArgs {},
    )
    .await;
    let all = proto::QueryChaincodeDefinitionsResult::decode(&*all.payload).expect("decodes");
    assert_eq!(all.chaincode_definitions.len(), 1);

    let args = proto::QueryApprovedChaincodeDefinitionArgs {
        name: CHAINCODE.to_owned(),
        sequence: 0,
    };
    let approved = ask(&net, "QueryApprovedChaincodeDefinition", &args).await;
    let approved =
        proto::QueryApprovedChaincodeDefinitionResult::decode(&*approved.payload).expect("decodes");
    let Some(chaincode_source::Type::LocalPackage(local)) = approved.source.and_then(|source| source.r#type)
    else {
        panic!("has a package")
    };
    let all = ask(
        &net,
        "QueryApprovedChaincodeDefinitions",
        &proto::QueryApprovedChaincodeDefinitionsArgs {},
    )
    .await;
    let all = proto::QueryApprovedChaincodeDefinitionsResult::decode(&*all.payload).expect("decodes");
    assert_eq!(all.approved_chaincode_definitions.len(), 1);

    let request = Request::system(
        "_lifecycle",
        "QueryInstalledChaincodes",
        &proto::QueryInstalledChaincodesArgs {},
    );
    let installed = request.clone().on("").sent(&net.admin(0), &net.peers[0]).await;
    let installed = proto::QueryInstalledChaincodesResult::decode(&*payload(&installed)).expect("decodes");
    assert_eq!(installed.installed_chaincodes[0].package_id, local.package_id);
    assert_eq!(
        installed.installed_chaincodes[0].references["mychannel"].chaincodes[0].name,
        CHAINCODE
    );

    let missing = proto::GetInstalledChaincodePackageArgs {
        package_id: "no:such".to_owned(),
    };
    assert_eq!(
        ask(&net, "GetInstalledChaincodePackage", &missing).await.status,
        404
    );
    let missing = proto::QueryChaincodeDefinitionArgs {
        name: "nothing".to_owned(),
    };
    let missing = ask(&net, "QueryChaincodeDefinition", &missing).await;
    assert_eq!(
        (missing.status, missing.message.as_str()),
        (404, "namespace nothing is not defined")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_says_who_approved_and_what_differs() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    let envelope = Request::system(
        "_lifecycle",
        "ApproveChaincodeDefinitionForMyOrg",
        &approval(2, "2.0", ""),
    );
    let envelope = envelope.endorsed(&net.admin(1), [&net.peers[1]]).await;
    assert_eq!(net.order([envelope]).await, [0]);
    let readiness = |version: &str| proto::CheckCommitReadinessArgs {
        sequence: 2,
        name: CHAINCODE.to_owned(),
        version: version.to_owned(),
        ..Default::default()
    };
    let found = ask(&net, "CheckCommitReadiness", &readiness("2.0")).await;
    let found = proto::CheckCommitReadinessResult::decode(&*found.payload).expect("decodes");
    let approvals: Vec<_> = found.approvals.into_iter().collect();
    assert_eq!(
        approvals,
        [
            ("Org1MSP".into(), false),
            ("Org2MSP".into(), true),
            ("Org3MSP".into(), false)
        ]
    );
    assert_eq!(found.mismatches["Org1MSP"].items, ["ChaincodeParameters"]);
    let found = ask(&net, "CheckCommitReadiness", &readiness("2.1")).await;
    let found = proto::CheckCommitReadinessResult::decode(&*found.payload).expect("decodes");
    assert_eq!(found.mismatches["Org2MSP"].items, ["EndorsementInfo"]);

    // This organisation did not approve, so its peer does not endorse the commit.
    let mut args = net.commit_args(2, CollectionConfigPackage::default());
    args.version = "2.0".to_owned();
    let refused = ask(&net, "CommitChaincodeDefinition", &args).await;
    assert!(
        refused
            .message
            .ends_with("chaincode definition not agreed to by this org (Org1MSP)"),
        "{}",
        refused.message
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sequences_and_definitions_are_checked() {
    let net = Net::deployed(collections(&[("pair", &["Org1MSP"], 0, 1)])).await;
    let with = |sequence, list: &[(&str, &[&str], i32, i32)]| proto::ApproveChaincodeDefinitionForMyOrgArgs {
        collections: Some(collections(list)),
        ..approval(sequence, "1.0", "")
    };
    let pair: &[(&str, &[&str], i32, i32)] = &[("pair", &["Org1MSP"], 0, 1)];
    let cases = [
        (
            with(3, pair),
            "requested sequence 3 is larger than the next available sequence number 2",
        ),
        (
            with(0, pair),
            "currently defined sequence 1 is larger than requested sequence 0",
        ),
        (
            proto::ApproveChaincodeDefinitionForMyOrgArgs {
                version: "9".into(),
                ..with(1, pair)
            },
            "attempted to redefine the current committed sequence (1) for namespace store with different parameters: expected Version '1.0' does not match passed Version '9'",
        ),
        (
            with(2, &[]),
            "the proposed collection config does not contain previously defined collections",
        ),
        (
            with(2, &[("other", &["Org1MSP"], 0, 1)]),
            "existing collection [pair] missing in the proposed collection configuration",
        ),
        (
            with(2, &[("pair", &["NoMSP"], 0, 1)]),
            "collection-name: pair -- collection member 'NoMSP' is not part of the channel",
        ),
        (
            with(2, &[("pair", &["Org1MSP"], 2, 1)]),
            "maximum peer count (1) cannot be less than the required peer count (2)",
        ),
        (
            with(2, &[("pair", &["Org1MSP"], 0, 1), ("pair", &["Org1MSP"], 0, 1)]),
            "found duplicate in collection configuration",
        ),
        (
            proto::ApproveChaincodeDefinitionForMyOrgArgs {
                name: "qscc".into(),
                ..with(1, pair)
            },
            "is the name of a system chaincode",
        ),
        (
            proto::ApproveChaincodeDefinitionForMyOrgArgs {
                version: "a b".into(),
                ..with(2, pair)
            },
            "invalid chaincode version 'a b'",
        ),
    ];
    for (args, expected) in cases {
        let response = approve(&net, &args).await;
        assert_eq!(response.status, 500);
        assert!(
            response.message.contains(expected),
            "{}\n  is not\n{expected}",
            response.message
        );
    }
    // Approving the definition in force with another package is allowed; twice the same is not.
    let again = approve(&net, &with(1, pair)).await;
    assert_eq!(again.status, 200, "{}", again.message);
    let unknown = ask(&net, "Nothing", &approval(1, "1.0", "")).await;
    assert!(
        unknown.message.contains("Unmapped policy for _lifecycle/Nothing"),
        "{}",
        unknown.message
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_needs_a_majority() {
    let net = Net::new();
    for (index, peer) in net.peers.iter().enumerate() {
        let request = Request::system(
            "_lifecycle",
            "ApproveChaincodeDefinitionForMyOrg",
            &approval(1, "1.0", ""),
        );
        let envelope = request.endorsed(&net.admin(index), [peer]).await;
        assert_eq!(net.order([envelope]).await, [0]);
    }
    let args = net.commit_args(1, CollectionConfigPackage::default());
    let request = Request::system("_lifecycle", "CommitChaincodeDefinition", &args);
    let alone = request.endorsed(&net.admin(0), [&net.peers[0]]).await;
    assert_eq!(net.order([alone]).await, [10]);
    let request = Request::system("_lifecycle", "CommitChaincodeDefinition", &args);
    let two = request.endorsed(&net.admin(0), &net.peers[..2]).await;
    assert_eq!(net.order([two]).await, [0]);
    let state = net.channel(2).ledger().query();
    let defined = net
        .channel(2)
        .definitions()
        .definition(CHAINCODE, &state)
        .expect("reads")
        .expect("is defined");
    assert_eq!(defined.sequence, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_may_not_administer() {
    let net = Net::new();
    let approve = Request::system(
        "_lifecycle",
        "ApproveChaincodeDefinitionForMyOrg",
        &approval(1, "1.0", ""),
    );
    let response = approve
        .sent(&net.client(0), &net.peers[0])
        .await
        .response
        .expect("responds");
    assert!(
        response
            .message
            .contains("Failed to authorize invocation due to failed ACL check"),
        "{}",
        response.message
    );
    let response = approve
        .sent(&net.admin(1), &net.peers[0])
        .await
        .response
        .expect("responds");
    assert!(
        response.message.contains("failed ACL check"),
        "{}",
        response.message
    );
}
