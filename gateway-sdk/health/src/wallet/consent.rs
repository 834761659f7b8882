//! Acts on the consent contract: for oneself, or for whom one holds an authority ([`PatientAt::acting_for`]).

use std::collections::BTreeSet;

use careledger_api::HealthError;
use careledger_api::contracts::consent::{
    ActorFilter, Assent, Consent, ConsentQuery, Delegation, DelegationEnd, Effect, Grounds, Limits,
    MAX_CONSENT_SECONDS, Power, Provision, Response, Revocation, RevocationReason, SignedQuery, Taken,
};
use careledger_api::date::Period;
use careledger_api::ids::{AuthorityId, ConsentId, PatientId, RequestId};

use super::{INTENT_SECONDS, PatientAt, QUERY_SECONDS, Signed, nonce, salt, unix_now};

impl PatientAt {
    /// Grants a consent (`consent.grant`) with a fresh id. Given under an authority, it ends with it at the latest.
    pub fn grant(&self, period: Period, provisions: Vec<Provision>) -> Result<Signed<Consent>, HealthError> {
        self.grant_on(period, provisions, Grounds::default(), Limits::default())
    }

    /// As [`grant`](Self::grant), saying what the consent rests on and how often and how long what it opens may be used. `INVALID_CODE` for grounds or
    /// limits outside their bounds.
    pub fn grant_on(
        &self,
        period: Period,
        provisions: Vec<Provision>,
        grounds: Grounds,
        limits: Limits,
    ) -> Result<Signed<Consent>, HealthError> {
        let body = self.consent_on((period, provisions), None, grounds, limits)?;
        self.sign(
            "consent",
            "grant",
            "consent",
            body.id.nonce(),
            INTENT_SECONDS,
            body,
        )
    }

    /// Puts a consent in the place of `old` (`consent.amend`): one counts exactly when the other does not.
    pub fn amend(
        &self,
        old: ConsentId,
        period: Period,
        provisions: Vec<Provision>,
    ) -> Result<Signed<Consent>, HealthError> {
        self.amend_on(old, period, provisions, Grounds::default(), Limits::default())
    }

    /// As [`amend`](Self::amend), with the grounds and limits of the new consent; those of the old one do not go on by themselves. `INVALID_CODE` for
    /// grounds or limits outside their bounds.
    pub fn amend_on(
        &self,
        old: ConsentId,
        period: Period,
        provisions: Vec<Provision>,
        grounds: Grounds,
        limits: Limits,
    ) -> Result<Signed<Consent>, HealthError> {
        let body = self.consent_on((period, provisions), Some(old), grounds, limits)?;
        self.sign(
            "consent",
            "amend",
            "consent",
            body.id.nonce(),
            INTENT_SECONDS,
            body,
        )
    }

    /// Accepts a request with a consent (`consent.respond`), which may be narrower or wider than what was asked.
    pub fn accept(
        &self,
        request: RequestId,
        period: Period,
        provisions: Vec<Provision>,
    ) -> Result<Signed<Response>, HealthError> {
        self.respond(request, Some(self.consent(period, provisions, None)))
    }

    /// Declines a request (`consent.respond`); the block does not tell it from an acceptance.
    pub fn decline(&self, request: RequestId) -> Result<Signed<Response>, HealthError> {
        self.respond(request, None)
    }

    /// Takes consents back (`consent.revoke`).
    pub fn revoke(&self, consents: Vec<ConsentId>) -> Result<Signed<Revocation>, HealthError> {
        self.take_back(Taken::Consents(consents), RevocationReason::Choice)
    }

    /// Takes everything back that permits, also what this wallet does not know of (`consent.revoke`). What only denies stays.
    pub fn revoke_all(&self) -> Result<Signed<Revocation>, HealthError> {
        self.take_back(Taken::All, RevocationReason::Choice)
    }

    /// Takes consents back and says why (`consent.revoke`).
    pub fn take_back(
        &self,
        taken: Taken,
        reason: RevocationReason,
    ) -> Result<Signed<Revocation>, HealthError> {
        let body = Revocation {
            patient: self.id,
            taken,
            reason,
            salt: salt(),
        };
        self.sign("consent", "revoke", "revocation", nonce(), INTENT_SECONDS, body)
    }

