//! Connections to peers and orderers.

use std::path::Path;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use thiserror::Error;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};

/// How to reach one node. Every node of a network speaks TLS; [`Endpoint::plain`] is for tests.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let channel = fabric_gateway_sdk::Endpoint::tls("localhost:7051", std::fs::read("ca.crt")?)
///     .server_name("peer0.org1.example.com")
///     .connect()
///     .await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Endpoint {
    address: String,
    tls: Option<Tls>,
    connect_timeout: Duration,
}

#[derive(Clone)]
struct Tls {
    ca_pem: Vec<u8>,
    server_name: Option<String>,
    client: Option<(Vec<u8>, Vec<u8>)>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

/// A connection could not be prepared or made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address is not `host:port`, or a certificate or key is not PEM.
    #[error("cannot prepare a connection to {address}: {source}")]
    Prepare {
        /// The node's address.
        address: String,
        /// What is wrong.
        source: tonic::transport::Error,
    },
    /// Nothing answered, or TLS failed.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// The node's address.
        address: String,
        /// What is wrong.
        source: tonic::transport::Error,
    },
    /// A file with a certificate or key could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// What is wrong.
        source: std::io::Error,
    },
}

impl Endpoint {
    /// A node at `address` (`host:port`, with or without `https://` or `grpcs://` before it) whose TLS certificate was
    /// issued by the CA in `ca_pem`.
    #[must_use]
    pub fn tls(address: impl Into<String>, ca_pem: impl Into<Vec<u8>>) -> Self {
        let tls = Tls {
            ca_pem: ca_pem.into(),
            server_name: None,
            client: None,
        };
        Self {
            address: bare(address.into(), &["https://", "grpcs://"]),
            tls: Some(tls),
            connect_timeout: Duration::from_secs(10),
        }
    }

    /// As [`Endpoint::tls`], with the CA's certificate in a file such as `peers/peer0.…/tls/ca.crt`.
    ///
    /// # Errors
    /// [`ConnectError::Read`] if the file cannot be read.
    pub fn tls_ca_file(address: impl Into<String>, ca_file: impl AsRef<Path>) -> Result<Self, ConnectError> {
        let path = ca_file.as_ref();
        let pem = std::fs::read(path).map_err(|source| ConnectError::Read {
            path: path.display().to_string(),
            source,
        })?;
        Ok(Self::tls(address, pem))
    }

    /// A node at `address` (`host:port`, with or without `http://` or `grpc://` before it) that does not speak TLS.
    #[must_use]
    pub fn plain(address: impl Into<String>) -> Self {
        Self {
            address: bare(address.into(), &["http://", "grpc://"]),
            tls: None,
            connect_timeout: Duration::from_secs(10),
        }
    }

    /// The name that the node's certificate must hold, where it is not the host of the address.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        if let Some(tls) = &mut self.tls {
            tls.server_name = Some(name.into());
        }
        self
    }

    /// The certificate and key, both PEM, that we show to the node (mutual TLS).
    #[must_use]
    pub fn client_certificate(mut self, cert_pem: impl Into<Vec<u8>>, key_pem: impl Into<Vec<u8>>) -> Self {
        if let Some(tls) = &mut self.tls {
            tls.client = Some((cert_pem.into(), key_pem.into()));
        }
        self
    }

    /// How long a connection may take to stand; 10 seconds if not given.
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// SHA-256 of our own TLS certificate, which block event requests must name under mutual TLS
    /// ([`crate::GatewayBuilder::tls_certificate_hash`]).
    #[must_use]
    pub fn client_certificate_hash(&self) -> Option<Vec<u8>> {
        let (cert_pem, _) = self.tls.as_ref()?.client.as_ref()?;
        let der = CertificateDer::from_pem_slice(cert_pem).ok()?;
        Some(Sha256::digest(&der).to_vec())
    }

    /// Connects now.
    ///
    /// # Errors
    /// [`ConnectError`] if the node cannot be reached or is not who it should be.
    pub async fn connect(&self) -> Result<Channel, ConnectError> {
        self.prepare()?
            .connect()
            .await
            .map_err(|source| ConnectError::Connect {
                address: self.address.clone(),
                source,
            })
    }

    /// Connects when it is first used, and again when the connection was lost. To be called within a tokio runtime.
    ///
    /// # Errors
    /// [`ConnectError::Prepare`] if the address, a certificate or a key cannot be used.
    pub fn connect_lazy(&self) -> Result<Channel, ConnectError> {
        Ok(self.prepare()?.connect_lazy())
    }

    fn prepare(&self) -> Result<tonic::transport::Endpoint, ConnectError> {
        let failed = |source| ConnectError::Prepare {
            address: self.address.clone(),
            source,
        };
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let endpoint = tonic::transport::Endpoint::from_shared(format!("{scheme}://{}", self.address))
            .map_err(failed)?
            .connect_timeout(self.connect_timeout)
            .tcp_nodelay(true)
            .tcp_keepalive(Some(Duration::from_secs(60)))
            .http2_keep_alive_interval(Duration::from_secs(120))
            .keep_alive_timeout(Duration::from_secs(20))
            .initial_stream_window_size(Some(1024 * 1024))
            .initial_connection_window_size(Some(8 * 1024 * 1024));
        let Some(tls) = &self.tls else { return Ok(endpoint) };
        let mut config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&tls.ca_pem));
        if let Some(name) = &tls.server_name {
            config = config.domain_name(name);
        }
        if let Some((cert, key)) = &tls.client {
            config = config.identity(Identity::from_pem(cert, key));
        }
        endpoint.tls_config(config).map_err(failed)
    }
}

/// The address without its scheme: what kind of connection it is was said otherwise.
fn bare(address: String, schemes: &[&str]) -> String {
    match schemes.iter().find_map(|scheme| address.strip_prefix(scheme)) {
        Some(bare) => bare.trim_end_matches('/').to_owned(),
        None => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_none_is_refused() {
        let error = Endpoint::plain("not an address")
            .connect_lazy()
            .expect_err("refused");
        assert!(error.to_string().contains("not an address"), "{error}");
    }

    #[test]
    fn a_scheme_before_the_address_is_passed_over() {
        for address in [
            "localhost:7051",
            "https://localhost:7051",
            "grpcs://localhost:7051/",
        ] {
            assert_eq!(Endpoint::tls(address, b"".to_vec()).address, "localhost:7051");
        }
        assert_eq!(Endpoint::plain("http://localhost:1").address, "localhost:1");
    }

    #[tokio::test]
    async fn a_ca_that_is_no_pem_is_refused_before_connecting() {
        assert!(
            Endpoint::tls("localhost:1", b"nonsense".to_vec())
                .connect()
                .await
                .is_err()
        );
    }

    #[test]
    fn there_is_no_hash_without_a_client_certificate() {
        assert_eq!(
            Endpoint::tls("localhost:1", b"".to_vec()).client_certificate_hash(),
            None
        );
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Endpoint::tls_ca_file("localhost:1", "/nowhere/ca.crt").expect_err("refused");
        assert!(error.to_string().contains("/nowhere/ca.crt"), "{error}");
    }
}
