//! Segments, separators and envelopes of X12: ISA > GS > ST, each with its counts and control numbers.

use super::spot::{Fault, Spot};
use crate::claims::{FileError, MAX_FILE, Problem};

/// Most elements of a segment.
const MAX_ELEMENTS: usize = 64;
/// Length of the ISA segment, the only one whose elements have fixed lengths.
pub(super) const ISA_LENGTH: usize = 106;

/// One segment and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Segment<'a> {
    /// From 1, in the file.
    pub(super) number: usize,
    pub(super) id: &'a str,
    elements: Vec<&'a str>,
    component: char,
}

impl<'a> Segment<'a> {
    /// An element, from 1; empty where it is missing.
    pub(super) fn element(&self, number: usize) -> &'a str {
        number
            .checked_sub(1)
            .and_then(|index| self.elements.get(index))
            .copied()
            .unwrap_or_default()
    }

    /// The components of an element.
    pub(super) fn components(&self, number: usize) -> Vec<&'a str> {
        self.element(number).split(self.component).collect()
    }

    /// A component of an element, both from 1.
    pub(super) fn component(&self, number: usize, component: usize) -> &'a str {
        self.element(number)
            .split(self.component)
            .nth(component.saturating_sub(1))
            .unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.elements.len()
    }

    /// Names the segment: `segment 12 (SV1)`.
    pub(super) fn place(&self) -> String {
        format!("segment {} ({})", self.number, self.id)
    }

    /// An envelope that is wrong at this segment. `level` is whose: `ISA`, `GS` or `ST`; `code` is what its acknowledgment says.
    pub(super) fn frame(&self, level: &str, element: usize, code: &'static str, reason: &str) -> FileError {
        let spot = Spot::at(self.number, level, "", element, Fault::Frame(code));
        FileError::Frame(Problem::new(self.place(), reason).in_x12(spot))
    }
}

/// One transaction set of a file, without SE.
#[derive(Debug)]
pub(super) struct Transaction<'a> {
    pub(super) st: Segment<'a>,
    pub(super) segments: Vec<Segment<'a>>,
}

impl<'a> Transaction<'a> {
    /// ST02.
    pub(super) fn control(&self) -> &'a str {
        self.st.element(2)
    }
}

/// A functional group of a file.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) gs: Segment<'a>,
    pub(super) sets: Vec<Transaction<'a>>,
    /// GE01; none where the end of the group is not reached.
    pub(super) said: Option<&'a str>,
}

/// An interchange, as far as it can be read.
#[derive(Debug)]
pub(super) struct Interchange<'a> {
    pub(super) isa: Segment<'a>,
    /// TA1, where acknowledgments are asked for.
    pub(super) notes: Vec<Segment<'a>>,
    pub(super) groups: Vec<Group<'a>>,
    /// How many groups begin in it, read or not.
    pub(super) begun: usize,
    /// Why it is not read further; nothing of it counts then.
    pub(super) broken: Option<FileError>,
}

impl Interchange<'_> {
    /// Its first group has requests for reviews.
    pub(super) fn asks_for_reviews(&self) -> bool {
        self.groups
            .first()
            .is_some_and(|group| group.gs.element(1) == "HI")
    }
}

/// Which transaction sets are asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// ST01.
    pub(super) set: &'static str,
    /// GS08: the implementation guides.
    pub(super) guides: &'static [&'static str],
    /// GS01.
    pub(super) group: &'static str,
    /// What a file of them is called.
    pub(super) name: &'static str,
}

/// The transaction sets of an interchange, all of the kind asked for. Counts, control numbers and nesting are checked.
pub(super) fn transactions<'a>(bytes: &'a [u8], wanted: Wanted) -> Result<Vec<Transaction<'a>>, FileError> {
    let interchange = interchange(bytes, &[wanted])?;
    match interchange.broken {
        Some(error) => Err(error),
        None => Ok(interchange
            .groups
            .into_iter()
            .flat_map(|group| group.sets)
            .collect()),
    }
}

