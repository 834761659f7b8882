//! The collections of the four organisations, and who endorses what.

use super::*;
use OrganisationRole::{Custodian, Payer, Regulator};

fn organisation(msp_id: &str, roles: &[OrganisationRole]) -> Organisation {
    Organisation {
        msp_id: msp_id.into(),
        roles: roles.iter().copied().collect(),
    }
}

fn health() -> Consortium {
    Consortium {
        id: "careledger".into(),
        channel: "health".into(),
        chaincode: "careledger".into(),
        organisations: vec![
            organisation("HospitalMSP", &[Custodian]),
            organisation("ClinicMSP", &[Custodian]),
            organisation("InsurerMSP", &[Payer]),
            organisation("RegulatorMSP", &[Regulator]),
        ],
        policy: Policy::default(),
    }
}

#[test]
fn renders_the_declared_collections() {
    let names: Vec<String> = health().collections().into_iter().map(|c| c.name).collect();
    assert_eq!(
        names,
        [
            "care_ClinicMSP",
            "care_HospitalMSP",
            "log",
            "pair_InsurerMSP_ClinicMSP",
            "pair_InsurerMSP_HospitalMSP",
            "payer_InsurerMSP"
        ]
    );
    let care = health().collection("care_HospitalMSP").unwrap().to_json();
    assert_eq!(care["policy"], "OR('HospitalMSP.member','RegulatorMSP.member')");
    assert_eq!(
        care["endorsementPolicy"]["signaturePolicy"],
        "OR('HospitalMSP.peer','RegulatorMSP.peer')"
    );
    assert_eq!(
        (
            care["memberOnlyRead"].as_bool(),
            care["requiredPeerCount"].as_u64()
        ),
        (Some(false), Some(0))
    );
}

#[test]
fn refuses_what_cannot_guard_a_write_once_key() {
    assert_eq!(health().validate(), Ok(()));
    let mut alone = health();
    alone.organisations.retain(|o| o.msp_id != "RegulatorMSP");
    assert!(alone.validate().is_err());
    alone.organisations[0].roles.insert(Regulator);
    assert!(alone.validate().is_err(), "the hospital would guard its own keys");
    let mut twice = health();
    twice.organisations.push(organisation("ClinicMSP", &[Payer]));
    assert!(twice.validate().is_err());
    let mut underscore = health();
    underscore.organisations[0].msp_id = "Hospital_MSP".into();
    assert!(underscore.validate().is_err());
}

#[test]
fn says_who_endorses() {
    let consortium = health();
    let care = Parties {
        custodian: Some("HospitalMSP"),
        ..Parties::default()
    };
    let pair = Parties {
        payer: Some("InsurerMSP"),
        provider: Some("HospitalMSP"),
        ..Parties::default()
    };
    let any = |list: &[&str]| Endorsers::Any(list.iter().map(|s| (*s).to_owned()).collect());
    assert_eq!(
        consortium.endorsers("consent", "access", &care).unwrap(),
        any(&["HospitalMSP", "RegulatorMSP"])
    );
    assert_eq!(
        consortium.endorsers("consent", "release", &care).unwrap(),
        any(&["HospitalMSP"])
    );
    assert_eq!(
        consortium.endorsers("claims", "submitClaim", &pair).unwrap(),
        any(&["HospitalMSP"]),
        "it reads what the payer must not know"
    );
    assert_eq!(
        consortium.endorsers("claims", "submitAttachment", &pair).unwrap(),
        any(&["HospitalMSP", "InsurerMSP"])
    );
    assert_eq!(
        consortium.endorsers("claims", "adjudicate", &pair).unwrap(),
        any(&["InsurerMSP"])
    );
    assert_eq!(
        consortium.endorsers("record", "anchor", &care).unwrap(),
        Endorsers::ChannelPolicy
    );
    assert!(consortium.endorsers("consent", "access", &pair).is_err());
    assert!(consortium.endorsers("consent", "nothing", &care).is_err());
    let insurer = Parties {
        custodian: Some("InsurerMSP"),
        ..Parties::default()
    };
    assert!(consortium.endorsers("consent", "access", &insurer).is_err());
}
