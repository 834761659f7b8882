//! Claims come again, are replaced, taken back, remitted, paid, reversed; and what their member paid.

use crate::claims::{adjudicate, at, claim, covered_by, submit, view};
use crate::fixture::{HOSPITAL, INSURER, World, bytes, world};
use careledger_api::HealthError;
use careledger_api::adjudication::{Accumulators, Effect, Frequency, Limit, ProcedureRules, Span, Standing};
use careledger_api::contracts::claims::{
    AdjudicationStep, ClaimBody, ClaimStatus, ClaimStep, ClaimsClient, CoverageEnd, CoverageQuery, Delta,
    EligibilityQuery, Fold, MemberQuery, Payment, RemittanceBody, Reversal, StandingBody,
};
use careledger_api::date::DateRange;
use careledger_api::ids::{ClaimId, CoverageId, RemittanceId};
use careledger_api::roles::Role;
use fabric_contract_mock::Endorsed;

fn id(n: u8) -> ClaimId {
    ClaimId::from_bytes(bytes(n))
}

fn member() -> CoverageId {
    CoverageId::from_bytes(bytes(1))
}

/// A claim on another day, so that it is another service.
fn on(world: &World, n: u8, day: &str) -> ClaimBody {
    let mut body = claim(world, n, "X-1001");
    body.claim.lines[0].date = day.parse().unwrap();
    body
}

fn instead(world: &World, n: u8, of: u8, frequency: Frequency) -> ClaimBody {
    let mut body = claim(world, n, "X-1001");
    body.claim.frequency = frequency;
    body.claim.replaces = Some(id(of));
    body
}

async fn paid(world: &World) -> Accumulators {
    let payer = world.client(INSURER, Role::Payer);
    let query = EligibilityQuery {
        coverage: member(),
        on: world.today(),
    };
    let asked = ClaimsClient::new(&payer).eligibility(INSURER, query);
    asked.endorsed_by([INSURER]).send().await.unwrap().accumulators
}

async fn deltas(world: &World) -> Vec<Delta> {
    let payer = world.client(INSURER, Role::Payer);
    let query = MemberQuery {
        coverage: member(),
        year: 2027,
    };
    let asked = ClaimsClient::new(&payer).deltas(INSURER, query);
    asked.endorsed_by([INSURER]).send().await.unwrap()
}

/// An adjudication as it waits for its block.
fn endorsed(world: &World, n: u8) -> Endorsed {
    let payer = world.client(INSURER, Role::Payer);
    let step = AdjudicationStep::new(id(n), world.wallet.salt());
    let request = ClaimsClient::new(&payer)
        .adjudicate(INSURER, HOSPITAL, step)
        .endorsed_by([INSURER]);
    payer.endorse(request.call().clone()).unwrap()
}

fn codes(world: &World, block: impl IntoIterator<Item = Endorsed>) -> Vec<&'static str> {
    let outcomes = world.mock.commit(block).unwrap().into_iter();
    outcomes.map(|outcome| outcome.code.as_str_name()).collect()
}

fn payment(world: &World, n: u8, amount: i64) -> Payment {
    Payment {
        claim: id(n),
        amount,
        reference: "TRN-1".into(),
        salt: world.wallet.salt(),
    }
}

fn reversal(world: &World, n: u8) -> Reversal {
    Reversal {
        claim: id(n),
        reason: "paid to the wrong account".into(),
        salt: world.wallet.salt(),
    }
}

#[tokio::test]
async fn the_same_claim_again_changes_nothing() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    let body = claim(&world, 1, "X-1001");
    submit(&world, body.clone()).await.unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    submit(&world, body.clone()).await.unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Approved);
    let mut other = body;
    other.salt = world.wallet.salt();
    let taken = submit(&world, other).await.unwrap_err();
    assert!(matches!(taken, HealthError::Duplicate(_)));
    let freq = submit(&world, instead(&world, 2, 1, Frequency::Replacement)).await;
    assert!(matches!(freq, Err(HealthError::InvalidCode(_))));
}

