//! Changing a configuration: who may, and what comes out (common/configtx).
//!
//! ```text
//! old config, new config ──compute_update──▶ ConfigUpdate ──sign_update──▶ envelope
//! envelope ──authorize──▶ read set is current? each changed element allowed by its mod_policy? ──▶ new channel group
//! ```

mod compute;
mod elements;

use fabric_msp::SigningIdentity;
use fabric_msp::policy::SignedData;
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
/// [`ChannelError::NoSigner`], [`ChannelError::Signing`].
pub fn sign_update(update: &ConfigUpdate, signers: &[&SigningIdentity]) -> Result<Envelope, ChannelError> {
    let Some(sender) = signers.first() else {
        return Err(ChannelError::NoSigner);
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
            "error converting envelope to config update: invalid type {}, expected CONFIG_UPDATE",
            header.r#type
        )));
    }
    let signed = ConfigUpdateEnvelope::decode(payload.data.as_slice())
        .map_err(|error| ChannelError::decode("ConfigUpdateEnvelope", &error))?;
    let update = ConfigUpdate::decode(signed.config_update.as_slice())
        .map_err(|error| ChannelError::decode("ConfigUpdate", &error))?;
    if update.channel_id != bundle.channel_id() {
        return Err(ChannelError::Update(format!(
            "ConfigUpdate for channel '{}' but envelope for channel '{}'",
            update.channel_id,
            bundle.channel_id()
        )));
    }
    let signatures = signed_data(&signed)?;
    let current = Elements::of(bundle.config().channel_group.as_ref())?;
    let mapped = |set: &'static str| {
        move |error: ChannelError| ChannelError::Update(format!("error mapping {set}: {error}"))
    };
    let read_set = Elements::of(update.read_set.as_ref()).map_err(mapped("ReadSet"))?;
    check_read_set(&current, &read_set)?;
    let write_set = Elements::of(update.write_set.as_ref()).map_err(mapped("WriteSet"))?;

    let delta = write_set.without_unchanged(&read_set);
    if delta.is_empty() {
        return Err(ChannelError::Update(
            "error validating DeltaSet: delta set was empty -- update would have no effect".into(),
        ));
    }
    for (path, element) in delta.iter() {
        check_change(bundle, &current, path, element, &signatures)?;
    }
    let merged = current.overlaid(delta);
    if let Some(path) = write_set.paths().find(|path| !merged.contains(path)) {
        return Err(ChannelError::Update(format!(
            "full config did not verify: writeset contained key {path} which did not appear in proposed config"
        )));
    }
    merged.rebuild()
}

fn check_read_set(current: &Elements<'_>, read_set: &Elements<'_>) -> Result<(), ChannelError> {
    for (path, element) in read_set.iter() {
        let Some(existing) = current.find(path) else {
            return Err(ChannelError::Update(format!(
                "error validating ReadSet: existing config does not contain element for {path} but was in the read set"
            )));
        };
        if existing.version() != element.version() {
            let (wanted, found) = (element.version(), existing.version());
            return Err(ChannelError::Update(format!(
                "error validating ReadSet: proposed update requires that key {path} be at version {wanted}, but it is currently at version {found}"
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
                "error validating DeltaSet: attempted to set key {path} to version {version}, but key does not exist"
            ))),
        };
    };
    if changed.version() != existing.version() + 1 {
        return Err(ChannelError::Update(format!(
            "error validating DeltaSet: attempt to set key {path} to version {}, but key is at version {}",
            changed.version(),
            existing.version()
        )));
    }
    let policy_path = existing.policy_path();
    let unauthorized = |source| ChannelError::Unauthorized {
        element: path.to_owned(),
        source,
    };
    let policy = bundle.policy(&policy_path).ok_or_else(|| {
        ChannelError::Update(format!(
            "error validating DeltaSet: unexpected missing policy {} for item {path}",
            existing.mod_policy()
        ))
    })?;
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
