//! The channels of an ordering node: what `osnadmin` does, over the node's participation API (REST with mutual TLS).

use std::net::SocketAddr;
use std::time::Duration;

use fabric_protos::common::{Block, Envelope};
use prost::Message;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder, Response};
use serde::Deserialize;

use super::AdminError;

const DEADLINE: Duration = Duration::from_secs(30);
const CHANNELS: &str = "/participation/v1/channels";

/// The administration of one ordering node.
#[derive(Clone, Debug)]
pub struct OrdererAdmin {
    http: reqwest::Client,
    url: String,
}

/// A channel as its ordering node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct OrderedChannel {
    /// The channel's name.
    pub name: String,
    /// What the node is to the channel: `consenter`, `follower`, `config-tracker` or `other`.
    #[serde(rename = "consensusRelation")]
    pub consensus_relation: String,
    /// `active`, `onboarding`, `inactive` or `failed`.
    pub status: String,
    /// Number of its blocks.
    pub height: u64,
}

/// How to reach an ordering node's administration, and as whom.
#[derive(Clone)]
pub struct OrdererAdminEndpoint {
    /// The name in the node's TLS certificate.
    pub host: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// The CA of its TLS certificate, PEM.
    pub ca_pem: Vec<u8>,
    /// Our TLS certificate and its key, PEM.
    pub certificate_pem: Vec<u8>,
    /// The key, PEM.
    pub key_pem: Vec<u8>,
}

impl std::fmt::Debug for OrdererAdminEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OrdererAdminEndpoint")
            .field("host", &self.host)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct List {
    channels: Option<Vec<Short>>,
}

#[derive(Deserialize)]
struct Short {
    name: String,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl OrdererAdmin {
    /// The node at `endpoint`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`AdminError::Http`] when a certificate or key cannot be used.
    pub fn new(endpoint: &OrdererAdminEndpoint) -> Result<Self, AdminError> {
        // Another part of the program may have chosen one already; then that one serves.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let pair = [endpoint.certificate_pem.as_slice(), &endpoint.key_pem].concat();
        let http = reqwest::Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(&endpoint.ca_pem)?])
            .identity(reqwest::Identity::from_pem(&pair)?)
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .resolve(&endpoint.host, endpoint.address)
            .timeout(DEADLINE)
            .build()?;
        Ok(Self {
            http,
            url: format!("https://{}:{}{CHANNELS}", endpoint.host, endpoint.address.port()),
        })
    }

    /// The names of the node's channels.
    ///
    /// # Errors
    /// [`AdminError::Http`] or [`AdminError::Participation`].
    pub async fn channels(&self) -> Result<Vec<String>, AdminError> {
        let list: List = self.ask(Method::GET, "", None).await?.json().await?;
        Ok(list
            .channels
            .unwrap_or_default()
            .into_iter()
            .map(|channel| channel.name)
            .collect())
    }

    /// One of them.
    ///
    /// # Errors
    /// [`AdminError::Participation`] with status 404 when the node has not joined it.
    pub async fn channel(&self, name: &str) -> Result<OrderedChannel, AdminError> {
        Ok(self
            .ask(Method::GET, &format!("/{name}"), None)
            .await?
            .json()
            .await?)
    }

    /// Joins the channel of a configuration block: with its first block a new channel begins.
    ///
    /// # Errors
    /// [`AdminError::Participation`] with status 405 when the node has joined it, 400 when the block cannot be used.
    pub async fn join(&self, block: &Block) -> Result<OrderedChannel, AdminError> {
        let form = file("config-block", block.encode_to_vec());
        Ok(self.ask(Method::POST, "", Some(form)).await?.json().await?)
    }

    /// Leaves a channel. The node deletes its blocks.
    ///
    /// # Errors
    /// [`AdminError::Participation`] with status 404 when the node has not joined it.
    pub async fn remove(&self, name: &str) -> Result<(), AdminError> {
        self.ask(Method::DELETE, &format!("/{name}"), None)
            .await
            .map(drop)
    }

    /// A block of a channel: `newest`, `oldest`, `config`, or a number.
    ///
    /// # Errors
    /// [`AdminError::Participation`] with status 404 when there is no such channel or block.
    pub async fn block(&self, name: &str, id: &str) -> Result<Block, AdminError> {
        let answer = self
            .ask(Method::GET, &format!("/{name}/blocks/{id}"), None)
            .await?;
        Ok(Block::decode(answer.bytes().await?)?)
    }

    /// Hands over a configuration update ([`ChannelUpdate::envelope`](super::ChannelUpdate::envelope)).
    ///
    /// # Errors
    /// [`AdminError::Participation`] with the orderer's reason when it is refused.
    pub async fn update(&self, envelope: &Envelope) -> Result<OrderedChannel, AdminError> {
        let form = file("config-update-envelope", envelope.encode_to_vec());
        Ok(self.ask(Method::PUT, "", Some(form)).await?.json().await?)
    }

    async fn ask(&self, method: Method, path: &str, form: Option<Form>) -> Result<Response, AdminError> {
        let request: RequestBuilder = self.http.request(method, format!("{}{path}", self.url));
        let request = match form {
            Some(form) => request.multipart(form),
            None => request,
        };
        let answer = request.send().await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let reason = match answer.json::<Refusal>().await {
            Ok(refusal) => refusal.error,
            Err(_) => "it gave no reason".to_owned(),
        };
        Err(AdminError::Participation {
            status: status.as_u16(),
            reason,
        })
    }
}

fn file(key: &'static str, content: Vec<u8>) -> Form {
    Form::new().part(key, Part::bytes(content).file_name(key))
}
