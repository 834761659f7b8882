//! What decides about a payer's money is not shed by taking a claim back, by another claim beside it, or by another order of its lines; and a request is decided on
//! as it was seen.

use crate::claims::{
    AUTHORISATION, adjudicate, approved, authorised, authorising, book, correct, covered_by, id, is_conflict,
    on, paid, payers, paying, person, providers, receive, request, submit, view,
};
use crate::claims_forged::{forge, forge_claim, forge_word, guard, salt};
use crate::claims_money::reversal;
use crate::fixture::{HOSPITAL, INSURER, World, contract_error, world};
use careledger_api::HealthError;
use careledger_api::adjudication::{ClaimLine, EditCode, Effect, Frequency, Ruling, Site};
use careledger_api::contracts::claims::{
    AdjudicationStep, AppealAct, AppealBody, AppealDecision, AuthorisationAct, AuthorisationDecision,
    AuthorisationRequest, AuthorisationView, ClaimBody, ClaimStatus, ClaimsClient, DoubtView, Feedback,
    FlagClearance, FraudFlag, NOT_RENDERED, RulingConfirmation, RulingProposal, Rulings,
};
use careledger_api::ids::TxId;
use careledger_api::roles::Role;
use fabric_contract_core::KeyPolicy;
use fabric_contract_mock::now;
use serde_json::{Value, json};

const OWN: &str = "payer_InsurerMSP";
const DAY: &str = "2027-01-14";

async fn covered() -> World {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    world
}

/// A world with a claim of that day, number 1, that is flagged and pended.
async fn flagged() -> (World, TxId) {
    let world = covered().await;
    submit(&world, on(&world, 1, DAY)).await.unwrap();
    let flag = raised(&world, 1, Some(1)).unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    (world, flag)
}

/// A screening flags a line of a claim.
fn raised(world: &World, n: u8, line: Option<u16>) -> Result<TxId, HealthError> {
    let payer = world.client(INSURER, Role::Payer);
    let flag = FraudFlag {
        claim: id(n),
        line,
        kind: "phantom".into(),
        score: 900,
        explanation: "no record of it".into(),
        salt: world.wallet.salt(),
    };
    now(async { payers!(world, &payer, flag(flag)) })
}

/// A person takes a flag away.
fn cleared(world: &World, n: u8, flag: &TxId) -> Result<TxId, HealthError> {
    let reviewer = person(world, INSURER, Role::Payer);
    let clearance = FlagClearance {
        claim: id(n),
        flag: flag.clone(),
        reason: "the record came".into(),
        salt: world.wallet.salt(),
    };
    now(async { payers!(world, &reviewer, clear_flag(clearance)) })
}

/// The member says of a line whether it was rendered.
fn says(world: &World, n: u8, line: u16, rendered: bool) -> Result<TxId, HealthError> {
    let portal = world.client(INSURER, Role::Portal);
    let said = Feedback {
        claim: id(n),
        line,
        rendered,
        salt: world.wallet.salt(),
    };
    now(async { payers!(world, &portal, feedback(said)) })
}

/// Two people rule on the flag of the first line.
fn ruled(world: &World, n: u8, ruling: Ruling) -> Result<TxId, HealthError> {
    let (one, other) = (
        person(world, INSURER, Role::Payer),
        person(world, INSURER, Role::Payer),
    );
    let proposal = RulingProposal {
        claim: id(n),
        rulings: Rulings::from([(1, [(EditCode::Flagged, ruling)].into())]),
        reason: "the record shows it".into(),
        salt: world.wallet.salt(),
    };
    let proposal = now(async { payers!(world, &one, propose_ruling(proposal)) })?;
    let confirmation = RulingConfirmation {
        proposal,
        step: AdjudicationStep::new(id(n), world.wallet.salt()),
    };
    now(async { payers!(world, &other, confirm_ruling(confirmation)) })
}

/// The same claim in the place of another, or to take it back.
fn by(mut body: ClaimBody, of: u8, frequency: Frequency) -> ClaimBody {
    (body.claim.frequency, body.claim.replaces) = (frequency, Some(id(of)));
    body
}

