//! Which organisations must endorse a call: all policies that it touches, together. Pure.

use std::collections::BTreeSet;

use fabric_msp::policy::{n_out_of, organization_layouts};
use fabric_protos::common::msp_principal::Classification;
use fabric_protos::common::msp_role::MspRoleType;
use fabric_protos::common::signature_policy::{NOutOf, Type};
use fabric_protos::common::{
    MspPrincipal, MspRole, OrganizationUnit, SignaturePolicy, SignaturePolicyEnvelope,
};
use fabric_protos::msp::SerializedIdentity;
use fabric_protos::peer::{ChaincodeCall, ChaincodeInterest};
use prost::Message;

use super::host::{ChaincodePolicies, Node};
use super::plan::Layout;

/// More combinations than this are not looked at: the smallest come first.
const MAX_LAYOUTS: usize = 1_024;

/// The layouts of which any satisfies all policies that `interest` touches, smallest first, and the peers that may be
/// asked: those that may know the collections that the call reads.
///
/// `policies` gives the policies that a call names. `peers` are those that run the chaincode.
pub(super) fn layouts(
    channel: &str,
    interest: &ChaincodeInterest,
    policies: impl Fn(&ChaincodeCall) -> Result<Option<ChaincodePolicies>, String>,
    peers: Vec<Node>,
) -> Result<(Vec<Layout>, Vec<Node>), String> {
    let mut required: Vec<SignaturePolicyEnvelope> = Vec::new();
    let mut peers = peers;
    for call in &interest.chaincodes {
        let found = policies(call)?.ok_or_else(|| {
            format!(
                "No metadata was found for chaincode {} in channel {channel}",
                call.name
            )
        })?;
        if !call.no_private_reads {
            keep_members(call, &found, &mut peers)?;
        }
        for policy in policies_of(call, &found)? {
            if !required.contains(&policy) {
                required.push(policy);
            }
        }
    }
    let Some((first, others)) = required.split_first() else {
        return Err("no principal sets remained after filtering".to_owned());
    };
    let mut found = satisfying(first)?;
    for policy in others {
        found = both(&found, &satisfying(policy)?);
    }
    if found.is_empty() {
        return Err("endorsement policy cannot be satisfied".to_owned());
    }
    let available = |layout: &Layout| {
        layout
            .iter()
            .all(|(msp_id, count)| peers.iter().filter(|peer| peer.msp_id == *msp_id).count() >= *count)
    };
    found.retain(available);
    if found.is_empty() {
        return Err("no peer combination can satisfy the endorsement policy".to_owned());
    }
    Ok((found, peers))
}

/// The chaincode's policy, those of its collections, and those of single keys, as the call asks for them.
fn policies_of(
    call: &ChaincodeCall,
    policies: &ChaincodePolicies,
) -> Result<Vec<SignaturePolicyEnvelope>, String> {
    let mut found = Vec::new();
    if call.collection_names.is_empty() {
        if !call.disregard_namespace_policy {
            found.push(policies.endorsement.clone());
        } else if call.key_policies.is_empty() {
            return Err(format!(
                "requested to disregard chaincode {}'s policy but key and collection policies are missing, either \
                 disable DisregardNamespacePolicy or specify at least one key policy or at least one collection policy",
                call.name
            ));
        }
    }
    for collection in &call.collection_names {
        let own = policies
            .collections
            .get(collection)
            .and_then(|collection| collection.endorsement.clone());
        found.push(own.unwrap_or_else(|| policies.endorsement.clone()));
    }
    found.extend(call.key_policies.iter().cloned());
    Ok(found)
}

/// Leaves only peers of organisations that are members of every collection of the call.
fn keep_members(
    call: &ChaincodeCall,
    policies: &ChaincodePolicies,
    peers: &mut Vec<Node>,
) -> Result<(), String> {
    for collection in &call.collection_names {
        let found = policies.collections.get(collection).ok_or_else(|| {
            format!(
                "collection {collection} doesn't exist in collection config for chaincode {}",
                call.name
            )
        })?;
        let members: BTreeSet<String> = found
            .members
            .identities
            .iter()
            .filter_map(peer_organisation)
            .collect();
        peers.retain(|peer| members.contains(&peer.msp_id));
    }
    Ok(())
}

/// The layouts that satisfy one policy with endorsements of peers.
fn satisfying(policy: &SignaturePolicyEnvelope) -> Result<Vec<Layout>, String> {
    let mut policy = policy.clone();
    let impossible: BTreeSet<i32> = (0i32..)
        .zip(&policy.identities)
        .filter(|(_, principal)| peer_organisation(principal).is_none())
        .map(|(index, _)| index)
        .collect();
    if !impossible.is_empty() {
        policy.rule = policy.rule.map(|rule| without(rule, &impossible));
        // Their places stay, so that the other indexes hold; any organisation will do, nothing refers to them.
        let Some(any) = policy
            .identities
            .iter()
            .find(|principal| peer_organisation(principal).is_some())
            .cloned()
        else {
            return Ok(Vec::new());
        };
        for index in &impossible {
            if let Some(place) = usize::try_from(*index)
                .ok()
                .and_then(|index| policy.identities.get_mut(index))
            {
                place.clone_from(&any);
            }
        }
    }
    organization_layouts(&policy).map_err(|error| error.to_string())
}

