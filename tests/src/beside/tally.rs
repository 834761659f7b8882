//! What was compared, and what differs.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write};

use fabric_protos::lifecycle::CheckCommitReadinessResult;
use fabric_protos::peer::{ChaincodeMessage, ProposalResponse};
use prost::Message;

use super::Refused;
use super::recording::Payload;

/// Longest text of a value in a report.
const SHOWN: usize = 1500;

/// Cases of `CheckCommitReadiness`: its answer holds maps, which Go writes in any order.
const READINESS: &str = "readiness";

/// A difference that stays, with its reason.
#[derive(Clone, Copy, Debug)]
pub struct Accepted {
    /// What the case, or the other network's value, contains.
    pub mark: &'static str,
    /// Why it stays.
    pub reason: &'static str,
}

/// Differences that stay.
pub const ACCEPTED: &[Accepted] = &[
    accept("cannot parse invalid wire-format data", DECODER),
    accept("string field contains invalid UTF-8", DECODER),
    accept("strconv.ParseUint", DECODER),
    accept("error reading as gzip stream", DECODER),
    accept("lifecycle: junk for an argument", DECODER),
    accept("peer.authentication.timewindow", TIMES),
    accept("a time long ago", TIMES),
    accept("a time to come", TIMES),
    accept(
        "nothing for a proposal",
        "an empty proposal is refused for what it lacks; Fabric looks at its timestamp first",
    ),
    accept(
        "a block by an unknown hash",
        "the hash is shown in hex; Fabric puts its raw bytes into the text",
    ),
    accept(
        "a join with nothing",
        "the same refusal with the reader's own words for what is missing",
    ),
    accept("private reads at Org3MSP", SEVERAL),
    accept("several keys by a peer that is no member at Org3MSP", SEVERAL),
    accept(
        "a hash without a collection",
        "refused; Fabric answers nothing and records a read of a collection without a name, which no shim can ask for",
    ),
    accept("the channel's configuration", MAPS),
    accept("lifecycle: a definition", MAPS),
    accept("lifecycle: all that is approved", MAPS),
    accept("lifecycle: a bad name", REFUSED_READS),
    accept("lifecycle: an approval of nothing", REFUSED_READS),
    accept("lifecycle: a commit of nothing", REFUSED_READS),
    accept("lifecycle: an empty version", REFUSED_READS),
    accept("lifecycle: a bad version", REFUSED_READS),
    accept("lifecycle: a system chaincode's name", REFUSED_READS),
];

const DECODER: &str = "the text of a decoder: Go's libraries word it otherwise (and protobuf's on purpose never twice the same)";
const TIMES: &str = "times are seconds since 1970 in our text";
const SEVERAL: &str = "several private keys are read under the same check against the chain's hash as one key; Fabric skips it and answers \"no value\" for one that has not arrived";
const MAPS: &str = "maps in the answer, which Go writes in any order";
const REFUSED_READS: &str =
    "what a refused call had read: ours reads the definition before it looks at the name";

const fn accept(mark: &'static str, reason: &'static str) -> Accepted {
    Accepted { mark, reason }
}

/// Counts comparisons by subject and keeps what differs.
#[derive(Debug, Default)]
pub struct Tally {
    /// Comparisons made, and equal ones, by subject.
    pub counts: BTreeMap<&'static str, (u32, u32)>,
    /// Subject and case of each difference with both values.
    pub different: Vec<Difference>,
}

/// A difference.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The subject.
    pub subject: &'static str,
    /// The case.
    pub case: String,
    /// The other network's value.
    pub theirs: String,
    /// Ours.
    pub ours: String,
}

impl Tally {
    /// Compares two values.
    pub fn compare<T: PartialEq + Debug>(&mut self, subject: &'static str, case: &str, theirs: &T, ours: &T) {
        let (made, equal) = self.counts.entry(subject).or_default();
        *made += 1;
        if theirs == ours {
            *equal += 1;
            return;
        }
        let show = |value: &T| format!("{value:?}").chars().take(SHOWN).collect();
        self.different.push(Difference {
            subject,
            case: case.to_owned(),
            theirs: show(theirs),
            ours: show(ours),
        });
    }

