//! Connections to the other peers and to the orderers, made when they are first needed and kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fabric_protos::MAX_MESSAGE_SIZE;
use fabric_protos::peer::endorser_client::EndorserClient;
use tonic::Status;
use tonic::transport::Channel;

use super::broadcast::Broadcaster;
use crate::directory::RemoteEndpoint;

/// What is connected, by address.
pub(super) struct Connections {
    dial_timeout: Duration,
    endorsers: Mutex<BTreeMap<String, (RemoteEndpoint, Channel)>>,
    orderers: Mutex<BTreeMap<String, (RemoteEndpoint, Arc<Broadcaster>)>>,
}

impl Connections {
    pub(super) fn new(dial_timeout: Duration) -> Self {
        Self {
            dial_timeout,
            endorsers: Mutex::default(),
            orderers: Mutex::default(),
        }
    }

    /// A client of another peer.
    pub(super) fn endorser(&self, endpoint: &RemoteEndpoint) -> Result<EndorserClient<Channel>, Status> {
        let mut known = self.endorsers.lock().unwrap_or_else(PoisonError::into_inner);
        let channel = match known.get(&endpoint.address) {
            // A channel's configuration may give the organisation new certificates.
            Some((as_of, channel)) if as_of == endpoint => channel.clone(),
            _ => {
                let channel = self.open(endpoint)?;
                known.insert(endpoint.address.clone(), (endpoint.clone(), channel.clone()));
                channel
            }
        };
        drop(known);
        Ok(EndorserClient::new(channel)
            .max_decoding_message_size(MAX_MESSAGE_SIZE)
            .max_encoding_message_size(MAX_MESSAGE_SIZE))
    }

    /// Drops the connection to a peer that could not be reached, so that the next call makes a new one.
    pub(super) fn forget(&self, endpoint: &RemoteEndpoint) {
        self.endorsers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&endpoint.address);
    }

    /// The streams to an orderer.
    pub(super) fn orderer(&self, endpoint: &RemoteEndpoint) -> Result<Arc<Broadcaster>, Status> {
        let mut known = self.orderers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((as_of, broadcaster)) = known.get(&endpoint.address)
            && as_of == endpoint
        {
            return Ok(Arc::clone(broadcaster));
        }
        let broadcaster = Arc::new(Broadcaster::new(self.open(endpoint)?));
        known.insert(
            endpoint.address.clone(),
            (endpoint.clone(), Arc::clone(&broadcaster)),
        );
        Ok(broadcaster)
    }

    fn open(&self, endpoint: &RemoteEndpoint) -> Result<Channel, Status> {
        endpoint
            .connect(self.dial_timeout)
            .map_err(|error| Status::unavailable(format!("failed to create new connection: {error}")))
    }
}
