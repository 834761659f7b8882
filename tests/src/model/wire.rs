//! The model's transactions and blocks as bytes, signed by hand: no part of a client, an endorser or an orderer takes part.

use std::collections::BTreeMap;

use fabric_ledger::{block_data_hash, block_header_bytes};
use fabric_msp::SigningIdentity;
use fabric_msp::policy::{self, Role};
use fabric_protos::common::{
    Block, BlockData, BlockHeader, BlockMetadata, ChannelHeader, Envelope, Header, HeaderType, LastConfig,
    Metadata, MetadataSignature, OrdererBlockMetadata, Payload, SignatureHeader,
};
use fabric_protos::kvrwset::{
    HashedRwSet, KvMetadataEntry, KvMetadataWrite, KvMetadataWriteHash, KvRead, KvReadHash, KvWrite,
    KvWriteHash, KvrwSet, QueryReads, RangeQueryInfo, Version as WireVersion, range_query_info::ReadsInfo,
};
use fabric_protos::peer::{
    ChaincodeAction, ChaincodeActionPayload, ChaincodeEndorsedAction, ChaincodeEvent,
    ChaincodeHeaderExtension, ChaincodeId, ChaincodeProposalPayload, Endorsement, ProposalResponsePayload,
    Response, Transaction as WireTransaction, TransactionAction,
};
use fabric_protos::rwset::{
    CollectionHashedReadWriteSet, CollectionPvtReadWriteSet, NsPvtReadWriteSet, NsReadWriteSet,
    TxPvtReadWriteSet, TxReadWriteSet,
};
use prost::Message;
use prost_types::Timestamp;

use super::{Flaw, PrivateSet, PrivateWrite, Rule, Set, Transaction, Version, hash};

/// Who signs.
#[derive(Debug)]
pub struct Signers {
    /// The channel's name.
    pub channel: String,
    /// A peer of each organisation.
    pub peers: Vec<SigningIdentity>,
    /// A client of each organisation.
    pub clients: Vec<SigningIdentity>,
    /// MSP ids.
    pub msp_ids: Vec<String>,
    /// The ordering node.
    pub orderer: SigningIdentity,
}

/// A transaction as bytes.
#[derive(Debug, Clone)]
pub struct Marshalled {
    /// The envelope.
    pub envelope: Vec<u8>,
    /// What the members' peers hold until it is committed.
    pub private: Option<TxPvtReadWriteSet>,
}

impl Signers {
    /// The id of a transaction of a client.
    pub fn id(&self, client: usize, nonce: &[u8]) -> String {
        hex::encode(hash(&[nonce, self.clients[client].serialized()].concat()))
    }

