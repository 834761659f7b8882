//! Bounds of consents and requests, checked before anything is written. They also keep private values within their fixed, padded size.

use crate::HealthError;
use crate::codes::{Code, Purpose};
use crate::contracts::consent::{
    AccessRequest, ActorFilter, BreakGlassRequest, Consent, FullBreakGlassRequest, MAX_BREAK_GLASS_MINUTES,
    MAX_CONSENT_SECONDS, MAX_PROVISIONS, Revocation, SLOTS, Taken,
};
use crate::roles::is_group;

/// Most entries of an optional list of a request.
const MAX_REQUEST_LIST: usize = 8;
/// Most entries of a list of a provision.
const MAX_PROVISION_LIST: usize = 32;

impl Consent {
    /// Checks periods, numbers and texts. `LIMIT` for too much, `INVALID_CODE` for a wrong form, `SALT_MISSING` for a salt of zeros.
    pub fn validate(&self) -> Result<(), HealthError> {
        self.salt.require_drawn()?;
        let length = self.period.until.checked_sub(self.period.from);
        if length.is_none_or(|l| l <= 0) {
            return invalid("a consent ends after it begins");
        }
        if length.is_some_and(|l| l > MAX_CONSENT_SECONDS) {
            return limit("a consent holds for at most ten years");
        }
        self.grounds.validate()?;
        self.limits.validate(self.period.from)?;
        if !self.limits.is_empty() && !self.permits() {
            return invalid("only what a consent permits is limited; a denial holds however often it is met");
        }
        if self.supersedes == Some(self.id) {
            return invalid("a consent takes the place of another one");
        }
        if !(1..=MAX_PROVISIONS).contains(&self.provisions.len()) {
            return limit("a consent has 1 to 32 provisions");
        }
        for provision in &self.provisions {
            let lists = [
                provision.actors.len(),
                provision.purposes.len(),
                provision.actions.len(),
                provision.categories.len(),
                provision.labels.len(),
                provision.codes.len(),
                provision.authored_by.len(),
                provision.documents.len(),
                provision.encounters.len(),
                provision.obligations.len(),
            ];
            if lists.into_iter().any(|l| l > MAX_PROVISION_LIST) {
                return limit("a list of a provision has at most 32 entries");
            }
            if provision.period.is_some_and(|p| p.until <= p.from) {
                return invalid("a provision ends after it begins");
            }
            if provision.data_period.is_some_and(|p| p.until < p.from) {
                return invalid("a data period ends on or after its first day");
            }
            provision.actors.iter().try_for_each(actor)?;
            provision.codes.iter().try_for_each(|filter| code(&filter.code))?;
        }
        Ok(())
    }
}

impl AccessRequest {
    /// Checks numbers and texts, and that break-glass is asked for by its own function.
    pub fn validate(&self) -> Result<(), HealthError> {
        if self.purpose == Purpose::BreakTheGlass {
            return invalid("the purpose BTG is not asked for here; break the glass instead");
        }
        let mut categories = self.categories.clone();
        categories.sort_unstable();
        categories.dedup();
        if categories.is_empty() || categories.len() != self.categories.len() {
            return invalid("a request names at least one category, and each once");
        }
        let lists = [
            self.labels.as_ref().map(Vec::len),
            self.codes.as_ref().map(Vec::len),
            self.documents.as_ref().map(Vec::len),
        ];
        if lists
            .into_iter()
            .flatten()
            .any(|l| !(1..=MAX_REQUEST_LIST).contains(&l))
        {
            return limit("labels, codes and documents of a request are left out or have 1 to 8 entries");
        }
        if self.data_period.is_some_and(|p| p.until < p.from) {
            return invalid("a data period ends on or after its first day");
        }
        if self.authored_by.as_ref().is_some_and(|a| !plain(a, 64)) {
            return invalid("an author is an MSP id");
        }
        self.codes.iter().flatten().try_for_each(code)
    }
}

impl BreakGlassRequest {
    /// Checks window and attestation (the reason is checked when it is read).
    pub fn validate(&self) -> Result<(), HealthError> {
        window(self.minutes, self.attest)
    }
}

impl Code {
    /// `INVALID_CODE` for a system of more than 96 or a code of more than 32 printable ASCII characters, or an empty one.
    pub fn validate(&self) -> Result<(), HealthError> {
        code(self)
    }
}

impl FullBreakGlassRequest {
    /// Checks window and attestation.
    pub fn validate(&self) -> Result<(), HealthError> {
        window(self.minutes, self.attest)
    }
}

impl Taken {
    /// Checks the number of consents named.
    pub fn validate(&self) -> Result<(), HealthError> {
        match self {
            Self::Consents(named) if !(1..=SLOTS).contains(&named.len()) => {
                limit("a revocation names 1 to 12 consents, or takes all back without naming them")
            }
            Self::Consents(_) | Self::All => Ok(()),
        }
    }
}

impl Revocation {
    /// Checks what is taken back.
    pub fn validate(&self) -> Result<(), HealthError> {
        self.salt.require_drawn()?;
        self.taken.validate()
    }
}

fn window(minutes: u16, attest: bool) -> Result<(), HealthError> {
    if !(1..=MAX_BREAK_GLASS_MINUTES).contains(&minutes) {
        return invalid("a glass is broken for 1 to 240 minutes");
    }
    if !attest {
        return invalid("the requester must attest that the reason holds");
    }
    Ok(())
}

/// Printable ASCII without quote and backslash, which JSON would lengthen.
fn plain(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len())
        && text
            .bytes()
            .all(|b| (0x20..0x7f).contains(&b) && b != b'"' && b != b'\\')
}

/// Persons and groups are an organisation's own: another one could put the same name into its certificates.
fn actor(filter: &ActorFilter) -> Result<(), HealthError> {
    if filter.organisation.is_none() && (filter.person.is_some() || filter.group.is_some()) {
        return invalid("an actor that is a person or a group names its organisation as well");
    }
    match &filter.group {
        Some(group) if !is_group(group) => invalid("a group has 1 to 32 letters, digits, -, . or _"),
        _ => Ok(()),
    }
}

fn code(code: &Code) -> Result<(), HealthError> {
    if plain(&code.system, 96) && plain(&code.code, 32) {
        Ok(())
    } else {
        invalid("a code has a system URI of at most 96 and a code of at most 32 printable ASCII characters")
    }
}

fn invalid(reason: &str) -> Result<(), HealthError> {
    Err(HealthError::InvalidCode(reason.to_owned()))
}

fn limit(reason: &str) -> Result<(), HealthError> {
    Err(HealthError::Limit(reason.to_owned()))
}
