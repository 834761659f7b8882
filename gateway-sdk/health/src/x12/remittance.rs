//! From remittances of the ledger to an 835 (005010X221A1).
//!
//! It balances as the guide demands: each line's charge less its adjustments (CAS) is what is paid for it, the claims' payments less the provider's
//! adjustments (PLB) are the payment (BPR02). What does not is refused.

use super::write::{Envelope, Kind, Writer, composite, day};
use crate::claims::{Account, Problem};
use careledger_api::adjudication::{Adjudication, Claim, Frequency, Group, LineResult, npi_is_valid};
use careledger_api::date::Date;
use careledger_api::ids::{ClaimId, RemittanceId};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The implementation guide of remittances.
pub(super) const REMITTANCE: &str = "005010X221A1";
/// Most adjustments of a group in one CAS segment.
const TRIPLES: usize = 6;

/// A remittance and who pays whom. One remittance is one transaction set.
#[derive(Debug, Clone)]
pub struct Remittance<'a> {
    /// The ledger's id.
    pub id: RemittanceId,
    /// Day of the payment.
    pub date: Date,
    /// The payment's number at the bank, at most 50 characters (TRN02).
    pub trace: &'a str,
    /// Who pays.
    pub payer: Payer,
    /// Who is paid.
    pub payee: Payee,
    /// ISO 4217.
    pub currency: &'a str,
    /// What is paid, and what is taken back.
    pub claims: Vec<Remitted<'a>>,
    /// What the provider owes from remittances before, in minor units: it is kept back from this one.
    pub brought_forward: i64,
}

/// Who pays.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payer {
    /// Its name.
    pub name: String,
    /// Its taxpayer number, nine digits (TRN03 and BPR10 with a 1 before it).
    pub tax_number: String,
    /// Where it is.
    pub address: Address,
    /// Whom to ask: a telephone number.
    pub telephone: String,
}

/// Who is paid.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payee {
    /// Its name.
    pub name: String,
    /// Its NPI.
    pub npi: String,
}

/// A postal address.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// Street and number.
    pub street: String,
    /// Town.
    pub city: String,
    /// State or province, two letters.
    pub state: String,
    /// Postal code.
    pub postcode: String,
}

/// A claim of a remittance, paid or denied. What an appeal changed of what a remittance before said of it is written as two of them: the decision before taken
/// back, and the new one.
#[derive(Debug, Clone)]
pub struct Remitted<'a> {
    /// The claim.
    pub claim: &'a Claim,
    /// As it was decided.
    pub adjudication: &'a Adjudication,
    /// Its payment is taken back.
    pub reversed: bool,
    /// By which numbers and name the provider knows it; the ledger's id stands for a claim's number that is not given.
    pub account: Account,
    /// Another payer paid before.
    pub secondary: bool,
}

