//! Which peers can endorse a call together (`discovery/endorsement` of Fabric). Pure.

use std::collections::BTreeMap;

use fabric_protos::common::{MspPrincipal, SignaturePolicyEnvelope};
use fabric_protos::peer::{ChaincodeCall, ChaincodeInterest};

use super::principals::{PrincipalSet, Principals};
use crate::directory::PeerInfo;

/// What a chaincode's definition says about endorsement.
#[derive(Clone, Debug)]
pub struct ChaincodePolicies {
    /// The definition's sequence; peers that can endorse for it name it as the chaincode's version.
    pub sequence: i64,
    /// For public keys, and for collections without their own policy.
    pub endorsement: SignaturePolicyEnvelope,
    /// By collection.
    pub collections: BTreeMap<String, CollectionPolicies>,
}

/// Who may hold a collection, and who must endorse what is written to it.
#[derive(Clone, Debug)]
pub struct CollectionPolicies {
    /// Any of its principals may hold it.
    pub members: SignaturePolicyEnvelope,
    /// In place of the chaincode's policy.
    pub endorsement: Option<SignaturePolicyEnvelope>,
}

/// What the analysis asks about a channel.
pub trait Facts: Send + Sync {
    /// The policies of the called chaincode's definition and of the collections that the call names; `None` if there is no
    /// definition. Collections that are not there are left out.
    ///
    /// # Errors
    /// A text if the definition or a policy that it names cannot be used.
    fn policies(&self, call: &ChaincodeCall) -> Result<Option<ChaincodePolicies>, String>;

    /// Whether a peer satisfies a principal.
    fn satisfies(&self, peer: &PeerInfo, principal: &MspPrincipal) -> bool;
}

/// The ways to endorse a call.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Endorsers {
    /// For each principal that matters the peers that satisfy it and can run the chaincode, by their places.
    pub(crate) groups: BTreeMap<String, Vec<usize>>,
    /// How many of which group are enough together.
    pub(crate) layouts: Vec<BTreeMap<String, u32>>,
}

/// The ways to endorse what `interest` describes with some of `peers`, which are those of the channel.
///
/// # Errors
/// Fabric's texts, if there is none.
pub(crate) fn endorsers(
    channel: &str,
    interest: &ChaincodeInterest,
    peers: &[PeerInfo],
    facts: &dyn Facts,
) -> Result<Endorsers, String> {
    let called = called(channel, interest, facts)?;
    let members = authorized(&called, peers, facts)?;
    let mut principals = Principals::default();
    let sets = principal_sets(&called, &mut principals)?;
    let satisfying = |place: usize| -> Vec<usize> {
        let Some(principal) = principals.message(place) else {
            return Vec::new();
        };
        let fits = |peer: &PeerInfo| {
            principals.msp_id(place) == Some(peer.msp_id.as_str()) && facts.satisfies(peer, principal)
        };
        members
            .iter()
            .copied()
            .filter(|member| peers.get(*member).is_some_and(fits))
            .collect()
    };
    let mut satisfied_by = BTreeMap::new();
    for place in sets.iter().flatten() {
        satisfied_by.entry(*place).or_insert_with(|| satisfying(*place));
    }
    let enough = |groups: &BTreeMap<usize, Vec<usize>>, layout: &BTreeMap<usize, u32>| {
        layout.iter().all(|(group, count)| {
            let have = groups.get(group).map_or(0, Vec::len);
            u32::try_from(have).unwrap_or(u32::MAX) >= *count
        })
    };
    let mut layouts: Vec<BTreeMap<usize, u32>> = sets.iter().map(quantities).collect();
    layouts.retain(|layout| enough(&satisfied_by, layout));
    if layouts.is_empty() {
        return Err("no peer combination can satisfy the endorsement policy".to_owned());
    }
    let able = |place: &usize| peers.get(*place).is_some_and(|peer| runs_all(peer, &called));
    for group in satisfied_by.values_mut() {
        group.retain(able);
    }
    layouts.retain(|layout| enough(&satisfied_by, layout));
    if layouts.is_empty() {
        return Err("required chaincodes are not installed on sufficient peers".to_owned());
    }
    let name = |group: &usize| format!("G{group}");
    let groups = satisfied_by
        .into_iter()
        .filter(|(group, peers)| !peers.is_empty() && layouts.iter().any(|layout| layout.contains_key(group)))
        .map(|(group, peers)| (name(&group), peers))
        .collect();
    let named = |layout: BTreeMap<usize, u32>| {
        let groups = layout.into_iter();
        groups.map(|(group, count)| (name(&group), count)).collect()
    };
    Ok(Endorsers {
        groups,
        layouts: layouts.into_iter().map(named).collect(),
    })
}

