//! Which endorsers to ask next, and when there are enough endorsements (`internal/pkg/gateway/endorsement.go`). Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use fabric_protos::gateway::ErrorDetail;
use fabric_protos::peer::{ChaincodeEndorsedAction, Endorsement, ProposalResponse};

use super::host::Node;
use super::status::detail;

/// How many endorsements of which organisations are enough together.
pub(super) type Layout = BTreeMap<String, usize>;

/// The layouts still possible, the peers not asked yet, and what came in.
#[derive(Debug)]
pub(super) struct Plan {
    layouts: VecDeque<Open>,
    groups: BTreeMap<String, VecDeque<Node>>,
    payload: Option<Vec<u8>>,
    endorsements: Option<Vec<Endorsement>>,
    details: Vec<ErrorDetail>,
    mismatch: bool,
}

#[derive(Debug)]
struct Open {
    missing: Layout,
    endorsements: Vec<Endorsement>,
}

impl Plan {
    /// A plan that tries `layouts` in their order, with the `peers` of each organisation in theirs.
    pub(super) fn new(
        layouts: impl IntoIterator<Item = Layout>,
        peers: impl IntoIterator<Item = Node>,
    ) -> Self {
        let mut groups: BTreeMap<String, VecDeque<Node>> = BTreeMap::new();
        for peer in peers {
            groups.entry(peer.msp_id.clone()).or_default().push_back(peer);
        }
        let layouts = layouts.into_iter().map(|missing| Open {
            missing,
            endorsements: Vec::new(),
        });
        Self {
            layouts: layouts.collect(),
            groups,
            payload: None,
            endorsements: None,
            details: Vec::new(),
            mismatch: false,
        }
    }

    /// The peers to ask all at once for the first layout that is still possible, or `None` if there is no such layout.
    pub(super) fn endorsers(&mut self) -> Option<Vec<Node>> {
        loop {
            let layout = self.layouts.front()?;
            let available = |(msp_id, count): (&String, &usize)| {
                self.groups.get(msp_id).map_or(0, VecDeque::len) >= *count
            };
            if layout.missing.iter().all(available) {
                let mut endorsers = Vec::new();
                for (msp_id, count) in &layout.missing {
                    if let Some(group) = self.groups.get_mut(msp_id) {
                        endorsers.extend(group.drain(..*count));
                    }
                }
                return Some(endorsers);
            }
            self.layouts.pop_front();
        }
    }

    /// Takes a peer's endorsement. Gives `false` if its result differs from the first one's.
    pub(super) fn endorsed(&mut self, peer: &Node, response: ProposalResponse) -> bool {
        if let Some(group) = self.groups.get_mut(&peer.msp_id) {
            group.retain(|other| other.address() != peer.address());
        }
        match &self.payload {
            None => self.payload = Some(response.payload),
            Some(payload) if *payload == response.payload => {}
            Some(_) => {
                tracing::warn!(peer = %peer.address(), "an endorser's result differs from the first one's");
                self.details
                    .push(detail(peer, "ProposalResponsePayloads do not match"));
                self.mismatch = true;
                return false;
            }
        }
        let Some(endorsement) = response.endorsement else {
            return true;
        };
        for layout in &mut self.layouts {
            let Some(missing) = layout.missing.get_mut(&peer.msp_id) else {
                continue;
            };
            *missing = missing.saturating_sub(1);
            if *missing == 0 {
                layout.missing.remove(&peer.msp_id);
            }
            layout.endorsements.push(endorsement.clone());
            if layout.missing.is_empty() {
                self.endorsements = Some(std::mem::take(&mut layout.endorsements));
                break;
            }
        }
        true
    }

    /// Takes a peer's failure.
    pub(super) fn failed(&mut self, peer: &Node, message: impl Into<String>) {
        self.details.push(detail(peer, message));
    }

    /// The next peer of the same organisation to ask in place of one that failed, or `None`: then every layout that
    /// needs more of that organisation is given up.
    pub(super) fn instead_of(&mut self, peer: &Node) -> Option<Node> {
        let next = self.groups.get_mut(&peer.msp_id).and_then(VecDeque::pop_front);
        if next.is_none() {
            self.layouts
                .retain(|layout| !layout.missing.contains_key(&peer.msp_id));
        }
        next
    }

    /// Whether there are enough endorsements.
    pub(super) const fn is_complete(&self) -> bool {
        self.endorsements.is_some()
    }

    /// Whether a peer's result differed from another's.
    pub(super) const fn is_mismatch(&self) -> bool {
        self.mismatch
    }

    /// The endorsed result, or what went wrong where.
    pub(super) fn finish(self) -> Result<ChaincodeEndorsedAction, Vec<ErrorDetail>> {
        match (self.endorsements, self.payload) {
            (Some(endorsements), Some(proposal_response_payload)) => Ok(ChaincodeEndorsedAction {
                proposal_response_payload,
                endorsements: unique(endorsements),
            }),
            _ => Err(self.details),
        }
    }
}

