//! Editing by name: each change alone, in force after the update.

use std::time::Duration;

use fabric_msp::SigningIdentity;
use fabric_msp::cryptogen::{self, Organization};

use super::{Case, Consortium};
use crate::{BatchSizeSpec, Bundle, ChannelError, ConfigEdit, OrgSpec, genesis_block, sign_update};

/// The channel after an edit that everybody has signed.
fn after(case: &Case, change: impl FnOnce(&mut ConfigEdit) -> Result<(), ChannelError>) -> Bundle {
    let mut edit = ConfigEdit::new("mychannel", case.bundle.config().clone()).expect("a tree");
    change(&mut edit).expect("edited");
    let admins = [0, 1, 2].map(|index| case.consortium.admin(index));
    let orderer = case.consortium.orderer.user_identity("Admin").expect("loads");
    let everybody: Vec<&SigningIdentity> = admins.iter().chain([&orderer]).collect();
    let envelope = sign_update(&edit.update().expect("differs"), &everybody).expect("signs");
    let config = case.bundle.propose_update(&envelope).expect("allowed");
    case.bundle.apply_update(&config).expect("applies")
}

#[test]
fn each_change_is_in_force_afterwards() {
    let case = Case::new();
    let root = tempfile::tempdir().expect("a directory");
    let spec = cryptogen::OrgSpec::peers("org4.example.com", "Org4MSP");
    let fourth = Organization::generate(root.path(), &spec, None).expect("generates");

    let next = after(&case, |edit| {
        edit.add_organization(&OrgSpec::new(fourth.msp_config().expect("reads")))?
            .remove_organization("Org3MSP")?
            .set_anchor_peers("Org1MSP", &[("peer0.org1.example.com".into(), 7051)])?
            .set_acl("peer/Propose", Some("Admins"))?
            .set_acl("qscc/GetChainInfo", Some("/Channel/Application/Admins"))?
            .set_acl("event/Block", None)?
            .set_batch_size(BatchSizeSpec {
                max_message_count: 3,
                ..BatchSizeSpec::default()
            })?
            .set_batch_timeout(Duration::from_millis(300))?
            .set_orderer_endpoints("OrdererOrg", &["elsewhere:7050".into()])?
            .set_policy("/Channel/Application", "Endorsement", "ANY Endorsement")?
            .set_policy("/Channel/Application/Org1MSP", "Readers", "OR('Org1MSP.admin')")?
            .set_capabilities("/Channel/Application", ["V2_0"])?;
        Ok(())
    });
    let ids: Vec<&str> = next
        .application_orgs()
        .iter()
        .map(|org| org.msp_id.as_str())
        .collect();
    assert_eq!(ids, ["Org1MSP", "Org2MSP", "Org4MSP"]);
    assert_eq!(next.application_orgs()[0].anchor_peers.len(), 1);
    assert_eq!(next.acl("peer/Propose"), Some("/Channel/Application/Admins"));
    assert_eq!(next.acl("qscc/GetChainInfo"), Some("/Channel/Application/Admins"));
    assert_eq!(
        next.acl("event/Block"),
        Some("/Channel/Application/Readers"),
        "the default"
    );
    let orderer = next.orderer_config();
    assert_eq!(orderer.batch_size.max_message_count, 3);
    assert_eq!(orderer.batch_timeout, Duration::from_millis(300));
    assert_eq!(next.orderer_addresses(), ["elsewhere:7050"]);
    assert!(!next.capabilities().purge_private_data(), "V2_5 is gone");
    let peer =
        [case.consortium.peer(0)].map(|peer| next.msps().identity(peer.serialized()).expect("a member"));
    let one = next.policy("/Channel/Application/Endorsement").expect("is there");
    assert!(
        one.evaluate_identities(&peer).is_ok(),
        "any organisation's endorsement is enough now"
    );
    let readers = next
        .policy("/Channel/Application/Org1MSP/Readers")
        .expect("is there");
    assert!(
        readers.evaluate_identities(&peer).is_err(),
        "peers are no readers now"
    );
    let member = fourth.user_identity("User1").expect("loads");
    assert!(next.msps().valid_identity(member.serialized()).is_ok());
    assert!(
        next.msps()
            .identity(case.consortium.client(2).serialized())
            .is_err()
    );
}

#[test]
fn a_revocation_list_is_in_force_with_its_configuration() {
    let case = Case::new();
    let revoked = case.consortium.client(0);
    let org = &case.consortium.peers[0];
    let list = org
        .ca()
        .expect("the CA")
        .crl(&[revoked.identity().certificate().serial().to_vec()])
        .expect("signed");
    let before = case.bundle.msps().valid_identity(revoked.serialized());
    assert!(before.is_ok(), "and the verdict is remembered");

    let next = after(&case, |edit| {
        edit.add_revocation_list("Org1MSP", list.as_bytes())?
            .add_revocation_list("Org1MSP", list.as_bytes())?;
        assert_eq!(
            edit.msp("Org1MSP")?.revocation_list.len(),
            1,
            "the same list once"
        );
        Ok(())
    });
    let refused = next
        .msps()
        .valid_identity(revoked.serialized())
        .expect_err("revoked");
    assert!(refused.to_string().contains("is revoked"), "{refused}");
    assert!(
        next.msps()
            .valid_identity(case.consortium.admin(0).serialized())
            .is_ok()
    );
    assert!(
        case.bundle.msps().valid_identity(revoked.serialized()).is_ok(),
        "the old rules stay as they were"
    );
}

#[test]
fn what_is_not_there_cannot_be_edited() {
    let block = genesis_block(&Consortium::new().spec()).expect("makes");
    let mut edit = ConfigEdit::of_block(&block).expect("a configuration");
    assert_eq!((edit.channel_id(), edit.sequence()), ("mychannel", 0));
    assert_eq!(edit.update(), Err(ChannelError::NoDifference));
    let none = |result: Result<&mut ConfigEdit, ChannelError>| result.err().map(|error| error.to_string());
    assert_eq!(
        none(edit.remove_organization("Org9MSP")).as_deref(),
        Some("the configuration has no organisation Org9MSP")
    );
    assert!(none(edit.set_anchor_peers("Org9MSP", &[])).is_some());
    assert!(none(edit.add_revocation_list("Org9MSP", b"x")).is_some());
    assert!(none(edit.set_policy("/Elsewhere", "Readers", "ANY Readers")).is_some());
    let text = none(edit.set_policy("/Channel/Application", "Readers", "OR('nobody')"));
    assert!(text.is_some_and(|text| text.contains("/Channel/Application/Readers")));
    assert!(edit.group_mut("/Channel/Application/Org1MSP").is_ok());
    assert!(edit.group_mut("/Channelx").is_err());
    assert_eq!(
        edit.update(),
        Err(ChannelError::NoDifference),
        "a failed change changes nothing"
    );
}
