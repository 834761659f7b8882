//! One webhook: where it may go, what it says, how it is signed.
//!
//! ```text
//! POST <url>                                   https only, a destination an administrator allowed
//! Careledger-Delivery: <access transaction>    the same for every attempt: a repetition is recognised by it
//! Careledger-Timestamp: <seconds since 1970>   of this attempt
//! Careledger-Signature: v1=<hex HMAC-SHA-256(secret, timestamp "." delivery "." body)>
//! {"custodian": …, "delivery": …, "kind": "access", "tx": …}
//! ```
//!
//! The name is resolved once for each attempt, every address it has must be public, and the connection goes to those addresses and to no others, so that a name that changes its
//! mind between check and use gains nothing. Redirects are not followed, proxies not used; name, connection and answer together take at most five seconds,
//! and an answer is read up to 64 KiB.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use careledger_api::ids::TxId;
use futures::future::BoxFuture;
use reqwest::{Certificate, Url};
use serde::{Deserialize, Serialize};

use super::address::is_public;
use super::signature::{DELIVERY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, WebhookSecret, sign};
use super::subject::Topic;

/// The longest attempt.
const ATTEMPT: Duration = Duration::from_secs(5);
/// The largest answer that is read, bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// What a webhook says: opaque ids. Granted, refused and emergency accesses look alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Announcement {
    /// MSP id of the custodian at which it happened.
    pub custodian: String,
    /// The delivery's id.
    pub delivery: TxId,
    /// `access`, or `account` for what happened to keys, guardians or a recovery.
    pub kind: String,
    /// The transaction: the custodian's notifier may ask what it was.
    pub tx: TxId,
}

impl Announcement {
    /// The announcement of an access.
    pub fn of_access(custodian: &str, tx: TxId) -> Self {
        Self::of(custodian, Topic::Access, tx)
    }

    /// The announcement of a transaction.
    pub fn of(custodian: &str, topic: Topic, tx: TxId) -> Self {
        Self {
            custodian: custodian.to_owned(),
            delivery: tx.clone(),
            kind: topic.as_str().to_owned(),
            tx,
        }
    }
}

/// A destination an administrator allows: `host` (port 443) or `host:port`. No wildcards: each host is named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AllowedHost {
    host: String,
    port: u16,
}

/// A destination that is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no destination; write host or host:port, as in hooks.example.org or hooks.example.org:8443"
)]
pub struct NoHost(String);

impl FromStr for AllowedHost {
    type Err = NoHost;

    fn from_str(text: &str) -> Result<Self, NoHost> {
        // As the host of a URL, so that both are compared in the same form.
        let url = Url::parse(&format!("https://{text}/")).map_err(|_| NoHost(text.to_owned()))?;
        let plain = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty();
        match (url.host_str(), url.port_or_known_default()) {
            (Some(host), Some(port)) if plain && url.password().is_none() && !text.ends_with('/') => {
                Ok(Self {
                    host: host.to_owned(),
                    port,
                })
            }
            _ => Err(NoHost(text.to_owned())),
        }
    }
}

/// Why a webhook cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The text is no URL.
    #[error("this is no URL: {0}")]
    NoUrl(String),
    /// Another scheme than https.
    #[error("a webhook goes over https, not {0}")]
    NotHttps(String),
    /// The URL has a user, a password or a fragment.
    #[error("a webhook's URL has no user, password or fragment")]
    Adorned,
    /// The administrator did not allow that destination.
    #[error("{0} is not among the destinations that an administrator allowed")]
    NotAllowed(String),
    /// A literal address that is not public.
    #[error("{0} is no address of the public internet: webhooks go nowhere else")]
    NotPublic(IpAddr),
    /// The certificate of a CA cannot be used.
    #[error("the CA certificate cannot be used: {0}")]
    Ca(String),
}

/// Why an attempt failed. No text carries what was sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The name does not resolve.
    #[error("{host} does not resolve: {source}")]
    Resolve {
        /// The name.
        host: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The name has an address that is not public, or none.
    #[error("{host} has the address {address}, which is none of the public internet: nothing is sent there")]
    NotPublic {
        /// The name.
        host: String,
        /// The address.
        address: IpAddr,
    },
    /// The name has no address.
    #[error("{0} has no address")]
    NoAddress(String),
    /// No answer in time, no connection, or a certificate that does not hold.
    #[error("the receiver does not answer: {0}")]
    Unreachable(String),
    /// Five seconds went by.
    #[error("the receiver did not answer within five seconds")]
    TooSlow,
    /// Another status than 2xx. A redirect is not followed.
    #[error("the receiver answered {0}")]
    Status(u16),
    /// More than 64 KiB.
    #[error("the receiver's answer is larger than 64 KiB")]
    TooLarge,
}

