//! The credential contract.

use crate::caller::Caller;
use crate::state::{Collection, done, registered, tx_id};
use careledger_api::adjudication::npi_is_valid;
use careledger_api::consortium::{Consortium, OrganisationRole};
use careledger_api::contracts::credential::{
    Credential, CredentialDetails, CredentialStatus, Credentials, MAX_CREDENTIAL_SECONDS, MAX_CREDENTIALS,
    NewCredential, Renewal, Standing, StandingQuery,
};
use careledger_api::date::Period;
use careledger_api::event::EventKind;
use careledger_api::hashing::keyed_hash;
use careledger_api::ids::{Hash, PersonId, Salt};
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use std::collections::BTreeSet;
use std::fmt::Display;

pub(crate) struct CredentialRules;

/// Whether a person of an organisation holds a credential that counts at a time. The key is public and read by its own name, so a suspension earlier
/// in the block makes the transaction invalid.
pub(crate) fn is_active(
    ctx: &ReadContext<'_>,
    person: &str,
    organisation: &str,
    at: i64,
) -> Result<bool, HealthError> {
    let found: Option<Credential> = ctx.get_json(&credential_key(organisation, &person))?;
    Ok(found.is_some_and(|credential| credential.is_active(at)))
}

/// `FORBIDDEN` unless a person of an organisation holds a credential that counts at a time.
pub(crate) fn require_active(
    ctx: &ReadContext<'_>,
    person: &str,
    organisation: &str,
    at: i64,
) -> Result<(), HealthError> {
    if is_active(ctx, person, organisation, at)? {
        Ok(())
    } else {
        Err(HealthError::Forbidden(
            "the caller needs a credential that is neither suspended, revoked nor over; its organisation's issuer gives it".into(),
        ))
    }
}

impl Credentials for CredentialRules {
    fn issue(&self, ctx: &Context<'_>, credentials: Vec<NewCredential>) -> Result<Receipt, HealthError> {
        let consortium = registered(ctx)?.consortium;
        let caller = Caller::of(ctx)?;
        caller.require_role(&consortium, &[Role::Issuer])?;
        let people: BTreeSet<PersonId> = credentials.iter().map(|c| c.person).collect();
        if !(1..=MAX_CREDENTIALS).contains(&credentials.len()) || people.len() != credentials.len() {
            return Err(HealthError::Limit(
                "1 to 64 credentials are issued at a time, each person's once".into(),
            ));
        }
        let tx = tx_id(ctx)?;
        for new in credentials {
            check_period(&new.period)?;
            let key = credential_key(&caller.organisation, &new.person);
            if ctx.get_state(&key)?.is_some() {
                return Err(HealthError::Duplicate(
                    "the person has a credential of this organisation; renew it".into(),
                ));
            }
            let credential = Credential {
                person: new.person,
                organisation: caller.organisation.clone(),
                kind: new.kind,
                status: CredentialStatus::Active,
                suspended_by: BTreeSet::new(),
                period: new.period,
                commitment: new.commitment,
                tx: tx.clone(),
            };
            ctx.put_json(&key, &credential)?;
        }
        done(ctx, EventKind::Credential, None)
    }

    fn renew(&self, ctx: &Context<'_>, renewal: Renewal) -> Result<Receipt, HealthError> {
        let consortium = registered(ctx)?.consortium;
        let caller = Caller::of(ctx)?;
        caller.require_role(&consortium, &[Role::Issuer])?;
        check_period(&renewal.period)?;
        let current = credential(ctx, &caller.organisation, &renewal.person)?;
        if current.status != CredentialStatus::Active {
            return Err(HealthError::ConflictState(
                "a suspended or revoked credential is not renewed; a suspended one is reinstated first"
                    .into(),
            ));
        }
        write(
            ctx,
            Credential {
                period: renewal.period,
                commitment: renewal.commitment,
                ..current
            },
        )
    }

    fn suspend(
        &self,
        ctx: &Context<'_>,
        organisation: String,
        person: PersonId,
    ) -> Result<Receipt, HealthError> {
        let (by, mut current) = overseen(ctx, &organisation, &person)?;
        current.suspended_by.insert(by.organisation);
        current.status = CredentialStatus::Suspended;
        write(ctx, current)
    }

    fn reinstate(
        &self,
        ctx: &Context<'_>,
        organisation: String,
        person: PersonId,
    ) -> Result<Receipt, HealthError> {
        let (by, mut current) = overseen(ctx, &organisation, &person)?;
        if by.regulator {
            current.suspended_by.clear();
        } else {
            current.suspended_by.remove(&by.organisation);
        }
        if !current.suspended_by.is_empty() {
            return Err(HealthError::SodViolation(
                "a regulator suspended this credential; only a regulator reinstates it".into(),
            ));
        }
        current.status = CredentialStatus::Active;
        write(ctx, current)
    }

    fn revoke(
        &self,
        ctx: &Context<'_>,
        organisation: String,
        person: PersonId,
    ) -> Result<Receipt, HealthError> {
        let (_, mut current) = overseen(ctx, &organisation, &person)?;
        current.status = CredentialStatus::Revoked;
        write(ctx, current)
    }

