//! A provider's office: claims of a billing system's file submitted, many at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use careledger_api::adjudication::Frequency;
use careledger_api::contracts::claims::ClaimBody;
use careledger_api::ids::{AuthorisationId, ClaimId, CoverageId};
use futures::stream::{self, BoxStream, StreamExt};

use super::again::{self, again};
use super::turns::lanes;
use super::{TOGETHER, TRIES};
use crate::claims::Submission;
use crate::{Failure, HealthCallError, HealthClient};

/// What became of a submission: of a claim as a whole, of requests one by one.
#[derive(Debug, Default)]
pub struct Sent {
    /// The transactions that were committed, with their blocks.
    pub committed: Vec<(String, u64)>,
    /// Why it, or a request of it, is not submitted. It keeps back nothing else.
    pub failed: Vec<HealthCallError>,
    /// How often it met another transaction and was made anew.
    pub conflicts: u32,
}

impl Sent {
    /// Whether the same is to be sent again, since something of it met others or was not reached.
    pub fn is_again(&self) -> bool {
        self.failed.iter().any(|error| Failure::of(error).is_again())
    }
}

/// A provider's billing office at one payer. Clones share whether it is stopped.
#[derive(Debug, Clone)]
pub struct Office {
    client: HealthClient,
    payer: String,
    provider: String,
    together: usize,
    stopped: Arc<AtomicBool>,
}

impl Office {
    /// The office of the provider with that MSP id, as whoever `client` is: role `provider-billing`.
    pub fn new(client: HealthClient, payer: impl Into<String>, provider: impl Into<String>) -> Self {
        Self {
            client,
            payer: payer.into(),
            provider: provider.into(),
            together: TOGETHER,
            stopped: Arc::default(),
        }
    }

    /// Has up to so many submissions under way at once, at least one.
    #[must_use]
    pub fn together(mut self, submissions: usize) -> Self {
        self.together = submissions.max(1);
        self
    }

    /// Begins nothing more, as [`Desk::stop`](super::Desk::stop).
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether it was told to [`stop`](Self::stop).
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Whether the provider's own peer answers at all, asked once.
    pub async fn is_reached(&self) -> bool {
        self.client.is_reached().await
    }

    /// Submits them, those of different members at once. Outcomes come as they are there, each with its place in what was given. What was submitted before
    /// changes nothing, so whoever was stopped gives the same again.
    ///
    /// Claims of one member go one after the other, in their order: which of two that claim one service is refused is no chance. A correction goes after what it
    /// corrects, wherever the two stand; where that is to be sent again, the correction is not begun. Work goes on only while the stream is polled.
    pub fn submit(
        &self,
        submissions: impl IntoIterator<Item = Submission>,
    ) -> BoxStream<'static, (usize, Sent)> {
        let office = self.clone();
        stream::iter(in_lanes(submissions.into_iter().collect()))
            .map(move |lane| office.clone().lane(lane))
            .flatten_unordered(self.together)
            .boxed()
    }

    fn lane(self, lane: Vec<(usize, Submission)>) -> BoxStream<'static, (usize, Sent)> {
        let state = (self, lane.into_iter(), BTreeSet::new());
        stream::unfold(state, |(office, mut lane, mut undone)| async move {
            loop {
                if office.is_stopped() {
                    return None;
                }
                let (place, submission) = lane.next()?;
                if waits(&submission, &mut undone) {
                    continue;
                }
                let sent = office.send(&submission).await;
                if sent.is_again() {
                    undone.extend(id(&submission));
                }
                return Some(((place, sent), (office, lane, undone)));
            }
        })
        .boxed()
    }

    async fn send(&self, submission: &Submission) -> Sent {
        let (payer, provider) = (&self.payer, &self.provider);
        let mut sent = Sent::default();
        match submission {
            Submission::Claim(body) => {
                let body: &ClaimBody = body;
                let send = || async {
                    let claims = self.client.claims();
                    let done = match body.claim.frequency {
                        Frequency::Original => {
                            claims.submit_claim(payer, provider, body.clone()).send().await
                        }
                        _ => claims.replace_claim(payer, provider, body.clone()).send().await,
                    };
                    done.map(|done| (done.tx_id, done.block_number))
                };
                sent.add(again(TRIES, again::pause, send).await);
            }
            // One for each service: that one is refused keeps none of the others back.
            Submission::Authorisations(requests) => {
                for request in requests {
                    let send = || async {
                        let claims = self.client.claims();
                        let asked = claims.request_authorisation(payer, provider, request.clone());
                        asked.send().await.map(|done| (done.tx_id, done.block_number))
                    };
                    sent.add(again(TRIES, again::pause, send).await);
                }
            }
        }
        sent
    }
}

