use fabric_msp::{SigningIdentity, ca::Ca, ca::IssueRequest, ca::Kind};
use fabric_protos::common::{Config, ConfigEnvelope, ConfigGroup, ConfigValue, OrdererAddresses};
use prost::Message;

use super::{Case, org};
use crate::{ChannelError, anchor_peers, compute_update, sign_update};

fn set_anchor_peers(root: &mut ConfigGroup) {
    let value = anchor_peers(&[("peer0.org1.example.com".into(), 7051)]).encode_to_vec();
    let entry = ConfigValue {
        version: 0,
        value,
        mod_policy: "Admins".into(),
    };
    org(root, "Application", "Org1MSP")
        .values
        .insert("AnchorPeers".into(), entry);
}

fn set_max_messages(root: &mut ConfigGroup) {
    let orderer = root.groups.get_mut("Orderer").expect("is there");
    let size = fabric_protos::orderer::BatchSize {
        max_message_count: 7,
        absolute_max_bytes: 70,
        preferred_max_bytes: 7,
    };
    orderer.values.get_mut("BatchSize").expect("is there").value = size.encode_to_vec();
}

#[test]
fn an_organisation_sets_its_anchor_peers() {
    let case = Case::new();
    let update = case.update(set_anchor_peers);
    let refused = case.propose(&update, &[&case.consortium.admin(1)]);
    assert!(
        matches!(refused, Err(ChannelError::Unauthorized { .. })),
        "another organisation's admin"
    );
    let refused = case.propose(&update, &[&case.consortium.client(0)]);
    assert!(
        matches!(refused, Err(ChannelError::Unauthorized { .. })),
        "no admin"
    );

    let envelope = case
        .propose(&update, &[&case.consortium.admin(0)])
        .expect("is allowed");
    let next = case.bundle.apply_update(&envelope).expect("applies");
    assert_eq!(next.sequence(), 1);
    assert_eq!(
        next.application_orgs()[0].anchor_peers[0].host,
        "peer0.org1.example.com"
    );
    let mut root = next.config().channel_group.clone().expect("is there");
    let changed = org(&mut root, "Application", "Org1MSP");
    assert_eq!((changed.version, changed.values["AnchorPeers"].version), (1, 0));
    assert_eq!(root.version, 0);
    let again = next.propose_update(envelope.last_update.as_ref().expect("is there"));
    assert!(
        matches!(again, Err(ChannelError::Update(_))),
        "the same update does not fit twice"
    );
}

#[test]
fn an_envelope_must_be_what_its_update_makes() {
    let case = Case::new();
    let envelope = case
        .propose(&case.update(set_anchor_peers), &[&case.consortium.admin(0)])
        .expect("is allowed");
    let change = |change: &dyn Fn(&mut ConfigEnvelope)| {
        let mut changed = envelope.clone();
        change(&mut changed);
        case.bundle.apply_update(&changed).map(|_| ())
    };
    assert_eq!(change(&|_| {}), Ok(()));
    assert!(change(&|envelope| envelope.last_update = None).is_err());
    assert!(change(&|envelope| envelope.config = None).is_err());
    assert!(change(&|envelope| envelope.config.as_mut().expect("is there").sequence = 2).is_err());
    let smuggled = change(&|envelope| {
        set_max_messages(
            envelope
                .config
                .as_mut()
                .and_then(|config| config.channel_group.as_mut())
                .expect("is there"),
        );
    });
    assert!(
        matches!(smuggled, Err(ChannelError::Update(_))),
        "a change that the update does not make"
    );
}

#[test]
fn each_element_has_its_own_guard() {
    let case = Case::new();
    let orderer_admin = case.consortium.orderer.user_identity("Admin").expect("loads");
    let (one, two) = (case.consortium.admin(0), case.consortium.admin(1));
    let limits = case.update(set_max_messages);
    assert!(
        case.propose(&limits, &[&one, &two]).is_err(),
        "the applications do not set the orderer's limits"
    );
    let next = case
        .propose(&limits, &[&orderer_admin])
        .expect("the orderer does");
    let next = case.bundle.apply_update(&next).expect("applies");
    assert_eq!(next.orderer_config().batch_size.max_message_count, 7);

    let addresses = case.update(|root| {
        let value = OrdererAddresses {
            addresses: vec!["elsewhere:1".into()],
        }
        .encode_to_vec();
        root.values.get_mut("OrdererAddresses").expect("is there").value = value;
    });
    assert!(
        case.propose(&addresses, &[&orderer_admin]).is_ok(),
        "its mod_policy is an absolute path"
    );
    let policy = case.update(|root| {
        root.groups
            .get_mut("Application")
            .expect("is there")
            .policies
            .get_mut("Readers")
            .expect("is there")
            .mod_policy = "/Channel/Application/Writers".into();
    });
    assert!(
        case.propose(&policy, &[&one]).is_err(),
        "one of three is no majority"
    );
    assert!(case.propose(&policy, &[&one, &two]).is_ok());
    let algorithm = case.update(|root| root.mod_policy = "/Channel/Application/Admins".into());
    assert!(
        case.propose(&algorithm, &[&one, &two]).is_err(),
        "the channel itself also needs the orderer"
    );
    assert!(case.propose(&algorithm, &[&one, &two, &orderer_admin]).is_ok());
}

