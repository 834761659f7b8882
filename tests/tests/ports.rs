//! Garbage, plain text and oversize messages on every port: refused or dropped, and the network goes on.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use careledger_tests::engine;
use careledger_tests::members::{Members, start};
use careledger_tests::{envelope, kv};
use fabric_gateway_sdk::{Endpoint, Error, Gateway};
use fabric_node::{Network, NetworkConfig, NetworkSummary};
use fabric_protos::gateway::EvaluateRequest;
use fabric_protos::gateway::gateway_client::GatewayClient;
use fabric_protos::peer::{Proposal, SignedProposal};
use prost::Message;
use rand::{RngExt, SeedableRng};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tonic::Code;

/// The channel's largest message, made small to be quick.
const LARGEST: u32 = 256 << 10;
/// Fabric's limit for one gRPC message.
const GRPC_LIMIT: usize = 100 << 20;
/// How long a listener may take to hang up on nonsense. It is not waited for where the connection simply stays open.
const PATIENCE: Duration = Duration::from_millis(200);
/// Repeats a run.
const SEED: &str = "CARELEDGER_TEST_SEED";
/// How long a busy machine may take for a TLS handshake, or for an answer that has to come.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// A network whose largest message is [`LARGEST`].
async fn small() -> (Network, Members) {
    let mut config = NetworkConfig::test_network();
    config.batch.absolute_max_bytes = LARGEST;
    config.batch.preferred_max_bytes = LARGEST;
    start(config).await
}

/// A listener that speaks TLS, with what a client needs to get through it.
struct TlsPort {
    address: SocketAddr,
    ca_pem: Vec<u8>,
    host: String,
}

fn tls_ports(summary: &NetworkSummary) -> Vec<TlsPort> {
    let ca = |path| std::fs::read(path).expect("the CA's file");
    let orderer = &summary.orderer;
    let of_orderer = |address| TlsPort {
        address,
        ca_pem: ca(&orderer.tls_ca),
        host: orderer.host.clone(),
    };
    let mut ports = vec![of_orderer(orderer.endpoint), of_orderer(orderer.admin)];
    for member in &summary.organisations {
        for address in [member.endpoint, member.chaincode] {
            ports.push(TlsPort {
                address,
                ca_pem: ca(&member.tls_ca),
                host: member.host.clone(),
            });
        }
    }
    ports
}

fn plain_ports(summary: &NetworkSummary) -> Vec<SocketAddr> {
    std::iter::once(summary.orderer.operations)
        .chain(summary.organisations.iter().map(|member| member.operations))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_on_every_port_stops_nothing() {
    if engine::embedded_only("it attacks ports of its own") {
        return;
    }
    let (network, members) = small().await;
    let summary = network.summary().clone();
    let heights = members.heights().await;
    let seed = std::env::var(SEED).map_or_else(|_| rand::random(), |text| text.parse().expect("a number"));
    eprintln!("{SEED}={seed}");
    let thrown = tokio::task::spawn_blocking(move || throw_garbage(&summary, seed))
        .await
        .expect("no panic");
    // Four organisations' nodes: three ports of the orderer and three of each of three peers.
    assert_eq!(thrown.ports, 12);
    assert!(
        thrown.handshakes >= 7,
        "the garbage got through TLS on every port but the administrator's: {}",
        thrown.handshakes
    );

    assert_eq!(members.heights().await, heights, "no ledger grew");
    members.settle().await;
    // Fresh connections are served too, on every port that a client may use.
    let fresh = Members::connect(network.summary()).await;
    fresh.settle().await;
    for address in plain_ports(network.summary()) {
        let health = tokio::task::spawn_blocking(move || {
            exchange(
                address,
                b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
                HANDSHAKE,
            )
        });
        let health = String::from_utf8_lossy(&health.await.expect("no panic")).into_owned();
        assert!(health.starts_with("HTTP/1.1 200"), "{address}: {health}");
    }
    network.stop().await;
}

#[derive(Debug, Default)]
struct Thrown {
    ports: usize,
    handshakes: usize,
}

fn throw_garbage(summary: &NetworkSummary, seed: u64) -> Thrown {
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let mut thrown = Thrown::default();
    let tls = tls_ports(summary);
    // Connections that never say anything stay open over all the rest.
    let silent: Vec<TcpStream> = tls
        .iter()
        .flat_map(|port| (0..20).map(|_| TcpStream::connect(port.address).expect("it listens")))
        .collect();
    for address in tls.iter().map(|port| port.address).chain(plain_ports(summary)) {
        thrown.ports += 1;
        for length in [1, 5, 100, 20_000] {
            let mut bytes = vec![0; length];
            random.fill(&mut bytes[..]);
            exchange(address, &bytes, PATIENCE);
        }
        // A TLS record that announces more than it has; the preface of HTTP/2 without TLS; a request line without an end.
        exchange(address, &[22, 3, 1, 64, 0, 1, 0, 0], PATIENCE);
        exchange(
            address,
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\xff\x04\x00\x00\x00\x00\x00garbage",
            PATIENCE,
        );
        exchange(address, &[b'G'; 70_000], PATIENCE);
    }
    for port in &tls {
        let mut bytes = vec![0; 5_000];
        random.fill(&mut bytes[..]);
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        // Behind the handshake: noise, then a good preface with frames that are none.
        let frames = [preface.clone(), bytes.clone()].concat();
        let endless_settings = [preface, [0, 0, 0, 4, 0, 0, 0, 0, 0].repeat(500)].concat();
        let through = [bytes, frames, endless_settings]
            .iter()
            .filter(|bytes| inside_tls(port, bytes))
            .count();
        thrown.handshakes += usize::from(through == 3);
    }
    drop(silent);
    thrown
}

/// Writes bytes to a socket and reads until the other side hangs up or is silent for a while.
fn exchange(address: SocketAddr, bytes: &[u8], patience: Duration) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).expect("it still listens");
    socket.set_read_timeout(Some(patience)).expect("a timeout");
    // The other side may hang up in the middle.
    let _hung_up = socket.write_all(bytes);
    let mut answer = Vec::new();
    let _reset_or_silent = socket.read_to_end(&mut answer);
    answer
}

