//! Implicit meta policies: a rule over the policies of one name in all sub-groups (common/policies/implicitmeta.go).

use std::collections::BTreeMap;
use std::sync::Arc;

use fabric_protos::common::implicit_meta_policy::Rule as RuleNumber;
use fabric_protos::common::signature_policy::{NOutOf, Type};
use fabric_protos::common::{ImplicitMetaPolicy, MspPrincipal, SignaturePolicy, SignaturePolicyEnvelope};

use super::{Policy, PolicyError, SignedData};
use crate::identity::Identity;

/// How many sub-policies must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// One.
    Any,
    /// Every one.
    All,
    /// More than half.
    Majority,
}

/// An implicit meta policy with its sub-policies found.
#[derive(Debug, Clone)]
pub struct ImplicitMeta {
    name: String,
    threshold: usize,
    children: Vec<Arc<dyn Policy>>,
}

impl ImplicitMeta {
    /// The policy `definition` over `children`: for each sub-group its policy named `definition.sub_policy`, or `None` where
    /// the sub-group has none. A missing one counts in the threshold and never holds.
    ///
    /// # Errors
    /// [`PolicyError::Malformed`] for an unknown rule.
    pub fn new(
        definition: &ImplicitMetaPolicy,
        children: Vec<Option<Arc<dyn Policy>>>,
    ) -> Result<Self, PolicyError> {
        let rule = match RuleNumber::try_from(definition.rule) {
            Ok(RuleNumber::Any) => Rule::Any,
            Ok(RuleNumber::All) => Rule::All,
            Ok(RuleNumber::Majority) => Rule::Majority,
            Err(_) => {
                return Err(PolicyError::Malformed(format!(
                    "unknown implicit meta rule {}",
                    definition.rule
                )));
            }
        };
        let threshold = match (children.len(), rule) {
            (0, _) => 0,
            (_, Rule::Any) => 1,
            (count, Rule::All) => count,
            (count, Rule::Majority) => count / 2 + 1,
        };
        let name = definition.sub_policy.clone();
        let children = children
            .into_iter()
            .map(|child| child.unwrap_or_else(|| Arc::new(Absent(name.clone()))))
            .collect();
        Ok(Self {
            name,
            threshold,
            children,
        })
    }

    fn evaluate(&self, holds: impl Fn(&dyn Policy) -> bool) -> Result<(), PolicyError> {
        let mut satisfied = 0;
        for child in &self.children {
            if satisfied >= self.threshold {
                break;
            }
            satisfied += usize::from(holds(child.as_ref()));
        }
        if satisfied >= self.threshold {
            return Ok(());
        }
        // Fabric's text: administrators and their tools look for it.
        Err(PolicyError::NotSatisfied(format!(
            "implicit policy evaluation failed - {satisfied} sub-policies were satisfied, but this policy requires {} of the '{}' sub-policies to be satisfied",
            self.threshold, self.name,
        )))
    }
}

impl Policy for ImplicitMeta {
    fn evaluate_signed(&self, signatures: &[SignedData]) -> Result<(), PolicyError> {
        self.evaluate(|child| child.evaluate_signed(signatures).is_ok())
    }

    fn evaluate_identities(&self, identities: &[Identity]) -> Result<(), PolicyError> {
        self.evaluate(|child| child.evaluate_identities(identities).is_ok())
    }

    fn to_signature_policy(&self) -> Result<SignaturePolicyEnvelope, PolicyError> {
        let mut identities: Vec<MspPrincipal> = Vec::new();
        let mut rules = Vec::with_capacity(self.children.len());
        for child in &self.children {
            let converted = child.to_signature_policy()?;
            let mut places = BTreeMap::new();
            for (index, principal) in converted.identities.into_iter().enumerate() {
                let place = identities
                    .iter()
                    .position(|known| *known == principal)
                    .unwrap_or_else(|| {
                        identities.push(principal);
                        identities.len() - 1
                    });
                places.insert(index, place);
            }
            let rule = converted
                .rule
                .ok_or_else(|| PolicyError::Malformed("a rule is empty".into()))?;
            rules.push(renumbered(rule, &places));
        }
        let threshold = i32::try_from(self.threshold).unwrap_or(i32::MAX);
        Ok(SignaturePolicyEnvelope {
            version: 0,
            rule: Some(super::n_out_of(threshold, rules)),
            identities,
        })
    }
}

