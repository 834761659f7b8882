//! What the consortium decides for all its patients.

use crate::HealthError;
use crate::codes::{Label, Purpose};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Rules of the consortium that decisions read. Public; changed by `registry.amend`, by which it gets a version.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Purposes that need no consent: of TREAT (which covers ETREAT), HPAYMT and HOPERAT. Empty, the default, is opt-in: what no consent
    /// permits is refused. Otherwise opt-out: what no consent speaks about is permitted for these purposes, but for data with a
    /// sensitivity label or a confidentiality above N.
    #[serde(default)]
    pub without_consent: BTreeSet<Purpose>,
    /// Labels that the second step of a broken glass never opens, because the law says so; each stands for its group. The emergency summary
    /// does not open them either.
    #[serde(default)]
    pub break_glass_excluded: BTreeSet<Label>,
    /// Sensitivity labels that a minor keeps to themself (each with its group): no consent that a parent or guardian gives opens them.
    /// ADOL, SEX and STD are the usual ones ([`Policy::preset`]).
    #[serde(default)]
    pub minor_only: BTreeSet<Label>,
}

impl Policy {
    /// What a consortium starts from: opt-in, and what concerns an adolescent's own sexual health (ADOL, SEX, STD) stays the minor's to open. What the
    /// law excludes from break-glass differs by country: a consortium adds it by `registry.amend`.
    pub fn preset() -> Self {
        let labels = ["ADOL", "SEX", "STD"];
        Self {
            minor_only: labels
                .into_iter()
                .filter_map(|label| label.parse().ok())
                .collect(),
            ..Self::default()
        }
    }

    /// `INVALID_CODE` for a purpose that always needs consent, and for a confidentiality among a minor's labels.
    pub fn validate(&self) -> Result<(), HealthError> {
        if self.minor_only.iter().any(|l| l.confidentiality().is_some()) {
            return Err(HealthError::InvalidCode(
                "a minor keeps sensitivity labels, not confidentiality codes".into(),
            ));
        }
        let may = [Purpose::Treatment, Purpose::Payment, Purpose::Operations];
        if self.without_consent.iter().all(|p| may.contains(p)) {
            Ok(())
        } else {
            Err(HealthError::InvalidCode(
                "only TREAT, HPAYMT and HOPERAT may go without consent".into(),
            ))
        }
    }

    /// Whether a purpose goes without consent. Break-glass never does: it has its own path.
    pub fn permits(&self, purpose: Purpose) -> bool {
        self.without_consent.iter().any(|p| p.covers(purpose))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preset_keeps_three_labels_for_minors_and_opens_nothing() {
        let preset = Policy::preset();
        preset.validate().unwrap();
        assert!(preset.minor_only.iter().all(Label::is_known));
        assert_eq!(preset.minor_only.len(), 3);
        assert!(preset.without_consent.is_empty());
    }

    #[test]
    fn opt_in_unless_said_and_only_for_what_may() {
        assert!(Purpose::ALL.iter().all(|p| !Policy::default().permits(*p)));
        let opt_out = Policy {
            without_consent: [Purpose::Treatment].into(),
            ..Policy::default()
        };
        opt_out.validate().unwrap();
        assert!(opt_out.permits(Purpose::EmergencyTreatment));
        assert!(!opt_out.permits(Purpose::BreakTheGlass) && !opt_out.permits(Purpose::Payment));
        let research = Policy {
            without_consent: [Purpose::Research].into(),
            ..Policy::default()
        };
        assert!(research.validate().is_err());
    }
}
