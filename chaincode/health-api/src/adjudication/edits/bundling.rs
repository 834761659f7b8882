//! Bundling pairs: a part beside the whole, of the same performer on the same day, and where the pair asks for it at the same place.

use super::{AppealRoute, Beside, Case, Finding, Group};

/// A part is denied beside its whole, on this claim (before or after it, unless the whole itself is denied) or on one before. A whole whose part was covered on an earlier claim is a
/// question: what was paid for the part has to be settled with it.
pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let line = case.line;
    if let Some(rules) = case.rules() {
        let mut unclear = false;
        for (whole, part) in &rules.part_of {
            if case.says(&part.unless) {
                continue;
            }
            let before = case.services().filter(|service| {
                service.procedure == whole
                    && service.date == line.date
                    && service.performer == case.performer()
            });
            let on_claim = case.claim.lines.iter().filter(|other| {
                other.procedure == *whole
                    && !case.denied.contains(&other.sequence)
                    && other.date == line.date
                    && case.claim.performer(other) == case.performer()
            });
            let on_claim = on_claim.map(|other| other.site.as_ref());
            for site in before.map(|service| service.site).chain(on_claim) {
                match part.beside(site, line.site.as_ref()) {
                    Beside::Same => return Some(PART),
                    Beside::Unclear => unclear = true,
                    Beside::Apart => {}
                }
            }
        }
        if unclear {
            return Some(Finding::ask(
                Group::Contractual,
                "97",
                "part of another procedure of that day if both were done on the same tooth or part of the body, which is not clear; say of both where they were done",
            ));
        }
    }
    let part_paid = case.facts.history.iter().any(|prior| {
        let part = case
            .plan
            .procedures
            .get(&prior.procedure)
            .and_then(|rules| rules.part_of.get(&line.procedure));
        part.is_some_and(|part| {
            prior.date == line.date
                && prior.performer == case.performer()
                && prior.modifiers.is_disjoint(&part.unless)
                && part.concerns(line.site.as_ref(), prior.site.as_ref())
        })
    });
    part_paid.then_some(Finding::pend(
        Group::Contractual,
        "97",
        "a part of this procedure was paid by itself before; a person settles the one with the other",
    ))
}

const PART: Finding = Finding::deny(
    Group::Contractual,
    "97",
    "part of another procedure of that day, which is paid as a whole",
    AppealRoute::Correct,
)
.remark("M15");

#[cfg(test)]
mod tests {
    use crate::adjudication::tests::{Trial, line, prior};
    use crate::adjudication::{ClaimLine, EditCode, Group, PartOf, PriorService};

    /// X-1002 is a part of X-1001.
    fn trial(lines: Vec<ClaimLine>) -> Trial {
        let mut trial = Trial::of(lines);
        let part = PartOf {
            unless: ["59".to_owned()].into(),
            ..PartOf::default()
        };
        trial.rules("X-1002").part_of = [("X-1001".to_owned(), part)].into();
        trial
    }

    #[test]
    fn a_part_is_not_paid_beside_its_whole_whichever_comes_first() {
        let part = Some((EditCode::Bundled, Group::Contractual, "97".into()));
        let whole_first = trial(vec![line(1, "X-1001", 1, 900), line(2, "X-1002", 1, 900)]);
        assert_eq!(
            (whole_first.denial_of(0), whole_first.denial_of(1)),
            (None, part.clone())
        );
        let part_first = trial(vec![line(1, "X-1002", 1, 900), line(2, "X-1001", 1, 900)]);
        assert_eq!(
            (part_first.denial_of(0), part_first.denial_of(1)),
            (part.clone(), None)
        );
        let mut before = trial(vec![line(1, "X-1002", 1, 900)]);
        assert_eq!(before.denial(), None);
        before.facts.history.push(prior("X-1001", "2026-06-01", 1));
        assert_eq!(before.denial(), part);
    }

