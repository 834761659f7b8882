//! A remittance is paid, and confirmed, in one transaction: what is due by the payer's book, of all claims that are named or of none, once.

use crate::claims::{
    adjudicate, book, claim, codes, covered_as, covered_by, id, is_conflict, on, payers, paying, payment,
    person, providers, remittance, remitting, submit, view, waiting,
};
use crate::claims_appeal::{answered, appealed, reduced};
use crate::claims_forged::forge;
use crate::claims_holding::excluded;
use crate::claims_money::reversal;
use crate::claims_review::aside;
use crate::fixture::{HOSPITAL, INSURER, World, bytes, world};
use careledger_api::HealthError;
use careledger_api::adjudication::EditCode;
use careledger_api::contracts::claims::{
    AppealAct, ClaimStatus, ClaimsClient, MoneyState, RemittanceConfirmation, RemittancePayment,
    RemittedMoney,
};
use careledger_api::hashing::keyed_hash;
use careledger_api::ids::{ClaimId, CoverageId, RemittanceId, Salt, TxId};
use careledger_api::roles::Role;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Claims 1 and 2 come to this: the member's deductible is in the first.
const BOTH: i64 = 17_100 + 18_000;

/// Claims 1, 2 and 3, approved.
async fn approved() -> World {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    for (n, day) in [(1, "2027-01-13"), (2, "2027-01-14"), (3, "2027-01-15")] {
        submit(&world, on(&world, n, day)).await.unwrap();
        adjudicate(&world, id(n)).await.unwrap();
    }
    world
}

/// Claims 1 and 2 on remittance 1; claim 3 on none.
async fn remitted() -> World {
    let world = approved().await;
    let payer = world.client(INSURER, Role::Payer);
    payers!(world, &payer, remit(remittance(&world, 1, &[1, 2]))).unwrap();
    world
}

fn number(n: u8) -> RemittanceId {
    RemittanceId::from_bytes(bytes(n))
}

fn sum(world: &World, claims: &[u8], expected: Option<i64>) -> RemittancePayment {
    RemittancePayment {
        remittance: number(1),
        claims: claims.iter().map(|n| id(*n)).collect(),
        expected,
        set_off: BTreeSet::new(),
        reference: "EFT-1".into(),
        salt: world.wallet.salt(),
    }
}

async fn pays(world: &World, payment: RemittancePayment) -> Result<TxId, HealthError> {
    let payer = world.client(INSURER, Role::Payer);
    payers!(world, &payer, pay_remittance(payment))
}

fn came(world: &World, claims: &[u8], expected: Option<i64>) -> RemittanceConfirmation {
    RemittanceConfirmation {
        remittance: number(1),
        claims: claims.iter().map(|n| id(*n)).collect(),
        expected,
        salt: world.wallet.salt(),
    }
}

async fn confirms(world: &World, confirmation: RemittanceConfirmation) -> Result<TxId, HealthError> {
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    providers!(world, &biller, confirm_remittance(confirmation))
}

/// The money of a remittance as that organisation's peer has it.
async fn money(world: &World, organisation: &str, n: u8) -> Vec<RemittedMoney> {
    let role = match organisation {
        INSURER => Role::Payer,
        _ => Role::ProviderBilling,
    };
    let client = world.client(organisation, role);
    let asked = ClaimsClient::new(&client).remittance_money(INSURER, HOSPITAL, number(n));
    asked.endorsed_by([organisation]).send().await.unwrap()
}

async fn states(world: &World, n: u8) -> Vec<(i64, MoneyState)> {
    let seen = money(world, INSURER, n).await;
    let states =
        |seen: &[RemittedMoney]| -> Vec<_> { seen.iter().map(|claim| (claim.amount, claim.state)).collect() };
    assert_eq!(
        states(&seen),
        states(&money(world, HOSPITAL, n).await),
        "both see the same"
    );
    states(&seen)
}

async fn unpaid(world: &World, n: u8) {
    let seen = view(world, n).await;
    assert_eq!((seen.status, seen.payments.len()), (ClaimStatus::Payable, 0));
    assert_eq!(book(world, n).await.paid, 0);
}

