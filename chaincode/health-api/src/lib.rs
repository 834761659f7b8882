//! careledger-api