impl Sent {
    fn add(&mut self, tried: again::Tried<(String, u64)>) {
        self.conflicts = self.conflicts.saturating_add(tried.conflicts);
        match tried.result {
            Ok(committed) => self.committed.push(committed),
            Err(error) => self.failed.push(error),
        }
    }
}

/// Whether it corrects what is not submitted yet: it would be refused, and nothing is wrong with it. Then neither is it.
fn waits(submission: &Submission, undone: &mut BTreeSet<ClaimId>) -> bool {
    let waits = corrects(submission).is_some_and(|of| undone.contains(&of));
    if waits {
        undone.extend(id(submission));
    }
    waits
}

/// What two submissions may have in common, so that one goes after the other.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Shared {
    Member(CoverageId),
    Claim(ClaimId),
    Request(AuthorisationId),
}

impl Shared {
    fn of(submission: &Submission) -> Vec<Self> {
        match submission {
            Submission::Claim(body) => {
                let claim = &body.claim;
                let own = [Self::Member(claim.coverage), Self::Claim(claim.id)];
                own.into_iter().chain(claim.replaces.map(Self::Claim)).collect()
            }
            Submission::Authorisations(requests) => {
                requests.iter().map(|request| Self::Request(request.id)).collect()
            }
        }
    }
}

/// Submissions with their places, in lanes: whatever has something in common is in one, corrections after what they correct, otherwise in its order.
fn in_lanes(submissions: Vec<Submission>) -> Vec<Vec<(usize, Submission)>> {
    // Each points to an earlier one of its lane, the first to itself.
    let mut before: Vec<usize> = (0..submissions.len()).collect();
    let mut seen: BTreeMap<Shared, usize> = BTreeMap::new();
    for (place, submission) in submissions.iter().enumerate() {
        for shared in Shared::of(submission) {
            let other = *seen.entry(shared).or_insert(place);
            let (one, other) = (first(&mut before, place), first(&mut before, other));
            if let Some(later) = before.get_mut(one.max(other)) {
                *later = one.min(other);
            }
        }
    }
    let firsts: Vec<usize> = (0..submissions.len())
        .map(|place| first(&mut before, place))
        .collect();
    let placed = submissions.into_iter().enumerate();
    let lanes = lanes(placed, |(place, _)| firsts.get(*place).copied());
    lanes.into_iter().map(in_turn).collect()
}

/// A lane in its order, but for corrections that stand before what they correct: they come right after that.
fn in_turn(lane: Vec<(usize, Submission)>) -> Vec<(usize, Submission)> {
    let ids: BTreeSet<ClaimId> = lane.iter().filter_map(|(_, one)| id(one)).collect();
    let (mut turns, mut there) = (Vec::with_capacity(lane.len()), BTreeSet::new());
    let mut early: BTreeMap<ClaimId, Vec<(usize, Submission)>> = BTreeMap::new();
    for one in lane {
        if let Some(of) = corrects(&one.1)
            && ids.contains(&of)
            && !there.contains(&of)
        {
            early.entry(of).or_default().push(one);
            continue;
        }
        let mut next = vec![one];
        while let Some(one) = next.pop() {
            if let Some(id) = id(&one.1) {
                there.insert(id);
                next.extend(early.remove(&id).into_iter().flatten().rev());
            }
            turns.push(one);
        }
    }
    // A file may say that two claims correct each other: the contract refuses that.
    let mut circles: Vec<_> = early.into_values().flatten().collect();
    circles.sort_by_key(|(place, _)| *place);
    turns.extend(circles);
    turns
}

fn id(submission: &Submission) -> Option<ClaimId> {
    match submission {
        Submission::Claim(body) => Some(body.claim.id),
        Submission::Authorisations(_) => None,
    }
}

