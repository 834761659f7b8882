//! Is an envelope a well-formed, signed transaction of this channel? Decodes it once, in the order of
//! `core/common/validation/msgvalidation.go` and `plugindispatcher/dispatcher.go` of Fabric, because the
//! first failing check decides the validation code.

use std::collections::BTreeSet;
use std::sync::Arc;

use fabric_ledger::{NamespaceRwSet, ParsedTx, TxKind, TxRwSet};
use fabric_msp::MspManager;
use fabric_protos::common::{ChannelHeader, Envelope, Header, HeaderType, Payload, SignatureHeader};
use fabric_protos::peer::{
    ChaincodeAction, ChaincodeActionPayload, ChaincodeEvent, ChaincodeHeaderExtension, Endorsement,
    ProposalResponsePayload, Transaction, TxValidationCode as Code,
};
use prost::Message;
use sha2::{Digest, Sha256};

use super::Refusal;
use crate::ids::transaction_id;

/// A transaction that passed all checks that need no policy and no state.
#[derive(Debug)]
pub(crate) struct Checked {
    /// What the ledger needs of it.
    pub(crate) parsed: ParsedTx,
    pub(crate) content: Content,
}

/// What is left to check.
#[derive(Debug)]
pub(crate) enum Content {
    /// Results of chaincode.
    Endorsed(Endorsed),
    /// A configuration: the marshalled `ConfigEnvelope`.
    Config(Vec<u8>),
}

/// The endorsed results of a transaction.
#[derive(Debug)]
pub(crate) struct Endorsed {
    /// The invoked chaincode.
    pub(crate) chaincode: String,
    /// What the endorsers signed, before their own identity.
    pub(crate) response_payload: Vec<u8>,
    pub(crate) endorsements: Vec<Endorsement>,
    pub(crate) rwset: Arc<TxRwSet>,
}

/// A refused envelope: the code and reason, with what could be read of it.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    pub(crate) parsed: ParsedTx,
}

/// Checks one envelope. `known` says whether the ledger holds a transaction id already.
pub(crate) fn check(
    envelope: &[u8],
    channel_id: &str,
    msps: &MspManager,
    known: impl FnOnce(&str) -> Result<bool, fabric_ledger::LedgerError>,
) -> Result<Result<Checked, Box<Refused>>, fabric_ledger::LedgerError> {
    let mut parsed = ParsedTx {
        tx_id: String::new(),
        kind: TxKind::Malformed,
        rwset: None,
    };
    let steps = Steps {
        channel_id,
        msps,
        parsed: &mut parsed,
    };
    Ok(match steps.run(envelope, known) {
        Ok(content) => Ok(Checked { parsed, content }),
        Err(Stop::Refused(refusal)) => Err(Box::new(Refused { refusal, parsed })),
        Err(Stop::Ledger(error)) => return Err(error),
    })
}

enum Stop {
    Refused(Refusal),
    Ledger(fabric_ledger::LedgerError),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

struct Steps<'a> {
    channel_id: &'a str,
    msps: &'a MspManager,
    parsed: &'a mut ParsedTx,
}

