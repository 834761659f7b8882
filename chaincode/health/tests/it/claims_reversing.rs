//! A provider asks for the reversal of a claim that was paid, and its payer reverses it or says why not. And what the payer learns after it paid: a coverage
//! that ended, a provider that is excluded.

use crate::claims::{
    adjudicate, approved, at, book, codes, covered_as, covered_by, date, id, instead, is_conflict, member,
    on, paid, payers, paying, payment, plan, providers, receive, remittance, remitting, replace, submit,
    view, waiting,
};
use crate::claims_appeal::{appealed, reduced};
use crate::claims_forged::{forge, forge_word, salt};
use crate::claims_holding::{anew, excluded};
use crate::claims_listing::steps;
use crate::claims_money::reversal;
use crate::fixture::{HOSPITAL, INSURER, World, bytes, world};
use careledger_api::HealthError;
use careledger_api::adjudication::{Coverage, Frequency};
use careledger_api::contracts::claims::{
    AskedReversal, ClaimStatus, ClaimsClient, CoverageAmendment, CoverageEnd, MAX_LOOKED_AT,
    MAX_REVERSAL_REQUESTS, MoneyState, Outdated, OutdatedClaim, OutdatedClaims, OutdatedQuery, ProviderStep,
    Remedy, RemittancePayment, RemittedMoney, ReversalDecline, ReversalRequest, Waiting, WaitingClaim,
    WaitingQuery, WaitingStep,
};
use careledger_api::date::DateRange;
use careledger_api::hashing::sha256;
use careledger_api::ids::{CoverageId, Hash, PlanId, RemittanceId, TxId};
use careledger_api::roles::Role;
use serde_json::{Value, json};

const WHY: &str = "the visit was billed twice";
const WHY_NOT: &str = "both visits are recorded";

fn request(world: &World, n: u8) -> ReversalRequest {
    ReversalRequest {
        claim: id(n),
        reason: WHY.into(),
        salt: world.wallet.salt(),
    }
}

async fn asks(world: &World, n: u8) -> Result<TxId, HealthError> {
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    providers!(world, &biller, request_reversal(request(world, n)))
}

fn decline(world: &World, n: u8, request: usize) -> ReversalDecline {
    ReversalDecline {
        claim: id(n),
        request,
        reason: WHY_NOT.into(),
        salt: world.wallet.salt(),
    }
}

async fn declines(world: &World, n: u8, request: usize) -> Result<TxId, HealthError> {
    let payer = world.client(INSURER, Role::Payer);
    payers!(world, &payer, decline_reversal(decline(world, n, request)))
}

async fn reverses(world: &World, n: u8) -> Result<TxId, HealthError> {
    let payer = world.client(INSURER, Role::Payer);
    payers!(world, &payer, reverse(reversal(world, n)))
}

async fn all(world: &World, query: WaitingQuery) -> Waiting {
    let payer = world.client(INSURER, Role::Payer);
    let asked = ClaimsClient::new(&payer).waiting(INSURER, HOSPITAL, query);
    asked.endorsed_by([INSURER]).send().await.unwrap()
}

/// What the payer is to look at, as to be reversed.
async fn to_reverse(world: &World) -> Vec<WaitingClaim> {
    let query = WaitingQuery {
        step: Some(WaitingStep::Reverse),
        ..WaitingQuery::default()
    };
    let found = all(world, query).await;
    assert!(found.unreadable.is_empty(), "{:?}", found.unreadable);
    // The same stands on the whole list.
    let whole = all(world, WaitingQuery::default()).await.claims;
    let of_it = whole.into_iter().filter(|row| row.step == WaitingStep::Reverse);
    assert_eq!(of_it.collect::<Vec<_>>(), found.claims);
    found.claims
}

/// The claims that it is to look at, and why.
async fn reasons(world: &World) -> Vec<(u8, String)> {
    let rows = to_reverse(world).await.into_iter();
    rows.map(|row| (row.claim.as_bytes()[0], row.held.expect("a reason")))
        .collect()
}

async fn money(world: &World) -> Vec<RemittedMoney> {
    let payer = world.client(INSURER, Role::Payer);
    let asked =
        ClaimsClient::new(&payer).remittance_money(INSURER, HOSPITAL, RemittanceId::from_bytes(bytes(1)));
    asked.endorsed_by([INSURER]).send().await.unwrap()
}

