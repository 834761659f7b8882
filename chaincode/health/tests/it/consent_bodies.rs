//! The rows of [`bodies`](crate::bodies) for requests and acts of officers; what patients sign is refused for want of their signature instead.

use crate::bodies::{Reader, everybody_else_is_refused};
use crate::fixture::{HOSPITAL, ORGANISATIONS, REGULATOR, World, world};
use crate::requests::request;
use careledger_api::contracts::consent::{
    Confirmation, ConsentsClient, Measure, OfficialAct, RequestWithdrawal, Taken,
};
use careledger_api::ids::{ActId, AuthorityId, Hash, Salt};
use careledger_api::roles::Role;
use fabric_contract_mock::{MockClient, now};

#[tokio::test]
async fn everybody_else_is_refused_every_body_of_requests_and_official_acts() {
    let world = world().await;
    everybody_else_is_refused(&world, readers(&world));
}

macro_rules! row {
    ($name:literal, $allowed:expr, |$client:ident| $call:expr) => {
        (
            $name,
            $allowed,
            Box::new(move |$client: &MockClient, peer: &str| now($call.endorsed_by([peer]).send()).map(drop)),
        )
    };
}

fn readers(world: &World) -> Vec<Reader<'_>> {
    let patient = world.wallet.patient();
    let salt = Salt::from_bytes([1; 32]);
    let officers = || vec![(HOSPITAL, Role::Dpo), (REGULATOR, Role::Dpo)];
    let askers = || -> Vec<(&'static str, Role)> {
        ORGANISATIONS
            .into_iter()
            .flat_map(|organisation| [(organisation, Role::Clinician), (organisation, Role::Researcher)])
            .collect()
    };
    let act = move |measure: Measure| OfficialAct {
        id: ActId::from_bytes([1; 16]),
        patient,
        measure,
        basis: Hash::from_bytes([1; 32]),
        salt,
    };
    let registrars = || vec![(HOSPITAL, Role::Registrar), (HOSPITAL, Role::Custodian)];
    vec![
        row!("consent:requestAccess", askers(), |c| {
            ConsentsClient::new(c).request_access(HOSPITAL, request(world, patient))
        }),
        row!("consent:withdrawRequest", askers(), |c| {
            let withdrawal = RequestWithdrawal {
                request: request(world, patient).id,
                patient,
                salt,
            };
            ConsentsClient::new(c).withdraw_request(HOSPITAL, withdrawal)
        }),
        row!("consent:proposeAct", officers(), |c| {
            ConsentsClient::new(c).propose_act(HOSPITAL, act(Measure::Revoke(Taken::All)))
        }),
        row!("consent:proposeAct", [officers(), registrars()].concat(), |c| {
            let measure = Measure::Dismiss(AuthorityId::from_bytes([1; 16]));
            ConsentsClient::new(c).propose_act(HOSPITAL, act(measure))
        }),
        row!("consent:confirmAct", officers(), |c| {
            let confirmation = Confirmation {
                act: ActId::from_bytes([2; 16]),
                salt,
            };
            ConsentsClient::new(c).confirm_act(HOSPITAL, confirmation)
        }),
        row!("consent:openActs", officers(), |c| ConsentsClient::new(c)
            .open_acts(HOSPITAL)),
    ]
}
