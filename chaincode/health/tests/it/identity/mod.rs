//! Device keys, guardians and recoveries on the ledger. That no order of acts takes a key over is explored in `careledger_api::recovery`; here it is
//! shown that the contract keeps to that machine, who may carry what, and what an altered peer gains.

use crate::fixture::{
    CHANNEL, CLINIC, CONSORTIUM, HOSPITAL, REGULATOR, World, consortium, contract_error, world,
};
use crate::wallet::{Act, Wallet};
use careledger_api::codes::{Category, Purpose};
use careledger_api::contracts::consent::{AccessRequest, ConsentsClient, Outcome};
use careledger_api::contracts::identity::{
    AccountFreeze, AccountStep, AccountView, GuardianAct, GuardianApproval, GuardianStatement, IdentityAct,
    IdentityClient, KeyAddition, KeyRemoval, KeyRotation, PatientQuery, PolicyChoice, RecoveryApproval,
    RecoveryAttestation, RecoveryOpening, RecoveryStep, Unfreezing, guardian_commitment,
};
use careledger_api::date::Period;
use careledger_api::ids::{Hash, Nonce, PatientId, RecoveryId, Salt, TxId};
use careledger_api::intent::{IntentDraft, IntentScope, SignedIntent};
use careledger_api::keys::{Algorithm, DeviceKey};
use careledger_api::recovery::{RecoveryPolicy, Rules};
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{KeyPolicy, SubmitRequest, Timestamp};
use fabric_contract_mock::{MockClient, now};
use serde::Serialize;

mod keys;
mod recoveries;
mod renewals;

const DAY: i64 = 86_400;
const BOTH: [&str; 2] = [HOSPITAL, REGULATOR];
const RULES: Rules = Rules::STANDARD;
const R: RecoveryId = RecoveryId::from_bytes([0x77; 16]);

/// Somebody's key: a device, a guardian's, an attacker's.
struct Key(DeviceKey);

impl Key {
    fn new(seed: u8) -> Self {
        let algorithm = if seed.is_multiple_of(2) {
            Algorithm::P256
        } else {
            Algorithm::Ed25519
        };
        Self(DeviceKey::from_secret(algorithm, &[seed; 32]).unwrap())
    }

    fn id(&self) -> careledger_api::ids::KeyId {
        self.0.public_key().id()
    }

    /// The salt under which policies of these tests list this key.
    fn opening(&self) -> Salt {
        Salt::from_bytes(*self.id().as_bytes())
    }

    fn commitment(&self) -> Hash {
        guardian_commitment(&self.0.public_key(), &self.opening()).unwrap()
    }

    fn sign<T: Serialize>(
        &self,
        world: &World,
        function: &str,
        nonce: Nonce,
        (input, value): (&str, &T),
    ) -> SignedIntent {
        let scope = IntentScope {
            consortium: CONSORTIUM.into(),
            channel: CHANNEL.into(),
            chaincode: careledger_chaincode::CHAINCODE_NAME.into(),
            contract: "identity".into(),
            function: function.into(),
        };
        let period = Period {
            from: world.now() - 600,
            until: world.now() + 3_600,
        };
        IntentDraft::new(scope, world.wallet.patient(), period, nonce, &(HOSPITAL,))
            .unwrap()
            .transient(input, world.wallet.salt(), value)
            .unwrap()
            .sign(&self.0)
            .unwrap()
    }

    /// This guardian's signature.
    fn approves(&self, world: &World, to: GuardianAct) -> GuardianApproval {
        GuardianStatement::new(&consortium(), HOSPITAL, world.wallet.patient(), to)
            .sign(&self.0, self.opening(), world.wallet.nonce())
            .unwrap()
    }
}

fn guardians() -> [Key; 3] {
    [Key::new(51), Key::new(52), Key::new(53)]
}

fn policy(threshold: u8, delay: i64) -> RecoveryPolicy {
    RecoveryPolicy {
        guardians: guardians().iter().map(Key::commitment).collect(),
        threshold,
        delay,
        institutional: true,
    }
}

fn portal(world: &World) -> MockClient {
    world.client(CLINIC, Role::Portal)
}

fn owner() -> Key {
    Key::new(1)
}

type Done = Result<TxId, HealthError>;

fn send(world: &World, call: SubmitRequest<'_, MockClient, Receipt, HealthError>, peers: &[&str]) -> Done {
    world.receipt(now(call.endorsed_by(peers.iter().copied()).send()))
}

fn choose(world: &World, by: &Key, policy: &RecoveryPolicy) -> Done {
    let choice = PolicyChoice {
        patient: world.wallet.patient(),
        policy: policy.clone(),
        salt: world.wallet.salt(),
    };
    let intent = by.sign(
        world,
        "chooseGuardians",
        world.wallet.nonce(),
        ("choice", &choice),
    );
    let portal = portal(world);
    send(
        world,
        IdentityClient::new(&portal).choose_guardians(HOSPITAL, choice, intent),
        &BOTH,
    )
}

fn account_step(world: &World) -> AccountStep {
    AccountStep {
        patient: world.wallet.patient(),
        salt: world.wallet.salt(),
    }
}

