//! The certificate that a client sent in its TLS handshake.

use sha2::{Digest, Sha256};
use tonic::Request;

/// The SHA-256 of the certificate that a client sent in its TLS handshake. A server that terminates TLS by itself puts it
/// into the extensions of every request of the connection; whether the certificate was verified is that server's matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientCertificate(pub [u8; 32]);

impl ClientCertificate {
    /// Of a certificate in DER.
    pub fn from_der(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

/// The hash of the certificate that the caller sent, if it sent one, behind our own servers and tonic's.
pub(crate) fn client_certificate_hash<T>(request: &Request<T>) -> Option<Vec<u8>> {
    if let Some(ClientCertificate(hash)) = request.extensions().get() {
        return Some(hash.to_vec());
    }
    let certificates = request.peer_certs()?;
    Some(Sha256::digest(certificates.first()?.as_ref()).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_of_the_certificates_der() {
        let mut request = Request::new(());
        assert_eq!(client_certificate_hash(&request), None);
        request
            .extensions_mut()
            .insert(ClientCertificate::from_der(b"abc"));
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let hash = client_certificate_hash(&request).expect("there");
        assert_eq!(hash, hex::decode(expected).expect("hexadecimal"));
    }
}