#[tokio::test]
async fn a_replacement_stands_in_the_place_of_the_claim_before() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    submit(&world, claim(&world, 1, "X-1001")).await.unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    assert_eq!(paid(&world).await.out_of_pocket, 2_900);
    let mut cheaper = instead(&world, 2, 1, Frequency::Replacement);
    cheaper.claim.lines[0].charge = 5_000;
    cheaper.claim.total = 5_000;
    at!(world, &biller, INSURER, replace_claim(INSURER, HOSPITAL, cheaper)).unwrap();
    let old = view(&world, 1).await;
    assert_eq!((old.status, old.successor), (ClaimStatus::Replaced, Some(id(2))));
    assert_eq!(paid(&world).await, Accumulators::default(), "given back");
    let payer = world.client(INSURER, Role::Payer);
    let money = at!(
        world,
        &payer,
        INSURER,
        pay(INSURER, HOSPITAL, payment(&world, 1, 17_100))
    );
    assert!(matches!(money, Err(HealthError::ConflictState(_))));
    adjudicate(&world, id(2)).await.unwrap();
    // Deductible 1000, 10 % of 4000.
    assert_eq!(view(&world, 2).await.adjudication.unwrap().member, 1_400);
    assert_eq!(paid(&world).await.out_of_pocket, 1_400);
    let twice = instead(&world, 3, 1, Frequency::Replacement);
    let twice = at!(world, &biller, INSURER, replace_claim(INSURER, HOSPITAL, twice));
    assert!(matches!(twice, Err(HealthError::ConflictState(_))));
    let stranger = submit(&world, claim(&world, 4, "X-1001")).await.unwrap_err();
    assert!(
        matches!(stranger, HealthError::Duplicate(_)),
        "the service is taken"
    );
}

#[tokio::test]
async fn a_void_takes_back_exactly_its_claim() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    submit(&world, claim(&world, 1, "X-1001")).await.unwrap();
    let mut unlike = instead(&world, 2, 1, Frequency::Void);
    unlike.claim.lines[0].units = 2;
    let unlike = at!(world, &biller, INSURER, replace_claim(INSURER, HOSPITAL, unlike));
    assert!(matches!(unlike, Err(HealthError::InvalidCode(_))));
    let absent = instead(&world, 2, 9, Frequency::Void);
    let absent = at!(world, &biller, INSURER, replace_claim(INSURER, HOSPITAL, absent));
    assert_eq!(absent.unwrap_err(), HealthError::NotFound);
    let void = instead(&world, 2, 1, Frequency::Void);
    at!(world, &biller, INSURER, replace_claim(INSURER, HOSPITAL, void)).unwrap();
    assert!(adjudicate(&world, id(1)).await.is_err());
    assert!(
        adjudicate(&world, id(2)).await.is_err(),
        "a void is never adjudicated"
    );
    // The void is no claim of its own: replaced beside the claim that it took back, one service would be claimed twice.
    for frequency in [Frequency::Replacement, Frequency::Void] {
        let of_void = instead(&world, 4, 2, frequency);
        let of_void = at!(world, &biller, INSURER, replace_claim(INSURER, HOSPITAL, of_void));
        assert!(matches!(of_void, Err(HealthError::InvalidCode(_))), "{of_void:?}");
    }
    // What was voided can be claimed again, as a replacement of it.
    let again = instead(&world, 3, 1, Frequency::Replacement);
    at!(world, &biller, INSURER, replace_claim(INSURER, HOSPITAL, again)).unwrap();
    adjudicate(&world, id(3)).await.unwrap();
    assert_eq!(view(&world, 3).await.status, ClaimStatus::Approved);
}

