use super::peer::Peer;
use crate::{
    AdminError, ChaincodeDefinition, ChaincodePackage, CollectionConfig, CryptogenOrganization, Deployer,
    Lifecycle, PeerAdmin, deploy,
};

#[tokio::test]
async fn a_package_is_installed_once() {
    let peer = Peer::start().await;
    let admin = PeerAdmin::new(peer.gateway());
    let package = ChaincodePackage::in_process("care_1", "care").expect("a package");
    assert_eq!(admin.install(&package).await.expect("installed"), "from-the-peer");
    assert_eq!(
        admin.install(&package).await.expect("there already"),
        package.id()
    );
    assert_eq!(admin.channels().await.expect("listed"), ["a", "b"]);
    let error = admin.installed().await.expect_err("refused");
    assert!(
        matches!(error, AdminError::Refused { status: 500, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_deployment_does_what_is_missing() {
    let peer = Peer::start().await;
    let package = ChaincodePackage::in_process("care_1", "care").expect("a package");
    let collection = CollectionConfig::new("pair", ["Org1MSP", "Org2MSP"]);
    let definition = ChaincodeDefinition::new("cc", "1")
        .collection(&collection)
        .expect("a definition");
    let deployed = deploy("health", &definition, &[Deployer::new(peer.gateway(), package)])
        .await
        .expect("deployed");
    assert_eq!(deployed.approvals.len(), 1);
    assert!(deployed.commit.is_some());
    let calls: Vec<_> = peer
        .endorsed()
        .into_iter()
        .map(|call| (call.args[0].clone(), call.organizations))
        .collect();
    let own = || vec!["Org1MSP".to_owned()];
    let expected = [
        ("ApproveChaincodeDefinitionForMyOrg", own()),
        ("CommitChaincodeDefinition", own()),
    ];
    assert_eq!(
        calls,
        expected.map(|(function, organizations)| (function.to_owned(), organizations))
    );
    assert!(matches!(
        deploy("health", &definition, &[]).await,
        Err(AdminError::NoDeployer)
    ));
}

#[tokio::test]
async fn the_lifecycle_can_be_asked() {
    let peer = Peer::start().await;
    let lifecycle = Lifecycle::new(&peer.gateway().network("health"));
    assert!(lifecycle.committed("cc").await.expect("answered").is_none());
    let readiness = lifecycle
        .readiness(&ChaincodeDefinition::new("cc", "1"))
        .await
        .expect("answered");
    assert_eq!(readiness.approvals.get("Org2MSP"), Some(&true));
    assert_eq!(peer.evaluated()[0].chaincode, "_lifecycle");
}

#[tokio::test]
async fn blocks_are_read_from_the_own_organisation() {
    let peer = Peer::start().await;
    let block = peer.gateway().network("health").block(5).await.expect("a block");
    assert_eq!(block.header.map(|header| header.number), Some(5));
    let call = &peer.evaluated()[0];
    assert_eq!(call.args, ["GetBlockByNumber", "health", "5"]);
    assert_eq!(
        (call.chaincode.as_str(), call.organizations.as_slice()),
        ("qscc", &["Org1MSP".to_owned()][..])
    );
}

#[test]
fn identities_and_peers_are_found_where_cryptogen_puts_them() {
    use fabric_msp::cryptogen::{OrgSpec, Organization};
    let dir = tempfile::tempdir().expect("a directory");
    let spec = OrgSpec::peers("org1.example.com", "Org1MSP");
    let generated = Organization::generate(dir.path(), &spec, None).expect("generated");
    let organization = CryptogenOrganization::new(dir.path(), "org1.example.com", "Org1MSP");
    let admin = organization.user("Admin").expect("an identity");
    assert_eq!(
        admin.serialized(),
        generated
            .user_identity("Admin")
            .expect("an identity")
            .serialized()
    );
    assert!(organization.peer("peer0", "localhost:7051").is_ok());
    let error = organization.user("Nobody").expect_err("missing");
    assert!(error.to_string().contains("Nobody@org1.example.com"), "{error}");
    assert!(organization.peer("peer9", "localhost:7051").is_err());
}
