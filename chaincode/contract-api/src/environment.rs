//! The environment variables that Fabric's peers, builders and samples hand to a chaincode program.

use std::time::Duration;

use base64::Engine as _;
use fabric_contract_core::Chaincode;

use crate::client::{ClientOptions, connect};
use crate::error::ShimError;
use crate::server::Server;
use crate::tls::{ClientTls, ServerTls};

const SERVER_ADDRESS: [&str; 2] = ["CHAINCODE_SERVER_ADDRESS", "CORE_CHAINCODE_ADDRESS"];
const CHAINCODE_ID: [&str; 3] = ["CORE_CHAINCODE_ID_NAME", "CHAINCODE_ID", "CORE_CHAINCODE_ID"];
/// How long a health check waits.
const HEALTH: Duration = Duration::from_secs(2);
const PEER_ADDRESS_FLAGS: [&str; 2] = ["-peer.address", "--peer.address"];

/// Runs a chaincode program as its environment says, until it is stopped (SIGINT or SIGTERM, in server mode) or its stream ends.
///
/// | variable | for |
/// |---|---|
/// | `CORE_CHAINCODE_ID_NAME`, `CHAINCODE_ID`, `CORE_CHAINCODE_ID` | the package id |
/// | `CHAINCODE_SERVER_ADDRESS`, `CORE_CHAINCODE_ADDRESS` | server mode: `host:port` to listen on |
/// | `CHAINCODE_TLS_CERT`, `CHAINCODE_TLS_KEY`, `CHAINCODE_CLIENT_CA_CERT` | server mode: PEM files; `CHAINCODE_TLS_DISABLED=true` ignores them |
/// | `CORE_PEER_ADDRESS` or the argument `-peer.address` | client mode: the peer |
/// | `CORE_PEER_TLS_ENABLED`, `CORE_PEER_TLS_ROOTCERT_FILE` | client mode: TLS and the peer's roots (PEM file) |
/// | `CORE_TLS_CLIENT_CERT_FILE`, `CORE_TLS_CLIENT_KEY_FILE` | client mode: PEM files; `…_PATH` in their place are base64 of PEM |
///
/// # Errors
/// [`ShimError`]: what is missing in the environment, or why it stopped.
pub async fn run(chaincode: Chaincode) -> Result<(), ShimError> {
    let arguments: Vec<String> = std::env::args().collect();
    match Mode::read(|name| std::env::var(name).ok(), &arguments)? {
        Mode::Server {
            chaincode_id,
            address,
            tls,
        } => {
            let mut server = Server::builder(chaincode_id, chaincode).address(address);
            if let Some(tls) = tls {
                server = server.tls(tls);
            }
            server.serve(stopped()).await
        }
        Mode::Client(options) => connect(options, chaincode).await,
    }
}

/// Asks whether the chaincode server of this environment takes connections: what a container's health check runs beside it. The wildcard
/// addresses are asked on loopback.
///
/// # Errors
/// [`ShimError::Environment`] without a server address, [`ShimError::Listen`] if nobody answers there within two seconds.
pub async fn check_health() -> Result<(), ShimError> {
    let address = SERVER_ADDRESS
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .ok_or_else(|| {
            ShimError::Environment(format!("set {} to the server's address", SERVER_ADDRESS[0]))
        })?;
    answers(&address).await
}

async fn answers(address: &str) -> Result<(), ShimError> {
    let near = match address.rsplit_once(':') {
        Some(("0.0.0.0" | "", port)) => format!("127.0.0.1:{port}"),
        Some(("[::]", port)) => format!("[::1]:{port}"),
        _ => address.to_owned(),
    };
    let connecting = tokio::time::timeout(HEALTH, tokio::net::TcpStream::connect(&near));
    let failed = |source| ShimError::Listen {
        address: near.clone(),
        source,
    };
    match connecting.await {
        Ok(connected) => connected.map(|_| ()).map_err(failed),
        Err(_) => Err(failed(std::io::ErrorKind::TimedOut.into())),
    }
}

