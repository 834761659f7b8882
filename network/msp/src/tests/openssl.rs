//! Certificates and signatures that OpenSSL made: `openssl req -x509`, `openssl x509 -req`, `openssl pkeyutl -sign`,
//! `openssl dgst -sign`, over the message `careledger`.

use fabric_protos::msp::{FabricMspConfig, FabricNodeOUs, FabricOuIdentifier};

use crate::policy::{Role, role_principal};
use crate::signature::{Curve, EcdsaSignature};
use crate::{KeyAlgorithm, Msp, MspError, MspVersion, serialize};

const P256_CA: &[u8] = include_bytes!("vectors/openssl-p256-ca.pem");
const P384_CA: &[u8] = include_bytes!("vectors/openssl-p384-ca.pem");
const ED25519_CLIENT: &[u8] = include_bytes!("vectors/openssl-ed25519-client.pem");
const ED25519_SIGNATURE: &str = include_str!("vectors/openssl-ed25519-signature.hex");
const P384_SIGNED_PEER: &[u8] = include_bytes!("vectors/openssl-p384-signed-peer.pem");
const P256_SIGNATURE: &str = include_str!("vectors/openssl-p256-signature.hex");
const MESSAGE: &[u8] = b"careledger";

fn config(ca: &[u8]) -> FabricMspConfig {
    let unit = |name: &str| {
        Some(FabricOuIdentifier {
            certificate: ca.to_vec(),
            organizational_unit_identifier: name.to_owned(),
        })
    };
    FabricMspConfig {
        name: "OpensslMSP".into(),
        root_certs: vec![ca.to_vec()],
        fabric_node_ous: Some(FabricNodeOUs {
            enable: true,
            client_ou_identifier: unit("client"),
            peer_ou_identifier: unit("peer"),
            admin_ou_identifier: unit("admin"),
            orderer_ou_identifier: unit("orderer"),
        }),
        ..FabricMspConfig::default()
    }
}

#[test]
fn ed25519_needs_version_3() {
    let config = config(P256_CA);
    let serialized = serialize("OpensslMSP", ED25519_CLIENT.to_vec());
    let old = Msp::from_config(&config).expect("sets up");
    let identity = old.identity(&serialized).expect("chains");
    assert_eq!(identity.certificate().key().algorithm(), KeyAlgorithm::Ed25519);
    assert!(matches!(
        old.validate(&identity),
        Err(MspError::UnsupportedKey(_))
    ));

    let new = Msp::with_version(&config, MspVersion::V3_0).expect("sets up");
    let identity = new.identity(&serialized).expect("chains");
    assert_eq!(
        new.satisfies(&identity, &role_principal("OpensslMSP", Role::Client)),
        Ok(())
    );
    let signature = hex::decode(ED25519_SIGNATURE).expect("hex");
    assert_eq!(
        identity.verify(MESSAGE, &signature),
        Ok(()),
        "over the message, not its digest"
    );
    assert!(identity.verify(b"other", &signature).is_err());
}

#[test]
fn a_p384_ca_with_sha384_and_a_p256_member() {
    let msp = Msp::from_config(&config(P384_CA)).expect("sets up");
    let identity = msp
        .identity(&serialize("OpensslMSP", P384_SIGNED_PEER.to_vec()))
        .expect("chains");
    assert_eq!(identity.organizational_units(), ["peer", "ward 3"]);
    assert_eq!(
        msp.satisfies(&identity, &role_principal("OpensslMSP", Role::Peer)),
        Ok(())
    );
    // OpenSSL does not care about low S.
    let signature = hex::decode(P256_SIGNATURE).expect("hex");
    let low = EcdsaSignature::parse(&signature).and_then(|signature| signature.encode_low(Curve::P256));
    assert_eq!(identity.verify(MESSAGE, &low.expect("in range")), Ok(()));
}

#[test]
fn the_wrong_ca_of_the_same_name() {
    let msp = Msp::from_config(&config(P256_CA)).expect("sets up");
    let verdict = msp.identity(&serialize("OpensslMSP", P384_SIGNED_PEER.to_vec()));
    assert!(matches!(verdict, Err(MspError::Untrusted { .. })));
}
