//! The reviewer outside of the payer sees what waits at its level, once it has taken it up, and nothing else; nobody sees more by it.

use crate::claims::{adjudicate, at, id, on, person, submit, view};
use crate::claims_appeal::{answered, appealed, upheld, withdrawn};
use crate::claims_forged::forge;
use crate::claims_review::{aside, decided, denying};
use crate::fixture::{CLINIC, HOSPITAL, INSURER, REGULATOR, World, contract_error};
use careledger_api::HealthError;
use careledger_api::adjudication::EditCode;
use careledger_api::contracts::claims::{
    AppealAct, AppealStatus, ClaimStatus, ClaimStep, ClaimView, ClaimsClient, ExternalAppeal,
    ExternalAppeals, ExternalQuery,
};
use careledger_api::ids::TxId;
use careledger_api::roles::Role;
use fabric_contract_mock::{MockClient, now};
use serde_json::json;

/// A reviewer takes an appeal up, at either side's peer.
pub fn taken_up(world: &World, by: &MockClient, n: u8, peer: &str) -> Result<TxId, HealthError> {
    let step = ClaimStep {
        claim: id(n),
        salt: world.wallet.salt(),
    };
    now(async { at!(world, by, peer, take_up_appeal(INSURER, HOSPITAL, step)) })
}

/// The first claim's appeal goes up to the level outside: the payer's two found nothing wrong.
fn taken_outside(world: &World) {
    for _ in 0..2 {
        appealed(world).unwrap();
        upheld(world, &person(world, INSURER, Role::Payer)).unwrap();
    }
    appealed(world).unwrap();
}

fn lawyer(world: &World) -> MockClient {
    person(world, REGULATOR, Role::Legal)
}

fn read(by: &MockClient, n: u8, peer: &str) -> Result<ClaimView, HealthError> {
    let asked = ClaimsClient::new(by).claim(INSURER, HOSPITAL, id(n));
    now(asked.endorsed_by([peer]).send()).map_err(|refused| contract_error::<()>(Err(refused)))
}

fn listed(by: &MockClient, peer: &str) -> Result<ExternalAppeals, HealthError> {
    let query = ExternalQuery::default();
    let asked = ClaimsClient::new(by).external_appeals(INSURER, HOSPITAL, query);
    now(asked.endorsed_by([peer]).send()).map_err(|refused| contract_error::<()>(Err(refused)))
}

fn is_forbidden<T>(result: &Result<T, HealthError>) -> bool {
    matches!(result, Err(HealthError::Forbidden(_)))
}

#[tokio::test]
async fn a_reviewer_sees_what_waits_at_its_level_once_it_has_taken_that_up() {
    let world = decided(denying()).await;
    let outside = lawyer(&world);
    submit(&world, on(&world, 2, "2027-01-10")).await.unwrap();
    adjudicate(&world, id(2)).await.unwrap();
    // Garbage under a claim's key, by either side, ends no list and is no appeal.
    assert!(forge(
        &world,
        INSURER,
        &[(format!("claim~{}", id(7)), json!({"claim": 1}))]
    ));
    let nothing = ExternalAppeals::default();
    // Denied, and appealed at the payer's own levels: none of it is told, nor that there is a claim at all.
    let unknown = taken_up(&world, &outside, 9, HOSPITAL).unwrap_err();
    for level in 0..3 {
        if level > 0 {
            appealed(&world).unwrap();
        }
        assert_eq!(listed(&outside, HOSPITAL).unwrap(), nothing);
        assert_eq!(taken_up(&world, &outside, 1, HOSPITAL).unwrap_err(), unknown);
        assert_eq!(read(&outside, 1, HOSPITAL).unwrap_err(), unknown);
        assert_eq!(read(&outside, 9, HOSPITAL).unwrap_err(), unknown);
        if level > 0 {
            let early = upheld(&world, &outside);
            assert!(matches!(early, Err(HealthError::Forbidden(why)) if why.contains("payer's own levels")));
            upheld(&world, &person(&world, INSURER, Role::Payer)).unwrap();
        }
    }
    assert!(matches!(unknown, HealthError::Forbidden(_)));

    world.advance(86_400);
    appealed(&world).unwrap();
    let waits = |taken_up| ExternalAppeals {
        appeals: vec![ExternalAppeal {
            claim: id(1),
            since: Some(world.today()),
            charged: 25_000,
            currency: "USD".into(),
            taken_up,
        }],
        ..ExternalAppeals::default()
    };
    for peer in [HOSPITAL, INSURER] {
        assert_eq!(listed(&outside, peer).unwrap(), waits(false));
        let unseen = read(&outside, 1, peer);
        assert!(matches!(unseen, Err(HealthError::ConflictState(why)) if why.contains("taken up first")));
    }
    assert_eq!(view(&world, 1).await.reviewers, []);
    taken_up(&world, &outside, 1, HOSPITAL).unwrap();
    let again = taken_up(&world, &outside, 1, INSURER);
    assert!(matches!(again, Err(HealthError::Duplicate(_))), "{again:?}");
    let payers = view(&world, 1).await;
    assert_eq!(payers.reviewers.len(), 1);
    let who = &payers.reviewers[0];
    assert_eq!((who.organisation.as_str(), who.at), (REGULATOR, world.now()));
    for peer in [HOSPITAL, INSURER] {
        assert_eq!(listed(&outside, peer).unwrap(), waits(true));
        let seen = read(&outside, 1, peer).unwrap();
        assert_eq!(
            seen, payers,
            "what was said, the lines and why, as both sides see it"
        );
        assert_eq!(seen.appeal.unwrap().status, AppealStatus::External);
        assert!(
            is_forbidden(&read(&outside, 2, peer)),
            "denied as well, and not appealed"
        );
        let asked = ClaimsClient::new(&outside).explanation(INSURER, HOSPITAL, id(1));
        assert_eq!(now(asked.endorsed_by([peer]).send()).unwrap().paid, 0);
        let other = ClaimsClient::new(&outside).explanation(INSURER, HOSPITAL, id(2));
        let refused = contract_error(now(other.endorsed_by([peer]).send()));
        assert!(matches!(refused, HealthError::Forbidden(_)));
    }
}