#[tokio::test]
async fn a_remittance_is_paid_once_and_taken_back_whole() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    let payer = world.client(INSURER, Role::Payer);
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    for (n, day) in [(1, "2027-01-14"), (2, "2027-01-15")] {
        submit(&world, on(&world, n, day)).await.unwrap();
        adjudicate(&world, id(n)).await.unwrap();
    }
    let body = |n: u8, claims: &[u8]| RemittanceBody {
        id: RemittanceId::from_bytes(bytes(n)),
        claims: claims.iter().map(|n| id(*n)).collect(),
        salt: world.wallet.salt(),
    };
    at!(world, &payer, INSURER, remit(INSURER, HOSPITAL, body(1, &[1, 2]))).unwrap();
    let asked = ClaimsClient::new(&biller).remittance(INSURER, HOSPITAL, RemittanceId::from_bytes(bytes(1)));
    let seen = asked.endorsed_by([HOSPITAL]).send().await.unwrap();
    assert_eq!((seen.amounts[&id(1)], seen.total), (17_100, 17_100 + 18_000));
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Payable);
    let twice = at!(world, &payer, INSURER, remit(INSURER, HOSPITAL, body(2, &[1])));
    assert!(matches!(twice, Err(HealthError::ConflictState(_))));
    let none = at!(world, &payer, INSURER, remit(INSURER, HOSPITAL, body(3, &[])));
    assert!(matches!(none, Err(HealthError::Limit(_))));

    at!(
        world,
        &payer,
        INSURER,
        pay(INSURER, HOSPITAL, payment(&world, 1, 17_100))
    )
    .unwrap();
    let void = instead(&world, 5, 1, Frequency::Void);
    let void = at!(world, &biller, INSURER, replace_claim(INSURER, HOSPITAL, void));
    assert!(
        matches!(void, Err(HealthError::ConflictState(_))),
        "money has moved"
    );
    let before = paid(&world).await;
    at!(
        world,
        &payer,
        INSURER,
        reverse(INSURER, HOSPITAL, reversal(&world, 1))
    )
    .unwrap();
    let reversed = view(&world, 1).await;
    assert_eq!(reversed.status, ClaimStatus::Reversed);
    assert_eq!(reversed.reversal.as_deref(), Some("paid to the wrong account"));
    assert_eq!(before.out_of_pocket - paid(&world).await.out_of_pocket, 2_900);
    let step = ClaimStep {
        claim: id(1),
        salt: world.wallet.salt(),
    };
    let confirmed = at!(world, &biller, HOSPITAL, confirm(INSURER, HOSPITAL, step));
    assert!(matches!(confirmed, Err(HealthError::ConflictState(_))));
    let twice = at!(
        world,
        &payer,
        INSURER,
        reverse(INSURER, HOSPITAL, reversal(&world, 1))
    );
    assert!(matches!(twice, Err(HealthError::ConflictState(_))));
    let again = at!(
        world,
        &payer,
        INSURER,
        pay(INSURER, HOSPITAL, payment(&world, 1, 17_100))
    );
    assert!(matches!(again, Err(HealthError::ConflictState(_))));
    let mut instead = instead(&world, 6, 1, Frequency::Replacement);
    instead.claim.lines[0].date = "2027-01-14".parse().unwrap();
    at!(world, &biller, INSURER, replace_claim(INSURER, HOSPITAL, instead)).unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Replaced);
}

#[tokio::test]
async fn two_adjudicators_race_and_one_wins() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    submit(&world, claim(&world, 1, "X-1001")).await.unwrap();
    let block = [endorsed(&world, 1), endorsed(&world, 1)];
    assert_eq!(codes(&world, block), ["VALID", "MVCC_READ_CONFLICT"]);
    // And a payment races a void: whichever comes first.
    let payer = world.client(INSURER, Role::Payer);
    let pay = ClaimsClient::new(&payer).pay(INSURER, HOSPITAL, payment(&world, 1, 17_100));
    let pay = payer.endorse(pay.endorsed_by([INSURER]).call().clone()).unwrap();
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let void = instead(&world, 2, 1, Frequency::Void);
    let void = ClaimsClient::new(&biller).replace_claim(INSURER, HOSPITAL, void);
    let void = biller
        .endorse(void.endorsed_by([INSURER]).call().clone())
        .unwrap();
    assert_eq!(codes(&world, [void, pay]), ["VALID", "MVCC_READ_CONFLICT"]);
}

