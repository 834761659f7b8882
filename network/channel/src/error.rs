//! The one error type of channel configuration.

use fabric_msp::MspError;
use fabric_msp::policy::PolicyError;

/// What can be wrong with a channel's configuration or with an update of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The channel's name breaks Fabric's rules.
    #[error(
        "channel name '{0}' is not allowed: a lower case letter, then lower case letters, digits, '.' and '-', at most 249"
    )]
    ChannelId(String),
    /// A protobuf message cannot be decoded.
    #[error("malformed {what}: {detail}")]
    Decode {
        /// The message that was expected.
        what: &'static str,
        /// The decoder's finding, or what is missing.
        detail: String,
    },
    /// The block or envelope does not carry a configuration.
    #[error("no configuration in it: {0}")]
    NotConfig(String),
    /// The configuration breaks a rule.
    #[error("initializing channelconfig failed: {}{reason}", sub_group(path))]
    Config {
        /// The element, `/Channel/…`.
        path: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// The configuration asks for a capability that this software does not have.
    #[error("{level} capability {name} is required but not supported")]
    Capability {
        /// Channel, Orderer or Application.
        level: &'static str,
        /// The capability's name.
        name: String,
    },
    /// An organisation's MSP cannot be set up.
    #[error(
        "initializing channelconfig failed: could not create channel {group} sub-group config: setting up the MSP manager failed: organisation {organization}: {source}"
    )]
    Msp {
        /// The group that the organisation is in: Application or Orderer.
        group: String,
        /// The organisation's name in the configuration.
        organization: String,
        /// Why.
        source: Box<MspError>,
    },
    /// A policy cannot be compiled.
    #[error("initializing policymanager failed: policy {path}: {source}")]
    Policy {
        /// The policy, `/Channel/…`.
        path: String,
        /// Why.
        source: PolicyError,
    },
    /// An update does not fit the current configuration.
    #[error("error authorizing update: {0}")]
    Update(String),
    /// An update is not signed by those who may change an element.
    #[error(
        "error authorizing update: error validating DeltaSet: policy for {element} not satisfied: {source}"
    )]
    Unauthorized {
        /// The element that would change.
        element: String,
        /// Why its modification policy does not hold.
        source: PolicyError,
    },
    /// The result of an update is a configuration that may not follow the current one.
    #[error("{0}")]
    Successor(String),
    /// There is nothing to update.
    #[error("no differences detected between original and updated config")]
    NoDifference,
    /// A configuration that was asked to be edited does not have the element.
    #[error("the configuration has no {0}")]
    NoElement(String),
    /// An update that nobody signs.
    #[error("an update needs at least one signer")]
    NoSigner,
    /// Signing failed.
    #[error("signing failed: {0}")]
    Signing(#[source] MspError),
}

impl ChannelError {
    pub(crate) fn decode(what: &'static str, error: &prost::DecodeError) -> Self {
        Self::Decode {
            what,
            detail: error.to_string(),
        }
    }

    pub(crate) fn config(path: &str, reason: impl Into<String>) -> Self {
        Self::Config {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}

/// Fabric's words for the part of the configuration that `path` is in.
fn sub_group(path: &str) -> String {
    match path
        .strip_prefix("/Channel/")
        .and_then(|rest| rest.split('/').next())
    {
        Some(group) => format!("could not create channel {group} sub-group config: "),
        None => String::new(),
    }
}
