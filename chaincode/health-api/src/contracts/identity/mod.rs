//! Patients' device keys, their guardians, and recoveries.

mod keys;
mod recovery;

pub use keys::*;
pub use recovery::*;

use crate::contracts::consent::SignedQuery;
use crate::ids::TxId;
use crate::intent::SignedIntent;
use crate::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext, contract};

/// Device keys, in `care_<custodian>`. A patient has one id per custodian and no Fabric identity.
///
/// What changes an account's head (all but `enrol`, `revoke_key`, `freeze`, `veto_recovery` and `remind_guardians`) is endorsed by the custodian and a regulator. Taking a
/// key away, freezing and vetoing need one of them, so that nobody's outage stops them.
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

    /// Adds a device key, which acts at once. Any organisation's client, with the patient's intent. `DUPLICATE` if the key is there (revoked or
    /// not), `LIMIT` for more than eight live ones, `CONFLICT_STATE` while the account is frozen.
    #[submit]
    fn add_key(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] addition: KeyAddition,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Puts a new device key in the place of the one that signs, in one transaction. As `add_key`.
    #[submit]
    fn rotate_key(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] rotation: KeyRotation,
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

    /// Freezes the account, and takes a lost device's key away if one is named: no consent is granted, no key added and no policy changed until it is
    /// unfrozen or recovered. Any organisation's client, with the patient's intent. A frozen account stays so: success.
    #[submit]
    fn freeze(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] freeze: AccountFreeze,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Opens a frozen account. Any organisation's client, with the patient's intent, signed with another key than the one that froze it
    /// (`SOD_VIOLATION`). `CONFLICT_STATE` if it is not frozen.
    #[submit]
    fn unfreeze(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] step: AccountStep,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Opens a frozen account with M guardians' signatures. Any organisation's client. `FORBIDDEN` if they are not as many different guardians as the
    /// policy asks for, `BAD_INTENT` if a signature does not hold for this freeze.
    #[submit]
    fn unfreeze_by_guardians(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] unfreezing: Unfreezing,
    ) -> Result<Receipt, HealthError>;

    /// Chooses who may restore the keys. Any organisation's client, with the patient's intent. What makes a take-over harder holds at once, every other
    /// change after the delay in force, which `begin_delay` starts. `CONFLICT_STATE` while a recovery is open or the account is frozen.
    #[submit]
    fn choose_guardians(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] choice: PolicyChoice,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Renews the guardians who count: each does for a year after the last renewal or choice. Any organisation's client, with the patient's intent.
    /// `CONFLICT_STATE` where none counts (who lapsed is chosen again, which waits for the delay) and while the account is frozen.
    #[submit]
    fn renew_guardians(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] step: AccountStep,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Has the patient told that a guardian lapses within [`REMINDER_SECONDS`] or has lapsed. Role `notifier` or `custodian` of the custodian.
    /// `CONFLICT_STATE` if none does, `DUPLICATE` if the patient was told of this lapse.
    #[submit]
    fn remind_guardians(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] step: AccountStep,
    ) -> Result<Receipt, HealthError>;

    /// Cancels a policy that waits. Any organisation's client, with the patient's intent. `CONFLICT_STATE` if none does.
    #[submit]
    fn cancel_choice(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] step: AccountStep,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Lets the delay count of an approved recovery and of a policy that waits. Any organisation's client, without a signature: what waits was approved.
    /// `CONFLICT_STATE` if nothing does.
    #[submit]
    fn begin_delay(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] step: AccountStep,
    ) -> Result<Receipt, HealthError>;

    /// Opens a recovery with a guardian's approval. Any organisation's client, with an intent of the new key. `FORBIDDEN` for who is no guardian,
    /// `CONFLICT_STATE` while one is open, `LIMIT` too soon after a veto or an expiry, `REPLAYED` for an id that was used.
    #[submit]
    fn init_recovery(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] opening: RecoveryOpening,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Adds a guardian's approval; the M-th makes the recovery approved. Any organisation's client, with the guardian's signature. `FORBIDDEN` for who is no
    /// guardian, `SOD_VIOLATION` for one who approved under another commitment, `NOT_FOUND` if that recovery is not open.
    #[submit]
    fn approve_recovery(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] approval: RecoveryApproval,
    ) -> Result<Receipt, HealthError>;

    /// An officer attests who the patient is; the first one opens the recovery, the second makes it approved. Role `recovery-officer` of the custodian or
    /// a regulator, with an intent of the new key. `SOD_VIOLATION` for the same officer or the same organisation twice.
    #[submit]
    fn attest_recovery(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] attestation: RecoveryAttestation,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Vetoes a recovery, at any stage. Any organisation's client, with the patient's intent. `NOT_FOUND` if that recovery is not open.
    #[submit]
    fn veto_recovery(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] step: RecoveryStep,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Makes the new key the only live one. Any organisation's client, with an intent of the new key, its nonce the recovery's id. `CONFLICT_STATE`
    /// before the delay is over, `NOT_FOUND` for a recovery that was vetoed or has expired.
    #[submit]
    fn execute_recovery(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] step: RecoveryStep,
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

    /// A patient's account. Role `registrar`, `custodian` or `recovery-officer` of the custodian. `NOT_FOUND` for an unknown patient.
    #[evaluate]
    fn account(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        #[transient] query: PatientQuery,
    ) -> Result<AccountView, HealthError>;

    /// Which patients are to be reminded of their guardians, by pages. Role `notifier` or `custodian` of the custodian.
    #[evaluate]
    fn lapsing(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        #[transient] query: LapsingQuery,
    ) -> Result<LapsingPage, HealthError>;

    /// The same for the patient, by a signed question of a live key. A client of the organisation named as reader. A wallet asks it after enrolment, through
    /// another organisation than the one that enrolled it: there must be its own key and no other.
    #[evaluate]
    fn my_account(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        #[transient] query: SignedQuery,
        #[transient] intent: SignedIntent,
    ) -> Result<AccountView, HealthError>;

    /// What a committed transaction of this contract did to whose account: what a notifier asks after the block's event. Role `notifier` or `custodian` of
    /// the custodian. `NOT_FOUND` unless it is one.
    #[evaluate]
    fn notice(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        tx: TxId,
    ) -> Result<IdentityNotice, HealthError>;
}
