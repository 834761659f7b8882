//! The ordering node with its listeners.

use std::path::PathBuf;
use std::sync::Arc;

use fabric_msp::cryptogen::Organization;
use fabric_orderer::{Orderer, OrdererConfig, OrdererError};
use fabric_peer::{RemoteEndpoint, health_server};
use fabric_protos::common::Block;
use tonic::service::Routes;

use crate::config::NetworkConfig;
use crate::error::NetworkError;
use crate::listeners::OrdererListeners;
use crate::network::blocking;
use crate::operations;
use crate::server::{Security, Server};
use crate::slot::Node;

/// A running ordering node.
#[derive(Debug)]
pub(crate) struct OrdererNode {
    orderer: Arc<Orderer>,
    servers: Vec<Server>,
}

impl OrdererNode {
    /// Opens the node in `dir`, joins the channel when it is new, and listens.
    pub(crate) async fn start(
        config: &NetworkConfig,
        dir: PathBuf,
        tree: &Organization,
        genesis: Arc<Block>,
        listeners: OrdererListeners,
    ) -> Result<Self, NetworkError> {
        let hostname = &config.orderer.hostname;
        let settings = OrdererConfig {
            cutting: config.cutting,
            files: Arc::clone(&config.files),
            ..OrdererConfig::new(dir, tree.node_identity(hostname)?)
        };
        let tls = tree.node_tls(hostname)?;
        let orderer = blocking(move || {
            let orderer = Orderer::open(settings)?;
            match orderer.join(&genesis) {
                Ok(_) | Err(OrdererError::ChannelExists) => Ok(orderer),
                Err(error) => Err(error.into()),
            }
        })
        .await?;
        let grpc = Routes::new(orderer.service())
            .add_service(health_server())
            .prepare()
            .into_axum_router();
        let counted = Arc::clone(&orderer);
        let heights = move || {
            counted
                .channels()
                .into_iter()
                .map(|info| (info.name, info.height))
                .collect()
        };
        let servers = vec![
            Server::start(listeners.main, Security::grpc(&tls)?, grpc),
            Server::start(
                listeners.admin,
                Security::mutual(&tls, &tls.ca_pem)?,
                orderer.participation(),
            ),
            Server::start(
                listeners.operations,
                Security::Plain,
                operations::router(Arc::new(heights)),
            ),
        ];
        Ok(Self { orderer, servers })
    }

    /// Where peers reach the node that will listen on `listeners`.
    pub(crate) fn endpoint(
        config: &NetworkConfig,
        tree: &Organization,
        listeners: &OrdererListeners,
    ) -> Result<RemoteEndpoint, NetworkError> {
        Ok(RemoteEndpoint {
            address: listeners.main.address().to_string(),
            tls_roots_pem: tree.node_tls(&config.orderer.hostname)?.ca_pem,
            server_name: Some(config.orderer.host()),
        })
    }
}

impl Node for OrdererNode {
    type Service = Orderer;

    fn service(&self) -> &Arc<Orderer> {
        &self.orderer
    }

    async fn stop(self) {
        self.orderer.close().await;
        futures::future::join_all(self.servers.into_iter().map(Server::stop)).await;
    }
}
