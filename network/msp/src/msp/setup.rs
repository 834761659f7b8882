//! Reading a configuration: CAs, lists, units and admins, in the order of msp/mspimplsetup.go `preSetupV142`.

use std::sync::Arc;

use fabric_protos::msp::{FabricNodeOUs, FabricOuIdentifier};

use super::{Msp, RoleUnits, Unit};
use crate::certificate::Certificate;
use crate::chain::TrustStore;
use crate::crl::RevocationList;
use crate::error::MspError;
use crate::identity::certifiers_identifier;

impl Msp {
    pub(super) fn set_up(&mut self) -> Result<(), MspError> {
        if self.config.name.is_empty() {
            return Err(self.config_error("it has no id"));
        }
        self.check_hashes()?;
        let intermediates = self.set_up_cas()?;
        self.revocations = self
            .config
            .revocation_list
            .iter()
            .map(|list| RevocationList::parse(list))
            .collect::<Result<_, _>>()?;
        self.check_cas(&intermediates)?;
        self.check_tls_cas()?;
        self.set_up_units()?;
        self.set_up_admins()
    }

    fn check_hashes(&self) -> Result<(), MspError> {
        let Some(crypto) = &self.config.crypto_config else {
            return Ok(());
        };
        if !matches!(crypto.signature_hash_family.as_str(), "" | "SHA2") {
            return Err(self.config_error(&format!(
                "hash family {} is not SHA2",
                crypto.signature_hash_family
            )));
        }
        if !matches!(crypto.identity_identifier_hash_function.as_str(), "" | "SHA256") {
            let name = &crypto.identity_identifier_hash_function;
            return Err(self.config_error(&format!("identity hash {name} is not SHA256")));
        }
        Ok(())
    }

    /// Loads roots and intermediates, low-S, and gives the intermediates.
    fn set_up_cas(&mut self) -> Result<Vec<Arc<Certificate>>, MspError> {
        if self.config.root_certs.is_empty() {
            return Err(self.config_error("it has no root certificate"));
        }
        let mut as_received = TrustStore::default();
        let mut roots = Vec::new();
        for text in &self.config.root_certs {
            let root = Certificate::from_pem(text)?;
            as_received.add_root(Arc::new(root.clone()));
            roots.push(root);
        }
        let mut intermediates = Vec::new();
        for text in &self.config.intermediate_certs {
            let intermediate = Arc::new(Certificate::from_pem(text)?);
            as_received.add_intermediate(Arc::clone(&intermediate));
            intermediates.push(intermediate);
        }
        for root in roots {
            let own_key = root.key().clone();
            self.trust.add_root(Arc::new(root.with_low_s(&own_key)?));
        }
        let mut low_s = Vec::new();
        for intermediate in intermediates {
            let chain = as_received.unique_chain(&self.config.name, &intermediate)?;
            let Some(issuer) = chain.get(1) else {
                return Err(self.config_error("an intermediate certificate is also a root certificate"));
            };
            let intermediate = Arc::new(Arc::unwrap_or_clone(intermediate).with_low_s(issuer.key())?);
            self.trust.add_intermediate(Arc::clone(&intermediate));
            low_s.push(intermediate);
        }
        Ok(low_s)
    }

    fn check_cas(&mut self, intermediates: &[Arc<Certificate>]) -> Result<(), MspError> {
        for text in self
            .config
            .root_certs
            .iter()
            .chain(&self.config.intermediate_certs)
        {
            self.check_ca_shape(&Certificate::from_pem(text)?)?;
        }
        for intermediate in intermediates {
            let chain = self.trust.unique_chain(self.id(), intermediate)?;
            if let Some(issuer) = chain.get(1) {
                self.check_revocation(intermediate, issuer)?;
            }
            for link in chain.into_iter().skip(1) {
                if !self.internal.iter().any(|known| known.der() == link.der()) {
                    self.internal.push(link);
                }
            }
        }
        Ok(())
    }

    fn check_ca_shape(&self, certificate: &Certificate) -> Result<(), MspError> {
        if !certificate.is_ca() {
            return Err(self.config_error(&format!("{} is not a CA certificate", certificate.fingerprint())));
        }
        if certificate.subject_key_id().is_none() {
            return Err(self.config_error(&format!(
                "CA {} has no subject key identifier",
                certificate.fingerprint()
            )));
        }
        Ok(())
    }

