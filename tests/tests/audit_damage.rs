//! The auditor names what is wrong in a ledger: every changed byte, and every lie of a peer or an orderer.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use careledger::audit::args::SourceArgs;
use careledger::audit::{LedgerAudit, WrongAt, verify_source};
use careledger_tests::engine;
use careledger_tests::ledgers::{Stopped, ledger, stopped};
use fabric_gateway_sdk::SigningIdentity;
use fabric_ledger::{BlockFiles, block_data_hash, block_header_bytes, framed};
use fabric_protos::common::{Block, Metadata, SignatureHeader};
use prost::Message;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_changed_byte_is_named() {
    if engine::embedded_only("it reads or changes the nodes' own files") {
        return;
    }
    let network = stopped(3, 1).await;
    let second = ledger(&network.dir, &network.summary, 1);
    let file = second.join("blocks/00000000.blk");
    let good = fs::read(&file).expect("a block file");
    let (mut copies, mut alone) = (0, 0);
    for at in places(&good) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        fs::write(&file, &bad).expect("changed");
        // Beside good copies.
        let audits = audited(&network, &network.dir).await;
        assert_eq!(
            first_wrong(&audits, "Org2MSP", &file),
            (at as u64, true),
            "byte {at}: {audits:?}"
        );
        copies += 1;
        // And alone: the checksums tell.
        let audits = audited(&network, &second).await;
        assert_eq!(
            first_wrong(&audits, text(&second), &file),
            (at as u64, true),
            "byte {at}: {audits:?}"
        );
        alone += 1;
    }
    assert!(copies >= 30 && alone >= 30, "{copies} places");

    // A file that ends early: where it ends, if others have more.
    for length in [good.len() - 1, good.len() / 2, 5] {
        fs::write(&file, &good[..length]).expect("cut");
        let audits = audited(&network, &network.dir).await;
        assert_eq!(
            first_wrong(&audits, "Org2MSP", &file),
            (length as u64, true),
            "{audits:?}"
        );
        let audits = audited(&network, &second).await;
        let (offset, exact) = first_wrong(&audits, text(&second), &file);
        assert!(!exact && offset <= length as u64, "{audits:?}");
    }
    // Several bytes: the first of them, by comparison.
    let mut bad = good.clone();
    let middle = good.len() / 2;
    bad[middle..middle + 40].fill(0xee);
    fs::write(&file, &bad).expect("changed");
    let first = (middle..)
        .find(|at| good[*at] != 0xee)
        .expect("some byte differs");
    let audits = audited(&network, &network.dir).await;
    assert_eq!(
        first_wrong(&audits, "Org2MSP", &file),
        (first as u64, true),
        "{audits:?}"
    );
    fs::remove_file(&file).expect("removed");
    verify_source(&directory(&network, &second))
        .await
        .map(drop)
        .expect("it holds no block, which is a finding");
    fs::write(&file, &good).expect("mended");
    assert!(
        audited(&network, &network.dir)
            .await
            .iter()
            .all(|audit| audit.problem.is_none())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_peer_or_an_orderer_forges_is_found() {
    if engine::embedded_only("it reads or changes the nodes' own files") {
        return;
    }
    let network = stopped(3, 2).await;
    let second = ledger(&network.dir, &network.summary, 1);
    let file = second.join("blocks/00000000.blk");
    let good = fs::read(&file).expect("a block file");
    let blocks: Vec<Block> = BlockFiles::open(&second)
        .expect("a ledger")
        .map(|block| block.expect("a block").as_ref().clone())
        .collect();
    let last = blocks.len() - 1;
    let conflict = blocks
        .iter()
        .position(|block| codes(block).contains(&11))
        .expect("a conflict");
    let index = codes(&blocks[conflict])
        .iter()
        .position(|code| *code == 11)
        .expect("a conflict");
    let stranger = {
        let users = &network.summary.organisations[0].users;
        SigningIdentity::from_msp_dir(&users["User1"], "Org1MSP").expect("a user")
    };

    /// How a block is changed, which part is then wrong, and whether the byte is known without another copy.
    type Forgery<'f> = (&'f str, usize, Box<dyn Fn(&mut Block) + 'f>, &'f str, bool);
    let forgeries: Vec<Forgery<'_>> = vec![
        (
            "a conflict called valid",
            conflict,
            Box::new(|block| slot(block, 2)[index] = 0),
            "metadata.transactions_filter",
            true,
        ),
        (
            "a valid one called invalid",
            last,
            Box::new(|block| slot(block, 2)[0] = 10),
            "metadata.transactions_filter",
            true,
        ),
        (
            "a code too many",
            last,
            Box::new(|block| slot(block, 2).push(0)),
            "metadata.transactions_filter",
            true,
        ),
        (
            "another commit hash",
            last,
            Box::new(|block| slot(block, 4)[7] ^= 1),
            "metadata.commit_hash",
            true,
        ),
        (
            "another last config",
            last,
            Box::new(|block| *slot(block, 1) = b"\x0a\x02\x08\x01".to_vec()),
            "metadata.last_config",
            true,
        ),
        (
            "something in an empty slot",
            last,
            Box::new(|block| slot(block, 3).push(1)),
            "metadata.orderer",
            false,
        ),
        (
            "a signature with a bit flipped",
            last,
            Box::new(|block| flip_last(slot(block, 0))),
            "metadata.signatures",
            false,
        ),
        (
            "no signature",
            last,
            Box::new(|block| slot(block, 0).clear()),
            "metadata.signatures",
            false,
        ),
        (
            "another number",
            last,
            Box::new(|block| block.header.as_mut().expect("a header").number += 1),
            "header.number",
            true,
        ),
        (
            "another previous hash",
            last,
            Box::new(|block| block.header.as_mut().expect("a header").previous_hash[3] ^= 8),
            "header.previous_hash",
            true,
        ),
        (
            "another data hash",
            last,
            Box::new(|block| block.header.as_mut().expect("a header").data_hash[3] ^= 8),
            "data",
            true,
        ),
        (
            "a changed transaction",
            last,
            Box::new(|block| block.data.as_mut().expect("data").data[0][90] ^= 1),
            "data.transaction",
            false,
        ),
        (
            "a block signed by no orderer",
            last,
            Box::new(|block| forge(block, &stranger)),
            "metadata.signatures",
            false,
        ),
        (
            "another genesis block",
            0,
            Box::new(|block| block.data.as_mut().expect("data").data[0][90] ^= 1),
            "block",
            true,
        ),
    ];
    for (what, number, change, field, known) in forgeries {
        let mut forged = blocks.clone();
        change(&mut forged[number]);
        let bytes: Vec<u8> = forged
            .iter()
            .flat_map(|block| framed(&block.encode_to_vec()))
            .collect();
        fs::write(&file, &bytes).expect("forged");
        // The frame's header differs first, but its checksums are right: only the block is wrong.
        let start: usize = blocks[..number]
            .iter()
            .map(|block| framed(&block.encode_to_vec()).len())
            .sum();
        let same = |at: usize| good.get(start + 12 + at) == bytes.get(start + 12 + at);
        let first = start + 12 + (0..).find(|at| !same(*at)).expect("it differs");

        let audits = audited(&network, &network.dir).await;
        let wrong = wrong_of(&audits, "Org2MSP");
        assert_eq!(
            (wrong.block, wrong.field),
            (number as u64, field),
            "{what}: {wrong:?}"
        );
        assert_eq!(
            (wrong.offset, wrong.exact),
            (Some(first as u64), Some(true)),
            "{what}: {wrong:?}"
        );
        if field == "metadata.transactions_filter" && !what.contains("too many") {
            assert!(
                wrong.tx_id.as_ref().is_some_and(|id| id.len() == 64),
                "{what}: {wrong:?}"
            );
        }
        let audits = audited(&network, &second).await;
        let wrong = wrong_of(&audits, text(&second));
        assert_eq!(
            (wrong.block, wrong.field, wrong.exact),
            (number as u64, field, Some(known)),
            "{what}: {wrong:?}"
        );
        let range = wrong.offset.expect("a place") as usize..wrong.end.expect("a place") as usize;
        // A part of another length shifts all after it: then only the part itself can be named.
        let shifted = bytes.len() != good.len() && !known;
        assert!(shifted || range.contains(&first), "{what}: {first} in {wrong:?}");
        assert!(!known || range.start == first, "{what}: {first} in {wrong:?}");
    }

    // A shorter chain is no lie, but it is told.
    let shorter: Vec<u8> = blocks[..last]
        .iter()
        .flat_map(|block| framed(&block.encode_to_vec()))
        .collect();
    fs::write(&file, shorter).expect("cut between blocks");
    let audits = audited(&network, &network.dir).await;
    assert!(audits.iter().all(|audit| audit.problem.is_none()));
    assert_eq!(
        audits.iter().map(|audit| audit.behind).collect::<Vec<_>>(),
        [0, 1, 0, 0]
    );
}

