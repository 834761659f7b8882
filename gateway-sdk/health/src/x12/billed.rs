//! A claim of an 837 that is written (loops 2300 to 2430), by its guide.

use super::bill::{After, Billed, Institution};
use super::form::Form;
use super::remittance::adjustments;
use super::write::{Writer, composite, day};
use crate::claims::Problem;
use careledger_api::adjudication::{Claim, ClaimLine, Frequency, Group, LineResult};
use careledger_api::date::DateRange;

/// Most diagnoses of a dental claim.
const DENTAL_DIAGNOSES: usize = 4;

impl Billed<'_> {
    /// Another payer decides before this one.
    pub(super) fn is_secondary(&self) -> bool {
        self.after.is_some() || self.claim.lines.iter().any(|line| line.other_payer.is_some())
    }

    fn frequency(&self) -> Frequency {
        match self.after {
            Some(_) => Frequency::Original,
            None => self.claim.frequency,
        }
    }
}

/// Why a guide cannot hold a claim.
pub(super) fn refused(billed: &Billed<'_>, form: Form) -> Option<&'static str> {
    let claim = billed.claim;
    let any = |wrong: fn(&ClaimLine) -> bool| claim.lines.iter().any(wrong);
    let of_form = match form {
        Form::Professional => [
            (claim.diagnoses.is_empty(), "an 837P claim has 1 to 12 diagnoses"),
            (
                any(|line| line.place.is_none()),
                "each line of an 837P has a place of service",
            ),
            (
                any(|line| !(1..=4).contains(&line.diagnoses.len())),
                "each line of an 837P points at 1 to 4 diagnoses",
            ),
            (
                any(|line| line.site.is_some()),
                "an 837P has no place for where on the body: modifiers say it",
            ),
        ],
        Form::Institutional => [
            (claim.diagnoses.is_empty(), "an 837I claim has 1 to 12 diagnoses"),
            (
                billed.after.is_none() && authorisations(claim) > 1,
                "an 837I has one authorisation for all its lines, or none",
            ),
            (
                !has_revenue_codes(billed),
                "an 837I has the type of bill and each line's revenue code: two and four digits",
            ),
            (
                any(|line| line.site.is_some()),
                "an 837I has no place for where on the body: modifiers say it",
            ),
        ],
        Form::Dental => [
            (
                claim.diagnoses.len() > DENTAL_DIAGNOSES,
                "an 837D claim has at most 4 diagnoses",
            ),
            (
                any(|line| line.place.is_none()),
                "each line of an 837D has a place of service",
            ),
            (
                any(|line| line.diagnoses.len() > 4),
                "each line of an 837D points at no more than 4 diagnoses",
            ),
            (
                any(|line| line.site.as_ref().is_some_and(|site| site.body.is_some())),
                "an 837D has teeth and areas of the mouth, and no other parts of the body",
            ),
        ],
    };
    let twice = billed.after.is_some() && any(|line| line.other_payer.is_some());
    let everywhere = [
        (
            billed.institution.is_some() != (form == Form::Institutional),
            "what an institution's bill says besides belongs to an 837I, and to no other",
        ),
        (
            twice,
            "two payers decided before: a bill to a third is not written",
        ),
        (
            billed.insured_before.is_some() && !billed.is_secondary(),
            "through whom the patient is insured at the payer before is said, and no payer decides before",
        ),
        (
            billed.after.as_ref().is_some_and(|after| !decides(after, claim)),
            "it is not the adjudication of the claim, or a line of it is not decided yet",
        ),
    ];
    let mut all = of_form.into_iter().chain(everywhere);
    all.find(|(wrong, _)| *wrong).map(|(_, reason)| reason)
}

/// How many authorisations lines name, none being one.
fn authorisations(claim: &Claim) -> usize {
    let each: std::collections::BTreeSet<_> = claim.lines.iter().map(|line| line.authorisation).collect();
    each.len()
}

fn has_revenue_codes(billed: &Billed<'_>) -> bool {
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    billed.institution.as_ref().is_some_and(|institution| {
        let mut codes = billed
            .claim
            .lines
            .iter()
            .map(|line| institution.revenue.get(&line.sequence));
        digits(&institution.bill, 2) && codes.all(|code| code.is_some_and(|code| digits(code, 4)))
    })
}

/// Every line is decided, and balances.
fn decides(after: &After<'_>, claim: &Claim) -> bool {
    let decided = after.decided;
    let holds = |(line, result): (&ClaimLine, &LineResult)| {
        !result.pended
            && result.balances()
            && (line.sequence, line.charge) == (result.sequence, result.charge)
    };
    decided.claim == claim.id
        && decided.lines.len() == claim.lines.len()
        && claim.lines.iter().zip(&decided.lines).all(holds)
}

/// Writes it. What [`refused`] says of it has been asked before.
pub(super) fn write(out: &mut Writer, billed: &Billed<'_>, form: Form) -> Result<(), Problem> {
    let claim = billed.claim;
    let amount = |minor: i64| crate::claims::short_text(minor, &claim.currency);
    let place = claim
        .lines
        .first()
        .and_then(|line| line.place.as_deref())
        .unwrap_or_default();
    let number = out.plain("CLM", 1, &billed.number, 20);
    let at = billed
        .institution
        .as_ref()
        .map_or(place, |institution| institution.bill.as_str());
    let facility = composite(&[at, form.facility(), billed.frequency().as_str()]);
    let signed = if form == Form::Institutional { "" } else { "Y" };
    let elements = [
        number,
        &amount(claim.total),
        "",
        "",
        &facility,
        signed,
        "A",
        "Y",
        "Y",
    ];
    out.segment("CLM", &elements);
    if let Some(institution) = &billed.institution {
        stay(out, institution, claim);
    }
    let whole = claim.lines.first().and_then(|line| line.authorisation);
    if let (Form::Institutional, None, Some(authorisation)) = (form, &billed.after, whole) {
        out.segment("REF", &["G1", &authorisation.to_string()]);
    }
    if let (Frequency::Replacement | Frequency::Void, Some(before)) = (billed.frequency(), claim.replaces) {
        out.segment("REF", &["F8", &before.to_string()]);
    }
    diagnoses(out, billed, form);
    if billed.is_secondary() {
        other_payer(out, billed, &amount);
    }
    for (index, line) in claim.lines.iter().enumerate() {
        let decided = billed
            .after
            .as_ref()
            .and_then(|after| Some((after, after.decided.lines.get(index)?)));
        write_line(out, billed, form, line, decided, (place, &amount))?;
    }
    Ok(())
}

/// What an institution says of the patient's stay, or visit.
fn stay(out: &mut Writer, institution: &Institution, claim: &Claim) {
    let days = claim.lines.iter().map(|line| line.date);
    let of_lines = days
        .clone()
        .min()
        .zip(days.max())
        .map(|(from, until)| DateRange { from, until });
    if let Some(DateRange { from, until }) = institution.statement.or(of_lines) {
        let both = format!("{}-{}", day(from), day(until));
        out.segment("DTP", &["434", "RD8", &both]);
    }
    if let Some(admitted) = institution.admitted {
        out.segment("DTP", &["435", "D8", &day(admitted)]);
    }
    let [kind, source, status] = &institution.admission;
    for (number, code) in (1..).zip([kind, source, status]) {
        let wrong = code.len() > 2 || !code.bytes().all(|b| b.is_ascii_alphanumeric());
        if wrong || (number == 3 && code.is_empty()) {
            out.refuse(
                "CL1",
                number,
                "a code of one or two characters is expected; the patient's status is needed",
            );
        }
    }
    out.segment("CL1", &[kind, source, status]);
}

fn diagnoses(out: &mut Writer, billed: &Billed<'_>, form: Form) {
    let code = |list: &str, code: &str| composite(&[list, &code.replace('.', "")]);
    let mut codes = Vec::new();
    for (index, diagnosis) in billed.claim.diagnoses.iter().enumerate() {
        codes.push(code(if index == 0 { "ABK" } else { "ABF" }, diagnosis));
    }
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    match (form, codes.split_first()) {
        (_, None) => {}
        // The principal one stands by itself there, and the one at admission beside.
        (Form::Institutional, Some((principal, others))) => {
            out.segment("HI", &[principal]);
            let institution = billed.institution.as_ref();
            if let Some(admitting) = institution.and_then(|institution| institution.admitting.as_deref()) {
                out.segment("HI", &[&code("ABJ", admitting)]);
            }
            if !others.is_empty() {
                out.segment("HI", others);
            }
            if let Some(who) = institution.and_then(|institution| institution.attending.as_ref()) {
                let (last, first) = (
                    out.plain("NM1", 3, &who.last_name, 60),
                    out.plain("NM1", 4, &who.first_name, 35),
                );
                out.segment("NM1", &["71", "1", last, first, "", "", "", "XX", &who.npi]);
            }
        }
        (Form::Professional | Form::Dental, Some(_)) => out.segment("HI", &codes),
    }
}

/// A line's decision by the payer before.
type Decided<'a> = Option<(&'a After<'a>, &'a LineResult)>;

