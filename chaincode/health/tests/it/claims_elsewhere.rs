//! The same service claimed from two payers: fingerprints, marks, and organisations with altered code.

use crate::claims::{at, claim, codes, id, person, plan};
use crate::claims_quarters::{QUARTER, SALT, open};
use crate::fixture::{CLINIC, HOSPITAL, INSURER, REGULATOR, World, bytes, consortium, opened};
use careledger_api::HealthError;
use careledger_api::adjudication::{Coverage, EditCode, Frequency, OtherPayer, Ruling};
use careledger_api::consortium::{LOG_COLLECTION, Organisation, OrganisationRole};
use careledger_api::contracts::claims::{
    AdjudicationStep, ClaimBatch, ClaimBody, ClaimStatus, ClaimView, ClaimsClient, CoverageBody, Information,
    Payment, PlanBody, Reversal, RulingConfirmation, RulingProposal,
};
use careledger_api::date::DateRange;
use careledger_api::hashing::{keyed_hash, tagged_hash};
use careledger_api::ids::{CoverageId, Hash, PlanId};
use careledger_api::roles::Role;
use fabric_contract_core::{KeyPolicy, Principal};
use fabric_contract_mock::{Endorsed, now};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) const OTHER: &str = "MutualMSP";
const THIRD: &str = "FundMSP";

/// Two payers, each with a plan and a member; the same person, who has the coverage 1 at the one and 2 at the other.
pub(crate) async fn two_payers() -> World {
    payers(&[(INSURER, 1), (OTHER, 2)]).await
}

