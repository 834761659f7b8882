//! The host: finds, connects and calls chaincode.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fabric_protos::peer;
use fabric_protos::peer::ChaincodeMessage;
use fabric_protos::peer::chaincode_message::Type;
use prost::Message;
use tokio::sync::watch;

use crate::error::{HostError, InvokeError, LaunchError};
use crate::execution::{Executed, Execution};
use crate::handler::{Handler, LinkError};
use crate::launch::Launch;
use crate::registry::{Find, Registry};
use crate::resolver::{ChaincodeDefinition, SystemCall};
use crate::service::RegisterService;
use crate::store::{PackageStore, StoreError};
use crate::stream::InProcess;
use crate::transaction::Transaction;

/// Key in a chaincode's namespace that holds the version that was initialised: `\0`, the last character of
/// Unicode, `initialized`.
const INITIALIZED_KEY: &str = "\u{0}\u{10FFFF}initialized";

/// Settings of a host; [`HostOptions::new`] has Fabric's defaults (`core.yaml`, section `chaincode`).
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// Directory of installed packages.
    pub packages: PathBuf,
    /// Longest run time of a transaction: 30 s.
    pub execute_timeout: Duration,
    /// Longest time to connect and register: 300 s.
    pub startup_timeout: Duration,
    /// Interval of KEEPALIVE messages; `None` sends none. HTTP/2 keeps socket connections alive by itself.
    pub keepalive: Option<Duration>,
    /// Rows that one query may read: 100 000.
    pub total_query_limit: usize,
    /// Development mode: chaincode may register with this peer without having been started by it.
    pub dev_mode: bool,
    /// Values for `{{.name}}` in `connection.json`.
    pub connection_variables: BTreeMap<String, String>,
}

impl HostOptions {
    /// Defaults, with packages in `packages`.
    pub fn new(packages: impl Into<PathBuf>) -> Self {
        Self {
            packages: packages.into(),
            execute_timeout: Duration::from_secs(30),
            startup_timeout: Duration::from_secs(300),
            keepalive: None,
            total_query_limit: 100_000,
            dev_mode: false,
            connection_variables: BTreeMap::new(),
        }
    }
}

/// Runs a peer's chaincode. Cheap to clone; when the last clone is gone, all streams end.
#[derive(Clone)]
pub struct ChaincodeHost {
    inner: Arc<HostInner>,
    /// Shared by the clones and by nothing that runs on its own.
    _alive: Arc<Alive>,
}

/// What launches and streams use of the host. It keeps no chaincode alive.
pub(crate) struct HostInner {
    pub(crate) options: HostOptions,
    pub(crate) packages: Arc<PackageStore>,
    pub(crate) registry: Arc<Registry>,
    /// True when the host is gone.
    pub(crate) shutdown: watch::Sender<bool>,
    in_process: Mutex<BTreeMap<String, InProcess>>,
}

struct Alive(Arc<HostInner>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.shutdown.send_replace(true);
    }
}

impl ChaincodeHost {
    /// Opens the package store. Chaincode is connected when it is first called, or by [`launch`](Self::launch).
    pub fn new(options: HostOptions) -> Result<Self, StoreError> {
        let inner = Arc::new(HostInner {
            packages: Arc::new(PackageStore::open(&options.packages)?),
            registry: Arc::new(Registry::new(options.dev_mode)),
            shutdown: watch::Sender::new(false),
            in_process: Mutex::default(),
            options,
        });
        Ok(Self {
            _alive: Arc::new(Alive(inner.clone())),
            inner,
        })
    }

    /// Installed packages.
    pub fn packages(&self) -> &Arc<PackageStore> {
        &self.inner.packages
    }

    /// Makes a chaincode of this program available to packages of type `in-process` with this name. A chaincode
    /// registered before under the name keeps running until [`disconnect`](Self::disconnect).
    pub fn register_in_process(&self, name: impl Into<String>, chaincode: InProcess) {
        let mut chaincodes = self
            .inner
            .in_process
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        chaincodes.insert(name.into(), chaincode);
    }

