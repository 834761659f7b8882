//! The words of Fabric's `common/configtx` and `common/channelconfig`: administrators and tools look for them.

use fabric_protos::common::{Capabilities, Capability, ConfigGroup, ConfigUpdate, ConfigValue};
use fabric_protos::orderer::{BatchSize, BatchTimeout};
use prost::Message;

use super::{Case, org};

/// What the channel says to an update that `change` was made to after it was computed from an anchor peer's.
fn told(change: impl Fn(&mut ConfigUpdate)) -> String {
    let case = Case::new();
    let mut update = case.update(|root| {
        let entry = ConfigValue {
            mod_policy: "Admins".into(),
            ..ConfigValue::default()
        };
        org(root, "Application", "Org1MSP")
            .values
            .insert("AnchorPeers".into(), entry);
    });
    change(&mut update);
    let refused = case.propose(&update, &[&case.consortium.client(0)]);
    refused.expect_err("refused").to_string()
}

fn read(update: &mut ConfigUpdate) -> &mut ConfigGroup {
    org(
        update.read_set.as_mut().expect("is there"),
        "Application",
        "Org1MSP",
    )
}

fn write(update: &mut ConfigUpdate) -> &mut ConfigGroup {
    org(
        update.write_set.as_mut().expect("is there"),
        "Application",
        "Org1MSP",
    )
}

#[test]
fn of_updates_that_do_not_fit() {
    const AT: &str = "/Channel/Application/Org1MSP";
    assert_eq!(
        told(|_| {}),
        format!(
            "error authorizing update: error validating DeltaSet: policy for [Group]  {AT} not satisfied: signature set did not satisfy policy"
        )
    );
    assert_eq!(
        told(|update| update.channel_id = "other".into()),
        "error authorizing update: ConfigUpdate for channel 'other' but envelope for channel 'mychannel'"
    );
    assert_eq!(
        told(|update| read(update).version = 5),
        format!(
            "error authorizing update: error validating ReadSet: proposed update requires that key [Group]  {AT} be at version 5, but it is currently at version 0"
        )
    );
    assert_eq!(
        told(|update| drop(read(update).values.insert("Gone".into(), ConfigValue::default()))),
        format!(
            "error authorizing update: error validating ReadSet: existing config does not contain element for [Value]  {AT}/Gone but was in the read set"
        )
    );
    assert_eq!(
        told(|update| drop(
            read(update)
                .groups
                .insert("no/name".into(), ConfigGroup::default())
        )),
        "error authorizing update: error mapping ReadSet: initializing channelconfig failed: could not create channel Application sub-group config: illegal characters in key: config ID 'no/name' contains illegal characters"
    );
    assert_eq!(
        told(|update| update.write_set = update.read_set.clone()),
        "error authorizing update: error validating DeltaSet: delta set was empty -- update would have no effect"
    );
    assert_eq!(
        told(|update| write(update).version = 7),
        format!(
            "error authorizing update: error validating DeltaSet: attempt to set key [Group]  {AT} to version 7, but key is at version 0"
        )
    );
    assert_eq!(
        told(|update| write(update).mod_policy.clear()),
        format!(
            "error authorizing update: error validating DeltaSet: invalid mod_policy for element [Group]  {AT}: mod_policy not set"
        )
    );
    assert_eq!(
        told(|update| write(update).mod_policy = "Admins/..".into()),
        format!(
            "error authorizing update: error validating DeltaSet: invalid mod_policy for element [Group]  {AT}: path element at 1 is invalid: name '..' for config ID is not allowed"
        )
    );
    let new = |version| ConfigValue {
        version,
        mod_policy: "Admins".into(),
        ..ConfigValue::default()
    };
    // A group's version moves with its members, so the group is the first element whose policy is asked.
    assert_eq!(
        told(|update| {
            write(update).version = 0;
            write(update).values.insert("AnchorPeers".into(), new(3));
        }),
        format!(
            "error authorizing update: error validating DeltaSet: attempted to set key [Value]  {AT}/AnchorPeers to version 3, but key does not exist"
        )
    );
}

#[test]
fn of_a_majority_that_is_none() {
    let case = Case::new();
    let update = case.update(|root| {
        root.groups
            .get_mut("Application")
            .expect("is there")
            .groups
            .remove("Org3MSP");
    });
    let refused = case.propose(&update, &[&case.consortium.admin(0)]);
    assert_eq!(
        refused.expect_err("refused").to_string(),
        "error authorizing update: error validating DeltaSet: policy for [Group]  /Channel/Application not satisfied: \
         implicit policy evaluation failed - 1 sub-policies were satisfied, but this policy requires 2 of the 'Admins' sub-policies to be satisfied"
    );
}

