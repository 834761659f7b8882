//! Whether an identity satisfies a principal of a policy (msp/mspimpl.go `SatisfiesPrincipal`).

use fabric_protos::common::msp_identity_anonymity::MspIdentityAnonymityType;
use fabric_protos::common::msp_principal::Classification;
use fabric_protos::common::msp_role::MspRoleType;
use fabric_protos::common::{
    CombinedPrincipal, MspIdentityAnonymity, MspPrincipal, MspRole, OrganizationUnit,
};
use prost::Message;

use super::Msp;
use crate::error::MspError;
use crate::identity::Identity;

/// How deep combined principals may nest. Fabric sets no limit; decoding sets one near 100 anyway.
const MAX_NESTING: usize = 32;

impl Msp {
    /// Checks that `identity` satisfies `principal`. Verdicts are remembered.
    ///
    /// # Errors
    /// [`MspError::Principal`] when it does not, [`MspError::Decode`] for a malformed principal, and why the identity is no
    /// valid member.
    pub fn satisfies(&self, identity: &Identity, principal: &MspPrincipal) -> Result<(), MspError> {
        let identity = self.adopt(identity)?;
        let mut key = Vec::with_capacity(40 + principal.principal.len());
        key.extend_from_slice(identity.id());
        key.extend_from_slice(&principal.principal_classification.to_le_bytes());
        key.extend_from_slice(&principal.principal);
        if let Some(verdict) = self.principals.find(&key) {
            return verdict;
        }
        let verdict = self.check_principal(&identity, principal, 0);
        self.principals.insert(key, verdict.clone());
        verdict
    }

    fn check_principal(
        &self,
        identity: &Identity,
        principal: &MspPrincipal,
        depth: usize,
    ) -> Result<(), MspError> {
        let bytes = principal.principal.as_slice();
        match Classification::try_from(principal.principal_classification) {
            Ok(Classification::Role) => self.check_role_principal(identity, &decode("MSPRole", bytes)?),
            Ok(Classification::OrganizationUnit) => {
                self.check_unit_principal(identity, &decode("OrganizationUnit", bytes)?)
            }
            Ok(Classification::Identity) => self.check_identity_principal(identity, bytes),
            Ok(Classification::Anonymity) => check_anonymity(&decode("MSPIdentityAnonymity", bytes)?),
            Ok(Classification::Combined) => {
                let combined: CombinedPrincipal = decode("CombinedPrincipal", bytes)?;
                if combined.principals.is_empty() || depth >= MAX_NESTING {
                    return Err(unsatisfied("a combined principal is empty or nests too deep"));
                }
                combined
                    .principals
                    .iter()
                    .try_for_each(|part| self.check_principal(identity, part, depth + 1))
            }
            Err(_) => Err(unsatisfied(&format!(
                "unknown classification {}",
                principal.principal_classification
            ))),
        }
    }

    fn check_role_principal(&self, identity: &Identity, role: &MspRole) -> Result<(), MspError> {
        if role.msp_identifier != self.id() {
            return Err(MspError::WrongMsp {
                expected: role.msp_identifier.clone(),
                found: self.id().to_owned(),
            });
        }
        match MspRoleType::try_from(role.role) {
            Ok(MspRoleType::Member) => self.validate(identity),
            Ok(MspRoleType::Admin) if self.is_listed_admin(identity) => Ok(()),
            Ok(MspRoleType::Admin) if self.roles.is_none() => {
                Err(unsatisfied("it is not one of the MSP's admins"))
            }
            Ok(MspRoleType::Admin) => self.check_valid_in_role(identity, "admin"),
            Ok(MspRoleType::Client) => self.check_valid_in_role(identity, "client"),
            Ok(MspRoleType::Peer) => self.check_valid_in_role(identity, "peer"),
            Ok(MspRoleType::Orderer) => self.check_valid_in_role(identity, "orderer"),
            Err(_) => Err(unsatisfied(&format!("unknown role {}", role.role))),
        }
    }

    fn check_valid_in_role(&self, identity: &Identity, role: &str) -> Result<(), MspError> {
        self.validate(identity)?;
        self.check_role(identity, role)
    }

    fn is_listed_admin(&self, identity: &Identity) -> bool {
        self.admins
            .iter()
            .any(|admin| admin.der() == identity.certificate_der())
    }

    fn check_unit_principal(&self, identity: &Identity, unit: &OrganizationUnit) -> Result<(), MspError> {
        if unit.msp_identifier != self.id() {
            return Err(MspError::WrongMsp {
                expected: unit.msp_identifier.clone(),
                found: self.id().to_owned(),
            });
        }
        self.validate(identity)?;
        let same_certifiers = identity
            .certifiers()
            .is_some_and(|certifiers| certifiers.as_slice() == unit.certifiers_identifier);
        if same_certifiers
            && identity
                .organizational_units()
                .contains(&unit.organizational_unit_identifier)
        {
            return Ok(());
        }
        Err(unsatisfied(
            "it is not in the organisational unit under the wanted CA",
        ))
    }

    fn check_identity_principal(&self, identity: &Identity, wanted: &[u8]) -> Result<(), MspError> {
        let wanted = self.identity(wanted)?;
        if wanted.certificate_der() == identity.certificate_der() {
            return self.validate(identity);
        }
        Err(unsatisfied("it is another identity"))
    }
}

fn check_anonymity(anonymity: &MspIdentityAnonymity) -> Result<(), MspError> {
    match MspIdentityAnonymityType::try_from(anonymity.anonymity_type) {
        Ok(MspIdentityAnonymityType::Nominal) => Ok(()),
        _ => Err(unsatisfied("an X.509 identity is not anonymous")),
    }
}

fn decode<M: Message + Default>(what: &'static str, bytes: &[u8]) -> Result<M, MspError> {
    M::decode(bytes).map_err(|error| MspError::decode(what, &error))
}

fn unsatisfied(reason: &str) -> MspError {
    MspError::Principal(reason.to_owned())
}
