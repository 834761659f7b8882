//! A peer whose side of the stream the tests write out.

use std::sync::Arc;

use fabric_contract_api::{Chaincode, in_process};
use fabric_protos::common::{ChannelHeader, Header, SignatureHeader};
use fabric_protos::msp::SerializedIdentity;
use fabric_protos::peer::chaincode_message::Type;
use fabric_protos::peer::{
    ChaincodeAdditionalParams, ChaincodeHeaderExtension, ChaincodeId, ChaincodeInput, ChaincodeMessage,
    ChaincodeProposalPayload, Proposal, Response, SignedProposal,
};
use prost::Message;
use tokio::sync::mpsc;

pub const CHANNEL: &str = "ch";

/// The peer's end of a stream.
pub struct Peer {
    pub to_chaincode: mpsc::Sender<ChaincodeMessage>,
    pub from_chaincode: mpsc::Receiver<ChaincodeMessage>,
}

impl Peer {
    /// A chaincode in process that is ready. `params` is READY's payload.
    pub async fn start(chaincode: Chaincode, params: ChaincodeAdditionalParams) -> Self {
        let mut peer = Self::unregistered(chaincode);
        peer.register(params).await;
        peer
    }

    pub fn unregistered(chaincode: Chaincode) -> Self {
        let (to_chaincode, inbound) = mpsc::channel(16);
        let (outbound, from_chaincode) = mpsc::channel(16);
        tokio::spawn(in_process(Arc::new(chaincode))(inbound, outbound));
        Self {
            to_chaincode,
            from_chaincode,
        }
    }

    /// Takes REGISTER and answers; gives the name that registered.
    pub async fn register(&mut self, params: ChaincodeAdditionalParams) -> String {
        let register = self.expect(Type::Register).await;
        self.send("", Type::Registered, Vec::new()).await;
        self.send("", Type::Ready, params.encode_to_vec()).await;
        ChaincodeId::decode(register.payload.as_slice())
            .expect("a ChaincodeID")
            .name
    }

    pub async fn send(&self, tx_id: &str, kind: Type, payload: Vec<u8>) {
        let message = ChaincodeMessage {
            r#type: kind.into(),
            payload,
            txid: tx_id.into(),
            channel_id: CHANNEL.into(),
            ..ChaincodeMessage::default()
        };
        self.to_chaincode
            .send(message)
            .await
            .expect("the chaincode listens");
    }

    /// Starts a transaction.
    pub async fn invoke(&self, tx_id: &str, args: &[&str]) {
        self.call(tx_id, Type::Transaction, args).await;
    }

    pub async fn call(&self, tx_id: &str, kind: Type, args: &[&str]) {
        let args = args.iter().map(|arg| arg.as_bytes().to_vec()).collect();
        let input = ChaincodeInput {
            args,
            ..ChaincodeInput::default()
        };
        let message = ChaincodeMessage {
            r#type: kind.into(),
            payload: input.encode_to_vec(),
            txid: tx_id.into(),
            channel_id: CHANNEL.into(),
            proposal: Some(proposal()),
            ..ChaincodeMessage::default()
        };
        self.to_chaincode
            .send(message)
            .await
            .expect("the chaincode listens");
    }

    /// The next message, which must be of this kind.
    pub async fn expect(&mut self, kind: Type) -> ChaincodeMessage {
        let message = self.from_chaincode.recv().await.expect("a message");
        assert_eq!(
            message.r#type(),
            kind,
            "{}",
            String::from_utf8_lossy(&message.payload)
        );
        message
    }

    /// The next message, which must be this request; answers it.
    pub async fn answer<M: Message + Default>(&mut self, kind: Type, reply: Vec<u8>) -> M {
        let message = self.expect(kind).await;
        self.send(&message.txid, Type::Response, reply).await;
        M::decode(message.payload.as_slice()).expect("the request decodes")
    }

    /// The answer of a transaction.
    pub async fn completed(&mut self) -> Response {
        let message = self.expect(Type::Completed).await;
        Response::decode(message.payload.as_slice()).expect("a Response")
    }
}

/// What a peer of Fabric 3.1 sends with READY, with the smallest limits.
pub fn batching() -> ChaincodeAdditionalParams {
    ChaincodeAdditionalParams {
        use_write_batch: true,
        max_size_write_batch: 1,
        use_get_multiple_keys: true,
        max_size_get_multiple_keys: 1,
    }
}

fn proposal() -> SignedProposal {
    let extension = ChaincodeHeaderExtension {
        chaincode_id: Some(ChaincodeId {
            name: "cc".into(),
            ..ChaincodeId::default()
        }),
    };
    let channel_header = ChannelHeader {
        timestamp: Some(prost_types::Timestamp {
            seconds: 42,
            nanos: 7,
        }),
        extension: extension.encode_to_vec(),
        ..ChannelHeader::default()
    };
    let creator = SerializedIdentity {
        mspid: "Org1MSP".into(),
        id_bytes: b"pem".to_vec(),
    };
    let signature_header = SignatureHeader {
        creator: creator.encode_to_vec(),
        ..SignatureHeader::default()
    };
    let header = Header {
        channel_header: channel_header.encode_to_vec(),
        signature_header: signature_header.encode_to_vec(),
    };
    let payload = ChaincodeProposalPayload {
        transient_map: [("hint".to_owned(), b"\"secret\"".to_vec())].into(),
        ..ChaincodeProposalPayload::default()
    };
    let proposal = Proposal {
        header: header.encode_to_vec(),
        payload: payload.encode_to_vec(),
        ..Proposal::default()
    };
    SignedProposal {
        proposal_bytes: proposal.encode_to_vec(),
        signature: Vec::new(),
    }
}
