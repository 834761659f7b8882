//! From an interchange of claims that came to a 277CA (005010X214): claim by claim what is accepted.

use super::received::{Name, Received, ReceivedClaim, ReceivedSet};
use super::status::Word;
use super::write::{Envelope, Kind, Writer, composite, day};
use crate::claims::{Problem, Submission};
use careledger_api::date::Date;

/// The implementation guide.
pub(super) const CLAIM_ACKNOWLEDGMENT: &str = "005010X214";
/// Most statuses of a claim that one segment holds.
const STATUSES: usize = 3;

impl Received {
    /// Its 277CA, with a word for each of [`Received::reads`], in their order. Fails where there are more or fewer words than claims, for an
    /// interchange whose frame is broken (a 999 says that), for claims of several currencies, and for an envelope that X12 cannot hold.
    pub fn claim_acknowledgment(&self, words: &[Word], envelope: &Envelope) -> Result<String, Problem> {
        let claims: Vec<&ReceivedClaim> = self.noted().collect();
        if claims.is_empty() || claims.len() != words.len() {
            return Err(Problem::new(
                "STC",
                "a file with claims, and one word for each of them, is expected",
            ));
        }
        let currency = &claims[0].noted.currency;
        if claims.iter().any(|claim| claim.noted.currency != *currency) {
            return Err(Problem::new("AMT", "all claims of a 277CA are in one currency"));
        }
        let today = Date::from_unix(envelope.made)
            .map_err(|_| Problem::new("DTP03", "a time of the years 1970 to 2200 is expected"))?;
        let mut words = words;
        let mut sets = Vec::new();
        let of_groups = self.groups.iter().flat_map(|group| &group.sets);
        for set in of_groups.filter(|set| !set.claims.is_empty()) {
            let (own, rest) = words.split_at(set.claims.len().min(words.len()));
            words = rest;
            sets.push(write_set(set, own, envelope, today));
        }
        let kind = Kind {
            set: "277",
            group: "HN",
            guide: CLAIM_ACKNOWLEDGMENT,
        };
        Writer::interchange(envelope, self.codes(), &kind, None, sets)
    }
}

/// Claims with what is said of them.
type Said<'a> = (&'a ReceivedClaim, &'a Word);

fn write_set(set: &ReceivedSet, words: &[Word], envelope: &Envelope, today: Date) -> Writer {
    let said: Vec<Said<'_>> = set.claims.iter().zip(words).collect();
    let mut out = Writer::default();
    let now = day(today);
    let reference = envelope.control.to_string();
    out.segment("BHT", &["0085", "08", &reference, &now, "0000", "TH"]);
    out.segment("HL", &["1", "", "20", "1"]);
    let payer = Writer::tamed(&set.receiver.last, 60, "PAYER");
    let number = Writer::tamed(&set.receiver.number, 80, &envelope.sender.1);
    out.segment("NM1", &["PR", "2", &payer, "", "", "", "", "46", &number]);
    out.segment("TRN", &["1", &reference]);
    out.segment("DTP", &["050", "D8", &now]);
    out.segment("DTP", &["009", "D8", &now]);
    out.segment("HL", &["2", "1", "21", "1"]);
    let fallback = ("46", envelope.receiver.1.as_str());
    name(&mut out, "41", &set.submitter, &["46"], fallback, "SUBMITTER");
    out.segment("TRN", &["2", &Writer::tamed(&set.trace, 50, "0")]);
    let total = amount(&said, None);
    out.segment("STC", &["A1:19:PR", &now, "WQ", &total]);
    totals(&mut out, &said, ["90", "AA"]);
    let mut level = 2u32;
    for some in said.chunk_by(|(a, _), (b, _)| a.noted.provider == b.noted.provider) {
        level += 1;
        let provider = level;
        out.segment("HL", &[&provider.to_string(), "2", "19", "1"]);
        if let Some((claim, _)) = some.first() {
            let fallback = ("XX", "00");
            let known = ["FI", "SV", "XX"];
            name(
                &mut out,
                "85",
                &claim.noted.provider,
                &known,
                fallback,
                "PROVIDER",
            );
        }
        out.segment("TRN", &["1", "0"]);
        out.segment("STC", &["A1:19:PR", "", "WQ", &amount(some, None)]);
        totals(&mut out, some, ["QA", "QC"]);
        for (claim, word) in some {
            level += 1;
            out.segment("HL", &[&level.to_string(), &provider.to_string(), "PT"]);
            write_claim(&mut out, claim, word, today);
        }
    }
    out
}

