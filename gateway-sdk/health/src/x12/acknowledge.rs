//! From an interchange of claims or requests that came to a 999 (005010X231A1), with a TA1 where its envelope is wrong or it asks for one.
//!
//! A 999 says where a file breaks its implementation guide. What keeps to it and is not taken all the same (an unknown member, two days on a line) is
//! for the 277CA. The interchange is read whole or, where its frame is broken, not at all; a claim that is wrong is left out and the others count.

use super::answer::Verdict;
use super::received::{Received, ReceivedGroup, ReceivedSet};
use super::spot::{Fault, Spot};
use super::write::{Envelope, Kind, Writer, composite};
use crate::claims::{FileError, Problem};
use std::collections::BTreeMap;

/// The implementation guide.
const ACKNOWLEDGMENT: &str = "005010X231A1";

impl Received {
    /// Its 999: accepted, accepted with errors or rejected, by transaction set, with segment, element and code of each error. Where the interchange's
    /// own envelope is wrong, a TA1 alone. Fails for an envelope that X12 cannot hold.
    pub fn acknowledgment(&self, envelope: &Envelope) -> Result<String, Problem> {
        let kind = Kind {
            set: "999",
            group: "FA",
            guide: ACKNOWLEDGMENT,
        };
        let note = self.interchange_note();
        let code = note.unwrap_or("000");
        let header = &self.header;
        let date = Writer::tamed(&header.date, 6, "000000");
        let time = Writer::tamed(&header.time, 4, "0000");
        let control = Writer::tamed(&header.control, 9, "000000000");
        let verdict = if note.is_some() { "R" } else { "A" };
        let ta1 = [control.as_str(), &date, &time, verdict, code];
        let ta1 = (note.is_some() || header.acknowledged).then_some(ta1);
        let sets = match note {
            Some(_) => Vec::new(),
            None => self.groups.iter().map(|group| self.group(group)).collect(),
        };
        Writer::interchange(envelope, self.codes(), &kind, ta1, sets)
    }

    /// TA105, where the interchange as a whole is rejected.
    fn interchange_note(&self) -> Option<&'static str> {
        let broken = self.broken.as_ref()?;
        match frame(broken) {
            Some((spot, code)) if spot.id == "ISA" => Some(code),
            // Nothing of a file with a broken group is taken, and a 999 for the other groups would say otherwise.
            Some(_) if self.begun == 1 => None,
            _ => Some("024"),
        }
    }

    fn group(&self, group: &ReceivedGroup) -> Writer {
        let mut out = Writer::default();
        let text = |text: &str, longest| Writer::tamed(text, longest, "0");
        out.segment(
            "AK1",
            &[
                &text(&group.kind, 2),
                &text(&group.control, 9),
                &text(&group.guide, 12),
            ],
        );
        let broken: Option<(&Spot, &'static str)> = self.broken.as_ref().and_then(frame);
        let mut accepted = 0usize;
        let mut worst = Verdict::Accepted;
        // The set in which the error stands, if it stands in one.
        let broken_set = broken
            .filter(|(spot, _)| spot.id == "ST")
            .and_then(|(spot, code)| {
                let index = group.sets.iter().rposition(|set| set.first <= spot.segment);
                index.map(|index| (index, code))
            });
        for (index, set) in group.sets.iter().enumerate() {
            let error = broken_set
                .filter(|(wrong, _)| *wrong == index)
                .map(|(_, code)| code);
            // The others are whole, and not taken with it.
            if broken.is_some() && error.is_none() {
                continue;
            }
            out.segment(
                "AK2",
                &[&text(&set.kind, 3), &text(&set.control, 9), &text(&set.guide, 35)],
            );
            let verdict = match error {
                Some(code) => {
                    out.segment("IK5", &["R", code]);
                    Verdict::Rejected
                }
                None => set_errors(&mut out, set),
            };
            accepted += usize::from(verdict != Verdict::Rejected);
            if worst == Verdict::Accepted {
                worst = verdict;
            }
        }
        let code = match (&broken, accepted) {
            (Some(_), _) | (None, 0) => "R",
            (None, some) if some < group.sets.len() => "P",
            _ => worst.code(),
        };
        let group_error = broken.filter(|(spot, _)| spot.id == "GS").map(|(_, code)| code);
        let count = group.sets.len().to_string();
        let said = group.said.as_deref().filter(|said| said.parse::<u32>().is_ok());
        out.segment(
            "AK9",
            &[
                code,
                &text(said.unwrap_or(&count), 6),
                &count,
                &accepted.to_string(),
                group_error.unwrap_or_default(),
            ],
        );
        out
    }
}

