//! Which endorsers to ask next, and when there are enough endorsements (`internal/pkg/gateway/endorsement.go`). Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use fabric_protos::gateway::ErrorDetail;
use fabric_protos::peer::{ChaincodeEndorsedAction, Endorsement, ProposalResponse};

use super::host::Node;
use super::status::detail;

/// How many endorsements of which groups are enough together.
pub(super) type Layout = BTreeMap<String, usize>;

/// The layouts still possible, the peers not asked yet, and what came in.
///
/// Fabric's plan takes each peer for a member of one group only. Here a peer may be in several, for a policy may name an
/// organisation in several ways; it is asked once, and its endorsement counts for one group of each layout.
#[derive(Debug)]
pub(super) struct Plan {
    layouts: VecDeque<Open>,
    groups: BTreeMap<String, Group>,
    /// For whom each peer was asked: groups by address.
    asked_for: BTreeMap<String, String>,
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

#[derive(Debug)]
struct Group {
    /// All members' addresses.
    members: BTreeSet<String>,
    waiting: VecDeque<Node>,
}

impl Plan {
    /// A plan that tries `layouts` in their order, with the peers of each group in theirs.
    pub(super) fn new(
        layouts: impl IntoIterator<Item = Layout>,
        groups: impl IntoIterator<Item = (String, Vec<Node>)>,
    ) -> Self {
        let group = |peers: Vec<Node>| Group {
            members: peers.iter().map(|peer| peer.address().to_owned()).collect(),
            waiting: peers.into(),
        };
        let layouts = layouts.into_iter().map(|missing| Open {
            missing,
            endorsements: Vec::new(),
        });
        Self {
            layouts: layouts.collect(),
            groups: groups
                .into_iter()
                .map(|(name, peers)| (name, group(peers)))
                .collect(),
            asked_for: BTreeMap::new(),
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
            if let Some(chosen) = self.choose(&layout.missing) {
                return Some(
                    chosen
                        .into_iter()
                        .map(|(peer, group)| self.take(peer, group))
                        .collect(),
                );
            }
            self.layouts.pop_front();
        }
    }

    /// A different peer for every place of a layout: those with the least choice first.
    fn choose(&self, missing: &Layout) -> Option<Vec<(Node, String)>> {
        let mut wanted: Vec<(&Group, &String, usize)> = Vec::with_capacity(missing.len());
        for (name, count) in missing {
            wanted.push((self.groups.get(name)?, name, *count));
        }
        wanted.sort_by_key(|(group, _, _)| group.waiting.len());
        let mut chosen: Vec<(Node, String)> = Vec::new();
        for (group, name, count) in wanted {
            let free: Vec<&Node> = group
                .waiting
                .iter()
                .filter(|peer| chosen.iter().all(|(other, _)| other.address() != peer.address()))
                .take(count)
                .collect();
            if free.len() < count {
                return None;
            }
            chosen.extend(free.into_iter().map(|peer| (peer.clone(), name.clone())));
        }
        Some(chosen)
    }

    /// Takes a peer out of all groups, to be asked for one of them.
    fn take(&mut self, peer: Node, group: String) -> Node {
        self.remove(&peer);
        self.asked_for.insert(peer.address().to_owned(), group);
        peer
    }

    fn remove(&mut self, peer: &Node) {
        for group in self.groups.values_mut() {
            group.waiting.retain(|other| other.address() != peer.address());
        }
    }

