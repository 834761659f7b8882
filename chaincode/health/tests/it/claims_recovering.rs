//! What was paid of a claim that is reversed comes back, once and whole: by itself, or by so much less being paid of a remittance. Until it does, both see it.

use crate::claims::{
    adjudicate, book, came, claim, codes, covered_as, covered_by, id, instead, is_conflict, on, paid, payers,
    paying, person, providers, receive, remittance, remitting, replace, submit, view, waiting,
};
use crate::claims_appeal::{answered, appealed, reduced};
use crate::claims_listing::{remittances, steps};
use crate::claims_money::reversal;
use crate::claims_review::aside;
use crate::fixture::{HOSPITAL, INSURER, World, bytes, world};
use careledger_api::HealthError;
use careledger_api::adjudication::{EditCode, Frequency};
use careledger_api::contracts::claims::{
    AppealAct, ClaimStatus, ClaimsClient, ExplanationOfBenefits, ListedRemittance, MoneyState, ProviderStep,
    Recovery, RemittanceConfirmation, RemittancePayment, RemittanceQuery, RemittanceView, RemittedMoney,
    StillOut, TakenBack, WaitingClaim, WaitingQuery, WaitingStep,
};
use careledger_api::ids::{CoverageId, RemittanceId, TxId};
use careledger_api::roles::Role;

fn number(n: u8) -> RemittanceId {
    RemittanceId::from_bytes(bytes(n))
}

fn recovery(world: &World, n: u8) -> Recovery {
    Recovery {
        claim: id(n),
        reference: "BACK-1".into(),
        salt: world.wallet.salt(),
    }
}

async fn recovered(world: &World, n: u8) -> Result<TxId, HealthError> {
    let payer = world.client(INSURER, Role::Payer);
    payers!(world, &payer, recover(recovery(world, n)))
}

async fn reversed(world: &World, n: u8) {
    let payer = world.client(INSURER, Role::Payer);
    payers!(world, &payer, reverse(reversal(world, n))).unwrap();
}

/// Pays claims of the remittance of a number, less the money of others.
async fn pays(
    world: &World,
    n: u8,
    claims: &[u8],
    (set_off, expected): (&[u8], Option<i64>),
) -> Result<TxId, HealthError> {
    let payer = world.client(INSURER, Role::Payer);
    payers!(
        world,
        &payer,
        pay_remittance(sum(world, n, claims, (set_off, expected)))
    )
}

fn sum(world: &World, n: u8, claims: &[u8], (set_off, expected): (&[u8], Option<i64>)) -> RemittancePayment {
    RemittancePayment {
        remittance: number(n),
        claims: claims.iter().map(|n| id(*n)).collect(),
        expected,
        set_off: set_off.iter().map(|n| id(*n)).collect(),
        reference: format!("EFT-{n}"),
        salt: world.wallet.salt(),
    }
}

async fn to_recover(world: &World) -> Vec<WaitingClaim> {
    let payer = world.client(INSURER, Role::Payer);
    let query = WaitingQuery {
        step: Some(WaitingStep::Recover),
        ..WaitingQuery::default()
    };
    let asked = ClaimsClient::new(&payer).waiting(INSURER, HOSPITAL, query);
    let found = asked.endorsed_by([INSURER]).send().await.unwrap();
    found.claims
}

async fn explained(world: &World, n: u8) -> ExplanationOfBenefits {
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let asked = ClaimsClient::new(&biller).explanation(INSURER, HOSPITAL, id(n));
    asked.endorsed_by([HOSPITAL]).send().await.unwrap()
}

async fn told(world: &World, n: u8) -> RemittanceView {
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let asked = ClaimsClient::new(&biller).remittance(INSURER, HOSPITAL, number(n));
    asked.endorsed_by([HOSPITAL]).send().await.unwrap()
}

async fn money(world: &World, n: u8) -> Vec<RemittedMoney> {
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let asked = ClaimsClient::new(&biller).remittance_money(INSURER, HOSPITAL, number(n));
    asked.endorsed_by([HOSPITAL]).send().await.unwrap()
}

async fn listed(world: &World, n: u8) -> ListedRemittance {
    let all = remittances(world, RemittanceQuery::default()).await.remittances;
    all.into_iter().find(|row| row.remittance == number(n)).unwrap()
}

async fn confirmed(world: &World, n: u8) -> Result<TxId, HealthError> {
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let confirmation = RemittanceConfirmation {
        remittance: number(n),
        claims: [id(1)].into(),
        expected: Some(20_000),
        salt: world.wallet.salt(),
    };
    providers!(world, &biller, confirm_remittance(confirmation))
}

