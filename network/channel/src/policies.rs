//! The policies of a configuration, compiled (common/policies/policy.go `NewManagerImpl`).

use std::collections::BTreeMap;
use std::sync::Arc;

use fabric_msp::MspManager;
use fabric_msp::policy::{ImplicitMeta, Policy, PolicyError, SignaturePolicy};
use fabric_protos::common::policy::PolicyType;
use fabric_protos::common::{ConfigGroup, ConfigPolicy, ImplicitMetaPolicy};
use prost::Message;

use crate::error::ChannelError;

/// Policies by path below some group: `Writers`, `Application/Writers`.
pub(crate) type Policies = BTreeMap<String, Arc<dyn Policy>>;

/// Compiles the policies of `group`, at `path`, and of all groups in it.
pub(crate) fn compile(
    path: &str,
    group: &ConfigGroup,
    msps: &Arc<MspManager>,
) -> Result<Policies, ChannelError> {
    let mut children = BTreeMap::new();
    for (name, child) in &group.groups {
        children.insert(name, compile(&format!("{path}/{name}"), child, msps)?);
    }
    let mut policies = Policies::new();
    for (name, configured) in &group.policies {
        let policy = compile_one(configured, &children, msps).map_err(|source| ChannelError::Policy {
            path: format!("{path}/{name}"),
            source,
        })?;
        policies.insert(name.clone(), policy);
    }
    for (child, inner) in children {
        policies.extend(
            inner
                .into_iter()
                .map(|(name, policy)| (format!("{child}/{name}"), policy)),
        );
    }
    Ok(policies)
}

fn compile_one(
    configured: &ConfigPolicy,
    children: &BTreeMap<&String, Policies>,
    msps: &Arc<MspManager>,
) -> Result<Arc<dyn Policy>, PolicyError> {
    let policy = configured
        .policy
        .as_ref()
        .ok_or_else(|| PolicyError::Malformed("it is empty".into()))?;
    match PolicyType::try_from(policy.r#type) {
        Ok(PolicyType::Signature) => Ok(Arc::new(SignaturePolicy::from_bytes(
            &policy.value,
            Arc::clone(msps),
        )?)),
        Ok(PolicyType::ImplicitMeta) => {
            let definition = ImplicitMetaPolicy::decode(policy.value.as_slice())
                .map_err(|error| PolicyError::Malformed(format!("not an ImplicitMetaPolicy: {error}")))?;
            let parts = children
                .values()
                .map(|child| child.get(&definition.sub_policy).cloned())
                .collect();
            Ok(Arc::new(ImplicitMeta::new(&definition, parts)?))
        }
        _ => Err(PolicyError::Malformed(format!(
            "type {} is not SIGNATURE or IMPLICIT_META",
            policy.r#type
        ))),
    }
}