/// A claim is taken back, and the payer receives that.
async fn voided(world: &World, n: u8, of: ClaimBody, before: u8) {
    let mut body = by(of, before, Frequency::Void);
    body.claim.id = id(n);
    correct(world, body).await.unwrap();
    assert_eq!(view(world, before).await.status, ClaimStatus::Voided);
}

/// Adjudicated: its status, and why its lines wait for people's look.
async fn looked_at(world: &World, n: u8) -> (ClaimStatus, Vec<(u16, String)>) {
    adjudicate(world, id(n)).await.unwrap();
    waits(world, n).await
}

async fn waits(world: &World, n: u8) -> (ClaimStatus, Vec<(u16, String)>) {
    let view = view(world, n).await;
    let edits = view.adjudication.into_iter().flat_map(|found| found.lines);
    let pended = edits
        .flat_map(|line| line.edits)
        .filter(|edit| (edit.code, edit.effect) == (EditCode::Flagged, Effect::Pended));
    let why = pended.map(|edit| (edit.line.unwrap(), edit.explanation.into_owned()));
    (view.status, why.collect())
}

/// Asserts that the first line waits, because the service was doubted on another claim.
async fn is_doubted(world: &World, n: u8, on: u8) {
    let (status, why) = looked_at(world, n).await;
    assert_eq!(status, ClaimStatus::Pended, "claim {n}");
    assert!(
        why.iter()
            .any(|(line, text)| *line == 1 && text.starts_with("another claim of this service")),
        "claim {n}: {why:?}"
    );
    let doubt = DoubtView {
        line: 1,
        provider: HOSPITAL.into(),
        claim: id(on),
    };
    assert!(book(world, n).await.doubts.contains(&doubt), "claim {n}");
}

fn seen(world: &World) -> Result<AuthorisationView, HealthError> {
    let payer = world.client(INSURER, Role::Payer);
    let asked = ClaimsClient::new(&payer).authorisation(INSURER, HOSPITAL, AUTHORISATION);
    now(asked.endorsed_by([INSURER]).send()).map_err(|error| contract_error::<()>(Err(error)))
}

fn approve(world: &World) -> Result<TxId, HealthError> {
    let payer = world.client(INSURER, Role::Payer);
    let decision = AuthorisationDecision {
        id: AUTHORISATION,
        act: AuthorisationAct::Approve,
        given: None,
        reason: None,
        salt: world.wallet.salt(),
    };
    now(async { payers!(world, &payer, decide_authorisation(decision)) })
}

/// Between a person's look at a request and their approval its provider's altered peer puts another one in its place.
#[tokio::test]
async fn a_request_that_its_provider_can_still_change_is_neither_shown_nor_approved() {
    let world = authorising().await;
    let small = request(&world, 1);
    let keys = [format!("auth~{}", small.id), format!("authsaid~{}", small.id)];
    let body = |request: &AuthorisationRequest| json!({"request": request, "at": 1_800_000_000i64});
    let word = json!({"payment": null, "salt": salt(&world)});
    assert!(forge(
        &world,
        HOSPITAL,
        &[(keys[0].clone(), body(&small)), (keys[1].clone(), word)]
    ));
    guard(&world, &keys[1], &KeyPolicy::any_peer([HOSPITAL]));
    is_conflict(seen(&world), "as the contract writes them");
    is_conflict(approve(&world), "as the contract writes them");
    let big = AuthorisationRequest { units: 999, ..small };
    assert!(forge(&world, HOSPITAL, &[(keys[0].clone(), body(&big))]));
    is_conflict(approve(&world), "as the contract writes them");
    // Once nobody changes it alone, what is seen is what is approved.
    guard(&world, &keys[0], &KeyPolicy::all_peers([INSURER, HOSPITAL]));
    assert_eq!(seen(&world).unwrap().request.units, 999);
    assert!(!forge(&world, HOSPITAL, &[(keys[0].clone(), body(&big))]));
    approve(&world).unwrap();
    assert_eq!(seen(&world).unwrap().given.unwrap().units, 999);
}

