//! A chaincode in raw messages: each argument list is one command.

use std::collections::HashMap;

use fabric_chaincode_host::InProcess;
use fabric_protos::peer::chaincode_message::Type;
use fabric_protos::peer::{
    ChaincodeEvent, ChaincodeId, ChaincodeInput, ChaincodeMessage, DelState, GetState, GetStateByRange,
    PurgePrivateState, PutState, PutStateMetadata, Response, StateMetadata,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use tokio::sync::mpsc;

/// Commands: `put key value`, `add key value` (reads first), `get key`, `putp collection key...` (value from the
/// transient map), `getp collection key`, `hashp collection key`, `rangep collection`, `rangeputp collection key` (range,
/// then a write), `purgep collection key`, `del key`, `policy key org`, `policyp collection key org`, `event name`, `status code`.
pub(crate) fn store() -> InProcess {
    InProcess::new(|from_peer, to_peer| Box::pin(run(from_peer, to_peer)))
}

/// A package of type `in-process` for a registered chaincode.
pub(crate) fn package(label: &str, name: &str) -> Vec<u8> {
    package_with(label, name, &[])
}

/// The same with more files in the code package.
pub(crate) fn package_with(label: &str, name: &str, files: &[(&str, &[u8])]) -> Vec<u8> {
    let metadata = format!(r#"{{"type":"in-process","path":"","label":"{label}"}}"#);
    let description = format!(r#"{{"name":"{name}"}}"#);
    let code = archive(&[&[("chaincode.json", description.as_bytes())], files].concat());
    archive(&[("metadata.json", metadata.as_bytes()), ("code.tar.gz", &code)])
}

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        builder.append_data(&mut header, name, *content).expect("appends");
    }
    builder.into_inner().expect("tar").finish().expect("gzip")
}

async fn run(mut from_peer: mpsc::Receiver<ChaincodeMessage>, to_peer: mpsc::Sender<ChaincodeMessage>) {
    let id = ChaincodeId {
        name: "any".into(),
        ..ChaincodeId::default()
    };
    let register = ChaincodeMessage {
        r#type: Type::Register as i32,
        payload: id.encode_to_vec(),
        ..Default::default()
    };
    if to_peer.send(register).await.is_err() {
        return;
    }
    let mut calls: HashMap<String, mpsc::Sender<ChaincodeMessage>> = HashMap::new();
    while let Some(message) = from_peer.recv().await {
        match message.r#type() {
            Type::Registered | Type::Ready | Type::Keepalive => {}
            Type::Transaction | Type::Init => {
                let (sender, replies) = mpsc::channel(8);
                calls.insert(message.txid.clone(), sender);
                tokio::spawn(
                    Call {
                        message,
                        replies,
                        to_peer: to_peer.clone(),
                    }
                    .run(),
                );
            }
            _ => {
                if let Some(call) = calls.get(&message.txid) {
                    // The call may be over.
                    let _ = call.send(message).await;
                }
            }
        }
    }
}

struct Call {
    message: ChaincodeMessage,
    replies: mpsc::Receiver<ChaincodeMessage>,
    to_peer: mpsc::Sender<ChaincodeMessage>,
}

impl Call {
    async fn run(mut self) {
        let input = ChaincodeInput::decode(self.message.payload.as_slice()).expect("an input");
        let args: Vec<_> = input
            .args
            .iter()
            .map(|arg| String::from_utf8_lossy(arg).into_owned())
            .collect();
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let (response, event) = match self.answer(&args).await {
            Ok((payload, event)) => (
                Response {
                    status: 200,
                    message: String::new(),
                    payload,
                },
                event,
            ),
            Err((status, message)) => (
                Response {
                    status,
                    message,
                    payload: Vec::new(),
                },
                None,
            ),
        };
        let mut message = self.request(Type::Completed, response.encode_to_vec());
        message.chaincode_event = event;
        // The peer may have given up.
        let _ = self.to_peer.send(message).await;
    }

