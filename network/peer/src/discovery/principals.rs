//! Which principals satisfy a policy together, and several policies at once (`common/policies/inquire` and
//! `common/graph` of Fabric). Pure.

use std::collections::{BTreeMap, BTreeSet};

use fabric_protos::common::msp_principal::Classification;
use fabric_protos::common::msp_role::MspRoleType;
use fabric_protos::common::signature_policy::Type;
use fabric_protos::common::{
    MspPrincipal, MspRole, OrganizationUnit, SignaturePolicy, SignaturePolicyEnvelope,
};
use fabric_protos::msp::SerializedIdentity;
use prost::Message;
use rand::seq::IteratorRandom;

/// Of one rule's sub-rules so many are left that there are no more ways to choose among them (Fabric's bound).
const MAX_CHOICES: u64 = 10_000;
/// More sets than this are not looked at, for one policy or several. Fabric has no such bound.
const MAX_SETS: usize = 1_024;
/// Principals of all sets of one policy together: what a hostile policy may make a peer hold.
const MAX_PRINCIPALS: usize = 1 << 18;

/// The principals of the policies that are looked at together. Sets name them by their places.
#[derive(Debug, Default)]
pub(crate) struct Principals {
    known: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    message: MspPrincipal,
    msp_id: String,
    /// Whether every member of the MSP satisfies it.
    member: bool,
}

/// Principals that satisfy a policy together: for each a signer of its own is needed.
pub(crate) type PrincipalSet = Vec<usize>;

impl Principals {
    /// The principal at a place, as policies name it.
    pub(crate) fn message(&self, place: usize) -> Option<&MspPrincipal> {
        self.known.get(place).map(|known| &known.message)
    }

    /// The organisation of the principal at a place: nobody else satisfies it.
    pub(crate) fn msp_id(&self, place: usize) -> Option<&str> {
        self.known.get(place).map(|known| known.msp_id.as_str())
    }

    /// All sets of principals that satisfy the policy, one for each way to choose among its rules; of a policy with too
    /// many ways some. Empty when nothing satisfies it, or when it is no usable policy.
    pub(crate) fn satisfying(&mut self, policy: &SignaturePolicyEnvelope) -> Vec<PrincipalSet> {
        let places: Vec<Option<usize>> = policy
            .identities
            .iter()
            .map(|principal| self.place(principal))
            .collect();
        let Some(rule) = &policy.rule else {
            return Vec::new();
        };
        choices(rule, &places).unwrap_or_default()
    }

    /// The place of a principal by role, organizational unit or identity; `None` for every other kind.
    fn place(&mut self, principal: &MspPrincipal) -> Option<usize> {
        if let Some(place) = self.known.iter().position(|known| known.message == *principal) {
            return Some(place);
        }
        let bytes = principal.principal.as_slice();
        let (msp_id, member) = match Classification::try_from(principal.principal_classification).ok()? {
            Classification::Role => {
                let role = MspRole::decode(bytes).ok()?;
                let member = role.role == i32::from(MspRoleType::Member);
                (role.msp_identifier, member)
            }
            Classification::OrganizationUnit => (OrganizationUnit::decode(bytes).ok()?.msp_identifier, false),
            Classification::Identity => (SerializedIdentity::decode(bytes).ok()?.mspid, false),
            Classification::Anonymity | Classification::Combined => return None,
        };
        self.known.push(Known {
            message: principal.clone(),
            msp_id,
            member,
        });
        Some(self.known.len() - 1)
    }

    /// Whether everybody who satisfies `this` satisfies `other` as well, as far as can be told without a certificate.
    fn is_a(&self, this: usize, other: usize) -> bool {
        this == other
            || match (self.known.get(this), self.known.get(other)) {
                (Some(this), Some(other)) => other.member && this.msp_id == other.msp_id,
                _ => false,
            }
    }

    /// All that somebody who satisfies the set's principals satisfies.
    fn implied(&self, set: &[usize]) -> Bits {
        let is_implied = |place: &usize| set.iter().any(|covering| self.is_a(*covering, *place));
        (0..self.known.len()).filter(is_implied).collect()
    }

