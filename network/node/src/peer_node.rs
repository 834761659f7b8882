//! A member's peer with its listeners.

use std::path::PathBuf;
use std::sync::Arc;

use fabric_msp::Msp;
use fabric_msp::cryptogen::Organization;
use fabric_peer::{InProcessNetwork, Peer, PeerConfig, RemoteEndpoint};
use fabric_protos::common::Block;

use crate::config::{NetworkConfig, OrganisationConfig};
use crate::error::NetworkError;
use crate::listeners::PeerListeners;
use crate::network::blocking;
use crate::operations;
use crate::server::{Security, Server};

/// A running peer.
#[derive(Debug)]
pub(crate) struct PeerNode {
    peer: Arc<Peer>,
    servers: Vec<Server>,
}

impl PeerNode {
    /// Opens the peer in `dir`, joins the channel when it is new, and listens.
    #[allow(clippy::too_many_arguments)]
    pub(crate) async fn start(
        config: &NetworkConfig,
        organisation: &OrganisationConfig,
        tree: Organization,
        dir: PathBuf,
        orderer: RemoteEndpoint,
        together: Arc<InProcessNetwork>,
        genesis: Arc<Block>,
        listeners: PeerListeners,
    ) -> Result<Self, NetworkError> {
        let failed = |msp_id: String| {
            move |error: fabric_peer::PeerError| NetworkError::Peer {
                msp_id,
                reason: error.to_string(),
            }
        };
        let tls = tree.node_tls(&organisation.hostname)?;
        let endpoint = RemoteEndpoint {
            address: listeners.main.address().to_string(),
            tls_roots_pem: tls.ca_pem.clone(),
            server_name: Some(organisation.host()),
        };
        let signer = tree.node_identity(&organisation.hostname)?;
        let local_msp = Arc::new(Msp::from_dir(tree.msp_dir(), &organisation.msp_id)?);
        let mut settings = PeerConfig::new(dir, signer, local_msp, endpoint);
        settings.orderers = vec![orderer];
        settings.time_window = config.time_window;
        settings.files = Arc::clone(&config.files);
        let (channel, msp_id) = (config.channel.clone(), organisation.msp_id.clone());
        let peer = blocking(move || {
            let peer =
                Peer::open(settings, together.clone(), together.clone()).map_err(failed(msp_id.clone()))?;
            if peer.channel(&channel).is_none() {
                peer.join(&genesis).map_err(failed(msp_id))?;
            }
            together.add(&peer);
            Ok(peer)
        })
        .await?;
        for (name, chaincode) in &config.chaincodes {
            peer.chaincode_host().register_in_process(name, chaincode.clone());
        }
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
                peer.routes().into_axum_router(),
            ),
            Server::start(
                listeners.chaincode,
                Security::grpc(&tls)?,
                peer.chaincode_routes().into_axum_router(),
            ),
            Server::start(
                listeners.operations,
                Security::Plain,
                operations::router(Arc::new(heights)),
            ),
        ];
        Ok(Self { peer, servers })
    }

    pub(crate) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    pub(crate) fn msp_id(&self) -> &str {
        self.peer.msp_id()
    }

    /// Starts to take blocks from the orderer.
    pub(crate) fn follow(&self) {
        self.peer.follow();
    }

    pub(crate) async fn stop(self) {
        self.peer.close().await;
        futures::future::join_all(self.servers.into_iter().map(Server::stop)).await;
    }
}
