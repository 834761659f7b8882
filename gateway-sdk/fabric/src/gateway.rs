//! The connection to one peer's Gateway service, and who calls it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fabric_msp::SigningIdentity;
use fabric_protos::MAX_MESSAGE_SIZE;
use fabric_protos::gateway::gateway_client::GatewayClient;
use fabric_protos::msp::SerializedIdentity;
use prost::Message;
use tonic::transport::Channel;

use crate::network::Network;
use crate::signer::{SignError, Signer};

/// A client of one peer's Gateway service with one identity. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    channel: Channel,
    msp_id: String,
    creator: Vec<u8>,
    signer: Option<Arc<dyn Signer>>,
    deadlines: Deadlines,
    tls_certificate_hash: Vec<u8>,
    clock: Clock,
}

/// Where the timestamp of a proposal comes from.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// How long each kind of call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// An evaluation; 5 seconds if not given.
    pub evaluate: Duration,
    /// Collecting the endorsements; 15 seconds if not given.
    pub endorse: Duration,
    /// Handing the transaction to the orderer; 5 seconds if not given.
    pub submit: Duration,
    /// Waiting for the commit; 60 seconds if not given.
    pub commit_status: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            evaluate: Duration::from_secs(5),
            endorse: Duration::from_secs(15),
            submit: Duration::from_secs(5),
            commit_status: Duration::from_secs(60),
        }
    }
}

impl Gateway {
    /// Starts a gateway client on a connection that the caller owns and may share
    /// (see [`Endpoint`](crate::Endpoint)).
    #[must_use]
    pub fn builder(channel: Channel) -> GatewayBuilder {
        GatewayBuilder {
            channel,
            msp_id: String::new(),
            creator: Vec::new(),
            signer: None,
            deadlines: Deadlines::default(),
            tls_certificate_hash: Vec::new(),
            clock: Arc::new(SystemTime::now),
        }
    }

    /// The channel (in Fabric's sense: one ledger) of this name.
    #[must_use]
    pub fn network(&self, name: impl Into<String>) -> Network {
        Network::new(self.clone(), name.into())
    }

    /// The caller's MSP id.
    #[must_use]
    pub fn msp_id(&self) -> &str {
        &self.inner.msp_id
    }

    /// The caller as a marshalled `SerializedIdentity`.
    #[must_use]
    pub fn creator(&self) -> &[u8] {
        &self.inner.creator
    }

    /// The connection, for other services of the same peer.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.inner.channel
    }

    pub(crate) fn client(&self) -> GatewayClient<Channel> {
        GatewayClient::new(self.inner.channel.clone())
            .max_decoding_message_size(MAX_MESSAGE_SIZE)
            .max_encoding_message_size(MAX_MESSAGE_SIZE)
    }

    pub(crate) async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        match &self.inner.signer {
            Some(signer) => signer.sign(message).await,
            None => Err(SignError::Unsigned),
        }
    }

    pub(crate) fn deadlines(&self) -> Deadlines {
        self.inner.deadlines
    }

    pub(crate) fn tls_certificate_hash(&self) -> &[u8] {
        &self.inner.tls_certificate_hash
    }

    pub(crate) fn now(&self) -> SystemTime {
        (self.inner.clock)()
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway")
            .field("msp_id", &self.inner.msp_id)
            .finish_non_exhaustive()
    }
}

/// Builds a [`Gateway`].
pub struct GatewayBuilder {
    channel: Channel,
    msp_id: String,
    creator: Vec<u8>,
    signer: Option<Arc<dyn Signer>>,
    deadlines: Deadlines,
    tls_certificate_hash: Vec<u8>,
    clock: Clock,
}

impl std::fmt::Debug for GatewayBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatewayBuilder")
            .field("msp_id", &self.msp_id)
            .finish_non_exhaustive()
    }
}

impl GatewayBuilder {
    /// Calls as `identity` and signs with its key.
    #[must_use]
    pub fn identity(mut self, identity: SigningIdentity) -> Self {
        self.msp_id = identity.msp_id().to_owned();
        self.creator = identity.serialized().to_vec();
        self.signer = Some(Arc::new(identity));
        self
    }

    /// Calls as the holder of a certificate (PEM) whose key is elsewhere: with [`GatewayBuilder::signer`], or with
    /// none for offline signing.
    #[must_use]
    pub fn certificate(mut self, msp_id: impl Into<String>, certificate_pem: impl Into<Vec<u8>>) -> Self {
        self.msp_id = msp_id.into();
        let identity = SerializedIdentity {
            mspid: self.msp_id.clone(),
            id_bytes: certificate_pem.into(),
        };
        self.creator = identity.encode_to_vec();
        self
    }

    /// Signs with `signer`.
    #[must_use]
    pub fn signer(mut self, signer: impl Signer + 'static) -> Self {
        self.signer = Some(Arc::new(signer));
        self
    }

    /// Replaces the default deadlines.
    #[must_use]
    pub const fn deadlines(mut self, deadlines: Deadlines) -> Self {
        self.deadlines = deadlines;
        self
    }

    /// The SHA-256 of our own TLS certificate (DER), which a peer with mutual TLS compares in requests for block
    /// events ([`Endpoint::client_certificate_hash`](crate::Endpoint::client_certificate_hash)).
    #[must_use]
    pub fn tls_certificate_hash(mut self, hash: impl Into<Vec<u8>>) -> Self {
        self.tls_certificate_hash = hash.into();
        self
    }

    /// Takes the timestamps of proposals from `clock`, for tests of time windows.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The gateway client. Nothing is sent yet.
    #[must_use]
    pub fn connect(self) -> Gateway {
        let Self {
            channel,
            msp_id,
            creator,
            signer,
            deadlines,
            tls_certificate_hash,
            clock,
        } = self;
        Gateway {
            inner: Arc::new(Inner {
                channel,
                msp_id,
                creator,
                signer,
                deadlines,
                tls_certificate_hash,
                clock,
            }),
        }
    }
}
