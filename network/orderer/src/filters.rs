//! What a message must satisfy before it is ordered (`orderer/common/msgprocessor` of Fabric).

use std::time::{SystemTime, UNIX_EPOCH};

use fabric_channel::Bundle;
use fabric_msp::Certificate;
use fabric_msp::policy::SignedData;
use fabric_protos::common::{ChannelHeader, Envelope, HeaderType, Payload, SignatureHeader};
use fabric_protos::msp::SerializedIdentity;
use prost::Message;

use crate::cutter::size;
use crate::rejection::Rejection;

/// The policy that senders satisfy.
const WRITERS: &str = "/Channel/Writers";
/// The policy that senders satisfy while the channel is in maintenance.
const ORDERER_WRITERS: &str = "/Channel/Orderer/Writers";

/// What is done with a message, by its header type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Normal,
    ConfigUpdate,
}

/// The channel header of a message.
pub(crate) fn channel_header(message: &Envelope) -> Result<ChannelHeader, Rejection> {
    let unreadable = |text: &str| Rejection::NoChannelHeader(text.to_owned());
    let payload = Payload::decode(message.payload.as_slice())
        .map_err(|error| unreadable(&format!("error unmarshalling Payload: {error}")))?;
    let header = payload.header.ok_or_else(|| unreadable("header not set"))?;
    if header.channel_header.is_empty() {
        return Err(unreadable("channel header not set"));
    }
    ChannelHeader::decode(header.channel_header.as_slice())
        .map_err(|error| unreadable(&format!("error unmarshalling channel header: {error}")))
}

/// How a message of this header type is processed.
pub(crate) fn classify(header: &ChannelHeader) -> Result<Class, Rejection> {
    match HeaderType::try_from(header.r#type) {
        Ok(HeaderType::ConfigUpdate) => Ok(Class::ConfigUpdate),
        Ok(HeaderType::Config) => Err(Rejection::NotDirectly),
        Ok(HeaderType::OrdererTransaction) => Err(Rejection::Unsupported),
        _ => Ok(Class::Normal),
    }
}

/// Applies the filters in Fabric's order: emptiness, size, expiry, signature under the writers' policy.
pub(crate) fn apply(message: &Envelope, bundle: &Bundle) -> Result<(), Rejection> {
    if message.payload.is_empty() {
        return Err(Rejection::Empty);
    }
    let orderer = bundle.orderer_config();
    let (size, max) = (size(message), u64::from(orderer.batch_size.absolute_max_bytes));
    if size > max {
        return Err(Rejection::TooLarge { size, max });
    }
    let creator = creator(message)?;
    if let Some(end) = expires_at(&creator, bundle) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        if i64::try_from(now).unwrap_or(i64::MAX) >= end {
            return Err(Rejection::Expired);
        }
    }
    let path = if orderer.maintenance {
        ORDERER_WRITERS
    } else {
        WRITERS
    };
    let policy = bundle
        .policy(path)
        .ok_or_else(|| Rejection::Denied(format!("could not find policy {path}")))?;
    let signed = SignedData {
        data: message.payload.clone(),
        identity: creator,
        signature: message.signature.clone(),
    };
    policy
        .evaluate_signed(&[signed])
        .map_err(|error| Rejection::Denied(error.to_string()))
}

/// The serialized identity that signed the message.
fn creator(message: &Envelope) -> Result<Vec<u8>, Rejection> {
    let unreadable = |error: prost::DecodeError| Rejection::NoSignature(error.to_string());
    let payload = Payload::decode(message.payload.as_slice()).map_err(unreadable)?;
    let header = payload
        .header
        .ok_or_else(|| Rejection::NoSignature("Missing Header".to_owned()))?;
    Ok(SignatureHeader::decode(header.signature_header.as_slice())
        .map_err(unreadable)?
        .creator)
}

/// When the creator's certificate ends; `None` when there is none to be read. An expired certificate is called expired
/// even if no organisation of the channel issued it.
fn expires_at(creator: &[u8], bundle: &Bundle) -> Option<i64> {
    if let Ok(identity) = bundle.msps().identity(creator) {
        return Some(identity.expires_at());
    }
    let unknown = SerializedIdentity::decode(creator).ok()?;
    Some(Certificate::from_pem(&unknown.id_bytes).ok()?.not_after())
}
