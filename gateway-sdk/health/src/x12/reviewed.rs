//! From what was read of a patient event to requests for authorisations.

use super::asked::{Asked, Repeated};
use super::level::named;
use super::received::ReceivedReview;
use super::review::Reading;
use super::spot::{Fault, Spot};
use crate::claims::{Account, Problem, Read, Submission};
use careledger_api::contracts::claims::AuthorisationRequest;
use careledger_api::date::{Date, DateRange};
use careledger_api::ids::Salt;

/// The system of the provider's number of a request, for ids.
const SYSTEM: &str = "TRN02";

/// A patient event that is being read.
#[derive(Default)]
pub(super) struct Event {
    pub(super) at: String,
    /// The number of its HL in the interchange.
    pub(super) segment: usize,
    pub(super) asked: Repeated,
    pub(super) number: Option<String>,
    pub(super) urgent: bool,
    pub(super) days: Option<(Date, Date)>,
    pub(super) performer: Option<String>,
    pub(super) services: Vec<Service>,
    pub(super) problems: Vec<Problem>,
    pub(super) ignored: Vec<Problem>,
}

/// A service of it.
#[derive(Default)]
pub(super) struct Service {
    pub(super) at: String,
    /// The number of its HL in the interchange.
    pub(super) segment: usize,
    pub(super) asked: Repeated,
    pub(super) procedure: Option<String>,
    pub(super) units: Option<u32>,
    pub(super) urgent: bool,
    pub(super) days: Option<(Date, Date)>,
    pub(super) performer: Option<String>,
}

impl Reading<'_> {
    pub(super) fn close(&mut self) {
        let Some(mut event) = self.event.take() else {
            return;
        };
        event
            .problems
            .extend(self.above.iter().map(|(_, problem)| problem.clone()));
        let account = Account {
            claim_number: event.number.clone(),
            member_number: self.member.clone(),
            ..Account::default()
        };
        let requests = self.requests(&mut event);
        let asked = Asked {
            above: self.repeated.clone(),
            event: event.asked,
            services: event.services.into_iter().map(|service| service.asked).collect(),
        };
        let outcome = match requests {
            Some(requests) if event.problems.is_empty() => Ok(Submission::Authorisations(requests)),
            _ => Err(event.problems),
        };
        let read = Read {
            at: event.at,
            account,
            outcome,
            ignored: event.ignored,
        };
        self.read.push(ReceivedReview { read, asked });
    }

    fn requests(&self, event: &mut Event) -> Option<Vec<AuthorisationRequest>> {
        let (at, segment) = (event.at.clone(), event.segment);
        let problems = &mut event.problems;
        // Something that the guide lets be left out is [`Fault::Refused`] where it is needed here.
        let mut wrong = |(what, id, inside): (&str, &str, &'static str), fault: Fault, reason: &str| {
            let problem = Problem::new(format!("{at}{what}"), reason);
            problems.push(problem.in_x12(Spot::at(segment, id, inside, 0, fault)));
        };
        let named = named(self.member.as_deref(), self.dependent.as_ref());
        let coverage = named.and_then(|named| self.resolver.coverage(&named));
        if coverage.is_none() {
            let inside = if self.dependent.is_some() {
                "2000D"
            } else {
                "2000C"
            };
            let reason = "no coverage of this payer is known for the member's number; list it";
            wrong((", loop 2010C", "NM1", inside), Fault::Refused, reason);
        }
        if self.above.is_empty() && !self.payer {
            let reason = "the payer (NM1*X3) comes before it";
            wrong((", loop 2010A", "NM1", "2000A"), Fault::Missing, reason);
        }
        if self.above.is_empty() && self.requester.is_none() {
            let reason = "the requester (NM1*1P) comes before it";
            wrong((", loop 2010B", "NM1", "2000B"), Fault::Missing, reason);
        }
        if event.number.is_none() {
            let reason = "the requester's number is needed: sending it again must be the same request";
            wrong((", TRN", "TRN", "2000E"), Fault::Refused, reason);
        }
        if event.services.is_empty() {
            wrong(
                (", loop 2000F", "HL", "2000F"),
                Fault::Refused,
                "a service (HL*SS) is expected",
            );
        }
        for service in &event.services {
            let mut lacks = |id: &str, reason: &str| {
                let spot = Spot::at(service.segment, id, "2000F", 0, Fault::Refused);
                problems.push(Problem::new(&service.at, reason).in_x12(spot));
            };
            if service.procedure.is_none() {
                lacks(
                    "SV1",
                    "a service has a procedure (SV1, SV2 or SV3) with its units",
                );
            }
            if service.days.or(event.days).is_none() {
                lacks(
                    "DTP",
                    "a service has its days (DTP*472), or its event has them (DTP*AAH)",
                );
            }
        }
        let (requester, number, coverage) = (self.requester.as_deref()?, event.number.as_deref()?, coverage?);
        let numbers = self.resolver.numbers();
        let requests = (1u16..).zip(&event.services).map(|(line, service)| {
            let (from, until) = service.days.or(event.days)?;
            let performer = service.performer.as_ref().or(event.performer.as_ref());
            let unsalted = AuthorisationRequest {
                id: numbers.authorisation(requester, SYSTEM, number, line),
                coverage,
                procedure: service.procedure.clone()?,
                units: service.units?,
                period: DateRange { from, until },
                provider_npi: performer.map_or(requester, String::as_str).to_owned(),
                urgent: service.urgent || event.urgent,
                documents: Vec::new(),
                salt: Salt::from_bytes([0; 32]),
            };
            let salt = numbers.salt("authorisation", &unsalted).ok()?;
            Some(AuthorisationRequest { salt, ..unsalted })
        });
        requests.collect()
    }
}
