//! Where on the body a service was done: on which teeth and surfaces, in which area of the mouth, on which other part.
//!
//! Teeth are written in the universal (national) numbering, the only one that a US claim's form and X12 837D take, and the only one with numbers for
//! supernumerary teeth. The FDI's two digits (ISO 3950), which HL7's examples use, stand for the same 52 teeth and are read as them
//! ([`Tooth::of_fdi`]). Other parts of the body are concepts of SNOMED CT, the list that FHIR has for body sites: of one list, so that the same code is the same part.

use crate::HealthError;
use crate::text::as_text;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

#[cfg(test)]
mod tests;

/// Most teeth of a line: as many as X12 837D has (TOO).
pub const MAX_TEETH: usize = 32;
/// Most areas of the mouth of a line: as many as X12 837D has (SV304).
pub const MAX_AREAS: usize = 5;
/// Most surfaces of a tooth: it has no more.
pub const MAX_SURFACES: usize = 5;

/// Where a line's service was done: in the mouth, or on one other part of the body.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Site {
    /// Teeth, at most [`MAX_TEETH`], each with the surfaces that were worked on; none where it is about the whole tooth.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub teeth: BTreeMap<Tooth, Surfaces>,
    /// Areas of the mouth, at most [`MAX_AREAS`].
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub areas: BTreeSet<Area>,
    /// A part of the body other than the mouth's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<BodySite>,
}

crate::codes::code_enum! {
    /// An area of the mouth (ISO 3950, which is also the ADA's list).
    Area {
        /// The whole mouth.
        Whole = "00",
        /// The upper jaw.
        Upper = "01",
        /// The lower jaw.
        Lower = "02",
        /// The upper right quadrant, as the patient has it.
        UpperRight = "10",
        /// The upper left quadrant.
        UpperLeft = "20",
        /// The lower left quadrant.
        LowerLeft = "30",
        /// The lower right quadrant.
        LowerRight = "40",
    }
}

crate::codes::code_enum! {
    /// A surface of a tooth, as US claims have them.
    Surface {
        /// Mesial: towards the midline.
        Mesial = "M",
        /// Occlusal: the chewing surface of a back tooth.
        Occlusal = "O",
        /// Incisal: the biting edge of a front tooth.
        Incisal = "I",
        /// Distal: away from the midline.
        Distal = "D",
        /// Buccal: towards the cheek, of a back tooth.
        Buccal = "B",
        /// Facial: towards the lips, of a front tooth.
        Facial = "F",
        /// Lingual: towards the tongue.
        Lingual = "L",
    }
}

/// A tooth in the universal numbering: `1` to `32` and `A` to `T` (milk teeth), round the mouth from the upper right; a supernumerary one beside a tooth
/// has that one's number with 50 added, or `S` after its letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tooth {
    primary: bool,
    /// From 1; 32 permanent ones, 20 milk teeth.
    number: u8,
    supernumerary: bool,
}

/// Surfaces of one tooth, at most [`MAX_SURFACES`], each once. Written as their letters, in whatever order they are read: always as `MOIDBFL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Surfaces(u8);

/// A part of the body: the number of a concept of SNOMED CT, 6 to 18 digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BodySite(String);

/// How closely two sites are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grain {
    /// Teeth by their surfaces.
    Surface,
    /// Teeth as a whole.
    Tooth,
}

/// Where one service is beside another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    /// At the same place, or neither says where.
    Same,
    /// Partly at the same place, or that is not said of both.
    Unclear,
    /// Somewhere else.
    Apart,
}

impl Site {
    /// One tooth with its surfaces.
    pub fn tooth(tooth: Tooth, surfaces: Surfaces) -> Self {
        Self {
            teeth: BTreeMap::from([(tooth, surfaces)]),
            ..Self::default()
        }
    }

    /// One area of the mouth.
    pub fn area(area: Area) -> Self {
        Self {
            areas: BTreeSet::from([area]),
            ..Self::default()
        }
    }

    /// One part of the body.
    pub fn body(body: BodySite) -> Self {
        Self {
            body: Some(body),
            ..Self::default()
        }
    }

    /// Whether it names one part of the body, or teeth and areas within their bounds.
    pub(super) fn is_valid(&self) -> bool {
        let bounded = self.teeth.len() <= MAX_TEETH && self.areas.len() <= MAX_AREAS;
        bounded && self.body.is_some() != self.is_of_mouth()
    }

