//! Certificates and CAs that follow others.

use super::*;
use crate::certificate::Certificate;
use crate::key::PrivateKey;

fn hospital(directory: &Path) -> Organization {
    let mut spec = OrgSpec::peers("hospital.example.com", "HospitalMSP");
    spec.users
        .push(UserSpec::client("u-7f3a").with_attribute("role", "clinician"));
    spec.nodes[0].sans.push("peer.internal".into());
    Organization::generate(directory, &spec, None).expect("generates")
}

fn msp(organization: &Organization) -> Msp {
    Msp::from_dir(organization.msp_dir(), organization.msp_id()).expect("sets up")
}

fn user(name: &str) -> Member {
    Member::User(name.to_owned())
}

fn contains(certificate: &Certificate, text: &[u8]) -> bool {
    certificate.der().windows(text.len()).any(|window| window == text)
}

#[test]
fn a_renewed_identity_says_the_same_and_its_key_fits() {
    let dir = tempfile::tempdir().expect("a directory");
    let organization = hospital(dir.path());
    for (member, new_key, said) in [
        (user("u-7f3a"), false, &br#""role":"clinician""#[..]),
        (user("u-7f3a"), true, br#""role":"clinician""#),
        (
            Member::Node("peer0".to_owned()),
            true,
            b"peer0.hospital.example.com",
        ),
    ] {
        let renewal = Renewal {
            new_key,
            not_after: None,
        };
        let Renewed { old, new } = organization.renew_identity(&member, renewal).expect("renews");
        assert_ne!(old.serial(), new.serial());
        assert_eq!(old.subject_der(), new.subject_der());
        assert!(contains(&new, said));
        assert_eq!(old.key().bytes() == new.key().bytes(), !new_key);
        let path = organization.member_dir(&member).join("msp");
        assert_eq!(files(&path.join("keystore")), ["priv_sk"]);
        let signer = SigningIdentity::from_msp_dir(path, "HospitalMSP").expect("loads");
        assert_eq!(signer.identity().certificate().der(), new.der());
        let identity = msp(&organization).identity(signer.serialized()).expect("chains");
        assert_eq!(identity.verify(b"m", &signer.sign(b"m").expect("signs")), Ok(()));
    }
    assert_eq!(files(&organization.user_dir("u-7f3a").join("renewed")).len(), 2);
    assert!(
        organization
            .renew_identity(&user("nobody"), Renewal::default())
            .is_err()
    );
}

#[test]
fn an_interrupted_renewal_leaves_a_usable_identity() {
    let dir = tempfile::tempdir().expect("a directory");
    let organization = hospital(dir.path());
    let member = user("User1");
    let keystore = organization.member_dir(&member).join("msp/keystore");
    let new_key = Renewal {
        new_key: true,
        not_after: None,
    };
    // Before the certificate changed: the new key is nobody's.
    let stray = PrivateKey::generate(crate::KeyAlgorithm::P256).expect("a key");
    std::fs::write(keystore.join("next_sk"), stray.to_pem().expect("encodes")).expect("written");
    organization.user_identity("User1").expect("the old pair");
    organization.renew_identity(&member, new_key).expect("renews");
    assert_eq!(files(&keystore), ["priv_sk"]);
    // After it: the old key is still there.
    std::fs::rename(keystore.join("priv_sk"), keystore.join("next_sk")).expect("renamed");
    std::fs::write(keystore.join("priv_sk"), stray.to_pem().expect("encodes")).expect("written");
    organization.user_identity("User1").expect("the new pair");
    organization
        .renew_identity(&member, Renewal::default())
        .expect("renews");
    assert_eq!(files(&keystore), ["priv_sk"]);
    organization.user_identity("User1").expect("a pair");
}

#[test]
fn tls_is_staged_whole_before_it_takes_its_place() {
    let dir = tempfile::tempdir().expect("a directory");
    let organization = hospital(dir.path());
    let member = Member::Node("peer0".to_owned());
    let (tls, ca) = (
        organization.member_tls(&member),
        organization.tls_ca().expect("a CA"),
    );
    assert_eq!(tls.install(), Ok(false));
    let old = tls.certificate().expect("reads");
    let renewal = Renewal {
        new_key: true,
        not_after: Some(old.not_after() + 1),
    };
    let staged = tls.stage(&ca, renewal).expect("staged");
    assert_eq!(tls.stage(&ca, renewal).expect("is there").der(), staged.der());
    assert_eq!(tls.certificate().expect("reads").der(), old.der());
    for name in [&b"peer.internal"[..], b"localhost", &[127, 0, 0, 1]] {
        assert!(contains(&staged, name));
    }
    // Interrupted between key and certificate.
    let directory = organization.node_dir("peer0").join("tls");
    std::fs::rename(directory.join("server.key.staged"), directory.join("server.key")).expect("renamed");
    assert_eq!(tls.install(), Ok(true));
    assert_eq!(files(&directory), ["ca.crt", "server.crt", "server.key"]);
    let material = organization.node_tls("peer0").expect("reads");
    let key = PrivateKey::from_pem(&material.key_pem).expect("a key");
    assert_eq!(key.public().bytes(), staged.key().bytes());
    assert_eq!(tls.certificate().expect("reads").not_after(), old.not_after() + 1);
}

#[test]
fn a_new_tls_key_is_a_new_one_whatever_an_earlier_attempt_left() {
    let dir = tempfile::tempdir().expect("a directory");
    let organization = hospital(dir.path());
    let tls = organization.member_tls(&Member::Node("peer0".to_owned()));
    let ca = organization.tls_ca().expect("a CA");
    let directory = organization.node_dir("peer0").join("tls");
    let key_of = |path: &str| {
        let pem = std::fs::read(directory.join(path)).expect("a key");
        PrivateKey::from_pem(&pem)
            .expect("a key")
            .public()
            .bytes()
            .to_vec()
    };
    let first = tls.certificate().expect("reads");
    let (same_key, new_key) = (
        Renewal::default(),
        Renewal {
            new_key: true,
            not_after: None,
        },
    );
    // One with the old key was staged and never installed; then the key became known.
    tls.stage(&ca, same_key).expect("staged");
    let staged = tls.stage(&ca, new_key).expect("staged anew");
    assert_ne!(staged.key().bytes(), first.key().bytes());
    assert_eq!(key_of("server.key.staged"), staged.key().bytes());
    // The other way round the channel may name it already: it stays.
    assert_eq!(tls.stage(&ca, same_key).expect("is there").der(), staged.der());
    assert_eq!(tls.install(), Ok(true));
    assert_eq!(key_of("server.key"), staged.key().bytes());

    // Broken off between key and certificate: the key is nobody's, and the next certificate, of the old key, does not get it.
    let stray = PrivateKey::generate(crate::KeyAlgorithm::P256).expect("a key");
    let stray = stray.to_pem().expect("encodes");
    std::fs::write(directory.join("server.key.staged"), stray).expect("written");
    tls.stage(&ca, same_key).expect("staged");
    assert_eq!(tls.install(), Ok(true));
    let present = tls.certificate().expect("reads");
    assert_eq!(key_of("server.key"), present.key().bytes());
    assert_eq!(present.key().bytes(), staged.key().bytes());
    assert_eq!(files(&directory), ["ca.crt", "server.crt", "server.key"]);
}

#[test]
fn what_follows_a_certificate_is_valid_for_as_long() {
    let dir = tempfile::tempdir().expect("a directory");
    let organization = hospital(dir.path());
    let span = |certificate: &Certificate| certificate.not_after() - certificate.not_before();
    let (member, day) = (user("u-7f3a"), 86_400);
    let soon = organization
        .user_identity("u-7f3a")
        .expect("loads")
        .identity()
        .certificate()
        .not_before()
        + 30 * day;
    let short = Renewal {
        new_key: false,
        not_after: Some(soon),
    };
    let ten_years = organization.renew_identity(&member, short).expect("renews").old;
    assert!(span(&ten_years) > 3_600 * day);
    // Unasked, thirty days stay thirty days, under another CA as well, and ten years ten years.
    organization.stage_ca().expect("staged");
    assert_eq!(organization.switch_ca(), Ok(true));
    for member in organization.members_of_other_cas().expect("listed") {
        let Renewed { old, new } = organization
            .renew_identity(&member, Renewal::default())
            .expect("renews");
        assert_eq!(span(&new), span(&old), "{member:?}");
        assert!(new.not_after() >= old.not_after(), "{member:?}");
    }
    let tls = organization.member_tls(&member);
    let old = tls.certificate().expect("reads");
    let ca = organization.tls_ca().expect("a CA");
    let staged = tls.stage(&ca, Renewal::default()).expect("staged");
    assert_eq!(span(&staged), span(&old));
}

#[test]
fn who_was_revoked_gets_nothing_unasked_and_who_is_present_is_not_revoked() {
    let dir = tempfile::tempdir().expect("a directory");
    let organization = hospital(dir.path());
    let everybody = organization.members().expect("listed");
    assert_eq!(organization.members_that_count().expect("listed"), everybody);

    // A renewal that broke off has filed away what is still in place.
    let identity = organization.user_identity("User1").expect("loads");
    let present = identity.identity().certificate().clone();
    let renewed = organization.user_dir("User1").join("renewed");
    std::fs::create_dir(&renewed).expect("made");
    std::fs::write(renewed.join("present.pem"), present.pem()).expect("written");
    assert_eq!(organization.revoke_renewed(&everybody), Ok(None));
    organization
        .renew_identity(&user("User1"), Renewal::default())
        .expect("renews");
    assert!(organization.revoke_renewed(&everybody).expect("a list").is_some());
    assert_eq!(organization.members_that_count().expect("listed"), everybody);

    // A list that somebody else made names another user's present identity.
    let gone = organization.user_identity("u-7f3a").expect("loads");
    let serial = gone.identity().certificate().serial().to_vec();
    let list = organization.ca().expect("a CA").crl(&[serial]).expect("a list");
    std::fs::write(organization.msp_dir().join("crls/by-hand.pem"), list).expect("written");
    let count = organization.members_that_count().expect("listed");
    assert_eq!(count.len(), everybody.len() - 1);
    assert!(!count.contains(&user("u-7f3a@hospital.example.com")), "{count:?}");

    // Neither the CA's successor nor the one after that gives it another, and it keeps no CA from being retired.
    for _ in 0..2 {
        organization.stage_ca().expect("staged");
        assert_eq!(organization.switch_ca(), Ok(true));
        let others = organization.members_of_other_cas().expect("listed");
        assert_eq!(others, count);
        for member in &others {
            organization
                .renew_identity(member, Renewal::default())
                .expect("renews");
        }
        assert_eq!(organization.retire_ca(), Ok(true));
    }
    let still = organization.user_identity("u-7f3a").expect("loads");
    assert_eq!(still.serialized(), gone.serialized());
}

#[test]
fn one_ca_follows_another() {
    let dir = tempfile::tempdir().expect("a directory");
    let organization = hospital(dir.path());
    let old = organization.user_identity("User1").expect("loads");
    assert_eq!(organization.switch_ca(), Ok(false));
    assert_eq!(organization.retire_ca(), Ok(false));
    let next = organization.stage_ca().expect("staged");
    assert_eq!(organization.stage_ca().expect("is there").der(), next.der());
    assert_eq!(next.common_name(), "ca.hospital.example.com");
    assert_eq!(organization.switch_ca(), Ok(true));
    assert_eq!(organization.stage_ca().expect("is in place").der(), next.der());
    let left = organization.members_of_other_cas().expect("listed");
    assert_eq!(left.len(), 4, "{left:?}");
    let refused = organization.retire_ca().expect_err("they are in use").to_string();
    assert!(refused.contains("4 identities of HospitalMSP"), "{refused}");
    for member in &left {
        organization
            .renew_identity(member, Renewal::default())
            .expect("renews");
    }
    let new = organization.user_identity("User1").expect("loads");
    let both = msp(&organization);
    for signer in [&old, &new] {
        let identity = both.identity(signer.serialized()).expect("chains");
        let client = role_principal("HospitalMSP", Role::Client);
        assert_eq!(both.satisfies(&identity, &client), Ok(()));
    }
    // A list of the new CA names what was renewed under it alone.
    let everybody = organization.members().expect("listed");
    assert_eq!(organization.revoke_renewed(&everybody), Ok(None));

    assert_eq!(organization.retire_ca(), Ok(true));
    let alone = msp(&organization);
    let judge = |signer: &SigningIdentity| {
        alone
            .identity(signer.serialized())
            .and_then(|identity| alone.validate(&identity))
    };
    assert!(judge(&old).is_err());
    assert_eq!(judge(&new), Ok(()));
    assert_eq!(organization.previous_ca().map(|ca| ca.is_some()), Ok(false));

    organization
        .renew_identity(&user("User1"), Renewal::default())
        .expect("renews");
    assert!(organization.revoke_renewed(&everybody).expect("a list").is_some());
    let strict = msp(&organization);
    let identity = strict.identity(new.serialized()).expect("chains");
    assert!(matches!(
        strict.validate(&identity),
        Err(MspError::Revoked { .. })
    ));
}

#[test]
fn every_certificate_that_can_expire_is_listed() {
    let dir = tempfile::tempdir().expect("a directory");
    let organization = hospital(dir.path());
    let listed = organization.certificates().expect("listed");
    let count = |purpose| listed.iter().filter(|held| held.purpose == purpose).count();
    assert_eq!((count(Purpose::Authority), count(Purpose::TlsAuthority)), (1, 1));
    assert_eq!((count(Purpose::Identity), count(Purpose::Tls)), (4, 4));
    organization.stage_ca().expect("staged");
    assert_eq!(
        organization.certificates().expect("listed").len(),
        listed.len() + 1
    );
}
