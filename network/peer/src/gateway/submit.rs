//! Submit: hands a signed transaction to an orderer.

use fabric_protos::common::Status as OrdererStatus;
use fabric_protos::gateway::{SubmitRequest, SubmitResponse};
use rand::seq::SliceRandom;
use tonic::{Code, Status};

use super::GatewayService;
use super::host::Node;
use super::status::{detail, with_details};

/// Tries for each orderer: a stream that was lost while nothing was sent shows only when something is.
const TRIES: usize = 2;

impl GatewayService {
    pub(super) async fn submit(&self, request: SubmitRequest) -> Result<SubmitResponse, Status> {
        let Some(transaction) = request.prepared_transaction else {
            return Err(Status::invalid_argument("a prepared transaction is required"));
        };
        if transaction.signature.is_empty() {
            return Err(Status::invalid_argument("prepared transaction must be signed"));
        }
        let channel = self
            .channel(&request.channel_id)
            .map_err(Status::failed_precondition)?;
        let mut orderers: Vec<Node> = channel.orderers();
        if orderers.is_empty() {
            return Err(Status::unavailable("no orderer nodes available"));
        }
        orderers.shuffle(&mut rand::rng());

        let mut details = Vec::new();
        for (orderer, last) in orderers
            .iter()
            .flat_map(|orderer| (1..=TRIES).map(move |number| (orderer, number == TRIES)))
        {
            let call = async {
                self.connections
                    .orderer(&orderer.endpoint)?
                    .broadcast(transaction.clone())
                    .await
            };
            let response = match tokio::time::timeout(self.options.broadcast_timeout, call).await {
                Ok(Ok(response)) => response,
                Ok(Err(status)) => {
                    tracing::warn!(orderer = %orderer.address(), %status, "a transaction could not be sent");
                    let text = format!(
                        "rpc error: code = {:?} desc = {}",
                        status.code(),
                        status.message()
                    );
                    details.extend(last.then(|| detail(orderer, text)));
                    continue;
                }
                Err(_) => {
                    let text = "rpc error: code = DeadlineExceeded desc = context deadline exceeded";
                    details.extend(last.then(|| detail(orderer, text)));
                    continue;
                }
            };
            match response.status() {
                OrdererStatus::Success => return Ok(SubmitResponse {}),
                status => {
                    let text = format!(
                        "received unsuccessful response from orderer: status={}, info={}",
                        status.as_str_name(),
                        response.info
                    );
                    tracing::warn!(orderer = %orderer.address(), "{text}");
                    if (400..500).contains(&(status as i32)) {
                        return Err(Status::aborted(text));
                    }
                    details.extend(last.then(|| detail(orderer, text)));
                }
            }
        }
        Err(with_details(
            Code::Unavailable,
            "no orderers could successfully process transaction",
            &details,
        ))
    }
}
