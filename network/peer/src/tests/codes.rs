//! Every validation code that a block can bring about, through a block, and which of two wrongs decides
//! (`core/common/validation`, `core/committer/txvalidator/v20` and `txmgmt/validation` of Fabric).

use fabric_msp::SigningIdentity;
use fabric_protos::common::{ChannelHeader, Envelope, Header, HeaderType, Payload, SignatureHeader};
use fabric_protos::kvrwset::{
    KvRead, KvWrite, KvrwSet, QueryReads, RangeQueryInfo, Version, range_query_info::ReadsInfo,
};
use fabric_protos::peer::{
    ChaincodeAction, ChaincodeActionPayload, ChaincodeEvent, ChaincodeHeaderExtension,
    CollectionConfigPackage, Endorsement, Proposal, ProposalResponse, ProposalResponsePayload, Response,
    Transaction, TransactionAction, TxValidationCode as Code,
};
use fabric_protos::rwset::{NsReadWriteSet, TxReadWriteSet};
use prost::Message;
use sha2::{Digest, Sha256};

use crate::testing::{CHAINCODE, Net, Request, transaction};
use crate::transaction_id;

/// A transaction whose parts can be changed before hash, endorsements and signature are made over them.
struct Draft {
    channel: ChannelHeader,
    signature: SignatureHeader,
    action_signature: Option<SignatureHeader>,
    proposal: Vec<u8>,
    action: ChaincodeAction,
    /// In place of the action's bytes.
    extension: Option<Vec<u8>>,
    /// Endorsing peers.
    peers: Vec<usize>,
    actions: usize,
    wrong_hash: bool,
    /// Who signs in place of the creator.
    signer: Option<SigningIdentity>,
    /// Changes the action after it was endorsed.
    bent: Option<fn(&mut ChaincodeActionPayload)>,
}

impl Draft {
    /// A valid transaction with these read-write sets.
    fn new(net: &Net, sets: &[(&str, KvrwSet)]) -> Self {
        let creator = net.client(0);
        let proposal: Proposal = Request::chaincode(&["any"]).proposal(&creator);
        let header = Header::decode(proposal.header.as_slice()).expect("decodes");
        let ns_rwset = sets.iter().map(|(namespace, set)| NsReadWriteSet {
            namespace: (*namespace).to_owned(),
            rwset: set.encode_to_vec(),
            ..NsReadWriteSet::default()
        });
        let results = TxReadWriteSet {
            ns_rwset: ns_rwset.collect(),
            ..TxReadWriteSet::default()
        };
        Self {
            channel: ChannelHeader::decode(header.channel_header.as_slice()).expect("decodes"),
            signature: SignatureHeader::decode(header.signature_header.as_slice()).expect("decodes"),
            action_signature: None,
            proposal: proposal.payload,
            action: ChaincodeAction {
                results: results.encode_to_vec(),
                events: Vec::new(),
                response: Some(Response {
                    status: 200,
                    ..Response::default()
                }),
                chaincode_id: Some(fabric_protos::peer::ChaincodeId {
                    name: CHAINCODE.to_owned(),
                    version: "1.0".to_owned(),
                    ..Default::default()
                }),
            },
            extension: None,
            peers: vec![0, 1],
            actions: 1,
            wrong_hash: false,
            signer: None,
            bent: None,
        }
    }