    /// Takes back whatever permits an organisation, role, person or group (`consent.grant` of a consent that denies it): that holds over every permit,
    /// also those this wallet does not know of and those still to come, for ten years or until it is revoked by its id. The block shows it as any grant.
    pub fn shut_out(&self, actor: ActorFilter) -> Result<Signed<Consent>, HealthError> {
        let from = unix_now() - super::CLOCK_SLACK;
        let period = Period {
            from,
            until: from + MAX_CONSENT_SECONDS,
        };
        let denial = Provision {
            actors: vec![actor],
            ..Provision::new(Effect::Deny)
        };
        self.grant(period, vec![denial])
    }

    /// Lets another patient of the same custodian act in one's name (`consent.delegate`). Only the patient's own wallet can.
    pub fn delegate(
        &self,
        delegate: PatientId,
        powers: BTreeSet<Power>,
        period: Period,
    ) -> Result<Signed<Delegation>, HealthError> {
        let body = Delegation {
            id: AuthorityId::from_bytes(rand::random()),
            patient: self.id,
            delegate,
            powers,
            period,
            salt: salt(),
        };
        body.validate()?;
        self.sign(
            "consent",
            "delegate",
            "delegation",
            body.id.nonce(),
            INTENT_SECONDS,
            body,
        )
    }

    /// Ends a delegation (`consent.undelegate`); what was granted under it lapses at once. Only the patient's own wallet can.
    pub fn undelegate(&self, authority: AuthorityId) -> Result<Signed<DelegationEnd>, HealthError> {
        let body = DelegationEnd {
            patient: self.id,
            authority,
            salt: salt(),
        };
        self.sign("consent", "undelegate", "end", nonce(), INTENT_SECONDS, body)
    }

    /// What a minor says about a consent that a parent or guardian gave (`consent.assent`). Only the minor's own wallet can.
    pub fn assent(&self, consent: ConsentId, assents: bool) -> Result<Signed<Assent>, HealthError> {
        let body = Assent {
            patient: self.id,
            consent,
            assents,
            salt: salt(),
        };
        self.sign("consent", "assent", "assent", nonce(), INTENT_SECONDS, body)
    }

    /// A signed question whose answer clients of the organisation `reader` carry (`consent.myConsents`, `consent.myRequests`,
    /// `consent.myAuthorities`).
    pub fn ask(&self, function: &str, reader: &str) -> Result<Signed<SignedQuery>, HealthError> {
        let body = SignedQuery {
            patient: self.id,
            reader: reader.to_owned(),
        };
        self.sign("consent", function, "query", nonce(), QUERY_SECONDS, body)
    }

    /// A signed question for a consent's receipt (`consent.myReceipt`), whose answer clients of the organisation `reader` carry.
    pub fn ask_receipt(&self, consent: ConsentId, reader: &str) -> Result<Signed<ConsentQuery>, HealthError> {
        let body = ConsentQuery {
            patient: self.id,
            reader: reader.to_owned(),
            consent,
        };
        self.sign("consent", "myReceipt", "query", nonce(), QUERY_SECONDS, body)
    }

    fn respond(&self, request: RequestId, consent: Option<Consent>) -> Result<Signed<Response>, HealthError> {
        let body = Response {
            request,
            patient: self.id,
            consent,
            salt: salt(),
        };
        self.sign(
            "consent",
            "respond",
            "response",
            request.nonce(),
            INTENT_SECONDS,
            body,
        )
    }

    fn consent_on(
        &self,
        (period, provisions): (Period, Vec<Provision>),
        supersedes: Option<ConsentId>,
        grounds: Grounds,
        limits: Limits,
    ) -> Result<Consent, HealthError> {
        grounds.validate()?;
        limits.validate(period.from)?;
        Ok(Consent {
            grounds,
            limits,
            ..self.consent(period, provisions, supersedes)
        })
    }

    fn consent(&self, period: Period, provisions: Vec<Provision>, supersedes: Option<ConsentId>) -> Consent {
        Consent {
            id: ConsentId::from_bytes(rand::random()),
            patient: self.id,
            period,
            provisions,
            grounds: Grounds::default(),
            limits: Limits::default(),
            supersedes,
            salt: salt(),
        }
    }
}