#[tokio::test]
async fn a_flagged_service_that_was_voided_and_is_claimed_anew_waits_for_two_people() {
    let (world, _) = flagged().await;
    says(&world, 1, 1, false).unwrap();
    voided(&world, 2, on(&world, 2, DAY), 1).await;
    submit(&world, on(&world, 3, DAY)).await.unwrap();
    is_doubted(&world, 3, 1).await;
    assert!(paying(&world, 3, 17_100).await.is_err());
    assert!(book(&world, 3).await.flags.is_empty(), "its own");
    // So does the next one, whatever its modifiers.
    voided(&world, 4, on(&world, 4, DAY), 3).await;
    let mut again = on(&world, 5, DAY);
    again.claim.lines[0].modifiers = vec!["76".into()];
    submit(&world, again).await.unwrap();
    is_doubted(&world, 5, 1).await;
    ruled(&world, 5, Ruling::SetAside).unwrap();
    assert_eq!(view(&world, 5).await.status, ClaimStatus::Approved);
    paying(&world, 5, 17_100).await.unwrap();
}

#[tokio::test]
async fn a_service_that_people_denied_waits_for_people_again_once_it_is_voided() {
    let (world, flag) = flagged().await;
    ruled(&world, 1, Ruling::Upheld).unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Denied);
    voided(&world, 2, on(&world, 2, DAY), 1).await;
    submit(&world, on(&world, 3, DAY)).await.unwrap();
    is_doubted(&world, 3, 1).await;
    ruled(&world, 3, Ruling::Upheld).unwrap();
    assert_eq!(view(&world, 3).await.status, ClaimStatus::Denied);
    // One person who takes the flag away does not undo what two people denied.
    cleared(&world, 1, &flag).unwrap();
    voided(&world, 4, on(&world, 4, DAY), 3).await;
    submit(&world, on(&world, 5, DAY)).await.unwrap();
    is_doubted(&world, 5, 1).await;
}

/// A denial for a missing authorisation, with or without a person's answer to an appeal.
#[tokio::test]
async fn a_denial_that_an_appeal_upheld_is_remembered_and_one_of_a_rule_alone_is_not() {
    for appealed in [false, true] {
        let world = authorising().await;
        let biller = world.client(HOSPITAL, Role::ProviderBilling);
        let bare = |n: u8| {
            let mut body = authorised(&world, n, 1);
            body.claim.lines[0].authorisation = None;
            body
        };
        submit(&world, bare(1)).await.unwrap();
        adjudicate(&world, id(1)).await.unwrap();
        assert_eq!(view(&world, 1).await.status, ClaimStatus::Denied);
        if appealed {
            let appeal = AppealBody {
                claim: id(1),
                text: "it was urgent".into(),
                documents: vec![],
                salt: world.wallet.salt(),
            };
            providers!(&world, &biller, appeal(appeal)).unwrap();
            let answer = AppealDecision {
                act: AppealAct::Uphold,
                level: None,
                step: AdjudicationStep::new(id(1), world.wallet.salt()),
                rulings: Rulings::new(),
                reason: "it was not".into(),
            };
            let other = person(&world, INSURER, Role::Payer);
            payers!(&world, &other, decide_appeal(answer)).unwrap();
        }
        voided(&world, 2, bare(2), 1).await;
        providers!(&world, &biller, request_authorisation(request(&world, 1))).unwrap();
        approve(&world).unwrap();
        submit(&world, authorised(&world, 3, 1)).await.unwrap();
        match appealed {
            true => is_doubted(&world, 3, 1).await,
            false => assert_eq!(looked_at(&world, 3).await.0, ClaimStatus::Approved),
        }
    }
}

/// An honest provider's peer refuses the second one; altered code does not ask.
#[tokio::test]
async fn a_second_claim_beside_a_flagged_one_waits_until_the_flag_is_gone() {
    let (world, flag) = flagged().await;
    forge_claim(&world, &on(&world, 2, DAY), true);
    is_doubted(&world, 2, 1).await;
    cleared(&world, 1, &flag).unwrap();
    let payer = world.client(INSURER, Role::Payer);
    let anew = AdjudicationStep {
        anew: true,
        ..AdjudicationStep::new(id(2), world.wallet.salt())
    };
    payers!(&world, &payer, adjudicate(anew)).unwrap();
    assert_eq!(view(&world, 2).await.status, ClaimStatus::Approved);
    assert!(book(&world, 2).await.doubts.is_empty());
}