#[tokio::test]
async fn what_one_reviewer_takes_up_opens_the_claim_to_nobody_else() {
    let world = decided(denying()).await;
    let outside = lawyer(&world);
    taken_outside(&world);
    taken_up(&world, &outside, 1, INSURER).unwrap();
    assert!(read(&outside, 1, INSURER).is_ok());
    // A colleague sees what waits, and leaves a trace of their own.
    let colleague = lawyer(&world);
    assert!(!listed(&colleague, HOSPITAL).unwrap().appeals[0].taken_up);
    let unseen = read(&colleague, 1, HOSPITAL);
    assert!(matches!(unseen, Err(HealthError::ConflictState(_))));
    taken_up(&world, &colleague, 1, HOSPITAL).unwrap();
    assert!(read(&colleague, 1, HOSPITAL).is_ok());
    assert_eq!(view(&world, 1).await.reviewers.len(), 2);

    let mut others = vec![
        (
            world.newcomer(REGULATOR, Role::Legal),
            "without a credential".to_owned(),
        ),
        (person(&world, CLINIC, Role::Legal), "of no regulator".to_owned()),
        (
            person(&world, HOSPITAL, Role::Legal),
            "the provider's own".to_owned(),
        ),
        (person(&world, INSURER, Role::Legal), "the payer's own".to_owned()),
    ];
    let roles = Role::ALL.iter().filter(|role| **role != Role::Legal);
    others.extend(roles.map(|role| {
        (
            person(&world, REGULATOR, *role),
            format!("the regulator's {role}"),
        )
    }));
    for (other, what) in &others {
        for peer in [HOSPITAL, INSURER] {
            assert!(is_forbidden(&listed(other, peer)), "{what}");
            assert!(is_forbidden(&read(other, 1, peer)), "{what}");
            assert!(is_forbidden(&taken_up(&world, other, 1, peer)), "{what}");
        }
    }
    // A credential that is over counts no more; the appeal has no last day.
    world.advance(366 * 86_400);
    assert!(is_forbidden(&listed(&outside, HOSPITAL)));
    assert!(is_forbidden(&read(&outside, 1, HOSPITAL)));
}

#[tokio::test]
async fn a_reviewer_reads_until_the_appeal_is_at_its_end() {
    for taken_back in [false, true] {
        let world = decided(denying()).await;
        let outside = lawyer(&world);
        taken_outside(&world);
        taken_up(&world, &outside, 1, HOSPITAL).unwrap();
        match taken_back {
            true => withdrawn(&world).unwrap(),
            false => answered(&world, &outside, AppealAct::Overturn, aside(EditCode::Waiting)).unwrap(),
        };
        assert_eq!(listed(&outside, HOSPITAL).unwrap(), ExternalAppeals::default());
        assert!(is_forbidden(&read(&outside, 1, HOSPITAL)));
        assert!(is_forbidden(&taken_up(&world, &outside, 1, HOSPITAL)));
        // Who looked stays with payer and provider.
        let seen = view(&world, 1).await;
        assert_eq!(seen.reviewers.len(), 1);
        let decided = seen.status == ClaimStatus::Approved;
        assert_eq!(decided, !taken_back);
    }
}