/// Claim 1, paid on remittance 1 and reversed, and claims 2 and 3 of another day each, which wait on remittance 2 for 18,000 each.
async fn reversed_beside_others() -> World {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    let payer = world.client(INSURER, Role::Payer);
    for (n, day) in [(1, "2027-01-13"), (2, "2027-01-14"), (3, "2027-01-15")] {
        submit(&world, on(&world, n, day)).await.unwrap();
        adjudicate(&world, id(n)).await.unwrap();
    }
    remitting(&world, 1).await.unwrap();
    pays(&world, 1, &[1], (&[], None)).await.unwrap();
    payers!(world, &payer, remit(remittance(&world, 2, &[2, 3]))).unwrap();
    reversed(&world, 1).await;
    world
}

#[tokio::test]
async fn what_was_paid_of_a_reversed_claim_comes_back_once() {
    let world = paid().await;
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    is_conflict(recovered(&world, 1).await, "nothing has to come back");
    providers!(world, &biller, confirm(came(&world))).unwrap();
    assert_eq!(to_recover(&world).await, []);
    reversed(&world, 1).await;

    let row = to_recover(&world).await.remove(0);
    assert_eq!(
        (row.claim, row.status, row.out),
        (id(1), ClaimStatus::Reversed, Some(17_100))
    );
    assert_eq!((row.payable, row.due, row.held), (None, None, None));
    let back = view(&world, 1).await.taken_back.unwrap();
    let expected = TakenBack {
        paid: 17_100,
        references: vec!["TRN-1".into()],
        out: 17_100,
        since: Some(row.since),
        recovered: None,
    };
    assert_eq!(back, expected);
    assert_eq!(explained(&world, 1).await.taken_back, Some(expected));
    assert_eq!(book(&world, 1).await.out, 17_100);
    // It is replaced, and beside that given back.
    assert_eq!(steps(&world).await, [(1, ProviderStep::Replace, None)]);
    let mut again = instead(&world, 2, 1, Frequency::Replacement);
    again.claim.lines[0].date = "2027-01-14".parse().unwrap();
    replace(&world, again).await.unwrap();
    receive(&world, &[2]).await.unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Replaced);
    assert_eq!(steps(&world).await, [(1, ProviderStep::GiveBack, None)]);
    assert_eq!(to_recover(&world).await[0].out, Some(17_100));

    // Who pays the replacement is told that the money before it is out.
    adjudicate(&world, id(2)).await.unwrap();
    remitting(&world, 2).await.unwrap();
    let before = StillOut {
        claim: id(1),
        amount: 17_100,
    };
    assert_eq!(money(&world, 2).await[0].before, Some(before));

    for wrong in ["", "Ä", "x\ny"] {
        let payer = world.client(INSURER, Role::Payer);
        let unprinted = Recovery {
            reference: wrong.into(),
            ..recovery(&world, 1)
        };
        let refused = payers!(world, &payer, recover(unprinted));
        assert!(matches!(refused, Err(HealthError::InvalidCode(_))), "{refused:?}");
    }
    let tx = recovered(&world, 1).await.unwrap();
    let back = view(&world, 1).await.taken_back.unwrap();
    let how = back.recovered.clone().unwrap();
    assert_eq!(
        (back.out, how.amount, how.reference.as_str(), how.tx),
        (0, 17_100, "BACK-1", tx)
    );
    assert_eq!(
        (how.remittance, explained(&world, 1).await.taken_back),
        (None, Some(back))
    );
    let booked = book(&world, 1).await;
    assert_eq!(
        (booked.out, booked.paid, booked.status),
        (0, 17_100, ClaimStatus::Replaced)
    );
    assert_eq!((to_recover(&world).await, steps(&world).await), (vec![], vec![]));
    assert_eq!(money(&world, 2).await[0].before, None);
    is_conflict(recovered(&world, 1).await, "nothing has to come back");
    assert_eq!(recovered(&world, 9).await, Err(HealthError::NotFound));
}

#[tokio::test]
async fn a_claim_that_was_never_paid_has_nothing_to_give_back() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    submit(&world, on(&world, 1, "2027-01-14")).await.unwrap();
    is_conflict(recovered(&world, 1).await, "nothing has to come back");
    adjudicate(&world, id(1)).await.unwrap();
    remitting(&world, 1).await.unwrap();
    reversed(&world, 1).await;
    is_conflict(recovered(&world, 1).await, "nothing has to come back");
    assert_eq!(
        (to_recover(&world).await, view(&world, 1).await.taken_back),
        (vec![], None)
    );
    assert_eq!(told(&world, 1).await.out, 0);
}

