//! What the answer to a request for review repeats of it: names, numbers, services.

use super::segment::Segment;
use super::write::Writer;

/// Most characters of an element that is repeated.
const LONGEST: usize = 80;
/// Most segments of one kind that are repeated at one place.
const MOST: usize = 3;

/// A patient event as it was asked about. Personal.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) above: Above,
    pub(super) event: Repeated,
    pub(super) services: Vec<Repeated>,
}

/// What stands above patient events: payer, requester, subscriber and dependent, each with its name and, of persons, day of birth and sex.
#[derive(Clone, Default)]
pub(super) struct Above([Vec<Copied>; 4]);

impl Above {
    /// A new one of a level: what stood below the last one is no more.
    pub(super) fn begin(&mut self, level: usize) {
        self.0.iter_mut().skip(level).for_each(Vec::clear);
    }

    pub(super) fn add(&mut self, level: usize, segment: &Segment<'_>) {
        let copies = self.0.get_mut(level).filter(|copies| copies.len() < MOST);
        if let Some(copies) = copies {
            copies.push(Copied::of(segment));
        }
    }

    pub(super) fn levels(&self) -> &[Vec<Copied>; 4] {
        &self.0
    }
}

/// What is said of an event or of a service itself.
#[derive(Default)]
pub(super) struct Repeated {
    pub(super) traces: Vec<Copied>,
    pub(super) review: Option<Copied>,
    /// DTP*472.
    pub(super) days: Option<Copied>,
    /// SV1, SV2 or SV3.
    pub(super) service: Option<Copied>,
    /// Who is to do it.
    pub(super) names: Vec<Copied>,
}

impl Repeated {
    pub(super) fn add(&mut self, segment: &Segment<'_>) {
        match segment.id {
            "TRN" if segment.element(1) == "1" && self.traces.len() < MOST => {
                self.traces.push(Copied::of(segment));
            }
            "UM" => self.review = Some(Copied::of(segment)),
            "DTP" if segment.element(1) == "472" => self.days = Some(Copied::of(segment)),
            "SV1" | "SV2" | "SV3" => self.service = Some(Copied::of(segment)),
            "NM1" if matches!(segment.element(1), "SJ" | "1T") && self.names.len() < MOST => {
                self.names.push(Copied::of(segment));
            }
            _ => {}
        }
    }
}

/// A segment with nothing in it that would break another.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Copied {
    id: String,
    elements: Vec<String>,
}

impl Copied {
    pub(super) fn of(segment: &Segment<'_>) -> Self {
        let element = |number: usize| {
            let parts = segment.components(number);
            let parts: Vec<String> = parts
                .iter()
                .map(|part| Writer::tamed(part, LONGEST, ""))
                .collect();
            parts.join(":").trim_end_matches(':').to_owned()
        };
        Self {
            id: segment.id.to_owned(),
            elements: (1..=segment.len()).map(element).collect(),
        }
    }

    pub(super) fn write(&self, out: &mut Writer) {
        let elements: Vec<&str> = self.elements.iter().map(String::as_str).collect();
        out.segment(&self.id, &elements);
    }

    /// Writes it with something else as one element, from 1.
    pub(super) fn write_with(&self, number: usize, other: &str, out: &mut Writer) {
        let mut changed = self.clone();
        if let Some(index) = number.checked_sub(1) {
            if changed.elements.len() < number {
                changed.elements.resize(number, String::new());
            }
            if let Some(element) = changed.elements.get_mut(index) {
                other.clone_into(element);
            }
        }
        changed.write(out);
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }
}
