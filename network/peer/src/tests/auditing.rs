//! The auditor finds what is wrong, where it is, and nothing else; and a peer opens again as it was.

use std::sync::Arc;

use fabric_ledger::LedgerError;
use fabric_protos::common::Block;
use fabric_protos::peer::{CollectionConfigPackage, TxValidationCode as Code};

use crate::BlockRefused;
use crate::replay::{Auditor, Blocks, Finding, Report, Role, Source, audit, audit_copies};
use crate::testing::{CHANNEL, Net, payload};

async fn history() -> (Net, Vec<Arc<Block>>) {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    let good = net.endorsed(&["add", "k", "1"], &[0, 1]).await;
    let rival = net.endorsed(&["add", "k", "2"], &[0, 1]).await;
    let alone = net.endorsed(&["put", "x", "3"], &[2]).await;
    assert_eq!(net.order([good, rival, alone]).await, [0, 11, 10]);
    let last = net.endorsed(&["del", "k"], &[1, 2]).await;
    assert_eq!(net.order([last]).await, [0]);
    let blocks = net
        .channel(1)
        .ledger()
        .iter_from(0)
        .collect::<Result<Vec<_>, _>>()
        .expect("reads");
    (net, blocks)
}

fn audited(net: &Net, blocks: Vec<Arc<Block>>) -> Report {
    let scratch = tempfile::tempdir().expect("a directory");
    let blocks = blocks.into_iter().map(Ok::<_, LedgerError>);
    audit(&net.genesis, blocks, scratch.path()).expect("can be done")
}

