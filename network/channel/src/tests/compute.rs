//! The update that Fabric's own `configtxlator compute_update` makes, for a change of everything at once: an organisation
//! comes and one goes, a policy, a modification policy and a value change.

use fabric_protos::common::{Config, ConfigUpdate};
use prost::Message;

use crate::{ChannelError, compute_update};

fn bytes(hexadecimal: &str) -> Vec<u8> {
    hex::decode(hexadecimal.trim()).expect("hex")
}

#[test]
fn as_configtxlator_computes_it() {
    let original = bytes(include_str!("vectors/configtxlator-original.hex"));
    let updated = bytes(include_str!("vectors/configtxlator-updated.hex"));
    let expected = bytes(include_str!("vectors/configtxlator-update.hex"));
    let original = Config::decode(original.as_slice()).expect("decodes");
    let updated = Config::decode(updated.as_slice()).expect("decodes");
    let expected = ConfigUpdate::decode(expected.as_slice()).expect("decodes");
    let computed = compute_update("mychannel", &original, &updated).expect("differs");
    assert_eq!(computed.read_set, expected.read_set);
    assert_eq!(computed.write_set, expected.write_set);
    assert_eq!(computed, expected);
    let same = compute_update("mychannel", &original, &original);
    assert_eq!(same, Err(ChannelError::NoDifference));
}
