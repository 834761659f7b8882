//! Public state: reads, writes, ranges, history, metadata.

use fabric_protos::peer::write_record::Type as Record;
use fabric_protos::peer::{StateMetadata, WriteRecord};

use super::steps::*;
use super::{Beside, ORGS, SCRIPT};
use crate::script::{ending, failing};

impl Beside {
    /// Compares what chaincode can do with public state.
    pub(super) async fn state(&mut self) {
        self.reads_and_writes().await;
        self.ranges().await;
        self.metadata_of_keys().await;
        self.endings().await;
    }

    async fn reads_and_writes(&mut self) {
        let draft = self.script([
            get("", "missing"),
            put("", "a", "1"),
            put("", "b", b"\x00\xff binary"),
            put("", "ключ", "значение"),
            put("", "\u{0}type\u{0}one\u{0}two\u{0}", "composite"),
            put("", "\u{0}type\u{0}\u{0}", "empty attribute"),
            get("", "a"),
            put("", "a", "2"),
            put("", "gone", "1"),
            del("", "gone"),
            del("", "never"),
            put("", "empty", ""),
        ]);
        self.committed("puts and deletes", &draft).await;
        let draft = self.script([
            get("", "a"),
            get("", "b"),
            get("", "empty"),
            get("", "gone"),
            get("", "\u{0}type\u{0}one\u{0}two\u{0}"),
            get_multiple("", &["a", "b", "missing", "a"]),
            get_multiple("", &[]),
            del("", "b"),
            put("", "a", "3"),
        ]);
        self.committed("reads after a commit", &draft).await;
        let batch_of = [
            record(Record::PutState, "", "batch-1", b"1"),
            record(Record::PutState, "", "batch-2", b"2"),
            record(Record::DelState, "", "a", b""),
            record(Record::PutState, "", "batch-1", b"again"),
        ];
        let draft = self.script([batch(batch_of.to_vec()), batch(Vec::new()), get("", "batch-1")]);
        self.committed("a batch of writes", &draft).await;
        let draft = self.script([
            history("a"),
            next(),
            history("missing"),
            history("batch-1"),
            close(),
        ]);
        self.committed("histories", &draft).await;
        for (case, step) in [
            ("an empty key is read", get("", "")),
            ("an empty key is written", put("", "", "1")),
            ("an empty key is deleted", del("", "")),
            ("a key of its own kind", put("", "_under", "1")),
            (
                "an unknown record in a batch",
                batch(vec![record(Record::Undefined, "", "k", b"v")]),
            ),
            ("next without a query", next()),
            ("close without a query", close()),
            (
                "an undefined message",
                crate::script::step(fabric_protos::peer::chaincode_message::Type::Undefined, &()),
            ),
            ("a history of nothing", history("")),
        ] {
            let draft = self.script([put("", "before", "1"), step, put("", "after", "1")]);
            let user = self.user(ORGS[0]);
            self.simulate(case, &draft, &user, &ORGS[..1]).await;
        }
        let draft = self.script([put("", "large", vec![b'x'; 3 << 20])]);
        let user = self.user(ORGS[0]);
        let signed = draft.signed(&user);
        let theirs = self.theirs.propose(ORGS[0], &signed).await;
        let ours = self.ours.propose(ORGS[0], &signed).await;
        self.tally.answers("a large value", &theirs, &ours);
    }

