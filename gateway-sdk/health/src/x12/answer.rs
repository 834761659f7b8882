//! From a 999 (005010X231A1) with or without a TA1 to what a receiver says of a file that was sent to it: for whoever sent it.

use super::answer_words as words;
use super::segment::{Segment, Transaction, Wanted, interchange};
use crate::claims::{FileError, Problem};
use std::fmt;

/// Files of acknowledgments.
const ACKNOWLEDGMENTS: Wanted = Wanted {
    set: "999",
    group: "FA",
    guides: &["005010X231A1", "005010X231"],
    name: "X12 999 or TA1 of one interchange",
};

/// What is said of what was sent, by its numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Acknowledged {
    /// Of interchanges (TA1).
    pub interchanges: Vec<AcknowledgedInterchange>,
    /// Of functional groups (999).
    pub groups: Vec<AcknowledgedGroup>,
}

/// How something was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All of it.
    Accepted,
    /// All of it, with errors in it that are said.
    WithErrors,
    /// Some of its transaction sets.
    Partly,
    /// None of it.
    Rejected,
}

impl Verdict {
    /// As acknowledgments write it.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Accepted => "A",
            Self::WithErrors => "E",
            Self::Partly => "P",
            Self::Rejected => "R",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accepted => "accepted",
            Self::WithErrors => "accepted with errors",
            Self::Partly => "accepted in part",
            Self::Rejected => "rejected",
        })
    }
}

/// What a TA1 says of an interchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcknowledgedInterchange {
    /// ISA13 as it was sent.
    pub control: String,
    /// Whether it was opened at all; what is in it is a 999's.
    pub verdict: Verdict,
    /// TA105.
    pub note: Note,
}

/// What a 999 says of a functional group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcknowledgedGroup {
    /// GS01 as it was sent: `HC` claims, `HI` requests for authorisations.
    pub kind: String,
    /// GS06.
    pub control: String,
    /// What became of it.
    pub verdict: Verdict,
    /// Transaction sets that were in it, by its own word; that came; that are accepted.
    pub counts: [u32; 3],
    /// What is wrong with the group itself (AK905 to AK909).
    pub notes: Vec<Note>,
    /// Its transaction sets, as far as something is said of them.
    pub sets: Vec<AcknowledgedSet>,
}

/// What it says of a transaction set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcknowledgedSet {
    /// ST01 as it was sent, such as `837`.
    pub kind: String,
    /// ST02.
    pub control: String,
    /// What became of it.
    pub verdict: Verdict,
    /// What is wrong with the set as a whole (IK502 to IK506).
    pub notes: Vec<Note>,
    /// What is wrong in it.
    pub findings: Vec<Finding>,
}

/// What it says of a segment. Nothing of what stands there. `Debug` shows nothing of the claim.
#[derive(Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its name, such as `SV1`.
    pub id: String,
    /// Which of the set's segments it is; ST is 1.
    pub position: usize,
    /// The loop, such as `2400`; empty where it is not said.
    pub inside: String,
    /// The sender's number of the claim (CLM01) or request (TRN02) in which it stands, where that is said.
    pub number: Option<String>,
    /// What is wrong with it (IK304).
    pub note: Note,
    /// What is wrong with its elements.
    pub elements: Vec<ElementFinding>,
}

impl fmt::Debug for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finding")
            .field("id", &self.id)
            .field("position", &self.position)
            .field("note", &self.note)
            .field("elements", &self.elements)
            .finish_non_exhaustive()
    }
}

/// What it says of an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementFinding {
    /// From 1.
    pub element: usize,
    /// From 1; 0: the element as a whole.
    pub component: usize,
    /// IK403.
    pub note: Note,
}

/// A code of a list of X12's, and what it asks of the sender, in words of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// As it came, up to three characters.
    pub code: String,
    /// What is wrong.
    pub words: &'static str,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.words, self.code)
    }
}

impl Acknowledged {
    /// Every transaction set that something is said of, with its group.
    pub fn sets(&self) -> impl Iterator<Item = (&AcknowledgedGroup, &AcknowledgedSet)> {
        let groups = self.groups.iter();
        groups.flat_map(|group| group.sets.iter().map(move |set| (group, set)))
    }

    /// Nothing of it was refused.
    pub fn is_accepted(&self) -> bool {
        let interchanges = self.interchanges.iter().map(|interchange| interchange.verdict);
        let groups = self.groups.iter().map(|group| group.verdict);
        let sets = self.sets().map(|(_, set)| set.verdict);
        let mut all = interchanges.chain(groups).chain(sets);
        all.all(|verdict| verdict == Verdict::Accepted)
    }
}

/// Reads an interchange of 999s, of TA1s or of both. Fails for one whose frame is broken, for a code that neither accepts nor rejects, and for one that
/// acknowledges nothing.
pub fn acknowledgments_from_x12(bytes: &[u8]) -> Result<Acknowledged, FileError> {
    let interchange = interchange(bytes, &[ACKNOWLEDGMENTS])?;
    if let Some(error) = interchange.broken {
        return Err(error);
    }
    let mut said = Acknowledged::default();
    for ta1 in &interchange.notes {
        said.interchanges.push(AcknowledgedInterchange {
            control: ta1.element(1).to_owned(),
            verdict: verdict(ta1, 4).map_err(FileError::Frame)?,
            note: note(ta1.element(5), words::interchange),
        });
    }
    for set in interchange.groups.iter().flat_map(|group| &group.sets) {
        let mut reading = Reading::default();
        for segment in &set.segments {
            reading.segment(segment).map_err(FileError::Frame)?;
        }
        said.groups.push(reading.end(set).map_err(FileError::Frame)?);
    }
    match said.interchanges.is_empty() && said.groups.is_empty() {
        true => Err(FileError::Another(ACKNOWLEDGMENTS.name)),
        false => Ok(said),
    }
}

