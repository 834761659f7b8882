//! Fuzzing of everything that parses what a stranger sends.
//!
//! ```text
//! corpus/<target>/*  ──▶ `any` (libFuzzer through cargo-fuzz: coverage decides which inputs are worth more)
//!                    └─▶ `mutate` (no libFuzzer: a fixed number of random changes, the same on every machine)
//! src/seeds.rs ─▶ corpus/<target>/seed-*, written by `any`
//! ```
//!
//! A target is a function of bytes that may not panic, hang or fill the memory, and that asserts what must hold besides. Targets that
//! need signatures sign the changed bytes again, so that what lies behind the signature check is reached. `scripts/fuzz` runs them.
#![forbid(unsafe_code)]

pub mod mutate;
pub mod seeds;
mod targets;
mod world;

use targets::{channel, claims, health, identity, messages, package, peer, policy, shim, state};

/// One thing to fuzz.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, which is also the directory of its corpus.
    pub name: &'static str,
    /// Takes any bytes.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

macro_rules! target {
    ($name:literal, $run:path, $seeds:path) => {
        Target {
            name: $name,
            run: $run,
            seeds: $seeds,
        }
    };
}

/// All targets, those that begin with the least trusted bytes first.
pub const TARGETS: &[Target] = &[
    target!("proposal", peer::proposal, seeds::proposal),
    target!("system", peer::system, seeds::system),
    target!("transaction", peer::transaction, seeds::transaction),
    target!("envelope", peer::envelope, seeds::envelope),
    target!("chaincode", peer::chaincode, seeds::chaincode),
    target!("gateway", peer::gateway, seeds::gateway),
    target!("deliver", peer::deliver, seeds::deliver),
    target!("block", messages::block, seeds::block),
    target!("rwset", messages::rwset, seeds::rwset),
    target!("policy-text", policy::text, seeds::policy_text),
    target!("policy", policy::message, seeds::policy),
    target!("identity", identity::certificate, seeds::identity),
    target!("crl", identity::revocation_list, seeds::crl),
    target!("msp", identity::msp, seeds::msp),
    target!("channel", channel::config, seeds::channel),
    target!("config-update", channel::update, seeds::config_update),
    target!("selector", state::selector, seeds::selector),
    target!("block-file", state::block_file, seeds::block_file),
    target!("package", package::package, seeds::package),
    target!("shim", shim::stream, seeds::shim),
    target!("fhir", health::fhir, seeds::fhir),
    target!("intent", health::intent, seeds::intent),
    target!("claim-fhir", claims::claim_fhir, seeds::claim_fhir),
    target!("claim-x12", claims::claim_x12, seeds::claim_x12),
];