    async fn ranges(&mut self) {
        let many = |from: u32, to: u32| -> Vec<WriteRecord> {
            (from..to)
                .map(|number| {
                    record(
                        Record::PutState,
                        "",
                        &format!("n{number:04}"),
                        number.to_string().as_bytes(),
                    )
                })
                .collect()
        };
        let mut steps = Vec::new();
        for part in 0..3 {
            steps.push(batch(many(part * 900, (part + 1) * 900)));
        }
        let draft = self.script(steps);
        self.committed("many keys", &draft).await;
        let user = self.user(ORGS[0]);
        let cases: Vec<(&str, Vec<Vec<u8>>)> = vec![
            ("a range of none", vec![range("", "x", "y")]),
            ("a range of ten", vec![range("", "n0000", "n0010")]),
            ("a range of fifty", vec![range("", "n0000", "n0050")]),
            ("a range of fifty-one", vec![range("", "n0000", "n0051")]),
            ("a range of ninety-nine", vec![range("", "n0000", "n0099")]),
            ("a range of a hundred", vec![range("", "n0000", "n0100")]),
            (
                "a range of a hundred and one, begun",
                vec![range("", "n0000", "n0101")],
            ),
            (
                "a range of a hundred and one",
                vec![range("", "n0000", "n0101"), next()],
            ),
            (
                "a long range, closed early",
                vec![range("", "n0000", "n0500"), next(), close()],
            ),
            (
                "a long range, left open",
                vec![range("", "n0000", "n0500"), next(), next()],
            ),
            (
                "the same range twice",
                vec![range("", "n0000", "n0010"), range("", "n0000", "n0010")],
            ),
            (
                "the same range, begun and whole",
                vec![range("", "n0000", "n0150"), range("", "n0000", "n0150"), next()],
            ),
            (
                "ranges that overlap",
                vec![range("", "n0000", "n0010"), range("", "n0005", "n0015")],
            ),
            ("an empty start", vec![range("", "", "b")]),
            ("an empty end", vec![range("", "n2690", "")]),
            ("everything", vec![range("", "", "")]),
            ("a start beyond the end", vec![range("", "z", "a")]),
            (
                "composite keys",
                vec![range("", "\u{0}type\u{0}", "\u{0}type\u{0}\u{10ffff}")],
            ),
            (
                "a range and writes",
                vec![
                    put("", "n0005x", "1"),
                    range("", "n0000", "n0010"),
                    del("", "n0001"),
                ],
            ),
            ("a page", vec![page("n0000", "n0100", 10, "")]),
            (
                "a page after a bookmark",
                vec![page("n0000", "n0100", 10, "n0010")],
            ),
            ("the last page", vec![page("n2690", "", 20, "n2695")]),
            (
                "a page of a hundred and fifty",
                vec![page("n0000", "n0500", 150, "")],
            ),
            (
                "a page, then a write",
                vec![page("n0000", "n0100", 10, ""), put("", "k", "1")],
            ),
            (
                "a write, then a page",
                vec![put("", "k", "1"), page("n0000", "n0100", 10, "")],
            ),
            ("a page with size 0", vec![page("n0000", "n0100", 0, "")]),
            (
                "a page with a negative size",
                vec![page("n0000", "n0100", -1, "")],
            ),
            ("a bookmark alone", vec![page("n0000", "n0010", 0, "n0005")]),
        ];
        for (case, steps) in cases {
            let draft = self.script(steps);
            self.simulate(case, &draft, &user, &ORGS[..1]).await;
        }
        let mut steps = vec![range("", "n0000", "n2600")];
        steps.extend((0..26).map(|_| next()));
        let draft = self.script(steps);
        self.simulate("two levels of hashes", &draft, &user, &ORGS[..1])
            .await;
        let mut steps = vec![range("", "n0000", "n0120"), next()];
        steps.push(put("", "summary", "1"));
        let draft = self.script(steps);
        self.committed("a summary of hashes, committed", &draft).await;
    }