#[tokio::test]
async fn a_remittance_is_paid_and_confirmed_in_one_transaction_each() {
    let world = remitted().await;
    assert_eq!(
        states(&world, 1).await,
        [(17_100, MoneyState::ToPay), (18_000, MoneyState::ToPay)]
    );
    let paid = pays(&world, sum(&world, &[1, 2], Some(BOTH))).await.unwrap();
    let mut salts = BTreeSet::new();
    for (n, amount) in [(1, 17_100), (2, 18_000)] {
        let seen = view(&world, n).await;
        assert_eq!(
            (seen.status, seen.payments.len(), seen.tx),
            (ClaimStatus::Paid, 1, paid.clone())
        );
        let payment = &seen.payments[0];
        assert_eq!(
            (payment.claim, payment.amount, payment.reference.as_str()),
            (id(n), amount, "EFT-1")
        );
        salts.insert(payment.salt);
        let booked = book(&world, n).await;
        assert_eq!(
            (booked.status, booked.paid, booked.due),
            (ClaimStatus::Paid, amount, 0)
        );
    }
    assert_eq!(salts.len(), 2, "equal payments do not show in the block");
    assert_eq!(view(&world, 3).await.status, ClaimStatus::Approved);
    assert_eq!(
        states(&world, 1).await,
        [(17_100, MoneyState::Paid), (18_000, MoneyState::Paid)]
    );
    assert_eq!(
        money(&world, HOSPITAL, 1).await[0].reference.as_deref(),
        Some("EFT-1")
    );
    // Once more, by whichever way and of however many, pays nothing.
    for again in [sum(&world, &[1, 2], Some(BOTH)), sum(&world, &[2], None)] {
        is_conflict(pays(&world, again).await, "PAID");
    }
    is_conflict(paying(&world, 1, 17_100).await, "PAID");
    assert_eq!(view(&world, 1).await.payments.len(), 1);

    is_conflict(
        confirms(&world, came(&world, &[1, 2], Some(BOTH - 1))).await,
        "sum",
    );
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Paid);
    confirms(&world, came(&world, &[1, 2], Some(BOTH))).await.unwrap();
    for n in [1, 2] {
        assert_eq!(view(&world, n).await.status, ClaimStatus::Cleared);
    }
    is_conflict(confirms(&world, came(&world, &[1, 2], None)).await, "CLEARED");
    assert_eq!(
        states(&world, 1).await,
        [(17_100, MoneyState::Confirmed), (18_000, MoneyState::Confirmed)]
    );
}

#[tokio::test]
async fn claims_of_a_remittance_are_paid_all_or_none() {
    // One is paid before, by itself.
    let world = remitted().await;
    paying(&world, 2, 18_000).await.unwrap();
    is_conflict(pays(&world, sum(&world, &[1, 2], None)).await, "PAID");
    unpaid(&world, 1).await;
    pays(&world, sum(&world, &[1], Some(17_100))).await.unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Paid);

    // One is held.
    let world = remitted().await;
    excluded(&world, Some("2027-01-14")).await;
    is_conflict(pays(&world, sum(&world, &[1, 2], None)).await, "held");
    unpaid(&world, 1).await;
    let seen = money(&world, INSURER, 1).await;
    assert_eq!(seen[0].held, None);
    assert!(
        seen[1]
            .held
            .as_deref()
            .is_some_and(|why| why.contains("excluded")),
        "{seen:?}"
    );
    let told = money(&world, HOSPITAL, 1).await;
    assert!(
        told.iter().all(|claim| claim.held.is_none()),
        "why is the payer's to say"
    );
    pays(&world, sum(&world, &[1], None)).await.unwrap();
    unpaid(&world, 2).await;

    // One is on no remittance, on another one, reversed, or not there.
    let world = remitted().await;
    is_conflict(pays(&world, sum(&world, &[1, 3], None)).await, "remittance");
    assert_eq!(view(&world, 3).await.status, ClaimStatus::Approved);
    remitting(&world, 3).await.unwrap();
    is_conflict(pays(&world, sum(&world, &[1, 3], None)).await, "remittance");
    let unknown = pays(&world, sum(&world, &[1, 9], None)).await;
    assert_eq!(unknown, Err(HealthError::NotFound));
    let payer = world.client(INSURER, Role::Payer);
    payers!(world, &payer, reverse(reversal(&world, 2))).unwrap();
    is_conflict(pays(&world, sum(&world, &[1, 2], None)).await, "REVERSED");
    unpaid(&world, 1).await;
    unpaid(&world, 3).await;
    assert_eq!(
        states(&world, 1).await,
        [(17_100, MoneyState::ToPay), (0, MoneyState::Elsewhere)]
    );
}

