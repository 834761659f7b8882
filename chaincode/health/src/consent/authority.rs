//! Who acts for a patient: delegations signed by the patient, guardians and proxies registered by two officers.
//!
//! A guardian counts only while `wards~P` lists them, and two organisations guard that key from enrolment on: one organisation alone, whatever
//! code it runs, makes nobody a guardian. A delegation carries the patient's signature, which a release checks again.

use super::filing::{salt_of, write_epoch};
use super::guardians::is_listed;
use super::held::{Granted, Slot};
use crate::caller::Caller;
use crate::intent::{acted, check_act, check_nonce, proves, scope};
use crate::state::{Collection, done, registered, tx_id};
use careledger_api::consortium::Consortium;
use careledger_api::contracts::consent::{Assent, Delegation, DelegationEnd, Power, Relation};
use careledger_api::date::Period;
use careledger_api::event::EventKind;
use careledger_api::ids::{ActId, AuthorityId, ConsentId, PatientId, Salt, TxId};
use careledger_api::intent::{Intent, IntentScope, SignedIntent};
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The value of `auth~P~A`.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredAuthority {
    pub(crate) id: AuthorityId,
    pub(crate) holder: PatientId,
    pub(crate) relation: Relation,
    pub(crate) powers: BTreeSet<Power>,
    pub(crate) period: Period,
    pub(crate) given: Given,
    pub(crate) tx: TxId,
    pub(crate) salt: Salt,
}

/// What an authority rests on.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Given {
    /// The patient's signature.
    Patient {
        delegation: Delegation,
        intent: Box<SignedIntent>,
    },
    /// An official act.
    Officers(ActId),
}

/// The authority under which a consent was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Under {
    pub(crate) authority: AuthorityId,
    pub(crate) relation: Relation,
    /// When the authority ends by itself, and with it the consent.
    pub(crate) until: i64,
}

/// The value of `authrev~P~A`.
#[derive(Serialize, Deserialize)]
struct AuthorityEnd {
    tx: TxId,
    at: i64,
    /// The official act that ended it; none where the patient did.
    act: Option<ActId>,
    salt: Salt,
}

/// The value of `assent~P~C`.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredAssent {
    pub(super) assent: Assent,
    intent: SignedIntent,
    tx: TxId,
}

/// The value of `again~T`: an act that was carried once more, when what it does had been done.
#[derive(Serialize, Deserialize)]
struct Again {
    salt: Salt,
}

pub(super) fn authorities_of(patient: &PatientId) -> String {
    format!("auth~{patient}~")
}

pub(super) fn authority_key(patient: &PatientId, id: &AuthorityId) -> String {
    format!("{}{id}", authorities_of(patient))
}

pub(super) fn authority_end_key(patient: &PatientId, id: &AuthorityId) -> String {
    format!("authrev~{patient}~{id}")
}

pub(super) fn assent_key(patient: &PatientId, consent: &ConsentId) -> String {
    format!("assent~{patient}~{consent}")
}

pub(super) fn delegate(
    ctx: &Context<'_>,
    custodian: &str,
    delegation: Delegation,
    intent: SignedIntent,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require_member(&consortium)?;
    let care = Collection::care(&consortium, custodian)?;
    delegation.validate()?;
    let (id, patient) = (delegation.id, delegation.patient);
    // With the patient's own key: who holds an authority passes none on.
    check_act(ctx, &consortium, &care, custodian, &patient, &intent)?;
    check_nonce(&intent, id.nonce())?;
    if delegation.period.until <= ctx.timestamp().seconds {
        return Err(HealthError::Expired("the delegation's period is over".into()));
    }
    let stored = StoredAuthority {
        id,
        holder: delegation.delegate,
        relation: Relation::Delegate,
        powers: delegation.powers.clone(),
        period: delegation.period,
        salt: delegation.salt,
        tx: tx_id(ctx)?,
        given: Given::Patient {
            delegation,
            intent: Box::new(intent),
        },
    };
    if !care.write_once(ctx, &authority_key(&patient, &id), &stored)? {
        return Err(HealthError::Replayed("this authority was given before".into()));
    }
    done(ctx, EventKind::Consent, Some(&care))
}

pub(super) fn undelegate(
    ctx: &Context<'_>,
    custodian: &str,
    end: DelegationEnd,
    intent: SignedIntent,
) -> Result<Receipt, HealthError> {
    let care = acted(ctx, custodian, &end.patient, &intent, &end.salt)?;
    let stored: Option<StoredAuthority> = care.get(ctx, &authority_key(&end.patient, &end.authority))?;
    if stored.ok_or(HealthError::NotFound)?.relation != Relation::Delegate {
        return Err(HealthError::Forbidden(
            "a guardian or proxy is dismissed by two officers".into(),
        ));
    }
    if end_authority(ctx, &care, &end.patient, &end.authority, None, &end.salt)? {
        write_epoch(ctx, &care, &end.patient, &end.salt)?;
    } else {
        write_again(ctx, &care, &end.salt)?;
    }
    done(ctx, EventKind::Consent, Some(&care))
}