    /// Teeth, areas or parts that it names; at least 1.
    pub(super) fn places(&self) -> u32 {
        let all = self.teeth.len() + self.areas.len() + usize::from(self.body.is_some());
        u32::try_from(all).unwrap_or(u32::MAX).max(1)
    }

    /// Where one is beside another; none says nothing.
    pub(super) fn beside(one: Option<&Self>, other: Option<&Self>, grain: Grain) -> Beside {
        match (one, other) {
            (None, None) => Beside::Same,
            (Some(one), Some(other)) => one.to(other, grain),
            _ => Beside::Unclear,
        }
    }

    /// Whether what was done at one place may be what was done at the other: all but two places that have nothing in common. None says nothing.
    pub fn may_be_one(one: Option<&Self>, other: Option<&Self>) -> bool {
        Self::beside(one, other, Grain::Surface) != Beside::Apart
    }

    /// Whether both are of the mouth and share nothing there. Of other parts of the body one may lie within another, which their numbers do not say.
    pub fn apart_in_mouth(one: Option<&Self>, other: Option<&Self>) -> bool {
        let (Some(one), Some(other)) = (one, other) else {
            return false;
        };
        one.is_of_mouth() && other.is_of_mouth() && !one.meets(other, Grain::Surface)
    }

    fn is_of_mouth(&self) -> bool {
        !self.teeth.is_empty() || !self.areas.is_empty()
    }

    fn to(&self, other: &Self, grain: Grain) -> Beside {
        let teeth = match grain {
            Grain::Surface => self.teeth == other.teeth,
            Grain::Tooth => self.teeth.keys().eq(other.teeth.keys()),
        };
        if teeth && self.areas == other.areas && self.body == other.body {
            return Beside::Same;
        }
        match (self.is_of_mouth(), other.is_of_mouth()) {
            (true, true) if !self.meets(other, grain) => Beside::Apart,
            (false, false) => Beside::Apart,
            _ => Beside::Unclear,
        }
    }

    /// Whether they share a place of the mouth.
    fn meets(&self, other: &Self, grain: Grain) -> bool {
        let tooth = self.teeth.iter().any(|(tooth, surfaces)| {
            let beside = other.teeth.get(tooth);
            beside.is_some_and(|others| grain == Grain::Tooth || surfaces.meet(*others))
        });
        let within = |site: &Self, area: Area| {
            site.teeth.keys().any(|tooth| area.contains(tooth.quadrant()))
                || site.areas.iter().any(|other| area.contains(*other))
        };
        tooth
            || self.areas.iter().any(|area| within(other, *area))
            || other.areas.iter().any(|area| within(self, *area))
    }
}

impl fmt::Display for Site {
    /// For people: `14 MOD, 15, area 10`, or the number of the part.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let teeth = self.teeth.iter().map(|(tooth, surfaces)| match surfaces.0 {
            0 => tooth.to_string(),
            _ => format!("{tooth} {surfaces}"),
        });
        let areas = self.areas.iter().map(|area| format!("area {area}"));
        let body = self.body.iter().map(ToString::to_string);
        let all: Vec<String> = teeth.chain(areas).chain(body).collect();
        f.write_str(&all.join(", "))
    }
}

impl Area {
    /// Whether all of another area lies in it; each lies in itself.
    fn contains(self, other: Self) -> bool {
        match self {
            Self::Whole => true,
            Self::Upper => matches!(other, Self::Upper | Self::UpperRight | Self::UpperLeft),
            Self::Lower => matches!(other, Self::Lower | Self::LowerRight | Self::LowerLeft),
            _ => self == other,
        }
    }
}

impl Tooth {
    const PERMANENT: u8 = 32;
    const PRIMARY: u8 = 20;
    /// What a permanent supernumerary tooth's number has added.
    const BESIDE: u8 = 50;

    /// By the FDI's two digits (ISO 3950): quadrant 1 to 4, or 5 to 8 for milk teeth, and the position from the midline, 1 to 8 or 1 to 5. None for anything else.
    pub fn of_fdi(code: &str) -> Option<Self> {
        let [quadrant @ b'1'..=b'8', position @ b'1'..=b'8'] = *code.as_bytes() else {
            return None;
        };
        let (quadrant, position) = (quadrant - b'1', position - b'0');
        let primary = quadrant >= 4;
        let each = if primary { Self::PRIMARY } else { Self::PERMANENT } / 4;
        let before = (quadrant % 4) * each;
        // Round the mouth: towards the midline in the first and third quadrant, away from it in the others.
        let number = match quadrant % 2 {
            0 => before + each + 1 - position.min(each),
            _ => before + position,
        };
        (position <= each).then_some(Self {
            primary,
            number,
            supernumerary: false,
        })
    }

