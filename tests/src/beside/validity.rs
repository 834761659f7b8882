//! Transactions that peers must find invalid, or valid against first sight: what counts is that all peers agree.

use fabric_gateway_sdk::SigningIdentity;
use fabric_protos::common::{Envelope, HeaderType};
use fabric_protos::kvrwset::{KvRead, KvWrite, KvrwSet, Version};
use fabric_protos::peer::{
    ChaincodeAction, ChaincodeActionPayload, ChaincodeEvent, ChaincodeId, ProposalResponsePayload, Response,
    Transaction,
};
use fabric_protos::rwset::{NsReadWriteSet, TxReadWriteSet, tx_read_write_set::DataModel};
use prost::Message;

use super::draft::{Draft, Parts, assemble, endorsement, transaction};
use super::steps::*;
use super::{Beside, Edit, ORGS, SCRIPT, SECOND};

impl Beside {
    async fn rival(&mut self, case: &str, steps: Vec<Vec<u8>>) -> Envelope {
        let user = self.user(ORGS[0]);
        let draft = self.script(steps);
        self.endorsed(case, &draft, &user, &ORGS[..2]).await
    }

    pub(super) async fn conflicts(&mut self) {
        let case = "conflicts";
        let block = [
            self.rival(case, vec![get("", "n0001"), put("", "n0001", "first")])
                .await,
            self.rival(case, vec![get("", "n0001"), put("", "n0001", "second")])
                .await,
            self.rival(case, vec![put("", "n0001", "blind")]).await,
            self.rival(
                case,
                vec![get("", "n0001"), put("", "n0002", "reads what changed")],
            )
            .await,
            self.rival(case, vec![get("", "new"), put("", "new", "made")])
                .await,
            self.rival(case, vec![get("", "new"), put("", "new", "made twice")])
                .await,
            self.rival(case, vec![del("", "n0003")]).await,
            self.rival(case, vec![get("", "n0003"), put("", "other", "1")])
                .await,
            self.rival(case, vec![get("pair", "p1"), put("pair", "p9", "1")])
                .await,
            self.rival(case, vec![get("pair", "p9"), put("pair", "p9", "2")])
                .await,
        ];
        self.order(case, &block).await;
        let stale = self
            .rival("stale", vec![get("", "n0004"), put("", "n0004", "stale")])
            .await;
        let pages = self.rival("a page", vec![page("n0004", "n0010", 3, "")]).await;
        let private = self
            .rival("stale", vec![get("pair", "p9"), put("", "x", "1")])
            .await;
        let hashed = self
            .rival("stale", vec![hash("pair", "p9"), put("", "y", "1")])
            .await;
        let fresh = self
            .rival("fresh", vec![put("", "n0004", "fresh"), put("pair", "p9", "3")])
            .await;
        self.order("a fresh write", &[fresh]).await;
        self.order("stale reads", &[stale, pages, private, hashed]).await;
        let metadata_read = self
            .rival("metadata", vec![metadata("", "n0005"), put("", "z", "1")])
            .await;
        let metadata_written = self
            .rival("metadata", vec![put_metadata("", "n0005", "some", "thing")])
            .await;
        let value_after = self
            .rival("metadata", vec![get("", "n0005"), put("", "n0005", "1")])
            .await;
        self.order(
            "metadata and versions",
            &[metadata_written, metadata_read, value_after],
        )
        .await;
    }

    pub(super) async fn phantoms(&mut self) {
        let case = "phantoms";
        let block = [
            self.rival(case, vec![range("", "n0010", "n0020"), put("", "q1", "1")])
                .await,
            self.rival(case, vec![put("", "n0015x", "inserted")]).await,
            self.rival(case, vec![range("", "n0010", "n0020"), put("", "q2", "1")])
                .await,
            self.rival(case, vec![range("", "n0020", "n0030"), put("", "q3", "1")])
                .await,
            self.rival(case, vec![range("", "n0000", "n0015x"), put("", "q4", "1")])
                .await,
            self.rival(
                case,
                vec![range("", "n0030", "n0130"), next(), put("", "q5", "1")],
            )
            .await,
            self.rival(case, vec![del("", "n0100")]).await,
            self.rival(
                case,
                vec![range("", "n0030", "n0130"), next(), put("", "q6", "1")],
            )
            .await,
            self.rival(
                case,
                vec![range("", "n0101", "n0201"), next(), put("", "q7", "1")],
            )
            .await,
        ];
        self.order(case, &block).await;
        let mut early = vec![range("", "n0200", "n0900")];
        early.push(put("", "q8", "1"));
        let early = self.rival("a range left early", early).await;
        let before = self
            .rival("a change before", vec![put("", "n0250", "changed")])
            .await;
        let mut begun = vec![range("", "n0300", "n0900")];
        begun.push(put("", "q9", "1"));
        let begun = self.rival("a range left early", begun).await;
        let behind = self
            .rival("a change behind", vec![put("", "n0500", "changed")])
            .await;
        self.order("ranges left early", &[before, behind, early, begun])
            .await;
        let later = self
            .rival(
                "a later block",
                vec![range("", "n0600", "n0700"), put("", "q10", "1")],
            )
            .await;
        let insert = self.rival("a later block", vec![put("", "n0650x", "1")]).await;
        self.order("an insertion", &[insert]).await;
        self.order("a phantom of an earlier block", &[later]).await;
    }

