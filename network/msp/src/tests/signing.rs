use super::{Org, manager};
use crate::ca::{Ca, IssueRequest, Kind, Seed};
use crate::signature::{Curve, EcdsaSignature};
use crate::{KeyAlgorithm, Msp, MspError, PublicKey, SigningIdentity, verification_counts};

/// openssl ecparam -name secp384r1 -genkey; openssl dgst -sha256 -sign: "careledger" signed on P-384 (with SHA-256, as Fabric).
const P384_POINT: &str = include_str!("vectors/p384-point.hex");
const P384_SIGNATURE: &str = include_str!("vectors/p384-signature.hex");
/// The same with secp521r1; OpenSSL chose the high S.
const P521_POINT: &str = include_str!("vectors/p521-point.hex");
const P521_SIGNATURE: &str = include_str!("vectors/p521-signature.hex");
/// RFC 8032, section 7.1, test 2.
const ED25519_KEY: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
const ED25519_SIGNATURE: &str = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

#[test]
fn signatures_are_low_s_and_verify_once() {
    let org = Org::new("A");
    let signer = org.issue(Kind::Client, "signer");
    let identity = org.msp().identity(signer.serialized()).expect("known");
    for round in 0..64u8 {
        let message = [round; 40];
        let signature = signer.sign(&message).expect("signs");
        assert!(
            EcdsaSignature::parse(&signature)
                .expect("DER")
                .is_low(Curve::P256)
        );
        assert_eq!(identity.verify(&message, &signature), Ok(()));
        assert!(identity.verify(&[round + 1; 40], &signature).is_err());
    }
    let signature = signer.sign(b"again").expect("signs");
    identity.verify(b"again", &signature).expect("verifies");
    let before = verification_counts();
    identity.verify(b"again", &signature).expect("verifies");
    assert!(verification_counts().remembered > before.remembered);
}

#[test]
fn the_other_s_and_other_bytes_are_refused() {
    let org = Org::new("A");
    let signer = org.issue(Kind::Client, "signer");
    let low = signer.sign(b"message").expect("signs");
    signer.identity().verify(b"message", &low).expect("verifies");
    let high = EcdsaSignature::parse(&low).expect("DER").encode_high_p256();
    assert!(
        matches!(signer.identity().verify(b"message", &high), Err(MspError::Signature(reason)) if reason.contains("low S"))
    );
    assert!(signer.identity().verify(b"message", b"").is_err());
    assert!(
        signer
            .identity()
            .verify(b"message", &low[..low.len() - 1])
            .is_err()
    );
}

#[test]
fn other_curves_verify() {
    let bytes = |text: &str| hex::decode(text.trim()).expect("hex");
    let key = PublicKey::from_point(KeyAlgorithm::P384, &bytes(P384_POINT)).expect("a point");
    let signature =
        EcdsaSignature::parse(&bytes(P384_SIGNATURE)).and_then(|parsed| parsed.encode_low(Curve::P384));
    let signature = signature.expect("a signature");
    assert_eq!(key.verify(b"careledger", &signature), Ok(()));
    assert!(key.verify(b"Careledger", &signature).is_err());

    let key = PublicKey::from_point(KeyAlgorithm::P521, &bytes(P521_POINT)).expect("a point");
    let high = bytes(P521_SIGNATURE);
    assert!(
        matches!(key.verify(b"careledger", &high), Err(MspError::Signature(reason)) if reason.contains("low S"))
    );
    let low = EcdsaSignature::parse(&high).and_then(|parsed| parsed.encode_low(Curve::P521));
    let low = low.expect("a signature");
    assert_eq!(key.verify(b"careledger", &low), Ok(()));
    assert!(key.verify(b"Careledger", &low).is_err());

    let key = PublicKey::from_point(KeyAlgorithm::Ed25519, &bytes(ED25519_KEY)).expect("a key");
    assert_eq!(key.verify(&[0x72], &bytes(ED25519_SIGNATURE)), Ok(()));
    assert!(key.verify(&[0x73], &bytes(ED25519_SIGNATURE)).is_err());
}

