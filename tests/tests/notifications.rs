//! Patients are told of every access: once each, whenever the teller is killed, and by webhooks that go nowhere else and say nothing personal.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use careledger::health::{CLINIC, HOSPITAL, consortium};
use careledger_api::HealthError;
use careledger_api::codes::OverrideReason;
use careledger_api::contracts::consent::{AccessKind, BreakGlassRequest, Notice, Outcome};
use careledger_api::contracts::identity::IdentityAct;
use careledger_api::ids::TxId;
use careledger_api::keys::{Algorithm, DeviceKey};
use careledger_api::recovery::Rules;
use careledger_api::roles::Role;
use careledger_sdk::Wallet;
use careledger_sdk::notify::{
    AllowedHost, Announcement, Delivery, Journal, JournalError, Notifications, NotifyError, Outbox,
    RetryPolicy, SendError, Told, Topic, Webhook, WebhookSecret, testing::webhook_on_loopback,
};
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::wallet::{GuardianCard, Signed, policy_of};
use careledger_tests::engine;
use careledger_tests::hospital::{GRANTED, Hospital};
use careledger_tests::receiver::{Answer, Receiver};
use fabric_contract_core::CallError;
use fabric_msp::ca::{Ca, IssueRequest, Kind};

/// The receiver's name; no resolver knows it.
const HOST: &str = "hooks.example.test";
/// How long a busy machine may take for a delivery.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_access_is_told_once_however_often_the_subscriber_is_killed() {
    if engine::embedded_only(
        "a custodian's feed tells of every patient, and others' accesses come in between",
    ) {
        return;
    }
    let hospital = Hospital::open().await;
    let mut accesses = BTreeSet::new();
    // Refused, then permitted, and a broken glass: all are told.
    accesses.extend(accesses_at_once(&hospital, 8).await);
    hospital.grant().await;
    accesses.extend(accesses_at_once(&hospital, 8).await);
    accesses.insert(break_the_glass(&hospital).await);

    let dir = tempfile::tempdir().expect("a directory");
    let (journal, seen) = (dir.path().join("journal"), dir.path().join("seen"));
    let mut kills = 0;
    // Each access takes three steps; a subscriber that is killed after a few of them never gets through in one life.
    for life in 0.. {
        let mut child = Subscriber::start(&hospital, &journal, &seen);
        let steps = 2 + rand::random_range(0..9);
        let mut acknowledged = 0;
        for _ in 0..steps {
            match child.step().as_str() {
                "acknowledged" => acknowledged += 1,
                "opened" | "received" | "seen" => {}
                other => panic!("the subscriber said {other:?}"),
            }
            if is_all_acknowledged(&journal, &seen, accesses.len() + 1) {
                break;
            }
        }
        child.kill();
        kills += 1;
        if is_all_acknowledged(&journal, &seen, accesses.len() + 1) {
            break;
        }
        assert!(life < 200, "no end after 200 lives; {acknowledged} in the last");
    }
    assert!(kills >= 2, "killed {kills} times");

    // More come while nobody listens.
    accesses.extend(accesses_at_once(&hospital, 3).await);
    let notifier = hospital.client(HOSPITAL, Role::Notifier);
    let mut rest = Notifications::open(&notifier, HOSPITAL, &journal)
        .await
        .expect("opened");
    for _ in 0..3 {
        let delivery = rest.next().await.expect("a delivery");
        assert!(!delivery.redelivered);
        let notice = access_of(&delivery);
        assert_eq!(notice.patient, hospital.patient.id());
        assert_eq!(
            (
                notice.notification.organisation.as_str(),
                notice.notification.role
            ),
            (CLINIC, Role::Clinician)
        );
        assert_eq!(notice.notification.outcome, Outcome::Permitted);
        delivery.ack().await.expect("acknowledged");
        delivery.ack().await.expect("twice is once");
        append(
            &seen,
            &format!(
                "{} {} {}\n",
                delivery.id, notice.notification.kind, notice.notification.outcome
            ),
        );
    }
    let told = std::fs::read_to_string(&seen).expect("seen");
    let enrolled: Vec<&str> = told
        .lines()
        .filter(|line| line.ends_with("account enrolled"))
        .collect();
    assert_eq!(enrolled.len(), 1, "once, like every access: {told}");
    let ids: Vec<&str> = told
        .lines()
        .filter(|line| !line.contains(" account "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), accesses.len(), "none twice, none lost");
    assert_eq!(unique, accesses.iter().map(TxId::as_str).collect());
    let count = |what: &str| told.lines().filter(|line| line.ends_with(what)).count();
    assert_eq!(
        (
            count("access refused"),
            count("access permitted"),
            count("break-glass permitted")
        ),
        (8, 11, 1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_not_acknowledged_comes_again_and_says_so() {
    if engine::embedded_only(
        "a custodian's feed tells of every patient, and others' accesses come in between",
    ) {
        return;
    }
    let hospital = Hospital::open().await;
    let accesses = accesses_at_once(&hospital, 3).await;
    let glass = break_the_glass(&hospital).await;
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("journal");
    let notifier = hospital.client(HOSPITAL, Role::Notifier);
    let open = || Notifications::open(&notifier, HOSPITAL, &path);

    let mut first = open().await.expect("opened");
    assert!(
        matches!(open().await, Err(NotifyError::Journal(JournalError::InUse(_)))),
        "one subscriber at a time"
    );
    // A wait that is given up loses nothing.
    let mut got = Vec::new();
    while got.len() < 5 {
        tokio::select! {
            biased;
            () = std::future::ready(()), if rand::random_bool(0.5) => {}
            delivery = first.next() => got.push(delivery.expect("a delivery")),
        }
    }
    assert!(got.iter().all(|d| !d.redelivered));
    assert_eq!(act_of(&got[0]), IdentityAct::Enrolled);
    assert_eq!(got[4].id, glass);
    let notice = access_of(&got[4]);
    assert_eq!(
        (notice.notification.kind, notice.notification.reason),
        (AccessKind::BreakGlass, Some(OverrideReason::Emergency))
    );
    let told: BTreeSet<TxId> = got[1..4].iter().map(|d| d.id.clone()).collect();
    assert_eq!(told, accesses.into_iter().collect());
    got[1].ack().await.expect("acknowledged");
    drop(got);
    first.close().await;

    let mut second = open().await.expect("opened");
    for _ in 0..4 {
        let delivery = second.next().await.expect("a delivery");
        assert!(delivery.redelivered);
        delivery.ack().await.expect("acknowledged");
    }
    second.close().await;

    // Whoever is no notifier of the custodian hears of an access what a block shows, and no more.
    for (msp_id, role) in [
        (CLINIC, Role::Notifier),
        (HOSPITAL, Role::Portal),
        (HOSPITAL, Role::Clinician),
    ] {
        let client = hospital.client(msp_id, role);
        let asked = client.consents().notice(HOSPITAL, glass.clone()).send().await;
        assert!(
            matches!(asked, Err(CallError::Contract(HealthError::Forbidden(_)))),
            "{msp_id} {role}: {asked:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn webhooks_arrive_signed_and_opaque_whatever_fails_in_between() {
    if engine::embedded_only(
        "a custodian's feed tells of every patient, and others' accesses come in between",
    ) {
        return;
    }
    let hospital = Hospital::open().await;
    let accesses = accesses_at_once(&hospital, 3).await;
    let ca = ca();
    let mut receiver = receiver(&ca).await;
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("journal");
    let notifier = hospital.client(HOSPITAL, Role::Notifier);
    let hook = webhook(&ca, &receiver, PATIENCE);
    let retry = RetryPolicy {
        first: Duration::from_millis(5),
        longest: Duration::from_millis(20),
        attempts: 4,
    };
    let outbox = || Outbox::open(&notifier, HOSPITAL, &path, hook.clone(), retry);

    // The first answer is a failure, the second leads elsewhere, the third never comes: the process ends while it waits.
    receiver.answer([
        Answer::Status(500),
        Answer::Redirect(format!("https://{HOST}/elsewhere")),
        Answer::Silence,
    ]);
    let mut first = outbox().await.expect("opened");
    let mut tried = Vec::new();
    tokio::select! {
        stopped = first.run() => panic!("{stopped:?}"),
        () = async { for _ in 0..3 { tried.push(receiver.next().await); } } => {}
    }
    first.close().await;
    assert!(
        tried.iter().all(|r| r.uri == "/in" && r.is_signed(&secret())),
        "no redirect is followed"
    );

    let mut again = outbox().await.expect("opened");
    let mut arrived = Vec::new();
    tokio::select! {
        stopped = again.run() => panic!("{stopped:?}"),
        () = async { for _ in 0..4 { arrived.push(receiver.next().await); } } => {}
    }
    let delivered: BTreeSet<TxId> = arrived
        .iter()
        .map(|r| r.delivery.parse().expect("an id"))
        .collect();
    let mut enrolment = delivered.clone();
    enrolment.retain(|tx| !accesses.contains(tx));
    assert_eq!(
        (delivered.len(), enrolment.len()),
        (4, 1),
        "each access arrives, and the enrolment"
    );
    assert!(
        tried
            .iter()
            .all(|r| delivered.contains(&r.delivery.parse().expect("an id"))),
        "under the same id"
    );
    let patient = hospital.patient.id().to_string();
    for request in &arrived {
        assert!(request.is_signed(&secret()));
        let said: Announcement =
            serde_json::from_slice(&request.body).expect("an announcement and nothing else");
        let tx: TxId = request.delivery.parse().expect("an id");
        let topic = if enrolment.contains(&tx) {
            Topic::Account
        } else {
            Topic::Access
        };
        assert_eq!(said, Announcement::of(HOSPITAL, topic, tx));
        let whole = format!("{:?}{}", request.headers, String::from_utf8_lossy(&request.body));
        for personal in [
            patient.as_str(),
            CLINIC,
            "clinician",
            "refused",
            "laboratory",
            "TREAT",
        ] {
            assert!(!whole.contains(personal), "{personal} in {whole}");
        }
    }

    // One that the receiver never takes: it is given up after four attempts, kept, and taken up again when asked.
    let lost = accesses_at_once(&hospital, 1).await;
    receiver.refuse(lost[0].as_str());
    tokio::select! {
        stopped = again.run() => panic!("{stopped:?}"),
        () = async {
            for _ in 0..4 {
                while receiver.next().await.delivery != lost[0].as_str() {}
            }
            // The next one is begun once the last one's end is written down.
            let next = accesses_at_once(&hospital, 1).await;
            while receiver.next().await.delivery != next[0].as_str() {}
        } => {}
    }
    again.close().await;
    let mut journal = Journal::open(&path, "health", HOSPITAL).expect("a journal");
    let dead: Vec<(&TxId, u32)> = journal.dead().iter().map(|d| (&d.tx, d.attempts)).collect();
    assert_eq!(dead, [(&lost[0], 4)]);
    assert_eq!(journal.revive().expect("written"), 1);
    drop(journal);
    receiver.accept(lost[0].as_str());
    let mut last = outbox().await.expect("opened");
    tokio::select! {
        stopped = last.run() => panic!("{stopped:?}"),
        () = async { while receiver.next().await.delivery != lost[0].as_str() {} } => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_webhook_goes_to_the_checked_address_and_keeps_its_limits() {
    let ca = ca();
    let mut receiver = receiver(&ca).await;
    let now = careledger_sdk::wallet::unix_now();
    let hook = webhook(&ca, &receiver, PATIENCE);
    let said = Announcement::of_access(HOSPITAL, "aa".parse().expect("an id"));

    // No resolver knows the name: the connection goes where the check was made.
    hook.send(&said, now).await.expect("delivered");
    assert!(receiver.next().await.is_signed(&secret()));
    receiver.answer([
        Answer::Status(204),
        Answer::Body(64 * 1024),
        Answer::Body(64 * 1024 + 1),
        Answer::Redirect("https://127.0.0.1/".into()),
        Answer::Status(410),
        Answer::Silence,
    ]);
    hook.send(&said, now).await.expect("204 is success");
    hook.send(&said, now).await.expect("64 KiB are read");
    let failed = async || hook.send(&said, now).await.expect_err("refused");
    assert!(matches!(failed().await, SendError::TooLarge));
    assert!(matches!(failed().await, SendError::Status(302)));
    assert!(failed().await.is_final(), "gone");
    let hasty = webhook(&ca, &receiver, Duration::from_secs(5));
    assert!(matches!(
        hasty.send(&said, now).await,
        Err(SendError::TooSlow | SendError::Unreachable(_))
    ));
    for _ in 0..6 {
        receiver.next().await;
    }

    // Another CA, another name in the certificate, and the rule for everybody: loopback is not reached.
    let strange = webhook(&self::ca(), &receiver, PATIENCE);
    assert!(matches!(
        strange.send(&said, now).await,
        Err(SendError::Unreachable(_))
    ));
    let other: AllowedHost = "other.example.test".parse().expect("a host");
    let misnamed = webhook_on_loopback(
        "https://other.example.test/",
        &[other],
        secret(),
        receiver.address,
        PATIENCE,
    )
    .and_then(|w| w.trust(ca.certificate_pem().as_bytes()))
    .expect("a webhook");
    assert!(matches!(
        misnamed.send(&said, now).await,
        Err(SendError::Unreachable(_))
    ));
    let here = format!("localhost:{}", receiver.address.port());
    let allowed: AllowedHost = here.parse().expect("a host");
    let ordinary = Webhook::new(&format!("https://{here}/in"), &[allowed], secret())
        .and_then(|w| w.trust(ca.certificate_pem().as_bytes()))
        .expect("the name may be public one day");
    assert!(matches!(
        ordinary.send(&said, now).await,
        Err(SendError::NotPublic { .. })
    ));
    assert!(receiver.is_idle(), "none of these reached the receiver");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_recovery_is_told_at_once_whatever_the_patient_switched_off() {
    if engine::embedded_only(
        "a custodian's feed tells of every patient, and others' accesses come in between",
    ) {
        return;
    }
    let hospital = Hospital::open().await;
    let (patient, portal) = (&hospital.patient, hospital.client(HOSPITAL, Role::Portal));
    let notifier = hospital.client(HOSPITAL, Role::Notifier);
    let dir = tempfile::tempdir().expect("a directory");
    let mut stream = Notifications::open(&notifier, HOSPITAL, dir.path().join("stream"))
        .await
        .expect("opened");
    let ca = ca();
    let mut receiver = receiver(&ca).await;
    let hook = webhook(&ca, &receiver, PATIENCE);
    let mut outbox = Outbox::open(
        &notifier,
        HOSPITAL,
        dir.path().join("hook"),
        hook,
        RetryPolicy::default(),
    )
    .await
    .expect("opened");

    // No notices of accesses, says the patient, or whoever took the device.
    let Signed { body, intent } = patient.choose_notifications(false).expect("signed");
    let consents = portal.consents();
    consents
        .choose_notifications(HOSPITAL, body, intent)
        .send()
        .await
        .expect("switched");
    let unwanted = accesses_at_once(&hospital, 2).await;
    // What no patient is told has an event like an access: a dispute.
    let Signed { body, intent } = patient.dispute(unwanted[0].clone(), "not mine").expect("signed");
    consents
        .dispute(HOSPITAL, body, intent)
        .send()
        .await
        .expect("disputed");

    let identity = portal.identity();
    let guardian = Wallet::generate(consortium()).guardian_key().expect("a key");
    let card = GuardianCard::issue(patient, guardian.public_key());
    let policy = policy_of(
        std::slice::from_ref(&card),
        1,
        Rules::STANDARD.default_delay,
        true,
    )
    .expect("a policy");
    let Signed { body, intent } = patient.choose_guardians(policy).expect("signed");
    identity
        .choose_guardians(HOSPITAL, body, intent)
        .send()
        .await
        .expect("chosen");
    let tablet = DeviceKey::from_secret(Algorithm::Ed25519, &[5; 32]).expect("a key");
    let Signed { body, intent } = patient.add_key(tablet.public_key()).expect("signed");
    identity
        .add_key(HOSPITAL, body, intent)
        .send()
        .await
        .expect("added");
    let thief = Wallet::generate(consortium())
        .at(HOSPITAL)
        .expect("a wallet")
        .restoring(patient.id());
    let approval = guardian
        .approve(&card, thief.recovery(), thief.key())
        .expect("signed");
    let Signed { body, intent } = thief.open(approval).expect("signed");
    identity
        .init_recovery(HOSPITAL, body, intent)
        .send()
        .await
        .expect("opened");
    let begun = identity
        .begin_delay(HOSPITAL, thief.begin_delay())
        .send()
        .await
        .expect("begun");
    let Signed { body, intent } = patient.freeze(None).expect("signed");
    identity
        .freeze(HOSPITAL, body, intent)
        .send()
        .await
        .expect("frozen");

    let expected = [
        IdentityAct::Enrolled,
        IdentityAct::PolicyChosen,
        IdentityAct::KeyAdded,
        IdentityAct::RecoveryOpened,
        IdentityAct::DelayBegun,
        IdentityAct::Frozen,
    ];
    let (mut acts, mut silent) = (Vec::new(), 0);
    while acts.len() < expected.len() {
        let delivery = stream.next().await.expect("a delivery");
        let told = delivery.notice.as_ref().expect("its body");
        assert_eq!(told.patient(), patient.id());
        match told {
            Told::Account(notice) => acts.push(notice.act),
            Told::Access(notice) => {
                assert!(
                    !notice.wanted && unwanted.contains(&delivery.id),
                    "{}",
                    delivery.id
                );
                silent += 1;
            }
        }
        delivery.ack().await.expect("acknowledged");
    }
    assert_eq!((acts.as_slice(), silent), (expected.as_slice(), 2));

    let mut announced = Vec::new();
    tokio::select! {
        stopped = outbox.run() => panic!("{stopped:?}"),
        () = async { while announced.len() < expected.len() { announced.push(receiver.next().await); } } => {}
    }
    for request in &announced {
        let said: Announcement = serde_json::from_slice(&request.body).expect("an announcement");
        assert_eq!(said.kind, "account", "no access is announced");
    }
    assert!(announced.iter().any(|request| request.delivery == begun.tx_id));

    // Switched on again, accesses are announced as before.
    let Signed { body, intent } = patient.choose_notifications(true).expect("signed");
    consents
        .choose_notifications(HOSPITAL, body, intent)
        .send()
        .await
        .expect("switched");
    let wanted = accesses_at_once(&hospital, 1).await;
    tokio::select! {
        stopped = outbox.run() => panic!("{stopped:?}"),
        () = async {
            loop {
                let next = receiver.next().await;
                if next.delivery == wanted[0].as_str() {
                    break;
                }
                // What was answered while the first run was given up comes again, under its id.
                assert!(announced.iter().any(|before| before.delivery == next.delivery), "{}", next.delivery);
            }
        } => {}
    }
}

fn access_of(delivery: &Delivery) -> &Notice {
    delivery
        .notice
        .as_ref()
        .and_then(Told::access)
        .expect("an access with its body")
}

fn act_of(delivery: &Delivery) -> IdentityAct {
    let notice = delivery.notice.as_ref().and_then(Told::account);
    notice.expect("a change of an account with its body").act
}

/// A subscriber in a process of its own.
struct Subscriber {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Subscriber {
    fn start(hospital: &Hospital, journal: &Path, seen: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_careledger-notify-child"))
            .arg(hospital.network_dir())
            .args([Path::new(HOSPITAL), journal, seen])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the subscriber starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, lines }
    }

    /// Waits for its next step.
    fn step(&mut self) -> String {
        tokio::task::block_in_place(|| self.lines.next())
            .expect("the subscriber runs")
            .expect("a line")
    }

    /// SIGKILL, wherever it is by now.
    fn kill(mut self) {
        self.child.kill().expect("it is there");
        self.child.wait().expect("it ends");
    }
}

/// Whether the file of seen accesses is complete and nothing waits in the journal. The subscriber may be writing: what is read is what a crash would leave.
fn is_all_acknowledged(journal: &Path, seen: &Path, accesses: usize) -> bool {
    let lines = std::fs::read_to_string(seen).unwrap_or_default().lines().count();
    lines == accesses && {
        let text = std::fs::read_to_string(journal).unwrap_or_default();
        let count = |what: &str| text.matches(what).count();
        count("{\"received\"") == accesses && count("{\"done\"") == accesses
    }
}

/// So many accesses of the clinic, submitted at the same time so that they share blocks.
async fn accesses_at_once(hospital: &Hospital, count: usize) -> Vec<TxId> {
    let kem = KemKeyPair::generate();
    let submitted = (0..count).map(|_| hospital.access(&GRANTED, &kem));
    futures::future::join_all(submitted).await
}

async fn break_the_glass(hospital: &Hospital) -> TxId {
    let emergency = hospital.client(CLINIC, Role::Emergency);
    let request = BreakGlassRequest {
        patient: hospital.patient.id(),
        reason: OverrideReason::Emergency,
        encounter: None,
        minutes: 30,
        attest: true,
        kem_key: KemKeyPair::generate().public(),
    };
    let broken = emergency
        .consents()
        .break_glass(HOSPITAL, request)
        .send()
        .await
        .expect("broken");
    broken.tx_id.parse().expect("an id")
}

fn ca() -> Ca {
    Ca::new("ca.example.test", "Receivers", None).expect("a CA")
}

async fn receiver(ca: &Ca) -> Receiver {
    let tls = ca
        .issue(&IssueRequest {
            common_name: HOST.to_owned(),
            kind: Kind::Tls,
            sans: vec![HOST.to_owned(), "localhost".to_owned()],
            ..Default::default()
        })
        .expect("a certificate");
    Receiver::start(&tls.certificate_pem, &tls.key_pem).await
}

fn webhook(ca: &Ca, receiver: &Receiver, patience: Duration) -> Webhook {
    let allowed: AllowedHost = HOST.parse().expect("a host");
    webhook_on_loopback(
        &format!("https://{HOST}/in"),
        &[allowed],
        secret(),
        receiver.address,
        patience,
    )
    .and_then(|w| w.trust(ca.certificate_pem().as_bytes()))
    .expect("a webhook")
}

fn secret() -> WebhookSecret {
    WebhookSecret::new(b"a secret of thirty-two bytes, 32".to_vec()).expect("long enough")
}

fn append(path: &Path, line: &str) {
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(path)
        .expect("the file");
    file.write_all(line.as_bytes()).expect("written");
}