    /// The sets that satisfy one of `first` and one of `second`: a signer may count for a principal of both. No set
    /// contains another.
    pub(crate) fn merge(&self, first: Vec<PrincipalSet>, second: Vec<PrincipalSet>) -> Vec<PrincipalSet> {
        let mut merged = Vec::new();
        // A set that covers one of the other policy satisfies both already, but for principals that come twice.
        let by_second = self.covers(&first, &second);
        self.join_covered(&by_second, &first, &second, &mut merged);
        let covering_second: BTreeSet<usize> = by_second.values().flatten().copied().collect();
        let first = without(first, |place| by_second.contains_key(&place));

        let by_first = self.covers(&second, &first);
        self.join_covered(&by_first, &second, &first, &mut merged);
        let covering_first: BTreeSet<usize> = by_first.values().flatten().copied().collect();
        let first = without(first, |place| covering_first.contains(&place));
        let second = without(second, |place| {
            by_first.contains_key(&place) || covering_second.contains(&place)
        });
        let both = first
            .iter()
            .flat_map(|one| second.iter().map(move |other| (one, other)));
        let room = MAX_SETS.saturating_sub(merged.len());
        merged.extend(both.take(room).map(|(one, other)| self.join(one, other)));
        reduced(merged)
    }

    /// For each set of `sets` that some of `others` cover, which.
    fn covers(&self, sets: &[PrincipalSet], others: &[PrincipalSet]) -> BTreeMap<usize, Vec<usize>> {
        let implied: Vec<Bits> = others.iter().map(|other| self.implied(other)).collect();
        let mut found = BTreeMap::new();
        for (place, set) in sets.iter().enumerate() {
            let set: Bits = set.iter().copied().collect();
            let covering = implied
                .iter()
                .enumerate()
                .filter(|(_, other)| other.contains(&set));
            let covering: Vec<usize> = covering.map(|(other, _)| other).collect();
            if !covering.is_empty() {
                found.insert(place, covering);
            }
        }
        found
    }

    fn join_covered(
        &self,
        covered: &BTreeMap<usize, Vec<usize>>,
        sets: &[PrincipalSet],
        others: &[PrincipalSet],
        joined: &mut Vec<PrincipalSet>,
    ) {
        let pairs = covered
            .iter()
            .flat_map(|(place, covering)| covering.iter().map(move |other| (*place, *other)))
            .filter_map(|(place, other)| Some((sets.get(place)?, others.get(other)?)));
        let room = MAX_SETS.saturating_sub(joined.len());
        joined.extend(pairs.take(room).map(|(set, other)| self.join(set, other)));
    }

    /// `containing`, and of `contained` what it does not cover; each principal covers one.
    fn join(&self, contained: &[usize], containing: &[usize]) -> PrincipalSet {
        let mut used = vec![false; containing.len()];
        let mut joined = containing.to_vec();
        for principal in contained {
            let cover = containing
                .iter()
                .zip(&mut used)
                .find(|(covering, used)| !**used && self.is_a(**covering, *principal));
            match cover {
                Some((_, used)) => *used = true,
                None => joined.push(*principal),
            }
        }
        joined
    }
}

