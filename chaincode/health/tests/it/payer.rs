//! A payer asks for what a claim rests on.

use crate::fixture::*;
use careledger_api::HealthError;
use careledger_api::codes::{Category, Label, Obligation, Purpose};
use careledger_api::contracts::consent::{AccessRequest, ConsentsClient, Outcome};
use careledger_api::contracts::registry::RegistryClient;
use careledger_api::ids::TxId;
use careledger_api::roles::Role;
use careledger_api::templates::{Recipients, Template};
use fabric_contract_mock::MockClient;

/// Everything that the patient has.
const ALL: [Category; 4] = [
    Category::Laboratory,
    Category::Medication,
    Category::Problem,
    Category::Note,
];

async fn ask(
    world: &World,
    who: &MockClient,
    purpose: Purpose,
    categories: &[Category],
) -> Result<TxId, HealthError> {
    let request = AccessRequest {
        purpose,
        ..world.request(world.wallet.patient(), categories)
    };
    let sent = ConsentsClient::new(who).access(HOSPITAL, request);
    world.receipt(sent.endorsed_by([HOSPITAL]).send().await)
}

/// The categories of the documents that a vault would hand out.
async fn opened(world: &World, tx: &TxId) -> Vec<Category> {
    let outcome = world.outcome(tx).await.unwrap().outcome;
    let release = world.release(tx, world.now()).await.unwrap();
    let mut found: Vec<Category> = release.documents.iter().map(|d| d.category).collect();
    found.sort();
    assert!(found.is_empty() || outcome == Outcome::Permitted);
    found
}

async fn grant_payment(world: &World, labels: &[&str]) {
    let to = Recipients {
        organisations: vec![INSURER.into()],
        ..Recipients::default()
    };
    let mut consent = world.wallet.consent(&[]);
    consent.provisions = Template::Payment.provisions(&to).unwrap();
    if !labels.is_empty() {
        let labels: Vec<Label> = labels.iter().map(|l| l.parse().unwrap()).collect();
        consent.provisions[0].labels = labels;
        consent.provisions[0].categories.push(Category::Note);
    }
    let intent = world.wallet.granting(&consent);
    world.grant(&consent, &intent).await.unwrap();
}

#[tokio::test]
async fn a_payment_consent_opens_what_it_names_and_nothing_sensitive() {
    let world = world().await;
    let payer = world.client(INSURER, Role::Payer);
    let tx = ask(&world, &payer, Purpose::Payment, &ALL).await.unwrap();
    assert_eq!(opened(&world, &tx).await, [], "without a consent");

    grant_payment(&world, &[]).await;
    for purpose in [Purpose::Payment, Purpose::ClaimAttachment, Purpose::Coverage] {
        let tx = ask(&world, &payer, purpose, &ALL).await.unwrap();
        assert_eq!(
            opened(&world, &tx).await,
            [Category::Medication, Category::Problem],
            "{purpose}: not the laboratory, which the template leaves out, nor the note, which is labelled PSY"
        );
        let record = world.outcome(&tx).await.unwrap();
        assert!(record.obligations.contains(&Obligation::MinimumNecessary));
        assert_eq!(record.requester.role, Role::Payer);
    }

    // The patient opens the labelled note as well, to this payer and for payment.
    grant_payment(&world, &["PSY"]).await;
    let mut request = world.request(world.wallet.patient(), &[Category::Note]);
    request.purpose = Purpose::Payment;
    request.labels = Some(vec!["PSY".parse().unwrap()]);
    let sent = ConsentsClient::new(&payer).access(HOSPITAL, request);
    let tx = world.receipt(sent.endorsed_by([HOSPITAL]).send().await).unwrap();
    assert_eq!(opened(&world, &tx).await, [Category::Note]);
}

#[tokio::test]
async fn a_payer_asks_for_payment_alone_and_only_at_a_payer() {
    let world = world().await;
    let mut consent = world.wallet.consent(&[]);
    consent.provisions[0].purposes.clear();
    let intent = world.wallet.granting(&consent);
    world.grant(&consent, &intent).await.unwrap();
    let payer = world.client(INSURER, Role::Payer);
    for purpose in Purpose::ALL.iter().filter(|p| !Purpose::Payment.covers(**p)) {
        let asked = ask(&world, &payer, *purpose, &ALL).await;
        let refused = matches!(
            asked,
            Err(HealthError::Forbidden(_) | HealthError::InvalidCode(_))
        );
        assert!(refused, "{purpose}: {asked:?}");
    }
    for organisation in [HOSPITAL, CLINIC, REGULATOR] {
        let stranger = world.client(organisation, Role::Payer);
        let asked = ask(&world, &stranger, Purpose::Payment, &ALL).await;
        assert!(matches!(asked, Err(HealthError::Forbidden(_))), "{organisation}");
    }
    let biller = world.client(INSURER, Role::ProviderBilling);
    let asked = ask(&world, &biller, Purpose::Payment, &ALL).await;
    assert!(matches!(asked, Err(HealthError::Forbidden(_))));
    let tx = ask(&world, &payer, Purpose::Payment, &ALL).await.unwrap();
    assert!(!opened(&world, &tx).await.is_empty());
}

#[tokio::test]
async fn where_payment_needs_no_consent_a_denial_still_closes_it() {
    let world = world().await;
    let mut opt_out = consortium();
    opt_out.policy.without_consent = [Purpose::Payment].into();
    let admin = world.mock.as_admin(REGULATOR).unwrap();
    RegistryClient::new(&admin)
        .amend(1, opt_out)
        .send()
        .await
        .unwrap();
    let payer = world.client(INSURER, Role::Payer);
    let tx = ask(&world, &payer, Purpose::Payment, &ALL).await.unwrap();
    assert_eq!(
        opened(&world, &tx).await,
        [Category::Laboratory, Category::Medication, Category::Problem]
    );
    // Who paid themself keeps it from the payer (45 CFR 164.522(a)(1)(vi)).
    let mut denial = world.wallet.consent(&[]);
    let to = Recipients {
        organisations: vec![INSURER.into()],
        ..Recipients::default()
    };
    denial.provisions = Template::Block.provisions(&to).unwrap();
    let intent = world.wallet.granting(&denial);
    world.grant(&denial, &intent).await.unwrap();
    let tx = ask(&world, &payer, Purpose::Payment, &ALL).await.unwrap();
    assert_eq!(opened(&world, &tx).await, []);
}
