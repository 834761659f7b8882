//! Who asked for fingerprints: an append-only log, synced before an answer leaves. It is what the limits are counted by, so that a restart forgets nothing.
//!
//! A line is `<seconds since 1970> <MSP id> <SHA-256 of the certificate> <quarter> <how many>`. Nothing of an input is there to be written.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use careledger_api::contracts::claims::Period;
use careledger_api::ids::Hash;

use crate::lines::Lines;

const MINUTE: u64 = 60;
const DAY: u64 = 86_400;

/// How many elements an organisation may have evaluated: what guessing may cost. Each guess of a service takes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FingerprintLimits {
    /// Within 24 hours.
    pub per_day: u32,
    /// Within a minute.
    pub per_minute: u32,
}

impl Default for FingerprintLimits {
    /// 50,000 in a day, 2,000 in a minute: the lines that a payer of a million members decides.
    fn default() -> Self {
        Self {
            per_day: 50_000,
            per_minute: 2_000,
        }
    }
}

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// MSP id.
    pub organisation: String,
    /// SHA-256 of the certificate's DER.
    pub certificate: Hash,
}

/// Whether elements may be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// They are written down, and may.
    Done,
    /// They would be more than the organisation may have; nothing is written.
    OverTheLimit {
        /// When they would not be, as things stand. A day for more than a limit ever allows.
        seconds: u64,
    },
}

/// The log of one vault, held by this process alone.
#[derive(Debug)]
pub struct FingerprintLog {
    limits: FingerprintLimits,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    lines: Lines,
    /// When and how many, of the last day, by organisation.
    asked: BTreeMap<String, VecDeque<(i64, u32)>>,
}

impl FingerprintLog {
    /// Opens or makes the log. A last line that a crash cut short is dropped: its answer had not left yet.
    ///
    /// Fails with `InvalidData` for any other line that is none: limits that cannot be counted are none. With `WouldBlock` where another vault has it open: two
    /// would count apart.
    pub fn open(path: &Path, limits: FingerprintLimits) -> std::io::Result<Self> {
        let mut asked: BTreeMap<String, VecDeque<(i64, u32)>> = BTreeMap::new();
        let lines = Lines::open(path, "fingerprints", |line| {
            let Some((at, asker, count)) = Asker::parse(line) else {
                return false;
            };
            let of_organisation = asked.entry(asker.organisation).or_default();
            of_organisation.push_back((at, count));
            forget(of_organisation, at);
            true
        })?;
        Ok(Self {
            limits,
            inner: Mutex::new(Inner { lines, asked }),
        })
    }

    /// Writes down, durably, that `count` elements of a quarter are answered at `now` (seconds since 1970), unless that is more than the organisation may.
    ///
    /// After an error they count as answered.
    pub fn record(&self, now: i64, asker: &Asker, period: Period, count: u32) -> std::io::Result<Recorded> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner { lines, asked } = &mut *inner;
        let asked = asked.entry(asker.organisation.clone()).or_default();
        forget(asked, now);
        let seconds = u64::max(
            until(asked, now, count, DAY, self.limits.per_day),
            until(asked, now, count, MINUTE, self.limits.per_minute),
        );
        if seconds > 0 {
            return Ok(Recorded::OverTheLimit { seconds });
        }
        asked.push_back((now, count));
        lines.append(&asker.line(now, period, count))?;
        Ok(Recorded::Done)
    }
}

impl Asker {
    /// As the log writes it.
    fn line(&self, at: i64, period: Period, count: u32) -> String {
        format!(
            "{at} {} {} {period} {count}\n",
            self.organisation, self.certificate
        )
    }

    fn parse(line: &str) -> Option<(i64, Self, u32)> {
        let mut parts = line.split(' ');
        let at = parts.next()?.parse().ok()?;
        let organisation = parts.next().filter(|name| !name.is_empty())?.to_owned();
        let certificate: Hash = parts.next()?.parse().ok()?;
        let _period: Period = parts.next()?.parse().ok()?;
        let count = parts.next()?.parse().ok()?;
        let asker = Self {
            organisation,
            certificate,
        };
        parts.next().is_none().then_some((at, asker, count))
    }
}

