//! Reading a caller's envelope.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fabric_protos::common::{ChannelHeader, Envelope, Payload, SignatureHeader};
use fabric_protos::orderer::SeekInfo;
use prost::Message;

/// A well-formed deliver request; its signature is not verified yet.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) channel_id: String,
    /// The caller's serialized identity.
    pub(crate) creator: Vec<u8>,
    /// What the caller signed, and the signature.
    pub(crate) envelope: Envelope,
    /// The marshalled [`SeekInfo`]: it is only decoded once the channel is known to exist.
    data: Vec<u8>,
}

/// Why an envelope is no deliver request. All of them are answered `BAD_REQUEST`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("the envelope's {part} does not decode: {source}")]
    Malformed {
        part: &'static str,
        source: prost::DecodeError,
    },
    #[error("the envelope has no header")]
    NoHeader,
    #[error("the channel header has no timestamp")]
    NoTimestamp,
    #[error(
        "the channel header's timestamp is {apart:?} from this server's clock; at most {window:?} are allowed"
    )]
    OutsideWindow { apart: Duration, window: Duration },
    #[error(
        "the channel header has no TLS certificate hash; mutual TLS requires the hash of the client's certificate"
    )]
    NoCertificateHash,
    #[error("the client sent no TLS certificate; mutual TLS requires one")]
    NoCertificate,
    #[error("the channel header's TLS certificate hash is not that of this connection's client certificate")]
    OtherCertificate,
}

/// How a request is tied to the connection that it came over.
#[derive(Debug, Clone)]
pub(crate) enum Binding {
    /// The server does not ask for client certificates: the hash in the header is not looked at.
    None,
    /// Mutual TLS: the SHA-256 of the client's certificate, if it sent one.
    MutualTls(Option<Vec<u8>>),
}

impl Request {
    /// Decodes `envelope` and checks its channel header against `now`, `window` and `binding`.
    pub(crate) fn parse(
        envelope: Envelope,
        now: SystemTime,
        window: Duration,
        binding: &Binding,
    ) -> Result<Self, RequestError> {
        let malformed = |part| move |source| RequestError::Malformed { part, source };
        let payload = Payload::decode(envelope.payload.as_slice()).map_err(malformed("payload"))?;
        let header = payload.header.ok_or(RequestError::NoHeader)?;
        let channel =
            ChannelHeader::decode(header.channel_header.as_slice()).map_err(malformed("channel header"))?;
        let signature = SignatureHeader::decode(header.signature_header.as_slice())
            .map_err(malformed("signature header"))?;

        check_clock(&channel, now, window)?;
        check_binding(&channel, binding)?;
        Ok(Self {
            channel_id: channel.channel_id,
            creator: signature.creator,
            envelope,
            data: payload.data,
        })
    }

    /// What the caller wants to be sent.
    pub(crate) fn seek(&self) -> Result<SeekInfo, RequestError> {
        SeekInfo::decode(self.data.as_slice()).map_err(|source| RequestError::Malformed {
            part: "seek info",
            source,
        })
    }
}

fn check_clock(channel: &ChannelHeader, now: SystemTime, window: Duration) -> Result<(), RequestError> {
    let timestamp = channel.timestamp.as_ref().ok_or(RequestError::NoTimestamp)?;
    let sent = i128::from(timestamp.seconds) * 1_000_000_000 + i128::from(timestamp.nanos);
    let now = match now.duration_since(UNIX_EPOCH) {
        Ok(after) => i128::try_from(after.as_nanos()).unwrap_or(i128::MAX),
        Err(before) => -i128::try_from(before.duration().as_nanos()).unwrap_or(i128::MAX),
    };
    let apart = Duration::from_nanos(u64::try_from(now.abs_diff(sent)).unwrap_or(u64::MAX));
    if apart > window {
        Err(RequestError::OutsideWindow { apart, window })
    } else {
        Ok(())
    }
}

fn check_binding(channel: &ChannelHeader, binding: &Binding) -> Result<(), RequestError> {
    let Binding::MutualTls(actual) = binding else {
        return Ok(());
    };
    if channel.tls_cert_hash.is_empty() {
        return Err(RequestError::NoCertificateHash);
    }
    match actual {
        None => Err(RequestError::NoCertificate),
        Some(actual) if *actual != channel.tls_cert_hash => Err(RequestError::OtherCertificate),
        Some(_) => Ok(()),
    }
}
