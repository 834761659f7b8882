//! From an 835 to what was paid and why not more: for a provider's own books.

use super::remittance::{REMITTANCE, payers_number};
use super::segment::{Segment, Wanted, transactions};
use super::write::parse_day;
use crate::claims::{Decimal, FileError, Problem};
use careledger_api::adjudication::Group;
use careledger_api::date::Date;
use careledger_api::ids::ClaimId;

/// An 835's transaction set, balanced.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Advice {
    /// What is paid in all, in minor units.
    pub paid: i64,
    /// ISO 4217.
    pub currency: String,
    /// The payment's number at the bank.
    pub trace: String,
    /// Claim by claim.
    pub claims: Vec<AdvisedClaim>,
    /// Adjustments that are no claim's: code and amount that is kept back.
    pub provider: Vec<(String, i64)>,
}

/// A claim of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AdvisedClaim {
    /// The provider's own number of it (CLP01); the ledger's id where whoever wrote it did not know that.
    pub number: String,
    /// The ledger's id, where the payer's number is one.
    pub claim: Option<ClaimId>,
    /// CLP02, such as `1` paid, `4` denied, `22` taken back.
    pub status: String,
    /// As submitted.
    pub charge: i64,
    /// By the payer; negative where it is taken back.
    pub paid: i64,
    /// Line by line.
    pub lines: Vec<AdvisedLine>,
    adjusted: i64,
}

/// A line of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AdvisedLine {
    /// Procedure code.
    pub procedure: String,
    /// Its modifiers.
    pub modifiers: Vec<String>,
    /// Day of service.
    pub date: Option<Date>,
    /// The provider's number of the line.
    pub number: Option<String>,
    /// As submitted.
    pub charge: i64,
    /// By the payer.
    pub paid: i64,
    /// What is not paid: who bears it, reason code, amount.
    pub adjustments: Vec<(Group, String, i64)>,
    /// Remark codes.
    pub remarks: Vec<String>,
}

/// Files of remittances.
const REMITTANCES: Wanted = Wanted {
    set: "835",
    group: "HP",
    guides: &[REMITTANCE],
    name: "X12 835 of one interchange",
};

/// Reads an 835 (005010X221A1). Fails for a file whose frame is broken, and for a transaction set that does not have one payment (BPR), a credit,
/// or does not balance.
pub fn advice_from_x12(bytes: &[u8]) -> Result<Vec<Advice>, FileError> {
    let sets = transactions(bytes, REMITTANCES)?;
    sets.iter()
        .map(|set| {
            let mut advice = Advice {
                currency: "USD".into(),
                ..Advice::default()
            };
            if let Some(currency) = set.segments.iter().find(|s| s.id == "CUR") {
                advice.currency = currency.element(2).to_owned();
            }
            if set.segments.iter().filter(|s| s.id == "BPR").count() != 1 {
                let reason = "one payment (BPR) is expected, of 0 where nothing is paid";
                return Err(FileError::Frame(Problem::new(
                    format!("transaction set {}", set.control()),
                    reason,
                )));
            }
            for segment in &set.segments {
                advice.segment(segment).map_err(FileError::Frame)?;
            }
            advice.balance(set.control()).map_err(FileError::Frame)?;
            Ok(advice)
        })
        .collect()
}

impl Advice {
    fn amount(&self, segment: &Segment<'_>, element: usize) -> Result<i64, Problem> {
        let minor = Decimal::parse(segment.element(element)).and_then(|d| d.minor(&self.currency));
        let reason = "an amount in the remittance's currency is expected";
        minor.ok_or_else(|| Problem::new(format!("{}, element {element:02}", segment.place()), reason))
    }