fn write_line<A: Fn(i64) -> String>(
    out: &mut Writer,
    billed: &Billed<'_>,
    form: Form,
    line: &ClaimLine,
    decided: Decided<'_>,
    (place, amount): (&str, &A),
) -> Result<(), Problem> {
    let layout = form.layout();
    let revenue = billed
        .institution
        .as_ref()
        .and_then(|institution| institution.revenue.get(&line.sequence));
    let revenue = revenue.map(String::as_str).unwrap_or_default();
    let mut code = vec![layout.list, line.procedure.as_str()];
    code.extend(line.modifiers.iter().map(String::as_str));
    // What only a revenue code says has no procedure.
    let code = if line.procedure == revenue {
        String::new()
    } else {
        composite(&code)
    };
    let charge = amount(line.charge);
    let units = line.units.to_string();
    let pointers: Vec<String> = line.diagnoses.iter().map(u8::to_string).collect();
    let pointers = composite(&pointers.iter().map(String::as_str).collect::<Vec<_>>());
    let own_place = line
        .place
        .as_deref()
        .filter(|own| *own != place)
        .unwrap_or_default();
    out.segment("LX", &[&line.sequence.to_string()]);
    match form {
        Form::Professional => {
            out.segment("SV1", &[&code, &charge, "UN", &units, own_place, "", &pointers]);
        }
        Form::Institutional => out.segment("SV2", &[revenue, &code, &charge, "UN", &units]),
        Form::Dental => {
            let areas = line
                .site
                .iter()
                .flat_map(|site| &site.areas)
                .map(|area| area.as_str());
            let areas = composite(&areas.collect::<Vec<_>>());
            let elements = [
                &code, &charge, own_place, &areas, "", &units, "", "", "", "", &pointers,
            ];
            out.segment("SV3", &elements);
            for (tooth, surfaces) in line.site.iter().flat_map(|site| &site.teeth) {
                let surfaces: Vec<&str> = surfaces.iter().map(|surface| surface.as_str()).collect();
                out.segment("TOO", &["JP", &tooth.to_string(), &composite(&surfaces)]);
            }
        }
    }
    out.segment("DTP", &["472", "D8", &day(line.date)]);
    if let (Some(authorisation), None, false) =
        (line.authorisation, &billed.after, form == Form::Institutional)
    {
        out.segment("REF", &["G1", &authorisation.to_string()]);
    }
    if let Some(performer) = &line.rendering_npi {
        // Institutions name persons alone.
        let kind = if form == Form::Institutional { "1" } else { "2" };
        out.segment(
            "NM1",
            &["82", kind, "RENDERING PROVIDER", "", "", "", "", "XX", performer],
        );
    }
    let paid = match (decided, line.other_payer) {
        (Some((after, result)), _) => Some((after.number.as_str(), result.allowed)),
        (None, Some(other)) => Some((OTHER, other.paid)),
        (None, None) => None,
    };
    let Some((whose, paid)) = paid else {
        return Ok(());
    };
    out.segment("SVD", &[whose, &amount(paid), &code, revenue, &units]);
    let rest = line.charge.saturating_sub(paid);
    match decided {
        Some((_, result)) => adjustments(out, result, 1, amount)?,
        // Why that payer did not pay more is not on the ledger.
        None if rest > 0 => out.segment("CAS", &[Group::Other.as_str(), "192", &amount(rest)]),
        None => {}
    }
    let when = decided.map_or(line.date, |(after, _)| after.paid);
    out.segment("DTP", &["573", "D8", &day(when)]);
    Ok(())
}

