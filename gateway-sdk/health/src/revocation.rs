//! Taking back, whatever one organisation does to stop it.

use careledger_api::Receipt;
use careledger_api::contracts::consent::{DelegationEnd, Revocation};
use fabric_contract_core::{CallError, Committed};

use crate::wallet::Signed;
use crate::{HealthCallError, HealthClient};

/// Attempts with each set of endorsers where another transaction was faster.
const CONFLICTS: usize = 4;

impl HealthClient {
    /// Carries a revocation (`consent.revoke`) until it stands: through any member of the custodian's collection that endorses it, and where one of them
    /// blocks it (by refusing, or by a policy on the keys), through the next one and then through two together. It may be called again with the same
    /// intent: that changes nothing.
    ///
    /// Fails with the first attempt's error once every way failed.
    pub async fn revoke(
        &self,
        custodian: &str,
        signed: &Signed<Revocation>,
    ) -> Result<Committed<Receipt>, HealthCallError> {
        let carry = async |endorsers: Vec<String>| {
            let Signed { body, intent } = signed.clone();
            let call = self.consents().revoke(custodian, body, intent);
            call.endorsed_by(endorsers).send().await
        };
        until_it_stands(self.members(custodian), carry, is_conflict).await
    }

    /// Ends a delegation (`consent.undelegate`), as persistently as [`revoke`](Self::revoke).
    pub async fn undelegate(
        &self,
        custodian: &str,
        signed: &Signed<DelegationEnd>,
    ) -> Result<Committed<Receipt>, HealthCallError> {
        let carry = async |endorsers: Vec<String>| {
            let Signed { body, intent } = signed.clone();
            let call = self.consents().undelegate(custodian, body, intent);
            call.endorsed_by(endorsers).send().await
        };
        until_it_stands(self.members(custodian), carry, is_conflict).await
    }

    fn members(&self, custodian: &str) -> Vec<String> {
        self.consortium()
            .care(custodian)
            .map(|care| care.members)
            .unwrap_or_default()
    }
}

fn is_conflict(error: &HealthCallError) -> bool {
    matches!(error, CallError::Transport(error) if error.is_conflict())
}

/// First as the transport chooses (no endorsers named), then through each member alone, then through two. The first error once every way failed.
async fn until_it_stands<T, E>(
    members: Vec<String>,
    carry: impl AsyncFn(Vec<String>) -> Result<T, E>,
    conflict: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let alone = members.iter().map(|member| vec![member.clone()]);
    let mut ways: Vec<Vec<String>> = alone.collect();
    ways.push(members.into_iter().take(2).collect());
    let mut attempts = 1;
    let first = loop {
        match carry(Vec::new()).await {
            Err(error) if attempts < CONFLICTS && conflict(&error) => attempts += 1,
            Err(error) => break error,
            done => return done,
        }
    };
    for way in ways {
        for _ in 0..CONFLICTS {
            match carry(way.clone()).await {
                Err(error) if conflict(&error) => {}
                Err(_) => break,
                done => return done,
            }
        }
    }
    Err(first)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Carries with fates in their order; gives what came of it and whom it was tried with.
    async fn tried(fates: &[Result<u8, &'static str>]) -> (Result<u8, &'static str>, Vec<String>) {
        let tried = RefCell::new(Vec::new());
        let carry = async |endorsers: Vec<String>| {
            let mut tried = tried.borrow_mut();
            let fate = fates.get(tried.len()).copied().unwrap_or(Err("unasked"));
            tried.push(endorsers.join("+"));
            fate
        };
        let members = vec!["A".to_owned(), "B".to_owned(), "C".to_owned()];
        let result = until_it_stands(members, carry, |error| *error == "conflict").await;
        (result, tried.into_inner())
    }

    #[tokio::test]
    async fn what_is_blocked_goes_by_others_and_then_by_two() {
        assert_eq!(tried(&[Ok(1)]).await, (Ok(1), vec![String::new()]));
        let conflicts = [Err("conflict"), Err("conflict"), Ok(1)];
        assert_eq!(tried(&conflicts).await, (Ok(1), vec![String::new(); 3]));
        let blocked = [Err("policy"), Err("policy"), Err("refused"), Err("down"), Ok(2)];
        let (result, ways) = tried(&blocked).await;
        assert_eq!(result, Ok(2));
        assert_eq!(ways, ["", "A", "B", "C", "A+B"]);
        assert_eq!(
            tried(&[Err("first"); 5]).await.0,
            Err("first"),
            "what the first attempt said"
        );
        let restless = [Err("conflict"); 64];
        let (result, ways) = tried(&restless).await;
        assert_eq!((result, ways.len()), (Err("conflict"), 5 * CONFLICTS));
    }
}
