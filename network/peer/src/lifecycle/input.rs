//! What a chaincode definition must look like before an organisation approves or commits it.

use std::collections::BTreeSet;

use fabric_channel::Bundle;
use fabric_protos::common::msp_principal::Classification;
use fabric_protos::common::{SignaturePolicy, signature_policy};
use fabric_protos::peer::{CollectionConfigPackage, StaticCollectionConfig, collection_config};

use super::collections::{members_policy, principal_org};
use super::definition::ChaincodeDefinition;

/// Names that user chaincode may not take.
const SYSTEM_NAMES: [&str; 5] = ["cscc", "escc", "lscc", "qscc", "vscc"];

/// Checks name, version and collections; `committed` is the definition in force, if there is one.
///
/// The channel's configuration may change afterwards: the checks are there to catch mistakes early, as in
/// Fabric, and not part of what other peers rely on.
pub(crate) fn check(
    name: &str,
    version: &str,
    collections: Option<&CollectionConfigPackage>,
    bundle: &Bundle,
    committed: Option<&ChaincodeDefinition>,
) -> Result<(), String> {
    if !is_chaincode_name(name) {
        return Err(format!(
            "invalid chaincode name '{name}'. Names can only consist of alphanumerics, '_', and '-' and can only begin with alphanumerics"
        ));
    }
    if SYSTEM_NAMES.contains(&name) {
        return Err(format!(
            "chaincode name '{name}' is the name of a system chaincode"
        ));
    }
    if version.is_empty()
        || !version
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_.+-".contains(c))
    {
        return Err(format!(
            "invalid chaincode version '{version}'. Versions can only consist of alphanumerics, '_', '-', '+', and '.'"
        ));
    }
    let collections = static_collections(collections)?;
    check_collections(&collections, bundle)?;
    match committed {
        Some(committed) => check_against_committed(&collections, committed),
        None => Ok(()),
    }
}

/// `^[a-zA-Z0-9]+([-_][a-zA-Z0-9]+)*$`
fn is_chaincode_name(name: &str) -> bool {
    name.split(['-', '_'])
        .all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric()))
}

/// `^[A-Za-z0-9-]+([A-Za-z0-9_-]+)*$`
fn is_collection_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('_')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

fn static_collections(
    package: Option<&CollectionConfigPackage>,
) -> Result<Vec<&StaticCollectionConfig>, String> {
    package
        .into_iter()
        .flat_map(|package| &package.config)
        .map(|config| match &config.payload {
            Some(collection_config::Payload::StaticCollectionConfig(collection)) => Ok(collection),
            None => Err("collection configuration is empty".to_owned()),
        })
        .collect()
}

fn check_collections(collections: &[&StaticCollectionConfig], bundle: &Bundle) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for collection in collections {
        let StaticCollectionConfig {
            name,
            required_peer_count,
            maximum_peer_count,
            ..
        } = collection;
        if !is_collection_name(name) {
            return Err(format!(
                "invalid collection name '{name}'. Names can only consist of alphanumerics, '_', and '-' and cannot begin with '_'"
            ));
        }
        if !names.insert(name) {
            return Err(format!(
                "collection-name: {name} -- found duplicate in collection configuration"
            ));
        }
        if maximum_peer_count < required_peer_count {
            return Err(format!(
                "collection-name: {name} -- maximum peer count ({maximum_peer_count}) cannot be less than the required peer count ({required_peer_count})"
            ));
        }
        if *required_peer_count < 0 {
            return Err(format!(
                "collection-name: {name} -- requiredPeerCount ({required_peer_count}) cannot be less than zero"
            ));
        }
        check_members(collection, bundle)?;
    }
    Ok(())
}

