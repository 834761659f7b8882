//! `connection.json`: where a chaincode service listens, and the connection to it.

use std::collections::BTreeMap;
use std::time::Duration;

use fabric_protos::MAX_MESSAGE_SIZE;
use fabric_protos::peer::chaincode_client::ChaincodeClient;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use crate::stream::{ChaincodeStream, STREAM_BUFFER};

const DEFAULT_DIAL_TIMEOUT: Duration = Duration::from_secs(3);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(60);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// A chaincode service's address and TLS material, as Fabric's `ccaas` packages describe it.
#[derive(Clone)]
pub(crate) struct ServiceConnection {
    address: String,
    dial_timeout: Duration,
    tls: Option<ServiceTls>,
}

#[derive(Clone)]
struct ServiceTls {
    root_certificate: String,
    /// Certificate and key, when the service wants to know its peer.
    client: Option<(String, String)>,
    /// Name in the service's certificate, when it is not the address.
    domain: Option<String>,
}

/// Why a `connection.json` cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    /// Not JSON of the expected form.
    #[error("malformed chaincode info in connection.json: {0}")]
    Json(#[from] serde_json::Error),
    /// No address.
    #[error("chaincode address not provided")]
    NoAddress,
    /// Not a duration such as `10s`.
    #[error("invalid dial_timeout '{0}': expected a duration such as 10s")]
    Duration(String),
    /// `tls_required` without `root_cert`.
    #[error("chaincode tls root cert not provided")]
    NoRootCertificate,
    /// `client_auth_required` without `client_key`.
    #[error("chaincode tls key not provided")]
    NoClientKey,
    /// `client_auth_required` without `client_cert`.
    #[error("chaincode tls cert not provided")]
    NoClientCertificate,
    /// A `{{.name}}` that the peer has no value for.
    #[error("connection.json refers to the variable '{0}', which this peer does not define")]
    Variable(String),
}

impl ServiceConnection {
    /// Reads a `connection.json`. `{{.name}}` in its strings stands for the value of `name` in `variables`
    /// (Fabric's `CHAINCODE_AS_A_SERVICE_BUILDER_CONFIG`), so that one package fits every peer.
    pub(crate) fn parse(json: &[u8], variables: &BTreeMap<String, String>) -> Result<Self, ConnectionError> {
        let raw: Raw = serde_json::from_slice(json)?;
        let fill = |text: &str| fill_variables(text, variables);
        let address = fill(&raw.address)?;
        if address.is_empty() {
            return Err(ConnectionError::NoAddress);
        }
        let dial_timeout = match &raw.dial_timeout {
            RawDuration::Nanoseconds(nanoseconds) => Duration::from_nanos(*nanoseconds),
            RawDuration::Text(text) => {
                let text = fill(text)?;
                parse_duration(&text).ok_or(ConnectionError::Duration(text))?
            }
        };
        let dial_timeout = if dial_timeout.is_zero() {
            DEFAULT_DIAL_TIMEOUT
        } else {
            dial_timeout
        };
        let tls = raw.tls_required.then(|| raw.tls(fill)).transpose()?;
        Ok(Self {
            address,
            dial_timeout,
            tls,
        })
    }

    /// `host:port` of the service.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Connects and opens the stream. The reason of a failure names the address.
    pub(crate) async fn open(&self) -> Result<ChaincodeStream, String> {
        let endpoint = self.endpoint().map_err(|error| self.reason(&error))?;
        let channel = tokio::time::timeout(self.dial_timeout, endpoint.connect())
            .await
            .map_err(|_| format!("no answer from {} within {:?}", self.address, self.dial_timeout))?
            .map_err(|error| self.reason(&error))?;
        let (outbound, to_chaincode) = mpsc::channel(STREAM_BUFFER);
        let inbound = ChaincodeClient::new(channel)
            .max_decoding_message_size(MAX_MESSAGE_SIZE)
            .max_encoding_message_size(MAX_MESSAGE_SIZE)
            .connect(ReceiverStream::new(to_chaincode))
            .await
            .map_err(|status| self.reason(&status))?
            .into_inner();
        Ok(ChaincodeStream {
            inbound: Box::pin(inbound.map(|message| message)),
            outbound,
        })
    }

    fn endpoint(&self) -> Result<Endpoint, tonic::transport::Error> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let endpoint = Endpoint::from_shared(format!("{scheme}://{}", self.address))?
            .tcp_nodelay(true)
            .http2_adaptive_window(true)
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
        match &self.tls {
            None => Ok(endpoint),
            Some(tls) => {
                let mut config =
                    ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&tls.root_certificate));
                if let Some((certificate, key)) = &tls.client {
                    config = config.identity(Identity::from_pem(certificate, key));
                }
                if let Some(domain) = &tls.domain {
                    config = config.domain_name(domain);
                }
                endpoint.tls_config(config)
            }
        }
    }

    /// The whole chain of causes: the transport's own text says only "transport error".
    fn reason(&self, error: &dyn std::error::Error) -> String {
        let mut text = format!("{}: {error}", self.address);
        let mut cause = error.source();
        while let Some(inner) = cause {
            text.push_str(&format!(": {inner}"));
            cause = inner.source();
        }
        text
    }
}

