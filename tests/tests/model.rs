//! Random transactions against a model of Fabric's rules: codes, state, private values and history agree after every block.
//!
//! `CARELEDGER_MODEL_SEED` repeats a run, `CARELEDGER_MODEL_TRANSACTIONS` makes the run over hand-made blocks longer and
//! `CARELEDGER_MODEL_ROUNDS` the one over a network. Each run prints its seed.

use std::collections::{BTreeMap, BTreeSet};

use careledger_tests::engine;
use careledger_tests::model::bed::{self, ALL, Bed, CALLEE, CHAINCODE, PAIR, SHORT};
use careledger_tests::model::generate::{self, Random, Taste};
use careledger_tests::model::program::{self, ORGS, RUN};
use careledger_tests::model::wire::Marshalled;
use careledger_tests::model::{Model, Op, Transaction, compare};
use fabric_node::Network;
use fabric_protos::common::{Block, BlockMetadataIndex, Payload};
use fabric_protos::peer;
use fabric_protos::rwset::TxReadWriteSet;
use futures::future::join_all;
use prost::Message;

/// Programs for endorsers that are members of every collection.
const MEMBERS: Taste = Taste {
    callee: CALLEE,
    collections: &[PAIR, SHORT, ALL],
    ruled: ALL,
    partial_ranges: true,
};

/// Transactions of a short run over hand-made blocks.
const TRANSACTIONS: usize = 600;
/// Blocks after which all of the state is compared; after each of the others what its transactions wrote.
const EVERYTHING: u64 = 10;
/// Rounds of a short run over a network.
const ROUNDS: usize = 25;

#[derive(Clone)]
struct Made {
    transaction: Transaction,
    marshalled: Marshalled,
}

#[tokio::test(flavor = "multi_thread")]
async fn hand_made_blocks_come_to_what_the_model_says() {
    let seed = setting("CARELEDGER_MODEL_SEED", std::process::id() as usize) as u64;
    let wanted = setting("CARELEDGER_MODEL_TRANSACTIONS", TRANSACTIONS);
    println!("model: {wanted} transactions in hand-made blocks, CARELEDGER_MODEL_SEED={seed}");
    let mut random = Random::new(seed);
    let bed = Bed::new().await;
    let mut model = Model::new(bed::setting(), bed.height());
    let mut held: Vec<Made> = Vec::new();
    let mut sent: Vec<Made> = Vec::new();
    let mut seen = BTreeMap::<u8, usize>::new();
    let mut done = 0;
    while done < wanted {
        let mut block: Vec<Made> = Vec::new();
        for _ in 0..=random.below(12) {
            match random.below(100) {
                0..10 if !held.is_empty() => block.push(held.swap_remove(random.below(held.len()))),
                10..13 if !sent.is_empty() => block.push(random.pick(&sent).clone()),
                13..15 if !block.is_empty() => block.push(random.pick(&block).clone()),
                other => {
                    let made = make(&mut random, &model, &bed);
                    if other < 30 {
                        held.push(made)
                    } else {
                        block.push(made)
                    }
                }
            }
        }
        if block.is_empty() {
            continue;
        }
        let transactions: Vec<_> = block.iter().map(|made| made.transaction.clone()).collect();
        let expected = model.commit(&transactions);
        let marshalled: Vec<_> = block.iter().map(|made| &made.marshalled).collect();
        let found = bed.commit(&marshalled).await;
        assert_eq!(
            found,
            expected,
            "CARELEDGER_MODEL_SEED={seed}, block {}: {transactions:#?}",
            model.height - 1
        );
        bed.each_ledger(|org, ledger| {
            compare::compare_written(&model, &transactions, ledger, org, &bed.signers);
            if model.height.is_multiple_of(EVERYTHING) {
                compare::compare(&model, ledger, org, &bed.signers);
            }
        });
        for code in found {
            *seen.entry(code).or_default() += 1;
        }
        done += block.len();
        sent.extend(block);
        sent.drain(..sent.len().saturating_sub(50));
    }
    bed.each_ledger(|org, ledger| {
        compare::compare(&model, ledger, org, &bed.signers);
        compare::compare_history(&model, ledger);
    });
    println!(
        "model: {done} transactions in {} blocks, by code: {seen:?}",
        model.height
    );
    for code in [0, 9, 10, 11, 12] {
        assert!(
            seen.contains_key(&code),
            "no transaction got code {code}: {seen:?}"
        );
    }
}

