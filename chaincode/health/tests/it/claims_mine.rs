//! A member asks about their own claims.

use crate::claims::{adjudicate, claim, covered_by, id, on, payers, payment, submit};
use crate::fixture::{
    CHANNEL, CONSORTIUM, HOSPITAL, INSURER, REGULATOR, World, bytes, contract_error, world,
};
use careledger_api::HealthError;
use careledger_api::contracts::claims::{
    ClaimStatus, ClaimsClient, ExplanationOfBenefits, MemberClaim, MemberClaimQuery, MemberKey, MemberQuery,
    member_of,
};
use careledger_api::date::Period;
use careledger_api::ids::{ClaimId, CoverageId};
use careledger_api::intent::{IntentDraft, IntentScope, SignedIntent};
use careledger_api::keys::{Algorithm, DeviceKey};
use careledger_api::roles::Role;
use fabric_contract_mock::now;
use serde::Serialize;

/// The one who asks: about which coverage, with which key.
#[derive(Clone)]
struct Member {
    coverage: CoverageId,
    key: DeviceKey,
}

fn member(n: u8) -> Member {
    Member {
        coverage: CoverageId::from_bytes(bytes(n)),
        key: DeviceKey::from_secret(Algorithm::P256, &[n; 32]).unwrap(),
    }
}

impl Member {
    fn sign<T: Serialize>(&self, world: &World, function: &str, seconds: i64, query: &T) -> SignedIntent {
        let scope = IntentScope {
            consortium: CONSORTIUM.into(),
            channel: CHANNEL.into(),
            chaincode: careledger_chaincode::CHAINCODE_NAME.into(),
            contract: "claims".into(),
            function: function.into(),
        };
        let period = Period {
            from: world.now(),
            until: world.now() + seconds,
        };
        let name = member_of(INSURER, &self.coverage);
        let draft = IntentDraft::new(scope, name, period, world.wallet.nonce(), &(INSURER,)).unwrap();
        let draft = draft.transient("query", world.wallet.salt(), query).unwrap();
        draft.sign(&self.key).unwrap()
    }

    fn list(&self, world: &World) -> Result<Vec<MemberClaim>, HealthError> {
        let query = MemberQuery {
            coverage: self.coverage,
        };
        let intent = self.sign(world, "myClaims", 300, &query);
        listed(world, query, intent)
    }

    fn explain(&self, world: &World, claim: ClaimId) -> Result<ExplanationOfBenefits, HealthError> {
        let query = MemberClaimQuery {
            coverage: self.coverage,
            provider: HOSPITAL.into(),
            claim,
        };
        let intent = self.sign(world, "myExplanation", 300, &query);
        let portal = world.client(INSURER, Role::Portal);
        let asked = ClaimsClient::new(&portal).my_explanation(INSURER, query, intent);
        now(asked.endorsed_by([INSURER]).send()).map_err(refusal)
    }
}

fn listed(world: &World, query: MemberQuery, intent: SignedIntent) -> Result<Vec<MemberClaim>, HealthError> {
    let portal = world.client(INSURER, Role::Portal);
    let asked = ClaimsClient::new(&portal).my_claims(INSURER, query, intent);
    now(asked.endorsed_by([INSURER]).send()).map_err(refusal)
}

fn refusal<E: std::fmt::Debug>(error: fabric_contract_core::CallError<HealthError, E>) -> HealthError {
    match error {
        fabric_contract_core::CallError::Contract(error) => error,
        other => panic!("unexpected failure: {other:?}"),
    }
}

fn set_key(world: &World, of: &Member, keyed: bool) -> Result<(), HealthError> {
    let payer = world.client(INSURER, Role::Payer);
    let key = MemberKey {
        coverage: of.coverage,
        key: keyed.then(|| of.key.public_key()),
        salt: world.wallet.salt(),
    };
    let sent = ClaimsClient::new(&payer).set_member_key(INSURER, key);
    world.receipt(now(sent.endorsed_by([INSURER]).send())).map(drop)
}

