//! An adjudication in words: what was paid, what the member owes, and why.

use crate::adjudication::machine::ClaimStatus;
use crate::adjudication::{Adjudication, Claim, Edit};
use crate::date::Date;
use crate::ids::ClaimId;
use serde::{Deserialize, Serialize};

/// An explanation of benefits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplanationOfBenefits {
    /// The claim.
    pub claim: ClaimId,
    /// Where it stands.
    pub status: ClaimStatus,
    /// ISO 4217.
    pub currency: String,
    /// Line by line.
    pub lines: Vec<ExplainedLine>,
    /// What was charged in all, in minor units as all amounts.
    pub charged: i64,
    /// What the payer pays in all.
    pub paid: i64,
    /// What the member owes in all, of covered and of denied lines.
    pub owed: i64,
    /// The last day on which the adjudication is appealed.
    pub appeal_until: Date,
}

/// A line of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainedLine {
    /// The line.
    pub sequence: u16,
    /// Procedure code.
    pub procedure: String,
    /// Day of service.
    pub date: Date,
    /// As submitted.
    pub charge: i64,
    /// By the payer.
    pub paid: i64,
    /// By the member.
    pub owed: i64,
    /// Somebody has to look at it.
    pub pended: bool,
    /// Why the rest is not paid: rule, reason codes, words, what can be done.
    pub why: Vec<Edit>,
}

impl ExplanationOfBenefits {
    /// The explanation of an adjudication.
    pub fn of(claim: &Claim, status: ClaimStatus, adjudication: &Adjudication, appeal_until: Date) -> Self {
        let lines: Vec<ExplainedLine> = claim
            .lines
            .iter()
            .zip(&adjudication.lines)
            .map(|(asked, result)| ExplainedLine {
                sequence: result.sequence,
                procedure: asked.procedure.clone(),
                date: asked.date,
                charge: result.charge,
                paid: result.allowed,
                owed: result.pr,
                pended: result.pended,
                why: result.edits.clone(),
            })
            .collect();
        Self {
            claim: claim.id,
            status,
            currency: claim.currency.clone(),
            charged: claim.total,
            paid: adjudication.allowed,
            owed: lines.iter().fold(0, |sum, line| sum.saturating_add(line.owed)),
            lines,
            appeal_until,
        }
    }
}
