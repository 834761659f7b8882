//! fabric-peer
