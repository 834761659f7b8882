//! A channel's configuration and changes of it.

use std::sync::OnceLock;

use fabric_channel::{Bundle, sign_update};
use fabric_msp::SigningIdentity;
use fabric_protos::common::{Config, ConfigEnvelope, ConfigUpdate, Envelope};
use prost::Message;

use crate::seeds::CHANNEL;
use crate::world;

/// A marshalled `Config`.
pub(crate) fn config(data: &[u8]) {
    let Ok(config) = Config::decode(data) else {
        return;
    };
    if let Ok(bundle) = Bundle::from_config(CHANNEL, config.clone()) {
        assert_eq!(bundle.config(), &config);
        let again = Bundle::from_config(CHANNEL, config);
        assert!(again.is_ok(), "a configuration is usable once and not twice");
    }
}

/// A `ConfigUpdate`, signed by all who matter: what is proposed from it must be accepted by those who check it.
pub(crate) fn update(data: &[u8]) {
    let (bundle, signers) = channel();
    if let Ok(envelope) = Envelope::decode(data) {
        let _ = bundle.propose_update(&envelope);
    }
    if let Ok(envelope) = ConfigEnvelope::decode(data) {
        let _ = bundle.apply_update(&envelope);
    }
    let Ok(update) = ConfigUpdate::decode(data) else {
        return;
    };
    let signers: Vec<_> = signers.iter().collect();
    let envelope = sign_update(&update, &signers).expect("signs");
    if let Ok(proposed) = bundle.propose_update(&envelope) {
        let applied = bundle
            .apply_update(&proposed)
            .expect("what an orderer proposes, a peer applies");
        assert_eq!(applied.sequence(), bundle.sequence() + 1);
    }
}

fn channel() -> &'static (Bundle, Vec<SigningIdentity>) {
    static BUNDLE: OnceLock<(Bundle, Vec<SigningIdentity>)> = OnceLock::new();
    BUNDLE.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory");
        let (organisation, ordering) = world::organisations(dir.path());
        let genesis = world::genesis(&organisation, &ordering);
        let admins = [&organisation, &ordering].map(|one| one.user_identity("Admin").expect("an identity"));
        (Bundle::from_block(&genesis).expect("a channel"), admins.into())
    })
}
