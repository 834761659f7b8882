//! The health chaincode: the contracts of `careledger-api` on a ledger.
//!
//! ```text
//! chaincode()                   every contract, registered; run in a peer's process, or as a service by the program
//!   registry                    organisations (public), collections' secrets
//!   identity                    patients' device keys                       ┐
//!   consent                     grants, revocations, accesses, break-glass  │ care_<custodian>
//!   record                      anchors (public), descriptions              ┘
//!   credential                  professionals' standing (public), who they are (care_<organisation>)
//!   claims                      plans' versions (public), rules and coverage (payer_<payer>), claims (pair_<payer>_<provider>), marks across payers (log)
//! ```
//!
//! # Rules every function keeps
//! - A function that touches a private body writes no public key: a public key needs the channel's majority, a body needs a member, and no set
//!   of endorsers is sure to be both. (`registry:settle` asks for hashes of private keys, which every peer has, and touches no body.)
//! - A function that reads a body checks its caller itself (`caller`), since collections let other organisations' clients call.
//! - Keys are written once where they can be (`state::Collection::write_once`): absence is checked and two organisations are made to guard the key,
//!   in the same transaction.
//! - A body that decides is read by its own key, which the peer checks against the chain's hash; never by a range in a transaction that writes.
//! - Whatever an access decides, it makes the same ledger calls and writes values of the same size.
//! - Every transaction writes something, because Fabric validates an empty one against the channel's majority.
//!
//! # Public keys of the registry
//! | key | value | changes |
//! |---|---|---|
//! | `consortium` | organisations, roles, policy, from where the consortium moved here and what of that is not in use yet | by administrators, under the channel's majority |
//! | `origins`, `origin~H` | which origin each organisation declared, an origin by its digest | until one is in force; never |
//! | `taken` | how many parts of the old public state were taken over | by each part |
//!
//! # Public keys of records
//! | key | value | changes |
//! |---|---|---|
//! | `doc~D`, `ver~D~N` | a document's head, a version's commitment | by its custodian, never |
//! | `batch~B` | one root for up to 4,096 documents' first versions | never |
//! | `keep~D` | retention by year, legal holds, the erasure and the transfer under way | by the offices that each needs |
//! | `att~D~N~T` | that a version was attested | never |
//! | `rpt~O~T` | the hash of a report of organisation O's vault on its files | never |
//!
//! # Public keys of claims
//! | key | value | changes |
//! |---|---|---|
//! | `plan~I`, `plan~I~N` | a plan's publisher and newest version, a version's commitment | by its payer, never |
//! | `fpq~Q` | that services of quarter Q are compared across payers: by which key, with the salt of which transaction | by the regulator that opened it |
//!
//! # Private keys
//! | key | value | changes |
//! |---|---|---|
//! | `secret` | 32 random bytes that salt what contracts write | never |
//! | `taken~H` | that the part of digest H was taken over from the old channel | never |
//! | `pat~P` | a patient is enrolled | never |
//! | `key~P~K`, `keyrev~P~K` | a device key, its revocation | never |
//! | `acct~P` | the patient's account: keys, guardians, what waits | by custodian and regulator |
//! | `freeze~P~N`, `recveto~P~R` | the account is frozen for the Nth time, a recovery is vetoed | never |
//! | `rec~P~R`, `recap~P~R~A` | the key that a recovery is for, an approval or attestation with its signature | never |
//! | `remind~P~L` | the patient was told that a guardian lapses at L | never |
//! | `polset~P~T`, `ntc~T` | a choice of guardians with its signature, what a transaction did to whose account | never |
//! | `nonce~P~N` | a spent nonce and when it may be pruned | deleted by two organisations |
//! | `pidx~P` | the patient's consent slots | by grants |
//! | `consent~P~C`, `revoke~P~C` | a consent with its intent, its revocation | never |
//! | `era~P`, `eraend~P~E` | the era whose permits count, named by its value's hash; its end | when everything is taken back; never |
//! | `epoch~P` | the last act that changed what counts | by every such act, blindly |
//! | `auth~P~A`, `authrev~P~A` | who may act for the patient, its end | never |
//! | `wards~P` | the guardians, proxies and executors that count, and the patient's death | by two officers; two organisations guard it from enrolment on |
//! | `assent~P~C` | a minor's word on a guardian's consent | never |
//! | `req~P~R`, `reqend~P~R`, `ans~P~R` | a request for a consent, its withdrawal, the patient's answer | never |
//! | `reqs~H` | an organisation's open requests to a patient, under a keyed hash of both | by requests |
//! | `off~A`, `offdone~A` | an act that one officer proposed, the other's confirmation | never |
//! | `again~T` | an act carried once more | never |
//! | `acc~P~T`, `tx~T` | an access or broken glass, the way to it by transaction | never |
//! | `offl~H` | a glass broken without the network, as it was signed | never |
//! | `bg~T`, `bgrev~T`, `bgesc~T` | a broken glass to review, its review, its way to the regulator | never |
//! | `disc~P~T`, `ack~P~T` | a disclosure outside the ledger, the receipt of a notification | never |
//! | `tell~P` | whether the patient wants to be told of accesses | by the patient |
//! | `disp~P~T`, `dispans~P~T` | a dispute about an act, its answer | never |
//! | `code~H`, `coderev~H` | a code by which a patient is found (H its hash), taken back | never |
//! | `find~T`, `findans~T`, `found~P~T` | a search, that it was answered, whom it found | never |
//! | `alert~P~T` | the alerts of an order | never |
//! | `doc~P~D`, `emg~P~D`, `sum~P` | a document's description, the patient's word on the emergency summary, its pointers | by custodian, by patient, by custodian; purged by two organisations after an erasure |
//! | `att~D~N~T`, `why~T` | what an attestation means, the reason of a public act | never |
//! | `ersreq~P~D`, `purged~D`, `cnf~D~O` | a request to erase, that descriptions were purged, an organisation's confirmation | never, by the purge, never |
//! | `rep~R`, `lost~R`, `probe~R~T` | a copy of ciphertext, that it is lost, a probe of it | never |
//! | `link~P~N` | the patient's id at another custodian, proven by its key there | purged by the patient |
//! | `cor~P~N`, `corans~P~N` | a request to correct, its answer | never; purged by two organisations after an erasure |
//! | `dup~T` | an order that was not placed again | never |
//! | `npi~F~C` | the details behind a credential, under the NPI's keyed hash and their own commitment | never |
//! | `claim~I`, `fp~F`, `fp~F~N`, `file~I~D` | a claim, a service's fingerprint, an attachment's hash | never |
//! | `info~I~Q~T`, `appeal~I~L~T`, `appwd~I~L~T`, `revreq~I~N~T` | an answer to question Q, an appeal's level, its withdrawal, the Nth request for a reversal | never |
//! | `conf~I` | what the provider said: the payment that came, the claim in its place, its statements by key and hash | by the provider |
//! | `payc~H` | the patient's payment consent for a coverage (H a keyed hash of it) | by the provider |
//! | `head~I` | where a claim stands: the payer's copy for the provider | by the payer, from its first step on |
//! | `look~I~P` | that person P, a reviewer outside of the payer, has taken the claim's appeal up | never |
//! | `adj~I~T`, `pay~I~T`, `rem~R`, `appans~I~L~T` | an adjudication, a payment, a remittance, an appeal's answer: the payer's copies | never |
//! | `offset~T` | the claims whose money came back by a remittance's payment in transaction T: the payer's copy | never |
//! | `auth~A`, `authans~A~Q~T`, `authcan~A~T` | a request for an authorisation, an answer to question Q, its end | never |
//! | `authsaid~A` | what the provider said of it: its statements by key and hash | by the provider |
//! | `authhead~A` | where a request stands: the payer's copy | by the payer, from its first step on |
//! | `elig~Q` | a front desk's question about a coverage | never; purged by the provider |
//! | `eligans~Q` | the payer's answer to it | never; purged by the payer after 30 days |
//! | `eligopen~H` | which of a provider's questions may be open, in parts (H a keyed hash of the part) | by the provider |
//! | `selfpay~H` | a service that the patient paid and keeps from the payer, in `care_<provider>` (H a keyed hash of it) | deleted when it is lifted |
//! | `fpp~Q~T` | in `log`: the salt of the marks of quarter Q, laid down by transaction T | by the regulator that opened it, which purges it two years after the quarter |
//! | `fpm~H` | in `log`: a service that a payer covers (H its fingerprint, keyed with the quarter's salt, and the payer), whose in keyed hashes | by its payer alone, which deletes it when nothing of it is covered any more |
//!
//! Private keys of a payer alone, in `payer_<payer>`; each H is a hash keyed with the collection's secret, so that no provider finds a member or a claim by
//! its id. That two transactions touch one key, which tells that they are of one member, every organisation sees.
//!
//! | key | value | changes |
//! |---|---|---|
//! | `rules~H` | a plan's rules | never |
//! | `cov~H`, `covver~H`, `covhead~H`, `covend~H` | a coverage as it was enrolled, each later version, from which day each counts, its early end | never, never, by each version, by the payer |
//! | `memkey~H` | the key with which a coverage's member asks | by the payer |
//! | `of~H~B` | that a claim (B names its book) is of a member (H of the coverage) | never |
//! | `prov~H` | a provider's standing, by its NPI | by the payer |
//! | `book~H`, `dec~H~T` | what decides about a claim's money, what a decision rests on | by each of the payer's steps, never |
//! | `authbook~H` | an authorisation: what was given and used | by decisions and adjudications |
//! | `authof~H` | which authorisations a provider has for a member and a procedure | by decisions |
//! | `eligbook~H` | the hashes of a question that was answered and of the answer | never; purged after 30 days |
//! | `use~H`, `life~H` | a member's covered services of a procedure in a year, the units of each year | by adjudications |
//! | `doubt~H` | a member's services of a procedure in a year that were flagged, called not rendered, or denied by people, and on which claims | by the payer's steps on those claims |
//! | `paid~H`, `acc~H` | what a member paid in a year, and what lies beside it in slots | by adjudications and folds |
#![forbid(unsafe_code)]

mod caller;
mod claims;
mod consent;
mod credential;
mod identity;
mod intent;
mod record;
mod registry;
mod settlement;
mod state;

use careledger_api::contracts::claims::ClaimsContract;
use careledger_api::contracts::consent::ConsentsContract;
use careledger_api::contracts::credential::CredentialsContract;
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
        .contract(CredentialsContract(credential::CredentialRules))
        .contract(RecordContract(record::RecordRules))
        .contract(ClaimsContract(claims::ClaimRules))
}
