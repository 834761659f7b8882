//! careledger