    async fn metadata_of_keys(&mut self) {
        let draft = self.script([
            put("", "owned", "1"),
            policy("", "owned", "OR('Org3MSP.peer')"),
            policy("", "nothing", "OR('Org3MSP.peer')"),
            put_metadata("", "n0001", "other", "value"),
            put_metadata("", "n0001", "another", "value"),
            put_metadata("", "n0002", "empty", ""),
            metadata("", "owned"),
        ]);
        self.committed("metadata", &draft).await;
        let draft = self.script([
            metadata("", "owned"),
            metadata("", "nothing"),
            metadata("", "n0001"),
            metadata("", "n0002"),
            metadata("", "missing"),
            get("", "owned"),
            put("", "n0001", "value only"),
            put_metadata("", "n0003", "k", "v"),
            del("", "n0003"),
        ]);
        self.committed("metadata is read", &draft).await;
        let draft = self.script([
            metadata("", "n0001"),
            metadata("", "n0003"),
            put("", "n0003", "back"),
        ]);
        self.committed("metadata after writes", &draft).await;
        let batch_of = WriteRecord {
            metadata: Some(StateMetadata {
                metakey: "batched".to_owned(),
                value: b"v".to_vec(),
            }),
            ..record(Record::PutStateMetadata, "", "n0004", b"")
        };
        let draft = self.script([
            batch(vec![batch_of]),
            metadata("", "n0003"),
            put_metadata("", "", "k", "v"),
        ]);
        let user = self.user(ORGS[0]);
        self.simulate("metadata in a batch", &draft, &user, &ORGS[..1])
            .await;

        let org1 = self.user(ORGS[0]);
        let draft = self.script([put("", "owned", "2")]);
        let two = self.endorsed("a key of Org3's", &draft, &org1, &ORGS[..2]).await;
        let draft = self.script([put("", "owned", "3")]);
        let right = self.endorsed("a key of Org3's", &draft, &org1, &ORGS[2..]).await;
        let draft = self.script([put("", "owned", "4"), put("", "unowned", "4")]);
        let both = self
            .endorsed("a key of Org3's and another", &draft, &org1, &ORGS[2..])
            .await;
        let draft = self.script([put("", "owned", "5"), put("", "unowned", "5")]);
        let all = self
            .endorsed("a key of Org3's and another", &draft, &org1, &ORGS)
            .await;
        self.order("the policy of a key", &[two, right, both, all]).await;
        let draft = self.script([policy("", "owned", "OR('Org1MSP.peer')")]);
        let change = self
            .endorsed("a key changes hands", &draft, &org1, &ORGS[2..])
            .await;
        let draft = self.script([put("", "owned", "6")]);
        let before = self
            .endorsed("under the old policy", &draft, &org1, &ORGS[2..])
            .await;
        let draft = self.script([put("", "owned", "7")]);
        let after = self
            .endorsed("under the new policy", &draft, &org1, &ORGS[..1])
            .await;
        self.order("a key changes hands within a block", &[change, before, after])
            .await;
        let draft = self.script([put("", "owned", "8")]);
        self.simulate("a plan with a key's policy", &draft, &org1, &ORGS[..1])
            .await;
        let draft = self.script([
            put("", "owned", "9"),
            put_metadata("", "owned", "VALIDATION_PARAMETER", "junk"),
        ]);
        let junk = self
            .endorsed("junk for a policy", &draft, &org1, &ORGS[..1])
            .await;
        self.order("junk for a policy", &[junk]).await;
        let draft = self.script([put("", "owned", "10")]);
        self.simulate("under junk", &draft, &org1, &ORGS).await;
    }

    async fn endings(&mut self) {
        let user = self.user(ORGS[0]);
        for status in [
            -1, 0, 100, 199, 200, 201, 299, 300, 399, 400, 404, 499, 500, 501, 700,
        ] {
            let draft = self.script([
                put("", "status", "1"),
                ending(status, "a text", Some(("event", b"payload"))),
            ]);
            let case = format!("status {status}");
            self.simulate(&case, &draft, &user, &ORGS[..1]).await;
        }
        let draft = self.script([put("", "error", "1"), failing("chaincode broke")]);
        self.simulate("an ERROR", &draft, &user, &ORGS[..1]).await;
        let draft = self.script([
            put("", "event", "1"),
            ending(200, "", Some(("named", b"\x00\x01payload"))),
        ]);
        self.committed("an event", &draft).await;
        let draft = self.script([ending(200, "no writes", Some(("", b"")))]);
        self.committed("an event without a name", &draft).await;
        let mut draft = self.script([put("", "input", "1")]);
        draft.transient.insert("secret".to_owned(), b"value".to_vec());
        self.committed("transient input", &draft).await;
        let draft = super::draft::Draft::new(&self.channel.clone(), SCRIPT, Vec::new());
        self.simulate("no arguments", &draft, &user, &ORGS[..1]).await;
    }
}
