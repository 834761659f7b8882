//! A line's service: SV1 of an 837P, SV2 of an 837I, SV3 of an 837D, and its teeth (loop 2400).

use super::form::Form;
use super::open::{Line, Open};
use super::segment::Segment;
use super::spot::Fault;
use crate::claims::{Decimal, Resolver};
use careledger_api::adjudication::{Area, Site, Surface, Surfaces, Tooth};

/// Where a guide writes what: element numbers, 0 where it does not.
pub(super) struct Layout {
    pub(super) procedure: usize,
    /// The code list of the procedures.
    pub(super) list: &'static str,
    charge: usize,
    pub(super) unit: usize,
    pub(super) units: usize,
    place: usize,
    areas: usize,
    pointers: usize,
}

pub(super) const PROFESSIONAL: Layout = Layout {
    procedure: 1,
    list: "HC",
    charge: 2,
    unit: 3,
    units: 4,
    place: 5,
    areas: 0,
    pointers: 7,
};
pub(super) const INSTITUTIONAL: Layout = Layout {
    procedure: 2,
    list: "HC",
    charge: 3,
    unit: 4,
    units: 5,
    place: 0,
    areas: 0,
    pointers: 0,
};
pub(super) const DENTAL: Layout = Layout {
    procedure: 1,
    list: "AD",
    charge: 2,
    unit: 0,
    units: 6,
    place: 3,
    areas: 4,
    pointers: 11,
};
/// The system of revenue codes, for a resolver.
const REVENUE: &str = "NU";

impl Form {
    pub(super) fn layout(self) -> &'static Layout {
        match self {
            Self::Professional => &PROFESSIONAL,
            Self::Institutional => &INSTITUTIONAL,
            Self::Dental => &DENTAL,
        }
    }
}

impl Open {
    pub(super) fn service(&mut self, segment: &Segment<'_>, resolver: &dyn Resolver) {
        let layout = self.form.layout();
        let procedure = self.procedure(segment, layout, resolver);
        let line = Line {
            procedure,
            modifiers: segment
                .components(layout.procedure)
                .iter()
                .skip(2)
                .take(4)
                .filter(|m| !m.is_empty())
                .map(|m| (*m).to_owned())
                .collect(),
            charge: Decimal::parse(segment.element(layout.charge)),
            units: self.units(segment, layout),
            place: segment.element(layout.place).to_owned(),
            pointers: segment
                .components(layout.pointers)
                .iter()
                .filter_map(|p| p.parse().ok())
                .collect(),
            site: match self.form {
                Form::Dental => self.areas(segment),
                _ => Site::default(),
            },
            revenue: match self.form {
                Form::Institutional => segment.element(1).to_owned(),
                _ => String::new(),
            },
            ..Line::default()
        };
        if line.charge.is_none() {
            self.wrong(
                segment,
                (layout.charge, 0),
                Fault::Format,
                "an amount is expected",
            );
        } else if segment.element(layout.charge).starts_with('-') {
            let reason = "a charge is 0 or more; what was paid too much is taken back by frequency 7 or 8";
            self.wrong(segment, (layout.charge, 0), Fault::Refused, reason);
        }
        if segment
            .components(layout.pointers)
            .iter()
            .any(|p| !p.is_empty() && p.parse::<u8>().is_err())
        {
            let reason = "numbers of the claim's diagnoses are expected";
            self.wrong(segment, (layout.pointers, 0), Fault::Format, reason);
        }
        match self.form {
            Form::Institutional => self.not_covered(segment),
            // A prosthesis, crown or inlay: the first, or one that replaces another.
            Form::Dental if !segment.element(5).is_empty() => self.ignore(segment),
            _ => {}
        }
        if let Some(open) = self.lines.last_mut() {
            *open = Line {
                number: open.number,
                ..line
            };
        }
    }

    /// Areas of the mouth (SV304).
    fn areas(&mut self, sv3: &Segment<'_>) -> Site {
        let mut site = Site::default();
        for (component, code) in (1..).zip(sv3.components(DENTAL.areas)) {
            match code.parse::<Area>() {
                Ok(area) => {
                    site.areas.insert(area);
                }
                Err(_) if code.is_empty() => {}
                Err(_) => {
                    let reason =
                        "an area of the mouth is 00 (all), 01, 02 (jaws), 10, 20, 30 or 40 (quadrants)";
                    self.wrong(sv3, (DENTAL.areas, component), Fault::Refused, reason);
                }
            }
        }
        site
    }

