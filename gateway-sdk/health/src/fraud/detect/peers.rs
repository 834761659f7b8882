//! Whether somebody does something more often than the peers, by more than chance explains.

use std::collections::BTreeMap;

/// How often something happened, and of how many times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Share {
    pub(super) hits: u64,
    pub(super) of: u64,
}

impl Share {
    pub(super) fn count(&mut self, hit: bool) {
        self.hits += u64::from(hit);
        self.of += 1;
    }

    /// In whole percent, rounded down.
    pub(super) fn percent(&self) -> u64 {
        (self.hits * 100).checked_div(self.of).unwrap_or_default()
    }

    fn without(&self, part: Self) -> Self {
        Self {
            hits: self.hits.saturating_sub(part.hits),
            of: self.of.saturating_sub(part.of),
        }
    }

    /// Whether the share is above the peers' by more than chance explains.
    ///
    /// Hoeffding's inequality: if each of `n` times hit with the peers' chance `p`, a share of `p + t` or more would come up with a probability of at
    /// most `exp(-2nt²)`. The bound asks for `nt² ≥ 7`: less than one in a million. It assumes nothing of `p` and no large numbers, and is computed
    /// in whole numbers: `t = h/n - H/N`, so `nt² = (hN - nH)² / (nN²)`.
    pub(super) fn exceeds(&self, peers: Self) -> bool {
        let [h, n, ph, pn] = [self.hits, self.of, peers.hits, peers.of].map(i128::from);
        let compared = || {
            let above = h.checked_mul(pn)?.checked_sub(n.checked_mul(ph)?)?;
            let bound = n.checked_mul(pn)?.checked_mul(pn)?.checked_mul(BOUND)?;
            Some(above > 0 && bound > 0 && above.checked_mul(above)? >= bound)
        };
        // Of more lines than the numbers hold (some 2^40) nothing is said.
        compared().unwrap_or(false)
    }
}

/// `nt²`: `exp(-14)` is 8.3 in ten million.
const BOUND: i128 = 7;

/// Shares by performer within their kinds.
#[derive(Debug, Default)]
pub(super) struct Shares<'a>(BTreeMap<&'a str, BTreeMap<&'a str, Share>>);

impl<'a> Shares<'a> {
    pub(super) fn count(&mut self, specialty: &'a str, performer: &'a str, hit: bool) {
        let kind = self.0.entry(specialty).or_default();
        kind.entry(performer).or_default().count(hit);
    }

    /// The performers whose share exceeds that of all the others of their kind: performer, own share, the others' together, how many they are.
    pub(super) fn outliers(&self) -> Vec<(&'a str, Share, Share, usize)> {
        let mut found = Vec::new();
        for kind in self.0.values() {
            let all = kind.values().fold(Share::default(), |sum, share| Share {
                hits: sum.hits + share.hits,
                of: sum.of + share.of,
            });
            let outliers = kind
                .iter()
                .map(|(performer, own)| (*performer, *own, all.without(*own)));
            let outliers = outliers.filter(|(_, own, peers)| own.exceeds(*peers));
            found.extend(outliers.map(|(performer, own, peers)| (performer, own, peers, kind.len() - 1)));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(hits: u64, of: u64) -> Share {
        Share { hits, of }
    }

    #[test]
    fn the_bound_is_hoeffdings() {
        // n = 100: t must be at least sqrt(0.07) = 0.2646.
        let peers = share(3_000, 10_000);
        assert!(!share(56, 100).exceeds(peers));
        assert!(share(57, 100).exceeds(peers));
        // Twice as far below is no excess.
        assert!(!share(0, 100).exceeds(share(6_000, 10_000)));
    }

    #[test]
    fn nobody_stands_out_of_nothing() {
        for (own, peers) in [
            (share(0, 0), share(1, 10)),
            (share(9, 9), share(0, 0)),
            (share(6, 6), share(0, 100)),
            (share(u64::MAX, u64::MAX), share(1, u64::MAX)),
        ] {
            assert!(!own.exceeds(peers), "{own:?} {peers:?}");
        }
        // Seven of seven where nobody else does it is the least that counts.
        assert!(share(7, 7).exceeds(share(0, 100)));
    }

    #[test]
    fn peers_are_the_others_of_the_same_kind() {
        let mut shares = Shares::default();
        for time in 0..100 {
            shares.count("a", "odd", time < 90);
            for peer in ["one", "two"] {
                shares.count("a", peer, time < 30);
            }
            // Of another kind the same share is usual.
            for peer in ["three", "four"] {
                shares.count("b", peer, time < 90);
            }
        }
        let found = shares.outliers();
        assert_eq!(found, [("odd", share(90, 100), share(60, 200), 2)]);
    }
}
