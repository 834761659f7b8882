//! The engine against the reference, on a million random cases in eight parts. `CARELEDGER_DECISION_CASES` sets another total, for a longer
//! run: `CARELEDGER_DECISION_CASES=100000000 cargo test -p careledger-api decision::tests::random`.

use super::cases::{Case, Pools, Random};
use super::reference::{self, DIMENSIONS, Holds};
use super::*;
use std::collections::BTreeMap;

const PARTS: u64 = 8;
const CASES: u64 = 1_048_576;

/// How often each thing came up.
#[derive(Default)]
struct Seen(BTreeMap<String, u64>);

impl Seen {
    fn count(&mut self, what: String) {
        *self.0.entry(what).or_default() += 1;
    }

    /// What of these came up in fewer than one of `one_in` cases.
    fn rare<'a>(
        &self,
        prefix: &str,
        names: impl IntoIterator<Item = &'a str>,
        cases: u64,
        one_in: u64,
    ) -> Vec<String> {
        let names = names.into_iter().map(|name| format!("{prefix} {name}"));
        let counted = names.map(|key| (self.0.get(&key).copied().unwrap_or_default(), key));
        counted
            .filter(|(times, _)| *times < cases / one_in)
            .map(|(times, key)| format!("{key}: {times} of {cases}"))
            .collect()
    }
}

fn part(number: u64) {
    let total = std::env::var("CARELEDGER_DECISION_CASES").ok();
    let total: u64 = total.map_or(CASES, |text| text.parse().expect("a number of cases"));
    let (pools, cases) = (Pools::new(), (total / PARTS).max(10_000));
    let mut random = Random::new(number << 40);
    let mut seen = Seen::default();
    for _ in 0..cases {
        let case = random.case(&pools);
        compare(&case, &mut seen);
    }
    let verdicts = || Verdict::ALL.iter().map(|v| v.as_str());
    let obligations = Obligation::ALL.iter().map(|o| o.as_str());
    let rare = [
        seen.rare("request", verdicts(), cases, 100),
        seen.rare("document", verdicts(), cases, 50),
        // A provision that fails, or is unknown, by that dimension alone.
        seen.rare("permit but for", DIMENSIONS, cases, 200),
        seen.rare("deny but for", DIMENSIONS, cases, 400),
        seen.rare("permit perhaps by", ["label", "code"], cases, 200),
        seen.rare("deny perhaps by", ["actor", "label", "code"], cases, 400),
        seen.rare("permit by", ["consent", "policy"], cases, 50),
        seen.rare("obligation", obligations, cases, 100),
        seen.rare("some", ["categories", "documents"], cases, 150),
    ];
    let rare = rare.concat();
    assert!(rare.is_empty(), "the cases hardly reach: {rare:#?}");
}

fn compare(case: &Case, seen: &mut Seen) {
    let Case {
        consents,
        requester,
        request,
        policy,
        item,
    } = case;
    let (decision, verdict) = (
        decide(consents, requester, request, policy, NOW),
        decide_item(consents, requester, request, item, policy, NOW),
    );
    assert_eq!(decision, reference::decide(case), "request of {case:#?}");
    assert_eq!(verdict, reference::decide_item(case), "document of {case:#?}");
    agree(case, &decision, verdict);

    seen.count(format!("request {}", decision.verdict));
    seen.count(format!("document {verdict}"));
    for obligation in &decision.obligations {
        seen.count(format!("obligation {obligation}"));
    }
    if decision.verdict == Verdict::Permit {
        let by = if decision.basis.is_empty() {
            "policy"
        } else {
            "consent"
        };
        seen.count(format!("permit by {by}"));
        if decision.permitted.len() < request.categories.len() {
            seen.count("some categories".into());
        } else if decision.obligations.contains(&Obligation::Redact) {
            seen.count("some documents".into());
        }
    }
    for (effect, dimensions) in reference::by_dimension(case) {
        let failing: Vec<usize> = (0..10).filter(|d| dimensions[*d] != Holds::Yes).collect();
        if let [alone] = failing[..] {
            let kind = match dimensions[alone] {
                Holds::Perhaps => "perhaps by",
                _ => "but for",
            };
            seen.count(format!("{effect} {kind} {}", DIMENSIONS[alone]));
        }
    }
}

