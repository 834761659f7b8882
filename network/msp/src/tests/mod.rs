//! Whole paths through the crate, with real certificates.

mod membership;
mod openssl;
mod policies;
mod signing;

use std::collections::BTreeMap;
use std::sync::Arc;

use fabric_protos::msp::{FabricMspConfig, FabricNodeOUs, FabricOuIdentifier};

use crate::ca::{Ca, IssueRequest, Kind};
use crate::{Msp, MspManager, SigningIdentity, serialize};

/// An organisation with node units, as cryptogen configures one.
pub(crate) struct Org {
    pub(crate) id: String,
    pub(crate) ca: Ca,
    pub(crate) config: FabricMspConfig,
}

impl Org {
    pub(crate) fn new(id: &str) -> Self {
        let ca = Ca::new(&format!("ca.{id}"), id, None).expect("a CA");
        let pem = ca.certificate_pem().into_bytes();
        let unit = |name: &str| {
            Some(FabricOuIdentifier {
                certificate: pem.clone(),
                organizational_unit_identifier: name.to_owned(),
            })
        };
        let config = FabricMspConfig {
            name: id.to_owned(),
            root_certs: vec![pem.clone()],
            fabric_node_ous: Some(FabricNodeOUs {
                enable: true,
                client_ou_identifier: unit("client"),
                peer_ou_identifier: unit("peer"),
                admin_ou_identifier: unit("admin"),
                orderer_ou_identifier: unit("orderer"),
            }),
            ..FabricMspConfig::default()
        };
        Self {
            id: id.to_owned(),
            ca,
            config,
        }
    }

    pub(crate) fn msp(&self) -> Msp {
        Msp::from_config(&self.config).expect("a usable configuration")
    }

    pub(crate) fn issue(&self, kind: Kind, name: &str) -> SigningIdentity {
        self.request(&IssueRequest {
            common_name: name.to_owned(),
            kind,
            ..IssueRequest::default()
        })
    }

    pub(crate) fn request(&self, request: &IssueRequest) -> SigningIdentity {
        member(&self.id, &self.ca, request)
    }
}

pub(crate) fn member(msp_id: &str, ca: &Ca, request: &IssueRequest) -> SigningIdentity {
    let issued = ca.issue(request).expect("issues");
    SigningIdentity::from_pem(
        msp_id,
        issued.certificate_pem.as_bytes(),
        issued.key_pem.as_bytes(),
    )
    .expect("loads")
}

pub(crate) fn manager(orgs: &[&Org]) -> Arc<MspManager> {
    Arc::new(MspManager::new(orgs.iter().map(|org| Arc::new(org.msp()))))
}

#[test]
fn attributes_travel_in_the_certificate() {
    let org = Org::new("A");
    let clinician = org.request(&IssueRequest {
        common_name: "u-4711".into(),
        attributes: BTreeMap::from([("role".to_owned(), "clinician".to_owned())]),
        ..IssueRequest::default()
    });
    let der = clinician.identity().certificate_der();
    let wanted = br#"{"attrs":{"role":"clinician"}}"#;
    assert!(der.windows(wanted.len()).any(|window| window == wanted));
    assert_eq!(org.msp().identity(clinician.serialized()).map(|_| ()), Ok(()));
}

#[test]
fn garbage_is_an_error_everywhere() {
    let org = Org::new("A");
    let msp = org.msp();
    let mut valid = org.issue(Kind::Client, "someone").serialized().to_vec();
    for cut in 0..valid.len() {
        assert!(msp.identity(&valid[..cut]).is_err(), "cut at {cut}");
    }
    for position in (0..valid.len()).step_by(7) {
        valid[position] ^= 0x10;
        // Any outcome but a crash: a flipped bit in the text around the block changes nothing.
        let _ = msp.identity(&valid);
        valid[position] ^= 0x10;
    }
    assert!(
        msp.identity(&serialize("A", b"not a certificate".to_vec()))
            .is_err()
    );
}