fn check_members(collection: &StaticCollectionConfig, bundle: &Bundle) -> Result<(), String> {
    let name = &collection.name;
    if collection.member_orgs_policy.is_none() {
        return Err(format!(
            "collection member policy is not set for collection '{name}'"
        ));
    }
    let policy = members_policy(collection)
        .ok_or_else(|| format!("collection member org policy is empty for collection '{name}'"))?;
    let rule = policy.rule.as_ref().ok_or("Empty policy element".to_owned());
    let rule = rule
        .and_then(|rule| check_rule(rule, policy.identities.len()).map(|()| rule))
        .map_err(|error| format!("invalid member org policy for collection '{name}': {error}"))?;
    check_or(rule)
        .map_err(|error| format!("collection-name: {name} -- error in member org policy: {error}"))?;
    for principal in &policy.identities {
        let class = Classification::try_from(principal.principal_classification);
        let supported = matches!(
            class,
            Ok(Classification::Role | Classification::OrganizationUnit | Classification::Identity)
        );
        if !supported {
            return Err(format!(
                "collection-name: {name} -- principal type {} is not supported",
                principal.principal_classification
            ));
        }
        let org = principal_org(principal).ok_or_else(|| {
            format!("collection-name: {name} -- cannot unmarshal a principal of the member org policy")
        })?;
        if !is_channel_member(bundle, &org) {
            return Err(format!(
                "collection-name: {name} -- collection member '{org}' is not part of the channel"
            ));
        }
    }
    Ok(())
}

/// A rule must name identities that there are.
fn check_rule(rule: &SignaturePolicy, identities: usize) -> Result<(), String> {
    match &rule.r#type {
        None => Err("Empty policy element".to_owned()),
        Some(signature_policy::Type::SignedBy(index)) => match usize::try_from(*index) {
            Ok(index) if index < identities => Ok(()),
            _ => Err(format!(
                "identity index out of range, requested {index}, but identities length is {identities}"
            )),
        },
        Some(signature_policy::Type::NOutOf(rule)) => rule
            .rules
            .iter()
            .try_for_each(|rule| check_rule(rule, identities)),
    }
}

/// A member policy may only say "one of these".
fn check_or(rule: &SignaturePolicy) -> Result<(), String> {
    match &rule.r#type {
        Some(signature_policy::Type::NOutOf(rule)) if rule.n == 1 => rule.rules.iter().try_for_each(check_or),
        Some(signature_policy::Type::NOutOf(rule)) => Err(format!(
            "signature policy is not an OR concatenation, NOutOf {}",
            rule.n
        )),
        Some(signature_policy::Type::SignedBy(_)) | None => Ok(()),
    }
}

fn is_channel_member(bundle: &Bundle, msp_id: &str) -> bool {
    bundle.msps().msp(msp_id).is_some()
}

fn check_against_committed(
    proposed: &[&StaticCollectionConfig],
    committed: &ChaincodeDefinition,
) -> Result<(), String> {
    if committed.collections().next().is_some() && proposed.is_empty() {
        return Err(
            "the proposed collection config does not contain previously defined collections".to_owned(),
        );
    }
    for old in committed.collections() {
        let Some(new) = proposed.iter().find(|new| new.name == old.name) else {
            return Err(format!(
                "existing collection [{}] missing in the proposed collection configuration",
                old.name
            ));
        };
        if new.block_to_live != old.block_to_live {
            return Err(format!(
                "the BlockToLive in an existing collection [{}] modified. Existing value [{}]",
                old.name, old.block_to_live
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_fabrics_expressions() {
        for good in ["a", "basic", "care-ledger", "care_ledger_2", "9"] {
            assert!(is_chaincode_name(good), "{good}");
        }
        for bad in ["", "_a", "a-", "a__b", "a b", "ä", "a/b"] {
            assert!(!is_chaincode_name(bad), "{bad}");
        }
        for good in ["care_", "-a", "Hospital-Insurer_2"] {
            assert!(is_collection_name(good), "{good}");
        }
        for bad in ["", "_implicit_org_A", "a.b"] {
            assert!(!is_collection_name(bad), "{bad}");
        }
    }
}
