//! A member's peer with its listeners.

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use fabric_msp::Msp;
use fabric_msp::cryptogen::Organization;
use fabric_peer::gateway::{GatewayOptions, GatewayService};
use fabric_peer::{
    Channel, DeliverService, EndorserService, InProcessNetwork, Peer, PeerConfig, PeerError, RemoteEndpoint,
    health_server,
};
use fabric_protos::common::Block;
use tonic::service::Routes;

use crate::config::{NetworkConfig, OrganisationConfig};
use crate::error::NetworkError;
use crate::listeners::PeerListeners;
use crate::network::blocking;
use crate::operations;
use crate::server::{Security, Server};

/// How often and how long a stopped peer is asked whether its ledgers are closed.
const RELEASE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(10));

/// What all peers of a network share.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    /// The channel's first block.
    pub(crate) genesis: Arc<Block>,
    /// Where blocks come from.
    pub(crate) orderer: RemoteEndpoint,
    /// The peers of this process.
    pub(crate) together: Arc<InProcessNetwork>,
}

/// A running peer.
#[derive(Debug)]
pub(crate) struct PeerNode {
    peer: Arc<Peer>,
    deliver: DeliverService,
    gateway: GatewayService,
    servers: Vec<Server>,
}

impl PeerNode {
    /// Opens the peer in `dir`, joins the channel when it is new, and listens.
    pub(crate) async fn start(
        config: &NetworkConfig,
        organisation: &OrganisationConfig,
        tree: &Organization,
        dir: PathBuf,
        surroundings: Surroundings,
        listeners: PeerListeners,
    ) -> Result<Self, NetworkError> {
        let tls = tree.node_tls(&organisation.hostname)?;
        let endpoint = RemoteEndpoint {
            address: listeners.main.address().to_string(),
            tls_roots_pem: tls.ca_pem.clone(),
            server_name: Some(organisation.host()),
        };
        let signer = tree.node_identity(&organisation.hostname)?;
        let local_msp = Arc::new(Msp::from_dir(tree.msp_dir(), &organisation.msp_id)?);
        let mut settings = PeerConfig::new(dir, signer, local_msp, endpoint);
        settings.orderers = vec![surroundings.orderer.clone()];
        settings.time_window = config.time_window;
        settings.files = Arc::clone(&config.files);
        let peer = open(settings, config.channel.clone(), surroundings).await?;
        for (name, chaincode) in &config.chaincodes {
            peer.chaincode().register_in_process(name, chaincode.clone());
        }

        let deliver = DeliverService::new(&peer);
        let gateway = GatewayService::new(&peer, GatewayOptions::default());
        let services = Routes::new(EndorserService::server(Arc::clone(&peer)))
            .add_service(deliver.server())
            .add_service(gateway.clone().into_server())
            .add_service(health_server());
        let chaincode = Routes::new(peer.chaincode().register_service().into_server());
        let counted = Arc::downgrade(&peer);
        let heights = move || {
            let channels = counted.upgrade().map(|peer| peer.channels()).unwrap_or_default();
            channels
                .iter()
                .map(|channel| (channel.id().to_owned(), channel.height()))
                .collect()
        };
        let servers = vec![
            Server::start(
                listeners.main,
                Security::grpc(&tls)?,
                services.prepare().into_axum_router(),
            ),
            Server::start(
                listeners.chaincode,
                Security::grpc(&tls)?,
                chaincode.prepare().into_axum_router(),
            ),
            Server::start(
                listeners.operations,
                Security::Plain,
                operations::router(Arc::new(heights)),
            ),
        ];
        Ok(Self {
            peer,
            deliver,
            gateway,
            servers,
        })
    }

    pub(crate) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    pub(crate) fn msp_id(&self) -> &str {
        self.peer.msp_id()
    }

    /// Stops everything and returns once the ledgers are closed.
    pub(crate) async fn stop(self) {
        let Self {
            peer,
            deliver,
            gateway,
            servers,
        } = self;
        peer.shutdown();
        gateway.close();
        deliver.close().await;
        futures::future::join_all(servers.into_iter().map(Server::stop)).await;
        let channels: Vec<Weak<Channel>> = peer.channels().iter().map(Arc::downgrade).collect();
        let host = peer.endpoint().address.clone();
        drop((peer, deliver, gateway));
        let released = async {
            while channels.iter().any(|channel| channel.strong_count() > 0) {
                tokio::time::sleep(RELEASE.0).await;
            }
        };
        if tokio::time::timeout(RELEASE.1, released).await.is_err() {
            tracing::warn!(
                peer = host,
                "the peer stopped, but something still holds its ledger"
            );
        }
    }
}

async fn open(
    settings: PeerConfig,
    channel: String,
    surroundings: Surroundings,
) -> Result<Arc<Peer>, NetworkError> {
    let msp_id = settings.signer.msp_id().to_owned();
    let open = move || -> Result<Arc<Peer>, PeerError> {
        let together = surroundings.together;
        let peer = Peer::open(settings, together.clone(), together.clone())?;
        if peer.channel(&channel).is_none() {
            peer.join(&surroundings.genesis)?;
        }
        together.add(&peer);
        Ok(peer)
    };
    blocking(move || {
        open().map_err(|error| NetworkError::Peer {
            msp_id,
            reason: error.to_string(),
        })
    })
    .await
}
