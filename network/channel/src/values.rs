//! The values of one configuration group: only known ones, each decoded on request.

use std::collections::BTreeSet;

use fabric_protos::common::{Capabilities, ConfigGroup};
use prost::Message;

use crate::error::ChannelError;
use crate::keys;

pub(crate) struct Values<'a> {
    path: String,
    group: &'a ConfigGroup,
}

impl<'a> Values<'a> {
    /// The values of `group` at `path`; anything not in `known` is an error, as in Fabric.
    pub(crate) fn new(
        path: impl Into<String>,
        group: &'a ConfigGroup,
        known: &[&str],
    ) -> Result<Self, ChannelError> {
        let path = path.into();
        match group.values.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(Self { path, group }),
            Some(key) => Err(ChannelError::config(
                &path,
                format!("failed to deserialize values: Unexpected key {key}"),
            )),
        }
    }

    /// The value `name`, or an empty message when it is not there.
    pub(crate) fn read<M: Message + Default>(&self, name: &'static str) -> Result<M, ChannelError> {
        match self.group.values.get(name) {
            None => Ok(M::default()),
            Some(value) => M::decode(value.value.as_slice())
                .map_err(|error| self.error(format!("failed to deserialize values: {name}: {error}"))),
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.group.values.contains_key(name)
    }

    pub(crate) fn capabilities(&self) -> Result<BTreeSet<String>, ChannelError> {
        Ok(self
            .read::<Capabilities>(keys::CAPABILITIES)?
            .capabilities
            .into_keys()
            .collect())
    }

    pub(crate) fn error(&self, reason: impl Into<String>) -> ChannelError {
        ChannelError::config(&self.path, reason)
    }
}
