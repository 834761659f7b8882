//! In which order claims, appeals and authorisations go through their states: pure tables. What a table does not list is refused.

mod appeal;
mod authorisation;
mod claim;

pub use appeal::{AppealAct, AppealStatus};
pub use authorisation::{AuthorisationAct, AuthorisationStatus};
pub use claim::{ClaimAct, ClaimStatus};

/// A table of transitions as functions on its state: where an act leads, or `CONFLICT_STATE`.
macro_rules! transitions {
    ($state:ident, $act:ident, $what:literal, [$($from:ident $by:ident $to:ident,)+]) => {
        impl $state {
            /// Where an act leads. `CONFLICT_STATE` for what the table does not list.
            pub fn after(self, act: $act) -> Result<Self, $crate::HealthError> {
                match (self, act) {
                    $(($state::$from, $act::$by) => Ok($state::$to),)+
                    _ => Err($crate::HealthError::ConflictState(format!(concat!($what, " is {}; this act does not lead on from there"), self))),
                }
            }
        }
    };
}
use transitions;

/// Holds a table of transitions against a second list of it, written `FROM act TO`, and everything else against its refusal.
#[cfg(test)]
fn holds<S: Copy + PartialEq + std::fmt::Debug + std::fmt::Display, A: Copy + std::fmt::Display>(
    states: &[S],
    acts: &[A],
    after: impl Fn(S, A) -> Result<S, crate::HealthError>,
    expected: &str,
) {
    let mut listed: std::collections::BTreeSet<String> = expected
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| !line.is_empty())
        .collect();
    for state in states {
        for act in acts {
            match after(*state, *act) {
                Ok(to) => assert!(
                    listed.remove(&format!("{state} {act} {to}")),
                    "not listed: {state} {act} {to}"
                ),
                Err(error) => assert!(
                    matches!(error, crate::HealthError::ConflictState(_)),
                    "{state} {act}: {error}"
                ),
            }
        }
    }
    assert!(listed.is_empty(), "listed and refused: {listed:?}");
}
