//! Did the right organisations endorse? Chaincode, collection and key-level policies
//! (`core/common/validation/statebased` of Fabric).

use std::collections::{BTreeMap, BTreeSet};

use fabric_ledger::{LedgerError, NamespaceRwSet, ParsedTx, QueryExecutor, TxRwSet};
use fabric_msp::Identity;
use fabric_msp::policy::{PolicyError, SignedData, valid_identities};
use fabric_protos::peer::TxValidationCode as Code;

use super::envelope::{Endorsed, writes};
use super::{Refusal, ValidationError, View};
use crate::lifecycle::{Definitions, PolicySource};

/// Metadata entry of a key that holds its endorsement policy.
const VALIDATION_PARAMETER: &str = "VALIDATION_PARAMETER";

/// What the policies of a block are checked against.
#[derive(Clone, Copy)]
pub(crate) struct Against<'a> {
    pub(crate) view: &'a View,
    pub(crate) definitions: &'a Definitions,
    pub(crate) state: &'a QueryExecutor,
}

/// A key of the state: namespace, collection (empty for public keys), key or its hash.
type Key<'a> = (&'a str, &'a str, &'a [u8]);

/// Which transactions of a block change the policy of which key.
#[derive(Debug, Default)]
pub(crate) struct PolicyUpdates<'a>(BTreeMap<Key<'a>, Vec<usize>>);

impl<'a> PolicyUpdates<'a> {
    /// Collects the metadata writes of the transactions of a block.
    pub(crate) fn of(transactions: impl Iterator<Item = (usize, &'a ParsedTx)>) -> Self {
        let mut updates = Self::default();
        for (index, transaction) in transactions {
            let namespaces = transaction.rwset.iter().flat_map(|rwset| &rwset.namespaces);
            for namespace in namespaces {
                metadata_keys(namespace).for_each(|key| updates.0.entry(key).or_default().push(index));
            }
        }
        updates
    }

    /// The transactions before `index` that change the policy of a key that this one writes.
    pub(crate) fn before(&self, index: usize, rwset: &TxRwSet) -> BTreeSet<usize> {
        if self.0.is_empty() {
            return BTreeSet::new();
        }
        let written = rwset.namespaces.iter().flat_map(|namespace| {
            written_keys(namespace).map(|(collection, key)| (namespace.namespace.as_str(), collection, key))
        });
        written
            .filter_map(|key| self.0.get(&key))
            .flatten()
            .copied()
            .filter(|other| *other < index)
            .collect()
    }
}

/// Checks all policies that a transaction's writes fall under.
pub(crate) fn check(
    endorsed: &Endorsed,
    against: Against<'_>,
) -> Result<Result<(), Refusal>, ValidationError> {
    let signatures = signatures(endorsed);
    let endorsers = valid_identities(&signatures, against.view.bundle().msps());
    let written = endorsed
        .rwset
        .namespaces
        .iter()
        .filter(|namespace| writes(namespace));
    let namespaces: BTreeSet<_> = written
        .map(|namespace| namespace.namespace.as_str())
        .chain([endorsed.chaincode.as_str()])
        .collect();
    for name in namespaces {
        let rwset = endorsed
            .rwset
            .namespaces
            .iter()
            .find(|found| found.namespace == name);
        match check_namespace(name, rwset, &endorsers, against) {
            Ok(()) => {}
            Err(Failed::Refused(refusal)) => return Ok(Err(refusal)),
            Err(Failed::Ledger(error)) => return Err(error.into()),
        }
    }
    Ok(Ok(()))
}

/// What the endorsers signed.
pub(crate) fn signatures(endorsed: &Endorsed) -> Vec<SignedData> {
    let endorsements = endorsed.endorsements.iter();
    endorsements
        .map(|endorsement| SignedData {
            data: [endorsed.response_payload.as_slice(), &endorsement.endorser].concat(),
            identity: endorsement.endorser.clone(),
            signature: endorsement.signature.clone(),
        })
        .collect()
}

enum Failed {
    Refused(Refusal),
    Ledger(LedgerError),
}

fn check_namespace(
    name: &str,
    rwset: Option<&NamespaceRwSet>,
    endorsers: &[Identity],
    against: Against<'_>,
) -> Result<(), Failed> {
    let policy = against
        .definitions
        .validation_policy(name, against.view.bundle(), against.state);
    let Some(policy) = policy.map_err(Failed::Ledger)? else {
        let why = format!("chaincode {name} has no valid definition on this channel");
        return Err(Failed::Refused(Refusal::new(Code::InvalidChaincode, why)));
    };
    let mut checker = Checker {
        name,
        policy,
        endorsers,
        against,
        done: BTreeSet::new(),
        any: false,
    };
    if let Some(rwset) = rwset {
        for (collection, key) in written_keys(rwset) {
            checker.check_key(collection, key)?;
        }
    }
    // A transaction that writes nothing must still be endorsed.
    if checker.any {
        Ok(())
    } else {
        checker.check_chaincode()
    }
}

struct Checker<'a> {
    name: &'a str,
    /// The chaincode's policy.
    policy: Vec<u8>,
    endorsers: &'a [Identity],
    against: Against<'a>,
    /// Collections whose policy holds; the empty name stands for the chaincode's policy.
    done: BTreeSet<String>,
    /// Whether any policy was checked.
    any: bool,
}