#[tokio::test]
async fn members_claims_conflict_only_where_a_cap_is_within_reach() {
    let world = world().await;
    covered_by(&world, |plan| plan.out_of_pocket_maximum = 14_000).await;
    for (n, day) in [
        (1, "2027-01-02"),
        (2, "2027-01-03"),
        (3, "2027-01-04"),
        (4, "2027-01-05"),
        (5, "2027-01-06"),
        (6, "2027-01-07"),
    ] {
        submit(&world, on(&world, n, day)).await.unwrap();
    }
    // The deductible is not met: one after the other.
    let first = [endorsed(&world, 1), endorsed(&world, 2)];
    assert_eq!(codes(&world, first), ["VALID", "MVCC_READ_CONFLICT"]);
    assert_eq!(
        (paid(&world).await.out_of_pocket, deltas(&world).await.len()),
        (2_900, 0)
    );
    // Then both at once, beside the sum.
    let between = [endorsed(&world, 2), endorsed(&world, 3)];
    assert_eq!(codes(&world, between), ["VALID", "VALID"]);
    let beside = deltas(&world).await;
    assert_eq!((paid(&world).await.out_of_pocket, beside.len()), (6_900, 2));
    let payer = world.client(INSURER, Role::Payer);
    let fold = || Fold {
        coverage: member(),
        year: 2027,
        deltas: beside.iter().map(|delta| delta.tx.clone()).collect(),
        salt: world.wallet.salt(),
    };
    at!(world, &payer, INSURER, fold_accumulators(INSURER, fold())).unwrap();
    assert_eq!(
        (paid(&world).await.out_of_pocket, deltas(&world).await.len()),
        (6_900, 0)
    );
    let twice = at!(world, &payer, INSURER, fold_accumulators(INSURER, fold()));
    assert_eq!(twice.unwrap_err(), HealthError::NotFound, "each counts once");
    // Half of the maximum is near: one after the other again, up to the cap.
    let near = [endorsed(&world, 4), endorsed(&world, 5)];
    assert_eq!(codes(&world, near), ["VALID", "MVCC_READ_CONFLICT"]);
    for n in [5, 6] {
        adjudicate(&world, id(n)).await.unwrap();
    }
    assert_eq!(paid(&world).await.out_of_pocket, 12_900);
}

#[tokio::test]
async fn claims_before_count_where_the_payer_names_them() {
    let world = world().await;
    covered_by(&world, |plan| {
        let rules = ProcedureRules {
            limits: vec![Limit {
                units: 1,
                within: Span::Year,
            }],
            ..ProcedureRules::default()
        };
        plan.procedures.insert("X-1001".into(), rules);
    })
    .await;
    submit(&world, on(&world, 1, "2027-01-02")).await.unwrap();
    submit(&world, on(&world, 2, "2027-01-03")).await.unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    let payer = world.client(INSURER, Role::Payer);
    let query = CoverageQuery { coverage: member() };
    let asked = ClaimsClient::new(&payer).member_claims(INSURER, query);
    let prior = asked.endorsed_by([INSURER]).send().await.unwrap();
    assert_eq!(prior, [id(1)]);
    let unknown = AdjudicationStep {
        prior: [id(9)].into(),
        ..AdjudicationStep::new(id(2), world.wallet.salt())
    };
    let unknown = at!(world, &payer, INSURER, adjudicate(INSURER, HOSPITAL, unknown));
    assert_eq!(unknown.unwrap_err(), HealthError::NotFound);
    let step = AdjudicationStep {
        prior: prior.into_iter().collect(),
        ..AdjudicationStep::new(id(2), world.wallet.salt())
    };
    at!(world, &payer, INSURER, adjudicate(INSURER, HOSPITAL, step)).unwrap();
    assert_eq!(view(&world, 2).await.status, ClaimStatus::Denied);

    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let asked = ClaimsClient::new(&biller).explanation(INSURER, HOSPITAL, id(2));
    let explained = asked.endorsed_by([HOSPITAL]).send().await.unwrap();
    assert_eq!(
        (explained.paid, explained.owed, explained.charged),
        (0, 25_000, 25_000)
    );
    let why = &explained.lines[0].why[0];
    assert_eq!((why.effect, why.reason.as_deref()), (Effect::Denied, Some("119")));
    assert!(why.appeal.is_some());
    assert_eq!(explained.appeal_until.days() - world.today().days(), 180);
}