/// At least thirty places in all parts of all frames.
fn places(file: &[u8]) -> Vec<usize> {
    let (mut places, mut at, mut seed) = (BTreeSet::new(), 0, 7usize);
    while at < file.len() {
        let length = u32::from_le_bytes([file[at], file[at + 1], file[at + 2], file[at + 3]]) as usize;
        // One in the frame's header, and one in the block, each time elsewhere; flags and commit hash are at its end.
        seed = seed.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        places.extend([
            at + seed % 12,
            at + 12 + (seed >> 8) % length,
            at + 12 + length - 1 - seed % 40,
        ]);
        at += 12 + length;
    }
    places.into_iter().collect()
}

fn directory(network: &Stopped, dir: &Path) -> SourceArgs {
    let own = dir != network.dir;
    SourceArgs {
        dir: Some(dir.to_owned()),
        genesis: own.then(|| network.summary.genesis_block.clone()),
        ..SourceArgs::default()
    }
}

async fn audited(network: &Stopped, dir: &Path) -> Vec<LedgerAudit> {
    verify_source(&directory(network, dir))
        .await
        .expect("can be audited")
}

fn wrong_of<'a>(audits: &'a [LedgerAudit], name: &str) -> &'a WrongAt {
    for audit in audits {
        assert_eq!(audit.problem.is_some(), audit.organisation == name, "{audit:?}");
    }
    let audit = audits
        .iter()
        .find(|audit| audit.organisation == name)
        .expect("its audit");
    audit.wrong.as_ref().expect("something is wrong")
}

