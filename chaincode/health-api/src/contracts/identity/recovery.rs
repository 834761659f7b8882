//! Guardians, recoveries, and what a patient and a notifier are told of them.

use crate::HealthError;
use crate::consortium::Consortium;
use crate::hashing::{canonical, commit, tagged_hash};
use crate::ids::{Hash, KeyId, Nonce, PatientId, RecoveryId, Salt, TxId};
use crate::keys::{DeviceKey, PublicKey};
use crate::recovery::{Account, RecoveryPolicy};
use serde::{Deserialize, Serialize};

/// A patient's choice of guardians and delay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyChoice {
    /// Whose.
    pub patient: PatientId,
    /// What is chosen; guardians as [`guardian_commitment`].
    pub policy: RecoveryPolicy,
    /// Salts the private value.
    pub salt: Salt,
}

/// An act that needs no more than the patient's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountStep {
    /// Whose.
    pub patient: PatientId,
    /// Salts the private value.
    pub salt: Salt,
}

/// Opens a recovery. The intent is signed with the new key, and its nonce is the recovery's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryOpening {
    /// Whose.
    pub patient: PatientId,
    /// Drawn by the new wallet.
    pub recovery: RecoveryId,
    /// The key to become live.
    pub key: PublicKey,
    /// The first guardian's approval: without one nobody opens anything.
    pub approval: GuardianApproval,
    /// Salts the private values.
    pub salt: Salt,
}

/// A further guardian's approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryApproval {
    /// Whose.
    pub patient: PatientId,
    /// Which recovery.
    pub recovery: RecoveryId,
    /// The key that is approved.
    pub key: KeyId,
    /// The guardian's signature.
    pub approval: GuardianApproval,
    /// Salts the private values.
    pub salt: Salt,
}

/// A recovery officer's word that the person with the new key is the patient. The intent is signed with the new key, and its nonce is the recovery's
/// id; the first officer's opens the recovery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryAttestation {
    /// Whose.
    pub patient: PatientId,
    /// Drawn by the new wallet; both officers name the same.
    pub recovery: RecoveryId,
    /// The key to become live.
    pub key: PublicKey,
    /// Salted digest of what proved the identity, which stays with the officer's organisation.
    pub proof: Hash,
    /// Salts the private values.
    pub salt: Salt,
}

/// A veto, or the execution of a recovery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryStep {
    /// Whose.
    pub patient: PatientId,
    /// Which recovery.
    pub recovery: RecoveryId,
    /// Salts the private values.
    pub salt: Salt,
}

/// A guardian's signature, with what opens the commitment in the patient's policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardianApproval {
    /// The guardian's key.
    pub guardian: PublicKey,
    /// The salt of the commitment.
    pub opening: Salt,
    /// Drawn by the guardian.
    pub nonce: Nonce,
    /// Signature over the [`GuardianStatement`], hex.
    pub signature: String,
}

/// What a guardian signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardianStatement {
    /// [`Consortium::id`].
    pub consortium: String,
    /// Channel.
    pub channel: String,
    /// Chaincode name.
    pub chaincode: String,
    /// MSP id of the custodian.
    pub custodian: String,
    /// For which patient.
    pub patient: PatientId,
    /// To what.
    pub to: GuardianAct,
}

/// What guardians approve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum GuardianAct {
    /// That a key becomes the patient's.
    Recover {
        /// By this recovery.
        recovery: RecoveryId,
        /// The key.
        key: KeyId,
    },
    /// That the account is opened again after its freeze of this number (0 for the first).
    Unfreeze {
        /// Number of the freeze: [`Account::freezes_ended`] while it lasts.
        freeze: u32,
    },
}

impl GuardianStatement {
    /// A statement about a patient of a custodian of this consortium.
    pub fn new(consortium: &Consortium, custodian: &str, patient: PatientId, to: GuardianAct) -> Self {
        Self {
            consortium: consortium.id.clone(),
            channel: consortium.channel.clone(),
            chaincode: consortium.chaincode.clone(),
            custodian: custodian.to_owned(),
            patient,
            to,
        }
    }

