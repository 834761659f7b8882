//! From claims to an 837P (005010X222A1): for a provider that sends the same claim to a payer outside of the ledger.

use super::claims::PROFESSIONAL;
use super::remittance::Address;
use super::write::{Envelope, Kind, Writer, composite, day};
use crate::claims::Problem;
use careledger_api::adjudication::{Claim, ClaimKind, Frequency, Sex};
use careledger_api::date::Date;

/// Who bills whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Biller {
    /// The provider's name.
    pub name: String,
    /// Its taxpayer number, nine digits.
    pub tax_number: String,
    /// Where it is.
    pub address: Address,
    /// Whom to ask.
    pub telephone: String,
    /// The payer's name.
    pub payer_name: String,
    /// The payer's number.
    pub payer_number: String,
}

/// A claim and the member whom it is for. `Debug` shows nothing of the member.
#[derive(Clone)]
pub struct Billed<'a> {
    /// The claim.
    pub claim: &'a Claim,
    /// The provider's number of it, at most 20 characters.
    pub number: String,
    /// The payer's number of the member.
    pub member_number: String,
    /// The member's family name.
    pub last_name: String,
    /// The member's first name.
    pub first_name: String,
    /// The member's day of birth.
    pub born: Date,
    /// The member's sex; none: unknown.
    pub sex: Option<Sex>,
    /// Where the member lives.
    pub address: Address,
}

impl std::fmt::Debug for Billed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Billed")
            .field("claim", &self.claim.id)
            .finish_non_exhaustive()
    }
}