/// What is known at the segment that is read.
#[derive(Default)]
struct Reading {
    group: Option<AcknowledgedGroup>,
    /// A set whose IK5 is still to come.
    set: Option<AcknowledgedSet>,
    ended: bool,
}

impl Reading {
    fn segment(&mut self, segment: &Segment<'_>) -> Result<(), Problem> {
        let outside = || {
            Problem::new(
                segment.place(),
                "AK1, AK2, IK3 and IK4 stand in this order, IK5 and AK9 end them",
            )
        };
        match (segment.id, &mut self.group, &mut self.set) {
            ("AK1", group @ None, None) => {
                *group = Some(AcknowledgedGroup {
                    kind: segment.element(1).to_owned(),
                    control: segment.element(2).to_owned(),
                    verdict: Verdict::Rejected,
                    counts: [0; 3],
                    notes: Vec::new(),
                    sets: Vec::new(),
                });
            }
            ("AK2", Some(_), set @ None) => {
                *set = Some(AcknowledgedSet {
                    kind: segment.element(1).to_owned(),
                    control: segment.element(2).to_owned(),
                    verdict: Verdict::Rejected,
                    notes: Vec::new(),
                    findings: Vec::new(),
                });
            }
            ("IK3", Some(_), Some(set)) => set.findings.push(finding(segment)?),
            ("CTX", Some(_), Some(set)) => {
                let whose = matches!(segment.component(1, 1), "CLM01" | "TRN02");
                let number = segment.component(1, 2);
                let finding = set.findings.last_mut().ok_or_else(outside)?;
                if whose && !number.is_empty() {
                    finding.number = Some(number.to_owned());
                }
            }
            ("IK4", Some(_), Some(set)) => {
                let finding = set.findings.last_mut().ok_or_else(outside)?;
                finding.elements.push(element(segment)?);
            }
            ("IK5", Some(group), Some(_)) => {
                if let Some(mut set) = self.set.take() {
                    set.verdict = verdict(segment, 1)?;
                    set.notes = notes(segment, 2..=6, words::set);
                    group.sets.push(set);
                }
            }
            ("AK9", Some(group), None) if !self.ended => {
                group.verdict = verdict(segment, 1)?;
                group.notes = notes(segment, 5..=9, words::group);
                for (count, element) in group.counts.iter_mut().zip(2..) {
                    *count = number(segment, element)?;
                }
                self.ended = true;
            }
            _ => return Err(outside()),
        }
        Ok(())
    }

    fn end(self, set: &Transaction<'_>) -> Result<AcknowledgedGroup, Problem> {
        let whole = self.group.filter(|_| self.ended);
        whole.ok_or_else(|| {
            let at = format!("transaction set {}", set.control());
            Problem::new(at, "it begins with AK1 and ends with AK9")
        })
    }
}

fn finding(ik3: &Segment<'_>) -> Result<Finding, Problem> {
    Ok(Finding {
        id: ik3.element(1).to_owned(),
        position: number(ik3, 2)?,
        inside: ik3.element(3).to_owned(),
        number: None,
        note: note(ik3.element(4), words::segment),
        elements: Vec::new(),
    })
}

fn element(ik4: &Segment<'_>) -> Result<ElementFinding, Problem> {
    let part = |component: usize| match ik4.component(1, component) {
        "" if component > 1 => Ok(0),
        text => text.parse().map_err(|_| not_a_number(ik4, 1)),
    };
    Ok(ElementFinding {
        element: part(1)?,
        component: part(2)?,
        note: note(ik4.element(3), words::element),
    })
}

fn verdict(segment: &Segment<'_>, element: usize) -> Result<Verdict, Problem> {
    match segment.element(element) {
        "A" => Ok(Verdict::Accepted),
        "E" => Ok(Verdict::WithErrors),
        "P" => Ok(Verdict::Partly),
        // M, W and X: by what secures it, which claims are not sent with.
        "R" | "M" | "W" | "X" => Ok(Verdict::Rejected),
        _ => {
            let at = format!("{}, element {element:02}", segment.place());
            Err(Problem::new(at, "A, E, P or R is expected: accepted or rejected"))
        }
    }
}

fn number<N: std::str::FromStr>(segment: &Segment<'_>, element: usize) -> Result<N, Problem> {
    let number = segment.element(element).parse();
    number.map_err(|_| not_a_number(segment, element))
}

fn not_a_number(segment: &Segment<'_>, element: usize) -> Problem {
    let at = format!("{}, element {element:02}", segment.place());
    Problem::new(at, "a number is expected")
}

fn notes(
    segment: &Segment<'_>,
    elements: std::ops::RangeInclusive<usize>,
    words: fn(&str) -> &'static str,
) -> Vec<Note> {
    let codes = elements.map(|element| segment.element(element));
    codes
        .filter(|code| !code.is_empty())
        .map(|code| note(code, words))
        .collect()
}

fn note(code: &str, words: fn(&str) -> &'static str) -> Note {
    Note {
        code: code.chars().filter(char::is_ascii_alphanumeric).take(3).collect(),
        words: words(code),
    }
}
