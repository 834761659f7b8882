//! Certificate chains as Fabric builds them: Go's `x509.Certificate.Verify` with a clock that stands one second after the
//! certificate's own start of validity (msp/mspimplvalidate.go `getValidityOptsForCert`).
//!
//! So the wall clock never makes a member invalid: expiry is checked where a request arrives, not where a block is validated,
//! and every peer at every time reaches the same verdict about the same block.

use std::sync::Arc;

use crate::certificate::Certificate;
use crate::error::MspError;

/// How many signatures one search may check (Go's `maxChainSignatureChecks`): crafted pools cannot make it explode.
const MAX_SIGNATURE_CHECKS: usize = 100;

/// A chain from a certificate (first) to a root (last).
pub(crate) type Chain = Vec<Arc<Certificate>>;

/// The roots and intermediate CAs of one MSP.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrustStore {
    roots: Vec<Arc<Certificate>>,
    intermediates: Vec<Arc<Certificate>>,
}

impl TrustStore {
    pub(crate) fn add_root(&mut self, certificate: Arc<Certificate>) {
        add(&mut self.roots, certificate);
    }

    pub(crate) fn add_intermediate(&mut self, certificate: Arc<Certificate>) {
        add(&mut self.intermediates, certificate);
    }

    /// The CAs with this exact DER, root or intermediate: `Some(true)` for a root.
    pub(crate) fn is_root(&self, certificate: &Certificate) -> Option<bool> {
        let among = |pool: &[Arc<Certificate>]| pool.iter().any(|known| known.der() == certificate.der());
        if among(&self.roots) {
            Some(true)
        } else {
            among(&self.intermediates).then_some(false)
        }
    }

    /// The only chain of `certificate`.
    ///
    /// # Errors
    /// [`MspError::Untrusted`] without a chain, [`MspError::AmbiguousChain`] with several.
    pub(crate) fn unique_chain(&self, msp: &str, certificate: &Arc<Certificate>) -> Result<Chain, MspError> {
        self.unique_chain_at(msp, certificate, certificate.not_before() + 1)
    }

    fn unique_chain_at(
        &self,
        msp: &str,
        certificate: &Arc<Certificate>,
        now: i64,
    ) -> Result<Chain, MspError> {
        let mut search = Search {
            store: self,
            now,
            checks: 0,
            chains: Vec::new(),
            reason: None,
        };
        match check_validity(certificate, now) {
            Err(reason) => search.reason = Some(reason),
            Ok(()) if self.roots.iter().any(|root| root.der() == certificate.der()) => {
                search.chains.push(vec![Arc::clone(certificate)]);
            }
            Ok(()) => search.extend(&[Arc::clone(certificate)]),
        }
        let reason = search.reason;
        let mut chains: Vec<Chain> = search
            .chains
            .into_iter()
            .filter(|chain| chain.iter().all(|link| link.extensions.usable))
            .collect();
        match (chains.pop(), chains.len()) {
            (Some(chain), 0) => Ok(chain),
            (Some(_), others) => Err(MspError::AmbiguousChain {
                msp: msp.to_owned(),
                fingerprint: certificate.fingerprint(),
                count: others + 1,
            }),
            (None, _) => Err(MspError::Untrusted {
                msp: msp.to_owned(),
                fingerprint: certificate.fingerprint(),
                reason: reason.unwrap_or_else(|| "no CA of this MSP has the name of its issuer".to_owned()),
            }),
        }
    }
}

fn add(pool: &mut Vec<Arc<Certificate>>, certificate: Arc<Certificate>) {
    if !pool.iter().any(|known| known.der() == certificate.der()) {
        pool.push(certificate);
    }
}

struct Search<'a> {
    store: &'a TrustStore,
    now: i64,
    checks: usize,
    chains: Vec<Chain>,
    /// Why the last candidate was not taken.
    reason: Option<String>,
}

impl Search<'_> {
    fn extend(&mut self, chain: &[Arc<Certificate>]) {
        let store = self.store;
        for candidate in &store.roots {
            if let Some(longer) = self.consider(chain, candidate) {
                self.chains.push(longer);
            }
        }
        for candidate in &store.intermediates {
            if let Some(longer) = self.consider(chain, candidate) {
                self.extend(&longer);
            }
        }
    }

    /// `chain` with `candidate` behind it, if that is the issuer of its last certificate and fit to be.
    fn consider(&mut self, chain: &[Arc<Certificate>], candidate: &Arc<Certificate>) -> Option<Chain> {
        let last = chain.last()?;
        if candidate.subject_der() != last.issuer_der()
            || chain.iter().any(|link| same_holder(link, candidate))
        {
            return None;
        }
        if self.checks >= MAX_SIGNATURE_CHECKS {
            self.reason = Some(format!(
                "more than {MAX_SIGNATURE_CHECKS} signatures would have to be checked"
            ));
            return None;
        }
        self.checks += 1;
        let verdict = last
            .check_signed_by(candidate)
            .map_err(|error| error.to_string())
            .and_then(|()| check_validity(candidate, self.now))
            .and_then(|()| check_path_length(candidate, chain.len() - 1));
        match verdict {
            Ok(()) => {
                let mut longer = chain.to_vec();
                longer.push(Arc::clone(candidate));
                Some(longer)
            }
            Err(reason) => {
                self.reason = Some(reason);
                None
            }
        }
    }
}

/// Go leaves a candidate out when the same name and key are already in the chain.
fn same_holder(one: &Certificate, other: &Certificate) -> bool {
    one.subject_der() == other.subject_der() && one.key().bytes() == other.key().bytes()
}

fn check_validity(certificate: &Certificate, now: i64) -> Result<(), String> {
    if let Some(unhandled) = &certificate.extensions.unhandled {
        return Err(format!("{unhandled} is not supported"));
    }
    if now < certificate.not_before() || now > certificate.not_after() {
        return Err(format!(
            "{} was not valid when the identity's validity began",
            certificate.fingerprint()
        ));
    }
    Ok(())
}

fn check_path_length(ca: &Certificate, intermediates_below: usize) -> Result<(), String> {
    match ca.extensions.path_length {
        Some(limit) if intermediates_below > limit as usize => Err(format!(
            "{} allows {limit} CAs below it, there are {intermediates_below}",
            ca.fingerprint()
        )),
        _ => Ok(()),
    }
}
