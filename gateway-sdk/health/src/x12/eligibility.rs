//! From an interchange of inquiries that came to a 271 that answers them (005010X279A1): patient by patient what the payer answered.

use super::asked::Copied;
use super::inquiry::{ELIGIBILITY, Inquiries, Inquiry};
use super::write::{Envelope, Kind, Writer, composite, day};
use crate::claims::{Problem, text as amount};
use careledger_api::adjudication::Span;
use careledger_api::contracts::claims::{
    AskedService, CoverageStanding, EligibilityAnswer, EligibilityView, ServiceAnswer, ServiceStanding,
    YearSum,
};
use careledger_api::date::Date;

/// Most characters of a message (MSG01).
const MESSAGE: usize = 264;
/// HL03 of the levels.
const LEVELS: [&str; 4] = ["20", "21", "22", "23"];

impl Inquiries {
    /// Its 271, with the answer to each of [`Inquiries::all`], in their order; none where the payer has not answered, or the inquiry was refused. The answer
    /// has the numbers of the inquiry (BHT03, TRN). Fails where there are more or fewer answers than inquiries, and for an envelope that X12 cannot hold.
    pub fn response(
        &self,
        answers: &[Option<EligibilityView>],
        envelope: &Envelope,
    ) -> Result<String, Problem> {
        let today = Date::from_unix(envelope.made)
            .map_err(|_| Problem::new("BHT04", "a time of the years 1970 to 2200 is expected"))?;
        if self.all().count() != answers.len() {
            return Err(Problem::new("EB", "one answer for each patient is expected"));
        }
        let mut answers = answers.iter();
        let sets = self.sets.iter().map(|(trace, inquiries)| {
            let mut out = Writer::default();
            let trace = Writer::tamed(trace, 50, "0");
            out.segment("BHT", &["0022", "11", &trace, &day(today), "0000"]);
            let mut tree = Tree::default();
            for (inquiry, answer) in inquiries.iter().zip(answers.by_ref()) {
                tree.inquiry(&mut out, inquiry, answer.as_ref());
            }
            out
        });
        let kind = Kind {
            set: "271",
            group: "HB",
            guide: ELIGIBILITY,
        };
        let sets = sets.collect();
        Writer::interchange(envelope, self.received.codes(), &kind, None, sets)
    }
}

/// The levels that are written and may have more below them.
#[derive(Default)]
struct Tree<'a> {
    /// The last number given (HL01).
    last: u32,
    open: Vec<(u32, &'a [Copied])>,
}

impl<'a> Tree<'a> {
    fn inquiry(&mut self, out: &mut Writer, inquiry: &'a Inquiry, view: Option<&EligibilityView>) {
        let levels = inquiry.above.levels();
        // The patient's own level is the last that says anything; it is never shared.
        let patient = levels
            .iter()
            .rposition(|said| !said.is_empty())
            .unwrap_or(2)
            .max(2);
        for (level, said) in levels.iter().enumerate().take(patient) {
            let same = self
                .open
                .get(level)
                .is_some_and(|(_, open)| *open == said.as_slice());
            if !same {
                self.open.truncate(level);
                let number = self.begin(out, level, true);
                said.iter().for_each(|said| said.write(out));
                self.open.push((number, said));
            }
        }
        self.open.truncate(patient);
        self.begin(out, patient, false);
        for trace in &inquiry.traces {
            trace.write_with(1, "2", out);
        }
        let said = levels.get(patient).map_or(&[][..], Vec::as_slice);
        let (names, more) = said.split_at(said.len().min(1));
        names.iter().for_each(|name| name.write(out));
        let answer = view.and_then(|view| Some((view, view.answer.as_ref()?)));
        if let Some(rejected) = rejection(inquiry, answer.map(|(_, answer)| answer), patient == 3) {
            out.segment("AAA", &rejected);
        }
        more.iter().for_each(|more| more.write(out));
        if let Some((view, answer)) = answer {
            answered(out, &view.question.services, answer);
        }
    }

    /// A level below the last open one.
    fn begin(&mut self, out: &mut Writer, level: usize, more: bool) -> u32 {
        self.last += 1;
        let parent = self.open.last();
        let parent = parent.map_or_else(String::new, |(number, _)| number.to_string());
        let more = if more { "1" } else { "0" };
        let kind = LEVELS.get(level).copied().unwrap_or_default();
        out.segment("HL", &[&self.last.to_string(), &parent, kind, more]);
        self.last
    }
}

