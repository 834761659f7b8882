//! The engine on a million random claims in eight parts: every line balances, and the money is the reference's. `CARELEDGER_ADJUDICATION_CASES` sets
//! another total, for a longer run: `CARELEDGER_ADJUDICATION_CASES=100000000 cargo test -p careledger-api adjudication::tests::random`.

use super::cases::{Pools, Random};
use super::*;

const PARTS: u64 = 8;
const CASES: u64 = 1_048_576;
/// Claims under one plan, which is drawn anew after them.
const UNDER_A_PLAN: u64 = 64;

fn part(number: u64) {
    let total = std::env::var("CARELEDGER_ADJUDICATION_CASES").ok();
    let total: u64 = total.map_or(CASES, |text| text.parse().expect("a number of cases"));
    let (pools, cases) = (Pools::new(), (total / PARTS).max(10_000));
    let mut random = Random::new(number << 40);
    let mut spoke: BTreeMap<(EditCode, Effect), u64> = BTreeMap::new();
    let mut plan = random.plan(&pools);
    for case in 0..cases {
        if case % UNDER_A_PLAN == 0 {
            plan = random.plan(&pools);
        }
        let trial = random.under(&pools, plan);
        let result = trial.run();
        hold(&trial, &result);
        for edit in result.lines.iter().flat_map(|l| &l.edits) {
            *spoke.entry((edit.code, edit.effect)).or_default() += 1;
        }
        plan = trial.plan;
    }
    let expected = [
        (EditCode::Exclusion, Effect::Denied),
        (EditCode::Credential, Effect::Denied),
        (EditCode::Coverage, Effect::Denied),
        (EditCode::TimelyFiling, Effect::Denied),
        (EditCode::PaymentConsent, Effect::Denied),
        (EditCode::Authorisation, Effect::Denied),
        (EditCode::Procedure, Effect::Denied),
        (EditCode::Procedure, Effect::Pended),
        (EditCode::Setting, Effect::Denied),
        (EditCode::PriceList, Effect::Denied),
        (EditCode::UnitLimit, Effect::Denied),
        (EditCode::UnitLimit, Effect::Pended),
        (EditCode::UnitLimit, Effect::Reduced),
        (EditCode::Waiting, Effect::Denied),
        (EditCode::Duplicate, Effect::Denied),
        (EditCode::NearDuplicate, Effect::Pended),
        (EditCode::OtherClaim, Effect::Pended),
        (EditCode::Bundled, Effect::Denied),
        (EditCode::Bundled, Effect::Pended),
        (EditCode::ImpossibleDay, Effect::Denied),
        (EditCode::ImpossibleDay, Effect::Pended),
        (EditCode::Coordination, Effect::Denied),
        (EditCode::Coordination, Effect::Reduced),
        (EditCode::Flagged, Effect::Pended),
        (EditCode::Unanswered, Effect::Denied),
        (EditCode::Price, Effect::Reduced),
        (EditCode::Quantity, Effect::Reduced),
        (EditCode::Deductible, Effect::Reduced),
        (EditCode::Copay, Effect::Reduced),
        (EditCode::Coinsurance, Effect::Reduced),
        (EditCode::OutOfPocket, Effect::Noted),
    ];
    let rare: Vec<_> = expected
        .iter()
        .filter(|what| spoke.get(what).copied().unwrap_or_default() < cases / 1_000)
        .collect();
    assert!(rare.is_empty(), "the cases hardly reach {rare:?}: {spoke:?}");
}

