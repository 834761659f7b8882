//! Organisations, their roles, and the secrets of the collections.

use crate::consortium::Consortium;
use crate::ids::Salt;
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

    /// The consortium in force. Anybody. `NOT_FOUND` before `establish`.
    #[evaluate]
    fn consortium(&self, ctx: &ReadContext<'_>) -> Result<Registered, HealthError>;
}
