//! Chaincode on real sockets: services that the peer calls, and chaincode that calls the peer.

use std::net::SocketAddr;
use std::time::Duration;

use fabric_protos::peer::ChaincodeMessage;
use fabric_protos::peer::chaincode_message::Type;
use fabric_protos::peer::chaincode_server::{Chaincode, ChaincodeServer};
use fabric_protos::peer::chaincode_support_client::ChaincodeSupportClient;
use futures::StreamExt;
use futures::stream::BoxStream;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

use crate::testing::bench::Bench;
use crate::testing::chaincode::{self, Call, register};
use crate::testing::package;

/// A chaincode service that registers as `name`, answers `echo` with its arguments and dies of `die`.
struct Service {
    name: String,
    deaths: mpsc::Sender<()>,
}

#[tonic::async_trait]
impl Chaincode for Service {
    type ConnectStream = BoxStream<'static, Result<ChaincodeMessage, Status>>;

    async fn connect(
        &self,
        request: Request<Streaming<ChaincodeMessage>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let (to_peer, outbound) = mpsc::channel(8);
        let from_peer = receiver(request.into_inner());
        let deaths = self.deaths.clone();
        let script = move |call: Call| {
            let deaths = deaths.clone();
            async move {
                match call.args().join(" ") {
                    word if word == "die" => deaths.send(()).await.expect("the test listens"),
                    words => call.complete(words).await,
                }
            }
        };
        tokio::spawn(chaincode::run(from_peer, to_peer, self.name.clone(), script));
        Ok(Response::new(ReceiverStream::new(outbound).map(Ok).boxed()))
    }
}

fn receiver(mut stream: Streaming<ChaincodeMessage>) -> mpsc::Receiver<ChaincodeMessage> {
    let (sender, receiver) = mpsc::channel(8);
    tokio::spawn(async move {
        while let Some(Ok(message)) = stream.next().await {
            if sender.send(message).await.is_err() {
                break;
            }
        }
    });
    receiver
}

/// A service in a runtime of its own, so that its end breaks its connections as a process's end does.
struct Running {
    runtime: Option<Runtime>,
    deaths: mpsc::Receiver<()>,
}

impl Running {
    /// Ends the service and all its connections, and frees the port.
    async fn kill(mut self) {
        let runtime = self.runtime.take().expect("it runs");
        let stop = move || runtime.shutdown_timeout(Duration::from_secs(10));
        tokio::task::spawn_blocking(stop).await.expect("stops");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn serve(listener: TcpListener, name: &str, tls: Option<ServerTlsConfig>) -> Running {
    let (deaths_sender, deaths) = mpsc::channel(1);
    let service = ChaincodeServer::new(Service {
        name: name.into(),
        deaths: deaths_sender,
    });
    let mut server = Server::builder();
    if let Some(tls) = tls {
        server = server.tls_config(tls).expect("TLS");
    }
    let listener = listener.into_std().expect("a listener");
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.spawn(async move {
        let listener = TcpListener::from_std(listener).expect("a listener");
        server
            .add_service(service)
            .serve_with_incoming(TcpListenerStream::new(listener))
            .await
    });
    Running {
        runtime: Some(runtime),
        deaths,
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// A CA, and a certificate for 127.0.0.1 that it issued: certificate and key.
struct Material {
    ca: String,
    certificate: String,
    key: String,
}

fn material() -> Material {
    let mut ca = CertificateParams::new(Vec::new()).expect("parameters");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(ca, KeyPair::generate().expect("a key")).expect("a CA");
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned(), "cc.example.com".to_owned()])
        .expect("parameters")
        .signed_by(&key, &issuer)
        .expect("a certificate");
    Material {
        ca: issuer.pem(),
        certificate: leaf.pem(),
        key: key.serialize_pem(),
    }
}

fn connection(address: SocketAddr, material: Option<&Material>, client: bool) -> Vec<u8> {
    let mut json = serde_json::json!({"address": address.to_string(), "dial_timeout": "5s"});
    if let Some(material) = material {
        json["tls_required"] = true.into();
        json["root_cert"] = material.ca.as_str().into();
        if client {
            json["client_auth_required"] = true.into();
            json["client_cert"] = material.certificate.as_str().into();
            json["client_key"] = material.key.as_str().into();
        }
    }
    json.to_string().into_bytes()
}

#[tokio::test]
async fn a_service_is_called_over_tls() {
    let (listener, address) = listen().await;
    let material = material();
    let mut bench = Bench::new();
    let id = bench.install(
        "cc",
        &package::ccaas("cc", &connection(address, Some(&material), false)),
    );
    let tls = ServerTlsConfig::new().identity(Identity::from_pem(&material.certificate, &material.key));
    let _service = serve(listener, &id, Some(tls));
    assert_eq!(bench.payload("cc", &["hello", "there"]).await, "hello there");
}

#[tokio::test]
async fn a_service_may_ask_for_the_peers_certificate() {
    let (listener, address) = listen().await;
    let material = material();
    let mut bench = Bench::new();
    let id = bench.install(
        "cc",
        &package::ccaas("cc", &connection(address, Some(&material), true)),
    );
    let anonymous = bench.install(
        "anonymous",
        &package::ccaas("a", &connection(address, Some(&material), false)),
    );
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(&material.certificate, &material.key))
        .client_ca_root(Certificate::from_pem(&material.ca));
    let _service = serve(listener, &id, Some(tls));
    assert_eq!(bench.payload("cc", &["hello"]).await, "hello");
    bench.host.launch(&anonymous).await.expect_err("no certificate");
}

#[tokio::test]
async fn a_service_with_an_unknown_certificate_is_refused() {
    let (listener, address) = listen().await;
    let (served, expected) = (material(), material());
    let mut bench = Bench::new();
    let id = bench.install(
        "cc",
        &package::ccaas("cc", &connection(address, Some(&expected), false)),
    );
    let tls = ServerTlsConfig::new().identity(Identity::from_pem(&served.certificate, &served.key));
    let _service = serve(listener, &id, Some(tls));
    let error = bench.execute("cc", &[]).await.expect_err("refused").to_string();
    let start = format!(
        "failed to execute transaction tx: could not launch chaincode {id}: connection to {id} failed: {address}"
    );
    assert!(error.starts_with(&start), "{error}");
    assert!(error.contains("certificate"), "{error}");
}

#[tokio::test]
async fn the_peer_reconnects_when_the_service_comes_back() {
    let (listener, address) = listen().await;
    let mut bench = Bench::new();
    let id = bench.install("cc", &package::ccaas("cc", &connection(address, None, false)));
    let mut service = serve(listener, &id, None);
    assert_eq!(bench.payload("cc", &["one"]).await, "one");

    let (outcome, ()) = tokio::join!(bench.execute("cc", &["die"]), async {
        service.deaths.recv().await.expect("the call arrives");
        service.kill().await;
    });
    // Nobody listens there, and nobody else gets the port.
    let held = TcpSocket::new_v4().expect("a socket");
    held.set_reuseaddr(true).expect("set");
    held.bind(address).expect("its own");
    let error = outcome.expect_err("dies").to_string();
    assert_eq!(
        error,
        "failed to execute transaction tx: error sending: chaincode stream terminated"
    );

    let error = bench
        .execute("cc", &["two"])
        .await
        .expect_err("nobody listens")
        .to_string();
    assert!(
        error.contains(&format!(
            "could not launch chaincode {id}: connection to {id} failed"
        )),
        "{error}"
    );

    drop(held);
    let listener = TcpListener::bind(address).await.expect("binds again");
    let _service = serve(listener, &id, None);
    assert_eq!(bench.payload("cc", &["three"]).await, "three");
}

#[tokio::test]
async fn a_service_that_registers_under_another_id_is_refused() {
    let (listener, address) = listen().await;
    let mut bench = Bench::new();
    let id = bench.install("cc", &package::ccaas("cc", &connection(address, None, false)));
    let _service = serve(listener, "other:1", None);
    let error = bench.host.launch(&id).await.expect_err("refused").to_string();
    assert!(
        error.contains(&format!(
            "the chaincode registered as 'other:1' but serves package '{id}'"
        )),
        "{error}"
    );
}

/// Serves the host's Register service.
async fn serve_peer(bench: &Bench) -> SocketAddr {
    let (listener, address) = listen().await;
    let service = bench.host.register_service().into_server();
    tokio::spawn(
        Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpListenerStream::new(listener)),
    );
    address
}

