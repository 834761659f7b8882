//! Decisions per second, beside the SHA-256 of the request that each is about: `cargo bench -p careledger-api --bench decision`.
//!
//! The consents are as many as a patient may have, with few and with the most provisions; the last one is the one that permits, so that none
//! is skipped.

use careledger_api::codes::{Action, Category, Code, CodeFilter, ICD10_CM, Obligation, Purpose};
use careledger_api::consortium::Policy;
use careledger_api::contracts::consent::{
    AccessRequest, ActorFilter, CONSENT_SLOTS, Consent, Effect, MAX_PROVISIONS, Provision, Requester,
};
use careledger_api::date::{DateRange, Period};
use careledger_api::decision::{Item, Verdict, decide, decide_item};
use careledger_api::ids::{ConsentId, DocumentId, KemPublicKey, PatientId, Salt};
use careledger_api::roles::Role;
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use sha2::{Digest, Sha256};

const NOW: i64 = 1_000;
/// Consents and provisions of each.
const SIZES: [(usize, usize); 3] = [(1, 1), (CONSENT_SLOTS, 4), (CONSENT_SLOTS, MAX_PROVISIONS)];

fn main() {
    divan::main();
}

#[divan::bench(args = SIZES)]
fn request(bencher: Bencher<'_, '_>, (count, provisions): (usize, usize)) {
    let (consents, requester, request, _) = question(count, provisions);
    let policy = Policy::default();
    bencher.counter(ItemsCount::new(1usize)).bench(|| {
        decide(
            black_box(&consents),
            &requester,
            black_box(&request),
            &policy,
            NOW,
        )
    });
}

#[divan::bench(args = SIZES)]
fn document(bencher: Bencher<'_, '_>, (count, provisions): (usize, usize)) {
    let (consents, requester, request, item) = question(count, provisions);
    let policy = Policy::default();
    bencher.counter(ItemsCount::new(1usize)).bench(|| {
        decide_item(
            black_box(&consents),
            &requester,
            &request,
            black_box(&item),
            &policy,
            NOW,
        )
    });
}

/// What the figures are a ratio to.
#[divan::bench]
fn sha256_of_the_request(bencher: Bencher<'_, '_>) {
    let (_, _, request, _) = question(1, 1);
    let bytes = serde_json::to_vec(&request).expect("a request is JSON");
    bencher
        .counter(ItemsCount::new(1usize))
        .bench(|| Sha256::digest(black_box(&bytes)));
}

fn question(count: usize, provisions: usize) -> (Vec<Consent>, Requester, AccessRequest, Item) {
    let code = |code: &str| Code {
        system: ICD10_CM.into(),
        code: code.into(),
    };
    let date = |text: &str| text.parse().expect("a date");
    let range = DateRange {
        from: date("2026-01-01"),
        until: date("2026-12-31"),
    };
    let actor = |organisation: &str| ActorFilter {
        organisation: Some(organisation.into()),
        role: Some(Role::Clinician),
        ..ActorFilter::default()
    };
    let full = |effect, organisation: &str, label: &str, filter: &str| Provision {
        actors: vec![actor(organisation)],
        purposes: vec![Purpose::Treatment],
        actions: vec![Action::Access],
        categories: vec![Category::Problem, Category::Laboratory],
        labels: vec![label.parse().expect("a label")],
        codes: vec![CodeFilter {
            code: code(filter),
            is_a: true,
        }],
        data_period: Some(range),
        authored_by: vec!["HospitalMSP".into()],
        obligations: vec![Obligation::NoRedisclosure],
        ..Provision::new(effect)
    };
    let consents: Vec<Consent> = (0..count)
        .map(|number| {
            let mut all: Vec<Provision> = (0..provisions)
                .map(|n| match n % 3 {
                    0 => full(Effect::Deny, "ClinicMSP", "HIV", "B20"),
                    1 => full(Effect::Permit, "OtherMSP", "PSY", "F32"),
                    _ => full(Effect::Permit, "ClinicMSP", "PSY", "F10-F19"),
                })
                .collect();
            if let Some(last) = all.last_mut() {
                *last = full(Effect::Permit, "ClinicMSP", "PSY", "F32");
            }
            Consent {
                id: ConsentId::from_bytes([number as u8; 16]),
                patient: PatientId::from_bytes([1; 32]),
                period: Period {
                    from: 0,
                    until: 2_000,
                },
                provisions: all,
                grounds: Default::default(),
                limits: Default::default(),
                supersedes: None,
                salt: Salt::from_bytes([1; 32]),
            }
        })
        .collect();
    let requester = Requester {
        organisation: "ClinicMSP".into(),
        role: Role::Clinician,
        person: "0".repeat(64),
        groups: vec!["icu".into()],
    };
    let item = Item {
        document: DocumentId::from_bytes([1; 16]),
        category: Category::Problem,
        labels: vec!["PSY".parse().expect("a label")],
        codes: vec![code("F32.9")],
        date: Some(date("2026-05-01")),
        encounter: None,
        author: "HospitalMSP".into(),
    };
    let request = AccessRequest {
        patient: PatientId::from_bytes([1; 32]),
        purpose: Purpose::Treatment,
        action: Action::Access,
        categories: vec![Category::Problem],
        labels: Some(item.labels.clone()),
        codes: Some(item.codes.clone()),
        data_period: Some(range),
        authored_by: Some("HospitalMSP".into()),
        documents: None,
        encounter: None,
        kem_key: KemPublicKey::from_bytes([0; 32]),
    };
    let policy = Policy::default();
    let verdict = decide(&consents, &requester, &request, &policy, NOW).verdict;
    assert_eq!(verdict, Verdict::Permit);
    let verdict = decide_item(&consents, &requester, &request, &item, &policy, NOW);
    assert_eq!(verdict, Verdict::Permit);
    (consents, requester, request, item)
}
