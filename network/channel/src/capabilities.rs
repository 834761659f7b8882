//! Capabilities: which rules a channel's members have agreed to follow (common/capabilities).

use std::collections::BTreeSet;

use fabric_msp::MspVersion;

use crate::error::ChannelError;

const CHANNEL: &[&str] = &["V1_1", "V1_3", "V1_4_2", "V1_4_3", "V2_0", "V3_0"];
const ORDERER: &[&str] = &["V1_1", "V1_4_2", "V2_0"];
const APPLICATION: &[&str] = &["V1_1", "V1_2", "V1_3", "V1_4_2", "V2_0", "V2_5"];

/// The capabilities of a channel at its three levels. They may name what this software does not have: each node asks for the
/// levels that concern it, because an orderer need not understand what peers do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    channel: BTreeSet<String>,
    orderer: BTreeSet<String>,
    application: BTreeSet<String>,
}

impl Capabilities {
    /// Checks combinations.
    ///
    /// # Errors
    /// [`ChannelError::Config`] for a channel older than V1_4_3: its membership rules are not implemented. An application
    /// without V2_0 is refused too: there is no lifecycle of chaincode before it here. Names from the future are fine.
    pub(crate) fn new(
        channel: BTreeSet<String>,
        orderer: BTreeSet<String>,
        application: Option<BTreeSet<String>>,
    ) -> Result<Self, ChannelError> {
        let capabilities = Self {
            channel,
            orderer,
            application: application.clone().unwrap_or_default(),
        };
        // Only a set of nothing but old names is too old: one that is not known at all is refused by name.
        let too_old =
            |set: &BTreeSet<String>, old: &[&str]| set.iter().all(|name| old.contains(&name.as_str()));
        if too_old(&capabilities.channel, &["V1_1", "V1_3", "V1_4_2"]) {
            let reason = "the channel's capabilities are too old; use V1_4_3, V2_0 or V3_0";
            return Err(ChannelError::config("/Channel", reason));
        }
        if application.is_some_and(|set| too_old(&set, &["V1_1", "V1_2", "V1_3", "V1_4_2"])) {
            let reason = "the application's capabilities are too old; use V2_0 or V2_5";
            return Err(ChannelError::config("/Channel/Application", reason));
        }
        Ok(capabilities)
    }

    /// Whether an ordering node of this software may order the channel: it has all capabilities of the orderer's and the
    /// channel's level (orderer/common/multichannel `checkResources`).
    ///
    /// # Errors
    /// [`ChannelError::Capability`] with the first name that is not supported.
    pub fn check_orderer(&self) -> Result<(), ChannelError> {
        check("Orderer", &self.orderer, ORDERER)?;
        check("Channel", &self.channel, CHANNEL)
    }

    /// Whether a peer of this software may go on with the channel: it has all capabilities of the application's and the
    /// channel's level (core/peer/channel.go `capabilitiesSupportedOrPanic`).
    ///
    /// # Errors
    /// [`ChannelError::Capability`] with the first name that is not supported.
    pub fn check_peer(&self) -> Result<(), ChannelError> {
        check("Application", &self.application, APPLICATION)?;
        check("Channel", &self.channel, CHANNEL)
    }

    /// The names at the channel's level.
    pub fn channel(&self) -> &BTreeSet<String> {
        &self.channel
    }

    /// The names at the orderer's level.
    pub fn orderer(&self) -> &BTreeSet<String> {
        &self.orderer
    }

    /// The names at the application's level.
    pub fn application(&self) -> &BTreeSet<String> {
        &self.application
    }

    /// The membership rules that follow from the channel's level.
    pub fn msp_version(&self) -> MspVersion {
        if self.channel_v3() {
            MspVersion::V3_0
        } else {
            MspVersion::V1_4_3
        }
    }

    /// Channel V3_0: orderer addresses per organisation only, Ed25519 identities, BFT consensus.
    pub fn channel_v3(&self) -> bool {
        self.channel.contains("V3_0")
    }

    /// Application V2_5: private data may be purged.
    pub fn purge_private_data(&self) -> bool {
        self.application.contains("V2_5")
    }

    /// Key-level endorsement policies; part of everything that is supported here.
    pub fn key_level_endorsement(&self) -> bool {
        !self.application.is_empty()
    }
}

fn check(level: &'static str, names: &BTreeSet<String>, known: &[&str]) -> Result<(), ChannelError> {
    match names.iter().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(ChannelError::Capability {
            level,
            name: name.clone(),
        }),
    }
}