fn is_duplicate(refused: Result<TxId, HealthError>) {
    assert!(matches!(refused, Err(HealthError::Duplicate(_))), "{refused:?}");
}

#[tokio::test]
async fn what_is_paid_is_asked_back_declined_with_a_reason_and_reversed() {
    let world = paid().await;
    assert_eq!(reasons(&world).await, []);
    is_conflict(declines(&world, 1, 1).await, "no such request");
    asks(&world, 1).await.unwrap();
    let row = to_reverse(&world).await.remove(0);
    assert_eq!(
        (row.claim, row.status, row.due, row.payable),
        (id(1), ClaimStatus::Paid, None, None)
    );
    assert_eq!(row.since, world.today().days() * 86_400);
    assert!(row.held.unwrap().contains("its provider asks"));
    let open = AskedReversal {
        reason: WHY.into(),
        on: world.today(),
        declined: None,
    };
    assert_eq!(view(&world, 1).await.reversals, std::slice::from_ref(&open));
    is_duplicate(asks(&world, 1).await);
    let before = book(&world, 1).await;

    // The one that waits, and no other.
    for wrong in [0, 2, MAX_REVERSAL_REQUESTS + 1, usize::MAX] {
        is_conflict(declines(&world, 1, wrong).await, "no such request");
    }
    let tx = declines(&world, 1, 1).await.unwrap();
    let seen = view(&world, 1).await;
    let declined = seen.reversals[0].declined.clone().unwrap();
    assert_eq!(
        (declined.reason.as_str(), declined.on, declined.tx),
        (WHY_NOT, world.today(), tx)
    );
    assert_eq!(seen.status, ClaimStatus::Paid);
    let after = book(&world, 1).await;
    assert_eq!(after, before, "nothing is decided and no money moved");
    assert_eq!(reasons(&world).await, []);
    is_conflict(declines(&world, 1, 1).await, "no such request");

    asks(&world, 1).await.unwrap();
    assert_eq!(view(&world, 1).await.reversals.len(), 2);
    assert_eq!(reasons(&world).await.len(), 1);
    reverses(&world, 1).await.unwrap();
    assert_eq!(reasons(&world).await, []);
    is_conflict(declines(&world, 1, 2).await, "REVERSED");
    is_conflict(asks(&world, 1).await, "REVERSED");
    let told = view(&world, 1).await;
    assert_eq!(told.reversals[1], open, "the reversal answers it");
    assert_eq!(steps(&world).await, [(1, ProviderStep::Replace, None)]);
    let mut again = instead(&world, 2, 1, Frequency::Replacement);
    again.claim.lines[0].date = date("2027-01-14");
    replace(&world, again).await.unwrap();
    receive(&world, &[2]).await.unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Replaced);
    is_conflict(asks(&world, 1).await, "REPLACED");
}

#[tokio::test]
async fn only_what_is_paid_or_to_be_paid_is_asked_back() {
    let world = approved().await;
    assert_eq!(asks(&world, 9).await, Err(HealthError::NotFound));
    is_conflict(asks(&world, 1).await, "frequency 7 or 8");
    submit(&world, on(&world, 2, "2027-01-13")).await.unwrap();
    is_conflict(asks(&world, 2).await, "SUBMITTED");
    paying(&world, 1, 17_100).await.unwrap();
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    for wrong in [String::new(), "x".repeat(2_001), "a\u{1b}[2J".into()] {
        let request = ReversalRequest {
            reason: wrong,
            ..request(&world, 1)
        };
        let refused = providers!(&world, &biller, request_reversal(request));
        assert!(matches!(refused, Err(HealthError::InvalidCode(_))), "{refused:?}");
    }
    // The correction itself is refused as ever, and says how to go on.
    let mut again = instead(&world, 3, 1, Frequency::Replacement);
    again.claim.lines[0].date = date("2027-01-14");
    is_conflict(replace(&world, again).await, "claim reversal request");

    for request in 1..=MAX_REVERSAL_REQUESTS {
        asks(&world, 1).await.unwrap();
        declines(&world, 1, request).await.unwrap();
    }
    let refused = asks(&world, 1).await;
    assert!(matches!(refused, Err(HealthError::Limit(_))), "{refused:?}");
    assert_eq!(view(&world, 1).await.reversals.len(), MAX_REVERSAL_REQUESTS);
    assert_eq!(reasons(&world).await, []);
    // The word has room for an appeal all the same, and the payer reverses without being asked.
    reverses(&world, 1).await.unwrap();
}

