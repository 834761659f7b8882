//! Rich queries of contracts, on ledgers with CouchDB's behaviour.

use fabric_contract_core::{Chaincode, Context, LedgerError, ReadContext, contract};
use fabric_contract_mock::{MockCollection, MockLedger, MockLedgerBuilder, now};
use serde::Deserialize;

#[contract(name = "marbles")]
trait Marbles {
    #[submit]
    fn put(&self, ctx: &Context<'_>, key: String, value: String) -> Result<(), LedgerError>;
    #[submit]
    fn put_secret(
        &self,
        ctx: &Context<'_>,
        key: String,
        #[transient] value: String,
    ) -> Result<(), LedgerError>;
    #[evaluate]
    fn sizes(&self, ctx: &ReadContext<'_>, query: String) -> Result<Vec<(String, u64)>, LedgerError>;
    #[evaluate]
    fn page(
        &self,
        ctx: &ReadContext<'_>,
        query: String,
        bookmark: String,
    ) -> Result<(Vec<String>, String), LedgerError>;
    #[evaluate]
    fn secrets(&self, ctx: &ReadContext<'_>, query: String) -> Result<Vec<String>, LedgerError>;
}

struct Shelf;

#[derive(Deserialize)]
struct Marble {
    size: u64,
}

impl Marbles for Shelf {
    fn put(&self, ctx: &Context<'_>, key: String, value: String) -> Result<(), LedgerError> {
        ctx.put_state(&key, value.as_bytes())
    }

    fn put_secret(&self, ctx: &Context<'_>, key: String, value: String) -> Result<(), LedgerError> {
        ctx.private_put("secrets", &key, value.as_bytes())
    }

    fn sizes(&self, ctx: &ReadContext<'_>, query: String) -> Result<Vec<(String, u64)>, LedgerError> {
        let rows = ctx.query_json::<Marble>(&query)?;
        rows.map(|row| row.map(|(key, marble)| (key, marble.size)))
            .collect()
    }

    fn page(
        &self,
        ctx: &ReadContext<'_>,
        query: String,
        bookmark: String,
    ) -> Result<(Vec<String>, String), LedgerError> {
        let page = ctx.query_paged(&query, 2, &bookmark)?;
        Ok((page.items.into_iter().map(|row| row.key).collect(), page.bookmark))
    }

    fn secrets(&self, ctx: &ReadContext<'_>, query: String) -> Result<Vec<String>, LedgerError> {
        ctx.private_query("secrets", &query)?
            .map(|row| row.map(|row| row.key))
            .collect()
    }
}

fn builder() -> MockLedgerBuilder {
    MockLedger::builder(Chaincode::new().contract(MarblesContract(Shelf)))
        .collection(MockCollection::new("secrets", ["Org1MSP"]))
}

fn filled(mock: &MockLedger) {
    let client = mock.as_client("Org1MSP", [("role", "clerk")]).expect("a client");
    let marbles = MarblesClient::new(&client);
    for (key, size) in [("a", 30), ("b", 10), ("c", 20), ("d", 5)] {
        let value = format!(r#"{{"size":{size}}}"#);
        now(marbles.put(key, &value).send()).expect("commits");
        now(marbles.put_secret(key, value).send()).expect("commits");
    }
}

const BY_SIZE: &str = r#"{"selector": {"size": {"$gte": 10}}, "sort": ["size"]}"#;
const INDEX: &str = r#"{"index": {"fields": ["size"]}, "ddoc": "sizeDoc", "name": "size"}"#;

#[test]
fn documents_are_found_sorted_and_paged() {
    let mock = builder()
        .couchdb()
        .index("size.json", INDEX)
        .collection_index("secrets", "size.json", INDEX)
        .start()
        .expect("starts");
    filled(&mock);
    let client = mock.as_client("Org1MSP", [("role", "clerk")]).expect("a client");
    let marbles = MarblesClient::new(&client);
    let sizes = now(marbles.sizes(BY_SIZE).send()).expect("finds");
    assert_eq!(sizes, [("b".into(), 10), ("c".into(), 20), ("a".into(), 30)]);
    let (first, bookmark) = now(marbles.page(BY_SIZE, "").send()).expect("a page");
    let (second, _) = now(marbles.page(BY_SIZE, bookmark).send()).expect("a page");
    assert_eq!(
        (first, second),
        (vec!["b".into(), "c".into()], vec!["a".to_owned()])
    );
    assert_eq!(
        now(marbles.secrets(BY_SIZE).send()).expect("finds"),
        ["b", "c", "a"]
    );
}

#[test]
fn without_couchdb_there_are_none() {
    let mock = builder().start().expect("starts");
    let client = mock.as_client("Org1MSP", [("role", "clerk")]).expect("a client");
    let refusal = now(MarblesClient::new(&client).sizes(BY_SIZE).send())
        .expect_err("refused")
        .to_string();
    assert!(
        refusal.contains("ExecuteQuery not supported for leveldb"),
        "{refusal}"
    );
}

#[test]
fn a_sort_without_an_index_is_refused() {
    let mock = builder().couchdb().start().expect("starts");
    filled(&mock);
    let client = mock.as_client("Org1MSP", [("role", "clerk")]).expect("a client");
    let refusal = now(MarblesClient::new(&client).sizes(BY_SIZE).send())
        .expect_err("refused")
        .to_string();
    assert!(
        refusal.contains("Error:no_usable_index,  Status Code:400"),
        "{refusal}"
    );
}
