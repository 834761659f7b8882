//! Where in an X12 file something is wrong, as acknowledgments say it.

use super::segment::Segment;
use crate::claims::Problem;

/// The segment, element and component of a [`Problem`] of an X12 file. Nothing of what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// From 1, in the file.
    pub segment: usize,
    /// Such as `SV1`.
    pub id: String,
    /// Which of the segments of that name, where the guide has several of it at one place: `F8` or `G1` of REF. Empty otherwise.
    pub qualifier: &'static str,
    /// The loop, such as `2400`; empty outside of the guide's loops.
    pub inside: &'static str,
    /// From 1; 0: the segment as a whole.
    pub element: usize,
    /// From 1; 0: the element as a whole.
    pub component: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// In which way it is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Something that the guide needs is not there.
    Missing,
    /// It is no number or text of the form that the guide wants.
    Format,
    /// It is no code of the guide's.
    Code,
    /// It is no day.
    Date,
    /// The guide has no such segment there.
    Unexpected,
    /// It keeps to the guide, and is not taken all the same: a 277CA says so, a 999 does not.
    Refused,
    /// An envelope is wrong: the code of TA105 for ISA and IEA, of AK905 for GS and GE, of IK502 for what lies within.
    Frame(&'static str),
}

impl Spot {
    /// An element of a segment that has no qualifier, or with 0 the segment as a whole.
    pub(super) fn at(segment: usize, id: &str, inside: &'static str, element: usize, fault: Fault) -> Self {
        Self {
            segment,
            id: id.to_owned(),
            qualifier: "",
            inside,
            element,
            component: 0,
            fault,
        }
    }

    /// It lies in one claim or patient event, and not above several.
    pub(super) fn of_one(&self) -> bool {
        !self.inside.starts_with("20") || matches!(self.inside, "2000E" | "2000F")
    }
}

impl Fault {
    /// Whether the implementation guide is broken, and not only what is taken here.
    pub(super) fn breaks_guide(self) -> bool {
        self != Self::Refused
    }
}

/// An element and component of a segment within a loop. What is not there is [`Fault::Missing`], unless it is refused anyway.
pub(super) fn problem(
    segment: &Segment<'_>,
    inside: &'static str,
    (element, component): (usize, usize),
    fault: Fault,
    reason: &str,
) -> Problem {
    let found = match component {
        0 => segment.element(element),
        _ => segment.component(element, component),
    };
    let fault = match fault {
        Fault::Code | Fault::Format | Fault::Date if found.is_empty() => Fault::Missing,
        other => other,
    };
    let at = format!(
        "segment {} ({}, loop {inside}), element {element:02}",
        segment.number, segment.id
    );
    Problem::new(at, reason).in_x12(Spot {
        qualifier: match (segment.id, segment.element(1)) {
            ("REF", "F8") => "F8",
            ("REF", "G1") => "G1",
            _ => "",
        },
        component,
        ..Spot::at(segment.number, segment.id, inside, element, fault)
    })
}