/// What the decision about the request says about each document, whatever the rules.
fn agree(case: &Case, decision: &Decision, verdict: Verdict) {
    let opened = decision.permitted.contains(&case.item.category);
    if !reference::in_scope(&case.request, &case.item) {
        assert_eq!(
            verdict,
            Verdict::NotApplicable,
            "outside of what was asked: {case:#?}"
        );
        return;
    }
    if opened && verdict == Verdict::Deny {
        assert!(
            decision.obligations.contains(&Obligation::Redact),
            "left out unsaid: {case:#?}"
        );
    }
    if decision.verdict == Verdict::Deny && case.request.categories.len() == 1 {
        assert_ne!(
            verdict,
            Verdict::Permit,
            "a document of a denied category: {case:#?}"
        );
    }
    if opened && verdict == Verdict::Permit {
        let permits = case
            .consents
            .iter()
            .filter(|c| c.period.contains(NOW))
            .flat_map(|c| {
                let provisions = c.provisions.iter().filter(|p| p.effect == Effect::Permit);
                provisions.map(move |p| Consent {
                    provisions: vec![p.clone()],
                    ..c.clone()
                })
            });
        for alone in permits {
            let opens = decide_item(
                std::slice::from_ref(&alone),
                &case.requester,
                &case.request,
                &case.item,
                &Policy::default(),
                NOW,
            );
            if opens == Verdict::Permit {
                assert!(
                    decision.basis.contains(&alone.id),
                    "opened by {alone:#?} of {case:#?}"
                );
                for obligation in &alone.provisions[0].obligations {
                    assert!(
                        decision.obligations.contains(obligation),
                        "{obligation} of {alone:#?} is lost: {case:#?}"
                    );
                }
            }
        }
    }
}

macro_rules! parts {
    ($($name:ident $number:literal)+) => {$(
        #[test]
        fn $name() {
            part($number);
        }
    )+};
}

parts! {
    random_cases_are_decided_as_the_reference_does_1 1
    random_cases_are_decided_as_the_reference_does_2 2
    random_cases_are_decided_as_the_reference_does_3 3
    random_cases_are_decided_as_the_reference_does_4 4
    random_cases_are_decided_as_the_reference_does_5 5
    random_cases_are_decided_as_the_reference_does_6 6
    random_cases_are_decided_as_the_reference_does_7 7
    random_cases_are_decided_as_the_reference_does_8 8
}

#[test]
fn the_order_of_consents_does_not_matter_and_another_deny_opens_nothing() {
    let (pools, mut random) = (Pools::new(), Random::new(77));
    for _ in 0..20_000 {
        let Case {
            mut consents,
            requester,
            request,
            policy,
            item,
        } = random.case(&pools);
        let before = decide(&consents, &requester, &request, &policy, NOW);
        let one = decide_item(&consents, &requester, &request, &item, &policy, NOW);
        consents.reverse();
        assert_eq!(decide(&consents, &requester, &request, &policy, NOW), before);
        let mut deny = random.case(&pools).consents;
        for provision in deny.iter_mut().flat_map(|c| &mut c.provisions) {
            provision.effect = Effect::Deny;
        }
        consents.extend(deny);
        let after = decide(&consents, &requester, &request, &policy, NOW);
        assert!(after.permitted.iter().all(|c| before.permitted.contains(c)));
        if decide_item(&consents, &requester, &request, &item, &policy, NOW) == Verdict::Permit {
            assert_eq!(one, Verdict::Permit);
        }
    }
}
