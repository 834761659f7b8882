//! What an orderer is started with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fabric_ledger::files::{FileLayer, OsFiles};
use fabric_msp::SigningIdentity;

/// When a block that is not full is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cutting {
    /// As soon as no more messages wait: an idle chain makes a block of one transaction at once, a busy
    /// one collects messages while the block before is written.
    #[default]
    Immediate,
    /// When the channel's `BatchTimeout` is over since the first message, as Fabric does.
    Timer,
}

/// What an [`Orderer`](crate::Orderer) is started with.
#[derive(Debug, Clone)]
pub struct OrdererConfig {
    /// Directory of the chains; it is created when missing. One running orderer may use it at a time.
    pub dir: PathBuf,
    /// Signs blocks and configurations.
    pub signer: SigningIdentity,
    /// When blocks are cut.
    pub cutting: Cutting,
    /// How far a deliver request's timestamp may be from this node's clock. Fabric's default is 15 minutes.
    pub deliver_window: Duration,
    /// The file system below the chains.
    pub files: Arc<dyn FileLayer>,
}

impl OrdererConfig {
    /// A configuration with Fabric's deliver window and immediate cutting.
    pub fn new(dir: impl Into<PathBuf>, signer: SigningIdentity) -> Self {
        Self {
            dir: dir.into(),
            signer,
            cutting: Cutting::Immediate,
            deliver_window: Duration::from_secs(15 * 60),
            files: Arc::new(OsFiles),
        }
    }
}
