//! A channel's configuration with the endorsement policies compiled under it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use fabric_channel::Bundle;
use fabric_msp::policy::{Policy, PolicyError, SignaturePolicy};
use fabric_protos::common::SignaturePolicyEnvelope;
use fabric_protos::peer::{ApplicationPolicy, application_policy};
use prost::Message;

/// How many compiled policies are kept; key-level policies can be many.
const KEPT: usize = 4_096;

/// One configuration of a channel. A new configuration makes a new view, so no policy outlives its MSPs.
#[derive(Debug)]
pub(crate) struct View {
    bundle: Arc<Bundle>,
    application: Mutex<BTreeMap<Vec<u8>, Arc<dyn Policy>>>,
    key_level: Mutex<BTreeMap<Vec<u8>, Arc<dyn Policy>>>,
}

impl View {
    pub(crate) fn new(bundle: Arc<Bundle>) -> Self {
        Self {
            bundle,
            application: Mutex::default(),
            key_level: Mutex::default(),
        }
    }

    pub(crate) fn bundle(&self) -> &Arc<Bundle> {
        &self.bundle
    }

    /// Compiles a marshalled `ApplicationPolicy`.
    pub(crate) fn application_policy(&self, bytes: &[u8]) -> Result<Arc<dyn Policy>, PolicyError> {
        cached(&self.application, bytes, || {
            let policy = ApplicationPolicy::decode(bytes)
                .map_err(|error| PolicyError::Malformed(format!("not an ApplicationPolicy: {error}")))?;
            match policy.r#type {
                Some(application_policy::Type::SignaturePolicy(envelope)) => self.compile(envelope),
                Some(application_policy::Type::ChannelConfigPolicyReference(path)) => {
                    self.bundle.policy(&path).ok_or(PolicyError::Missing(path))
                }
                None => Err(PolicyError::Malformed(
                    "an ApplicationPolicy without content".to_owned(),
                )),
            }
        })
    }

    /// Compiles a marshalled `SignaturePolicyEnvelope`, the form of key-level policies.
    pub(crate) fn key_policy(&self, bytes: &[u8]) -> Result<Arc<dyn Policy>, PolicyError> {
        cached(&self.key_level, bytes, || {
            let envelope = SignaturePolicyEnvelope::decode(bytes)
                .map_err(|error| PolicyError::Malformed(format!("not a SignaturePolicyEnvelope: {error}")))?;
            self.compile(envelope)
        })
    }

    fn compile(&self, envelope: SignaturePolicyEnvelope) -> Result<Arc<dyn Policy>, PolicyError> {
        Ok(Arc::new(SignaturePolicy::new(
            envelope,
            Arc::clone(self.bundle.msps()),
        )?))
    }
}

fn cached(
    cache: &Mutex<BTreeMap<Vec<u8>, Arc<dyn Policy>>>,
    bytes: &[u8],
    compile: impl FnOnce() -> Result<Arc<dyn Policy>, PolicyError>,
) -> Result<Arc<dyn Policy>, PolicyError> {
    // The maps only ever gain whole entries, so a panic elsewhere leaves them usable.
    let known = cache
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(bytes)
        .cloned();
    if let Some(policy) = known {
        return Ok(policy);
    }
    let policy = compile()?;
    let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
    if cache.len() >= KEPT {
        cache.clear();
    }
    cache.insert(bytes.to_vec(), Arc::clone(&policy));
    Ok(policy)
}
