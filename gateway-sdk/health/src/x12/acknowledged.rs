//! From a 277CA (005010X214) to what a payer's front end says: for a provider's own books.

use super::claim_status::CLAIM_ACKNOWLEDGMENT;
use super::segment::{Segment, Transaction, Wanted, transactions};
use super::status::Status;
use crate::claims::{Account, FileError, MAX_CLAIMS, Problem};
use careledger_api::ids::ClaimId;

/// Files of claims' acknowledgments.
const ACKNOWLEDGMENTS: Wanted = Wanted {
    set: "277",
    group: "HN",
    guides: &[CLAIM_ACKNOWLEDGMENT],
    name: "X12 277CA of one interchange",
};

/// What is said of a claim.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AcknowledgedClaim {
    /// By which numbers the provider knows it.
    pub account: Account,
    /// The ledger's id, where the payer's number is one.
    pub claim: Option<ClaimId>,
    /// Whether it is decided about.
    pub accepted: bool,
    /// Why, or why not: the claim's statuses, then those of its lines.
    pub statuses: Vec<Status>,
}

/// Reads a 277CA. Fails for a file whose frame is broken, for a claim without a status, or with one that neither accepts nor rejects it, and for
/// counts of accepted and rejected claims that are not those of the claims.
pub fn acknowledged_from_x12(bytes: &[u8]) -> Result<Vec<AcknowledgedClaim>, FileError> {
    let mut claims = Vec::new();
    for set in transactions(bytes, ACKNOWLEDGMENTS)? {
        claims.extend(Reading::default().all(&set).map_err(FileError::Frame)?);
        if claims.len() > MAX_CLAIMS {
            return Err(FileError::TooLarge);
        }
    }
    Ok(claims)
}

/// What is known at the segment that is read.
#[derive(Default)]
struct Reading {
    /// HL03.
    level: String,
    member: Option<String>,
    /// QTY of the receiver's level: accepted and rejected.
    counts: Option<[usize; 2]>,
    claims: Vec<AcknowledgedClaim>,
}

impl Reading {
    fn all(mut self, set: &Transaction<'_>) -> Result<Vec<AcknowledgedClaim>, Problem> {
        for segment in &set.segments {
            self.segment(segment)?;
        }
        let at = format!("transaction set {}", set.control());
        if self.claims.iter().any(|claim| claim.statuses.is_empty()) {
            return Err(Problem::new(at, "each claim (TRN*2) has a status (STC)"));
        }
        let accepted = self.claims.iter().filter(|claim| claim.accepted).count();
        let counted = [accepted, self.claims.len() - accepted];
        match self.counts {
            Some(counts) if counts != counted => {
                let reason = "QTY*90 and QTY*AA count the claims that are accepted and rejected";
                Err(Problem::new(at, reason))
            }
            _ => Ok(self.claims),
        }
    }

    fn segment(&mut self, segment: &Segment<'_>) -> Result<(), Problem> {
        match (segment.id, self.level.as_str()) {
            ("HL", _) => {
                segment.element(3).clone_into(&mut self.level);
                self.member = None;
            }
            ("NM1", "PT") if segment.element(8) == "MI" => self.member = Some(segment.element(9).to_owned()),
            ("QTY", "21") => self.count(segment)?,
            ("TRN", "PT") if segment.element(1) == "2" => self.claims.push(AcknowledgedClaim {
                account: Account {
                    claim_number: Some(segment.element(2).to_owned()),
                    member_number: self.member.clone(),
                    ..Account::default()
                },
                accepted: true,
                ..AcknowledgedClaim::default()
            }),
            ("STC", "PT") => self.status(segment)?,
            ("REF", "PT") if segment.element(1) == "1K" => {
                self.open(segment)?.claim = super::remittance::payers_number(segment.element(2));
            }
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, segment: &Segment<'_>) -> Result<&mut AcknowledgedClaim, Problem> {
        let reason = "a claim's number (TRN*2) comes before it";
        let last = self.claims.last_mut();
        last.ok_or_else(|| Problem::new(segment.place(), reason))
    }

    fn count(&mut self, qty: &Segment<'_>) -> Result<(), Problem> {
        let number = qty.element(2).parse().map_err(|_| {
            let reason = "a number of claims is expected";
            Problem::new(format!("{}, element 02", qty.place()), reason)
        })?;
        let counts = self.counts.get_or_insert_default();
        match qty.element(1) {
            "90" => counts[0] = number,
            "AA" => counts[1] = number,
            _ => {}
        }
        Ok(())
    }

    fn status(&mut self, stc: &Segment<'_>) -> Result<(), Problem> {
        let rejected = match stc.element(3) {
            "U" => true,
            "WQ" => false,
            _ => {
                let reason = "WQ (accepted) or U (rejected) is expected";
                return Err(Problem::new(format!("{}, element 03", stc.place()), reason));
            }
        };
        let claim = self.open(stc)?;
        claim.accepted &= !rejected;
        for element in [1, 10, 11] {
            let part = |component| stc.component(element, component).to_owned();
            if !part(1).is_empty() {
                claim.statuses.push(Status {
                    category: part(1),
                    code: part(2),
                    entity: Some(part(3)).filter(|entity| !entity.is_empty()),
                });
            }
        }
        Ok(())
    }
}