/// Why there is no answer (AAA01 to 04).
fn rejection(
    inquiry: &Inquiry,
    answer: Option<&EligibilityAnswer>,
    dependent: bool,
) -> Option<[&'static str; 4]> {
    let unknown = if dependent { "67" } else { "75" };
    match (&inquiry.outcome, answer) {
        (Err(problems), _) => {
            let inside = problems.iter().find_map(|problem| problem.x12.as_deref());
            let code = match inside.map(|spot| (spot.inside, spot.id.as_str())) {
                None => unknown,
                Some(("2100A", _)) => "79",
                Some(("2100B", _)) => "43",
                Some((_, "DTP")) => "57",
                Some((_, "NM1")) => "72",
                Some(_) => "15",
            };
            Some(["N", "", code, "C"])
        }
        // Ask once more: it may be answered by then.
        (Ok(_), None) => Some(["Y", "", "42", "P"]),
        (Ok(_), Some(answer)) if answer.standing == CoverageStanding::Unknown => {
            Some(["N", "", unknown, "C"])
        }
        (Ok(_), Some(_)) => None,
    }
}

fn answered(out: &mut Writer, services: &[AskedService], answer: &EligibilityAnswer) {
    let Some(terms) = &answer.terms else {
        if answer.standing == CoverageStanding::Ended {
            out.segment("EB", &["6", "IND", "30"]);
        }
        return;
    };
    let days = format!("{}-{}", day(terms.period.from), day(terms.period.until));
    out.segment("DTP", &["291", "RD8", &days]);
    if answer.standing != CoverageStanding::Covered {
        out.segment("EB", &["6", "IND", "30"]);
        return;
    }
    out.segment("EB", &["1", "IND", "30"]);
    if terms.secondary {
        out.segment("MSG", &["ANOTHER PAYER PAYS FIRST"]);
    }
    let currency = terms.currency.as_str();
    if let Some(left) = &answer.left {
        year(out, "C", left.deductible, currency);
        year(out, "G", left.out_of_pocket, currency);
    }
    for (service, asked) in answer.services.iter().zip(services) {
        written(out, service, asked, currency);
    }
}

/// A sum of a calendar year (23), and what is left of it (29).
fn year(out: &mut Writer, code: &str, sum: YearSum, currency: &str) {
    for (period, minor) in [("23", sum.of), ("29", sum.left)] {
        out.segment(
            "EB",
            &[code, "IND", "30", "", "", period, &amount(minor, currency)],
        );
    }
}

fn written(out: &mut Writer, service: &ServiceAnswer, asked: &AskedService, currency: &str) {
    let mut procedure = vec!["HC", asked.procedure.as_str()];
    procedure.extend(asked.modifiers.iter().map(String::as_str));
    let procedure = composite(&procedure);
    let authorised = if service.authorisation.is_some() { "Y" } else { "N" };
    let network = if service.in_network { "Y" } else { "N" };
    let benefit = |out: &mut Writer, code: &str, between: [&str; 5]| {
        let [period, money, percent, unit, quantity] = between;
        let elements = [
            code, "IND", "", "", "", period, money, percent, unit, quantity, authorised, network, &procedure,
        ];
        out.segment("EB", &elements);
    };
    let code = match service.standing {
        ServiceStanding::Covered | ServiceStanding::NeedsAuthorisation => "1",
        ServiceStanding::NotCovered => "I",
        // To be asked of the payer.
        _ => "U",
    };
    benefit(out, code, [""; 5]);
    let given = service
        .authorisation
        .as_ref()
        .and_then(|needed| needed.given.as_ref());
    if let Some(given) = given {
        out.segment("REF", &["G1", &given.id.to_string()]);
    }
    if let Some(first) = service.covered_from {
        // Eligibility begins.
        out.segment("DTP", &["356", "D8", &day(first)]);
    }
    for said in messages(service, currency) {
        out.segment("MSG", &[&Writer::tamed(&said, MESSAGE, "SEE THE LEDGER")]);
    }
    if let Some(share) = service.share {
        benefit(out, "B", ["", &amount(share.copay, currency), "", "", ""]);
        benefit(out, "A", ["", "", &share_text(share.coinsurance), "", ""]);
    }
    for limit in &service.limits {
        let period = match limit.within {
            Span::Day => "7",
            Span::Year => "23",
            _ => "32",
        };
        benefit(out, "F", [period, "", "", "P6", &limit.units.to_string()]);
        benefit(out, "F", ["29", "", "", "P6", &limit.left.to_string()]);
    }
}