/// The same behind a TLS handshake; whether the handshake was accepted.
fn inside_tls(port: &TlsPort, bytes: &[u8]) -> bool {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&port.ca_pem) {
        roots.add(certificate.expect("PEM")).expect("a CA");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from(port.host.clone()).expect("a host name");
    let connection = rustls::ClientConnection::new(Arc::new(config), name).expect("a client");
    let socket = TcpStream::connect(port.address).expect("it still listens");
    socket.set_read_timeout(Some(HANDSHAKE)).expect("a timeout");
    let mut stream = rustls::StreamOwned::new(connection, socket);
    let accepted = stream.conn.complete_io(&mut stream.sock).is_ok();
    stream.sock.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    // The other side may hang up in the middle.
    let _hung_up = stream.write_all(bytes);
    let _reset_or_silent = stream.read_to_end(&mut Vec::new());
    accepted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_text_client_gets_nothing_from_a_tls_port() {
    if engine::embedded_only("it attacks ports of its own") {
        return;
    }
    let (network, members) = small().await;
    let heights = members.heights().await;
    for msp_id in members.msp_ids() {
        let address = members
            .summary()
            .organisation(msp_id)
            .expect("a member")
            .endpoint
            .to_string();
        let identity = members.identity(msp_id, "User1");
        match Endpoint::plain(address).connect().await {
            Err(_) => {}
            Ok(channel) => {
                let kv = Gateway::builder(channel)
                    .identity(identity)
                    .connect()
                    .network(network.channel())
                    .contract(kv::CHAINCODE);
                let error = kv
                    .submit("put", ["plain", "text"])
                    .await
                    .expect_err("no plain text");
                assert!(matches!(error, Error::Endorse(_)), "{error}");
                assert!(
                    error.code().is_some(),
                    "the call itself fails, not the chaincode: {error}"
                );
            }
        }
    }
    // A client that trusts another CA hangs up itself.
    let other = std::fs::read(&members.summary().orderer.tls_ca).expect("a CA's file");
    let member = members.summary().organisation("Org1MSP").expect("a member");
    let endpoint = Endpoint::tls(member.endpoint.to_string(), other).server_name(member.host.clone());
    assert!(
        endpoint.connect().await.is_err(),
        "a certificate of another CA is not trusted"
    );
    // The administrator's port wants a certificate of the orderer's organisation.
    let orderer = &members.summary().orderer;
    // Another test of this process may have installed it.
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let ca =
        reqwest::Certificate::from_pem(&std::fs::read(&orderer.tls_ca).expect("the CA's file")).expect("PEM");
    let http = reqwest::Client::builder()
        .tls_certs_only([ca])
        .no_proxy()
        .resolve(&orderer.host, orderer.admin)
        .build()
        .expect("a client");
    let url = format!(
        "https://{}:{}/participation/v1/channels",
        orderer.host,
        orderer.admin.port()
    );
    assert!(
        http.get(url).send().await.is_err(),
        "no administration without a certificate"
    );

    assert_eq!(members.heights().await, heights);
    members.settle().await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oversize_messages_are_refused_by_the_limit_they_pass() {
    if engine::embedded_only("it attacks ports of its own") {
        return;
    }
    let (network, members) = small().await;
    let heights = members.heights().await;

    // Beyond the channel's limit: endorsed, but not ordered.
    let large = "x".repeat(LARGEST as usize);
    let error = members
        .kv("Org1MSP")
        .submit("put", ["large", large.as_str()])
        .await
        .expect_err("beyond the channel's limit");
    assert!(matches!(error, Error::Submit(_)), "{error}");
    assert!(error.to_string().contains("exceeds maximum allowed"), "{error}");
    let endorsed = members
        .kv("Org1MSP")
        .proposal("put")
        .arg("large")
        .arg(large.as_str())
        .build()
        .endorse()
        .await
        .expect("endorsed");
    let signed = envelope::signed_by(endorsed.envelope(), &members.identity("Org1MSP", "User1"));
    let (status, text) = envelope::broadcast(members.summary(), signed).await;
    assert_eq!(
        (status, text.contains("exceeds maximum allowed")),
        (envelope::BAD_REQUEST, true),
        "{text}"
    );

    // Beyond gRPC's limit: not even read.
    let proposal = Proposal {
        payload: vec![7; GRPC_LIMIT],
        ..Proposal::default()
    };
    let signed = SignedProposal {
        proposal_bytes: proposal.encode_to_vec(),
        signature: vec![1],
    };
    let request = EvaluateRequest {
        proposed_transaction: Some(signed),
        channel_id: "mychannel".to_owned(),
        ..Default::default()
    };
    let mut client = GatewayClient::new(members.channel("Org1MSP")).max_encoding_message_size(usize::MAX);
    let refused = client.evaluate(request).await.expect_err("beyond gRPC's limit");
    assert!(
        matches!(refused.code(), Code::OutOfRange | Code::ResourceExhausted),
        "{refused}"
    );

    assert_eq!(members.heights().await, heights);
    members.settle().await;
    network.stop().await;
}