fn corrects(submission: &Submission) -> Option<ClaimId> {
    match submission {
        Submission::Claim(body) => body.claim.replaces,
        Submission::Authorisations(_) => None,
    }
}

/// The first one of its lane; the way there is shortened.
fn first(before: &mut [usize], place: usize) -> usize {
    let mut at = place;
    while let Some(&next) = before.get(at) {
        if next == at {
            break;
        }
        let skip = before.get(next).copied().unwrap_or(next);
        if let Some(shortened) = before.get_mut(at) {
            *shortened = skip;
        }
        at = next;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use careledger_api::adjudication::Claim;
    use careledger_api::ids::Salt;

    /// A claim of a member, which corrects another one unless that is 0.
    fn claim(id: u8, member: u8, of: u8) -> Submission {
        let (own, member) = (
            ClaimId::from_bytes([id; 16]),
            CoverageId::from_bytes([member; 16]),
        );
        let mut claim = Claim::new(own, member, "1234567893", "USD", Vec::new());
        if of > 0 {
            claim.frequency = Frequency::Replacement;
            claim.replaces = Some(ClaimId::from_bytes([of; 16]));
        }
        let salt = Salt::from_bytes([id; 32]);
        Submission::Claim(Box::new(ClaimBody { claim, salt }))
    }

    fn places(submissions: Vec<Submission>) -> Vec<Vec<usize>> {
        let all = submissions.clone();
        let lanes = in_lanes(submissions);
        for (place, submission) in lanes.iter().flatten() {
            assert_eq!(all.get(*place), Some(submission));
        }
        let placed = |lane: Vec<(usize, Submission)>| lane.into_iter().map(|(place, _)| place).collect();
        lanes.into_iter().map(placed).collect()
    }

    #[test]
    fn members_go_at_once_and_what_one_has_in_its_order() {
        let file = vec![
            claim(1, 1, 0),
            claim(2, 2, 0),
            claim(3, 1, 0),
            claim(4, 3, 0),
            claim(5, 2, 0),
        ];
        assert_eq!(places(file), [vec![0, 2], vec![1, 4], vec![3]]);
        // A void of a claim of before, and its service under another number: the order says which is first.
        assert_eq!(places(vec![claim(2, 1, 99), claim(3, 1, 0)]), [[0, 1]]);
        assert_eq!(places(Vec::new()), Vec::<Vec<usize>>::new());
        let requests = || Submission::Authorisations(Vec::new());
        assert_eq!(places(vec![requests(), requests()]), [[0], [1]]);
    }

    #[test]
    fn a_correction_goes_after_what_it_corrects_wherever_the_two_stand() {
        // Of another member than the claim before; the correction of the correction stands first.
        let file = vec![
            claim(3, 2, 2),
            claim(9, 9, 0),
            claim(2, 2, 1),
            claim(8, 2, 0),
            claim(1, 1, 0),
        ];
        assert_eq!(places(file), [vec![3, 4, 2, 0], vec![1]]);
        let file = vec![claim(1, 1, 0), claim(2, 2, 1), claim(3, 3, 2)];
        assert_eq!(places(file), [[0, 1, 2]]);
        // Two that both correct one keep their order; the same claim twice does as well.
        let file = vec![claim(5, 1, 1), claim(6, 1, 1), claim(1, 1, 0), claim(1, 1, 0)];
        assert_eq!(places(file), [[2, 0, 1, 3]]);
        // Circles end.
        assert_eq!(
            places(vec![claim(1, 1, 2), claim(2, 2, 1), claim(3, 3, 3)]),
            [vec![0, 1], vec![2]]
        );
    }

    #[test]
    fn what_corrects_a_claim_that_is_to_be_sent_again_waits_and_so_on() {
        let mut undone = BTreeSet::from([ClaimId::from_bytes([1; 16])]);
        assert!(!waits(&claim(4, 1, 0), &mut undone));
        assert!(waits(&claim(2, 1, 1), &mut undone));
        assert!(waits(&claim(3, 1, 2), &mut undone));
        assert!(!waits(&claim(5, 1, 4), &mut undone));
    }
}
