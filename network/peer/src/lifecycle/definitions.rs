//! What is defined on a channel, as the committed state says; decoded once per definition.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use fabric_chaincode_host::AccessError;
use fabric_channel::Bundle;
use fabric_ledger::{Collection, CollectionInfo, Ledger, LedgerError, QueryExecutor};
use fabric_msp::policy::{Role, n_out_of_role, signed_by_any_member};
use fabric_protos::common::SignaturePolicyEnvelope;
use fabric_protos::peer::{ApplicationPolicy, StaticCollectionConfig, application_policy};
use prost::Message;

use super::LIFECYCLE;
use super::collections::{implicit_collection, implicit_collection_name, implicit_collection_org};
use super::definition::{Approval, COLLECTIONS_FIELD, ChaincodeDefinition, DEFINITION_TYPE, sequence};
use super::state::{self, NAMESPACES, ReadState};

/// The policy of the lifecycle's own transactions.
const LIFECYCLE_ENDORSEMENT: &str = "/Channel/Application/LifecycleEndorsement";

/// Reads the chaincode definitions of one channel. Every question is answered for the state that is handed
/// in; what was decoded is kept by sequence, so a definition is decoded once and never used beyond its time.
#[derive(Debug)]
pub struct Definitions {
    /// The organisation whose approvals count for this peer.
    msp_id: String,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    defined: BTreeMap<String, Arc<ChaincodeDefinition>>,
    /// Approved packages by chaincode and sequence.
    packages: BTreeMap<(String, i64), Package>,
    /// What this organisation runs, once it was asked for.
    runnable: Option<Arc<BTreeMap<String, Runnable>>>,
    /// Counts the changes of the lifecycle's state: what was read before one is not kept after it.
    epoch: u64,
}

/// Whether this peer's organisation lets it run a chaincode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Package {
    /// It approved the definition with this package.
    Approved(String),
    /// It approved the definition without a package.
    Unavailable,
    /// It did not approve the definition in force.
    NotApproved,
}

/// A chaincode that this peer's organisation approved with a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Runnable {
    pub(crate) sequence: i64,
    pub(crate) version: String,
    pub(crate) package_id: String,
}

/// Where the endorsement policy of a collection comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PolicySource {
    /// Its own: a marshalled `ApplicationPolicy`.
    Own(Vec<u8>),
    /// The chaincode's policy applies.
    Chaincode,
    /// There is no such collection.
    Missing,
}

impl Definitions {
    /// The definitions of a channel, for a peer of the organisation `msp_id`.
    pub fn new(msp_id: impl Into<String>) -> Self {
        Self {
            msp_id: msp_id.into(),
            cache: Mutex::default(),
        }
    }

    /// The definition of `chaincode`; `None` when there is none.
    ///
    /// # Errors
    /// [`LedgerError`] when the state cannot be read or is not what the lifecycle writes.
    pub fn definition(
        &self,
        chaincode: &str,
        state: &QueryExecutor,
    ) -> Result<Option<Arc<ChaincodeDefinition>>, LedgerError> {
        let committed = Committed(state);
        let sequence = sequence(chaincode, &committed).map_err(ledger_error)?;
        // Committed sequences begin at 1.
        if sequence == 0 {
            return Ok(None);
        }
        let known = self.cache().defined.get(chaincode).cloned();
        if let Some(known) = known.filter(|known| known.sequence == sequence) {
            return Ok(Some(known));
        }
        let read = ChaincodeDefinition::read(chaincode, &committed).map_err(ledger_error)?;
        let read = read.map(Arc::new);
        if let Some(definition) = &read {
            self.cache()
                .defined
                .insert(chaincode.to_owned(), Arc::clone(definition));
        }
        Ok(read)
    }

    /// All definitions by chaincode name.
    ///
    /// # Errors
    /// As [`definition`](Self::definition).
    pub fn all(
        &self,
        state: &QueryExecutor,
    ) -> Result<BTreeMap<String, Arc<ChaincodeDefinition>>, LedgerError> {
        let mut all = BTreeMap::new();
        for (name, metadata) in state::all_metadata(NAMESPACES, &Committed(state)).map_err(ledger_error)? {
            if metadata.datatype == DEFINITION_TYPE
                && let Some(definition) = self.definition(&name, state)?
            {
                all.insert(name, definition);
            }
        }
        Ok(all)
    }

    /// The configuration of a collection, explicit or implicit; `None` when there is none.
    ///
    /// # Errors
    /// As [`definition`](Self::definition).
    pub fn collection_config(
        &self,
        chaincode: &str,
        collection: &str,
        state: &QueryExecutor,
    ) -> Result<Option<StaticCollectionConfig>, LedgerError> {
        let definition = self.definition(chaincode, state)?;
        if definition.is_none() && chaincode != LIFECYCLE {
            return Ok(None);
        }
        if let Some(org) = implicit_collection_org(collection) {
            return Ok(Some(implicit_collection(org, org == self.msp_id)));
        }
        Ok(definition.and_then(|definition| definition.collection(collection).cloned()))
    }

