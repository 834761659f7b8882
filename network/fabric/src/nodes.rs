//! The settings of peers and ordering nodes: `core.yaml` and `orderer.yaml`, one for each node.

use fabric_node::NetworkConfig;

use crate::error::RenderError;
use crate::files::Files;
use crate::plan::{MemberPlan, PeerPlan, Plan};
use crate::services::couchdb_password;

const CORE: &str = include_str!("../templates/core.yaml");
const ORDERER: &str = include_str!("../templates/orderer.yaml");

/// Writes each node's settings.
pub(crate) fn prepare(files: &mut Files, config: &NetworkConfig, plan: &Plan) -> Result<(), RenderError> {
    let time_window = format!("{}s", config.time_window.as_secs());
    for node in &plan.orderers {
        let text = filled(
            ORDERER,
            &[
                ("port", &node.port.to_string()),
                ("admin_port", &node.admin_port.to_string()),
                ("msp_id", &plan.orderer_msp_id),
                ("time_window", &time_window),
            ],
        );
        files.setting(format!("nodes/{}/orderer.yaml", node.host), text.as_bytes())?;
    }
    for (member, peer) in plan.peers() {
        let password = couchdb_password(files, peer)?;
        let text = filled(
            CORE,
            &[
                ("host", &peer.host),
                ("port", &peer.port.to_string()),
                ("chaincode_port", &peer.chaincode_port.to_string()),
                ("channel", &plan.channel),
                ("msp_id", &member.msp_id),
                ("bootstrap", &bootstrap(member, peer)),
                ("time_window", &time_window),
                ("purge_interval", &config.purge_interval.to_string()),
                ("state_database", config.state_database.name()),
                ("couchdb_password", &String::from_utf8_lossy(&password)),
            ],
        );
        files.setting(format!("nodes/{}/core.yaml", peer.host), text.as_bytes())?;
    }
    Ok(())
}

/// Another peer of the organisation, where it has one.
fn bootstrap(member: &MemberPlan, peer: &PeerPlan) -> String {
    let other = member.peers.iter().find(|other| other.host != peer.host);
    let first = other.unwrap_or(peer);
    format!("{}:{}", first.host, first.port)
}

/// Puts the values in the place of their names in double braces.
pub(crate) fn filled(template: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(template.to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{{{name}}}}}"), value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_the_place_of_their_names() {
        assert_eq!(
            filled("a: {{x}}, {{ y }}, {{x}}", &[("x", "1")]),
            "a: 1, {{ y }}, 1"
        );
    }
}
