//! Chaincode on both networks: the same packages, approvals and definitions.

use std::net::SocketAddr;

use fabric_gateway_sdk::{ChaincodePackage, ChaincodeService, PeerAdmin};
use fabric_protos::lifecycle::{
    self, ApproveChaincodeDefinitionForMyOrgArgs, ChaincodeSource, CheckCommitReadinessArgs,
    CommitChaincodeDefinitionArgs, chaincode_source,
};
use fabric_protos::peer::{
    ApplicationPolicy, CollectionConfig, CollectionConfigPackage, CollectionPolicyConfig,
    StaticCollectionConfig, application_policy, collection_config, collection_policy_config,
};
use prost::Message;

use super::draft::Draft;
use super::{Beside, ORGS, SCRIPT, SECOND, THIRD};
use crate::script;

const LIFECYCLE: &str = "_lifecycle";

impl Beside {
    /// Installs, approves and commits all chaincode, every step compared.
    pub(super) async fn deploy(&mut self, chaincodes: [SocketAddr; 2]) {
        let mut ids = Vec::new();
        for (label, variable, address) in [
            ("script_1", "first", chaincodes[0]),
            ("second_1", "second", chaincodes[1]),
        ] {
            let service = ChaincodeService::plain(format!("127.0.0.1:{{{{.{variable}}}}}"));
            let package = ChaincodePackage::service(label, &service).expect("a package");
            self.install(&package).await;
            script::serve(address, &package.id()).await;
            self.recording.packages.push(package.bytes().to_vec());
            ids.push(package.id());
        }
        self.ask_installed(&ids).await;
        let either = "OR('Org1MSP.peer', 'Org2MSP.peer', 'Org3MSP.peer')";
        self.define((SCRIPT, "1.0", 1), &ids[0], collections(), None, false)
            .await;
        self.define((SECOND, "0.9", 1), &ids[1], None, None, false).await;
        self.define((SECOND, "1.0", 2), &ids[1], None, Some(either), false)
            .await;
        self.define((THIRD, "1.0", 1), &ids[1], None, Some(either), true)
            .await;
    }

    async fn install(&mut self, package: &ChaincodePackage) {
        for msp_id in ORGS {
            let mut results = Vec::new();
            for side in [&self.theirs, &self.ours] {
                let admin = PeerAdmin::new(side.members().gateway(msp_id, "Admin"));
                results.push(admin.install(package).await.map_err(|error| error.to_string()));
            }
            assert_eq!(results[0].as_deref(), Ok(package.id().as_str()), "{msp_id}");
            self.tally
                .compare("lifecycle", "install", &results[0], &results[1]);
        }
    }

    async fn ask_installed(&mut self, ids: &[String]) {
        let admin = self.admin(ORGS[0]);
        let args = lifecycle::GetInstalledChaincodePackageArgs {
            package_id: ids[0].clone(),
        };
        let package = Draft::system("", LIFECYCLE, "GetInstalledChaincodePackage", &args);
        self.simulate("an installed package", &package, &admin, &ORGS[..1])
            .await;
        let args = lifecycle::QueryInstalledChaincodeArgs {
            package_id: ids[0].clone(),
        };
        let one = Draft::system("", LIFECYCLE, "QueryInstalledChaincode", &args);
        self.simulate("one installed chaincode", &one, &admin, &ORGS[..1])
            .await;
        self.simulate("as another organisation", &one, &admin, &ORGS[1..2])
            .await;
        let user = self.user(ORGS[0]);
        self.simulate("as a user", &one, &user, &ORGS[..1]).await;
        let args = lifecycle::QueryInstalledChaincodeArgs {
            package_id: format!("no:{}", "0".repeat(64)),
        };
        let none = Draft::system("", LIFECYCLE, "QueryInstalledChaincode", &args);
        self.simulate("a chaincode that is not installed", &none, &admin, &ORGS[..1])
            .await;
        for (case, package) in [
            ("a package that is none", b"junk".to_vec()),
            ("an empty package", Vec::new()),
        ] {
            let args = lifecycle::InstallChaincodeArgs {
                chaincode_install_package: package,
            };
            let install = Draft::system("", LIFECYCLE, "InstallChaincode", &args);
            self.simulate(case, &install, &admin, &ORGS[..1]).await;
        }
        let all = Draft::system(
            "",
            LIFECYCLE,
            "QueryInstalledChaincodes",
            &lifecycle::QueryInstalledChaincodesArgs {},
        );
        self.simulate("installed chaincodes", &all, &admin, &ORGS[..1])
            .await;
    }

