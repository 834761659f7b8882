//! The record contract: anchors, keeping, erasure, and what hangs on descriptions.

mod anchors;
mod bodies;
mod erasure;
mod integrity;
mod keeping;
mod private;

use crate::fixture::{HOSPITAL, REGULATOR, World, bytes};
use crate::wallet::{Act, Wallet};
use careledger_api::HealthError;
use careledger_api::contracts::consent::SignedQuery;
use careledger_api::contracts::record::{Purge, RecordClient};
use careledger_api::date::Period;
use careledger_api::ids::{DocumentId, TxId};
use careledger_api::intent::SignedIntent;
use careledger_api::roles::Role;
use fabric_contract_mock::{MockClient, now};
use serde::Serialize;

/// The world's document of that number, described at the hospital.
fn document(id: u8) -> DocumentId {
    DocumentId::from_bytes(bytes(id))
}

/// Runs a call on the record contract as somebody; a macro, since each call has its own type.
macro_rules! send {
    ($world:expr, $client:expr, $call:ident($($argument:expr),*)) => {
        $world.receipt(now(RecordClient::new(&$client).$call($($argument),*).send()))
    };
    ($world:expr, $client:expr, $call:ident($($argument:expr),*), by $organisations:expr) => {
        $world.receipt(now(
            RecordClient::new(&$client).$call($($argument),*).endorsed_by($organisations).send(),
        ))
    };
}
use send;

/// A question to the record contract as somebody, on the hospital's peer.
macro_rules! ask {
    ($client:expr, $call:ident($($argument:expr),*)) => {
        now(RecordClient::new(&$client).$call($($argument),*).endorsed_by([HOSPITAL]).send())
    };
}
use ask;

/// Signs an act of the record contract with the nonce it carries.
fn sign<T: Serialize>(
    wallet: &Wallet,
    function: &str,
    input: &str,
    nonce: careledger_api::ids::Nonce,
    value: &T,
) -> SignedIntent {
    wallet.sign(&wallet.act("record", function, nonce), input, value)
}

/// A short-lived question of the record contract.
fn question<T: Serialize>(world: &World, function: &str, value: &T) -> SignedIntent {
    let wallet = &world.wallet;
    let act = Act {
        period: Period {
            from: world.now() - 60,
            until: world.now() + 300,
        },
        ..wallet.act("record", function, wallet.nonce())
    };
    wallet.sign(&act, "query", value)
}

fn signed_query(world: &World, reader: &str) -> SignedQuery {
    SignedQuery {
        patient: world.wallet.patient(),
        reader: reader.into(),
    }
}

/// Everybody who decides on an erasure does so.
fn erase(world: &World, document: DocumentId) -> Result<TxId, HealthError> {
    let dpo = world.client(HOSPITAL, Role::Dpo);
    let regulator = world.client(REGULATOR, Role::Dpo);
    send!(world, dpo, open_erasure(document))?;
    send!(world, dpo, approve_erasure(document))?;
    send!(world, regulator, approve_erasure(document))?;
    send!(world, regulator, execute_erasure(document))
}

fn purge(world: &World, documents: &[DocumentId]) -> Purge {
    Purge {
        patient: world.wallet.patient(),
        documents: documents.to_vec(),
        corrections: vec![],
        salt: world.wallet.salt(),
    }
}

/// Whether a private key is there, by its hash, as every peer has it.
fn is_there(world: &World, key: &str) -> bool {
    let peer: MockClient = world.client(HOSPITAL, Role::Custodian);
    let found = peer
        .transact(|ctx| Ok::<_, HealthError>(ctx.private_hash(&format!("care_{HOSPITAL}"), key)?.is_some()));
    found.unwrap().value
}
