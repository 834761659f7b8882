//! Whose word counts: one organisation with altered code writes statements of the other, or a correction past the contract's checks.

use crate::claims::{
    AUTHORISATION, adjudicate, authorised, authorising, book, came, claim, codes, correct, covered_by, id,
    instead, on, paid, payers, paying, person, providers, receive, replace, request, submit, view, waiting,
};
use crate::claims_forged::{PAIR, forge, forge_claim, forge_word, guard, salt, stored};
use crate::claims_money::reversal;
use crate::claims_review::{decided, denying, step};
use crate::fixture::{HOSPITAL, INSURER, World, world};
use careledger_api::HealthError;
use careledger_api::adjudication::{Frequency, ProcedureRules, Sex};
use careledger_api::contracts::claims::{
    AppealAct, AppealBody, AppealDecision, AppealStatus, AuthorisationAct, AuthorisationAnswer,
    AuthorisationDecision, AuthorisationStatus, ClaimBody, ClaimStatus, ClaimsClient, Information,
    ReportQuery, Rulings,
};
use careledger_api::ids::{CoverageId, TxId};
use careledger_api::roles::Role;
use fabric_contract_core::KeyPolicy;
use serde_json::{Value, json};

const INVENTED: &str = "abababababababababababababababababababababababababababababababab";

/// The payer's peer writes a statement under every key that it could be looked for, and tries to list it.
fn forged(world: &World, kind: &str, about: &str, listed: &str, value: &Value) {
    let key = format!("{kind}~{about}");
    for key in [key.clone(), format!("{key}~{INVENTED}")] {
        assert!(forge(world, INSURER, &[(key, value.clone())]));
    }
    assert!(
        !forge(
            world,
            INSURER,
            &[(listed.to_owned(), json!({"salt": salt(world)}))]
        ),
        "the provider's own key"
    );
}

fn of_claim() -> String {
    format!("conf~{}", id(1))
}

fn appealing(world: &World) -> AppealBody {
    AppealBody {
        claim: id(1),
        text: "the wait was waived".into(),
        documents: vec![],
        salt: world.wallet.salt(),
    }
}

fn upholding(world: &World) -> AppealDecision {
    AppealDecision {
        act: AppealAct::Uphold,
        level: None,
        step: step(world),
        rulings: Rulings::new(),
        reason: "as the plan says".into(),
    }
}

#[tokio::test]
async fn a_payer_does_not_answer_its_own_question() {
    let asking = ProcedureRules {
        sex: Some(Sex::Female),
        ..ProcedureRules::default()
    };
    let world = decided(asking).await;
    let asked = book(&world, 1).await.tx;
    let information = Information {
        claim: id(1),
        text: "nothing to add".into(),
        documents: vec![],
        salt: world.wallet.salt(),
    };
    let about = format!("{}~{asked}", id(1));
    forged(&world, "info", &about, &of_claim(), &json!(information));
    let seen = view(&world, 1).await;
    assert_eq!((seen.status, seen.information.len()), (ClaimStatus::Pended, 0));
    let decided = adjudicate(&world, id(1)).await;
    assert!(matches!(decided, Err(HealthError::ConflictState(_))));
    // Nor does it keep the provider from answering.
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    providers!(&world, &biller, provide_information(information)).unwrap();
    let seen = view(&world, 1).await;
    assert_eq!((seen.status, seen.information.len()), (ClaimStatus::Accepted, 1));
}

