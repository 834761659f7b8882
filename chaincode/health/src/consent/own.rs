//! A patient's reading of their own record, on a request that the patient, or who may see it for them, signed. Any member's client carries it.

use super::access::write_record;
use crate::caller::Caller;
use crate::identity::spend_nonce;
use crate::intent::check_act_with;
use crate::state::{Collection, derived_salt, done, registered, tx_id};
use careledger_api::codes::Purpose;
use careledger_api::contracts::consent::{
    AccessKind, AccessRecord, AccessRequest, Outcome, Power, RELEASE_SECONDS,
};
use careledger_api::event::EventKind;
use careledger_api::intent::SignedIntent;
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::Context;

/// Needs no consent and reads no epoch. The record keeps the intent, with which the patient's request proves itself to the vault: an
/// altered peer cannot make one up.
pub(super) fn access_own(
    ctx: &Context<'_>,
    custodian: &str,
    request: AccessRequest,
    intent: SignedIntent,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    let role = caller.require_role(&consortium, Role::ALL)?;
    let care = Collection::care(&consortium, custodian)?;
    request.validate()?;
    if request.purpose != Purpose::PatientRequest {
        return Err(HealthError::InvalidCode(
            "a patient reads the own record with the purpose PATRQT".into(),
        ));
    }
    let view = &[Power::View];
    check_act_with(
        ctx,
        &consortium,
        &care,
        custodian,
        &request.patient,
        &intent,
        view,
    )?;
    let (tx, at) = (tx_id(ctx)?, ctx.timestamp().seconds);
    let secret = care.secret(ctx)?;
    spend_nonce(ctx, &care, &intent, &derived_salt(&secret, "nonce", &tx))?;
    let record = AccessRecord {
        kind: AccessKind::Own,
        at,
        requester: caller.requester(role),
        outcome: Outcome::Permitted,
        permitted: request.categories.clone(),
        obligations: Vec::new(),
        basis: Vec::new(),
        expires_at: at.saturating_add(RELEASE_SECONDS),
        epoch: None,
        salt: derived_salt(&secret, "access", &tx),
        tx,
        request: Some(request),
        emergency: None,
        follows: None,
        intent: Some(intent),
        offline: None,
    };
    write_record(ctx, &care, &secret, record)?;
    done(ctx, EventKind::Access, Some(&care))
}