/// Two claims on one remittance: what is asked back waits, and the other one is paid.
#[tokio::test]
async fn while_it_is_asked_back_no_more_of_it_is_paid() {
    let world = approved().await;
    submit(&world, on(&world, 2, "2027-01-13")).await.unwrap();
    adjudicate(&world, id(2)).await.unwrap();
    let payer = world.client(INSURER, Role::Payer);
    payers!(&world, &payer, remit(remittance(&world, 1, &[1, 2]))).unwrap();
    asks(&world, 1).await.unwrap();
    assert_eq!(reasons(&world).await.len(), 1);
    let held: Vec<bool> = money(&world).await.iter().map(|of| of.held.is_some()).collect();
    assert_eq!(held, [true, false]);
    is_conflict(paying(&world, 1, 17_100).await, "asks for its reversal");
    let sum = |claims: &[u8]| RemittancePayment {
        remittance: RemittanceId::from_bytes(bytes(1)),
        claims: claims.iter().map(|n| id(*n)).collect(),
        expected: None,
        set_off: Default::default(),
        reference: "EFT-1".into(),
        salt: world.wallet.salt(),
    };
    is_conflict(
        payers!(&world, &payer, pay_remittance(sum(&[1, 2]))),
        "asks for its reversal",
    );
    payers!(&world, &payer, pay_remittance(sum(&[2]))).unwrap();
    declines(&world, 1, 1).await.unwrap();
    assert_eq!(reasons(&world).await, []);
    payers!(&world, &payer, pay_remittance(sum(&[1]))).unwrap();
    let states: Vec<MoneyState> = money(&world).await.iter().map(|of| of.state).collect();
    assert_eq!(states, [MoneyState::Paid, MoneyState::Paid]);
}

#[tokio::test]
async fn an_appeal_with_its_last_day_comes_first_and_says_that_it_is_asked_back() {
    let world = reduced(true).await;
    paying(&world, 1, 20_000).await.unwrap();
    appealed(&world).unwrap();
    asks(&world, 1).await.unwrap();
    assert_eq!(reasons(&world).await, []);
    let row = all(&world, WaitingQuery::default()).await.claims.remove(0);
    assert_eq!(row.step, WaitingStep::Appeal);
    assert!(row.due.is_some() && row.held.unwrap().contains("asks for its reversal"));
    declines(&world, 1, 1).await.unwrap();
    let row = all(&world, WaitingQuery::default()).await.claims.remove(0);
    assert_eq!((row.step, row.held), (WaitingStep::Appeal, None));
}

#[tokio::test]
async fn of_a_request_and_its_payers_step_in_one_block_the_first_counts() {
    let both = async |reversed_first: bool| {
        let world = paid().await;
        let payer = world.client(INSURER, Role::Payer);
        let biller = world.client(HOSPITAL, Role::ProviderBilling);
        let asked = waiting!(&biller, HOSPITAL, request_reversal(request(&world, 1)));
        let taken_back = waiting!(&payer, INSURER, reverse(reversal(&world, 1)));
        let block = match reversed_first {
            true => [taken_back, asked],
            false => [asked, taken_back],
        };
        assert_eq!(codes(&world, block), ["VALID", "MVCC_READ_CONFLICT"]);
        (to_reverse(&world).await.len(), view(&world, 1).await.status)
    };
    assert_eq!(both(true).await, (0, ClaimStatus::Reversed));
    assert_eq!(both(false).await, (1, ClaimStatus::Paid));

    let world = approved().await;
    remitting(&world, 1).await.unwrap();
    let payer = world.client(INSURER, Role::Payer);
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let race = [
        waiting!(&biller, HOSPITAL, request_reversal(request(&world, 1))),
        waiting!(&payer, INSURER, pay(payment(&world, 1, 17_100))),
    ];
    assert_eq!(codes(&world, race), ["VALID", "MVCC_READ_CONFLICT"]);
    is_conflict(paying(&world, 1, 17_100).await, "asks for its reversal");
}

