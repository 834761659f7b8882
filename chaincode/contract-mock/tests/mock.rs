//! The mock network against a contract of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fabric_contract_core::{
    Call, CallError, Chaincode, Context, KeyPolicy, LedgerError, Principal, ReadContext, Role, Timestamp,
    contract,
};
use fabric_contract_mock::{Counts, MockCollection, MockError, MockLedger, now};
use fabric_protos::peer::TxValidationCode;

#[contract(name = "vaults")]
trait Vaults {
    #[submit]
    fn put(&self, ctx: &Context<'_>, key: String, value: String) -> Result<(), LedgerError>;
    #[submit]
    fn add(&self, ctx: &Context<'_>, key: String, by: u64) -> Result<u64, LedgerError>;
    #[submit]
    fn put_secret(
        &self,
        ctx: &Context<'_>,
        collection: String,
        key: String,
        #[transient] value: String,
    ) -> Result<(), LedgerError>;
    #[evaluate]
    fn secret(
        &self,
        ctx: &ReadContext<'_>,
        collection: String,
        key: String,
    ) -> Result<Option<String>, LedgerError>;
    #[evaluate]
    fn secret_hash(
        &self,
        ctx: &ReadContext<'_>,
        collection: String,
        key: String,
    ) -> Result<String, LedgerError>;
    #[evaluate]
    fn caller(&self, ctx: &ReadContext<'_>) -> Result<(String, Option<String>, i64), LedgerError>;
    #[evaluate]
    fn times(&self, ctx: &ReadContext<'_>, key: String) -> Result<Vec<i64>, LedgerError>;
    #[submit]
    fn unsteady(&self, ctx: &Context<'_>) -> Result<(), LedgerError>;
    #[submit]
    fn call_other(&self, ctx: &Context<'_>, key: String) -> Result<i32, LedgerError>;
}

#[derive(Default)]
struct Rules(AtomicU64);

impl Vaults for Rules {
    fn put(&self, ctx: &Context<'_>, key: String, value: String) -> Result<(), LedgerError> {
        ctx.put_state(&key, value.as_bytes())?;
        ctx.set_event("put", key.as_bytes())
    }

    fn add(&self, ctx: &Context<'_>, key: String, by: u64) -> Result<u64, LedgerError> {
        let sum = ctx.get_json::<u64>(&key)?.unwrap_or_default() + by;
        ctx.put_json(&key, &sum)?;
        Ok(sum)
    }

    fn put_secret(
        &self,
        ctx: &Context<'_>,
        collection: String,
        key: String,
        value: String,
    ) -> Result<(), LedgerError> {
        ctx.private_put(&collection, &key, value.as_bytes())
    }

    fn secret(
        &self,
        ctx: &ReadContext<'_>,
        collection: String,
        key: String,
    ) -> Result<Option<String>, LedgerError> {
        let value = ctx.private_get(&collection, &key)?;
        Ok(value.map(|value| String::from_utf8_lossy(&value).into_owned()))
    }

    fn secret_hash(
        &self,
        ctx: &ReadContext<'_>,
        collection: String,
        key: String,
    ) -> Result<String, LedgerError> {
        Ok(ctx
            .private_hash(&collection, &key)?
            .map(hex::encode)
            .unwrap_or_default())
    }

    fn caller(&self, ctx: &ReadContext<'_>) -> Result<(String, Option<String>, i64), LedgerError> {
        let client = ctx
            .client()
            .map_err(|error| LedgerError::InvalidArgument(error.to_string()))?;
        let role = client.attribute("role").map(str::to_owned);
        Ok((client.msp_id().to_owned(), role, ctx.timestamp().seconds))
    }

    fn times(&self, ctx: &ReadContext<'_>, key: String) -> Result<Vec<i64>, LedgerError> {
        ctx.history(&key)?
            .map(|change| Ok(change?.timestamp.seconds))
            .collect()
    }

    fn unsteady(&self, ctx: &Context<'_>) -> Result<(), LedgerError> {
        let count = self.0.fetch_add(1, Ordering::Relaxed);
        ctx.put_json("count", &count)
    }

    fn call_other(&self, ctx: &Context<'_>, key: String) -> Result<i32, LedgerError> {
        let args = [&b"vaults:put"[..], key.as_bytes(), b"by another"].map(<[u8]>::to_vec);
        Ok(ctx.invoke_chaincode("other", "", &args)?.status)
    }
}

fn chaincode() -> Chaincode {
    Chaincode::new().contract(VaultsContract(Rules::default()))
}

fn network() -> MockLedger {
    MockLedger::builder(chaincode())
        .chaincode("vault")
        .organisations(["AMSP", "BMSP", "CMSP"])
        .collection(MockCollection::new("ab", ["AMSP", "BMSP"]))
        .collection(MockCollection::new("closed", ["AMSP", "BMSP"]).member_only_read(true))
        .other_chaincode("other", chaincode())
        .start()
        .expect("starts")
}

const NONE: [(&str, &str); 0] = [];

#[test]
fn commits_and_reads_back() {
    let mock = MockLedger::new(chaincode()).unwrap();
    let client = mock.as_client("Org1MSP", NONE).unwrap();
    let vaults = VaultsClient::new(&client);
    let first = now(vaults.add("n", 2).send()).unwrap();
    let second = now(vaults.add("n", 3).send()).unwrap();
    assert_eq!((first.value, first.block_number), (2, 1));
    assert_eq!((second.value, second.block_number), (5, 2));
    assert_eq!(mock.state("n").unwrap().as_deref(), Some(&b"5"[..]));
    assert_eq!(mock.height().unwrap(), 3);
}

#[test]
fn private_values_are_on_the_members_ledgers_only() {
    let mock = network();
    let a = mock.as_client("AMSP", NONE).unwrap();
    let vaults = VaultsClient::new(&a);
    now(vaults
        .put_secret("ab", "k", "secret".into())
        .endorsed_by(["AMSP", "BMSP"])
        .send())
    .unwrap();
    for member in ["AMSP", "BMSP"] {
        let value = now(vaults.secret("ab", "k").endorsed_by([member]).send()).unwrap();
        assert_eq!(value.as_deref(), Some("secret"));
    }
    let error = now(vaults.secret("ab", "k").endorsed_by(["CMSP"]).send()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("private data matching public hash version is not available"),
        "{error}"
    );
    let hash = now(vaults.secret_hash("ab", "k").endorsed_by(["CMSP"]).send()).unwrap();
    assert_eq!(
        hash,
        "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
    );
    assert!(mock.private("CMSP", "ab", "k").is_err());
    let error = now(vaults.secret("nowhere", "k").send()).unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
}

#[test]
fn clients_of_others_are_refused_where_the_collection_says_so() {
    let mock = network();
    let c = mock.as_client("CMSP", NONE).unwrap();
    let vaults = VaultsClient::new(&c);
    let error = now(vaults.secret("closed", "k").endorsed_by(["AMSP"]).send()).unwrap_err();
    assert!(
        error.to_string().contains("does not have read access permission"),
        "{error}"
    );
    assert_eq!(
        now(vaults.secret("ab", "k").endorsed_by(["AMSP"]).send()).unwrap(),
        None
    );
}

#[test]
fn of_two_rivals_the_first_wins() {
    let mock = MockLedger::new(chaincode()).unwrap();
    let client = mock.as_client("Org1MSP", NONE).unwrap();
    let vaults = VaultsClient::new(&client);
    let calls: Vec<Call> = [1, 2].map(|by| vaults.add("n", by).call().clone()).into();
    let rivals: Vec<_> = calls
        .into_iter()
        .map(|call| client.endorse(call).unwrap())
        .collect();
    let outcomes = mock.commit(rivals).unwrap();
    let codes: Vec<_> = outcomes.iter().map(|outcome| outcome.code).collect();
    assert_eq!(
        codes,
        [TxValidationCode::Valid, TxValidationCode::MvccReadConflict]
    );
    assert_eq!(outcomes[0].block_number, outcomes[1].block_number);
    assert_eq!(mock.state("n").unwrap().as_deref(), Some(&b"1"[..]));
}

#[test]
fn identity_and_clock_are_the_tests() {
    let mock = network();
    let client = mock.as_client("BMSP", [("role", "clinician")]).unwrap();
    mock.set_time(Timestamp {
        seconds: 100,
        nanos: 900_000_000,
    });
    mock.advance(Duration::from_millis(1_200));
    let caller = |client| now(VaultsClient::new(client).caller().send()).unwrap();
    assert_eq!(caller(&client), ("BMSP".into(), Some("clinician".into()), 102));
    assert_eq!(mock.time().nanos, 100_000_000);
    assert_eq!(caller(&client.at(Timestamp { seconds: 7, nanos: 0 })).2, 7);
    assert!(matches!(
        mock.as_client("XMSP", NONE),
        Err(MockError::UnknownOrganisation(_))
    ));
    let admin = mock.as_admin("AMSP").unwrap();
    admin
        .view(|ctx| {
            assert!(ctx.client().unwrap().is_admin());
            Ok::<_, LedgerError>(())
        })
        .unwrap();
}

#[test]
fn history_is_newest_first() {
    let mock = MockLedger::new(chaincode()).unwrap();
    let client = mock.as_client("Org1MSP", NONE).unwrap();
    let vaults = VaultsClient::new(&client);
    for seconds in [10, 20] {
        mock.set_time(Timestamp { seconds, nanos: 0 });
        now(vaults.put("k", "v").send()).unwrap();
    }
    assert_eq!(now(vaults.times("k").send()).unwrap(), [20, 10]);
}

#[test]
fn a_contract_that_is_not_deterministic_is_caught() {
    let mock = MockLedger::new(chaincode()).unwrap();
    let client = mock.as_client("Org1MSP", NONE).unwrap();
    let error = now(VaultsClient::new(&client).unsteady().send()).unwrap_err();
    assert!(
        matches!(
            error,
            CallError::Transport(MockError::NotDeterministic {
                what: "the public read-write set"
            })
        ),
        "{error}"
    );
    assert_eq!(mock.height().unwrap(), 1);
}

#[test]
fn the_last_simulation_can_be_counted() {
    let mock = network();
    let client = mock.as_client("AMSP", NONE).unwrap();
    let vaults = VaultsClient::new(&client);
    now(vaults.put_secret("ab", "k", "secret".into()).send()).unwrap();
    let simulation = mock.last_simulation().unwrap();
    assert_eq!(simulation.calls, ["private_put ab"]);
    let expected = Counts {
        writes: 1,
        value_lengths: vec![6],
        ..Counts::default()
    };
    assert_eq!(simulation.counts("vault", "ab"), expected);
    assert_eq!(simulation.counts("vault", ""), Counts::default());
    assert_eq!(simulation.shape().len(), 1);

    now(vaults.add("n", 1).send()).unwrap();
    let simulation = mock.last_simulation().unwrap();
    assert_eq!(simulation.public_keys_written().collect::<Vec<_>>(), ["n"]);
    assert_eq!(simulation.counts("vault", "").reads, 1);
}

#[test]
fn events_come_from_valid_transactions() {
    let mock = MockLedger::new(chaincode()).unwrap();
    let client = mock.as_client("Org1MSP", NONE).unwrap();
    let committed = now(VaultsClient::new(&client).put("k", "v").send()).unwrap();
    let events = mock.events();
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].event.name.as_str(), &events[0].tx_id),
        ("put", &committed.tx_id)
    );
}

#[test]
fn other_chaincode_writes_in_its_own_namespace() {
    let mock = network();
    let client = mock.as_client("AMSP", NONE).unwrap();
    assert_eq!(
        now(VaultsClient::new(&client).call_other("k").send())
            .unwrap()
            .value,
        200
    );
    assert_eq!(mock.state("k").unwrap(), None);
    let simulation = mock.last_simulation().unwrap();
    assert_eq!(simulation.counts("other", "").writes, 1);
    assert!(
        mock.events().is_empty(),
        "the callee's event is not the transaction's"
    );
}

#[test]
fn closures_are_transactions_too() {
    let mock = network();
    let client = mock.as_client("AMSP", NONE).unwrap();
    let policy = KeyPolicy {
        required: 1,
        principals: vec![Principal::new("AMSP", Role::Peer)],
    };
    let write = |ctx: &Context<'_>| {
        ctx.put_state("k", b"v")?;
        ctx.set_key_policy("k", &policy)
    };
    client.transact(write).unwrap();
    let read = |ctx: &ReadContext<'_>| {
        let keys: Result<Vec<_>, LedgerError> = ctx.range("", "")?.map(|entry| Ok(entry?.key)).collect();
        Ok::<_, LedgerError>((keys?, ctx.key_policy("k")?))
    };
    assert_eq!(client.view(read).unwrap(), (vec!["k".to_owned()], Some(policy)));
    let refused: Result<_, CallError<LedgerError, _>> = client.transact(|ctx| ctx.put_state("", b"v"));
    assert!(matches!(
        refused,
        Err(CallError::Contract(LedgerError::InvalidArgument(_)))
    ));
}
