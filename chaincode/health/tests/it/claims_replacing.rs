//! Replacements and voids: submitted at the provider's peer, in force when the payer receives them.

use crate::claims::{
    adjudicate, at, book, claim, codes, correct, covered_by, id, instead, is_conflict, member, on, payers,
    paying, payment, providers, receive, remittance, remitting, replace, submit, view, waiting,
};
use crate::claims_money::{paid, reversal};
use crate::fixture::{HOSPITAL, INSURER, World, world};
use careledger_api::HealthError;
use careledger_api::adjudication::{Accumulators, Frequency};
use careledger_api::contracts::claims::{
    AdjudicationStep, ClaimBatch, ClaimBody, ClaimStatus, ClaimsClient, Feedback, FraudFlag, PaymentConsent,
    ReportQuery, SelfPayment,
};
use careledger_api::date::{Date, DateRange};
use careledger_api::roles::Role;
use fabric_contract_mock::Endorsed;

async fn covered() -> World {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    world
}

/// A claim of one day, adjudicated.
async fn decided(world: &World, n: u8, day: &str) {
    submit(world, on(world, n, day)).await.unwrap();
    adjudicate(world, id(n)).await.unwrap();
}

fn on_day(mut body: ClaimBody, day: &str) -> ClaimBody {
    body.claim.lines[0].date = day.parse().unwrap();
    body
}

#[tokio::test]
async fn a_replacement_stands_in_the_place_of_the_claim_before() {
    let world = covered().await;
    submit(&world, claim(&world, 1, "X-1001")).await.unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    assert_eq!(paid(&world).await.out_of_pocket, 2_900);
    let mut cheaper = instead(&world, 2, 1, Frequency::Replacement);
    cheaper.claim.lines[0].charge = 5_000;
    cheaper.claim.total = 5_000;
    replace(&world, cheaper.clone()).await.unwrap();
    // Submitted, and not in force before the payer has it; no money leaves for the one before.
    let old = view(&world, 1).await;
    assert_eq!((old.status, old.successor), (ClaimStatus::Approved, None));
    assert_eq!(old.correction, Some(id(2)));
    assert_eq!(view(&world, 2).await.status, ClaimStatus::Submitted);
    is_conflict(paying(&world, 1, 17_100).await, "receive that first");
    is_conflict(remitting(&world, 1).await, "receive that first");
    // What it gives back is not seen by the transaction that gives it back.
    is_conflict(adjudicate(&world, id(2)).await, "acknowledge it first");
    replace(&world, cheaper).await.expect("said once more is success");
    receive(&world, &[2]).await.unwrap();
    let old = view(&world, 1).await;
    assert_eq!((old.status, old.successor), (ClaimStatus::Replaced, Some(id(2))));
    assert_eq!(old.correction, None);
    assert_eq!(paid(&world).await, Accumulators::default(), "given back");
    is_conflict(paying(&world, 1, 17_100).await, "REPLACED");
    adjudicate(&world, id(2)).await.unwrap();
    // Deductible 1000, 10 % of 4000.
    assert_eq!(view(&world, 2).await.adjudication.unwrap().member, 1_400);
    assert_eq!(paid(&world).await.out_of_pocket, 1_400);
    let twice = instead(&world, 3, 1, Frequency::Replacement);
    is_conflict(replace(&world, twice).await, "REPLACED");
    let stranger = submit(&world, claim(&world, 4, "X-1001")).await.unwrap_err();
    assert!(
        matches!(stranger, HealthError::Duplicate(_)),
        "the service is taken"
    );
}

