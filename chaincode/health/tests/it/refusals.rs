//! Who may not, and what is not taken.

use crate::fixture::{
    CLINIC, Call, HOSPITAL, INSURER, NOW, ORGANISATIONS, REGULATOR, World, bytes, consortium, contract_error,
    empty_world, world,
};
use crate::wallet::{Act, Wallet};
use careledger_api::HealthError;
use careledger_api::adjudication::{Claim, Coverage};
use careledger_api::codes::{Category, OverrideReason, Purpose};
use careledger_api::contracts::claims::{
    ClaimBody, ClaimStep, ClaimsClient, CoverageBody, EligibilityQuery, Payment,
};
use careledger_api::contracts::consent::{ConsentsClient, Requester, Review, ReviewOutcome, SignedQuery};
use careledger_api::contracts::identity::{IdentityClient, PatientQuery, SpentNonce};
use careledger_api::contracts::record::RecordClient;
use careledger_api::contracts::registry::RegistryClient;
use careledger_api::date::{DateRange, Period};
use careledger_api::ids::{ClaimId, CoverageId, PlanId, Salt, TxId};
use careledger_api::roles::Role;
use fabric_contract_core::{Call as RawCall, CallError, Transport};
use fabric_contract_mock::{MockClient, now};
use std::collections::BTreeMap;

type Attempt<'w> = Box<dyn Fn(&MockClient, &str) -> Call<()> + 'w>;