    /// Blindly writes one key.
    fn writing(net: &Net, key: &str) -> Self {
        Self::new(net, &[(CHAINCODE, write(key, b"v"))])
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn envelope(self, net: &Net) -> Envelope {
        let header = Header {
            channel_header: self.channel.encode_to_vec(),
            signature_header: self.signature.encode_to_vec(),
        };
        let action_header = self.action_signature.unwrap_or(self.signature).encode_to_vec();
        let mut hash = Sha256::new()
            .chain_update(&header.channel_header)
            .chain_update(&action_header)
            .chain_update(&self.proposal)
            .finalize()
            .to_vec();
        if self.wrong_hash {
            hash[0] ^= 1;
        }
        let response = ProposalResponsePayload {
            proposal_hash: hash,
            extension: self.extension.unwrap_or_else(|| self.action.encode_to_vec()),
        }
        .encode_to_vec();
        let endorsements = self.peers.iter().map(|peer| {
            let signer = net.peers[*peer].signer();
            let endorser = signer.serialized().to_vec();
            let signature = signer
                .sign(&[response.as_slice(), &endorser].concat())
                .expect("signs");
            Endorsement { endorser, signature }
        });
        let mut content = ChaincodeActionPayload {
            chaincode_proposal_payload: self.proposal,
            action: Some(fabric_protos::peer::ChaincodeEndorsedAction {
                endorsements: endorsements.collect(),
                proposal_response_payload: response.clone(),
            }),
        };
        if let Some(bend) = self.bent {
            bend(&mut content);
        }
        let action = TransactionAction {
            header: action_header,
            payload: content.encode_to_vec(),
        };
        let payload = Payload {
            header: Some(header),
            data: Transaction {
                actions: vec![action; self.actions],
            }
            .encode_to_vec(),
        };
        signed(
            payload.encode_to_vec(),
            &self.signer.unwrap_or_else(|| net.client(0)),
        )
    }
}

fn signed(payload: Vec<u8>, signer: &SigningIdentity) -> Envelope {
    Envelope {
        signature: signer.sign(&payload).expect("signs"),
        payload,
    }
}

fn write(key: &str, value: &[u8]) -> KvrwSet {
    KvrwSet {
        writes: vec![KvWrite {
            key: key.to_owned(),
            is_delete: value.is_empty(),
            value: value.to_vec(),
        }],
        ..KvrwSet::default()
    }
}

async fn codes(net: &Net, envelopes: Vec<Envelope>) -> Vec<Code> {
    let found = net.order(envelopes).await;
    found
        .iter()
        .map(|code| Code::try_from(i32::from(*code)).expect("a code"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_code_that_a_block_can_bring_about() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    let draft = |key: &str| Draft::writing(&net, key);
    // A key to read and a range with one key in it.
    assert_eq!(codes(&net, vec![draft("a").envelope(&net)]).await, [Code::Valid]);
    let stale = KvrwSet {
        reads: vec![KvRead {
            key: "a".into(),
            version: Some(Version {
                block_num: 1,
                tx_num: 7,
            }),
        }],
        ..write("b", b"v")
    };
    let phantom = KvrwSet {
        range_queries_info: vec![RangeQueryInfo {
            start_key: "a".into(),
            end_key: "b".into(),
            itr_exhausted: true,
            reads_info: Some(ReadsInfo::RawReads(QueryReads::default())),
        }],
        ..write("b", b"v")
    };
    let header = |kind: HeaderType| {
        let draft = draft("x");
        Header {
            channel_header: ChannelHeader {
                r#type: kind as i32,
                ..draft.channel
            }
            .encode_to_vec(),
            signature_header: draft.signature.encode_to_vec(),
        }
    };
    let payload = |kind: HeaderType, data: &[u8]| {
        let payload = Payload {
            header: Some(header(kind)),
            data: data.to_vec(),
        };
        signed(payload.encode_to_vec(), &net.client(0))
    };
    let first = draft("twice").envelope(&net);
    let long_key = "k".repeat(70_000);
    let event = ChaincodeEvent {
        chaincode_id: "another".into(),
        ..ChaincodeEvent::default()
    };
    let cases = vec![
        (draft("good").envelope(&net), Code::Valid),
        (signed(vec![0xff; 20], &net.client(0)), Code::BadPayload),
        (
            draft("k").with(|draft| draft.channel.epoch = 1).envelope(&net),
            Code::BadCommonHeader,
        ),
        (payload(HeaderType::Message, b"x"), Code::BadCommonHeader),
        (
            draft("k")
                .with(|draft| draft.signature.nonce.clear())
                .envelope(&net),
            Code::BadCommonHeader,
        ),
        (
            draft("k")
                .with(|draft| draft.signer = Some(net.client(1)))
                .envelope(&net),
            Code::BadCreatorSignature,
        ),
        (
            draft("k").with(|draft| draft.actions = 2).envelope(&net),
            Code::InvalidEndorserTransaction,
        ),
        (
            draft("k").with(|draft| draft.actions = 0).envelope(&net),
            Code::InvalidEndorserTransaction,
        ),
        (
            draft("k").with(|draft| draft.wrong_hash = true).envelope(&net),
            Code::InvalidEndorserTransaction,
        ),
        (
            draft("k").with(|draft| draft.proposal.clear()).envelope(&net),
            Code::InvalidEndorserTransaction,
        ),
        (
            draft("k")
                .with(|draft| draft.bent = Some(|content| content.action = None))
                .envelope(&net),
            Code::InvalidEndorserTransaction,
        ),
        (
            draft("k")
                .with(|draft| {
                    draft.bent = Some(|content| {
                        let action = content.action.as_mut().expect("is there");
                        action.proposal_response_payload = vec![0xff];
                    });
                })
                .envelope(&net),
            Code::InvalidEndorserTransaction,
        ),
        (payload(HeaderType::Config, b""), Code::InvalidConfigTransaction),
        (
            payload(HeaderType::ConfigUpdate, b"x"),
            Code::UnsupportedTxPayload,
        ),
        (
            draft("k")
                .with(|draft| draft.channel.tx_id = "0".repeat(64))
                .envelope(&net),
            Code::BadProposalTxid,
        ),
        (first.clone(), Code::Valid),
        (first, Code::DuplicateTxid),
        (
            draft("k").with(|draft| draft.peers = vec![1]).envelope(&net),
            Code::EndorsementPolicyFailure,
        ),
        (
            Draft::new(&net, &[(CHAINCODE, stale)]).envelope(&net),
            Code::MvccReadConflict,
        ),
        (
            Draft::new(&net, &[(CHAINCODE, phantom)]).envelope(&net),
            Code::PhantomReadConflict,
        ),
        (
            draft("k")
                .with(|draft| draft.channel.channel_id = "other".into())
                .envelope(&net),
            Code::TargetChainNotFound,
        ),
        (
            draft("k")
                .with(|draft| draft.channel.extension = vec![0xff])
                .envelope(&net),
            Code::BadHeaderExtension,
        ),
        (
            draft("k")
                .with(|draft| draft.extension = Some(Vec::new()))
                .envelope(&net),
            Code::BadResponsePayload,
        ),
        (
            draft("k")
                .with(|draft| draft.extension = Some(vec![0xff]))
                .envelope(&net),
            Code::BadResponsePayload,
        ),
        (
            draft("k")
                .with(|draft| draft.action.results = vec![0xff])
                .envelope(&net),
            Code::BadRwset,
        ),
        (
            Draft::new(
                &net,
                &[(CHAINCODE, write("k", b"v")), (CHAINCODE, write("l", b"v"))],
            )
            .envelope(&net),
            Code::IllegalWriteset,
        ),
        (
            Draft::writing(&net, &long_key).envelope(&net),
            Code::InvalidWriteset,
        ),
        (
            Draft::new(&net, &[("nowhere", write("k", b"v"))]).envelope(&net),
            Code::InvalidChaincode,
        ),
        (
            draft("k")
                .with(|draft| draft.action.chaincode_id.as_mut().expect("is there").name = "x".into())
                .envelope(&net),
            Code::InvalidChaincode,
        ),
        (
            draft("k")
                .with(|draft| {
                    draft
                        .action
                        .chaincode_id
                        .as_mut()
                        .expect("is there")
                        .version
                        .clear()
                })
                .envelope(&net),
            Code::InvalidChaincode,
        ),
        (
            draft("k")
                .with(|draft| draft.action.chaincode_id = None)
                .envelope(&net),
            Code::InvalidOtherReason,
        ),
        (
            draft("k")
                .with(|draft| draft.channel.extension = ChaincodeHeaderExtension::default().encode_to_vec())
                .envelope(&net),
            Code::InvalidOtherReason,
        ),
        (
            draft("k")
                .with(|draft| draft.action.events = event.encode_to_vec())
                .envelope(&net),
            Code::InvalidOtherReason,
        ),
        (
            draft("k")
                .with(|draft| draft.action.events = vec![0xff])
                .envelope(&net),
            Code::InvalidOtherReason,
        ),
    ];
    let (envelopes, expected): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    assert_eq!(codes(&net, envelopes).await, expected);
    for key in ["b", "k", "l"] {
        assert_eq!(net.value(2, key), None, "{key}");
    }
}

/// Of two wrongs the one decides that Fabric looks at first.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_wrong_decides() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    let committed = Draft::writing(&net, "a");
    let (nonce, tx_id) = (committed.signature.nonce.clone(), committed.channel.tx_id.clone());
    assert_eq!(codes(&net, vec![committed.envelope(&net)]).await, [Code::Valid]);
    type Change<'c> = Box<dyn FnOnce(&mut Draft) + 'c>;
    // In the order of the checks: each row has its own wrong and all of those below it.
    type Wrong = (Code, fn(&Net) -> Change<'_>);
    let wrongs: Vec<Wrong> = vec![
        (Code::BadCommonHeader, |_| {
            Box::new(|draft| draft.channel.epoch = 1)
        }),
        (Code::BadCreatorSignature, |net| {
            Box::new(|draft| draft.signer = Some(net.client(1)))
        }),
        (Code::BadProposalTxid, |_| {
            Box::new(|draft| draft.signature.nonce.push(1))
        }),
        (Code::InvalidEndorserTransaction, |_| {
            Box::new(|draft| draft.actions = 2)
        }),
        (Code::TargetChainNotFound, |_| {
            Box::new(|draft| draft.channel.channel_id = "other".into())
        }),
        (Code::DuplicateTxid, |_| Box::new(|_| {})),
        (Code::BadHeaderExtension, |_| {
            Box::new(|draft| draft.channel.extension = vec![0xff])
        }),
    ];
    let mut envelopes = Vec::new();
    for first in 0..wrongs.len() {
        let mut draft = Draft::writing(&net, "b");
        draft.signature.nonce.clone_from(&nonce);
        draft.channel.tx_id.clone_from(&tx_id);
        for (_, wrong) in &wrongs[first..] {
            wrong(&net)(&mut draft);
        }
        if first > 5 {
            draft.signature.nonce = vec![9; 24];
            draft.channel.tx_id = transaction_id(&draft.signature.nonce, &draft.signature.creator);
        }
        envelopes.push(draft.envelope(&net));
    }
    let expected: Vec<_> = wrongs.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes(&net, envelopes).await, expected);

    // What the dispatcher looks at, likewise.
    let event = ChaincodeEvent {
        chaincode_id: "another".into(),
        ..ChaincodeEvent::default()
    };
    let twice = [(CHAINCODE, write("k", b"v")), (CHAINCODE, write("k", b"v"))];
    let base = || Draft::new(&net, &twice).with(|draft| draft.peers.truncate(1));
    let id = |draft: &mut Draft| {
        draft
            .action
            .chaincode_id
            .as_mut()
            .expect("is there")
            .version
            .clear()
    };
    let cases = [
        (
            base().with(|draft| (draft.action.results, draft.action.chaincode_id) = (vec![0xff], None)),
            Code::BadRwset,
        ),
        (
            base().with(|draft| draft.action.chaincode_id = None),
            Code::InvalidOtherReason,
        ),
        (
            base()
                .with(|draft| draft.action.events = event.encode_to_vec())
                .with(id),
            Code::InvalidChaincode,
        ),
        (
            base().with(|draft| draft.action.events = event.encode_to_vec()),
            Code::InvalidOtherReason,
        ),
        (base(), Code::IllegalWriteset),
        (
            Draft::writing(&net, "k").with(|draft| draft.peers.truncate(1)),
            Code::EndorsementPolicyFailure,
        ),
    ];
    let (envelopes, expected): (Vec<_>, Vec<_>) = cases
        .into_iter()
        .map(|(draft, code)| (draft.envelope(&net), code))
        .unzip();
    assert_eq!(codes(&net, envelopes).await, expected);
}

/// A transaction that was refused has used up its id; one that conflicts keeps the place of a later one with its id.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_used_up_by_whoever_has_it_first() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    let draft = Draft::writing(&net, "k").with(|draft| draft.peers.truncate(1));
    let (nonce, tx_id) = (draft.signature.nonce.clone(), draft.channel.tx_id.clone());
    let good = || {
        Draft::writing(&net, "k").with(|draft| {
            draft.signature.nonce.clone_from(&nonce);
            draft.channel.tx_id.clone_from(&tx_id);
        })
    };
    // In one block the refused one does not count.
    let refused = draft.envelope(&net);
    let found = codes(&net, vec![refused, good().envelope(&net)]).await;
    assert_eq!(found, [Code::EndorsementPolicyFailure, Code::Valid]);
    assert_eq!(
        codes(&net, vec![good().envelope(&net)]).await,
        [Code::DuplicateTxid]
    );

    let stale = KvrwSet {
        reads: vec![KvRead {
            key: "k".into(),
            version: None,
        }],
        ..write("l", b"v")
    };
    let conflicting = Draft::new(&net, &[(CHAINCODE, stale)]);
    let (nonce, tx_id) = (
        conflicting.signature.nonce.clone(),
        conflicting.channel.tx_id.clone(),
    );
    let second = Draft::writing(&net, "l").with(|draft| {
        draft.signature.nonce = nonce;
        draft.channel.tx_id = tx_id;
    });
    let found = codes(&net, vec![conflicting.envelope(&net), second.envelope(&net)]).await;
    assert_eq!(found, [Code::MvccReadConflict, Code::DuplicateTxid]);
}

/// The invoked chaincode's policy holds though it writes nothing; of others only for what they write.
#[tokio::test(flavor = "multi_thread")]
async fn the_invoked_chaincode_is_checked_and_others_when_they_write() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    let read = KvrwSet {
        reads: vec![KvRead {
            key: "nothing".into(),
            version: None,
        }],
        ..KvrwSet::default()
    };
    let alone = |draft: &mut Draft| draft.peers.truncate(1);
    let cases = [
        (Draft::new(&net, &[]).with(alone), Code::EndorsementPolicyFailure),
        (Draft::new(&net, &[]), Code::Valid),
        (Draft::new(&net, &[("nowhere", read.clone())]), Code::Valid),
        (
            Draft::new(&net, &[("nowhere", write("k", b""))]),
            Code::InvalidChaincode,
        ),
        (
            Draft::new(&net, &[(CHAINCODE, read)]).with(alone),
            Code::EndorsementPolicyFailure,
        ),
    ];
    let (envelopes, expected): (Vec<_>, Vec<_>) = cases
        .into_iter()
        .map(|(draft, code)| (draft.envelope(&net), code))
        .unzip();
    assert_eq!(codes(&net, envelopes).await, expected);
}

/// The same proposal gives the same bytes on every peer.
#[tokio::test(flavor = "multi_thread")]
async fn endorsers_agree_to_the_byte() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    let request = Request::chaincode(&["add", "k", "v"]);
    let signed = request.signed(&net.client(0));
    let mut responses: Vec<ProposalResponse> = Vec::new();
    for peer in &net.peers {
        let response = peer.process_proposal(signed.clone()).await.expect("is endorsed");
        assert_eq!(response.payload, responses.first().unwrap_or(&response).payload);
        responses.push(response);
    }
    let proposal = Proposal::decode(signed.proposal_bytes.as_slice()).expect("decodes");
    let envelope = transaction(&proposal, &responses, &net.client(0));
    assert_eq!(codes(&net, vec![envelope]).await, [Code::Valid]);
}
