//! Chaincode that follows a script, in raw messages.

use std::collections::HashMap;
use std::future::Future;

use fabric_protos::peer::chaincode_message::Type;
use fabric_protos::peer::{ChaincodeId, ChaincodeInput, ChaincodeMessage, Response};
use prost::Message;
use tokio::sync::mpsc;

use crate::stream::InProcess;

/// One transaction, seen from the chaincode.
pub(crate) struct Call {
    /// The TRANSACTION or INIT.
    pub(crate) message: ChaincodeMessage,
    replies: mpsc::Receiver<ChaincodeMessage>,
    to_peer: mpsc::Sender<ChaincodeMessage>,
}

impl Call {
    /// The call's arguments as text.
    pub(crate) fn args(&self) -> Vec<String> {
        let input = ChaincodeInput::decode(self.message.payload.as_slice()).expect("an input");
        input
            .args
            .iter()
            .map(|arg| String::from_utf8_lossy(arg).into_owned())
            .collect()
    }

    /// Sends a request without waiting.
    pub(crate) async fn send(&self, kind: Type, payload: &[u8]) {
        let message = ChaincodeMessage {
            r#type: kind as i32,
            payload: payload.to_vec(),
            txid: self.message.txid.clone(),
            channel_id: self.message.channel_id.clone(),
            ..Default::default()
        };
        self.to_peer.send(message).await.expect("the peer listens");
    }

    /// The peer's next reply.
    pub(crate) async fn reply(&mut self) -> ChaincodeMessage {
        self.replies.recv().await.expect("a reply")
    }

    /// Sends a request and waits for the reply.
    pub(crate) async fn ask(&mut self, kind: Type, payload: &impl Message) -> ChaincodeMessage {
        self.send(kind, &payload.encode_to_vec()).await;
        self.reply().await
    }

    /// Answers with a successful response.
    pub(crate) async fn complete(&self, payload: impl Into<Vec<u8>>) {
        let response = Response {
            status: 200,
            payload: payload.into(),
            ..Default::default()
        };
        self.send(Type::Completed, &response.encode_to_vec()).await;
    }
}

/// Chaincode that registers as `name` and runs `script` for each call.
pub(crate) async fn run<F, Fut>(
    mut from_peer: mpsc::Receiver<ChaincodeMessage>,
    to_peer: mpsc::Sender<ChaincodeMessage>,
    name: String,
    script: F,
) where
    F: Fn(Call) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    if to_peer.send(register(&name)).await.is_err() {
        return;
    }
    let mut calls: HashMap<(String, String), mpsc::Sender<ChaincodeMessage>> = HashMap::new();
    while let Some(message) = from_peer.recv().await {
        let key = (message.channel_id.clone(), message.txid.clone());
        match message.r#type() {
            Type::Registered | Type::Ready | Type::Keepalive => {}
            Type::Transaction | Type::Init => {
                let (sender, replies) = mpsc::channel(8);
                calls.insert(key, sender);
                tokio::spawn(script(Call {
                    message,
                    replies,
                    to_peer: to_peer.clone(),
                }));
            }
            _ => {
                let call = calls.get(&key).expect("a reply to a call");
                // The script may be over.
                let _ = call.send(message).await;
            }
        }
    }
}

/// The same in the peer's process.
pub(crate) fn in_process<F, Fut>(script: F) -> InProcess
where
    F: Fn(Call) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    InProcess::new(move |from_peer, to_peer| Box::pin(run(from_peer, to_peer, "any".into(), script.clone())))
}

/// A REGISTER.
pub(crate) fn register(name: &str) -> ChaincodeMessage {
    let id = ChaincodeId {
        name: name.into(),
        ..Default::default()
    };
    ChaincodeMessage {
        r#type: Type::Register as i32,
        payload: id.encode_to_vec(),
        ..Default::default()
    }
}
