use fabric_protos::common::msp_identity_anonymity::MspIdentityAnonymityType;
use fabric_protos::common::msp_principal::Classification;
use fabric_protos::common::{CombinedPrincipal, MspIdentityAnonymity, MspPrincipal, OrganizationUnit};
use fabric_protos::msp::FabricOuIdentifier;
use prost::Message;

use super::{Org, member};
use crate::ca::{Ca, IssueRequest, Kind};
use crate::policy::{Role, role_principal};
use crate::{Msp, MspError};

fn request(name: &str, kind: Kind) -> IssueRequest {
    IssueRequest {
        common_name: name.to_owned(),
        kind,
        ..IssueRequest::default()
    }
}

#[test]
fn roles_come_from_units() {
    let org = Org::new("A");
    let msp = org.msp();
    let roles = [Role::Client, Role::Peer, Role::Admin, Role::Orderer];
    for (kind, own) in [Kind::Client, Kind::Peer, Kind::Admin, Kind::Orderer]
        .into_iter()
        .zip(roles)
    {
        let identity = msp
            .identity(org.issue(kind, "someone").serialized())
            .expect("known");
        assert_eq!(
            msp.satisfies(&identity, &role_principal("A", Role::Member)),
            Ok(())
        );
        for role in roles {
            let verdict = msp.satisfies(&identity, &role_principal("A", role));
            assert_eq!(verdict.is_ok(), role == own, "{kind:?} as {role:?}: {verdict:?}");
        }
        assert!(
            msp.satisfies(&identity, &role_principal("B", Role::Member))
                .is_err()
        );
    }
}

#[test]
fn exactly_one_role_unit() {
    let org = Org::new("A");
    let msp = org.msp();
    let without = org.issue(Kind::Tls, "no role");
    let identity = msp.identity(without.serialized()).expect("chains");
    assert!(matches!(
        msp.validate(&identity),
        Err(MspError::OrganizationalUnits { .. })
    ));
    assert!(
        msp.satisfies(&identity, &role_principal("A", Role::Member))
            .is_err()
    );
    let both = IssueRequest {
        organizational_units: vec!["peer".into()],
        ..request("two roles", Kind::Client)
    };
    let identity = msp.identity(org.request(&both).serialized()).expect("chains");
    assert!(matches!(
        msp.validate(&identity),
        Err(MspError::OrganizationalUnits { .. })
    ));
    let more = IssueRequest {
        organizational_units: vec!["cardiology".into()],
        ..request("one role", Kind::Client)
    };
    let identity = msp.identity(org.request(&more).serialized()).expect("chains");
    assert_eq!(msp.validate(&identity), Ok(()), "other units are free");
}

#[test]
fn the_clock_does_not_decide_about_membership() {
    let org = Org::new("A");
    let msp = org.msp();
    let expired = IssueRequest {
        not_before: Some(1_800_000_000),
        not_after: Some(1_800_000_100),
        ..request("old", Kind::Client)
    };
    let identity = msp.identity(org.request(&expired).serialized()).expect("chains");
    assert_eq!(msp.validate(&identity), Ok(()));
    assert_eq!(identity.expires_at(), 1_800_000_100);
    let before_the_ca = IssueRequest {
        not_before: Some(1_000_000_000),
        ..request("older than its CA", Kind::Client)
    };
    assert!(matches!(
        msp.identity(org.request(&before_the_ca).serialized()),
        Err(MspError::Untrusted { .. })
    ));
    let never = IssueRequest {
        not_before: Some(10),
        not_after: Some(9),
        ..request("never", Kind::Client)
    };
    assert!(matches!(org.ca.issue(&never), Err(MspError::Issue(_))));
}

#[test]
fn strangers_and_cas_are_no_members() {
    let (org, other) = (Org::new("A"), Org::new("A"));
    let msp = org.msp();
    assert!(matches!(
        msp.identity(other.issue(Kind::Client, "x").serialized()),
        Err(MspError::Untrusted { .. })
    ));
    let root = msp
        .identity(&crate::serialize("A", org.ca.certificate_pem().into_bytes()))
        .expect("it is a root");
    assert!(matches!(msp.validate(&root), Err(MspError::NotAnIdentity(_))));
}