impl Checker<'_> {
    fn check_key(&mut self, collection: &str, key: &[u8]) -> Result<(), Failed> {
        let Some(policy) = self.key_policy(collection, key)? else {
            return self.check_collection(collection);
        };
        let outcome = self.against.view.key_policy(&policy);
        let outcome = outcome.and_then(|policy| policy.evaluate_identities(self.endorsers));
        outcome.map_err(|error| {
            let why = format!(
                "a key of {}/{collection} has a policy of its own: {error}",
                self.name
            );
            Failed::Refused(Refusal::new(Code::EndorsementPolicyFailure, why))
        })?;
        self.any = true;
        Ok(())
    }

    fn check_collection(&mut self, collection: &str) -> Result<(), Failed> {
        if self.done.contains(collection) {
            return Ok(());
        }
        if collection.is_empty() {
            return self.check_chaincode();
        }
        let source = self.against.definitions.collection_policy(
            self.name,
            collection,
            self.against.view.bundle(),
            self.against.state,
        );
        match source.map_err(Failed::Ledger)? {
            PolicySource::Own(policy) => {
                self.evaluate(&policy)
                    .map_err(|error| self.refused(&format!("collection {collection}"), &error))?;
                self.done.insert(collection.to_owned());
                self.any = true;
                Ok(())
            }
            PolicySource::Chaincode if self.done.contains("") => Ok(()),
            PolicySource::Chaincode => self.check_chaincode(),
            PolicySource::Missing => {
                let why = format!("no such collection '{collection}' in {}", self.name);
                Err(Failed::Refused(Refusal::new(Code::EndorsementPolicyFailure, why)))
            }
        }
    }

    fn check_chaincode(&mut self) -> Result<(), Failed> {
        self.evaluate(&self.policy)
            .map_err(|error| self.refused("chaincode", &error))?;
        self.done.insert(String::new());
        self.any = true;
        Ok(())
    }

    fn evaluate(&self, policy: &[u8]) -> Result<(), PolicyError> {
        self.against
            .view
            .application_policy(policy)?
            .evaluate_identities(self.endorsers)
    }

    fn refused(&self, what: &str, error: &PolicyError) -> Failed {
        let why = format!(
            "the endorsement policy of {what} ({}) does not hold: {error}",
            self.name
        );
        Failed::Refused(Refusal::new(Code::EndorsementPolicyFailure, why))
    }

    /// The committed policy of a key, if it has one. A key of a collection that does not exist has none:
    /// the collection's own check refuses it.
    fn key_policy(&self, collection: &str, key: &[u8]) -> Result<Option<Vec<u8>>, Failed> {
        let state = self.against.state;
        let metadata = if collection.is_empty() {
            match std::str::from_utf8(key) {
                Ok(key) => state.metadata(self.name, key),
                Err(_) => return Ok(None),
            }
        } else {
            state.private_metadata_by_hash(self.name, collection, key)
        };
        let metadata = match metadata {
            Ok(metadata) => metadata,
            Err(LedgerError::UnknownCollection { .. } | LedgerError::NoCollections { .. }) => {
                return Ok(None);
            }
            Err(error) => return Err(Failed::Ledger(error)),
        };
        Ok(metadata
            .get(VALIDATION_PARAMETER)
            .filter(|policy| !policy.is_empty())
            .cloned())
    }
}

/// Collection and key of everything written in a namespace, in the order in which Fabric looks at it.
fn written_keys(namespace: &NamespaceRwSet) -> impl Iterator<Item = (&str, &[u8])> {
    let public = &namespace.rwset;
    let values = public.writes.iter().map(|write| ("", write.key.as_bytes()));
    let metadata = public
        .metadata_writes
        .iter()
        .map(|write| ("", write.key.as_bytes()));
    let hashed = namespace.collections.iter().flat_map(|collection| {
        let name = collection.collection.as_str();
        collection
            .hashed
            .hashed_writes
            .iter()
            .map(move |write| (name, write.key_hash.as_slice()))
    });
    let hashed_metadata = namespace.collections.iter().flat_map(|collection| {
        let name = collection.collection.as_str();
        collection
            .hashed
            .metadata_writes
            .iter()
            .map(move |write| (name, write.key_hash.as_slice()))
    });
    values.chain(metadata).chain(hashed).chain(hashed_metadata)
}

fn metadata_keys(namespace: &NamespaceRwSet) -> impl Iterator<Item = Key<'_>> {
    let name = namespace.namespace.as_str();
    let public = namespace
        .rwset
        .metadata_writes
        .iter()
        .map(move |write| (name, "", write.key.as_bytes()));
    let hashed = namespace.collections.iter().flat_map(move |collection| {
        let in_collection = collection.collection.as_str();
        let writes = &collection.hashed.metadata_writes;
        writes
            .iter()
            .map(move |write| (name, in_collection, write.key_hash.as_slice()))
    });
    public.chain(hashed)
}
