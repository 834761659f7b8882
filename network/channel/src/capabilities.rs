//! Capabilities: which rules a channel's members have agreed to follow (common/capabilities).

use std::collections::BTreeSet;

use fabric_msp::MspVersion;

use crate::error::ChannelError;

const CHANNEL: &[&str] = &["V1_1", "V1_3", "V1_4_2", "V1_4_3", "V2_0", "V3_0"];
const ORDERER: &[&str] = &["V1_1", "V1_4_2", "V2_0"];
const APPLICATION: &[&str] = &["V1_1", "V1_2", "V1_3", "V1_4_2", "V2_0", "V2_5"];

/// The capabilities of a channel at its three levels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    channel: BTreeSet<String>,
    orderer: BTreeSet<String>,
    application: BTreeSet<String>,
}

impl Capabilities {
    /// Checks names and combinations.
    ///
    /// # Errors
    /// [`ChannelError::Capability`] for a name that is not supported, and for a channel older than V1_4_3: its membership rules
    /// are not implemented. An application without V2_0 is refused too: there is no lifecycle of chaincode before it here.
    pub(crate) fn new(
        channel: BTreeSet<String>,
        orderer: BTreeSet<String>,
        application: Option<BTreeSet<String>>,
    ) -> Result<Self, ChannelError> {
        check("Channel", &channel, CHANNEL, "V1_4_3, V2_0, V3_0")?;
        check("Orderer", &orderer, ORDERER, "V1_1, V1_4_2, V2_0")?;
        let has_any = |set: &BTreeSet<String>, names: &[&str]| names.iter().any(|name| set.contains(*name));
        if !has_any(&channel, &["V1_4_3", "V2_0", "V3_0"]) {
            return Err(too_old("Channel", "V1_4_3, V2_0, V3_0"));
        }
        if let Some(application) = &application {
            check("Application", application, APPLICATION, "V2_0, V2_5")?;
            if !has_any(application, &["V2_0", "V2_5"]) {
                return Err(too_old("Application", "V2_0, V2_5"));
            }
        }
        Ok(Self {
            channel,
            orderer,
            application: application.unwrap_or_default(),
        })
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

fn check(
    level: &'static str,
    names: &BTreeSet<String>,
    known: &[&str],
    supported: &'static str,
) -> Result<(), ChannelError> {
    match names.iter().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(ChannelError::Capability {
            level,
            name: name.clone(),
            supported,
        }),
    }
}

fn too_old(level: &'static str, supported: &'static str) -> ChannelError {
    ChannelError::Capability {
        level,
        name: "of an older version only".into(),
        supported,
    }
}
