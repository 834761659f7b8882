//! Connecting to a chaincode that is not connected.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::connection::ServiceConnection;
use crate::error::LaunchError;
use crate::handler::{Handler, Registration, State};
use crate::host::HostInner;
use crate::package::PackageKind;
use crate::registry::LaunchResult;
use crate::stream::ChaincodeStream;

/// A launch under way, in a task of its own: the transactions that wait for it may give up, it does not.
pub(crate) struct Launch {
    pub(crate) host: Arc<HostInner>,
    pub(crate) package_id: String,
    pub(crate) done: watch::Sender<LaunchResult>,
}

impl Launch {
    /// Connects, waits for the registration, and tells everybody who waits.
    pub(crate) async fn run(self) {
        let result = self.start().await;
        if let Err(error) = &result {
            tracing::warn!(package_id = self.package_id, %error, "chaincode could not be launched");
        }
        // First the registry: who asks after this finds the handler or launches again.
        self.host.registry.launched(&self.package_id);
        self.done.send_replace(Some(result));
    }

    async fn start(&self) -> Result<Arc<Handler>, LaunchError> {
        let deadline = Instant::now() + self.host.options.startup_timeout;
        let timeout = |_| LaunchError::Timeout(self.package_id.clone());
        let (stream, registration) = timeout_at(deadline, self.connect()).await.map_err(timeout)??;
        let handler = Handler::new(
            registration,
            self.host.registry.clone(),
            self.host.options.keepalive,
        );
        tokio::spawn(handler.clone().run(stream, self.host.shutdown.subscribe()));
        match timeout_at(deadline, handler.started()).await {
            Ok(State::Ended(reason)) => Err(LaunchError::Registration(reason)),
            Ok(_) => Ok(handler),
            Err(elapsed) => {
                handler.close();
                Err(timeout(elapsed))
            }
        }
    }

    async fn connect(&self) -> Result<(ChaincodeStream, Registration), LaunchError> {
        let build = |reason: String| LaunchError::Build(reason);
        let store = self.host.clone();
        let id = self.package_id.clone();
        let package = tokio::task::spawn_blocking(move || store.packages.package(&id))
            .await
            .map_err(|error| build(error.to_string()))?
            .map_err(|error| build(error.to_string()))?;
        match package.kind {
            PackageKind::InProcess(name) => {
                let chaincode = self.host.in_process(&name).ok_or_else(|| {
                    build(format!(
                        "this peer's program has no chaincode named '{name}' built in"
                    ))
                })?;
                Ok((
                    chaincode.start(),
                    Registration::InProcess(self.package_id.clone()),
                ))
            }
            PackageKind::Service(json) => {
                let connection = ServiceConnection::parse(&json, &self.host.options.connection_variables)
                    .map_err(|error| build(error.to_string()))?;
                tracing::info!(
                    package_id = self.package_id,
                    address = connection.address(),
                    "connecting to a chaincode service"
                );
                let stream = connection
                    .open()
                    .await
                    .map_err(|reason| LaunchError::Connection {
                        package_id: self.package_id.clone(),
                        reason,
                    })?;
                Ok((stream, Registration::Service(self.package_id.clone())))
            }
            PackageKind::Other(kind) => Err(build(format!(
                "this peer does not build chaincode of type '{kind}': run it as a service (package type ccaas)"
            ))),
        }
    }
}
