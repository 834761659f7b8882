//! Chaincode definitions: how organisations agree on them, where they lie in the state, and what the other
//! parts of the peer need of them.
//!
//! ```text
//! _lifecycle (functions) ──▶ records in the state ──commit──▶ Definitions ──▶ endorser (package, version)
//!                                                                        ├──▶ validator (policies)
//!                                                                        └──▶ ledger (collections)
//! ```
//!
//! The state's layout, the functions and the error texts are Fabric's (`core/chaincode/lifecycle`), because
//! administrators' tools and auditors depend on them.

mod agree;
mod collections;
mod definition;
mod definitions;
mod functions;
mod indexes;
mod input;
mod references;
mod state;

pub use collections::{implicit_collection_name, implicit_collection_org, member_organisations};
pub(crate) use collections::{members_policy, wrap};
pub use definition::ChaincodeDefinition;
pub use definitions::Definitions;
pub(crate) use definitions::{Package, PolicySource};
pub(crate) use functions::{ChannelContext, Invocation};
pub(crate) use indexes::create_indexes;
pub(crate) use references::References;
pub(crate) use state::PublicState;

use fabric_chaincode_host::{AccessError, StoreError};

/// Name and namespace of the lifecycle's system chaincode.
pub const LIFECYCLE: &str = "_lifecycle";

/// Namespace of the lifecycle before Fabric 2. Fabric still looks there for what is not defined, and as that is part of the
/// read set, endorsers must agree on it.
pub(crate) const FORMER_LIFECYCLE: &str = "lscc";

/// Why a lifecycle function refused. The texts are Fabric's where Fabric has one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LifecycleError {
    /// No such function.
    #[error("unknown function: {0}")]
    UnknownFunction(String),
    /// The argument message does not decode.
    #[error("could not unmarshal the argument of {function}: {source}")]
    Arguments {
        /// The function.
        function: String,
        /// The decoder's answer.
        #[source]
        source: prost::DecodeError,
    },
    /// The function needs a channel.
    #[error("no application config for channel ''")]
    NoChannel,
    /// The package store refused.
    #[error(transparent)]
    Store(StoreError),
    /// The package is installed already.
    #[error("chaincode already successfully installed (package ID '{0}')")]
    AlreadyInstalled(String),
    /// No such package.
    #[error("chaincode install package '{0}' not found")]
    PackageNotFound(String),
    /// No such package to be described.
    #[error("could not find chaincode with package id '{0}'")]
    NotInstalled(String),
    /// Name, version or collections are not acceptable.
    #[error("error validating chaincode definition: {0}")]
    InvalidDefinition(String),
    /// Sequences start at 1.
    #[error("requested sequence is 0, but first definable sequence number is 1")]
    SequenceZero,
    /// A later definition is in force.
    #[error("currently defined sequence {current} is larger than requested sequence {requested}")]
    SequencePassed {
        /// The sequence in force.
        current: i64,
        /// The one asked for.
        requested: i64,
    },
    /// A sequence would be left out.
    #[error("requested sequence {requested} is larger than the next available sequence number {next}")]
    SequenceAhead {
        /// The next sequence.
        next: i64,
        /// The one asked for.
        requested: i64,
    },
    /// Only the next sequence can be committed.
    #[error("requested sequence is {requested}, but new definition must be sequence {next}")]
    NotNext {
        /// The one asked for.
        requested: i64,
        /// The next sequence.
        next: i64,
    },
    /// The channel has no default endorsement policy.
    #[error(
        "could not set defaults for chaincode definition in channel {0}: policy '/Channel/Application/Endorsement' must be defined for channel '{0}' before chaincode operations can be attempted"
    )]
    NoDefaultPolicy(String),
    /// The state lacks the record of a committed definition.
    #[error("missing metadata for currently committed sequence number ({0})")]
    NoMetadata(i64),
    /// An approval of the definition in force must be equal to it.
    #[error(
        "attempted to redefine the current committed sequence ({sequence}) for namespace {chaincode} with different parameters: {why}"
    )]
    Redefinition {
        /// The sequence in force.
        sequence: i64,
        /// The chaincode.
        chaincode: String,
        /// What differs.
        why: String,
    },
    /// The approval of the definition in force would change nothing.
    #[error("attempted to redefine the current committed sequence ({sequence}) for namespace {chaincode}")]
    UnchangedCommitted {
        /// The sequence in force.
        sequence: i64,
        /// The chaincode.
        chaincode: String,
    },
    /// The approval of the next definition would change nothing.
    #[error(
        "attempted to redefine uncommitted sequence ({sequence}) for namespace {chaincode} with unchanged content"
    )]
    UnchangedUncommitted {
        /// The next sequence.
        sequence: i64,
        /// The chaincode.
        chaincode: String,
    },
    /// This organisation approved nothing of the kind.
    #[error(
        "could not fetch approved chaincode definition (name: '{chaincode}', sequence: '{sequence}') on channel '{channel}'"
    )]
    NotApproved {
        /// The chaincode.
        chaincode: String,
        /// The sequence.
        sequence: i64,
        /// The channel.
        channel: String,
    },
    /// A peer endorses only what its own organisation approved.
    #[error("chaincode definition not agreed to by this org ({0})")]
    NotAgreed(String),
    /// The peer's organisation is not in the channel.
    #[error("this peer's organisation {0} is not a member of the channel")]
    NotAMember(String),
    /// No definition is committed for the chaincode.
    #[error("namespace {0} is not defined")]
    NotDefined(String),
    /// The state could not be read or written.
    #[error("{0}")]
    State(#[from] AccessError),
}

impl LifecycleError {
    /// Whether the thing asked for does not exist (status 404), rather than that the call failed (500).
    pub fn is_not_found(&self) -> bool {
        matches!(
            self,
            Self::NotDefined(_) | Self::PackageNotFound(_) | Self::Store(StoreError::NotFound(_))
        )
    }
}