/// Writes a remittance as an 835. Fails for what does not balance, for a claim with lines that are not decided, and for texts that X12 cannot hold.
pub fn remittance_to_x12(remittance: &Remittance<'_>, envelope: &Envelope) -> Result<String, Problem> {
    let amount = |minor: i64| crate::claims::short_text(minor, remittance.currency);
    let paid = remittance
        .claims
        .iter()
        .try_fold(0i64, |sum, claim| sum.checked_add(claim.paid()));
    let due = paid.and_then(|paid| paid.checked_sub(remittance.brought_forward));
    let (Some(paid), Some(due)) = (paid, due) else {
        return Err(Problem::new(
            "BPR02",
            "the sum of the claims' payments is too large",
        ));
    };
    // What is taken back beyond what is paid is carried to the next remittance.
    let carried = due.min(0);
    let total = due.max(0);
    let mut out = Writer::default();
    let today = day(remittance.date);
    let (handling, method) = if total == 0 { ("H", "NON") } else { ("I", "CHK") };
    let originator = format!("1{}", remittance.payer.tax_number);
    if originator.len() != 10 || !originator.bytes().all(|b| b.is_ascii_digit()) {
        out.refuse("TRN", 3, "the payer's taxpayer number has nine digits");
    }
    out.segment(
        "BPR",
        &[
            handling,
            &amount(total),
            "C",
            method,
            "",
            "",
            "",
            "",
            "",
            "",
            "",
            "",
            "",
            "",
            "",
            &today,
        ],
    );
    let trace = out.plain("TRN", 2, remittance.trace, 50);
    out.segment("TRN", &["1", trace, &originator]);
    if remittance.currency != "USD" {
        out.segment("CUR", &["PR", remittance.currency]);
    }
    out.segment("REF", &["EV", &remittance.id.to_string()]);
    out.segment("DTM", &["405", &today]);
    parties(&mut out, remittance);
    out.segment("LX", &["1"]);
    for claim in &remittance.claims {
        write_claim(&mut out, claim, remittance.currency, &amount)?;
    }
    if remittance.brought_forward != 0 || carried != 0 {
        let year_end = format!("{}1231", remittance.date.year());
        let forward = composite(&["FB", &remittance.id.to_string()]);
        let (before, after) = (amount(remittance.brought_forward), amount(carried));
        let mut elements = vec![remittance.payee.npi.as_str(), &year_end];
        for (present, sum) in [(remittance.brought_forward != 0, &before), (carried != 0, &after)] {
            if present {
                elements.extend([forward.as_str(), sum]);
            }
        }
        out.segment("PLB", &elements);
    }
    if paid
        .checked_sub(remittance.brought_forward)
        .and_then(|rest| rest.checked_sub(carried))
        != Some(total)
    {
        return Err(Problem::new(
            "BPR02",
            "the payment is not what the claims and the provider's adjustments make",
        ));
    }
    let kind = Kind {
        set: "835",
        group: "HP",
        guide: REMITTANCE,
    };
    out.finish(envelope, &kind)
}

impl Remitted<'_> {
    fn sign(&self) -> i64 {
        if self.reversed { -1 } else { 1 }
    }

    fn paid(&self) -> i64 {
        self.sign() * self.adjudication.allowed
    }
}

fn parties(out: &mut Writer, remittance: &Remittance<'_>) {
    let payer = &remittance.payer;
    let name = out.plain("N1", 2, &payer.name, 60);
    out.segment("N1", &["PR", name]);
    let address = &payer.address;
    let street = out.plain("N3", 1, &address.street, 55);
    out.segment("N3", &[street]);
    let city = out.plain("N4", 1, &address.city, 30);
    let state = out.plain("N4", 2, &address.state, 2);
    let postcode = out.plain("N4", 3, &address.postcode, 15);
    out.segment("N4", &[city, state, postcode]);
    let telephone = out.plain("PER", 4, &payer.telephone, 256);
    out.segment("PER", &["BL", "", "TE", telephone]);
    let name = out.plain("N1", 2, &remittance.payee.name, 60);
    if !npi_is_valid(&remittance.payee.npi) {
        out.refuse(
            "N1",
            4,
            "an NPI of ten digits is expected, the last of which is its check digit",
        );
    }
    out.segment("N1", &["PE", name, "XX", &remittance.payee.npi]);
}

