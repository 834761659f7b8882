//! The checks of one block after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use fabric_channel::{Bundle, block::is_config};
use fabric_ledger::{
    LedgerError, LedgerOptions, ParsedTx, Version, block_data_hash, block_header_hash, validation_codes,
};
use fabric_protos::common::{
    Block, BlockHeader, BlockMetadataIndex, ChannelHeader, Envelope, LastConfig, Metadata,
    OrdererBlockMetadata, Payload, SignatureHeader,
};
use prost::Message;

use super::report::{AuditError, Finding, Report, Wrong};
use super::scratch::Forgotten;
use crate::channel::validation_code;
use crate::committer::set_codes;
use crate::lifecycle::LIFECYCLE;
use crate::validator::{BLOCK_VALIDATION, Context, block_signatures, validate, verify_block};
use crate::{BlockRefused, Channel};

/// Slots of a block's metadata that Fabric knows.
const SLOTS: usize = 5;

/// Checks a channel's blocks in their order, up to the first that is wrong.
#[derive(Debug)]
pub struct Auditor {
    channel: Channel,
    genesis: Block,
    /// Number of the next block.
    next: u64,
    /// The block with the configuration in force.
    last_config: u64,
    last_hash: Vec<u8>,
    namespaces: BTreeSet<String>,
    collections: BTreeSet<(String, String)>,
    report: Report,
}

/// What the rules in force make of a block's transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The validation code of every transaction.
    pub codes: Vec<u8>,
    /// The hash over all changes of the state up to this block; empty for the genesis block.
    pub commit_hash: Vec<u8>,
    /// The transactions' ids, as far as they can be read.
    pub tx_ids: Vec<String>,
    /// Why a transaction is invalid, where the validator says so.
    why: Vec<String>,
}

/// A key of the state with what it holds, at the height of the auditor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateEntry {
    /// The chaincode.
    pub namespace: String,
    /// The collection, of a private key; its key and value are hashes.
    pub collection: Option<String>,
    /// The key, or its hash.
    pub key: Vec<u8>,
    /// The value, or its hash.
    pub value: Vec<u8>,
    /// The transaction that wrote it.
    pub version: Version,
    /// Entries of its metadata by name.
    pub metadata: BTreeMap<String, Vec<u8>>,
}

impl Auditor {
    /// Begins with a trusted genesis block.
    ///
    /// # Errors
    /// [`AuditError`] when it is none, or the scratch directory is not usable.
    pub fn new(genesis: &Block, scratch: &Path) -> Result<Self, AuditError> {
        let data = genesis
            .data
            .as_ref()
            .ok_or(AuditError::Genesis("it has no data"))?;
        let header = genesis
            .header
            .as_ref()
            .ok_or(AuditError::Genesis("it has no header"))?;
        if header.number != 0 || !header.previous_hash.is_empty() {
            return Err(AuditError::Genesis("it is not the first of a chain"));
        }
        if header.data_hash != block_data_hash(data) {
            return Err(AuditError::Genesis("its data hash is wrong"));
        }
        let bundle = Bundle::from_block(genesis)?;
        let report = Report::new(bundle.channel_id());
        // No organisation's approvals are needed: nothing is executed here.
        let files = Arc::new(Forgotten);
        let channel = Channel::create(
            &scratch.join("ledger"),
            genesis,
            bundle,
            "",
            LedgerOptions {
                files,
                ..LedgerOptions::default()
            },
        )?;
        Ok(Self {
            channel,
            genesis: genesis.clone(),
            next: 0,
            last_config: 0,
            last_hash: Vec::new(),
            namespaces: BTreeSet::new(),
            collections: BTreeSet::new(),
            report,
        })
    }

    /// Checks the next block. `false` when it, or an earlier one, is wrong: later ones are not looked at.
    ///
    /// # Errors
    /// [`AuditError`] when the check could not be done.
    pub fn check(&mut self, block: &Block) -> Result<bool, AuditError> {
        if self.report.wrong.is_some() {
            return Ok(false);
        }
        if self.next == 0 && block.header.as_ref().is_none_or(|header| header.number > 0) {
            // The trusted genesis block stands for the one that was not given.
            let genesis = self.genesis.clone();
            self.apply(&genesis)?.ok();
        }
        let expected = self.next;
        match self.check_whole(block)? {
            Ok(verdict) => self.report.count(&verdict.codes),
            Err(finding) => {
                let (block, place) = (expected, None);
                self.report.wrong = Some(Wrong {
                    block,
                    finding,
                    place,
                });
            }
        }
        Ok(self.report.wrong.is_none())
    }