#[tokio::test]
async fn a_payer_neither_appeals_nor_takes_an_appeal_back() {
    let world = decided(denying()).await;
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let reviewer = person(&world, INSURER, Role::Payer);
    let first = format!("{}~1", id(1));
    forged(&world, "appeal", &first, &of_claim(), &json!(appealing(&world)));
    assert!(view(&world, 1).await.appeal.is_none());
    let early = payers!(&world, &reviewer, decide_appeal(upholding(&world)));
    assert!(matches!(early, Err(HealthError::ConflictState(text)) if text.contains("nobody appealed")));
    providers!(&world, &biller, appeal(appealing(&world))).unwrap();
    forged(
        &world,
        "appwd",
        &first,
        &of_claim(),
        &json!({"salt": salt(&world)}),
    );
    let open = view(&world, 1).await.appeal.unwrap();
    assert_eq!(open.status, AppealStatus::First);
    payers!(&world, &reviewer, decide_appeal(upholding(&world))).unwrap();
    // What the provider said is nobody's to change, and counts as it was said.
    let word = stored(&world, of_claim());
    let said = word["said"]["appeal/1"]["key"].as_str().unwrap().to_owned();
    for organisation in [INSURER, HOSPITAL] {
        assert!(!forge(
            &world,
            organisation,
            &[(said.clone(), json!({"salt": salt(&world)}))]
        ));
    }
    forge_word(&world, 1, |word| {
        word["said"]["appeal/1"]["hash"] = json!(INVENTED)
    });
    assert!(view(&world, 1).await.appeal.is_none());
    // A word without any form says nothing, and ends nobody's view.
    forge_word(&world, 1, |word| *word = json!({"said": 1, "salt": salt(&world)}));
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Denied);
    let payer = world.client(INSURER, Role::Payer);
    let report = ClaimsClient::new(&payer).service_report(INSURER, HOSPITAL, ReportQuery::default());
    report.endorsed_by([INSURER]).send().await.unwrap();
}

#[tokio::test]
async fn a_payer_neither_cancels_nor_informs_for_who_asked_it() {
    let world = authorising().await;
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let payer = world.client(INSURER, Role::Payer);
    providers!(&world, &biller, request_authorisation(request(&world, 2))).unwrap();
    let decision = |act, reason: Option<&str>| AuthorisationDecision {
        id: AUTHORISATION,
        act,
        given: None,
        reason: reason.map(str::to_owned),
        salt: world.wallet.salt(),
    };
    let pend = decision(AuthorisationAct::Pend, Some("which knee"));
    let asked: TxId = payers!(&world, &payer, decide_authorisation(pend)).unwrap();
    let listed = format!("authsaid~{AUTHORISATION}");
    let said = |act| AuthorisationAnswer {
        id: AUTHORISATION,
        act,
        text: "the left one".into(),
        documents: vec![],
        salt: world.wallet.salt(),
    };
    let answer = json!({"answer": said(AuthorisationAct::Inform), "tx": INVENTED});
    forged(
        &world,
        "authans",
        &format!("{AUTHORISATION}~{asked}"),
        &listed,
        &answer,
    );
    let seen = || async {
        let asked = ClaimsClient::new(&biller).authorisation(INSURER, HOSPITAL, AUTHORISATION);
        asked.endorsed_by([HOSPITAL]).send().await.unwrap().status
    };
    assert_eq!(seen().await, AuthorisationStatus::Pended);
    let inform = said(AuthorisationAct::Inform);
    providers!(&world, &biller, answer_authorisation(inform.clone())).unwrap();
    let twice = providers!(&world, &biller, answer_authorisation(inform));
    assert!(matches!(twice, Err(HealthError::ConflictState(_))));
    assert_eq!(seen().await, AuthorisationStatus::Requested);
    let approve = decision(AuthorisationAct::Approve, None);
    payers!(&world, &payer, decide_authorisation(approve)).unwrap();
    let cancel = json!({"answer": said(AuthorisationAct::Cancel), "tx": INVENTED});
    forged(&world, "authcan", &AUTHORISATION.to_string(), &listed, &cancel);
    assert_eq!(seen().await, AuthorisationStatus::Approved);
    submit(&world, authorised(&world, 1, 1)).await.unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Approved);
    providers!(
        &world,
        &biller,
        answer_authorisation(said(AuthorisationAct::Cancel))
    )
    .unwrap();
    let mut next = authorised(&world, 2, 1);
    next.claim.lines[0].date = "2027-01-10".parse().unwrap();
    submit(&world, next).await.unwrap();
    adjudicate(&world, id(2)).await.unwrap();
    assert_eq!(view(&world, 2).await.status, ClaimStatus::Denied);
}

