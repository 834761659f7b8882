//! Collections that every organisation has in every chaincode, and membership of collections.

use fabric_msp::policy::signed_by_any_member;
use fabric_protos::common::msp_principal::Classification;
use fabric_protos::common::{MspPrincipal, MspRole, OrganizationUnit, SignaturePolicyEnvelope};
use fabric_protos::msp::SerializedIdentity;
use fabric_protos::peer::{
    CollectionConfig, CollectionPolicyConfig, StaticCollectionConfig, collection_config,
    collection_policy_config,
};
use prost::Message;

/// Prefix of an organisation's implicit collection's name.
const IMPLICIT_PREFIX: &str = "_implicit_org_";

/// Name of the collection that belongs to the organisation `msp_id` alone.
pub fn implicit_collection_name(msp_id: &str) -> String {
    format!("{IMPLICIT_PREFIX}{msp_id}")
}

/// The organisation whose implicit collection this is, if it is one.
pub fn implicit_collection_org(collection: &str) -> Option<&str> {
    collection.strip_prefix(IMPLICIT_PREFIX)
}

/// The configuration of an organisation's implicit collection. Its values go to at most one other peer of
/// the organisation when `own`, to none otherwise.
pub(crate) fn implicit_collection(msp_id: &str, own: bool) -> StaticCollectionConfig {
    StaticCollectionConfig {
        name: implicit_collection_name(msp_id),
        member_orgs_policy: Some(CollectionPolicyConfig {
            payload: Some(collection_policy_config::Payload::SignaturePolicy(
                signed_by_any_member(&[msp_id]),
            )),
        }),
        required_peer_count: 0,
        maximum_peer_count: i32::from(own),
        ..StaticCollectionConfig::default()
    }
}

/// Organisations that the policy of a collection's members names.
pub fn member_organisations(collection: &StaticCollectionConfig) -> Vec<String> {
    let Some(policy) = members_policy(collection) else {
        return Vec::new();
    };
    let mut members: Vec<_> = policy.identities.iter().filter_map(principal_org).collect();
    members.sort();
    members.dedup();
    members
}

/// The policy that says who is a member of a collection.
pub(crate) fn members_policy(collection: &StaticCollectionConfig) -> Option<&SignaturePolicyEnvelope> {
    match collection.member_orgs_policy.as_ref()?.payload.as_ref()? {
        collection_policy_config::Payload::SignaturePolicy(policy) => Some(policy),
    }
}

/// The organisation of a principal of a kind that collections may use.
pub(crate) fn principal_org(principal: &MspPrincipal) -> Option<String> {
    let bytes = principal.principal.as_slice();
    match Classification::try_from(principal.principal_classification).ok()? {
        Classification::Role => Some(MspRole::decode(bytes).ok()?.msp_identifier),
        Classification::OrganizationUnit => Some(OrganizationUnit::decode(bytes).ok()?.msp_identifier),
        Classification::Identity => Some(SerializedIdentity::decode(bytes).ok()?.mspid),
        _ => None,
    }
}

/// Wraps a collection's configuration as definitions carry it.
pub(crate) fn wrap(collection: StaticCollectionConfig) -> CollectionConfig {
    CollectionConfig {
        payload: Some(collection_config::Payload::StaticCollectionConfig(collection)),
    }
}
