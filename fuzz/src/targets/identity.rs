//! Certificates, identities, revocation lists and the configuration of an organisation.

use std::sync::OnceLock;

use fabric_contract_core::{ClientIdentity, Creator};
use fabric_msp::{Certificate, Msp};
use fabric_protos::msp::{FabricMspConfig, SerializedIdentity};
use prost::Message;

use crate::world;

/// A certificate as PEM or DER, or a serialized identity.
pub(crate) fn certificate(data: &[u8]) {
    for certificate in [Certificate::from_der(data), Certificate::from_pem(data)]
        .into_iter()
        .flatten()
    {
        let again =
            Certificate::from_pem(certificate.pem().as_bytes()).expect("what was written can be read");
        assert_eq!(again.der(), certificate.der());
    }
    let (msp, _) = organisation();
    // An identity that is not from this organisation's CAs is refused, whatever its bytes are.
    if let Ok(identity) = msp.identity(data) {
        let _ = msp.validate(&identity);
        let _ = identity.verify(b"message", data);
    }
    let certificate_pem = match SerializedIdentity::decode(data) {
        Ok(identity) => identity.id_bytes,
        Err(_) => data.to_vec(),
    };
    let _ = ClientIdentity::from_creator(&Creator {
        msp_id: "Org1MSP".to_owned(),
        certificate_pem,
    });
}

/// A revocation list, as an organisation's configuration brings it.
pub(crate) fn revocation_list(data: &[u8]) {
    let (msp, member) = organisation();
    let mut config = msp.config().clone();
    config.revocation_list = vec![data.to_vec()];
    if let Ok(msp) = Msp::from_config(&config)
        && let Ok(identity) = msp.identity(member)
    {
        let _ = msp.validate(&identity);
    }
}

/// A marshalled configuration of an organisation.
pub(crate) fn msp(data: &[u8]) {
    let Ok(config) = FabricMspConfig::decode(data) else {
        return;
    };
    let (_, member) = organisation();
    if let Ok(msp) = Msp::from_config(&config)
        && let Ok(identity) = msp.identity(member)
    {
        let _ = msp.validate(&identity);
    }
}

fn organisation() -> &'static (Msp, Vec<u8>) {
    static ORGANISATION: OnceLock<(Msp, Vec<u8>)> = OnceLock::new();
    ORGANISATION.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory");
        let (organisation, _) = world::organisations(dir.path());
        let member = organisation.user_identity("User1").expect("an identity");
        let msp = Msp::from_dir(organisation.msp_dir(), organisation.msp_id()).expect("an MSP");
        (msp, member.serialized().to_vec())
    })
}
