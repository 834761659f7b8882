//! The identity contract: device keys in `keys`, guardians and recoveries in `recovery`, their yearly renewal in `renewal`, the account that both change in `account`.

mod account;
mod keys;
mod nonces;
mod recovery;
mod renewal;

pub(crate) use nonces::spend_nonce;

use crate::caller::Caller;
use crate::consent::{is_dead, read_for_patient};
use crate::intent::{StoredKey, check_question, key_revocation_key};
use crate::state::{Collection, registered};
use account::{Loaded, RULES, StoredNotice, notice_key};
use careledger_api::consortium::Consortium;
use careledger_api::contracts::consent::SignedQuery;
use careledger_api::contracts::identity::{
    AccountFreeze, AccountStep, AccountView, DeviceKeyView, Enrolment, GuardianAct, GuardianStatement,
    Identity, IdentityNotice, KeyAddition, KeyRemoval, KeyRotation, LapsingPage, LapsingQuery, PatientQuery,
    PolicyChoice, RecoveryApproval, RecoveryAttestation, RecoveryOpening, RecoveryStep, SpentNonce,
    Unfreezing,
};
use careledger_api::ids::{KeyId, PatientId, TxId};
use careledger_api::intent::SignedIntent;
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};

pub(crate) struct IdentityRules;

pub(crate) fn patient_key(patient: &PatientId) -> String {
    format!("pat~{patient}")
}

/// `CONFLICT_STATE` while a patient's account is frozen or a recovery waits for its delay; `NOT_FOUND` for an unknown patient. A recovery that is
/// approved earlier in the block makes the transaction invalid.
pub(crate) fn refuse_while_recovering(
    ctx: &ReadContext<'_>,
    care: &Collection,
    patient: &PatientId,
) -> Result<(), HealthError> {
    let Loaded { account, .. } = Loaded::load(ctx, care, patient)?;
    account.settled(&RULES, ctx.timestamp().seconds).require_open()
}

/// Whether a patient's account has or had a device key. One organisation's altered peer can write a key that nobody added, but not the account.
pub(crate) fn knows_key(
    ctx: &ReadContext<'_>,
    care: &Collection,
    patient: &PatientId,
    key: &KeyId,
) -> Result<bool, HealthError> {
    match Loaded::load(ctx, care, patient) {
        Ok(loaded) => Ok(loaded.account.knows(key)),
        Err(HealthError::NotFound) => Ok(false),
        Err(other) => Err(other),
    }
}

impl Identity for IdentityRules {
    fn enrol(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        enrolment: Enrolment,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        keys::enrol(ctx, &custodian, enrolment, &intent)
    }

    fn add_key(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        addition: KeyAddition,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        keys::add_key(ctx, &custodian, addition, &intent)
    }

    fn rotate_key(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        rotation: KeyRotation,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        keys::rotate_key(ctx, &custodian, rotation, &intent)
    }

    fn revoke_key(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        removal: KeyRemoval,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        keys::revoke_key(ctx, &custodian, &removal, &intent)
    }

    fn freeze(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        freeze: AccountFreeze,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        keys::freeze(ctx, &custodian, &freeze, &intent)
    }

    fn unfreeze(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        step: AccountStep,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        keys::unfreeze(ctx, &custodian, &step, &intent)
    }

    fn unfreeze_by_guardians(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        unfreezing: Unfreezing,
    ) -> Result<Receipt, HealthError> {
        keys::unfreeze_by_guardians(ctx, &custodian, &unfreezing)
    }

    fn choose_guardians(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        choice: PolicyChoice,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        recovery::choose_guardians(ctx, &custodian, choice, intent)
    }

    fn renew_guardians(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        step: AccountStep,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        renewal::renew(ctx, &custodian, &step, &intent)
    }

    fn remind_guardians(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        step: AccountStep,
    ) -> Result<Receipt, HealthError> {
        renewal::remind(ctx, &custodian, &step)
    }

    fn cancel_choice(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        step: AccountStep,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        recovery::cancel_choice(ctx, &custodian, &step, &intent)
    }

    fn begin_delay(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        step: AccountStep,
    ) -> Result<Receipt, HealthError> {
        recovery::begin_delay(ctx, &custodian, &step)
    }

    fn init_recovery(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        opening: RecoveryOpening,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        recovery::init_recovery(ctx, &custodian, opening, intent)
    }

    fn approve_recovery(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        approval: RecoveryApproval,
    ) -> Result<Receipt, HealthError> {
        recovery::approve_recovery(ctx, &custodian, approval)
    }