/// Reads the envelopes of an interchange of one of several kinds, the first where its first group (GS01) is of none. Fails for what does not begin as
/// an interchange; everything else that is wrong is in [`Interchange::broken`].
pub(super) fn interchange<'a>(bytes: &'a [u8], kinds: &[Wanted]) -> Result<Interchange<'a>, FileError> {
    let first = kinds.first().copied().ok_or(FileError::Another("X12 file"))?;
    let (segments, unreadable) = segments(bytes, first.name)?;
    let mut groups = segments.iter().filter(|segment| segment.id == "GS").peekable();
    let kind = groups.peek().map_or("", |gs| gs.element(1));
    let wanted = kinds.iter().copied().find(|wanted| wanted.group == kind);
    let wanted = wanted.unwrap_or(first);
    let begun = groups.count();
    let mut segments = segments.into_iter();
    let isa = segments.next().ok_or(FileError::Another(wanted.name))?;
    let mut reader = Frames {
        segments,
        wanted,
        notes: Vec::new(),
        groups: Vec::new(),
    };
    let broken = unreadable.or_else(|| reader.all(&isa).err());
    Ok(Interchange {
        isa,
        notes: reader.notes,
        groups: reader.groups,
        begun,
        broken,
    })
}

struct Frames<'a> {
    segments: std::vec::IntoIter<Segment<'a>>,
    wanted: Wanted,
    notes: Vec<Segment<'a>>,
    groups: Vec<Group<'a>>,
}

impl<'a> Frames<'a> {
    fn all(&mut self, isa: &Segment<'a>) -> Result<(), FileError> {
        let iea = loop {
            let segment = self.any("IEA")?;
            match segment.id {
                "GS" => self.group(segment)?,
                "TA1" if self.wanted.set == "999" => self.notes.push(segment),
                "IEA" => break segment,
                _ => {
                    let reason = "a functional group (GS) or the end of the interchange (IEA) is expected";
                    return Err(segment.frame("ISA", 0, "022", reason));
                }
            }
        };
        if iea.element(1).parse() != Ok(self.groups.len()) {
            let reason = "element 01 must be the number of functional groups";
            return Err(iea.frame("ISA", 1, "021", reason));
        }
        if iea.element(2) != isa.element(13) {
            let reason = "element 02 must be the interchange's control number, ISA13";
            return Err(iea.frame("ISA", 2, "001", reason));
        }
        match self.segments.next() {
            None => Ok(()),
            Some(more) => {
                let reason = "the interchange ends with IEA: nothing may follow it";
                Err(more.frame("ISA", 0, "022", reason))
            }
        }
    }

    fn any(&mut self, until: &str) -> Result<Segment<'a>, FileError> {
        self.segments.next().ok_or_else(|| cut_off(until))
    }

    fn group(&mut self, gs: Segment<'a>) -> Result<(), FileError> {
        let guides = self.wanted.guides;
        let wrong = (!guides.contains(&gs.element(8))).then(|| {
            let reason = format!("element 08 must be {}", guides.join(" or "));
            gs.frame("GS", 8, "2", &reason)
        });
        let control = gs.element(6);
        self.groups.push(Group {
            gs,
            sets: Vec::new(),
            said: None,
        });
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        loop {
            let segment = self.any("GE")?;
            match segment.id {
                "ST" => self.set(segment)?,
                "GE" => return self.end_of_group(&segment, control),
                _ => {
                    let reason = "a transaction set (ST) or the end of the group (GE) is expected";
                    return Err(segment.frame("GS", 0, "3", reason));
                }
            }
        }
    }

    fn end_of_group(&mut self, ge: &Segment<'a>, control: &str) -> Result<(), FileError> {
        let Some(group) = self.groups.last_mut() else {
            return Ok(());
        };
        group.said = Some(ge.element(1));
        if ge.element(1).parse() != Ok(group.sets.len()) {
            let reason = "element 01 must be the number of transaction sets";
            return Err(ge.frame("GS", 1, "5", reason));
        }
        if ge.element(2) != control {
            let reason = "element 02 must be the group's control number, GS06";
            return Err(ge.frame("GS", 2, "4", reason));
        }
        Ok(())
    }

    fn set(&mut self, st: Segment<'a>) -> Result<(), FileError> {
        let wanted = self.wanted.set;
        let guide = self.groups.last().map_or("", |group| group.gs.element(8));
        let wrong = if st.element(1) != wanted {
            Some(st.frame("ST", 1, "1", &format!("element 01 must be {wanted}")))
        } else if !["", guide].contains(&st.element(3)) {
            Some(st.frame("ST", 3, "I6", "element 03 must be the group's guide, GS08"))
        } else {
            None
        };
        let control = st.element(2);
        let mut set = Transaction {
            st,
            segments: Vec::new(),
        };
        let ended = match wrong {
            Some(wrong) => Err(wrong),
            None => self.content(&mut set, control),
        };
        if let Some(group) = self.groups.last_mut() {
            group.sets.push(set);
        }
        ended
    }

    fn content(&mut self, set: &mut Transaction<'a>, control: &str) -> Result<(), FileError> {
        loop {
            let segment = self.any("SE")?;
            match segment.id {
                "SE" => {
                    // ST and SE count.
                    if segment.element(1).parse() != Ok(set.segments.len() + 2) {
                        let reason = "element 01 must be the number of segments from ST to SE";
                        return Err(segment.frame("ST", 1, "4", reason));
                    }
                    if segment.element(2) != control {
                        let reason = "element 02 must be the transaction set's control number, ST02";
                        return Err(segment.frame("ST", 2, "3", reason));
                    }
                    return Ok(());
                }
                "ISA" | "GS" | "ST" | "GE" | "IEA" => {
                    return Err(segment.frame("ST", 0, "2", "SE is expected before it"));
                }
                _ => set.segments.push(segment),
            }
        }
    }
}

