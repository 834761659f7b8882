//! Breadth-first search over everything that can happen to an account: every act of everybody, proposals dated wrongly by what peers let pass,
//! and transactions that were endorsed and are submitted later.

use super::super::{Account, Act, Rules, Stage};
use super::{EVIL, OWN, TICKS, key};
use crate::HealthError;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

/// The rules under test: [`step`](super::super::step), or a broken version of it.
pub(super) type Machine = fn(&Rules, &Account, &Act, i64) -> Result<Account, HealthError>;

/// What is explored.
pub(super) struct Scenario {
    /// How it begins.
    pub(super) start: Account,
    /// What anybody may try at any time, whoever it is.
    pub(super) acts: Vec<Act>,
    /// What attackers may have endorsed and submit later.
    pub(super) withheld: Vec<Act>,
    /// The owner looks at what the chain shows and vetoes approved recoveries before their delay is over since they were seen.
    pub(super) owner_vetoes: bool,
    /// The owner cancels a policy that waits before the delay in force is over since it was seen.
    pub(super) owner_cancels: bool,
    /// The last tick.
    pub(super) horizon: i64,
}

/// Everything that matters at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Moment {
    account: Account,
    /// True time, which nobody in the chain knows.
    now: i64,
    /// When the chain first showed the present recovery as approved.
    approval_seen: Option<i64>,
    /// When the chain first showed the policy that waits.
    pending_seen: Option<i64>,
    /// What is withheld, by its place among the scenario's acts: endorsed on the present account, and the time it names.
    endorsed: Option<(usize, i64)>,
}

/// What leads from one moment to the next.
#[derive(Debug, Clone, Copy)]
enum Move {
    /// Time goes on.
    Tick,
    /// An act, by its place, dated.
    Act(usize, i64),
    /// An act that may be withheld, by its place, is endorsed.
    Endorse(usize),
    /// What was endorsed is submitted.
    Submit,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Explored {
    /// How many moments are reachable.
    pub(super) states: usize,
    /// How many moves between them.
    pub(super) moves: usize,
    live: BTreeSet<crate::ids::KeyId>,
}

impl Explored {
    /// Whether a key was live in some moment.
    pub(super) fn was_live(&self, n: u8) -> bool {
        self.live.contains(&key(n))
    }
}

/// A moment that was reached, and how.
type Reached = (Rc<Moment>, Option<(usize, Move)>);

/// Explores every reachable moment. `Err` tells the moves that lead to an attacker's live key.
pub(super) fn explore(scenario: &Scenario, machine: Machine) -> Result<Explored, Vec<String>> {
    let first = Rc::new(Moment {
        account: scenario.start.clone(),
        now: 0,
        approval_seen: None,
        pending_seen: None,
        endorsed: None,
    });
    let mut known = HashMap::from([(Rc::clone(&first), ())]);
    let mut reached: Vec<Reached> = vec![(first, None)];
    let mut explored = Explored {
        states: 0,
        moves: 0,
        live: scenario.start.live.clone(),
    };
    while let Some((moment, _)) = reached.get(explored.states).cloned() {
        for (way, next) in successors(scenario, machine, &moment) {
            explored.moves += 1;
            if known.contains_key(&next) {
                continue;
            }
            let next = Rc::new(next);
            known.insert(Rc::clone(&next), ());
            let taken_over = next.account.live.contains(&key(EVIL));
            explored.live.extend(next.account.live.iter().copied());
            reached.push((next, Some((explored.states, way))));
            if taken_over {
                return Err(path(scenario, &reached));
            }
        }
        explored.states += 1;
    }
    Ok(explored)
}

fn successors(scenario: &Scenario, machine: Machine, moment: &Moment) -> Vec<(Move, Moment)> {
    let mut all = Vec::new();
    let now = moment.now;
    if now < scenario.horizon {
        let next = Moment {
            now: now + 1,
            ..watched(scenario, machine, moment)
        };
        all.push((Move::Tick, next));
    }
    for (place, act) in scenario.acts.iter().enumerate() {
        for at in dates(act, now) {
            if let Ok(account) = machine(&TICKS, &moment.account, act, *at) {
                all.push((Move::Act(place, *at), committed(moment, account)));
            }
        }
    }
    for (place, act) in scenario.withheld.iter().enumerate() {
        // The earliest date is the one that helps an attacker.
        if moment.endorsed.is_none() && machine(&TICKS, &moment.account, act, now - 1).is_ok() {
            let next = Moment {
                endorsed: Some((place, now - 1)),
                ..moment.clone()
            };
            all.push((Move::Endorse(place), next));
        }
    }
    if let Some((place, at)) = moment.endorsed
        && let Ok(account) = machine(&TICKS, &moment.account, &scenario.withheld[place], at)
    {
        all.push((Move::Submit, committed(moment, account)));
    }
    all
}

/// Peers endorse proposals whose time differs from theirs by one tick at most. Where the time decides, both ends are tried.
fn dates(act: &Act, now: i64) -> &'static [i64] {
    const DATES: [[i64; 3]; 32] = {
        let mut all = [[0; 3]; 32];
        let mut n = 0;
        while n < 32 {
            all[n] = [n as i64 - 1, n as i64 + 1, n as i64];
            n += 1;
        }
        all
    };
    let dates = &DATES[now as usize];
    match act {
        Act::Open { .. } | Act::Begin | Act::Execute { .. } => &dates[..2],
        _ => &dates[2..],
    }
}

