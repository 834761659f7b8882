//! `discovery.Discovery`.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use fabric_channel::Bundle;
use fabric_msp::policy::{Policy, SignaturePolicy, SignedData, signed_by_any_admin};
use fabric_msp::{Msp, MspManager};
use fabric_protos::MAX_MESSAGE_SIZE;
use fabric_protos::discovery::discovery_server::{Discovery, DiscoveryServer};
use fabric_protos::discovery::query::Query as Kind;
use fabric_protos::discovery::query_result::Result as Outcome;
use fabric_protos::discovery::{
    ChaincodeQuery, ChaincodeQueryResult, ConfigResult, EndorsementDescriptor, Endpoint, Endpoints,
    Error as DiscoveryError, Layout, Peer as DiscoveredPeer, PeerMembershipQuery, PeerMembershipResult,
    Peers, Query, QueryResult, Request as DiscoveryRequest, Response as DiscoveryResponse, SignedRequest,
};
use fabric_protos::peer::ChaincodeInterest;
use prost::Message;
use tonic::{Request, Response, Status};

use super::facts::ChannelFacts;
use super::gossip;
use super::layouts::{endorsers, fitting_peers};
use crate::directory::PeerInfo;
use crate::services::client_certificate_hash;
use crate::{Channel, Peer};

/// The signer of a query about a channel must satisfy this.
const CHANNEL_POLICY: &str = "/Channel/Application/Writers";
/// Whoever may not ask, and whoever asks about a channel that is not there, learns the same.
const ACCESS_DENIED: &str = "access denied";
/// More queries than this are not answered in one request. Fabric answers any number.
const MAX_QUERIES: usize = 100;

/// The Discovery service of one peer. It does not keep the peer alive.
#[derive(Debug, Clone)]
pub struct DiscoveryService {
    peer: Weak<Peer>,
    /// Whether clients come over TLS: then a request must name the certificate that the client sent.
    tls: bool,
}

impl DiscoveryService {
    /// The service of `peer`, behind TLS or not.
    pub fn new(peer: &Arc<Peer>, tls: bool) -> Self {
        Self {
            peer: Arc::downgrade(peer),
            tls,
        }
    }

    /// The gRPC service, with Fabric's message limits.
    pub fn server(&self) -> DiscoveryServer<Self> {
        DiscoveryServer::new(self.clone())
            .max_decoding_message_size(MAX_MESSAGE_SIZE)
            .max_encoding_message_size(MAX_MESSAGE_SIZE)
    }

    /// Checks what a request must hold before its queries are looked at.
    fn unpack(
        &self,
        signed: &SignedRequest,
        certificate: Option<Vec<u8>>,
    ) -> Result<(Vec<Query>, Vec<u8>), Status> {
        let refuse = |text: &str| Status::unknown(text);
        let request = DiscoveryRequest::decode(signed.payload.as_slice())
            .map_err(|error| Status::unknown(format!("failed parsing request: {error}")))?;
        let authentication = request
            .authentication
            .ok_or_else(|| refuse("access denied, no authentication info in request"))?;
        if authentication.client_identity.is_empty() {
            return Err(refuse("access denied, client identity wasn't supplied"));
        }
        if request.queries.len() > MAX_QUERIES {
            return Err(Status::unknown(format!(
                "a request may hold {MAX_QUERIES} queries, this one holds {}",
                request.queries.len()
            )));
        }
        if self.tls {
            let sent = certificate.ok_or_else(|| refuse("client didn't send a TLS certificate"))?;
            if sent != authentication.client_tls_cert_hash {
                return Err(refuse(
                    "client claimed TLS hash doesn't match computed TLS hash from gRPC stream",
                ));
            }
        }
        Ok((request.queries, authentication.client_identity))
    }
}