/// Parses `"<ANY|ALL|MAJORITY> <sub-policy>"`, the form in configtx.yaml.
///
/// # Errors
/// [`PolicyError::Malformed`].
pub fn parse_implicit(text: &str) -> Result<ImplicitMetaPolicy, PolicyError> {
    let malformed = || {
        PolicyError::Malformed(format!(
            "'{text}' is not of the form \"ANY|ALL|MAJORITY <sub-policy>\""
        ))
    };
    let (rule, sub_policy) = text.split_once(' ').ok_or_else(malformed)?;
    if sub_policy.contains(' ') {
        return Err(malformed());
    }
    let rule = match rule {
        "ANY" => RuleNumber::Any,
        "ALL" => RuleNumber::All,
        "MAJORITY" => RuleNumber::Majority,
        _ => return Err(malformed()),
    };
    Ok(ImplicitMetaPolicy {
        sub_policy: sub_policy.to_owned(),
        rule: rule.into(),
    })
}

fn renumbered(rule: SignaturePolicy, places: &BTreeMap<usize, usize>) -> SignaturePolicy {
    let r#type = rule.r#type.map(|kind| match kind {
        Type::SignedBy(index) => {
            let place = usize::try_from(index).ok().and_then(|index| places.get(&index));
            Type::SignedBy(
                place
                    .and_then(|place| i32::try_from(*place).ok())
                    .unwrap_or(i32::MAX),
            )
        }
        Type::NOutOf(NOutOf { n, rules }) => Type::NOutOf(NOutOf {
            n,
            rules: rules.into_iter().map(|rule| renumbered(rule, places)).collect(),
        }),
    });
    SignaturePolicy { r#type }
}

/// Stands for a sub-policy that a group does not have.
#[derive(Debug)]
struct Absent(String);

impl Policy for Absent {
    fn evaluate_signed(&self, _: &[SignedData]) -> Result<(), PolicyError> {
        Err(PolicyError::Missing(self.0.clone()))
    }

    fn evaluate_identities(&self, _: &[Identity]) -> Result<(), PolicyError> {
        Err(PolicyError::Missing(self.0.clone()))
    }

    fn to_signature_policy(&self) -> Result<SignaturePolicyEnvelope, PolicyError> {
        Err(PolicyError::Missing(self.0.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Fixed(bool);

    impl Policy for Fixed {
        fn evaluate_signed(&self, _: &[SignedData]) -> Result<(), PolicyError> {
            if self.0 {
                Ok(())
            } else {
                Err(PolicyError::NotSatisfied("fixed".into()))
            }
        }

        fn evaluate_identities(&self, _: &[Identity]) -> Result<(), PolicyError> {
            self.evaluate_signed(&[])
        }

        fn to_signature_policy(&self) -> Result<SignaturePolicyEnvelope, PolicyError> {
            super::super::parse("AND('A.peer','B.peer')")
        }
    }

    fn evaluate(text: &str, children: &[Option<bool>]) -> bool {
        let children = children
            .iter()
            .map(|child| child.map(|holds| Arc::new(Fixed(holds)) as Arc<dyn Policy>))
            .collect();
        let policy = ImplicitMeta::new(&parse_implicit(text).expect("parses"), children).expect("builds");
        policy.evaluate_identities(&[]).is_ok()
    }

    #[test]
    fn thresholds() {
        assert!(evaluate("ANY Readers", &[Some(false), Some(true)]));
        assert!(!evaluate("ANY Readers", &[Some(false), Some(false)]));
        assert!(!evaluate("ALL Readers", &[Some(true), Some(false)]));
        assert!(evaluate("ALL Readers", &[Some(true), Some(true)]));
        assert!(
            !evaluate("MAJORITY Readers", &[Some(true), Some(false)]),
            "half is no majority"
        );
        assert!(evaluate(
            "MAJORITY Readers",
            &[Some(true), Some(true), Some(false)]
        ));
        assert!(
            !evaluate("MAJORITY Readers", &[Some(true), None, None]),
            "missing ones count"
        );
        assert!(evaluate("ALL Readers", &[]), "nothing to satisfy");
    }

    #[test]
    fn conversion_merges_principals() {
        let child = || Some(Arc::new(Fixed(true)) as Arc<dyn Policy>);
        let definition = parse_implicit("MAJORITY Endorsement").expect("parses");
        let policy = ImplicitMeta::new(&definition, vec![child(), child(), child()]).expect("builds");
        let converted = policy.to_signature_policy().expect("converts");
        assert_eq!(
            converted.identities.len(),
            2,
            "the same two principals three times"
        );
        let inner = super::super::n_out_of(2, vec![super::super::signed_by(0), super::super::signed_by(1)]);
        assert_eq!(
            converted.rule,
            Some(super::super::n_out_of(
                2,
                vec![inner.clone(), inner.clone(), inner]
            ))
        );
        assert!(
            ImplicitMeta::new(&definition, vec![None])
                .expect("builds")
                .to_signature_policy()
                .is_err()
        );
    }

    #[test]
    fn texts() {
        assert!(parse_implicit("SOME Readers").is_err());
        assert!(parse_implicit("ANY").is_err());
        assert!(parse_implicit("ANY Readers now").is_err());
    }
}
