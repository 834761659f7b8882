//! From a 278 (005010X217, request for review) to requests for authorisations (loops 2000A to 2010F).

use super::asked::Above;
use super::claims::received_from_x12;
use super::open::days;
use super::received::ReceivedReview;
use super::reviewed::{Event, Service};
use super::segment::{Segment, Transaction, Wanted};
use super::service::{DENTAL, INSTITUTIONAL, Layout, PROFESSIONAL};
use super::spot::{Fault, problem};
use crate::claims::{Decimal, FileError, MAX_PROBLEMS, Named, Problem, Read, Resolver};
use careledger_api::adjudication::{MAX_LINES, npi_is_valid};

/// Files of requests for review.
pub(super) const REQUESTS: Wanted = Wanted {
    set: "278",
    group: "HI",
    guides: &[REVIEW],
    name: "X12 278 of one interchange",
};
/// The implementation guide of requests for review, and of the responses to them.
pub(super) const REVIEW: &str = "005010X217";

/// Reads a 278 (005010X217) that asks for reviews: each patient event by itself, one request for each of its services. Fails for an interchange whose
/// frame is broken, and for one that is no request.
pub fn authorisations_from_x12(bytes: &[u8], resolver: &dyn Resolver) -> Result<Vec<Read>, FileError> {
    let received = received_from_x12(bytes, resolver)?;
    match received.asks_for_reviews() {
        true => received.into_reads(),
        false => Err(FileError::Another(REQUESTS.name)),
    }
}

/// Why a transaction set asks for no reviews.
pub(super) fn misfit(set: &Transaction<'_>) -> Option<FileError> {
    match set.segments.first() {
        Some(first) if first.id == "BHT" && first.element(2) == "13" => None,
        Some(first) => {
            let reason = "BHT comes first, and its element 02 is 13: a request";
            Some(first.frame("ST", 2, "I6", reason))
        }
        None => Some(FileError::Another("278 with segments")),
    }
}

/// Where in the hierarchy the reader is (HL03).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Level {
    #[default]
    Outside,
    Payer,
    Requester,
    Subscriber,
    Dependent,
    Event,
    Service,
}

impl Level {
    fn inside(self) -> &'static str {
        match self {
            Self::Outside => "",
            Self::Payer => "2000A",
            Self::Requester => "2000B",
            Self::Subscriber => "2000C",
            Self::Dependent => "2000D",
            Self::Event => "2000E",
            Self::Service => "2000F",
        }
    }
}

/// What is known at the segment that is read.
pub(super) struct Reading<'r> {
    pub(super) resolver: &'r dyn Resolver,
    level: Level,
    pub(super) payer: bool,
    pub(super) requester: Option<String>,
    pub(super) member: Option<String>,
    /// The patient where that is not the subscriber: first name and day of birth.
    pub(super) dependent: Option<(String, String)>,
    /// What is wrong for every event below.
    pub(super) above: Vec<(Level, Problem)>,
    /// What the answer repeats of what stands above events.
    pub(super) repeated: Above,
    pub(super) event: Option<Event>,
    pub(super) read: Vec<ReceivedReview>,
}

impl<'r> Reading<'r> {
    pub(super) fn new(resolver: &'r dyn Resolver) -> Self {
        Self {
            resolver,
            level: Level::default(),
            payer: false,
            requester: None,
            member: None,
            dependent: None,
            above: Vec::new(),
            repeated: Above::default(),
            event: None,
            read: Vec::new(),
        }
    }

    pub(super) fn all(mut self, set: &Transaction<'_>) -> Vec<ReceivedReview> {
        for segment in &set.segments {
            self.segment(segment);
            self.repeat(segment);
        }
        self.close();
        self.read
    }

    /// Keeps what the answer says again.
    fn repeat(&mut self, segment: &Segment<'_>) {
        let above = match self.level {
            Level::Payer => Some(0),
            Level::Requester => Some(1),
            Level::Subscriber => Some(2),
            Level::Dependent => Some(3),
            Level::Outside | Level::Event | Level::Service => None,
        };
        match (above, &mut self.event) {
            (Some(level), _) if segment.id == "HL" => self.repeated.begin(level),
            (Some(level), _) if matches!(segment.id, "NM1" | "DMG") => self.repeated.add(level, segment),
            (None, Some(event)) => match event.services.last_mut() {
                Some(service) => service.asked.add(segment),
                None => event.asked.add(segment),
            },
            _ => {}
        }
    }

