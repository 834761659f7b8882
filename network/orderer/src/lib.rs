//! fabric-orderer
