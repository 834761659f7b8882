//! `careledger network render`: what real Fabric's containers need, from the consortium's file.

use careledger_api::consortium::OrganisationRole;
use fabric_node::NetworkConfig;
use fabric_render::kubernetes::manifests;
use fabric_render::{FINGERPRINTS, Services, VaultNode, render};
use serde_json::json;

use crate::Result;
use crate::args::RenderArgs;
use crate::health;
use crate::output::Output;

/// Renders into `--out` and says what was made.
pub fn run(args: &RenderArgs, output: &Output) -> Result<()> {
    let preset = Services::health();
    let (mut config, mut vaults) = match args.consortium.as_str() {
        "health" => (health::network_config(), preset.vaults.clone()),
        file => (NetworkConfig::from_consortium(file)?, Vec::new()),
    };
    config.seed = args.seed.as_ref().map(|seed| seed.clone().into_bytes());
    let same =
        |one: &VaultNode, other: &VaultNode| one.msp_id == other.msp_id && one.custodian == other.custodian;
    vaults.retain(|preset| args.vaults.iter().all(|given| !same(given, preset)));
    vaults.extend(args.vaults.iter().cloned());
    vaults.iter().try_for_each(evaluates_at_a_regulator)?;
    let services = Services {
        orderers: args.orderers,
        vaults,
        cas: args.ca,
        replace_settings: args.replace_settings,
        ..preset
    };
    output.doing("rendering");
    let rendered = render(&args.out, &config, &services)?;
    let manifests = match args.kubernetes {
        true => Some(manifests(&args.out, &config, &services)?),
        false => None,
    };
    output.done();
    let (user, group) = rendered.owner;
    let dir = &rendered.network.dir;
    output.line(format!(
        "{} files and identities made, {} kept; the containers run as {user}:{group}",
        rendered.made, rendered.kept
    ));
    for path in &rendered.replaced {
        output.line(format!("replaced {}", path.display()));
    }
    if let Some(manifests) = &manifests {
        output.line(format!(
            "manifests in {}, for the namespaces {}",
            dir.join("kubernetes").display(),
            manifests.namespaces.join(", ")
        ));
        if manifests.rewrites {
            output.line("the cluster's name service needs coredns.rewrite: the nodes' names are not the cluster's own");
        }
    }
    let nodes = if manifests.is_some() {
        " --no-containers"
    } else {
        ""
    };
    output.line(format!(
        "next: careledger network up --engine fabric --dir {}{nodes}",
        dir.display()
    ));
    output.document(&json!({
        "dir": dir,
        "made": rendered.made,
        "kept": rendered.kept,
        "replaced": rendered.replaced,
        "user": user,
        "group": group,
        "network": rendered.network,
        "fabric": rendered.layout,
        "kubernetes": manifests.map(|manifests| manifests.files),
    }));
    Ok(())
}

/// Fails for a vault for fingerprints at a member of the preset that is no regulator: nobody there could open a quarter.
fn evaluates_at_a_regulator(node: &VaultNode) -> Result<()> {
    let preset = health::consortium();
    let evaluates = node.custodian == FINGERPRINTS && preset.contains(&node.msp_id);
    if evaluates && !preset.has_role(&node.msp_id, OrganisationRole::Regulator) {
        let regulators = preset.with_role(OrganisationRole::Regulator).join(", ");
        return Err(format!(
            "{} is no regulator, and fingerprints are evaluated at one: {regulators}",
            node.msp_id
        )
        .into());
    }
    Ok(())
}

/// Reads `MSP=PORT`, or `MSP:CUSTODIAN=PORT` for a vault that holds another custodian's copies, or `MSP:fingerprints=PORT` for one that evaluates
/// fingerprints.
pub(crate) fn vault(text: &str) -> std::result::Result<VaultNode, String> {
    let (member, port) = text
        .split_once('=')
        .ok_or("it must be MSP=PORT, like HospitalMSP=8443, or MSP:CUSTODIAN=PORT, like RegulatorMSP:HospitalMSP=8445")?;
    let (msp_id, custodian) = member.split_once(':').unwrap_or((member, member));
    if msp_id.is_empty() || custodian.is_empty() {
        return Err(format!("{member:?} names no member"));
    }
    let port = port.parse().map_err(|_| format!("{port:?} is no port"))?;
    Ok(VaultNode {
        msp_id: msp_id.to_owned(),
        custodian: custodian.to_owned(),
        user: "vault".to_owned(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_evaluated_at_a_regulator() {
        for (text, fits) in [
            ("RegulatorMSP:fingerprints=8447", true),
            ("OtherMSP:fingerprints=8447", true),
            ("HospitalMSP=8443", true),
            ("HospitalMSP:fingerprints=8447", false),
        ] {
            let checked = evaluates_at_a_regulator(&vault(text).expect(text));
            assert_eq!(checked.is_ok(), fits, "{text}");
        }
    }

    #[test]
    fn a_vault_is_a_member_and_a_port() {
        let read = vault("HospitalMSP=8443").expect("reads");
        assert_eq!(
            (read.msp_id.as_str(), read.user.as_str(), read.port),
            ("HospitalMSP", "vault", 8443)
        );
        assert_eq!(read.custodian, "HospitalMSP");
        let read = vault("RegulatorMSP:HospitalMSP=8445").expect("reads");
        assert_eq!(
            (read.msp_id.as_str(), read.custodian.as_str(), read.port),
            ("RegulatorMSP", "HospitalMSP", 8445)
        );
        for wrong in [
            "HospitalMSP",
            "HospitalMSP=",
            "HospitalMSP=70000",
            "=8443",
            "RegulatorMSP:=8443",
            ":HospitalMSP=8443",
        ] {
            vault(wrong).expect_err(wrong);
        }
    }
}
