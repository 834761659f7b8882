//! ChaincodeEvents: the events of valid transactions, block by block.

use std::pin::Pin;
use std::sync::Arc;

use fabric_msp::policy::SignedData;
use fabric_protos::common::{self, Block, BlockMetadataIndex, ChannelHeader, Envelope, HeaderType, Payload};
use fabric_protos::gateway::{ChaincodeEventsRequest, ChaincodeEventsResponse, SignedChaincodeEventsRequest};
use fabric_protos::orderer::seek_position;
use fabric_protos::peer::{
    ChaincodeAction, ChaincodeActionPayload, ChaincodeEvent, ProposalResponsePayload, Transaction,
    TxValidationCode,
};
use futures::{Stream, StreamExt, stream};
use prost::{DecodeError, Message};
use tokio::sync::watch;
use tonic::Status;

use super::GatewayService;
use super::host::GatewayChannel;

/// The name in Fabric's ACL table.
const RESOURCE: &str = "gateway/ChaincodeEvents";

type Responses = Pin<Box<dyn Stream<Item = Result<ChaincodeEventsResponse, Status>> + Send>>;

impl GatewayService {
    pub(super) async fn chaincode_events(
        &self,
        signed: SignedChaincodeEventsRequest,
    ) -> Result<Responses, Status> {
        if signed.request.is_empty() {
            return Err(Status::invalid_argument("a chaincode events request is required"));
        }
        let request = ChaincodeEventsRequest::decode(signed.request.as_slice()).map_err(|error| {
            Status::invalid_argument(format!("invalid chaincode events request: {error}"))
        })?;
        let channel = self.host.channel(&request.channel_id).ok_or_else(|| {
            Status::permission_denied(match request.channel_id.as_str() {
                "" => {
                    "Invalid channel ID name during check policy on signed data. Name must be different from nil."
                        .to_owned()
                }
                id => format!("Failed to get policy manager for channel [{id}]"),
            })
        })?;
        let question = SignedData {
            data: signed.request,
            identity: request.identity.clone(),
            signature: signed.signature,
        };
        channel
            .check_acl(RESOURCE, question)
            .await
            .map_err(Status::permission_denied)?;
        let next = start_block(channel.as_ref(), &request).await?;
        let height = channel.height();
        let matcher = Matcher {
            chaincode: request.chaincode_id,
            after: Some(request.after_transaction_id).filter(|after| !after.is_empty()),
        };
        let state = Events {
            channel,
            height,
            next,
            matcher,
        };
        Ok(stream::try_unfold(state, Events::next)
            .take_until(self.closing())
            .boxed())
    }
}

async fn start_block(channel: &dyn GatewayChannel, request: &ChaincodeEventsRequest) -> Result<u64, Status> {
    if !request.after_transaction_id.is_empty()
        && let Some(number) = channel.block_of(&request.after_transaction_id).await
    {
        return Ok(number);
    }
    match request
        .start_position
        .as_ref()
        .and_then(|position| position.r#type.as_ref())
    {
        None | Some(seek_position::Type::NextCommit(_)) => Ok(*channel.height().borrow()),
        Some(seek_position::Type::Specified(specified)) => Ok(specified.number),
        Some(seek_position::Type::Oldest(_)) => Err(Status::invalid_argument(
            "invalid start position type: *orderer.SeekPosition_Oldest",
        )),
        Some(seek_position::Type::Newest(_)) => Err(Status::invalid_argument(
            "invalid start position type: *orderer.SeekPosition_Newest",
        )),
    }
}

/// A reader of the peer's blocks.
struct Events {
    channel: Arc<dyn GatewayChannel>,
    height: watch::Receiver<u64>,
    next: u64,
    matcher: Matcher,
}

impl Events {
    /// The events of the next block that has any.
    async fn next(mut self) -> Result<Option<(ChaincodeEventsResponse, Self)>, Status> {
        loop {
            let number = self.next;
            if self.height.wait_for(|height| *height > number).await.is_err() {
                // The peer stops.
                return Ok(None);
            }
            let block = self.channel.block(number).await.map_err(Status::aborted)?;
            let block = block.ok_or_else(|| Status::aborted(format!("block {number} is not there")))?;
            self.next = number.saturating_add(1);
            let mut events = events_of(&block).map_err(|error| Status::aborted(error.to_string()))?;
            events.retain(|event| self.matcher.matches(event));
            if !events.is_empty() {
                return Ok(Some((
                    ChaincodeEventsResponse {
                        events,
                        block_number: number,
                    },
                    self,
                )));
            }
        }
    }
}

struct Matcher {
    chaincode: String,
    /// The transaction up to which events are passed over, until it is met.
    after: Option<String>,
}

impl Matcher {
    fn matches(&mut self, event: &ChaincodeEvent) -> bool {
        if let Some(after) = &self.after {
            if event.tx_id == *after {
                self.after = None;
            }
            return false;
        }
        event.chaincode_id == self.chaincode
    }
}

/// The events of a block's valid transactions, in their order.
fn events_of(block: &Block) -> Result<Vec<ChaincodeEvent>, DecodeError> {
    let codes = block.metadata.as_ref().and_then(|metadata| {
        metadata
            .metadata
            .get(BlockMetadataIndex::TransactionsFilter as usize)
            .map(Vec::as_slice)
    });
    let codes = codes.unwrap_or_default();
    let envelopes = block.data.as_ref().map_or(&[][..], |data| &data.data);
    let mut events = Vec::new();
    for (index, envelope) in envelopes.iter().enumerate() {
        if codes.get(index).copied().map(i32::from) != Some(TxValidationCode::Valid as i32) {
            continue;
        }
        let envelope = Envelope::decode(envelope.as_slice())?;
        let payload = Payload::decode(envelope.payload.as_slice())?;
        let header: common::Header = payload.header.unwrap_or_default();
        let channel_header = ChannelHeader::decode(header.channel_header.as_slice())?;
        if channel_header.r#type != HeaderType::EndorserTransaction as i32 {
            continue;
        }
        let transaction = Transaction::decode(payload.data.as_slice())?;
        events.extend(
            transaction
                .actions
                .iter()
                .filter_map(|action| event_of(&action.payload).ok())
                .filter(is_event),
        );
    }
    Ok(events)
}

fn event_of(action: &[u8]) -> Result<ChaincodeEvent, DecodeError> {
    let action = ChaincodeActionPayload::decode(action)?.action.unwrap_or_default();
    let payload = ProposalResponsePayload::decode(action.proposal_response_payload.as_slice())?;
    let action = ChaincodeAction::decode(payload.extension.as_slice())?;
    ChaincodeEvent::decode(action.events.as_slice())
}

fn is_event(event: &ChaincodeEvent) -> bool {
    !event.chaincode_id.is_empty() && !event.event_name.is_empty() && !event.tx_id.is_empty()
}