/// Connects to the peer as chaincode does.
async fn connect(
    address: SocketAddr,
    outbound: mpsc::Receiver<ChaincodeMessage>,
) -> Streaming<ChaincodeMessage> {
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}"))
        .expect("an address")
        .connect()
        .await
        .expect("connects");
    let stream = ChaincodeSupportClient::new(channel)
        .register(ReceiverStream::new(outbound))
        .await;
    stream.expect("a stream").into_inner()
}

#[tokio::test]
async fn in_development_mode_chaincode_registers_by_itself() {
    let mut bench = Bench::with_options(|options| options.dev_mode = true);
    bench.define("cc", "mycc:1.0");
    let address = serve_peer(&bench).await;
    let (to_peer, outbound) = mpsc::channel(8);
    to_peer.send(register("mycc:1.0")).await.expect("room");
    let mut first = connect(address, outbound).await;
    let reply = first.next().await.expect("a message").expect("no error");
    assert_eq!(reply.r#type(), Type::Registered);
    let ready = first.next().await.expect("a message").expect("no error");
    assert_eq!(ready.r#type(), Type::Ready);

    // A second one under the same name is refused, and the first one stays.
    let (second_to_peer, outbound) = mpsc::channel(8);
    second_to_peer.send(register("mycc:1.0")).await.expect("room");
    let mut second = connect(address, outbound).await;
    let refusal = second.next().await.expect("a verdict").expect_err("refused");
    assert_eq!(
        refusal.message(),
        "error handling message, ending stream: duplicate chaincodeID: mycc:1.0"
    );
    let script = |call: Call| async move { call.complete("ok").await };
    let (shim_out, mut shim_messages) = mpsc::channel(8);
    tokio::spawn(chaincode::run(
        receiver(first),
        shim_out,
        "mycc:1.0".into(),
        script,
    ));
    tokio::spawn(async move {
        shim_messages.recv().await.expect("its REGISTER, sent already");
        while let Some(message) = shim_messages.recv().await {
            to_peer.send(message).await.expect("the peer listens");
        }
    });
    assert_eq!(bench.payload("cc", &[]).await, "ok");
}

#[tokio::test]
async fn without_development_mode_strangers_are_refused() {
    let bench = Bench::new();
    let address = serve_peer(&bench).await;
    let (to_peer, outbound) = mpsc::channel(8);
    to_peer.send(register("mycc:1.0")).await.expect("room");
    let refusal = connect(address, outbound)
        .await
        .next()
        .await
        .expect("a verdict")
        .expect_err("refused");
    assert_eq!(refusal.code(), tonic::Code::FailedPrecondition);
    assert_eq!(
        refusal.message(),
        "error handling message, ending stream: peer will not accept external chaincode connection mycc:1.0 (except \
         in dev mode)"
    );
}
