//! Who of the own organisation may use the vault.

use std::sync::Arc;

use careledger_api::roles::{ROLE_ATTRIBUTE, Role};
use careledger_sdk::vault::{SignedRequest, VaultRequest, WireError};
use fabric_contract_core::{ClientIdentity, Creator, IdentityError};
use fabric_msp::{Msp, MspError};

/// How long a signed request is taken, seconds before and after its time.
const FRESH: u64 = 300;

/// Whether a request that was signed at `at` is taken at `now`, seconds since 1970.
pub(crate) fn is_fresh(at: i64, now: i64) -> bool {
    now.abs_diff(at) <= FRESH
}

/// The organisation's own identities.
#[derive(Debug, Clone)]
pub struct Members {
    msp: Arc<Msp>,
}

/// Why a signed request is not a member's.
#[derive(Debug, thiserror::Error)]
pub enum NotAMember {
    /// The identity is not the organisation's, is revoked, or the signature does not hold.
    #[error(transparent)]
    Msp(#[from] MspError),
    /// The certificate's attributes cannot be read.
    #[error(transparent)]
    Attributes(#[from] IdentityError),
    /// A field cannot be read.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The certificate is over.
    #[error("the certificate is over")]
    Expired,
    /// The certificate has another role.
    #[error("the certificate has not the role that this takes")]
    Role,
}

impl Members {
    /// The members that `msp` recognises.
    pub fn new(msp: Msp) -> Self {
        Self { msp: Arc::new(msp) }
    }

    /// As [`require`](Self::require), with the role `custodian`.
    pub fn custodian<R: VaultRequest>(&self, signed: &SignedRequest<R>, now: i64) -> Result<(), NotAMember> {
        self.require(signed, now, Role::Custodian)
    }

    /// Checks that a request was signed by a valid identity of the organisation with that role, at `now` (seconds since 1970).
    pub fn require<R: VaultRequest>(
        &self,
        signed: &SignedRequest<R>,
        now: i64,
        role: Role,
    ) -> Result<(), NotAMember> {
        let identity = self.msp.identity(&signed.identity_bytes()?)?;
        self.msp.validate(&identity)?;
        if identity.expires_at() <= now {
            return Err(NotAMember::Expired);
        }
        identity.verify(&signed.message()?, &signed.signature_bytes()?)?;
        let client = ClientIdentity::from_creator(&Creator {
            msp_id: identity.msp_id().to_owned(),
            certificate_pem: identity.certificate_pem().into_bytes(),
        })?;
        if client.attribute(ROLE_ATTRIBUTE) == Some(role.as_str()) {
            Ok(())
        } else {
            Err(NotAMember::Role)
        }
    }
}
