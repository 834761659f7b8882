//! `careledger network render`: what real Fabric's containers need, from the consortium's file.

use fabric_node::NetworkConfig;
use fabric_render::{Services, VaultNode, render};
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
    vaults.retain(|preset| args.vaults.iter().all(|given| given.msp_id != preset.msp_id));
    vaults.extend(args.vaults.iter().cloned());
    let services = Services {
        orderers: args.orderers,
        vaults,
        cas: args.ca,
        replace_settings: args.replace_settings,
        ..preset
    };
    output.doing("rendering");
    let rendered = render(&args.out, &config, &services)?;
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
    output.line(format!(
        "next: careledger network up --engine fabric --dir {}",
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
    }));
    Ok(())
}

/// Reads `MSP=PORT`.
pub(crate) fn vault(text: &str) -> std::result::Result<VaultNode, String> {
    let (msp_id, port) = text
        .split_once('=')
        .ok_or("it must be MSP=PORT, like HospitalMSP=8443")?;
    let port = port.parse().map_err(|_| format!("{port:?} is no port"))?;
    Ok(VaultNode {
        msp_id: msp_id.to_owned(),
        user: "vault".to_owned(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vault_is_a_member_and_a_port() {
        let read = vault("HospitalMSP=8443").expect("reads");
        assert_eq!(
            (read.msp_id.as_str(), read.user.as_str(), read.port),
            ("HospitalMSP", "vault", 8443)
        );
        for wrong in ["HospitalMSP", "HospitalMSP=", "HospitalMSP=70000"] {
            vault(wrong).expect_err(wrong);
        }
    }
}
