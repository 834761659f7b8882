//! The cases the design names; `random` has random ones (made by `cases`) against a slow reference.

mod cases;
mod random;
mod reference;

use super::*;
use crate::codes::{Action, CodeFilter, ICD10_CM, Purpose};
use crate::consortium::Policy;
use crate::contracts::consent::ActorFilter;
use crate::date::{DateRange, Period};
use crate::ids::{KemPublicKey, PatientId, Salt};
use crate::roles::Role;

const NOW: i64 = 1_000;

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

fn code(text: &str) -> Code {
    Code {
        system: ICD10_CM.into(),
        code: text.into(),
    }
}

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

fn consent(id: u8, provisions: Vec<Provision>) -> Consent {
    Consent {
        id: ConsentId::from_bytes([id; 16]),
        patient: PatientId::from_bytes([1; 32]),
        period: Period {
            from: 0,
            until: 2_000,
        },
        provisions,
        grounds: Default::default(),
        limits: Default::default(),
        supersedes: None,
        salt: Salt::from_bytes([1; 32]),
    }
}

fn requester() -> Requester {
    Requester {
        organisation: "ClinicMSP".into(),
        role: Role::Clinician,
        person: "p".into(),
        groups: vec![],
    }
}

fn request(categories: &[Category]) -> AccessRequest {
    AccessRequest::new(
        PatientId::from_bytes([1; 32]),
        Purpose::Treatment,
        categories,
        KemPublicKey::from_bytes([0; 32]),
    )
}

fn item(category: Category, labels: &[&str], codes: &[&str]) -> Item {
    Item {
        document: DocumentId::from_bytes([1; 16]),
        category,
        labels: labels.iter().map(|l| label(l)).collect(),
        codes: codes.iter().map(|c| code(c)).collect(),
        date: Some(date("2026-01-01")),
        encounter: None,
        author: "HospitalMSP".into(),
    }
}

fn permit(categories: &[Category]) -> Provision {
    Provision {
        categories: categories.to_vec(),
        ..Provision::new(Effect::Permit)
    }
}

#[test]
fn two_categories_open_and_the_third_does_not() {
    let consents = [consent(
        1,
        vec![permit(&[Category::Laboratory, Category::Medication])],
    )];
    let decision = decide(
        &consents,
        &requester(),
        &request(&[Category::Laboratory, Category::Problem, Category::Medication]),
        &Policy::default(),
        NOW,
    );
    assert_eq!(decision.verdict, Verdict::Permit);
    assert_eq!(decision.permitted, [Category::Laboratory, Category::Medication]);
    assert_eq!(decision.obligations, [Obligation::Redact]);
    assert_eq!(decision.ends_at, Some(2_000));
    let third = decide(
        &consents,
        &requester(),
        &request(&[Category::Problem]),
        &Policy::default(),
        NOW,
    );
    assert_eq!(
        (third.verdict, third.permitted.len()),
        (Verdict::NotApplicable, 0)
    );
    assert_eq!(
        decide(
            &consents,
            &requester(),
            &request(&[Category::Laboratory]),
            &Policy::default(),
            2_000
        )
        .verdict,
        Verdict::NotApplicable
    );
    assert_eq!(
        decide(
            &[],
            &requester(),
            &request(&[Category::Laboratory]),
            &Policy::default(),
            NOW
        )
        .verdict,
        Verdict::NotApplicable
    );
}

#[test]
fn a_deny_in_another_consent_stands_over_a_permit() {
    let open = consent(1, vec![permit(&[])]);
    let closed = consent(
        2,
        vec![Provision {
            categories: vec![Category::Note],
            ..Provision::new(Effect::Deny)
        }],
    );
    for consents in [[open.clone(), closed.clone()], [closed, open]] {
        assert_eq!(
            decide(
                &consents,
                &requester(),
                &request(&[Category::Note]),
                &Policy::default(),
                NOW
            )
            .verdict,
            Verdict::Deny
        );
        assert_eq!(
            decide(
                &consents,
                &requester(),
                &request(&[Category::Report]),
                &Policy::default(),
                NOW
            )
            .verdict,
            Verdict::Permit
        );
    }
}

#[test]
fn skin_cancer_opens_and_mental_health_only_when_named() {
    let plain = [consent(1, vec![permit(&[Category::Problem])])];
    let asked = request(&[Category::Problem]);
    let at = |consents: &[Consent], item: &Item| {
        decide_item(consents, &requester(), &asked, item, &Policy::default(), NOW)
    };
    let (cancer, mind) = (
        item(Category::Problem, &[], &["C43.5"]),
        item(Category::Problem, &["PSY"], &["F32.9"]),
    );
    assert_eq!(at(&plain, &cancer), Verdict::Permit);
    assert_eq!(at(&plain, &mind), Verdict::NotApplicable);
    let named = [consent(
        1,
        vec![
            permit(&[Category::Problem]),
            Provision {
                labels: vec![label("MH")],
                ..permit(&[])
            },
        ],
    )];
    assert_eq!(at(&named, &mind), Verdict::Permit);
    let by_code = Provision {
        codes: vec![CodeFilter {
            code: code("C43"),
            is_a: true,
        }],
        ..permit(&[])
    };
    let by_code = [consent(1, vec![by_code])];
    assert_eq!(at(&by_code, &cancer), Verdict::Permit);
    assert_eq!(
        at(&by_code, &item(Category::Problem, &[], &["F32.9"])),
        Verdict::NotApplicable
    );
    assert_eq!(
        at(&by_code, &item(Category::Problem, &[], &[])),
        Verdict::NotApplicable
    );
}

