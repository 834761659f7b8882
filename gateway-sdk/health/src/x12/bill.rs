//! From claims to an 837P (005010X222A1), 837I (005010X223A2) or 837D (005010X224A2): for a provider that sends the same claim to a payer outside of the
//! ledger, also after the ledger's payer has decided (coordination of benefits).

use super::billed;
use super::form::Form;
use super::remittance::Address;
use super::write::{Envelope, Kind, Writer, day};
use crate::claims::Problem;
use careledger_api::adjudication::{Adjudication, Claim, Sex};
use careledger_api::date::{Date, DateRange};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Who bills whom.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// What an institution's bill says besides; an 837I needs it, and no other has it.
    pub institution: Option<Institution>,
    /// What the ledger's payer decided, where this payer comes after it. The bill is a first one to this payer then: it names no authorisation and no
    /// claim before.
    pub after: Option<After<'a>>,
    /// Through whom the patient is insured at the payer before this one, where there is one; none: under this payer's number of the member, in the
    /// patient's own name. A claim that this payer decides first has none.
    pub insured_before: Option<InsuredBefore>,
}

/// Through whom a patient is insured at the payer before (loops 2320 and 2330A). Personal.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InsuredBefore {
    /// That payer's number of the member, at most 80 characters.
    pub member_number: String,
    /// The number of its group or policy, at most 50 characters (SBR03).
    #[serde(default)]
    pub group: Option<String>,
    /// Who the subscriber is, where that is not the patient.
    #[serde(default)]
    pub subscriber: Option<OtherSubscriber>,
}

/// Another person than the patient, through whom the patient is insured. Personal.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherSubscriber {
    /// Family name.
    pub last_name: String,
    /// First name.
    pub first_name: String,
    /// What the patient is to them (SBR02).
    pub patient: PatientIs,
}

/// What a patient is to the subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PatientIs {
    /// Husband or wife.
    Spouse,
    /// Partner.
    LifePartner,
    /// Child.
    Child,
    /// Employee.
    Employee,
    /// Something else.
    Other,
    /// It is not known.
    Unknown,
}

impl PatientIs {
    /// X12's code.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Spouse => "01",
            Self::LifePartner => "53",
            Self::Child => "19",
            Self::Employee => "20",
            Self::Other => "G8",
            Self::Unknown => "21",
        }
    }
}

/// What an institution's bill says, and the ledger's claims have no place for. Personal.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Institution {
    /// Type of bill, two digits without the frequency, such as `13` (CLM05-1).
    pub bill: String,
    /// The days of the statement; without them, from the first line's day to the last one's.
    #[serde(default)]
    pub statement: Option<DateRange>,
    /// The day of admission (DTP\*435), which bills of inpatients need.
    #[serde(default)]
    pub admitted: Option<Date>,
    /// Type and source of admission, and the patient's status: codes (CL1).
    pub admission: [String; 3],
    /// The diagnosis at admission, of ICD-10-CM (HI ABJ), which bills of inpatients need.
    #[serde(default)]
    pub admitting: Option<String>,
    /// Who attended (NM1\*71).
    #[serde(default)]
    pub attending: Option<Attending>,
    /// The revenue code of each line, by its number. A line whose procedure is that code has no other one.
    pub revenue: BTreeMap<u16, String>,
}

/// A physician. Personal.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attending {
    /// Family name.
    pub last_name: String,
    /// First name.
    pub first_name: String,
    /// NPI.
    pub npi: String,
}

/// The payer before, and what it decided.
#[derive(Debug, Clone)]
pub struct After<'a> {
    /// Its decision on the claim.
    pub decided: &'a Adjudication,
    /// The day on which it paid, or said that it does not.
    pub paid: Date,
    /// Its name.
    pub name: String,
    /// Its number.
    pub number: String,
}

impl std::fmt::Debug for InsuredBefore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InsuredBefore(..)")
    }
}

impl std::fmt::Debug for OtherSubscriber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OtherSubscriber(..)")
    }
}

impl std::fmt::Debug for Institution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Institution(..)")
    }
}

impl std::fmt::Debug for Attending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Attending(..)")
    }
}

impl std::fmt::Debug for Billed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Billed")
            .field("claim", &self.claim.id)
            .finish_non_exhaustive()
    }
}

/// Writes claims of one billing provider and of one kind: professional ones as an 837P, institutional ones as an 837I, dental ones as an 837D. What is
/// written is read as the same claims, but that an 837I has neither places of service nor diagnoses of a line. Fails for claims of pharmacies and
/// opticians, for what a guide has no place for or needs and a claim does not have, and for texts that X12 cannot hold. Documents are not written: X12
/// has no place for the ledger's.
pub fn claims_to_x12(claims: &[Billed<'_>], biller: &Biller, envelope: &Envelope) -> Result<String, Problem> {
    let Some(first) = claims.first().map(|billed| billed.claim) else {
        return Err(Problem::new("CLM", "at least one claim is expected"));
    };
    let form = Form::of_kind(first.kind).ok_or_else(|| {
        let reason = "an 837 has professional, institutional or dental claims";
        Problem::new(format!("claim {}", first.id), reason)
    })?;
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
        let strange = claim.provider_npi != first.provider_npi || claim.currency != first.currency;
        let refused = match (claim.kind == first.kind, strange) {
            (false, _) => Some("all claims of a file are of one kind"),
            (_, true) => Some("all claims are of one provider, in one currency"),
            _ => billed::refused(billed, form),
        };
        if let Some(reason) = refused {
            return Err(Problem::new(format!("claim {}", claim.id), reason));
        }
        out.segment("HL", &[&level.to_string(), "1", "22", "0"]);
        subscriber(&mut out, billed, biller);
        billed::write(&mut out, billed, form)?;
    }
    let kind = Kind {
        set: "837",
        group: "HC",
        guide: form.guide(),
    };
    out.finish(envelope, &kind)
}

fn address(out: &mut Writer, address: &Address) {
    let street = out.plain("N3", 1, &address.street, 55);
    out.segment("N3", &[street]);
    out.segment("N4", &[&address.city, &address.state, &address.postcode]);
}

fn subscriber(out: &mut Writer, billed: &Billed<'_>, biller: &Biller) {
    let order = if billed.is_secondary() { "S" } else { "P" };
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
