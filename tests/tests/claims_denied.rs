//! Denials on a running network: each is told once, in an 835 too, and what an appeal makes of it is paid once.

use careledger::health::{Gateways, HOSPITAL, INSURER};
use careledger_api::contracts::claims::{ClaimStatus, WaitingStep};
use careledger_api::date::Date;
use careledger_api::roles::Role;
use careledger_sdk::Session;
use careledger_sdk::claims::desk::Desk;
use careledger_sdk::wallet::unix_now;
use careledger_sdk::x12::{Advice, advice_from_x12};
use careledger_tests::billing::{adjudicate, cover, plan, submit, view, visit};
use careledger_tests::command::HealthNetwork;
use careledger_tests::engine;
use futures::StreamExt;
use serde_json::{Value, json};

use crate::claims::start;
use crate::claims_paying::{Files, parties};

#[test]
fn a_denial_is_told_appealed_and_what_comes_of_it_is_paid_once() {
    if engine::embedded_only("it remits all that waits, and looks at what is left") {
        return;
    }
    let temporary = tempfile::tempdir().expect("a directory");
    let files = Files(temporary.path().to_owned());
    let network = HealthNetwork::start(&files.path("network"));
    let late = files.approved(files.cover(), 200);
    files.write("parties.json", &parties());
    // The remittance that the day's work put the claim on.
    let worked = || -> Option<String> {
        let (ended, told) = files.run(&["work", "--as", INSURER, "--with", HOSPITAL, "--remit"]);
        assert!(ended, "{told}");
        let rows = told["remittances"].as_array().cloned().unwrap_or_default();
        let found = rows.iter().find(|row| row["claims"] == json!([&late]));
        found.map(|row| row["remittance"].as_str().expect("an id").to_owned())
    };
    let advised = |remittance: &str, to: &str| -> Advice {
        let (parties, to) = (files.name("parties.json"), files.name(to));
        let show = ["remit", "--show", remittance, "--x12", &to, "--parties", &parties];
        let (ended, told) = files.payer(&show);
        assert!(ended, "{told}");
        let file = std::fs::read(to).expect("written");
        advice_from_x12(&file).expect("an 835").remove(0)
    };
    let row = |remittance: &str| -> Value {
        let (_, told) = files.provider(&["remit", "--list"]);
        let rows = told["remittances"].as_array().cloned().unwrap_or_default();
        let found = rows.into_iter().find(|row| row["remittance"] == remittance);
        found.unwrap_or_default()
    };
    let said = |advice: &Advice| -> Vec<(String, i64, i64)> {
        let claims = advice.claims.iter();
        claims
            .map(|claim| (claim.status.clone(), claim.charge, claim.paid))
            .collect()
    };

    let first = worked().expect("its provider is told");
    let file = advised(&first, "denied.835");
    assert_eq!((file.paid, said(&file)), (0, vec![("4".to_owned(), 18_000, 0)]));
    assert_eq!(
        file.claims[0].lines[0].adjustments.len(),
        1,
        "why nothing is paid: {file:?}"
    );
    assert_eq!(
        (&row(&first)["denied"], &row(&first)["to_pay"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(worked(), None, "once");
    assert_eq!(
        files
            .payer(&["pay", "--remittance", &first, "--reference", "EFT-1"])
            .1["count"],
        0
    );
    assert!(!files.payer(&["reverse", &late, "--reason", "nothing was paid"]).0);

    let text = files.write("appeal.txt", "it was sent in time, by post");
    assert!(files.provider(&["appeal", &late, "--text", &text]).0);
    let (_, told) = files.run(&["waiting", "--as", INSURER, "--with", HOSPITAL, "--step", "appeal"]);
    assert!(told["waiting"][HOSPITAL]["claims"][0]["due"].is_i64(), "{told}");
    assert_eq!(worked(), None, "it is under appeal");
    let overturn = [
        "decide",
        &late,
        "--overturn",
        "1:TIMELY_FILING",
        "--reason",
        "it came by post",
        "--user",
        "payer2",
    ];
    let (ended, told) = files.payer(&overturn);
    assert!(ended, "{told}");

    let second = worked().expect("it is paid");
    assert_ne!(first, second);
    let file = advised(&second, "paid.835");
    let expected = [("22".to_owned(), -18_000, 0), ("1".to_owned(), 18_000, 14_000)];
    assert_eq!((file.paid, said(&file)), (14_000, expected.to_vec()));
    let again = advised(&first, "again.835");
    assert_eq!(said(&again), [("4".to_owned(), 18_000, 0)], "as it was told");
    let paying = |remittance: &str| {
        let (_, told) = files.payer(&["pay", "--remittance", remittance, "--reference", "EFT-2"]);
        told["count"].clone()
    };
    assert_eq!(paying(&second), 1);
    assert_ne!(paying(&second), 1);
    assert_ne!(paying(&first), 1);
    let (_, told) = files.payer(&["show", &late]);
    assert_eq!(told["claim"]["status"], "PAID");
    assert_eq!(
        told["claim"]["payments"].as_array().map(Vec::len),
        Some(1),
        "{told}"
    );
    network.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_denial_is_told_once_though_the_network_dies_in_between() {
    if engine::embedded_only("it kills the network's own process") {
        return;
    }
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let dir = temporary.path().join("network");
    let (payer, running) = start(&dir).await;
    let gateways = Gateways::connect(&running.summary())
        .await
        .expect("the peers answer");
    let session = Session::new();
    let payer = payer.in_session(&session);
    let provider = gateways
        .health(HOSPITAL, Role::ProviderBilling)
        .expect("a person")
        .in_session(&session);
    let mut late = visit(cover(&payer, plan()).await.coverage.id);
    late.lines[0].date = Date::from_unix(unix_now() - 4_000 * 86_400).expect("a date");
    submit(&provider, &late).await;
    adjudicate(&payer, late.id).await;
    assert_eq!(view(&payer, late.id).await.status, ClaimStatus::Denied);
    running.kill();

    let (payer, running) = start(&dir).await;
    let desk = Desk::new(payer, INSURER);
    let waits = desk.waiting(HOSPITAL, Some(WaitingStep::Remit)).await;
    assert_eq!(waits.expect("what waits").claims.len(), 1);
    // Nobody waits for its answer.
    let under_way = desk.remit(HOSPITAL, [late.id]).collect::<Vec<_>>();
    let _unknown = tokio::time::timeout(std::time::Duration::from_millis(5), under_way).await;
    running.kill();

    let (payer, running) = start(&dir).await;
    let desk = Desk::new(payer.clone(), INSURER);
    let remit = async || {
        let mut told = desk.remit(HOSPITAL, [late.id]).collect::<Vec<_>>().await;
        let issued = told.remove(0).result;
        issued.expect("told, by whichever of the two")
    };
    let issued = remit().await;
    let again = remit().await;
    assert_eq!((issued.id, again.elsewhere, again.total), (again.id, true, 0));
    let seen = view(&payer, late.id).await;
    assert_eq!(
        (seen.status, seen.remittances, seen.denials),
        (ClaimStatus::Denied, vec![issued.id], [issued.id].into())
    );
    let waits = desk.waiting(HOSPITAL, Some(WaitingStep::Remit)).await;
    assert_eq!(waits.expect("what waits").claims, []);
    assert!(running.stop().success());
}
