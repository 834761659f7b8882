//! A patient switches notifications off and on; the log goes on whatever the patient wants.

use crate::fixture::{CLINIC, HOSPITAL, World, world};
use crate::wallet::Wallet;
use careledger_api::HealthError;
use careledger_api::codes::Category;
use careledger_api::contracts::consent::{ConsentsClient, NotificationChoice};
use careledger_api::ids::TxId;
use careledger_api::intent::SignedIntent;
use careledger_api::roles::Role;

fn choice(wallet: &Wallet, wanted: bool) -> (NotificationChoice, SignedIntent) {
    let choice = NotificationChoice {
        patient: wallet.patient(),
        wanted,
        nonce: wallet.nonce(),
        salt: wallet.salt(),
    };
    let act = wallet.act("consent", "chooseNotifications", choice.nonce);
    let intent = wallet.sign(&act, "choice", &choice);
    (choice, intent)
}

async fn choose(
    world: &World,
    choice: NotificationChoice,
    intent: SignedIntent,
) -> Result<TxId, HealthError> {
    let portal = world.client(CLINIC, Role::Portal);
    let sent = ConsentsClient::new(&portal).choose_notifications(HOSPITAL, choice, intent);
    world.receipt(sent.endorsed_by([HOSPITAL]).send().await)
}

async fn wanted(world: &World, tx: &TxId) -> bool {
    let notifier = world.client(HOSPITAL, Role::Notifier);
    let asked = ConsentsClient::new(&notifier).notice(HOSPITAL, tx.clone());
    let notice = asked.endorsed_by([HOSPITAL]).send().await.unwrap();
    assert_eq!(notice.patient, world.wallet.patient());
    notice.wanted
}

#[tokio::test]
async fn a_patient_switches_notifications_off_but_not_the_log() {
    let world = world().await;
    let access = world.access(&[Category::Laboratory]).await.unwrap();
    assert!(wanted(&world, &access).await, "told, until the patient says no");

    let (off, of_off) = choice(&world.wallet, false);
    choose(&world, off.clone(), of_off.clone()).await.unwrap();
    let later = world.access(&[Category::Laboratory]).await.unwrap();
    assert!(!wanted(&world, &later).await);
    assert_eq!(world.notifications().await.unwrap().len(), 2, "the log has both");

    let (on, of_on) = choice(&world.wallet, true);
    choose(&world, on, of_on).await.unwrap();
    assert!(wanted(&world, &later).await);
    let again = choose(&world, off, of_off).await;
    assert!(matches!(again, Err(HealthError::Replayed(_))), "{again:?}");
    assert!(wanted(&world, &later).await);
}

#[tokio::test]
async fn nobody_else_switches_them_off() {
    let world = world().await;
    let access = world.access(&[Category::Laboratory]).await.unwrap();
    let stranger = Wallet::new(77);
    let (mut forged, _) = choice(&stranger, false);
    forged.patient = world.wallet.patient();
    let act = stranger.act("consent", "chooseNotifications", forged.nonce);
    let intent = stranger.sign_for(world.wallet.patient(), None, &act, "choice", &forged);
    let refused = choose(&world, forged, intent).await;
    assert!(matches!(refused, Err(HealthError::BadIntent(_))), "{refused:?}");
    // What was signed is what is written.
    let (mut altered, intent) = choice(&world.wallet, true);
    altered.wanted = false;
    let refused = choose(&world, altered, intent).await;
    assert!(matches!(refused, Err(HealthError::BadIntent(_))), "{refused:?}");
    let (mut other, intent) = choice(&world.wallet, false);
    other.nonce = world.wallet.nonce();
    let refused = choose(&world, other, intent).await;
    assert!(refused.is_err(), "{refused:?}");
    assert!(wanted(&world, &access).await);
}