/// The number of a payer that the ledger does not name.
const OTHER: &str = "OTHER";

/// Loops 2320 and 2330: the payer before this one, and through whom the patient is insured there. Of a payer outside of the ledger the amounts alone are
/// known.
fn other_payer(out: &mut Writer, billed: &Billed<'_>, amount: &impl Fn(i64) -> String) {
    let lines = billed.claim.lines.iter();
    let paid = match &billed.after {
        Some(after) => after.decided.allowed,
        None => lines
            .filter_map(|line| line.other_payer)
            .fold(0i64, |sum, other| sum.saturating_add(other.paid)),
    };
    let before = billed.insured_before.as_ref();
    let another = before.and_then(|before| before.subscriber.as_ref());
    let group = match before.and_then(|before| before.group.as_deref()) {
        Some(group) => out.plain("SBR", 3, group, 50),
        None => "",
    };
    let is = another.map_or("18", |another| another.patient.code());
    out.segment("SBR", &["P", is, group, "", "", "", "", "", "CI"]);
    out.segment("AMT", &["D", &amount(paid)]);
    out.segment("OI", &["", "", "Y", "", "", "Y"]);
    let (last, first) = match another {
        Some(another) => (
            out.plain("NM1", 3, &another.last_name, 60),
            out.plain("NM1", 4, &another.first_name, 35),
        ),
        None => (billed.last_name.as_str(), billed.first_name.as_str()),
    };
    let member = match before {
        Some(before) => out.plain("NM1", 9, &before.member_number, 80),
        None => &billed.member_number,
    };
    out.segment("NM1", &["IL", "1", last, first, "", "", "", "MI", member]);
    let (name, number) = match &billed.after {
        Some(after) => (
            out.plain("NM1", 3, &after.name, 60),
            out.plain("NM1", 9, &after.number, 80),
        ),
        None => ("OTHER PAYER", OTHER),
    };
    out.segment("NM1", &["PR", "2", name, "", "", "", "", "PI", number]);
}