/// What holds of every adjudication.
fn hold(trial: &Trial, result: &Adjudication) {
    let about = || format!("{:?} by {:?}", trial.claim, trial.facts);
    assert_eq!(result.lines.len(), trial.claim.lines.len());
    let (mut charged, mut allowed) = (0, 0);
    for (asked, line) in trial.claim.lines.iter().zip(&result.lines) {
        assert_eq!(
            line.charge,
            line.allowed + line.co + line.pr + line.oa + line.pi,
            "{}",
            about()
        );
        let PatientPart {
            deductible,
            copay,
            coinsurance,
            non_covered,
        } = line.patient;
        assert_eq!(
            line.pr,
            deductible + coinsurance + copay + non_covered,
            "{}",
            about()
        );
        assert!(line.balances(), "{}", about());
        assert_eq!((line.sequence, line.charge), (asked.sequence, asked.charge));
        assert!(line.covered || line.allowed == 0);
        assert!(!(line.covered && line.pended));
        if trial.facts.answered.contains_key(&line.sequence) {
            let mut edits = line.edits.iter();
            let again = edits.any(|e| e.asks_provider() || e.code == EditCode::Unanswered);
            assert!(!again, "answered, and asked again: {}", about());
        }
        let stopped = line
            .edits
            .iter()
            .any(|e| matches!(e.effect, Effect::Denied | Effect::Pended));
        assert_ne!(line.covered, stopped, "{}", about());
        (charged, allowed) = (charged + line.charge, allowed + line.allowed);
    }
    assert_eq!((charged, allowed), (trial.claim.total, result.allowed));
    paid_once(trial, result);
    let covered: Vec<bool> = result.lines.iter().map(|l| l.covered).collect();
    let pended: Vec<bool> = result.lines.iter().map(|l| l.pended).collect();
    let (money, paid) = reference::settle(trial, &covered, &pended);
    assert_eq!(result.accumulators, paid, "{}", about());
    for (line, money) in result.lines.iter().zip(money) {
        let Some(money) = money else { continue };
        let own = reference::Money {
            allowed: line.allowed,
            co: line.co,
            oa: line.oa,
            patient: line.patient,
        };
        assert_eq!(own, money, "line {} of {}", line.sequence, about());
    }
    let shared: i64 = result.lines.iter().filter_map(|l| l.patient.cost_share()).sum();
    let before = trial.facts.paid.out_of_pocket;
    assert_eq!(result.accumulators.out_of_pocket - before, shared);
    assert!(
        shared <= (trial.plan.out_of_pocket_maximum - before).max(0),
        "{}",
        about()
    );
}

/// No line is paid beside a service that nothing tells from it, nor where its site is not said of both, unless a reviewer said so. Sites are compared as
/// they are written.
fn paid_once(trial: &Trial, result: &Adjudication) {
    let lines: Vec<_> = trial.claim.lines.iter().zip(&result.lines).collect();
    for (position, (line, _)) in lines
        .iter()
        .enumerate()
        .filter(|(_, (_, decided))| decided.covered)
    {
        let aside = |code| {
            let rulings = trial.facts.rulings.get(&line.sequence);
            rulings.and_then(|rulings| rulings.get(&code)) == Some(&Ruling::SetAside)
        };
        let modifiers = |line: &ClaimLine| line.modifiers.iter().cloned().collect::<BTreeSet<_>>();
        let written = |site: &Option<Site>| serde_json::to_string(site).unwrap();
        let here = lines.iter().take(position);
        let here = here.filter(|(other, decided)| {
            (decided.covered || decided.pended)
                && (&other.procedure, other.date) == (&line.procedure, line.date)
                && trial.claim.performer(other) == trial.claim.performer(line)
                && modifiers(other) == modifiers(line)
        });
        let before = trial.facts.history.iter().filter(|prior| {
            (&prior.procedure, prior.date) == (&line.procedure, line.date)
                && prior.performer == trial.claim.performer(line)
                && prior.modifiers == modifiers(line)
        });
        let sites = here
            .map(|(other, _)| &other.site)
            .chain(before.map(|prior| &prior.site));
        for site in sites {
            let same = written(site) == written(&line.site);
            assert!(!same || aside(EditCode::Duplicate), "{:?}", trial.claim);
            let unsaid = site.is_some() != line.site.is_some();
            assert!(!unsaid || aside(EditCode::NearDuplicate), "{:?}", trial.claim);
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
    random_claims_balance_and_agree_with_the_reference_1 1
    random_claims_balance_and_agree_with_the_reference_2 2
    random_claims_balance_and_agree_with_the_reference_3 3
    random_claims_balance_and_agree_with_the_reference_4 4
    random_claims_balance_and_agree_with_the_reference_5 5
    random_claims_balance_and_agree_with_the_reference_6 6
    random_claims_balance_and_agree_with_the_reference_7 7
    random_claims_balance_and_agree_with_the_reference_8 8
}
