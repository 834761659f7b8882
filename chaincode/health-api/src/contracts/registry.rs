//! Organisations, their roles, the secrets of the collections, and where the ledger was before.

mod origin;

pub use origin::{
    Awaited, EntryDigest, Guard, MAX_CHANNELS, MAX_PARTS, MovedBodies, MovedEntry, MovedFrom, Origin,
    OriginView, PART_ENTRIES, PUBLIC_SECTION, WrittenAt, part_digest,
};

use crate::consortium::Consortium;
use crate::ids::{Hash, Salt};
use crate::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext, contract};
use serde::{Deserialize, Serialize};

/// The consortium as it stands on the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    /// 1 after `establish`, one more with every `amend`.
    pub version: u32,
    /// Organisations and names.
    pub consortium: Consortium,
    /// Where the ledger was before, once more than half of the organisations declared it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_from: Option<MovedFrom>,
}

/// Organisations, roles, versions. Public state under the channel's majority.
#[contract(name = "registry", error = HealthError)]
pub trait Registry {
    /// Writes the first version of the consortium. Role `admin` of an organisation it lists. The channel must be the one named in it.
    /// `DUPLICATE` if there is one, `INVALID_CODE` if it is not consistent.
    #[submit]
    fn establish(&self, ctx: &Context<'_>, consortium: Consortium) -> Result<Receipt, HealthError>;

    /// Replaces version `version` by the next. Role `admin` of a listed organisation. `POLICY_VERSION` if another version is in force;
    /// consortium id, channel and chaincode name stay (signed intents cover them).
    #[submit]
    fn amend(&self, ctx: &Context<'_>, version: u32, consortium: Consortium) -> Result<Receipt, HealthError>;

    /// Gives a collection its secret: 32 random bytes that salt what contracts write there. Once for each `care_`, `pair_` and `payer_`
    /// collection, by role `custodian`, `payer` or `provider-billing` of a member. `DUPLICATE` if it has one.
    #[submit]
    fn open_collection(
        &self,
        ctx: &Context<'_>,
        collection: String,
        #[transient] secret: Salt,
    ) -> Result<Receipt, HealthError>;

    /// Declares, for the caller's organisation, from which channel the consortium moved here and what that held; it found the same in its own copy of the
    /// old ledger. In force once more than half of the organisations declared the same. Role `admin` of a listed organisation. `INVALID_CODE` if this channel
    /// is one of those on which the consortium was: what was signed for that would count again. `CONFLICT_STATE` if another one is in force, `DUPLICATE` a
    /// second time; until one is in force, an organisation may declare another one instead.
    ///
    /// From then on a section that the origin holds something of is not used until it was taken over whole ([`settle`](Self::settle)): every other contract
    /// answers `CONFLICT_STATE`, to everything while the public state is awaited, and to what touches a collection while that one is.
    #[submit]
    fn declare_origin(&self, ctx: &Context<'_>, origin: Origin) -> Result<Receipt, HealthError>;

    /// Takes over the next part of the old channel's public state (from 0), byte for byte. Role `admin` of a listed organisation. `CONFLICT_STATE` before an
    /// origin is in force, and for a part that is not the next one or a key that is there; `DUPLICATE` for a part that was taken over, `INVALID_CODE` for a
    /// part of another digest than the origin's.
    #[submit]
    fn take_over(
        &self,
        ctx: &Context<'_>,
        part: u32,
        entries: Vec<MovedEntry>,
    ) -> Result<Receipt, HealthError>;

    /// Takes over the next part of a collection's bodies, with the keys' guards. Role `admin` of one of its members, out of that member's own peer; errors as
    /// for `take_over`. A collection that something was written to before takes nothing over that is there: its secret, for instance.
    #[submit]
    fn take_over_bodies(
        &self,
        ctx: &Context<'_>,
        collection: String,
        part: u32,
        #[transient] bodies: MovedBodies,
    ) -> Result<Receipt, HealthError>;

    /// Puts every section into use of which all parts were taken over. Role `admin` of a listed organisation. `CONFLICT_STATE` before an origin is in
    /// force, `DUPLICATE` if nothing was taken over whole since the last time.
    #[submit]
    fn settle(&self, ctx: &Context<'_>) -> Result<Receipt, HealthError>;

    /// An origin that was declared, by its digest. Anybody. `NOT_FOUND` if nobody declared it.
    #[evaluate]
    fn origin(&self, ctx: &ReadContext<'_>, origin: Hash) -> Result<OriginView, HealthError>;

    /// The consortium in force. Anybody. `NOT_FOUND` before `establish`.
    #[evaluate]
    fn consortium(&self, ctx: &ReadContext<'_>) -> Result<Registered, HealthError>;
}
