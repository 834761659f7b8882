//! What the tests of claims begin with: a payer with its plan and member, claims, steps of either side.

use crate::fixture::{HOSPITAL, INSURER, World, bytes, world};
use careledger_api::HealthError;
use careledger_api::adjudication::{
    Claim, ClaimLine, Coverage, Frequency, NetworkRules, Plan, Price, ProcedureRules, Sex,
};
use careledger_api::contracts::claims::{
    AdjudicationStep, AuthorisationRequest, BookView, ClaimBatch, ClaimBody, ClaimStep, ClaimView,
    ClaimsClient, CoverageBody, Payment, PlanBody, RemittanceBody,
};
use careledger_api::date::{Date, DateRange};
use careledger_api::ids::{AuthorisationId, ClaimId, CoverageId, PlanId, RemittanceId, TxId};
use careledger_api::roles::Role;
use fabric_contract_mock::{Endorsed, MockClient};
use std::collections::BTreeMap;

/// One function of the contract, at one organisation's peer.
macro_rules! at {
    ($world:expr, $client:expr, $peer:expr, $function:ident($($argument:expr),* $(,)?)) => {
        $world.receipt(
            careledger_api::contracts::claims::ClaimsClient::new($client)
                .$function($($argument),*)
                .endorsed_by([$peer])
                .send()
                .await,
        )
    };
}
pub(crate) use at;

/// One step of the payer at its own peer.
macro_rules! payers {
    ($world:expr, $client:expr, $function:ident($body:expr)) => {
        crate::claims::at!(
            $world,
            $client,
            crate::fixture::INSURER,
            $function(crate::fixture::INSURER, crate::fixture::HOSPITAL, $body)
        )
    };
}
pub(crate) use payers;

/// One step of the provider at its own peer.
macro_rules! providers {
    ($world:expr, $client:expr, $function:ident($body:expr)) => {
        crate::claims::at!(
            $world,
            $client,
            crate::fixture::HOSPITAL,
            $function(crate::fixture::INSURER, crate::fixture::HOSPITAL, $body)
        )
    };
}
pub(crate) use providers;

/// A step of the payer as it waits for its block.
macro_rules! waiting {
    ($client:expr, $peer:expr, $function:ident($body:expr)) => {{
        let request = careledger_api::contracts::claims::ClaimsClient::new($client).$function(
            crate::fixture::INSURER,
            crate::fixture::HOSPITAL,
            $body,
        );
        let request = request.endorsed_by([$peer]);
        $client.endorse(request.call().clone()).unwrap()
    }};
}
pub(crate) use waiting;

pub fn id(n: u8) -> ClaimId {
    ClaimId::from_bytes(bytes(n))
}

pub fn member() -> CoverageId {
    CoverageId::from_bytes(bytes(1))
}

/// A claim on another day, so that it is another service.
pub fn on(world: &World, n: u8, day: &str) -> ClaimBody {
    let mut body = claim(world, n, "X-1001");
    body.claim.lines[0].date = day.parse().unwrap();
    body
}

pub fn payment(world: &World, n: u8, amount: i64) -> Payment {
    Payment {
        claim: id(n),
        amount,
        reference: "TRN-1".into(),
        salt: world.wallet.salt(),
    }
}

/// Somebody of an organisation who decides as a person: with a credential of their own.
pub fn person(world: &World, organisation: &str, role: Role) -> MockClient {
    let person = world.newcomer(organisation, role);
    world.issue(organisation, &person).unwrap();
    person
}

/// A member whose sex the payer does not know, though the price list asks for it with that procedure. X-1002 costs what X-1001 does.
pub async fn asking(procedure: &str) -> World {
    let world = world().await;
    covered_by(&world, |plan| {
        let rules = ProcedureRules {
            sex: Some(Sex::Female),
            ..ProcedureRules::default()
        };
        plan.procedures.insert(procedure.into(), rules);
        let price = plan.prices["X-1001"];
        plan.prices.insert("X-1002".into(), price);
    })
    .await;
    world
}

/// Why the contract refuses something where it stands.
pub fn why<T: std::fmt::Debug>(refused: Result<T, HealthError>) -> String {
    match refused {
        Err(HealthError::ConflictState(why)) => why,
        other => panic!("{other:?}"),
    }
}