    /// The gRPC service for chaincode that connects to the peer.
    pub fn register_service(&self) -> RegisterService {
        RegisterService::new(self.inner.clone())
    }

    /// Connects to a package's chaincode unless it is connected, and waits until it is ready.
    pub async fn launch(&self, package_id: &str) -> Result<(), LaunchError> {
        self.ready_handler(package_id).await.map(drop)
    }

    /// True when the chaincode of a package is connected and ready.
    pub fn is_connected(&self, package_id: &str) -> bool {
        self.inner
            .registry
            .handler(package_id)
            .is_some_and(|handler| handler.is_ready())
    }

    /// Ends the stream of a package's chaincode and waits for the end. Its next transaction connects again.
    pub async fn disconnect(&self, package_id: &str) {
        if let Some(handler) = self.inner.registry.handler(package_id) {
            handler.close();
            handler.ended().await;
        }
    }

    /// Executes a transaction: checks definition and initialisation, connects if need be, serves the chaincode
    /// until it answers.
    ///
    /// Fails when the chaincode cannot be called, does not answer in time, breaks off, or answers with ERROR. A
    /// response with an error status is no failure here. Dropping the future abandons the transaction.
    pub async fn execute(&self, execution: Execution) -> Result<Executed, HostError> {
        let answer = self.invoke(&execution).await;
        let Execution {
            tx_id,
            chaincode_name,
            ..
        } = execution;
        let message = match answer {
            Ok(message) => message,
            Err(source) => return Err(HostError::Invoke { tx_id, source }),
        };
        if message.r#type() == Type::Error {
            return Err(HostError::Returned(
                String::from_utf8_lossy(&message.payload).into_owned(),
            ));
        }
        let response = match peer::Response::decode(message.payload.as_slice()) {
            Ok(response) => response,
            Err(source) => return Err(HostError::Response { tx_id, source }),
        };
        let event = message.chaincode_event.map(|event| peer::ChaincodeEvent {
            chaincode_id: chaincode_name,
            tx_id,
            ..event
        });
        Ok(Executed { response, event })
    }

    /// Calls a chaincode and returns its COMPLETED or ERROR.
    pub(crate) async fn invoke(&self, execution: &Execution) -> Result<ChaincodeMessage, InvokeError> {
        if execution.resolver.is_system(&execution.chaincode_name) {
            return invoke_system(execution).await;
        }
        let definition = definition(execution)?;
        let kind = check_initialization(execution, &definition)?;
        let package_id = definition.package_id;
        let handler = self
            .ready_handler(&package_id)
            .await
            .map_err(|source| InvokeError::Launch { package_id, source })?;
        self.call(execution, kind, &handler).await
    }

    /// Rows that one query may read.
    pub(crate) fn total_query_limit(&self) -> usize {
        self.inner.options.total_query_limit
    }

    async fn call(
        &self,
        execution: &Execution,
        kind: Type,
        handler: &Arc<Handler>,
    ) -> Result<ChaincodeMessage, InvokeError> {
        let link = handler
            .begin(&execution.channel_id, &execution.tx_id)
            .map_err(|error| match error {
                LinkError::Running => InvokeError::Running {
                    tx_id: execution.tx_id.clone(),
                    channel: execution.channel_id.clone(),
                },
                LinkError::Terminated => InvokeError::StreamTerminated,
            })?;
        // Decorations are the peer's to set: what a client put there must not look as if the peer had.
        let input = peer::ChaincodeInput {
            decorations: BTreeMap::new(),
            ..execution.input.clone()
        };
        let call = ChaincodeMessage {
            r#type: kind as i32,
            payload: input.encode_to_vec(),
            txid: execution.tx_id.clone(),
            channel_id: execution.channel_id.clone(),
            proposal: execution.proposal.clone(),
            ..Default::default()
        };
        let timeout = execution.timeout.unwrap_or(self.inner.options.execute_timeout);
        let transaction = Transaction::new(self, execution, kind == Type::Init, link);
        tokio::select! {
            biased; // An answer that came just before the end of the stream counts.
            answer = transaction.run(call) => answer,
            () = handler.ended() => Err(InvokeError::StreamTerminated),
            () = tokio::time::sleep(timeout) => Err(InvokeError::Timeout),
        }
    }

    async fn ready_handler(&self, package_id: &str) -> Result<Arc<Handler>, LaunchError> {
        let mut launch = match self.inner.registry.find(package_id) {
            Find::Ready(handler) => return Ok(handler),
            Find::Wait(launch) => launch,
            Find::Start(done, launch) => {
                let host = self.inner.clone();
                tokio::spawn(
                    Launch {
                        host,
                        package_id: package_id.to_owned(),
                        done,
                    }
                    .run(),
                );
                launch
            }
        };
        let result = launch
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|result| result.clone());
        result.unwrap_or_else(|| Err(LaunchError::Registration("the launch was given up".into())))
    }
}