    fn segment(&mut self, segment: &Segment<'_>) -> Result<(), Problem> {
        let outside = || {
            Problem::new(
                segment.place(),
                "a claim (CLP), and for a line a service (SVC), comes before it",
            )
        };
        match segment.id {
            "BPR" => {
                if segment.element(3) != "C" {
                    let reason = "C is expected: the payer pays; what it takes back is carried to the next remittance (PLB)";
                    return Err(Problem::new(format!("{}, element 03", segment.place()), reason));
                }
                self.paid = self.amount(segment, 2)?;
            }
            "TRN" => self.trace = segment.element(2).to_owned(),
            "CLP" => {
                let claim = AdvisedClaim {
                    number: segment.element(1).to_owned(),
                    claim: payers_number(segment.element(7)),
                    status: segment.element(2).to_owned(),
                    charge: self.amount(segment, 3)?,
                    paid: self.amount(segment, 4)?,
                    ..AdvisedClaim::default()
                };
                self.claims.push(claim);
            }
            "SVC" => {
                let code = segment.components(1);
                let line = AdvisedLine {
                    procedure: code.get(1).copied().unwrap_or_default().to_owned(),
                    modifiers: code.iter().skip(2).take(4).map(|m| (*m).to_owned()).collect(),
                    charge: self.amount(segment, 2)?,
                    paid: self.amount(segment, 3)?,
                    ..AdvisedLine::default()
                };
                self.claims.last_mut().ok_or_else(outside)?.lines.push(line);
            }
            "CAS" => self.adjustment(segment)?,
            "DTM" if segment.element(1) == "472" => {
                let line = self.claims.last_mut().and_then(|claim| claim.lines.last_mut());
                line.ok_or_else(outside)?.date = parse_day(segment.element(2));
            }
            "REF" if segment.element(1) == "6R" => {
                let line = self.claims.last_mut().and_then(|claim| claim.lines.last_mut());
                line.ok_or_else(outside)?.number = Some(segment.element(2).to_owned());
            }
            "LQ" => {
                let line = self.claims.last_mut().and_then(|claim| claim.lines.last_mut());
                line.ok_or_else(outside)?
                    .remarks
                    .push(segment.element(2).to_owned());
            }
            "PLB" => {
                for element in (3..segment.len()).step_by(2) {
                    let amount = self.amount(segment, element + 1)?;
                    self.provider
                        .push((segment.component(element, 1).to_owned(), amount));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn adjustment(&mut self, segment: &Segment<'_>) -> Result<(), Problem> {
        let group: Option<Group> = segment.element(1).parse().ok();
        let reason = "the group is CO, PR, OA or PI, and a claim comes before it";
        let wrong = || Problem::new(segment.place(), reason);
        let group = group.ok_or_else(wrong)?;
        for element in (2..=segment.len())
            .step_by(3)
            .filter(|e| !segment.element(*e).is_empty())
        {
            let amount = self.amount(segment, element + 1)?;
            let claim = self.claims.last_mut().ok_or_else(wrong)?;
            match claim.lines.last_mut() {
                Some(line) => line
                    .adjustments
                    .push((group, segment.element(element).to_owned(), amount)),
                None => claim.adjusted = claim.adjusted.saturating_add(amount),
            }
        }
        Ok(())
    }

    fn balance(&self, control: &str) -> Result<(), Problem> {
        let wrong = |reason: &str| Err(Problem::new(format!("transaction set {control}"), reason));
        let sum = |amounts: &mut dyn Iterator<Item = i64>| amounts.fold(0i64, i64::saturating_add);
        for claim in &self.claims {
            for line in &claim.lines {
                let adjusted = sum(&mut line.adjustments.iter().map(|(_, _, amount)| *amount));
                if line.charge.saturating_sub(adjusted) != line.paid {
                    return wrong("a line's charge less its adjustments is not what is paid for it");
                }
            }
            let of_lines = sum(&mut claim
                .lines
                .iter()
                .flat_map(|l| l.adjustments.iter().map(|(_, _, amount)| *amount)));
            if claim
                .charge
                .saturating_sub(of_lines)
                .saturating_sub(claim.adjusted)
                != claim.paid
            {
                return wrong("a claim's charge less its adjustments is not what is paid for it");
            }
            if !claim.lines.is_empty() && sum(&mut claim.lines.iter().map(|line| line.charge)) != claim.charge
            {
                return wrong("a claim's charge is not the sum of its lines'");
            }
        }
        let claims = sum(&mut self.claims.iter().map(|claim| claim.paid));
        let kept = sum(&mut self.provider.iter().map(|(_, amount)| *amount));
        match claims.saturating_sub(kept) == self.paid {
            true => Ok(()),
            false => {
                wrong("the claims' payments less the provider's adjustments are not the payment (BPR02)")
            }
        }
    }
}