    /// Signs it as a guardian; `opening` is the salt under which the patient's policy lists the guardian's key.
    pub fn sign(
        &self,
        key: &DeviceKey,
        opening: Salt,
        nonce: Nonce,
    ) -> Result<GuardianApproval, HealthError> {
        Ok(GuardianApproval {
            guardian: key.public_key(),
            opening,
            nonce,
            signature: hex::encode(key.sign(self.signed_bytes(&nonce)?.as_bytes())),
        })
    }

    fn signed_bytes(&self, nonce: &Nonce) -> Result<Hash, HealthError> {
        Ok(tagged_hash(
            "guardian-approval",
            &[&canonical(self)?, nonce.as_bytes()],
        ))
    }
}

impl GuardianApproval {
    /// Checks the signature over a statement: `BAD_INTENT` if it does not hold. Whether the commitment is a guardian's is the policy's to say.
    pub fn verify(&self, statement: &GuardianStatement) -> Result<(), HealthError> {
        let signature = hex::decode(&self.signature)
            .map_err(|_| HealthError::BadIntent("the signature is not written in hex".into()))?;
        self.guardian
            .verify(statement.signed_bytes(&self.nonce)?.as_bytes(), &signature)
    }

    /// The commitment that this opens.
    pub fn commitment(&self) -> Result<Hash, HealthError> {
        guardian_commitment(&self.guardian, &self.opening)
    }
}

/// How a policy lists a guardian: salted, so that it does not show who that is. The salt is drawn for each patient and guardian.
pub fn guardian_commitment(key: &PublicKey, opening: &Salt) -> Result<Hash, HealthError> {
    commit("guardian", opening, key)
}

/// How long before a guardian lapses the patient is reminded, seconds: 30 days.
pub const REMINDER_SECONDS: i64 = 30 * 86_400;
/// Accounts that a page of [`Identity::lapsing`](super::Identity::lapsing) looks at.
pub const LAPSING_ACCOUNTS: usize = 256;

/// Asks for a page of the patients to be reminded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LapsingQuery {
    /// Where the page before ended; none for the first.
    pub after: Option<PatientId>,
}

/// Patients to be reminded: a guardian of theirs lapses within [`REMINDER_SECONDS`] or has lapsed, and nobody told them of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LapsingPage {
    /// Who, in no order that means something. A page may be empty and not the last.
    pub patients: Vec<PatientId>,
    /// Where the next page begins; none after the last.
    pub next: Option<PatientId>,
}

/// A patient's account as it stands at the time of the question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountView {
    /// Keys, policy, what waits.
    pub account: Account,
    /// From when and until when the open recovery can be executed, seconds since 1970; none unless its delay counts.
    pub executable: Option<(i64, i64)>,
}

crate::codes::code_enum! {
    /// What a transaction of the identity contract did.
    IdentityAct {
        /// A patient was enrolled.
        Enrolled = "enrolled",
        /// A device key was added.
        KeyAdded = "key-added",
        /// A device key was replaced.
        KeyRotated = "key-rotated",
        /// A device key was taken away.
        KeyRevoked = "key-revoked",
        /// The account was frozen.
        Frozen = "frozen",
        /// The account was opened again.
        Unfrozen = "unfrozen",
        /// A policy was chosen; it holds, or waits.
        PolicyChosen = "policy-chosen",
        /// The guardians who count were renewed.
        GuardiansRenewed = "guardians-renewed",
        /// A guardian lapses within 30 days, or has lapsed: to be renewed, or chosen again.
        GuardiansLapse = "guardians-lapse",
        /// A policy that waited was cancelled.
        PolicyCancelled = "policy-cancelled",
        /// A recovery was opened by a guardian.
        RecoveryOpened = "recovery-opened",
        /// A guardian approved a recovery.
        RecoveryApproved = "recovery-approved",
        /// An officer attested who the patient is.
        RecoveryAttested = "recovery-attested",
        /// The delay of a recovery or of a policy began to count.
        DelayBegun = "delay-begun",
        /// A recovery was vetoed.
        RecoveryVetoed = "recovery-vetoed",
        /// A recovery was executed: the new key alone is live.
        RecoveryExecuted = "recovery-executed",
    }
}

/// What a patient is told about one transaction of the identity contract, on every channel that the notifier has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityNotice {
    /// The transaction.
    pub tx: TxId,
    /// Whose account.
    pub patient: PatientId,
    /// What it did.
    pub act: IdentityAct,
    /// When, seconds since 1970.
    pub at: i64,
}
