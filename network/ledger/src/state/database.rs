//! Which state database of Fabric a ledger behaves like.

/// The state database whose behaviour chaincode sees. Both keep the same bytes on disk, so a ledger can be opened with the
/// other one at any time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StateDatabase {
    /// LevelDB: values are bytes. Rich queries are refused.
    #[default]
    GoLevelDb,
    /// CouchDB: values that are JSON objects are documents. They are read in Go's form of JSON and can be queried; keys
    /// and fields with CouchDB's own names are refused.
    CouchDb,
}

impl StateDatabase {
    /// Its name in a peer's configuration (`ledger.state.stateDatabase` of `core.yaml`).
    pub fn name(self) -> &'static str {
        match self {
            Self::GoLevelDb => "goleveldb",
            Self::CouchDb => "CouchDB",
        }
    }

    /// The one with this name, in upper or lower case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::GoLevelDb, Self::CouchDb]
            .into_iter()
            .find(|database| database.name().eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_core_yamls() {
        assert_eq!(
            StateDatabase::from_name("goleveldb"),
            Some(StateDatabase::GoLevelDb)
        );
        assert_eq!(StateDatabase::from_name("couchdb"), Some(StateDatabase::CouchDb));
        assert_eq!(StateDatabase::from_name("redis"), None);
        assert_eq!(StateDatabase::default(), StateDatabase::GoLevelDb);
    }
}