/// Payers, each with a plan and a member of that number.
async fn payers(all: &[(&'static str, u8)]) -> World {
    let mut consortium = consortium();
    let others = all.iter().filter(|(payer, _)| *payer != INSURER);
    consortium
        .organisations
        .extend(others.map(|(payer, _)| Organisation {
            msp_id: (*payer).into(),
            roles: [OrganisationRole::Payer].into(),
        }));
    let world = opened(consortium).await;
    for (payer, n) in all {
        insured(&world, payer, *n, false).await;
    }
    open(&world, QUARTER).unwrap();
    world
}

async fn insured(world: &World, payer: &str, n: u8, secondary: bool) {
    let client = world.client(payer, Role::Payer);
    let mut body = plan(world);
    body.plan.id = PlanId::from_bytes(bytes(n));
    let (id, commitment) = (body.plan.id, body.commitment().unwrap());
    let claims = ClaimsClient::new(&client);
    world
        .receipt(claims.publish_plan(id, 1, commitment).send().await)
        .unwrap();
    at!(world, &client, payer, load_plan(payer, PlanBody { ..body })).unwrap();
    let period = DateRange {
        from: "2026-01-01".parse().unwrap(),
        until: "2027-12-31".parse().unwrap(),
    };
    let coverage = Coverage {
        secondary,
        ..Coverage::new(CoverageId::from_bytes(bytes(n)), id, 1, period)
    };
    let salt = world.wallet.salt();
    at!(
        world,
        &client,
        payer,
        enrol_member(payer, CoverageBody { coverage, salt })
    )
    .unwrap();
}

/// The hospital's claim of that number from a payer, of a day of January.
pub(crate) fn body(world: &World, payer: &str, n: u8, day: u8) -> ClaimBody {
    let mut body = claim(world, n, "X-1001");
    body.claim.lines[0].date = format!("2027-01-{day:02}").parse().unwrap();
    body.claim.coverage = match payer {
        OTHER => CoverageId::from_bytes(bytes(2)),
        THIRD => CoverageId::from_bytes(bytes(3)),
        _ => body.claim.coverage,
    };
    body
}

pub(crate) fn submit(world: &World, payer: &str, body: ClaimBody) {
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    now(async { at!(world, &biller, HOSPITAL, submit_claim(payer, HOSPITAL, body)) }).unwrap();
}

/// The step with the fingerprint of the first line, if it comes with one.
pub(crate) fn step(world: &World, n: u8, fingerprint: Option<u8>) -> AdjudicationStep {
    let mut step = AdjudicationStep::new(id(n), world.wallet.salt());
    let fingerprint = fingerprint.map(|of| (1, Hash::from_bytes([of; 32])));
    step.noticed.fingerprints = fingerprint.into_iter().collect();
    step
}

/// Adjudicates; where the claim stands then.
pub(crate) fn adjudicated(world: &World, payer: &str, n: u8, fingerprint: Option<u8>) -> ClaimStatus {
    let client = world.client(payer, Role::Payer);
    let step = step(world, n, fingerprint);
    now(async { at!(world, &client, payer, adjudicate(payer, HOSPITAL, step)) }).unwrap();
    seen(world, payer, n).status
}

/// Submits and adjudicates a claim of a day.
pub(crate) fn claimed(world: &World, payer: &str, n: u8, day: u8, fingerprint: u8) -> ClaimStatus {
    submit(world, payer, body(world, payer, n, day));
    adjudicated(world, payer, n, Some(fingerprint))
}

pub(crate) fn seen(world: &World, payer: &str, n: u8) -> ClaimView {
    let client = world.client(payer, Role::Payer);
    let asked = ClaimsClient::new(&client).claim(payer, HOSPITAL, id(n));
    now(asked.endorsed_by([payer]).send()).unwrap()
}

/// The provider answers the question of a pended claim.
fn informed(world: &World, payer: &str, n: u8) {
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let information = Information {
        claim: id(n),
        text: "the other claim was taken back".into(),
        documents: vec![],
        salt: world.wallet.salt(),
    };
    now(async {
        at!(
            world,
            &biller,
            HOSPITAL,
            provide_information(payer, HOSPITAL, information)
        )
    })
    .unwrap();
}

/// The provider takes a claim back, or puts another in its place, and the payer receives that.
pub(crate) fn replaced(world: &World, payer: &str, by: ClaimBody, old: u8, frequency: Frequency) {
    let mut by = by;
    (by.claim.frequency, by.claim.replaces) = (frequency, Some(id(old)));
    let batch = ClaimBatch {
        claims: [by.claim.id].into(),
        salt: world.wallet.salt(),
    };
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    now(async { at!(world, &biller, HOSPITAL, replace_claim(payer, HOSPITAL, by)) }).unwrap();
    let client = world.client(payer, Role::Payer);
    now(async { at!(world, &client, payer, acknowledge(payer, HOSPITAL, batch)) }).unwrap();
}

fn rules(view: &ClaimView) -> Vec<EditCode> {
    let lines = &view.adjudication.as_ref().unwrap().lines;
    lines
        .iter()
        .flat_map(|line| &line.edits)
        .map(|edit| edit.code)
        .collect()
}

/// A payer's mark of a service.
fn mark(payer: &str, fingerprint: u8) -> String {
    let mark = keyed_hash(&SALT, "mark", &[&[fingerprint; 32]]);
    format!(
        "fpm~{}",
        tagged_hash("mark-of", &[mark.as_bytes(), payer.as_bytes()])
    )
}

/// Who of the three has marked the service.
pub(crate) fn marked(world: &World, fingerprint: u8) -> Vec<&'static str> {
    let all = [INSURER, OTHER, THIRD].into_iter();
    all.filter(|payer| in_log(world, &mark(payer, fingerprint)).is_some())
        .collect()
}

/// Two people of the payer set the question of a pended claim aside.
fn set_aside(world: &World, payer: &str, n: u8) -> ClaimStatus {
    let rulings = BTreeMap::from([(1, BTreeMap::from([(EditCode::OtherClaim, Ruling::SetAside)]))]);
    let proposal = RulingProposal {
        claim: id(n),
        rulings,
        reason: "two persons of one name, says the other payer".into(),
        salt: world.wallet.salt(),
    };
    let people = [(), ()].map(|()| person(world, payer, Role::Payer));
    let proposed = now(async {
        at!(
            world,
            &people[0],
            payer,
            propose_ruling(payer, HOSPITAL, proposal)
        )
    });
    let confirmation = RulingConfirmation {
        proposal: proposed.unwrap(),
        step: step(world, n, None),
    };
    now(async {
        at!(
            world,
            &people[1],
            payer,
            confirm_ruling(payer, HOSPITAL, confirmation)
        )
    })
    .unwrap();
    seen(world, payer, n).status
}

fn in_log(world: &World, key: &str) -> Option<Value> {
    let value = world.mock.private(CLINIC, LOG_COLLECTION, key).unwrap();
    value.map(|value| serde_json::from_slice(&value).unwrap())
}

/// An organisation's peer runs code of its own, which writes a value to `log`, or deletes the key. False where the ledger would not take it.
pub(crate) fn forge(
    world: &World,
    organisation: &str,
    key: &str,
    value: Option<&Value>,
    hands: Option<&str>,
) -> bool {
    let altered = world.client(organisation, Role::Vault);
    let own = Principal::new(organisation, fabric_contract_core::Role::Peer);
    let written = altered.transact(|ctx| {
        let guard = ctx.private_key_policy(LOG_COLLECTION, key)?;
        if guard.is_some_and(|guard| guard.required > 1 || !guard.principals.contains(&own)) {
            return Err(HealthError::Forbidden("the ledger does not take it".into()));
        }
        match value {
            Some(value) => ctx.private_put_json(LOG_COLLECTION, key, value)?,
            None => ctx.private_del(LOG_COLLECTION, key)?,
        }
        if let Some(to) = hands {
            ctx.set_private_key_policy(LOG_COLLECTION, key, &KeyPolicy::any_peer([to]))?;
        }
        Ok::<_, HealthError>(())
    });
    written.is_ok()
}

#[tokio::test]
async fn the_second_payer_asks_until_the_first_lets_go() {
    let world = two_payers().await;
    assert_eq!(claimed(&world, INSURER, 1, 14, 7), ClaimStatus::Approved);
    assert_eq!(claimed(&world, OTHER, 2, 14, 7), ClaimStatus::Pended);
    assert_eq!(rules(&seen(&world, OTHER, 2)), [EditCode::OtherClaim]);
    assert_eq!(
        claimed(&world, OTHER, 3, 13, 8),
        ClaimStatus::Approved,
        "another service"
    );
    // Whoever decides again without the fingerprint is asked all the same.
    informed(&world, OTHER, 2);
    assert_eq!(adjudicated(&world, OTHER, 2, None), ClaimStatus::Pended);
    // The first one's void lets go.
    replaced(&world, INSURER, body(&world, INSURER, 9, 14), 1, Frequency::Void);
    assert!(marked(&world, 7).is_empty());
    informed(&world, OTHER, 2);
    assert_eq!(adjudicated(&world, OTHER, 2, None), ClaimStatus::Approved);
    assert_eq!(marked(&world, 7), [OTHER]);
    // What was taken back comes again, and meets the second one's.
    replaced(
        &world,
        INSURER,
        body(&world, INSURER, 4, 14),
        1,
        Frequency::Replacement,
    );
    assert_eq!(adjudicated(&world, INSURER, 4, Some(7)), ClaimStatus::Pended);
}

#[tokio::test]
async fn of_two_payers_that_decide_at_once_the_second_asks() {
    let world = two_payers().await;
    let endorsed = |payer: &'static str, n: u8| -> Endorsed {
        let client = world.client(payer, Role::Payer);
        let step = step(&world, n, Some(7));
        let request = ClaimsClient::new(&client).adjudicate(payer, HOSPITAL, step);
        client
            .endorse(request.endorsed_by([payer]).call().clone())
            .unwrap()
    };
    submit(&world, INSURER, body(&world, INSURER, 1, 14));
    submit(&world, OTHER, body(&world, OTHER, 2, 14));
    let block = [endorsed(OTHER, 2), endorsed(INSURER, 1)];
    assert_eq!(codes(&world, block), ["VALID", "MVCC_READ_CONFLICT"]);
    assert_eq!(seen(&world, OTHER, 2).status, ClaimStatus::Approved);
    assert_eq!(adjudicated(&world, INSURER, 1, Some(7)), ClaimStatus::Pended);
}

