//! What the detector says.

use std::collections::{BTreeMap, BTreeSet};

use careledger_api::contracts::claims::{FraudFlag, MAX_SCORE};
use careledger_api::ids::ClaimId;
use serde::{Deserialize, Serialize};

use super::view::View;
use crate::fraud::FraudKind;
use crate::wallet::salt;

/// Lines of claims, by their sequence numbers.
pub type Lines = BTreeMap<ClaimId, BTreeSet<u16>>;

/// A suspicion for a reviewer. It may only pend: whether the lines are paid is decided by a person.
///
/// It names claims and lines and nothing else of anybody: whoever may read the claims finds the rest there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flag {
    /// What is suspected.
    pub kind: FraudKind,
    /// How sure it is: 1 to 100, the sum of what its signs weigh.
    pub score: u8,
    /// The lines that wait; at least one.
    pub lines: Lines,
    /// The lines that they were compared with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub beside: Lines,
    /// Why, and what to ask, in plain words.
    pub explanation: String,
    /// What was seen; at least one.
    pub signs: BTreeSet<Sign>,
}

impl Flag {
    /// The flag for the ledger: one for each line, to be sent with `claims.flag` before the claim is adjudicated. The contract's scale of scores goes
    /// to [`MAX_SCORE`], and each gets a fresh salt.
    pub fn for_ledger(&self) -> Vec<FraudFlag> {
        let lines = self
            .lines
            .iter()
            .flat_map(|(claim, lines)| lines.iter().map(|line| (*claim, *line)));
        let flag = |(claim, line)| FraudFlag {
            claim,
            line: Some(line),
            kind: self.kind.to_string(),
            score: u16::from(self.score.min(100)) * (MAX_SCORE / 100),
            explanation: self.explanation.clone(),
            salt: salt(),
        };
        lines.map(flag).collect()
    }
}

/// Something that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Sign {
    /// A rule of the adjudication denied or pended the line for this very reason.
    Adjudicated,
    /// No encounter of the member with the provider is recorded on that day.
    NoEncounter,
    /// Fewer encounters are recorded on that day than are claimed.
    FewerEncounters,
    /// The encounter was recorded by somebody else, who is excluded.
    RecordedByExcluded,
    /// On the day of the other service, or the next one.
    SameDays,
    /// The same charge for a unit.
    SameCharge,
    /// The same diagnoses.
    SameDiagnoses,
    /// The member's recorded visits come as close to each other as these: a course of treatment. Weighs against a flag.
    CourseOfTreatment,
    /// A modifier says that a part was done apart.
    SaidApart,
    /// By another performer of the same provider than the whole.
    OtherPerformer,
    /// On another day than the whole.
    OtherDay,
    /// The performer's day is longer than a day has hours.
    MoreThanADay,
    /// The performer's day is longer than anybody works.
    LongDay,
    /// More units than nearly all lines of peers have.
    UnitsBeyondPeers,
    /// After the member's death.
    AfterDeath,
    /// The provider is closed on that day.
    Closed,
    /// The member was elsewhere on that day.
    Elsewhere,
    /// The member says that it was not rendered.
    MemberDenies,
    /// The member says that it was rendered. Weighs against a flag.
    MemberConfirms,
    /// The performer's lines miss encounters far more often than the peers' do.
    MissingBeyondPeers,
    /// The performer's visits are of high levels far more often than the peers' are.
    LevelsBeyondPeers,
    /// The recorded encounter was shorter than the level asks.
    ShortEncounter,
}

/// What a detector found: positions in the view, to become a flag.
#[derive(Debug)]
pub(super) struct Suspicion {
    pub(super) lines: Vec<usize>,
    pub(super) beside: Vec<usize>,
    pub(super) score: u8,
    pub(super) signs: BTreeSet<Sign>,
    pub(super) explanation: String,
}

impl Suspicion {
    /// Of lines, for a reason; the score is the signs' weights, with what `weigh` gives for each.
    pub(super) fn new(
        lines: Vec<usize>,
        beside: Vec<usize>,
        signs: BTreeSet<Sign>,
        weigh: fn(Sign) -> i32,
        explanation: String,
    ) -> Self {
        Self {
            lines,
            beside,
            score: u8::try_from(weight(&signs, weigh).clamp(1, 100)).unwrap_or(1),
            signs,
            explanation,
        }
    }

    pub(super) fn flag(self, kind: FraudKind, view: &View<'_>) -> Flag {
        Flag {
            kind,
            score: self.score,
            lines: view.named(&self.lines),
            beside: view.named(&self.beside),
            explanation: self.explanation,
            signs: self.signs,
        }
    }
}

/// What signs weigh together.
pub(super) fn weight(signs: &BTreeSet<Sign>, weigh: fn(Sign) -> i32) -> i32 {
    signs.iter().map(|sign| weigh(*sign)).sum()
}
