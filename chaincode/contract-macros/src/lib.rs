//! fabric-contract-macros