impl Steps<'_> {
    fn run(
        self,
        bytes: &[u8],
        known: impl FnOnce(&str) -> Result<bool, fabric_ledger::LedgerError>,
    ) -> Result<Content, Stop> {
        let envelope = Envelope::decode(bytes)
            .map_err(|error| Refusal::new(Code::InvalidOtherReason, format!("no envelope: {error}")))?;
        let payload = Payload::decode(envelope.payload.as_slice())
            .map_err(|error| Refusal::new(Code::BadPayload, format!("no payload: {error}")))?;
        let Payload { header, data } = payload;
        let (header, channel, signature) =
            check_header(header).map_err(|why| Refusal::new(Code::BadCommonHeader, why))?;
        let kind = HeaderType::try_from(channel.r#type);
        self.parsed.tx_id.clone_from(&channel.tx_id);
        self.parsed.kind = match kind {
            Ok(HeaderType::EndorserTransaction) => TxKind::Endorser,
            Ok(HeaderType::Config) => TxKind::Config,
            _ => TxKind::Other(channel.r#type),
        };
        self.check_creator(&signature.creator, &envelope)
            .map_err(|why| Refusal::new(Code::BadCreatorSignature, why))?;

        match kind {
            Ok(HeaderType::Config) => {
                if data.is_empty() {
                    let why = "the configuration is empty".to_owned();
                    return Err(Refusal::new(Code::InvalidConfigTransaction, why).into());
                }
                self.check_channel(&channel)?;
                Ok(Content::Config(data))
            }
            Ok(HeaderType::EndorserTransaction) => {
                let expected = transaction_id(&signature.nonce, &signature.creator);
                if channel.tx_id != expected {
                    let why = format!("the transaction id is {}, it must be {expected}", channel.tx_id);
                    return Err(Refusal::new(Code::BadProposalTxid, why).into());
                }
                let action = check_action(&data, &header)
                    .map_err(|why| Refusal::new(Code::InvalidEndorserTransaction, why))?;
                // The ledger indexes what it can read of refused transactions too.
                let results = ChaincodeAction::decode(action.response.extension.as_slice());
                self.parsed.rwset = results
                    .as_ref()
                    .ok()
                    .and_then(|results| TxRwSet::decode(&results.results).ok())
                    .map(Arc::new);
                self.check_channel(&channel)?;
                if known(&channel.tx_id).map_err(Stop::Ledger)? {
                    let why = "the ledger holds a transaction with this id already".to_owned();
                    return Err(Refusal::new(Code::DuplicateTxid, why).into());
                }
                Ok(Content::Endorsed(check_results(
                    &channel,
                    action,
                    self.parsed.rwset.clone(),
                )?))
            }
            _ => {
                let why = format!(
                    "transactions of type {} do not belong into blocks",
                    channel.r#type
                );
                Err(Refusal::new(Code::UnsupportedTxPayload, why).into())
            }
        }
    }

    fn check_creator(&self, creator: &[u8], envelope: &Envelope) -> Result<(), String> {
        let creator = self
            .msps
            .valid_identity(creator)
            .map_err(|error| error.to_string())?;
        creator
            .verify(&envelope.payload, &envelope.signature)
            .map_err(|error| error.to_string())
    }

    fn check_channel(&self, channel: &ChannelHeader) -> Result<(), Refusal> {
        if channel.channel_id == self.channel_id {
            return Ok(());
        }
        let why = format!(
            "it is for channel {}, this is {}",
            channel.channel_id, self.channel_id
        );
        Err(Refusal::new(Code::TargetChainNotFound, why))
    }
}

fn check_header(header: Option<Header>) -> Result<(Header, ChannelHeader, SignatureHeader), String> {
    let header = header.ok_or("there is no header")?;
    let channel = ChannelHeader::decode(header.channel_header.as_slice())
        .map_err(|error| format!("no channel header: {error}"))?;
    let signature = SignatureHeader::decode(header.signature_header.as_slice())
        .map_err(|error| format!("no signature header: {error}"))?;
    let accepted = matches!(
        HeaderType::try_from(channel.r#type),
        Ok(HeaderType::EndorserTransaction | HeaderType::ConfigUpdate | HeaderType::Config)
    );
    if !accepted {
        return Err(format!("invalid header type {}", channel.r#type));
    }
    if channel.epoch != 0 {
        return Err(format!("the epoch is {}, it must be 0", channel.epoch));
    }
    check_signature_header(&signature)?;
    Ok((header, channel, signature))
}

fn check_signature_header(header: &SignatureHeader) -> Result<(), String> {
    if header.nonce.is_empty() {
        return Err("the signature header has no nonce".to_owned());
    }
    if header.creator.is_empty() {
        return Err("the signature header has no creator".to_owned());
    }
    Ok(())
}

/// The one action of a transaction, decoded.
struct Action {
    response_payload: Vec<u8>,
    response: ProposalResponsePayload,
    endorsements: Vec<Endorsement>,
}

fn check_action(data: &[u8], header: &Header) -> Result<Action, String> {
    let Transaction { mut actions } =
        Transaction::decode(data).map_err(|error| format!("no transaction: {error}"))?;
    let action = match (actions.pop(), actions.len()) {
        (Some(action), 0) => action,
        (last, rest) => {
            let count = rest + usize::from(last.is_some());
            return Err(format!("exactly one action is allowed, there are {count}"));
        }
    };
    let signature = SignatureHeader::decode(action.header.as_slice())
        .map_err(|error| format!("no signature header in the action: {error}"))?;
    check_signature_header(&signature)?;
    let payload = ChaincodeActionPayload::decode(action.payload.as_slice())
        .map_err(|error| format!("no chaincode action payload: {error}"))?;
    if payload.chaincode_proposal_payload.is_empty() {
        return Err("the action has no proposal".to_owned());
    }
    let endorsed = payload.action.ok_or("the action has no endorsed part")?;
    let response = ProposalResponsePayload::decode(endorsed.proposal_response_payload.as_slice())
        .map_err(|error| format!("no proposal response payload: {error}"))?;
    let hash = Sha256::new()
        .chain_update(&header.channel_header)
        .chain_update(&action.header)
        .chain_update(&payload.chaincode_proposal_payload)
        .finalize();
    if response.proposal_hash != hash[..] {
        return Err("the endorsed proposal hash is not that of this transaction".to_owned());
    }
    Ok(Action {
        response_payload: endorsed.proposal_response_payload,
        response,
        endorsements: endorsed.endorsements,
    })
}

fn check_results(
    channel: &ChannelHeader,
    action: Action,
    rwset: Option<Arc<TxRwSet>>,
) -> Result<Endorsed, Refusal> {
    let refuse = |code, why: &str| Refusal::new(code, why.to_owned());
    let extension = ChaincodeHeaderExtension::decode(channel.extension.as_slice())
        .map_err(|error| Refusal::new(Code::BadHeaderExtension, format!("no header extension: {error}")))?;
    if action.response.extension.is_empty() {
        return Err(refuse(
            Code::BadResponsePayload,
            "the response payload has no chaincode action",
        ));
    }
    let results = ChaincodeAction::decode(action.response.extension.as_slice())
        .map_err(|error| Refusal::new(Code::BadResponsePayload, format!("no chaincode action: {error}")))?;
    let rwset = rwset.ok_or_else(|| refuse(Code::BadRwset, "the read-write set does not decode"))?;
    let Some(asked) = extension.chaincode_id else {
        return Err(refuse(
            Code::InvalidOtherReason,
            "the header extension names no chaincode",
        ));
    };
    let Some(ran) = results.chaincode_id else {
        return Err(refuse(
            Code::InvalidOtherReason,
            "the chaincode action names no chaincode",
        ));
    };
    if asked.name.is_empty() || ran.version.is_empty() {
        return Err(refuse(
            Code::InvalidChaincode,
            "the chaincode's name or version is empty",
        ));
    }
    if asked.name != ran.name {
        let why = format!("{} was asked for, {} was endorsed", asked.name, ran.name);
        return Err(Refusal::new(Code::InvalidChaincode, why));
    }
    if !results.events.is_empty() {
        let event = ChaincodeEvent::decode(results.events.as_slice()).map_err(|error| {
            Refusal::new(Code::InvalidOtherReason, format!("no chaincode event: {error}"))
        })?;
        if event.chaincode_id != asked.name {
            let why = format!(
                "the event is of {}, the transaction of {}",
                event.chaincode_id, asked.name
            );
            return Err(Refusal::new(Code::InvalidOtherReason, why));
        }
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = rwset
        .namespaces
        .iter()
        .find(|found| !names.insert(&found.namespace))
    {
        let why = format!("namespace {} occurs twice", twice.namespace);
        return Err(Refusal::new(Code::IllegalWriteset, why));
    }
    Ok(Endorsed {
        chaincode: asked.name,
        response_payload: action.response_payload,
        endorsements: action.endorsements,
        rwset,
    })
}

/// Whether anything is written in a namespace.
pub(crate) fn writes(namespace: &NamespaceRwSet) -> bool {
    !namespace.rwset.writes.is_empty()
        || !namespace.rwset.metadata_writes.is_empty()
        || namespace.collections.iter().any(|collection| {
            !collection.hashed.hashed_writes.is_empty() || !collection.hashed.metadata_writes.is_empty()
        })
}