    fn wrong(&mut self, segment: &Segment<'_>, at: (usize, usize), fault: Fault, reason: &str) {
        let found = problem(segment, self.level.inside(), at, fault, reason);
        match &mut self.event {
            Some(event) if event.problems.len() < MAX_PROBLEMS => event.problems.push(found),
            None if self.above.len() < MAX_PROBLEMS => self.above.push((self.level, found)),
            _ => {}
        }
    }

    fn segment(&mut self, segment: &Segment<'_>) {
        match (segment.id, self.level) {
            ("HL", _) => self.begin(segment),
            ("NM1", _) => self.name(segment),
            ("DMG", Level::Dependent) => {
                if let Some((_, born)) = &mut self.dependent {
                    segment.element(2).clone_into(born);
                }
            }
            ("TRN", Level::Event) => self.number(segment),
            ("UM", Level::Event | Level::Service) => self.review(segment),
            ("DTP", Level::Event | Level::Service) => self.days(segment),
            ("SV1", Level::Service) => self.service(segment, &PROFESSIONAL),
            ("SV2", Level::Service) => self.service(segment, &INSTITUTIONAL),
            ("SV3", Level::Service) => self.service(segment, &DENTAL),
            ("HSD", Level::Event | Level::Service) => {
                let reason = "how often and for how long (HSD) has no place on the ledger: ask for units of a service, and its days";
                self.wrong(segment, (0, 0), Fault::Refused, reason);
            }
            (
                "HI" | "CL1" | "CR1" | "CR2" | "CR5" | "CR6" | "CRC" | "PWK" | "MSG" | "TOO",
                Level::Event | Level::Service,
            ) => self.ignore(segment),
            ("BHT" | "REF" | "N3" | "N4" | "PER" | "PRV" | "DMG" | "INS" | "AAA" | "TRN", _) => {}
            _ => {
                let reason = "a request for review has no such segment here";
                self.wrong(segment, (0, 0), Fault::Unexpected, reason);
            }
        }
    }

    fn begin(&mut self, hl: &Segment<'_>) {
        let level = match hl.element(3) {
            "20" => Level::Payer,
            "21" => Level::Requester,
            "22" => Level::Subscriber,
            "23" => Level::Dependent,
            "EV" => Level::Event,
            "SS" => Level::Service,
            _ => {
                let reason = "20 (payer), 21 (requester), 22 (subscriber), 23 (dependent), EV (event) or SS (service) is expected";
                self.wrong(hl, (3, 0), Fault::Code, reason);
                return;
            }
        };
        if level == Level::Service {
            self.level = level;
            self.begin_service(hl);
            return;
        }
        self.close();
        // What stood below the last one of this level is no more: nothing is asked for another requester's member.
        if level <= Level::Payer {
            self.payer = false;
        }
        if level <= Level::Requester {
            self.requester = None;
        }
        if level <= Level::Subscriber {
            self.member = None;
        }
        if level <= Level::Dependent {
            self.dependent = (level == Level::Dependent).then(Default::default);
        }
        self.level = level;
        self.above.retain(|(at, _)| *at < level);
        if level == Level::Event {
            self.event = Some(Event {
                at: hl.place(),
                segment: hl.number,
                ..Event::default()
            });
        }
    }

    fn begin_service(&mut self, hl: &Segment<'_>) {
        let full = self.event.as_ref().map(|event| event.services.len() >= MAX_LINES);
        match full {
            Some(false) => {
                if let Some(event) = &mut self.event {
                    event.services.push(Service {
                        at: hl.place(),
                        segment: hl.number,
                        ..Service::default()
                    });
                }
            }
            Some(true) => self.wrong(hl, (0, 0), Fault::Refused, "an event has at most 50 services"),
            None => self.wrong(hl, (3, 0), Fault::Unexpected, "an event (HL*EV) comes before it"),
        }
    }

