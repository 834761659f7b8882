//! An adjudication in words: what was paid, what the member owes, and why.

use super::TakenBack;
use crate::adjudication::machine::ClaimStatus;
use crate::adjudication::{Adjudication, Claim, Edit, Site};
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
    /// The last day for the payer's answer to the appeal that is open; none without one, and outside of the payer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appeal_due: Option<Date>,
    /// The last day on which the provider answers what the adjudication asks; none where it asks nothing, or was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_until: Option<Date>,
    /// What was paid of it and taken back, where that is so: what is out of it is the payer's, though nothing is paid or owed of the claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_back: Option<TakenBack>,
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
    /// Where on the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Site>,
    /// As submitted.
    pub charge: i64,
    /// By the payer.
    pub paid: i64,
    /// By the member.
    pub owed: i64,
    /// Somebody has to look at it.
    pub pended: bool,
    /// Why the rest is not paid: rule, reason codes, words, what can be done. Nothing of a claim that is taken back.
    pub why: Vec<Edit>,
}

impl ExplanationOfBenefits {
    /// The explanation of an adjudication. Of a claim that is taken back nothing is paid or owed, whatever was decided: what stands is its successor's, and
    /// who adds up a member's claims counts nothing twice.
    pub fn of(claim: &Claim, status: ClaimStatus, adjudication: &Adjudication, appeal_until: Date) -> Self {
        let stands = !status.is_taken_back();
        let of = |amount: i64| if stands { amount } else { 0 };
        let lines: Vec<ExplainedLine> = claim
            .lines
            .iter()
            .zip(&adjudication.lines)
            .map(|(asked, result)| ExplainedLine {
                sequence: result.sequence,
                procedure: asked.procedure.clone(),
                date: asked.date,
                site: asked.site.clone(),
                charge: result.charge,
                paid: of(result.allowed),
                owed: of(result.pr),
                pended: stands && result.pended,
                why: if stands { result.edits.clone() } else { Vec::new() },
            })
            .collect();
        Self {
            claim: claim.id,
            status,
            currency: claim.currency.clone(),
            charged: claim.total,
            paid: of(adjudication.allowed),
            owed: lines.iter().fold(0, |sum, line| sum.saturating_add(line.owed)),
            lines,
            appeal_until,
            appeal_due: None,
            answer_until: None,
            taken_back: None,
        }
    }

    /// Whether an appeal of it is taken, until [`appeal_until`](Self::appeal_until): it is decided, and not in full as it was claimed.
    pub fn can_be_appealed(&self) -> bool {
        let decided = self.lines.iter().all(|line| !line.pended);
        let mut why = self.lines.iter().flat_map(|line| &line.why);
        decided && why.any(Edit::can_be_appealed)
    }
}