    /// A transaction as its client sends it.
    pub fn envelope(&self, transaction: &Transaction, client: usize, nonce: &[u8]) -> Marshalled {
        let flawed = |flaw| transaction.flaw == Some(flaw);
        let (results, private) = self.results(&transaction.sets);
        let chaincode = |name: &str, version: &str| ChaincodeId {
            name: name.to_owned(),
            version: version.to_owned(),
            ..ChaincodeId::default()
        };
        let mut extension = ChaincodeHeaderExtension {
            chaincode_id: (!flawed(Flaw::NoChaincode)).then(|| chaincode(&transaction.invoked, "")),
        }
        .encode_to_vec();
        if flawed(Flaw::HeaderExtension) {
            extension = vec![0x12, 0x7f];
        }
        let kind = if flawed(Flaw::Type) {
            HeaderType::ConfigUpdate
        } else {
            HeaderType::EndorserTransaction
        };
        let channel = ChannelHeader {
            r#type: kind as i32,
            timestamp: Some(Timestamp {
                seconds: 1_800_000_000,
                nanos: 0,
            }),
            channel_id: if flawed(Flaw::Channel) {
                "elsewhere".to_owned()
            } else {
                self.channel.clone()
            },
            tx_id: transaction.id.clone(),
            epoch: u64::from(flawed(Flaw::Epoch)),
            extension,
            ..ChannelHeader::default()
        };
        let signature = SignatureHeader {
            creator: self.clients[client].serialized().to_vec(),
            nonce: nonce.to_vec(),
        };
        let header = Header {
            channel_header: channel.encode_to_vec(),
            signature_header: signature.encode_to_vec(),
        };
        let proposal = ChaincodeProposalPayload {
            input: b"anything".to_vec(),
            transient_map: BTreeMap::new(),
        }
        .encode_to_vec();
        let mut results = results.encode_to_vec();
        if flawed(Flaw::ReadWriteSet) {
            results = vec![0x12, 0x7f];
        }
        if flawed(Flaw::NamespaceTwice) {
            let twice = NsReadWriteSet {
                namespace: "twice".to_owned(),
                ..NsReadWriteSet::default()
            };
            let mut set = TxReadWriteSet::decode(results.as_slice()).expect("it was just made");
            set.ns_rwset.extend([twice.clone(), twice]);
            results = set.encode_to_vec();
        }
        let event = ChaincodeEvent {
            chaincode_id: "another".to_owned(),
            ..ChaincodeEvent::default()
        };
        let ran = if flawed(Flaw::OtherChaincode) {
            "another"
        } else {
            transaction.invoked.as_str()
        };
        let action = ChaincodeAction {
            results,
            events: if flawed(Flaw::Event) {
                event.encode_to_vec()
            } else {
                Vec::new()
            },
            response: Some(Response {
                status: 200,
                ..Response::default()
            }),
            chaincode_id: Some(chaincode(ran, if flawed(Flaw::NoVersion) { "" } else { "1" })),
        };
        let hashed = [
            header.channel_header.as_slice(),
            &header.signature_header,
            &proposal,
        ]
        .concat();
        let mut proposal_hash = hash(&hashed).to_vec();
        if flawed(Flaw::ProposalHash) {
            proposal_hash[0] ^= 1;
        }
        let response = ProposalResponsePayload {
            proposal_hash,
            extension: if flawed(Flaw::NoResults) {
                Vec::new()
            } else {
                action.encode_to_vec()
            },
        }
        .encode_to_vec();
        let endorsements = transaction.endorsers.iter().map(|org| {
            let endorser = self.peers[*org].serialized().to_vec();
            let signature = self.peers[*org]
                .sign(&[response.as_slice(), &endorser].concat())
                .expect("signs");
            Endorsement { endorser, signature }
        });
        let content = ChaincodeActionPayload {
            chaincode_proposal_payload: proposal,
            action: Some(ChaincodeEndorsedAction {
                proposal_response_payload: response.clone(),
                endorsements: endorsements.collect(),
            }),
        };
        let action = TransactionAction {
            header: header.signature_header.clone(),
            payload: content.encode_to_vec(),
        };
        let mut actions = vec![action];
        if flawed(Flaw::TwoActions) {
            actions.push(actions[0].clone());
        }
        let mut payload = Payload {
            header: Some(header),
            data: WireTransaction { actions }.encode_to_vec(),
        }
        .encode_to_vec();
        if flawed(Flaw::Payload) {
            payload = vec![0x0a, 0x7f, 1];
        }
        let signer = if flawed(Flaw::CreatorSignature) {
            (client + 1) % self.clients.len()
        } else {
            client
        };
        let signature = self.clients[signer].sign(&payload).expect("signs");
        Marshalled {
            envelope: Envelope { payload, signature }.encode_to_vec(),
            private,
        }
    }

    /// The next block as the ordering node signs it.
    pub fn block(&self, number: u64, previous_hash: Vec<u8>, data: Vec<Vec<u8>>) -> Block {
        let data = BlockData { data };
        let header = BlockHeader {
            number,
            previous_hash,
            data_hash: block_data_hash(&data).to_vec(),
        };
        let value = OrdererBlockMetadata {
            last_config: Some(LastConfig { index: 0 }),
            consenter_metadata: Vec::new(),
        }
        .encode_to_vec();
        let signature_header = SignatureHeader {
            creator: self.orderer.serialized().to_vec(),
            nonce: vec![7; 24],
        }
        .encode_to_vec();
        let signed = [value.as_slice(), &signature_header, &block_header_bytes(&header)].concat();
        let signature = MetadataSignature {
            signature_header,
            signature: self.orderer.sign(&signed).expect("signs"),
            ..MetadataSignature::default()
        };
        let mut metadata = vec![Vec::new(); 5];
        metadata[0] = Metadata {
            value,
            signatures: vec![signature],
        }
        .encode_to_vec();
        Block {
            header: Some(header),
            data: Some(data),
            metadata: Some(BlockMetadata { metadata }),
        }
    }

    /// The read-write set, and the private one if there is any.
    pub fn results(&self, sets: &BTreeMap<String, Set>) -> (TxReadWriteSet, Option<TxPvtReadWriteSet>) {
        let mut public = TxReadWriteSet::default();
        let mut private = TxPvtReadWriteSet::default();
        for (namespace, set) in sets {
            let mut collections = Vec::new();
            let mut held = Vec::new();
            for (collection, set) in &set.private {
                let (hashed, clear) = self.collection(set);
                let pvt_rwset_hash = clear
                    .as_ref()
                    .map(|clear| hash(clear).to_vec())
                    .unwrap_or_default();
                if let Some(rwset) = clear.filter(|_| !set.lost) {
                    held.push(CollectionPvtReadWriteSet {
                        collection_name: collection.clone(),
                        rwset,
                    });
                }
                collections.push(CollectionHashedReadWriteSet {
                    collection_name: collection.clone(),
                    hashed_rwset: hashed.encode_to_vec(),
                    pvt_rwset_hash,
                });
            }
            if !held.is_empty() {
                private.ns_pvt_rwset.push(NsPvtReadWriteSet {
                    namespace: namespace.clone(),
                    collection_pvt_rwset: held,
                });
            }
            public.ns_rwset.push(NsReadWriteSet {
                namespace: namespace.clone(),
                rwset: self.public(set).encode_to_vec(),
                collection_hashed_rwset: collections,
            });
        }
        let private = (!private.ns_pvt_rwset.is_empty()).then_some(private);
        (public, private)
    }

