//! Who acts for a patient: delegates the patient chose, guardians and proxies that two officers registered.

use crate::HealthError;
use crate::contracts::consent::{MAX_CONSENT_SECONDS, Taken};
use crate::date::{Date, Period};
use crate::ids::{ActId, AuthorityId, ConsentId, Hash, PatientId, Salt, TxId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Guardians and proxies that a patient may have at one time at one custodian.
pub const MAX_GUARDIANS: usize = 8;
/// Age at which a guardian of a minor loses the authority, in years.
pub const MAJORITY_YEARS: i64 = 18;
/// How long an official act waits for its second officer, in seconds: 30 days.
pub const OFFICIAL_ACT_SECONDS: i64 = 30 * 86_400;

crate::codes::code_enum! {
    /// What the holder of an authority may do in the patient's name.
    Power {
        /// See the access requests put to the patient, and answer them; an answer that grants needs `grant` as well.
        Request = "request",
        /// Grant consents.
        Grant = "grant",
        /// Take consents back. Amending one needs `grant` as well.
        Revoke = "revoke",
        /// See the patient's consents, authorities and log.
        View = "view",
    }
}

crate::codes::code_enum! {
    /// How the holder of an authority stands to the patient (v3-RoleCode).
    Relation {
        /// Chosen by the patient.
        Delegate = "DELEGATEE",
        /// Parent of a minor.
        Parent = "PRN",
        /// Guardian.
        Guardian = "GUARD",
        /// Holds a power of attorney for health care.
        HealthCareProxy = "HPOWATT",
        /// Holds a durable power of attorney.
        DurableProxy = "DPOWATT",
        /// Executor of a dead patient's estate, or another personal representative.
        Executor = "EXCEST",
    }
}

impl Relation {
    /// Whether the patient is a minor, so that the authority ends at majority and labels of [`Policy::minor_only`] stay the minor's own.
    ///
    /// [`Policy::minor_only`]: crate::consortium::Policy::minor_only
    pub fn of_a_minor(self) -> bool {
        matches!(self, Self::Parent | Self::Guardian)
    }
}

/// A patient lets another patient of the same custodian act in their name. Signed by the patient alone: who holds an authority passes none on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegation {
    /// Drawn by the wallet; also the intent's nonce.
    pub id: AuthorityId,
    /// Whose name.
    pub patient: PatientId,
    /// Who may act, by the id at the same custodian.
    pub delegate: PatientId,
    /// Doing what.
    pub powers: BTreeSet<Power>,
    /// When; at most ten years. What is granted under it ends with it.
    pub period: Period,
    /// Salts the private value.
    pub salt: Salt,
}

impl Delegation {
    /// `INVALID_CODE` for no power, a delegate who is the patient, or a period that ends before it begins; `LIMIT` above ten years.
    pub fn validate(&self) -> Result<(), HealthError> {
        self.salt.require_drawn()?;
        let invalid = |reason: &str| Err(HealthError::InvalidCode(reason.to_owned()));
        if self.powers.is_empty() {
            return invalid("a delegation names at least one power");
        }
        if self.delegate == self.patient {
            return invalid("a delegate is another person than the patient");
        }
        match self.period.until.checked_sub(self.period.from) {
            Some(length) if (1..=MAX_CONSENT_SECONDS).contains(&length) => Ok(()),
            Some(length) if length > 0 => Err(HealthError::Limit(
                "a delegation holds for at most ten years".into(),
            )),
            _ => invalid("a delegation ends after it begins"),
        }
    }
}

/// Ends a delegation. What was granted under it lapses at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DelegationEnd {
    /// Whose.
    pub patient: PatientId,
    /// Which.
    pub authority: AuthorityId,
    /// Salts the private value.
    pub salt: Salt,
}

/// What a minor says, with a key of their own, about a consent that a guardian gave. Kept beside the consent; it opens and closes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assent {
    /// The minor.
    pub patient: PatientId,
    /// The consent, given under guardianship.
    pub consent: ConsentId,
    /// Whether the minor agrees.
    pub assents: bool,
    /// Salts the private value.
    pub salt: Salt,
}

/// A guardian, proxy or executor to be registered. An executor is registered after the patient's death, all others before.
///
/// The patient's own device key acts beside it at any age. A custodian that enrols an infant therefore lets its registrar draw the first key and destroy it;
/// the minor gets a key of their own when the custodian finds that they may act themself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guardianship {
    /// Drawn by the officer who proposes it.
    pub authority: AuthorityId,
    /// Who may act, by the id at the same custodian, where they are enrolled.
    pub holder: PatientId,
    /// As what; not as a delegate.
    pub relation: Relation,
    /// From the beginning of this day (UTC).
    pub from: Date,
    /// To the beginning of this day (UTC): of a minor the 18th birthday, or the day an order ends before.
    pub until: Date,
}

impl Guardianship {
    /// The period in seconds.
    pub fn period(&self) -> Period {
        Period {
            from: self.from.first_second(),
            until: self.until.first_second(),
        }
    }