#[test]
fn intermediate_cas_issue_and_their_roots_then_do_not() {
    let mut org = Org::new("A");
    let intermediate = org.ca.intermediate("ica.A", "A").expect("a CA");
    org.config.intermediate_certs = vec![intermediate.certificate_pem().into_bytes()];
    org.config.fabric_node_ous = None;
    org.config.admins = vec![
        member("A", &intermediate, &request("admin", Kind::Admin))
            .identity()
            .certificate_pem()
            .into_bytes(),
    ];
    let msp = Msp::from_config(&org.config).expect("sets up");
    let below = msp
        .identity(member("A", &intermediate, &request("x", Kind::Client)).serialized())
        .expect("chains");
    assert_eq!(msp.validate(&below), Ok(()));
    let direct = msp
        .identity(org.issue(Kind::Client, "y").serialized())
        .expect("chains");
    assert!(
        matches!(msp.validate(&direct), Err(MspError::NotAnIdentity(_))),
        "the root has become an inner node"
    );
    let ca = msp
        .identity(&crate::serialize(
            "A",
            intermediate.certificate_pem().into_bytes(),
        ))
        .expect("chains");
    assert!(matches!(msp.validate(&ca), Err(MspError::NotAnIdentity(_))));
}

#[test]
fn two_chains_are_one_too_many() {
    // The same CA key certified twice: nobody could say which chain issued the member.
    let org = Org::new("A");
    let intermediate = org.ca.intermediate("ica.A", "A").expect("a CA");
    let second_root = Ca::new("ca2.A", "A", None).expect("a CA");
    let cross = second_root.cross_sign(&intermediate).expect("signs");
    let mut config = org.config;
    config.fabric_node_ous = None;
    config.root_certs.push(second_root.certificate_pem().into_bytes());
    config.intermediate_certs = vec![
        intermediate.certificate_pem().into_bytes(),
        cross.pem().into_bytes(),
    ];
    let admin = member("A", &intermediate, &request("admin", Kind::Admin));
    config.admins = vec![admin.identity().certificate_pem().into_bytes()];
    assert!(matches!(
        Msp::from_config(&config),
        Err(MspError::AmbiguousChain { count: 2, .. })
    ));
}

#[test]
fn revocation_is_immediate_and_only_the_issuers() {
    let mut org = Org::new("A");
    let (revoked, kept) = (
        org.issue(Kind::Client, "revoked"),
        org.issue(Kind::Client, "kept"),
    );
    let serial = revoked.identity().certificate().serial().to_vec();
    let forger = Ca::new("ca.A", "A", None).expect("a CA");
    org.config.revocation_list = vec![
        forger
            .crl(std::slice::from_ref(&serial))
            .expect("a list")
            .into_bytes(),
    ];
    let msp = org.msp();
    assert_eq!(
        msp.validate(&msp.identity(revoked.serialized()).expect("chains")),
        Ok(()),
        "not the issuer's list"
    );

    org.config.revocation_list = vec![org.ca.crl(&[serial]).expect("a list").into_bytes()];
    let after = org.msp();
    let identity = after.identity(revoked.serialized()).expect("chains");
    assert!(matches!(after.validate(&identity), Err(MspError::Revoked { .. })));
    assert!(
        after
            .satisfies(&identity, &role_principal("A", Role::Client))
            .is_err()
    );
    assert_eq!(
        after.validate(&after.identity(kept.serialized()).expect("chains")),
        Ok(())
    );
    // An identity parsed under the old configuration is judged by the new one.
    let old = msp.identity(revoked.serialized()).expect("chains");
    assert!(matches!(after.validate(&old), Err(MspError::Revoked { .. })));
}

#[test]
fn listed_units_and_listed_admins_without_node_units() {
    let mut org = Org::new("A");
    org.config.fabric_node_ous = None;
    let nobody = Msp::from_config(&org.config);
    assert!(
        matches!(nobody, Err(MspError::Config { .. })),
        "somebody must be admin"
    );
    let admin = org.issue(Kind::Client, "boss");
    org.config.admins = vec![admin.identity().certificate_pem().into_bytes()];
    let msp = org.msp();
    let (boss, other) = (
        admin.serialized().to_vec(),
        org.issue(Kind::Admin, "unit does not count"),
    );
    let is_admin = |msp: &Msp, serialized: &[u8]| {
        msp.satisfies(
            &msp.identity(serialized).expect("chains"),
            &role_principal("A", Role::Admin),
        )
        .is_ok()
    };
    assert!(is_admin(&msp, &boss));
    assert!(!is_admin(&msp, other.serialized()));
    let client = msp.identity(&boss).expect("chains");
    assert!(
        msp.satisfies(&client, &role_principal("A", Role::Client))
            .is_err(),
        "roles are not told apart"
    );

    org.config.organizational_unit_identifiers = vec![FabricOuIdentifier {
        certificate: org.config.root_certs[0].clone(),
        organizational_unit_identifier: "ward".into(),
    }];
    assert!(
        matches!(
            Msp::from_config(&org.config),
            Err(MspError::OrganizationalUnits { .. })
        ),
        "the admin is not in the ward"
    );
    let nurse = IssueRequest {
        organizational_units: vec!["ward".into()],
        ..request("nurse", Kind::Client)
    };
    let nurse = org.request(&nurse);
    org.config.admins = vec![nurse.identity().certificate_pem().into_bytes()];
    let msp = org.msp();
    assert_eq!(
        msp.validate(&msp.identity(nurse.serialized()).expect("chains")),
        Ok(())
    );
    assert!(msp.validate(&msp.identity(&boss).expect("chains")).is_err());
}

