//! Private data, and calls from chaincode to chaincode.

use fabric_protos::peer::write_record::Type as Record;

use super::draft::Draft;
use super::steps::*;
use super::{Beside, ORGS, SCRIPT, SECOND, THIRD};
use crate::script::ending;

const IMPLICIT: &str = "_implicit_org_Org1MSP";

impl Beside {
    /// Compares what chaincode can do with private data.
    pub(super) async fn private(&mut self) {
        let user = self.user(ORGS[0]);
        let draft = self.script([
            put("pair", "p1", "value 1"),
            put("pair", "p2", "value 2"),
            put("pair", "zz", "value z"),
            put("short", "s1", "short-lived"),
            put(IMPLICIT, "i1", "Org1's own"),
            put("", "public", "1"),
            get("pair", "p1"),
            hash("pair", "p1"),
        ]);
        self.committed("private writes", &draft).await;
        let draft = self.script([
            get("pair", "p1"),
            hash("pair", "p1"),
            hash("pair", "missing"),
            get("pair", "missing"),
            range("pair", "p", "q"),
            get_multiple("pair", &["p1", "missing"]),
        ]);
        self.simulate("private reads", &draft, &user, &ORGS).await;
        let draft = self.script([get(IMPLICIT, "i1"), hash(IMPLICIT, "i1"), get("short", "s1")]);
        self.simulate("an implicit collection", &draft, &user, &ORGS)
            .await;
        for (case, step) in [
            ("a read by a peer that is no member", get("pair", "p1")),
            ("a range by a peer that is no member", range("pair", "p", "q")),
            ("a hash by a peer that is no member", hash("pair", "p1")),
            ("a write by a peer that is no member", put("pair", "p3", "value")),
            (
                "several keys by a peer that is no member",
                get_multiple("pair", &["p1"]),
            ),
            ("metadata by a peer that is no member", metadata("pair", "p1")),
            ("an unknown collection is read", get("unknown", "k")),
            ("an unknown collection is written", put("unknown", "k", "v")),
            ("an unknown collection's hash", hash("unknown", "k")),
            ("an unknown collection's range", range("unknown", "a", "b")),
            (
                "an implicit collection of nobody",
                put("_implicit_org_NoMSP", "k", "v"),
            ),
            ("an empty private key", put("pair", "", "v")),
            ("a hash without a collection", hash("", "p1")),
            ("a purge without a collection", purge("", "p1")),
        ] {
            let draft = self.script([step]);
            self.simulate(case, &draft, &user, &[ORGS[0], ORGS[2]]).await;
        }
        let other = self.user(ORGS[2]);
        for (case, step) in [
            ("a member-only read by somebody else", get("members", "k")),
            ("a member-only range by somebody else", range("members", "a", "b")),
            ("a member-only write by somebody else", put("members", "k", "v")),
            ("a member-only delete by somebody else", del("members", "k")),
            ("a member-only purge by somebody else", purge("members", "k")),
            ("a member-only hash by somebody else", hash("members", "k")),
            (
                "member-only metadata by somebody else",
                put_metadata("members", "k", "a", "b"),
            ),
            (
                "member-only metadata read by somebody else",
                metadata("members", "k"),
            ),
            (
                "a member-only batch by somebody else",
                batch(vec![record(Record::PutState, "members", "k", b"v")]),
            ),
            ("another organisation's own collection", get(IMPLICIT, "i1")),
            (
                "a write to another organisation's own collection",
                put(IMPLICIT, "i1", "v"),
            ),
        ] {
            let draft = self.script([step]);
            self.simulate(case, &draft, &other, &ORGS[..1]).await;
        }
        let draft = self.script([range("pair", "p", "q"), put("", "k", "v")]);
        self.simulate("a private range, then a write", &draft, &user, &ORGS[..1])
            .await;
        let draft = self.script([put("", "k", "v"), range("pair", "p", "q")]);
        self.simulate("a write, then a private range", &draft, &user, &ORGS[..1])
            .await;

        let draft = self.script([
            get("pair", "p1"),
            put("pair", "p1", "changed"),
            del("pair", "p2"),
            policy("pair", "p1", "OR('Org1MSP.peer', 'Org2MSP.peer')"),
            put_metadata("pair", "zz", "name", "value"),
        ]);
        self.committed("private changes", &draft).await;
        let draft = self.script([
            metadata("pair", "p1"),
            metadata("pair", "zz"),
            get("pair", "p2"),
            hash("pair", "p2"),
        ]);
        self.simulate("private metadata", &draft, &user, &ORGS[..2]).await;
        let draft = self.script([purge("pair", "zz"), purge("pair", "never")]);
        self.committed("a purge", &draft).await;
        let draft = self.script([
            get("pair", "zz"),
            hash("pair", "zz"),
            metadata("pair", "zz"),
            get("short", "s1"),
        ]);
        self.simulate("after a purge", &draft, &user, &ORGS).await;
        let batch_of = vec![
            record(Record::PutState, "pair", "b1", b"1"),
            record(Record::DelState, "pair", "p1", b""),
            record(Record::PurgePrivateData, "pair", "b2", b""),
            record(Record::PutState, "", "public", b"2"),
        ];
        let draft = self.script([batch(batch_of)]);
        self.committed("a private batch", &draft).await;
        let draft = self.script([
            get("short", "s1"),
            hash("short", "s1"),
            get("pair", "b1"),
            hash("pair", "p1"),
        ]);
        self.simulate("after a block to live", &draft, &user, &ORGS).await;
        self.collection_policies().await;
    }

