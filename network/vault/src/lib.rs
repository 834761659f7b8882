//! careledger-vault
pub mod cipher;
pub mod kek;
mod served;