    /// Compares two answers to a proposal.
    pub fn answers(
        &mut self,
        case: &str,
        theirs: &Result<ProposalResponse, Refused>,
        ours: &Result<ProposalResponse, Refused>,
    ) {
        let (theirs, ours) = match (theirs, ours) {
            (Ok(theirs), Ok(ours)) => (theirs, ours),
            (theirs, ours) => {
                let refusal = |answer: &Result<ProposalResponse, Refused>| {
                    answer.as_ref().err().cloned().map(without_times)
                };
                self.compare("refused proposals", case, &refusal(theirs), &refusal(ours));
                return;
            }
        };
        let response = |answer: &ProposalResponse| {
            let response = answer.response.clone().unwrap_or_default();
            (
                response.status,
                response.message,
                readable(case, &response.payload),
            )
        };
        self.compare("responses", case, &response(theirs), &response(ours));
        if !case.contains(READINESS) {
            let payloads = (Payload(&theirs.payload), Payload(&ours.payload));
            self.compare("read-write sets and payloads", case, &payloads.0, &payloads.1);
        }
        let interest = |answer: &ProposalResponse| {
            // Their order is that of a Go map: none.
            let mut calls = answer.interest.clone().unwrap_or_default().chaincodes;
            calls.sort_by_key(Message::encode_to_vec);
            calls
        };
        self.compare("chaincode interests", case, &interest(theirs), &interest(ours));
        let endorsed = |answer: &ProposalResponse| {
            let endorser = answer.endorsement.as_ref();
            let endorser = endorser.map(|endorsement| endorsement.endorser.clone());
            (answer.version, answer.timestamp.is_some(), endorser)
        };
        self.compare("endorsers", case, &endorsed(theirs), &endorsed(ours));
    }

    /// Differences that are not [`ACCEPTED`].
    pub fn unaccepted(&self) -> Vec<&Difference> {
        let accepted = |difference: &&Difference| {
            !ACCEPTED.iter().any(|accepted| {
                difference.case.contains(accepted.mark) || difference.theirs.contains(accepted.mark)
            })
        };
        self.different.iter().filter(accepted).collect()
    }

    /// How many comparisons were made and how many were equal.
    pub fn total(&self) -> (u32, u32) {
        let add = |(made, equal), (more, same): &(u32, u32)| (made + more, equal + same);
        self.counts.values().fold((0, 0), add)
    }

    /// Everything as text.
    pub fn report(&self) -> String {
        let mut text = String::new();
        let (made, equal) = self.total();
        // Writing to a string does not fail.
        let _ = writeln!(text, "{made} comparisons, {equal} equal");
        for (subject, (made, equal)) in &self.counts {
            let _ = writeln!(text, "  {subject}: {equal} of {made}");
        }
        for difference in &self.different {
            let Difference {
                subject,
                case,
                theirs,
                ours,
            } = difference;
            let _ = writeln!(text, "\n{subject} / {case}\n  theirs: {theirs}\n  ours:   {ours}");
        }
        text
    }
}

/// The answers in a script's payload, or the payload.
fn readable(case: &str, payload: &[u8]) -> Vec<(i32, String)> {
    if case.contains(READINESS) {
        let found = CheckCommitReadinessResult::decode(payload).unwrap_or_default();
        return vec![(0, format!("{found:?}"))];
    }
    let mut rest = payload;
    let mut found = Vec::new();
    while !rest.is_empty() {
        match ChaincodeMessage::decode_length_delimited(&mut rest) {
            Ok(message) => found.push((
                message.r#type,
                String::from_utf8_lossy(&message.payload).into_owned(),
            )),
            Err(_) => return vec![(-1, String::from_utf8_lossy(payload).into_owned())],
        }
    }
    found
}

/// The same with every clock's time taken out of the text.
pub fn without_times(refused: Refused) -> Refused {
    let words = refused.message.split(' ').map(|word| {
        let time = word.len() > 10 && word.contains(':') && word.starts_with("20");
        if time { "<time>" } else { word }
    });
    Refused {
        message: words.collect::<Vec<_>>().join(" "),
        ..refused
    }
}
