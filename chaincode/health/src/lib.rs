//! careledger-chaincode
