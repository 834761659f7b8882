//! The network that is measured without a profile: a fresh one in this process, thrown away afterwards.

use std::sync::Arc;

use fabric_gateway_sdk::{
    ChaincodeDefinition, ChaincodePackage, CollectionConfig, Deployer, Endpoint, Gateway, SigningIdentity,
    deploy,
};
use fabric_node::{InProcess, Network, NetworkConfig, NetworkSummary, OrganisationConfig};

use super::target::{Member, Operation, Target};
use super::{claims, contract, hospital};
use crate::Result;
use crate::args::{BenchArgs, BenchMode};
use crate::health;
use crate::output::Output;

/// The key-value chaincode's name.
const CHAINCODE: &str = "keyvalue";
/// The collection for `--mode private`.
const COLLECTION: &str = "pair";

/// The network for a mode: organisations `Org1MSP` and so on; the health consortium for accesses.
pub fn network_config(mode: BenchMode, organisations: u32) -> NetworkConfig {
    if matches!(
        mode,
        BenchMode::Access | BenchMode::Fetch | BenchMode::Emergency | BenchMode::Claim
    ) {
        return health::network_config().with_free_ports();
    }
    let member = |n| OrganisationConfig::new(&format!("Org{n}MSP"), &format!("org{n}.example.com"));
    let chaincode = InProcess::new(fabric_contract_api::in_process(Arc::new(contract::chaincode())));
    NetworkConfig::new("bench", (1..=organisations).map(member).collect())
        .with_free_ports()
        .with_chaincode(CHAINCODE, chaincode)
}

/// Deploys what a mode needs on the running network.
pub async fn prepare(network: &Network, args: &BenchArgs, output: &Output) -> Result<Target> {
    output.doing("deploying the chaincode");
    let put = "put".to_owned();
    let operation = match args.mode {
        BenchMode::Access | BenchMode::Fetch | BenchMode::Emergency => {
            return hospital::prepare(network, args, output).await;
        }
        BenchMode::Claim => {
            let gateways = claims::established(network).await?;
            return claims::prepare(network.summary(), &gateways, args, output).await;
        }
        BenchMode::Adjudicate => return Err("--mode adjudicate needs no network".into()),
        BenchMode::Put => Operation::Put { put },
        BenchMode::Get => Operation::Get {
            put,
            get: "get".to_owned(),
        },
        BenchMode::Range => Operation::Range {
            put,
            range: "range".to_owned(),
        },
        BenchMode::Update => Operation::Update {
            update: "update".to_owned(),
            keys: args.keys,
        },
        BenchMode::Private => Operation::Private {
            function: "putPrivate".to_owned(),
            collection: COLLECTION.to_owned(),
            members: pair(network),
            transient: "value".to_owned(),
        },
    };
    keyvalue_target(network, operation).await
}

/// The first two organisations.
fn pair(network: &Network) -> Vec<String> {
    let members = network.summary().organisations.iter().take(2);
    members.map(|organisation| organisation.msp_id.clone()).collect()
}

async fn keyvalue_target(network: &Network, operation: Operation) -> Result<Target> {
    let mut definition = ChaincodeDefinition::new(CHAINCODE, env!("CARGO_PKG_VERSION"));
    let mut callers: Vec<String> = network
        .summary()
        .organisations
        .iter()
        .map(|organisation| organisation.msp_id.clone())
        .collect();
    if let Operation::Private {
        collection, members, ..
    } = &operation
    {
        // The members alone endorse: nobody else may see the value, however many make a majority.
        let peers: Vec<String> = members.iter().map(|member| format!("'{member}.peer'")).collect();
        let policy = format!("AND({})", peers.join(", "));
        let config =
            CollectionConfig::new(collection.as_str(), members.iter().cloned()).endorsement_policy(policy);
        definition = definition.collection(&config)?;
        callers.clone_from(members);
    }
    let package = ChaincodePackage::in_process(CHAINCODE, CHAINCODE)?;
    let mut deployers = Vec::new();
    for organisation in &network.summary().organisations {
        let admin = network.user(&organisation.msp_id, &format!("Admin@{}", organisation.domain))?;
        let channel = endpoint(network.summary(), &organisation.msp_id)?
            .connect()
            .await?;
        deployers.push(Deployer::new(
            Gateway::builder(channel).identity(admin).connect(),
            package.clone(),
        ));
    }
    deploy(network.channel(), &definition, &deployers).await?;

    let mut members = Vec::new();
    for msp_id in callers {
        let user = user(network.summary(), &msp_id, "User1")?;
        members.push(Member {
            endpoint: endpoint(network.summary(), &msp_id)?,
            identity: user,
            msp_id,
            background: false,
        });
    }
    Ok(Target {
        channel: network.channel().to_owned(),
        chaincode: CHAINCODE.to_owned(),
        members,
        operation,
        vault: None,
    })
}

pub(super) fn endpoint(network: &NetworkSummary, msp_id: &str) -> Result<Endpoint> {
    let organisation = network
        .organisation(msp_id)
        .ok_or_else(|| format!("{msp_id} is no member of this network"))?;
    Ok(
        Endpoint::tls_ca_file(organisation.endpoint.to_string(), &organisation.tls_ca)?
            .server_name(organisation.host.clone()),
    )
}

/// A member's user by the short name: `User1`, or a role's name.
pub(super) fn user(network: &NetworkSummary, msp_id: &str, name: &str) -> Result<SigningIdentity> {
    let tree = network
        .tree(msp_id)
        .ok_or_else(|| format!("{msp_id} is no member of this network"))?;
    Ok(tree.user_identity(&format!("{name}@{}", tree.domain()))?)
}
