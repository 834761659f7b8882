use super::*;
use crate::codes::ICD10_CM;

const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";

fn code(system: &str, code: &str) -> Code {
    Code {
        system: system.into(),
        code: code.into(),
    }
}

fn fact(kind: FactKind, system: &str, value: &str, document: u8) -> Fact {
    Fact {
        kind,
        codes: vec![code(system, value)],
        date: Some("2026-11-01".parse().unwrap()),
        document: Some(DocumentId::from_bytes([document; 16])),
    }
}

fn order(system: &str, value: &str) -> Order {
    Order {
        codes: vec![code(system, value)],
        on: "2026-11-10".parse().unwrap(),
    }
}

fn codes(alerts: &[Alert]) -> Vec<AlertCode> {
    alerts.iter().map(|a| a.code).collect()
}

#[test]
fn warfarin_with_acetaminophen_is_an_interaction_whichever_comes_first() {
    for (taken, ordered) in [("11289", "161"), ("161", "11289")] {
        let alerts = check(
            &[fact(FactKind::Medication, RXNORM, taken, 1)],
            &order(RXNORM, ordered),
        );
        assert_eq!(codes(&alerts), [AlertCode::DrugInteraction]);
        assert_eq!(alerts[0].documents, [DocumentId::from_bytes([1; 16])]);
        assert!(alerts[0].explanation.contains("INR"), "{}", alerts[0].explanation);
    }
    let by_class = check(
        &[fact(
            FactKind::Medication,
            "http://www.whocc.no/atc",
            "B01AA03",
            1,
        )],
        &order(RXNORM, "161"),
    );
    assert_eq!(codes(&by_class), [AlertCode::DrugInteraction]);
}

#[test]
fn a_penicillin_allergy_speaks_against_amoxicillin_in_all_its_codings() {
    for (system, value) in [
        (RXNORM, "7980"),
        (RXNORM, "70618"),
        (ICD10_CM, "Z88.0"),
        ("http://www.whocc.no/atc", "J01CE02"),
    ] {
        let alerts = check(
            &[fact(FactKind::Allergy, system, value, 1)],
            &order(RXNORM, "723"),
        );
        assert_eq!(codes(&alerts), [AlertCode::Allergy], "{value}");
        assert_eq!(alerts[0].severity, Severity::High);
    }
    let unknown_substance = check(
        &[fact(FactKind::Allergy, "urn:x", "latex", 1)],
        &order("urn:x", "latex"),
    );
    assert_eq!(
        codes(&unknown_substance),
        [AlertCode::Allergy],
        "the very same code needs no table"
    );
    assert!(
        check(
            &[fact(FactKind::Allergy, RXNORM, "7980", 1)],
            &order(RXNORM, "161")
        )
        .is_empty()
    );
}

#[test]
fn the_same_examination_within_fourteen_days_is_a_duplicate() {
    let chest = |value: &str| fact(FactKind::Procedure, "http://loinc.org", value, 1);
    let on = |day: &str| Order {
        on: day.parse().unwrap(),
        ..order("http://loinc.org", "24627-2")
    };
    for value in ["24627-2", "24628-0"] {
        assert_eq!(
            codes(&check(&[chest(value)], &on("2026-11-15"))),
            [AlertCode::DuplicateTherapy]
        );
        assert!(
            check(&[chest(value)], &on("2026-11-16")).is_empty(),
            "the fifteenth day"
        );
        assert!(
            check(&[chest(value)], &on("2026-10-31")).is_empty(),
            "an examination to come is no duplicate"
        );
    }
    assert!(
        check(&[chest("24725-4")], &on("2026-11-02")).is_empty(),
        "another region"
    );
    let undated = Fact {
        date: None,
        ..chest("24627-2")
    };
    assert!(check(&[undated], &on("2026-11-02")).is_empty());
}

#[test]
fn a_condition_speaks_against_a_drug_also_by_its_descendants() {
    let rare = fact(FactKind::Condition, ICD10_CM, "E80.21", 1);
    assert_eq!(
        codes(&check(&[rare], &order(RXNORM, "8134"))),
        [AlertCode::Condition]
    );
    let asthma = fact(FactKind::Condition, ICD10_CM, "J45.40", 1);
    assert_eq!(
        codes(&check(std::slice::from_ref(&asthma), &order(RXNORM, "8787"))),
        [AlertCode::Condition]
    );
    assert!(check(&[asthma], &order(RXNORM, "161")).is_empty());
    let other = fact(FactKind::Condition, ICD10_CM, "J44.9", 1);
    assert!(check(&[other], &order(RXNORM, "8787")).is_empty());
}

#[test]
fn the_gravest_come_first_and_each_once() {
    let facts = [
        fact(FactKind::Medication, RXNORM, "161", 1),
        fact(FactKind::Medication, RXNORM, "161", 2),
        fact(FactKind::Medication, RXNORM, "5640", 3),
    ];
    let alerts = check(&facts, &order(RXNORM, "11289"));
    assert_eq!(
        alerts.iter().map(|a| a.severity).collect::<Vec<_>>(),
        [Severity::High, Severity::Moderate]
    );
    assert_eq!(alerts[1].documents.len(), 2, "both documents under one alert");
    let twice = check(&facts[2..], &order(RXNORM, "7258"));
    assert_eq!(codes(&twice), [AlertCode::DuplicateTherapy], "two of a kind");
}

#[test]
fn every_name_of_a_rule_is_a_substance() {
    let known = |name: &str| SUBSTANCES.iter().any(|s| s.name == name);
    for rule in INTERACTIONS {
        assert!(
            known(rule.one) && known(rule.other),
            "{} {}",
            rule.one,
            rule.other
        );
    }
    assert!(ALLERGIES.iter().all(|a| known(a.group)));
    assert!(DUPLICATES.iter().all(|name| known(name)));
    assert!(CONDITIONS.iter().all(|c| known(c.drug)));
}