#[test]
fn a_denied_label_redacts_the_request_and_closes_its_group() {
    let deny = Provision {
        labels: vec![label("ETH")],
        ..Provision::new(Effect::Deny)
    };
    let everything = Provision {
        labels: vec![label("SPI")],
        ..permit(&[])
    };
    let consents = [consent(1, vec![permit(&[]), everything, deny])];
    let asked = request(&[Category::Note]);
    let decision = decide(&consents, &requester(), &asked, &Policy::default(), NOW);
    assert_eq!(
        (decision.verdict, decision.obligations),
        (Verdict::Permit, vec![Obligation::Redact])
    );
    let at = |labels: &[&str]| {
        decide_item(
            &consents,
            &requester(),
            &asked,
            &item(Category::Note, labels, &[]),
            &Policy::default(),
            NOW,
        )
    };
    assert_eq!(at(&["OPIOIDUD"]), Verdict::Deny);
    assert_eq!(at(&["SUD", "HIV"]), Verdict::Deny);
    assert_eq!(at(&["HIV"]), Verdict::Permit);
    assert_eq!(at(&[]), Verdict::Permit);
}

#[test]
fn confidentiality_is_an_order() {
    let asked = request(&[Category::Note]);
    let normal = [consent(
        1,
        vec![Provision {
            labels: vec![label("N")],
            ..permit(&[])
        }],
    )];
    let at = |consents: &[Consent], labels: &[&str]| {
        decide_item(
            consents,
            &requester(),
            &asked,
            &item(Category::Note, labels, &[]),
            &Policy::default(),
            NOW,
        )
    };
    assert_eq!(at(&normal, &["L"]), Verdict::Permit);
    assert_eq!(at(&normal, &["R"]), Verdict::NotApplicable);
    assert_eq!(at(&normal, &[]), Verdict::NotApplicable);
    let closed = Provision {
        labels: vec![label("R")],
        ..Provision::new(Effect::Deny)
    };
    let closed = [consent(1, vec![permit(&[]), closed])];
    assert_eq!(at(&closed, &["V"]), Verdict::Deny);
    assert_eq!(at(&closed, &["N"]), Verdict::Permit);
}

#[test]
fn what_is_not_known_releases_nothing() {
    let consents = [consent(1, vec![permit(&[])])];
    let strange = item(Category::Note, &["QQQ"], &[]);
    assert_eq!(
        decide_item(
            &consents,
            &requester(),
            &request(&[Category::Note]),
            &strange,
            &Policy::default(),
            NOW
        ),
        Verdict::Indeterminate
    );
    let loinc = CodeFilter {
        code: Code {
            system: "http://loinc.org".into(),
            code: "2345-7".into(),
        },
        is_a: true,
    };
    let consents = [consent(
        1,
        vec![Provision {
            codes: vec![loinc],
            ..permit(&[])
        }],
    )];
    let mut asked = request(&[Category::Laboratory]);
    asked.codes = Some(vec![Code {
        system: "http://loinc.org".into(),
        code: "1-8".into(),
    }]);
    assert_eq!(
        decide(&consents, &requester(), &asked, &Policy::default(), NOW).verdict,
        Verdict::Indeterminate
    );
}

#[test]
fn what_the_request_leaves_open_satisfies_no_restricted_permit() {
    let restricted = [
        Provision {
            labels: vec![label("PSY")],
            ..permit(&[])
        },
        Provision {
            codes: vec![CodeFilter {
                code: code("C43"),
                is_a: true,
            }],
            ..permit(&[])
        },
        Provision {
            data_period: Some(DateRange {
                from: date("2026-01-01"),
                until: date("2026-02-01"),
            }),
            ..permit(&[])
        },
        Provision {
            authored_by: vec!["HospitalMSP".into()],
            ..permit(&[])
        },
        Provision {
            documents: vec![DocumentId::from_bytes([1; 16])],
            ..permit(&[])
        },
    ];
    for provision in restricted {
        let consents = [consent(1, vec![provision])];
        assert_eq!(
            decide(
                &consents,
                &requester(),
                &request(&[Category::Note]),
                &Policy::default(),
                NOW
            )
            .verdict,
            Verdict::NotApplicable
        );
        let mut stated = request(&[Category::Note]);
        stated.labels = Some(vec![label("PSY")]);
        stated.codes = Some(vec![code("C43.1")]);
        stated.data_period = Some(DateRange {
            from: date("2026-01-05"),
            until: date("2026-01-06"),
        });
        stated.authored_by = Some("HospitalMSP".into());
        stated.documents = Some(vec![DocumentId::from_bytes([1; 16])]);
        let covers_label = !consents[0].provisions[0].labels.is_empty();
        let expected = if covers_label {
            Verdict::Permit
        } else {
            Verdict::NotApplicable
        };
        assert_eq!(
            decide(&consents, &requester(), &stated, &Policy::default(), NOW).verdict,
            expected
        );
        stated.labels = None;
        let expected = if covers_label {
            Verdict::NotApplicable
        } else {
            Verdict::Permit
        };
        assert_eq!(
            decide(&consents, &requester(), &stated, &Policy::default(), NOW).verdict,
            expected
        );
    }
}