    /// What was found.
    pub fn finish(mut self) -> Report {
        self.report.last_hash = self.channel.ledger().last_hash();
        self.report.commit_hash = self.channel.ledger().commit_hash();
        self.report
    }

    /// Number of blocks that were checked: the number of the next one.
    pub fn height(&self) -> u64 {
        self.next
    }

    /// Hash of the last checked block's header.
    pub fn last_hash(&self) -> &[u8] {
        &self.last_hash
    }

    /// The block with the configuration in force.
    pub fn last_config(&self) -> u64 {
        self.last_config
    }

    /// The configuration in force for the next block.
    pub fn bundle(&self) -> Arc<Bundle> {
        self.channel.bundle()
    }

    /// All of the state as the checked blocks left it: public keys by namespace and key, then the hashes of private
    /// ones by namespace, collection and key hash.
    pub fn state(&self) -> impl Iterator<Item = Result<StateEntry, LedgerError>> + use<'_> {
        let state = self.channel.ledger().query();
        let hashes = state.clone();
        let public = self.namespaces.iter().flat_map(move |namespace| {
            let state = state.clone();
            state.range(namespace, "", "").filter_map(move |pair| {
                let entry = pair.and_then(|pair| {
                    let found = state.versioned(namespace, &pair.key)?;
                    let entry = found.map(|found| {
                        Ok(StateEntry {
                            namespace: namespace.clone(),
                            collection: None,
                            key: pair.key.into_bytes(),
                            metadata: found.metadata()?,
                            version: found.version,
                            value: found.value,
                        })
                    });
                    entry.transpose()
                });
                entry.transpose()
            })
        });
        let hashed = self.collections.iter().flat_map(move |(namespace, collection)| {
            let entries = hashes.hashed_entries(namespace, collection);
            entries.map(move |entry| {
                let (key, found) = entry?;
                Ok(StateEntry {
                    namespace: namespace.clone(),
                    collection: Some(collection.clone()),
                    key,
                    metadata: found.metadata()?,
                    version: found.version,
                    value: found.value,
                })
            })
        });
        public.chain(hashed)
    }

    pub(super) fn channel_id(&self) -> &str {
        self.channel.id()
    }

    pub(super) fn genesis(&self) -> &Block {
        &self.genesis
    }

    fn check_whole(&mut self, block: &Block) -> Result<Result<Verdict, Finding>, AuditError> {
        if let Err(finding) = self.check_chain(block) {
            return Ok(Err(finding));
        }
        let verdict = match self.apply(block)? {
            Ok(verdict) => verdict,
            Err(finding) => return Ok(Err(finding)),
        };
        Ok(check_recorded(block, &verdict).map(|()| verdict))
    }

    /// What does not depend on the state: the block's place, hashes and signatures, and what the orderer wrote into its
    /// metadata.
    pub(super) fn check_chain(&self, block: &Block) -> Result<(), Finding> {
        if self.next == 0 {
            let signatures = |block| slot(block, BlockMetadataIndex::Signatures).to_vec();
            let same = self.genesis.header == block.header
                && self.genesis.data == block.data
                && signatures(&self.genesis) == signatures(block);
            return if same { Ok(()) } else { Err(Finding::OtherGenesis) };
        }
        let bundle = self.channel.bundle();
        match verify_block(block, self.next, &self.last_hash, &bundle) {
            Ok(()) => self.check_metadata(block),
            Err(BlockRefused::DataHash(number)) => Err(self.suspect(block, &bundle).map_or(
                Finding::Refused(BlockRefused::DataHash(number)),
                |(index, tx_id)| Finding::Transaction { index, tx_id },
            )),
            Err(refused) => Err(Finding::Refused(refused)),
        }
    }

    /// Commits the next block, which passed [`check_chain`](Self::check_chain), to the scratch ledger.
    pub(super) fn apply(&mut self, block: &Block) -> Result<Result<Verdict, Finding>, AuditError> {
        let header = block.header.clone().unwrap_or_default();
        let verdict = if self.next == 0 {
            Verdict {
                codes: vec![0],
                commit_hash: Vec::new(),
                tx_ids: vec![String::new()],
                why: Vec::new(),
            }
        } else {
            match self.commit(block)? {
                Ok(verdict) => verdict,
                Err(finding) => return Ok(Err(finding)),
            }
        };
        if is_config(block) {
            self.last_config = header.number;
        }
        self.next += 1;
        self.last_hash = block_header_hash(&header).to_vec();
        Ok(Ok(verdict))
    }

    fn commit(&mut self, block: &Block) -> Result<Result<Verdict, Finding>, AuditError> {
        let (ledger, view) = (self.channel.ledger(), self.channel.view());
        let definitions = self.channel.definitions();
        let context = Context {
            channel_id: self.channel.id(),
            view: &view,
            definitions,
            ledger,
        };
        let mut validated = match validate(block, context) {
            Ok(validated) => validated,
            Err(error) => return Ok(Err(Finding::Unvalidated(error.to_string()))),
        };
        let transactions = std::mem::take(&mut validated.transactions);
        let tx_ids = transactions.iter().map(|tx| tx.tx_id.clone()).collect();
        note_names(&transactions, &mut self.namespaces, &mut self.collections);
        let mut again = block.clone();
        set_codes(&mut again, validated.codes());
        let committed = ledger.commit(again, transactions, Default::default())?;
        if let Some(bundle) = validated.config {
            self.channel.reconfigure(bundle);
        }
        if committed.updated_namespaces.contains(LIFECYCLE) {
            definitions.changed();
        }
        let why = validated
            .refusals
            .into_iter()
            .map(|refusal| refusal.map(|refusal| refusal.why).unwrap_or_default());
        Ok(Ok(Verdict {
            codes: committed.codes,
            commit_hash: committed.commit_hash,
            tx_ids,
            why: why.collect(),
        }))
    }

    /// The orderer's metadata. The number of the last configuration block is signed; the older copy of it is not.
    fn check_metadata(&self, block: &Block) -> Result<(), Finding> {
        let wrong = |slot, why: String| Err(Finding::Metadata { slot, why });
        let count = block.metadata.as_ref().map_or(0, |slots| slots.metadata.len());
        if count > SLOTS {
            return wrong("metadata", format!("there are {count} slots, {SLOTS} are known"));
        }
        let expected = self.expected_last_config(block);
        let signed = Metadata::decode(slot(block, BlockMetadataIndex::Signatures)).unwrap_or_default();
        let signed = OrdererBlockMetadata::decode(signed.value.as_slice());
        if let Ok(OrdererBlockMetadata {
            last_config: Some(LastConfig { index }),
            ..
        }) = &signed
            && *index != expected
        {
            let why = format!("the last configuration block is said to be {index}, it is {expected}");
            return wrong("metadata.signatures", why);
        }
        let old = slot(block, BlockMetadataIndex::LastConfig);
        if !old.is_empty() && old != last_config_slot(expected) {
            let why = format!("it does not say that the last configuration block is {expected}");
            return wrong("metadata.last_config", why);
        }
        let consenter = slot(block, BlockMetadataIndex::Orderer);
        let signed = signed.map(|signed| signed.consenter_metadata).unwrap_or_default();
        if !consenter.is_empty() && consenter != signed {
            let why = "it is not what the orderer signed".to_owned();
            return wrong("metadata.orderer", why);
        }
        Ok(())
    }

    pub(super) fn expected_last_config(&self, block: &Block) -> u64 {
        if is_config(block) {
            self.next
        } else {
            self.last_config
        }
    }

    /// The transaction whose creator did not sign it as it is, if there is one such only among those that are
    /// recorded with another code than this.
    fn suspect(&self, block: &Block, bundle: &Bundle) -> Option<(usize, String)> {
        let codes = validation_codes(block);
        let bad_signature = fabric_protos::peer::TxValidationCode::BadCreatorSignature as i32;
        let envelopes = block.data.as_ref().map_or(&[][..], |data| &data.data);
        let mut suspects = envelopes.iter().enumerate().filter(|(index, envelope)| {
            let refused_already = codes
                .get(*index)
                .is_some_and(|code| i32::from(*code) == bad_signature);
            !refused_already && !creator_signed(envelope, bundle)
        });
        match (suspects.next(), suspects.next()) {
            (Some((index, envelope)), None) => Some((index, tx_id(envelope))),
            _ => None,
        }
    }

    /// Whether the orderer signed the header as it would be with the hash of these transactions: then the header was
    /// changed, not they.
    pub(super) fn signed_these_transactions(&self, block: &Block) -> Option<[u8; 32]> {
        let data_hash = block_data_hash(block.data.as_ref()?);
        let header = BlockHeader {
            data_hash: data_hash.to_vec(),
            ..block.header.clone()?
        };
        let signed = block_signatures(block, &header)?.ok()?;
        let policy = self.channel.bundle().policy(BLOCK_VALIDATION)?;
        policy.evaluate_signed(&signed).ok().map(|()| data_hash)
    }
}

