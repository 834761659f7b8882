//! The account as a second organisation shows it: a custodian's peer could show another one than the ledger's.

use std::time::Duration;

use careledger_api::HealthError;
use careledger_api::contracts::identity::AccountView;
use careledger_api::roles::Role;
use careledger_sdk::HealthCallError;
use careledger_sdk::wallet::{AccountDoubt, PatientAt, Signed, check_same};
use fabric_contract_core::CallError;

use crate::Result;
use crate::site::Site;

/// How long an organisation has to answer at all.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often one is asked whose peer may be behind, and how long between.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(250);

/// Looks at the account right after an enrolment (by the transaction `committed`; none for one of before) through every organisation beside the custodian
/// that keeps it. Returns the MSP ids of those that showed what the wallet made; none where none answers. Fails where one shows anything else.
pub(super) async fn enrolled(site: &Site, at: &PatientAt, committed: Option<&str>) -> Result<Vec<String>> {
    let check = |view: &AccountView| match committed {
        Some(_) => at.check_enrolled(view),
        None => at.check_own(view),
    };
    agreeing(site, at, committed, check).await
}

/// Compares an account with what every organisation beside the custodian shows that keeps it. As [`enrolled`].
pub(super) async fn same(site: &Site, at: &PatientAt, shown: &AccountView) -> Result<Vec<String>> {
    agreeing(site, at, None, |view| check_same(shown, view)).await
}

async fn agreeing(
    site: &Site,
    at: &PatientAt,
    committed: Option<&str>,
    check: impl Fn(&AccountView) -> std::result::Result<(), AccountDoubt>,
) -> Result<Vec<String>> {
    let custodian = at.custodian();
    let keepers = site
        .consortium()
        .care(custodian)
        .map_or_else(Vec::new, |care| care.members);
    let mut agreed = Vec::new();
    for witness in keepers.into_iter().filter(|keeper| keeper != custodian) {
        let asked = tokio::time::timeout(PATIENCE, agrees(site, at, &witness, committed, &check)).await;
        match asked.unwrap_or(Ok(Answer::None)) {
            Ok(Answer::Agrees) => agreed.push(witness),
            Ok(Answer::None) => {
                tracing::warn!(%witness, "does not answer, so the account was not compared with its")
            }
            Err(doubt) => {
                return Err(format!(
                    "{witness} shows another account than {custodian} should have: {doubt}. Do not rely on it; ask both organisations"
                )
                .into());
            }
        }
    }
    Ok(agreed)
}

enum Answer {
    Agrees,
    None,
}

/// Asks one organisation, at its own peer. One that disagrees is asked again for a while: it may be behind.
async fn agrees(
    site: &Site,
    at: &PatientAt,
    witness: &str,
    committed: Option<&str>,
    check: impl Fn(&AccountView) -> std::result::Result<(), AccountDoubt>,
) -> Result<Answer> {
    let Ok(client) = site.client(witness, Role::Portal).await else {
        return Ok(Answer::None);
    };
    if let Some(tx_id) = committed
        && client.caught_up(tx_id).await.is_err()
    {
        return Ok(Answer::None);
    }
    let mut doubt: crate::Error = AccountDoubt::Differs.into();
    for attempt in 1..=ATTEMPTS {
        let Signed { body, intent } = at.ask_account(witness)?;
        let shown: std::result::Result<AccountView, HealthCallError> = client
            .identity()
            .my_account(at.custodian().to_owned(), body, intent)
            .endorsed_by([witness])
            .send()
            .await;
        match shown {
            Ok(view) => match check(&view) {
                Ok(()) => return Ok(Answer::Agrees),
                Err(found) => doubt = found.into(),
            },
            Err(CallError::Contract(error @ (HealthError::NotFound | HealthError::BadIntent(_)))) => {
                doubt = error.into();
            }
            Err(CallError::Contract(error)) => return Err(error.into()),
            // Not reached, or its peer waits for the private data.
            Err(error) if attempt == ATTEMPTS => {
                tracing::warn!(%error, witness, "cannot be asked for the account");
                return Ok(Answer::None);
            }
            Err(_) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(doubt)
}
