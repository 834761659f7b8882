//! Changing a channel's rules.

use fabric_channel::{compute_update, sign_update};
use fabric_protos::common::{
    BlockMetadataIndex, ChannelHeader, ConfigEnvelope, Envelope, HeaderType, Metadata, OrdererBlockMetadata,
    Payload, SignatureHeader, Status,
};
use fabric_protos::orderer::BatchSize;
use prost::Message;

use super::world::{CHANNEL, World, block, contents, height};
use crate::{Cutting, Orderer};

/// An update that sets the number of messages in a block, signed by `signers` of the orderer's organisation.
fn update(world: &World, orderer: &Orderer, count: u32, signer: &str) -> Envelope {
    let bundle = orderer.bundle(CHANNEL).expect("the channel");
    let mut config = bundle.config().clone();
    let root = config.channel_group.as_mut().expect("a root");
    let value = root
        .groups
        .get_mut("Orderer")
        .expect("the group")
        .values
        .get_mut("BatchSize")
        .expect("the value");
    let size = BatchSize {
        max_message_count: count,
        ..BatchSize::decode(value.value.as_slice()).expect("a size")
    };
    value.value = size.encode_to_vec();
    let update = compute_update(CHANNEL, bundle.config(), &config).expect("an update");
    let tree = if signer == "User1" {
        &world.member
    } else {
        &world.orderer
    };
    sign_update(&update, &[&tree.user_identity(signer).expect("a signer")]).expect("signed")
}

fn last_config(orderer: &Orderer, number: u64) -> u64 {
    let block = block(orderer, number);
    let slots = &block.metadata.as_ref().expect("metadata").metadata;
    let metadata =
        Metadata::decode(slots[BlockMetadataIndex::Signatures as usize].as_slice()).expect("a slot");
    let value = OrdererBlockMetadata::decode(metadata.value.as_slice()).expect("a value");
    value.last_config.expect("an index").index
}

#[tokio::test]
async fn an_update_becomes_a_configuration_of_the_orderer() {
    let world = World::new();
    let orderer = world.start();
    orderer.broadcast(world.message(b"before")).await.expect("taken");
    orderer
        .broadcast(update(&world, &orderer, 7, "Admin"))
        .await
        .expect("taken");
    height(&orderer, 3).await;
    orderer.broadcast(world.message(b"after")).await.expect("taken");
    height(&orderer, 4).await;

    let config = block(&orderer, 2);
    let data = config.data.as_ref().expect("data");
    assert_eq!(data.data.len(), 1, "a configuration is alone in its block");
    let envelope = Envelope::decode(data.data[0].as_slice()).expect("an envelope");
    let payload = Payload::decode(envelope.payload.as_slice()).expect("a payload");
    let header = payload.header.expect("a header");
    let channel_header = ChannelHeader::decode(header.channel_header.as_slice()).expect("a channel header");
    assert_eq!(channel_header.r#type, HeaderType::Config as i32);
    let signer = world.orderer.node_identity("orderer").expect("orderer");
    let creator = SignatureHeader::decode(header.signature_header.as_slice())
        .expect("a signature header")
        .creator;
    assert_eq!(creator, signer.serialized());
    signer
        .identity()
        .verify(&envelope.payload, &envelope.signature)
        .expect("signed by the orderer");
    let content = ConfigEnvelope::decode(payload.data.as_slice()).expect("a configuration");
    assert_eq!(content.config.expect("a configuration").sequence, 1);

    assert_eq!([1, 2, 3].map(|number| last_config(&orderer, number)), [0, 2, 2]);
    assert_eq!(
        orderer
            .bundle(CHANNEL)
            .expect("the channel")
            .orderer_config()
            .batch_size
            .max_message_count,
        7
    );

    orderer.close().await;
    drop(orderer);
    let orderer = Orderer::open(world.config(Cutting::Immediate)).expect("opens again");
    let bundle = orderer.bundle(CHANNEL).expect("the channel");
    assert_eq!(
        (
            bundle.sequence(),
            bundle.orderer_config().batch_size.max_message_count
        ),
        (1, 7)
    );
    orderer
        .broadcast(world.message(b"restarted"))
        .await
        .expect("taken");
    height(&orderer, 5).await;
    assert_eq!(last_config(&orderer, 4), 2);
    assert_eq!(contents(&block(&orderer, 4)), [b"restarted"]);
}

#[tokio::test]
async fn of_two_rivals_the_second_is_dropped() {
    let world = World::new();
    let orderer = world.start();
    let (first, second) = (
        update(&world, &orderer, 7, "Admin"),
        update(&world, &orderer, 8, "Admin"),
    );
    orderer.broadcast(first).await.expect("taken");
    // The second was made for the configuration before: refused at once, or dropped by the writer.
    let _ = orderer.broadcast(second).await;
    orderer.broadcast(world.message(b"after")).await.expect("taken");
    height(&orderer, 3).await;
    orderer.close().await;
    let orderer = Orderer::open(world.config(Cutting::Immediate)).expect("opens again");
    assert_eq!(orderer.channels()[0].height, 3);
    assert_eq!(
        orderer
            .bundle(CHANNEL)
            .expect("the channel")
            .orderer_config()
            .batch_size
            .max_message_count,
        7
    );
    assert_eq!(contents(&block(&orderer, 2)), [b"after"]);
}

#[tokio::test]
async fn an_update_needs_the_right_signatures() {
    let world = World::new();
    let orderer = world.start();
    let rejection = orderer
        .broadcast(update(&world, &orderer, 7, "User1"))
        .await
        .expect_err("refused");
    assert_eq!(rejection.status(), Status::BadRequest);
    assert!(
        rejection
            .to_string()
            .starts_with("error applying config update to existing channel 'health': ")
    );
    assert_eq!(orderer.channels()[0].height, 1);
}