#[test]
fn a_certificate_with_high_s_is_the_same_identity() {
    let org = Org::new("A");
    let signer = org.issue(Kind::Client, "signer");
    let low = signer.identity().certificate().clone();
    let high = low.clone().with_high_s();
    assert_ne!(low.der(), high.der());
    let msp = org.msp();
    let from_high = msp
        .identity(&crate::serialize("A", high.pem().into_bytes()))
        .expect("chains");
    let from_low = msp.identity(signer.serialized()).expect("chains");
    assert_eq!(
        from_high, from_low,
        "Fabric rewrites certificates to low S before it compares them"
    );
    assert_eq!(msp.validate(&from_high), Ok(()));

    let mut config = org.config.clone();
    let high_root = org.ca.certificate().clone().with_high_s().pem().into_bytes();
    config.root_certs = vec![high_root.clone()];
    let units = config.fabric_node_ous.as_mut().expect("is there");
    units.client_ou_identifier.as_mut().expect("is there").certificate = high_root;
    assert_eq!(
        Msp::from_config(&config).expect("sets up").validate(&from_low),
        Ok(()),
        "also for the root"
    );
}

#[test]
fn a_seed_gives_the_same_material_and_marks_it() {
    let make = |seed: &str| {
        let ca = Ca::new("ca.a", "a", Some(Seed::new(seed))).expect("a CA");
        let request = IssueRequest {
            common_name: "peer0.a".into(),
            kind: Kind::Peer,
            ..IssueRequest::default()
        };
        let issued = ca.issue(&request).expect("issues");
        (ca.certificate_pem(), issued.certificate_pem, issued.key_pem)
    };
    assert_eq!(make("42"), make("42"));
    assert_ne!(make("42"), make("43"));
    let (_, certificate, key) = make("42");
    let identity = SigningIdentity::from_pem("A", certificate.as_bytes(), key.as_bytes()).expect("loads");
    assert_eq!(
        identity.identity().organizational_units(),
        ["peer", crate::ca::INSECURE_TEST]
    );
}

#[test]
fn a_foreign_key_is_refused() {
    let org = Org::new("A");
    let request = IssueRequest {
        common_name: "one".into(),
        ..IssueRequest::default()
    };
    let (one, other) = (
        org.ca.issue(&request).expect("issues"),
        org.ca.issue(&request).expect("issues"),
    );
    let mixed = SigningIdentity::from_pem("A", one.certificate_pem.as_bytes(), other.key_pem.as_bytes());
    assert!(matches!(mixed, Err(MspError::KeyMismatch(_))));
}

#[test]
fn the_manager_keeps_msps_apart() {
    let (a, b) = (Org::new("A"), Org::new("B"));
    let manager = manager(&[&a, &b]);
    let signer = a.issue(Kind::Client, "signer");
    assert_eq!(
        manager
            .valid_identity(signer.serialized())
            .map(|identity| identity.msp_id().to_owned()),
        Ok("A".into())
    );
    let pem = signer.identity().certificate_pem().into_bytes();
    assert!(matches!(
        manager.identity(&crate::serialize("B", pem.clone())),
        Err(MspError::Untrusted { .. })
    ));
    assert_eq!(
        manager.identity(&crate::serialize("C", pem)),
        Err(MspError::UnknownMsp("C".into()))
    );
}

#[test]
fn ed25519_members_sign_the_message_itself() {
    let org = Org::new("Org1MSP");
    let request = IssueRequest {
        common_name: "User1".into(),
        key: KeyAlgorithm::Ed25519,
        ..IssueRequest::default()
    };
    let signer = org.request(&request);
    let algorithm = signer.identity().certificate().key().algorithm();
    assert_eq!(algorithm, KeyAlgorithm::Ed25519);
    let signature = signer.sign(b"message").expect("signs");
    assert_eq!(signature.len(), 64, "no DER");
    signer
        .identity()
        .verify(b"message", &signature)
        .expect("verifies");
    assert!(signer.identity().verify(b"Message", &signature).is_err());

    // Both versions of the MSP know the certificate, one of them takes it.
    let old = org.msp();
    let identity = old.identity(signer.serialized()).expect("chains");
    assert!(matches!(
        old.validate(&identity),
        Err(MspError::UnsupportedKey(_))
    ));
    let new = Msp::with_version(old.config(), crate::MspVersion::V3_0).expect("sets up");
    let identity = new.identity(signer.serialized()).expect("chains");
    assert_eq!(new.validate(&identity), Ok(()));

    let other = IssueRequest {
        key: KeyAlgorithm::P384,
        ..request
    };
    let ca = Ca::new("ca.example.com", "example.com", None).expect("a CA");
    assert!(matches!(ca.issue(&other), Err(MspError::UnsupportedKey(_))));
    let seeded = || {
        let ca = Ca::new("ca.example.com", "example.com", Some(Seed::new(b"seed"))).expect("a CA");
        let request = IssueRequest {
            common_name: "User1".into(),
            key: KeyAlgorithm::Ed25519,
            ..IssueRequest::default()
        };
        ca.issue(&request).expect("issues").key_pem
    };
    assert_eq!(seeded(), seeded(), "the same key from the same seed");
}
