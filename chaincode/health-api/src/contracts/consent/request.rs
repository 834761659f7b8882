//! Asking a patient for a consent, and the patient's answer.

use crate::HealthError;
use crate::codes::{Category, Purpose};
use crate::contracts::consent::{Consent, Requester};
use crate::date::Period;
use crate::ids::{ConsentId, Hash, PatientId, RequestId, Salt, TxId};
use serde::{Deserialize, Serialize};

/// Requests of one organisation that may be open to one patient at a time.
pub const OPEN_REQUESTS: usize = 8;
/// Longest time a request is open, in seconds: 30 days.
pub const MAX_REQUEST_SECONDS: i64 = 30 * 86_400;

/// Asks a patient for a consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentRequest {
    /// Drawn by the requester.
    pub id: RequestId,
    /// Who is asked.
    pub patient: PatientId,
    /// What for: 1 to 8.
    pub purposes: Vec<Purpose>,
    /// Which categories: at least one, each once.
    pub categories: Vec<Category>,
    /// When the consent is to hold.
    pub period: Period,
    /// Until when the request is open, seconds since 1970; at most [`MAX_REQUEST_SECONDS`] ahead.
    pub open_until: i64,
    /// Salted hash of the note that the requester hands to the patient by another way.
    pub note: Hash,
    /// Salts the private value.
    pub salt: Salt,
}

impl ConsentRequest {
    /// Checks numbers and times against the transaction's time `at`. `INVALID_CODE`, or `LIMIT` if it were open too long.
    pub fn validate(&self, at: i64) -> Result<(), HealthError> {
        self.salt.require_drawn()?;
        let once = |mut codes: Vec<&str>| {
            let all = codes.len();
            codes.sort_unstable();
            codes.dedup();
            (1..=all).contains(&codes.len()) && codes.len() == all
        };
        if !once(self.purposes.iter().map(|p| p.as_str()).collect())
            || !once(self.categories.iter().map(|c| c.as_str()).collect())
        {
            return Err(HealthError::InvalidCode(
                "a request names purposes and categories, at least one of each and each once".into(),
            ));
        }
        if self.purposes.contains(&Purpose::BreakTheGlass) {
            return Err(HealthError::InvalidCode("break-glass is not asked for".into()));
        }
        if self.period.until <= self.period.from || self.period.until <= at {
            return Err(HealthError::InvalidCode(
                "the period asked for ends after it begins, and in the future".into(),
            ));
        }
        match self.open_until.checked_sub(at) {
            Some(left) if (1..=MAX_REQUEST_SECONDS).contains(&left) => Ok(()),
            _ => Err(HealthError::Limit(
                "a request is open for at most 30 days from now".into(),
            )),
        }
    }
}

/// Takes a request back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestWithdrawal {
    /// Which.
    pub request: RequestId,
    /// Who was asked.
    pub patient: PatientId,
    /// Salts the private value.
    pub salt: Salt,
}

/// A patient's answer to a request: the intent's nonce is the request's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// Which request.
    pub request: RequestId,
    /// Who answers.
    pub patient: PatientId,
    /// The consent that accepts it, which may be narrower or wider than what was asked; none denies it.
    pub consent: Option<Consent>,
    /// Salts the private value.
    pub salt: Salt,
}

crate::codes::code_enum! {
    /// Where a request stands.
    RequestState {
        /// It waits for the patient.
        Open = "open",
        /// The patient granted a consent on it.
        Accepted = "accepted",
        /// The patient declined. Only the patient sees this.
        Denied = "denied",
        /// The requester took it back.
        Withdrawn = "withdrawn",
        /// Its time is over.
        Expired = "expired",
    }
}

/// A request as the patient sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestView {
    /// What is asked.
    pub request: ConsentRequest,
    /// By whom.
    pub requester: Requester,
    /// When, seconds since 1970.
    pub at: i64,
    /// The transaction.
    pub tx: TxId,
    /// Where it stands.
    pub state: RequestState,
    /// The consent that accepted it.
    pub consent: Option<ConsentId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_bounded() {
        let good = ConsentRequest {
            id: RequestId::from_bytes([1; 16]),
            patient: PatientId::from_bytes([1; 32]),
            purposes: vec![Purpose::Treatment],
            categories: vec![Category::Laboratory],
            period: Period {
                from: 0,
                until: 1_000,
            },
            open_until: 500,
            note: Hash::from_bytes([2; 32]),
            salt: Salt::from_bytes([3; 32]),
        };
        assert_eq!(good.validate(100), Ok(()));
        for spoil in [
            |r: &mut ConsentRequest| r.purposes.clear(),
            |r: &mut ConsentRequest| r.purposes.push(Purpose::Treatment),
            |r: &mut ConsentRequest| r.purposes.push(Purpose::BreakTheGlass),
            |r: &mut ConsentRequest| r.categories.clear(),
            |r: &mut ConsentRequest| r.categories.push(Category::Laboratory),
            |r: &mut ConsentRequest| r.period.until = 0,
            |r: &mut ConsentRequest| r.period.until = 100,
            |r: &mut ConsentRequest| r.open_until = 100,
            |r: &mut ConsentRequest| r.open_until = i64::MIN,
            |r: &mut ConsentRequest| r.open_until = 101 + MAX_REQUEST_SECONDS,
            |r: &mut ConsentRequest| r.salt = Salt::from_bytes([0; 32]),
        ] {
            let mut bad = good.clone();
            spoil(&mut bad);
            assert!(bad.validate(100).is_err(), "{bad:?}");
        }
    }
}