/// The provider's peer lists a statement of its own under the subject of a request.
fn listed(world: &World, n: u8, key: &str, statement: &Value) {
    assert!(forge(world, HOSPITAL, &[(key.to_owned(), statement.clone())]));
    let hash = sha256(&serde_json::to_vec(statement).unwrap());
    forge_word(world, n, |word| {
        word["said"]["reversal/1"] = json!({"key": key, "hash": hash})
    });
}

#[tokio::test]
async fn what_somebody_makes_up_asks_for_nothing_and_ends_no_list() {
    let world = paid().await;
    submit(&world, on(&world, 2, "2027-01-13")).await.unwrap();
    adjudicate(&world, id(2)).await.unwrap();
    let key = |n: u8, end: &str| format!("revreq~{}~1~{end}", id(n));
    let statement = |n: u8, reason: &str| json!({"claim": id(n), "reason": reason, "on": world.today(), "salt": salt(&world)});
    // The payer's peer writes it where no word lists it.
    assert!(forge(
        &world,
        INSURER,
        &[(key(1, "payer"), statement(1, "we ask for it"))]
    ));
    assert_eq!(reasons(&world).await, []);
    let nonsense = [
        json!({"odd": salt(&world)}),
        statement(2, "of another claim"),
        statement(1, ""),
        statement(1, "a\u{1b}[2Jb"),
        statement(1, &"x".repeat(70_000)),
    ];
    for (n, value) in nonsense.iter().enumerate() {
        listed(&world, 1, &key(1, &n.to_string()), value);
        assert_eq!(reasons(&world).await, []);
        assert_eq!(view(&world, 1).await.reversals, []);
    }
    // A key that the contract does not write, and one that is not there.
    listed(
        &world,
        1,
        &format!("again~{}", "ab".repeat(32)),
        &statement(1, WHY),
    );
    assert_eq!(reasons(&world).await, []);
    forge_word(&world, 1, |word| {
        word["said"]["reversal/1"] = json!({"key": key(1, "missing"), "hash": "00".repeat(32)});
    });
    assert_eq!(reasons(&world).await, []);
    // Of a claim that is not paid it is none, and keeps nothing from being remitted.
    listed(&world, 2, &key(2, "early"), &statement(2, WHY));
    assert_eq!(reasons(&world).await, []);
    remitting(&world, 2).await.unwrap();
    // Then it is one: its own provider stops its own money, until it is answered.
    assert_eq!(reasons(&world).await.len(), 1);
    declines(&world, 2, 1).await.unwrap();
    paying(&world, 2, 18_000).await.unwrap();
    // What is unsaid was answered all the same.
    forge_word(&world, 2, |word| word["said"] = json!({}));
    assert_eq!(
        (reasons(&world).await, view(&world, 2).await.reversals),
        (vec![], vec![])
    );
}

/// Claims of these days, approved.
async fn of_days(days: &[&str]) -> World {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    for (n, day) in (1..).zip(days) {
        submit(&world, on(&world, n, day)).await.unwrap();
        adjudicate(&world, id(n)).await.unwrap();
    }
    world
}

async fn pays_all_of(world: &World, n: u8) {
    let due = book(world, n).await.due;
    paying(world, n, due).await.unwrap();
}

async fn ends(world: &World, last: &str) {
    let payer = world.client(INSURER, Role::Payer);
    let end = CoverageEnd {
        coverage: member(),
        last: date(last),
        salt: world.wallet.salt(),
    };
    at!(world, &payer, INSURER, end_coverage(INSURER, end)).unwrap();
}

async fn outdated_of(
    world: &World,
    coverage: CoverageId,
    after: Option<Hash>,
) -> Result<OutdatedClaims, HealthError> {
    let payer = world.client(INSURER, Role::Payer);
    let asked = ClaimsClient::new(&payer).outdated_claims(INSURER, OutdatedQuery { coverage, after });
    asked
        .endorsed_by([INSURER])
        .send()
        .await
        .map_err(|error| match error {
            fabric_contract_core::CallError::Contract(error) => error,
            other => panic!("{other:?}"),
        })
}