/// The moment after a transaction was committed: everybody sees it, and what was endorsed on the account before is invalid (MVCC).
fn committed(before: &Moment, account: Account) -> Moment {
    let approved = |account: &Account| {
        let recovery = account.recovery.as_ref();
        recovery
            .filter(|r| r.stage != Stage::Initiated)
            .map(|r| (r.id, r.opened))
    };
    let pending = |account: &Account| account.pending.as_ref().map(|p| p.policy.clone());
    let seen = |same: bool, there: bool, since: Option<i64>| match (there, same) {
        (false, _) => None,
        (true, true) => since,
        (true, false) => Some(before.now),
    };
    let (old, new) = (approved(&before.account), approved(&account));
    let approval_seen = seen(old == new, new.is_some(), before.approval_seen);
    let (old, new) = (pending(&before.account), pending(&account));
    let pending_seen = seen(old == new, new.is_some(), before.pending_seen);
    Moment {
        endorsed: before.endorsed.filter(|_| before.account == account),
        now: before.now,
        account,
        approval_seen,
        pending_seen,
    }
}

/// What a watchful owner makes of a moment before time goes on, where one tick later the delay since an alarm would be over: a veto, a cancellation. Whether
/// the rules heed it is theirs.
fn watched(scenario: &Scenario, machine: Machine, moment: &Moment) -> Moment {
    let over = |seen: Option<i64>, delay: i64| seen.is_some_and(|seen| moment.now + 1 - seen >= delay);
    let by = key(OWN);
    let mut next = moment.clone();
    if scenario.owner_vetoes
        && let Some(recovery) = &moment.account.recovery
        && over(moment.approval_seen, recovery.delay(&TICKS))
        && let Ok(account) = machine(
            &TICKS,
            &next.account,
            &Act::Veto { by, id: recovery.id },
            moment.now,
        )
    {
        next = committed(&next, account);
    }
    if scenario.owner_cancels
        && over(moment.pending_seen, moment.account.policy.delay)
        && let Ok(account) = machine(&TICKS, &next.account, &Act::Cancel { by }, moment.now)
    {
        next = committed(&next, account);
    }
    next
}

/// The moves to the moment that was reached last, in words.
fn path(scenario: &Scenario, reached: &[Reached]) -> Vec<String> {
    let mut steps = Vec::new();
    let mut place = reached.len() - 1;
    while let (moment, Some((before, way))) = &reached[place] {
        let now = moment.now;
        steps.push(match way {
            Move::Tick => format!("it is {now}"),
            Move::Act(place, at) => format!("{now}: dated {at}: {:?}", scenario.acts[*place]),
            Move::Endorse(place) => format!("{now}: endorsed, held back: {:?}", scenario.withheld[*place]),
            Move::Submit => format!("{now}: submitted what was held back"),
        });
        place = *before;
    }
    steps.reverse();
    steps
}
