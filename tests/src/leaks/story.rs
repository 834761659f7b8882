//! Calls that remember what they sent, and what was said when they failed.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, PoisonError};

use careledger::health::CHAINCODE;
use careledger_api::HealthError;
use careledger_api::ids::TxId;
use careledger_api::roles::Role;
use careledger_sdk::{HealthClient, HealthTransport};
use fabric_contract_core::{Call, Committed, EvaluateRequest, SubmitRequest};
use serde_json::Value;

use crate::hospital::Hospital;
use crate::scan::{Needles, SHORTEST};

/// Functions that no story of minutes reaches: what they wait for takes days (a recovery's delay, an overdue review, the end of a spent nonce, a year without renewal). They are
/// called and refused.
pub const UNPLAYED: [&str; 4] = [
    "identity:executeRecovery",
    "identity:remindGuardians",
    "identity:pruneNonces",
    "consent:escalate",
];

/// A running consortium and everything that was said to it.
#[derive(Debug)]
pub struct Story {
    /// The consortium.
    pub hospital: Hospital,
    said: Mutex<Said>,
}

#[derive(Debug, Default)]
struct Said {
    words: BTreeSet<String>,
    public: BTreeSet<String>,
    kept: BTreeSet<String>,
    accepted: BTreeSet<String>,
    sent: BTreeMap<String, Sent>,
    errors: Vec<Failure>,
    surprises: Vec<String>,
}

/// The last call of a function.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) client: HealthClient,
    pub(super) call: Call,
}

/// What was said when something failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What was tried.
    pub what: String,
    /// The error's text with those behind it, and its form for developers.
    pub text: String,
}

impl Story {
    /// A story of nothing yet.
    pub fn new(hospital: Hospital) -> Self {
        let story = Self {
            hospital,
            said: Mutex::default(),
        };
        // The vault that finds the patient by identity documents knows the id.
        story.plant_kept(&story.hospital.patient.id());
        for document in story.hospital.documents.values().flatten() {
            story.publish(document);
        }
        for member in &story.hospital.network.summary().organisations {
            story.publish(&member.msp_id);
        }
        let consortium = careledger::health::consortium();
        for name in [&consortium.id, &consortium.channel, &consortium.chaincode] {
            story.publish(name);
        }
        story
    }

    /// A client of a person.
    pub fn client(&self, msp_id: &str, role: Role) -> HealthClient {
        self.hospital.client(msp_id, role)
    }

    /// A word to be found nowhere.
    pub fn plant(&self, word: &str) -> String {
        self.said().words.insert(word.to_owned());
        word.to_owned()
    }

    /// A secret that a vault has to keep beside the ciphertext, to be found nowhere else.
    pub fn plant_kept(&self, secret: &impl ToString) {
        self.said().kept.insert(secret.to_string());
    }

    /// An id that is public although it also occurs in private input.
    pub fn publish(&self, id: &impl ToString) {
        self.said().public.insert(id.to_string());
    }

    /// Sends what has to be taken; the transaction. What is refused all the same is a [surprise](Self::surprises), and the story goes on with an id of nothing.
    pub async fn submit<T>(
        &self,
        client: &HealthClient,
        request: SubmitRequest<'_, HealthTransport, T, HealthError>,
    ) -> TxId {
        let name = self.note(client, request.call());
        let sent = request.send().await;
        let Some(Committed { tx_id, .. }) = self.require(&name, sent) else {
            return hex::encode(rand::random::<[u8; 32]>()).parse().expect("32 bytes");
        };
        self.said().accepted.insert(name);
        self.publish(&tx_id);
        tx_id.parse().expect("a transaction id")
    }

    /// Sends what has to be refused.
    pub async fn refused<T>(
        &self,
        client: &HealthClient,
        request: SubmitRequest<'_, HealthTransport, T, HealthError>,
    ) {
        let name = self.note(client, request.call());
        let sent = request.send().await;
        self.require_failure(&name, sent);
    }

    /// Asks what has to be answered.
    pub async fn ask<T>(
        &self,
        client: &HealthClient,
        request: EvaluateRequest<'_, HealthTransport, T, HealthError>,
    ) {
        let name = self.note(client, request.call());
        let answered = request.send().await;
        if self.require(&name, answered).is_some() {
            self.said().accepted.insert(name);
        }
    }