    fn public(&self, set: &Set) -> KvrwSet {
        let reads = set.reads.iter().map(|(key, version)| read(key, *version));
        let ranges = set.ranges.iter().map(|range| {
            let kv_reads: Vec<_> = range
                .found
                .iter()
                .map(|(key, version)| read(key, Some(*version)))
                .collect();
            RangeQueryInfo {
                start_key: range.start.clone(),
                end_key: range.end.clone(),
                itr_exhausted: range.exhausted,
                reads_info: (!kv_reads.is_empty()).then_some(ReadsInfo::RawReads(QueryReads { kv_reads })),
            }
        });
        let writes = set
            .writes
            .iter()
            .map(|(key, value)| clear_write(key, value.clone()));
        let rules = set.rules.iter().map(|(key, rule)| KvMetadataWrite {
            key: key.clone(),
            entries: self.entries(rule),
        });
        KvrwSet {
            reads: reads.collect(),
            range_queries_info: ranges.collect(),
            writes: writes.collect(),
            metadata_writes: rules.collect(),
        }
    }

    fn collection(&self, set: &PrivateSet) -> (HashedRwSet, Option<Vec<u8>>) {
        let reads = set.reads.iter().map(|(key, version)| KvReadHash {
            key_hash: hash(key.as_bytes()).to_vec(),
            version: version.map(wire_version),
        });
        let writes = set.writes.iter().map(|(key, what)| {
            let value_hash = match what {
                PrivateWrite::Put(value) => hash(value).to_vec(),
                PrivateWrite::Delete | PrivateWrite::Purge => Vec::new(),
            };
            KvWriteHash {
                key_hash: hash(key.as_bytes()).to_vec(),
                is_delete: value_hash.is_empty(),
                value_hash,
                is_purge: *what == PrivateWrite::Purge,
            }
        });
        let rules = set.rules.iter().map(|(key, rule)| KvMetadataWriteHash {
            key_hash: hash(key.as_bytes()).to_vec(),
            entries: self.entries(rule),
        });
        let hashed = HashedRwSet {
            hashed_reads: reads.collect(),
            hashed_writes: writes.collect(),
            metadata_writes: rules.collect(),
        };
        let clear = set.writes.iter().map(|(key, what)| match what {
            PrivateWrite::Put(value) => clear_write(key, Some(value.clone())),
            PrivateWrite::Delete | PrivateWrite::Purge => clear_write(key, None),
        });
        // Members must know the keys whose rules change, because their values get new versions.
        let rules = set.rules.keys().map(|key| KvMetadataWrite {
            key: key.clone(),
            entries: Vec::new(),
        });
        let clear = KvrwSet {
            writes: clear.collect(),
            metadata_writes: rules.collect(),
            ..KvrwSet::default()
        };
        let written = !set.writes.is_empty() || !set.rules.is_empty();
        (hashed, written.then(|| clear.encode_to_vec()))
    }

    fn entries(&self, rule: &Rule) -> Vec<KvMetadataEntry> {
        vec![KvMetadataEntry {
            name: "VALIDATION_PARAMETER".to_owned(),
            value: self.policy(rule),
        }]
    }

    /// A rule as the marshalled policy of a key.
    pub fn policy(&self, rule: &Rule) -> Vec<u8> {
        let of: Vec<_> = rule.of.iter().map(|org| self.msp_ids[*org].as_str()).collect();
        let need = i32::try_from(rule.need).expect("few organisations");
        policy::n_out_of_role(need, Role::Peer, &of).encode_to_vec()
    }
}

fn read(key: &str, version: Option<Version>) -> KvRead {
    KvRead {
        key: key.to_owned(),
        version: version.map(wire_version),
    }
}

fn clear_write(key: &str, value: Option<Vec<u8>>) -> KvWrite {
    let value = value.unwrap_or_default();
    KvWrite {
        key: key.to_owned(),
        is_delete: value.is_empty(),
        value,
    }
}

fn wire_version((block_num, tx_num): Version) -> WireVersion {
    WireVersion { block_num, tx_num }
}
