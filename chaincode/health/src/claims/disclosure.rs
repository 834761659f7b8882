//! What a payer may be told: the patient's payment consent, and what the patient paid themself.
//!
//! A restriction of who paid in full (45 CFR 164.522(a)(1)(vi)) lies in `care_<provider>`, where no payer is. A submission, a correction's too, reads it there by keys under that
//! collection's secret, and is refused where there is one: what a block shows is that absent keys were read, of every claim alike. A restriction that is
//! lifted is deleted, so that it reads as one that never was.

use super::parts::formed;
use super::provider;
use crate::caller::Caller;
use crate::state::{Collection, Established, derived_salt, done, registered, tx_id};
use careledger_api::adjudication::{Claim, Frequency, PaymentBasis};
use careledger_api::contracts::claims::{PaymentConsent, SelfPayment};
use careledger_api::date::Date;
use careledger_api::event::EventKind;
use careledger_api::hashing::keyed_hash;
use careledger_api::ids::{CoverageId, Salt, TxId};
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};

/// The value of `selfpay~H` in the provider's `care_` collection.
#[derive(Serialize, Deserialize)]
struct Restriction {
    tx: TxId,
    salt: Salt,
}

pub(super) fn record_consent(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    consent: PaymentConsent,
) -> Result<Receipt, HealthError> {
    let pair = provider::pair(ctx, payer, provider)?;
    consent.salt.require_drawn()?;
    if consent.period.until < consent.period.from {
        return Err(HealthError::InvalidCode("days lie in their order".into()));
    }
    let key = consent_key(ctx, &pair, &consent.coverage)?;
    let first = !pair.exists(ctx, &key)?;
    pair.put(ctx, &key, &consent)?;
    if first {
        pair.hand_to(ctx, &key, provider)?;
    }
    done(ctx, EventKind::Claim, Some(&pair))
}

pub(super) fn restrict_payer(
    ctx: &Context<'_>,
    custodian: &str,
    payment: SelfPayment,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    let roles = [Role::ProviderBilling, Role::Registrar, Role::Custodian];
    Caller::of(ctx)?.require(custodian, &roles)?;
    let care = Collection::care(&consortium, custodian)?;
    payment.salt.require_drawn()?;
    payment.validate()?;
    let (secret, tx) = (care.secret(ctx)?, tx_id(ctx)?);
    for (procedure, date) in &payment.services {
        let key = restriction_key(&secret, &payment.coverage, procedure, *date);
        if payment.restricted {
            let restriction = Restriction {
                tx: tx.clone(),
                salt: derived_salt(&secret, &key, &tx),
            };
            care.put(ctx, &key, &restriction)?;
        } else if care.exists(ctx, &key)? {
            ctx.private_del(&care.name, &key)?;
        } else {
            return Err(HealthError::NotFound);
        }
    }
    done(ctx, EventKind::Claim, Some(&care))
}

/// `CONFLICT_STATE` if a claim tells its payer of what the patient keeps from it. A void tells nothing that was not told, and takes it back. It reads as
/// many keys, which are never there: the version of a key that it found would tell the block what was restricted.
pub(super) fn check(
    ctx: &ReadContext<'_>,
    consortium: &Established,
    pair: &Collection,
    provider: &str,
    claim: &Claim,
) -> Result<(), HealthError> {
    let care = Collection::care(consortium, provider)?;
    let secret = care.secret(ctx)?;
    let mut restricted = false;
    for line in &claim.lines {
        let key = match claim.frequency {
            Frequency::Void => format!(
                "selfpay~{}",
                keyed_hash(
                    &secret,
                    "void",
                    &[claim.id.as_bytes(), &line.sequence.to_be_bytes()]
                )
            ),
            _ => restriction_key(&secret, &claim.coverage, &line.procedure, line.date),
        };
        restricted |= care.exists(ctx, &key)?;
    }
    let basis = basis(ctx, pair, claim)?;
    if claim.frequency == Frequency::Void {
        return Ok(());
    }
    if restricted {
        return Err(HealthError::ConflictState(
            "the patient paid a service of this claim in full and keeps it from the payer; claim the others alone".into(),
        ));
    }
    match basis {
        PaymentBasis::Permitted => Ok(()),
        _ => Err(HealthError::ConflictState(
            "the patient's payment consent is not given for these days".into(),
        )),
    }
}

/// Whether the patient's consent, where one was asked for, lets the payer see and pay the claim. What its provider wrote in another form gives none.
/// `CONFLICT_STATE` where the peer has not got it.
pub(super) fn basis(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    claim: &Claim,
) -> Result<PaymentBasis, HealthError> {
    let key = consent_key(ctx, pair, &claim.coverage)?;
    let Ok(found) = ctx.private_get(&pair.name, &key) else {
        return Err(HealthError::ConflictState(
            "the patient's payment consent is not readable at this peer: it is on its way, or its provider withholds it".into(),
        ));
    };
    let within = |consent: &PaymentConsent| {
        consent.given && claim.lines.iter().all(|line| consent.period.contains(line.date))
    };
    let given = |value: &Vec<u8>| formed(value).is_some_and(|consent| within(&consent));
    Ok(match found {
        Some(value) if !given(&value) => PaymentBasis::NoConsent,
        _ => PaymentBasis::Permitted,
    })
}

fn consent_key(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    coverage: &CoverageId,
) -> Result<String, HealthError> {
    let secret = pair.secret(ctx)?;
    Ok(format!(
        "payc~{}",
        keyed_hash(&secret, "payment-consent", &[coverage.as_bytes()])
    ))
}

fn restriction_key(secret: &Salt, coverage: &CoverageId, procedure: &str, date: Date) -> String {
    let day = date.days().to_be_bytes();
    let parts = [coverage.as_bytes().as_slice(), procedure.as_bytes(), &day];
    format!("selfpay~{}", keyed_hash(secret, "self-payment", &parts))
}
