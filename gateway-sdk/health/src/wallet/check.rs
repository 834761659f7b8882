//! What a wallet makes of the account that an organisation shows it.
//!
//! A custodian's peer could answer with another account than the ledger's. A wallet therefore asks a second organisation that keeps the account, right after it
//! enrolled and before it trusts what it is shown: both have to say the same.

use careledger_api::contracts::identity::AccountView;
use careledger_api::ids::KeyId;

use super::PatientAt;

/// Why an account is not what the wallet made it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountDoubt {
    /// The wallet's own key does not act.
    #[error("this wallet's key does not act for the account")]
    NotMine,
    /// Another key acts than this wallet's, right after it enrolled.
    #[error("key {0} acts for the account beside this wallet's, and this wallet did not add it")]
    Stranger(KeyId),
    /// Guardians, a freeze or a recovery stand in an account that was enrolled just now.
    #[error("the account has {0}, which this wallet did not choose")]
    NotChosen(&'static str),
    /// Two organisations show different accounts.
    #[error("two organisations show different accounts")]
    Differs,
}

impl PatientAt {
    /// Whether an account is the one that this wallet enrolled just now: its key alone, and nothing else.
    pub fn check_enrolled(&self, view: &AccountView) -> Result<(), AccountDoubt> {
        let account = &view.account;
        self.check_own(view)?;
        let mine = self.public_key().id();
        if let Some(stranger) = account
            .live
            .iter()
            .chain(&account.retired)
            .find(|key| **key != mine)
        {
            return Err(AccountDoubt::Stranger(*stranger));
        }
        for (is_there, what) in [
            (!account.policy.guardians.is_empty(), "guardians"),
            (account.pending.is_some(), "a choice of guardians that waits"),
            (account.recovery.is_some(), "a recovery"),
            (account.frozen_by.is_some(), "a freeze"),
        ] {
            if is_there {
                return Err(AccountDoubt::NotChosen(what));
            }
        }
        Ok(())
    }

    /// Whether this wallet's key acts for the account.
    pub fn check_own(&self, view: &AccountView) -> Result<(), AccountDoubt> {
        if view.account.live.contains(&self.public_key().id()) {
            Ok(())
        } else {
            Err(AccountDoubt::NotMine)
        }
    }
}

/// Whether two organisations show the same account.
pub fn check_same(one: &AccountView, other: &AccountView) -> Result<(), AccountDoubt> {
    if one.account == other.account {
        Ok(())
    } else {
        Err(AccountDoubt::Differs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Wallet;
    use careledger_api::consortium::{Consortium, Organisation, OrganisationRole, Policy};
    use careledger_api::ids::{Hash, RecoveryId};
    use careledger_api::recovery::{Account, Approvals, PendingPolicy, Recovery, Rules, Stage};

    fn consortium() -> Consortium {
        let member = |msp_id: &str, role| Organisation {
            msp_id: msp_id.to_owned(),
            roles: [role].into(),
        };
        Consortium {
            id: "c".into(),
            channel: "health".into(),
            chaincode: "careledger".into(),
            organisations: vec![
                member("HospitalMSP", OrganisationRole::Custodian),
                member("RegulatorMSP", OrganisationRole::Regulator),
            ],
            policy: Policy::default(),
        }
    }

    type Lie = fn(&mut Account, KeyId);

    #[test]
    fn an_account_that_a_lying_peer_made_up_is_noticed() {
        let mine = Wallet::from_secret([1; 32], consortium())
            .at("HospitalMSP")
            .unwrap();
        let key = mine.public_key().id();
        let stranger = KeyId::from_bytes([7; 32]);
        let view = |change: Lie| {
            let mut account = Account::enrolled(key, &Rules::STANDARD);
            change(&mut account, stranger);
            AccountView {
                account,
                executable: None,
            }
        };
        let right = view(|_, _| {});
        assert_eq!(mine.check_enrolled(&right), Ok(()));
        assert_eq!(check_same(&right, &right.clone()), Ok(()));
        let lies: [(Lie, AccountDoubt); 7] = [
            (|a, other| a.live = [other].into(), AccountDoubt::NotMine),
            (
                |a, other| {
                    a.live.insert(other);
                },
                AccountDoubt::Stranger(stranger),
            ),
            (|a, other| a.retired.push(other), AccountDoubt::Stranger(stranger)),
            (
                |a, _| {
                    a.policy.guardians.insert(Hash::from_bytes([3; 32]));
                },
                AccountDoubt::NotChosen("guardians"),
            ),
            (
                |a, _| {
                    a.pending = Some(PendingPolicy {
                        policy: a.policy.clone(),
                        since: None,
                    });
                },
                AccountDoubt::NotChosen("a choice of guardians that waits"),
            ),
            (
                |a, other| {
                    a.recovery = Some(Recovery {
                        id: RecoveryId::from_bytes([4; 16]),
                        key: other,
                        opened: 0,
                        opener: Hash::from_bytes([5; 32]),
                        policy: a.policy.clone(),
                        renewed: std::collections::BTreeMap::new(),
                        approvals: Approvals::Guardians([].into()),
                        stage: Stage::Initiated,
                    });
                },
                AccountDoubt::NotChosen("a recovery"),
            ),
            (
                |a, other| a.frozen_by = Some(other),
                AccountDoubt::NotChosen("a freeze"),
            ),
        ];
        for (lie, doubt) in lies {
            let shown = view(lie);
            assert_eq!(mine.check_enrolled(&shown), Err(doubt));
            assert_eq!(check_same(&right, &shown), Err(AccountDoubt::Differs));
        }
    }
}
