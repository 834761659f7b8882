//! fabric-msp