/// It refuses it with these words among others.
pub fn is_conflict<T: std::fmt::Debug>(refused: Result<T, HealthError>, words: &str) {
    let why = why(refused);
    assert!(why.contains(words), "{words}: {why}");
}

/// What the payer's book says.
pub async fn book(world: &World, n: u8) -> BookView {
    let payer = world.client(INSURER, Role::Payer);
    let asked = ClaimsClient::new(&payer).book(INSURER, HOSPITAL, id(n));
    asked.endorsed_by([INSURER]).send().await.unwrap()
}

/// Verdicts on the transactions of one block.
pub fn codes(world: &World, block: impl IntoIterator<Item = Endorsed>) -> Vec<&'static str> {
    let outcomes = world.mock.commit(block).unwrap().into_iter();
    outcomes.map(|outcome| outcome.code.as_str_name()).collect()
}

pub fn date(text: &str) -> Date {
    text.parse().unwrap()
}

pub fn plan(world: &World) -> PlanBody {
    let plan = Plan {
        id: PlanId::from_bytes(bytes(1)),
        version: 1,
        currency: "USD".into(),
        deductible: 1_000,
        copay: 0,
        coinsurance: 1_000,
        out_of_pocket_maximum: 100_000,
        timely_filing_days: 365,
        prices: BTreeMap::from([(
            "X-1001".to_owned(),
            Price {
                amount: 20_000,
                max_units: 2,
            },
        )]),
        network: NetworkRules::default(),
        procedures: BTreeMap::new(),
    };
    PlanBody {
        plan,
        salt: world.wallet.salt(),
    }
}

pub fn claim(world: &World, id: u8, procedure: &str) -> ClaimBody {
    let line = ClaimLine::new(1, procedure, world.today(), 1, 25_000);
    let (id, coverage) = (ClaimId::from_bytes(bytes(id)), CoverageId::from_bytes(bytes(1)));
    ClaimBody {
        claim: Claim::new(id, coverage, "1234567893", "USD", vec![line]),
        salt: world.wallet.salt(),
    }
}

/// A payer with that plan and a member under it.
pub async fn covered_by(world: &World, change: impl FnOnce(&mut Plan)) {
    covered_as(world, 1, change).await;
}

/// The same with the numbers of plan and coverage.
pub async fn covered_as(world: &World, n: u8, change: impl FnOnce(&mut Plan)) {
    let payer = world.client(INSURER, Role::Payer);
    let mut body = plan(world);
    body.plan.id = PlanId::from_bytes(bytes(n));
    change(&mut body.plan);
    let commitment = body.commitment().unwrap();
    let claims = ClaimsClient::new(&payer);
    let published = claims.publish_plan(body.plan.id, 1, commitment).send().await;
    world.receipt(published).unwrap();
    let id = body.plan.id;
    at!(world, &payer, INSURER, load_plan(INSURER, body)).unwrap();
    let period = DateRange {
        from: date("2026-01-01"),
        until: date("2027-12-31"),
    };
    let coverage = Coverage::new(CoverageId::from_bytes(bytes(n)), id, 1, period);
    let salt = world.wallet.salt();
    at!(
        world,
        &payer,
        INSURER,
        enrol_member(INSURER, CoverageBody { coverage, salt })
    )
    .unwrap();
}

/// The claim as its payer sees it.
pub async fn view(world: &World, id: u8) -> ClaimView {
    let payer = world.client(INSURER, Role::Payer);
    let asked = ClaimsClient::new(&payer).claim(INSURER, HOSPITAL, ClaimId::from_bytes(bytes(id)));
    asked.endorsed_by([INSURER]).send().await.unwrap()
}

pub async fn submit(world: &World, body: ClaimBody) -> Result<TxId, HealthError> {
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let sent = ClaimsClient::new(&biller)
        .submit_claim(INSURER, HOSPITAL, body)
        .endorsed_by([HOSPITAL])
        .send()
        .await;
    world.receipt(sent)
}