#[tokio::test]
async fn a_void_takes_back_exactly_its_claim() {
    let world = covered().await;
    submit(&world, claim(&world, 1, "X-1001")).await.unwrap();
    let mut unlike = instead(&world, 2, 1, Frequency::Void);
    unlike.claim.lines[0].units = 2;
    let unlike = replace(&world, unlike).await;
    assert!(matches!(unlike, Err(HealthError::InvalidCode(_))));
    let absent = replace(&world, instead(&world, 2, 9, Frequency::Void)).await;
    assert_eq!(absent.unwrap_err(), HealthError::NotFound);
    let void = instead(&world, 2, 1, Frequency::Void);
    for said in [void.clone(), void] {
        replace(&world, said).await.expect("said once more is success");
    }
    is_conflict(adjudicate(&world, id(1)).await, "receive that first");
    // Received by an adjudication, which finds nothing to decide; the claim before was never received itself.
    adjudicate(&world, id(2)).await.unwrap();
    for n in [1, 2] {
        assert_eq!(view(&world, n).await.status, ClaimStatus::Voided, "{n}");
    }
    is_conflict(adjudicate(&world, id(1)).await, "VOIDED");
    is_conflict(adjudicate(&world, id(2)).await, "VOIDED");
    // The void is no claim of its own: replaced beside the claim that it took back, one service would be claimed twice.
    for frequency in [Frequency::Replacement, Frequency::Void] {
        let of_void = replace(&world, instead(&world, 4, 2, frequency)).await;
        assert!(matches!(of_void, Err(HealthError::InvalidCode(_))), "{of_void:?}");
    }
    // What was voided can be claimed again, as a replacement of it.
    correct(&world, instead(&world, 3, 1, Frequency::Replacement))
        .await
        .unwrap();
    adjudicate(&world, id(3)).await.unwrap();
    assert_eq!(view(&world, 3).await.status, ClaimStatus::Approved);
}

/// Both are received at once, in whichever order their ids are; and what nobody received is replaced as well.
#[tokio::test]
async fn a_claim_and_its_replacement_are_received_together() {
    for (first, second) in [(1, 2), (2, 1)] {
        let world = covered().await;
        submit(&world, claim(&world, first, "X-1001")).await.unwrap();
        replace(&world, instead(&world, second, first, Frequency::Replacement))
            .await
            .unwrap();
        receive(&world, &[1, 2]).await.unwrap();
        assert_eq!(view(&world, first).await.status, ClaimStatus::Replaced);
        assert_eq!(view(&world, second).await.status, ClaimStatus::Accepted);
        assert_eq!(book(&world, second).await.root, id(first));
        is_conflict(receive(&world, &[1, 2]).await, "received before");
        adjudicate(&world, id(second)).await.unwrap();
        assert_eq!(view(&world, second).await.status, ClaimStatus::Approved);
    }
}

/// A correction that finds nothing to give back is received and decided at once; a flag and a member's word receive it as well.
#[tokio::test]
async fn whatever_the_payer_does_with_a_replacement_receives_it() {
    let world = covered().await;
    let payer = world.client(INSURER, Role::Payer);
    for (n, day) in [(1, "2027-01-11"), (3, "2027-01-12"), (5, "2027-01-13")] {
        submit(&world, on(&world, n, day)).await.unwrap();
        let by = instead(&world, n + 1, n, Frequency::Replacement);
        replace(&world, on_day(by, day)).await.unwrap();
    }
    adjudicate(&world, id(2)).await.unwrap();
    let flag = FraudFlag {
        claim: id(4),
        line: None,
        kind: "phantom".into(),
        score: 1,
        explanation: "no record of it".into(),
        salt: world.wallet.salt(),
    };
    payers!(&world, &payer, flag(flag)).unwrap();
    let rendered = Feedback {
        claim: id(6),
        line: 1,
        rendered: true,
        salt: world.wallet.salt(),
    };
    payers!(&world, &payer, feedback(rendered)).unwrap();
    for (n, status) in [
        (2, ClaimStatus::Approved),
        (4, ClaimStatus::Accepted),
        (6, ClaimStatus::Accepted),
    ] {
        assert_eq!(view(&world, n).await.status, status, "{n}");
        let before = view(&world, n - 1).await;
        assert_eq!(
            (before.status, before.successor),
            (ClaimStatus::Replaced, Some(id(n)))
        );
    }
}