impl SendError {
    /// Whether the receiver says that it wants no more of this delivery (410 Gone): it is not tried again.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Status(410))
    }
}

/// How names become addresses.
pub(super) type Resolve =
    std::sync::Arc<dyn Fn(String, u16) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// A destination and what is needed to deliver there.
#[derive(Clone)]
pub struct Webhook {
    url: Url,
    host: String,
    port: u16,
    secret: WebhookSecret,
    ca: Vec<Certificate>,
    pub(super) resolve: Resolve,
    /// Only ever true for [`testing`](super::testing).
    pub(super) loopback: bool,
    /// The longest attempt.
    pub(super) patience: Duration,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Webhook {
    /// A webhook to `url`, which must be one of the `allowed` destinations.
    pub fn new(url: &str, allowed: &[AllowedHost], secret: WebhookSecret) -> Result<Self, WebhookError> {
        let webhook = Self::unchecked(url, allowed, secret)?;
        match webhook.literal() {
            Some(address) if !is_public(address) => Err(WebhookError::NotPublic(address)),
            _ => Ok(webhook),
        }
    }

    /// Also trusts the certificates under this CA (PEM), beside the system's.
    pub fn trust(mut self, ca_pem: &[u8]) -> Result<Self, WebhookError> {
        self.ca
            .push(Certificate::from_pem(ca_pem).map_err(|e| WebhookError::Ca(e.to_string()))?);
        Ok(self)
    }

    /// Everything of [`new`](Self::new) but the check of a literal address.
    pub(super) fn unchecked(
        url: &str,
        allowed: &[AllowedHost],
        secret: WebhookSecret,
    ) -> Result<Self, WebhookError> {
        crate::install_crypto_provider();
        let parsed = Url::parse(url).map_err(|e| WebhookError::NoUrl(e.to_string()))?;
        if parsed.scheme() != "https" {
            return Err(WebhookError::NotHttps(parsed.scheme().to_owned()));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() || parsed.fragment().is_some() {
            return Err(WebhookError::Adorned);
        }
        let (Some(host), Some(port)) = (parsed.host_str(), parsed.port_or_known_default()) else {
            return Err(WebhookError::NoUrl("it has no host".into()));
        };
        let wanted = AllowedHost {
            host: host.to_owned(),
            port,
        };
        if !allowed.contains(&wanted) {
            return Err(WebhookError::NotAllowed(format!("{host}:{port}")));
        }
        Ok(Self {
            host: wanted.host,
            url: parsed,
            port,
            secret,
            ca: Vec::new(),
            resolve: std::sync::Arc::new(|host, port| {
                Box::pin(async move { Ok(tokio::net::lookup_host((host.as_str(), port)).await?.collect()) })
            }),
            loopback: false,
            patience: ATTEMPT,
        })
    }

    /// Whether deliveries could go out now: the name resolves, to public addresses alone. Nothing is connected to.
    pub async fn check(&self) -> Result<(), SendError> {
        self.addresses().await.map(drop)
    }

    /// One attempt, at `now` (seconds since 1970). `Ok` is an answer of 2xx; everything else may be tried again, unless it
    /// [is final](SendError::is_final).
    pub async fn send(&self, announcement: &Announcement, now: i64) -> Result<(), SendError> {
        tokio::time::timeout(self.patience, self.attempt(announcement, now))
            .await
            .unwrap_or(Err(SendError::TooSlow))
    }

    async fn attempt(&self, announcement: &Announcement, now: i64) -> Result<(), SendError> {
        let addresses = self.addresses().await?;
        let unreachable = |e: reqwest::Error| SendError::Unreachable(e.without_url().to_string());
        let http = reqwest::Client::builder()
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(self.patience)
            .tls_certs_merge(self.ca.iter().cloned())
            .resolve_to_addrs(&self.host, &addresses)
            .build()
            .map_err(unreachable)?;
        let body = serde_json::to_vec(announcement).expect("an announcement is strings");
        let delivery = announcement.delivery.as_str();
        let mut response = http
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header(DELIVERY_HEADER, delivery)
            .header(TIMESTAMP_HEADER, now)
            .header(SIGNATURE_HEADER, sign(&self.secret, now, delivery, &body))
            .body(body)
            .send()
            .await
            .map_err(unreachable)?;
        let status = response.status();
        let mut length = 0;
        while let Some(part) = response.chunk().await.map_err(unreachable)? {
            length += part.len();
            if length > MAX_ANSWER {
                return Err(SendError::TooLarge);
            }
        }
        if status.is_success() {
            Ok(())
        } else {
            Err(SendError::Status(status.as_u16()))
        }
    }

    /// The addresses to connect to: all that the name has now, each of which must be public.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, SendError> {
        let found = match self.literal() {
            Some(address) => vec![SocketAddr::new(address, self.port)],
            None => (self.resolve)(self.host.clone(), self.port)
                .await
                .map_err(|source| SendError::Resolve {
                    host: self.host.clone(),
                    source,
                })?,
        };
        if let Some(refused) = found.iter().find(|a| !self.may_reach(a.ip())) {
            return Err(SendError::NotPublic {
                host: self.host.clone(),
                address: refused.ip(),
            });
        }
        if found.is_empty() {
            return Err(SendError::NoAddress(self.host.clone()));
        }
        Ok(found)
    }

    fn may_reach(&self, address: IpAddr) -> bool {
        is_public(address) || (self.loopback && address.is_loopback())
    }

    /// The address, where the URL has one in place of a name.
    fn literal(&self) -> Option<IpAddr> {
        self.host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse()
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> WebhookSecret {
        WebhookSecret::new(vec![7; 32]).unwrap()
    }

    fn allowed(hosts: &[&str]) -> Vec<AllowedHost> {
        hosts.iter().map(|h| h.parse().unwrap()).collect()
    }

    #[test]
    fn only_https_to_an_allowed_destination_is_set_up() {
        let allowed = allowed(&[
            "hooks.example.org",
            "other.example.org:8443",
            "8.8.8.8",
            "127.0.0.1",
            "[::1]:8443",
        ]);
        let new = |url: &str| Webhook::new(url, &allowed, secret());
        for url in [
            "https://hooks.example.org/in",
            "https://HOOKS.example.org:443/in?x=1",
            "https://other.example.org:8443/",
            "https://8.8.8.8/",
        ] {
            assert!(new(url).is_ok(), "{url}");
        }
        let refused = |url: &str| new(url).unwrap_err().to_string();
        for (url, why) in [
            ("hooks.example.org", "no URL"),
            ("http://hooks.example.org/", "https"),
            ("file:///etc/passwd", "https"),
            ("https://user@hooks.example.org/", "no user"),
            ("https://user:pass@hooks.example.org/", "no user"),
            ("https://hooks.example.org/#x", "fragment"),
            ("https://hooks.example.org:8443/", "allowed"),
            ("https://other.example.org/", "allowed"),
            ("https://hooks.example.org.evil.example/", "allowed"),
            ("https://evil.example/hooks.example.org", "allowed"),
            ("https://hooks.example.org@evil.example/", "no user"),
            ("https://localhost/", "allowed"),
            // Written otherwise, it is the same address.
            ("https://127.0.0.1/", "public internet"),
            ("https://127.1/", "public internet"),
            ("https://0x7f000001/", "public internet"),
            ("https://2130706433/", "public internet"),
            ("https://[::1]:8443/", "public internet"),
            ("https://[::ffff:8.8.8.8]/", "allowed"),
        ] {
            assert!(refused(url).contains(why), "{url}: {}", refused(url));
        }
    }

    #[test]
    fn a_destination_is_a_host_and_a_port_and_nothing_more() {
        assert_eq!(
            allowed(&["Hooks.Example.org"]),
            allowed(&["hooks.example.org:443"])
        );
        for text in [
            "",
            "*",
            "https://x",
            "x/y",
            "x?y",
            "x#y",
            "u@x",
            "u:p@x",
            "x:99999",
            "x/",
            "x y",
        ] {
            let parsed = text.parse::<AllowedHost>();
            // A `*` is a host's name like any other: it allows no other.
            assert!(parsed.is_err() || text == "*", "{text}: {parsed:?}");
        }
    }

    #[tokio::test]
    async fn a_name_with_any_address_that_is_not_public_gets_nothing() {
        let mut webhook = Webhook::new(
            "https://hooks.example.org/",
            &allowed(&["hooks.example.org"]),
            secret(),
        )
        .unwrap();
        let announcement = Announcement::of_access("HospitalMSP", "aa".parse().unwrap());
        for addresses in [
            vec!["127.0.0.1:443"],
            vec!["8.8.8.8:443", "[fd00::1]:443"],
            vec!["169.254.169.254:443"],
            vec!["[::ffff:10.0.0.1]:443"],
        ] {
            let found: Vec<SocketAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
            webhook.resolve =
                std::sync::Arc::new(move |_, _| Box::pin(std::future::ready(Ok(found.clone()))));
            let error = webhook.send(&announcement, 0).await.unwrap_err();
            assert!(
                matches!(error, SendError::NotPublic { .. }),
                "{addresses:?}: {error}"
            );
        }
        webhook.resolve = std::sync::Arc::new(|_, _| Box::pin(std::future::ready(Ok(Vec::new()))));
        let error = webhook.send(&announcement, 0).await.unwrap_err();
        assert!(matches!(error, SendError::NoAddress(_)));
    }
}
