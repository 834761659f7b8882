//! A caller's right to read, for as long as its stream lives.

use std::time::{SystemTime, UNIX_EPOCH};

use fabric_msp::policy::SignedData;

use crate::chain::Chain;
use crate::request::Request;
use crate::responder::Responder;

/// Decides for every block whether the caller may still have it.
///
/// The policy is evaluated at first and again whenever the channel's configuration has changed; the
/// identity's expiry is looked at every time.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    request: &'a Request,
    /// Unix seconds; `None` when the identity is not one that can be parsed (the policy refuses it then).
    expires: Option<i64>,
    /// The configuration that the policy was last evaluated under.
    checked: Option<u64>,
}

/// Why a caller may not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Forbidden {
    #[error("the caller's certificate expired {0} seconds ago")]
    Expired(i64),
    #[error("the channel has no policy {0}")]
    NoPolicy(String),
    #[error("policy {path} is not satisfied: {reason}")]
    Policy { path: String, reason: String },
}

impl<'a> Session<'a> {
    pub(crate) fn new(request: &'a Request, chain: &dyn Chain) -> Self {
        let identity = chain.bundle().msps().identity(&request.creator).ok();
        Self {
            request,
            expires: identity.map(|identity| identity.expires_at()),
            checked: None,
        }
    }

    /// Checks the caller against the channel's configuration as it is now.
    pub(crate) fn check<R: Responder>(&mut self, chain: &dyn Chain, responder: &R) -> Result<(), Forbidden> {
        if let Some(expires) = self.expires {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs());
            let late = i64::try_from(now).unwrap_or(i64::MAX).saturating_sub(expires);
            if late > 0 {
                return Err(Forbidden::Expired(late));
            }
        }
        let bundle = chain.bundle();
        if self.checked.is_some_and(|sequence| bundle.sequence() <= sequence) {
            return Ok(());
        }
        let path = responder.policy(&bundle);
        let Some(policy) = bundle.policy(&path) else {
            return Err(Forbidden::NoPolicy(path));
        };
        let envelope = &self.request.envelope;
        let signed = SignedData {
            data: envelope.payload.clone(),
            identity: self.request.creator.clone(),
            signature: envelope.signature.clone(),
        };
        match policy.evaluate_signed(&[signed]) {
            Ok(()) => {
                self.checked = Some(bundle.sequence());
                Ok(())
            }
            Err(error) => Err(Forbidden::Policy {
                path,
                reason: error.to_string(),
            }),
        }
    }
}