/// The rule with the given principals replaced by one that nothing satisfies.
fn without(rule: SignaturePolicy, impossible: &BTreeSet<i32>) -> SignaturePolicy {
    match rule.r#type {
        Some(Type::SignedBy(index)) if impossible.contains(&index) => n_out_of(1, Vec::new()),
        Some(Type::NOutOf(NOutOf { n, rules })) => n_out_of(
            n,
            rules.into_iter().map(|rule| without(rule, impossible)).collect(),
        ),
        other => SignaturePolicy { r#type: other },
    }
}

/// The organisation whose peers may satisfy the principal, or `None` if no peer can.
fn peer_organisation(principal: &MspPrincipal) -> Option<String> {
    let bytes = principal.principal.as_slice();
    match Classification::try_from(principal.principal_classification).ok()? {
        Classification::Role => {
            let role = MspRole::decode(bytes).ok()?;
            let fits = matches!(role.role(), MspRoleType::Member | MspRoleType::Peer);
            fits.then_some(role.msp_identifier)
        }
        Classification::OrganizationUnit => Some(OrganizationUnit::decode(bytes).ok()?.msp_identifier),
        Classification::Identity => Some(SerializedIdentity::decode(bytes).ok()?.mspid),
        Classification::Anonymity | Classification::Combined => None,
    }
}

/// The layouts that satisfy one of each list: an endorsement counts for both. Smallest first, none that contains another.
fn both(one: &[Layout], other: &[Layout]) -> Vec<Layout> {
    let mut joined: Vec<Layout> = one
        .iter()
        .flat_map(|a| other.iter().map(move |b| larger(a, b)))
        .take(MAX_LAYOUTS)
        .collect();
    joined.sort_by_key(|layout| layout.values().sum::<usize>());
    let mut smallest: Vec<Layout> = Vec::new();
    for layout in joined {
        if !smallest.iter().any(|known| contains(&layout, known)) {
            smallest.push(layout);
        }
    }
    smallest
}

fn larger(a: &Layout, b: &Layout) -> Layout {
    let mut layout = a.clone();
    for (msp_id, count) in b {
        let known = layout.entry(msp_id.clone()).or_insert(0);
        *known = (*known).max(*count);
    }
    layout
}