#[tokio::test]
async fn what_the_other_payer_paid_is_coordination_and_no_question() {
    let world = two_payers().await;
    insured(&world, OTHER, 5, true).await;
    assert_eq!(claimed(&world, INSURER, 1, 14, 7), ClaimStatus::Approved);
    let mut second = body(&world, OTHER, 2, 14);
    second.claim.coverage = CoverageId::from_bytes(bytes(5));
    second.claim.lines[0].other_payer = Some(OtherPayer { paid: 17_100 });
    submit(&world, OTHER, second);
    assert_eq!(adjudicated(&world, OTHER, 2, Some(7)), ClaimStatus::Approved);
    let first = in_log(&world, &mark(INSURER, 7)).unwrap();
    assert_eq!(marked(&world, 7), [INSURER]);
    // Nor does a second payer mark what the first has not marked: the first would be asked about its own service.
    let mut alone = body(&world, OTHER, 4, 13);
    alone.claim.coverage = CoverageId::from_bytes(bytes(5));
    alone.claim.lines[0].other_payer = Some(OtherPayer { paid: 100 });
    submit(&world, OTHER, alone);
    assert_eq!(adjudicated(&world, OTHER, 4, Some(8)), ClaimStatus::Approved);
    assert!(marked(&world, 8).is_empty());
    // The second one never held it: its void changes nothing of it.
    let mut void = body(&world, OTHER, 3, 14);
    void.claim.coverage = CoverageId::from_bytes(bytes(5));
    void.claim.lines[0].other_payer = Some(OtherPayer { paid: 17_100 });
    replaced(&world, OTHER, void, 2, Frequency::Void);
    assert_eq!(in_log(&world, &mark(INSURER, 7)).unwrap(), first);
}

