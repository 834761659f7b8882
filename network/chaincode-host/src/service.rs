//! `ChaincodeSupport.Register`: the stream of chaincode that connects to the peer.

use std::fmt;
use std::sync::Arc;

use fabric_protos::MAX_MESSAGE_SIZE;
use fabric_protos::peer::ChaincodeMessage;
use fabric_protos::peer::chaincode_support_server::{ChaincodeSupport, ChaincodeSupportServer};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::handler::{Handler, Registration};
use crate::host::HostInner;
use crate::stream::{ChaincodeStream, STREAM_BUFFER};

/// The service of one host.
#[derive(Clone)]
pub struct RegisterService {
    host: Arc<HostInner>,
}

impl RegisterService {
    pub(crate) fn new(host: Arc<HostInner>) -> Self {
        Self { host }
    }

    /// The tonic service with its message limits, to add to a server.
    pub fn into_server(self) -> ChaincodeSupportServer<Self> {
        ChaincodeSupportServer::new(self)
            .max_decoding_message_size(MAX_MESSAGE_SIZE)
            .max_encoding_message_size(MAX_MESSAGE_SIZE)
    }
}

impl fmt::Debug for RegisterService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegisterService")
    }
}

#[tonic::async_trait]
impl ChaincodeSupport for RegisterService {
    type RegisterStream = BoxStream<'static, Result<ChaincodeMessage, Status>>;

    async fn register(
        &self,
        request: Request<Streaming<ChaincodeMessage>>,
    ) -> Result<Response<Self::RegisterStream>, Status> {
        let (outbound, to_chaincode) = mpsc::channel(STREAM_BUFFER);
        let inbound = request.into_inner().boxed();
        let handler = Handler::new(
            Registration::Unsolicited,
            self.host.registry.clone(),
            self.host.options.keepalive,
        );
        let end = tokio::spawn(handler.run(
            ChaincodeStream { inbound, outbound },
            self.host.shutdown.subscribe(),
        ));
        // A refused chaincode is told why, where Fabric leaves it waiting.
        let verdict = stream::once(end).filter_map(|end| async move {
            match end {
                Ok(Err(reason)) => Some(Err(Status::failed_precondition(reason))),
                _ => None,
            }
        });
        Ok(Response::new(
            ReceiverStream::new(to_chaincode).map(Ok).chain(verdict).boxed(),
        ))
    }
}