    /// `INVALID_CODE` for a delegate, or a period that ends before it begins; `LIMIT` for a minor's above 18 years.
    pub fn validate(&self) -> Result<(), HealthError> {
        if self.relation == Relation::Delegate {
            return Err(HealthError::InvalidCode(
                "a delegate is chosen by the patient, not registered by officers".into(),
            ));
        }
        if self.until <= self.from {
            return Err(HealthError::InvalidCode(
                "a guardianship ends after it begins".into(),
            ));
        }
        // Eighteen years have at most five leap days.
        let days = self.until.days() - self.from.days();
        if self.relation.of_a_minor() && days > MAJORITY_YEARS * 365 + 5 {
            return Err(HealthError::Limit(
                "a minor's guardianship ends on the 18th birthday at the latest".into(),
            ));
        }
        Ok(())
    }
}

/// What two officers of different organisations do to a patient's affairs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Take consents back, by a court's order or for the patient's protection.
    Revoke(Taken),
    /// Register a guardian, proxy or executor.
    Appoint(Guardianship),
    /// End an authority.
    Dismiss(AuthorityId),
    /// Register the patient's death on this day: the patient's keys, delegates, guardians and proxies act no more, and an executor may be registered.
    /// What was consented to stays, until it ends or an executor takes it back.
    RegisterDeath(Date),
    /// Take back a death that was registered by mistake: everything is as before, and an executor acts no more.
    CorrectDeath,
}

/// An official act: proposed by an officer of one organisation, in force once an officer of another confirms it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfficialAct {
    /// Drawn by the proposing officer.
    pub id: ActId,
    /// Whose affairs.
    pub patient: PatientId,
    /// What is to be done.
    pub measure: Measure,
    /// Salted hash of the order, deed or form it rests on.
    pub basis: Hash,
    /// Salts the private value.
    pub salt: Salt,
}

impl OfficialAct {
    /// Checks the measure.
    pub fn validate(&self) -> Result<(), HealthError> {
        self.salt.require_drawn()?;
        match &self.measure {
            Measure::Revoke(taken) => taken.validate(),
            Measure::Appoint(guardianship) if guardianship.holder == self.patient => Err(
                HealthError::InvalidCode("a guardian is another person than the patient".into()),
            ),
            Measure::Appoint(guardianship) => guardianship.validate(),
            Measure::Dismiss(_) | Measure::RegisterDeath(_) | Measure::CorrectDeath => Ok(()),
        }
    }
}

/// The second officer's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// The official act.
    pub act: ActId,
    /// Salts the private value.
    pub salt: Salt,
}

/// An official act that waits for its second officer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenAct {
    /// The act.
    pub act: OfficialAct,
    /// MSP id of the proposing officer's organisation.
    pub organisation: String,
    /// When, seconds since 1970.
    pub at: i64,
}

/// An authority over a patient, as the patient sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorityView {
    /// Its id.
    pub id: AuthorityId,
    /// Who holds it, by the id at this custodian.
    pub holder: PatientId,
    /// As what.
    pub relation: Relation,
    /// Doing what.
    pub powers: BTreeSet<Power>,
    /// When.
    pub period: Period,
    /// The official act that registered it; none for a delegation.
    pub act: Option<ActId>,
    /// The transaction that made it.
    pub tx: TxId,
    /// Whether it was ended before its time.
    pub ended: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guardianship(relation: Relation, from: &str, until: &str) -> Guardianship {
        Guardianship {
            authority: AuthorityId::from_bytes([1; 16]),
            holder: PatientId::from_bytes([2; 32]),
            relation,
            from: from.parse().unwrap(),
            until: until.parse().unwrap(),
        }
    }

    #[test]
    fn a_minors_guardianship_ends_at_majority() {
        use Relation::{Delegate, HealthCareProxy, Parent};
        let from_birth = guardianship(Parent, "2010-02-28", "2028-02-28");
        assert_eq!(from_birth.validate(), Ok(()));
        assert_eq!(from_birth.period().until, 1_835_308_800);
        for (relation, from, until) in [
            (Parent, "2010-02-28", "2028-03-02"),
            (Parent, "2010-02-28", "2010-02-28"),
            (Delegate, "2026-01-01", "2027-01-01"),
        ] {
            assert!(guardianship(relation, from, until).validate().is_err(), "{from}");
        }
        assert!(
            guardianship(HealthCareProxy, "2026-01-01", "2060-01-01")
                .validate()
                .is_ok()
        );
    }

    #[test]
    fn a_delegation_names_another_person_a_power_and_an_end() {
        let good = Delegation {
            id: AuthorityId::from_bytes([1; 16]),
            patient: PatientId::from_bytes([1; 32]),
            delegate: PatientId::from_bytes([2; 32]),
            powers: [Power::View].into(),
            period: Period { from: 0, until: 10 },
            salt: Salt::from_bytes([3; 32]),
        };
        assert_eq!(good.validate(), Ok(()));
        for spoil in [
            |d: &mut Delegation| d.powers.clear(),
            |d: &mut Delegation| d.delegate = d.patient,
            |d: &mut Delegation| d.period.until = 0,
            |d: &mut Delegation| d.period.until = MAX_CONSENT_SECONDS + 1,
            |d: &mut Delegation| {
                d.period = Period {
                    from: i64::MIN,
                    until: i64::MAX,
                }
            },
            |d: &mut Delegation| d.salt = Salt::from_bytes([0; 32]),
        ] {
            let mut bad = good.clone();
            spoil(&mut bad);
            assert!(bad.validate().is_err(), "{bad:?}");
        }
    }
}
