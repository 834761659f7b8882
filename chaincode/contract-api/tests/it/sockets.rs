//! The shim on real sockets with mutual TLS: as a service, and as a client of a peer.

use std::pin::Pin;
use std::sync::Mutex;

use fabric_contract_api::{Chaincode, ClientOptions, ClientTls, Server, ServerTls, ShimError, connect};
use fabric_protos::peer::chaincode_client::ChaincodeClient;
use fabric_protos::peer::chaincode_message::Type;
use fabric_protos::peer::chaincode_support_server::{ChaincodeSupport, ChaincodeSupportServer};
use fabric_protos::peer::{ChaincodeMessage, GetState};
use futures::{Stream, StreamExt};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Response, Status, Streaming};

use crate::peer::{Peer, batching};
use crate::transactions::chaincode;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("is valid"))
    }

    fn root(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    /// Certificate and key for localhost.
    fn issue(&self) -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("is valid");
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let certificate = params.signed_by(&key, &self.0).expect("is valid");
        (certificate.pem().into_bytes(), key.serialize_pem().into_bytes())
    }
}

fn echo() -> Chaincode {
    chaincode(|ledger, _| Ok(ledger.get_state("k")?.unwrap_or_default()))
}

async fn plays_a_transaction(peer: &mut Peer) {
    assert_eq!(peer.register(batching()).await, "cc:1");
    peer.invoke("tx", &["f"]).await;
    let _: GetState = peer.answer(Type::GetState, b"over TLS".to_vec()).await;
    assert_eq!(peer.completed().await.payload, b"over TLS");
}

/// Opens the stream as a peer does.
async fn dial(port: u16, tls: ClientTlsConfig) -> Result<Peer, String> {
    let endpoint = Endpoint::from_shared(format!("https://localhost:{port}"))
        .expect("is valid")
        .tls_config(tls)
        .expect("is valid");
    let channel = endpoint.connect().await.map_err(|error| error.to_string())?;
    let (to_chaincode, outbound) = mpsc::channel(16);
    let inbound = ChaincodeClient::new(channel)
        .connect(ReceiverStream::new(outbound))
        .await
        .map_err(|status| status.to_string())?;
    Ok(Peer {
        to_chaincode,
        from_chaincode: forward(inbound.into_inner()),
    })
}

/// The messages of a stream until it ends or breaks.
fn forward(mut inbound: Streaming<ChaincodeMessage>) -> mpsc::Receiver<ChaincodeMessage> {
    let (forward, from_chaincode) = mpsc::channel(16);
    tokio::spawn(async move {
        while let Some(Ok(message)) = inbound.next().await {
            if forward.send(message).await.is_err() {
                break;
            }
        }
    });
    from_chaincode
}

#[tokio::test]
async fn serves_peers_that_prove_who_they_are() {
    let authority = Authority::new();
    let (certificate_pem, key_pem) = authority.issue();
    let tls = ServerTls {
        certificate_pem,
        key_pem,
        client_roots_pem: Some(authority.root()),
    };
    let server = Server::builder("cc:1", echo()).tls(tls).bind().await.unwrap();
    let port = server.local_addr().port();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(async { drop(stopped.await) }));

    let roots = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority.root()));
    let (certificate, key) = authority.issue();
    let mut first = dial(
        port,
        roots.clone().identity(Identity::from_pem(&certificate, &key)),
    )
    .await
    .unwrap();
    plays_a_transaction(&mut first).await;
    // One server takes the streams of several peers, and their transaction ids do not meet.
    let mut second = dial(
        port,
        roots.clone().identity(Identity::from_pem(&certificate, &key)),
    )
    .await
    .unwrap();
    plays_a_transaction(&mut second).await;

    assert!(dial(port, roots.clone()).await.is_err(), "no certificate");
    let (certificate, key) = Authority::new().issue();
    assert!(
        dial(port, roots.identity(Identity::from_pem(certificate, key)))
            .await
            .is_err(),
        "unknown root"
    );

    stop.send(()).unwrap();
    assert!(
        first.from_chaincode.recv().await.is_none(),
        "the stream ends with the server"
    );
    drop((first, second));
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn connects_to_a_peer() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (opened, mut streams) = mpsc::channel(1);
    let (certificate, key) = authority.issue();
    let tls = tonic::transport::ServerTlsConfig::new()
        .identity(Identity::from_pem(certificate, key))
        .client_ca_root(Certificate::from_pem(authority.root()));
    let service = ChaincodeSupportServer::new(RegisterService(Mutex::new(Some(opened))));
    let server = tonic::transport::Server::builder()
        .tls_config(tls)
        .unwrap()
        .add_service(service);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));

    let options = ClientOptions {
        peer_address: format!("localhost:{port}"),
        chaincode_id: "cc:1".into(),
        tls: Some(ClientTls {
            roots_pem: authority.root(),
            identity_pem: Some(authority.issue()),
            server_name: None,
        }),
    };
    let connected = tokio::spawn(connect(options, echo()));
    let mut peer = streams.recv().await.unwrap();
    plays_a_transaction(&mut peer).await;
    drop(peer);
    connected.await.unwrap().unwrap();
}

#[tokio::test]
async fn says_where_it_could_not_connect_or_listen() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = listener.local_addr().unwrap();
    let error = Server::builder("cc:1", echo())
        .address(taken.to_string())
        .bind()
        .await
        .unwrap_err();
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
    drop(listener);
    let options = ClientOptions {
        peer_address: taken.to_string(),
        chaincode_id: "cc:1".into(),
        tls: None,
    };
    let error = connect(options, echo()).await.unwrap_err();
    assert!(matches!(error, ShimError::Transport { .. }));
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
}

/// A peer that hands its first stream to the test.
struct RegisterService(Mutex<Option<mpsc::Sender<Peer>>>);

#[tonic::async_trait]
impl ChaincodeSupport for RegisterService {
    type RegisterStream = Pin<Box<dyn Stream<Item = Result<ChaincodeMessage, Status>> + Send>>;

    async fn register(
        &self,
        request: Request<Streaming<ChaincodeMessage>>,
    ) -> Result<Response<Self::RegisterStream>, Status> {
        let (to_chaincode, outbound) = mpsc::channel(16);
        let peer = Peer {
            to_chaincode,
            from_chaincode: forward(request.into_inner()),
        };
        let opened = self.0.lock().expect("not poisoned").take();
        let opened = opened.ok_or_else(|| Status::already_exists("one stream"))?;
        opened
            .try_send(peer)
            .map_err(|_| Status::internal("the test is over"))?;
        Ok(Response::new(Box::pin(ReceiverStream::new(outbound).map(Ok))))
    }
}