#[test]
fn break_the_glass_needs_a_permit_that_names_it() {
    let mut asked = request(&[Category::Note]);
    asked.purpose = Purpose::BreakTheGlass;
    for purposes in [
        vec![],
        vec![Purpose::Treatment],
        vec![Purpose::EmergencyTreatment],
    ] {
        let consents = [consent(
            1,
            vec![Provision {
                purposes,
                ..permit(&[])
            }],
        )];
        assert_eq!(
            decide(&consents, &requester(), &asked, &Policy::default(), NOW).verdict,
            Verdict::NotApplicable
        );
    }
    assert!(asked.validate().is_err());
}

#[test]
fn a_group_is_its_organisations_own_and_one_unsaid_meets_a_deny() {
    let team = ActorFilter {
        organisation: Some("ClinicMSP".into()),
        group: Some("icu".into()),
        ..ActorFilter::default()
    };
    let of = |effect| Provision {
        actors: vec![team.clone()],
        ..Provision::new(effect)
    };
    let member = |organisation: &str, groups: &[&str]| Requester {
        organisation: organisation.into(),
        groups: groups.iter().map(|g| (*g).to_owned()).collect(),
        ..requester()
    };
    let verdict = |provisions: Vec<Provision>, who: &Requester| {
        let asked = request(&[Category::Note]);
        decide(&[consent(1, provisions)], who, &asked, &Policy::default(), NOW).verdict
    };
    let opened = || vec![of(Effect::Permit)];
    let closed = || vec![permit(&[]), of(Effect::Deny)];
    for (who, open, close) in [
        (
            member("ClinicMSP", &["icu", "ward"]),
            Verdict::Permit,
            Verdict::Deny,
        ),
        (
            member("ClinicMSP", &["ward"]),
            Verdict::NotApplicable,
            Verdict::Permit,
        ),
        (
            member("OtherMSP", &["icu"]),
            Verdict::NotApplicable,
            Verdict::Permit,
        ),
        (
            member("ClinicMSP", &[]),
            Verdict::NotApplicable,
            Verdict::Indeterminate,
        ),
    ] {
        assert_eq!(verdict(opened(), &who), open, "{who:?}");
        assert_eq!(verdict(closed(), &who), close, "{who:?}");
    }
}

#[test]
fn what_a_narrower_permit_obliges_to_is_carried_with_a_wider_one() {
    let mental = Provision {
        labels: vec![label("PSY")],
        obligations: vec![Obligation::NoRedisclosure],
        ..permit(&[])
    };
    let consents = [consent(1, vec![permit(&[])]), consent(2, vec![mental])];
    let asked = request(&[Category::Note]);
    let decision = decide(&consents, &requester(), &asked, &Policy::default(), NOW);
    // A note with the label is released by the second consent: its refrain goes along.
    let note = item(Category::Note, &["PSY"], &[]);
    let released = decide_item(&consents, &requester(), &asked, &note, &Policy::default(), NOW);
    assert_eq!(released, Verdict::Permit);
    assert_eq!(decision.obligations, [Obligation::NoRedisclosure]);
    assert_eq!(decision.basis.len(), 2);
}

#[test]
fn where_no_consent_speaks_the_policy_does() {
    let opt_out = Policy {
        without_consent: [Purpose::Treatment].into(),
        ..Policy::default()
    };
    let verdict = |consents: &[Consent], note: &Item| {
        decide_item(
            consents,
            &requester(),
            &request(&[Category::Note]),
            note,
            &opt_out,
            NOW,
        )
    };
    let (plain, normal) = (item(Category::Note, &[], &[]), item(Category::Note, &["N"], &[]));
    let (mental, restricted) = (
        item(Category::Note, &["PSY"], &[]),
        item(Category::Note, &["R"], &[]),
    );
    for open in [&plain, &normal] {
        assert_eq!(verdict(&[], open), Verdict::Permit);
    }
    for closed in [&mental, &restricted] {
        assert_eq!(verdict(&[], closed), Verdict::NotApplicable);
    }
    assert_eq!(
        verdict(&[consent(1, vec![Provision::new(Effect::Deny)])], &plain),
        Verdict::Deny
    );
    let mut research = request(&[Category::Note]);
    research.purpose = Purpose::Research;
    let decision = decide(&[], &requester(), &research, &opt_out, NOW);
    assert_eq!(decision.verdict, Verdict::NotApplicable);
}
