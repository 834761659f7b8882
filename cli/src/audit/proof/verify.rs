//! The check of a proof with the channel's policies, as a peer applies them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fabric_channel::Bundle;
use fabric_ledger::{block_data_hash, block_header_bytes, block_header_hash};
use fabric_msp::Identity;
use fabric_msp::policy::SignedData;
use fabric_peer::transaction_id;
use fabric_protos::common::{
    Block, BlockData, BlockHeader, BlockMetadata, ChannelHeader, Envelope, Header, Payload, SignatureHeader,
};
use fabric_protos::peer::{
    ChaincodeAction, ProcessedTransaction, Proposal, ProposalResponse, ProposalResponsePayload,
    TxValidationCode,
};
use prost::Message;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    AFTER, BEFORE, CHAIN, CLAIMS, CONFIG_DATA, CONFIG_HEADER, ENVELOPE, HEADER, PROPOSAL, RESPONSE,
    SIGNATURES, STATEMENTS,
};
use crate::Result;
use crate::audit::args::SourceArgs;
use crate::output::Output;

/// Verifies a proof directory against the genesis block's hash (or, in a proof without a chain, that of the configuration
/// block in force) and prints what it proves.
pub(in crate::audit) fn verify(dir: &Path, trust: &SourceArgs, output: &Output) -> Result<()> {
    let proof = Proof { dir };
    let claims = proof.claims()?;
    let claim = |name: &str| {
        let value = claims.get(name).map(String::as_str);
        value.ok_or_else(|| format!("{CLAIMS} does not say {name}"))
    };
    let (tx, channel) = (claim("tx_id")?, claim("channel")?);
    let code: u8 = claim("validation_code")?.parse()?;

    let config = proof.config()?;
    let bundle = Bundle::from_block(&config)?;
    if bundle.channel_id() != channel {
        return Err(format!(
            "the configuration is of channel {}, not {channel}",
            bundle.channel_id()
        )
        .into());
    }
    let header = proof.header(HEADER)?;
    let config_header = config.header.unwrap_or_default();
    let (anchor, anchored) = match proof.chain(&header, &config_header)? {
        Some(genesis) => (genesis, "the genesis block".to_owned()),
        None => (
            block_header_hash(&config_header),
            format!("configuration block {}", config_header.number),
        ),
    };
    let trusted = trusted(trust)?;
    if let Some(trusted) = trusted.filter(|trusted| *trusted != anchor) {
        let (anchor, trusted) = (hex::encode(anchor), hex::encode(trusted));
        return Err(format!("{anchored} has the hash {anchor}, not the trusted {trusted}").into());
    }

    let envelope = proof.read(ENVELOPE)?;
    // Only the hash over all of them is checked: where one transaction ends is not part of it.
    let row = [proof.read(BEFORE)?, envelope.clone(), proof.read(AFTER)?].concat();
    if header.data_hash != block_data_hash(&BlockData { data: vec![row] }) {
        return Err("the transactions are not those of the block: the data hash differs".into());
    }
    check_signatures(&header, proof.read(SIGNATURES)?, &bundle)?;
    check_transaction(&envelope, channel, tx, code, &bundle)?;
    let statements = proof.statements()?;
    let mut stated = Vec::new();
    for (proposal, response) in &statements {
        stated.push(check_statement(
            proposal, response, &envelope, channel, code, &bundle,
        )?);
    }

    let name =
        TxValidationCode::try_from(i32::from(code)).map_or("an unknown code", |code| code.as_str_name());
    output.line(format!(
        "transaction {tx} is in block {} of channel {channel}, signed by its ordering service",
        header.number
    ));
    output.line(match stated.len() {
        0 => format!(
            "validation code {name}: recorded by {}, without a peer's signature",
            claim("recorded_by")?
        ),
        _ => format!(
            "validation code {name}: under the signature of {}",
            stated.join(", ")
        ),
    });
    let hash = hex::encode(anchor);
    output.line(match trusted {
        Some(_) => format!("{anchored} is the trusted one ({hash})"),
        None => format!("nothing was trusted: ask a party you trust whether {anchored} has the hash {hash}"),
    });
    output.document(&json!({
        "ok": true, "tx_id": tx, "channel": channel, "block": header.number, "validation_code": name,
        "stated_by": stated, "anchor": hash, "anchored_in": anchored, "trusted": trusted.is_some(),
    }));
    Ok(())
}