/// Done at SIGINT (Ctrl-C) or SIGTERM (a container's stop), also at one that comes between this call and the first wait. Where signals cannot be had, only a
/// kill ends the server.
#[cfg(unix)]
fn stopped() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let handler = |kind, name| {
        signal(kind)
            .inspect_err(|error| tracing::warn!(%error, "no handler for {name}"))
            .ok()
    };
    let interrupt = handler(SignalKind::interrupt(), "SIGINT");
    let terminate = handler(SignalKind::terminate(), "SIGTERM");
    let received = async |signal: Option<tokio::signal::unix::Signal>| match signal {
        Some(mut signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    };
    async move {
        tokio::select! {
            () = received(interrupt) => {}
            () = received(terminate) => {}
        }
    }
}

/// Done at Ctrl-C. Where that cannot be had, only a kill ends the server.
#[cfg(not(unix))]
async fn stopped() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::warn!(%error, "no handler for Ctrl-C");
        std::future::pending::<()>().await;
    }
}

#[derive(Debug)]
enum Mode {
    Server {
        chaincode_id: String,
        address: String,
        tls: Option<ServerTls>,
    },
    Client(ClientOptions),
}

impl Mode {
    fn read(variable: impl Fn(&str) -> Option<String>, arguments: &[String]) -> Result<Self, ShimError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let first = |names: &[&str]| names.iter().find_map(|name| set(name));
        let chaincode_id = first(&CHAINCODE_ID).ok_or_else(|| {
            ShimError::Environment(format!(
                "set {} to the package id that the peer's install gave",
                CHAINCODE_ID[0]
            ))
        })?;
        if let Some(address) = first(&SERVER_ADDRESS) {
            return Ok(Self::Server {
                chaincode_id,
                address,
                tls: server_tls(set)?,
            });
        }
        let peer_address = peer_address_argument(arguments)
            .or_else(|| set("CORE_PEER_ADDRESS"))
            .ok_or_else(|| {
                ShimError::Environment(format!(
                    "set {} to listen for peers, or CORE_PEER_ADDRESS to connect to one",
                    SERVER_ADDRESS[0]
                ))
            })?;
        Ok(Self::Client(ClientOptions {
            peer_address,
            chaincode_id,
            tls: client_tls(set)?,
        }))
    }
}

fn server_tls(set: impl Fn(&str) -> Option<String>) -> Result<Option<ServerTls>, ShimError> {
    if set("CHAINCODE_TLS_DISABLED").as_deref() == Some("true") {
        return Ok(None);
    }
    match (set("CHAINCODE_TLS_CERT"), set("CHAINCODE_TLS_KEY")) {
        (Some(certificate), Some(key)) => Ok(Some(ServerTls {
            certificate_pem: file(&certificate)?,
            key_pem: file(&key)?,
            client_roots_pem: set("CHAINCODE_CLIENT_CA_CERT")
                .map(|path| file(&path))
                .transpose()?,
        })),
        (None, None) => Ok(None),
        _ => Err(ShimError::Environment(
            "set both CHAINCODE_TLS_CERT and CHAINCODE_TLS_KEY, or neither".to_owned(),
        )),
    }
}

fn client_tls(set: impl Fn(&str) -> Option<String>) -> Result<Option<ClientTls>, ShimError> {
    if set("CORE_PEER_TLS_ENABLED").as_deref() != Some("true") {
        return Ok(None);
    }
    let roots = set("CORE_PEER_TLS_ROOTCERT_FILE").ok_or_else(|| {
        ShimError::Environment(
            "CORE_PEER_TLS_ENABLED is true: set CORE_PEER_TLS_ROOTCERT_FILE to the peer's root certificates"
                .to_owned(),
        )
    })?;
    let material = |kind: &str| {
        let (pem, encoded) = (
            format!("CORE_TLS_CLIENT_{kind}_FILE"),
            format!("CORE_TLS_CLIENT_{kind}_PATH"),
        );
        match (set(&pem), set(&encoded)) {
            (Some(path), _) => file(&path).map(Some),
            (None, Some(path)) => base64_file(&path).map(Some),
            (None, None) => Ok(None),
        }
    };
    let identity_pem = match (material("CERT")?, material("KEY")?) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => {
            return Err(ShimError::Environment(
                "set both CORE_TLS_CLIENT_CERT_FILE and CORE_TLS_CLIENT_KEY_FILE, or neither".to_owned(),
            ));
        }
    };
    Ok(Some(ClientTls {
        roots_pem: file(&roots)?,
        identity_pem,
        server_name: None,
    }))
}