pub(super) fn assent(
    ctx: &Context<'_>,
    custodian: &str,
    assent: Assent,
    intent: SignedIntent,
) -> Result<Receipt, HealthError> {
    let care = acted(ctx, custodian, &assent.patient, &intent, &assent.salt)?;
    let slot = Slot::read(ctx, &care, &assent.patient, &assent.consent)?;
    let given = slot.granted.ok_or(HealthError::NotFound)?;
    if !given.under.is_some_and(|under| under.relation.of_a_minor()) {
        return Err(HealthError::ConflictState(
            "only a consent that a parent or guardian gave takes a minor's assent".into(),
        ));
    }
    let key = assent_key(&assent.patient, &assent.consent);
    let stored = StoredAssent {
        assent,
        intent,
        tx: tx_id(ctx)?,
    };
    if !care.write_once(ctx, &key, &stored)? {
        return Err(HealthError::ConflictState(
            "the minor has spoken about this consent".into(),
        ));
    }
    done(ctx, EventKind::Consent, Some(&care))
}

/// An authority over a patient that was not ended; `None` if there is none of this id, it was ended, or it is a guardianship that `wards~P` does not list.
pub(crate) fn standing(
    ctx: &ReadContext<'_>,
    care: &Collection,
    patient: &PatientId,
    id: &AuthorityId,
) -> Result<Option<StoredAuthority>, HealthError> {
    let stored: Option<StoredAuthority> = care.get(ctx, &authority_key(patient, id))?;
    let ended = care.exists(ctx, &authority_end_key(patient, id))?;
    let Some(stored) = stored.filter(|stored| !ended && stored.id == *id) else {
        return Ok(None);
    };
    let listed = match stored.given {
        Given::Patient { .. } => stored.relation == Relation::Delegate,
        Given::Officers(_) => is_listed(ctx, care, patient, id)?,
    };
    Ok(listed.then_some(stored))
}

impl StoredAuthority {
    /// `FORBIDDEN` unless the authority gives each of these powers at this time. Its holder's signature was checked: this tells nobody else anything.
    pub(crate) fn require(&self, powers: &[Power], at: i64) -> Result<Under, HealthError> {
        if powers.iter().all(|power| self.powers.contains(power)) && self.period.contains(at) {
            Ok(self.under())
        } else {
            Err(HealthError::Forbidden(
                "the authority does not give this power now".into(),
            ))
        }
    }

    fn under(&self) -> Under {
        Under {
            authority: self.id,
            relation: self.relation,
            until: self.period.until,
        }
    }
}

/// Whether a stored consent is what the patient, or who then held an authority that still stands, signed.
pub(super) fn proves_grant(
    ctx: &ReadContext<'_>,
    consortium: &Consortium,
    care: &Collection,
    custodian: &str,
    patient: &PatientId,
    granted: &Granted,
) -> Result<bool, HealthError> {
    let act = &granted.intent.intent;
    if act.patient != *patient || act.authority != granted.under.as_ref().map(|u| u.authority) {
        return Ok(false);
    }
    let Some((signer, under)) = proven_signer(ctx, consortium, care, custodian, act, Power::Grant)? else {
        return Ok(false);
    };
    if under != granted.under {
        return Ok(false);
    }
    let (function, input, value) = granted.signed_input()?;
    proves(
        ctx,
        care,
        &of(ctx, consortium, function),
        custodian,
        &signer,
        (input, &value),
        &granted.intent,
    )
}

/// Whose key an act must be signed with: the patient's, or that of the holder of an authority that still stands, gave this power during the act's time,
/// and was itself signed by the patient where a patient gives it. `None` if there is no such authority.
pub(super) fn proven_signer(
    ctx: &ReadContext<'_>,
    consortium: &Consortium,
    care: &Collection,
    custodian: &str,
    act: &Intent,
    power: Power,
) -> Result<Option<(PatientId, Option<Under>)>, HealthError> {
    let patient = &act.patient;
    let Some(id) = &act.authority else {
        return Ok(Some((*patient, None)));
    };
    let Some(authority) = standing(ctx, care, patient, id)? else {
        return Ok(None);
    };
    let overlap = act.period.from < authority.period.until && authority.period.from < act.period.until;
    if !overlap || !authority.powers.contains(&power) {
        return Ok(None);
    }
    if let Given::Patient { delegation, intent } = &authority.given {
        let theirs = delegation.patient == *patient
            && delegation.id == *id
            && delegation.delegate == authority.holder
            && delegation.powers == authority.powers
            && delegation.period == authority.period
            && intent.intent.authority.is_none();
        let (scope, input) = (of(ctx, consortium, "delegate"), ("delegation", delegation));
        if !theirs || !proves(ctx, care, &scope, custodian, patient, input, intent)? {
            return Ok(None);
        }
    }
    Ok(Some((authority.holder, Some(authority.under()))))
}

fn of(ctx: &ReadContext<'_>, consortium: &Consortium, function: &str) -> IntentScope {
    IntentScope {
        contract: "consent".to_owned(),
        function: function.to_owned(),
        ..scope(ctx, consortium)
    }
}

/// False if it was ended before.
pub(super) fn end_authority(
    ctx: &Context<'_>,
    care: &Collection,
    patient: &PatientId,
    id: &AuthorityId,
    act: Option<ActId>,
    salt: &Salt,
) -> Result<bool, HealthError> {
    let end = AuthorityEnd {
        tx: tx_id(ctx)?,
        at: ctx.timestamp().seconds,
        act,
        salt: salt_of(salt, "authority-end", id.as_bytes()),
    };
    care.write_once(ctx, &authority_end_key(patient, id), &end)
}

/// What an act writes whose work was done before, since a transaction must write something: nothing that anybody reads.
pub(super) fn write_again(ctx: &Context<'_>, care: &Collection, salt: &Salt) -> Result<(), HealthError> {
    let tx = tx_id(ctx)?;
    let salt = salt_of(salt, "again", tx.as_str().as_bytes());
    care.put(ctx, &format!("again~{tx}"), &Again { salt })
}
