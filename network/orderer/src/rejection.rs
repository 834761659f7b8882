//! Why a broadcast message is not taken, with Fabric's status and words.

use fabric_protos::common::Status;

/// A message was not taken. Texts are those of Fabric's orderer, because client tools match them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The envelope has no readable channel header.
    #[error("could not determine channel ID: {0}")]
    NoChannelHeader(String),
    /// The channel is not one of this node's.
    #[error("channel does not exist")]
    UnknownChannel,
    /// A `CONFIG` message: clients send `CONFIG_UPDATE`, the orderer makes the configuration from it.
    #[error("message is of type that cannot be processed directly")]
    NotDirectly,
    /// A message type of Fabric's past.
    #[error("message is of type that is no longer supported")]
    Unsupported,
    /// The envelope has no payload.
    #[error("Message was empty")]
    Empty,
    /// The message is above the channel's `AbsoluteMaxBytes`.
    #[error("message payload is {size} bytes and exceeds maximum allowed {max} bytes")]
    TooLarge {
        /// Bytes of payload and signature.
        size: u64,
        /// The channel's limit.
        max: u64,
    },
    /// The envelope has no readable signature header.
    #[error("could not convert message to signedData: {0}")]
    NoSignature(String),
    /// The sender's certificate is past its end.
    #[error("broadcast client identity expired")]
    Expired,
    /// The sender does not satisfy the channel's policy.
    #[error("{0}: permission denied")]
    Denied(String),
    /// The channel is being reconfigured.
    #[error("normal transactions are rejected: maintenance mode")]
    Maintenance,
    /// A filter refused a configuration update, or the configuration that was made from it.
    #[error("config update for existing channel did not pass {stage} checks: {reason}")]
    UpdateFilter {
        /// `initial`, `final` or `maintenance`.
        stage: &'static str,
        /// The filter's answer.
        reason: Box<Self>,
    },
    /// A configuration breaks the rules of maintenance mode, or of this node's one kind of consensus.
    #[error("config transaction inspection failed: {0}")]
    Maintained(String),
    /// A configuration update cannot be applied.
    #[error("error applying config update to existing channel '{channel}': {reason}")]
    Update {
        /// The channel.
        channel: String,
        /// What is wrong with the update.
        reason: String,
    },
    /// The chain does not take messages any more.
    #[error("channel {0} is not taking messages: the orderer is stopping or could not write its last block")]
    Stopped(String),
}

impl Rejection {
    /// The same about a configuration update.
    pub(crate) fn of_update(self, stage: &'static str) -> Self {
        Self::UpdateFilter {
            stage,
            reason: Box::new(self),
        }
    }

    /// The status that a broadcast client gets (`ClassifyError` of Fabric's `orderer/common/broadcast`).
    pub fn status(&self) -> Status {
        match self {
            Self::Denied(_) => Status::Forbidden,
            Self::UpdateFilter { reason, .. } => reason.status(),
            Self::Maintenance | Self::Stopped(_) => Status::ServiceUnavailable,
            Self::NoChannelHeader(_)
            | Self::UnknownChannel
            | Self::NotDirectly
            | Self::Unsupported
            | Self::Empty
            | Self::TooLarge { .. }
            | Self::NoSignature(_)
            | Self::Expired
            | Self::Maintained(_)
            | Self::Update { .. } => Status::BadRequest,
        }
    }
}
