//! A host with its package directory, a ledger and a resolver.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use fabric_protos::peer;
use tempfile::TempDir;

use super::chaincode::{Call, in_process};
use super::ledger::FakeLedger;
use super::package;
use super::resolver::FakeResolver;
use crate::error::HostError;
use crate::execution::{Executed, Execution};
use crate::host::{ChaincodeHost, HostOptions};
use crate::resolver::ChaincodeDefinition;

/// A peer in small. The transaction under test is `tx` on channel `ch`.
pub(crate) struct Bench {
    pub(crate) host: ChaincodeHost,
    pub(crate) ledger: Arc<FakeLedger>,
    pub(crate) resolver: Arc<FakeResolver>,
    _dir: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with_options(|_| {})
    }

    pub(crate) fn with_options(change: impl FnOnce(&mut HostOptions)) -> Self {
        let dir = tempfile::tempdir().expect("temp dir");
        let mut options = HostOptions::new(dir.path());
        options.startup_timeout = Duration::from_secs(10);
        options.execute_timeout = Duration::from_secs(10);
        change(&mut options);
        Self {
            host: ChaincodeHost::new(options).expect("a host"),
            ledger: Arc::default(),
            resolver: Arc::default(),
            _dir: dir,
        }
    }

    pub(crate) fn ledger(mut self, ledger: FakeLedger) -> Self {
        self.ledger = Arc::new(ledger);
        self
    }

    /// Installs and defines a scripted chaincode under this name.
    pub(crate) fn chaincode<F, Fut>(mut self, name: &str, script: F) -> Self
    where
        F: Fn(Call) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.host.register_in_process(name, in_process(script));
        self.install(name, &package::in_process(name, name));
        self
    }

    /// Installs a package and defines it; returns its id.
    pub(crate) fn install(&mut self, name: &str, bytes: &[u8]) -> String {
        let installed = self.host.packages().install(bytes).expect("installs");
        self.define(name, &installed.package_id);
        installed.package_id
    }

    /// Defines a chaincode without initialisation.
    pub(crate) fn define(&mut self, name: &str, package_id: &str) {
        let definition = ChaincodeDefinition {
            version: "1.0".into(),
            init_required: false,
            package_id: package_id.into(),
        };
        self.resolver().definitions.insert(name.into(), definition);
    }

    /// The resolver, to change before the first execution.
    pub(crate) fn resolver(&mut self) -> &mut FakeResolver {
        Arc::get_mut(&mut self.resolver).expect("no execution holds it")
    }

    /// The transaction `tx` on `ch`, calling `chaincode` with these arguments.
    pub(crate) fn execution(&self, chaincode: &str, args: &[&str]) -> Execution {
        Execution {
            channel_id: "ch".into(),
            tx_id: "tx".into(),
            chaincode_name: chaincode.into(),
            input: input(args),
            proposal: Some(peer::SignedProposal {
                proposal_bytes: b"proposal".to_vec(),
                signature: vec![1],
            }),
            ledger: Some(self.ledger.clone()),
            resolver: self.resolver.clone(),
            timeout: None,
        }
    }

    pub(crate) async fn execute(&self, chaincode: &str, args: &[&str]) -> Result<Executed, HostError> {
        self.host.execute(self.execution(chaincode, args)).await
    }

    /// Executes and expects success; the payload as text.
    pub(crate) async fn payload(&self, chaincode: &str, args: &[&str]) -> String {
        let executed = self.execute(chaincode, args).await.expect("executes");
        String::from_utf8(executed.response.payload).expect("text")
    }
}

pub(crate) fn input(args: &[&str]) -> peer::ChaincodeInput {
    peer::ChaincodeInput {
        args: args.iter().map(|arg| arg.as_bytes().to_vec()).collect(),
        ..Default::default()
    }
}