/// The blocks with one of them changed.
fn changed(blocks: &[Arc<Block>], number: usize, change: impl FnOnce(&mut Block)) -> Vec<Arc<Block>> {
    let mut blocks = blocks.to_vec();
    change(Arc::make_mut(&mut blocks[number]));
    blocks
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_ledger_is_right_and_a_changed_one_is_not() {
    let (net, blocks) = history().await;
    let count = blocks.len();
    let report = audited(&net, blocks.clone());
    assert_eq!(report.wrong, None);
    assert_eq!(
        (report.blocks, report.transactions),
        (count as u64, count as u64 + 2)
    );
    assert_eq!(report.codes["MVCC_READ_CONFLICT"], 1);
    assert_eq!(report.codes["ENDORSEMENT_POLICY_FAILURE"], 1);
    let ledger = net.channel(0);
    assert_eq!(
        (report.last_hash, report.commit_hash),
        (ledger.ledger().last_hash(), ledger.ledger().commit_hash())
    );

    let wrong = |blocks| {
        let wrong = audited(&net, blocks).wrong.expect("is wrong");
        (wrong.block, wrong.finding)
    };
    let target = count - 2;
    let at = target as u64;
    let metadata = |block: &mut Block, slot: usize, change: &dyn Fn(&mut Vec<u8>)| {
        change(&mut block.metadata.as_mut().expect("has metadata").metadata[slot]);
    };

    let flipped = changed(&blocks, target, |block| {
        block.data.as_mut().expect("has data").data[0][50] ^= 1
    });
    assert!(matches!(wrong(flipped), (block, Finding::Transaction { index: 0, .. }) if block == at));
    let swapped = changed(&blocks, target, |block| {
        block.data.as_mut().expect("has data").data.swap(0, 1)
    });
    assert_eq!(wrong(swapped), (at, Finding::Refused(BlockRefused::DataHash(at))));
    let unsigned = changed(&blocks, target, |block| {
        metadata(block, 0, &|slot| *slot.last_mut().expect("bytes") ^= 1)
    });
    assert!(
        matches!(wrong(unsigned), (block, Finding::Refused(BlockRefused::Signature { .. })) if block == at)
    );
    for (index, pretended, right) in [
        (0, 11, Code::Valid),
        (1, 0, Code::MvccReadConflict),
        (2, 0, Code::EndorsementPolicyFailure),
    ] {
        let lied = changed(&blocks, target, |block| {
            metadata(block, 2, &|slot| slot[index] = pretended)
        });
        match wrong(lied) {
            (
                block,
                Finding::Code {
                    index: found,
                    expected,
                    ..
                },
            ) => assert_eq!((block, found, expected), (at, index, right)),
            other => panic!("{other:?}"),
        }
    }
    let hash = changed(&blocks, target, |block| {
        metadata(block, 4, &|slot| *slot.last_mut().expect("bytes") ^= 1)
    });
    assert_eq!(wrong(hash), (at, Finding::CommitHash));
    let mut missing = blocks.clone();
    missing.remove(target);
    assert_eq!(
        wrong(missing),
        (
            at,
            Finding::Refused(BlockRefused::Number {
                expected: at,
                found: at + 1
            })
        )
    );
    let other = changed(&blocks, 0, |block| {
        block.data.as_mut().expect("has data").data[0].push(0)
    });
    assert_eq!(wrong(other), (0, Finding::OtherGenesis));
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_are_compared_and_a_fork_is_named() {
    let (net, blocks) = history().await;
    let last = blocks.len() - 1;
    // The orderer signs another block of the same number.
    let header = blocks[last - 1].header.as_ref().expect("has a header");
    let data = blocks[last].data.as_ref().expect("has data").data.clone();
    let twice = [data.clone(), data].concat();
    let previous = fabric_ledger::block_header_hash(header).to_vec();
    let fork = crate::testing::sign_block(&net.orderer, last as u64, previous, twice);
    let forked = changed(&blocks, last, |block| *block = fork);
    let unflagged: Vec<_> = blocks
        .iter()
        .map(|block| {
            let mut block = block.as_ref().clone();
            let slots = &mut block.metadata.as_mut().expect("has metadata").metadata;
            (slots[2], slots[4]) = (Vec::new(), Vec::new());
            Arc::new(block)
        })
        .collect();

    let scratch = tempfile::tempdir().expect("a directory");
    let mut auditor = Auditor::new(&net.genesis, scratch.path()).expect("a genesis block");
    let source = |name: &str, role, blocks: Vec<Arc<Block>>| -> Box<dyn Source> {
        Box::new(Blocks::new(name, role, blocks.into_iter().map(Ok::<_, String>)))
    };
    let sources = vec![
        source("first", Role::Peer, blocks.clone()),
        source("forked", Role::Peer, forked),
        source("short", Role::Peer, blocks[..last].to_vec()),
        source("orderer", Role::Orderer, unflagged.clone()),
        source("unvalidated", Role::Peer, unflagged),
    ];
    let mut agreeing = Vec::new();
    let audit = audit_copies(&mut auditor, sources, |accepted| {
        agreeing.push(accepted.agreeing.len());
        assert_eq!(accepted.number + 1, accepted.auditor.height());
        std::ops::ControlFlow::Continue(())
    })
    .expect("can be done");
    assert!(!audit.is_ok());
    assert_eq!(agreeing.len(), blocks.len());
    // The genesis block may be as it was made; after it a peer must say what it found.
    assert_eq!((agreeing[0], agreeing[1], agreeing[last]), (4, 3, 1));
    let of = |name: &str| {
        let copy = audit.copies.iter().find(|copy| copy.name == name);
        &copy.expect("is reported").report
    };
    assert_eq!(
        (of("first").blocks, &of("first").wrong),
        (blocks.len() as u64, &None)
    );
    assert_eq!((of("short").blocks, &of("short").wrong), (last as u64, &None));
    let orderer = of("orderer");
    assert_eq!((orderer.blocks, &orderer.wrong), (blocks.len() as u64, &None));
    assert_eq!(
        (&orderer.last_hash, &orderer.codes),
        (&of("first").last_hash, &of("first").codes)
    );
    let fork = of("forked").wrong.as_ref().expect("is wrong");
    assert_eq!(fork.block, last as u64);
    assert!(
        matches!(&fork.finding, Finding::Fork { name, .. } if name == "first"),
        "{fork}"
    );
    let unvalidated = of("unvalidated").wrong.as_ref().expect("is wrong");
    assert_eq!(unvalidated.block, 1);
    assert!(matches!(
        unvalidated.finding,
        Finding::CodeCount {
            found: 0,
            expected: 1
        }
    ));
    let place = unvalidated.place.as_ref().expect("is placed");
    assert!(place.exact && place.file.is_none(), "{unvalidated}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_can_stop_and_gives_the_state_there() {
    let (net, blocks) = history().await;
    let stop = blocks.len() as u64 - 2;
    let scratch = tempfile::tempdir().expect("a directory");
    let mut auditor = Auditor::new(&net.genesis, scratch.path()).expect("a genesis block");
    let copy = Blocks::new("copy", Role::Peer, blocks.into_iter().map(Ok::<_, String>));
    let audit = audit_copies(&mut auditor, vec![Box::new(copy)], |accepted| {
        if accepted.number == stop {
            std::ops::ControlFlow::Break(())
        } else {
            std::ops::ControlFlow::Continue(())
        }
    });
    assert!(audit.expect("can be done").is_ok());
    assert_eq!(auditor.height(), stop + 1);
    let entries: Vec<_> = auditor.state().collect::<Result<_, _>>().expect("reads");
    // The last block deletes the key.
    let found = entries.iter().find(|entry| entry.key == b"k").expect("is there");
    assert_eq!((found.value.as_slice(), found.version.block), (&b"1"[..], stop));
    assert!(
        entries
            .iter()
            .any(|entry| entry.collection.is_some() && entry.namespace == "_lifecycle")
    );
    assert!(audit_copies(&mut auditor, Vec::new(), |_| unreachable!()).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_opens_again_as_it_was() {
    let (mut net, blocks) = history().await;
    let before = (net.channel(0).height(), net.channel(0).ledger().commit_hash());
    let old = net.peers.remove(0);
    drop(old);
    let again = net.open_peer(0);
    net.peers.insert(0, again);
    assert_eq!(
        (net.channel(0).height(), net.channel(0).ledger().commit_hash()),
        before
    );
    assert_eq!(net.channel(0).height(), blocks.len() as u64);
    assert_eq!(payload(&net.evaluated(&["get", "k"], 0).await), b"");
    let envelope = net.endorsed(&["put", "k", "9"], &[0, 1]).await;
    assert_eq!(net.order([envelope]).await, [0]);
    assert_eq!(
        net.peers[0].info(CHANNEL).expect("has joined").ledger_height,
        before.0 + 1
    );
}