#[test]
fn organisations_come_and_go() {
    let case = Case::new();
    let (one, two) = (case.consortium.admin(0), case.consortium.admin(1));
    let remove = case.update(|root| {
        root.groups
            .get_mut("Application")
            .expect("is there")
            .groups
            .remove("Org3MSP");
    });
    assert!(case.propose(&remove, &[&case.consortium.admin(2)]).is_err());
    let envelope = case.propose(&remove, &[&one, &two]).expect("a majority may");
    let smaller = case.bundle.apply_update(&envelope).expect("applies");
    assert_eq!(smaller.application_orgs().len(), 2);
    assert!(smaller.msps().msp("Org3MSP").is_none());
    assert!(
        smaller
            .msps()
            .identity(case.consortium.client(2).serialized())
            .is_err()
    );

    let former = case
        .bundle
        .config()
        .channel_group
        .clone()
        .expect("is there")
        .groups["Application"]
        .groups["Org3MSP"]
        .clone();
    let mut larger: Config = smaller.config().clone();
    let root = larger.channel_group.as_mut().expect("is there");
    root.groups
        .get_mut("Application")
        .expect("is there")
        .groups
        .insert("Org3MSP".into(), former);
    let add = compute_update("mychannel", smaller.config(), &larger).expect("differs");
    let envelope = smaller
        .propose_update(&sign_update(&add, &[&one, &two]).expect("signs"))
        .expect("both of two");
    let larger = smaller.apply_update(&envelope).expect("applies");
    assert_eq!((larger.application_orgs().len(), larger.sequence()), (3, 2));
}

#[test]
fn results_that_nobody_could_use_are_refused() {
    let case = Case::new();
    let admins = [0, 1, 2].map(|index| case.consortium.admin(index));
    let orderer_admin = case.consortium.orderer.user_identity("Admin").expect("loads");
    let everybody: Vec<&SigningIdentity> = admins.iter().chain([&orderer_admin]).collect();
    let refused = |change: &dyn Fn(&mut ConfigGroup)| {
        let update = case.update(change);
        assert!(case.propose(&update, &everybody).is_err());
    };
    refused(&|root| {
        root.groups
            .get_mut("Orderer")
            .expect("is there")
            .values
            .get_mut("BatchTimeout")
            .expect("is there")
            .value
            .clear()
    });
    refused(&|root| {
        root.groups.remove("Application");
    });
    refused(&|root| {
        root.groups.remove("Orderer");
    });
    refused(&|root| {
        org(root, "Application", "Org1MSP")
            .values
            .get_mut("MSP")
            .expect("is there")
            .value
            .clear()
    });
    refused(&|root| {
        let other = org(root, "Application", "Org2MSP").values["MSP"].value.clone();
        org(root, "Application", "Org1MSP")
            .values
            .get_mut("MSP")
            .expect("is there")
            .value = other;
    });
    refused(&|root| {
        root.values.insert(
            "Unknown".into(),
            ConfigValue {
                mod_policy: "Admins".into(),
                ..ConfigValue::default()
            },
        );
    });
    refused(&|root| org(root, "Application", "Org1MSP").mod_policy.clear());
}

#[test]
fn updates_that_do_not_fit() {
    let case = Case::new();
    let admin = case.consortium.admin(0);
    let mut update = case.update(set_anchor_peers);
    update.channel_id = "other".into();
    assert!(matches!(
        case.propose(&update, &[&admin]),
        Err(ChannelError::Update(_))
    ));
    assert!(sign_update(&update, &[]).is_err());
    let same = compute_update("mychannel", case.bundle.config(), case.bundle.config());
    assert_eq!(same, Err(ChannelError::NoDifference));

    let mut stale = case.update(set_anchor_peers);
    org(
        stale.read_set.as_mut().expect("is there"),
        "Application",
        "Org1MSP",
    )
    .version = 5;
    assert!(matches!(
        case.propose(&stale, &[&admin]),
        Err(ChannelError::Update(_))
    ));
    let mut leap = case.update(set_anchor_peers);
    org(
        leap.write_set.as_mut().expect("is there"),
        "Application",
        "Org1MSP",
    )
    .version = 5;
    assert!(matches!(
        case.propose(&leap, &[&admin]),
        Err(ChannelError::Update(_))
    ));

    // A new value without its group's version moving: nobody's policy would have been asked.
    let mut sneaky = case.update(set_anchor_peers);
    org(
        sneaky.write_set.as_mut().expect("is there"),
        "Application",
        "Org1MSP",
    )
    .version = 0;
    assert!(matches!(
        case.propose(&sneaky, &[&case.consortium.client(1)]),
        Err(ChannelError::Update(_))
    ));

    let stranger = Ca::new("ca.org1.example.com", "org1.example.com", None).expect("a CA");
    let request = IssueRequest {
        common_name: "Admin".into(),
        kind: Kind::Admin,
        ..IssueRequest::default()
    };
    let issued = stranger.issue(&request).expect("issues");
    let forged = SigningIdentity::from_pem(
        "Org1MSP",
        issued.certificate_pem.as_bytes(),
        issued.key_pem.as_bytes(),
    );
    let refused = case.propose(&case.update(set_anchor_peers), &[&forged.expect("loads")]);
    assert!(matches!(refused, Err(ChannelError::Unauthorized { .. })));

    let mut damaged = sign_update(&case.update(set_anchor_peers), &[&admin]).expect("signs");
    damaged.payload.truncate(damaged.payload.len() / 2);
    assert!(case.bundle.propose_update(&damaged).is_err());
}
