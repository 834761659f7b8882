//! Calls from chaincode to chaincode.

use fabric_protos::peer;
use prost::Message;

use super::{Transaction, decode};
use crate::execution::Execution;
use crate::ledger::AccessError;

impl Transaction<'_> {
    /// On the same channel the callee shares the simulator, under its own name. On another channel it gets
    /// one of its own, whose writes are thrown away.
    pub(super) async fn invoke_chaincode(&mut self, payload: &[u8]) -> Result<Vec<u8>, AccessError> {
        let spec: peer::ChaincodeSpec = decode(payload)?;
        let caller = self.execution;
        let mut target = Target::parse(&spec.chaincode_id.unwrap_or_default().name);
        let is_system = caller.resolver.is_system(&target.chaincode);
        let channel_less_system = caller.channel_id.is_empty() && is_system;
        if caller.ledger.is_none() && !channel_less_system {
            return Err("could not get valid transaction".into());
        }
        if target.channel.is_empty() {
            target.channel.clone_from(&caller.channel_id);
        }
        if !is_system {
            let proposal = caller.proposal.as_ref().ok_or_else(|| {
                format!(
                    "signed proposal must not be nil from caller [{}]",
                    target.display()
                )
            })?;
            caller
                .resolver
                .check_chaincode_to_chaincode(&target.channel, proposal)?;
        }
        let ledger = if target.channel == caller.channel_id {
            caller.ledger.clone()
        } else {
            let other = caller.resolver.other_channel(&target.channel, &caller.tx_id)?;
            Some(other.ok_or_else(|| format!("failed to find ledger for channel: {}", target.channel))?)
        };
        let callee = Execution {
            channel_id: target.channel,
            tx_id: caller.tx_id.clone(),
            chaincode_name: target.chaincode,
            input: spec.input.unwrap_or_default(),
            proposal: caller.proposal.clone(),
            ledger,
            resolver: caller.resolver.clone(),
            timeout: caller.timeout,
        };
        // Boxed because the callee may call on in turn.
        let answer = Box::pin(self.host.invoke(&callee)).await;
        let message = answer.map_err(|error| format!("execute failed: {error}"))?;
        Ok(message.encode_to_vec())
    }
}

/// `name:version/channel`, where version and channel may be left out.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    chaincode: String,
    version: String,
    channel: String,
}

impl Target {
    fn parse(name: &str) -> Self {
        let (name, channel) = name.split_once('/').unwrap_or((name, ""));
        let (chaincode, version) = name.split_once(':').unwrap_or((name, ""));
        Self {
            chaincode: chaincode.into(),
            version: version.into(),
            channel: channel.into(),
        }
    }

    fn display(&self) -> String {
        format!("{}.{}#{}", self.channel, self.chaincode, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn targets_have_optional_version_and_channel() {
        let target = |chaincode: &str, version: &str, channel: &str| Target {
            chaincode: chaincode.into(),
            version: version.into(),
            channel: channel.into(),
        };
        assert_eq!(Target::parse("cc"), target("cc", "", ""));
        assert_eq!(Target::parse("cc:1.0"), target("cc", "1.0", ""));
        assert_eq!(Target::parse("cc/ch"), target("cc", "", "ch"));
        assert_eq!(Target::parse("cc:1.0/ch/x"), target("cc", "1.0", "ch/x"));
    }
}
