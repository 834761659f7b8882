//! The indexes of chaincode packages, created once a package is installed and its definition is in force, whichever comes last
//! (`core/chaincode/lifecycle/event_broker.go`).

use fabric_chaincode_host::PackageStore;
use fabric_ledger::{LedgerError, StateDatabase};

use crate::Channel;

/// Builds the indexes of a channel's installed chaincode, where they are not there yet. As in Fabric, a failure is logged and
/// stops nothing: without its index a query reads more, or is refused its sort.
pub(crate) fn create_indexes(channel: &Channel, packages: &PackageStore) {
    if channel.ledger().state_database() != StateDatabase::CouchDb {
        return;
    }
    if let Err(error) = create(channel, packages) {
        tracing::error!(channel = channel.id(), %error, "the indexes of a chaincode could not be created");
    }
}

fn create(channel: &Channel, packages: &PackageStore) -> Result<(), LedgerError> {
    let runnable = channel.definitions().runnable(&channel.ledger().query())?;
    for (chaincode, found) in &*runnable {
        if !packages.contains(&found.package_id) {
            continue;
        }
        match packages.package(&found.package_id) {
            Ok(package) => {
                channel.ledger().define_indexes(chaincode, &package.indexes)?;
            }
            Err(error) => {
                tracing::error!(channel = channel.id(), chaincode, %error, "the package with the indexes is unreadable");
            }
        }
    }
    Ok(())
}
