//! A contract from its client through its dispatch to its implementation and back.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Mutex;

use fabric_contract_core::{
    Call, CallError, Chaincode, Context, ContractError, Creator, KeyModification, KeyPolicy, KeyValue,
    Ledger, LedgerError, Page, ReadContext, Response, Results, Submitted, Timestamp, Transport,
    TransportError, contract,
};
use futures::executor::block_on;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Asset {
    owner: String,
    value: u64,
}

#[derive(Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
enum AssetError {
    #[error("no asset {id}")]
    Missing { id: String },
    #[error("{0}")]
    Ledger(#[from] LedgerError),
}

impl ContractError for AssetError {
    fn code(&self) -> &str {
        match self {
            Self::Missing { .. } => "MISSING",
            Self::Ledger(_) => "LEDGER",
        }
    }
    fn status(&self) -> i32 {
        404
    }
}

type Result<T, E = AssetError> = std::result::Result<T, E>;

/// Assets and their owners.
#[contract(name = "asset", error = AssetError)]
trait Assets {
    /// Puts an asset.
    #[submit]
    fn put_asset(
        &self,
        ctx: &Context<'_>,
        id: String,
        #[transient] asset: Asset,
        #[transient] note: Option<String>,
    ) -> Result<u64>;
    #[evaluate]
    #[contract_fn(name = "ReadAsset")]
    fn read(&self, ctx: &ReadContext<'_>, id: &str) -> Result<Asset>;
    #[evaluate]
    fn owners(&self, ctx: &ReadContext<'_>, ids: &[String], upper: bool) -> Result<String>;
    #[submit]
    fn clear(&self, ctx: &Context<'_>) -> Result<()>;
}

#[derive(Default)]
struct Implementation;

impl Assets for Implementation {
    fn put_asset(&self, ctx: &Context<'_>, id: String, asset: Asset, note: Option<String>) -> Result<u64> {
        ctx.put_json(&id, &asset)?;
        if let Some(note) = note {
            ctx.set_event("note", note.as_bytes())?;
        }
        Ok(asset.value)
    }

    fn read(&self, ctx: &ReadContext<'_>, id: &str) -> Result<Asset> {
        ctx.get_json(id)?
            .ok_or_else(|| AssetError::Missing { id: id.to_owned() })
    }

    fn owners(&self, ctx: &ReadContext<'_>, ids: &[String], upper: bool) -> Result<String> {
        let mut names = Vec::new();
        for id in ids {
            names.push(self.read(ctx, id)?.owner);
        }
        let names = names.join(",");
        Ok(if upper { names.to_uppercase() } else { names })
    }

    fn clear(&self, ctx: &Context<'_>) -> Result<()> {
        let keys: Vec<_> = ctx.range("", "")?.collect::<Result<_, _>>()?;
        keys.iter().try_for_each(|entry| ctx.del_state(&entry.key))?;
        Ok(())
    }
}

/// One transaction over a map. Reads do not see its own writes.
struct Transaction<'a> {
    state: &'a BTreeMap<String, Vec<u8>>,
    writes: RefCell<Vec<(String, Option<Vec<u8>>)>>,
    creator: Creator,
    transient: BTreeMap<String, Vec<u8>>,
    range_start: RefCell<Option<String>>,
}

impl Ledger for Transaction<'_> {
    fn channel_id(&self) -> &str {
        "channel"
    }
    fn tx_id(&self) -> &str {
        "tx"
    }
    fn timestamp(&self) -> Timestamp {
        Timestamp::default()
    }
    fn creator(&self) -> &Creator {
        &self.creator
    }
    fn transient(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.transient
    }
    fn chaincode(&self) -> &str {
        "cc"
    }
    fn get_state(&self, key: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(self.state.get(key).cloned())
    }
    fn put_state(&self, key: &str, value: &[u8]) -> Result<(), LedgerError> {
        self.writes
            .borrow_mut()
            .push((key.to_owned(), Some(value.to_vec())));
        Ok(())
    }
    fn del_state(&self, key: &str) -> Result<(), LedgerError> {
        self.writes.borrow_mut().push((key.to_owned(), None));
        Ok(())
    }
    fn key_policy(&self, _: &str) -> Result<Option<KeyPolicy>, LedgerError> {
        Ok(None)
    }
    fn set_key_policy(&self, _: &str, _: &KeyPolicy) -> Result<(), LedgerError> {
        Ok(())
    }
    fn range(&self, start: &str, _: &str) -> Result<Results<'_, KeyValue>, LedgerError> {
        *self.range_start.borrow_mut() = Some(start.to_owned());
        let entries = self.state.iter().map(|(key, value)| {
            Ok(KeyValue {
                key: key.clone(),
                value: value.clone(),
            })
        });
        Ok(Box::new(entries))
    }
    fn range_paged(&self, _: &str, _: &str, _: u32, _: &str) -> Result<Page, LedgerError> {
        Ok(Page::default())
    }
    fn query(&self, _: &str) -> Result<Results<'_, KeyValue>, LedgerError> {
        Err(LedgerError::Peer("no rich queries".into()))
    }
    fn query_paged(&self, _: &str, _: u32, _: &str) -> Result<Page, LedgerError> {
        Err(LedgerError::Peer("no rich queries".into()))
    }
    fn history(&self, _: &str) -> Result<Results<'_, KeyModification>, LedgerError> {
        Ok(Box::new(std::iter::empty()))
    }
    fn private_get(&self, _: &str, _: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(None)
    }
    fn private_hash(&self, _: &str, _: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(None)
    }
    fn private_put(&self, _: &str, _: &str, _: &[u8]) -> Result<(), LedgerError> {
        Ok(())
    }
    fn private_del(&self, _: &str, _: &str) -> Result<(), LedgerError> {
        Ok(())
    }
    fn private_purge(&self, _: &str, _: &str) -> Result<(), LedgerError> {
        Ok(())
    }
    fn private_range(&self, _: &str, _: &str, _: &str) -> Result<Results<'_, KeyValue>, LedgerError> {
        Ok(Box::new(std::iter::empty()))
    }
    fn private_query(&self, _: &str, _: &str) -> Result<Results<'_, KeyValue>, LedgerError> {
        Ok(Box::new(std::iter::empty()))
    }
    fn private_key_policy(&self, _: &str, _: &str) -> Result<Option<KeyPolicy>, LedgerError> {
        Ok(None)
    }
    fn set_private_key_policy(&self, _: &str, _: &str, _: &KeyPolicy) -> Result<(), LedgerError> {
        Ok(())
    }
    fn set_event(&self, _: &str, _: &[u8]) -> Result<(), LedgerError> {
        Ok(())
    }
    fn invoke_chaincode(&self, _: &str, _: &str, _: &[Vec<u8>]) -> Result<Response, LedgerError> {
        Ok(Response::success(Vec::new()))
    }
}