/// What the payer's peer has not got stops that claim's money, not its reversal, and nobody's view.
#[tokio::test]
async fn a_word_that_is_withheld_stops_no_reversal_and_no_report() {
    let world = paid().await;
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let payer = world.client(INSURER, Role::Payer);
    let withheld = waiting!(&biller, HOSPITAL, confirm(came(&world))).withholding_private_values();
    assert_eq!(codes(&world, [withheld]), ["VALID"]);
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Paid);
    let report = ClaimsClient::new(&payer).service_report(INSURER, HOSPITAL, ReportQuery::default());
    report.endorsed_by([INSURER]).send().await.unwrap();
    let stopped = paying(&world, 1, 0).await;
    assert!(
        matches!(stopped, Err(HealthError::ConflictState(_))),
        "{stopped:?}"
    );
    payers!(&world, &payer, reverse(reversal(&world, 1))).unwrap();
    assert_eq!(book(&world, 1).await.status, ClaimStatus::Reversed);
}

/// Who takes the key of the provider's word first takes it from nobody: that claim is not submitted, or not decided on.
#[tokio::test]
async fn a_word_is_the_providers_from_the_submission_on() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    let taken = [(of_claim(), json!({"payment": INVENTED, "salt": salt(&world)}))];
    assert!(forge(&world, INSURER, &taken));
    let refused = submit(&world, claim(&world, 1, "X-1001")).await;
    assert!(matches!(refused, Err(HealthError::Duplicate(_))));
    // A claim that the payer wrote in the provider's name, with a word that it can change.
    let body = on(&world, 1, "2027-01-14");
    let invented = json!({"claim": body.claim, "received": "2027-01-14", "salt": body.salt});
    let key = format!("claim~{}", id(1));
    assert!(forge(&world, INSURER, &[(key.clone(), invented)]));
    guard(&world, &key, &KeyPolicy::all_peers([INSURER, HOSPITAL]));
    for refused in [adjudicate(&world, id(1)).await, receive(&world, &[1]).await] {
        assert!(
            matches!(&refused, Err(HealthError::ConflictState(text)) if text.contains("not the provider's alone")),
            "{refused:?}"
        );
    }
    // And the provider says nothing there.
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let confirmed = providers!(&world, &biller, confirm(came(&world)));
    assert!(matches!(confirmed, Err(HealthError::ConflictState(_))));
    assert_eq!(
        world.mock.private(INSURER, PAIR, &of_claim()).unwrap(),
        Some(serde_json::to_vec(&taken[0].1).unwrap())
    );
}