/// What a peer wrote into the block's metadata.
pub(super) fn check_recorded(block: &Block, verdict: &Verdict) -> Result<(), Finding> {
    let recorded = validation_codes(block);
    let genesis = verdict.commit_hash.is_empty();
    // Who joins with a genesis block may keep it as the consortium made it.
    if !(genesis && recorded.is_empty()) {
        if recorded.len() != verdict.codes.len() {
            let (found, expected) = (recorded.len(), verdict.codes.len());
            return Err(Finding::CodeCount { found, expected });
        }
        for (index, (found, expected)) in recorded.iter().zip(&verdict.codes).enumerate() {
            if found != expected {
                return Err(Finding::Code {
                    index,
                    tx_id: verdict.tx_ids.get(index).cloned().unwrap_or_default(),
                    found: validation_code(*found),
                    expected: validation_code(*expected),
                    why: verdict.why.get(index).cloned().unwrap_or_default(),
                });
            }
        }
    }
    if slot(block, BlockMetadataIndex::CommitHash) != commit_hash_slot(&verdict.commit_hash) {
        return Err(Finding::CommitHash);
    }
    Ok(())
}

/// The slot of a commit hash as peers write it; nothing for none.
pub(super) fn commit_hash_slot(hash: &[u8]) -> Vec<u8> {
    metadata_slot(hash.to_vec())
}

