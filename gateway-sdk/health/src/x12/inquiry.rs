//! From a 270 (005010X279A1, inquiry) to questions about coverages (loops 2000A to 2110D): one for each patient about whom something is asked.

use super::asked::{Above, Copied};
use super::level::named;
use super::open::days;
use super::received::Received;
use super::segment::{Segment, Transaction, Wanted, interchange};
use super::spot::{Fault, problem};
use super::write::{Envelope, parse_day};
use crate::claims::{Account, FileError, MAX_PROBLEMS, Named, Problem, Resolver};
use careledger_api::adjudication::npi_is_valid;
use careledger_api::contracts::claims::{
    AskedService, EligibilityPurpose, EligibilityQuestion, MAX_ASKED_SERVICES,
};
use careledger_api::date::Date;
use careledger_api::ids::{QuestionId, Salt};

/// Files of inquiries.
const INQUIRIES: Wanted = Wanted {
    set: "270",
    group: "HS",
    guides: &[ELIGIBILITY],
    name: "X12 270 of one interchange",
};
/// The implementation guide of inquiries, and of the responses to them.
pub(super) const ELIGIBILITY: &str = "005010X279A1";
/// Most patients of an interchange.
const MAX_INQUIRIES: usize = 99;
/// The system of the provider's number of a question, for ids.
const SYSTEM: &str = "TRN02";

/// An interchange of inquiries as it was read. `Debug` shows nothing of persons.
pub struct Inquiries {
    pub(super) received: Received,
    /// By transaction set, each with its BHT03.
    pub(super) sets: Vec<(String, Vec<Inquiry>)>,
}

/// What is asked about one patient.
pub struct Inquiry {
    /// Where it stands, such as `segment 9 (HL)`.
    pub at: String,
    /// By which numbers its writer knows it.
    pub account: Account,
    /// For `askEligibility`, or every reason why it cannot be asked.
    pub outcome: Result<EligibilityQuestion, Vec<Problem>>,
    /// What was read and is not asked.
    pub ignored: Vec<Problem>,
    pub(super) above: Above,
    pub(super) traces: Vec<Copied>,
}

impl std::fmt::Debug for Inquiries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inquiries")
            .field("held", &self.all().count())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Inquiry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inquiry")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

impl Inquiries {
    /// What is asked, patient by patient, in the order of the file.
    pub fn all(&self) -> impl Iterator<Item = &Inquiry> {
        self.sets.iter().flat_map(|(_, inquiries)| inquiries)
    }

    /// Back to its sender, under a control number never used before between the two (1 to 999,999,999), made at a time (seconds since 1970).
    pub fn reply(&self, control: u32, made: i64) -> Envelope {
        self.received.reply(control, made)
    }
}

/// Reads a 270 of one interchange: up to 99 patients, each by itself. Fails for an interchange whose frame is broken, and for one that is no inquiry.
pub fn inquiries_from_x12(bytes: &[u8], resolver: &dyn Resolver) -> Result<Inquiries, FileError> {
    let interchange = interchange(bytes, &[INQUIRIES])?;
    let received = Received::of(&interchange);
    if let Some(error) = &received.broken {
        return Err(error.clone());
    }
    let mut sets = Vec::new();
    for set in interchange.groups.iter().flat_map(|group| &group.sets) {
        let first = set.segments.first().ok_or(FileError::Another(INQUIRIES.name))?;
        if first.id != "BHT" || first.element(2) != "13" {
            let reason = "BHT comes first, and its element 02 is 13: an inquiry";
            return Err(first.frame("ST", 2, "I6", reason));
        }
        let inquiries = Reading::new(resolver, first).all(set);
        sets.push((first.element(3).to_owned(), inquiries));
    }
    let inquiries = Inquiries { received, sets };
    match inquiries.all().count() {
        0 => Err(FileError::Another("270 that asks something (EQ)")),
        1..=MAX_INQUIRIES => Ok(inquiries),
        _ => Err(FileError::TooLarge),
    }
}

