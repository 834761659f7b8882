//! What may never change from one configuration to the next (common/channelconfig/bundle.go `ValidateNew`).

use crate::bundle::Bundle;
use crate::error::ChannelError;

/// Checks that `next` may follow `current`.
///
/// # Errors
/// [`ChannelError::Successor`], in Fabric's words.
pub(crate) fn check(current: &Bundle, next: &Bundle) -> Result<(), ChannelError> {
    let refused = |reason: String| Err(ChannelError::Successor(reason));
    for org in &current.orderer_config().organizations {
        let same = |new: &&crate::OrdererOrg| new.name == org.name;
        if let Some(new) = next.orderer_config().organizations.iter().find(same)
            && new.msp_id != org.msp_id
        {
            return refused(changed("orderer", &org.name, &org.msp_id, &new.msp_id));
        }
    }
    if current.has_application() && !next.has_application() {
        return refused("current config has application section, but new config does not".into());
    }
    for org in current.application_orgs() {
        let same = |new: &&crate::ApplicationOrg| new.name == org.name;
        if let Some(new) = next.application_orgs().iter().find(same)
            && new.msp_id != org.msp_id
        {
            return refused(changed("application", &org.name, &org.msp_id, &new.msp_id));
        }
    }
    Ok(())
}

fn changed(group: &str, name: &str, from: &str, to: &str) -> String {
    format!("{group} org {name} attempted to change MSP ID from {from} to {to}")
}