#[tokio::test]
async fn another_sum_than_the_expected_one_pays_nothing() {
    let world = remitted().await;
    for wrong in [BOTH - 1, BOTH + 1, 0, -BOTH, i64::MAX, i64::MIN] {
        is_conflict(pays(&world, sum(&world, &[1, 2], Some(wrong))).await, "sum");
    }
    is_conflict(pays(&world, sum(&world, &[1], Some(BOTH))).await, "sum");
    let none = pays(&world, sum(&world, &[], Some(0))).await;
    assert!(matches!(none, Err(HealthError::Limit(_))), "{none:?}");
    let many: Vec<u8> = (1..=51).collect();
    for refused in [
        pays(&world, sum(&world, &many, None)).await,
        confirms(&world, came(&world, &many, None)).await,
        confirms(&world, came(&world, &[], None)).await,
    ] {
        assert!(matches!(refused, Err(HealthError::Limit(_))), "{refused:?}");
    }
    for wrong in ["", "Ä", "x\ny"] {
        let payment = RemittancePayment {
            reference: wrong.into(),
            ..sum(&world, &[1, 2], None)
        };
        let refused = pays(&world, payment).await;
        assert!(matches!(refused, Err(HealthError::InvalidCode(_))), "{refused:?}");
    }
    let undrawn = RemittancePayment {
        salt: Salt::from_bytes([0; 32]),
        ..sum(&world, &[1, 2], None)
    };
    assert!(pays(&world, undrawn).await.is_err());
    unpaid(&world, 1).await;
    unpaid(&world, 2).await;
    // Who states none pays what the book says.
    pays(&world, sum(&world, &[1, 2], None)).await.unwrap();
    assert_eq!(book(&world, 1).await.paid + book(&world, 2).await.paid, BOTH);
}

#[tokio::test]
async fn of_payments_that_meet_in_a_block_the_first_counts() {
    let both = |world: &World| {
        let payer = world.client(INSURER, Role::Payer);
        waiting!(&payer, INSURER, pay_remittance(sum(world, &[1, 2], Some(BOTH))))
    };
    let one = |world: &World| {
        let payer = world.client(INSURER, Role::Payer);
        waiting!(&payer, INSURER, pay(payment(world, 2, 18_000)))
    };
    let world = remitted().await;
    let race = [both(&world), both(&world)];
    assert_eq!(codes(&world, race), ["VALID", "MVCC_READ_CONFLICT"]);
    assert_eq!(view(&world, 1).await.payments.len(), 1);

    let world = remitted().await;
    let race = [both(&world), one(&world)];
    assert_eq!(codes(&world, race), ["VALID", "MVCC_READ_CONFLICT"]);
    assert_eq!(view(&world, 2).await.payments.len(), 1);

    let world = remitted().await;
    let race = [one(&world), both(&world)];
    assert_eq!(codes(&world, race), ["VALID", "MVCC_READ_CONFLICT"]);
    unpaid(&world, 1).await;

    // What is learnt in the same block holds the payment.
    let world = remitted().await;
    let waits = both(&world);
    excluded(&world, Some("2027-01-14")).await;
    assert_eq!(codes(&world, [waits]), ["MVCC_READ_CONFLICT"]);
    unpaid(&world, 1).await;

    let world = remitted().await;
    pays(&world, sum(&world, &[1, 2], None)).await.unwrap();
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let word = || waiting!(&biller, HOSPITAL, confirm_remittance(came(&world, &[1, 2], None)));
    assert_eq!(codes(&world, [word(), word()]), ["VALID", "MVCC_READ_CONFLICT"]);
}

