//! The health contracts on the mock ledger: the story, claims, refusals, and what an observer of the chain could tell.

// Helpers of tests are no tests to the lint; what they unwrap fails the test all the same.
#![allow(clippy::unwrap_used)]

mod access_bodies;
mod acting;
mod acts;
mod alert;
mod authorities;
mod bodies;
mod claims;
mod claims_appeal;
mod claims_authorisation;
mod claims_bodies;
mod claims_forged;
mod claims_money;
mod claims_review;
mod claims_screening;
mod consent_bodies;
mod consents;
mod credential;
mod death;
mod exposure;
mod find;
mod fixture;
mod glass;
mod identity;
mod ledger;
mod limits;
mod log;
mod matching;
mod moving;
mod moving_twice;
mod officers;
mod offline;
mod own;
mod payer;
mod records;
mod refusals;
mod refused_releases;
mod requests;
mod shape;
mod situations;
mod story;
mod telling;
mod use_cases;
mod wallet;