/// The flag goes over to a claim of another day, where a person takes it away: that says nothing of the day that the flag was about.
#[tokio::test]
async fn a_service_that_a_correction_leaves_out_stays_doubted() {
    for first in [true, false] {
        let (world, flag) = flagged().await;
        let other = by(on(&world, 2, "2027-01-13"), 1, Frequency::Replacement);
        correct(&world, other).await.unwrap();
        assert_eq!(looked_at(&world, 2).await.0, ClaimStatus::Pended);
        assert_eq!(book(&world, 2).await.flags[0].line, None);
        cleared(&world, 2, &flag).unwrap();
        assert_eq!(looked_at(&world, 2).await.0, ClaimStatus::Approved);
        match first {
            true => submit(&world, on(&world, 3, DAY)).await.unwrap(),
            false => {
                let back = by(on(&world, 3, DAY), 2, Frequency::Replacement);
                correct(&world, back).await.unwrap()
            }
        };
        is_doubted(&world, 3, 1).await;
    }
}

#[tokio::test]
async fn a_flag_that_is_taken_away_from_the_claim_in_the_place_is_settled() {
    let (world, flag) = flagged().await;
    let mut dearer = by(on(&world, 2, DAY), 1, Frequency::Replacement);
    (dearer.claim.lines[0].charge, dearer.claim.total) = (25_001, 25_001);
    correct(&world, dearer.clone()).await.unwrap();
    let (status, why) = looked_at(&world, 2).await;
    assert_eq!((status, why.len()), (ClaimStatus::Pended, 1));
    assert!(why[0].1.starts_with("the line is flagged"), "{why:?}");
    assert!(book(&world, 2).await.doubts.is_empty(), "it went over");
    cleared(&world, 2, &flag).unwrap();
    assert_eq!(looked_at(&world, 2).await.0, ClaimStatus::Approved);
    voided(&world, 3, dearer, 2).await;
    submit(&world, on(&world, 4, DAY)).await.unwrap();
    assert_eq!(
        looked_at(&world, 4).await.0,
        ClaimStatus::Approved,
        "as any voided service"
    );
}

/// Two receipts of one transaction touch the same service: neither undoes what the other takes down.
#[tokio::test]
async fn what_one_receipt_takes_down_of_two_claims_is_all_there() {
    let (world, _) = flagged().await;
    forge_claim(&world, &on(&world, 3, DAY), true);
    raised(&world, 3, None).unwrap();
    for (n, of) in [(2, 1), (4, 3)] {
        let body = by(on(&world, n, DAY), of, Frequency::Replacement);
        forge_claim(&world, &body, true);
        forge_word(&world, of, |word| word["successor"] = json!(id(n)));
    }
    receive(&world, &[2, 4]).await.unwrap();
    let on = |claim: u8| DoubtView {
        line: 1,
        provider: HOSPITAL.into(),
        claim: id(claim),
    };
    assert_eq!(book(&world, 2).await.doubts, [on(4)]);
    assert_eq!(book(&world, 4).await.doubts, [on(2)]);
}

#[tokio::test]
async fn another_place_on_the_body_is_not_doubted_and_an_unclear_one_is() {
    let world = covered().await;
    let at = |n: u8, site: Option<(&str, &str)>| {
        let mut body = on(&world, n, DAY);
        body.claim.lines[0].site =
            site.map(|(tooth, surfaces)| Site::tooth(tooth.parse().unwrap(), surfaces.parse().unwrap()));
        body
    };
    submit(&world, at(1, Some(("14", "MO")))).await.unwrap();
    raised(&world, 1, Some(1)).unwrap();
    voided(&world, 2, at(2, Some(("14", "MO"))), 1).await;
    submit(&world, at(3, Some(("15", "MO")))).await.unwrap();
    assert_eq!(looked_at(&world, 3).await.0, ClaimStatus::Approved);
    for (n, site) in [(4, Some(("14", "OM"))), (5, Some(("14", "O")))] {
        submit(&world, at(n, site)).await.unwrap();
        is_doubted(&world, n, 1).await;
    }
}