#[tokio::test]
async fn what_is_confirmed_is_paid_on_that_remittance() {
    let world = remitted().await;
    is_conflict(confirms(&world, came(&world, &[1, 2], None)).await, "PAYABLE");
    pays(&world, sum(&world, &[1], None)).await.unwrap();
    is_conflict(confirms(&world, came(&world, &[1, 2], None)).await, "PAYABLE");
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Paid);
    // Paid without a remittance.
    paying(&world, 3, 18_000).await.unwrap();
    is_conflict(confirms(&world, came(&world, &[1, 3], None)).await, "remittance");
    let other = RemittanceConfirmation {
        remittance: number(9),
        ..came(&world, &[1], None)
    };
    assert_eq!(confirms(&world, other).await, Err(HealthError::NotFound));
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Paid);
    confirms(&world, came(&world, &[1], Some(17_100))).await.unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Cleared);
}

#[tokio::test]
async fn a_claim_that_is_all_the_members_is_paid_with_nothing_beside_others() {
    let world = remitted().await;
    covered_as(&world, 2, |plan| plan.deductible = 100_000).await;
    let mut theirs = claim(&world, 4, "X-1001");
    theirs.claim.coverage = CoverageId::from_bytes(bytes(2));
    submit(&world, theirs).await.unwrap();
    adjudicate(&world, id(4)).await.unwrap();
    let payer = world.client(INSURER, Role::Payer);
    payers!(world, &payer, remit(remittance(&world, 4, &[3, 4]))).unwrap();
    let payment = RemittancePayment {
        remittance: number(4),
        ..sum(&world, &[3, 4], Some(18_000))
    };
    pays(&world, payment).await.unwrap();
    let seen = view(&world, 4).await;
    assert_eq!((seen.status, seen.payments[0].amount), (ClaimStatus::Paid, 0));
    assert_eq!(
        states(&world, 4).await,
        [(18_000, MoneyState::Paid), (0, MoneyState::Paid)]
    );
}

/// Money that is appealed about waits; what is decided anew is paid on the next remittance, and on that alone.
#[tokio::test]
async fn what_is_appealed_is_left_out_and_decided_anew_it_is_on_the_next_remittance() {
    let world = reduced(true).await;
    covered_as(&world, 2, |_| ()).await;
    let mut theirs = claim(&world, 2, "X-1001");
    theirs.claim.coverage = CoverageId::from_bytes(bytes(2));
    submit(&world, theirs).await.unwrap();
    adjudicate(&world, id(2)).await.unwrap();
    let payer = world.client(INSURER, Role::Payer);
    payers!(world, &payer, remit(remittance(&world, 1, &[1, 2]))).unwrap();
    appealed(&world).unwrap();
    is_conflict(pays(&world, sum(&world, &[1, 2], None)).await, "appeal");
    unpaid(&world, 2).await;
    let held = money(&world, INSURER, 1).await.remove(0).held;
    assert!(held.is_some_and(|why| why.contains("appeal")));
    pays(&world, sum(&world, &[2], Some(17_100))).await.unwrap();

    let reviewer = person(&world, INSURER, Role::Payer);
    answered(&world, &reviewer, AppealAct::Overturn, aside(EditCode::UnitLimit)).unwrap();
    for remitted_again in [false, true] {
        if remitted_again {
            payers!(world, &payer, remit(remittance(&world, 2, &[1]))).unwrap();
        }
        is_conflict(pays(&world, sum(&world, &[1], None)).await, "remittance");
        assert_eq!(
            states(&world, 1).await,
            [(0, MoneyState::Elsewhere), (17_100, MoneyState::Paid)]
        );
    }
    let next = RemittancePayment {
        remittance: number(2),
        ..sum(&world, &[1], Some(40_000))
    };
    pays(&world, next).await.unwrap();
    assert_eq!(states(&world, 2).await, [(40_000, MoneyState::Paid)]);
    is_conflict(confirms(&world, came(&world, &[1, 2], None)).await, "remittance");
    let next = RemittanceConfirmation {
        remittance: number(2),
        ..came(&world, &[1], Some(40_000))
    };
    confirms(&world, next).await.unwrap();
    assert_eq!(
        view(&world, 2).await.status,
        ClaimStatus::Paid,
        "on the first one"
    );
}

