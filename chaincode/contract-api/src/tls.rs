//! TLS material of servers and clients, in PEM.

use std::fmt;

use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

/// A chaincode server's TLS material.
#[derive(Clone)]
pub struct ServerTls {
    /// The server's certificate chain.
    pub certificate_pem: Vec<u8>,
    /// Its private key.
    pub key_pem: Vec<u8>,
    /// Roots of the peers' client certificates. With them, a peer without a certificate is refused (mutual TLS).
    pub client_roots_pem: Option<Vec<u8>>,
}

/// TLS material of a chaincode that connects to its peer.
#[derive(Clone)]
pub struct ClientTls {
    /// Roots of the peer's certificate.
    pub roots_pem: Vec<u8>,
    /// Certificate chain and private key, where the peer asks for them.
    pub identity_pem: Option<(Vec<u8>, Vec<u8>)>,
    /// The name in the peer's certificate, where it is not the address's host.
    pub server_name: Option<String>,
}

impl ServerTls {
    pub(crate) fn config(&self) -> ServerTlsConfig {
        let identity = Identity::from_pem(&self.certificate_pem, &self.key_pem);
        let config = ServerTlsConfig::new().identity(identity);
        match &self.client_roots_pem {
            Some(roots) => config.client_ca_root(Certificate::from_pem(roots)),
            None => config,
        }
    }
}

impl ClientTls {
    pub(crate) fn config(&self) -> ClientTlsConfig {
        let mut config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&self.roots_pem));
        if let Some((certificate, key)) = &self.identity_pem {
            config = config.identity(Identity::from_pem(certificate, key));
        }
        match &self.server_name {
            Some(name) => config.domain_name(name),
            None => config,
        }
    }
}

impl fmt::Debug for ServerTls {
    /// Leaves the key out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls")
            .field("mutual", &self.client_roots_pem.is_some())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientTls {
    /// Leaves the key out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls")
            .field("mutual", &self.identity_pem.is_some())
            .finish_non_exhaustive()
    }
}