/// `None` when a rule is unusable: then the policy is.
fn choices(rule: &SignaturePolicy, principals: &[Option<usize>]) -> Option<Vec<PrincipalSet>> {
    let out_of = match rule.r#type.as_ref()? {
        Type::SignedBy(index) => {
            let principal = principals.get(usize::try_from(*index).ok()?).copied().flatten()?;
            return Some(vec![vec![principal]]);
        }
        Type::NOutOf(out_of) => out_of,
    };
    // A rule that nobody must sign stands for no principal, so nobody could be asked.
    let needed = usize::try_from(out_of.n).ok().filter(|needed| *needed > 0)?;
    let mut rules: Vec<&SignaturePolicy> = out_of.rules.iter().collect();
    let kept = choosable(rules.len(), needed);
    if kept < rules.len() {
        rules = rules.into_iter().sample(&mut rand::rng(), kept);
    }
    if needed > rules.len() {
        for rule in rules {
            choices(rule, principals)?;
        }
        return Some(Vec::new());
    }
    // partial[k]: the ways to satisfy k of the rules seen so far.
    let mut partial: Vec<Vec<PrincipalSet>> = vec![Vec::new(); needed + 1];
    partial[0].push(Vec::new());
    let count = rules.len();
    for (place, rule) in rules.into_iter().enumerate() {
        let ways = choices(rule, principals)?;
        // With so few of them left to come, less than this is never enough.
        let least = needed.saturating_sub(count - place);
        for satisfied in (least..needed.min(place + 1)).rev() {
            let longer: Vec<PrincipalSet> = partial[satisfied]
                .iter()
                .flat_map(|set| {
                    ways.iter()
                        .map(move |way| [set.as_slice(), way.as_slice()].concat())
                })
                .take(room(&partial[satisfied + 1], satisfied + 1))
                .collect();
            partial[satisfied + 1].extend(longer);
        }
        partial.iter_mut().take(least).for_each(|sets| *sets = Vec::new());
    }
    Some(partial.swap_remove(needed))
}

/// How many more sets of `size` principals may be kept beside `sets`.
fn room(sets: &[PrincipalSet], size: usize) -> usize {
    MAX_SETS.min(MAX_PRINCIPALS / size).saturating_sub(sets.len())
}

/// How many of `count` sub-rules are left so that there are not too many ways to choose `needed` of them.
fn choosable(count: usize, needed: usize) -> usize {
    let mut kept = count;
    // Pruning to fewer than are needed would make every policy of that size unsatisfiable.
    while kept > needed && binomial(kept, needed) > MAX_CHOICES {
        kept -= 1;
    }
    kept
}

/// The ways to choose `k` of `n`, or more than [`MAX_CHOICES`].
fn binomial(n: usize, k: usize) -> u64 {
    let k = k.min(n - k);
    let mut ways = 1u64;
    for step in 0..k {
        // Exact at every step: the product of i+1 consecutive numbers is divisible by (i+1)!.
        ways = ways.saturating_mul((n - step) as u64) / (step as u64 + 1);
        if ways > MAX_CHOICES {
            return ways;
        }
    }
    ways
}

/// What is not taken out by its place.
fn without(sets: Vec<PrincipalSet>, out: impl Fn(usize) -> bool) -> Vec<PrincipalSet> {
    let left = sets.into_iter().enumerate().filter(|(place, _)| !out(*place));
    left.map(|(_, set)| set).collect()
}

/// Without the sets that contain another one; of sets of the same principals the first stays.
fn reduced(sets: Vec<PrincipalSet>) -> Vec<PrincipalSet> {
    let mut kept: Vec<(Bits, PrincipalSet)> = Vec::new();
    for set in sets {
        let bits: Bits = set.iter().copied().collect();
        if kept.iter().any(|(known, _)| bits.contains(known)) {
            continue;
        }
        kept.retain(|(known, _)| !known.contains(&bits));
        kept.push((bits, set));
    }
    kept.into_iter().map(|(_, set)| set).collect()
}

/// Places as bits: policies with hundreds of principals have sets by the thousand, which are all compared.
#[derive(Debug, Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn contains(&self, other: &Self) -> bool {
        other
            .0
            .iter()
            .enumerate()
            .all(|(word, bits)| bits & !self.0.get(word).copied().unwrap_or(0) == 0)
    }
}

impl FromIterator<usize> for Bits {
    fn from_iter<T: IntoIterator<Item = usize>>(places: T) -> Self {
        let mut words: Vec<u64> = Vec::new();
        for place in places {
            let word = place / 64;
            if words.len() <= word {
                words.resize(word + 1, 0);
            }
            if let Some(word) = words.get_mut(word) {
                *word |= 1 << (place % 64);
            }
        }
        Self(words)
    }
}

#[cfg(test)]
mod tests;