/// A transaction endorsed a few blocks ago. Where it is endorsed now, the ledger's own simulator must come to the same bytes.
fn make(random: &mut Random, model: &Model, bed: &Bed) -> Made {
    let behind = if random.chance(60) { 0 } else { random.below(4) };
    let client = random.below(ORGS.len());
    let nonce = random.number().to_be_bytes();
    let flaw = generate::flaw(random);
    let mut id = bed.signers.id(client, &nonce);
    if flaw == Some(careledger_tests::model::Flaw::TransactionId) {
        id = bed.signers.id(client, b"another nonce");
    }
    let (program, mut sets) = loop {
        let program = generate::program(random, &MEMBERS);
        let sets = model.behind(behind).simulate(CHAINCODE, &program);
        if behind == 0 {
            check_simulator(bed, &program, &id, sets.as_ref());
        }
        if let Some(sets) = sets {
            break (program, sets);
        }
    };
    drop(program);
    if random.chance(10) {
        let pairs = sets.values_mut().filter_map(|set| set.private.get_mut(PAIR));
        pairs.for_each(|set| set.lost = true);
    }
    let transaction = Transaction {
        id,
        invoked: CHAINCODE.to_owned(),
        sets,
        endorsers: generate::endorsers(random),
        flaw,
    };
    let marshalled = bed.signers.envelope(&transaction, client, &nonce);
    if let Some(private) = &marshalled.private {
        bed.hand_over(&transaction.id, private, &model.setting);
    }
    Made {
        transaction,
        marshalled,
    }
}

