//! Which chaincode is connected, and which is being started.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::error::LaunchError;
use crate::handler::Handler;

/// Progress of a start that several transactions may wait for.
pub(crate) type LaunchResult = Option<Result<Arc<Handler>, LaunchError>>;

/// Handlers and launches by package id.
#[derive(Default)]
pub(crate) struct Registry {
    inner: Mutex<Inner>,
    /// Whether chaincode that nobody started may register (Fabric's development mode).
    unsolicited: bool,
}

#[derive(Default)]
struct Inner {
    handlers: BTreeMap<String, Arc<Handler>>,
    launching: BTreeMap<String, watch::Receiver<LaunchResult>>,
}

/// What a transaction that needs a chaincode should do.
pub(crate) enum Find {
    /// Use it.
    Ready(Arc<Handler>),
    /// Wait for the start that is under way.
    Wait(watch::Receiver<LaunchResult>),
    /// Start it, and tell the sender.
    Start(watch::Sender<LaunchResult>, watch::Receiver<LaunchResult>),
}

impl Registry {
    pub(crate) fn new(unsolicited: bool) -> Self {
        Self {
            inner: Mutex::default(),
            unsolicited,
        }
    }

    /// Finds a ready handler, or a launch to wait for, or begins a launch.
    pub(crate) fn find(&self, package_id: &str) -> Find {
        let mut inner = self.lock();
        if let Some(handler) = inner
            .handlers
            .get(package_id)
            .filter(|handler| handler.is_ready())
        {
            return Find::Ready(handler.clone());
        }
        if let Some(launch) = inner.launching.get(package_id) {
            return Find::Wait(launch.clone());
        }
        let (sender, receiver) = watch::channel(None);
        inner.launching.insert(package_id.to_owned(), receiver.clone());
        Find::Start(sender, receiver)
    }

    /// Ends a launch; transactions that come later look at the handlers again.
    pub(crate) fn launched(&self, package_id: &str) {
        self.lock().launching.remove(package_id);
    }

    /// Adds a handler whose chaincode has sent REGISTER. Refused when the id is taken, and when nobody started
    /// the chaincode and this is no development network.
    pub(crate) fn register(&self, package_id: &str, handler: &Arc<Handler>) -> Result<(), String> {
        let mut inner = self.lock();
        if inner.handlers.contains_key(package_id) {
            return Err(format!("duplicate chaincodeID: {package_id}"));
        }
        if !handler.was_launched() && !self.unsolicited {
            return Err(format!(
                "peer will not accept external chaincode connection {package_id} (except in dev mode)"
            ));
        }
        inner.handlers.insert(package_id.to_owned(), handler.clone());
        Ok(())
    }

    /// Removes this handler, and no other that took its place.
    pub(crate) fn deregister(&self, package_id: &str, handler: &Arc<Handler>) {
        let mut inner = self.lock();
        if inner
            .handlers
            .get(package_id)
            .is_some_and(|registered| Arc::ptr_eq(registered, handler))
        {
            inner.handlers.remove(package_id);
        }
    }

    /// The handler of a package, ready or not.
    pub(crate) fn handler(&self, package_id: &str) -> Option<Arc<Handler>> {
        self.lock().handlers.get(package_id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change is one map operation, so a panic elsewhere leaves nothing half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
