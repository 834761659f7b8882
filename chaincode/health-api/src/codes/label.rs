//! Sensitivity and confidentiality labels, and which of them naming one means.

use crate::HealthError;
use crate::text::as_text;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// A sensitivity or confidentiality label (v3-ActCode, v3-Confidentiality): 1 to 16 upper-case letters, digits or underscores. Labels
/// outside [`Label::is_known`] are kept and compared by equality; a decision that depends on one is indeterminate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

/// Groups that a label stands for. HL7's own tree does not serve: ETHUD and OPIOIDUD lie under SUD while ETH lies elsewhere, and BH, MH,
/// PSY, PSYTHPN are siblings; naming one of a group means the whole group.
const GROUPS: [&[&str]; 3] = [
    &["ETH", "SUD", "ETHUD", "OPIOIDUD"],
    &["BH", "MH", "PSY", "PSYTHPN"],
    &["SCA", "SICKLE"],
];
const SINGLE: [&str; 10] = [
    "HIV", "SDV", "SEX", "STD", "ADOL", "GDIS", "DVD", "VIO", "PREGNANT", "SPI",
];
const CONFIDENTIALITY: [&str; 6] = ["U", "L", "M", "N", "R", "V"];
/// Rank of N, normal confidentiality.
pub(crate) const NORMAL: usize = 3;

impl Label {
    /// The label as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the label is in our table.
    pub fn is_known(&self) -> bool {
        self.confidentiality().is_some() || is_sensitivity(&self.0)
    }

    /// Rank of a confidentiality code, 0 (U, unrestricted) to 5 (V, very restricted); `None` for a sensitivity label.
    pub fn confidentiality(&self) -> Option<usize> {
        CONFIDENTIALITY.iter().position(|c| *c == self.0)
    }

    /// Whether naming this sensitivity label means `other` too: the same label, or one of its group. SPI, specially protected information,
    /// means all known ones, and BH means DVD, which HL7 has below it.
    pub fn means(&self, other: &Self) -> bool {
        let (own, other) = (self.0.as_str(), other.0.as_str());
        own == other
            || GROUPS.iter().any(|g| g.contains(&own) && g.contains(&other))
            || (own == "SPI" && is_sensitivity(other))
            || (own, other) == ("BH", "DVD")
    }

    /// Every sensitivity label that naming this one means, itself included.
    pub fn closure(&self) -> BTreeSet<Self> {
        let known = GROUPS.iter().flat_map(|g| g.iter()).chain(&SINGLE);
        known
            .map(|label| Self((*label).to_owned()))
            .chain([self.clone()])
            .filter(|label| self.means(label))
            .collect()
    }
}

fn is_sensitivity(label: &str) -> bool {
    SINGLE.contains(&label) || GROUPS.iter().any(|g| g.contains(&label))
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Label {
    type Err = HealthError;
    fn from_str(text: &str) -> Result<Self, HealthError> {
        let shape = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        if (1..=16).contains(&text.len()) && text.bytes().all(shape) {
            Ok(Self(text.to_owned()))
        } else {
            Err(HealthError::InvalidCode(
                "a label has 1 to 16 upper-case letters, digits or underscores".into(),
            ))
        }
    }
}

as_text!(Label);

#[cfg(test)]
mod tests {
    use super::*;

    fn label(text: &str) -> Label {
        text.parse().unwrap()
    }

    #[test]
    fn one_label_of_a_group_means_the_group() {
        assert!(label("ETH").closure().contains(&label("OPIOIDUD")));
        assert!(label("PSY").closure().contains(&label("MH")));
        assert!(!label("PSY").closure().contains(&label("HIV")));
        assert!(label("SPI").closure().contains(&label("SUD")));
        assert!(label("SICKLE").means(&label("SCA")));
        assert!(
            label("BH").means(&label("DVD"))
                && !label("DVD").means(&label("BH"))
                && !label("PSY").means(&label("DVD"))
        );
        assert!(!label("HIV").means(&label("SPI")));
        assert_eq!(label("QQQ").closure(), [label("QQQ")].into());
        assert_eq!(label("R").confidentiality(), Some(4));
        assert_eq!(label("N").confidentiality(), Some(NORMAL));
        assert!(!label("QQQ").is_known());
        assert!("psy".parse::<Label>().is_err());
    }

    #[test]
    fn what_a_label_means_and_its_closure_agree() {
        let known = || {
            GROUPS
                .iter()
                .flat_map(|g| g.iter())
                .chain(&SINGLE)
                .map(|l| label(l))
        };
        for one in known() {
            for other in known() {
                assert_eq!(one.means(&other), one.closure().contains(&other), "{one} {other}");
            }
        }
    }
}