/// The ordering service's signatures satisfy the channel's policy.
fn check_signatures(header: &BlockHeader, signatures: Vec<u8>, bundle: &Bundle) -> Result<()> {
    let policy = bundle
        .policy("/Channel/Orderer/BlockValidation")
        .ok_or("the configuration has no policy for blocks")?;
    let block = Block {
        header: Some(header.clone()),
        data: None,
        metadata: Some(BlockMetadata {
            metadata: vec![signatures],
        }),
    };
    let signed = fabric_peer::block_signatures(&block, header)
        .ok_or("there are no signatures")?
        .map_err(|why| format!("the ordering service's signatures: {why}"))?;
    Ok(policy
        .evaluate_signed(&signed)
        .map_err(|error| format!("the ordering service's signatures: {error}"))?)
}

/// Channel, id, creator and signature. A transaction that peers refused may lack all but the channel and the id's text.
fn check_transaction(envelope: &[u8], channel: &str, tx: &str, code: u8, bundle: &Bundle) -> Result<()> {
    let envelope = Envelope::decode(envelope)?;
    let header = Payload::decode(envelope.payload.as_slice())?.header;
    let Header {
        channel_header,
        signature_header,
    } = header.ok_or("the transaction has no header")?;
    let of_channel = ChannelHeader::decode(channel_header.as_slice())?;
    if of_channel.channel_id != channel || of_channel.tx_id != tx {
        return Err("the transaction has another channel or id".into());
    }
    if code != 0 {
        return Ok(());
    }
    let SignatureHeader { creator, nonce } = SignatureHeader::decode(signature_header.as_slice())?;
    if transaction_id(&nonce, &creator) != tx {
        return Err("the transaction's id does not follow from its creator and nonce".into());
    }
    let creator = bundle.msps().valid_identity(&creator)?;
    Ok(creator.verify(&envelope.payload, &envelope.signature)?)
}

/// A peer's signed answer is about this transaction, on this channel. Gives the peer's organisation.
fn check_statement(
    proposal: &[u8],
    response: &ProposalResponse,
    envelope: &[u8],
    channel: &str,
    code: u8,
    bundle: &Bundle,
) -> Result<String> {
    let endorsement = response
        .endorsement
        .as_ref()
        .ok_or("a peer's statement is not signed")?;
    let signed = SignedData {
        data: [response.payload.as_slice(), &endorsement.endorser].concat(),
        identity: endorsement.endorser.clone(),
        signature: endorsement.signature.clone(),
    };
    let peer: Identity = bundle.msps().valid_identity(&signed.identity)?;
    let organisation = peer.msp_id().to_owned();
    let wrong = |what: &str| format!("the statement of a peer of {organisation}: {what}");
    peer.verify(&signed.data, &signed.signature)
        .map_err(|error| wrong(&error.to_string()))?;
    if !bundle
        .application_orgs()
        .iter()
        .any(|org| org.msp_id == organisation)
    {
        return Err(wrong("its organisation has no peers on the channel").into());
    }
    let proposal = Proposal::decode(proposal)?;
    let header = Header::decode(proposal.header.as_slice())?;
    let asked = ChannelHeader::decode(header.channel_header.as_slice())?;
    let question = Sha256::new()
        .chain_update(&header.channel_header)
        .chain_update(&header.signature_header)
        .chain_update(&proposal.payload)
        .finalize();
    let answer = ProposalResponsePayload::decode(response.payload.as_slice())?;
    if answer.proposal_hash != question[..] || asked.channel_id != channel {
        return Err(wrong("it answers another question").into());
    }
    let action = ChaincodeAction::decode(answer.extension.as_slice())?;
    if action.chaincode_id.as_ref().is_none_or(|id| id.name != "qscc") {
        return Err(wrong("it is not by the ledger's own chaincode").into());
    }
    let payload = action.response.unwrap_or_default().payload;
    let processed = ProcessedTransaction::decode(payload.as_slice())?;
    let same = processed.transaction_envelope.unwrap_or_default().encode_to_vec() == envelope;
    if !same || processed.validation_code != i32::from(code) {
        return Err(wrong("it speaks of another transaction or validation code").into());
    }
    Ok(organisation)
}

fn trusted(trust: &SourceArgs) -> Result<Option<[u8; 32]>> {
    if let Some(path) = &trust.genesis {
        let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let header = Block::decode(bytes.as_slice())?.header;
        return Ok(Some(block_header_hash(
            &header.ok_or("the genesis block has no header")?,
        )));
    }
    let Some(hash) = &trust.genesis_hash else {
        return Ok(None);
    };
    let hash = hex::decode(hash).ok().and_then(|hash| hash.try_into().ok());
    Ok(Some(
        hash.ok_or("--genesis-hash is no hash: write 64 hex digits")?,
    ))
}

/// The directory's files.
struct Proof<'a> {
    dir: &'a Path,
}