    pub(super) async fn endorsements(&mut self) {
        let user = self.user(ORGS[0]);
        let mut block = Vec::new();
        let draft = self.script([put("", "e1", "1")]);
        block.push(self.endorsed("one endorsement", &draft, &user, &ORGS[..1]).await);
        let signed = self.script([put("", "e2", "1")]).signed(&user);
        let answer = self.theirs.propose(ORGS[0], &signed).await.expect("endorsed");
        let payload = answer.payload.clone();
        let first = answer.endorsement.expect("an endorsement");
        let second = endorsement(&payload, &self.peer(ORGS[1]));
        let mut flipped = second.clone();
        *flipped.signature.last_mut().expect("a signature") ^= 1;
        let admin = endorsement(&payload, &self.admin(ORGS[1]));
        for (number, endorsements) in [
            vec![first.clone(), first.clone()],
            vec![first.clone(), flipped.clone()],
            vec![first.clone(), admin],
            vec![],
            vec![first.clone(), flipped, second.clone()],
        ]
        .into_iter()
        .enumerate()
        {
            // A transaction of its own for each, by its own nonce.
            let signed = self.script([put("", "e2", format!("{number}"))]).signed(&user);
            let answer = self.theirs.propose(ORGS[0], &signed).await.expect("endorsed");
            let payload = answer.payload.clone();
            let again = endorsements.iter().map(|endorsement| {
                if *endorsement == first {
                    answer.endorsement.clone().expect("an endorsement")
                } else if *endorsement == second {
                    super::draft::endorsement(&payload, &self.peer(ORGS[1]))
                } else {
                    endorsement.clone()
                }
            });
            let again = again.collect();
            block.push(assemble(&signed, payload, again, &user, &|_| {}));
        }
        self.order("endorsements", &block).await;

        let draft = self.script([put("", "twice", "1")]);
        let twice = self.endorsed("twice", &draft, &user, &ORGS[..2]).await;
        self.order("the same transaction twice", &[twice.clone(), twice.clone()])
            .await;
        self.order("the same transaction once more", &[twice]).await;
        // The same id with other results: the nonce is the client's.
        let nonce = super::deploying::fresh();
        let mut block = Vec::new();
        for value in ["1", "2"] {
            let mut draft = self.script([put("", "same-id", value)]);
            draft.nonce.clone_from(&nonce);
            let orgs = if value == "1" { &ORGS[..1] } else { &ORGS[..2] };
            block.push(self.endorsed("the same id", &draft, &user, orgs).await);
        }
        self.order("an invalid one, and a valid one with its id", &block)
            .await;
    }

