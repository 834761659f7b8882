//! A payer's member, who asks about their own claims.

use careledger_api::HealthError;
use careledger_api::contracts::claims::{MemberClaimQuery, MemberQuery, member_of};
use careledger_api::ids::{ClaimId, CoverageId};
use careledger_api::keys::PublicKey;

use super::{PatientAt, QUERY_SECONDS, Signed, nonce};

/// A wallet's owner as a member of a payer, under one coverage.
#[derive(Debug, Clone)]
pub struct MemberAt {
    at: PatientAt,
    coverage: CoverageId,
}

impl PatientAt {
    /// The member of a coverage at this organisation, which is a payer: what is signed is signed in the coverage's name.
    pub fn member(&self, coverage: CoverageId) -> MemberAt {
        let at = Self {
            id: member_of(&self.custodian, &coverage),
            authority: None,
            ..self.clone()
        };
        MemberAt { at, coverage }
    }
}

impl MemberAt {
    /// The key that the payer takes down for the coverage (`claims.setMemberKey`), once it has seen who the member is.
    pub fn public_key(&self) -> PublicKey {
        self.at.public_key()
    }

    /// The question for the member's claims (`claims.myClaims`), carried by the payer's portal.
    pub fn claims(&self) -> Result<Signed<MemberQuery>, HealthError> {
        let body = MemberQuery {
            coverage: self.coverage,
        };
        self.at
            .sign("claims", "myClaims", "query", nonce(), QUERY_SECONDS, body)
    }

    /// The question for the explanation of one of them (`claims.myExplanation`), carried by the payer's portal. `provider` is the MSP id of who claims.
    pub fn explanation(
        &self,
        provider: &str,
        claim: ClaimId,
    ) -> Result<Signed<MemberClaimQuery>, HealthError> {
        let body = MemberClaimQuery {
            coverage: self.coverage,
            provider: provider.to_owned(),
            claim,
        };
        self.at
            .sign("claims", "myExplanation", "query", nonce(), QUERY_SECONDS, body)
    }
}