impl Proof<'_> {
    fn read(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.dir.join(name);
        Ok(fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?)
    }

    fn claims(&self) -> Result<BTreeMap<String, String>> {
        let text = String::from_utf8(self.read(CLAIMS)?)?;
        let claims = text.lines().filter_map(|line| line.split_once('='));
        Ok(claims
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect())
    }

    fn header(&self, name: &str) -> Result<BlockHeader> {
        let bytes = self.read(name)?;
        match header(&bytes) {
            Some((header, length)) if length == bytes.len() => Ok(header),
            _ => Err(format!("{name} is no block header").into()),
        }
    }

    /// The block with the configuration in force.
    fn config(&self) -> Result<Block> {
        let header = self.header(CONFIG_HEADER)?;
        let data = BlockData {
            data: vec![self.read(CONFIG_DATA)?],
        };
        if header.data_hash != block_data_hash(&data) {
            return Err("the configuration is not that of its block: the data hash differs".into());
        }
        Ok(Block {
            header: Some(header),
            data: Some(data),
            metadata: None,
        })
    }

    /// Follows the chain of headers, if there is one, from block 0 to `last` through `config`; gives the hash of block 0.
    fn chain(&self, last: &BlockHeader, config: &BlockHeader) -> Result<Option<[u8; 32]>> {
        if !self.dir.join(CHAIN).exists() {
            return Ok(None);
        }
        let bytes = self.read(CHAIN)?;
        let (mut rest, mut number, mut previous) = (bytes.as_slice(), 0, Vec::new());
        let (mut first, mut through) = (None, false);
        while !rest.is_empty() {
            let (link, length) =
                header(rest).ok_or_else(|| format!("link {number} of the chain is no block header"))?;
            if link.number != number || link.previous_hash != previous {
                return Err(format!("the chain is broken at block {number}").into());
            }
            let hash = block_header_hash(&link);
            first.get_or_insert(hash);
            through |= link == *config;
            (previous, number, rest) = (hash.to_vec(), number + 1, &rest[length..]);
        }
        if previous != block_header_hash(last) || !through {
            return Err(
                "the chain does not lead through the configuration block to the transaction's block".into(),
            );
        }
        Ok(first)
    }

    fn statements(&self) -> Result<Vec<(Vec<u8>, ProposalResponse)>> {
        let mut statements = Vec::new();
        let dir = self.dir.join(STATEMENTS);
        for entry in fs::read_dir(&dir).into_iter().flatten() {
            let name = Path::new(STATEMENTS).join(entry?.file_name());
            let name = name.to_string_lossy();
            let response = self.read(&format!("{name}/{RESPONSE}"))?;
            let proposal = self.read(&format!("{name}/{PROPOSAL}"))?;
            statements.push((proposal, ProposalResponse::decode(response.as_slice())?));
        }
        Ok(statements)
    }
}

/// The block header at the beginning of DER bytes and its length; only in the one form that is hashed.
fn header(bytes: &[u8]) -> Option<(BlockHeader, usize)> {
    let [0x30, _, rest @ ..] = bytes else { return None };
    let (number, rest) = element(rest, 0x02)?;
    let (previous_hash, rest) = element(rest, 0x04)?;
    let (data_hash, rest) = element(rest, 0x04)?;
    let number = number.iter().try_fold(0u64, |number, byte| {
        number.checked_mul(256).map(|number| number + u64::from(*byte))
    })?;
    let header = BlockHeader {
        number,
        previous_hash: previous_hash.to_vec(),
        data_hash: data_hash.to_vec(),
    };
    let length = bytes.len() - rest.len();
    (bytes.get(..length)? == block_header_bytes(&header)).then_some((header, length))
}

/// The content of a short element and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let [found, length, rest @ ..] = bytes else {
        return None;
    };
    (*found == tag && *length < 0x80).then(|| rest.split_at_checked(usize::from(*length)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_from_their_der_and_only_from_it() {
        for number in [0, 1, 127, 128, 300, u64::MAX] {
            let written = BlockHeader {
                number,
                previous_hash: if number == 0 { Vec::new() } else { vec![1; 32] },
                data_hash: vec![2; 32],
            };
            let mut bytes = block_header_bytes(&written);
            assert_eq!(header(&bytes), Some((written.clone(), bytes.len())));
            let length = bytes.len();
            bytes.push(9);
            assert_eq!(header(&bytes), Some((written, length)), "others may follow");
            for end in 0..length {
                assert_eq!(header(&bytes[..end]), None, "cut at {end}");
            }
        }
        // A longer form of the same number is not what was hashed.
        assert_eq!(header(&[0x30, 9, 2, 3, 0, 0, 1, 4, 0, 4, 0]), None);
    }
}
