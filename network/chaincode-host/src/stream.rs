//! A stream of chaincode messages, whatever carries it.

use std::fmt;
use std::sync::Arc;

use fabric_protos::peer::ChaincodeMessage;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use tokio::sync::mpsc;

/// Messages that may wait for a slow receiver, in each direction.
pub(crate) const STREAM_BUFFER: usize = 64;

/// Both directions of a chaincode stream, seen from the peer.
pub(crate) struct ChaincodeStream {
    /// From the chaincode; an error or the end ends the stream.
    pub inbound: BoxStream<'static, Result<ChaincodeMessage, tonic::Status>>,
    /// To the chaincode.
    pub outbound: mpsc::Sender<ChaincodeMessage>,
}

/// A chaincode in the peer's own process.
///
/// It speaks the same messages as any other chaincode: it is called with the messages from the peer and a
/// sender for those to the peer, sends REGISTER first (any name will do: the host knows which package it
/// started), and returns when the receiver ends.
#[derive(Clone)]
pub struct InProcess(Arc<Run>);

type Run = dyn Fn(mpsc::Receiver<ChaincodeMessage>, mpsc::Sender<ChaincodeMessage>) -> BoxFuture<'static, ()>
    + Send
    + Sync;

impl InProcess {
    /// Wraps a function that runs one stream to its end.
    pub fn new<F>(run: F) -> Self
    where
        F: Fn(mpsc::Receiver<ChaincodeMessage>, mpsc::Sender<ChaincodeMessage>) -> BoxFuture<'static, ()>
            + Send
            + Sync
            + 'static,
    {
        Self(Arc::new(run))
    }

    /// Runs one stream to its end.
    pub fn run(
        &self,
        from_peer: mpsc::Receiver<ChaincodeMessage>,
        to_peer: mpsc::Sender<ChaincodeMessage>,
    ) -> BoxFuture<'static, ()> {
        (self.0)(from_peer, to_peer)
    }

    /// Starts the chaincode on a fresh pair of channels.
    pub(crate) fn start(&self) -> ChaincodeStream {
        let (outbound, from_peer) = mpsc::channel(STREAM_BUFFER);
        let (to_peer, inbound) = mpsc::channel(STREAM_BUFFER);
        tokio::spawn(self.run(from_peer, to_peer));
        ChaincodeStream {
            inbound: Box::pin(futures::StreamExt::map(
                tokio_stream::wrappers::ReceiverStream::new(inbound),
                Ok,
            )),
            outbound,
        }
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcess")
    }
}