fn write_claim(out: &mut Writer, claim: &ReceivedClaim, word: &Word, today: Date) {
    let (read, noted) = (&claim.read, &claim.noted);
    let patient = Name {
        kind: "1".to_owned(),
        qualifier: "MI".to_owned(),
        number: read.account.member_number.clone().unwrap_or_default(),
        ..noted.patient.clone()
    };
    name(out, "QC", &patient, &["MI"], ("MI", "00"), "PATIENT");
    let number = read.account.claim_number.as_deref().unwrap_or_default();
    out.segment("TRN", &["2", &Writer::tamed(number, 50, "0")]);
    let now = day(today);
    let action = if word.is_rejected() { "U" } else { "WQ" };
    let charge = amount(&[(claim, word)], None);
    let statuses: Vec<String> = word
        .statuses()
        .iter()
        .map(|s| composite(&[&s.category, &s.code, s.entity.as_deref().unwrap_or_default()]))
        .collect();
    for some in statuses.chunks(STATUSES) {
        let at = |index: usize| some.get(index).map_or("", String::as_str);
        let elements = [at(0), &now, action, &charge, "", "", "", "", "", at(1), at(2)];
        out.segment("STC", &elements);
    }
    if let (Ok(Submission::Claim(body)), false) = (&read.outcome, word.is_rejected()) {
        out.segment("REF", &["1K", &body.claim.id.to_string()]);
    }
    if let Some(bill) = &noted.bill {
        out.segment("REF", &["BLT", &Writer::tamed(bill, 50, "0")]);
    }
    match noted.days.unwrap_or((today, today)) {
        (from, until) if from == until => out.segment("DTP", &["472", "D8", &day(from)]),
        (from, until) => {
            let both = format!("{}-{}", day(from), day(until));
            out.segment("DTP", &["472", "RD8", &both]);
        }
    }
}

/// How many are accepted and rejected, and for how much.
fn totals(out: &mut Writer, said: &[Said<'_>], [accepted, rejected]: [&str; 2]) {
    let count = |wanted: bool| {
        said.iter()
            .filter(|(_, word)| word.is_rejected() == wanted)
            .count()
    };
    let kinds = [(accepted, "YU", false), (rejected, "YY", true)];
    for (quantity, _, wanted) in kinds.iter().filter(|(.., wanted)| count(*wanted) > 0) {
        out.segment("QTY", &[quantity, &count(*wanted).to_string()]);
    }
    for (_, sum, wanted) in kinds.iter().filter(|(.., wanted)| count(*wanted) > 0) {
        out.segment("AMT", &[sum, &amount(said, Some(*wanted))]);
    }
}

/// What is charged in all, or for those that are rejected or not.
fn amount(said: &[Said<'_>], rejected: Option<bool>) -> String {
    let counted = said
        .iter()
        .filter(|(_, word)| rejected.is_none_or(|r| r == word.is_rejected()));
    let sum = counted
        .filter_map(|(claim, _)| claim.noted.charge)
        .fold(0, i64::saturating_add);
    let currency = said.first().map_or("USD", |(claim, _)| &claim.noted.currency);
    crate::claims::short_text(sum, currency)
}

/// A name as it came, with one of the guide's qualifiers and a number.
fn name(
    out: &mut Writer,
    whose: &str,
    name: &Name,
    known: &[&str],
    (qualifier, number): (&str, &str),
    instead: &str,
) {
    let own = Writer::tamed(&name.number, 80, "");
    // A number has two characters at least.
    let (qualifier, number) = match known.contains(&name.qualifier.as_str()) && own.len() > 1 {
        true => (name.qualifier.as_str(), own.as_str()),
        false => (qualifier, number),
    };
    let kind = if name.kind == "1" { "1" } else { "2" };
    let last = Writer::tamed(&name.last, 60, instead);
    let person = |text: &str, longest| match kind {
        "1" => Writer::tamed(text, longest, ""),
        _ => String::new(),
    };
    let (first, middle) = (person(&name.first, 35), person(&name.middle, 25));
    out.segment(
        "NM1",
        &[whose, kind, &last, &first, &middle, "", "", qualifier, number],
    );
}