#[tonic::async_trait]
impl Discovery for DiscoveryService {
    async fn discover(&self, request: Request<SignedRequest>) -> Result<Response<DiscoveryResponse>, Status> {
        let certificate = client_certificate_hash(&request);
        let signed = request.into_inner();
        let (queries, identity) = self.unpack(&signed, certificate)?;
        let peer = self
            .peer
            .upgrade()
            .ok_or_else(|| Status::unavailable("the peer is shutting down: ask another one"))?;
        let signed = SignedData {
            data: signed.payload,
            identity,
            signature: signed.signature,
        };
        // Signatures, state and combinations of principals: too much for a thread that serves others.
        let work = move || {
            let answer = |query: &Query| Asked { peer: &peer, query }.answer(&signed);
            queries.iter().map(answer).collect()
        };
        let results = tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| Status::internal("the queries could not be answered"))?;
        Ok(Response::new(DiscoveryResponse { results }))
    }
}

/// A query and who is asked.
struct Asked<'a> {
    peer: &'a Arc<Peer>,
    query: &'a Query,
}

impl Asked<'_> {
    fn answer(&self, signed: &SignedData) -> QueryResult {
        let outcome = self
            .try_answer(signed)
            .unwrap_or_else(|content| Outcome::Error(DiscoveryError { content }));
        QueryResult {
            result: Some(outcome),
        }
    }

    fn try_answer(&self, signed: &SignedData) -> Result<Outcome, String> {
        let denied = || ACCESS_DENIED.to_owned();
        let unknown = || "unknown or missing request type".to_owned();
        let channel_id = &self.query.channel;
        if channel_id.is_empty() {
            check_local(&self.peer.config().local_msp, signed).ok_or_else(denied)?;
            return match &self.query.query {
                Some(Kind::LocalPeers(_)) => Ok(self.local_peers()),
                _ => Err(unknown()),
            };
        }
        let channel = self.peer.channel(channel_id).ok_or_else(denied)?;
        let bundle = channel.bundle();
        let policy = bundle.policy(CHANNEL_POLICY).ok_or_else(denied)?;
        if let Err(why) = policy.evaluate_signed(std::slice::from_ref(signed)) {
            tracing::warn!(channel = channel_id, %why, "a discovery query was refused");
            return Err(denied());
        }
        match &self.query.query {
            Some(Kind::ConfigQuery(_)) => Ok(config(&bundle)),
            Some(Kind::PeerQuery(query)) => self.members(&channel, query),
            Some(Kind::CcQuery(query)) => self.endorsers(&channel, query),
            Some(Kind::LocalPeers(_)) | None => Err(unknown()),
        }
    }

    /// All live peers, whatever their channels.
    fn local_peers(&self) -> Outcome {
        let mut known = BTreeMap::new();
        for channel in self.peer.channels() {
            for peer in self.peer.directory().peers(channel.id()) {
                known.insert(peer.endpoint.address.clone(), peer);
            }
        }
        let peers: Vec<PeerInfo> = known.into_values().collect();
        by_organisation(peers.iter().map(|peer| (peer, None)))
    }

    /// The peers of a channel, or those that fit an interest.
    fn members(&self, channel: &Arc<Channel>, query: &PeerMembershipQuery) -> Result<Outcome, String> {
        let peers = self.peer.directory().peers(channel.id());
        let facts = ChannelFacts::new(Arc::clone(channel));
        let interest = query.filter.clone().unwrap_or_default();
        let fitting = fitting_peers(channel.id(), &interest, &peers, &facts)?;
        let found = fitting.into_iter().filter_map(|place| peers.get(place));
        Ok(by_organisation(found.map(|peer| (peer, Some(channel.id())))))
    }

    fn endorsers(&self, channel: &Arc<Channel>, query: &ChaincodeQuery) -> Result<Outcome, String> {
        check_interests(&query.interests)?;
        let peers = self.peer.directory().peers(channel.id());
        let facts = ChannelFacts::new(Arc::clone(channel));
        let describe = |interest: &ChaincodeInterest| {
            let found = endorsers(channel.id(), interest, &peers, &facts).map_err(|why| {
                tracing::warn!(channel = channel.id(), why, "no endorsement descriptor");
                let names: Vec<&str> = interest
                    .chaincodes
                    .iter()
                    .map(|call| call.name.as_str())
                    .collect();
                format!("failed constructing descriptor for {}", names.join(", "))
            })?;
            let members = |places: &Vec<usize>| Peers {
                peers: places
                    .iter()
                    .filter_map(|place| peers.get(*place))
                    .map(|peer| discovered(peer, Some(channel.id())))
                    .collect(),
            };
            Ok(EndorsementDescriptor {
                chaincode: interest
                    .chaincodes
                    .first()
                    .map(|call| call.name.clone())
                    .unwrap_or_default(),
                endorsers_by_groups: found
                    .groups
                    .iter()
                    .map(|(group, places)| (group.clone(), members(places)))
                    .collect(),
                layouts: found
                    .layouts
                    .into_iter()
                    .map(|quantities_by_group| Layout { quantities_by_group })
                    .collect(),
            })
        };
        let content: Result<Vec<_>, String> = query.interests.iter().map(describe).collect();
        Ok(Outcome::CcQueryRes(ChaincodeQueryResult { content: content? }))
    }
}

