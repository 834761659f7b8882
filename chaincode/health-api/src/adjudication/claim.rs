//! What a provider claims.

use super::{MAX_AMOUNT, Site};
use crate::HealthError;
use crate::date::Date;
use crate::hashing::canonical;
use crate::ids::{AuthorisationId, ClaimId, CoverageId, DocumentId};
use serde::{Deserialize, Serialize};

/// Most lines of a claim.
pub const MAX_LINES: usize = 50;
/// Most diagnoses of a claim.
pub const MAX_DIAGNOSES: usize = 12;
/// Most modifiers of a line.
pub const MAX_MODIFIERS: usize = 4;
/// Most documents of a line.
pub const MAX_DOCUMENTS: usize = 16;

crate::codes::code_enum! {
    /// Of which kind a claim is (FHIR claim-type).
    #[derive(Default)]
    ClaimKind {
        /// Of a physician or another professional.
        #[default]
        Professional = "professional",
        /// Of a hospital or another institution.
        Institutional = "institutional",
        /// Of a pharmacy.
        Pharmacy = "pharmacy",
        /// For eyes.
        Vision = "vision",
        /// For teeth.
        Oral = "oral",
    }
}

crate::codes::code_enum! {
    /// What a claim is to those before it (X12 837, claim frequency).
    #[derive(Default)]
    Frequency {
        /// The first.
        #[default]
        Original = "1",
        /// It stands in the place of another.
        Replacement = "7",
        /// It takes another back.
        Void = "8",
    }
}

/// A claim of a provider to a payer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The claim.
    pub id: ClaimId,
    /// The member's coverage.
    pub coverage: CoverageId,
    /// National Provider Identifier of the billing provider, 10 digits.
    pub provider_npi: String,
    /// ISO 4217.
    pub currency: String,
    /// 1 to [`MAX_LINES`] lines, all of one calendar year.
    pub lines: Vec<ClaimLine>,
    /// Sum of the lines' charges.
    pub total: i64,
    /// Its kind; professional unless said.
    #[serde(default, skip_serializing_if = "ClaimKind::is_default")]
    pub kind: ClaimKind,
    /// Whether it is the first; a replacement and a void name the one they are for.
    #[serde(default, skip_serializing_if = "Frequency::is_default")]
    pub frequency: Frequency,
    /// The claim that this one replaces or voids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<ClaimId>,
    /// ICD-10-CM codes, at most [`MAX_DIAGNOSES`], each once; lines point at them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnoses: Vec<String>,
}

/// A line of a claim: one procedure on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimLine {
    /// From 1, each once.
    pub sequence: u16,
    /// Procedure code: 1 to 16 upper-case letters, digits or `-`.
    pub procedure: String,
    /// Day of service.
    pub date: Date,
    /// 1 to 999.
    pub units: u32,
    /// For all units, in minor units of the currency.
    pub charge: i64,
    /// Two upper-case letters or digits each, at most [`MAX_MODIFIERS`], each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modifiers: Vec<String>,
    /// Two digits that say where (place of service).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Where on the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Site>,
    /// Positions in the claim's diagnoses, from 1, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnoses: Vec<u8>,
    /// NPI of who did it, if that is not the billing provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rendering_npi: Option<String>,
    /// The payer's authorisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorisation: Option<AuthorisationId>,
    /// What the payer before this one made of the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_payer: Option<OtherPayer>,
    /// Documents of the ledger that show it, at most [`MAX_DOCUMENTS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<DocumentId>,
}

/// What another payer paid for a line before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherPayer {
    /// In minor units; at most the line's charge.
    pub paid: i64,
}

impl Claim {
    /// A first professional claim with the sum of the lines' charges as its total.
    pub fn new(
        id: ClaimId,
        coverage: CoverageId,
        provider_npi: impl Into<String>,
        currency: &str,
        lines: Vec<ClaimLine>,
    ) -> Self {
        Self {
            id,
            coverage,
            provider_npi: provider_npi.into(),
            currency: currency.to_owned(),
            total: lines.iter().fold(0, |sum, line| sum.saturating_add(line.charge)),
            lines,
            kind: ClaimKind::Professional,
            frequency: Frequency::Original,
            replaces: None,
            diagnoses: Vec::new(),
        }
    }

    /// For each line what makes it the same service as another claim's: coverage, procedure, modifiers, day, who did it (the performer, whoever
    /// bills for it) and where on the body, canonical. A payer pays it once. Of a line that does not say where it is what it was before lines could.
    pub fn services(&self) -> Result<Vec<Vec<u8>>, HealthError> {
        let service = |line: &ClaimLine| {
            let service = (
                &self.coverage,
                self.performer(line),
                &line.procedure,
                &line.sorted_modifiers(),
                &line.date,
            );
            match &line.site {
                None => canonical(&service),
                Some(site) => canonical(&(service, site)),
            }
        };
        self.lines.iter().map(service).collect()
    }

    /// The calendar year of the services; `INVALID_CODE` without lines.
    pub fn year(&self) -> Result<u16, HealthError> {
        let first = self.lines.first().map(|line| line.date.year());
        first.ok_or_else(|| HealthError::InvalidCode("a claim has at least one line".into()))
    }

    /// Who did what a line is for: its rendering provider, else the billing one.
    pub fn performer<'a>(&'a self, line: &'a ClaimLine) -> &'a str {
        line.rendering_npi.as_deref().unwrap_or(&self.provider_npi)
    }
}

impl ClaimLine {
    /// A line without anything that may be left out.
    pub fn new(sequence: u16, procedure: &str, date: Date, units: u32, charge: i64) -> Self {
        Self {
            sequence,
            procedure: procedure.to_owned(),
            date,
            units,
            charge,
            modifiers: Vec::new(),
            place: None,
            site: None,
            diagnoses: Vec::new(),
            rendering_npi: None,
            authorisation: None,
            other_payer: None,
            documents: Vec::new(),
        }
    }

    /// The modifiers in order: their order on a claim says nothing here.
    pub fn sorted_modifiers(&self) -> Vec<&str> {
        let mut sorted: Vec<&str> = self.modifiers.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        sorted
    }

    /// What other payers paid, within the charge.
    pub(super) fn paid_elsewhere(&self) -> i64 {
        self.other_payer
            .map_or(0, |other| other.paid.clamp(0, MAX_AMOUNT))
    }
}

impl ClaimKind {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Frequency {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
