//! Whether an identity is a member: key, chain, revocation, organisational units (msp/mspimplvalidate.go).

use super::{Msp, MspVersion, Unit};
use crate::certificate::Certificate;
use crate::error::MspError;
use crate::identity::Identity;
use crate::key::KeyAlgorithm;

impl Msp {
    /// Checks that `identity` is a valid member of this MSP. The verdict is kept with the identity.
    ///
    /// # Errors
    /// Why it is not: [`MspError::WrongMsp`], [`MspError::Untrusted`], [`MspError::NotAnIdentity`], [`MspError::Revoked`],
    /// [`MspError::OrganizationalUnits`] or [`MspError::UnsupportedKey`].
    pub fn validate(&self, identity: &Identity) -> Result<(), MspError> {
        let identity = self.adopt(identity)?;
        identity.validity(|| self.judge(&identity))
    }

    /// The verdict itself, about an identity of this instance.
    pub(super) fn judge(&self, identity: &Identity) -> Result<(), MspError> {
        let certificate = identity.certificate();
        if certificate.key().algorithm() == KeyAlgorithm::Ed25519 && self.version < MspVersion::V3_0 {
            return Err(MspError::UnsupportedKey(
                "Ed25519 identities need channel capability V3_0".into(),
            ));
        }
        if certificate.is_ca() {
            return Err(MspError::NotAnIdentity("it is a CA certificate"));
        }
        let Some(issuer) = identity.issuers().first() else {
            return Err(MspError::NotAnIdentity("it is itself a root of trust"));
        };
        if self.is_internal(issuer) {
            return Err(MspError::NotAnIdentity("its issuer only issues intermediate CAs"));
        }
        self.check_revocation(certificate, issuer)?;
        self.check_units(identity)?;
        self.check_single_role(identity)
    }

    pub(super) fn check_revocation(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
    ) -> Result<(), MspError> {
        for list in &self.revocations {
            if list.revokes(certificate, issuer)? {
                return Err(MspError::Revoked {
                    msp: self.id().to_owned(),
                    serial: hex::encode(certificate.serial()),
                });
            }
        }
        Ok(())
    }

    pub(super) fn is_internal(&self, ca: &Certificate) -> bool {
        self.internal.iter().any(|internal| internal.der() == ca.der())
    }

    /// When the MSP lists units, a member has at least one of them.
    fn check_units(&self, identity: &Identity) -> Result<(), MspError> {
        if self.units.is_empty() {
            return Ok(());
        }
        let fits = |name: &String| {
            self.units
                .iter()
                .any(|unit| unit.name == *name && unit.certifiers.as_ref() == identity.certifiers())
        };
        if identity.organizational_units().iter().any(fits) {
            return Ok(());
        }
        Err(self.unit_error(identity, "none of them is one that the MSP lists"))
    }

    /// When units tell roles apart, a member has exactly one role.
    fn check_single_role(&self, identity: &Identity) -> Result<(), MspError> {
        let Some(roles) = &self.roles else { return Ok(()) };
        let known = [&roles.client, &roles.peer, &roles.admin, &roles.orderer];
        let mut count = 0;
        for name in identity.organizational_units() {
            // The last role with a name wins, as in Fabric's map; distinct names are the rule.
            let Some(unit) = known
                .iter()
                .rev()
                .find_map(|unit| unit.as_ref().filter(|unit| unit.name == *name))
            else {
                continue;
            };
            if unit.certifiers.is_some() && unit.certifiers.as_ref() != identity.certifiers() {
                return Err(self.unit_error(identity, "a role unit is only valid under another CA"));
            }
            count += 1;
        }
        match count {
            1 => Ok(()),
            0 => Err(self.unit_error(identity, "none of them is client, peer, admin or orderer")),
            _ => Err(self.unit_error(
                identity,
                "exactly one of client, peer, admin and orderer is allowed",
            )),
        }
    }

    /// Checks that the identity carries the unit of `role`. Says nothing about validity.
    pub(super) fn check_role(&self, identity: &Identity, role: &str) -> Result<(), MspError> {
        let Some(roles) = &self.roles else {
            return Err(self.unit_error(identity, "this MSP does not tell roles apart (NodeOUs are off)"));
        };
        let unit: &Option<Unit> = match role {
            "client" => &roles.client,
            "peer" => &roles.peer,
            "admin" => &roles.admin,
            _ => &roles.orderer,
        };
        let Some(unit) = unit else {
            return Err(self.unit_error(identity, &format!("this MSP has no unit for {role}")));
        };
        if identity.organizational_units().contains(&unit.name) {
            return Ok(());
        }
        Err(self.unit_error(identity, &format!("unit {} is missing", unit.name)))
    }

    fn unit_error(&self, identity: &Identity, reason: &str) -> MspError {
        let count = identity.organizational_units().len();
        MspError::OrganizationalUnits {
            msp: self.id().to_owned(),
            reason: format!("it has {count}; {reason}"),
        }
    }
}