/// What there is no code for.
fn messages(service: &ServiceAnswer, currency: &str) -> Vec<String> {
    let needed = service.standing == ServiceStanding::NeedsAuthorisation;
    let mut said: Vec<String> = needed
        .then(|| "an authorisation is needed, and none with units enough stands".to_owned())
        .into_iter()
        .collect();
    match &service.estimate {
        Some(estimate) => said.push(format!(
            "estimate, no promise, of {} the payer pays {}, the member {}",
            amount(estimate.charge, currency),
            amount(estimate.paid, currency),
            amount(estimate.member, currency)
        )),
        None => said.extend(
            service
                .why
                .iter()
                .map(|edit| edit.explanation.clone().into_owned()),
        ),
    }
    // The guide has room for ten at one place.
    said.truncate(10);
    said
}

/// Hundredths of a percent as a part of 1: 1250 is `0.125`.
fn share_text(hundredths: u16) -> String {
    let text = format!("{}.{:04}", hundredths / 10_000, hundredths % 10_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::testing::{MEMBER, NPI, date, directory, eligibility_answer};
    use crate::x12::inquiries_from_x12;
    use careledger_api::contracts::claims::QuestionStatus;
    use careledger_api::ids::CoverageId;

    /// By hand, after the guide: a subscriber with a procedure, a dependent with the coverage alone, and one whom nobody knows.
    const FILE: &str = include_str!("../../tests/samples/inquiry.270");

    #[test]
    fn each_patient_is_asked_about_by_itself_and_the_same_each_time() {
        let read = inquiries_from_x12(FILE.as_bytes(), &directory()).unwrap();
        let all: Vec<_> = read.all().collect();
        assert_eq!(all.len(), 3);
        let first = all[0].outcome.as_ref().unwrap();
        assert_eq!((first.coverage, first.on), (MEMBER, date("2026-07-01")));
        assert_eq!(first.provider_npi.as_deref(), Some(NPI));
        let [service] = first.services.as_slice() else {
            panic!("{first:?}")
        };
        assert_eq!(
            (service.procedure.as_str(), service.modifiers.len()),
            ("X-1001", 1)
        );
        assert_eq!(service.place.as_deref(), Some("11"));
        let second = all[1].outcome.as_ref().unwrap();
        assert_eq!(
            (second.coverage, second.services.len()),
            (CoverageId::from_bytes([3; 16]), 0)
        );
        // Its own day is left out: that of the file counts.
        assert_eq!(second.on, date("2026-06-30"));
        let problems = all[2].outcome.as_ref().unwrap_err();
        assert!(problems[0].reason.contains("no coverage"), "{problems:?}");
        let again = inquiries_from_x12(FILE.as_bytes(), &directory()).unwrap();
        let same = again
            .all()
            .zip(&all)
            .all(|(one, other)| one.outcome == other.outcome);
        assert!(same);
        assert!(!format!("{read:?} {:?}", all[0]).contains("M-0001"));
    }

    #[test]
    fn what_is_no_inquiry_or_names_nobody_is_refused() {
        let changed = |from: &str, to: &str| {
            assert!(FILE.contains(from), "{from}");
            FILE.replace(from, to)
        };
        for broken in [
            changed("BHT*0022*13", "BHT*0022*11"),
            changed("IEA*1*", "IEA*2*"),
            changed("005010X279A1", "004010X092A1"),
        ] {
            assert!(inquiries_from_x12(broken.as_bytes(), &directory()).is_err());
        }
        for (from, to, element) in [
            ("PI*PAYER1", "PI*OTHER", "NM1"),
            ("XX*1234567893", "XX*1234567890", "NM1"),
            ("D8*20260701", "D8*20260741", "DTP"),
            ("HC:X-1001", "HC:x 1001", "HL"),
        ] {
            let read = inquiries_from_x12(changed(from, to).as_bytes(), &directory()).unwrap();
            let problems = read.all().next().unwrap().outcome.clone().unwrap_err();
            assert!(
                problems.iter().any(|p| p.at.contains(element)),
                "{from}: {problems:?}"
            );
        }
    }

    fn answered_by(standing: CoverageStanding) -> EligibilityAnswer {
        EligibilityAnswer {
            standing,
            ..eligibility_answer()
        }
    }

    #[test]
    fn nothing_is_asked_about_a_member_who_stands_under_another_provider_or_payer() {
        let subscriber = "HL*4*2*22*1~\nNM1*IL*1*DOE*ANN****MI*M-0001~\n";
        assert!(FILE.contains(subscriber));
        for (other, provider) in [
            ("HL*4*1*21*1~\nNM1*1P*2*OTHER*****XX*1000000004~\n", true),
            ("HL*4**20*1~\nNM1*PR*2*PAYER*****PI*PAYER1~\n", false),
        ] {
            let file = FILE.replace(subscriber, other);
            let read = inquiries_from_x12(file.as_bytes(), &directory()).unwrap();
            let all: Vec<_> = read.all().collect();
            assert!(all[0].outcome.is_ok(), "{other}");
            let problems = all[1].outcome.as_ref().expect_err(other);
            let lacks = |what: &str| problems.iter().any(|problem| problem.reason.contains(what));
            assert!(lacks("no coverage"), "{other}: {problems:?}");
            assert_eq!(
                lacks("the provider with its NPI"),
                !provider,
                "{other}: {problems:?}"
            );
        }
    }

    fn response(answers: [Option<EligibilityAnswer>; 3]) -> String {
        let read = inquiries_from_x12(FILE.as_bytes(), &directory()).unwrap();
        let views: Vec<Option<EligibilityView>> = read
            .all()
            .zip(answers)
            .map(|(inquiry, answer)| {
                let question = inquiry.outcome.clone().ok()?;
                Some(EligibilityView {
                    question,
                    asked: 0,
                    status: QuestionStatus::Answered,
                    answer,
                    tx: "ab".repeat(32).parse().unwrap(),
                })
            })
            .collect();
        let envelope = read.reply(7, 1_782_000_000);
        read.response(&views, &envelope).unwrap()
    }

    #[test]
    fn an_answer_has_the_inquirys_numbers_sums_shares_limits_and_estimate() {
        let covered = answered_by(CoverageStanding::Covered);
        let ended = answered_by(CoverageStanding::Ended);
        let file = response([Some(covered), Some(ended), None]);
        let lines: Vec<&str> = file.lines().collect();
        for said in [
            "BHT*0022*11*Q-1*",
            "TRN*2*T-1*9123456789~",
            "EB*1*IND*30~",
            "DTP*291*RD8*20260101-20261231~",
            "EB*C*IND*30***23*200.00~",
            "EB*C*IND*30***29*75.50~",
            "EB*G*IND*30***29*1500.00~",
            "EB*1*IND*********Y*Y*HC:X-1001:59~",
            "REF*G1*05050505050505050505050505050505~",
            "EB*B*IND*****10.00****Y*Y*HC:X-1001:59~",
            "EB*A*IND******0.125***Y*Y*HC:X-1001:59~",
            "EB*F*IND****23***P6*12*Y*Y*HC:X-1001:59~",
            "EB*F*IND****29***P6*5*Y*Y*HC:X-1001:59~",
            "EB*6*IND*30~",
            "AAA*N**75*C~",
        ] {
            assert!(lines.iter().any(|line| line.starts_with(said)), "{said}\n{file}");
        }
        assert!(
            file.contains("of 181.00 the payer pays 83.56, the member 97.44"),
            "{file}"
        );
        assert_eq!(
            lines.iter().filter(|line| line.starts_with("HL*")).count(),
            6,
            "{file}"
        );
        assert_eq!(file.matches("AAA*").count(), 1);
    }

    #[test]
    fn what_is_not_answered_may_be_asked_again_and_what_is_unknown_not() {
        let unknown = EligibilityAnswer {
            terms: None,
            left: None,
            services: Vec::new(),
            ..answered_by(CoverageStanding::Unknown)
        };
        let file = response([None, Some(unknown), None]);
        assert!(
            file.contains("AAA*Y**42*P~") && file.contains("AAA*N**67*C~"),
            "{file}"
        );
        assert!(!file.contains("EB*"));
        let read = inquiries_from_x12(FILE.as_bytes(), &directory()).unwrap();
        assert!(read.response(&[None], &read.reply(7, 1_782_000_000)).is_err());
    }

    #[test]
    fn a_share_is_a_part_of_one() {
        let shares = [0, 1, 1_000, 1_250, 10_000].map(share_text);
        assert_eq!(shares, ["0", "0.0001", "0.1", "0.125", "1"]);
    }
}
