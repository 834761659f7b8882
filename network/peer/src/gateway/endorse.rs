//! Endorse: collects endorsements until the policies are satisfied.

use std::collections::BTreeSet;
use std::time::Duration;

use fabric_protos::gateway::{EndorseRequest, EndorseResponse, ErrorDetail};
use fabric_protos::peer::{
    ChaincodeCall, ChaincodeEndorsedAction, ChaincodeInterest, ProposalResponse, SignedProposal,
};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rand::seq::SliceRandom;
use tonic::{Code, Status};

use super::GatewayService;
use super::host::{GatewayChannel, Node};
use super::layouts::layouts;
use super::plan::{Layout, Plan};
use super::proposal::Unpacked;
use super::status::{Answer, detail, with_details};

/// Pauses before the endorsements are collected anew when the peers' results differ.
const MISMATCH_PAUSES: [Duration; 4] = [
    Duration::from_millis(20),
    Duration::from_millis(60),
    Duration::from_millis(150),
    Duration::from_millis(400),
];

/// How one round of collecting ended.
enum Round {
    Complete(ChaincodeEndorsedAction),
    Failed {
        details: Vec<ErrorDetail>,
        mismatch: bool,
    },
}

impl GatewayService {
    pub(super) async fn endorse(&self, request: EndorseRequest) -> Result<EndorseResponse, Status> {
        let signed = request.proposed_transaction.unwrap_or_default();
        if signed.proposal_bytes.is_empty() {
            return Err(Status::invalid_argument(
                "the proposed transaction must contain a signed proposal",
            ));
        }
        let proposal =
            Unpacked::decode(&signed).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let mut pauses = MISMATCH_PAUSES.iter();
        loop {
            match self
                .round(&proposal, &signed, &request.endorsing_organizations)
                .await?
            {
                Round::Complete(action) => {
                    return Ok(EndorseResponse {
                        prepared_transaction: Some(proposal.transaction(action)),
                    });
                }
                Round::Failed { details, mismatch } => match pauses.next() {
                    Some(pause) if mismatch => tokio::time::sleep(*pause).await,
                    _ => {
                        let text = "failed to collect enough transaction endorsements, see attached details for more info";
                        return Err(with_details(Code::Aborted, text, &details));
                    }
                },
            }
        }
    }

    async fn round(
        &self,
        proposal: &Unpacked,
        signed: &SignedProposal,
        organisations: &[String],
    ) -> Result<Round, Status> {
        let mut plan = if organisations.is_empty() {
            self.plan_from_first_endorser(proposal, signed).await?
        } else {
            // The client answers for these organisations being enough, and fit to see the transient data.
            let channel = self.channel(&proposal.channel).map_err(Status::unavailable)?;
            let peers = self.endorsers(channel.as_ref(), &proposal.chaincode);
            plan_for_organisations(peers, organisations).map_err(Status::unavailable)?
        };
        self.carry_out(&mut plan, signed).await;
        let mismatch = plan.is_mismatch();
        Ok(match plan.finish() {
            Ok(action) => Round::Complete(action),
            Err(details) => Round::Failed { details, mismatch },
        })
    }

    /// Asks the peers of one layout after the other, those of one layout at the same time.
    async fn carry_out(&self, plan: &mut Plan, signed: &SignedProposal) {
        while !plan.is_complete() {
            let Some(endorsers) = plan.endorsers() else { return };
            let ask = |peer: Node| async move {
                let answer = self.process(&peer, signed.clone()).await;
                (peer, answer)
            };
            let mut calls: FuturesUnordered<_> = endorsers.into_iter().map(ask).collect();
            while let Some((peer, answer)) = calls.next().await {
                let endorsed = match answer {
                    Answer::Success(response) => plan.endorsed(&peer, without_result(*response)),
                    Answer::Failure(failure) => {
                        tracing::info!(peer = %peer.address(), error = %failure.message, "an endorsement failed");
                        plan.failed(&peer, failure.message);
                        false
                    }
                };
                if !endorsed && let Some(next) = plan.instead_of(&peer) {
                    calls.push(ask(next));
                }
            }
        }
    }