impl fmt::Debug for ChaincodeHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChaincodeHost")
            .field("options", &self.inner.options)
            .finish_non_exhaustive()
    }
}

impl HostInner {
    pub(crate) fn in_process(&self, name: &str) -> Option<InProcess> {
        self.in_process
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }
}

fn definition(execution: &Execution) -> Result<ChaincodeDefinition, InvokeError> {
    let Execution {
        channel_id,
        chaincode_name,
        ledger,
        resolver,
        ..
    } = execution;
    resolver
        .definition(channel_id, chaincode_name, ledger.as_deref())
        .map_err(|source| InvokeError::Definition {
            channel: channel_id.clone(),
            chaincode: chaincode_name.clone(),
            source,
        })
}

/// Init exactly once for each version, when the definition asks for it. Returns how to call.
fn check_initialization(
    execution: &Execution,
    definition: &ChaincodeDefinition,
) -> Result<Type, InvokeError> {
    let name = &execution.chaincode_name;
    let no_ledger = || "no ledger context".into();
    let needed = if definition.init_required {
        let ledger = execution
            .ledger
            .as_ref()
            .ok_or_else(no_ledger)
            .map_err(InvokeError::ReadInitialized)?;
        let initialized = ledger
            .state(name, INITIALIZED_KEY)
            .map_err(InvokeError::ReadInitialized)?;
        initialized.unwrap_or_default() != definition.version.as_bytes()
    } else {
        false
    };
    if !execution.input.is_init {
        return if needed {
            Err(InvokeError::NotInitialized(name.clone()))
        } else {
            Ok(Type::Transaction)
        };
    }
    if !definition.init_required {
        return Err(InvokeError::InitNotRequired(name.clone()));
    }
    if !needed {
        return Err(InvokeError::AlreadyInitialized(name.clone()));
    }
    let ledger = execution
        .ledger
        .as_ref()
        .ok_or_else(no_ledger)
        .map_err(InvokeError::WriteInitialized)?;
    ledger
        .put_state(name, INITIALIZED_KEY, definition.version.as_bytes().to_vec())
        .map_err(InvokeError::WriteInitialized)?;
    Ok(Type::Init)
}

async fn invoke_system(execution: &Execution) -> Result<ChaincodeMessage, InvokeError> {
    let call = SystemCall {
        channel_id: execution.channel_id.clone(),
        tx_id: execution.tx_id.clone(),
        chaincode: execution.chaincode_name.clone(),
        args: execution.input.args.clone(),
        proposal: execution.proposal.clone(),
        ledger: execution.ledger.clone(),
    };
    let reply = execution
        .resolver
        .invoke_system(call)
        .await
        .map_err(InvokeError::System)?;
    Ok(ChaincodeMessage {
        r#type: Type::Completed as i32,
        payload: reply.response.encode_to_vec(),
        txid: execution.tx_id.clone(),
        channel_id: execution.channel_id.clone(),
        chaincode_event: reply.event,
        ..Default::default()
    })
}
