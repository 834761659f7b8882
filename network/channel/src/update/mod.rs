//! Changing a configuration: who may, and what comes out (common/configtx).
//!
//! ```text
//! old config, new config ──compute_update──▶ ConfigUpdate ──sign_update──▶ envelope
//! envelope ──authorize──▶ read set is current? each changed element allowed by its mod_policy? ──▶ new channel group
//! ```

mod compute;
mod elements;

use fabric_msp::SigningIdentity;
use fabric_msp::policy::{PolicyError, SignedData};
use fabric_protos::common::{
    ChannelHeader, ConfigGroup, ConfigSignature, ConfigUpdate, ConfigUpdateEnvelope, Envelope, Header,
    HeaderType, Payload, SignatureHeader,
};
use prost::Message;
use rand::Rng;

use crate::block::open;
use crate::bundle::Bundle;
use crate::error::ChannelError;
use elements::{Element, Elements};

pub use compute::compute_update;
pub(crate) use elements::check_names;

/// Signs an update by all `signers`, as an envelope ready to be broadcast; the first signer also signs the envelope.
///
/// # Errors
/// [`ChannelError::Update`] without a signer, [`ChannelError::Signing`].
pub fn sign_update(update: &ConfigUpdate, signers: &[&SigningIdentity]) -> Result<Envelope, ChannelError> {
    let Some(sender) = signers.first() else {
        return Err(ChannelError::Update("nobody signs it".into()));
    };
    let config_update = update.encode_to_vec();
    let mut signatures = Vec::with_capacity(signers.len());
    for signer in signers {
        let signature_header = signature_header(signer);
        let signed = [signature_header.as_slice(), &config_update].concat();
        let signature = signer.sign(&signed).map_err(ChannelError::Signing)?;
        signatures.push(ConfigSignature {
            signature_header,
            signature,
        });
    }
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let timestamp = prost_types::Timestamp {
        seconds: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(now.subsec_nanos()).unwrap_or(0),
    };
    let channel_header = ChannelHeader {
        r#type: HeaderType::ConfigUpdate.into(),
        timestamp: Some(timestamp),
        channel_id: update.channel_id.clone(),
        ..ChannelHeader::default()
    };
    let payload = Payload {
        header: Some(Header {
            channel_header: channel_header.encode_to_vec(),
            signature_header: signature_header(sender),
        }),
        data: ConfigUpdateEnvelope {
            config_update,
            signatures,
        }
        .encode_to_vec(),
    }
    .encode_to_vec();
    let signature = sender.sign(&payload).map_err(ChannelError::Signing)?;
    Ok(Envelope { payload, signature })
}

/// The channel group after the update in `envelope`, whose signers are allowed to make every change in it.
pub(crate) fn authorize(bundle: &Bundle, envelope: &Envelope) -> Result<ConfigGroup, ChannelError> {
    let (header, payload) = open(envelope)?;
    if header.r#type != i32::from(HeaderType::ConfigUpdate) {
        return Err(ChannelError::Update(format!(
            "the envelope is of type {}, not CONFIG_UPDATE",
            header.r#type
        )));
    }
    let signed = ConfigUpdateEnvelope::decode(payload.data.as_slice())
        .map_err(|error| ChannelError::decode("ConfigUpdateEnvelope", &error))?;
    let update = ConfigUpdate::decode(signed.config_update.as_slice())
        .map_err(|error| ChannelError::decode("ConfigUpdate", &error))?;
    if update.channel_id != bundle.channel_id() {
        return Err(ChannelError::Update(format!(
            "it is for channel '{}', this is '{}'",
            update.channel_id,
            bundle.channel_id()
        )));
    }
    let signatures = signed_data(&signed)?;
    let current = Elements::of(bundle.config().channel_group.as_ref())?;
    let read_set = Elements::of(update.read_set.as_ref())?;
    let write_set = Elements::of(update.write_set.as_ref())?;
    check_read_set(&current, &read_set)?;

    let delta = write_set.without_unchanged(&read_set);
    if delta.is_empty() {
        return Err(ChannelError::Update("it changes nothing".into()));
    }
    for (path, element) in delta.iter() {
        check_change(bundle, &current, path, element, &signatures)?;
    }
    let merged = current.overlaid(delta);
    if let Some(path) = write_set.paths().find(|path| !merged.contains(path)) {
        return Err(ChannelError::Update(format!(
            "{path} is in the write set but not in the result"
        )));
    }
    merged.rebuild()
}

fn check_read_set(current: &Elements<'_>, read_set: &Elements<'_>) -> Result<(), ChannelError> {
    for (path, element) in read_set.iter() {
        let Some(existing) = current.find(path) else {
            return Err(ChannelError::Update(format!(
                "{path} is in the read set but not in the configuration"
            )));
        };
        if existing.version() != element.version() {
            let (wanted, found) = (element.version(), existing.version());
            return Err(ChannelError::Update(format!(
                "{path} is at version {found}, the update was made for {wanted}"
            )));
        }
    }
    Ok(())
}

fn check_change(
    bundle: &Bundle,
    current: &Elements<'_>,
    path: &str,
    changed: &Element<'_>,
    signatures: &[SignedData],
) -> Result<(), ChannelError> {
    elements::check_mod_policy(path, changed.mod_policy())?;
    let Some(existing) = current.find(path) else {
        // New elements need no policy of their own: their group changes with them, and that one is checked.
        return match changed.version() {
            0 => Ok(()),
            version => Err(ChannelError::Update(format!(
                "{path} is new but has version {version}, not 0"
            ))),
        };
    };
    if changed.version() != existing.version() + 1 {
        let (found, wanted) = (changed.version(), existing.version() + 1);
        return Err(ChannelError::Update(format!(
            "{path} would get version {found}, the next one is {wanted}"
        )));
    }
    let policy_path = existing.policy_path();
    let unauthorized = |source| ChannelError::Unauthorized {
        element: path.to_owned(),
        source,
    };
    let policy = bundle
        .policy(&policy_path)
        .ok_or_else(|| unauthorized(PolicyError::Missing(policy_path)))?;
    policy.evaluate_signed(signatures).map_err(unauthorized)
}

fn signed_data(envelope: &ConfigUpdateEnvelope) -> Result<Vec<SignedData>, ChannelError> {
    envelope
        .signatures
        .iter()
        .map(|signed| {
            let header = SignatureHeader::decode(signed.signature_header.as_slice())
                .map_err(|error| ChannelError::decode("SignatureHeader", &error))?;
            Ok(SignedData {
                data: [signed.signature_header.as_slice(), &envelope.config_update].concat(),
                identity: header.creator,
                signature: signed.signature.clone(),
            })
        })
        .collect()
}

fn signature_header(signer: &SigningIdentity) -> Vec<u8> {
    let mut nonce = vec![0u8; 24];
    rand::rng().fill_bytes(&mut nonce);
    SignatureHeader {
        creator: signer.serialized().to_vec(),
        nonce,
    }
    .encode_to_vec()
}