    fn name(&mut self, nm1: &Segment<'_>) {
        let npi = (nm1.element(8) == "XX").then(|| nm1.element(9).to_owned());
        let npi = npi.filter(|npi| npi_is_valid(npi));
        match (nm1.element(1), self.level) {
            (_, Level::Payer) => {
                let named = Named::number(nm1.element(8), nm1.element(9));
                self.payer = self.resolver.is_payer(&named);
                if !self.payer {
                    let reason =
                        "it is not the payer that the file is sent to; list it among the payer's names";
                    self.wrong(nm1, (9, 0), Fault::Refused, reason);
                }
            }
            (_, Level::Requester) => {
                let named = Named::number(nm1.element(8), nm1.element(9));
                let listed = npi.or_else(|| self.resolver.provider(&named));
                self.requester = listed.filter(|npi| npi_is_valid(npi));
                if self.requester.is_none() {
                    let reason = "the requester's NPI is expected, with XX before it";
                    self.wrong(nm1, (9, 0), Fault::Refused, reason);
                }
            }
            ("IL", Level::Subscriber) if nm1.element(8) == "MI" && !nm1.element(9).is_empty() => {
                self.member = Some(nm1.element(9).to_owned());
            }
            ("IL", Level::Subscriber) => {
                let reason = "the member's number is expected, with MI before it";
                self.wrong(nm1, (9, 0), Fault::Missing, reason);
            }
            ("QC", Level::Dependent) => {
                if let Some((first, _)) = &mut self.dependent {
                    *first = nm1.element(4).to_uppercase();
                }
            }
            // Who is to do it.
            ("SJ" | "1T", Level::Event | Level::Service) => {
                if npi.is_none() {
                    let reason = "the NPI of who is to do it is expected, with XX before it";
                    self.wrong(nm1, (9, 0), Fault::Refused, reason);
                }
                let Some(event) = &mut self.event else { return };
                match event.services.last_mut() {
                    Some(service) => service.performer = npi,
                    None => event.performer = npi,
                }
            }
            _ => {}
        }
    }

    /// The provider's own number of the request, which makes a file that is sent again the same requests.
    fn number(&mut self, trn: &Segment<'_>) {
        if trn.element(1) != "1" {
            return;
        }
        let number = trn.element(2).to_owned();
        if number.is_empty() {
            self.wrong(trn, (2, 0), Fault::Missing, "the requester's number is expected");
        }
        if let Some(event) = &mut self.event {
            event.number.get_or_insert(number);
        }
    }

    fn review(&mut self, um: &Segment<'_>) {
        if um.element(2) != "I" {
            let reason = "I is expected, a first request: an answer is appealed, renewed and taken back by its number on the ledger";
            self.wrong(um, (2, 0), Fault::Refused, reason);
        }
        let urgent = ["U", "03"].contains(&um.element(6));
        let Some(event) = &mut self.event else { return };
        match event.services.last_mut() {
            Some(service) => service.urgent = urgent,
            None => event.urgent = urgent,
        }
    }

    fn days(&mut self, dtp: &Segment<'_>) {
        let wanted = if self.level == Level::Event { "AAH" } else { "472" };
        if dtp.element(1) != wanted {
            return;
        }
        let days = days(dtp);
        if days.is_none() {
            let reason = "days are expected, as D8 and YYYYMMDD or RD8 and YYYYMMDD-YYYYMMDD";
            self.wrong(dtp, (3, 0), Fault::Date, reason);
        }
        let Some(event) = &mut self.event else { return };
        match event.services.last_mut() {
            Some(service) => service.days = days,
            None => event.days = days,
        }
    }

    fn service(&mut self, segment: &Segment<'_>, layout: &Layout) {
        let code = segment.components(layout.procedure);
        let (list, code) = (code.first().copied(), code.get(1).copied().unwrap_or_default());
        if list != Some(layout.list) || code.is_empty() {
            let reason = format!("component 1 is {}: a procedure code", layout.list);
            self.wrong(segment, (layout.procedure, 1), Fault::Refused, &reason);
        }
        if !segment.component(layout.procedure, 8).is_empty() {
            let reason = "one procedure is expected, not one of several";
            self.wrong(segment, (layout.procedure, 8), Fault::Refused, reason);
        }
        let unit = segment.element(layout.unit);
        if layout.unit != 0 && !["UN", "DA"].contains(&unit) {
            let reason = "UN is expected: units";
            self.wrong(segment, (layout.unit, 0), Fault::Refused, reason);
        }
        let units = Decimal::parse(segment.element(layout.units)).and_then(Decimal::whole);
        let units = units
            .and_then(|n| u32::try_from(n).ok())
            .filter(|n| (1..=999).contains(n));
        if units.is_none() {
            let reason = "a whole number of units is expected, 1 to 999";
            self.wrong(segment, (layout.units, 0), Fault::Refused, reason);
        }
        if !segment.component(layout.procedure, 3).is_empty() {
            self.ignore(segment);
        }
        let procedure = self
            .resolver
            .procedure(list, code)
            .unwrap_or_else(|| code.to_owned());
        let open = self.event.as_mut().and_then(|event| event.services.last_mut());
        if let Some(service) = open {
            (service.procedure, service.units) = (Some(procedure), units);
        }
    }

    fn ignore(&mut self, segment: &Segment<'_>) {
        let inside = self.level.inside();
        if let Some(event) = &mut self.event
            && event.ignored.len() < MAX_PROBLEMS
        {
            let at = format!("{}, loop {inside}", segment.place());
            let reason = "a request for an authorisation has no place for it";
            event.ignored.push(Problem::new(at, reason));
        }
    }
}
