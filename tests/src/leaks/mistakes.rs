//! Wrong input: every call of the story again, with each text of its private input replaced by a name, an unknown member of that name, and no JSON at all.
//! Nothing that is said about it may hold the name.

use careledger::health::{CHAINCODE, HOSPITAL};
use futures::stream::{self, StreamExt};
use serde_json::Value;

use super::story::{Sent, Story};

/// How many proposals are under way at a time.
const AT_ONCE: usize = 8;

/// Plays all of it. The proposals are endorsed, or refused, and never ordered.
pub(super) async fn play(story: &Story) {
    let name = story.plant("Brackenfield-Ottoline");
    let mut spoilt = Vec::new();
    for sent in story.sent() {
        for (input, bytes) in &sent.call.transient {
            let value: Value = serde_json::from_slice(bytes).expect("JSON");
            // What is inside an intent is alike in all calls.
            let depth = if input == "intent" && sent.call.function != "grant" {
                1
            } else {
                8
            };
            for bad in spoils(&value, &name, depth) {
                let mut sent = sent.clone();
                sent.call.transient.insert(input.clone(), bad);
                spoilt.push(sent);
            }
        }
    }
    if spoilt.len() < 500 {
        story.surprise(format!("only {} wrong inputs", spoilt.len()));
    }
    stream::iter(spoilt)
        .for_each_concurrent(AT_ONCE, |sent| send(story, sent))
        .await;
}

async fn send(story: &Story, Sent { client, call }: Sent) {
    let contract = client.network().contract(CHAINCODE);
    let function = call.qualified_function();
    let proposal = contract
        .proposal(&function)
        .args(call.args)
        .transient_all(call.transient)
        .endorsing_organizations([HOSPITAL]);
    if let Err(error) = proposal.build().endorse().await {
        story.failed(&function, &error);
    }
}

/// Every way to spoil an input: no JSON, another shape; down to a depth each value exchanged by the name, and a member of that name more.
fn spoils(value: &Value, name: &str, depth: usize) -> Vec<Vec<u8>> {
    let mut spoilt = vec![
        name.as_bytes().to_vec(),
        format!("{{\"{name}\":\"{name}\"}}").into_bytes(),
    ];
    for path in paths(value, depth) {
        let mut whole = value.clone();
        if let Some(place) = whole.pointer_mut(&path) {
            *place = Value::String(name.to_owned());
            spoilt.push(whole.to_string().into_bytes());
        }
        let mut whole = value.clone();
        if let Some(Value::Object(members)) = whole.pointer_mut(&path) {
            members.insert(name.to_owned(), Value::Null);
            spoilt.push(whole.to_string().into_bytes());
        }
    }
    spoilt
}

/// The JSON pointers of a value and of everything in it, down to a depth.
fn paths(value: &Value, depth: usize) -> Vec<String> {
    let mut paths = Vec::new();
    let mut open = vec![(String::new(), value, depth)];
    while let Some((path, value, depth)) = open.pop() {
        if depth > 0 {
            match value {
                Value::Object(members) => {
                    open.extend(
                        members
                            .iter()
                            .map(|(key, value)| (format!("{path}/{key}"), value, depth - 1)),
                    );
                }
                Value::Array(items) => {
                    let items = items.iter().enumerate();
                    open.extend(items.map(|(n, value)| (format!("{path}/{n}"), value, depth - 1)));
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        paths.push(path);
    }
    paths
}
