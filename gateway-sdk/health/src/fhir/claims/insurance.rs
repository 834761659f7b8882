//! Who is to pay a claim: the member's coverage, authorisations, and what payers before paid.

use super::answer::Outcome;
use super::claim::Reader;
use super::node::Node;
use super::paper::COVERAGE;
use super::source::own;
use crate::claims::{Account, Named};
use careledger_api::ids::{AuthorisationId, CoverageId};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Most insurances of a claim.
const MAX_INSURANCES: usize = 10;

/// What the insurance of a claim says.
pub(super) struct Insurance {
    pub(super) coverage: Option<CoverageId>,
    pub(super) authorisation: Option<AuthorisationId>,
    /// What payers before this one paid, by line; none where it is not known.
    pub(super) before: BTreeMap<u32, i64>,
    /// In which currency; empty where nothing was paid.
    pub(super) currency: String,
}

impl Reader<'_> {
    /// What the insurance that the claim is sent to says, and for a claim what those before it paid.
    pub(super) fn insurance(&self, account: &mut Account, claim: bool) -> Insurance {
        let mut result = Insurance {
            coverage: None,
            authorisation: None,
            before: BTreeMap::new(),
            currency: String::new(),
        };
        let all = self.root.list("insurance");
        let focal: Vec<&Node<'_>> = all.iter().filter(|i| i.flag("focal") == Some(true)).collect();
        let [focal] = focal.as_slice() else {
            self.root.wrong(
                "insurance",
                "exactly one is focal: the one that the claim is sent to",
            );
            return result;
        };
        focal.only(
            &["sequence", "focal", "coverage", "preAuthRef"],
            &["businessArrangement"],
            &["identifier"],
        );
        let named = self
            .source
            .named(&self.root, focal.named("coverage").unwrap_or_default());
        account.member_number = named.identifiers.first().map(|i| i.value.clone());
        result.coverage = own(&named, COVERAGE).or_else(|| self.resolver.coverage(&named));
        if result.coverage.is_none() {
            focal.wrong(
                "coverage",
                "no coverage of this payer is known for the member's number; list it",
            );
        }
        self.same_person(focal);
        result.authorisation = self.authorisation(focal);
        if all.len() > MAX_INSURANCES {
            self.root
                .wrong("insurance", "a claim names at most 10 insurances");
            return result;
        }
        let others: Vec<&Node<'_>> = all.iter().filter(|i| i.path != focal.path).collect();
        if !claim {
            for other in others {
                other.ignored("coverage", "a request for an authorisation is of one insurance");
            }
        } else if !others.is_empty() {
            let items = self.root.list("item");
            let mut before = Before {
                sequences: items
                    .iter()
                    .filter_map(|item| item.positive("sequence", 999))
                    .collect(),
                answers: BTreeSet::new(),
            };
            for other in others {
                self.before(other, &mut before, &mut result);
            }
        }
        result
    }

    /// Where the file has the coverage, it is the claim's patient who is covered.
    fn same_person(&self, insurance: &Node<'_>) {
        let covered = insurance
            .named("coverage")
            .and_then(|named| self.source.beneficiary(&self.root, &named));
        let patient = self.root.named("patient");
        if patient.is_none() {
            self.root.wrong("patient", "a claim is for a patient");
        }
        // One person may be named in two ways: by what both lead to, else by the reference as it is written.
        let place = |named: Named| {
            let resource = self.source.place(&self.root, &named);
            resource.or(named.reference.map(Rc::new))
        };
        let (covered, patient) = (covered.and_then(place), patient.and_then(place));
        if covered.is_some() && patient.is_some() && covered != patient {
            self.root.wrong(
                "patient",
                "the coverage is somebody else's: its beneficiary is another than the claim's patient",
            );
        }
    }

    fn authorisation(&self, insurance: &Node<'_>) -> Option<AuthorisationId> {
        let numbers = insurance.raws("preAuthRef");
        let [number] = numbers.as_slice() else {
            if !numbers.is_empty() {
                insurance.wrong(
                    "preAuthRef",
                    "one authorisation for all lines is expected; divide the claim",
                );
            }
            return None;
        };
        let number = serde_json::from_str::<String>(number.get()).unwrap_or_default();
        let id = number
            .parse()
            .ok()
            .or_else(|| self.resolver.authorisation(&number));
        if id.is_none() {
            insurance.wrong("preAuthRef", "no authorisation of this payer has that number: give the 32 hex digits of its answer, or list it");
        }
        id
    }

    /// What a payer before this one paid, by line, from its ClaimResponse. Whatever is not divided by the claim's lines is refused: left out, this
    /// payer would pay as if it were the first.
    fn before(&self, insurance: &Node<'_>, before: &mut Before, result: &mut Insurance) {
        let Some(response) = insurance.named("claimResponse") else {
            insurance.ignored(
                "coverage",
                "another insurance counts once its answer (claimResponse) says what it paid",
            );
            return;
        };
        let wrong = |reason: &str| insurance.wrong("claimResponse", reason);
        let place = self.source.place(&self.root, &response);
        if place.is_some_and(|place| !before.answers.insert(place)) {
            wrong("two insurances name one answer: name it once");
            return;
        }
        let Some(answer) = self.source.answer(&self.root, &response) else {
            wrong(
                "what the other payer paid must be in the file: contain its ClaimResponse, or send both in a Bundle",
            );
            return;
        };
        if answer.authorisation {
            wrong(
                "it answers no claim (use): an authorisation or an estimate promises a payment and is none",
            );
        }
        if answer.cancelled {
            wrong("the other payer took its answer back (status): contain the one that holds");
        }
        if !matches!(answer.outcome, Outcome::Complete | Outcome::Partial) {
            wrong("the other payer has not decided: claim here once it has");
        }
        if !result.currency.is_empty() && result.currency != answer.currency {
            insurance.wrong_is(
                "claimResponse",
                &answer.currency,
                "all payers pay in one currency",
            );
        }
        result.currency.clone_from(&answer.currency);
        if answer.lines.is_empty() && !answer.undivided {
            wrong("what the other payer paid is needed line by line (item)");
            return;
        }
        let mut all = 0i64;
        for line in &answer.lines {
            if !before.sequences.contains(&line.sequence) {
                wrong("the other payer's answer names a line that the claim does not have");
            }
            match line.paid {
                Some(benefit) => {
                    all = all.saturating_add(benefit);
                    let sum = result.before.entry(line.sequence).or_insert(0);
                    *sum = sum.saturating_add(benefit);
                }
                None => wrong(
                    "a line of the other payer's answer does not say once what was paid (category `benefit`)",
                ),
            }
        }
        if answer.undivided {
            wrong(
                "the other payer paid lines that it added (addItem) and that answer none of the claim's lines, or several",
            );
        } else if answer.benefit().is_some_and(|total| total != all) {
            wrong(
                "what the other payer paid for the lines is not what it paid in all (total `benefit`, else payment)",
            );
        }
    }
}

/// What answers of payers before this one have to fit to.
struct Before {
    /// The claim's lines.
    sequences: BTreeSet<u32>,
    /// Where the answers stand that were read.
    answers: BTreeSet<Rc<String>>,
}
