//! An orderer on real files, with real certificates and a real configuration.

mod broadcast;
mod chain;
mod disk;
mod maintenance;
mod participation;
mod update;
mod world;