    fn attest_recovery(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        attestation: RecoveryAttestation,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        recovery::attest_recovery(ctx, &custodian, attestation, intent)
    }

    fn veto_recovery(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        step: RecoveryStep,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        recovery::veto_recovery(ctx, &custodian, &step, &intent)
    }

    fn execute_recovery(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        step: RecoveryStep,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        recovery::execute_recovery(ctx, &custodian, &step, &intent)
    }

    fn prune_nonces(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        nonces: Vec<SpentNonce>,
    ) -> Result<Receipt, HealthError> {
        nonces::prune(ctx, &custodian, &nonces)
    }

    fn keys(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        query: PatientQuery,
    ) -> Result<Vec<DeviceKeyView>, HealthError> {
        let consortium = registered(ctx)?.consortium;
        Caller::of(ctx)?.require(&custodian, &[Role::Registrar, Role::Custodian])?;
        let care = Collection::care(&consortium, &custodian)?;
        let stored: Vec<StoredKey> = care.list(ctx, &format!("key~{}~", query.patient))?;
        let view = |stored: StoredKey| {
            let id = stored.key.id();
            let revoked = care.exists(ctx, &key_revocation_key(&query.patient, &id))?;
            Ok(DeviceKeyView {
                id,
                key: stored.key,
                added: stored.added,
                revoked,
            })
        };
        stored.into_iter().map(view).collect()
    }

    fn account(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        query: PatientQuery,
    ) -> Result<AccountView, HealthError> {
        let consortium = registered(ctx)?.consortium;
        let roles = [Role::Registrar, Role::Custodian, Role::RecoveryOfficer];
        Caller::of(ctx)?.require(&custodian, &roles)?;
        let care = Collection::care(&consortium, &custodian)?;
        view(ctx, &care, &query.patient)
    }

    fn lapsing(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        query: LapsingQuery,
    ) -> Result<LapsingPage, HealthError> {
        renewal::lapsing(ctx, &custodian, &query)
    }

    fn my_account(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        query: SignedQuery,
        intent: SignedIntent,
    ) -> Result<AccountView, HealthError> {
        let (consortium, care) = read_for_patient(ctx, &custodian, &query.reader)?;
        check_question(ctx, &consortium, &care, &custodian, &query.patient, &intent)?;
        view(ctx, &care, &query.patient)
    }

    fn notice(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        tx: TxId,
    ) -> Result<IdentityNotice, HealthError> {
        let care = notifying(ctx, &custodian)?;
        let stored: Option<StoredNotice> = care.get(ctx, &notice_key(&tx))?;
        stored.map(|stored| stored.notice).ok_or(HealthError::NotFound)
    }
}

/// The custodian's collection, for those who tell its patients.
fn notifying(ctx: &ReadContext<'_>, custodian: &str) -> Result<Collection, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(custodian, &[Role::Notifier, Role::Custodian])?;
    Collection::care(&consortium, custodian)
}

fn view(ctx: &ReadContext<'_>, care: &Collection, patient: &PatientId) -> Result<AccountView, HealthError> {
    let Loaded { account, .. } = Loaded::load(ctx, care, patient)?;
    let account = account.settled(&RULES, ctx.timestamp().seconds);
    Ok(AccountView {
        executable: account.executable(&RULES),
        account,
    })
}

/// The account for whoever is not the patient: an unknown patient is refused as a stranger is, so that trying out ids tells nothing.
fn load_for_stranger(
    ctx: &ReadContext<'_>,
    care: &Collection,
    patient: &PatientId,
) -> Result<Loaded, HealthError> {
    let stranger = || HealthError::Forbidden("only the patient's guardians approve".into());
    let loaded = Loaded::load(ctx, care, patient).map_err(|error| match error {
        HealthError::NotFound => stranger(),
        other => other,
    })?;
    // Nobody restores a dead patient's keys.
    if is_dead(ctx, care, patient)? {
        return Err(stranger());
    }
    Ok(loaded)
}

/// What guardians sign for the running chaincode.
fn guardian_statement(
    ctx: &ReadContext<'_>,
    consortium: &Consortium,
    custodian: &str,
    patient: PatientId,
    to: GuardianAct,
) -> GuardianStatement {
    GuardianStatement {
        channel: ctx.channel_id().to_owned(),
        chaincode: ctx.chaincode().to_owned(),
        ..GuardianStatement::new(consortium, custodian, patient, to)
    }
}