#[tokio::test]
async fn money_is_set_off_against_a_payment_once_and_never_beyond_it() {
    let world = reversed_beside_others().await;
    assert_eq!(
        (told(&world, 1).await.out, listed(&world, 1).await.out),
        (17_100, 17_100)
    );
    is_conflict(pays(&world, 2, &[2, 3], (&[1], Some(36_000))).await, "sum");
    is_conflict(
        pays(&world, 2, &[2, 3], (&[2], None)).await,
        "nothing has to come back",
    );
    is_conflict(pays(&world, 2, &[1, 2], (&[1], None)).await, "REVERSED");
    let many: Vec<u8> = (10..61).collect();
    let refused = pays(&world, 2, &[2], (&many, None)).await;
    assert!(matches!(refused, Err(HealthError::Limit(_))), "{refused:?}");
    assert_eq!(view(&world, 2).await.status, ClaimStatus::Payable);
    assert_eq!(book(&world, 1).await.out, 17_100);

    let tx = pays(&world, 2, &[2, 3], (&[1], Some(18_900))).await.unwrap();
    let back = view(&world, 1).await.taken_back.unwrap();
    let how = back.recovered.unwrap();
    assert_eq!(
        (back.out, how.amount, how.reference.as_str()),
        (0, 17_100, "EFT-2")
    );
    assert_eq!((how.remittance, how.tx), (Some(number(2)), tx));
    for n in [2, 3] {
        let seen = view(&world, n).await;
        assert_eq!(
            (seen.status, seen.payments[0].amount),
            (ClaimStatus::Paid, 18_000)
        );
        assert_eq!(seen.paid_on, [Some(number(2))]);
    }
    assert_eq!(told(&world, 2).await.set_off, [(id(1), 17_100)].into());
    assert_eq!((told(&world, 1).await.out, listed(&world, 1).await.out), (0, 0));
    is_conflict(recovered(&world, 1).await, "nothing has to come back");

    // The next 835 says it line by line.
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let asked = ClaimsClient::new(&biller).remitted(INSURER, HOSPITAL, number(2));
    let remitted = asked.endorsed_by([HOSPITAL]).send().await.unwrap();
    let claims: Vec<_> = remitted
        .iter()
        .map(|of| (of.claim.id, of.amount, of.set_off))
        .collect();
    assert_eq!(
        claims,
        [
            (id(2), 18_000, false),
            (id(3), 18_000, false),
            (id(1), 17_100, true)
        ]
    );
    assert_eq!(remitted[2].adjudication.allowed, 17_100);
}

#[tokio::test]
async fn more_than_is_paid_is_not_set_off() {
    let world = reversed_beside_others().await;
    // A remittance of what is all the member's, and so of nothing.
    covered_as(&world, 2, |plan| plan.deductible = 100_000).await;
    let mut theirs = claim(&world, 4, "X-1001");
    theirs.claim.coverage = CoverageId::from_bytes(bytes(2));
    submit(&world, theirs).await.unwrap();
    adjudicate(&world, id(4)).await.unwrap();
    remitting(&world, 4).await.unwrap();
    is_conflict(pays(&world, 4, &[4], (&[1], None)).await, "more would be set off");
    is_conflict(
        pays(&world, 4, &[4], (&[1], Some(-17_100))).await,
        "more would be set off",
    );
    assert_eq!(book(&world, 1).await.out, 17_100);
    assert_eq!(view(&world, 4).await.status, ClaimStatus::Payable);
    pays(&world, 2, &[2], (&[1], Some(900))).await.unwrap();
    assert_eq!(book(&world, 1).await.out, 0);
}

#[tokio::test]
async fn of_two_that_bring_money_back_in_one_block_the_first_counts() {
    let payer = |world: &World| world.client(INSURER, Role::Payer);
    let world = reversed_beside_others().await;
    let by = payer(&world);
    let race = [
        waiting!(&by, INSURER, recover(recovery(&world, 1))),
        waiting!(&by, INSURER, recover(recovery(&world, 1))),
        waiting!(
            &by,
            INSURER,
            pay_remittance(sum(&world, 2, &[2, 3], (&[1], None)))
        ),
    ];
    assert_eq!(
        codes(&world, race),
        ["VALID", "MVCC_READ_CONFLICT", "MVCC_READ_CONFLICT"]
    );
    assert_eq!(
        view(&world, 2).await.status,
        ClaimStatus::Payable,
        "all of it, or nothing"
    );

    let world = reversed_beside_others().await;
    let by = payer(&world);
    let race = [
        waiting!(&by, INSURER, pay_remittance(sum(&world, 2, &[2], (&[1], None)))),
        waiting!(&by, INSURER, pay_remittance(sum(&world, 2, &[3], (&[1], None)))),
        waiting!(&by, INSURER, recover(recovery(&world, 1))),
    ];
    assert_eq!(
        codes(&world, race),
        ["VALID", "MVCC_READ_CONFLICT", "MVCC_READ_CONFLICT"]
    );
    let back = view(&world, 1).await.taken_back.unwrap();
    assert_eq!(back.recovered.unwrap().remittance, Some(number(2)));
    assert_eq!(view(&world, 3).await.status, ClaimStatus::Payable);
}