#[test]
fn of_results_that_nobody_could_use() {
    let case = Case::new();
    let admins = [0, 1, 2].map(|index| case.consortium.admin(index));
    let orderer = case.consortium.orderer.user_identity("Admin").expect("loads");
    let everybody: Vec<_> = admins.iter().chain([&orderer]).collect();
    let told = |change: &dyn Fn(&mut ConfigGroup)| {
        let refused = case.propose(&case.update(change), &everybody);
        refused.expect_err("refused").to_string()
    };
    fn value<'a>(root: &'a mut ConfigGroup, group: &str, name: &str) -> &'a mut Vec<u8> {
        let group = root.groups.get_mut(group).expect("is there");
        &mut group.values.get_mut(name).expect("is there").value
    }
    let size = |messages, absolute, preferred| {
        BatchSize {
            max_message_count: messages,
            absolute_max_bytes: absolute,
            preferred_max_bytes: preferred,
        }
        .encode_to_vec()
    };
    let orderer_says =
        "initializing channelconfig failed: could not create channel Orderer sub-group config: ";
    for (sizes, reason) in [
        (
            (0, 9, 9),
            "Attempted to set the batch size max message count to an invalid value: 0",
        ),
        (
            (9, 0, 9),
            "Attempted to set the batch size absolute max bytes to an invalid value: 0",
        ),
        (
            (9, 9, 0),
            "Attempted to set the batch size preferred max bytes to an invalid value: 0",
        ),
        (
            (9, 7, 9),
            "Attempted to set the batch size preferred max bytes (9) greater than the absolute max bytes (7).",
        ),
    ] {
        let said = told(&|root| *value(root, "Orderer", "BatchSize") = size(sizes.0, sizes.1, sizes.2));
        assert_eq!(said, format!("{orderer_says}{reason}"));
    }
    let said = told(&|root| {
        let timeout = BatchTimeout {
            timeout: "-2s".into(),
        };
        *value(root, "Orderer", "BatchTimeout") = timeout.encode_to_vec();
    });
    assert!(
        said.starts_with(&format!(
            "{orderer_says}Attempted to set the batch timeout to a invalid value: "
        )),
        "{said}"
    );
    let said = told(&|root| drop(root.groups.remove("Application")));
    assert_eq!(
        said,
        "current config has application section, but new config does not"
    );
    let said = told(&|root| {
        let other = org(root, "Application", "Org2MSP").values["MSP"].value.clone();
        let application = root.groups.get_mut("Application").expect("is there");
        application.groups.remove("Org2MSP");
        org(root, "Application", "Org1MSP")
            .values
            .get_mut("MSP")
            .expect("is there")
            .value = other;
    });
    assert_eq!(
        said,
        "application org Org1MSP attempted to change MSP ID from Org1MSP to Org2MSP"
    );
    let said = told(&|root| {
        drop(root.values.insert(
            "Unknown".into(),
            ConfigValue {
                mod_policy: "Admins".into(),
                ..ConfigValue::default()
            },
        ))
    });
    assert_eq!(
        said,
        "initializing channelconfig failed: failed to deserialize values: Unexpected key Unknown"
    );
    let said = told(&|root| {
        drop(
            root.groups
                .get_mut("Orderer")
                .expect("is there")
                .values
                .remove("Capabilities"),
        )
    });
    assert_eq!(
        said,
        "initializing channelconfig failed: cannot enable channel capabilities without orderer support first"
    );
    let said = told(&|root| {
        let msp = &mut org(root, "Application", "Org1MSP")
            .values
            .get_mut("MSP")
            .expect("is there")
            .value;
        msp.truncate(msp.len() / 2);
    });
    assert!(
        said.starts_with(
            "initializing channelconfig failed: could not create channel Application sub-group config: "
        ),
        "{said}"
    );
}

#[test]
fn of_capabilities_that_are_not_supported() {
    let case = Case::new();
    let with = |group: &'static str| {
        let admins = [0, 1, 2].map(|index| case.consortium.admin(index));
        let orderer = case.consortium.orderer.user_identity("Admin").expect("loads");
        let everybody: Vec<_> = admins.iter().chain([&orderer]).collect();
        let update = case.update(|root| {
            let capabilities = [
                ("V2_0".to_owned(), Capability {}),
                ("V9_9".to_owned(), Capability {}),
            ]
            .into();
            let group = match group {
                "" => root,
                name => root.groups.get_mut(name).expect("is there"),
            };
            group.values.get_mut("Capabilities").expect("is there").value =
                Capabilities { capabilities }.encode_to_vec();
        });
        let envelope = case
            .propose(&update, &everybody)
            .expect("a configuration for others");
        let next = case.bundle.apply_update(&envelope).expect("reads");
        let told = |result: Result<(), crate::ChannelError>| result.err().map(|error| error.to_string());
        (
            told(next.capabilities().check_orderer()),
            told(next.capabilities().check_peer()),
        )
    };
    let text = |level: &str| Some(format!("{level} capability V9_9 is required but not supported"));
    assert_eq!(with(""), (text("Channel"), text("Channel")));
    assert_eq!(with("Orderer"), (text("Orderer"), None), "peers do not order");
    assert_eq!(
        with("Application"),
        (None, text("Application")),
        "the orderer does not validate"
    );
}