    #[test]
    fn a_part_of_a_denied_whole_is_paid_by_itself() {
        for lines in [["X-1001", "X-1002"], ["X-1002", "X-1001"]] {
            let mut denied = trial(vec![line(1, lines[0], 1, 900), line(2, lines[1], 1, 900)]);
            denied.rules("X-1001").waiting_days = 10_000;
            let result = denied.run();
            let of = |code: &str| result.lines[lines.iter().position(|l| *l == code).unwrap()].covered;
            assert!(!of("X-1001") && of("X-1002"), "{lines:?}");
        }
    }

    #[test]
    fn another_day_performer_or_a_modifier_unbundles() {
        let with = |change: fn(&mut ClaimLine)| {
            let mut part = line(2, "X-1002", 1, 900);
            change(&mut part);
            trial(vec![line(1, "X-1001", 1, 900), part]).denial_of(1)
        };
        assert_eq!(with(|line| line.modifiers = vec!["59".into()]), None);
        assert_eq!(with(|line| line.date = "2026-05-31".parse().unwrap()), None);
        assert_eq!(with(|line| line.rendering_npi = Some("1000000004".into())), None);
        assert!(with(|line| line.modifiers = vec!["25".into()]).is_some());
    }

    #[test]
    fn where_the_pair_asks_for_it_the_place_counts() {
        let found = |same_site: bool, sites: [&str; 2]| {
            let [whole, part] = sites.map(|site| serde_json::from_str(site).unwrap());
            let mut lines = [line(1, "X-1001", 1, 900), line(2, "X-1002", 1, 900)];
            (lines[0].site, lines[1].site) = (whole, part);
            let mut here = trial(lines.to_vec());
            let rules = here.rules("X-1002").part_of.get_mut("X-1001").unwrap();
            rules.same_site = same_site;
            let of = |trial: &Trial, position: usize| {
                let line = trial.run().lines[position].clone();
                (line.covered, line.pended)
            };
            let mut before = Trial {
                claim: crate::adjudication::tests::claim(vec![lines[1].clone()]),
                ..here.clone()
            };
            before.facts.history.push(PriorService {
                site: lines[0].site.clone(),
                ..prior("X-1001", "2026-06-01", 1)
            });
            assert_eq!(of(&here, 1), of(&before, 0), "{sites:?}");
            let mut after = Trial {
                claim: crate::adjudication::tests::claim(vec![lines[0].clone()]),
                ..here.clone()
            };
            after.facts.history.push(PriorService {
                site: lines[1].site.clone(),
                ..prior("X-1002", "2026-06-01", 1)
            });
            // A whole after its part waits, unless the two are apart.
            assert_eq!(of(&after, 0).0, of(&here, 1).0, "{sites:?}");
            of(&here, 1)
        };
        let [third, its_surface, fourth] = [
            r#"{"teeth":{"3":"MO"}}"#,
            r#"{"teeth":{"3":"D"}}"#,
            r#"{"teeth":{"4":""}}"#,
        ];
        let (paid, denied, asked) = ((true, false), (false, false), (false, true));
        assert_eq!(found(true, [third, its_surface]), denied);
        assert_eq!(found(true, [third, fourth]), paid);
        assert_eq!(found(false, [third, fourth]), denied);
        assert_eq!(found(true, [third, "null"]), asked);
        assert_eq!(found(true, ["null", "null"]), denied);
        assert_eq!(found(false, [third, "null"]), denied);
    }

    #[test]
    fn a_whole_after_its_paid_part_waits_for_a_person() {
        let mut whole = trial(vec![line(1, "X-1001", 1, 900)]);
        whole.facts.history.push(prior("X-1002", "2026-06-01", 1));
        assert_eq!(whole.pend(), Some(EditCode::Bundled));
        whole.facts.history[0].modifiers = ["59".to_owned()].into();
        assert_eq!(whole.pend(), None);
    }
}
