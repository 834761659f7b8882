//! An interchange of claims or requests that came: what it holds, and what answers to it say.

use super::asked::Asked;
use super::segment::{Group, Interchange, Segment};
use super::write::Envelope;
use crate::claims::{FileError, Read};
use careledger_api::date::Date;

/// An interchange of claims, or of requests for authorisations, as it was read. `Debug` shows nothing of persons.
pub struct Received {
    pub(super) header: Header,
    pub(super) groups: Vec<ReceivedGroup>,
    /// How many groups begin in it, read or not.
    pub(super) begun: usize,
    /// Why nothing of it counts.
    pub(super) broken: Option<FileError>,
}

/// Who sent it.
pub(super) struct Header {
    pub(super) sender: (String, String),
    pub(super) receiver: (String, String),
    pub(super) date: String,
    pub(super) time: String,
    pub(super) control: String,
    /// A TA1 is asked for in any case (ISA14).
    pub(super) acknowledged: bool,
    pub(super) production: bool,
}

/// A functional group of it.
pub(super) struct ReceivedGroup {
    /// GS01.
    pub(super) kind: String,
    /// GS02, and GS03.
    pub(super) sender: String,
    pub(super) receiver: String,
    /// GS06.
    pub(super) control: String,
    /// GS08.
    pub(super) guide: String,
    /// GE01.
    pub(super) said: Option<String>,
    pub(super) sets: Vec<ReceivedSet>,
}

/// A transaction set of it.
pub(super) struct ReceivedSet {
    /// ST01.
    pub(super) kind: String,
    /// ST02.
    pub(super) control: String,
    /// ST03.
    pub(super) guide: String,
    /// The number of its ST in the file.
    pub(super) first: usize,
    /// BHT03.
    pub(super) trace: String,
    pub(super) submitter: Name,
    /// To whom it is sent.
    pub(super) receiver: Name,
    /// In an 837.
    pub(super) claims: Vec<ReceivedClaim>,
    /// In a 278.
    pub(super) reviews: Vec<ReceivedReview>,
}

impl ReceivedSet {
    /// What it holds, in its order.
    pub(super) fn reads(&self) -> impl Iterator<Item = &Read> {
        let claims = self.claims.iter().map(|claim| &claim.read);
        claims.chain(self.reviews.iter().map(|review| &review.read))
    }
}

/// A patient event of it, for whose services authorisations are asked.
pub(super) struct ReceivedReview {
    pub(super) read: Read,
    pub(super) asked: Asked,
}

/// A claim of it.
pub(super) struct ReceivedClaim {
    pub(super) read: Read,
    pub(super) noted: Noted,
}

/// What acknowledgments say of a claim besides.
pub(super) struct Noted {
    pub(super) provider: Name,
    pub(super) patient: Name,
    /// ISO 4217.
    pub(super) currency: String,
    /// CLM02 in minor units.
    pub(super) charge: Option<i64>,
    /// The first and the last day of service.
    pub(super) days: Option<(Date, Date)>,
    /// Type of bill with its frequency.
    pub(super) bill: Option<String>,
}

/// A name and number of an NM1.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Name {
    /// NM102: `1` a person, `2` an organisation.
    pub(super) kind: String,
    pub(super) last: String,
    pub(super) first: String,
    pub(super) middle: String,
    pub(super) qualifier: String,
    pub(super) number: String,
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Name(..)")
    }
}

impl Name {
    pub(super) fn of(nm1: &Segment<'_>) -> Self {
        let element = |number| nm1.element(number).to_owned();
        Self {
            kind: element(2),
            last: element(3),
            first: element(4),
            middle: element(5),
            qualifier: element(8),
            number: element(9),
        }
    }
}

impl std::fmt::Debug for Received {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Received")
            .field("held", &self.reads().count())
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

impl Received {
    /// Its claims, or its patient events with requests, in the order of the file; none where its frame is broken.
    pub fn reads(&self) -> impl Iterator<Item = &Read> {
        let counts = self.broken.is_none();
        let sets = self.groups.iter().flat_map(|group| &group.sets);
        sets.flat_map(ReceivedSet::reads).filter(move |_| counts)
    }

    /// Why nothing of it counts, where its frame is broken.
    pub fn refusal(&self) -> Option<&FileError> {
        self.broken.as_ref()
    }

    /// It has requests for authorisations (278) instead of claims.
    pub fn asks_for_reviews(&self) -> bool {
        self.groups.first().is_some_and(|group| group.kind == "HI")
    }

    /// Its claims, or its patient events. Fails where its frame is broken.
    pub fn into_reads(self) -> Result<Vec<Read>, FileError> {
        match self.broken {
            Some(error) => Err(error),
            None => {
                let sets = self.groups.into_iter().flat_map(|group| group.sets);
                let reads = sets.flat_map(|set| {
                    let claims = set.claims.into_iter().map(|claim| claim.read);
                    claims.chain(set.reviews.into_iter().map(|review| review.read))
                });
                Ok(reads.collect())
            }
        }
    }

    /// Back to its sender, under a control number never used before between the two (1 to 999,999,999), made at a time (seconds since 1970).
    pub fn reply(&self, control: u32, made: i64) -> Envelope {
        let Header {
            sender,
            receiver,
            production,
            ..
        } = &self.header;
        Envelope {
            sender: receiver.clone(),
            receiver: sender.clone(),
            control,
            made,
            production: *production,
        }
    }

    /// GS02 and GS03 of what is answered: the applications of the first group, the other way.
    pub(super) fn codes(&self) -> Option<(&str, &str)> {
        let group = self.groups.first()?;
        Some((group.receiver.as_str(), group.sender.as_str()))
    }

    pub(super) fn noted(&self) -> impl Iterator<Item = &ReceivedClaim> {
        let counts = self.broken.is_none();
        let sets = self.groups.iter().flat_map(|group| &group.sets);
        sets.flat_map(|set| &set.claims).filter(move |_| counts)
    }

    /// Everything but the claims.
    pub(super) fn of(interchange: &Interchange<'_>) -> Self {
        let isa = &interchange.isa;
        let element = |number| isa.element(number).trim_end().to_owned();
        Self {
            header: Header {
                sender: (element(5), element(6)),
                receiver: (element(7), element(8)),
                date: element(9),
                time: element(10),
                control: element(13),
                acknowledged: isa.element(14) == "1",
                production: isa.element(15) == "P",
            },
            groups: interchange.groups.iter().map(group).collect(),
            begun: interchange.begun,
            broken: interchange.broken.clone(),
        }
    }
}

fn group(group: &Group<'_>) -> ReceivedGroup {
    let element = |number| group.gs.element(number).to_owned();
    let sets = group.sets.iter().map(|set| {
        let named = |whose: &str| {
            let mut names = set.segments.iter().filter(|s| s.id == "NM1");
            let found = names.find(|s| s.element(1) == whose);
            found.map(Name::of).unwrap_or_default()
        };
        let begin = set.segments.iter().find(|s| s.id == "BHT");
        ReceivedSet {
            kind: set.st.element(1).to_owned(),
            control: set.control().to_owned(),
            guide: set.st.element(3).to_owned(),
            first: set.st.number,
            trace: begin.map(|bht| bht.element(3).to_owned()).unwrap_or_default(),
            submitter: named("41"),
            receiver: named("40"),
            claims: Vec::new(),
            reviews: Vec::new(),
        }
    });
    ReceivedGroup {
        kind: element(1),
        sender: element(2),
        receiver: element(3),
        control: element(6),
        guide: element(8),
        said: group.said.map(str::to_owned),
        sets: sets.collect(),
    }
}