#[tokio::test]
async fn a_payer_does_not_ask_itself_and_holds_a_mark_for_each_of_its_claims() {
    let world = two_payers().await;
    assert_eq!(claimed(&world, INSURER, 1, 14, 7), ClaimStatus::Approved);
    // Another claim of this member: what is twice within one payer, its own history finds.
    assert_eq!(claimed(&world, INSURER, 2, 13, 7), ClaimStatus::Approved);
    replaced(
        &world,
        INSURER,
        body(&world, INSURER, 3, 14),
        1,
        Frequency::Replacement,
    );
    assert_eq!(marked(&world, 7), [INSURER], "the other claim holds it");
    assert_eq!(adjudicated(&world, INSURER, 3, Some(7)), ClaimStatus::Approved);
    replaced(&world, INSURER, body(&world, INSURER, 4, 14), 3, Frequency::Void);
    assert_eq!(marked(&world, 7), [INSURER]);
    replaced(&world, INSURER, body(&world, INSURER, 5, 13), 2, Frequency::Void);
    assert!(marked(&world, 7).is_empty());
    // A line that is denied marks nothing.
    let mut unknown = body(&world, INSURER, 6, 12);
    unknown.claim.lines[0].procedure = "X-9999".into();
    submit(&world, INSURER, unknown);
    assert_eq!(adjudicated(&world, INSURER, 6, Some(9)), ClaimStatus::Denied);
    assert!(marked(&world, 9).is_empty());
}

#[tokio::test]
async fn a_reversal_and_another_fingerprint_let_go() {
    let world = two_payers().await;
    assert_eq!(claimed(&world, INSURER, 1, 14, 7), ClaimStatus::Approved);
    let payer = world.client(INSURER, Role::Payer);
    let payment = Payment {
        claim: id(1),
        amount: 17_100,
        reference: "TRN-1".into(),
        salt: world.wallet.salt(),
    };
    at!(&world, &payer, INSURER, pay(INSURER, HOSPITAL, payment)).unwrap();
    let reversal = Reversal {
        claim: id(1),
        reason: "paid to the wrong account".into(),
        salt: world.wallet.salt(),
    };
    at!(&world, &payer, INSURER, reverse(INSURER, HOSPITAL, reversal)).unwrap();
    assert!(marked(&world, 7).is_empty());
    assert_eq!(claimed(&world, OTHER, 2, 14, 7), ClaimStatus::Approved);
    let mut wrong = step(&world, 2, None);
    wrong.noticed.fingerprints = BTreeMap::from([(9, Hash::from_bytes([7; 32]))]);
    let client = world.client(OTHER, Role::Payer);
    submit(&world, OTHER, body(&world, OTHER, 3, 13));
    wrong.claim = id(3);
    let refused = at!(&world, &client, OTHER, adjudicate(OTHER, HOSPITAL, wrong));
    assert!(matches!(refused, Err(HealthError::InvalidCode(_))), "{refused:?}");
}

