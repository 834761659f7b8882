//! Which policies a transaction falls under: what a gateway must know to choose its endorsers
//! (`core/endorser/endorser.go`, `buildChaincodeInterest`).

use std::collections::BTreeMap;

use fabric_ledger::SimulationResults;
use fabric_protos::common::SignaturePolicyEnvelope;
use fabric_protos::peer::{ChaincodeCall, ChaincodeInterest};
use prost::{DecodeError, Message};

use crate::lifecycle::FORMER_LIFECYCLE;
use crate::syscc::is_system_chaincode;

/// Metadata entry of a key that holds its endorsement policy.
const VALIDATION_PARAMETER: &str = "VALIDATION_PARAMETER";

#[derive(Default)]
struct Namespace {
    key_policies: Vec<SignaturePolicyEnvelope>,
    /// Whether a collection's (empty name: the chaincode's) own policy is needed.
    required: BTreeMap<String, bool>,
}

/// The interest of a simulated transaction.
pub(crate) fn interest(results: &SimulationResults) -> Result<ChaincodeInterest, DecodeError> {
    let mut namespaces = BTreeMap::<&str, Namespace>::new();
    for (name, collections) in &results.written {
        let namespace = namespaces.entry(name).or_default();
        namespace.required.insert(String::new(), false);
        for (collection, keys) in collections {
            for metadata in keys.values() {
                match metadata.get(VALIDATION_PARAMETER) {
                    Some(policy) => {
                        namespace
                            .key_policies
                            .push(SignaturePolicyEnvelope::decode(policy.as_slice())?);
                    }
                    None => {
                        namespace.required.insert(collection.clone(), true);
                    }
                }
            }
        }
    }
    // Namespaces that were only read need their chaincode's policy.
    for read in &results.public_set.ns_rwset {
        let namespace = namespaces.entry(&read.namespace).or_default();
        if namespace.required.is_empty() {
            namespace.required.insert(String::new(), true);
        }
    }
    for (name, collections) in &results.private_reads {
        let namespace = namespaces.entry(name).or_default();
        for collection in collections {
            namespace.required.insert(collection.clone(), true);
        }
    }

    let mut chaincodes = Vec::new();
    for (name, namespace) in namespaces {
        if is_system_chaincode(name) || name == FORMER_LIFECYCLE {
            continue;
        }
        let reads = results.private_reads.get(name);
        let Namespace {
            key_policies,
            required,
        } = namespace;
        for (collection, required) in required {
            let mut call = ChaincodeCall {
                name: name.to_owned(),
                ..ChaincodeCall::default()
            };
            if collection.is_empty() {
                if key_policies.is_empty() && !required {
                    continue;
                }
                call.disregard_namespace_policy = !key_policies.is_empty() && !required;
                call.key_policies.clone_from(&key_policies);
            } else {
                call.no_private_reads = !reads.is_some_and(|reads| reads.contains(&collection));
                call.collection_names.push(collection);
            }
            chaincodes.push(call);
        }
    }
    Ok(ChaincodeInterest { chaincodes })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fabric_protos::rwset::{NsReadWriteSet, TxReadWriteSet};

    use super::*;

    fn results(read: &[&str]) -> SimulationResults {
        let namespaces = read.iter().map(|name| NsReadWriteSet {
            namespace: (*name).to_owned(),
            ..NsReadWriteSet::default()
        });
        SimulationResults {
            public: Vec::new(),
            public_set: TxReadWriteSet {
                ns_rwset: namespaces.collect(),
                ..TxReadWriteSet::default()
            },
            private: None,
            written: BTreeMap::new(),
            private_reads: BTreeMap::new(),
        }
    }

    fn write(
        results: &mut SimulationResults,
        name: &str,
        collection: &str,
        policy: Option<&SignaturePolicyEnvelope>,
    ) {
        let metadata = policy.map(|policy| (VALIDATION_PARAMETER.to_owned(), policy.encode_to_vec()));
        let collections = results.written.entry(name.to_owned()).or_default();
        let keys = collections.entry(collection.to_owned()).or_default();
        let key = format!("key{}", keys.len());
        keys.insert(key, metadata.into_iter().collect());
    }

    #[test]
    fn reading_needs_the_chaincode_and_the_lifecycle_does_not_count() {
        let interest = interest(&results(&["_lifecycle", "care"])).expect("decodes");
        assert_eq!(
            interest.chaincodes,
            [ChaincodeCall {
                name: "care".to_owned(),
                ..ChaincodeCall::default()
            }]
        );
    }

    #[test]
    fn private_writes_without_reads_ask_for_no_private_reads() {
        let mut results = results(&["care"]);
        write(&mut results, "care", "a", None);
        write(&mut results, "care", "b", None);
        results
            .private_reads
            .insert("care".to_owned(), BTreeSet::from(["b".to_owned()]));
        let calls = interest(&results).expect("decodes").chaincodes;
        let found: Vec<_> = calls
            .iter()
            .map(|call| (call.collection_names.join(","), call.no_private_reads))
            .collect();
        assert_eq!(found, [("a".to_owned(), true), ("b".to_owned(), false)]);
    }

    #[test]
    fn key_policies_stand_in_for_the_chaincodes() {
        let policy = fabric_msp::policy::signed_by_any_peer(&["A"]);
        let mut results = results(&["care"]);
        write(&mut results, "care", "", Some(&policy));
        let calls = interest(&results).expect("decodes").chaincodes;
        assert!(calls[0].disregard_namespace_policy && calls[0].key_policies == [policy.clone()]);
        write(&mut results, "care", "", None);
        let calls = interest(&results).expect("decodes").chaincodes;
        assert!(!calls[0].disregard_namespace_policy && calls[0].key_policies == [policy]);
    }
}
