//! An organisation comes to a network that runs.

use fabric_msp::cryptogen::Organization;

use super::{Network, blocking, peer_summary, write_summary};
use crate::config::{NetworkConfig, OrganisationConfig};
use crate::error::NetworkError;
use crate::listeners::PeerListeners;
use crate::material;
use crate::peer_node::PeerNode;
use crate::slot::Slot;
use crate::summary::OrganisationSummary;

impl Network {
    /// Makes keys and certificates for another organisation and starts its peers, beside the channel: the members take it in with a configuration
    /// update, and its peers join then. The other nodes, and whoever uses them, notice nothing. The network's directory holds it from then on: whoever
    /// starts the network again names it in the configuration (see [`NetworkConfig::with_joined`]).
    ///
    /// An organisation that is there already, with the same domain and peers, is left as it is.
    ///
    /// # Errors
    /// [`NetworkError::Config`] when its MSP id, domain or hosts are taken; [`NetworkError::PortInUse`]; otherwise what the part that failed says. The
    /// same call may be repeated.
    pub async fn add_organisation(
        &mut self,
        organisation: OrganisationConfig,
    ) -> Result<&OrganisationSummary, NetworkError> {
        let organisation = organisation.outside();
        if !self.has(&organisation) {
            let started = self.start_organisation(organisation).await?;
            self.take(started)?;
            return Ok(self
                .summary
                .organisations
                .last()
                .expect("it was put there just now"));
        }
        let there = |known: &&OrganisationSummary| known.msp_id == organisation.msp_id;
        let found = self.summary.organisations.iter().find(there);
        found.ok_or(NetworkError::NoOrganisation(organisation.msp_id))
    }

    fn has(&self, organisation: &OrganisationConfig) -> bool {
        let hosts =
            |of: &OrganisationConfig| -> Vec<String> { of.peers.iter().map(|peer| of.host(peer)).collect() };
        self.config
            .organisations
            .iter()
            .any(|known| known.msp_id == organisation.msp_id && hosts(known) == hosts(organisation))
    }

    async fn start_organisation(
        &mut self,
        organisation: OrganisationConfig,
    ) -> Result<Started, NetworkError> {
        let mut config = NetworkConfig {
            chaincodes: self.chaincodes().clone(),
            ..self.config.clone()
        };
        config.organisations.push(organisation.clone());
        config.check()?;
        let mut listeners = Vec::with_capacity(organisation.peers.len());
        for peer in &organisation.peers {
            let host = organisation.host(peer);
            listeners.push(PeerListeners::bind(config.listen, &host, peer.into()).await?);
        }
        let (root, unfinished) = (self.directory.organizations(), self.directory.unfinished());
        let (making, wanted) = (config.clone(), organisation.clone());
        let tree = blocking(move || material::joined(&root, &unfinished, &making, &wanted)).await?;
        self.directory.complete(&config)?;
        let mut summaries = Vec::with_capacity(listeners.len());
        let mut peers = Vec::with_capacity(listeners.len());
        for (peer, sockets) in organisation.peers.iter().zip(listeners) {
            summaries.push(peer_summary(&organisation, &tree, peer, &sockets));
            let dir = self.directory.peer(&organisation.host(peer))?;
            let ports = sockets.ports();
            let surroundings = self.surroundings.clone();
            let node = PeerNode::start(&config, &tree, &peer.hostname, dir, surroundings, sockets).await?;
            peers.push(Slot::new(config.listen, ports, node));
        }
        let summary = OrganisationSummary::of(&tree, summaries, &organisation.users)
            .ok_or_else(|| NetworkError::Config(format!("{} has no peer", organisation.msp_id)))?;
        Ok(Started {
            config,
            summary,
            tree,
            peers,
        })
    }

    fn take(&mut self, started: Started) -> Result<(), NetworkError> {
        self.config = started.config;
        self.summary.organisations.push(started.summary);
        self.members.push(started.tree);
        self.peers.push(started.peers);
        write_summary(&self.directory, &self.summary)
    }
}

/// An organisation whose peers run.
struct Started {
    config: NetworkConfig,
    summary: OrganisationSummary,
    tree: Organization,
    peers: Vec<Slot<PeerNode>>,
}
