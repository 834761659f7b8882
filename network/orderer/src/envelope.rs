//! Messages that the orderer signs itself.

use std::time::{SystemTime, UNIX_EPOCH};

use fabric_msp::SigningIdentity;
use fabric_protos::common::{ChannelHeader, Envelope, Header, HeaderType, Payload, SignatureHeader};
use prost::Message;
use prost_types::Timestamp;

use crate::error::OrdererError;

/// Bytes of a nonce.
const NONCE: usize = 24;

/// A signature header of `signer` with a fresh nonce.
pub(crate) fn signature_header(signer: &SigningIdentity) -> Result<SignatureHeader, OrdererError> {
    let mut nonce = vec![0; NONCE];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| OrdererError::Randomness)?;
    Ok(SignatureHeader {
        creator: signer.serialized().to_vec(),
        nonce,
    })
}

/// An envelope of `signer` on a channel, as Fabric's `CreateSignedEnvelope` makes it.
pub(crate) fn signed(
    kind: HeaderType,
    channel_id: &str,
    data: Vec<u8>,
    signer: &SigningIdentity,
) -> Result<Envelope, OrdererError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let channel_header = ChannelHeader {
        r#type: kind as i32,
        channel_id: channel_id.to_owned(),
        timestamp: Some(Timestamp {
            seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            nanos: 0,
        }),
        ..ChannelHeader::default()
    };
    let header = Header {
        channel_header: channel_header.encode_to_vec(),
        signature_header: signature_header(signer)?.encode_to_vec(),
    };
    let payload = Payload {
        header: Some(header),
        data,
    }
    .encode_to_vec();
    let signature = signer.sign(&payload)?;
    Ok(Envelope { payload, signature })
}
