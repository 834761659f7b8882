//! The gossip messages that describe a peer (`gossip/discovery` and `gossip/gossip` of Fabric). Peers of this engine do
//! not gossip, so what discovery hands out is made when it is asked for; nobody signs it, as nobody looks at the signature.

use fabric_protos::gossip::gossip_message::{Content, Tag};
use fabric_protos::gossip::{
    AliveMessage, Chaincode, Envelope, GossipMessage, Member, PeerTime, Properties, StateInfo,
};
use fabric_protos::msp::SerializedIdentity;
use prost::Message;
use sha2::{Digest, Sha256};

use crate::directory::PeerInfo;

/// The peer's name among peers: the SHA-256 of its MSP id and certificate (`internal/pkg/peer/msgcryptoservice`).
pub(super) fn pki_id(identity: &[u8]) -> Vec<u8> {
    match SerializedIdentity::decode(identity) {
        Ok(SerializedIdentity { mspid, id_bytes }) => Sha256::new()
            .chain_update(mspid)
            .chain_update(id_bytes)
            .finalize()
            .to_vec(),
        Err(_) => Vec::new(),
    }
}

/// That the peer lives, and where.
pub(super) fn alive(peer: &PeerInfo) -> Envelope {
    let message = AliveMessage {
        membership: Some(Member {
            endpoint: peer.endpoint.external_address(),
            metadata: Vec::new(),
            pki_id: pki_id(&peer.identity),
        }),
        timestamp: Some(time(peer)),
        identity: peer.identity.clone(),
    };
    envelope(GossipMessage {
        tag: Tag::Empty.into(),
        content: Some(Content::AliveMsg(message)),
        ..GossipMessage::default()
    })
}

/// What the peer has of a channel: height and chaincode.
pub(super) fn state(peer: &PeerInfo, channel: &str) -> Envelope {
    let pki_id = pki_id(&peer.identity);
    let mac = Sha256::new()
        .chain_update(&pki_id)
        .chain_update(channel)
        .finalize()
        .to_vec();
    let chaincode = |(name, version): (&String, &String)| Chaincode {
        name: name.clone(),
        version: version.clone(),
        metadata: Vec::new(),
    };
    let message = StateInfo {
        timestamp: Some(time(peer)),
        pki_id,
        channel_mac: mac,
        properties: Some(Properties {
            ledger_height: peer.ledger_height,
            left_channel: false,
            chaincodes: peer.chaincodes.iter().map(chaincode).collect(),
        }),
    };
    envelope(GossipMessage {
        tag: Tag::ChanOrOrg.into(),
        content: Some(Content::StateInfo(message)),
        ..GossipMessage::default()
    })
}

/// Receivers take the larger time for the newer message; a peer's height grows with its news.
fn time(peer: &PeerInfo) -> PeerTime {
    PeerTime {
        inc_num: 1,
        seq_num: peer.ledger_height,
    }
}

fn envelope(message: GossipMessage) -> Envelope {
    Envelope {
        payload: message.encode_to_vec(),
        signature: Vec::new(),
        secret_envelope: None,
    }
}
