//! Single-use numbers of intents that create nothing with an id of its own.

use crate::caller::Caller;
use crate::state::{Collection, done, registered};
use careledger_api::contracts::identity::SpentNonce;
use careledger_api::event::EventKind;
use careledger_api::ids::{Nonce, PatientId, Salt};
use careledger_api::intent::SignedIntent;
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::Context;
use serde::{Deserialize, Serialize};

/// Seconds after an intent's end before its nonce may go: twice what peers let a proposal's time differ.
const PRUNE_AFTER: i64 = 600;
/// Most nonces of one pruning.
const MAX_PRUNED: usize = 64;

/// The value of `nonce~P~N`.
#[derive(Serialize, Deserialize)]
struct StoredNonce {
    until: i64,
    salt: Salt,
}

/// Marks an intent's nonce as used; `REPLAYED` if it was.
pub(crate) fn spend_nonce(
    ctx: &Context<'_>,
    care: &Collection,
    intent: &SignedIntent,
    salt: &Salt,
) -> Result<(), HealthError> {
    let intent = &intent.intent;
    let stored = StoredNonce {
        until: intent.period.until,
        salt: *salt,
    };
    if care.write_once(ctx, &nonce_key(&intent.patient, &intent.nonce), &stored)? {
        Ok(())
    } else {
        Err(HealthError::Replayed("sign a new intent with a new nonce".into()))
    }
}

pub(super) fn prune(
    ctx: &Context<'_>,
    custodian: &str,
    nonces: &[SpentNonce],
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(custodian, &[Role::Custodian])?;
    let care = Collection::care(&consortium, custodian)?;
    if !(1..=MAX_PRUNED).contains(&nonces.len()) {
        return Err(HealthError::Limit("1 to 64 nonces are pruned at a time".into()));
    }
    for SpentNonce { patient, nonce } in nonces {
        let key = nonce_key(patient, nonce);
        let stored: StoredNonce = care.get(ctx, &key)?.ok_or(HealthError::NotFound)?;
        if stored.until.saturating_add(PRUNE_AFTER) > ctx.timestamp().seconds {
            return Err(HealthError::ConflictState(
                "an intent that ended less than ten minutes ago".into(),
            ));
        }
        ctx.private_del(&care.name, &key)?;
    }
    done(ctx, EventKind::Identity, Some(&care))
}

fn nonce_key(patient: &PatientId, nonce: &Nonce) -> String {
    format!("nonce~{patient}~{nonce}")
}