fn write_claim(
    out: &mut Writer,
    remitted: &Remitted<'_>,
    currency: &str,
    amount: &impl Fn(i64) -> String,
) -> Result<(), Problem> {
    let (claim, decided, sign) = (remitted.claim, remitted.adjudication, remitted.sign());
    let bad = |reason: &str| Err(Problem::new(format!("claim {}", claim.id), reason));
    if claim.currency != currency {
        return bad("it is in another currency than the payment");
    }
    if decided.claim != claim.id || decided.lines.len() != claim.lines.len() {
        return bad("it is not the adjudication of the claim");
    }
    if decided.lines.iter().any(|line| line.pended) {
        return bad("a line of it is not decided yet");
    }
    let charged = decided
        .lines
        .iter()
        .try_fold(0i64, |sum, line| sum.checked_add(line.charge));
    let allowed = decided
        .lines
        .iter()
        .try_fold(0i64, |sum, line| sum.checked_add(line.allowed));
    if !decided.lines.iter().all(LineResult::balances)
        || charged != Some(claim.total)
        || allowed != Some(decided.allowed)
    {
        return bad("its lines do not balance");
    }
    let id = claim.id.to_string();
    let number = remitted.account.claim_number.as_deref().unwrap_or(&id);
    let number = out.plain("CLP", 1, number, 38);
    let status = match (
        remitted.reversed,
        decided.lines.iter().any(|line| line.covered),
        remitted.secondary,
    ) {
        (true, ..) => "22",
        (_, false, _) => "4",
        (.., true) => "2",
        _ => "1",
    };
    let owed: i64 = decided
        .lines
        .iter()
        .fold(0, |sum, line| sum.saturating_add(line.pr));
    // PR05 of a reversal is not stated: nobody owes it twice.
    let owed = if owed == 0 || remitted.reversed {
        String::new()
    } else {
        amount(owed)
    };
    let frequency = if claim.frequency == Frequency::Original {
        ""
    } else {
        claim.frequency.as_str()
    };
    let place = claim
        .lines
        .first()
        .and_then(|line| line.place.as_deref())
        .unwrap_or_default();
    out.segment(
        "CLP",
        &[
            number,
            status,
            &amount(sign * claim.total),
            &amount(sign * decided.allowed),
            &owed,
            "12",
            &id,
            place,
            frequency,
        ],
    );
    let name = |text: &Option<String>, longest: usize| {
        let text = text.as_deref().unwrap_or_default();
        Writer::tamed(text, longest, "")
    };
    let (last, first) = (
        name(&remitted.account.last_name, 60),
        name(&remitted.account.first_name, 35),
    );
    match remitted.account.member_number.as_deref() {
        Some(member) => {
            let member = out.plain("NM1", 9, member, 80);
            out.segment("NM1", &["QC", "1", &last, &first, "", "", "", "MI", member]);
        }
        None => out.segment("NM1", &["QC", "1", &last, &first]),
    }
    for (asked, line) in claim.lines.iter().zip(&decided.lines) {
        let mut code = vec!["HC", asked.procedure.as_str()];
        code.extend(asked.modifiers.iter().map(String::as_str));
        // The units that are covered, and beside them those that were submitted where those are others.
        let (covered, submitted) = (line.units.to_string(), asked.units.to_string());
        let others = if covered == submitted {
            ""
        } else {
            submitted.as_str()
        };
        out.segment(
            "SVC",
            &[
                &composite(&code),
                &amount(sign * line.charge),
                &amount(sign * line.allowed),
                "",
                &covered,
                "",
                others,
            ],
        );
        out.segment("DTM", &["472", &day(asked.date)]);
        adjustments(out, line, sign, amount)?;
        out.segment("REF", &["6R", &line.sequence.to_string()]);
        for remark in line.edits.iter().filter_map(|edit| edit.remark.as_deref()) {
            out.segment("LQ", &["HE", remark]);
        }
    }
    Ok(())
}

/// What is not paid of a line: by group and reason, each once.
pub(super) fn adjustments(
    out: &mut Writer,
    line: &LineResult,
    sign: i64,
    amount: &impl Fn(i64) -> String,
) -> Result<(), Problem> {
    let mut sums: BTreeMap<Group, BTreeMap<&str, i64>> = BTreeMap::new();
    for edit in line.edits.iter().filter(|edit| edit.amount != 0) {
        let (Some(group), Some(reason)) = (edit.group, edit.reason.as_deref()) else {
            return Err(Problem::new(
                format!("line {}", line.sequence),
                "an adjustment has a group and a reason code",
            ));
        };
        let sum = sums.entry(group).or_default().entry(reason).or_insert(0);
        *sum = sum.saturating_add(edit.amount);
    }
    for (group, reasons) in sums {
        let reasons: Vec<(&str, String)> = reasons
            .into_iter()
            .map(|(reason, sum)| (reason, amount(sign * sum)))
            .collect();
        for some in reasons.chunks(TRIPLES) {
            let mut elements = vec![group.as_str()];
            for (reason, sum) in some {
                elements.extend([*reason, sum, ""]);
            }
            out.segment("CAS", &elements);
        }
    }
    Ok(())
}

/// The ledger's id of a claim in what a payer's file calls its number of it.
pub(super) fn payers_number(text: &str) -> Option<ClaimId> {
    text.parse().ok()
}