    /// What came of something that has to succeed.
    pub fn require<T>(&self, what: &str, result: Result<T, impl Error>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.failed(what, &error);
                self.said().surprises.push(format!("{what} failed: {error}"));
                None
            }
        }
    }

    /// Remembers the error of something that has to fail.
    pub fn require_failure<T>(&self, what: &str, result: Result<T, impl Error>) {
        match result {
            Ok(_) => self.said().surprises.push(format!("{what} was not refused")),
            Err(error) => self.failed(what, &error),
        }
    }

    /// Notes that a component called a function by itself.
    pub fn happened(&self, function: &str) {
        self.said().accepted.insert(function.to_owned());
    }

    /// Remembers an error.
    pub fn failed(&self, what: &str, error: &impl Error) {
        let mut text = format!("{error}\n{error:?}");
        let mut source = error.source();
        while let Some(cause) = source {
            text.push_str(&format!("\n{cause}"));
            source = cause.source();
        }
        self.said().errors.push(Failure {
            what: what.to_owned(),
            text,
        });
    }

    /// Every error so far.
    pub fn errors(&self) -> Vec<Failure> {
        self.said().errors.clone()
    }

    /// What went otherwise than the story has it.
    pub fn surprises(&self) -> Vec<String> {
        self.said().surprises.clone()
    }

    /// The functions that took or answered something, as `contract:function`.
    pub fn accepted(&self) -> BTreeSet<String> {
        self.said().accepted.clone()
    }

    /// Everything that was said and is public nowhere, but for these words, which say nothing about anybody.
    pub fn needles(&self, vocabulary: &[&str]) -> Needles {
        let said = self.said();
        let all = said.words.union(&said.kept);
        let hidden = all.filter(|word| !said.public.contains(*word));
        Needles::new(hidden.filter(|word| !vocabulary.contains(&word.as_str())))
    }

    /// The same without what a vault has to keep.
    pub fn needles_of_vaults(&self, vocabulary: &[&str]) -> Needles {
        let said = self.said();
        let hidden = said
            .words
            .iter()
            .filter(|word| !said.public.contains(*word) && !said.kept.contains(*word));
        Needles::new(hidden.filter(|word| !vocabulary.contains(&word.as_str())))
    }

    /// Ids, names and transactions that everybody may know.
    pub fn public(&self) -> BTreeSet<String> {
        self.said().public.clone()
    }

    /// Adds to the surprises.
    pub(super) fn surprise(&self, text: String) {
        self.said().surprises.push(text);
    }

    pub(super) fn sent(&self) -> Vec<Sent> {
        self.said().sent.values().cloned().collect()
    }

    fn note(&self, client: &HealthClient, call: &Call) -> String {
        let name = call.qualified_function();
        let mut said = self.said();
        said.public.extend([call.contract.clone(), call.function.clone()]);
        for input in call.transient.values() {
            collect(
                &serde_json::from_slice(input).expect("transient input is JSON"),
                &mut said.words,
            );
        }
        let sent = Sent {
            client: client.clone(),
            call: call.clone(),
        };
        said.sent.insert(name.clone(), sent);
        name
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every text whole, and the longer words of those that have several; certificates are public.
fn collect(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if text.starts_with("-----BEGIN CERTIFICATE") => {}
        Value::String(text) => {
            into.insert(text.clone());
            let words = text.split(' ').filter(|word| word.len() > SHORTEST);
            into.extend(words.map(str::to_owned));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        Value::Object(members) => members.values().for_each(|member| collect(member, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The functions that the deployed chaincode says it has, as `contract:function`.
pub(super) async fn functions(client: &HealthClient) -> BTreeSet<String> {
    let contract = client.network().contract(CHAINCODE);
    let metadata = contract
        .evaluate("org.hyperledger.fabric:GetMetadata", Vec::<String>::new())
        .await
        .expect("the chaincode describes itself");
    let metadata: Value = serde_json::from_slice(&metadata).expect("JSON");
    let contracts = metadata["contracts"].as_object().expect("contracts");
    let mut functions = BTreeSet::new();
    for (name, contract) in contracts {
        for transaction in contract["transactions"].as_array().into_iter().flatten() {
            functions.insert(format!(
                "{name}:{}",
                transaction["name"].as_str().expect("a name")
            ));
        }
    }
    functions
}
