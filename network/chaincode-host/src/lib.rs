//! fabric-chaincode-host
