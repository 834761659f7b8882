//! The patient's log: accesses, disclosures, disputes, receipts, pages, and the accounting of disclosures.

use crate::fixture::{CLINIC, HOSPITAL, REGULATOR, World, contract_error, world};
use crate::wallet::Wallet;
use careledger_api::HealthError;
use careledger_api::codes::{Category, OverrideReason};
use careledger_api::contracts::consent::{
    AccessEntry, ConsentsClient, Delivery, DeliveryChannel, Disclosure, DisputeAnswer, DisputeFinding,
    LogEntry, LogItem, LogKind, Outcome, Review, ReviewOutcome, ReviewState,
};
use careledger_api::contracts::identity::PatientQuery;
use careledger_api::ids::{PatientId, TxId};
use careledger_api::roles::Role;

fn disclosure(world: &World, patient: PatientId, date: &str) -> Disclosure {
    Disclosure {
        patient,
        date: date.parse().unwrap(),
        recipient: "County health department".into(),
        address: Some("1 Main Street".into()),
        description: "Notifiable disease report".into(),
        purpose: "public health".into(),
        documents: vec![],
        salt: world.wallet.salt(),
    }
}

async fn disclose(world: &World, disclosure: Disclosure) -> Result<TxId, HealthError> {
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let sent = ConsentsClient::new(&keeper)
        .record_disclosure(HOSPITAL, disclosure)
        .endorsed_by([HOSPITAL]);
    world.receipt(sent.send().await)
}

async fn acknowledge(world: &World, subjects: &[&TxId]) -> Result<TxId, HealthError> {
    let receipt = |subject: &&TxId| Delivery {
        patient: world.wallet.patient(),
        subject: (*subject).clone(),
        channel: DeliveryChannel::Webhook,
        at: world.now() + 2,
        salt: world.wallet.salt(),
    };
    let notifier = world.client(HOSPITAL, Role::Notifier);
    let receipts = subjects.iter().map(receipt).collect();
    let sent = ConsentsClient::new(&notifier)
        .ack_notification(HOSPITAL, receipts)
        .endorsed_by([HOSPITAL]);
    world.receipt(sent.send().await)
}

async fn accounted(world: &World) -> Vec<LogEntry> {
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let query = PatientQuery {
        patient: world.wallet.patient(),
    };
    ConsentsClient::new(&keeper)
        .accounting(HOSPITAL, query)
        .send()
        .await
        .unwrap()
}

fn access(entry: &LogEntry) -> &AccessEntry {
    match &entry.what {
        LogItem::Access(access) => access,
        other => panic!("an access was expected, not {other:?}"),
    }
}