/// The peers that can run all chaincode of `interest` and may know the collections that it reads, by their places; all
/// peers if it names no chaincode.
///
/// # Errors
/// Fabric's texts, if a chaincode or a collection is not there.
pub(crate) fn fitting_peers(
    channel: &str,
    interest: &ChaincodeInterest,
    peers: &[PeerInfo],
    facts: &dyn Facts,
) -> Result<Vec<usize>, String> {
    if interest.chaincodes.is_empty() {
        return Ok((0..peers.len()).collect());
    }
    let called = called(channel, interest, facts)?;
    let mut fitting = authorized(&called, peers, facts)?;
    fitting.retain(|place| peers.get(*place).is_some_and(|peer| runs_all(peer, &called)));
    Ok(fitting)
}

/// Calls with what is defined about them.
type Called<'a> = Vec<(&'a ChaincodeCall, ChaincodePolicies)>;

fn called<'a>(
    channel: &str,
    interest: &'a ChaincodeInterest,
    facts: &dyn Facts,
) -> Result<Called<'a>, String> {
    let known = |call: &'a ChaincodeCall| {
        let found = facts.policies(call)?.ok_or_else(|| {
            format!(
                "No metadata was found for chaincode {} in channel {channel}",
                call.name
            )
        })?;
        Ok((call, found))
    };
    interest.chaincodes.iter().map(known).collect()
}

fn runs_all(peer: &PeerInfo, called: &Called<'_>) -> bool {
    called.iter().all(|(call, policies)| {
        let version = peer.chaincodes.get(&call.name);
        version.is_some_and(|version| *version == policies.sequence.to_string())
    })
}

/// The peers that are members of every collection that the calls read.
fn authorized(called: &Called<'_>, peers: &[PeerInfo], facts: &dyn Facts) -> Result<Vec<usize>, String> {
    let mut members: Vec<usize> = (0..peers.len()).collect();
    for (call, policies) in called.iter().filter(|(call, _)| !call.no_private_reads) {
        for collection in &call.collection_names {
            let found = policies.collections.get(collection).ok_or_else(|| {
                format!(
                    "collection {collection} doesn't exist in collection config for chaincode {}",
                    call.name
                )
            })?;
            let principals = &found.members.identities;
            members.retain(|place| {
                let peer = peers.get(*place);
                peer.is_some_and(|peer| {
                    principals
                        .iter()
                        .any(|principal| facts.satisfies(peer, principal))
                })
            });
        }
    }
    Ok(members)
}

/// The sets of principals that satisfy all policies that the calls fall under.
fn principal_sets(called: &Called<'_>, principals: &mut Principals) -> Result<Vec<PrincipalSet>, String> {
    let mut required: Vec<(&SignaturePolicyEnvelope, &str)> = Vec::new();
    for (call, policies) in called {
        for policy in policies_of(call, policies)? {
            required.push((policy, "endorsement policy cannot be satisfied"));
        }
    }
    for (call, _) in called {
        let unsatisfiable = "state based endorsement policy cannot be satisfied";
        required.extend(call.key_policies.iter().map(|policy| (policy, unsatisfiable)));
    }
    let mut merged: Option<Vec<PrincipalSet>> = None;
    let mut seen: Vec<&SignaturePolicyEnvelope> = Vec::new();
    for (policy, unsatisfiable) in required {
        // A transaction may write a thousand keys under one policy.
        if seen.contains(&policy) {
            continue;
        }
        seen.push(policy);
        let sets = principals.satisfying(policy);
        if sets.is_empty() {
            return Err(unsatisfiable.to_owned());
        }
        merged = Some(match merged {
            None => sets,
            Some(before) => principals.merge(before, sets),
        });
    }
    merged.ok_or_else(|| "no principal sets remained after filtering".to_owned())
}

/// The chaincode's policy or those of the call's collections.
fn policies_of<'a>(
    call: &ChaincodeCall,
    policies: &'a ChaincodePolicies,
) -> Result<Vec<&'a SignaturePolicyEnvelope>, String> {
    if !call.collection_names.is_empty() {
        let of = |collection: &String| {
            let own = policies.collections.get(collection);
            own.and_then(|collection| collection.endorsement.as_ref())
                .unwrap_or(&policies.endorsement)
        };
        return Ok(call.collection_names.iter().map(of).collect());
    }
    if !call.disregard_namespace_policy {
        return Ok(vec![&policies.endorsement]);
    }
    if call.key_policies.is_empty() {
        return Err(format!(
            "requested to disregard chaincode {}'s policy but key and collection policies are missing, either \
             disable DisregardNamespacePolicy or specify at least one key policy or at least one collection policy",
            call.name
        ));
    }
    Ok(Vec::new())
}

/// How often each principal comes in a set.
fn quantities(set: &PrincipalSet) -> BTreeMap<usize, u32> {
    let mut quantities = BTreeMap::new();
    for place in set {
        *quantities.entry(*place).or_insert(0) += 1;
    }
    quantities
}

#[cfg(test)]
mod tests;
