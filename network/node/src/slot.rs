//! A node's place in the network: the node may be stopped and started again on the same ports.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Mutex;

use crate::error::NetworkError;
use crate::listeners::{Held, Ports};

/// What runs in a slot.
pub(crate) trait Node: Sized {
    /// What others use of it.
    type Service;

    /// What others use of it, while it runs.
    fn service(&self) -> &Arc<Self::Service>;

    /// Stops it, and returns once its files are closed.
    fn stop(self) -> impl Future<Output = ()> + Send;
}

/// What a slot holds.
#[derive(Debug)]
enum State<N> {
    Running(N),
    /// Others find the node's address in the channel's configuration, so nobody else may have its ports in the meantime.
    Stopped(Held),
}

/// A node, running or not, and its ports.
#[derive(Debug)]
pub(crate) struct Slot<N: Node> {
    ip: IpAddr,
    ports: Ports,
    /// Locked while the node is started or stopped.
    node: Mutex<State<N>>,
    running: RwLock<Option<Arc<N::Service>>>,
}

impl<N: Node> Slot<N> {
    /// The slot of a node that runs and listens on these ports of `ip`.
    pub(crate) fn new(ip: IpAddr, ports: Ports, node: N) -> Self {
        let running = Arc::clone(node.service());
        Self {
            ip,
            ports,
            node: Mutex::new(State::Running(node)),
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

    /// Stops the node, if it runs. Its ports stay its own.
    pub(crate) async fn stop(&self) {
        let mut state = self.node.lock().await;
        self.show(None);
        // A stop that is broken off here leaves the slot without a node, as one that came to its end does.
        if let State::Running(node) = std::mem::replace(&mut *state, State::Stopped(Held::default())) {
            node.stop().await;
            *state = State::Stopped(self.ports.hold(self.ip));
        }
    }

    /// Starts the node with `start`, unless it runs.
    pub(crate) async fn start<F>(&self, start: impl FnOnce(Ports) -> F) -> Result<(), NetworkError>
    where
        F: Future<Output = Result<N, NetworkError>>,
    {
        let mut state = self.node.lock().await;
        if let State::Stopped(held) = &mut *state {
            *held = Held::default();
            match start(self.ports).await {
                Ok(node) => {
                    self.show(Some(Arc::clone(node.service())));
                    *state = State::Running(node);
                }
                Err(error) => {
                    *held = self.ports.hold(self.ip);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn show(&self, service: Option<Arc<N::Service>>) {
        *self.running.write().unwrap_or_else(PoisonError::into_inner) = service;
    }
}