/// What made people look is not shed with a correction.
#[tokio::test]
async fn flags_and_the_members_word_go_over_to_the_replacement() {
    let world = covered().await;
    let payer = world.client(INSURER, Role::Payer);
    for (n, day) in [(1, "2027-01-13"), (3, "2027-01-14")] {
        submit(&world, on(&world, n, day)).await.unwrap();
        let denied = Feedback {
            claim: id(n),
            line: 1,
            rendered: false,
            salt: world.wallet.salt(),
        };
        payers!(&world, &payer, feedback(denied)).unwrap();
        let mut by = on_day(instead(&world, n + 1, n, Frequency::Replacement), day);
        if n == 3 {
            by.claim.lines[0].sequence = 2;
        }
        correct(&world, by).await.unwrap();
        adjudicate(&world, id(n + 1)).await.unwrap();
        assert_eq!(view(&world, n + 1).await.status, ClaimStatus::Pended, "{n}");
    }
    // On the line that has the service, whatever its number is.
    let (same, other) = (book(&world, 2).await, book(&world, 4).await);
    assert_eq!((same.flags[0].line, same.feedback[&1]), (Some(1), false));
    assert_eq!((other.flags[0].line, other.feedback[&2]), (Some(2), false));
}

/// A transaction does not see what it wrote itself: two of one member at once would lose what one of them gives back.
#[tokio::test]
async fn what_two_corrections_of_a_member_give_back_is_all_given_back() {
    let world = covered().await;
    for (n, day) in [(1, "2027-01-13"), (3, "2027-01-14")] {
        decided(&world, n, day).await;
        let void = on_day(instead(&world, n + 1, n, Frequency::Void), day);
        replace(&world, void).await.unwrap();
    }
    assert_eq!(paid(&world).await.out_of_pocket, 2_900 + 2_000);
    is_conflict(receive(&world, &[2, 4]).await, "one after the other");
    // One that gives back goes with others that do not.
    submit(&world, on(&world, 5, "2027-01-12")).await.unwrap();
    let by = instead(&world, 6, 5, Frequency::Replacement);
    replace(&world, on_day(by, "2027-01-12")).await.unwrap();
    receive(&world, &[2, 5, 6]).await.unwrap();
    receive(&world, &[4]).await.unwrap();
    assert_eq!(paid(&world).await, Accumulators::default());
    for (n, day) in [(7, "2027-01-13"), (8, "2027-01-14")] {
        let again = instead(&world, n, 2 * n - 13, Frequency::Replacement);
        correct(&world, on_day(again, day)).await.unwrap();
        adjudicate(&world, id(n)).await.unwrap();
        assert_eq!(view(&world, n).await.status, ClaimStatus::Approved, "{n}");
    }
}

#[tokio::test]
async fn a_chain_of_replacements_is_one_claim() {
    let world = covered().await;
    decided(&world, 1, "2027-01-14").await;
    let by = |n: u8, of: u8, frequency| on_day(instead(&world, n, of, frequency), "2027-01-14");
    replace(&world, by(2, 1, Frequency::Replacement)).await.unwrap();
    // One successor at a time, and a correction is corrected once it is in force.
    is_conflict(
        replace(&world, by(3, 1, Frequency::Void)).await,
        "its payer receives that first",
    );
    is_conflict(
        replace(&world, by(3, 2, Frequency::Replacement)).await,
        "has not received yet",
    );
    receive(&world, &[2]).await.unwrap();
    correct(&world, by(3, 2, Frequency::Replacement)).await.unwrap();
    // The chain has the service, whichever of it stands.
    let stranger = submit(&world, on(&world, 5, "2027-01-14")).await.unwrap_err();
    assert!(matches!(stranger, HealthError::Duplicate(_)));
    correct(&world, by(4, 3, Frequency::Void)).await.unwrap();
    // The days of its first submission count.
    assert_eq!(book(&world, 4).await.root, id(1));
    assert_eq!(paid(&world).await, Accumulators::default());
    correct(&world, by(6, 3, Frequency::Replacement)).await.unwrap();
    adjudicate(&world, id(6)).await.unwrap();
    assert_eq!(view(&world, 6).await.status, ClaimStatus::Approved);
    let states = [ClaimStatus::Replaced; 3].into_iter();
    for (n, status) in (1..).zip(states) {
        assert_eq!(view(&world, n).await.status, status, "{n}");
    }
}

