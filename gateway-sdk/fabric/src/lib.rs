//! fabric-gateway-sdk