/// Runs calls at once on its own state.
struct Loopback {
    chaincode: Chaincode,
    state: Mutex<BTreeMap<String, Vec<u8>>>,
}

#[derive(Debug, thiserror::Error)]
#[error("status {0}: {1}")]
struct LoopbackError(i32, String);

impl TransportError for LoopbackError {
    fn chaincode_message(&self) -> Option<(i32, &str)> {
        Some((self.0, &self.1))
    }
}

impl Loopback {
    fn new() -> Self {
        Self {
            chaincode: Chaincode::new().contract(AssetsContract(Implementation)),
            state: Mutex::default(),
        }
    }

    fn run(&self, call: Call) -> Result<Vec<u8>, LoopbackError> {
        let mut args = vec![call.qualified_function().into_bytes()];
        args.extend(call.args);
        let mut state = self.state.lock().expect("no test panics while it holds the lock");
        let transaction = transaction(&state, call.transient);
        let response = self.chaincode.invoke(&transaction, &args);
        if !response.is_success() {
            return Err(LoopbackError(response.status, response.message));
        }
        let writes = transaction.writes.into_inner();
        for (key, value) in writes {
            match value {
                Some(value) => state.insert(key, value),
                None => state.remove(&key),
            };
        }
        Ok(response.payload)
    }
}

fn transaction(state: &BTreeMap<String, Vec<u8>>, transient: BTreeMap<String, Vec<u8>>) -> Transaction<'_> {
    Transaction {
        state,
        writes: RefCell::default(),
        creator: Creator::default(),
        transient,
        range_start: RefCell::default(),
    }
}

impl Transport for Loopback {
    type Error = LoopbackError;
    async fn evaluate(&self, call: Call) -> Result<Vec<u8>, LoopbackError> {
        self.run(call)
    }
    async fn submit(&self, call: Call) -> Result<Submitted, LoopbackError> {
        Ok(Submitted {
            payload: self.run(call)?,
            tx_id: "tx".into(),
            block_number: 7,
        })
    }
}

fn asset(owner: &str) -> Asset {
    Asset {
        owner: owner.into(),
        value: 5,
    }
}

#[test]
fn a_typed_call_arrives_and_returns() {
    let ledger = Loopback::new();
    let client = AssetsClient::new(&ledger);
    let request = client.put_asset("a", asset("ann"), None).endorsed_by(["Org1MSP"]);
    assert_eq!(request.call().endorsing_organizations, ["Org1MSP"]);
    assert_eq!(request.call().args, [b"a".to_vec()]);
    let committed = block_on(request.send()).unwrap();
    assert_eq!((committed.value, committed.block_number), (5, 7));
    assert_eq!(block_on(client.read("a").send()).unwrap(), asset("ann"));
    assert_eq!(
        block_on(client.owners(&["a".to_owned()], true).send()).unwrap(),
        "ANN"
    );
    block_on(client.clear().send()).unwrap();
    assert!(ledger.state.lock().unwrap().is_empty());
}

