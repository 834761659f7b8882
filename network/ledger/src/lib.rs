//! fabric-ledger
