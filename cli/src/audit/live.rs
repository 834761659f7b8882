//! The nodes of a running network: their blocks by the Deliver protocol, or one by one where it is closed, as one of their users.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fabric_gateway_sdk::{Endpoint, Gateway, Network, SigningIdentity};
use fabric_node::NetworkSummary;
use fabric_peer::replay::{Blocks, Role, Source};
use fabric_protos::MAX_MESSAGE_SIZE;
use fabric_protos::common::{
    Block, ChannelHeader, Envelope, Header, HeaderType, Payload, SignatureHeader, Status,
};
use fabric_protos::orderer::atomic_broadcast_client::AtomicBroadcastClient;
use fabric_protos::orderer::seek_info::SeekBehavior;
use fabric_protos::orderer::{
    SeekInfo, SeekNewest, SeekPosition, SeekSpecified, deliver_response as ordered, seek_position,
};
use fabric_protos::peer::deliver_client::DeliverClient;
use fabric_protos::peer::deliver_response as delivered;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::transport::Channel;

use crate::Result;
use crate::bench::profile::Profile;

/// Blocks that a stream is ahead of their check.
const AHEAD: usize = 4;
/// How long a node may take for its next block.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node's blocks, or why there are no more.
type BlockStream = BoxStream<'static, std::result::Result<Block, String>>;

/// A node, and who asks it.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// What it is called in reports.
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) endpoint: Endpoint,
    pub(super) identity: SigningIdentity,
}

/// What a peer is called: its organisation, with its host where that is not all.
pub(super) fn name(msp_id: &str, host: &str, peers: usize) -> String {
    if peers > 1 {
        format!("{msp_id} {host}")
    } else {
        msp_id.to_owned()
    }
}

/// All nodes of a network.
pub(super) fn of_summary(summary: &NetworkSummary) -> Result<Vec<Node>> {
    let mut nodes = Vec::new();
    for organisation in &summary.organisations {
        let user = organisation
            .users
            .get("User1")
            .or(organisation.users.values().next());
        let user = user.ok_or_else(|| format!("{} has no user in network.json", organisation.msp_id))?;
        let identity = SigningIdentity::from_msp_dir(user, &organisation.msp_id)?;
        for peer in &organisation.peers {
            let endpoint = Endpoint::tls_ca_file(peer.endpoint.to_string(), &peer.tls_ca)?;
            nodes.push(Node {
                name: name(&organisation.msp_id, &peer.host, organisation.peers.len()),
                role: Role::Peer,
                endpoint: endpoint.server_name(peer.host.clone()),
                identity: identity.clone(),
            });
        }
    }
    let asking = nodes.first().ok_or("the network has no peer")?.identity.clone();
    for orderer in &summary.orderers {
        let endpoint = Endpoint::tls_ca_file(orderer.endpoint.to_string(), &orderer.tls_ca)?;
        nodes.push(Node {
            name: orderer.host.clone(),
            role: Role::Orderer,
            endpoint: endpoint.server_name(orderer.host.clone()),
            identity: asking.clone(),
        });
    }
    Ok(nodes)
}

/// The nodes of a profile: the organisations' peers and the orderers, asked as the first organisation's user.
pub(super) fn of_profile(profile: &Profile) -> Result<Vec<Node>> {
    let members = profile.members()?;
    let asking = members
        .first()
        .ok_or("the profile has no organisation")?
        .identity
        .clone();
    let mut nodes: Vec<Node> = members
        .into_iter()
        .map(|member| Node {
            name: member.msp_id,
            role: Role::Peer,
            endpoint: member.endpoint,
            identity: member.identity,
        })
        .collect();
    for (name, endpoint) in profile.orderers()? {
        nodes.push(Node {
            name,
            role: Role::Orderer,
            endpoint,
            identity: asking.clone(),
        });
    }
    Ok(nodes)
}

impl Node {
    pub(super) async fn connect(&self) -> Result<Channel> {
        let connected = self.endpoint.connect().await;
        Ok(connected.map_err(|error| format!("{}: {error}", self.name))?)
    }

    /// Block 0.
    pub(super) async fn first_block(&self, channel: &str) -> Result<Block> {
        match self.one(channel, specified(0)).await {
            Err(closed) if self.role == Role::Peer => {
                let asked = self.asked(channel).await?;
                Ok(asked.block(0).await.map_err(|_| closed)?)
            }
            answered => answered,
        }
    }

    /// All blocks that the node has now, and how many.
    pub(super) async fn stream(&self, channel: &str) -> Result<(Box<dyn Source>, u64)> {
        let newest = self
            .one(channel, seek_position::Type::Newest(SeekNewest {}))
            .await;
        let (newest, mut blocks) = match newest {
            Ok(block) => {
                let newest = block.header.unwrap_or_default().number;
                (
                    newest,
                    self.deliver(channel, specified(0), specified(newest)).await?,
                )
            }
            Err(closed) if self.role == Role::Peer => self.by_number(channel).await.map_err(|_| closed)?,
            Err(error) => return Err(error),
        };
        let (send, mut receive) = mpsc::channel(AHEAD);
        tokio::spawn(async move {
            for _ in 0..=newest {
                let next = timeout(PATIENCE, blocks.next()).await;
                let block = match next {
                    Ok(Some(block)) => block,
                    Ok(None) => Err("the stream ended early".to_owned()),
                    Err(_) => Err(format!("no block within {} s", PATIENCE.as_secs())),
                };
                let failed = block.is_err();
                if send.send(block.map(Into::into)).await.is_err() || failed {
                    return;
                }
            }
        });
        let blocks = std::iter::from_fn(move || receive.blocking_recv());
        Ok((
            Box::new(Blocks::new(self.name.clone(), self.role, blocks)),
            newest + 1,
        ))
    }