    async fn answer(&mut self, args: &[&str]) -> Result<(Vec<u8>, Option<ChaincodeEvent>), (i32, String)> {
        let get = |collection: &str, key: &str| GetState {
            key: key.into(),
            collection: collection.into(),
        };
        let put = |collection: &str, key: &str, value: &[u8]| PutState {
            key: key.into(),
            value: value.to_vec(),
            collection: collection.into(),
        };
        let range = |collection: &str| GetStateByRange {
            collection: collection.into(),
            ..Default::default()
        };
        let payload = match args {
            ["put", key, value] => self.ask(Type::PutState, &put("", key, value.as_bytes())).await?,
            ["add", key, value] => {
                let mut old = self.ask(Type::GetState, &get("", key)).await?;
                old.extend_from_slice(value.as_bytes());
                self.ask(Type::PutState, &put("", key, &old)).await?
            }
            ["get", key] => self.ask(Type::GetState, &get("", key)).await?,
            ["getp", collection, key] => self.ask(Type::GetState, &get(collection, key)).await?,
            ["hashp", collection, key] => self.ask(Type::GetPrivateDataHash, &get(collection, key)).await?,
            ["rangep", collection] => self.ask(Type::GetStateByRange, &range(collection)).await?,
            ["rangeputp", collection, key] => {
                self.ask(Type::GetStateByRange, &range(collection)).await?;
                self.ask(Type::PutState, &put(collection, key, b"v")).await?
            }
            ["purgep", collection, key] => {
                let purge = PurgePrivateState {
                    key: (*key).into(),
                    collection: (*collection).into(),
                };
                self.ask(Type::PurgePrivateData, &purge).await?
            }
            ["putp", collection, keys @ ..] => {
                let value = self.transient("value");
                for key in keys {
                    self.ask(Type::PutState, &put(collection, key, &value)).await?;
                }
                Vec::new()
            }
            ["del", key] => {
                let delete = DelState {
                    key: (*key).into(),
                    collection: String::new(),
                };
                self.ask(Type::DelState, &delete).await?
            }
            ["policy", key, org] | ["policyp", _, key, org] => {
                let policy = fabric_msp::policy::signed_by_any_peer(&[org]);
                let metadata = StateMetadata {
                    metakey: "VALIDATION_PARAMETER".into(),
                    value: policy.encode_to_vec(),
                };
                let put = PutStateMetadata {
                    key: (*key).into(),
                    collection: match args {
                        ["policyp", collection, ..] => (*collection).into(),
                        _ => String::new(),
                    },
                    metadata: Some(metadata),
                };
                self.ask(Type::PutStateMetadata, &put).await?
            }
            ["event", name] => {
                let event = ChaincodeEvent {
                    event_name: (*name).into(),
                    payload: b"secret".to_vec(),
                    ..Default::default()
                };
                return Ok((Vec::new(), Some(event)));
            }
            ["status", code] => return Err((code.parse().expect("a number"), "as you wish".into())),
            _ => return Err((500, format!("unknown command {args:?}"))),
        };
        Ok((payload, None))
    }

    /// An entry of the proposal's transient map.
    fn transient(&self, name: &str) -> Vec<u8> {
        use fabric_protos::peer::{ChaincodeProposalPayload, Proposal};
        let signed = self.message.proposal.as_ref().expect("a proposal");
        let proposal = Proposal::decode(signed.proposal_bytes.as_slice()).expect("decodes");
        let payload = ChaincodeProposalPayload::decode(proposal.payload.as_slice()).expect("decodes");
        payload.transient_map.get(name).cloned().unwrap_or_default()
    }

    async fn ask(&mut self, kind: Type, payload: &impl Message) -> Result<Vec<u8>, (i32, String)> {
        let message = self.request(kind, payload.encode_to_vec());
        let gone = || (500, "the peer has gone".to_owned());
        self.to_peer.send(message).await.map_err(|_| gone())?;
        let reply = self.replies.recv().await.ok_or_else(gone)?;
        match reply.r#type() {
            Type::Response => Ok(reply.payload),
            _ => Err((500, String::from_utf8_lossy(&reply.payload).into_owned())),
        }
    }

    fn request(&self, kind: Type, payload: Vec<u8>) -> ChaincodeMessage {
        ChaincodeMessage {
            r#type: kind as i32,
            payload,
            txid: self.message.txid.clone(),
            channel_id: self.message.channel_id.clone(),
            ..Default::default()
        }
    }
}