    /// Lets a peer of the own organisation endorse first, and plans the rest by what that endorsement touched.
    async fn plan_from_first_endorser(
        &self,
        proposal: &Unpacked,
        signed: &SignedProposal,
    ) -> Result<Plan, Status> {
        let channel = self
            .channel(&proposal.channel)
            .map_err(Status::failed_precondition)?;
        let own = &self.host.node().msp_id;
        let default = ChaincodeInterest {
            chaincodes: vec![ChaincodeCall {
                name: proposal.chaincode.clone(),
                ..Default::default()
            }],
        };
        let mut candidates = self.endorsers(channel.as_ref(), &proposal.chaincode);
        candidates.retain(|peer| peer.msp_id == *own);
        if candidates.is_empty() {
            if proposal.has_transient {
                return Err(Status::failed_precondition(
                    "no endorsers found in the gateway's organization; retry specifying endorsing organization(s) to \
                     protect transient data",
                ));
            }
            let plan = self.plan_for(channel.as_ref(), proposal, &default, None);
            let mut plan = plan.map_err(Status::failed_precondition)?;
            candidates = plan.endorsers().unwrap_or_default();
        }

        let mut details = Vec::new();
        let mut first: Option<(Node, ProposalResponse)> = None;
        for peer in candidates {
            match self.process(&peer, signed.clone()).await {
                Answer::Success(response) => {
                    first = Some((peer, *response));
                    break;
                }
                Answer::Failure(failure) => {
                    tracing::info!(peer = %peer.address(), error = %failure.message, "an endorsement failed");
                    details.push(detail(&peer, failure.message));
                }
            }
        }
        let Some((peer, response)) = first else {
            let text = "failed to endorse transaction, see attached details for more info";
            return Err(with_details(Code::Aborted, text, &details));
        };

        let interest = response
            .interest
            .clone()
            .filter(|interest| !interest.chaincodes.is_empty());
        let interest = interest.unwrap_or(default);
        let plan = if proposal.has_transient {
            self.protected_plan(channel.as_ref(), proposal, interest, &peer)
        } else {
            self.plan_for(channel.as_ref(), proposal, &interest, Some(&peer))
        };
        let mut plan = plan.map_err(Status::failed_precondition)?;
        plan.endorsed(&peer, without_result(response));
        Ok(plan)
    }

    /// A plan that sends transient data to nobody outside the collections that the call touches.
    fn protected_plan(
        &self,
        channel: &dyn GatewayChannel,
        proposal: &Unpacked,
        interest: ChaincodeInterest,
        first: &Node,
    ) -> Result<Plan, String> {
        let mut cautious = interest.clone();
        let mut protected: Vec<String> = Vec::new();
        for call in &mut cautious.chaincodes {
            if std::mem::take(&mut call.no_private_reads) {
                protected.extend(call.collection_names.iter().cloned());
            }
        }
        self.plan_for(channel, proposal, &cautious, Some(first)).map_err(|error| {
            if protected.is_empty() || self.plan_for(channel, proposal, &interest, Some(first)).is_err() {
                return error;
            }
            format!(
                "requires endorsement from organisation(s) that are not in the distribution policy of the private data \
                 collection(s): [{}]; retry specifying trusted endorsing organizations to protect transient data",
                protected.join(" ")
            )
        })
    }

    fn plan_for(
        &self,
        channel: &dyn GatewayChannel,
        proposal: &Unpacked,
        interest: &ChaincodeInterest,
        first: Option<&Node>,
    ) -> Result<Plan, String> {
        let peers = self.endorsers(channel, &proposal.chaincode);
        let (layouts, mut peers) = layouts(&proposal.channel, interest, |call| channel.policies(call), peers)
            .map_err(|error| {
                format!(
                    "no combination of peers can be derived which satisfy the endorsement policy: {error}"
                )
            })?;
        if let Some(first) = first
            && !peers.iter().any(|peer| peer.address() == first.address())
        {
            peers.push(first.clone());
        }
        Ok(Plan::new(
            preferred(layouts, first.map(|first| first.msp_id.as_str())),
            peers,
        ))
    }
}

/// One peer of each named organisation.
fn plan_for_organisations(peers: Vec<Node>, organisations: &[String]) -> Result<Plan, String> {
    let known: BTreeSet<&str> = peers.iter().map(|peer| peer.msp_id.as_str()).collect();
    let missing: Vec<&str> = organisations
        .iter()
        .map(String::as_str)
        .filter(|msp_id| !known.contains(msp_id))
        .collect();
    if !missing.is_empty() {
        return Err(format!(
            "failed to find any endorsing peers for org(s): {}",
            missing.join(", ")
        ));
    }
    let layout: Layout = organisations.iter().map(|msp_id| (msp_id.clone(), 1)).collect();
    Ok(Plan::new([layout], peers))
}

/// In random order, so that load spreads, but small ones and those with the first endorser's organisation first.
fn preferred(mut layouts: Vec<Layout>, first: Option<&str>) -> Vec<Layout> {
    layouts.shuffle(&mut rand::rng());
    layouts.sort_by_key(|layout| {
        let has_first = first.is_some_and(|first| layout.contains_key(first));
        (!has_first, layout.values().sum::<usize>())
    });
    layouts
}

/// The result stands in the payload; there is no need for it twice.
fn without_result(mut response: ProposalResponse) -> ProposalResponse {
    if let Some(result) = &mut response.response {
        result.payload = Vec::new();
    }
    response
}