async fn outdated(world: &World) -> Vec<OutdatedClaim> {
    let found = outdated_of(world, member(), None).await.unwrap();
    assert_eq!(found.next, None);
    let mut claims = found.claims;
    claims.sort_by_key(|of| of.claim);
    claims
}

fn remedies(found: &[OutdatedClaim]) -> Vec<(u8, Outdated, Remedy)> {
    let rows = found.iter();
    rows.map(|of| (of.claim.as_bytes()[0], of.because, of.remedy))
        .collect()
}

#[tokio::test]
async fn a_coverage_that_ended_names_what_was_decided_for_days_after_it() {
    let world = of_days(&["2027-01-10", "2027-01-12", "2027-01-13", "2027-01-14"]).await;
    pays_all_of(&world, 1).await;
    pays_all_of(&world, 2).await;
    remitting(&world, 3).await.unwrap();
    assert_eq!((outdated(&world).await, reasons(&world).await), (vec![], vec![]));
    assert_eq!(
        outdated_of(&world, CoverageId::from_bytes(bytes(9)), None).await,
        Err(HealthError::NotFound)
    );

    ends(&world, "2027-01-11").await;
    let found = outdated(&world).await;
    assert_eq!(
        remedies(&found),
        [
            (2, Outdated::Ended, Remedy::Reverse),
            (3, Outdated::Ended, Remedy::Reverse),
            (4, Outdated::Ended, Remedy::Anew)
        ]
    );
    let OutdatedClaim {
        provider,
        status,
        services,
        allowed,
        paid,
        currency,
        ..
    } = &found[0];
    let day = date("2027-01-12");
    assert_eq!((provider.as_str(), *status), (HOSPITAL, ClaimStatus::Paid));
    assert_eq!((services.from, services.until), (day, day));
    assert_eq!((*allowed, *paid, currency.as_str()), (18_000, 18_000, "USD"));
    assert_eq!((found[1].paid, found[2].paid), (0, 0));
    // What is paid waits until it is reversed; what is not is held, and says what leads on.
    let why = reasons(&world).await;
    assert_eq!(why.len(), 1);
    assert!(
        why[0].0 == 2 && why[0].1.contains("line 1: the coverage"),
        "{why:?}"
    );
    let all = all(&world, WaitingQuery::default()).await.claims;
    let held: Vec<_> = all.iter().map(|row| (row.step, row.held.is_some())).collect();
    assert_eq!(
        held,
        [
            (WaitingStep::Reverse, true),
            (WaitingStep::Pay, true),
            (WaitingStep::Remit, true)
        ]
    );
    reverses(&world, 2).await.unwrap();
    reverses(&world, 3).await.unwrap();
    anew(&world, 4).await.unwrap();
    assert_eq!((outdated(&world).await, reasons(&world).await), (vec![], vec![]));

    // Before all of them; and then it goes on.
    ends(&world, "2027-01-01").await;
    assert_eq!(
        remedies(&outdated(&world).await),
        [(1, Outdated::Ended, Remedy::Reverse)]
    );
    // A provider that asks for it is told first.
    asks(&world, 1).await.unwrap();
    assert!(reasons(&world).await[0].1.contains("its provider asks"));
    declines(&world, 1, 1).await.unwrap();
    assert!(reasons(&world).await[0].1.contains("the coverage does not hold"));
    ends(&world, "2027-12-31").await;
    assert_eq!((outdated(&world).await, reasons(&world).await), (vec![], vec![]));
}