/// A claim that stands in the place of another, or takes it back.
pub fn instead(world: &World, n: u8, of: u8, frequency: Frequency) -> ClaimBody {
    let mut body = claim(world, n, "X-1001");
    (body.claim.frequency, body.claim.replaces) = (frequency, Some(id(of)));
    body
}

/// The provider's part of a correction.
pub async fn replace(world: &World, body: ClaimBody) -> Result<TxId, HealthError> {
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    providers!(world, &biller, replace_claim(body))
}

/// The payer's receipt of claims.
pub async fn receive(world: &World, claims: &[u8]) -> Result<TxId, HealthError> {
    let payer = world.client(INSURER, Role::Payer);
    let batch = ClaimBatch {
        claims: claims.iter().map(|n| id(*n)).collect(),
        salt: world.wallet.salt(),
    };
    payers!(world, &payer, acknowledge(batch))
}

/// Both of them.
pub async fn correct(world: &World, body: ClaimBody) -> Result<TxId, HealthError> {
    let batch = ClaimBatch {
        claims: [body.claim.id].into(),
        salt: world.wallet.salt(),
    };
    replace(world, body).await?;
    let payer = world.client(INSURER, Role::Payer);
    payers!(world, &payer, acknowledge(batch))
}

pub fn remittance(world: &World, n: u8, claims: &[u8]) -> RemittanceBody {
    RemittanceBody {
        id: RemittanceId::from_bytes(bytes(n)),
        claims: claims.iter().map(|n| id(*n)).collect(),
        salt: world.wallet.salt(),
    }
}

pub async fn paying(world: &World, n: u8, amount: i64) -> Result<TxId, HealthError> {
    let payer = world.client(INSURER, Role::Payer);
    payers!(world, &payer, pay(payment(world, n, amount)))
}

/// The claim of a number is put on a remittance of that number.
pub async fn remitting(world: &World, n: u8) -> Result<TxId, HealthError> {
    let payer = world.client(INSURER, Role::Payer);
    payers!(world, &payer, remit(remittance(world, n, &[n])))
}

/// A world with a claim of 2027-01-14, number 1, that is approved.
pub async fn approved() -> World {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    submit(&world, on(&world, 1, "2027-01-14")).await.unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    world
}

/// The same, paid.
pub async fn paid() -> World {
    let world = approved().await;
    paying(&world, 1, 17_100).await.unwrap();
    world
}

/// The provider's word that the first claim's money came.
pub fn came(world: &World) -> ClaimStep {
    ClaimStep {
        claim: id(1),
        salt: world.wallet.salt(),
    }
}

/// A world in which X-1001 needs an authorisation.
pub async fn authorising() -> World {
    let world = world().await;
    covered_by(&world, |plan| {
        let rules = ProcedureRules {
            authorisation: true,
            ..ProcedureRules::default()
        };
        plan.procedures.insert("X-1001".into(), rules);
    })
    .await;
    world
}

/// The authorisation that [`request`] asks for.
pub const AUTHORISATION: AuthorisationId = AuthorisationId::from_bytes([7; 16]);

/// Asks for X-1001 in January of 2027.
pub fn request(world: &World, units: u32) -> AuthorisationRequest {
    AuthorisationRequest {
        id: AUTHORISATION,
        coverage: member(),
        procedure: "X-1001".into(),
        units,
        period: DateRange {
            from: date("2027-01-01"),
            until: date("2027-01-31"),
        },
        provider_npi: "1234567893".into(),
        urgent: false,
        documents: vec![],
        salt: world.wallet.salt(),
    }
}

/// A claim under that authorisation.
pub fn authorised(world: &World, n: u8, units: u32) -> ClaimBody {
    let mut body = claim(world, n, "X-1001");
    body.claim.lines[0].authorisation = Some(AUTHORISATION);
    body.claim.lines[0].units = units;
    body
}

pub async fn adjudicate(world: &World, claim: ClaimId) -> Result<TxId, HealthError> {
    let payer = world.client(INSURER, Role::Payer);
    let step = AdjudicationStep::new(claim, world.wallet.salt());
    let sent = ClaimsClient::new(&payer)
        .adjudicate(INSURER, HOSPITAL, step)
        .endorsed_by([INSURER])
        .send()
        .await;
    world.receipt(sent)
}
