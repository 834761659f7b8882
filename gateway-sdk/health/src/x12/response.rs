//! From an interchange of requests for authorisations that came to a 278 that answers them (005010X217, response): service by service what the payer decided.

use super::asked::{Copied, Repeated};
use super::received::{Received, ReceivedReview, ReceivedSet};
use super::review::REVIEW;
use super::spot::{Fault, Spot};
use super::write::{Envelope, Kind, Writer, day};
use crate::claims::{Problem, Submission};

use careledger_api::contracts::claims::{AuthorisationStatus, AuthorisationView, Given};
use careledger_api::date::{Date, DateRange};

/// Most characters of a message (MSG01).
const MESSAGE: usize = 264;

/// What is said of a service that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Where its request stands on the ledger.
    Standing(Box<AuthorisationView>),
    /// Nobody has put its request on the ledger, or it was refused there.
    NotAsked,
    /// Its number is used for another request.
    Taken,
}

impl Received {
    /// Its 278 response, with the decisions on the services of each of [`Received::reads`], in their order: one for each request that was read, none for
    /// an event that was refused. The answer has the numbers of the request (BHT03, TRN), and the ledger's id of an authorisation as certification number
    /// (HCR02). Fails for an interchange of claims, or one whose frame is broken (a 999 says that), where there are more or fewer decisions than services,
    /// and for an envelope that X12 cannot hold.
    pub fn review_response(
        &self,
        decisions: &[Vec<Decision>],
        envelope: &Envelope,
    ) -> Result<String, Problem> {
        let today = Date::from_unix(envelope.made)
            .map_err(|_| Problem::new("BHT04", "a time of the years 1970 to 2200 is expected"))?;
        let asked: Vec<usize> = self
            .reads()
            .map(|read| match &read.outcome {
                Ok(Submission::Authorisations(requests)) => requests.len(),
                _ => 0,
            })
            .collect();
        if asked.is_empty()
            || !self.asks_for_reviews()
            || !asked.iter().copied().eq(decisions.iter().map(Vec::len))
        {
            let reason = "a 278 with requests, and one decision for each of its services, is expected";
            return Err(Problem::new("HCR", reason));
        }
        let mut rest = decisions;
        let mut sets = Vec::new();
        let of_groups = self.groups.iter().flat_map(|group| &group.sets);
        for set in of_groups.filter(|set| !set.reviews.is_empty()) {
            let (own, others) = rest.split_at(set.reviews.len().min(rest.len()));
            rest = others;
            sets.push(write_set(set, own, today));
        }
        let kind = Kind {
            set: "278",
            group: "HI",
            guide: REVIEW,
        };
        Writer::interchange(envelope, self.codes(), &kind, None, sets)
    }
}

fn write_set(set: &ReceivedSet, decisions: &[Vec<Decision>], today: Date) -> Writer {
    let mut out = Writer::default();
    let open = decisions.iter().flatten().any(Decision::is_open);
    let more = if open { "19" } else { "18" };
    let trace = Writer::tamed(&set.trace, 50, "0");
    out.segment("BHT", &["0007", "11", &trace, &day(today), "0000", more]);
    let mut tree = Tree::default();
    for (review, decisions) in set.reviews.iter().zip(decisions) {
        tree.event(&mut out, review, decisions);
    }
    out
}

/// The levels that are written and may have more below them.
#[derive(Default)]
struct Tree<'a> {
    /// The last number given (HL01).
    last: u32,
    open: Vec<Above<'a>>,
}

/// One of them: its number, which of the four it is, and what it says.
struct Above<'a> {
    number: u32,
    level: usize,
    said: &'a [Copied],
    rejected: Option<Rejection>,
}

/// HL03 of what stands above events.
const LEVELS: [&str; 4] = ["20", "21", "22", "23"];

impl<'a> Tree<'a> {
    fn event(&mut self, out: &mut Writer, review: &'a ReceivedReview, decisions: &[Decision]) {
        let asked = &review.asked;
        let rejected = review.read.outcome.as_ref().err().map(|problems| {
            let first = Rejection::of(problems);
            let named = |level: usize| {
                asked
                    .above
                    .levels()
                    .get(level)
                    .is_some_and(|said| !said.is_empty())
            };
            match first.level {
                // What should be above is not there.
                Some(level) if !named(level) => Rejection::in_event("15"),
                _ => first,
            }
        });
        let levels = asked
            .above
            .levels()
            .iter()
            .enumerate()
            .filter(|(_, said)| !said.is_empty());
        let mut kept = 0;
        for (level, said) in levels {
            let rejected = rejected.filter(|rejection| rejection.level == Some(level));
            let same = self.open.get(kept).is_some_and(|above| {
                (above.level, above.said, above.rejected) == (level, said.as_slice(), rejected)
            });
            if !same {
                self.open.truncate(kept);
                let number = self.begin(out, LEVELS.get(level).copied().unwrap_or_default(), true);
                let mut said_first = said.iter();
                said_first.by_ref().take(1).for_each(|name| name.write(out));
                rejected.iter().for_each(|rejection| rejection.write(out));
                said_first.for_each(|more| more.write(out));
                self.open.push(Above {
                    number,
                    level,
                    said,
                    rejected,
                });
            }
            kept += 1;
        }
        self.open.truncate(kept);
        let number = self.begin(out, "EV", !decisions.is_empty());
        traces(out, &asked.event);
        let own = rejected.filter(|rejection| rejection.level.is_none());
        own.iter().for_each(|rejection| rejection.write(out));
        asked.event.review.iter().for_each(|review| review.write(out));
        asked.event.names.iter().for_each(|name| name.write(out));
        for (service, decision) in asked.services.iter().zip(decisions) {
            self.last += 1;
            out.segment("HL", &[&self.last.to_string(), &number.to_string(), "SS", "0"]);
            decision.write(out, service);
        }
    }

