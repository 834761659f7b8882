//! The health contracts on the mock ledger: the story, claims, refusals, and what an observer of the chain could tell.

mod claims;
mod fixture;
mod refusals;
mod shape;
mod story;
mod wallet;