#[tokio::test]
async fn the_log_holds_accesses_refusals_glasses_with_their_reviews_disclosures_and_receipts() {
    let world = world().await;
    let refused = world.access(&[Category::Note]).await.unwrap();
    world.advance(1);
    let glass = world.break_glass(OverrideReason::Emergency, 60).await.unwrap();
    world.advance(1);
    let full = world.full(&glass).await.unwrap();
    world.advance(1);
    let disclosed = disclose(&world, disclosure(&world, world.wallet.patient(), "2026-12-24"))
        .await
        .unwrap();
    let officer = world.client(REGULATOR, Role::Dpo);
    let review = Review {
        access: glass.clone(),
        outcome: ReviewOutcome::Justified,
        salt: world.wallet.salt(),
    };
    ConsentsClient::new(&officer)
        .review(HOSPITAL, review)
        .endorsed_by([HOSPITAL])
        .send()
        .await
        .unwrap();
    acknowledge(&world, &[&refused, &glass]).await.unwrap();

    let page = world.log(&[], None, 200).await.unwrap();
    assert!(page.next.is_none());
    let order: Vec<&TxId> = page.entries.iter().map(|e| &e.tx).collect();
    assert_eq!(order, [&refused, &glass, &full, &disclosed], "oldest first");
    let entries = &page.entries;
    assert_eq!(access(&entries[0]).notification.outcome, Outcome::Refused);
    assert_eq!(access(&entries[0]).review, None);
    assert_eq!(access(&entries[1]).review, Some(ReviewState::Justified));
    assert_eq!(
        (access(&entries[2]).review, &access(&entries[2]).follows),
        (Some(ReviewState::Open), &Some(glass))
    );
    assert!(matches!(&entries[3].what, LogItem::Disclosure(d) if d.recipient.starts_with("County")));
    let told: Vec<bool> = entries.iter().map(|e| e.delivered_at.is_some()).collect();
    assert_eq!(told, [true, true, false, false]);
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repetition() {
    let world = world().await;
    let mut written = Vec::new();
    for _ in 0..5 {
        written.push(world.access(&[Category::Laboratory]).await.unwrap());
    }
    let (mut read, mut after) = (Vec::new(), None);
    loop {
        let page = world.log(&[LogKind::Access], after, 2).await.unwrap();
        assert!(page.entries.len() <= 2);
        read.extend(page.entries.into_iter().map(|e| e.tx));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(read, written);
    assert!(
        world
            .log(&[LogKind::Disclosure], None, 2)
            .await
            .unwrap()
            .entries
            .is_empty(),
        "of that kind alone"
    );
    for limit in [0, 201] {
        assert!(matches!(
            contract_error(world.log(&[], None, limit).await),
            HealthError::Limit(_)
        ));
    }
}

#[tokio::test]
async fn the_log_is_the_patients_and_its_readers() {
    let world = world().await;
    let (query, intent) = world.wallet.log_query(&world, &[], None, 10);
    let elsewhere = world.client(REGULATOR, Role::Portal);
    let other = ConsentsClient::new(&elsewhere).my_log(HOSPITAL, query.clone(), intent.clone());
    assert!(matches!(
        contract_error(other.endorsed_by([HOSPITAL]).send().await),
        HealthError::Forbidden(_)
    ));
    let stranger = Wallet::new(7);
    let act = stranger.act("consent", "myLog", stranger.nonce());
    let forged = stranger.sign(&act, "query", &query);
    let portal = world.client(CLINIC, Role::Portal);
    let asked = ConsentsClient::new(&portal)
        .my_log(HOSPITAL, query.clone(), forged)
        .endorsed_by([HOSPITAL]);
    assert!(matches!(
        contract_error(asked.send().await),
        HealthError::BadIntent(_)
    ));
    let longer = world.wallet.sign(
        &world.wallet.act("consent", "myLog", world.wallet.nonce()),
        "query",
        &query,
    );
    let asked = ConsentsClient::new(&portal)
        .my_log(HOSPITAL, query, longer)
        .endorsed_by([HOSPITAL]);
    assert!(
        matches!(contract_error(asked.send().await), HealthError::BadIntent(_)),
        "a question lives ten minutes"
    );
}

#[tokio::test]
async fn a_patient_disputes_once_and_the_custodians_officer_answers_once() {
    let world = world().await;
    let subject = world.break_glass(OverrideReason::Emergency, 60).await.unwrap();
    let portal = world.client(CLINIC, Role::Portal);
    let consents = ConsentsClient::new(&portal);
    let dispute = |subject: &TxId| {
        let (dispute, intent) = world.wallet.dispute(subject, "I was awake and was not asked");
        consents
            .dispute(HOSPITAL, dispute, intent)
            .endorsed_by([HOSPITAL])
            .send()
    };
    let nothing: TxId = "ab".repeat(32).parse().unwrap();
    assert_eq!(contract_error(dispute(&nothing).await), HealthError::NotFound);
    let answer = || DisputeAnswer {
        patient: world.wallet.patient(),
        subject: subject.clone(),
        finding: DisputeFinding::Upheld,
        text: "The attending physician confirms it".into(),
        salt: world.wallet.salt(),
    };
    let officer = world.client(HOSPITAL, Role::Dpo);
    let answering = || {
        ConsentsClient::new(&officer)
            .answer_dispute(HOSPITAL, answer())
            .endorsed_by([HOSPITAL])
            .send()
    };
    assert_eq!(
        contract_error(answering().await),
        HealthError::NotFound,
        "nothing to answer yet"
    );
    dispute(&subject).await.unwrap();
    assert!(matches!(
        contract_error(dispute(&subject).await),
        HealthError::Duplicate(_)
    ));
    let waiting = world
        .log(&[], None, 1)
        .await
        .unwrap()
        .entries
        .remove(0)
        .dispute
        .unwrap();
    assert!(waiting.reason.contains("awake") && waiting.answer.is_none());
    let foreign = world.client(CLINIC, Role::Dpo);
    let foreign = ConsentsClient::new(&foreign)
        .answer_dispute(HOSPITAL, answer())
        .endorsed_by([HOSPITAL])
        .send();
    assert!(matches!(contract_error(foreign.await), HealthError::Forbidden(_)));
    answering().await.unwrap();
    assert!(matches!(
        contract_error(answering().await),
        HealthError::Duplicate(_)
    ));
    let settled = world
        .log(&[], None, 1)
        .await
        .unwrap()
        .entries
        .remove(0)
        .dispute
        .unwrap();
    assert_eq!(settled.answer.unwrap().0, DisputeFinding::Upheld);

    // A disclosure can be disputed as well; another patient's act cannot.
    let disclosed = disclose(&world, disclosure(&world, world.wallet.patient(), "2026-12-24"))
        .await
        .unwrap();
    dispute(&disclosed).await.unwrap();
    let other = Wallet::new(4);
    world.enrol(&other).await.unwrap();
    let (theirs, intent) = other.dispute(&subject, "not mine");
    let theirs = consents
        .dispute(HOSPITAL, theirs, intent)
        .endorsed_by([HOSPITAL])
        .send()
        .await;
    assert_eq!(contract_error(theirs), HealthError::NotFound);
    let (mut long, _) = world.wallet.dispute(&subject, "x");
    long.reason = "x".repeat(1_025);
    let act = world.wallet.act("consent", "dispute", long.nonce);
    let intent = world.wallet.sign(&act, "dispute", &long);
    let long = consents
        .dispute(HOSPITAL, long, intent)
        .endorsed_by([HOSPITAL])
        .send()
        .await;
    assert!(matches!(contract_error(long), HealthError::Limit(_)));
}

#[tokio::test]
async fn the_accounting_reaches_six_years_back_and_leaves_out_what_is_no_disclosure() {
    let world = world().await;
    let consent = world.wallet.consent(&[Category::Laboratory]);
    world
        .grant(&consent, &world.wallet.granting(&consent))
        .await
        .unwrap();
    let patient = world.wallet.patient();
    let old = disclose(&world, disclosure(&world, patient, "2020-12-01"))
        .await
        .unwrap();
    let recent = disclose(&world, disclosure(&world, patient, "2021-06-01"))
        .await
        .unwrap();
    let seen = world.access(&[Category::Laboratory]).await.unwrap();
    let refused = world.access(&[Category::Note]).await.unwrap();
    let (request, intent) = world.wallet.own_access(&world, &[Category::Note]);
    let own = world.own(request, intent).await.unwrap();
    let clinician = world.client(HOSPITAL, Role::Clinician);
    let request = world.request(patient, &[Category::Laboratory]);
    let inside = ConsentsClient::new(&clinician)
        .access(HOSPITAL, request)
        .endorsed_by([HOSPITAL])
        .send()
        .await;
    let inside = inside.unwrap().value.tx;
    let accounted: Vec<TxId> = accounted(&world).await.into_iter().map(|e| e.tx).collect();
    for (tx, expected) in [
        (old, false),
        (recent, true),
        (seen, true),
        (refused, false),
        (own, false),
        (inside, false),
    ] {
        assert_eq!(accounted.contains(&tx), expected, "{tx}");
    }
}

#[tokio::test]
async fn disclosures_and_receipts_are_checked() {
    let world = world().await;
    let patient = world.wallet.patient();
    let stranger = disclose(
        &world,
        disclosure(&world, PatientId::from_bytes([0xee; 32]), "2026-12-24"),
    )
    .await;
    assert_eq!(stranger, Err(HealthError::NotFound));
    let changes: [fn(&mut Disclosure); 4] = [
        |d| d.recipient.clear(),
        |d| d.description = "x".repeat(1_025),
        |d| d.purpose.clear(),
        |d| d.address = Some(String::new()),
    ];
    for change in changes {
        let mut wrong = disclosure(&world, patient, "2026-12-24");
        change(&mut wrong);
        assert!(matches!(
            disclose(&world, wrong).await,
            Err(HealthError::Limit(_))
        ));
    }
    let access = world.access(&[Category::Laboratory]).await.unwrap();
    assert!(matches!(
        acknowledge(&world, &[]).await,
        Err(HealthError::Limit(_))
    ));
    acknowledge(&world, &[&access]).await.unwrap();
    assert!(matches!(
        acknowledge(&world, &[&access]).await,
        Err(HealthError::Duplicate(_))
    ));
    let second = world.access(&[Category::Laboratory]).await.unwrap();
    acknowledge(&world, &[&access, &second]).await.unwrap();
    let unknown: TxId = "cd".repeat(32).parse().unwrap();
    assert_eq!(acknowledge(&world, &[&unknown]).await, Err(HealthError::NotFound));
}
