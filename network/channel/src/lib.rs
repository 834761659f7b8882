//! fabric-channel