#[tokio::test]
async fn money_that_moved_is_taken_back_first() {
    let world = covered().await;
    decided(&world, 1, "2027-01-14").await;
    let by = |n: u8| on_day(instead(&world, n, 1, Frequency::Replacement), "2027-01-14");
    remitting(&world, 1).await.unwrap();
    is_conflict(replace(&world, by(2)).await, "PAYABLE");
    paying(&world, 1, 17_100).await.unwrap();
    is_conflict(replace(&world, by(2)).await, "reverses it first");
    let payer = world.client(INSURER, Role::Payer);
    payers!(&world, &payer, reverse(reversal(&world, 1))).unwrap();
    correct(&world, by(2)).await.unwrap();
    adjudicate(&world, id(2)).await.unwrap();
    assert_eq!(view(&world, 2).await.adjudication.unwrap().allowed, 17_100);
}

/// Of a correction and a step of the payer in one block only the first is valid, whichever it is.
#[tokio::test]
async fn a_replacement_races_the_payers_steps() {
    for step in ["adjudicate", "remit", "pay"] {
        for replaced_first in [true, false] {
            let world = covered().await;
            submit(&world, claim(&world, 1, "X-1001")).await.unwrap();
            if step != "adjudicate" {
                adjudicate(&world, id(1)).await.unwrap();
            }
            let payer = world.client(INSURER, Role::Payer);
            let biller = world.client(HOSPITAL, Role::ProviderBilling);
            let payers: Endorsed = match step {
                "adjudicate" => {
                    let step = AdjudicationStep::new(id(1), world.wallet.salt());
                    waiting!(&payer, INSURER, adjudicate(step))
                }
                "remit" => waiting!(&payer, INSURER, remit(remittance(&world, 1, &[1]))),
                _ => waiting!(&payer, INSURER, pay(payment(&world, 1, 17_100))),
            };
            let by = instead(&world, 2, 1, Frequency::Replacement);
            let replacing = waiting!(&biller, HOSPITAL, replace_claim(by));
            let block = match replaced_first {
                true => [replacing, payers],
                false => [payers, replacing],
            };
            assert_eq!(codes(&world, block), ["VALID", "MVCC_READ_CONFLICT"], "{step}");
        }
    }
    // Of two corrections one is the successor; and its receipt meets a payment that was endorsed before it was submitted.
    let world = covered().await;
    decided(&world, 1, "2027-01-14").await;
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let payer = world.client(INSURER, Role::Payer);
    let by = |n: u8| {
        let by = on_day(instead(&world, n, 1, Frequency::Replacement), "2027-01-14");
        waiting!(&biller, HOSPITAL, replace_claim(by))
    };
    let late = waiting!(&payer, INSURER, pay(payment(&world, 1, 17_100)));
    assert_eq!(codes(&world, [by(2), by(3)]), ["VALID", "MVCC_READ_CONFLICT"]);
    let batch = ClaimBatch {
        claims: [id(2)].into(),
        salt: world.wallet.salt(),
    };
    let received = waiting!(&payer, INSURER, acknowledge(batch));
    assert_eq!(codes(&world, [received, late]), ["VALID", "MVCC_READ_CONFLICT"]);
    assert_eq!(book(&world, 1).await.paid, 0);
}