    async fn collection_policies(&mut self) {
        let user = self.user(ORGS[0]);
        let draft = self.script([put("strict", "k", "1")]);
        let two = self
            .endorsed("a strict collection", &draft, &user, &ORGS[..2])
            .await;
        let draft = self.script([put("strict", "k", "2")]);
        let right = self
            .endorsed("a strict collection", &draft, &user, &[ORGS[0], ORGS[2]])
            .await;
        let draft = self.script([put("easy", "k", "1")]);
        let one = self
            .endorsed("an easy collection", &draft, &user, &ORGS[2..])
            .await;
        let draft = self.script([put("easy", "k2", "1"), put("", "and-public", "1")]);
        let mixed = self
            .endorsed("an easy collection and a key", &draft, &user, &ORGS[2..])
            .await;
        self.order("policies of collections", &[two, right, one, mixed])
            .await;
    }

    /// Compares calls from chaincode to chaincode, and initialisation.
    pub(super) async fn calls(&mut self) {
        let user = self.user(ORGS[0]);
        let inner = || script([get("", "k"), put("", "k", "from script"), range("", "a", "z")]);
        let with_event = script([put("", "k", "1"), ending(200, "called", Some(("inner", b"1")))]);
        let draft = self.script([
            put("", "outer", "1"),
            call(SECOND, inner()),
            put("", "outer", "2"),
            call(SECOND, with_event),
            ending(200, "", Some(("outer", b"2"))),
        ]);
        self.committed("a call", &draft).await;
        let channel = self.channel.clone();
        let by_channel = format!("{SECOND}/{channel}");
        for (case, name, args) in [
            ("a call with the channel", by_channel.as_str(), inner()),
            ("a call on an unknown channel", "second/unknown", inner()),
            ("a call of unknown chaincode", "unknown", inner()),
            ("a call of nothing", "", inner()),
            (
                "a call that is refused",
                SECOND,
                script([put("", "k", "2"), ending(500, "no", None)]),
            ),
            (
                "a call that is refused gently",
                SECOND,
                script([put("", "k", "2"), ending(404, "no", None)]),
            ),
            (
                "a call that breaks",
                SECOND,
                script([crate::script::failing("broken")]),
            ),
            (
                "a call of qscc",
                "qscc",
                vec![b"GetChainInfo".to_vec(), channel.clone().into_bytes()],
            ),
            ("a call of cscc", "cscc", vec![b"GetChannels".to_vec()]),
            (
                "a call of the lifecycle",
                "_lifecycle",
                vec![b"QueryInstalledChaincodes".to_vec(), Vec::new()],
            ),
            ("a call of what is not initialised", THIRD, inner()),
        ] {
            let draft = self.script([put("", "outer", "1"), call(name, args), put("", "after", "1")]);
            self.simulate(case, &draft, &user, &ORGS[..1]).await;
        }
        let alone = Draft::new(&channel, SECOND, script([put("", "k", "alone")]));
        let one = self
            .endorsed("one endorsement for the second", &alone, &user, &ORGS[2..])
            .await;
        let both = self.script([call(SECOND, script([put("", "k2", "1")]))]);
        let called = self.endorsed("both namespaces", &both, &user, &ORGS[..2]).await;
        let both = self.script([put("", "k2", "1"), call(SECOND, script([put("", "k2", "2")]))]);
        let few = self
            .endorsed("both namespaces by one", &both, &user, &ORGS[..1])
            .await;
        let reads = Draft::new(
            &channel,
            SECOND,
            script([call(SCRIPT, script([get("", "a")])), put("", "k3", "1")]),
        );
        let foreign = self
            .endorsed("a read elsewhere by one", &reads, &user, &ORGS[1..2])
            .await;
        self.order("calls over policies", &[one, called, few, foreign])
            .await;

        let third = |steps: Vec<Vec<u8>>, is_init: bool| Draft {
            is_init,
            ..Draft::new(&channel, THIRD, script(steps))
        };
        let draft = third(vec![put("", "k", "1")], false);
        self.simulate("before initialisation", &draft, &user, &ORGS[..1])
            .await;
        let draft = third(vec![get(IMPLICIT, "k"), put(IMPLICIT, "k", "v")], true);
        self.simulate("private data in Init", &draft, &user, &ORGS[..1])
            .await;
        let mut draft = self.script([put("", "k", "1")]);
        draft.is_init = true;
        self.simulate("Init where it is not wanted", &draft, &user, &ORGS[..1])
            .await;
        let draft = third(vec![put("", "k", "1")], true);
        let first = self.endorsed("Init", &draft, &user, &ORGS[..1]).await;
        let draft = third(vec![put("", "k", "2")], true);
        let second = self
            .endorsed("Init at the same time", &draft, &user, &ORGS[..1])
            .await;
        self.order("two initialisations", &[first, second]).await;
        let draft = third(vec![put("", "k", "1")], true);
        self.simulate("Init again", &draft, &user, &ORGS[..1]).await;
        let draft = third(vec![put("", "k", "1")], false);
        self.simulate("after initialisation", &draft, &user, &ORGS[..1])
            .await;
    }
}
