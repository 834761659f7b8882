//! fabric-contract-core