#[tokio::test]
async fn lines_of_a_quarter_that_is_not_open_are_not_compared() {
    let world = two_payers().await;
    for (payer, n) in [(INSURER, 1), (OTHER, 2)] {
        let mut body = body(&world, payer, n, 14);
        body.claim.lines[0].date = "2026-12-31".parse().unwrap();
        submit(&world, payer, body);
        assert_eq!(adjudicated(&world, payer, n, Some(7)), ClaimStatus::Approved);
    }
    assert!(marked(&world, 7).is_empty());
}

#[tokio::test]
async fn every_payer_that_stands_on_a_service_is_met_by_the_next() {
    let world = payers(&[(INSURER, 1), (OTHER, 2), (THIRD, 3)]).await;
    assert_eq!(claimed(&world, INSURER, 1, 14, 7), ClaimStatus::Approved);
    assert_eq!(claimed(&world, OTHER, 2, 14, 7), ClaimStatus::Pended);
    assert_eq!(marked(&world, 7), [INSURER]);
    assert_eq!(set_aside(&world, OTHER, 2), ClaimStatus::Approved);
    assert_eq!(marked(&world, 7), [INSURER, OTHER]);
    assert_eq!(claimed(&world, THIRD, 3, 14, 7), ClaimStatus::Pended);
    // Once the first lets go, the second is still there: a third payer is asked, and so is the first with what it claims anew.
    replaced(&world, INSURER, body(&world, INSURER, 8, 14), 1, Frequency::Void);
    assert_eq!(marked(&world, 7), [OTHER], "a void takes nobody else's");
    informed(&world, THIRD, 3);
    assert_eq!(adjudicated(&world, THIRD, 3, None), ClaimStatus::Pended);
    assert_eq!(claimed(&world, INSURER, 4, 14, 7), ClaimStatus::Pended);
    // A replacement of the second's lets go of its own alone, and is asked where another one stands.
    assert_eq!(set_aside(&world, INSURER, 4), ClaimStatus::Approved);
    replaced(
        &world,
        OTHER,
        body(&world, OTHER, 5, 14),
        2,
        Frequency::Replacement,
    );
    assert_eq!(marked(&world, 7), [INSURER]);
    assert_eq!(adjudicated(&world, OTHER, 5, Some(7)), ClaimStatus::Pended);
    replaced(&world, INSURER, body(&world, INSURER, 9, 14), 4, Frequency::Void);
    for (payer, n) in [(OTHER, 5), (THIRD, 3)] {
        informed(&world, payer, n);
    }
    assert_eq!(adjudicated(&world, OTHER, 5, None), ClaimStatus::Approved);
    assert_eq!(adjudicated(&world, THIRD, 3, None), ClaimStatus::Pended);
}

/// Who stood there first is not asked about those who came after it.
#[tokio::test]
async fn what_holds_a_mark_is_decided_again_without_a_question() {
    let world = two_payers().await;
    let mut first = body(&world, INSURER, 1, 14);
    let mut another = first.claim.lines[0].clone();
    another.sequence = 2;
    another.date = "2027-01-13".parse().unwrap();
    first.claim.lines.push(another);
    first.claim.total = first.claim.lines.iter().map(|line| line.charge).sum();
    submit(&world, INSURER, first);
    let (asks, junk) = (mark(OTHER, 8), json!({"salt": world.wallet.salt()}));
    assert!(forge(&world, OTHER, &asks, Some(&junk), Some(OTHER)));
    let mut both = step(&world, 1, Some(7));
    both.noticed.fingerprints.insert(2, Hash::from_bytes([8; 32]));
    let payer = world.client(INSURER, Role::Payer);
    at!(&world, &payer, INSURER, adjudicate(INSURER, HOSPITAL, both)).unwrap();
    assert_eq!(seen(&world, INSURER, 1).status, ClaimStatus::Pended);
    assert_eq!(marked(&world, 7), [INSURER], "the line that is covered");
    assert_eq!(claimed(&world, OTHER, 2, 14, 7), ClaimStatus::Pended);
    assert_eq!(set_aside(&world, OTHER, 2), ClaimStatus::Approved);
    assert!(forge(&world, OTHER, &asks, None, None));
    informed(&world, INSURER, 1);
    assert_eq!(adjudicated(&world, INSURER, 1, None), ClaimStatus::Approved);
    assert_eq!(marked(&world, 7), [INSURER, OTHER]);
}

