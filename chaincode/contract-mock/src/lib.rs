//! fabric-contract-mock