/// Where in the hierarchy the reader is (HL03).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Outside,
    Payer,
    Provider,
    Subscriber,
    Dependent,
}

impl Level {
    fn inside(self) -> &'static str {
        match self {
            Self::Outside => "",
            Self::Payer => "2100A",
            Self::Provider => "2100B",
            Self::Subscriber => "2100C",
            Self::Dependent => "2100D",
        }
    }

    /// Of [`Above`].
    fn copied(self) -> Option<usize> {
        (self as usize).checked_sub(1)
    }
}

/// A patient who is read.
#[derive(Default)]
struct Patient {
    at: String,
    number: Option<String>,
    day: Option<Date>,
    asked: bool,
    services: Vec<AskedService>,
    traces: Vec<Copied>,
    problems: Vec<Problem>,
    ignored: Vec<Problem>,
}

struct Reading<'r> {
    resolver: &'r dyn Resolver,
    /// BHT03 and BHT04: number and day of a patient without their own.
    trace: String,
    made: Option<Date>,
    level: Level,
    above: Above,
    payer: bool,
    provider: Option<String>,
    member: Option<String>,
    /// First name and day of birth.
    dependent: Option<(String, String)>,
    /// What is wrong for every patient below.
    wrong_above: Vec<(Level, Problem)>,
    patient: Option<Patient>,
    read: Vec<Inquiry>,
}

impl<'r> Reading<'r> {
    fn new(resolver: &'r dyn Resolver, bht: &Segment<'_>) -> Self {
        Self {
            resolver,
            trace: bht.element(3).to_owned(),
            made: parse_day(bht.element(4)),
            level: Level::Outside,
            above: Above::default(),
            payer: false,
            provider: None,
            member: None,
            dependent: None,
            wrong_above: Vec::new(),
            patient: None,
            read: Vec::new(),
        }
    }

    fn all(mut self, set: &Transaction<'_>) -> Vec<Inquiry> {
        for segment in set.segments.iter().skip(1) {
            self.segment(segment);
            if let ("NM1" | "DMG", Some(level)) = (segment.id, self.level.copied()) {
                self.above.add(level, segment);
            }
        }
        self.close();
        self.read
    }

    fn wrong(&mut self, segment: &Segment<'_>, element: usize, fault: Fault, reason: &str) {
        let found = problem(segment, self.level.inside(), (element, 0), fault, reason);
        match &mut self.patient {
            Some(patient) if patient.problems.len() < MAX_PROBLEMS => patient.problems.push(found),
            None if self.wrong_above.len() < MAX_PROBLEMS => self.wrong_above.push((self.level, found)),
            _ => {}
        }
    }

    fn ignore(&mut self, segment: &Segment<'_>, reason: &str) {
        if let Some(patient) = &mut self.patient
            && patient.ignored.len() < MAX_PROBLEMS
        {
            patient.ignored.push(Problem::new(segment.place(), reason));
        }
    }

    fn segment(&mut self, segment: &Segment<'_>) {
        match segment.id {
            "HL" => self.begin(segment),
            "NM1" => self.name(segment),
            "DMG" => {
                if let (Level::Dependent, Some((_, born))) = (self.level, &mut self.dependent) {
                    segment.element(2).clone_into(born);
                }
            }
            "TRN" => {
                if let Some(patient) = &mut self.patient
                    && patient.traces.len() < 2
                {
                    patient.number.get_or_insert(segment.element(2).to_owned());
                    patient.traces.push(Copied::of(segment));
                }
            }
            "DTP" if segment.element(1) == "291" => self.day(segment),
            "EQ" => self.ask(segment),
            "III" => self.place(segment),
            "REF" if segment.element(1) == "G1" => self.authorisation(segment),
            "AMT" | "HI" => self.ignore(segment, "amounts and diagnoses are not asked with a service"),
            "REF" | "N3" | "N4" | "PRV" | "INS" | "DTP" | "PER" => {}
            _ => {
                let reason = "an inquiry has no such segment";
                self.wrong(segment, 0, Fault::Unexpected, reason);
            }
        }
    }