#[tokio::test]
async fn of_a_claim_that_is_denied_nothing_is_paid_or_confirmed() {
    let world = approved().await;
    let mut dear = on(&world, 4, "2027-01-12");
    dear.claim.lines[0].procedure = "X-9999".into();
    submit(&world, dear).await.unwrap();
    adjudicate(&world, id(4)).await.unwrap();
    assert_eq!(view(&world, 4).await.status, ClaimStatus::Denied);
    let payer = world.client(INSURER, Role::Payer);
    payers!(world, &payer, remit(remittance(&world, 1, &[1, 4]))).unwrap();
    is_conflict(pays(&world, sum(&world, &[1, 4], Some(17_100))).await, "DENIED");
    unpaid(&world, 1).await;
    pays(&world, sum(&world, &[1], Some(17_100))).await.unwrap();
    is_conflict(confirms(&world, came(&world, &[1, 4], None)).await, "DENIED");
    confirms(&world, came(&world, &[1], None)).await.unwrap();
    assert_eq!(
        states(&world, 1).await,
        [(17_100, MoneyState::Confirmed), (0, MoneyState::Denied)]
    );
}

/// Which claims are on a remittance the payer's book says, whatever lies in the pair's collection.
#[tokio::test]
async fn a_remittance_that_a_provider_wrote_pays_nothing() {
    let world = remitted().await;
    let forged = json!({
        "id": number(9), "amounts": { id(1).to_string(): 1_000_000, id(3).to_string(): 1_000_000 },
        "tx": "ab".repeat(32), "salt": world.wallet.salt(),
    });
    assert!(forge(&world, HOSPITAL, &[(format!("rem~{}", number(9)), forged)]));
    for claims in [&[1, 3][..], &[3], &[1]] {
        let payment = RemittancePayment {
            remittance: number(9),
            ..sum(&world, claims, None)
        };
        is_conflict(pays(&world, payment).await, "remittance");
    }
    unpaid(&world, 1).await;
    assert_eq!(states(&world, 9).await, [(0, MoneyState::Elsewhere); 2]);
}

/// The contract never puts claims of two currencies on one remittance; if a book said so, they would not be added up.
#[tokio::test]
async fn amounts_of_two_currencies_are_not_added_up() {
    let world = remitted().await;
    covered_as(&world, 2, |plan| plan.currency = "EUR".into()).await;
    let mut other = claim(&world, 4, "X-1001");
    other.claim.coverage = CoverageId::from_bytes(bytes(2));
    other.claim.currency = "EUR".into();
    submit(&world, other).await.unwrap();
    adjudicate(&world, id(4)).await.unwrap();
    remitting(&world, 4).await.unwrap();
    rebook(&world, id(4), |book| book["remittances"] = json!([number(1)]));
    is_conflict(pays(&world, sum(&world, &[1, 4], None)).await, "currency");
    unpaid(&world, 1).await;
}

/// The payer's own peer runs code of its own, which changes its book of a claim.
fn rebook(world: &World, claim: ClaimId, change: impl FnOnce(&mut Value)) {
    let own = "payer_InsurerMSP";
    let read = |key: &str| -> Value {
        let value = world.mock.private(INSURER, own, key).unwrap();
        serde_json::from_slice(&value.unwrap()).unwrap()
    };
    let secret: Salt = serde_json::from_value(read("secret")["secret"].clone()).unwrap();
    let hash = keyed_hash(&secret, "book", &[HOSPITAL.as_bytes(), claim.as_bytes()]);
    let key = format!("book~{hash}");
    let mut book = read(&key);
    change(&mut book);
    let altered = world.client(INSURER, Role::Payer);
    let written = altered.transact(|ctx| {
        ctx.private_put_json(own, &key, &book)?;
        Ok::<_, HealthError>(())
    });
    written.unwrap();
}
