//! What the tests render.

use fabric_node::{NetworkConfig, UserSpec};

/// The health preset, with a vault's user at every member.
pub fn config() -> NetworkConfig {
    let mut config = NetworkConfig::health();
    for organisation in &mut config.organisations {
        let vault = UserSpec::client(&format!("vault@{}", organisation.domain));
        organisation
            .users
            .push(vault.with_attribute("careledger.role", "vault"));
    }
    config
}