    /// Takes a peer's endorsement. Gives `false` if its result differs from the first one's.
    pub(super) fn endorsed(&mut self, peer: &Node, response: ProposalResponse) -> bool {
        self.remove(peer);
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
            let group = counts_for(&self.groups, &self.asked_for, &layout.missing, peer).cloned();
            let Some(group) = group else { continue };
            if let Some(missing) = layout.missing.get_mut(&group) {
                *missing = missing.saturating_sub(1);
                if *missing == 0 {
                    layout.missing.remove(&group);
                }
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

    /// The next peer of the same group to ask in place of one that failed, or `None`: then every layout that needs more
    /// of that group is given up.
    pub(super) fn instead_of(&mut self, peer: &Node) -> Option<Node> {
        let name = self.asked_for.get(peer.address())?.clone();
        let next = self
            .groups
            .get(&name)
            .and_then(|group| group.waiting.front())
            .cloned();
        match next {
            Some(next) => Some(self.take(next, name)),
            None => {
                self.layouts.retain(|layout| !layout.missing.contains_key(&name));
                None
            }
        }
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

/// The group of a layout for which a peer's endorsement counts: the one it was asked for, else the smallest that it is in.
fn counts_for<'a>(
    groups: &BTreeMap<String, Group>,
    asked_for: &'a BTreeMap<String, String>,
    missing: &'a Layout,
    peer: &Node,
) -> Option<&'a String> {
    let asked_for = asked_for.get(peer.address());
    if let Some(group) = asked_for.filter(|group| missing.contains_key(*group)) {
        return Some(group);
    }
    let members = |name: &String| groups.get(name).map(|group| &group.members);
    missing
        .keys()
        .filter(|name| members(name).is_some_and(|members| members.contains(peer.address())))
        .min_by_key(|name| members(name).map_or(usize::MAX, BTreeSet::len))
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

    /// A plan whose groups are the peers' organisations.
    fn by_organisation(
        layouts: impl IntoIterator<Item = Layout>,
        peers: impl IntoIterator<Item = Node>,
    ) -> Plan {
        let mut groups: BTreeMap<String, Vec<Node>> = BTreeMap::new();
        for peer in peers {
            groups.entry(peer.msp_id.clone()).or_default().push(peer);
        }
        Plan::new(layouts, groups)
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
        let mut plan = by_organisation([layout(&[("A", 1), ("B", 1)])], [a.clone(), b.clone()]);
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
        let mut plan = by_organisation(layouts, [a.clone(), b.clone(), c.clone()]);
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
        let mut plan = by_organisation([layout(&[("A", 1)])], [a0.clone(), a1.clone()]);
        assert_eq!(plan.endorsers(), Some(vec![a0.clone()]));
        plan.failed(&a0, "down");
        assert_eq!(plan.instead_of(&a0), Some(a1.clone()));
        assert!(endorse(&mut plan, &a1));
        assert!(plan.is_complete());
    }

    #[test]
    fn two_of_one_organisation_are_two_different_peers() {
        let (a0, a1) = (peer("a0", "A"), peer("a1", "A"));
        let mut plan = by_organisation([layout(&[("A", 2)])], [a0.clone(), a1.clone()]);
        assert_eq!(plan.endorsers(), Some(vec![a0.clone(), a1.clone()]));
        assert!(endorse(&mut plan, &a0));
        assert!(!plan.is_complete());
        assert!(endorse(&mut plan, &a1));
        assert!(plan.is_complete());
        let mut short = by_organisation([layout(&[("A", 2)])], [a0]);
        assert_eq!(short.endorsers(), None);
    }

    #[test]
    fn different_results_are_no_endorsement() {
        let (a, b) = (peer("a0", "A"), peer("b0", "B"));
        let mut plan = by_organisation([layout(&[("A", 1), ("B", 1)])], [a.clone(), b.clone()]);
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

    /// Two peers of organisation A, of which one is named by a group of its own.
    fn overlapping(first: &Node, second: &Node) -> [(String, Vec<Node>); 2] {
        [
            ("any".to_owned(), vec![first.clone(), second.clone()]),
            ("named".to_owned(), vec![first.clone()]),
        ]
    }

    #[test]
    fn a_peer_of_two_groups_is_asked_for_the_one_with_less_choice() {
        let (a0, a1) = (peer("a0", "A"), peer("a1", "A"));
        let both = layout(&[("any", 1), ("named", 1)]);
        let mut plan = Plan::new([both.clone()], overlapping(&a0, &a1));
        assert_eq!(plan.endorsers(), Some(vec![a0.clone(), a1.clone()]));
        assert!(endorse(&mut plan, &a0));
        assert!(!plan.is_complete(), "one peer counts once");
        assert!(endorse(&mut plan, &a1));
        assert!(plan.is_complete());
        let mut alone = Plan::new([both.clone()], overlapping(&a0, &a0));
        assert_eq!(alone.endorsers(), None, "one peer cannot stand in both places");
        // A first endorser that nobody planned counts for the group with less choice, too.
        let mut plan = Plan::new([both], overlapping(&a0, &a1));
        assert!(endorse(&mut plan, &a0));
        assert_eq!(plan.endorsers(), Some(vec![a1.clone()]));
        assert!(endorse(&mut plan, &a1));
        assert!(plan.is_complete());
    }

    #[test]
    fn a_stranger_to_all_groups_counts_for_nothing_but_its_result_does() {
        let (a, x) = (peer("a0", "A"), peer("x0", "X"));
        let mut plan = by_organisation([layout(&[("A", 1)])], [a.clone()]);
        assert!(endorse(&mut plan, &x));
        assert!(!plan.is_complete());
        assert_eq!(plan.endorsers(), Some(vec![a.clone()]));
        assert!(!plan.endorsed(&a, response(&a, "another")));
    }

    #[test]
    fn what_went_wrong_is_kept() {
        let a = peer("a0", "A");
        let mut plan = by_organisation([layout(&[("A", 1)])], [a.clone()]);
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