#[test]
fn other_principals() {
    let org = Org::new("A");
    let msp = org.msp();
    let (one, two) = (org.issue(Kind::Client, "one"), org.issue(Kind::Client, "two"));
    let identity = msp.identity(one.serialized()).expect("chains");
    let principal = |kind: Classification, bytes: Vec<u8>| MspPrincipal {
        principal_classification: kind.into(),
        principal: bytes,
    };
    let exact = |who: &[u8]| principal(Classification::Identity, who.to_vec());
    assert_eq!(msp.satisfies(&identity, &exact(one.serialized())), Ok(()));
    assert!(msp.satisfies(&identity, &exact(two.serialized())).is_err());

    let unit = |name: &str, certifiers: &[u8]| {
        let unit = OrganizationUnit {
            msp_identifier: "A".into(),
            organizational_unit_identifier: name.into(),
            certifiers_identifier: certifiers.to_vec(),
        };
        principal(Classification::OrganizationUnit, unit.encode_to_vec())
    };
    let certifiers = identity.certifiers().expect("attached").to_vec();
    let expected = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, org.ca.certificate().der());
    assert_eq!(
        certifiers,
        expected.as_ref(),
        "SHA-256 over the chain without the leaf"
    );
    assert_eq!(msp.satisfies(&identity, &unit("client", &certifiers)), Ok(()));
    assert!(msp.satisfies(&identity, &unit("client", &[0; 32])).is_err());
    assert!(msp.satisfies(&identity, &unit("peer", &certifiers)).is_err());

    let anonymity = |kind: MspIdentityAnonymityType| {
        principal(
            Classification::Anonymity,
            MspIdentityAnonymity {
                anonymity_type: kind.into(),
            }
            .encode_to_vec(),
        )
    };
    assert_eq!(
        msp.satisfies(&identity, &anonymity(MspIdentityAnonymityType::Nominal)),
        Ok(())
    );
    assert!(
        msp.satisfies(&identity, &anonymity(MspIdentityAnonymityType::Anonymous))
            .is_err()
    );

    let combined = |principals: Vec<MspPrincipal>| {
        principal(
            Classification::Combined,
            CombinedPrincipal { principals }.encode_to_vec(),
        )
    };
    let member = role_principal("A", Role::Member);
    assert_eq!(
        msp.satisfies(
            &identity,
            &combined(vec![member.clone(), unit("client", &certifiers)])
        ),
        Ok(())
    );
    assert!(
        msp.satisfies(&identity, &combined(vec![member, unit("peer", &certifiers)]))
            .is_err()
    );
    assert!(msp.satisfies(&identity, &combined(vec![])).is_err());
}

#[test]
fn configurations_that_fabric_refuses() {
    let org = Org::new("A");
    let refused = |change: &dyn Fn(&mut fabric_protos::msp::FabricMspConfig)| {
        let mut config = org.config.clone();
        change(&mut config);
        Msp::from_config(&config).expect_err("must not set up")
    };
    refused(&|config| config.root_certs.clear());
    refused(&|config| config.name.clear());
    refused(&|config| {
        config.root_certs[0] = org
            .issue(Kind::Client, "no CA")
            .identity()
            .certificate_pem()
            .into_bytes()
    });
    refused(&|config| config.revocation_list.push(b"garbage".to_vec()));
    refused(&|config| config.tls_root_certs.push(b"garbage".to_vec()));
    refused(&|config| {
        config
            .intermediate_certs
            .push(Org::new("B").ca.certificate_pem().into_bytes())
    });
    refused(&|config| {
        config.crypto_config = Some(fabric_protos::msp::FabricCryptoConfig {
            signature_hash_family: "SHA3".into(),
            ..Default::default()
        });
    });
    let foreign = Org::new("B").ca.certificate_pem().into_bytes();
    refused(&|config| {
        let units = config.fabric_node_ous.as_mut().expect("is there");
        units
            .client_ou_identifier
            .as_mut()
            .expect("is there")
            .certificate
            .clone_from(&foreign);
    });
}
