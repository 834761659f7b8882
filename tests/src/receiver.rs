//! An HTTPS server that receives webhooks and answers as it is told.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use careledger_sdk::notify::{DELIVERY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, WebhookSecret, verify};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

/// What the receiver answers to one request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// This status, without a body.
    Status(u16),
    /// 302 to this place.
    Redirect(String),
    /// 200 with a body of so many bytes.
    Body(usize),
    /// Nothing, ever.
    Silence,
}

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Received {
    /// Path and query.
    pub uri: String,
    /// The delivery's id.
    pub delivery: String,
    /// The time of the attempt.
    pub timestamp: String,
    /// The signature.
    pub signature: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Received {
    /// Whether the signature holds now.
    pub fn is_signed(&self, secret: &WebhookSecret) -> bool {
        let now = careledger_sdk::wallet::unix_now();
        verify(
            secret,
            &self.delivery,
            &self.timestamp,
            &self.signature,
            &self.body,
            now,
        )
    }
}

/// A running receiver on loopback. It ends with the test's runtime.
#[derive(Debug)]
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    received: mpsc::UnboundedReceiver<Received>,
    script: Arc<Mutex<Script>>,
}

#[derive(Debug, Default)]
struct Script {
    answers: VecDeque<Answer>,
    /// Deliveries that get 503, whatever the script says.
    refused: BTreeSet<String>,
}

impl Receiver {
    /// Starts with a PEM certificate and key. It answers 200 until it is told otherwise.
    pub async fn start(certificate_pem: &str, key_pem: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let acceptor = acceptor(certificate_pem, key_pem);
        let script = Arc::new(Mutex::new(Script::default()));
        let (send, received) = mpsc::unbounded_channel();
        let told = Arc::clone(&script);
        let router = Router::new().fallback(move |uri: axum::http::Uri, headers: HeaderMap, body: Bytes| {
            let (script, send) = (Arc::clone(&told), send.clone());
            async move { handle(&script, &send, uri.to_string(), headers, body).await }
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, router) = (acceptor.clone(), router.clone());
                tokio::spawn(async move {
                    let Ok(tls) = acceptor.accept(stream).await else {
                        return;
                    };
                    let service = TowerToHyperService::new(router);
                    let _client_went_away = Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(tls), service)
                        .await;
                });
            }
        });
        Self {
            address,
            received,
            script,
        }
    }

    /// The answers to the next requests, in order; 200 after them.
    pub fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.script.lock().expect("no panic").answers.extend(answers);
    }

    /// Answers 503 to this delivery from now on.
    pub fn refuse(&self, delivery: &str) {
        self.script
            .lock()
            .expect("no panic")
            .refused
            .insert(delivery.to_owned());
    }

    /// Answers it again as the script says.
    pub fn accept(&self, delivery: &str) {
        self.script.lock().expect("no panic").refused.remove(delivery);
    }

    /// Waits for the next request.
    pub async fn next(&mut self) -> Received {
        self.received.recv().await.expect("the receiver runs")
    }

    /// Whether nothing came that was not taken.
    pub fn is_idle(&self) -> bool {
        self.received.is_empty()
    }
}

async fn handle(
    script: &Mutex<Script>,
    send: &mpsc::UnboundedSender<Received>,
    uri: String,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = |name: &str| headers[name].to_str().expect("ASCII").to_owned();
    let received = Received {
        uri,
        delivery: text(DELIVERY_HEADER),
        timestamp: text(TIMESTAMP_HEADER),
        signature: text(SIGNATURE_HEADER),
        body: body.to_vec(),
        headers,
    };
    let answer = {
        let mut script = script.lock().expect("no panic");
        if script.refused.contains(&received.delivery) {
            Some(Answer::Status(503))
        } else {
            script.answers.pop_front()
        }
    };
    let _test_is_over = send.send(received);
    match answer {
        None => StatusCode::OK.into_response(),
        Some(Answer::Status(status)) => StatusCode::from_u16(status).expect("a status").into_response(),
        Some(Answer::Redirect(to)) => (StatusCode::FOUND, [("location", to)]).into_response(),
        Some(Answer::Body(length)) => vec![b'x'; length].into_response(),
        Some(Answer::Silence) => std::future::pending().await,
    }
}

fn acceptor(certificate_pem: &str, key_pem: &str) -> TlsAcceptor {
    let certificates = CertificateDer::pem_slice_iter(certificate_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).expect("a key");
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .expect("a key that fits its certificate");
    TlsAcceptor::from(Arc::new(config))
}