fn unique(endorsements: Vec<Endorsement>) -> Vec<Endorsement> {
    let mut seen = BTreeSet::new();
    endorsements
        .into_iter()
        .filter(|endorsement| seen.insert(endorsement.endorser.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::RemoteEndpoint;

    fn peer(name: &str, msp_id: &str) -> Node {
        Node {
            msp_id: msp_id.to_owned(),
            endpoint: RemoteEndpoint {
                address: name.to_owned(),
                ..Default::default()
            },
            ledger_height: 0,
        }
    }

    fn response(peer: &Node, payload: &str) -> ProposalResponse {
        ProposalResponse {
            payload: payload.as_bytes().to_vec(),
            endorsement: Some(Endorsement {
                endorser: peer.address().as_bytes().to_vec(),
                signature: vec![1],
            }),
            ..Default::default()
        }
    }

    fn layout(organisations: &[(&str, usize)]) -> Layout {
        organisations
            .iter()
            .map(|(msp_id, count)| ((*msp_id).to_owned(), *count))
            .collect()
    }

    fn endorse(plan: &mut Plan, peer: &Node) -> bool {
        plan.endorsed(peer, response(peer, "r"))
    }

    #[test]
    fn a_layout_is_complete_when_all_its_organisations_endorsed() {
        let (a, b) = (peer("a0", "A"), peer("b0", "B"));
        let mut plan = Plan::new([layout(&[("A", 1), ("B", 1)])], [a.clone(), b.clone()]);
        assert_eq!(plan.endorsers(), Some(vec![a.clone(), b.clone()]));
        assert!(endorse(&mut plan, &b));
        assert!(!plan.is_complete());
        assert!(endorse(&mut plan, &a));
        let action = plan.finish().expect("complete");
        assert_eq!(action.endorsements.len(), 2);
        assert_eq!(action.proposal_response_payload, b"r");
    }

    #[test]
    fn the_first_endorser_counts_in_every_layout_and_is_not_asked_again() {
        let (a, b, c) = (peer("a0", "A"), peer("b0", "B"), peer("c0", "C"));
        let layouts = [layout(&[("A", 1), ("B", 1)]), layout(&[("A", 1), ("C", 1)])];
        let mut plan = Plan::new(layouts, [a.clone(), b.clone(), c.clone()]);
        assert!(endorse(&mut plan, &a));
        assert_eq!(plan.endorsers(), Some(vec![b.clone()]));
        plan.failed(&b, "down");
        assert_eq!(plan.instead_of(&b), None);
        assert_eq!(plan.endorsers(), Some(vec![c.clone()]));
        assert!(endorse(&mut plan, &c));
        assert!(plan.is_complete());
    }

    #[test]
    fn another_peer_of_the_organisation_steps_in() {
        let (a0, a1) = (peer("a0", "A"), peer("a1", "A"));
        let mut plan = Plan::new([layout(&[("A", 1)])], [a0.clone(), a1.clone()]);
        assert_eq!(plan.endorsers(), Some(vec![a0.clone()]));
        plan.failed(&a0, "down");
        assert_eq!(plan.instead_of(&a0), Some(a1.clone()));
        assert!(endorse(&mut plan, &a1));
        assert!(plan.is_complete());
    }

    #[test]
    fn two_of_one_organisation_are_two_different_peers() {
        let (a0, a1) = (peer("a0", "A"), peer("a1", "A"));
        let mut plan = Plan::new([layout(&[("A", 2)])], [a0.clone(), a1.clone()]);
        assert_eq!(plan.endorsers(), Some(vec![a0.clone(), a1.clone()]));
        assert!(endorse(&mut plan, &a0));
        assert!(!plan.is_complete());
        assert!(endorse(&mut plan, &a1));
        assert!(plan.is_complete());
        let mut short = Plan::new([layout(&[("A", 2)])], [a0]);
        assert_eq!(short.endorsers(), None);
    }

    #[test]
    fn different_results_are_no_endorsement() {
        let (a, b) = (peer("a0", "A"), peer("b0", "B"));
        let mut plan = Plan::new([layout(&[("A", 1), ("B", 1)])], [a.clone(), b.clone()]);
        plan.endorsers();
        assert!(plan.endorsed(&a, response(&a, "one")));
        assert!(!plan.endorsed(&b, response(&b, "two")));
        assert_eq!(plan.instead_of(&b), None);
        assert_eq!(plan.endorsers(), None);
        assert!(plan.is_mismatch());
        let details = plan.finish().expect_err("incomplete");
        assert_eq!(details[0].message, "ProposalResponsePayloads do not match");
        assert_eq!(details[0].msp_id, "B");
    }

    #[test]
    fn what_went_wrong_is_kept() {
        let a = peer("a0", "A");
        let mut plan = Plan::new([layout(&[("A", 1)])], [a.clone()]);
        plan.endorsers();
        plan.failed(&a, "chaincode response 400, no");
        assert_eq!(plan.instead_of(&a), None);
        assert_eq!(plan.endorsers(), None);
        assert!(!plan.is_mismatch());
        assert_eq!(
            plan.finish().expect_err("incomplete")[0].message,
            "chaincode response 400, no"
        );
    }
}
