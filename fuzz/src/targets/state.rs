//! Rich queries over documents, and files of blocks.

use std::cell::RefCell;

use fabric_ledger::files::UnsyncedFiles;
use fabric_ledger::mango::Query;
use fabric_ledger::{Ledger, LedgerOptions, StateDatabase};
use fabric_peer::replay::{BlockFile, Source};

use super::messages;

/// A query, a zero byte, and a document that is written before the query is run. A query that is refused once is refused again.
pub(crate) fn selector(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let (query, document) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let Ok(query) = std::str::from_utf8(query) else {
        return;
    };
    let parsed = Query::parse(query);
    assert_eq!(parsed.is_ok(), Query::parse(query).is_ok());
    thread_local! {
        static LEDGER: RefCell<(u32, Option<(tempfile::TempDir, Ledger)>)> = const { RefCell::new((0, None)) };
    }
    LEDGER.with_borrow_mut(|(uses, ledger)| {
        *uses += 1;
        if *uses > 2_000 {
            (*uses, *ledger) = (0, None);
        }
        let (_, ledger) = ledger.get_or_insert_with(|| {
            let (dir, ledger) = messages::ledger(LedgerOptions {
                files: std::sync::Arc::new(UnsyncedFiles),
                state_database: StateDatabase::CouchDb,
                ..LedgerOptions::default()
            });
            let documents = [
                r#"{"a":1,"b":"x"}"#,
                r#"{"a":[1,{"c":null}],"b":true}"#,
                "no document",
                r#"{"a":1e300}"#,
            ];
            for (index, value) in documents.iter().enumerate() {
                messages::write(&ledger, &format!("d{index}"), value.as_bytes());
            }
            (dir, ledger)
        });
        if !document.is_empty() {
            messages::write(ledger, "document", document);
        }
        if let Ok(rows) = ledger.query().rich_query("cc", query) {
            for row in rows {
                row.expect("a query that was begun can be read to its end");
            }
            assert!(parsed.is_ok(), "a query runs that does not parse");
        }
    });
}

/// A file of blocks, exported by a stranger.
pub(crate) fn block_file(data: &[u8]) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), data).expect("writes");
    if let Ok(mut blocks) = BlockFile::open("fuzzed", file.path()) {
        while let Ok(Some(_)) = blocks.read() {}
    }
}
