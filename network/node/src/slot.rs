//! A node's place in the network: the node may be stopped and started again on the same ports.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Mutex;

use crate::error::NetworkError;
use crate::listeners::Ports;

/// What runs in a slot.
pub(crate) trait Node: Sized {
    /// What others use of it.
    type Service;

    /// What others use of it, while it runs.
    fn service(&self) -> &Arc<Self::Service>;

    /// Stops it, and returns once its files are closed.
    fn stop(self) -> impl Future<Output = ()> + Send;
}

/// A node, running or not, and its ports.
#[derive(Debug)]
pub(crate) struct Slot<N: Node> {
    ports: Ports,
    /// Locked while the node is started or stopped.
    node: Mutex<Option<N>>,
    running: RwLock<Option<Arc<N::Service>>>,
}

impl<N: Node> Slot<N> {
    /// The slot of a running node.
    pub(crate) fn new(ports: Ports, node: N) -> Self {
        let running = Arc::clone(node.service());
        Self {
            ports,
            node: Mutex::new(Some(node)),
            running: RwLock::new(Some(running)),
        }
    }

    /// The running node.
    pub(crate) fn service(&self) -> Option<Arc<N::Service>> {
        // Every change is one whole replacement, so a panic elsewhere leaves it usable.
        self.running
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Stops the node, if it runs.
    pub(crate) async fn stop(&self) {
        let mut node = self.node.lock().await;
        self.show(None);
        if let Some(node) = node.take() {
            node.stop().await;
        }
    }

    /// Starts the node with `start`, unless it runs.
    pub(crate) async fn start<F>(&self, start: impl FnOnce(Ports) -> F) -> Result<(), NetworkError>
    where
        F: Future<Output = Result<N, NetworkError>>,
    {
        let mut node = self.node.lock().await;
        if node.is_none() {
            let started = start(self.ports).await?;
            self.show(Some(Arc::clone(started.service())));
            *node = Some(started);
        }
        Ok(())
    }

    fn show(&self, service: Option<Arc<N::Service>>) {
        *self.running.write().unwrap_or_else(PoisonError::into_inner) = service;
    }
}
