mod renewing;

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::policy::{Role, role_principal};

fn files(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut pending = vec![directory.to_path_buf()];
    while let Some(next) = pending.pop() {
        for entry in std::fs::read_dir(&next).expect("reads") {
            let path = entry.expect("reads").path();
            if path.is_dir() {
                pending.push(path);
            } else {
                found.push(path.strip_prefix(directory).expect("below").display().to_string());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn the_tree_is_cryptogens() {
    let dir = tempfile::tempdir().expect("a directory");
    let spec = OrgSpec::peers("org1.example.com", "Org1MSP");
    let organization = Organization::generate(dir.path(), &spec, None).expect("generates");
    let mut expected = vec![
        "ca/ca.org1.example.com-cert.pem".to_owned(),
        "ca/priv_sk".to_owned(),
        "tlsca/tlsca.org1.example.com-cert.pem".to_owned(),
        "tlsca/priv_sk".to_owned(),
    ];
    let verifying = [
        "cacerts/ca.org1.example.com-cert.pem",
        "tlscacerts/tlsca.org1.example.com-cert.pem",
        "config.yaml",
    ];
    expected.extend(verifying.map(|file| format!("msp/{file}")));
    for (member, tls) in [
        ("peers/peer0.org1.example.com", "server"),
        ("users/Admin@org1.example.com", "client"),
        ("users/User1@org1.example.com", "client"),
    ] {
        let name = member.rsplit('/').next().expect("a name");
        expected.extend(verifying.map(|file| format!("{member}/msp/{file}")));
        expected.push(format!("{member}/msp/signcerts/{name}-cert.pem"));
        expected.push(format!("{member}/msp/keystore/priv_sk"));
        expected.extend(
            ["ca.crt".to_owned(), format!("{tls}.crt"), format!("{tls}.key")]
                .map(|file| format!("{member}/tls/{file}")),
        );
    }
    expected.sort();
    assert_eq!(files(organization.directory()), expected);
    assert!(organization.msp_dir().join("admincerts").is_dir());
}

#[test]
fn keys_are_private_and_never_overwritten() {
    let dir = tempfile::tempdir().expect("a directory");
    let spec = OrgSpec::orderers("example.com", "OrdererMSP");
    let organization = Organization::generate(dir.path(), &spec, None).expect("generates");
    let mode = |path: &Path| std::fs::metadata(path).expect("is there").permissions().mode() & 0o777;
    for file in files(organization.directory()) {
        if file.ends_with("priv_sk") || file.ends_with(".key") {
            let path = organization.directory().join(file);
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            assert_eq!(mode(path.parent().expect("a directory")), 0o700);
        }
    }
    let before = std::fs::read(organization.directory().join("ca/priv_sk")).expect("reads");
    assert!(matches!(
        Organization::generate(dir.path(), &spec, None),
        Err(MspError::Io { .. })
    ));
    assert_eq!(
        std::fs::read(organization.directory().join("ca/priv_sk")).expect("reads"),
        before
    );
}

#[test]
fn what_is_written_loads_and_fits() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut spec = OrgSpec::peers("hospital.example.com", "HospitalMSP");
    spec.users
        .push(UserSpec::client("u-7f3a").with_attribute("role", "clinician"));
    spec.nodes[0].sans.push("peer.internal".into());
    generate(dir.path(), &[spec], None).expect("generates");
    let organization = Organization::open(dir.path(), OrgKind::Peer, "hospital.example.com", "HospitalMSP");
    let msp = Msp::from_dir(organization.msp_dir(), "HospitalMSP").expect("sets up");
    assert!(msp.has_node_units());
    for (signer, role) in [
        (organization.node_identity("peer0"), Role::Peer),
        (
            organization.node_identity("peer0.hospital.example.com"),
            Role::Peer,
        ),
        (organization.user_identity("Admin"), Role::Admin),
        (
            organization.user_identity("User1@hospital.example.com"),
            Role::Client,
        ),
        (organization.user_identity("u-7f3a"), Role::Client),
    ] {
        let signer = signer.expect("loads");
        let identity = msp.identity(signer.serialized()).expect("chains");
        assert_eq!(
            msp.satisfies(&identity, &role_principal("HospitalMSP", role)),
            Ok(())
        );
        assert_eq!(identity.verify(b"m", &signer.sign(b"m").expect("signs")), Ok(()));
    }
    let tls = organization.node_tls("peer0").expect("reads");
    let certificate = crate::Certificate::from_pem(&tls.certificate_pem).expect("parses");
    for name in [
        &b"peer.internal"[..],
        b"localhost",
        &[127, 0, 0, 1],
        &std::net::Ipv6Addr::LOCALHOST.octets(),
    ] {
        assert!(certificate.der().windows(name.len()).any(|window| window == name));
    }
    organization
        .add_user(&UserSpec::client("late@hospital.example.com"))
        .expect("issues");
    let late = organization.user_identity("late").expect("loads");
    assert_eq!(
        msp.identity(late.serialized())
            .and_then(|identity| msp.validate(&identity)),
        Ok(())
    );
}

#[test]
fn names_stay_inside_the_tree() {
    let dir = tempfile::tempdir().expect("a directory");
    for name in ["../evil", "", ".hidden", "a/b", "a b"] {
        let mut spec = OrgSpec::peers("org1.example.com", "Org1MSP");
        spec.domain = name.to_owned();
        assert!(
            Organization::generate(dir.path(), &spec, None).is_err(),
            "{name:?}"
        );
    }
}