fn check_simulator(
    bed: &Bed,
    program: &[Op],
    id: &str,
    sets: Option<&BTreeMap<String, careledger_tests::model::Set>>,
) {
    bed.each_ledger(|org, ledger| {
        if org != 0 {
            return;
        }
        let results = program::simulate(ledger.simulator(id), CHAINCODE, program, &bed.signers);
        assert_eq!(results.is_some(), sets.is_some(), "{program:?}");
        if let (Some(results), Some(sets)) = (results, sets) {
            let (public, private) = bed.signers.results(sets);
            assert_eq!(
                results.public,
                public.encode_to_vec(),
                "{program:?}: {:?}",
                results.public_set
            );
            assert_eq!(results.private, private, "{program:?}");
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_a_network_get_what_the_model_says() {
    if engine::embedded_only("it brings chaincode of its own") {
        return;
    }
    let seed = setting("CARELEDGER_MODEL_SEED", std::process::id() as usize) as u64;
    let rounds = setting("CARELEDGER_MODEL_ROUNDS", ROUNDS);
    println!("model: {rounds} rounds over a network, CARELEDGER_MODEL_SEED={seed}");
    let mut random = Random::new(seed);
    let (network, members, signers) = bed::network().await;
    let gateways = ORGS.map(|id| {
        members
            .gateway(id, "User1")
            .network(network.channel())
            .contract(CHAINCODE)
    });
    let mut model = Model::new(bed::setting(), settled(&network, 0, 0).await);
    let mut known = BTreeMap::new();
    let mut held = Vec::new();
    let mut sent = Vec::new();
    let (mut count, mut seen) = (0, BTreeMap::<u8, usize>::new());
    for _ in 0..rounds {
        // All are endorsed at one height, by several clients at once.
        let asked: Vec<_> = (0..2 + random.below(6)).map(|_| ask(&mut random)).collect();
        let endorsed = join_all(asked.iter().map(|(client, program, endorsers)| {
            let program = serde_json::to_vec(program).expect("JSON");
            let proposal = gateways[*client].proposal(RUN).args([program]);
            let proposal = proposal.endorsing_organizations(endorsers.iter().map(|org| ORGS[*org]));
            async move { proposal.build().endorse().await }
        }));
        for ((_, program, endorsers), endorsed) in asked.iter().zip(endorsed.await) {
            let sets = model.state.simulate(CHAINCODE, program);
            assert_eq!(
                endorsed.is_ok(),
                sets.is_some(),
                "CARELEDGER_MODEL_SEED={seed}: {program:?}: {endorsed:?}"
            );
            let (Ok(endorsed), Some(sets)) = (endorsed, sets) else {
                continue;
            };
            let (public, _) = signers.results(&sets);
            assert_eq!(
                results(endorsed.message()),
                public,
                "CARELEDGER_MODEL_SEED={seed}: {program:?}"
            );
            let transaction = Transaction {
                id: endorsed.transaction_id().to_owned(),
                invoked: CHAINCODE.to_owned(),
                sets,
                endorsers: endorsers.clone(),
                flaw: None,
            };
            known.insert(transaction.id.clone(), transaction);
            held.push(endorsed);
        }
        // Some wait, some come again.
        let mut now: Vec<_> = (0..held.len()).filter(|_| random.chance(80)).collect();
        let mut going: Vec<_> = Vec::new();
        while let Some(at) = now.pop() {
            going.push(held.swap_remove(at));
        }
        if random.chance(30) && !sent.is_empty() {
            going.push(random.pick::<fabric_gateway_sdk::Transaction>(&sent).clone());
        }
        if going.is_empty() {
            continue;
        }
        for taken in join_all(going.iter().map(fabric_gateway_sdk::Transaction::submit)).await {
            taken.expect("the orderer takes it");
        }
        let before = model.height;
        let height = settled(&network, before, going.len()).await;
        for number in before..height {
            let codes = check_block(&network, number, &known, &mut model, seed);
            count += codes.len();
            codes.iter().for_each(|code| *seen.entry(*code).or_default() += 1);
        }
        sent.extend(going);
        for (org, id) in ORGS.iter().enumerate() {
            let peer = network.peer(id).expect("it runs");
            compare::compare(
                &model,
                peer.channel(network.channel()).expect("has joined").ledger(),
                org,
                &signers,
            );
        }
    }
    for id in ORGS {
        let peer = network.peer(id).expect("it runs");
        compare::compare_history(
            &model,
            peer.channel(network.channel()).expect("has joined").ledger(),
        );
    }
    println!(
        "model: {count} transactions in {} blocks of a network, by code: {seen:?}",
        model.height
    );
    assert!(seen.contains_key(&0) && seen.contains_key(&11), "{seen:?}");
    network.stop().await;
}

/// Client, program and endorsers; only members endorse what reads or writes their collections.
fn ask(random: &mut Random) -> (usize, Vec<Op>, BTreeSet<usize>) {
    let taste = Taste {
        partial_ranges: false,
        ..MEMBERS
    };
    let program = generate::program(random, &taste);
    let all = generate::endorsers(random);
    let endorsers = if touches_pair(&program) {
        BTreeSet::from([0, 1])
    } else {
        all
    };
    (random.below(ORGS.len()), program, endorsers)
}

fn touches_pair(program: &[Op]) -> bool {
    program.iter().any(|op| match op {
        Op::GetPrivate(collection, _) | Op::PutPrivate(collection, ..) | Op::DeletePrivate(collection, _) => {
            collection != ALL
        }
        Op::Call(_, program) => touches_pair(program),
        _ => false,
    })
}

/// Waits until every peer has `count` transactions more than at `height`; gives the height then.
async fn settled(network: &Network, height: u64, count: usize) -> u64 {
    let mut last = 0;
    for id in ORGS {
        let channel = network
            .peer(id)
            .expect("it runs")
            .channel(network.channel())
            .expect("has joined");
        let mut heights = channel.heights();
        loop {
            let now = *heights.borrow_and_update();
            let blocks =
                (height..now).map(|number| channel.ledger().block(number).expect("reads").expect("is there"));
            let found: usize = blocks
                .map(|block| block.data.as_ref().map_or(0, |data| data.data.len()))
                .sum();
            if found >= count && now >= last {
                last = now;
                break;
            }
            heights.changed().await.expect("the peer runs");
        }
    }
    last
}

/// The codes of a block on every peer against the model's.
fn check_block(
    network: &Network,
    number: u64,
    known: &BTreeMap<String, Transaction>,
    model: &mut Model,
    seed: u64,
) -> Vec<u8> {
    let block = |id: &str| {
        let channel = network
            .peer(id)
            .expect("it runs")
            .channel(network.channel())
            .expect("has joined");
        channel.ledger().block(number).expect("reads").expect("is there")
    };
    let ids = transaction_ids(&block(ORGS[0]));
    let transactions: Vec<_> = ids.iter().map(|id| known[id].clone()).collect();
    let expected = model.commit(&transactions);
    for id in ORGS {
        let block = block(id);
        let found = &block.metadata.as_ref().expect("has metadata").metadata
            [BlockMetadataIndex::TransactionsFilter as usize];
        assert_eq!(
            found, &expected,
            "CARELEDGER_MODEL_SEED={seed}, {id}, block {number}: {transactions:#?}"
        );
    }
    expected
}

fn transaction_ids(block: &Block) -> Vec<String> {
    let envelopes = &block.data.as_ref().expect("has data").data;
    envelopes
        .iter()
        .map(|envelope| fabric_ledger::ParsedTx::from_envelope(envelope).tx_id)
        .collect()
}

/// The read-write set in a transaction's payload without what the peer read of the definition.
fn results(payload: &[u8]) -> TxReadWriteSet {
    let payload = Payload::decode(payload).expect("decodes");
    let transaction = peer::Transaction::decode(payload.data.as_slice()).expect("decodes");
    let action =
        peer::ChaincodeActionPayload::decode(transaction.actions[0].payload.as_slice()).expect("decodes");
    let action = action.action.expect("is endorsed");
    let response =
        peer::ProposalResponsePayload::decode(action.proposal_response_payload.as_slice()).expect("decodes");
    let action = peer::ChaincodeAction::decode(response.extension.as_slice()).expect("decodes");
    let mut set = TxReadWriteSet::decode(action.results.as_slice()).expect("decodes");
    set.ns_rwset
        .retain(|namespace| namespace.namespace != "_lifecycle");
    set
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name)
        .ok()
        .map_or(default, |value| value.parse().expect("a number"))
}