fn contains(layout: &Layout, smaller: &Layout) -> bool {
    smaller
        .iter()
        .all(|(msp_id, count)| layout.get(msp_id).is_some_and(|have| have >= count))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use fabric_msp::policy::parse;

    use super::super::host::CollectionPolicies;
    use super::*;
    use crate::directory::RemoteEndpoint;

    fn peers(organisations: &[&str]) -> Vec<Node> {
        organisations
            .iter()
            .map(|msp_id| Node {
                msp_id: (*msp_id).to_owned(),
                endpoint: RemoteEndpoint {
                    address: format!("peer0.{msp_id}"),
                    ..Default::default()
                },
                ledger_height: 0,
            })
            .collect()
    }

    fn definition(endorsement: &str, collections: &[(&str, &str, Option<&str>)]) -> ChaincodePolicies {
        let policy = |text: &str| parse(text).expect("a policy");
        ChaincodePolicies {
            endorsement: policy(endorsement),
            collections: collections
                .iter()
                .map(|(name, members, endorsement)| {
                    let policies = CollectionPolicies {
                        members: policy(members),
                        endorsement: endorsement.map(policy),
                    };
                    ((*name).to_owned(), policies)
                })
                .collect(),
        }
    }

    fn call(collections: &[&str]) -> ChaincodeCall {
        ChaincodeCall {
            name: "cc".to_owned(),
            collection_names: collections.iter().map(|name| (*name).to_owned()).collect(),
            ..Default::default()
        }
    }

    fn find(
        calls: Vec<ChaincodeCall>,
        definition: &ChaincodePolicies,
        organisations: &[&str],
    ) -> Result<(Vec<Vec<String>>, Vec<String>), String> {
        let interest = ChaincodeInterest { chaincodes: calls };
        let known = |call: &ChaincodeCall| Ok((call.name == "cc").then(|| definition.clone()));
        let (layouts, peers) = layouts("health", &interest, known, peers(organisations))?;
        let names = layouts
            .into_iter()
            .map(|layout| layout.into_keys().collect())
            .collect();
        Ok((names, peers.into_iter().map(|peer| peer.msp_id).collect()))
    }

    #[test]
    fn any_two_of_three() {
        let definition = definition("OutOf(2, 'A.peer', 'B.peer', 'C.peer')", &[]);
        let (layouts, peers) = find(vec![call(&[])], &definition, &["A", "B", "C"]).expect("layouts");
        assert_eq!(layouts, [["A", "B"], ["A", "C"], ["B", "C"]]);
        assert_eq!(peers.len(), 3);
        let (layouts, _) = find(vec![call(&[])], &definition, &["A", "C"]).expect("layouts");
        assert_eq!(layouts, [["A", "C"]]);
        let error = find(vec![call(&[])], &definition, &["A"]).expect_err("none");
        assert_eq!(error, "no peer combination can satisfy the endorsement policy");
    }

    #[test]
    fn a_collection_read_leaves_only_members() {
        let definition = definition(
            "OR('A.peer', 'B.peer', 'C.peer')",
            &[("pair", "OR('A.member', 'B.member')", None)],
        );
        let (layouts, peers) = find(vec![call(&["pair"])], &definition, &["A", "B", "C"]).expect("layouts");
        assert_eq!(layouts, [["A"], ["B"]]);
        assert_eq!(peers, ["A", "B"]);
    }

    #[test]
    fn a_collection_only_written_may_be_endorsed_by_others() {
        let definition = definition(
            "AND('A.peer', 'C.peer')",
            &[("pair", "OR('A.member', 'B.member')", None)],
        );
        let mut written = call(&["pair"]);
        written.no_private_reads = true;
        let (layouts, peers) = find(vec![written], &definition, &["A", "B", "C"]).expect("layouts");
        assert_eq!(layouts, [["A", "C"]]);
        assert_eq!(peers.len(), 3);
        assert!(find(vec![call(&["pair"])], &definition, &["A", "B", "C"]).is_err());
    }

    #[test]
    fn a_collections_own_policy_stands_in_place_of_the_chaincodes() {
        let members = "OR('A.member', 'B.member')";
        let definition = definition(
            "AND('A.peer', 'B.peer', 'C.peer')",
            &[("pair", members, Some("OR('A.peer', 'B.peer')"))],
        );
        let (layouts, _) = find(vec![call(&["pair"])], &definition, &["A", "B", "C"]).expect("layouts");
        assert_eq!(layouts, [["A"], ["B"]]);
        let (layouts, _) = find(
            vec![
                ChaincodeCall {
                    no_private_reads: true,
                    ..call(&["pair"])
                },
                call(&[]),
            ],
            &definition,
            &["A", "B", "C"],
        )
        .expect("layouts");
        assert_eq!(layouts, [["A", "B", "C"]]);
    }

    #[test]
    fn a_keys_policy_may_stand_alone_or_add_to_the_chaincodes() {
        let definition = definition("OR('A.peer', 'B.peer')", &[]);
        let key = |disregard| ChaincodeCall {
            key_policies: vec![parse("AND('C.peer')").expect("a policy")],
            disregard_namespace_policy: disregard,
            ..call(&[])
        };
        let (layouts, _) = find(vec![key(true)], &definition, &["A", "B", "C"]).expect("layouts");
        assert_eq!(layouts, [["C"]]);
        let (layouts, _) = find(vec![key(false)], &definition, &["A", "B", "C"]).expect("layouts");
        assert_eq!(layouts, [["A", "C"], ["B", "C"]]);
        let nothing = ChaincodeCall {
            disregard_namespace_policy: true,
            ..call(&[])
        };
        assert!(find(vec![nothing], &definition, &["A"]).is_err());
    }

    #[test]
    fn a_role_that_no_peer_has_satisfies_nothing() {
        let policies = definition("OR('A.admin', 'B.peer')", &[]);
        let (layouts, _) = find(vec![call(&[])], &policies, &["A", "B"]).expect("layouts");
        assert_eq!(layouts, [["B"]]);
        let policies = definition("AND('A.admin', 'B.peer')", &[]);
        assert!(find(vec![call(&[])], &policies, &["A", "B"]).is_err());
        let policies = definition("OR('A.admin')", &[]);
        assert!(find(vec![call(&[])], &policies, &["A", "B"]).is_err());
    }

    #[test]
    fn an_unknown_chaincode_is_named() {
        let interest = ChaincodeInterest {
            chaincodes: vec![ChaincodeCall {
                name: "other".to_owned(),
                ..Default::default()
            }],
        };
        let error = layouts("health", &interest, |_| Ok(None), peers(&["A"])).expect_err("unknown");
        assert_eq!(
            error,
            "No metadata was found for chaincode other in channel health"
        );
    }

    #[test]
    fn joined_layouts_are_the_smallest() {
        let layout =
            |names: &[&str]| -> Layout { names.iter().map(|name| ((*name).to_owned(), 1)).collect() };
        let joined = both(
            &[layout(&["A"]), layout(&["B"])],
            &[layout(&["A"]), layout(&["C"])],
        );
        assert_eq!(joined, [layout(&["A"]), layout(&["B", "C"])]);
        assert_eq!(
            larger(&layout(&["A"]), &BTreeMap::from([("A".to_owned(), 2)])).get("A"),
            Some(&2)
        );
    }
}