#[tokio::test]
async fn an_amendment_names_what_was_decided_by_the_coverage_of_before() {
    let world = of_days(&["2027-01-10", "2027-01-12", "2027-01-13"]).await;
    pays_all_of(&world, 1).await;
    pays_all_of(&world, 2).await;
    let payer = world.client(INSURER, Role::Payer);
    let mut body = plan(&world);
    body.plan.version = 2;
    let commitment = body.commitment().unwrap();
    let claims = ClaimsClient::new(&payer);
    world
        .receipt(claims.publish_plan(body.plan.id, 2, commitment).send().await)
        .unwrap();
    at!(&world, &payer, INSURER, load_plan(INSURER, body)).unwrap();
    let amends = async |from: &str, version: u32, until: &str| {
        let period = DateRange {
            from: date("2026-01-01"),
            until: date(until),
        };
        let coverage = Coverage::new(member(), PlanId::from_bytes(bytes(1)), version, period);
        let amendment = CoverageAmendment {
            from: date(from),
            coverage,
            salt: world.wallet.salt(),
        };
        at!(&world, &payer, INSURER, amend_coverage(INSURER, amendment)).unwrap();
    };
    amends("2027-01-11", 2, "2027-12-31").await;
    assert_eq!(
        remedies(&outdated(&world).await),
        [
            (2, Outdated::Amended, Remedy::Reverse),
            (3, Outdated::Amended, Remedy::Anew)
        ]
    );
    assert_eq!(reasons(&world).await, [], "it was paid by what was so then");
    anew(&world, 3).await.unwrap();
    assert_eq!(remedies(&outdated(&world).await).len(), 1);
    // A longer or shorter period alone changes nothing of a service within it.
    reverses(&world, 2).await.unwrap();
    amends("2027-01-11", 2, "2027-06-30").await;
    assert_eq!(outdated(&world).await, []);
    // A period that ends before the service does.
    amends("2027-01-02", 1, "2027-01-09").await;
    assert_eq!(
        remedies(&outdated(&world).await),
        [(1, Outdated::Ended, Remedy::Reverse)]
    );
    assert_eq!(reasons(&world).await.len(), 1);
}

#[tokio::test]
async fn what_an_excluded_provider_was_paid_waits_until_it_is_reversed() {
    let world = of_days(&["2027-01-10", "2027-01-12"]).await;
    pays_all_of(&world, 1).await;
    pays_all_of(&world, 2).await;
    excluded(&world, Some("2027-01-11")).await;
    let why = reasons(&world).await;
    assert!(
        why.len() == 1 && why[0].0 == 2 && why[0].1.contains("excluded"),
        "{why:?}"
    );
    assert_eq!(outdated(&world).await, [], "nothing of the coverage has changed");
    excluded(&world, None).await;
    assert_eq!(reasons(&world).await, []);
    excluded(&world, Some("2027-01-11")).await;
    reverses(&world, 2).await.unwrap();
    assert_eq!(reasons(&world).await, []);
}

#[tokio::test]
async fn a_coverage_of_many_claims_is_looked_through_in_parts() {
    let world = of_days(&["2027-01-10"]).await;
    covered_as(&world, 2, |_| ()).await;
    ends(&world, "2027-01-09").await;
    const OWN: &str = "payer_InsurerMSP";
    let entries = world.mock.entries(INSURER, OWN).unwrap();
    let one = entries.iter().find(|entry| entry.key.starts_with("of~")).unwrap();
    let (prefix, hash) = one.key.rsplit_once('~').unwrap();
    let value: Value = serde_json::from_slice(&one.value).unwrap();
    // As many claims before it in the order of keys as a part has; of none of them there is a book.
    let payer = world.client(INSURER, Role::Payer);
    let before: Vec<String> = (0..MAX_LOOKED_AT)
        .map(|n| format!("{prefix}~{:0>64}", format!("{n:x}")))
        .collect();
    assert!(
        before.iter().all(|key| key < &one.key),
        "a hash that begins with 60 zeros"
    );
    let written = payer.transact(|ctx| {
        for key in &before {
            ctx.private_put_json(OWN, key, &value)?;
        }
        Ok::<_, HealthError>(())
    });
    written.unwrap();
    let first = outdated_of(&world, member(), None).await.unwrap();
    assert_eq!(first.claims, []);
    let last: Hash = before[MAX_LOOKED_AT - 1]
        .rsplit('~')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(first.next, Some(last));
    let second = outdated_of(&world, member(), first.next).await.unwrap();
    assert_eq!(remedies(&second.claims), [(1, Outdated::Ended, Remedy::Anew)]);
    assert_eq!(second.next, None);
    let end: Hash = hash.parse().unwrap();
    assert_eq!(
        outdated_of(&world, member(), Some(end)).await.unwrap(),
        OutdatedClaims::default()
    );
    assert_eq!(
        outdated_of(&world, CoverageId::from_bytes(bytes(2)), None)
            .await
            .unwrap(),
        OutdatedClaims::default(),
        "another member's"
    );
}
