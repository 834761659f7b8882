//! fabric-contract-api