/// 45 CFR 164.522(a)(1)(vi): what a patient keeps from the payer is not told by a correction either, and a void takes back what was told before.
#[tokio::test]
async fn a_correction_tells_the_payer_nothing_that_the_patient_keeps() {
    let world = covered().await;
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    decided(&world, 1, "2027-01-14").await;
    decided(&world, 3, "2027-01-12").await;
    let kept = |day: &str| SelfPayment {
        coverage: member(),
        services: [("X-1001".to_owned(), day.parse::<Date>().unwrap())].into(),
        restricted: true,
        salt: world.wallet.salt(),
    };
    for day in ["2027-01-13", "2027-01-14"] {
        at!(world, &biller, HOSPITAL, restrict_payer(HOSPITAL, kept(day))).unwrap();
    }
    let by = |n: u8, day: &str| on_day(instead(&world, n, 1, Frequency::Replacement), day);
    for day in ["2027-01-13", "2027-01-14"] {
        is_conflict(replace(&world, by(2, day)).await, "keeps it from the payer");
    }
    // What a block shows is the same of a correction that is allowed, and of a void.
    let void = |n: u8, of: u8, day: &str| on_day(instead(&world, n, of, Frequency::Void), day);
    replace(&world, void(2, 1, "2027-01-14")).await.unwrap();
    let restricted = world.mock.last_simulation().unwrap();
    replace(&world, void(4, 3, "2027-01-12")).await.unwrap();
    let other = world.mock.last_simulation().unwrap();
    assert_eq!(restricted.shape(), other.shape());
    // Nor does a version tell that a key was there: of the provider's own collection its secret alone is.
    for simulation in [restricted, other] {
        let sets = simulation
            .rwset
            .namespaces
            .iter()
            .flat_map(|set| &set.collections);
        let own = sets.filter(|set| set.collection == "care_HospitalMSP");
        let reads = own.flat_map(|set| &set.hashed.hashed_reads);
        assert_eq!(reads.filter(|read| read.version.is_some()).count(), 1);
    }
    receive(&world, &[2]).await.unwrap();
    receive(&world, &[4]).await.unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Voided);
    // Nor outside of the payment consent.
    decided(&world, 5, "2027-01-10").await;
    let refused = PaymentConsent {
        coverage: member(),
        given: false,
        period: DateRange {
            from: "2027-01-01".parse().unwrap(),
            until: "2027-01-31".parse().unwrap(),
        },
        document: None,
        salt: world.wallet.salt(),
    };
    providers!(&world, &biller, record_consent(refused)).unwrap();
    let by = on_day(instead(&world, 6, 5, Frequency::Replacement), "2027-01-10");
    is_conflict(replace(&world, by).await, "payment consent");
    correct(&world, void(6, 5, "2027-01-10")).await.unwrap();
}

#[tokio::test]
async fn the_report_counts_a_replaced_claim_once() {
    let world = covered().await;
    submit(&world, claim(&world, 1, "X-1001")).await.unwrap();
    replace(&world, instead(&world, 2, 1, Frequency::Replacement))
        .await
        .unwrap();
    let payer = world.client(INSURER, Role::Payer);
    let report = || async {
        let asked = ClaimsClient::new(&payer).service_report(INSURER, HOSPITAL, ReportQuery::default());
        asked.endorsed_by([INSURER]).send().await.unwrap().claims
    };
    assert_eq!(report().await.open, 1);
    receive(&world, &[2]).await.unwrap();
    assert_eq!(report().await.open, 1);
    adjudicate(&world, id(2)).await.unwrap();
    assert_eq!((report().await.open, report().await.in_time), (0, 1));
}

/// As billing systems do after a void. Taken for the same claim it would be nobody's to pay, and nobody would hear of it.
#[tokio::test]
async fn a_claim_that_was_taken_back_is_not_submitted_again() {
    let world = covered().await;
    let first = on_day(claim(&world, 1, "X-1001"), "2027-01-14");
    submit(&world, first.clone()).await.unwrap();
    submit(&world, first.clone()).await.unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    submit(&world, first.clone()).await.unwrap();
    let void = on_day(instead(&world, 2, 1, Frequency::Void), "2027-01-14");
    correct(&world, void).await.unwrap();
    is_conflict(submit(&world, first).await, "is VOIDED");
    let anew = on_day(claim(&world, 3, "X-1001"), "2027-01-14");
    submit(&world, anew).await.unwrap();
}
