//! Random programs, endorsers and flaws.

use super::{Flaw, Op, Org, Rule};

/// Keys of each chaincode and collection.
pub const KEYS: usize = 12;

/// Pseudo-random numbers (splitmix64): a seed gives the same run on every machine.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Begins with a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound as u64) as usize
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of `list`.
    pub fn pick<'l, T>(&mut self, list: &'l [T]) -> &'l T {
        &list[self.below(list.len())]
    }

    /// Some organisations, at least one.
    pub fn orgs(&mut self, of: usize) -> std::collections::BTreeSet<Org> {
        let mask = 1 + self.below((1 << of) - 1);
        (0..of).filter(|org| mask & (1 << org) != 0).collect()
    }
}

/// What programs may contain.
#[derive(Debug, Clone, Copy)]
pub struct Taste {
    /// Chaincode to call from the first.
    pub callee: &'static str,
    /// Collections that endorsers can read and write.
    pub collections: &'static [&'static str],
    /// A collection whose keys may have rules of their own.
    pub ruled: &'static str,
    /// Whether range queries may stop before their end.
    pub partial_ranges: bool,
}

/// A random program of one to five steps, some of them as applications use them together.
pub fn program(random: &mut Random, taste: &Taste) -> Vec<Op> {
    let mut ops = Vec::new();
    for _ in 0..=random.below(3) {
        step(random, taste, &mut ops);
    }
    if random.chance(15) {
        let mut inner = Vec::new();
        step(random, taste, &mut inner);
        ops.push(Op::Call(taste.callee.to_owned(), inner));
    }
    ops
}

fn step(random: &mut Random, taste: &Taste, ops: &mut Vec<Op>) {
    match random.below(15) {
        0..3 => ops.push(Op::Put(key(random), value(random))),
        3..6 => {
            let key = key(random);
            ops.push(Op::Get(key.clone()));
            ops.push(Op::Put(key, value(random)));
        }
        6 => ops.push(Op::Delete(key(random))),
        7 => {
            // A transfer.
            let (from, to) = (key(random), key(random));
            ops.extend([Op::Get(from.clone()), Op::Get(to.clone())]);
            ops.extend([Op::Put(from, value(random)), Op::Put(to, value(random))]);
        }
        8 | 9 => {
            let (one, other) = (key(random), key(random));
            let (start, end) = if one < other { (one, other) } else { (other, one) };
            let end = if random.chance(20) { String::new() } else { end };
            let limit = if taste.partial_ranges && random.chance(40) {
                1 + random.below(4)
            } else {
                usize::MAX
            };
            ops.push(Op::Range(start, end, limit));
            ops.push(Op::Put(key(random), value(random)));
        }
        10 => ops.push(Op::SetRule(key(random), rule(random))),
        11 => {
            let (collection, key) = (collection(random, taste), key(random));
            ops.push(Op::PutPrivate(collection, key, private_value(random)));
        }
        12 => {
            let (collection, key) = (collection(random, taste), key(random));
            let read = if random.chance(50) {
                Op::GetPrivate
            } else {
                Op::GetHash
            };
            ops.push(read(collection.clone(), key.clone()));
            ops.push(Op::PutPrivate(collection, key, private_value(random)));
        }
        13 => {
            let (collection, key) = (collection(random, taste), key(random));
            let remove = if random.chance(30) {
                Op::Purge
            } else {
                Op::DeletePrivate
            };
            ops.push(remove(collection, key));
        }
        _ => ops.push(Op::SetPrivateRule(
            taste.ruled.to_owned(),
            key(random),
            rule(random),
        )),
    }
}

/// Who endorses: mostly enough.
pub fn endorsers(random: &mut Random) -> std::collections::BTreeSet<Org> {
    if random.chance(70) {
        (0..3).collect()
    } else {
        random.orgs(3)
    }
}

/// A flaw, now and then.
pub fn flaw(random: &mut Random) -> Option<Flaw> {
    random.chance(6).then(|| *random.pick(&Flaw::ALL))
}

fn key(random: &mut Random) -> String {
    format!("k{:02}", random.below(KEYS))
}

fn collection(random: &mut Random, taste: &Taste) -> String {
    (*random.pick(taste.collections)).to_owned()
}

/// An empty value is as good as a deletion.
fn value(random: &mut Random) -> Vec<u8> {
    if random.chance(3) {
        Vec::new()
    } else {
        private_value(random)
    }
}

fn private_value(random: &mut Random) -> Vec<u8> {
    format!("v{}", random.below(1_000_000)).into_bytes()
}

fn rule(random: &mut Random) -> Rule {
    let of = random.orgs(3);
    Rule::new(1 + random.below(of.len()), of)
}
