//! What a block's event means to a patient, read from the custodian's own peer.

use std::time::Duration;

use careledger_api::HealthError;
use careledger_api::contracts::consent::Notice;
use careledger_api::contracts::identity::IdentityNotice;
use careledger_api::ids::{PatientId, TxId};
use fabric_contract_core::CallError;
use fabric_gateway_sdk::DecodedBlock;
use serde::{Deserialize, Serialize};

use super::NotifyError;
use super::journal::Open;
use crate::client::{HealthCallError, HealthClient};

/// How often a body is asked for that the peer does not have yet, and how long between.
const BODY_ATTEMPTS: u32 = 5;
const BODY_PAUSE: Duration = Duration::from_millis(200);

/// The functions whose transactions a patient is told of. Events of other transactions look like theirs: a receipt, an answer to a dispute, pruned nonces.
const TELLING: [&str; 6] = [
    "consent:access",
    "consent:accessOwn",
    "consent:backfill",
    "consent:breakGlass",
    "consent:breakGlassFull",
    "consent:logFind",
];
/// The one function of the identity contract that changes no account.
const PRUNING: &str = "identity:pruneNonces";

/// What a delivery is about, as the event shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Topic {
    /// Somebody asked for records, or found the patient in an emergency.
    #[default]
    Access,
    /// A patient's keys, guardians or recovery.
    Account,
}

impl Topic {
    /// As a webhook and a journal write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Account => "account",
        }
    }

    pub(super) fn is_access(&self) -> bool {
        *self == Self::Access
    }
}

/// What a patient is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Told {
    /// Of an access, an attempt, a broken glass, or a search that found them.
    Access(Notice),
    /// Of a change to the keys, the guardians or a recovery.
    Account(IdentityNotice),
}

impl Told {
    /// Whom to tell: the patient's id at the custodian.
    pub fn patient(&self) -> PatientId {
        match self {
            Self::Access(notice) => notice.patient,
            Self::Account(notice) => notice.patient,
        }
    }

    /// Whether the patient wants to be told. What happens to the account is told always: whoever took a key over would switch it off first.
    pub fn wanted(&self) -> bool {
        match self {
            Self::Access(notice) => notice.wanted,
            Self::Account(_) => true,
        }
    }

    /// The access, if it is one.
    pub fn access(&self) -> Option<&Notice> {
        match self {
            Self::Access(notice) => Some(notice),
            Self::Account(_) => None,
        }
    }

    /// The change to the account, if it is one.
    pub fn account(&self) -> Option<&IdentityNotice> {
        match self {
            Self::Account(notice) => Some(notice),
            Self::Access(_) => None,
        }
    }
}

/// What a transaction that an event named means.
#[derive(Debug)]
pub(super) enum Meaning {
    /// This, to this patient.
    Told(Told),
    /// It concerns a patient, and the custodian's peer does not hold the body: withheld, or erased since.
    Withheld,
    /// Nothing that a patient is told.
    Nothing,
}

/// Reads what a transaction means. A peer has the body a little after the block where another organisation's peer endorsed it, or never again after an
/// erasure.
pub(super) async fn meaning(
    client: &HealthClient,
    custodian: &str,
    open: &Open,
) -> Result<Meaning, NotifyError> {
    for attempt in 1..=BODY_ATTEMPTS {
        match ask(client, custodian, open).await {
            Ok(told) => return Ok(Meaning::Told(told)),
            Err(CallError::Contract(HealthError::NotFound)) if attempt == 1 => {
                if !is_telling(client, &open.tx).await? {
                    return Ok(Meaning::Nothing);
                }
            }
            Err(CallError::Contract(HealthError::NotFound)) => {}
            Err(error) => return Err(NotifyError::Notice(Box::new(error))),
        }
        if attempt < BODY_ATTEMPTS {
            tokio::time::sleep(BODY_PAUSE).await;
        }
    }
    Ok(Meaning::Withheld)
}

async fn ask(client: &HealthClient, custodian: &str, open: &Open) -> Result<Told, HealthCallError> {
    let tx = open.tx.clone();
    Ok(match open.topic {
        Topic::Access => Told::Access(client.consents().notice(custodian, tx).send().await?),
        Topic::Account => Told::Account(client.identity().notice(custodian, tx).send().await?),
    })
}

/// Whether a patient is told of this transaction, by the function that its block names.
async fn is_telling(client: &HealthClient, tx: &TxId) -> Result<bool, NotifyError> {
    let block = client
        .network()
        .block_of_transaction(tx.as_str())
        .await
        .map_err(Box::new)?;
    let decoded = DecodedBlock::decode(&block);
    let called = decoded
        .transactions
        .iter()
        .find(|transaction| transaction.transaction_id == tx.as_str())
        .and_then(|transaction| transaction.chaincode()?.args.first())
        .map(|function| String::from_utf8_lossy(function).into_owned());
    // A transaction that says no function is told: better once too often than not.
    Ok(called.is_none_or(|function| {
        TELLING.contains(&function.as_str()) || (function.starts_with("identity:") && function != PRUNING)
    }))
}