    /// The configuration of a collection as it was in force for the transactions of `block`; `None` when there was none.
    ///
    /// # Errors
    /// As [`definition`](Self::definition), and what reading older blocks fails with.
    pub(crate) fn collection_config_at(
        &self,
        chaincode: &str,
        collection: &str,
        block: u64,
        ledger: &Ledger,
    ) -> Result<Option<StaticCollectionConfig>, LedgerError> {
        let state = ledger.query();
        let key = state::field_key(NAMESPACES, chaincode, COLLECTIONS_FIELD);
        let latest = state.versioned(LIFECYCLE, &key)?;
        let since = latest.is_none_or(|latest| latest.version.block < block);
        if since || implicit_collection_org(collection).is_some() {
            return self.collection_config(chaincode, collection, &state);
        }
        for change in state.history(LIFECYCLE, &key) {
            let change = change?;
            let committed = ledger.transaction_status(&change.tx_id)?;
            if committed.is_none_or(|(number, _, _)| number >= block) {
                continue;
            }
            let collections = state::decode_message(&key, &change.value).map_err(ledger_error)?;
            let then = ChaincodeDefinition {
                collections,
                ..ChaincodeDefinition::default()
            };
            return Ok(then.collection(collection).cloned());
        }
        Ok(None)
    }

    /// The package that this peer's organisation approved for a definition in force.
    pub(crate) fn package(
        &self,
        chaincode: &str,
        definition: &ChaincodeDefinition,
        state: &QueryExecutor,
    ) -> Result<Package, LedgerError> {
        let key = (chaincode.to_owned(), definition.sequence);
        let epoch = {
            let cache = self.cache();
            if let Some(known) = cache.packages.get(&key) {
                return Ok(known.clone());
            }
            cache.epoch
        };
        let own = CommittedOrg {
            state,
            collection: implicit_collection_name(&self.msp_id),
        };
        let package = match Approval::read(chaincode, definition.sequence, &own) {
            Ok(Some(approval)) if approval.definition.compare_parameters(definition).is_ok() => {
                if approval.package_id.is_empty() {
                    Package::Unavailable
                } else {
                    Package::Approved(approval.package_id)
                }
            }
            Ok(_) => Package::NotApproved,
            // Another peer of the organisation endorsed the approval and its values are not here yet.
            Err(error) => match ledger_error(error) {
                LedgerError::PrivateVersionMismatch { .. } => Package::NotApproved,
                error => return Err(error),
            },
        };
        let mut cache = self.cache();
        if cache.epoch == epoch {
            cache.packages.insert(key, package.clone());
        }
        Ok(package)
    }

    /// The chaincode that this peer's organisation approved with a package, by name.
    pub(crate) fn runnable(
        &self,
        state: &QueryExecutor,
    ) -> Result<Arc<BTreeMap<String, Runnable>>, LedgerError> {
        let epoch = {
            let cache = self.cache();
            if let Some(known) = &cache.runnable {
                return Ok(Arc::clone(known));
            }
            cache.epoch
        };
        let mut runnable = BTreeMap::new();
        for (name, definition) in self.all(state)? {
            if let Package::Approved(package_id) = self.package(&name, &definition, state)? {
                let found = Runnable {
                    sequence: definition.sequence,
                    version: definition.endorsement.version.clone(),
                    package_id,
                };
                runnable.insert(name, found);
            }
        }
        let runnable = Arc::new(runnable);
        let mut cache = self.cache();
        if cache.epoch == epoch {
            cache.runnable = Some(Arc::clone(&runnable));
        }
        Ok(runnable)
    }

    /// Forgets what organisations approved: to be called after a commit that wrote to `_lifecycle`.
    pub(crate) fn changed(&self) {
        let mut cache = self.cache();
        cache.epoch += 1;
        cache.packages.clear();
        cache.runnable = None;
    }

    /// The endorsement policy of a namespace, a marshalled `ApplicationPolicy`; `None` when it has no valid
    /// definition.
    pub(crate) fn validation_policy(
        &self,
        chaincode: &str,
        bundle: &Bundle,
        state: &QueryExecutor,
    ) -> Result<Option<Vec<u8>>, LedgerError> {
        if chaincode == LIFECYCLE {
            return Ok(Some(lifecycle_policy(bundle)));
        }
        let Some(definition) = self.definition(chaincode, state)? else {
            return Ok(None);
        };
        let validation = &definition.validation;
        let complete =
            !validation.validation_plugin.is_empty() && !validation.validation_parameter.is_empty();
        Ok(complete.then(|| validation.validation_parameter.clone()))
    }

