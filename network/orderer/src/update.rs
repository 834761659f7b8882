//! Configuration updates: a client's `CONFIG_UPDATE` becomes a `CONFIG` signed by the orderer.

use fabric_channel::{Bundle, ChannelError};
use fabric_msp::SigningIdentity;
use fabric_protos::common::{ConfigEnvelope, Envelope, HeaderType, Payload};
use prost::Message;

use crate::envelope::signed;
use crate::rejection::Rejection;

/// The configuration that the update `message` asks for, in an envelope of this orderer.
pub(crate) fn propose(
    message: &Envelope,
    bundle: &Bundle,
    signer: &SigningIdentity,
) -> Result<Envelope, Rejection> {
    let next = bundle
        .propose_update(message)
        .map_err(|error| refused(bundle, error))?;
    check_capabilities(&next, bundle)?;
    signed(
        HeaderType::Config,
        bundle.channel_id(),
        next.encode_to_vec(),
        signer,
    )
    .map_err(|error| refused(bundle, error))
}

/// Nothing is ordered that this node would not understand afterwards.
fn check_capabilities(next: &ConfigEnvelope, bundle: &Bundle) -> Result<(), Rejection> {
    let config = next.config.clone().unwrap_or_default();
    let next = Bundle::from_config(bundle.channel_id(), config).map_err(|error| refused(bundle, error))?;
    next.capabilities().check_orderer().map_err(|error| {
        let level = match &error {
            ChannelError::Capability { level, .. } => level.to_lowercase(),
            _ => String::new(),
        };
        let reason = format!(
            "config update is not compatible: config requires unsupported {level} capabilities: {error}"
        );
        refused(bundle, reason)
    })
}

/// The channel's rules once `config`, made by [`propose`] under the current ones, is in a block.
pub(crate) fn bundle_after(config: &Envelope, bundle: &Bundle) -> Result<Bundle, Rejection> {
    let envelope = config_envelope(config, bundle)?;
    bundle
        .apply_update(&envelope)
        .map_err(|error| refused(bundle, error))
}

/// Proposes the update in `config` again, because the configuration changed after it was made.
pub(crate) fn again(
    config: &Envelope,
    bundle: &Bundle,
    signer: &SigningIdentity,
) -> Result<(Envelope, Bundle), Rejection> {
    let update = config_envelope(config, bundle)?
        .last_update
        .ok_or_else(|| refused(bundle, "the configuration does not hold the update that made it"))?;
    let config = propose(&update, bundle, signer)?;
    let next = bundle_after(&config, bundle)?;
    Ok((config, next))
}

fn config_envelope(config: &Envelope, bundle: &Bundle) -> Result<ConfigEnvelope, Rejection> {
    let payload = Payload::decode(config.payload.as_slice()).map_err(|error| refused(bundle, error))?;
    ConfigEnvelope::decode(payload.data.as_slice()).map_err(|error| refused(bundle, error))
}

fn refused(bundle: &Bundle, reason: impl ToString) -> Rejection {
    Rejection::Update {
        channel: bundle.channel_id().to_owned(),
        reason: reason.to_string(),
    }
}
