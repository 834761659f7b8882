//! Which definitions use which installed package.

use std::collections::BTreeMap;

/// Uses of packages: package id → channel → chaincode name → version.
#[derive(Debug, Default)]
pub(crate) struct References(BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>>);

impl References {
    /// Notes that `chaincode` of `channel` runs a package.
    pub(crate) fn add(&mut self, package_id: &str, channel: &str, chaincode: &str, version: &str) {
        let channels = self.0.entry(package_id.to_owned()).or_default();
        let chaincodes = channels.entry(channel.to_owned()).or_default();
        chaincodes.insert(chaincode.to_owned(), version.to_owned());
    }

    /// The uses of one package by channel, in the form that `make` gives them.
    pub(crate) fn of<T>(
        &self,
        package_id: &str,
        make: impl Fn(BTreeMap<String, String>) -> T,
    ) -> BTreeMap<String, T> {
        let channels = self.0.get(package_id).into_iter().flatten();
        channels
            .map(|(channel, chaincodes)| (channel.clone(), make(chaincodes.clone())))
            .collect()
    }
}