    /// The quadrant in which it stands.
    fn quadrant(self) -> Area {
        let each = if self.primary {
            Self::PRIMARY
        } else {
            Self::PERMANENT
        } / 4;
        match self.number.saturating_sub(1) / each {
            0 => Area::UpperRight,
            1 => Area::UpperLeft,
            2 => Area::LowerLeft,
            _ => Area::LowerRight,
        }
    }
}

impl fmt::Display for Tooth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.primary, self.supernumerary) {
            (false, false) => write!(f, "{}", self.number),
            (false, true) => write!(f, "{}", self.number + Self::BESIDE),
            (true, false) => write!(f, "{}", char::from(b'A' + self.number - 1)),
            (true, true) => write!(f, "{}S", char::from(b'A' + self.number - 1)),
        }
    }
}

impl FromStr for Tooth {
    type Err = HealthError;

    /// `INVALID_CODE` for what is no tooth of the universal numbering; a number has no leading zero.
    fn from_str(text: &str) -> Result<Self, HealthError> {
        let of = |primary, number, supernumerary| {
            Ok(Self {
                primary,
                number,
                supernumerary,
            })
        };
        match *text.as_bytes() {
            [letter @ b'A'..=b'T'] => of(true, letter - b'A' + 1, false),
            [letter @ b'A'..=b'T', b'S'] => of(true, letter - b'A' + 1, true),
            [b'1'..=b'9'] | [b'1'..=b'9', b'0'..=b'9'] => match text.parse().unwrap_or_default() {
                number @ 1..=Self::PERMANENT => of(false, number, false),
                number @ 51..=82 => of(false, number - Self::BESIDE, true),
                _ => Err(no_tooth()),
            },
            _ => Err(no_tooth()),
        }
    }
}

fn no_tooth() -> HealthError {
    HealthError::InvalidCode(
        "a tooth is written in the universal numbering: 1 to 32, A to T, and 51 to 82, AS to TS for supernumerary ones".into(),
    )
}

impl Surfaces {
    /// The surfaces, in the order in which they are written.
    pub fn iter(self) -> impl Iterator<Item = Surface> {
        let all = Surface::ALL.iter().copied();
        all.filter(move |surface| self.0 & (1 << *surface as u8) != 0)
    }

    /// Whether none is named: it is about the whole tooth.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether they share one; who names none means the whole tooth. Buccal and facial are one side of a tooth, occlusal and incisal one edge:
    /// which name it has depends on the tooth, and claims have both of one.
    fn meet(self, other: Self) -> bool {
        let sides = |surfaces: Self| {
            surfaces.iter().fold(0u8, |sides, surface| {
                let side = match surface {
                    Surface::Incisal => Surface::Occlusal,
                    Surface::Facial => Surface::Buccal,
                    other => other,
                };
                sides | 1 << side as u8
            })
        };
        self.is_empty() || other.is_empty() || sides(self) & sides(other) != 0
    }
}

impl fmt::Display for Surfaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|surface| f.write_str(surface.as_str()))
    }
}

impl FromStr for Surfaces {
    type Err = HealthError;

    /// Letters in any order; `INVALID_CODE` for another letter, one twice, or more than [`MAX_SURFACES`].
    fn from_str(text: &str) -> Result<Self, HealthError> {
        let wrong = || {
            HealthError::InvalidCode(
                "surfaces of a tooth are at most five of M, O, I, D, B, F and L, each once".into(),
            )
        };
        let mut found = Self::default();
        if text.len() > MAX_SURFACES {
            return Err(wrong());
        }
        for letter in text.chars() {
            let surface: Surface = letter.encode_utf8(&mut [0; 4]).parse().map_err(|_| wrong())?;
            if found.0 & (1 << surface as u8) != 0 {
                return Err(wrong());
            }
            found.0 |= 1 << surface as u8;
        }
        Ok(found)
    }
}

impl BodySite {
    /// The number.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BodySite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for BodySite {
    type Err = HealthError;

    /// `INVALID_CODE` for what is no number of 6 to 18 digits.
    fn from_str(text: &str) -> Result<Self, HealthError> {
        if (6..=18).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_digit())
            && !text.starts_with('0')
        {
            return Ok(Self(text.to_owned()));
        }
        Err(HealthError::InvalidCode(
            "a part of the body is written as the number of its concept in SNOMED CT, 6 to 18 digits".into(),
        ))
    }
}

as_text!(Tooth Surfaces BodySite);