    /// A tooth of a line, and its surfaces (TOO).
    pub(super) fn tooth(&mut self, too: &Segment<'_>) {
        if too.element(1) != "JP" {
            let fault = if too.element(1) == "JO" {
                Fault::Refused
            } else {
                Fault::Code
            };
            self.wrong(
                too,
                (1, 0),
                fault,
                "JP is expected: the universal numbering of teeth",
            );
            return;
        }
        let Ok(tooth) = too.element(2).parse::<Tooth>() else {
            let fault = if too.element(2).is_empty() {
                Fault::Missing
            } else {
                Fault::Refused
            };
            let reason =
                "a tooth is expected: 1 to 32, A to T, and 51 to 82, AS to TS for supernumerary ones";
            self.wrong(too, (2, 0), fault, reason);
            return;
        };
        let letters = too.components(3);
        for (component, letter) in (1..).zip(&letters) {
            if !letter.is_empty() && letter.parse::<Surface>().is_err() {
                let reason = "a surface is M, O, I, D, B, F or L";
                self.wrong(too, (3, component), Fault::Code, reason);
                return;
            }
        }
        let Ok(surfaces) = letters.concat().parse::<Surfaces>() else {
            let reason = "a tooth has at most five surfaces, each once";
            self.wrong(too, (3, 0), Fault::Refused, reason);
            return;
        };
        let before = self
            .lines
            .last_mut()
            .and_then(|line| line.site.teeth.insert(tooth, surfaces));
        if before.is_some() {
            let reason = "the line has that tooth already: name it once, with all its surfaces";
            self.wrong(too, (2, 0), Fault::Refused, reason);
        }
    }

    /// The procedure as the plans call it. An institution's line without one is for what its revenue code says.
    fn procedure(&mut self, segment: &Segment<'_>, layout: &Layout, resolver: &dyn Resolver) -> String {
        let code = segment.components(layout.procedure);
        let (list, procedure) = (code.first().copied(), code.get(1).copied().unwrap_or_default());
        let institutional = self.form == Form::Institutional;
        let revenue = segment.element(1);
        if institutional && segment.element(layout.procedure).is_empty() {
            if revenue.is_empty() {
                self.wrong(segment, (1, 0), Fault::Missing, "a revenue code is expected");
            }
            let known = resolver.procedure(Some(REVENUE), revenue);
            return known.unwrap_or_else(|| revenue.to_owned());
        }
        if list != Some(layout.list) {
            // The guides allow other lists, such as HIPPS (HP).
            let reason = format!("component 1 is {}: a procedure code", layout.list);
            self.wrong(segment, (layout.procedure, 1), Fault::Refused, &reason);
        }
        if institutional {
            self.ignore(segment);
        }
        resolver
            .procedure(list, procedure)
            .unwrap_or_else(|| procedure.to_owned())
    }

    fn units(&mut self, segment: &Segment<'_>, layout: &Layout) -> Option<u32> {
        let unit = segment.element(layout.unit);
        let days = self.form == Form::Institutional && unit == "DA";
        if layout.unit != 0 && unit != "UN" && !days {
            let known = ["MJ", "F2"].contains(&unit);
            let fault = if known { Fault::Refused } else { Fault::Code };
            self.wrong(segment, (layout.unit, 0), fault, "UN is expected: units");
        }
        let said = segment.element(layout.units);
        if self.form == Form::Dental && said.is_empty() {
            return Some(1);
        }
        let number = Decimal::parse(said);
        let units = number
            .and_then(Decimal::whole)
            .and_then(|n| u32::try_from(n).ok());
        if units.is_none() {
            let fault = number.map_or(Fault::Format, |_| Fault::Refused);
            self.wrong(
                segment,
                (layout.units, 0),
                fault,
                "a whole number of units is expected",
            );
        }
        units
    }

    /// A part of the charge that the provider itself says is not covered has no place on the ledger, and would be paid.
    fn not_covered(&mut self, sv2: &Segment<'_>) {
        let part = sv2.element(7);
        if !part.is_empty() && Decimal::parse(part).and_then(Decimal::whole) != Some(0) {
            let reason = "a charge that is not covered (SV207) is claimed on no line: leave it out of the line's charge and the total";
            self.wrong(sv2, (7, 0), Fault::Refused, reason);
        }
    }
}
