//! Patients' device keys.

use crate::ids::{KeyId, Nonce, PatientId, Salt, TxId};
use crate::intent::SignedIntent;
use crate::keys::PublicKey;
use crate::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext, contract};
use serde::{Deserialize, Serialize};

/// What enrols a patient: the id is `PatientId::derive(key, random)`. The intent is signed with `key`, and its nonce is the first half of
/// the patient's id ([`SignedIntent::nonce_of`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// The first device key.
    pub key: PublicKey,
    /// Drawn by the wallet for this custodian.
    pub random: Salt,
    /// Salts the private value.
    pub salt: Salt,
}

/// A further device key. The intent is signed with a live key; its nonce is the first half of the new key's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyAddition {
    /// Whose.
    pub patient: PatientId,
    /// The new key.
    pub key: PublicKey,
    /// Salts the private value.
    pub salt: Salt,
}

/// Takes a device key away for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRemoval {
    /// Whose.
    pub patient: PatientId,
    /// Which.
    pub key: KeyId,
    /// Salts the private value.
    pub salt: Salt,
}

/// A spent single-use number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpentNonce {
    /// Whose intent used it.
    pub patient: PatientId,
    /// The number.
    pub nonce: Nonce,
}

/// A patient named in a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatientQuery {
    /// The patient.
    pub patient: PatientId,
}

/// A device key as the custodian sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceKeyView {
    /// The key's id.
    pub id: KeyId,
    /// The key.
    pub key: PublicKey,
    /// The transaction that added it.
    pub added: TxId,
    /// Whether it was taken away.
    pub revoked: bool,
}

/// Device keys, in `care_<custodian>`. A patient has one id per custodian and no Fabric identity.
#[contract(name = "identity", error = HealthError)]
pub trait Identity {
    /// Enrols a patient with a first device key. Role `registrar` or `custodian` of the custodian, with the patient's intent.
    /// `DUPLICATE` if that id is enrolled, `BAD_INTENT` if the intent is not signed with that key.
    #[submit]
    fn enrol(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] enrolment: Enrolment,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Adds a device key. Any organisation's client, with the patient's intent. `DUPLICATE` if the key is there (revoked or not).
    #[submit]
    fn add_key(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] addition: KeyAddition,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Takes a device key away; an act signed with it is refused from then on. Any organisation's client, with the patient's intent. A key
    /// that is revoked already is success.
    #[submit]
    fn revoke_key(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] removal: KeyRemoval,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Deletes spent nonces (at most 64) whose intents ended more than ten minutes ago. Role `custodian` of the custodian, endorsed by two
    /// organisations. `CONFLICT_STATE` if one is younger, `NOT_FOUND` if one is unknown.
    #[submit]
    fn prune_nonces(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] nonces: Vec<SpentNonce>,
    ) -> Result<Receipt, HealthError>;

    /// A patient's device keys. Role `registrar` or `custodian` of the custodian. Empty for an unknown patient.
    #[evaluate]
    fn keys(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        #[transient] query: PatientQuery,
    ) -> Result<Vec<DeviceKeyView>, HealthError>;
}
