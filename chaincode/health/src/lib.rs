//! The health chaincode: the contracts of `careledger-api` on a ledger.
//!
//! ```text
//! chaincode()                   every contract, registered; run in a peer's process, or as a service by the program
//!   registry                    organisations (public), collections' secrets
//!   identity                    patients' device keys                       ┐
//!   consent                     grants, revocations, accesses, break-glass  │ care_<custodian>
//!   record                      anchors (public), descriptions              ┘
//!   claims                      plans' versions (public), rules and coverage (payer_<payer>), claims (pair_<payer>_<provider>)
//! ```
//!
//! # Rules every function keeps
//! - A function that touches a private body writes no public key: a public key needs the channel's majority, a body needs a member, and no set
//!   of endorsers is sure to be both.
//! - A function that reads a body checks its caller itself (`caller`), since collections let other organisations' clients call.
//! - Keys are written once where they can be (`state::Collection::write_once`): absence is checked and two organisations are made to guard the key,
//!   in the same transaction.
//! - A body that decides is read by its own key, which the peer checks against the chain's hash; never by a range in a transaction that writes.
//! - Whatever an access decides, it makes the same ledger calls and writes values of the same size.
//! - Every transaction writes something, because Fabric validates an empty one against the channel's majority.
//!
//! # Private keys
//! | key | value | changes |
//! |---|---|---|
//! | `secret` | 32 random bytes that salt what contracts write | never |
//! | `pat~P` | a patient is enrolled | never |
//! | `key~P~K`, `keyrev~P~K` | a device key, its revocation | never |
//! | `nonce~P~N` | a spent nonce and when it may be pruned | deleted by two organisations |
//! | `pidx~P` | the patient's consent slots | by grants |
//! | `consent~P~C`, `revoke~P~C` | a consent with its intent, its revocation | never |
//! | `epoch~P` | the last grant or revocation | by both, blindly |
//! | `acc~P~T`, `tx~T` | an access or broken glass, the way to it by transaction | never |
//! | `bg~T`, `bgrev~T` | a broken glass to review, its review | never |
//! | `doc~P~D`, `emg~P~D` | a document's description, the patient's word on the emergency summary | by custodian, by patient |
//! | `claim~I`, `fp~F`, `adj~I`, `pay~I` | a claim, a service's fingerprint, its adjudication, its payment | never |
//! | `head~I` | where a claim stands | by the organisation whose step is next |
//! | `plan~I~V`, `cov~I`, `paid~I~Y` | a plan's rules, a coverage, what a member paid in a year | never, never, by adjudications |
#![forbid(unsafe_code)]

mod caller;
mod claims;
mod consent;
mod identity;
mod intent;
mod record;
mod registry;
mod state;

use careledger_api::contracts::claims::ClaimsContract;
use careledger_api::contracts::consent::ConsentsContract;
use careledger_api::contracts::identity::IdentityContract;
use careledger_api::contracts::record::RecordContract;
use careledger_api::contracts::registry::RegistryContract;
use fabric_contract_core::Chaincode;

/// Name under which the chaincode is usually committed, and under which an embedded network knows the in-process program.
pub const CHAINCODE_NAME: &str = "careledger";

/// The health chaincode with all its contracts.
pub fn chaincode() -> Chaincode {
    Chaincode::new()
        .contract(RegistryContract(registry::RegistryRules))
        .contract(IdentityContract(identity::IdentityRules))
        .contract(ConsentsContract(consent::ConsentRules))
        .contract(RecordContract(record::RecordRules))
        .contract(ClaimsContract(claims::ClaimRules))
}