/// Seconds until `count` more fit into `limit` within that many seconds; 0 if they do now, a day if they never do.
fn until(asked: &VecDeque<(i64, u32)>, now: i64, count: u32, within: u64, limit: u32) -> u64 {
    // What a clock that was set back left in the future counts as now.
    let recent = || asked.iter().filter(|(at, _)| age(*at, now) < within);
    let mut sum = u64::from(count) + recent().map(|(_, count)| u64::from(*count)).sum::<u64>();
    let mut seconds = 0;
    for (at, count) in recent() {
        if sum <= u64::from(limit) {
            break;
        }
        sum -= u64::from(*count);
        seconds = within - age(*at, now);
    }
    if sum <= u64::from(limit) { seconds } else { DAY }
}

/// Seconds from `at` to `now`; 0 for what is in the future.
fn age(at: i64, now: i64) -> u64 {
    u64::try_from(now.saturating_sub(at)).unwrap_or(0)
}

fn forget(asked: &mut VecDeque<(i64, u32)>, now: i64) {
    while asked.front().is_some_and(|(at, _)| age(*at, now) >= DAY) {
        asked.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;

    const NOW: i64 = 1_790_000_000;
    const LIMITS: FingerprintLimits = FingerprintLimits {
        per_day: 10,
        per_minute: 6,
    };

    fn asker(organisation: &str) -> Asker {
        Asker {
            organisation: organisation.to_owned(),
            certificate: Hash::from_bytes([1; 32]),
        }
    }

    fn period() -> Period {
        "2026Q4".parse().unwrap()
    }

    #[test]
    fn limits_are_counted_by_organisation_across_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fingerprints");
        let ask = |organisation: &str, now: i64, count: u32| {
            // Opened each time: nothing but the file remembers.
            let log = FingerprintLog::open(&path, LIMITS).unwrap();
            log.record(now, &asker(organisation), period(), count).unwrap()
        };
        let over = |seconds| Recorded::OverTheLimit { seconds };
        assert_eq!(ask("OneMSP", NOW, 6), Recorded::Done);
        assert_eq!(ask("OneMSP", NOW + 59, 1), over(1), "a minute's are used up");
        assert_eq!(
            ask("TwoMSP", NOW + 59, 6),
            Recorded::Done,
            "another organisation has its own"
        );
        assert_eq!(ask("OneMSP", NOW + 60, 5), over(86_340), "a day's would be");
        assert_eq!(ask("OneMSP", NOW + 60, 4), Recorded::Done);
        assert_eq!(ask("OneMSP", NOW + 86_399, 1), over(1));
        assert_eq!(
            ask("OneMSP", NOW - 50_000, 1),
            over(86_400),
            "a clock set back gains nothing"
        );
        assert_eq!(
            ask("OneMSP", NOW + 86_399, 7),
            over(86_400),
            "more than a minute ever allows"
        );
        assert_eq!(
            ask("OneMSP", NOW + 86_400, 6),
            Recorded::Done,
            "the first are a day ago"
        );
        assert_eq!(ask("OneMSP", NOW + 86_400, 1), over(60));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 4, "what was refused is not in it: {text}");
        assert!(text.starts_with(&format!("{NOW} OneMSP {} 2026Q4 6\n", "01".repeat(32))));
    }

    #[test]
    fn a_torn_line_is_dropped_and_a_damaged_one_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fingerprints");
        let log = FingerprintLog::open(&path, LIMITS).unwrap();
        let one = asker("OneMSP");
        assert_eq!(log.record(NOW, &one, period(), 5).unwrap(), Recorded::Done);
        let second = FingerprintLog::open(&path, LIMITS).unwrap_err();
        assert_eq!(second.kind(), ErrorKind::WouldBlock, "one vault has it open");
        drop(log);
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{whole}{NOW} OneM")).unwrap();
        let log = FingerprintLog::open(&path, LIMITS).unwrap();
        assert_eq!(log.record(NOW, &one, period(), 1).unwrap(), Recorded::Done);
        let over = Recorded::OverTheLimit { seconds: 60 };
        assert_eq!(log.record(NOW, &one, period(), 1).unwrap(), over);
        drop(log);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
        for damaged in [
            "x\n",
            "1 OneMSP zz 2026Q4 1\n",
            &whole.replace("2026Q4", "2026Q5"),
            &whole.replace(" 5", " 5 6"),
        ] {
            std::fs::write(&path, damaged).unwrap();
            let refused = FingerprintLog::open(&path, LIMITS).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidData, "{damaged}");
        }
    }
}
