//! Signature policies, evaluated as common/cauthdsl/cauthdsl.go does: greedily, each identity used once, without backtracking.

use std::sync::Arc;

use fabric_protos::common::signature_policy::Type;
use fabric_protos::common::{MspPrincipal, SignaturePolicy as Message, SignaturePolicyEnvelope};
use prost::Message as _;

use super::{Policy, PolicyError, SignedData, valid_identities};
use crate::identity::Identity;
use crate::manager::MspManager;

/// A checked `SignaturePolicyEnvelope` with the MSPs that judge its principals.
#[derive(Debug, Clone)]
pub struct SignaturePolicy {
    envelope: SignaturePolicyEnvelope,
    rule: Rule,
    msps: Arc<MspManager>,
}

/// How deep rules may nest: more than any message that decodes holds, and little enough for every thread's stack.
const MAX_DEPTH: usize = 64;

/// A rule whose principals are known to be there.
#[derive(Debug, Clone)]
enum Rule {
    /// Index into the envelope's identities.
    SignedBy(usize),
    OutOf(i32, Vec<Self>),
}

impl SignaturePolicy {
    /// Compiles an envelope.
    ///
    /// # Errors
    /// [`PolicyError::Malformed`] for another version than 0, an empty rule, rules that nest deeper than 64, or a principal
    /// that is not there.
    pub fn new(envelope: SignaturePolicyEnvelope, msps: Arc<MspManager>) -> Result<Self, PolicyError> {
        if envelope.version != 0 {
            return Err(PolicyError::Malformed(format!(
                "version {} is not 0",
                envelope.version
            )));
        }
        let rule = compile(envelope.rule.as_ref(), envelope.identities.len(), 0)?;
        Ok(Self { envelope, rule, msps })
    }

    /// Decodes and compiles.
    ///
    /// # Errors
    /// [`PolicyError::Malformed`].
    pub fn from_bytes(bytes: &[u8], msps: Arc<MspManager>) -> Result<Self, PolicyError> {
        let envelope = SignaturePolicyEnvelope::decode(bytes)
            .map_err(|error| PolicyError::Malformed(format!("not a SignaturePolicyEnvelope: {error}")))?;
        Self::new(envelope, msps)
    }

    /// The envelope it was made from.
    pub fn envelope(&self) -> &SignaturePolicyEnvelope {
        &self.envelope
    }

    fn holds(&self, rule: &Rule, identities: &[Identity], used: &mut [bool]) -> bool {
        match rule {
            Rule::SignedBy(index) => {
                self.holds_signed_by(&self.envelope.identities[*index], identities, used)
            }
            Rule::OutOf(needed, rules) => {
                let mut satisfied = 0i32;
                for rule in rules {
                    // A sub-rule that fails gives back the identities it used.
                    let mut tentative = used.to_vec();
                    if self.holds(rule, identities, &mut tentative) {
                        satisfied += 1;
                        used.copy_from_slice(&tentative);
                    }
                }
                satisfied >= *needed
            }
        }
    }

    fn holds_signed_by(&self, principal: &MspPrincipal, identities: &[Identity], used: &mut [bool]) -> bool {
        for (identity, used) in identities.iter().zip(used.iter_mut()) {
            if !*used && self.msps.satisfies_principal(identity, principal).is_ok() {
                *used = true;
                return true;
            }
        }
        false
    }
}

impl Policy for SignaturePolicy {
    fn evaluate_signed(&self, signatures: &[SignedData]) -> Result<(), PolicyError> {
        self.evaluate_identities(&valid_identities(signatures, &self.msps))
    }

    fn evaluate_identities(&self, identities: &[Identity]) -> Result<(), PolicyError> {
        let mut used = vec![false; identities.len()];
        if self.holds(&self.rule, identities, &mut used) {
            return Ok(());
        }
        let signers: Vec<&str> = identities.iter().map(Identity::msp_id).collect();
        tracing::debug!(?signers, "a signature policy does not hold");
        // Fabric's text: administrators and their tools look for it.
        Err(PolicyError::NotSatisfied(
            "signature set did not satisfy policy".to_owned(),
        ))
    }

    fn to_signature_policy(&self) -> Result<SignaturePolicyEnvelope, PolicyError> {
        Ok(self.envelope.clone())
    }
}

fn compile(rule: Option<&Message>, principals: usize, depth: usize) -> Result<Rule, PolicyError> {
    if depth > MAX_DEPTH {
        return Err(PolicyError::Malformed(format!(
            "its rules nest deeper than {MAX_DEPTH}"
        )));
    }
    match rule.and_then(|rule| rule.r#type.as_ref()) {
        None => Err(PolicyError::Malformed("a rule is empty".into())),
        Some(Type::SignedBy(index)) => usize::try_from(*index)
            .ok()
            .filter(|index| *index < principals)
            .map(Rule::SignedBy)
            .ok_or_else(|| {
                PolicyError::Malformed(format!("principal {index} of {principals} does not exist"))
            }),
        Some(Type::NOutOf(out_of)) => {
            let rules = out_of
                .rules
                .iter()
                .map(|rule| compile(Some(rule), principals, depth + 1))
                .collect::<Result<_, _>>()?;
            Ok(Rule::OutOf(out_of.n, rules))
        }
    }
}
