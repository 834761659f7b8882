//! What listens, and how it takes strangers and noise.

use std::net::SocketAddr;
use std::time::Duration;

use fabric_gateway_sdk::Endpoint;
use fabric_node::Network;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{broadcast, connect, health, height, message, sized_message, status};
use fabric_protos::common::Status;

fn every_port(network: &Network) -> Vec<SocketAddr> {
    let summary = network.summary();
    let mut ports = vec![
        summary.orderer.endpoint,
        summary.orderer.admin,
        summary.orderer.operations,
    ];
    for member in &summary.organisations {
        ports.extend([member.endpoint, member.chaincode, member.operations]);
    }
    ports
}

#[tokio::test(flavor = "multi_thread")]
async fn health_version_and_metrics() {
    let network = Network::start(health()).await.expect("starts");
    let member = &network.summary().organisations[0];
    for operations in [network.summary().orderer.operations, member.operations] {
        let fetch = |path: &str| get(operations, path.to_owned());
        assert!(fetch("/healthz").await.contains("\"status\":\"OK\""));
        assert!(fetch("/version").await.contains("Version"));
        let metrics = fetch("/metrics").await;
        assert!(
            metrics.contains("ledger_blockchain_height{channel=\"health\"} 1"),
            "{metrics}"
        );
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_health_is_served_over_tls() {
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_check_response::ServingStatus;
    use tonic_health::pb::health_client::HealthClient;
    let network = Network::start(health()).await.expect("starts");
    let mut client = HealthClient::new(connect(&network, "ClinicMSP").await);
    let answer = client
        .check(HealthCheckRequest::default())
        .await
        .expect("answered")
        .into_inner();
    assert_eq!(answer.status(), ServingStatus::Serving);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_many_megabytes_pass() {
    let network = Network::start(health()).await.expect("starts");
    let user = network.user("HospitalMSP", "User1").expect("a user");
    let large = sized_message("health", &user, 9 << 20);
    assert_eq!(status(&broadcast(&network, large).await), Status::Success);
    height(&network, "ClinicMSP", 2).await;
    let above = broadcast(&network, sized_message("health", &user, 11 << 20)).await;
    assert_eq!(status(&above), Status::BadRequest);
    assert!(
        above.info.contains("exceeds maximum allowed 10485760 bytes"),
        "{}",
        above.info
    );
    network.stop().await;
}

/// A plain HTTP request.
async fn get(address: SocketAddr, path: String) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_every_port_changes_nothing() {
    let network = Network::start(health()).await.expect("starts");
    let noise: [&[u8]; 4] = [
        &[0xff; 512],
        b"GET / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04",
        &[0x16, 0x03, 0x01, 0xff, 0xff, 0x01],
    ];
    for address in every_port(&network) {
        for bytes in noise {
            let mut stream = TcpStream::connect(address).await.expect("connects");
            // The server may have hung up before all is written.
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
            let mut answer = Vec::new();
            let read = stream.read_to_end(&mut answer);
            let _ = tokio::time::timeout(Duration::from_secs(30), read)
                .await
                .expect("the server hangs up");
        }
    }
    let user = network.user("HospitalMSP", "User1").expect("a user");
    assert_eq!(
        status(&broadcast(&network, message("health", &user)).await),
        Status::Success
    );
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn administration_demands_a_certificate_of_the_orderers_organisation() {
    let network = Network::start(health()).await.expect("starts");
    let orderer = &network.summary().orderer;
    let tls = orderer.tls_ca.parent().expect("the tls directory");
    let read = |path: std::path::PathBuf| std::fs::read(path).expect("a file");
    let member = &network.summary().organisations[0];
    let member_tls = member.tls_ca.parent().expect("the tls directory");
    let pem = |dir: &std::path::Path| [read(dir.join("server.crt")), read(dir.join("server.key"))].concat();
    let ca = reqwest::Certificate::from_pem(&read(orderer.tls_ca.clone())).expect("a CA");
    let url = format!(
        "https://{}:{}/participation/v1/channels",
        orderer.host,
        orderer.admin.port()
    );
    let client = |identity: Option<Vec<u8>>| {
        // Some other part of a program may have installed it before.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .tls_certs_only([ca.clone()])
            .resolve(&orderer.host, orderer.admin);
        if let Some(identity) = identity {
            builder = builder.identity(reqwest::Identity::from_pem(&identity).expect("an identity"));
        }
        builder.build().expect("a client")
    };
    let listed = client(Some(pem(tls))).get(&url).send().await.expect("answered");
    assert_eq!(
        listed.json::<serde_json::Value>().await.expect("JSON")["channels"][0]["name"],
        "health"
    );
    assert!(
        client(None).get(&url).send().await.is_err(),
        "without a certificate"
    );
    assert!(
        client(Some(pem(member_tls))).get(&url).send().await.is_err(),
        "with another organisation's"
    );
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn discovery_is_tied_to_the_certificate_of_the_connection() {
    use fabric_msp::ca::{Ca, IssueRequest, Kind};
    use fabric_protos::discovery::discovery_client::DiscoveryClient;
    use fabric_protos::discovery::query::Query as Ask;
    use fabric_protos::discovery::query_result::Result as Outcome;
    use fabric_protos::discovery::{AuthInfo, PeerMembershipQuery, Query, Request, SignedRequest};
    use prost::Message;

    let network = Network::start(health()).await.expect("starts");
    let user = network.user("ClinicMSP", "User1").expect("a user");
    let query = Query {
        channel: "health".to_owned(),
        query: Some(Ask::PeerQuery(PeerMembershipQuery { filter: None })),
    };
    let signed = |hash: Vec<u8>| {
        let request = Request {
            authentication: Some(AuthInfo {
                client_identity: user.serialized().to_vec(),
                client_tls_cert_hash: hash,
            }),
            queries: vec![query.clone()],
        };
        let payload = request.encode_to_vec();
        SignedRequest {
            signature: user.sign(&payload).expect("signs"),
            payload,
        }
    };
    // Clients make certificates for themselves: it need not be issued by anybody that the peer knows.
    let ca = Ca::new("own", "client.example", None).expect("a CA");
    let issued = ca
        .issue(&IssueRequest {
            common_name: "client".to_owned(),
            kind: Kind::Tls,
            ..IssueRequest::default()
        })
        .expect("issued");
    let member = network.summary().organisation("ClinicMSP").expect("a member");
    let endpoint = Endpoint::tls_ca_file(member.endpoint.to_string(), &member.tls_ca).expect("the CA's file");
    let endpoint = endpoint
        .server_name(&member.host)
        .client_certificate(issued.certificate_pem, issued.key_pem);
    let hash = endpoint.client_certificate_hash().expect("a certificate");
    let with_certificate = endpoint.connect().await.expect("connects");
    let mut bound = DiscoveryClient::new(with_certificate);
    let answer = bound
        .discover(signed(hash.clone()))
        .await
        .expect("answered")
        .into_inner();
    let Some(Outcome::Members(members)) = &answer.results[0].result else {
        panic!("{answer:?}");
    };
    assert_eq!(members.peers_by_org.len(), 4);
    let other = bound
        .discover(signed(vec![1; 32]))
        .await
        .expect_err("another hash");
    assert!(other.message().contains("doesn't match"), "{other}");

    let mut unbound = DiscoveryClient::new(connect(&network, "ClinicMSP").await);
    let none = unbound.discover(signed(hash)).await.expect_err("no certificate");
    assert_eq!(none.message(), "client didn't send a TLS certificate");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_1_2_or_later_and_speaks_http_2_only() {
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, ServerName};
    use std::sync::Arc;

    let network = Network::start(health()).await.expect("starts");
    let member = network.summary().organisation("ClinicMSP").expect("a member");
    let mut roots = rustls::RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(&member.tls_ca).expect("a CA");
    roots.add(ca).expect("a root");
    let orderer = &network.summary().orderer;
    let ca = CertificateDer::from_pem_file(&orderer.tls_ca).expect("a CA");
    roots.add(ca).expect("a root");
    let roots = Arc::new(roots);
    let handshake = async |versions: &[&'static rustls::SupportedProtocolVersion],
                           protocol: &[u8],
                           host: &str,
                           address| {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(Arc::clone(&roots))
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let name = ServerName::try_from(host.to_owned()).expect("a name");
        let socket = TcpStream::connect(address).await.expect("connects");
        let connected = tokio_rustls::TlsConnector::from(Arc::new(config))
            .connect(name, socket)
            .await;
        connected.map(|stream| {
            let (_, session) = stream.get_ref();
            (
                session.protocol_version(),
                session.alpn_protocol().map(<[u8]>::to_vec),
            )
        })
    };
    let (tls12, tls13) = (&rustls::version::TLS12, &rustls::version::TLS13);
    for (host, address) in [(&member.host, member.endpoint), (&orderer.host, orderer.endpoint)] {
        for version in [tls12, tls13] {
            let (used, protocol) = handshake(&[version], b"h2", host, address).await.expect("TLS");
            assert_eq!(used, Some(version.version));
            assert_eq!(protocol.as_deref(), Some(&b"h2"[..]));
        }
        assert!(handshake(&[tls13], b"http/1.1", host, address).await.is_err());
    }
    network.stop().await;
}