/// Every function that reads a body, with who may call it; the rest of the world is tried.
fn body_readers(world: &World) -> Vec<(&'static str, Vec<(&'static str, Role)>, Attempt<'_>)> {
    let patient = world.wallet.patient();
    let query = move || PatientQuery { patient };
    let tx: TxId = "00".repeat(32).parse().unwrap();
    let (outcome, release, review_of) = (tx.clone(), tx.clone(), tx);
    let salt = Salt::from_bytes([1; 32]);
    let step = move || ClaimStep {
        claim: ClaimId::from_bytes(bytes(1)),
        salt,
    };
    let requester = || Requester {
        organisation: CLINIC.into(),
        role: Role::Clinician,
        person: "p".into(),
    };
    vec![
        (
            "identity:keys",
            vec![(HOSPITAL, Role::Registrar), (HOSPITAL, Role::Custodian)],
            Box::new(move |c, peer| {
                now(IdentityClient::new(c)
                    .keys(HOSPITAL, query())
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "identity:pruneNonces",
            vec![(HOSPITAL, Role::Custodian)],
            Box::new(move |c, peer| {
                let spent = vec![SpentNonce {
                    patient,
                    nonce: careledger_api::ids::Nonce::from_bytes(bytes(1)),
                }];
                now(IdentityClient::new(c)
                    .prune_nonces(HOSPITAL, spent)
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "identity:enrol",
            vec![(HOSPITAL, Role::Registrar), (HOSPITAL, Role::Custodian)],
            Box::new(move |c, peer| {
                let (enrolment, intent) = Wallet::new(9).enrolment();
                now(IdentityClient::new(c)
                    .enrol(HOSPITAL, enrolment, intent)
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "consent:decide",
            vec![(HOSPITAL, Role::Custodian)],
            Box::new(move |c, peer| {
                let request = world.request(patient, &[Category::Laboratory]);
                now(ConsentsClient::new(c)
                    .decide(HOSPITAL, requester(), request)
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "consent:outcome",
            vec![(HOSPITAL, Role::Custodian), (HOSPITAL, Role::Vault)],
            Box::new(move |c, peer| {
                now(ConsentsClient::new(c)
                    .outcome(HOSPITAL, outcome.clone())
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "consent:release",
            vec![(HOSPITAL, Role::Custodian), (HOSPITAL, Role::Vault)],
            Box::new(move |c, peer| {
                now(ConsentsClient::new(c)
                    .release(HOSPITAL, release.clone(), NOW)
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "consent:notifications",
            vec![(HOSPITAL, Role::Custodian), (HOSPITAL, Role::Notifier)],
            Box::new(move |c, peer| {
                now(ConsentsClient::new(c)
                    .notifications(HOSPITAL, query())
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "consent:openReviews",
            vec![(HOSPITAL, Role::Dpo)],
            Box::new(|c, peer| {
                now(ConsentsClient::new(c)
                    .open_reviews(HOSPITAL)
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "consent:review",
            vec![(HOSPITAL, Role::Dpo), (REGULATOR, Role::Dpo)],
            Box::new(move |c, peer| {
                let review = Review {
                    access: review_of.clone(),
                    outcome: ReviewOutcome::Justified,
                    salt,
                };
                now(ConsentsClient::new(c)
                    .review(HOSPITAL, review)
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "record:locate",
            vec![(HOSPITAL, Role::Custodian), (HOSPITAL, Role::Vault)],
            Box::new(move |c, peer| {
                now(RecordClient::new(c)
                    .locate(HOSPITAL, query())
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "record:describe",
            vec![(HOSPITAL, Role::Custodian)],
            Box::new(|c, peer| {
                now(RecordClient::new(c)
                    .describe(HOSPITAL, vec![])
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "claims:enrolMember",
            vec![(INSURER, Role::Payer)],
            Box::new(move |c, peer| {
                let day = world.today();
                let coverage = Coverage {
                    id: CoverageId::from_bytes(bytes(1)),
                    plan: PlanId::from_bytes(bytes(1)),
                    plan_version: 1,
                    period: DateRange {
                        from: day,
                        until: day,
                    },
                };
                let body = CoverageBody { coverage, salt };
                now(ClaimsClient::new(c)
                    .enrol_member(INSURER, body)
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "claims:submitClaim",
            vec![(HOSPITAL, Role::ProviderBilling)],
            Box::new(move |c, peer| {
                let claim = Claim {
                    id: ClaimId::from_bytes(bytes(1)),
                    coverage: CoverageId::from_bytes(bytes(1)),
                    provider_npi: String::new(),
                    currency: "USD".into(),
                    lines: vec![],
                    total: 0,
                };
                let body = ClaimBody { claim, salt };
                now(ClaimsClient::new(c)
                    .submit_claim(INSURER, HOSPITAL, body)
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "claims:adjudicate",
            vec![(INSURER, Role::Payer)],
            Box::new(move |c, peer| {
                now(ClaimsClient::new(c)
                    .adjudicate(INSURER, HOSPITAL, step())
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "claims:pay",
            vec![(INSURER, Role::Payer)],
            Box::new(move |c, peer| {
                let payment = Payment {
                    claim: ClaimId::from_bytes(bytes(1)),
                    amount: 1,
                    reference: "r".into(),
                    salt,
                };
                now(ClaimsClient::new(c)
                    .pay(INSURER, HOSPITAL, payment)
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "claims:confirm",
            vec![(HOSPITAL, Role::ProviderBilling)],
            Box::new(move |c, peer| {
                now(ClaimsClient::new(c)
                    .confirm(INSURER, HOSPITAL, step())
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "claims:claim",
            vec![(INSURER, Role::Payer), (HOSPITAL, Role::ProviderBilling)],
            Box::new(|c, peer| {
                let claim = ClaimId::from_bytes(bytes(1));
                now(ClaimsClient::new(c)
                    .claim(INSURER, HOSPITAL, claim)
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
        (
            "claims:eligibility",
            vec![(INSURER, Role::Payer)],
            Box::new(move |c, peer| {
                let query = EligibilityQuery {
                    coverage: CoverageId::from_bytes(bytes(1)),
                    on: world.today(),
                };
                now(ClaimsClient::new(c)
                    .eligibility(INSURER, query)
                    .endorsed_by([peer])
                    .send())
                .map(drop)
            }),
        ),
    ]
}

#[tokio::test]
async fn every_other_role_and_organisation_is_refused_every_body_on_every_peer() {
    let world = world().await;
    let everybody: Vec<(&str, Role, MockClient)> = ORGANISATIONS
        .into_iter()
        .flat_map(|organisation| Role::ALL.iter().map(move |role| (organisation, *role)))
        .map(|(organisation, role)| (organisation, role, world.client(organisation, role)))
        .collect();
    let nobody = world.mock.as_client(HOSPITAL, [("department", "x")]).unwrap();
    let admin = world.mock.as_admin(HOSPITAL).unwrap();
    for (function, allowed, attempt) in body_readers(&world) {
        for (organisation, role, client) in &everybody {
            for peer in ORGANISATIONS {
                let result = attempt(client, peer);
                let forbidden = matches!(result, Err(CallError::Contract(HealthError::Forbidden(_))));
                let may = allowed.contains(&(organisation, *role));
                assert_eq!(
                    forbidden, !may,
                    "{function} by {role} of {organisation} on {peer}: {result:?}"
                );
            }
        }
        for client in [&nobody, &admin] {
            assert!(
                matches!(
                    contract_error(attempt(client, HOSPITAL)),
                    HealthError::Forbidden(_)
                ),
                "{function}"
            );
        }
    }
}

#[tokio::test]
async fn accesses_need_their_roles_and_glasses_their_reason() {
    let world = world().await;
    for organisation in ORGANISATIONS {
        for role in Role::ALL {
            let client = world.client(organisation, *role);
            let consents = ConsentsClient::new(&client);
            let request = world.request(world.wallet.patient(), &[Category::Laboratory]);
            let asked = consents
                .access(HOSPITAL, request)
                .endorsed_by([HOSPITAL])
                .send()
                .await;
            let may = matches!(role, Role::Clinician | Role::Emergency | Role::Researcher);
            assert_eq!(asked.is_ok(), may, "{role}");
            let glass = world.emergency(world.wallet.patient(), OverrideReason::PublicSafety, 5);
            let broken = consents
                .break_glass(HOSPITAL, glass)
                .endorsed_by([HOSPITAL])
                .send()
                .await;
            assert_eq!(broken.is_ok(), *role == Role::Emergency, "{role}");
        }
    }
    for minutes in [0, 241] {
        let refused = world.break_glass(OverrideReason::Emergency, minutes).await;
        assert!(matches!(contract_error(refused), HealthError::InvalidCode(_)));
    }
    let doctor = world.client(CLINIC, Role::Emergency);
    let mut glass = world.emergency(world.wallet.patient(), OverrideReason::Emergency, 5);
    glass.attest = false;
    let refused = ConsentsClient::new(&doctor)
        .break_glass(HOSPITAL, glass)
        .endorsed_by([HOSPITAL])
        .send()
        .await;
    assert!(matches!(contract_error(refused), HealthError::InvalidCode(_)));
    let mut sly = world.request(world.wallet.patient(), &[Category::Laboratory]);
    sly.purpose = Purpose::BreakTheGlass;
    assert!(matches!(
        contract_error(world.ask(sly).await),
        HealthError::InvalidCode(_)
    ));
}

#[tokio::test]
async fn a_glass_without_a_reason_code_is_refused() {
    let world = world().await;
    let doctor = world.client(CLINIC, Role::Emergency);
    let request = serde_json::json!({
        "patient": world.wallet.patient(), "reason": "CURIOSITY", "minutes": 5, "attest": true, "kem_key": "00".repeat(32),
    });
    let call = RawCall {
        contract: "consent".into(),
        function: "breakGlass".into(),
        args: vec![HOSPITAL.into()],
        transient: BTreeMap::from([("request".to_owned(), request.to_string().into_bytes())]),
        endorsing_organizations: vec![HOSPITAL.into()],
    };
    let error = doctor.submit(call).await.unwrap_err().to_string();
    assert!(error.contains("400") && !error.contains("CURIOSITY"), "{error}");
}

#[tokio::test]
async fn forged_moved_and_late_intents_change_nothing() {
    let world = world().await;
    let wallet = &world.wallet;
    let consent = wallet.consent(&[Category::Laboratory]);
    let good = wallet.granting(&consent);
    let height = world.mock.height().unwrap();
    let refused = async |intent: &careledger_api::intent::SignedIntent| {
        contract_error(world.grant(&consent, intent).await)
    };

    let mut forged = good.clone();
    let flipped = if forged.signature.starts_with('0') {
        "1"
    } else {
        "0"
    };
    forged.signature.replace_range(0..1, flipped);
    assert!(matches!(refused(&forged).await, HealthError::BadIntent(_)));
    let mut stranger = Wallet::new(6);
    stranger.random = wallet.random;
    assert!(matches!(
        refused(&stranger.granting(&consent)).await,
        HealthError::BadIntent(_)
    ));
    let act = wallet.act("consent", "grant", consent.id.nonce());
    let elsewhere = Act {
        custodian: CLINIC,
        ..wallet.act("consent", "grant", consent.id.nonce())
    };
    assert!(matches!(
        refused(&wallet.sign(&elsewhere, "consent", &consent)).await,
        HealthError::BadIntent(_)
    ));
    let other_function = Act {
        function: "revoke",
        ..wallet.act("consent", "grant", consent.id.nonce())
    };
    assert!(matches!(
        refused(&wallet.sign(&other_function, "consent", &consent)).await,
        HealthError::BadIntent(_)
    ));
    let other_nonce = Act {
        nonce: wallet.nonce(),
        ..wallet.act("consent", "grant", consent.id.nonce())
    };
    assert!(matches!(
        refused(&wallet.sign(&other_nonce, "consent", &consent)).await,
        HealthError::BadIntent(_)
    ));
    let mut wider = consent.clone();
    wider.provisions[0].categories.push(Category::Note);
    assert!(matches!(
        refused(&wallet.sign(&act, "consent", &wider)).await,
        HealthError::BadIntent(_)
    ));
    for period in [
        Period {
            from: NOW - 100,
            until: NOW,
        },
        Period {
            from: NOW + 1,
            until: NOW + 100,
        },
    ] {
        let act = Act {
            period,
            ..wallet.act("consent", "grant", consent.id.nonce())
        };
        assert!(matches!(
            refused(&wallet.sign(&act, "consent", &consent)).await,
            HealthError::Expired(_)
        ));
    }
    let long = Act {
        period: Period {
            from: NOW,
            until: NOW + 86_401,
        },
        ..wallet.act("consent", "grant", consent.id.nonce())
    };
    assert!(matches!(
        refused(&wallet.sign(&long, "consent", &consent)).await,
        HealthError::BadIntent(_)
    ));
    assert_eq!(world.mock.height().unwrap(), height, "nothing was committed");
    world.grant(&consent, &good).await.unwrap();
}

#[tokio::test]
async fn an_unlisted_transient_input_is_refused() {
    let world = world().await;
    let consent = world.wallet.consent(&[Category::Laboratory]);
    let intent = world.wallet.granting(&consent);
    let json = |value: &serde_json::Value| value.to_string().into_bytes();
    let call = RawCall {
        contract: "consent".into(),
        function: "grant".into(),
        args: vec![HOSPITAL.into()],
        transient: BTreeMap::from([
            (
                "consent".to_owned(),
                json(&serde_json::to_value(&consent).unwrap()),
            ),
            ("intent".to_owned(), json(&serde_json::to_value(&intent).unwrap())),
            ("more".to_owned(), b"{}".to_vec()),
        ]),
        endorsing_organizations: vec![HOSPITAL.into()],
    };
    let portal = world.client(CLINIC, Role::Portal);
    assert!(portal.submit(call).await.is_err());
}

#[tokio::test]
async fn a_patient_is_enrolled_once_and_by_its_own_key() {
    let world = world().await;
    assert!(matches!(
        world.enrol(&world.wallet).await.unwrap_err(),
        HealthError::Duplicate(_)
    ));
    let (enrolment, _) = Wallet::new(3).enrolment();
    let (_, other) = Wallet::new(5).enrolment();
    let registrar = world.client(HOSPITAL, Role::Registrar);
    let sent = IdentityClient::new(&registrar)
        .enrol(HOSPITAL, enrolment, other)
        .endorsed_by([HOSPITAL])
        .send()
        .await;
    assert!(matches!(contract_error(sent), HealthError::BadIntent(_)));
}

#[tokio::test]
async fn one_patient_revokes_nothing_of_anothers() {
    let world = world().await;
    let mallory = Wallet::new(8);
    world.enrol(&mallory).await.unwrap();
    let consent = world.wallet.consent(&[Category::Laboratory]);
    world
        .grant(&consent, &world.wallet.granting(&consent))
        .await
        .unwrap();
    let (revocation, intent) = mallory.revocation(&[consent.id]);
    world.revoke(&revocation, &intent).await.unwrap();
    let tx = world.access(&[Category::Laboratory]).await.unwrap();
    assert_eq!(
        world.outcome(&tx).await.unwrap().permitted,
        [Category::Laboratory]
    );
}

#[tokio::test]
async fn a_signed_question_needs_a_short_life() {
    let world = world().await;
    let portal = world.client(CLINIC, Role::Portal);
    let query = SignedQuery {
        patient: world.wallet.patient(),
        reader: CLINIC.into(),
    };
    let intent = world.wallet.sign(
        &world.wallet.act("consent", "myConsents", world.wallet.nonce()),
        "query",
        &query,
    );
    let asked = ConsentsClient::new(&portal)
        .my_consents(HOSPITAL, query, intent)
        .endorsed_by([HOSPITAL])
        .send()
        .await;
    assert!(matches!(contract_error(asked), HealthError::BadIntent(_)));
}

#[tokio::test]
async fn the_consortium_is_established_once_and_amended_in_turn() {
    let world = empty_world().await;
    let admin = world.mock.as_admin(HOSPITAL).unwrap();
    let registry = RegistryClient::new(&admin);
    assert!(matches!(
        contract_error(registry.establish(consortium()).send().await),
        HealthError::Duplicate(_)
    ));
    let mut smaller = consortium();
    smaller.organisations.retain(|o| o.msp_id != INSURER);
    assert!(matches!(
        contract_error(registry.amend(2, smaller.clone()).send().await),
        HealthError::PolicyVersion(_)
    ));
    let renamed = careledger_api::consortium::Consortium {
        id: "other".into(),
        ..smaller.clone()
    };
    assert!(matches!(
        contract_error(registry.amend(1, renamed).send().await),
        HealthError::InvalidCode(_)
    ));
    registry.amend(1, smaller).send().await.unwrap();
    assert_eq!(registry.consortium().send().await.unwrap().version, 2);
    let outsider = world.client(INSURER, Role::Clinician);
    let request = world.request(world.wallet.patient(), &[Category::Laboratory]);
    let asked = ConsentsClient::new(&outsider)
        .access(HOSPITAL, request)
        .endorsed_by([HOSPITAL])
        .send()
        .await;
    assert!(
        matches!(contract_error(asked), HealthError::Forbidden(_)),
        "no longer a member"
    );
    let clinician = world.client(HOSPITAL, Role::Clinician);
    let amended = RegistryClient::new(&clinician)
        .amend(2, consortium())
        .send()
        .await;
    assert!(matches!(contract_error(amended), HealthError::Forbidden(_)));
}

#[tokio::test]
async fn a_collection_keeps_its_first_secret() {
    let world = empty_world().await;
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let open = |client: &MockClient, name: &str, secret| {
        now(RegistryClient::new(client)
            .open_collection(name, Salt::from_bytes(secret))
            .endorsed_by([HOSPITAL])
            .send())
    };
    assert!(matches!(
        contract_error(open(&keeper, "care_HospitalMSP", [1; 32])),
        HealthError::Duplicate(_)
    ));
    assert!(matches!(
        contract_error(open(&keeper, "care_HospitalMSP", [0; 32])),
        HealthError::SaltMissing(_)
    ));
    assert!(matches!(
        contract_error(open(&keeper, "care_Nobody", [1; 32])),
        HealthError::InvalidCode(_)
    ));
    let foreign = world.client(CLINIC, Role::Custodian);
    assert!(matches!(
        contract_error(open(&foreign, "care_HospitalMSP", [1; 32])),
        HealthError::Forbidden(_)
    ));
}