/// What was paid, less what came back, is what stands, whichever way and in whichever order.
#[tokio::test]
async fn once_all_is_done_what_left_is_what_stands() {
    #[derive(Clone, Copy, PartialEq)]
    enum How {
        Alone,
        SetOff,
    }
    for (how, replaced_first) in [
        (How::Alone, true),
        (How::Alone, false),
        (How::SetOff, true),
        (How::SetOff, false),
    ] {
        let world = reversed_beside_others().await;
        let replacing = async || {
            let mut again = instead(&world, 4, 1, Frequency::Replacement);
            again.claim.lines[0].date = "2027-01-13".parse().unwrap();
            replace(&world, again).await.unwrap();
            receive(&world, &[4]).await.unwrap();
            adjudicate(&world, id(4)).await.unwrap();
            let due = book(&world, 4).await.due;
            paying(&world, 4, due).await.unwrap();
        };
        if replaced_first {
            replacing().await;
        }
        match how {
            How::Alone => {
                recovered(&world, 1).await.unwrap();
                pays(&world, 2, &[2, 3], (&[], None)).await.unwrap();
            }
            How::SetOff => {
                pays(&world, 2, &[2, 3], (&[1], None)).await.unwrap();
            }
        }
        if !replaced_first {
            replacing().await;
        }
        assert_eq!(to_recover(&world).await, []);
        let (mut left, mut stands) = (0, 0);
        for n in 1..=4 {
            let booked = book(&world, n).await;
            assert_eq!((booked.due, booked.out), (0, 0), "{n}");
            left += booked.paid - booked.recovered.map_or(0, |back| back.amount);
            stands += explained(&world, n).await.paid;
        }
        assert_eq!(left, stands);
    }
}

/// A claim of which an appeal has more paid is on two remittances: each has its own payment, and its own confirmation.
#[tokio::test]
async fn each_remittance_counts_its_own_payments() {
    for confirmed_before in [true, false] {
        let world = reduced(true).await;
        remitting(&world, 1).await.unwrap();
        pays(&world, 1, &[1], (&[], None)).await.unwrap();
        if confirmed_before {
            confirmed(&world, 1).await.unwrap();
        }
        appealed(&world).unwrap();
        let reviewer = person(&world, INSURER, Role::Payer);
        answered(&world, &reviewer, AppealAct::Overturn, aside(EditCode::UnitLimit)).unwrap();
        let payer = world.client(INSURER, Role::Payer);
        payers!(world, &payer, remit(remittance(&world, 2, &[1]))).unwrap();
        let counted = async |n| {
            let row = listed(&world, n).await;
            (row.to_pay, row.to_confirm)
        };
        let open = usize::from(!confirmed_before);
        assert_eq!((counted(1).await, counted(2).await), ((0, open), (1, 0)));
        pays(&world, 2, &[1], (&[], Some(20_000))).await.unwrap();
        assert_eq!((counted(1).await, counted(2).await), ((0, open), (0, 1)));
        let first = money(&world, 1).await.remove(0);
        let expected = match confirmed_before {
            true => MoneyState::Confirmed,
            false => MoneyState::Paid,
        };
        assert_eq!((first.amount, first.state), (20_000, expected));
        assert_eq!(first.reference.as_deref(), Some("EFT-1"));
        let second = money(&world, 2).await.remove(0);
        assert_eq!((second.amount, second.state), (20_000, MoneyState::Paid));
        assert_eq!(second.reference.as_deref(), Some("EFT-2"));
        let seen = view(&world, 1).await;
        assert_eq!(seen.paid_on, [Some(number(1)), Some(number(2))]);
        match confirmed_before {
            true => is_conflict(confirmed(&world, 1).await, "CLEARED"),
            false => {
                confirmed(&world, 1).await.unwrap();
                assert_eq!(
                    view(&world, 1).await.status,
                    ClaimStatus::Paid,
                    "the second is out"
                );
            }
        }
        confirmed(&world, 2).await.unwrap();
        assert_eq!((counted(1).await, counted(2).await), ((0, 0), (0, 0)));
        assert_eq!(view(&world, 1).await.status, ClaimStatus::Cleared);

        // Reversed, both payments have to come back.
        reversed(&world, 1).await;
        assert_eq!(to_recover(&world).await[0].out, Some(40_000));
        assert_eq!(
            (told(&world, 1).await.out, told(&world, 2).await.out),
            (20_000, 20_000)
        );
        let back = view(&world, 1).await.taken_back.unwrap();
        assert_eq!(back.references, ["EFT-1", "EFT-2"]);
        recovered(&world, 1).await.unwrap();
        assert_eq!(book(&world, 1).await.recovered.unwrap().amount, 40_000);
    }
}