    fn begin(&mut self, hl: &Segment<'_>) {
        self.close();
        let level = match hl.element(3) {
            "20" => Level::Payer,
            "21" => Level::Provider,
            "22" => Level::Subscriber,
            "23" => Level::Dependent,
            _ => {
                let reason = "20 (payer), 21 (provider), 22 (subscriber) or 23 (dependent) is expected";
                self.wrong(hl, 3, Fault::Code, reason);
                return;
            }
        };
        self.level = level;
        if let Some(copied) = level.copied() {
            self.above.begin(copied);
        }
        self.wrong_above.retain(|(at, _)| *at < level);
        // What stood below the last one of this level is no more: nobody is asked about under another's payer or provider.
        if level <= Level::Payer {
            self.payer = false;
        }
        if level <= Level::Provider {
            self.provider = None;
        }
        if level <= Level::Subscriber {
            self.member = None;
        }
        self.dependent = (level == Level::Dependent).then(Default::default);
        self.patient = matches!(level, Level::Subscriber | Level::Dependent).then(|| Patient {
            at: hl.place(),
            ..Patient::default()
        });
    }

    fn name(&mut self, nm1: &Segment<'_>) {
        let number = Named::number(nm1.element(8), nm1.element(9));
        match self.level {
            Level::Payer => {
                self.payer = self.resolver.is_payer(&number);
                if !self.payer {
                    let reason =
                        "it is not the payer that the file is sent to; list it among the payer's names";
                    self.wrong(nm1, 9, Fault::Refused, reason);
                }
            }
            Level::Provider => {
                let npi = (nm1.element(8) == "XX").then(|| nm1.element(9).to_owned());
                let listed = npi.or_else(|| self.resolver.provider(&number));
                self.provider = listed.filter(|npi| npi_is_valid(npi));
                if self.provider.is_none() {
                    self.wrong(
                        nm1,
                        9,
                        Fault::Refused,
                        "the provider's NPI is expected, with XX before it",
                    );
                }
            }
            Level::Subscriber if nm1.element(8) == "MI" && !nm1.element(9).is_empty() => {
                self.member = Some(nm1.element(9).to_owned());
            }
            Level::Subscriber => {
                let reason = "the member's number is expected, with MI before it";
                self.wrong(nm1, 9, Fault::Missing, reason);
            }
            Level::Dependent => {
                if let Some((first, _)) = &mut self.dependent {
                    *first = nm1.element(4).to_uppercase();
                }
            }
            Level::Outside => {}
        }
    }

    fn day(&mut self, dtp: &Segment<'_>) {
        let Some((day, until)) = days(dtp) else {
            let reason = "a day is expected, as D8 and YYYYMMDD or RD8 and YYYYMMDD-YYYYMMDD";
            self.wrong(dtp, 3, Fault::Date, reason);
            return;
        };
        if until != day {
            self.ignore(dtp, "one day is asked about: the first");
        }
        let other = self.patient.as_ref().and_then(|patient| patient.day);
        if other.is_some_and(|other| other != day) {
            let reason = "one day is asked about a patient: ask for each in an inquiry of its own";
            self.wrong(dtp, 3, Fault::Refused, reason);
        }
        if let Some(patient) = &mut self.patient {
            patient.day = Some(day);
        }
    }

    fn ask(&mut self, eq: &Segment<'_>) {
        let (list, code) = (eq.component(2, 1), eq.component(2, 2));
        let Some(patient) = &mut self.patient else {
            self.wrong(
                eq,
                0,
                Fault::Unexpected,
                "a patient (HL*22 or HL*23) comes before it",
            );
            return;
        };
        patient.asked = true;
        if code.is_empty() {
            if eq.element(1) != "30" {
                self.ignore(
                    eq,
                    "types of services are not answered one by one: ask for procedures",
                );
            }
            return;
        }
        if patient.services.len() >= MAX_ASKED_SERVICES {
            self.wrong(eq, 2, Fault::Refused, "a question is about at most 20 services");
            return;
        }
        let mapped = self.resolver.procedure(Some(list), code);
        let modifiers = (3..=6).map(|part| eq.component(2, part));
        let modifiers = modifiers.filter(|modifier| !modifier.is_empty());
        patient.services.push(AskedService {
            modifiers: modifiers.map(str::to_owned).collect(),
            ..AskedService::new(mapped.as_deref().unwrap_or(code))
        });
    }