    fn check_tls_cas(&self) -> Result<(), MspError> {
        let mut store = TrustStore::default();
        let mut all = Vec::new();
        for text in &self.config.tls_root_certs {
            let certificate = Arc::new(Certificate::from_pem(text)?);
            store.add_root(Arc::clone(&certificate));
            all.push(certificate);
        }
        for text in &self.config.tls_intermediate_certs {
            let certificate = Arc::new(Certificate::from_pem(text)?);
            store.add_intermediate(Arc::clone(&certificate));
            all.push(certificate);
        }
        for certificate in &all {
            self.check_ca_shape(certificate)?;
            store.unique_chain(self.id(), certificate)?;
        }
        Ok(())
    }

    fn set_up_units(&mut self) -> Result<(), MspError> {
        let mut units: Vec<Unit> = Vec::new();
        for configured in &self.config.organizational_unit_identifiers {
            let unit = Unit {
                name: configured.organizational_unit_identifier.clone(),
                certifiers: Some(self.certifiers_of(&configured.certificate)?),
            };
            if !units.contains(&unit) {
                units.push(unit);
            }
        }
        self.units = units;
        self.roles = match &self.config.fabric_node_ous {
            Some(node_units) if node_units.enable => self.role_units(node_units)?,
            _ => None,
        };
        Ok(())
    }

    /// `None` when no role has a unit: enforcement is off then, whatever the flag says.
    fn role_units(&self, configured: &FabricNodeOUs) -> Result<Option<RoleUnits>, MspError> {
        let unit = |configured: &Option<FabricOuIdentifier>| -> Result<Option<Unit>, MspError> {
            let Some(configured) = configured else {
                return Ok(None);
            };
            let certifiers = match configured.certificate.as_slice() {
                [] => None,
                certificate => Some(self.certifiers_of(certificate)?),
            };
            Ok(Some(Unit {
                name: configured.organizational_unit_identifier.clone(),
                certifiers,
            }))
        };
        let roles = RoleUnits {
            client: unit(&configured.client_ou_identifier)?,
            peer: unit(&configured.peer_ou_identifier)?,
            admin: unit(&configured.admin_ou_identifier)?,
            orderer: unit(&configured.orderer_ou_identifier)?,
        };
        let any = [&roles.client, &roles.peer, &roles.admin, &roles.orderer]
            .into_iter()
            .any(Option::is_some);
        Ok(any.then_some(roles))
    }

    /// The certifiers identifier of members issued by the CA `text`, which must be one of this MSP's.
    fn certifiers_of(&self, text: &[u8]) -> Result<[u8; 32], MspError> {
        let received = Arc::new(Certificate::from_pem(text)?);
        // The trust store holds CAs in low-S form, so a root with high S would not be found in it as it is.
        let signer_key = if received.check_signed_by(&received).is_ok() {
            received.key().clone()
        } else {
            let chain = self.trust.unique_chain(self.id(), &received)?;
            chain.get(1).unwrap_or(&received).key().clone()
        };
        let ca = Arc::new(Arc::unwrap_or_clone(received).with_low_s(&signer_key)?);
        match self.trust.is_root(&ca) {
            None => {
                Err(self
                    .config_error("the certificate of an organisational unit is not one of the MSP's CAs"))
            }
            Some(true) => Ok(certifiers_identifier(&[ca])),
            Some(false) if self.is_internal(&ca) => Err(self.config_error(
                "the certificate of an organisational unit is a CA that issues CAs, not members",
            )),
            Some(false) => {
                let mut chain = self.trust.unique_chain(self.id(), &ca)?;
                chain[0] = ca;
                Ok(certifiers_identifier(&chain))
            }
        }
    }

    fn set_up_admins(&mut self) -> Result<(), MspError> {
        let has_admin_unit = self.roles.as_ref().is_some_and(|roles| roles.admin.is_some());
        if self.config.admins.is_empty() && !has_admin_unit {
            return Err(
                self.config_error("it has no admin certificate, and no organisational unit marks admins")
            );
        }
        for text in self.config.admins.clone() {
            let identity = self.identity_of(&[], &text)?;
            if self.roles.is_none() {
                self.judge(&identity)?;
            } else if self.check_role(&identity, "client").is_err()
                && self.check_role(&identity, "admin").is_err()
            {
                return Err(
                    self.config_error("an admin certificate has neither the client nor the admin unit")
                );
            }
            self.admins.push(Arc::new(identity.certificate().clone()));
        }
        Ok(())
    }

    pub(super) fn config_error(&self, reason: &str) -> MspError {
        MspError::Config {
            msp: self.config.name.clone(),
            reason: reason.to_owned(),
        }
    }
}
