//! Every path of the consent, identity, credential and record contracts and of the vault, once each way.

mod accesses;
mod accounts;
mod consents;
mod emergencies;
mod keeping;
mod records;
mod vaults;

use std::collections::BTreeSet;

use careledger::health::CLINIC;
use careledger_api::roles::Role;

use super::story::{Story, functions};
use super::{UNPLAYED, mistakes};

/// Sends what has to be taken: `submit!(story, client, consents.grant(HOSPITAL, body, intent))` gives the transaction's id; with `signed` as the only
/// argument in brackets, a patient's signed act at the hospital.
macro_rules! submit {
    ($story:expr, $client:expr, $area:ident.$call:ident[$signed:expr]) => {{
        let signed = $signed.expect("signed");
        submit!($story, $client, $area.$call(HOSPITAL, signed.body, signed.intent))
    }};
    ($story:expr, $client:expr, $area:ident.$call:ident($($argument:expr),*)) => {
        $story.submit(&$client, $client.$area().$call($($argument),*)).await
    };
}

/// Sends what has to be refused; as `submit!`.
macro_rules! refused {
    ($story:expr, $client:expr, $area:ident.$call:ident[$signed:expr]) => {{
        let signed = $signed.expect("signed");
        refused!($story, $client, $area.$call(HOSPITAL, signed.body, signed.intent))
    }};
    ($story:expr, $client:expr, $area:ident.$call:ident($($argument:expr),*)) => {
        $story.refused(&$client, $client.$area().$call($($argument),*)).await
    };
}

/// Asks what has to be answered; as `submit!`.
macro_rules! ask {
    ($story:expr, $client:expr, $area:ident.$call:ident[$signed:expr]) => {{
        let signed = $signed.expect("signed");
        ask!($story, $client, $area.$call(HOSPITAL, signed.body, signed.intent))
    }};
    ($story:expr, $client:expr, $area:ident.$call:ident($($argument:expr),*)) => {
        $story.ask(&$client, $client.$area().$call($($argument),*)).await
    };
}

pub(super) use {ask, refused, submit};

/// Plays everything, then every call again with its input spoilt. A function of the four contracts that was not reached is a surprise.
pub async fn play(story: &Story) {
    consents::play(story).await;
    let accesses = accesses::play(story).await;
    emergencies::play(story).await;
    accounts::play(story).await;
    records::play(story, &accesses).await;
    keeping::play(story).await;
    vaults::play(story, &accesses).await;

    let declared = functions(&story.client(CLINIC, Role::Portal)).await;
    let ours = ["consent:", "identity:", "credential:", "record:"];
    let declared = declared
        .into_iter()
        .filter(|name| ours.iter().any(|our| name.starts_with(our)));
    let accepted = story.accepted();
    let left: BTreeSet<String> = declared
        .filter(|name| !accepted.contains(name) && !UNPLAYED.contains(&name.as_str()))
        .collect();
    if !left.is_empty() {
        story.surprise(format!("the story never reaches {left:?}"));
    }
    mistakes::play(story).await;
}
