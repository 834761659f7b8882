//! What an appeal adds to a paid claim is on another remittance: it takes the decision that was paid back, and says what stands in its place.

use crate::claims::{id, payers, payment, person, remittance};
use crate::claims_appeal::{answered, appealed, reduced};
use crate::claims_listing::remittances;
use crate::claims_review::aside;
use crate::fixture::{HOSPITAL, INSURER, World, bytes};
use careledger_api::adjudication::EditCode;
use careledger_api::contracts::claims::{
    AppealAct, ClaimsClient, RemittanceQuery, RemittanceView, RemittedClaim,
};
use careledger_api::ids::RemittanceId;
use careledger_api::roles::Role;

async fn issued(world: &World, n: u8) -> RemittedClaim {
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let asked = ClaimsClient::new(&biller).remitted(INSURER, HOSPITAL, RemittanceId::from_bytes(bytes(n)));
    asked.endorsed_by([HOSPITAL]).send().await.unwrap().remove(0)
}

async fn seen(world: &World, n: u8) -> RemittanceView {
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let asked = ClaimsClient::new(&biller).remittance(INSURER, HOSPITAL, RemittanceId::from_bytes(bytes(n)));
    asked.endorsed_by([HOSPITAL]).send().await.unwrap()
}

#[tokio::test]
async fn a_difference_takes_back_the_decision_that_was_paid() {
    for told in [true, false] {
        let world = reduced(true).await;
        let payer = world.client(INSURER, Role::Payer);
        if told {
            payers!(&world, &payer, remit(remittance(&world, 1, &[1]))).unwrap();
            let first = issued(&world, 1).await;
            assert!(first.before.is_none() && first.stands && !first.again);
        }
        payers!(&world, &payer, pay(payment(&world, 1, 20_000))).unwrap();
        appealed(&world).unwrap();
        let reviewer = person(&world, INSURER, Role::Payer);
        answered(&world, &reviewer, AppealAct::Overturn, aside(EditCode::UnitLimit)).unwrap();
        world.advance(60);
        payers!(&world, &payer, remit(remittance(&world, 2, &[1]))).unwrap();

        // The same before and after it is paid.
        for paid in [false, true] {
            if paid {
                payers!(&world, &payer, pay(payment(&world, 1, 20_000))).unwrap();
            }
            let second = issued(&world, 2).await;
            let before = second
                .before
                .as_ref()
                .map(|before| (before.claim, before.allowed));
            // What was paid on no remittance was told by none, and cannot be taken back by one.
            assert_eq!(before, told.then_some((id(1), 20_000)));
            assert_eq!(
                (
                    second.adjudication.allowed,
                    second.amount,
                    second.stands,
                    second.again
                ),
                (40_000, 20_000, true, false)
            );
        }
        if told {
            assert!(issued(&world, 1).await.before.is_none(), "as it was told");
            let (one, two) = (seen(&world, 1).await, seen(&world, 2).await);
            assert_eq!((one.references.len(), two.references.len()), (1, 1));
            assert!(one.at.is_some() && one.at < two.at);
            let listed = remittances(&world, RemittanceQuery::default()).await.remittances;
            let row = listed.iter().find(|row| row.remittance == two.id).unwrap();
            assert_eq!((row.at, &row.references), (two.at, &two.references));
        }
    }
}