/// Writes professional claims of one billing provider as an 837P. Fails for claims of another kind, without diagnoses or places of service, and for texts that X12 cannot
/// hold. Documents are not written: X12 has no place for the ledger's.
pub fn claims_to_x12(claims: &[Billed<'_>], biller: &Biller, envelope: &Envelope) -> Result<String, Problem> {
    let Some(first) = claims.first().map(|billed| billed.claim) else {
        return Err(Problem::new("CLM", "at least one claim is expected"));
    };
    let mut out = Writer::default();
    let today = Date::from_unix(envelope.made).map(day).unwrap_or_default();
    out.segment(
        "BHT",
        &["0019", "00", &envelope.control.to_string(), &today, "0000", "CH"],
    );
    let name = out.plain("NM1", 3, &biller.name, 60);
    out.segment(
        "NM1",
        &["41", "2", name, "", "", "", "", "46", &envelope.sender.1],
    );
    out.segment("PER", &["IC", name, "TE", &biller.telephone]);
    let payer = out.plain("NM1", 3, &biller.payer_name, 60);
    out.segment(
        "NM1",
        &["40", "2", payer, "", "", "", "", "46", &envelope.receiver.1],
    );
    out.segment("HL", &["1", "", "20", "1"]);
    if first.currency != "USD" {
        out.segment("CUR", &["85", &first.currency]);
    }
    out.segment(
        "NM1",
        &["85", "2", name, "", "", "", "", "XX", &first.provider_npi],
    );
    address(&mut out, &biller.address);
    out.segment("REF", &["EI", &biller.tax_number]);
    for (level, billed) in (2u32..).zip(claims) {
        let claim = billed.claim;
        let refused = [
            (
                claim.kind != ClaimKind::Professional,
                "an 837P has professional claims alone",
            ),
            (
                claim.provider_npi != first.provider_npi || claim.currency != first.currency,
                "all claims are of one provider, in one currency",
            ),
            (claim.diagnoses.is_empty(), "an 837P claim has 1 to 12 diagnoses"),
            (
                claim.lines.iter().any(|line| line.place.is_none()),
                "each line of an 837P has a place of service",
            ),
            (
                claim
                    .lines
                    .iter()
                    .any(|line| !(1..=4).contains(&line.diagnoses.len())),
                "each line of an 837P points at 1 to 4 diagnoses",
            ),
        ];
        if let Some((_, reason)) = refused.into_iter().find(|(refused, _)| *refused) {
            return Err(Problem::new(format!("claim {}", claim.id), reason));
        }
        out.segment("HL", &[&level.to_string(), "1", "22", "0"]);
        subscriber(&mut out, billed, biller);
        write_claim(&mut out, billed);
    }
    let kind = Kind {
        set: "837",
        group: "HC",
        guide: PROFESSIONAL,
    };
    out.finish(envelope, &kind)
}

fn address(out: &mut Writer, address: &Address) {
    let street = out.plain("N3", 1, &address.street, 55);
    out.segment("N3", &[street]);
    out.segment("N4", &[&address.city, &address.state, &address.postcode]);
}

fn subscriber(out: &mut Writer, billed: &Billed<'_>, biller: &Biller) {
    let order = if secondary(billed.claim) { "S" } else { "P" };
    out.segment("SBR", &[order, "18", "", "", "", "", "", "", "CI"]);
    let (last, first) = (
        out.plain("NM1", 3, &billed.last_name, 60),
        out.plain("NM1", 4, &billed.first_name, 35),
    );
    let member = out.plain("NM1", 9, &billed.member_number, 80);
    out.segment("NM1", &["IL", "1", last, first, "", "", "", "MI", member]);
    address(out, &billed.address);
    let sex = match billed.sex {
        Some(Sex::Female) => "F",
        Some(Sex::Male) => "M",
        _ => "U",
    };
    out.segment("DMG", &["D8", &day(billed.born), sex]);
    let payer = out.plain("NM1", 3, &biller.payer_name, 60);
    out.segment(
        "NM1",
        &["PR", "2", payer, "", "", "", "", "PI", &biller.payer_number],
    );
}

fn write_claim(out: &mut Writer, billed: &Billed<'_>) {
    let claim = billed.claim;
    let amount = |minor: i64| crate::claims::short_text(minor, &claim.currency);
    let place = claim
        .lines
        .first()
        .and_then(|line| line.place.as_deref())
        .unwrap_or_default();
    let number = out.plain("CLM", 1, &billed.number, 20);
    let facility = composite(&[place, "B", claim.frequency.as_str()]);
    out.segment(
        "CLM",
        &[
            number,
            &amount(claim.total),
            "",
            "",
            &facility,
            "Y",
            "A",
            "Y",
            "Y",
        ],
    );
    if let (Frequency::Replacement | Frequency::Void, Some(before)) = (claim.frequency, claim.replaces) {
        out.segment("REF", &["F8", &before.to_string()]);
    }
    let codes: Vec<String> = claim
        .diagnoses
        .iter()
        .enumerate()
        .map(|(index, code)| composite(&[if index == 0 { "ABK" } else { "ABF" }, &code.replace('.', "")]))
        .collect();
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    out.segment("HI", &codes);
    if secondary(claim) {
        other_payer(out, billed, &amount);
    }
    for line in &claim.lines {
        let mut code = vec!["HC", line.procedure.as_str()];
        code.extend(line.modifiers.iter().map(String::as_str));
        let pointers: Vec<String> = line.diagnoses.iter().map(u8::to_string).collect();
        let pointers: Vec<&str> = pointers.iter().map(String::as_str).collect();
        let own_place = line
            .place
            .as_deref()
            .filter(|own| *own != place)
            .unwrap_or_default();
        out.segment("LX", &[&line.sequence.to_string()]);
        out.segment(
            "SV1",
            &[
                &composite(&code),
                &amount(line.charge),
                "UN",
                &line.units.to_string(),
                own_place,
                "",
                &composite(&pointers),
            ],
        );
        out.segment("DTP", &["472", "D8", &day(line.date)]);
        if let Some(authorisation) = line.authorisation {
            out.segment("REF", &["G1", &authorisation.to_string()]);
        }
        if let Some(performer) = &line.rendering_npi {
            out.segment(
                "NM1",
                &["82", "2", "RENDERING PROVIDER", "", "", "", "", "XX", performer],
            );
        }
        if let Some(other) = line.other_payer {
            out.segment(
                "SVD",
                &[
                    "OTHER",
                    &amount(other.paid),
                    &composite(&code),
                    "",
                    &line.units.to_string(),
                ],
            );
            let rest = line.charge.saturating_sub(other.paid);
            if rest > 0 {
                // Why the other payer did not pay more is not on the ledger.
                out.segment("CAS", &["OA", "192", &amount(rest)]);
            }
            out.segment("DTP", &["573", "D8", &day(line.date)]);
        }
    }
}

/// Loops 2320 and 2330: the payer before this one, of whom the ledger knows the amounts alone.
fn other_payer(out: &mut Writer, billed: &Billed<'_>, amount: &impl Fn(i64) -> String) {
    let paid = billed.claim.lines.iter().filter_map(|line| line.other_payer);
    let paid = paid.fold(0i64, |sum, other| sum.saturating_add(other.paid));
    out.segment("SBR", &["P", "18", "", "", "", "", "", "", "CI"]);
    out.segment("AMT", &["D", &amount(paid)]);
    out.segment("OI", &["", "", "Y", "", "", "Y"]);
    let (last, first) = (&billed.last_name, &billed.first_name);
    out.segment(
        "NM1",
        &["IL", "1", last, first, "", "", "", "MI", &billed.member_number],
    );
    out.segment("NM1", &["PR", "2", "OTHER PAYER", "", "", "", "", "PI", "OTHER"]);
}

fn secondary(claim: &Claim) -> bool {
    claim.lines.iter().any(|line| line.other_payer.is_some())
}
