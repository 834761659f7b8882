//! careledger-sdk

pub mod fhir;