    /// Of the last service.
    fn place(&mut self, iii: &Segment<'_>) {
        let last = self
            .patient
            .as_mut()
            .and_then(|patient| patient.services.last_mut());
        match last {
            Some(service) if iii.element(1) == "ZZ" => service.place = Some(iii.element(2).to_owned()),
            _ => self.ignore(iii, "only the place of a service is asked with it"),
        }
    }

    fn authorisation(&mut self, number: &Segment<'_>) {
        let text = number.element(2);
        let known = text.parse().ok().or_else(|| self.resolver.authorisation(text));
        if known.is_none() {
            let reason = "it is no authorisation of the ledger's: list it";
            self.wrong(number, 2, Fault::Refused, reason);
        }
        let last = self
            .patient
            .as_mut()
            .and_then(|patient| patient.services.last_mut());
        if let Some(service) = last {
            service.authorisation = known;
        }
    }

    fn close(&mut self) {
        let Some(mut patient) = self.patient.take().filter(|patient| patient.asked) else {
            return;
        };
        let mut problems = std::mem::take(&mut patient.problems);
        problems.extend(self.wrong_above.iter().map(|(_, problem)| problem.clone()));
        let traces = std::mem::take(&mut patient.traces);
        let ignored = std::mem::take(&mut patient.ignored);
        let at = patient.at.clone();
        let account = Account {
            claim_number: patient.number.clone(),
            member_number: self.member.clone(),
            ..Account::default()
        };
        let question = self.question(patient, &mut problems);
        let outcome = match question {
            Some(question) if problems.is_empty() => Ok(question),
            _ => Err(problems),
        };
        self.read.push(Inquiry {
            at,
            account,
            outcome,
            ignored,
            above: self.above.clone(),
            traces,
        });
    }

    fn question(&self, patient: Patient, problems: &mut Vec<Problem>) -> Option<EligibilityQuestion> {
        let at = patient.at.as_str();
        let mut lacks = |reason: &str| problems.push(Problem::new(at, reason));
        let named = named(self.member.as_deref(), self.dependent.as_ref());
        let coverage = named.and_then(|named| self.resolver.coverage(&named));
        if coverage.is_none() {
            lacks("no coverage of this payer is known for the member's number; list it");
        }
        if !self.payer {
            lacks("the payer (HL*20, NM1*PR) comes before it");
        }
        if self.provider.is_none() {
            lacks("the provider with its NPI (HL*21, NM1*1P) comes before it");
        }
        let day = patient.day.or(self.made);
        if day.is_none() {
            lacks("a day (DTP*291, else BHT04) is expected");
        }
        let number = patient.number.filter(|number| !number.is_empty());
        let number = number.or_else(|| match self.trace.as_str() {
            "" => None,
            trace => Some(format!("{trace} {}", patient.at)),
        });
        if number.is_none() {
            lacks("a number (TRN02, else BHT03) is needed: sending it again must be the same question");
        }
        let nothing = Salt::from_bytes([0; 32]);
        let mut question =
            EligibilityQuestion::new(QuestionId::from_bytes([0; 16]), coverage?, day?, nothing);
        question.purposes.insert(EligibilityPurpose::Benefits);
        if !patient.services.is_empty() {
            question.purposes.insert(EligibilityPurpose::Authorisation);
        }
        question.services = patient.services;
        question.provider_npi = Some(self.provider.clone()?);
        let question = self.resolver.numbers().asked(question, SYSTEM, &number?);
        match question.and_then(|question| question.validate().map(|()| question)) {
            Ok(question) => Some(question),
            Err(error) => {
                problems.push(Problem::new(at, error.to_string()));
                None
            }
        }
    }
}