#[tokio::test]
async fn the_members_no_on_a_paid_claim_is_heard_on_the_claim_in_its_place() {
    let world = paid().await;
    let word = says(&world, 1, 1, false).unwrap();
    assert!(
        book(&world, 1).await.flags.is_empty(),
        "nothing is left to be paid"
    );
    let twice = says(&world, 1, 1, false);
    assert!(matches!(twice, Err(HealthError::Duplicate(_))), "{twice:?}");
    let payer = world.client(INSURER, Role::Payer);
    payers!(&world, &payer, reverse(reversal(&world, 1))).unwrap();
    // A cent more, under another number.
    let mut replacement = by(on(&world, 2, DAY), 1, Frequency::Replacement);
    let line = &mut replacement.claim.lines[0];
    (line.sequence, line.charge, replacement.claim.total) = (7, 25_001, 25_001);
    correct(&world, replacement).await.unwrap();
    let booked = book(&world, 2).await;
    assert_eq!(booked.feedback, [(7, false)].into());
    let [flag] = booked.flags.as_slice() else {
        panic!("{:?}", booked.flags)
    };
    assert_eq!(
        (flag.kind.as_str(), flag.line, &flag.flag),
        (NOT_RENDERED, Some(7), &word)
    );
    assert_eq!(looked_at(&world, 2).await.0, ClaimStatus::Pended);
    let twice = says(&world, 2, 7, false);
    assert!(matches!(twice, Err(HealthError::Duplicate(_))), "{twice:?}");
    cleared(&world, 2, &word).unwrap();
    assert_eq!(looked_at(&world, 2).await.0, ClaimStatus::Approved);
}

/// And with altered code beside it: the money came back, so nothing is covered that would make it a duplicate.
#[tokio::test]
async fn the_members_no_on_a_paid_claim_is_heard_on_any_claim_of_the_service() {
    let world = paid().await;
    says(&world, 1, 1, false).unwrap();
    let payer = world.client(INSURER, Role::Payer);
    payers!(&world, &payer, reverse(reversal(&world, 1))).unwrap();
    forge_claim(&world, &on(&world, 2, DAY), true);
    is_doubted(&world, 2, 1).await;
    // The member takes it back.
    says(&world, 1, 1, true).unwrap();
    forge_claim(&world, &on(&world, 3, DAY), true);
    assert_eq!(looked_at(&world, 3).await.0, ClaimStatus::Approved);
}

/// Before flags went over with it a "no" could come to the claim in the place alone. It is said once more, and counts.
#[tokio::test]
async fn a_no_without_its_flag_is_said_again_and_counts() {
    let world = approved().await;
    rewritten(&world, 1, |book| book["feedback"] = json!({"1": false}));
    says(&world, 1, 1, false).unwrap();
    assert_eq!(book(&world, 1).await.flags[0].kind, NOT_RENDERED);
    assert_eq!(looked_at(&world, 1).await.0, ClaimStatus::Pended);
}

/// As contracts before this one wrote it: what was doubted is taken down when the void is received.
#[tokio::test]
async fn a_book_of_before_doubts_were_kept_is_heeded_when_its_claim_is_voided() {
    let (world, _) = flagged().await;
    rewritten(&world, 1, |book| {
        for new in ["said", "doubted", "passed_on"] {
            book.as_object_mut().unwrap().remove(new).unwrap();
        }
    });
    let payer = world.client(INSURER, Role::Payer);
    let key = kept(&world, "doubt~").0;
    let dropped = payer.transact(|ctx| {
        ctx.private_del(OWN, &key)?;
        Ok::<_, HealthError>(())
    });
    dropped.unwrap();
    voided(&world, 2, on(&world, 2, DAY), 1).await;
    submit(&world, on(&world, 3, DAY)).await.unwrap();
    is_doubted(&world, 3, 1).await;
}