impl std::fmt::Debug for ServiceConnection {
    /// Leaves the keys out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceConnection")
            .field("address", &self.address)
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    address: String,
    #[serde(default)]
    domain: String,
    #[serde(default)]
    dial_timeout: RawDuration,
    #[serde(default)]
    tls_required: bool,
    #[serde(default)]
    client_auth_required: bool,
    #[serde(default)]
    client_key: String,
    #[serde(default)]
    client_cert: String,
    #[serde(default)]
    root_cert: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawDuration {
    Nanoseconds(u64),
    Text(String),
}

impl Default for RawDuration {
    fn default() -> Self {
        Self::Nanoseconds(0)
    }
}

impl Raw {
    fn tls(
        &self,
        fill: impl Fn(&str) -> Result<String, ConnectionError>,
    ) -> Result<ServiceTls, ConnectionError> {
        let client = if self.client_auth_required {
            let key = fill(&self.client_key)?;
            let certificate = fill(&self.client_cert)?;
            if key.is_empty() {
                return Err(ConnectionError::NoClientKey);
            }
            if certificate.is_empty() {
                return Err(ConnectionError::NoClientCertificate);
            }
            Some((certificate, key))
        } else {
            None
        };
        let root_certificate = fill(&self.root_cert)?;
        if root_certificate.is_empty() {
            return Err(ConnectionError::NoRootCertificate);
        }
        let domain = Some(fill(&self.domain)?).filter(|domain| !domain.is_empty());
        Ok(ServiceTls {
            root_certificate,
            client,
            domain,
        })
    }
}

/// Replaces `{{.name}}`, the one form of Go templates that these files use.
fn fill_variables(text: &str, variables: &BTreeMap<String, String>) -> Result<String, ConnectionError> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, tail)) = after.split_once("}}") else {
            break;
        };
        let name = name.trim().trim_start_matches('.');
        let value = variables
            .get(name)
            .ok_or_else(|| ConnectionError::Variable(name.to_owned()))?;
        filled.push_str(before);
        filled.push_str(value);
        rest = tail;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// A duration in Go's notation, such as `1m30s` or `500ms`. Empty means zero.
fn parse_duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    while !rest.is_empty() && rest != "0" {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit_length = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_length);
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        total = total.checked_add(part)?;
        rest = tail;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<ServiceConnection, ConnectionError> {
        let variables = [("peername".to_owned(), "peer0".to_owned())].into();
        ServiceConnection::parse(json.as_bytes(), &variables)
    }

    #[test]
    fn reads_fabrics_sample() {
        let connection = parse(
            r#"{"address":"{{.peername}}_cc:9999","dial_timeout":"10s","tls_required":false,"unknown":1}"#,
        )
        .expect("parses");
        assert_eq!(connection.address(), "peer0_cc:9999");
        assert_eq!(connection.dial_timeout, Duration::from_secs(10));
        assert!(connection.tls.is_none());
    }

    #[test]
    fn the_dial_timeout_defaults_to_three_seconds_and_may_be_nanoseconds() {
        let timeout = |json| parse(json).expect("parses").dial_timeout;
        assert_eq!(timeout(r#"{"address":"a:1"}"#), Duration::from_secs(3));
        assert_eq!(
            timeout(r#"{"address":"a:1","dial_timeout":""}"#),
            Duration::from_secs(3)
        );
        assert_eq!(
            timeout(r#"{"address":"a:1","dial_timeout":2000000}"#),
            Duration::from_millis(2)
        );
    }

    #[test]
    fn incomplete_connections_are_refused_with_fabrics_texts() {
        let cases = [
            (r#"{}"#, "chaincode address not provided"),
            (
                r#"{"address":"a:1","tls_required":true}"#,
                "chaincode tls root cert not provided",
            ),
            (
                r#"{"address":"a:1","tls_required":true,"client_auth_required":true}"#,
                "chaincode tls key not provided",
            ),
            (
                r#"{"address":"a:1","tls_required":true,"client_auth_required":true,"client_key":"k"}"#,
                "chaincode tls cert not provided",
            ),
            (
                r#"{"address":"a:1","dial_timeout":"soon"}"#,
                "invalid dial_timeout 'soon': expected a duration such as 10s",
            ),
            (
                r#"{"address":"{{.other}}:1"}"#,
                "connection.json refers to the variable 'other', which this peer does not define",
            ),
        ];
        for (json, text) in cases {
            assert_eq!(parse(json).expect_err(json).to_string(), text);
        }
        assert!(matches!(parse("[1"), Err(ConnectionError::Json(_))));
    }

    #[test]
    fn durations_are_gos() {
        assert_eq!(parse_duration("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(parse_duration("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(parse_duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse_duration("0"), Some(Duration::ZERO));
        for bad in ["10", "s", "-1s", "1 s", "1d", "1..0s"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn keys_stay_out_of_debug_output() {
        let connection = parse(
            r#"{"address":"a:1","tls_required":true,"client_auth_required":true,
                "client_key":"SECRET","client_cert":"c","root_cert":"r"}"#,
        )
        .expect("parses");
        assert!(!format!("{connection:?}").contains("SECRET"));
    }
}