    /// A level below the last open one.
    fn begin(&mut self, out: &mut Writer, kind: &str, more: bool) -> u32 {
        self.last += 1;
        let parent = self
            .open
            .last()
            .map_or_else(String::new, |above| above.number.to_string());
        let more = if more { "1" } else { "0" };
        out.segment("HL", &[&self.last.to_string(), &parent, kind, more]);
        self.last
    }
}

/// The numbers by which it was asked for, said again.
fn traces(out: &mut Writer, asked: &Repeated) {
    for trace in &asked.traces {
        trace.write_with(1, "2", out);
    }
}

impl Decision {
    /// The payer has not decided.
    fn is_open(&self) -> bool {
        let open = [AuthorisationStatus::Requested, AuthorisationStatus::Pended];
        matches!(self, Self::Standing(view) if open.contains(&view.status))
    }

    fn write(&self, out: &mut Writer, asked: &Repeated) {
        traces(out, asked);
        let Self::Standing(view) = self else {
            Rejection::in_event("33").write(out);
            asked.review.iter().for_each(|review| review.write(out));
            asked.service.iter().for_each(|service| service.write(out));
            let said = match self {
                Self::Taken => "ITS NUMBER IS USED FOR ANOTHER REQUEST: ASK UNDER A NEW ONE",
                _ => "IT IS NOT ON THE LEDGER: SUBMIT IT",
            };
            out.segment("MSG", &[said]);
            return;
        };
        asked.review.iter().for_each(|review| review.write(out));
        let given = view
            .given
            .filter(|_| view.status != AuthorisationStatus::Cancelled);
        // What was given is not taken away by its days being over: they are said.
        let action = match (view.status, given) {
            (AuthorisationStatus::Cancelled, _) => "C",
            (AuthorisationStatus::Requested | AuthorisationStatus::Pended, _) => "A4",
            (AuthorisationStatus::Denied, _) | (_, None) => "A3",
            (_, Some(given)) if given == whole(view) => "A1",
            _ => "A6",
        };
        let certified = given.filter(|_| ["A1", "A6"].contains(&action));
        let number = certified.map_or_else(String::new, |_| view.request.id.to_string());
        out.segment("HCR", &[action, &number]);
        asked.days.iter().for_each(|days| days.write(out));
        if let Some(given) = certified {
            let DateRange { from, until } = given.period;
            let both = format!("{}-{}", day(from), day(until));
            out.segment("DTP", &["007", "RD8", &both]);
        }
        if let Some(service) = &asked.service {
            let units = certified.map(|given| given.units.to_string());
            let at = match service.id() {
                "SV1" => 4,
                "SV2" => 5,
                _ => 6,
            };
            match units {
                Some(units) => service.write_with(at, &units, out),
                None => service.write(out),
            }
        }
        let over = (view.status == AuthorisationStatus::Expired).then_some("ITS DAYS ARE OVER");
        if let Some(text) = view.text.as_deref().or(over) {
            out.segment("MSG", &[&message(text)]);
        }
        asked.names.iter().for_each(|name| name.write(out));
    }
}

/// All that was asked for.
fn whole(view: &AuthorisationView) -> Given {
    Given {
        units: view.request.units,
        period: view.request.period,
    }
}

/// The payer's words, as many as there is room for; all of them are on the ledger.
fn message(text: &str) -> String {
    let said = Writer::tamed(text, MESSAGE, "SEE THE LEDGER");
    match text.chars().count() > MESSAGE {
        true => format!("{}...", Writer::tamed(&said, MESSAGE - 3, "")),
        false => said,
    }
}

/// Why nothing is decided (AAA), by its code (901) and what is to be done; and at which level above the event, if above.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Rejection {
    level: Option<usize>,
    code: &'static str,
    action: &'static str,
}

impl Rejection {
    /// The first of what is wrong above the event, else the first in it.
    fn of(problems: &[Problem]) -> Self {
        let each = problems
            .iter()
            .filter_map(|problem| problem.x12.as_deref())
            .map(Self::of_spot);
        let mut each: Vec<Self> = each.collect();
        each.sort_by_key(|rejection| rejection.level.unwrap_or(LEVELS.len()));
        each.first().copied().unwrap_or(Self::in_event("33"))
    }

    fn of_spot(spot: &Spot) -> Self {
        let missing = spot.fault == Fault::Missing;
        let (level, code, action) = match (spot.inside, spot.id.as_str()) {
            ("2000A", _) => (Some(0), "79", "N"),
            ("2000B", _) => (Some(1), "43", "C"),
            ("2000C", "NM1") => (Some(2), if missing { "72" } else { "75" }, "C"),
            ("2000D", "NM1") => (Some(3), "67", "C"),
            (_, "DTP") => (None, "57", "C"),
            _ => (None, if missing { "15" } else { "33" }, "C"),
        };
        Self { level, code, action }
    }

    fn in_event(code: &'static str) -> Self {
        Self {
            level: None,
            code,
            action: "C",
        }
    }

    fn write(&self, out: &mut Writer) {
        out.segment("AAA", &["N", "", self.code, self.action]);
    }
}