/// Two lines of X-1001 on these days.
fn two(world: &World, n: u8, days: [&str; 2]) -> ClaimBody {
    let mut body = on(world, n, days[0]);
    let second = ClaimLine {
        sequence: 2,
        date: days[1].parse().unwrap(),
        ..body.claim.lines[0].clone()
    };
    body.claim.lines.push(second);
    body.claim.total = 50_000;
    body
}

#[tokio::test]
async fn a_flag_goes_over_to_the_line_that_has_its_service() {
    let world = covered().await;
    submit(&world, two(&world, 1, [DAY, "2027-01-13"])).await.unwrap();
    raised(&world, 1, Some(1)).unwrap();
    let swapped = by(two(&world, 2, ["2027-01-13", DAY]), 1, Frequency::Replacement);
    correct(&world, swapped).await.unwrap();
    assert_eq!(book(&world, 2).await.flags[0].line, Some(2));
    let (status, why) = looked_at(&world, 2).await;
    assert_eq!(status, ClaimStatus::Pended);
    assert_eq!(why.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2]);
    // Where two lines could be it, people look at the whole claim.
    let mut either = by(two(&world, 3, [DAY, DAY]), 2, Frequency::Replacement);
    either.claim.lines[0].modifiers = vec!["76".into()];
    correct(&world, either).await.unwrap();
    assert_eq!(book(&world, 3).await.flags[0].line, None);
    let (_, why) = looked_at(&world, 3).await;
    assert_eq!(why.len(), 2, "{why:?}");
}

#[tokio::test]
async fn corrections_that_lead_back_to_each_other_are_rejected() {
    let world = approved().await;
    let correcting = |n: u8, of: u8| {
        forge_claim(
            &world,
            &by(on(&world, n, "2027-01-13"), of, Frequency::Replacement),
            true,
        );
        forge_word(&world, of, |word| word["successor"] = json!(id(n)));
    };
    let name = |n: u8, of: u8| {
        forge_claim(
            &world,
            &by(on(&world, n, "2027-01-13"), of, Frequency::Replacement),
            true,
        );
    };
    for (n, of) in [(2, 3), (3, 2), (4, 4), (5, 6), (6, 7), (7, 6)] {
        name(n, of);
    }
    for (n, by) in [(3, 2), (2, 3), (4, 4), (6, 5), (7, 6)] {
        forge_word(&world, n, |word| word["successor"] = json!(id(by)));
    }
    receive(&world, &[2, 3]).await.unwrap();
    for alone in [4, 5, 7, 6] {
        receive(&world, &[alone]).await.unwrap();
    }
    for n in 2..=7 {
        assert_eq!(view(&world, n).await.status, ClaimStatus::Rejected, "{n}");
    }
    // One that waits for another, which does not lead back, is received after that.
    correcting(8, 1);
    correcting(9, 8);
    is_conflict(receive(&world, &[9]).await, "received first");
    receive(&world, &[8]).await.unwrap();
    receive(&world, &[9]).await.unwrap();
    assert_eq!(view(&world, 8).await.status, ClaimStatus::Replaced);
}

/// The only key of the payer's own collection that begins so, or the book of a claim, with its value.
fn kept(world: &World, prefix: &str) -> (String, Value) {
    let entries = world.mock.entries(INSURER, OWN).unwrap();
    let entry = entries
        .into_iter()
        .find(|entry| entry.key.starts_with(prefix))
        .unwrap();
    (entry.key, serde_json::from_slice(&entry.value).unwrap())
}

/// The payer's book of its only claim, written otherwise.
fn rewritten(world: &World, n: u8, change: impl FnOnce(&mut Value)) {
    let (key, mut value) = kept(world, "book~");
    assert_eq!(value["claim"], json!(id(n)));
    change(&mut value);
    let payer = world.client(INSURER, Role::Payer);
    let written = payer.transact(|ctx| {
        ctx.private_put_json(OWN, &key, &value)?;
        Ok::<_, HealthError>(())
    });
    written.unwrap();
}
