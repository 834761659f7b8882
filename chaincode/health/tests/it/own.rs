//! A patient reads the own record.

use crate::fixture::{CLINIC, HOSPITAL, bytes, contract_error, world};
use crate::wallet::Wallet;
use careledger_api::HealthError;
use careledger_api::codes::{Category, Purpose};
use careledger_api::contracts::consent::{AccessKind, ConsentsClient, Effect};
use careledger_api::contracts::identity::IdentityClient;
use careledger_api::ids::DocumentId;
use careledger_api::roles::Role;

#[tokio::test]
async fn the_own_record_needs_no_consent_and_no_deny_closes_it() {
    let world = world().await;
    let mut close = world.wallet.consent(&[]);
    close.provisions[0].effect = Effect::Deny;
    close.provisions[0].purposes.clear();
    world.grant(&close, &world.wallet.granting(&close)).await.unwrap();
    let (request, intent) = world.wallet.own_access(&world, Category::ALL);
    let tx = world.own(request, intent).await.unwrap();
    let release = world.release(&tx, world.now()).await.unwrap();
    assert_eq!(release.documents.len(), 5, "the labelled note as well");
    assert_eq!(release.record.kind, AccessKind::Own);

    let (mut request, _) = world
        .wallet
        .own_access(&world, &[Category::Laboratory, Category::Note]);
    request.documents = Some(vec![DocumentId::from_bytes(bytes(1))]);
    let act = world.wallet.act("consent", "accessOwn", world.wallet.nonce());
    let intent = world.wallet.sign(&act, "request", &request);
    let tx = world.own(request, intent).await.unwrap();
    let named = world.release(&tx, world.now()).await.unwrap().documents;
    assert_eq!(
        named.iter().map(|d| d.category).collect::<Vec<_>>(),
        [Category::Laboratory]
    );
    let told = world.notifications().await.unwrap();
    assert!(
        told.iter()
            .any(|n| n.kind == AccessKind::Own && n.purpose == Purpose::PatientRequest)
    );
}

#[tokio::test]
async fn nobody_else_reads_as_the_patient() {
    let world = world().await;
    let (request, intent) = world.wallet.own_access(&world, &[Category::Note]);
    let stranger = Wallet::new(7);
    let forged = stranger.sign(
        &stranger.act("consent", "accessOwn", stranger.nonce()),
        "request",
        &request,
    );
    assert!(matches!(
        contract_error(world.own(request.clone(), forged).await),
        HealthError::BadIntent(_)
    ));
    let mut more = request.clone();
    more.categories.push(Category::Laboratory);
    assert!(matches!(
        contract_error(world.own(more, intent.clone()).await),
        HealthError::BadIntent(_)
    ));
    let treatment = world.request(world.wallet.patient(), &[Category::Note]);
    let act = world.wallet.act("consent", "accessOwn", world.wallet.nonce());
    let signed = world.wallet.sign(&act, "request", &treatment);
    assert!(matches!(
        contract_error(world.own(treatment, signed).await),
        HealthError::InvalidCode(_)
    ));
    world.own(request.clone(), intent.clone()).await.unwrap();
    assert!(matches!(
        contract_error(world.own(request, intent).await),
        HealthError::Replayed(_)
    ));

    // An unknown patient is refused as a wrong key is: the carrier does not learn who is known here.
    let (request, intent) = stranger.own_access(&world, &[Category::Note]);
    let unknown = contract_error(world.own(request, intent).await);
    let (request, _) = world.wallet.own_access(&world, &[Category::Note]);
    let mut wrong = Wallet::new(7);
    wrong.random = world.wallet.random;
    let mut act = wrong.act("consent", "accessOwn", wrong.nonce());
    act.custodian = HOSPITAL;
    let mut intent = wrong.sign(&act, "request", &request);
    intent.intent.patient = world.wallet.patient();
    let wrong_key = contract_error(world.own(request, intent).await);
    assert_eq!(wrong_key, unknown);
    assert!(matches!(unknown, HealthError::BadIntent(_)));
}

#[tokio::test]
async fn a_key_that_was_revoked_since_opens_nothing() {
    let world = world().await;
    let (request, intent) = world.wallet.own_access(&world, &[Category::Note]);
    let tx = world.own(request, intent).await.unwrap();
    assert_eq!(world.release(&tx, world.now()).await.unwrap().documents.len(), 1);
    let (removal, intent) = world.wallet.removal(&world.wallet.key);
    let portal = world.client(CLINIC, Role::Portal);
    let revoked = IdentityClient::new(&portal)
        .revoke_key(HOSPITAL, removal, intent)
        .endorsed_by([HOSPITAL]);
    revoked.send().await.unwrap();
    assert!(
        world
            .release(&tx, world.now())
            .await
            .unwrap()
            .documents
            .is_empty()
    );
}

/// A custodian's altered peer writes an own access that the patient did not sign; its honest vault gives nothing.
#[tokio::test]
async fn an_own_access_that_nobody_signed_releases_nothing() {
    let world = world().await;
    let (request, intent) = world.wallet.own_access(&world, &[Category::Note]);
    let tx = world.own(request, intent).await.unwrap();
    let key = format!("acc~{}~{tx}", world.wallet.patient());
    let altered = world.client(HOSPITAL, Role::Custodian);
    let written = altered.transact(|ctx| {
        let mut stored: serde_json::Value = ctx
            .private_get_json("care_HospitalMSP", &key)?
            .unwrap_or_default();
        stored["record"]["request"]["kem_key"] = "ab".repeat(32).into();
        ctx.private_put_json("care_HospitalMSP", &key, &stored)?;
        Ok::<_, HealthError>(())
    });
    written.unwrap();
    let release = world.release(&tx, world.now()).await.unwrap();
    assert!(release.fresh && release.documents.is_empty());
    let vault = world.client(HOSPITAL, Role::Vault);
    assert!(
        ConsentsClient::new(&vault)
            .outcome(HOSPITAL, tx)
            .send()
            .await
            .is_ok()
    );
}