#[test]
fn the_contracts_error_arrives_as_itself() {
    let ledger = Loopback::new();
    let error = block_on(AssetsClient::new(&ledger).read("x").send()).unwrap_err();
    assert_eq!(error.contract(), Some(&AssetError::Missing { id: "x".into() }));
}

#[test]
fn wrong_inputs_are_refused_without_being_quoted() {
    let ledger = Loopback::new();
    let call = |function: &str, args: &[&str], transient: &[(&str, &str)]| {
        let transient = transient
            .iter()
            .map(|(k, v)| ((*k).to_owned(), v.as_bytes().to_vec()))
            .collect();
        let args = args.iter().map(|arg| arg.as_bytes().to_vec()).collect();
        let function = function.to_owned();
        ledger
            .run(Call {
                contract: "asset".into(),
                function,
                args,
                transient,
                ..Call::default()
            })
            .unwrap_err()
    };
    let cases = [
        (call("putAsset", &[], &[]), "takes 1 arguments (id), got 0"),
        (call("putAsset", &["a"], &[]), "transient input asset is missing"),
        (
            call("putAsset", &["a"], &[("asset", "{\"owner\": 1}")]),
            "another form than declared",
        ),
        (
            call("putAsset", &["a"], &[("diagnosis", "{}")]),
            "one that is not among them",
        ),
        (
            call("owners", &["[", "true"], &[]),
            "argument ids: the JSON ends early",
        ),
    ];
    for (LoopbackError(status, message), expected) in cases {
        assert_eq!(status, 400, "{message}");
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains("diagnosis"), "{message}");
    }
    let LoopbackError(status, message) = call("nothing", &[], &[]);
    assert_eq!(status, 500);
    assert!(
        message.contains("putAsset, ReadAsset, owners, clear"),
        "{message}"
    );
}

#[test]
fn an_error_of_another_type_is_a_refusal() {
    let ledger = Loopback {
        chaincode: Chaincode::new(),
        state: Mutex::default(),
    };
    let error = block_on(AssetsClient::new(&ledger).read("x").send()).unwrap_err();
    let CallError::Refused(refusal) = error else {
        panic!("{error}")
    };
    assert_eq!((refusal.status, refusal.code.as_str()), (500, "UNKNOWN_FUNCTION"));
}

#[test]
fn the_first_contract_is_the_default_and_metadata_names_all() {
    let ledger = Loopback::new();
    let state = BTreeMap::from([("a".to_owned(), serde_json::to_vec(&asset("ann")).unwrap())]);
    let transaction = transaction(&state, BTreeMap::new());
    let response = ledger
        .chaincode
        .invoke(&transaction, &[b"ReadAsset".to_vec(), b"a".to_vec()]);
    assert_eq!(response.payload, br#"{"owner":"ann","value":5}"#);
    let response = ledger
        .chaincode
        .invoke(&transaction, &[b"org.hyperledger.fabric:GetMetadata".to_vec()]);
    let metadata: serde_json::Value = serde_json::from_slice(&response.payload).unwrap();
    let put = &metadata["contracts"]["asset"]["transactions"][0];
    assert_eq!(put["name"], "putAsset");
    assert_eq!(put["tag"], serde_json::json!(["submit"]));
    assert_eq!(put["parameters"][0]["schema"]["type"], "string");
    assert_eq!(
        put["x-transient"][0]["schema"]["$ref"],
        "#/components/schemas/Asset"
    );
    assert_eq!(
        metadata["contracts"]["asset"]["info"]["description"],
        "Assets and their owners."
    );
}

#[test]
fn simple_ranges_leave_composite_keys_out() {
    let state = BTreeMap::new();
    let transaction = transaction(&state, BTreeMap::new());
    let ctx = ReadContext::new(&transaction, "asset", "f", &[]);
    drop(ctx.range("", "").unwrap());
    assert_eq!(transaction.range_start.borrow().as_deref(), Some("\u{1}"));
    drop(ctx.composite_range("t", &["a"]).unwrap());
    assert_eq!(transaction.range_start.borrow().as_deref(), Some("\0t\0a\0"));
    assert!(matches!(
        ctx.range("\0t\0", ""),
        Err(LedgerError::InvalidArgument(_))
    ));
    assert!(matches!(ctx.get_state(""), Err(LedgerError::InvalidArgument(_))));
}

#[test]
fn a_value_of_another_form_is_not_quoted() {
    let state = BTreeMap::from([("a".to_owned(), br#"{"owner":"ann","value":"secret"}"#.to_vec())]);
    let transaction = transaction(&state, BTreeMap::new());
    let error = ReadContext::new(&transaction, "asset", "f", &[])
        .get_json::<Asset>("a")
        .unwrap_err();
    assert!(error.to_string().contains("Asset expected"), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[test]
#[should_panic(expected = "rename one")]
fn two_contracts_of_one_name_are_refused() {
    let _ = Chaincode::new()
        .contract(AssetsContract(Implementation))
        .contract(AssetsContract(Implementation));
}