/// The interchange itself is wrong from a segment on.
fn of_interchange(segment: usize, code: &'static str) -> Spot {
    Spot::at(segment, "ISA", "", 0, Fault::Frame(code))
}

fn cut_off(until: &str) -> FileError {
    let reason = format!("it comes before {until}; the file is cut off");
    FileError::Frame(Problem::new("the end of the file", reason).in_x12(of_interchange(0, "023")))
}

/// Segments up to the first that cannot be told apart, and what is wrong with that one.
type Divided<'a> = (Vec<Segment<'a>>, Option<FileError>);

/// Divides a file by the separators that its ISA names.
fn segments<'a>(bytes: &'a [u8], name: &'static str) -> Result<Divided<'a>, FileError> {
    if bytes.len() > MAX_FILE {
        return Err(FileError::TooLarge);
    }
    let another = || FileError::Another(name);
    let (text, foreign) = match std::str::from_utf8(bytes) {
        Ok(text) => (text.trim(), false),
        // Who sent it can be told so, if its header can be read.
        Err(error) => {
            let (readable, _) = bytes.split_at(error.valid_up_to().min(bytes.len()));
            (
                std::str::from_utf8(readable).map_err(|_| another())?.trim_start(),
                true,
            )
        }
    };
    let isa = text
        .get(..ISA_LENGTH)
        .filter(|isa| isa.is_ascii() && isa.starts_with("ISA"))
        .ok_or_else(another)?;
    let at = |index: usize| isa.as_bytes().get(index).copied().map_or('A', char::from);
    let (element, repetition, component, end) = (at(3), at(82), at(104), at(105));
    let four = [element, repetition, component, end];
    let distinct = (0..4).all(|i| (0..i).all(|j| four.get(i) != four.get(j)));
    if !distinct || four.iter().any(|c| c.is_ascii_alphanumeric() || *c == ' ') {
        return Err(another());
    }
    let mut segments: Vec<Segment<'a>> = Vec::new();
    let mut unreadable = None;
    let whole = text
        .rfind(end)
        .map_or("", |last| text.get(..=last).unwrap_or_default());
    for raw in if foreign { whole } else { text }.split(end) {
        let raw = raw.trim_matches(['\r', '\n', ' ']);
        if raw.is_empty() {
            continue;
        }
        let mut parts = raw.split(element);
        let segment = Segment {
            number: segments.len() + 1,
            id: parts.next().unwrap_or_default(),
            elements: parts.collect(),
            component,
        };
        let known_form = (2..=3).contains(&segment.id.len())
            && segment
                .id
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if !known_form || segment.elements.len() > MAX_ELEMENTS {
            // What stands there may be anything.
            let reason = "a segment begins with its name of two or three letters and has at most 64 elements";
            let at = format!("segment {}", segment.number);
            let spot = of_interchange(segment.number, "022");
            unreadable = Some(FileError::Frame(Problem::new(at, reason).in_x12(spot)));
            break;
        }
        segments.push(segment);
    }
    if foreign {
        let number = segments.len() + 1;
        let spot = of_interchange(number, "022");
        let problem = Problem::new(format!("segment {number}"), "characters of UTF-8 are expected");
        unreadable = unreadable.or_else(|| Some(FileError::Frame(problem.in_x12(spot))));
    } else if !text.ends_with(end) {
        unreadable = unreadable.or_else(|| Some(cut_off("the end of a segment")));
    }
    match segments.first() {
        Some(first) if first.len() == 16 => Ok((segments, unreadable)),
        _ => Err(another()),
    }
}