/// A member with a key and two claims, and a claim of somebody else's coverage, which the payer does not know.
async fn told() -> (World, Member) {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    submit(&world, on(&world, 1, "2027-01-13")).await.unwrap();
    submit(&world, on(&world, 2, "2027-01-14")).await.unwrap();
    let mut stranger = claim(&world, 3, "X-1001");
    stranger.claim.coverage = CoverageId::from_bytes(bytes(9));
    submit(&world, stranger).await.unwrap();
    for n in [1, 2, 3] {
        adjudicate(&world, id(n)).await.unwrap();
    }
    let member = member(1);
    set_key(&world, &member, true).unwrap();
    (world, member)
}

#[tokio::test]
async fn a_member_sees_their_own_claims_and_what_is_paid_of_them() {
    let (world, member) = told().await;
    let payer = world.client(INSURER, Role::Payer);
    payers!(&world, &payer, pay(payment(&world, 1, 17_100))).unwrap();
    // Not received yet: the payer has nothing to tell of it.
    submit(&world, on(&world, 4, "2027-01-12")).await.unwrap();
    let found = member.list(&world).unwrap();
    let seen: Vec<_> = found
        .iter()
        .map(|of| (of.claim, of.days.from.to_string(), of.status, of.charged))
        .collect();
    assert_eq!(
        seen,
        [
            (id(2), "2027-01-14".to_owned(), ClaimStatus::Approved, 25_000),
            (id(1), "2027-01-13".to_owned(), ClaimStatus::Paid, 25_000)
        ]
    );
    assert!(
        found
            .iter()
            .all(|of| of.provider == HOSPITAL && of.decided == Some(world.today()))
    );
    let explained = member.explain(&world, id(1)).unwrap();
    assert_eq!(
        (explained.claim, explained.paid, explained.owed),
        (id(1), 17_100, 2_900)
    );
    let other = member.explain(&world, id(3)).unwrap_err();
    assert_eq!(other, HealthError::NotFound, "somebody else's");
    assert_eq!(
        member.explain(&world, id(7)).unwrap_err(),
        HealthError::NotFound,
        "none"
    );
    let undecided = member.explain(&world, id(4)).unwrap_err();
    assert!(
        matches!(&undecided, HealthError::ConflictState(text) if text.contains("SUBMITTED")),
        "{undecided}"
    );
}

#[tokio::test]
async fn whoever_does_not_hold_the_members_key_learns_nothing() {
    let (world, own) = told().await;
    assert_eq!(own.list(&world).unwrap().len(), 2, "the member's own question");
    let thief = Member {
        key: member(5).key,
        ..own.clone()
    };
    let stranger = Member {
        coverage: CoverageId::from_bytes(bytes(9)),
        ..own.clone()
    };
    let refused = thief.list(&world).unwrap_err();
    assert!(matches!(refused, HealthError::BadIntent(_)), "{refused:?}");
    assert_eq!(
        stranger.list(&world).unwrap_err(),
        refused,
        "a coverage that is not there"
    );
    assert_eq!(thief.explain(&world, id(1)).unwrap_err(), refused);
    assert_eq!(stranger.explain(&world, id(3)).unwrap_err(), refused);
    // A question is for what it was signed for, and for ten minutes.
    let query = MemberQuery {
        coverage: own.coverage,
    };
    for (function, seconds) in [("myExplanation", 300), ("myClaims", 601)] {
        let wrong = own.sign(&world, function, seconds, &query);
        let wrong = listed(&world, query.clone(), wrong).unwrap_err();
        assert!(matches!(wrong, HealthError::BadIntent(_)), "{wrong:?}");
    }
    let old = own.sign(&world, "myClaims", 600, &query);
    world.advance(601);
    let old = listed(&world, query.clone(), old).unwrap_err();
    assert!(matches!(old, HealthError::Expired(_)), "{old:?}");
    // Its payer's portal alone carries it.
    let intent = own.sign(&world, "myClaims", 300, &query);
    for (organisation, role) in [(REGULATOR, Role::Portal), (INSURER, Role::Payer)] {
        let client = world.client(organisation, role);
        let asked = ClaimsClient::new(&client).my_claims(INSURER, query.clone(), intent.clone());
        let refused = contract_error(asked.endorsed_by([INSURER]).send().await);
        assert!(matches!(refused, HealthError::Forbidden(_)));
    }
    // A key that was taken away asks no more.
    set_key(&world, &own, false).unwrap();
    assert_eq!(own.list(&world).unwrap_err(), refused);
    let absent = set_key(&world, &stranger, true).unwrap_err();
    assert_eq!(absent, HealthError::NotFound);
}