/// The slot of the last configuration block's number as orderers write it.
pub(super) fn last_config_slot(index: u64) -> Vec<u8> {
    metadata_slot(LastConfig { index }.encode_to_vec())
}

fn metadata_slot(value: Vec<u8>) -> Vec<u8> {
    let signatures = Vec::new();
    Metadata { value, signatures }.encode_to_vec()
}

fn slot(block: &Block, index: BlockMetadataIndex) -> &[u8] {
    let slots = block.metadata.as_ref().map_or(&[][..], |slots| &slots.metadata);
    slots.get(index as usize).map_or(&[][..], Vec::as_slice)
}

fn creator_signed(envelope: &[u8], bundle: &Bundle) -> bool {
    let verified = || {
        let envelope = Envelope::decode(envelope).ok()?;
        let header = Payload::decode(envelope.payload.as_slice()).ok()?.header?;
        let creator = SignatureHeader::decode(header.signature_header.as_slice())
            .ok()?
            .creator;
        let creator = bundle.msps().identity(&creator).ok()?;
        creator.verify(&envelope.payload, &envelope.signature).ok()
    };
    verified().is_some()
}

fn tx_id(envelope: &[u8]) -> String {
    let read = || {
        let envelope = Envelope::decode(envelope).ok()?;
        let header = Payload::decode(envelope.payload.as_slice()).ok()?.header?;
        Some(
            ChannelHeader::decode(header.channel_header.as_slice())
                .ok()?
                .tx_id,
        )
    };
    read().unwrap_or_default()
}

fn note_names(
    transactions: &[ParsedTx],
    namespaces: &mut BTreeSet<String>,
    collections: &mut BTreeSet<(String, String)>,
) {
    let sets = transactions.iter().filter_map(|tx| tx.rwset.as_ref());
    for set in sets.flat_map(|rwset| &rwset.namespaces) {
        if !namespaces.contains(&set.namespace) {
            namespaces.insert(set.namespace.clone());
        }
        for collection in &set.collections {
            let name = (set.namespace.clone(), collection.collection.clone());
            collections.insert(name);
        }
    }
}
