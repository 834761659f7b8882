//! Segments, separators and envelopes of X12: ISA > GS > ST, each with its counts and control numbers.

use crate::claims::{FileError, MAX_FILE, Problem};

/// Most elements of a segment.
const MAX_ELEMENTS: usize = 64;
/// Length of the ISA segment, the only one whose elements have fixed lengths.
const ISA_LENGTH: usize = 106;

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

    fn frame(&self, reason: &str) -> FileError {
        FileError::Frame(Problem::new(self.place(), reason))
    }
}

/// One transaction set of a file, without ST and SE.
#[derive(Debug)]
pub(super) struct Transaction<'a> {
    /// ST02.
    pub(super) control: &'a str,
    pub(super) segments: Vec<Segment<'a>>,
}

/// The transaction sets of a file of one interchange, all of the kind asked for: ST01 and the implementation guide, GS08. Counts, control numbers
/// and nesting are checked.
pub(super) fn transactions<'a>(
    bytes: &'a [u8],
    kind: &str,
    guide: &str,
    name: &'static str,
) -> Result<Vec<Transaction<'a>>, FileError> {
    let segments = segments(bytes, name)?;
    let mut reader = Frames {
        segments: segments.into_iter(),
    };
    let isa = reader.next("ISA")?;
    let mut found = Vec::new();
    let mut groups = 0;
    let iea = loop {
        let segment = reader.any("IEA")?;
        match segment.id {
            "GS" => found.extend(reader.group(&segment, kind, guide)?),
            "IEA" => break segment,
            _ => {
                return Err(
                    segment.frame("a functional group (GS) or the end of the interchange (IEA) is expected")
                );
            }
        }
        groups += 1;
    };
    if iea.element(1).parse() != Ok(groups) {
        return Err(iea.frame("element 01 must be the number of functional groups"));
    }
    if iea.element(2) != isa.element(13) {
        return Err(iea.frame("element 02 must be the interchange's control number, ISA13"));
    }
    match reader.segments.next() {
        None => Ok(found),
        Some(more) => Err(more.frame("a file has one interchange: nothing may follow IEA")),
    }
}

struct Frames<'a> {
    segments: std::vec::IntoIter<Segment<'a>>,
}

impl<'a> Frames<'a> {
    fn any(&mut self, until: &str) -> Result<Segment<'a>, FileError> {
        let end = || {
            FileError::Frame(Problem::new(
                "the end of the file",
                format!("it comes before {until}; the file is cut off"),
            ))
        };
        self.segments.next().ok_or_else(end)
    }

    fn next(&mut self, id: &str) -> Result<Segment<'a>, FileError> {
        let segment = self.any(id)?;
        match segment.id == id {
            true => Ok(segment),
            false => Err(segment.frame(&format!("{id} is expected here"))),
        }
    }

    fn group(
        &mut self,
        gs: &Segment<'a>,
        kind: &str,
        guide: &str,
    ) -> Result<Vec<Transaction<'a>>, FileError> {
        if gs.element(8) != guide {
            return Err(gs.frame(&format!("element 08 must be {guide}")));
        }
        let mut sets = Vec::new();
        loop {
            let segment = self.any("GE")?;
            match segment.id {
                "ST" if segment.element(1) == kind => sets.push(self.set(&segment)?),
                "ST" => return Err(segment.frame(&format!("element 01 must be {kind}"))),
                "GE" => {
                    if segment.element(1).parse() != Ok(sets.len()) {
                        return Err(segment.frame("element 01 must be the number of transaction sets"));
                    }
                    if segment.element(2) != gs.element(6) {
                        return Err(segment.frame("element 02 must be the group's control number, GS06"));
                    }
                    return Ok(sets);
                }
                _ => {
                    return Err(
                        segment.frame("a transaction set (ST) or the end of the group (GE) is expected")
                    );
                }
            }
        }
    }

    fn set(&mut self, st: &Segment<'a>) -> Result<Transaction<'a>, FileError> {
        let mut segments = Vec::new();
        loop {
            let segment = self.any("SE")?;
            match segment.id {
                "SE" => {
                    // ST and SE count.
                    if segment.element(1).parse() != Ok(segments.len() + 2) {
                        return Err(segment.frame("element 01 must be the number of segments from ST to SE"));
                    }
                    if segment.element(2) != st.element(2) {
                        return Err(
                            segment.frame("element 02 must be the transaction set's control number, ST02")
                        );
                    }
                    return Ok(Transaction {
                        control: st.element(2),
                        segments,
                    });
                }
                "ISA" | "GS" | "ST" | "GE" | "IEA" => return Err(segment.frame("SE is expected before it")),
                _ => segments.push(segment),
            }
        }
    }
}

/// Divides a file by the separators that its ISA names.
fn segments<'a>(bytes: &'a [u8], name: &'static str) -> Result<Vec<Segment<'a>>, FileError> {
    if bytes.len() > MAX_FILE {
        return Err(FileError::TooLarge);
    }
    let another = || FileError::Another(name);
    let text = std::str::from_utf8(bytes).map_err(|_| another())?.trim();
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
    let mut segments = Vec::new();
    for (index, raw) in text.split(end).enumerate() {
        let raw = raw.trim_matches(['\r', '\n', ' ']);
        if raw.is_empty() {
            continue;
        }
        let mut parts = raw.split(element);
        let segment = Segment {
            number: index + 1,
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
            return Err(FileError::Frame(Problem::new(
                format!("segment {}", segment.number),
                reason,
            )));
        }
        segments.push(segment);
    }
    match segments.first() {
        Some(first) if first.len() == 16 && text.ends_with(end) => Ok(segments),
        _ => Err(another()),
    }
}