    async fn define(
        &mut self,
        (name, version, sequence): (&str, &str, i64),
        package_id: &str,
        collections: Option<CollectionConfigPackage>,
        policy: Option<&str>,
        init_required: bool,
    ) {
        let policy = policy.map_or_else(
            || {
                application_policy::Type::ChannelConfigPolicyReference(
                    "/Channel/Application/Endorsement".to_owned(),
                )
            },
            |text| {
                application_policy::Type::SignaturePolicy(fabric_msp::policy::parse(text).expect("a policy"))
            },
        );
        let definition = CommitChaincodeDefinitionArgs {
            sequence,
            name: name.to_owned(),
            version: version.to_owned(),
            endorsement_plugin: "escc".to_owned(),
            validation_plugin: "vscc".to_owned(),
            validation_parameter: ApplicationPolicy { r#type: Some(policy) }.encode_to_vec(),
            collections,
            init_required,
        };
        let channel = self.channel.clone();
        let on = |function: &str, args: Vec<u8>| Draft::new(&channel, LIFECYCLE, vec![function.into(), args]);
        let readiness = on("CheckCommitReadiness", readiness(&definition).encode_to_vec());
        let admin = self.admin(ORGS[0]);
        let case = |what: &str| format!("{name} {sequence}: {what}");
        self.simulate(&case("readiness before approvals"), &readiness, &admin, &ORGS)
            .await;
        let commit = on("CommitChaincodeDefinition", definition.encode_to_vec());
        self.simulate(&case("a commit before approvals"), &commit, &admin, &ORGS)
            .await;

        let mut approvals = Vec::new();
        for msp_id in ORGS {
            let args = approval(&definition, package_id);
            let draft = on("ApproveChaincodeDefinitionForMyOrg", args.encode_to_vec());
            let admin = self.admin(msp_id);
            approvals.push(self.endorsed(&case("approval"), &draft, &admin, &[msp_id]).await);
        }
        self.order(&case("approvals"), &approvals).await;

        let readiness = Draft {
            nonce: fresh(),
            ..readiness
        };
        self.simulate(&case("readiness"), &readiness, &admin, &ORGS).await;
        let other = CommitChaincodeDefinitionArgs {
            version: "2.0".to_owned(),
            init_required: !init_required,
            ..definition.clone()
        };
        let draft = on("CheckCommitReadiness", self::readiness(&other).encode_to_vec());
        self.simulate(&case("readiness of another definition"), &draft, &admin, &ORGS)
            .await;
        let again = approval(&definition, package_id);
        let draft = on("ApproveChaincodeDefinitionForMyOrg", again.encode_to_vec());
        self.simulate(&case("the same approval again"), &draft, &admin, &ORGS[..1])
            .await;
        let commit = on("CommitChaincodeDefinition", definition.encode_to_vec());
        let envelope = self.endorsed(&case("commit"), &commit, &admin, &ORGS).await;
        self.order(&case("commit"), &[envelope]).await;

        let again = on("CommitChaincodeDefinition", definition.encode_to_vec());
        self.simulate(&case("the same commit again"), &again, &admin, &ORGS)
            .await;
        let later = CommitChaincodeDefinitionArgs {
            sequence: sequence + 2,
            ..definition.clone()
        };
        let draft = on("CommitChaincodeDefinition", later.encode_to_vec());
        self.simulate(&case("a commit with a gap"), &draft, &admin, &ORGS[..1])
            .await;
        let draft = on(
            "ApproveChaincodeDefinitionForMyOrg",
            approval(&later, package_id).encode_to_vec(),
        );
        self.simulate(&case("an approval with a gap"), &draft, &admin, &ORGS[..1])
            .await;
    }
}

/// A nonce.
pub(super) fn fresh() -> Vec<u8> {
    rand::random::<[u8; 24]>().to_vec()
}

/// The collections of the script chaincode.
fn collections() -> Option<CollectionConfigPackage> {
    let pair = ["Org1MSP", "Org2MSP"];
    let config = vec![
        collection("pair", &pair, 0, false, None),
        collection("members", &pair, 0, true, None),
        collection("short", &ORGS, 2, false, None),
        collection(
            "strict",
            &ORGS,
            0,
            false,
            Some("AND('Org1MSP.peer', 'Org3MSP.peer')"),
        ),
        collection(
            "easy",
            &ORGS,
            0,
            false,
            Some("OR('Org1MSP.peer', 'Org3MSP.peer')"),
        ),
    ];
    Some(CollectionConfigPackage { config })
}

fn collection(
    name: &str,
    members: &[&str],
    block_to_live: u64,
    members_only: bool,
    policy: Option<&str>,
) -> CollectionConfig {
    let parse = |text: &str| fabric_msp::policy::parse(text).expect("a policy");
    let principals: Vec<String> = members
        .iter()
        .map(|member| format!("'{member}.member'"))
        .collect();
    let members = parse(&format!("OR({})", principals.join(", ")));
    let config = StaticCollectionConfig {
        name: name.to_owned(),
        member_orgs_policy: Some(CollectionPolicyConfig {
            payload: Some(collection_policy_config::Payload::SignaturePolicy(members)),
        }),
        required_peer_count: 0,
        maximum_peer_count: 2,
        block_to_live,
        member_only_read: members_only,
        member_only_write: members_only,
        endorsement_policy: policy.map(|text| ApplicationPolicy {
            r#type: Some(application_policy::Type::SignaturePolicy(parse(text))),
        }),
    };
    CollectionConfig {
        payload: Some(collection_config::Payload::StaticCollectionConfig(config)),
    }
}

fn approval(
    definition: &CommitChaincodeDefinitionArgs,
    package_id: &str,
) -> ApproveChaincodeDefinitionForMyOrgArgs {
    let package = chaincode_source::Local {
        package_id: package_id.to_owned(),
    };
    let definition = definition.clone();
    ApproveChaincodeDefinitionForMyOrgArgs {
        sequence: definition.sequence,
        name: definition.name,
        version: definition.version,
        endorsement_plugin: definition.endorsement_plugin,
        validation_plugin: definition.validation_plugin,
        validation_parameter: definition.validation_parameter,
        collections: definition.collections,
        init_required: definition.init_required,
        source: Some(ChaincodeSource {
            r#type: Some(chaincode_source::Type::LocalPackage(package)),
        }),
    }
}

fn readiness(definition: &CommitChaincodeDefinitionArgs) -> CheckCommitReadinessArgs {
    let definition = definition.clone();
    CheckCommitReadinessArgs {
        sequence: definition.sequence,
        name: definition.name,
        version: definition.version,
        endorsement_plugin: definition.endorsement_plugin,
        validation_plugin: definition.validation_plugin,
        validation_parameter: definition.validation_parameter,
        collections: definition.collections,
        init_required: definition.init_required,
    }
}
