//! Which engine the end-to-end tests run on: the embedded one, or a network of real Fabric nodes that runs already.
//!
//! ```console
//! $ careledger network up --engine fabric --dir my-fabric
//! $ CARELEDGER_ENGINE=fabric CARELEDGER_NETWORK_DIR=my-fabric cargo nextest run -p careledger-tests --profile fabric
//! ```
//!
//! A test that the embedded engine alone can serve says so there, by its name and with the reason, and ends.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;

use fabric_node::Network;

/// What stands behind the tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    /// A new embedded network for each test.
    Embedded,
    /// The running network of this directory, one for all tests: what they find on it beside their own is others'.
    Fabric(PathBuf),
}

impl Engine {
    /// As the environment says: `CARELEDGER_ENGINE` (`embedded`, also without it, or `fabric`) and `CARELEDGER_NETWORK_DIR`.
    ///
    /// # Panics
    /// For another engine, and without a directory for `fabric`: the tests would say nothing of what was wanted.
    pub fn of_environment() -> Self {
        let engine = std::env::var("CARELEDGER_ENGINE").unwrap_or_default();
        let dir = std::env::var_os("CARELEDGER_NETWORK_DIR");
        match (engine.as_str(), dir) {
            ("" | "embedded", _) => Self::Embedded,
            ("fabric", Some(dir)) => Self::Fabric(dir.into()),
            ("fabric", None) => panic!("CARELEDGER_ENGINE=fabric needs CARELEDGER_NETWORK_DIR"),
            (other, _) => panic!("CARELEDGER_ENGINE={other:?}: choose embedded or fabric"),
        }
    }
}

/// Whether the calling test ends here, because `reason` keeps it to the embedded engine and another one was chosen: it is told on stderr then, by name.
#[must_use]
pub fn embedded_only(reason: &str) -> bool {
    if Engine::of_environment() == Engine::Embedded {
        return false;
    }
    let thread = std::thread::current();
    eprintln!(
        "skipped on fabric: {}: {reason}",
        thread.name().unwrap_or("a test")
    );
    true
}

/// A test's own embedded network, where it has one.
#[derive(Debug)]
pub struct Embedded(Option<Network>);

impl Embedded {
    /// None: the test runs on a network that is not its own.
    pub const fn none() -> Self {
        Self(None)
    }

    /// Stops it. One that is not the test's goes on.
    pub async fn stop(self) {
        if let Some(network) = self.0 {
            network.stop().await;
        }
    }
}

impl From<Network> for Embedded {
    fn from(network: Network) -> Self {
        Self(Some(network))
    }
}

impl Deref for Embedded {
    type Target = Network;

    fn deref(&self) -> &Network {
        self.0
            .as_ref()
            .expect("a test that stops nodes or reads their files runs on the embedded engine alone")
    }
}

impl DerefMut for Embedded {
    fn deref_mut(&mut self) -> &mut Network {
        self.0
            .as_mut()
            .expect("a test that adds organisations itself runs on the embedded engine alone")
    }
}
