//! `protos.Deliver`: blocks, filtered blocks, blocks with private data (`core/peer/deliverevents.go` of Fabric).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};

use fabric_channel::Bundle;
use fabric_deliver::{Chain, Chains, Deliver, DeliverOptions, Delivery, Responder, ResponseStream};
use fabric_ledger::LedgerError;
use fabric_protos::MAX_MESSAGE_SIZE;
use fabric_protos::common::{Envelope, Status as BlockStatus};
use fabric_protos::peer::deliver_response::Type;
use fabric_protos::peer::deliver_server::{Deliver as DeliverRpc, DeliverServer};
use fabric_protos::peer::{BlockAndPrivateData, DeliverResponse};
use fabric_protos::rwset::TxPvtReadWriteSet;
use tonic::{Request, Response, Status, Streaming};

use super::certificate::client_certificate_hash;
use super::filtered::filtered_block;
use crate::Peer;
use crate::private::{filtered, is_member};

/// Delivers committed blocks.
#[derive(Clone)]
pub struct DeliverService {
    deliver: Deliver,
    peer: Weak<Peer>,
}

impl DeliverService {
    /// The service of a peer. Its streams do not keep the peer alive.
    pub fn new(peer: &Arc<Peer>) -> Self {
        let options = DeliverOptions {
            time_window: peer.config().time_window,
            mutual_tls: peer.config().mutual_tls,
        };
        let peer = Arc::downgrade(peer);
        Self {
            deliver: Deliver::new(Arc::new(PeerChains(peer.clone())), options),
            peer,
        }
    }

    /// The gRPC service, with Fabric's message limits.
    pub fn server(&self) -> DeliverServer<Self> {
        DeliverServer::new(self.clone())
            .max_decoding_message_size(MAX_MESSAGE_SIZE)
            .max_encoding_message_size(MAX_MESSAGE_SIZE)
    }

    /// Ends all streams, present and future.
    pub async fn close(&self) {
        self.deliver.close().await;
    }

    fn serve(
        &self,
        content: Content,
        request: Request<Streaming<Envelope>>,
    ) -> Response<ResponseStream<DeliverResponse>> {
        let certificate = client_certificate_hash(&request);
        let responder = PeerResponder {
            content,
            peer: self.peer.clone(),
        };
        Response::new(self.deliver.serve(responder, request.into_inner(), certificate))
    }
}

impl fmt::Debug for DeliverService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeliverService")
            .field("deliver", &self.deliver)
            .finish_non_exhaustive()
    }
}

#[tonic::async_trait]
impl DeliverRpc for DeliverService {
    type DeliverStream = ResponseStream<DeliverResponse>;
    type DeliverFilteredStream = ResponseStream<DeliverResponse>;
    type DeliverWithPrivateDataStream = ResponseStream<DeliverResponse>;

    async fn deliver(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<Self::DeliverStream>, Status> {
        Ok(self.serve(Content::Blocks, request))
    }

    async fn deliver_filtered(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<Self::DeliverFilteredStream>, Status> {
        Ok(self.serve(Content::Filtered, request))
    }

    async fn deliver_with_private_data(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<Self::DeliverWithPrivateDataStream>, Status> {
        Ok(self.serve(Content::PrivateData, request))
    }
}

/// The channels of a peer that may be gone.
struct PeerChains(Weak<Peer>);

impl Chains for PeerChains {
    fn chain(&self, channel_id: &str) -> Option<Arc<dyn Chain>> {
        Some(self.0.upgrade()?.channel(channel_id)?)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Blocks,
    Filtered,
    PrivateData,
}

struct PeerResponder {
    content: Content,
    peer: Weak<Peer>,
}

impl Responder for PeerResponder {
    type Response = DeliverResponse;

    fn policy(&self, bundle: &Bundle) -> String {
        let resource = match self.content {
            Content::Filtered => "event/FilteredBlock",
            Content::Blocks | Content::PrivateData => "event/Block",
        };
        // Both resources have defaults.
        bundle
            .acl(resource)
            .unwrap_or("/Channel/Application/Readers")
            .to_owned()
    }

    fn status(&self, status: BlockStatus) -> DeliverResponse {
        response(Type::Status(status as i32))
    }

    fn block(&self, delivery: Delivery<'_>) -> Result<DeliverResponse, Status> {
        Ok(response(match self.content {
            Content::Blocks => Type::Block(Arc::unwrap_or_clone(delivery.block)),
            Content::Filtered => Type::FilteredBlock(filtered_block(delivery.channel_id, &delivery.block)),
            Content::PrivateData => {
                let private_data_map = self.private_data(&delivery)?;
                let block = Some(Arc::unwrap_or_clone(delivery.block));
                Type::BlockAndPrivateData(BlockAndPrivateData {
                    block,
                    private_data_map,
                })
            }
        }))
    }
}

impl PeerResponder {
    /// The private values of a block that the caller may have: those of collections that it is a member of by the
    /// definition in force for that block. Who is a member of none gets the block alone.
    ///
    /// This is stricter than Fabric (`collPolicyChecker`), which gives the values of collections without
    /// `memberOnlyRead`, implicit ones among them, to every reader of the channel. Chaincode can decide who reads such a
    /// collection's values; here it is not asked.
    fn private_data(&self, delivery: &Delivery<'_>) -> Result<BTreeMap<u64, TxPvtReadWriteSet>, Status> {
        let gone = || Status::unavailable("this peer is shutting down: ask again or ask another one");
        let internal = |error: LedgerError| Status::internal(error.to_string());
        let channel = self
            .peer
            .upgrade()
            .and_then(|peer| peer.channel(delivery.channel_id))
            .ok_or_else(gone)?;
        let number = delivery.block.header.as_ref().map_or(0, |header| header.number);
        let view = channel.view();
        let caller = view.bundle().msps().valid_identity(delivery.creator);
        let caller = caller.map_err(|error| Status::permission_denied(error.to_string()))?;
        let mut known = BTreeMap::new();
        let mut is_member_of = |namespace: &str, collection: &str| {
            let name = (namespace.to_owned(), collection.to_owned());
            if let Some(member) = known.get(&name) {
                return Ok(*member);
            }
            let definitions = channel.definitions();
            let config = definitions.collection_config_at(namespace, collection, number, channel.ledger())?;
            let member = config.is_some_and(|config| is_member(&config, &caller, &view));
            known.insert(name, member);
            Ok(member)
        };
        let mut by_transaction = BTreeMap::new();
        for transaction in channel.ledger().private_data(number).map_err(internal)? {
            let mut failed = None;
            let set = filtered(transaction.set, |namespace, collection, _| {
                is_member_of(namespace, collection).unwrap_or_else(|error| {
                    failed = Some(error);
                    false
                })
            });
            if let Some(error) = failed {
                return Err(internal(error));
            }
            if !set.ns_pvt_rwset.is_empty() {
                by_transaction.insert(transaction.tx, set);
            }
        }
        Ok(by_transaction)
    }
}

fn response(content: Type) -> DeliverResponse {
    DeliverResponse {
        r#type: Some(content),
    }
}