/// `-peer.address x`, `--peer.address x` or with `=`.
fn peer_address_argument(arguments: &[String]) -> Option<String> {
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        for flag in PEER_ADDRESS_FLAGS {
            match argument.strip_prefix(flag) {
                Some("") => return arguments.next().cloned(),
                Some(rest) if rest.starts_with('=') => return Some(rest.trim_start_matches('=').to_owned()),
                _ => {}
            }
        }
    }
    None
}

fn file(path: &str) -> Result<Vec<u8>, ShimError> {
    std::fs::read(path).map_err(|source| ShimError::File {
        path: path.to_owned(),
        source,
    })
}

fn base64_file(path: &str) -> Result<Vec<u8>, ShimError> {
    let encoded = file(path)?;
    base64::engine::general_purpose::STANDARD
        .decode(encoded.trim_ascii())
        .map_err(|_| ShimError::Environment(format!("{path} is not base64 of a PEM file")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)], arguments: &[&str]) -> Result<Mode, ShimError> {
        let lookup = |name: &str| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        };
        let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Mode::read(lookup, &arguments)
    }

    #[test]
    fn a_server_address_means_server_mode() {
        let mode = read(
            &[
                ("CHAINCODE_ID", "cc:1"),
                ("CHAINCODE_SERVER_ADDRESS", "0.0.0.0:9999"),
            ],
            &[],
        );
        let Ok(Mode::Server {
            chaincode_id,
            address,
            tls: None,
        }) = mode
        else {
            panic!("{mode:?}")
        };
        assert_eq!(
            (chaincode_id.as_str(), address.as_str()),
            ("cc:1", "0.0.0.0:9999")
        );
    }

    #[test]
    fn a_peer_address_means_client_mode() {
        for arguments in [
            &["cc", "-peer.address", "peer:7052"][..],
            &["cc", "--peer.address=peer:7052"],
        ] {
            let mode = read(&[("CORE_CHAINCODE_ID_NAME", "cc:1")], arguments);
            let Ok(Mode::Client(options)) = mode else {
                panic!("{mode:?}")
            };
            assert_eq!(options.peer_address, "peer:7052");
            assert!(options.tls.is_none());
        }
    }

    #[tokio::test]
    async fn health_is_a_listener_on_loopback() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let port = listener.local_addr().expect("bound").port();
        answers(&format!("0.0.0.0:{port}")).await.expect("answers");
        drop(listener);
        let refused = answers(&format!("0.0.0.0:{port}")).await.expect_err("nobody");
        assert!(refused.to_string().contains("127.0.0.1"), "{refused}");
    }

    #[test]
    fn says_what_is_missing() {
        let id = ("CHAINCODE_ID", "cc:1");
        let server = ("CHAINCODE_SERVER_ADDRESS", "a:1");
        let cases = [
            (vec![], "CORE_CHAINCODE_ID_NAME"),
            (vec![id], "CHAINCODE_SERVER_ADDRESS"),
            (vec![id, server, ("CHAINCODE_TLS_KEY", "k")], "CHAINCODE_TLS_CERT"),
            (
                vec![
                    id,
                    ("CORE_PEER_ADDRESS", "p:1"),
                    ("CORE_PEER_TLS_ENABLED", "true"),
                ],
                "CORE_PEER_TLS_ROOTCERT_FILE",
            ),
        ];
        for (variables, expected) in cases {
            let error = read(&variables, &[]).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
        let missing = [
            id,
            server,
            ("CHAINCODE_TLS_KEY", "/nowhere/k"),
            ("CHAINCODE_TLS_CERT", "/nowhere/c"),
        ];
        assert!(matches!(read(&missing, &[]), Err(ShimError::File { .. })));
    }
}