    pub(super) async fn shapes(&mut self) {
        let user = self.user(ORGS[0]);
        let other = self.user(ORGS[1]);
        let edits: [Edit<'_, Parts>; 20] = [
            ("nothing changed", &|_| {}),
            ("another transaction id", &|parts| {
                parts.channel.tx_id = "0".repeat(64)
            }),
            ("no transaction id", &|parts| parts.channel.tx_id.clear()),
            ("another nonce", &|parts| parts.signature.nonce[0] ^= 1),
            ("no nonce", &|parts| parts.signature.nonce.clear()),
            ("an epoch", &|parts| parts.channel.epoch = 1),
            ("a version", &|parts| parts.channel.version = 1),
            ("type MESSAGE", &|parts| {
                parts.channel.r#type = HeaderType::Message.into()
            }),
            ("an unknown type", &|parts| parts.channel.r#type = 77),
            ("no timestamp", &|parts| parts.channel.timestamp = None),
            ("no extension", &|parts| parts.channel.extension.clear()),
            ("an extension that is none", &|parts| {
                parts.channel.extension = b"junk".to_vec()
            }),
            ("no actions", &|parts| parts.transaction.actions.clear()),
            ("two actions", &|parts| {
                let first = parts.transaction.actions[0].clone();
                parts.transaction.actions.push(first);
            }),
            ("an action's header of somebody else", &|parts| {
                parts.transaction.actions[0].header = b"junk".to_vec();
            }),
            ("no action's header", &|parts| {
                parts.transaction.actions[0].header.clear()
            }),
            ("junk for an action", &|parts| {
                parts.transaction.actions[0].payload = b"junk".to_vec()
            }),
            ("junk for a transaction", &|parts| {
                parts.data = Some(b"\xffjunk".to_vec())
            }),
            ("no data", &|parts| parts.data = Some(Vec::new())),
            ("a TLS hash", &|parts| {
                parts.channel.tls_cert_hash = b"hash".to_vec()
            }),
        ];
        for group in edits.chunks(8) {
            let mut block = Vec::new();
            for (case, edit) in group {
                block.push(self.shaped(case, &user, *edit).await);
            }
            let names: Vec<&str> = group.iter().map(|(case, _)| *case).collect();
            self.order(&format!("shapes: {}", names.join(", ")), &block).await;
        }
        let edits: [Edit<'_, ChaincodeActionPayload>; 2] = [
            ("no proposal payload", &|payload| {
                payload.chaincode_proposal_payload.clear();
            }),
            ("another proposal payload", &|payload| {
                payload
                    .chaincode_proposal_payload
                    .extend_from_slice(&[0x1a, 0x01, 0x41]);
            }),
        ];
        let mut block = Vec::new();
        for (case, edit) in &edits {
            let inner = |parts: &mut Parts| {
                let action = &mut parts.transaction.actions[0];
                let mut payload = ChaincodeActionPayload::decode(action.payload.as_slice()).expect("decodes");
                edit(&mut payload);
                action.payload = payload.encode_to_vec();
            };
            block.push(self.shaped(case, &user, &inner).await);
        }
        self.order("shapes of actions", &block).await;
        // Sent by another than the proposal's creator.
        let signed = self.script([put("", "sent", "1")]).signed(&user);
        let mut answers = Vec::new();
        for msp_id in &ORGS[..2] {
            answers.push(self.theirs.propose(msp_id, &signed).await.expect("endorsed"));
        }
        let endorsements = answers
            .iter()
            .filter_map(|answer| answer.endorsement.clone())
            .collect();
        let creator = other.serialized().to_vec();
        let sent = assemble(
            &signed,
            answers[0].payload.clone(),
            endorsements,
            &other,
            &|parts| {
                parts.signature.creator.clone_from(&creator);
            },
        );
        self.order("sent by somebody else", &[sent]).await;
    }

    async fn shaped(&mut self, case: &str, user: &SigningIdentity, edit: &dyn Fn(&mut Parts)) -> Envelope {
        let signed = self.script([put("", "shape", case)]).signed(user);
        let mut answers = Vec::new();
        for msp_id in &ORGS[..2] {
            answers.push(self.theirs.propose(msp_id, &signed).await.expect("endorsed"));
        }
        let endorsements = answers
            .iter()
            .filter_map(|answer| answer.endorsement.clone())
            .collect();
        assemble(&signed, answers[0].payload.clone(), endorsements, user, edit)
    }

    /// Results that no chaincode gave, endorsed by peers that lie together.
    pub(super) async fn forgeries(&mut self) {
        let write = |namespace: &str, set: KvrwSet| NsReadWriteSet {
            namespace: namespace.to_owned(),
            rwset: set.encode_to_vec(),
            ..NsReadWriteSet::default()
        };
        let puts = |key: &str| KvrwSet {
            writes: vec![KvWrite {
                key: key.to_owned(),
                value: b"1".to_vec(),
                ..KvWrite::default()
            }],
            ..KvrwSet::default()
        };
        let read = |key: &str, version: Option<Version>| KvrwSet {
            reads: vec![KvRead {
                key: key.to_owned(),
                version,
            }],
            ..puts("read")
        };
        let results = |namespaces: Vec<NsReadWriteSet>| {
            let set = TxReadWriteSet {
                data_model: DataModel::Kv.into(),
                ns_rwset: namespaces,
            };
            set.encode_to_vec()
        };
        let event = |chaincode: &str, tx_id: &str| {
            let event = ChaincodeEvent {
                chaincode_id: chaincode.to_owned(),
                tx_id: tx_id.to_owned(),
                event_name: "e".to_owned(),
                ..ChaincodeEvent::default()
            };
            event.encode_to_vec()
        };
        let id = |name: &str, version: &str| {
            Some(ChaincodeId {
                name: name.to_owned(),
                version: version.to_owned(),
                ..ChaincodeId::default()
            })
        };
        let with = |action: ChaincodeAction| ChaincodeAction {
            chaincode_id: action.chaincode_id.or_else(|| id(SCRIPT, "1.0")),
            response: action.response.or(Some(Response {
                status: 200,
                ..Response::default()
            })),
            ..action
        };
        let of = |namespaces| ChaincodeAction {
            results: results(namespaces),
            ..ChaincodeAction::default()
        };
        let deleted = KvrwSet {
            writes: vec![KvWrite {
                key: "n0020".to_owned(),
                value: b"with a value".to_vec(),
                is_delete: true,
            }],
            ..KvrwSet::default()
        };
        let twice = KvrwSet {
            writes: [puts("w").writes, puts("w").writes].concat(),
            ..KvrwSet::default()
        };
        let cases: Vec<(&str, ChaincodeAction)> = vec![
            ("an honest one", of(vec![write(SCRIPT, puts("f1"))])),
            ("no results", ChaincodeAction::default()),
            (
                "a namespace twice",
                of(vec![write(SCRIPT, puts("f2")), write(SCRIPT, puts("f3"))]),
            ),
            ("an unknown namespace", of(vec![write("unknown", puts("f4"))])),
            (
                "the lifecycle's namespace",
                of(vec![write("_lifecycle", puts("f5"))]),
            ),
            (
                "the old lifecycle's namespace",
                of(vec![write("lscc", puts("f6"))]),
            ),
            ("a system namespace", of(vec![write("qscc", puts("f7"))])),
            ("no namespace", of(vec![write("", puts("f8"))])),
            ("another namespace only", of(vec![write(SECOND, puts("f9"))])),
            (
                "namespaces out of order",
                of(vec![write(SECOND, puts("f10")), write(SCRIPT, puts("f10"))]),
            ),
            (
                "a read of the future",
                of(vec![write(
                    SCRIPT,
                    read(
                        "a",
                        Some(Version {
                            block_num: 999,
                            tx_num: 0,
                        }),
                    ),
                )]),
            ),
            ("a read of nothing", of(vec![write(SCRIPT, read("n0022", None))])),
            ("a delete with a value", of(vec![write(SCRIPT, deleted)])),
            ("a key written twice", of(vec![write(SCRIPT, twice)])),
            ("an empty key", of(vec![write(SCRIPT, puts(""))])),
            (
                "an event of another chaincode",
                ChaincodeAction {
                    events: event(SECOND, ""),
                    ..of(vec![write(SCRIPT, puts("f11"))])
                },
            ),
            (
                "an event of this chaincode",
                ChaincodeAction {
                    events: event(SCRIPT, "other"),
                    ..of(vec![write(SCRIPT, puts("f12"))])
                },
            ),
            (
                "junk for an event",
                ChaincodeAction {
                    events: b"junk".to_vec(),
                    ..of(vec![write(SCRIPT, puts("f13"))])
                },
            ),
            (
                "another version",
                ChaincodeAction {
                    chaincode_id: id(SCRIPT, "9"),
                    ..of(vec![write(SCRIPT, puts("f14"))])
                },
            ),
            (
                "no version",
                ChaincodeAction {
                    chaincode_id: id(SCRIPT, ""),
                    ..of(vec![write(SCRIPT, puts("f15"))])
                },
            ),
            (
                "another chaincode",
                ChaincodeAction {
                    chaincode_id: id(SECOND, "1.0"),
                    ..of(vec![write(SCRIPT, puts("f16"))])
                },
            ),
            (
                "no chaincode",
                ChaincodeAction {
                    chaincode_id: id("", ""),
                    ..of(vec![write(SCRIPT, puts("f17"))])
                },
            ),
            (
                "a refusal",
                ChaincodeAction {
                    response: Some(Response {
                        status: 500,
                        ..Response::default()
                    }),
                    ..of(vec![write(SCRIPT, puts("f18"))])
                },
            ),
            (
                "status 400",
                ChaincodeAction {
                    response: Some(Response {
                        status: 400,
                        ..Response::default()
                    }),
                    ..of(vec![write(SCRIPT, puts("f19"))])
                },
            ),
            (
                "an unknown data model",
                ChaincodeAction {
                    results: TxReadWriteSet {
                        data_model: 5,
                        ns_rwset: vec![write(SCRIPT, puts("f20"))],
                    }
                    .encode_to_vec(),
                    ..ChaincodeAction::default()
                },
            ),
            (
                "a namespace that is only read",
                of(vec![
                    write(SCRIPT, puts("f21")),
                    write("unknown", KvrwSet::default()),
                ]),
            ),
        ];
        for group in cases.chunks(7) {
            let mut block = Vec::new();
            for (_, action) in group {
                let draft = self.script([put("", "forged", "1")]);
                block.push(self.forged(&draft, &with(action.clone())));
            }
            let names: Vec<&str> = group.iter().map(|(case, _)| *case).collect();
            self.order(&format!("forgeries: {}", names.join(", ")), &block)
                .await;
        }
        let channel = self.channel.clone();
        let mut block = Vec::new();
        for name in [
            "unknown",
            "qscc",
            "_lifecycle",
            "lscc",
            "vscc",
            "",
            "no/name",
            "script:1.0",
        ] {
            let draft = Draft::new(&channel, name, script([]));
            let action = ChaincodeAction {
                chaincode_id: id(name, "1.0"),
                ..of(vec![write(name, puts("f"))])
            };
            block.push(self.forged(&draft, &with(action)));
        }
        self.order("forgeries of other chaincodes", &block).await;
        let draft = self.script([put("", "forged", "2")]);
        let no_response = ChaincodeAction {
            chaincode_id: id(SCRIPT, "1.0"),
            ..of(vec![write(SCRIPT, puts("f30"))])
        };
        let no_id = ChaincodeAction {
            response: with(no_response.clone()).response,
            chaincode_id: None,
            ..no_response.clone()
        };
        let block = [self.forged(&draft, &no_response), {
            let draft = self.script([put("", "forged", "3")]);
            self.forged(&draft, &no_id)
        }];
        self.order("forgeries without a response, without an id", &block)
            .await;
        // What stands in a transaction need not be what stands in the proposal that was endorsed.
        let user = self.user(ORGS[0]);
        let one = self.script([put("", "swapped", "1")]).signed(&user);
        let two = self.script([put("", "swapped", "2")]).signed(&user);
        let mut answers = Vec::new();
        for msp_id in &ORGS[..2] {
            answers.push(self.theirs.propose(msp_id, &one).await.expect("endorsed"));
        }
        let swapped = transaction(&two, &answers, &user);
        let empty = Transaction::default();
        let nothing = assemble(&one, answers[0].payload.clone(), Vec::new(), &user, &|parts| {
            parts.transaction = empty.clone();
        });
        self.order("another proposal's endorsements", &[swapped, nothing])
            .await;
    }

    fn forged(&self, draft: &Draft, action: &ChaincodeAction) -> Envelope {
        let user = self.user(ORGS[0]);
        let signed = draft.signed(&user);
        let payload = ProposalResponsePayload {
            proposal_hash: proposal_hash(&signed),
            extension: action.encode_to_vec(),
        };
        let payload = payload.encode_to_vec();
        let endorsements = ORGS
            .iter()
            .map(|msp_id| endorsement(&payload, &self.peer(msp_id)));
        assemble(&signed, payload.clone(), endorsements.collect(), &user, &|_| {})
    }
}

/// What an endorser says that it endorses.
fn proposal_hash(signed: &fabric_protos::peer::SignedProposal) -> Vec<u8> {
    use fabric_protos::common::Header;
    use fabric_protos::peer::{ChaincodeProposalPayload, Proposal};
    use sha2::{Digest, Sha256};
    let proposal = Proposal::decode(signed.proposal_bytes.as_slice()).expect("decodes");
    let header = Header::decode(proposal.header.as_slice()).expect("decodes");
    let mut payload = ChaincodeProposalPayload::decode(proposal.payload.as_slice()).expect("decodes");
    payload.transient_map.clear();
    let parts = [
        header.channel_header,
        header.signature_header,
        payload.encode_to_vec(),
    ];
    Sha256::digest(parts.concat()).to_vec()
}
