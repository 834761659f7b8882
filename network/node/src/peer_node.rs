//! A member's peer with its listeners.

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use fabric_msp::Msp;
use fabric_msp::cryptogen::Organization;
use fabric_peer::discovery::DiscoveryService;
use fabric_peer::gateway::{GatewayOptions, GatewayService};
use fabric_peer::{
    DeliverService, EndorserService, InProcessNetwork, Peer, PeerConfig, PeerError, RemoteEndpoint,
    health_server,
};
use fabric_protos::common::Block;
use futures::FutureExt;
use tonic::service::Routes;

use crate::config::NetworkConfig;
use crate::error::NetworkError;
use crate::listeners::PeerListeners;
use crate::network::blocking;
use crate::operations;
use crate::server::{Security, Server};
use crate::slot::Node;

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
    together: Arc<InProcessNetwork>,
}

impl PeerNode {
    /// Opens the peer `hostname` of an organisation in `dir`, joins the channel when it is new and the organisation is one of
    /// its founders, and listens.
    pub(crate) async fn start(
        config: &NetworkConfig,
        tree: &Organization,
        hostname: &str,
        dir: PathBuf,
        surroundings: Surroundings,
        listeners: PeerListeners,
    ) -> Result<Self, NetworkError> {
        let tls = tree.node_tls(hostname)?;
        let endpoint = RemoteEndpoint {
            address: listeners.main.address().to_string(),
            tls_roots_pem: tls.ca_pem.clone(),
            server_name: Some(format!("{hostname}.{}", tree.domain())),
        };
        let signer = tree.node_identity(hostname)?;
        let local_msp = Arc::new(Msp::from_dir(tree.msp_dir(), tree.msp_id())?);
        let mut settings = PeerConfig::new(dir, signer, local_msp, endpoint);
        settings.orderers = vec![surroundings.orderer.clone()];
        settings.time_window = config.time_window;
        settings
            .chaincode
            .connection_variables
            .clone_from(&config.connection_variables);
        settings.files = Arc::clone(&config.files);
        settings.state_database = config.state_database;
        settings.purge_interval = config.purge_interval;
        let together = Arc::clone(&surroundings.together);
        let founder = config
            .organisations
            .iter()
            .any(|member| member.founder && member.msp_id == tree.msp_id());
        let channel = founder.then(|| config.channel.clone());
        let peer = open(settings, channel, surroundings).await?;
        for (name, chaincode) in &config.chaincodes {
            peer.chaincode().register_in_process(name, chaincode.clone());
        }

        let deliver = DeliverService::new(&peer);
        let gateway = GatewayService::new(&peer, GatewayOptions::default());
        let services = Routes::new(EndorserService::server(Arc::clone(&peer)))
            .add_service(deliver.server())
            .add_service(DiscoveryService::new(&peer, true).server())
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
                operations::with_erasures(operations::router(Arc::new(heights)), eraser(&peer)),
            ),
        ];
        Ok(Self {
            peer,
            deliver,
            gateway,
            servers,
            together,
        })
    }
}

impl Node for PeerNode {
    type Service = Peer;

    fn service(&self) -> &Arc<Peer> {
        &self.peer
    }

    async fn stop(self) {
        let Self {
            peer,
            deliver,
            gateway,
            servers,
            together,
        } = self;
        together.remove(&peer.endpoint().address);
        peer.shutdown();
        gateway.close();
        deliver.close().await;
        futures::future::join_all(servers.into_iter().map(Server::stop)).await;
        let channels: Vec<Weak<()>> = peer.channels().iter().map(|channel| channel.closing()).collect();
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

fn eraser(peer: &Arc<Peer>) -> operations::Eraser {
    let peer = Arc::downgrade(peer);
    Arc::new(move |channel| {
        let found = peer
            .upgrade()
            .and_then(|peer| Some((peer.channel(&channel)?, peer)));
        async move {
            let (channel, peer) = found?;
            Some(peer.erase(&channel).await)
        }
        .boxed()
    })
}

async fn open(
    settings: PeerConfig,
    channel: Option<String>,
    surroundings: Surroundings,
) -> Result<Arc<Peer>, NetworkError> {
    let msp_id = settings.signer.msp_id().to_owned();
    let open = move || -> Result<Arc<Peer>, PeerError> {
        let together = surroundings.together;
        let peer = Peer::open(settings, together.clone(), together.clone())?;
        if channel.is_some_and(|channel| peer.channel(&channel).is_none()) {
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