#[tokio::test]
async fn a_mark_that_somebody_made_up_asks_and_people_answer() {
    let world = two_payers().await;
    let junk = json!({"salt": world.wallet.salt()});
    let forged = |owner: &str, of: u8| forge(&world, CLINIC, &mark(owner, of), Some(&junk), Some(CLINIC));
    // In another payer's name.
    assert!(forged(OTHER, 7));
    assert_eq!(claimed(&world, INSURER, 1, 14, 7), ClaimStatus::Pended);
    assert_eq!(set_aside(&world, INSURER, 1), ClaimStatus::Approved);
    assert_eq!(marked(&world, 7), [INSURER, OTHER]);
    replaced(&world, INSURER, body(&world, INSURER, 2, 14), 1, Frequency::Void);
    assert_eq!(in_log(&world, &mark(OTHER, 7)).unwrap(), junk);
    // In its own: it has no place for a mark then, and others ask all the same.
    assert!(forged(INSURER, 8));
    assert_eq!(claimed(&world, INSURER, 3, 13, 8), ClaimStatus::Pended);
    assert_eq!(set_aside(&world, INSURER, 3), ClaimStatus::Approved);
    assert_eq!(claimed(&world, OTHER, 4, 13, 8), ClaimStatus::Pended);
    replaced(&world, INSURER, body(&world, INSURER, 5, 13), 3, Frequency::Void);
    assert_eq!(in_log(&world, &mark(INSURER, 8)).unwrap(), junk);
    // What is handed to it, it takes for its own.
    assert!(forge(
        &world,
        CLINIC,
        &mark(INSURER, 9),
        Some(&junk),
        Some(INSURER)
    ));
    assert_eq!(claimed(&world, INSURER, 6, 12, 9), ClaimStatus::Approved);
    assert_ne!(in_log(&world, &mark(INSURER, 9)).unwrap(), junk);
    replaced(&world, INSURER, body(&world, INSURER, 7, 12), 6, Frequency::Void);
    assert!(marked(&world, 9).is_empty());
}

#[tokio::test]
async fn nobody_but_its_payer_changes_a_mark() {
    let world = two_payers().await;
    assert_eq!(claimed(&world, INSURER, 1, 14, 7), ClaimStatus::Approved);
    let key = mark(INSURER, 7);
    let value = in_log(&world, &key).unwrap();
    let junk = json!({"salt": world.wallet.salt()});
    for organisation in [OTHER, CLINIC, HOSPITAL, REGULATOR] {
        assert!(!forge(&world, organisation, &key, None, None), "{organisation}");
        assert!(!forge(
            &world,
            organisation,
            &key,
            Some(&junk),
            Some(organisation)
        ));
    }
    assert_eq!(claimed(&world, OTHER, 2, 14, 7), ClaimStatus::Pended);
    // Let go by its payer, it comes back as another organisation's, with the value that it had: no more its payer's to hold.
    replaced(&world, INSURER, body(&world, INSURER, 8, 14), 1, Frequency::Void);
    assert!(forge(&world, OTHER, &key, Some(&value), Some(OTHER)));
    replaced(
        &world,
        INSURER,
        body(&world, INSURER, 9, 14),
        1,
        Frequency::Replacement,
    );
    assert_eq!(adjudicated(&world, INSURER, 9, Some(7)), ClaimStatus::Pended);
}