    /// The blocks of a peer that delivers whole blocks to nobody, as `care_*` needs it on real Fabric: each by its number, from its system chaincode. Gives
    /// the newest one's number, too.
    async fn by_number(&self, channel: &str) -> Result<(u64, BlockStream)> {
        let asked = self.asked(channel).await?;
        let newest = asked.chain_info().await?.height.saturating_sub(1);
        let blocks = stream::iter(0..=newest).map(move |number| {
            let asked = asked.clone();
            async move { asked.block(number).await.map_err(|error| error.to_string()) }
        });
        Ok((newest, blocks.buffered(AHEAD).boxed()))
    }

    async fn asked(&self, channel: &str) -> Result<Network> {
        let gateway = Gateway::builder(self.connect().await?)
            .identity(self.identity.clone())
            .connect();
        Ok(gateway.network(channel))
    }

    async fn one(&self, channel: &str, position: seek_position::Type) -> Result<Block> {
        let mut blocks = self.deliver(channel, position, position).await?;
        let block = timeout(PATIENCE, blocks.next()).await;
        let block = block
            .map_err(|_| "no answer".to_owned())
            .and_then(|block| block.ok_or_else(|| "the stream ended without a block".to_owned())?);
        Ok(block.map_err(|why| format!("{}: {why}", self.name))?)
    }

    async fn deliver(
        &self,
        channel: &str,
        start: seek_position::Type,
        stop: seek_position::Type,
    ) -> Result<BlockStream> {
        let connection = self.connect().await?;
        let seek = self.seek(channel, start, stop)?;
        // The request side stays open: a node may take its end for the wish to stop.
        let request = stream::iter([seek]).chain(stream::pending());
        let refused = |status: tonic::Status| format!("{}: {}", self.name, status.message());
        Ok(match self.role {
            Role::Peer => {
                let mut client = DeliverClient::new(connection).max_decoding_message_size(MAX_MESSAGE_SIZE);
                let answers = client.deliver(request).await.map_err(refused)?.into_inner();
                let block = |answer: delivered::Type| match answer {
                    delivered::Type::Block(block) => Ok(block),
                    delivered::Type::Status(status) => Err(ended(status)),
                    _ => Err("not the kind of block that was asked for".to_owned()),
                };
                let answers = answers.map(move |answer| {
                    let answer = answer.map_err(|status| status.message().to_owned())?;
                    answer.r#type.map_or(Err("an empty answer".to_owned()), block)
                });
                answers.boxed()
            }
            Role::Orderer => {
                let mut client =
                    AtomicBroadcastClient::new(connection).max_decoding_message_size(MAX_MESSAGE_SIZE);
                let answers = client.deliver(request).await.map_err(refused)?.into_inner();
                let block = |answer: ordered::Type| match answer {
                    ordered::Type::Block(block) => Ok(block),
                    ordered::Type::Status(status) => Err(ended(status)),
                };
                let answers = answers.map(move |answer| {
                    let answer = answer.map_err(|status| status.message().to_owned())?;
                    answer.r#type.map_or(Err("an empty answer".to_owned()), block)
                });
                answers.boxed()
            }
        })
    }

    fn seek(&self, channel: &str, start: seek_position::Type, stop: seek_position::Type) -> Result<Envelope> {
        let position = |r#type| Some(SeekPosition { r#type: Some(r#type) });
        let seek = SeekInfo {
            start: position(start),
            stop: position(stop),
            behavior: SeekBehavior::FailIfNotReady.into(),
            ..SeekInfo::default()
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let channel_header = ChannelHeader {
            r#type: HeaderType::DeliverSeekInfo.into(),
            timestamp: Some(prost_types::Timestamp {
                seconds: i64::try_from(now.as_secs())?,
                nanos: i32::try_from(now.subsec_nanos())?,
            }),
            channel_id: channel.to_owned(),
            tls_cert_hash: self.endpoint.client_certificate_hash().unwrap_or_default(),
            ..ChannelHeader::default()
        };
        let signature_header = SignatureHeader {
            creator: self.identity.serialized().to_vec(),
            nonce: rand::random::<[u8; 24]>().to_vec(),
        };
        let payload = Payload {
            header: Some(Header {
                channel_header: channel_header.encode_to_vec(),
                signature_header: signature_header.encode_to_vec(),
            }),
            data: seek.encode_to_vec(),
        }
        .encode_to_vec();
        let signature = self.identity.sign(&payload)?;
        Ok(Envelope { payload, signature })
    }
}

fn specified(number: u64) -> seek_position::Type {
    seek_position::Type::Specified(SeekSpecified { number })
}

fn ended(status: i32) -> String {
    let name = Status::try_from(status).map_or("an unknown status", |status| status.as_str_name());
    format!("the stream was ended with {name}")
}
