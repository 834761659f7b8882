use super::*;

fn tx(n: u8) -> TxId {
    hex::encode([n; 32]).parse().unwrap()
}

fn open(path: &Path) -> Journal {
    Journal::open(path, "health", "HospitalMSP").unwrap()
}

fn waiting(journal: &Journal) -> Vec<TxId> {
    journal.open_deliveries().into_iter().map(|o| o.tx).collect()
}

#[test]
fn each_access_is_taken_once_whatever_the_stream_repeats() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut journal = open(&path);
    for (block, n, new) in [
        (3, 1, true),
        (3, 1, false),
        (3, 2, true),
        (5, 3, true),
        (3, 2, false),
        (5, 3, false),
    ] {
        assert_eq!(
            journal.receive(block, &tx(n), Topic::Access).unwrap(),
            new,
            "{block} {n}"
        );
    }
    journal.done(&tx(2)).unwrap();
    journal.done(&tx(2)).unwrap();
    drop(journal);
    let mut journal = open(&path);
    assert_eq!((journal.block(), waiting(&journal)), (5, vec![tx(1), tx(3)]));
    assert!(!journal.receive(5, &tx(3), Topic::Access).unwrap());
    assert!(journal.receive(5, &tx(4), Topic::Access).unwrap());
    journal.pass(6).unwrap();
    assert_eq!(journal.block(), 5, "small steps are not worth a line");
    journal.pass(5 + PASSED).unwrap();
    drop(journal);
    let mut journal = open(&path);
    assert_eq!(journal.block(), 5 + PASSED);
    assert!(!journal.receive(5, &tx(9), Topic::Access).unwrap());
}

#[test]
fn cut_at_any_byte_it_holds_what_was_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut journal = open(&path);
    let mut states = vec![(fs::metadata(&path).unwrap().len(), waiting(&journal))];
    for step in 0..6 {
        match step {
            0..=2 => assert!(journal.receive(step, &tx(step as u8), Topic::Access).unwrap()),
            3 => journal.done(&tx(1)).unwrap(),
            4 => journal.failed(&tx(0), 1, 77).unwrap(),
            _ => journal.give_up(&tx(2), 9).unwrap(),
        }
        states.push((fs::metadata(&path).unwrap().len(), waiting(&journal)));
    }
    drop(journal);
    let bytes = fs::read(&path).unwrap();
    for cut in states[0].0..=bytes.len() as u64 {
        fs::write(&path, &bytes[..cut as usize]).unwrap();
        let (length, expected) = states.iter().rev().find(|(length, _)| *length <= cut).unwrap();
        assert_eq!(&waiting(&open(&path)), expected, "cut at {cut}");
        assert_eq!(fs::metadata(&path).unwrap().len(), *length);
    }
}

#[test]
fn a_damaged_line_in_the_middle_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut journal = open(&path);
    for n in 1..4 {
        journal.receive(u64::from(n), &tx(n), Topic::Access).unwrap();
    }
    drop(journal);
    let mut bytes = fs::read(&path).unwrap();
    let third = bytes
        .split_inclusive(|b| *b == b'\n')
        .take(2)
        .map(<[u8]>::len)
        .sum::<usize>();
    bytes[third + 30] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = Journal::open(&path, "health", "HospitalMSP").unwrap_err();
    assert!(matches!(error, JournalError::Damaged { line: 3, .. }), "{error}");
    fs::write(&path, "something else\nmore of it\n").unwrap();
    let error = Journal::open(&path, "health", "HospitalMSP").unwrap_err();
    assert!(matches!(error, JournalError::Damaged { line: 1, .. }), "{error}");
}

#[test]
fn it_serves_one_process_and_one_custodian() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let journal = open(&path);
    assert!(matches!(
        Journal::open(&path, "health", "HospitalMSP"),
        Err(JournalError::InUse(_))
    ));
    drop(journal);
    for (channel, custodian) in [("health", "ClinicMSP"), ("other", "HospitalMSP")] {
        assert!(matches!(
            Journal::open(&path, channel, custodian),
            Err(JournalError::Another { .. })
        ));
    }
    open(&path);
}

#[test]
fn history_is_thrown_away_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut journal = open(&path);
    journal.receive(1, &tx(1), Topic::Access).unwrap();
    journal.failed(&tx(1), 3, 99).unwrap();
    journal.receive(1, &tx(2), Topic::Access).unwrap();
    journal.give_up(&tx(2), 8).unwrap();
    journal.receive(2, &tx(3), Topic::Access).unwrap();
    journal.done(&tx(3)).unwrap();
    let (before, dead) = (journal.open_deliveries(), journal.dead().to_vec());
    let long = fs::metadata(&path).unwrap().len();
    journal.rewrite().unwrap();
    assert!(fs::metadata(&path).unwrap().len() < long);
    // What is appended after a rewrite goes into the new file.
    journal.receive(2, &tx(4), Topic::Access).unwrap();
    drop(journal);
    let mut journal = open(&path);
    assert_eq!(journal.open_deliveries()[..1], before[..]);
    assert_eq!(waiting(&journal), [tx(1), tx(4)]);
    assert_eq!(journal.dead(), dead);
    assert!(
        !journal.receive(2, &tx(3), Topic::Access).unwrap(),
        "done and still known"
    );
    assert_eq!(journal.revive().unwrap(), 1);
    drop(journal);
    let journal = open(&path);
    assert!(journal.dead().is_empty());
    assert_eq!(waiting(&journal), [tx(1), tx(4), tx(2)]);
    assert_eq!(journal.open_deliveries()[2].attempts, 0);
}

#[test]
fn what_a_delivery_is_about_survives_every_turn() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut journal = open(&path);
    assert!(journal.receive(1, &tx(1), Topic::Account).unwrap());
    assert!(journal.receive(1, &tx(2), Topic::Access).unwrap());
    let topics = |journal: &Journal| -> Vec<Topic> {
        journal.open_deliveries().into_iter().map(|o| o.topic).collect()
    };
    journal.rewrite().unwrap();
    drop(journal);
    let mut journal = open(&path);
    assert_eq!(topics(&journal), [Topic::Account, Topic::Access]);
    journal.give_up(&tx(1), 3).unwrap();
    journal.rewrite().unwrap();
    drop(journal);
    let mut journal = open(&path);
    assert_eq!(journal.dead()[0].topic, Topic::Account);
    journal.revive().unwrap();
    assert_eq!(topics(&journal), [Topic::Access, Topic::Account]);
    // A journal of before, which knew accesses alone.
    let old: state::Line = serde_json::from_str(r#"{"received":{"block":7,"tx":"aa"}}"#).unwrap();
    assert!(matches!(
        old,
        state::Line::Received {
            topic: Topic::Access,
            ..
        }
    ));
}
