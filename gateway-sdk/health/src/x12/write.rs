//! Writing X12: elements without separators in them, envelopes that count themselves.

use crate::claims::Problem;
use careledger_api::date::Date;

/// Who sends a file to whom, and when. X12 knows both by numbers that they agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// ISA05 and ISA06: qualifier, such as `ZZ`, and number of at most 15 characters.
    pub sender: (String, String),
    /// ISA07 and ISA08.
    pub receiver: (String, String),
    /// Number of the interchange, 1 to 999,999,999, never used before between the two.
    pub control: u32,
    /// Seconds since 1970-01-01.
    pub made: i64,
    /// False: for tests (ISA15).
    pub production: bool,
}

/// Collects segments; what does not fit is refused at the end.
#[derive(Debug, Default)]
pub(super) struct Writer {
    text: String,
    /// Segments of the open transaction set.
    count: usize,
    problem: Option<Problem>,
}

impl Writer {
    /// A segment of elements; trailing empty ones are left out. Components are joined with [`composite`].
    pub(super) fn segment(&mut self, id: &str, elements: &[&str]) {
        let last = elements
            .iter()
            .rposition(|e| !e.is_empty())
            .map_or(0, |index| index + 1);
        self.count += 1;
        self.text.push_str(id);
        for (index, element) in elements.iter().take(last).enumerate() {
            if !element.bytes().all(|b| (b' '..=b'~').contains(&b)) || element.contains(['*', '~', '^']) {
                self.refuse(id, index + 1, "printable ASCII without * ~ ^ is expected");
            }
            self.text.push('*');
            self.text.push_str(element);
        }
        self.text.push_str("~\n");
    }

    /// As an element of its own: no component separator in it, no space at either end, `shortest` to `longest` characters.
    pub(super) fn plain<'t>(&mut self, id: &str, number: usize, text: &'t str, longest: usize) -> &'t str {
        if text.contains(':') || text.trim() != text || !(1..=longest).contains(&text.len()) {
            self.refuse(
                id,
                number,
                &format!("1 to {longest} characters without : and without spaces at the ends are expected"),
            );
        }
        text
    }

    /// A text of another's file: what an element of its own cannot hold becomes a space, and no text becomes `instead`.
    pub(super) fn tamed(text: &str, longest: usize, instead: &str) -> String {
        let held = |c: char| (' '..='~').contains(&c) && !['*', '~', '^', ':'].contains(&c);
        let tamed: String = text.chars().map(|c| if held(c) { c } else { ' ' }).collect();
        let tamed: String = tamed.trim().chars().take(longest).collect();
        match tamed.trim_end() {
            "" => instead.to_owned(),
            tamed => tamed.to_owned(),
        }
    }

    pub(super) fn refuse(&mut self, id: &str, number: usize, reason: &str) {
        let problem = Problem::new(format!("{id}{number:02}"), reason);
        self.problem.get_or_insert(problem);
    }

    /// Everything, in one interchange, group and transaction set.
    pub(super) fn finish(self, envelope: &Envelope, kind: &Kind) -> Result<String, Problem> {
        Self::interchange(envelope, None, kind, None, vec![self])
    }

    /// Transaction sets in one group, after a TA1 where there is one. `codes`: sender and receiver of the group, where those are not the interchange's.
    pub(super) fn interchange(
        envelope: &Envelope,
        codes: Option<(&str, &str)>,
        kind: &Kind,
        ta1: Option<[&str; 5]>,
        sets: Vec<Self>,
    ) -> Result<String, Problem> {
        let mut frame = Self::default();
        let (day, clock) = time(envelope.made)
            .ok_or_else(|| Problem::new("ISA09", "a time of the years 1970 to 2200 is expected"))?;
        if !(1..=999_999_999).contains(&envelope.control) {
            return Err(Problem::new(
                "ISA13",
                "a control number from 1 to 999999999 is expected",
            ));
        }
        for (number, (qualifier, id)) in [(6, &envelope.sender), (8, &envelope.receiver)] {
            if qualifier.len() != 2 || !(2..=15).contains(&id.len()) {
                return Err(Problem::new(
                    format!("ISA{number:02}"),
                    "a qualifier of two characters and a number of 2 to 15 are expected",
                ));
            }
            frame.plain("ISA", number, id, 15);
        }
        let control = format!("{:09}", envelope.control);
        let group = envelope.control.to_string();
        let usage = if envelope.production { "P" } else { "T" };
        let padded = |text: &str| format!("{text:<15}");
        let blank = " ".repeat(10);
        let short_day = day.get(2..).unwrap_or_default();
        frame.segment(
            "ISA",
            &[
                "00",
                &blank,
                "00",
                &blank,
                &envelope.sender.0,
                &padded(&envelope.sender.1),
                &envelope.receiver.0,
                &padded(&envelope.receiver.1),
                short_day,
                &clock,
                "REPETITION",
                "00501",
                &control,
                "0",
                usage,
                ":",
            ],
        );
        // The one place in which the separators themselves are elements.
        frame.text = frame.text.replacen("REPETITION", "^", 1);
        if let Some(elements) = ta1 {
            frame.segment("TA1", &elements);
        }
        let (count, groups) = (sets.len().to_string(), if sets.is_empty() { "0" } else { "1" });
        if !sets.is_empty() {
            let own = (envelope.sender.1.as_str(), envelope.receiver.1.as_str());
            let (from, to) = codes.unwrap_or(own);
            let (from, to) = (Self::tamed(from, 15, own.0), Self::tamed(to, 15, own.1));
            let elements = [kind.group, &from, &to, &day, &clock, &group, "X", kind.guide];
            frame.segment("GS", &elements);
        }
        let guide = if kind.set == "835" { "" } else { kind.guide };
        for (number, set) in (1u32..).zip(sets) {
            let number = format!("{number:04}");
            frame.segment("ST", &[kind.set, &number, guide]);
            frame.text.push_str(&set.text);
            frame.segment("SE", &[&(set.count + 2).to_string(), &number]);
            frame.problem = frame.problem.or(set.problem);
        }
        if groups == "1" {
            frame.segment("GE", &[&count, &group]);
        }
        frame.segment("IEA", &[groups, &control]);
        match frame.problem {
            Some(problem) => Err(problem),
            None => Ok(frame.text),
        }
    }
}

/// Which transaction set.
pub(super) struct Kind {
    pub(super) set: &'static str,
    pub(super) group: &'static str,
    pub(super) guide: &'static str,
}

/// Components of one element; trailing empty ones are left out.
pub(super) fn composite(parts: &[&str]) -> String {
    let last = parts
        .iter()
        .rposition(|p| !p.is_empty())
        .map_or(0, |index| index + 1);
    parts.iter().take(last).copied().collect::<Vec<_>>().join(":")
}

/// A day as X12 writes it: `20260601`.
pub(super) fn day(date: Date) -> String {
    date.to_string().replace('-', "")
}

/// Day and time of day (`hhmm`) of a time.
fn time(seconds: i64) -> Option<(String, String)> {
    let date = Date::from_unix(seconds).ok()?;
    let minutes = seconds.rem_euclid(86_400) / 60;
    Some((day(date), format!("{:02}{:02}", minutes / 60, minutes % 60)))
}

/// A day from `20260601`.
pub(super) fn parse_day(text: &str) -> Option<Date> {
    let (year, month, day) = (text.get(..4)?, text.get(4..6)?, text.get(6..)?);
    format!("{year}-{month}-{day}").parse().ok()
}