/// A correction past the contract's checks: of a claim that is paid, of one that goes on, by somebody else than its provider.
#[tokio::test]
async fn a_correction_that_does_not_fit_takes_nothing_back() {
    let world = paid().await;
    let by = |n: u8, change: &dyn Fn(&mut ClaimBody)| {
        let mut by = instead(&world, n, 1, Frequency::Replacement);
        by.claim.lines[0].date = "2027-01-14".parse().unwrap();
        change(&mut by);
        by
    };
    let marked = |n: u8| forge_word(&world, 1, |word| word["successor"] = json!(id(n)));
    // The money has moved; the coverage is another's; nobody says that it is one.
    forge_claim(&world, &by(2, &|_| ()), true);
    forge_claim(
        &world,
        &by(3, &|by| by.claim.coverage = CoverageId::from_bytes([9; 16])),
        true,
    );
    let unsaid = by(4, &|_| ());
    forge_claim(&world, &unsaid, true);
    marked(2);
    receive(&world, &[2]).await.unwrap();
    marked(3);
    receive(&world, &[3, 4]).await.unwrap();
    for (n, words) in [
        (2, "reverses that first"),
        (3, "reverses that first"),
        (4, "does not say"),
    ] {
        let seen = view(&world, n).await;
        assert_eq!(seen.status, ClaimStatus::Rejected, "{n}");
        assert!(
            seen.rejection[0].explanation.contains(words),
            "{:?}",
            seen.rejection
        );
    }
    let old = view(&world, 1).await;
    assert_eq!(
        (old.status, old.successor, old.correction),
        (ClaimStatus::Paid, None, None)
    );
    let again = replace(&world, unsaid).await;
    assert!(matches!(again, Err(HealthError::ConflictState(text)) if text.contains("rejected this claim")));
    // A correction of what was rejected is refused; the provider corrects the claim itself, once its money is back.
    let mut of_rejected = by(5, &|_| ());
    of_rejected.claim.replaces = Some(id(2));
    let refused = replace(&world, of_rejected.clone()).await;
    assert!(matches!(refused, Err(HealthError::ConflictState(_))));
    forge_claim(&world, &of_rejected, true);
    forge_word(&world, 2, |word| word["successor"] = json!(id(5)));
    receive(&world, &[5]).await.unwrap();
    assert_eq!(view(&world, 5).await.status, ClaimStatus::Rejected);
    let payer = world.client(INSURER, Role::Payer);
    payers!(&world, &payer, reverse(reversal(&world, 1))).unwrap();
    marked(6);
    forge_claim(
        &world,
        &by(6, &|by| by.claim.coverage = CoverageId::from_bytes([9; 16])),
        true,
    );
    receive(&world, &[6]).await.unwrap();
    assert!(
        view(&world, 6).await.rejection[0]
            .explanation
            .contains("same coverage")
    );
    correct(&world, by(7, &|_| ())).await.unwrap();
    adjudicate(&world, id(7)).await.unwrap();
    assert_eq!(book(&world, 7).await.due, 17_100);
}

/// A provider that says that a correction waits which is not there stops its own money alone; a correction of a correction waits for its turn.
#[tokio::test]
async fn a_correction_that_is_not_there_stops_the_providers_own_money() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    for (n, day) in [(1, "2027-01-13"), (2, "2027-01-14")] {
        submit(&world, on(&world, n, day)).await.unwrap();
        adjudicate(&world, id(n)).await.unwrap();
    }
    forge_word(&world, 1, |word| word["successor"] = json!(id(9)));
    let stopped = paying(&world, 1, 17_100).await;
    assert!(matches!(stopped, Err(HealthError::ConflictState(_))));
    let due = book(&world, 2).await.due;
    paying(&world, 2, due).await.unwrap();
    assert_eq!(receive(&world, &[9]).await.unwrap_err(), HealthError::NotFound);
    // Two at once, one of the other: the second takes nothing back before the first has.
    let first = {
        let mut by = instead(&world, 3, 1, Frequency::Replacement);
        by.claim.lines[0].date = "2027-01-13".parse().unwrap();
        by
    };
    let mut second = first.clone();
    (second.claim.id, second.claim.replaces) = (id(4), Some(id(3)));
    forge_word(&world, 1, |word| word["successor"] = Value::Null);
    replace(&world, first).await.unwrap();
    forge_claim(&world, &second, true);
    forge_word(&world, 3, |word| word["successor"] = json!(id(4)));
    let early = receive(&world, &[4]).await;
    assert!(matches!(early, Err(HealthError::ConflictState(_))));
    receive(&world, &[3]).await.unwrap();
    receive(&world, &[4]).await.unwrap();
    assert_eq!(view(&world, 3).await.successor, Some(id(4)));
    adjudicate(&world, id(4)).await.unwrap();
    assert_eq!(book(&world, 1).await.status, ClaimStatus::Replaced);
}