/// The first wrong byte of the one copy that is wrong, and whether it is known for certain.
fn first_wrong(audits: &[LedgerAudit], name: &str, file: &Path) -> (u64, bool) {
    let wrong = wrong_of(audits, name);
    assert_eq!(wrong.file.as_deref(), file.to_str(), "{wrong:?}");
    (wrong.offset.expect("an offset"), wrong.exact.expect("a place"))
}

fn codes(block: &Block) -> &[u8] {
    fabric_ledger::validation_codes(block)
}

fn slot(block: &mut Block, index: usize) -> &mut Vec<u8> {
    &mut block.metadata.as_mut().expect("metadata").metadata[index]
}

fn flip_last(bytes: &mut [u8]) {
    *bytes.last_mut().expect("bytes") ^= 1;
}

/// The block without its last transaction's signature check: other data, hashed and signed anew by somebody else.
fn forge(block: &mut Block, signer: &SigningIdentity) {
    let data = block.data.as_mut().expect("data");
    let first = data.data[0].clone();
    data.data.push(first);
    let header = block.header.as_mut().expect("a header");
    header.data_hash = block_data_hash(data).to_vec();
    let header = block_header_bytes(header);
    slot(block, 2).push(9);
    let mut metadata = Metadata::decode(slot(block, 0).as_slice()).expect("signatures");
    let signature = &mut metadata.signatures[0];
    let mut by = SignatureHeader::decode(signature.signature_header.as_slice()).expect("a header");
    by.creator = signer.serialized().to_vec();
    signature.signature_header = by.encode_to_vec();
    let signed = [metadata.value.as_slice(), &signature.signature_header, &header].concat();
    signature.signature = signer.sign(&signed).expect("signed");
    *slot(block, 0) = metadata.encode_to_vec();
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}