    fn file(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        details: Vec<CredentialDetails>,
    ) -> Result<Receipt, HealthError> {
        let consortium = registered(ctx)?.consortium;
        Caller::of(ctx)?.require(&custodian, &[Role::Issuer])?;
        let care = Collection::care(&consortium, &custodian)?;
        if !(1..=MAX_CREDENTIALS).contains(&details.len()) {
            return Err(HealthError::Limit("1 to 64 details are filed at a time".into()));
        }
        let secret = care.secret(ctx)?;
        for one in details {
            one.validate()?;
            let commitment = one.commitment()?;
            if credential(ctx, &custodian, &one.person)?.commitment != commitment {
                return Err(HealthError::InvalidCode(
                    "the public credential commits to other details".into(),
                ));
            }
            // Blindly, so that repeating writes again: the key holds the value's own commitment, so it can only be the same value.
            let key = details_key(&secret, &one.npi, &commitment);
            care.put(ctx, &key, &one)?;
            care.guard(ctx, &key)?;
        }
        done(ctx, EventKind::Credential, Some(&care))
    }

    fn status(
        &self,
        ctx: &ReadContext<'_>,
        organisation: String,
        person: PersonId,
    ) -> Result<Credential, HealthError> {
        credential(ctx, &organisation, &person)
    }

    fn check(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        query: StandingQuery,
    ) -> Result<Vec<Standing>, HealthError> {
        let consortium = registered(ctx)?.consortium;
        let caller = Caller::of(ctx)?;
        if caller
            .require_in(&consortium, OrganisationRole::Regulator, &[Role::Issuer])
            .is_err()
        {
            caller.require(&custodian, &[Role::Issuer, Role::Custodian])?;
        }
        let care = Collection::care(&consortium, &custodian)?;
        if !npi_is_valid(&query.npi) {
            return Err(HealthError::InvalidCode(
                "an NPI has ten digits, begins with 1 or 2 and ends with its check digit".into(),
            ));
        }
        let secret = care.secret(ctx)?;
        let filed: Vec<CredentialDetails> = care.list(ctx, &details_prefix(&secret, &query.npi))?;
        let now = ctx.timestamp().seconds;
        let mut standings = Vec::new();
        for details in filed {
            let credential = credential(ctx, &custodian, &details.person)?;
            if credential.commitment != details.commitment()? {
                continue;
            }
            standings.push(Standing {
                active: credential.is_active(now),
                verified: details.verification.as_ref().is_some_and(|v| v.is_fresh(now)),
                licence_matches: query.licence.as_ref().map(|asked| *asked == details.licence),
                verification: details.verification,
                credential,
            });
        }
        Ok(standings)
    }
}

/// Who suspends, reinstates or revokes.
struct Overseer {
    organisation: String,
    regulator: bool,
}

/// A credential that is not revoked, and the caller, who oversees it: an issuer of its organisation or of a regulator.
fn overseen(
    ctx: &ReadContext<'_>,
    organisation: &str,
    person: &PersonId,
) -> Result<(Overseer, Credential), HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    let regulator = is_regulator(&consortium, &caller)?;
    if !regulator {
        caller.require(organisation, &[Role::Issuer])?;
    }
    let current = credential(ctx, organisation, person)?;
    if current.status == CredentialStatus::Revoked {
        return Err(HealthError::ConflictState(
            "the credential is revoked for ever; the person needs a new certificate".into(),
        ));
    }
    let organisation = caller.organisation;
    Ok((
        Overseer {
            organisation,
            regulator,
        },
        current,
    ))
}

/// Whether an issuer is a regulator's; `FORBIDDEN` if the caller is no issuer.
fn is_regulator(consortium: &Consortium, caller: &Caller) -> Result<bool, HealthError> {
    caller.require_role(consortium, &[Role::Issuer])?;
    Ok(consortium.has_role(&caller.organisation, OrganisationRole::Regulator))
}

fn credential(
    ctx: &ReadContext<'_>,
    organisation: &str,
    person: &PersonId,
) -> Result<Credential, HealthError> {
    ctx.get_json(&credential_key(organisation, person))?
        .ok_or(HealthError::NotFound)
}

fn write(ctx: &Context<'_>, credential: Credential) -> Result<Receipt, HealthError> {
    let credential = Credential {
        tx: tx_id(ctx)?,
        ..credential
    };
    let key = credential_key(&credential.organisation, &credential.person);
    ctx.put_json(&key, &credential)?;
    done(ctx, EventKind::Credential, None)
}

/// Public: under the organisation, so that nobody else can take the place of a person's credential.
fn credential_key(organisation: &str, person: &impl Display) -> String {
    format!("cred~{organisation}~{person}")
}

/// NPIs are public numbers and soon tried out: the key holds them under the collection's secret alone.
fn details_prefix(secret: &Salt, npi: &str) -> String {
    format!("npi~{}~", keyed_hash(secret, "npi", &[npi.as_bytes()]))
}

fn details_key(secret: &Salt, npi: &str, commitment: &Hash) -> String {
    format!("{}{commitment}", details_prefix(secret, npi))
}

fn check_period(period: &Period) -> Result<(), HealthError> {
    let length = period.until.checked_sub(period.from);
    if length.is_some_and(|length| (1..=MAX_CREDENTIAL_SECONDS).contains(&length)) {
        Ok(())
    } else {
        Err(HealthError::InvalidCode(
            "a credential counts for more than nothing and at most three years".into(),
        ))
    }
}
