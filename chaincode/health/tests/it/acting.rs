//! Who signs in a patient's name, and carrying what they sign.

use crate::fixture::{CLINIC, HOSPITAL, World};
use crate::wallet::{Act, Wallet};
use careledger_api::HealthError;
use careledger_api::codes::Category;
use careledger_api::contracts::consent::{
    Consent, ConsentQuery, ConsentView, ConsentsClient, Delegation, DelegationEnd, Effect, Outcome, Power,
    Provision, Revocation, RevocationReason, SignedQuery, Taken,
};
use careledger_api::date::Period;
use careledger_api::ids::{AuthorityId, ConsentId, Nonce, PatientId, TxId};
use careledger_api::intent::SignedIntent;
use careledger_api::roles::Role;
use serde::Serialize;
use std::time::Duration;

/// Calls a function of the consent contract through the clinic's portal, endorsed by the hospital.
macro_rules! carry {
    ($world:expr, $function:ident, $($input:expr),+) => {{
        let portal = $world.client($crate::fixture::CLINIC, careledger_api::roles::Role::Portal);
        let call = careledger_api::contracts::consent::ConsentsClient::new(&portal)
            .$function($crate::fixture::HOSPITAL, $($input),+)
            .endorsed_by([$crate::fixture::HOSPITAL]);
        $world.receipt(call.send().await)
    }};
}

/// The same, endorsed and not yet committed.
macro_rules! endorse {
    ($world:expr, $function:ident, $($input:expr),+) => {{
        let portal = $world.client($crate::fixture::CLINIC, careledger_api::roles::Role::Portal);
        let request = careledger_api::contracts::consent::ConsentsClient::new(&portal)
            .$function($crate::fixture::HOSPITAL, $($input),+)
            .endorsed_by([$crate::fixture::HOSPITAL]);
        portal.endorse(request.call().clone()).unwrap()
    }};
}

/// A question signed by an actor, asked through the clinic's portal.
macro_rules! ask {
    ($world:expr, $function:ident, $query:expr, $intent:expr) => {{
        let portal = $world.client($crate::fixture::CLINIC, careledger_api::roles::Role::Portal);
        careledger_api::contracts::consent::ConsentsClient::new(&portal)
            .$function($crate::fixture::HOSPITAL, $query, $intent)
            .endorsed_by([$crate::fixture::HOSPITAL])
            .send()
            .await
    }};
}
pub(crate) use {ask, carry, endorse};

/// Somebody who acts in a patient's name: the patient, or who holds an authority over them.
pub struct Actor<'w> {
    world: &'w World,
    wallet: &'w Wallet,
    pub patient: PatientId,
    authority: Option<AuthorityId>,
}

impl<'w> Actor<'w> {
    pub fn patient(world: &'w World) -> Self {
        Self::of(world, &world.wallet)
    }

    pub fn of(world: &'w World, wallet: &'w Wallet) -> Self {
        Self {
            world,
            wallet,
            patient: wallet.patient(),
            authority: None,
        }
    }

    /// The holder of an authority over another patient.
    pub fn under(world: &'w World, wallet: &'w Wallet, patient: PatientId, authority: AuthorityId) -> Self {
        Self {
            world,
            wallet,
            patient,
            authority: Some(authority),
        }
    }

    pub fn sign<T: Serialize>(&self, function: &str, nonce: Nonce, input: &str, value: &T) -> SignedIntent {
        let now = self.world.now();
        let act = Act {
            period: Period {
                from: now - 60,
                until: now + 300,
            },
            ..self.wallet.act("consent", function, nonce)
        };
        self.wallet
            .sign_for(self.patient, self.authority, &act, input, value)
    }

    /// A consent that opens categories to everybody for treatment, for two hours from now.
    pub fn consent(&self, categories: &[Category]) -> Consent {
        let now = self.world.now();
        Consent {
            patient: self.patient,
            period: Period {
                from: now,
                until: now + 7_200,
            },
            ..self.wallet.consent(categories)
        }
    }