    /// The endorsement policy of a collection.
    pub(crate) fn collection_policy(
        &self,
        chaincode: &str,
        collection: &str,
        bundle: &Bundle,
        state: &QueryExecutor,
    ) -> Result<PolicySource, LedgerError> {
        let definition = self.definition(chaincode, state)?;
        if definition.is_none() && chaincode != LIFECYCLE {
            return Ok(PolicySource::Chaincode);
        }
        if let Some(org) = implicit_collection_org(collection) {
            let policy = implicit_collection_policy(org, bundle);
            return Ok(policy.map_or(PolicySource::Missing, PolicySource::Own));
        }
        let definition = definition.as_deref();
        Ok(
            match definition.and_then(|definition| definition.collection(collection)) {
                None => PolicySource::Missing,
                Some(found) => match &found.endorsement_policy {
                    Some(policy) => PolicySource::Own(policy.encode_to_vec()),
                    None => PolicySource::Chaincode,
                },
            },
        )
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        // Every change of the cache is one whole insertion, so a panic elsewhere leaves it usable.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CollectionInfo for Definitions {
    fn collection(
        &self,
        state: &QueryExecutor,
        namespace: &str,
        collection: &str,
    ) -> Result<Collection, LedgerError> {
        let definition = self.definition(namespace, state)?;
        if definition.is_none() && namespace != LIFECYCLE {
            return Ok(Collection::NoneDefined);
        }
        if implicit_collection_org(collection).is_some() {
            return Ok(Collection::Defined { block_to_live: 0 });
        }
        let found = definition
            .as_deref()
            .and_then(|definition| definition.collection(collection));
        Ok(match found {
            Some(found) => Collection::Defined {
                block_to_live: found.block_to_live,
            },
            None => Collection::Unknown,
        })
    }
}

/// The lifecycle's policy of the channel, or a majority of the organisations where the channel has none.
fn lifecycle_policy(bundle: &Bundle) -> Vec<u8> {
    if bundle.policy(LIFECYCLE_ENDORSEMENT).is_some() {
        return reference(LIFECYCLE_ENDORSEMENT.to_owned());
    }
    let orgs: Vec<_> = bundle
        .application_orgs()
        .iter()
        .map(|org| org.msp_id.clone())
        .collect();
    let majority = i32::try_from(orgs.len() / 2 + 1).unwrap_or(i32::MAX);
    signature_policy(n_out_of_role(majority, Role::Member, &orgs))
}

/// An organisation's own policy, or any of its members where it has none; `None` for a stranger.
fn implicit_collection_policy(msp_id: &str, bundle: &Bundle) -> Option<Vec<u8>> {
    let orgs = bundle.application_orgs();
    let org = orgs.iter().find(|org| org.msp_id == msp_id)?;
    let path = format!("/Channel/Application/{}/Endorsement", org.name);
    Some(match bundle.policy(&path) {
        Some(_) => reference(path),
        None => signature_policy(signed_by_any_member(&[msp_id])),
    })
}

fn reference(path: String) -> Vec<u8> {
    let reference = application_policy::Type::ChannelConfigPolicyReference(path);
    ApplicationPolicy {
        r#type: Some(reference),
    }
    .encode_to_vec()
}

fn signature_policy(envelope: SignaturePolicyEnvelope) -> Vec<u8> {
    ApplicationPolicy {
        r#type: Some(application_policy::Type::SignaturePolicy(envelope)),
    }
    .encode_to_vec()
}

/// The committed public keys of `_lifecycle`.
struct Committed<'a>(&'a QueryExecutor);

impl ReadState for Committed<'_> {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, AccessError> {
        Ok(self.0.state(LIFECYCLE, key)?)
    }

    fn with_prefix(&self, prefix: &str) -> Result<BTreeMap<String, Vec<u8>>, AccessError> {
        let rows = self.0.range(LIFECYCLE, prefix, &format!("{prefix}\u{7f}"));
        rows.map(|row| row.map(|row| (row.key, row.value)).map_err(AccessError::from))
            .collect()
    }
}

/// The committed values of an organisation's own collection of `_lifecycle`.
struct CommittedOrg<'a> {
    state: &'a QueryExecutor,
    collection: String,
}

impl ReadState for CommittedOrg<'_> {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, AccessError> {
        Ok(self.state.private(LIFECYCLE, &self.collection, key)?)
    }

    fn with_prefix(&self, prefix: &str) -> Result<BTreeMap<String, Vec<u8>>, AccessError> {
        let end = format!("{prefix}\u{7f}");
        let rows = self
            .state
            .private_range(LIFECYCLE, &self.collection, prefix, &end)?;
        rows.map(|row| row.map(|row| (row.key, row.value)).map_err(AccessError::from))
            .collect()
    }
}

/// The ledger's own error again, or that a record of the lifecycle is not what it writes.
fn ledger_error(error: AccessError) -> LedgerError {
    match error.downcast::<LedgerError>() {
        Ok(error) => *error,
        Err(error) => {
            tracing::error!(%error, "a record of the lifecycle is unreadable");
            LedgerError::Record("a chaincode definition")
        }
    }
}
