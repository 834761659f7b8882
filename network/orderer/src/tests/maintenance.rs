//! What an update may change of the ordering service itself, and in which words it is refused.

use fabric_channel::{ConfigEdit, sign_update};
use fabric_msp::SigningIdentity;
use fabric_protos::common::{Envelope, Status};
use fabric_protos::etcdraft::ConfigMetadata;
use fabric_protos::orderer::{ConsensusType, consensus_type::State};
use prost::Message;

use super::world::{CHANNEL, World, height};
use crate::Orderer;

/// An update by everybody who might have to sign.
fn update(world: &World, orderer: &Orderer, change: impl FnOnce(&mut ConfigEdit)) -> Envelope {
    let bundle = orderer.bundle(CHANNEL).expect("the channel");
    let mut edit = ConfigEdit::new(CHANNEL, bundle.config().clone()).expect("a tree");
    change(&mut edit);
    let signers = [&world.orderer, &world.member].map(|tree| tree.user_identity("Admin").expect("an admin"));
    let signers: Vec<&SigningIdentity> = signers.iter().collect();
    sign_update(&edit.update().expect("an update"), &signers).expect("signed")
}

fn consensus(edit: &mut ConfigEdit, change: impl FnOnce(&mut ConsensusType)) {
    let group = edit.group_mut("/Channel/Orderer").expect("the group");
    let value = group.values.get_mut("ConsensusType").expect("the value");
    let mut kind = ConsensusType::decode(value.value.as_slice()).expect("decodes");
    change(&mut kind);
    value.value = kind.encode_to_vec();
}

async fn refused(world: &World, orderer: &Orderer, change: impl FnOnce(&mut ConfigEdit)) -> String {
    let rejection = orderer
        .broadcast(update(world, orderer, change))
        .await
        .expect_err("refused");
    assert_eq!(rejection.status(), Status::BadRequest);
    rejection.to_string()
}

const INSPECTED: &str = "config update for existing channel did not pass maintenance checks: config transaction inspection failed: ";

#[tokio::test]
async fn consensus_changes_in_maintenance_only_and_not_to_what_this_node_lacks() {
    let world = World::new();
    let orderer = world.start();
    let to_bft = |kind: &mut ConsensusType| kind.r#type = "BFT".into();
    let said = refused(&world, &orderer, |edit| consensus(edit, to_bft)).await;
    assert_eq!(
        said,
        format!(
            "{INSPECTED}attempted to change consensus type from etcdraft to BFT, but current config ConsensusType.State is not in maintenance mode"
        )
    );
    let said = refused(&world, &orderer, |edit| {
        consensus(edit, |kind| kind.state = State::Maintenance.into());
        edit.set_batch_timeout(std::time::Duration::from_secs(9))
            .expect("set");
    })
    .await;
    assert_eq!(
        said,
        format!(
            "{INSPECTED}config update contain more then just the ConsensusType value in the Orderer group"
        )
    );
    let said = refused(&world, &orderer, |edit| {
        consensus(edit, |kind| {
            kind.state = State::Maintenance.into();
            kind.r#type = "BFT".into();
        });
    })
    .await;
    assert_eq!(
        said,
        format!(
            "{INSPECTED}attempted to change ConsensusType.Type from etcdraft to BFT, but ConsensusType.State is changing from STATE_NORMAL to STATE_MAINTENANCE"
        )
    );
    let said = refused(&world, &orderer, |edit| {
        consensus(edit, |kind| {
            let mut metadata = ConfigMetadata::decode(kind.metadata.as_slice()).expect("decodes");
            metadata.consenters.push(metadata.consenters[0].clone());
            kind.metadata = metadata.encode_to_vec();
        });
    })
    .await;
    assert_eq!(
        said,
        format!(
            "{INSPECTED}the number of consenters would change from 1 to 2; this ordering node works alone"
        )
    );

    // Maintenance itself works: members wait until it is over.
    let enter = update(&world, &orderer, |edit| {
        consensus(edit, |kind| kind.state = State::Maintenance.into());
    });
    orderer.broadcast(enter).await.expect("taken");
    height(&orderer, 2).await;
    let waiting = orderer.broadcast(world.message(b"x")).await.expect_err("refused");
    assert_eq!(waiting.status(), Status::ServiceUnavailable);
    assert_eq!(
        waiting.to_string(),
        "normal transactions are rejected: maintenance mode"
    );
    let said = refused(&world, &orderer, |edit| consensus(edit, to_bft)).await;
    assert_eq!(
        said,
        format!(
            "{INSPECTED}attempted to change consensus type from etcdraft to BFT, transition not supported"
        )
    );
    let leave = update(&world, &orderer, |edit| {
        consensus(edit, |kind| kind.state = State::Normal.into());
    });
    orderer.broadcast(leave).await.expect("taken");
    height(&orderer, 3).await;
    orderer.broadcast(world.message(b"x")).await.expect("taken again");
}

#[tokio::test]
async fn capabilities_from_the_future_are_not_ordered() {
    let world = World::new();
    let orderer = world.start();
    for (group, level, name) in [
        ("/Channel", "channel", "Channel"),
        ("/Channel/Orderer", "orderer", "Orderer"),
    ] {
        let said = refused(&world, &orderer, |edit| {
            edit.set_capabilities(group, ["V2_0", "V9_9"]).expect("set");
        })
        .await;
        assert_eq!(
            said,
            format!(
                "error applying config update to existing channel 'health': config update is not compatible: config requires unsupported {level} capabilities: {name} capability V9_9 is required but not supported"
            )
        );
    }
    // The application's capabilities are the peers' business.
    let update = update(&world, &orderer, |edit| {
        edit.set_capabilities("/Channel/Application", ["V2_5", "V9_9"])
            .expect("set");
    });
    orderer.broadcast(update).await.expect("taken");
    height(&orderer, 2).await;
}

#[tokio::test]
async fn an_update_passes_the_filters_before_and_after() {
    let world = World::with(|spec| spec.orderer.batch_size.preferred_max_bytes = 1);
    let orderer = world.start();
    let shrink = |edit: &mut ConfigEdit, max| {
        edit.set_batch_size(fabric_channel::BatchSizeSpec {
            max_message_count: 1,
            absolute_max_bytes: max,
            preferred_max_bytes: 1,
        })
        .expect("set");
    };
    let mut stranger = update(&world, &orderer, |edit| shrink(edit, 5_000));
    stranger.signature = world.stranger.sign(&stranger.payload).expect("signed");
    let rejection = orderer.broadcast(stranger).await.expect_err("refused");
    assert_eq!(rejection.status(), Status::Forbidden);
    assert!(
        rejection
            .to_string()
            .starts_with("config update for existing channel did not pass initial checks: "),
        "{rejection}"
    );
    // Under the new limit no whole configuration fits any more, though an update of it does.
    let small = update(&world, &orderer, |edit| shrink(edit, 8_000));
    orderer.broadcast(small).await.expect("taken");
    height(&orderer, 2).await;
    let next = update(&world, &orderer, |edit| shrink(edit, 9_000));
    let rejection = orderer.broadcast(next).await.expect_err("refused");
    assert_eq!(rejection.status(), Status::BadRequest);
    assert!(
        rejection
            .to_string()
            .starts_with("config update for existing channel did not pass final checks: message payload is "),
        "{rejection}"
    );
}