    /// A consent that shuts an organisation out.
    pub fn denial(&self, organisation: &str) -> Consent {
        let mut denial = self.consent(&[]);
        let mut provision = Provision::new(Effect::Deny);
        provision.actors = vec![careledger_api::contracts::consent::ActorFilter {
            organisation: Some(organisation.into()),
            ..Default::default()
        }];
        denial.provisions = vec![provision];
        denial
    }

    pub async fn grant(&self, consent: &Consent) -> Result<TxId, HealthError> {
        self.world.mock.advance(Duration::from_millis(1));
        let intent = self.sign("grant", consent.id.nonce(), "consent", consent);
        carry!(self.world, grant, consent.clone(), intent)
    }

    pub async fn amend(&self, consent: &Consent) -> Result<TxId, HealthError> {
        self.world.mock.advance(Duration::from_millis(1));
        let intent = self.sign("amend", consent.id.nonce(), "consent", consent);
        carry!(self.world, amend, consent.clone(), intent)
    }

    pub fn revocation(&self, taken: Taken) -> (Revocation, SignedIntent) {
        let revocation = Revocation {
            patient: self.patient,
            taken,
            reason: RevocationReason::Choice,
            salt: self.wallet.salt(),
        };
        let intent = self.sign("revoke", self.wallet.nonce(), "revocation", &revocation);
        (revocation, intent)
    }

    pub async fn revoke(&self, taken: Taken) -> Result<TxId, HealthError> {
        let (revocation, intent) = self.revocation(taken);
        carry!(self.world, revoke, revocation, intent)
    }

    pub fn delegation(&self, delegate: PatientId, powers: &[Power]) -> Delegation {
        let now = self.world.now();
        Delegation {
            id: AuthorityId::from_bytes(*self.wallet.nonce().as_bytes()),
            patient: self.patient,
            delegate,
            powers: powers.iter().copied().collect(),
            period: Period {
                from: now,
                until: now + 3_600,
            },
            salt: self.wallet.salt(),
        }
    }

    pub async fn delegate(&self, delegation: &Delegation) -> Result<TxId, HealthError> {
        let intent = self.sign("delegate", delegation.id.nonce(), "delegation", delegation);
        carry!(self.world, delegate, delegation.clone(), intent)
    }

    pub fn ending(&self, authority: AuthorityId) -> (DelegationEnd, SignedIntent) {
        let end = DelegationEnd {
            patient: self.patient,
            authority,
            salt: self.wallet.salt(),
        };
        let intent = self.sign("undelegate", self.wallet.nonce(), "end", &end);
        (end, intent)
    }

    pub async fn undelegate(&self, authority: AuthorityId) -> Result<TxId, HealthError> {
        let (end, intent) = self.ending(authority);
        carry!(self.world, undelegate, end, intent)
    }

    pub fn question(&self, function: &str) -> (SignedQuery, SignedIntent) {
        let query = SignedQuery {
            patient: self.patient,
            reader: CLINIC.into(),
        };
        let intent = self.sign(function, self.wallet.nonce(), "query", &query);
        (query, intent)
    }

    pub fn about(&self, consent: ConsentId) -> (ConsentQuery, SignedIntent) {
        let query = ConsentQuery {
            patient: self.patient,
            reader: CLINIC.into(),
            consent,
        };
        let intent = self.sign("myReceipt", self.wallet.nonce(), "query", &query);
        (query, intent)
    }

    pub async fn consents(&self) -> Vec<ConsentView> {
        let (query, intent) = self.question("myConsents");
        ask!(self.world, my_consents, query, intent).unwrap()
    }

    /// Whether a clinician of the clinic reads this category now.
    pub async fn opens(&self, category: Category) -> bool {
        let request = self.world.request(self.patient, &[category]);
        let tx = self.world.ask(request).await.unwrap();
        let permitted = self.world.outcome(&tx).await.unwrap().outcome == Outcome::Permitted;
        let vault = self.world.client(HOSPITAL, Role::Vault);
        let release = ConsentsClient::new(&vault)
            .release(HOSPITAL, tx, self.world.now())
            .send()
            .await
            .unwrap();
        assert!(
            permitted || release.documents.is_empty(),
            "the vault never opens more"
        );
        permitted
    }
}