#[tokio::test]
async fn coverage_ends_and_standing_counts_on_the_day_of_service() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    let payer = world.client(INSURER, Role::Payer);
    let end = |last: &str| CoverageEnd {
        coverage: member(),
        last: last.parse().unwrap(),
        salt: world.wallet.salt(),
    };
    let outside = at!(world, &payer, INSURER, end_coverage(INSURER, end("2028-01-01")));
    assert!(matches!(outside, Err(HealthError::InvalidCode(_))));
    at!(world, &payer, INSURER, end_coverage(INSURER, end("2027-01-10"))).unwrap();
    let year = DateRange {
        from: "2027-01-01".parse().unwrap(),
        until: "2027-12-31".parse().unwrap(),
    };
    let standing = |npi: &str| StandingBody {
        npi: npi.into(),
        standing: Standing {
            active: year,
            network: Some(year),
            excluded_from: Some("2027-01-05".parse().unwrap()),
        },
        salt: world.wallet.salt(),
    };
    let wrong = at!(
        world,
        &payer,
        INSURER,
        set_standing(INSURER, standing("1234567898"))
    );
    assert!(matches!(wrong, Err(HealthError::InvalidCode(_))));
    at!(
        world,
        &payer,
        INSURER,
        set_standing(INSURER, standing("1234567893"))
    )
    .unwrap();
    for (n, day, status, reason) in [
        (1, "2027-01-04", ClaimStatus::Approved, None),
        (2, "2027-01-05", ClaimStatus::Denied, Some("B7")),
        (3, "2027-01-11", ClaimStatus::Denied, Some("B7")),
    ] {
        submit(&world, on(&world, n, day)).await.unwrap();
        adjudicate(&world, id(n)).await.unwrap();
        let seen = view(&world, n).await;
        assert_eq!(seen.status, status, "{day}");
        if let Some(reason) = reason {
            let edit = seen.adjudication.unwrap().lines[0].edits[0].clone();
            assert_eq!(edit.reason.as_deref(), Some(reason), "{day}");
        }
    }
    let query = EligibilityQuery {
        coverage: member(),
        on: "2027-01-11".parse().unwrap(),
    };
    let asked = ClaimsClient::new(&payer).eligibility(INSURER, query);
    assert!(!asked.endorsed_by([INSURER]).send().await.unwrap().covered);
}

/// Either of the pair endorses a new key: a provider with altered code can write an adjudication of its own. The payer pays by its own copy alone.
#[tokio::test]
async fn an_adjudication_that_the_payer_did_not_make_pays_nothing() {
    const PAIR: &str = "pair_InsurerMSP_HospitalMSP";
    let world = world().await;
    covered_by(&world, |_| ()).await;
    submit(&world, on(&world, 1, "2027-01-14")).await.unwrap();
    submit(&world, on(&world, 2, "2027-01-15")).await.unwrap();
    let real = adjudicate(&world, id(1)).await.unwrap();
    let altered = world.client(HOSPITAL, Role::ProviderBilling);
    let written = altered.transact(|ctx| {
        let (one, two) = (id(1), id(2));
        let read = |key: String| -> Result<serde_json::Value, HealthError> {
            Ok(ctx.private_get_json(PAIR, &key)?.unwrap_or_default())
        };
        let mut adjudication = read(format!("adj~{one}~{real}"))?;
        adjudication["adjudication"]["claim"] = two.to_string().into();
        adjudication["adjudication"]["allowed"] = 1_000_000.into();
        ctx.private_put_json(PAIR, &format!("adj~{two}~{real}"), &adjudication)?;
        ctx.private_put_json(PAIR, &format!("head~{two}"), &read(format!("head~{one}"))?)?;
        Ok::<_, HealthError>(())
    });
    written.unwrap();
    assert_eq!(view(&world, 2).await.status, ClaimStatus::Approved, "as forged");
    let payer = world.client(INSURER, Role::Payer);
    for amount in [1_000_000, 17_100] {
        let paid = at!(
            world,
            &payer,
            INSURER,
            pay(INSURER, HOSPITAL, payment(&world, 2, amount))
        );
        assert_eq!(paid.unwrap_err(), HealthError::NotFound);
    }
    let body = RemittanceBody {
        id: RemittanceId::from_bytes(bytes(1)),
        claims: [id(2)].into(),
        salt: world.wallet.salt(),
    };
    let remitted = at!(world, &payer, INSURER, remit(INSURER, HOSPITAL, body));
    assert_eq!(remitted.unwrap_err(), HealthError::NotFound);
}
