//! Endorse: collects endorsements until the policies are satisfied.

use std::collections::BTreeMap;
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
use super::deadline::Deadline;
use super::host::{GatewayChannel, Node};
use super::plan::{Layout, Plan};
use super::proposal::Unpacked;
use super::status::{Answer, detail, with_details};
use crate::directory::PeerInfo;
use crate::discovery::{Endorsers, Facts, endorsers};

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
    pub(super) async fn endorse(
        &self,
        request: EndorseRequest,
        deadline: Deadline,
    ) -> Result<EndorseResponse, Status> {
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
                .round(&proposal, &signed, &request.endorsing_organizations, deadline)
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
        deadline: Deadline,
    ) -> Result<Round, Status> {
        let channel = self.host.channel(&proposal.channel);
        let channel = channel.as_deref();
        let mut plan = if organisations.is_empty() {
            let expired = "endorsement timeout expired while collecting first endorsement";
            let planned = self.plan_from_first_endorser(channel, proposal, signed);
            deadline.bound(planned, expired).await??
        } else {
            // The client answers for these organisations being enough, and fit to see the transient data.
            let peers = channel.map_or_else(Vec::new, |channel| self.endorsers(channel, &proposal.chaincode));
            plan_for_organisations(peers, organisations).map_err(Status::unavailable)?
        };
        let expired = "endorsement timeout expired while collecting endorsements";
        deadline.bound(self.carry_out(&mut plan, signed), expired).await?;
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
        channel: Option<&dyn GatewayChannel>,
        proposal: &Unpacked,
        signed: &SignedProposal,
    ) -> Result<Plan, Status> {
        let own = &self.host.node().msp_id;
        let default = ChaincodeInterest {
            chaincodes: vec![ChaincodeCall {
                name: proposal.chaincode.clone(),
                ..Default::default()
            }],
        };
        let mut candidates =
            channel.map_or_else(Vec::new, |channel| self.endorsers(channel, &proposal.chaincode));
        candidates.retain(|peer| peer.msp_id == *own);
        let mut plan = plan_for_organisations(candidates, std::slice::from_ref(own));
        if plan.is_err() {
            if proposal.has_transient {
                return Err(Status::failed_precondition(
                    "no endorsers found in the gateway's organization; retry specifying endorsing organization(s) to \
                     protect transient data",
                ));
            }
            plan = self.plan_for(channel, proposal, &default, None);
        }
        let mut plan = plan.map_err(Status::failed_precondition)?;
        let mut candidate = plan.endorsers().and_then(|peers| peers.into_iter().next());

        let mut details = Vec::new();
        let mut first: Option<(Node, ProposalResponse)> = None;
        while let Some(peer) = candidate {
            match self.process(&peer, signed.clone()).await {
                Answer::Success(response) => {
                    first = Some((peer, *response));
                    break;
                }
                Answer::Failure(failure) => {
                    tracing::info!(peer = %peer.address(), error = %failure.message, "an endorsement failed");
                    details.push(detail(&peer, failure.message));
                    candidate = plan.instead_of(&peer);
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
            self.protected_plan(channel, proposal, interest, &peer)
        } else {
            self.plan_for(channel, proposal, &interest, Some(&peer))
        };
        let mut plan = plan.map_err(Status::failed_precondition)?;
        plan.endorsed(&peer, without_result(response));
        Ok(plan)
    }

    /// A plan that sends transient data to nobody outside the collections that the call touches.
    fn protected_plan(
        &self,
        channel: Option<&dyn GatewayChannel>,
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

    /// The plan that satisfies all policies that `interest` touches.
    fn plan_for(
        &self,
        channel: Option<&dyn GatewayChannel>,
        proposal: &Unpacked,
        interest: &ChaincodeInterest,
        first: Option<&Node>,
    ) -> Result<Plan, String> {
        let impossible = |error: String| {
            format!("no combination of peers can be derived which satisfy the endorsement policy: {error}")
        };
        let Some(channel) = channel else {
            // What Fabric's discovery says of a channel that the peer has not joined.
            let name = interest.chaincodes.first().map_or("", |call| call.name.as_str());
            return Err(impossible(format!(
                "No metadata was found for chaincode {name} in channel {}",
                proposal.channel
            )));
        };
        let facts: &dyn Facts = channel;
        let mut peers = channel.peers(false);
        let mut found = endorsers(&proposal.channel, interest, &peers, facts);
        if found.is_err() {
            // A chaincode may have come to a peer, or a peer to the channel, a moment ago.
            peers = channel.peers(true);
            found = endorsers(&proposal.channel, interest, &peers, facts);
        }
        Ok(self.plan_of(found.map_err(impossible)?, &peers, first))
    }

    /// The plan with the peers of each group in the order in which they are asked.
    fn plan_of(&self, found: Endorsers, peers: &[PeerInfo], first: Option<&Node>) -> Plan {
        let is_first = |place: &usize| {
            first.is_some_and(|first| {
                peers
                    .get(*place)
                    .is_some_and(|peer| peer.endpoint.address == first.endpoint.address)
            })
        };
        let preferred: Vec<&String> = found
            .groups
            .iter()
            .filter(|(_, places)| places.iter().any(is_first))
            .map(|(group, _)| group)
            .collect();
        let layouts = preferred_first(found.layouts, &preferred);
        let groups = found.groups.iter().map(|(group, places)| {
            let nodes = places.iter().filter_map(|place| peers.get(*place)).map(Node::of);
            (group.clone(), self.in_order(nodes.collect()))
        });
        Plan::new(layouts, groups.collect::<Vec<_>>())
    }
}

/// One peer of each named organisation.
fn plan_for_organisations(peers: Vec<Node>, organisations: &[String]) -> Result<Plan, String> {
    let mut groups: BTreeMap<String, Vec<Node>> = BTreeMap::new();
    for peer in peers {
        groups.entry(peer.msp_id.clone()).or_default().push(peer);
    }
    let missing: Vec<&str> = organisations
        .iter()
        .map(String::as_str)
        .filter(|msp_id| !groups.contains_key(*msp_id))
        .collect();
    if !missing.is_empty() {
        return Err(format!(
            "failed to find any endorsing peers for org(s): {}",
            missing.join(", ")
        ));
    }
    let layout: Layout = organisations.iter().map(|msp_id| (msp_id.clone(), 1)).collect();
    Ok(Plan::new([layout], groups))
}

/// In random order, so that load spreads, but those with one of the `preferred` groups, which the first endorser is in,
/// come first, and of them the smallest.
fn preferred_first(layouts: Vec<BTreeMap<String, u32>>, preferred: &[&String]) -> Vec<Layout> {
    let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    let mut layouts: Vec<Layout> = layouts
        .into_iter()
        .map(|layout| layout.into_iter().map(|(group, of)| (group, count(of))).collect())
        .collect();
    layouts.shuffle(&mut rand::rng());
    layouts.sort_by_key(|layout| {
        let has_first = preferred.iter().any(|group| layout.contains_key(*group));
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
