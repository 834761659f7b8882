//! The MSPs of a channel.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use fabric_protos::common::MspPrincipal;
use fabric_protos::msp::SerializedIdentity;
use prost::Message;

use crate::cache::Cache;
use crate::error::MspError;
use crate::identity::Identity;
use crate::msp::Msp;

/// How many parsed identities are kept in each of two generations.
const IDENTITY_CACHE: usize = 1_024;

/// All MSPs of a channel by id. Immutable: a new configuration makes a new manager, and with it new verdicts.
pub struct MspManager {
    msps: BTreeMap<String, Arc<Msp>>,
    identities: Cache<Vec<u8>, Identity>,
}

impl MspManager {
    /// A manager of `msps`; of two with one id the later one counts.
    pub fn new(msps: impl IntoIterator<Item = Arc<Msp>>) -> Self {
        Self {
            msps: msps.into_iter().map(|msp| (msp.id().to_owned(), msp)).collect(),
            identities: Cache::new(IDENTITY_CACHE),
        }
    }

    /// The MSP with this id.
    pub fn msp(&self, id: &str) -> Option<&Arc<Msp>> {
        self.msps.get(id)
    }

    /// All MSPs in the order of their ids.
    pub fn msps(&self) -> impl Iterator<Item = &Arc<Msp>> {
        self.msps.values()
    }

    /// Parses `SerializedIdentity` bytes; the result of a success is kept. The identity chains to its MSP's roots but need not
    /// be valid.
    ///
    /// # Errors
    /// [`MspError::UnknownMsp`], and as [`Msp::identity`].
    pub fn identity(&self, serialized: &[u8]) -> Result<Identity, MspError> {
        if let Some(known) = self.identities.find(serialized) {
            return Ok(known);
        }
        let parsed = SerializedIdentity::decode(serialized)
            .map_err(|error| MspError::decode("SerializedIdentity", &error))?;
        let identity = self
            .of(&parsed.mspid)?
            .identity_of(serialized, &parsed.id_bytes)?;
        self.identities.insert(serialized.to_vec(), identity.clone());
        Ok(identity)
    }

    /// Checks that `identity` is a valid member of its MSP; the verdict is kept with the identity.
    ///
    /// # Errors
    /// [`MspError::UnknownMsp`], and as [`Msp::validate`].
    pub fn validate(&self, identity: &Identity) -> Result<(), MspError> {
        self.of(identity.msp_id())?.validate(identity)
    }

    /// Parses and validates in one step: the creator of a request.
    ///
    /// # Errors
    /// As [`MspManager::identity`] and [`MspManager::validate`].
    pub fn valid_identity(&self, serialized: &[u8]) -> Result<Identity, MspError> {
        let identity = self.identity(serialized)?;
        self.validate(&identity)?;
        Ok(identity)
    }

    /// Checks that `identity` satisfies `principal` under its own MSP.
    ///
    /// # Errors
    /// [`MspError::UnknownMsp`], and as [`Msp::satisfies`].
    pub fn satisfies_principal(&self, identity: &Identity, principal: &MspPrincipal) -> Result<(), MspError> {
        self.of(identity.msp_id())?.satisfies(identity, principal)
    }

    fn of(&self, id: &str) -> Result<&Arc<Msp>, MspError> {
        self.msps
            .get(id)
            .ok_or_else(|| MspError::UnknownMsp(id.to_owned()))
    }
}

impl fmt::Debug for MspManager {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.msps.keys()).finish()
    }
}