/// Errors by segment, in the order of the file, each with the provider's number of the claim that it is in.
type Errors<'a> = BTreeMap<(usize, &'a str), Vec<(&'a Spot, Option<&'a str>)>>;

/// IK3, IK4 and IK5 of a transaction set that was read.
fn set_errors(out: &mut Writer, set: &ReceivedSet) -> Verdict {
    // What is wrong above several claims is said once, and each segment once.
    let mut errors = Errors::new();
    let mut unbroken = 0;
    for read in set.reads() {
        let spots: Vec<&Spot> = spots(&read.outcome).collect();
        unbroken += usize::from(spots.is_empty());
        let number = read.account.claim_number.as_deref();
        for spot in spots {
            let own = number.filter(|_| spot.of_one());
            let found = errors.entry((spot.segment, spot.id.as_str())).or_default();
            if !found.iter().any(|(known, _)| *known == spot) {
                found.push((spot, own));
            }
        }
    }
    for ((segment, id), found) in &mut errors {
        found.sort_by_key(|(spot, _)| (spot.element, spot.component));
        let whole = found.iter().find(|(spot, _)| spot.element == 0);
        let code = match whole.map(|(spot, _)| spot.fault) {
            Some(Fault::Missing) => "3",
            Some(_) => "2",
            None => "8",
        };
        let position = segment.saturating_sub(set.first).saturating_add(1).to_string();
        // IK303 has room for the loop's number, not for its letters.
        let inside = found.first().and_then(|(spot, _)| spot.inside.get(..4));
        let inside = inside.unwrap_or_default();
        let id = Writer::tamed(id, 3, "ZZZ");
        out.segment("IK3", &[&id, &position, inside, code]);
        if let Some(number) = found.first().and_then(|(_, number)| *number) {
            let number = Writer::tamed(number, 35, "0");
            let whose = if set.reviews.is_empty() { "CLM01" } else { "TRN02" };
            out.segment("CTX", &[&composite(&[whose, &number])]);
        }
        for (spot, _) in found.iter().filter(|(spot, _)| spot.element != 0) {
            let (element, component) = (spot.element.to_string(), spot.component.to_string());
            let at = match spot.component {
                0 => element,
                _ => composite(&[&element, &component]),
            };
            out.segment("IK4", &[&at, "", element_code(spot.fault)]);
        }
    }
    if errors.is_empty() {
        out.segment("IK5", &["A"]);
        return Verdict::Accepted;
    }
    let verdict = if unbroken == 0 {
        Verdict::Rejected
    } else {
        Verdict::WithErrors
    };
    out.segment("IK5", &[verdict.code(), "5"]);
    verdict
}

/// Where a claim breaks its guide.
fn spots<T>(outcome: &Result<T, Vec<Problem>>) -> impl Iterator<Item = &Spot> {
    let problems = outcome.as_ref().err().into_iter().flatten();
    problems
        .filter_map(|problem| problem.x12.as_deref())
        .filter(|spot| spot.fault.breaks_guide())
}

/// IK403.
fn element_code(fault: Fault) -> &'static str {
    match fault {
        Fault::Missing => "1",
        Fault::Format => "6",
        Fault::Date => "8",
        Fault::Code | Fault::Unexpected | Fault::Refused | Fault::Frame(_) => "7",
    }
}

/// The envelope that is wrong, and the code of it.
fn frame(error: &FileError) -> Option<(&Spot, &'static str)> {
    let FileError::Frame(problem) = error else {
        return None;
    };
    let spot = problem.x12.as_deref()?;
    match spot.fault {
        Fault::Frame(code) => Some((spot, code)),
        _ => None,
    }
}