fn begin_as(world: &World, client: &MockClient) -> Done {
    send(
        world,
        IdentityClient::new(client).begin_delay(HOSPITAL, account_step(world)),
        &BOTH,
    )
}

fn begin(world: &World) -> Done {
    begin_as(world, &portal(world))
}

fn open(world: &World, fresh: &Key, approval: GuardianApproval) -> Done {
    let opening = RecoveryOpening {
        patient: world.wallet.patient(),
        recovery: R,
        key: fresh.0.public_key(),
        approval,
        salt: world.wallet.salt(),
    };
    let nonce = Nonce::from_bytes(*R.as_bytes());
    let intent = fresh.sign(world, "initRecovery", nonce, ("opening", &opening));
    let portal = portal(world);
    send(
        world,
        IdentityClient::new(&portal).init_recovery(HOSPITAL, opening, intent),
        &BOTH,
    )
}

fn to(fresh: &Key) -> GuardianAct {
    GuardianAct::Recover {
        recovery: R,
        key: fresh.id(),
    }
}

fn approve(world: &World, fresh: &Key, approval: GuardianApproval) -> Done {
    let approval = RecoveryApproval {
        patient: world.wallet.patient(),
        recovery: R,
        key: fresh.id(),
        approval,
        salt: world.wallet.salt(),
    };
    let portal = portal(world);
    send(
        world,
        IdentityClient::new(&portal).approve_recovery(HOSPITAL, approval),
        &BOTH,
    )
}

fn recovery_step(world: &World, by: &Key, function: &str) -> (RecoveryStep, SignedIntent) {
    let step = RecoveryStep {
        patient: world.wallet.patient(),
        recovery: R,
        salt: world.wallet.salt(),
    };
    let intent = by.sign(world, function, Nonce::from_bytes(*R.as_bytes()), ("step", &step));
    (step, intent)
}

fn veto(world: &World, by: &Key) -> Done {
    let (step, intent) = recovery_step(world, by, "vetoRecovery");
    let portal = portal(world);
    // One organisation is enough.
    send(
        world,
        IdentityClient::new(&portal).veto_recovery(HOSPITAL, step, intent),
        &[HOSPITAL],
    )
}

fn execute_as(world: &World, client: &MockClient, fresh: &Key) -> Done {
    let (step, intent) = recovery_step(world, fresh, "executeRecovery");
    send(
        world,
        IdentityClient::new(client).execute_recovery(HOSPITAL, step, intent),
        &BOTH,
    )
}

fn execute(world: &World, fresh: &Key) -> Done {
    execute_as(world, &portal(world), fresh)
}

fn account(world: &World) -> AccountView {
    let registrar = world.client(HOSPITAL, Role::Registrar);
    let query = PatientQuery {
        patient: world.wallet.patient(),
    };
    now(IdentityClient::new(&registrar).account(HOSPITAL, query).send()).unwrap()
}

/// A grant of the patient, signed with a key at the mock's time.
fn grant(world: &World, by: &Key) -> Done {
    let mut consent = world.wallet.consent(&[Category::Laboratory]);
    consent.period = Period {
        from: world.now() - 60,
        until: world.now() + 30 * DAY,
    };
    let mut wallet = Wallet::new(1);
    wallet.key = by.0.clone();
    let act = Act {
        period: Period {
            from: world.now() - 60,
            until: world.now() + 3_600,
        },
        ..wallet.act("consent", "grant", consent.id.nonce())
    };
    let intent = wallet.sign_for(world.wallet.patient(), None, &act, "consent", &consent);
    let portal = portal(world);
    world.receipt(now(ConsentsClient::new(&portal)
        .grant(HOSPITAL, consent, intent)
        .endorsed_by([HOSPITAL])
        .send()))
}

/// A reading of the own record, signed with a key at the mock's time.
fn reads(world: &World, by: &Key) -> Done {
    let request = AccessRequest {
        purpose: Purpose::PatientRequest,
        ..world.request(world.wallet.patient(), &[Category::Laboratory])
    };
    let mut wallet = Wallet::new(1);
    wallet.key = by.0.clone();
    let act = Act {
        period: Period {
            from: world.now() - 60,
            until: world.now() + 3_600,
        },
        ..wallet.act("consent", "accessOwn", world.wallet.nonce())
    };
    let intent = wallet.sign_for(world.wallet.patient(), None, &act, "request", &request);
    let portal = portal(world);
    world.receipt(now(ConsentsClient::new(&portal)
        .access_own(HOSPITAL, request, intent)
        .endorsed_by([HOSPITAL])
        .send()))
}

/// A recovery by guardians 1 and 3 whose delay counts from now.
fn waiting(world: &World, fresh: &Key) {
    choose(world, &owner(), &policy(2, RULES.default_delay)).unwrap();
    let [one, _, three] = guardians();
    open(world, fresh, one.approves(world, to(fresh))).unwrap();
    approve(world, fresh, three.approves(world, to(fresh))).unwrap();
    begin(world).unwrap();
}