/// Queries about the peer itself are for administrators of its organisation (`peer.discovery.orgMembersAllowedAccess`
/// is off by default in Fabric).
fn check_local(msp: &Arc<Msp>, signed: &SignedData) -> Option<()> {
    let msps = Arc::new(MspManager::new([Arc::clone(msp)]));
    let policy = SignaturePolicy::new(signed_by_any_admin(&[msp.id()]), msps).ok()?;
    policy.evaluate_signed(std::slice::from_ref(signed)).ok()
}

fn check_interests(interests: &[ChaincodeInterest]) -> Result<(), String> {
    if interests.is_empty() {
        return Err("chaincode query must have at least one chaincode interest".to_owned());
    }
    for interest in interests {
        if interest.chaincodes.is_empty() {
            return Err("chaincode interest must contain at least one chaincode".to_owned());
        }
        if interest.chaincodes.iter().any(|call| call.name.is_empty()) {
            return Err("chaincode name in interest cannot be empty".to_owned());
        }
    }
    Ok(())
}

/// The MSPs of the channel and where its orderers are.
fn config(bundle: &Bundle) -> Outcome {
    let mut result = ConfigResult::default();
    let organizations = &bundle.orderer_config().organizations;
    // Older configurations have one list for all.
    let global = organizations
        .iter()
        .all(|organization| organization.endpoints.is_empty());
    let global = if global {
        bundle.orderer_addresses()
    } else {
        Vec::new()
    };
    for organization in organizations {
        let endpoint = |address: &String| {
            let (host, port) = address.rsplit_once(':')?;
            Some(Endpoint {
                host: host.to_owned(),
                port: port.parse().ok()?,
            })
        };
        let endpoint = organization
            .endpoints
            .iter()
            .chain(&global)
            .filter_map(endpoint)
            .collect();
        result
            .orderers
            .insert(organization.msp_id.clone(), Endpoints { endpoint });
    }
    for msp in bundle.msps().msps() {
        result.msps.insert(msp.id().to_owned(), msp.config().clone());
    }
    Outcome::ConfigResult(result)
}

fn by_organisation<'a>(peers: impl Iterator<Item = (&'a PeerInfo, Option<&'a str>)>) -> Outcome {
    let mut peers_by_org: BTreeMap<String, Peers> = BTreeMap::new();
    for (peer, channel) in peers {
        let organisation = peers_by_org.entry(peer.msp_id.clone()).or_default();
        organisation.peers.push(discovered(peer, channel));
    }
    Outcome::Members(PeerMembershipResult { peers_by_org })
}

fn discovered(peer: &PeerInfo, channel: Option<&str>) -> DiscoveredPeer {
    DiscoveredPeer {
        state_info: channel.map(|channel| gossip::state(peer, channel)),
        membership_info: Some(gossip::alive(peer)),
        identity: peer.identity.clone(),
    }
}
