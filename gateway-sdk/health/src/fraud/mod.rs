//! Claims that a person should look at before they are paid: a detector that explains itself, and a month of claims to judge it by.
//!
//! ```text
//! Month::generate(seed) ─┬─▶ Book (plan, members, standing, claims) ─▶ adjudicate ─▶ Adjudication of each claim
//!                        ├─▶ Surroundings (encounters, openings, feedback, …) ─┐                  │
//!                        │                                                   detect ◀─────────────┘
//!                        │                                                     │
//!                        └─▶ planted frauds (ground truth) ─▶ Report ◀──── flags
//! ```
//!
//! A payer's own systems use [`Book`], [`Surroundings`] and [`detect`]; whoever judges or tunes a detector uses [`Month`] and [`Report`]. All of it
//! is here and not in the command, since an application that pends claims and one that compares detectors need the same parts.
//!
//! A [`Flag`] may only pend: it names lines that wait for a reviewer, says why in words the reviewer can act on, and how sure it is. Nothing is learnt
//! from data and nothing is random: the same input gives the same flags. What the adjudication's own rules find (the exact duplicate, the bundled
//! part, the excluded provider, the day of more than 24 hours) is read from its result and not computed twice.

mod book;
mod detect;
mod month;
mod report;
mod surroundings;

pub use book::{Book, Received};
pub use detect::{Flag, Lines, Sign, detect};
pub use month::{Month, MonthSettings, Planted};
pub use report::{Confusion, Report};
pub use surroundings::{Encounter, Feedback, Opening, Surroundings};

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a flag suspects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FraudKind {
    /// Services of a provider who is excluded from payment, under its own or another's name.
    ExcludedProvider,
    /// The same service claimed again.
    Duplicate,
    /// More of a performer's time than a day has room for.
    ImpossibleDay,
    /// The same service claimed again with something changed: the day, the code, a modifier, who did it.
    NearDuplicate,
    /// Parts of a service claimed beside the whole.
    Unbundling,
    /// A service that nobody rendered.
    Phantom,
    /// A visit claimed at a higher level than it had.
    Upcoding,
}

impl FraudKind {
    /// All kinds, in the order in which lines are looked at: a line is flagged under the first that fits.
    pub const ALL: [Self; 7] = [
        Self::ExcludedProvider,
        Self::Duplicate,
        Self::ImpossibleDay,
        Self::NearDuplicate,
        Self::Unbundling,
        Self::Phantom,
        Self::Upcoding,
    ];

    /// The kind as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ExcludedProvider => "excluded-provider",
            Self::Duplicate => "duplicate",
            Self::NearDuplicate => "near-duplicate",
            Self::Unbundling => "unbundling",
            Self::ImpossibleDay => "impossible-day",
            Self::Phantom => "phantom",
            Self::Upcoding => "upcoding",
        }
    }
}

impl fmt::Display for FraudKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
