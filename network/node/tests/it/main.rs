//! Whole networks on free ports: real sockets, real certificates, real files.

mod chaincode;
mod listeners;
mod peers;
mod start;
mod transactions;
mod world;
