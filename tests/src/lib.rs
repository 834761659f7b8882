//! careledger-tests
