//! The health contracts on the mock ledger: the story, claims, refusals, and what an observer of the chain could tell.

// Helpers of tests are no tests to the lint; what they unwrap fails the test all the same.
#![allow(clippy::unwrap_used)]

mod bodies;
mod claims;
mod fixture;
mod ledger;
mod refusals;
mod shape;
mod story;
mod wallet;
