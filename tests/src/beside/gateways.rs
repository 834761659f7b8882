//! The Gateway service: codes, texts and details.

use std::time::Duration;

use fabric_gateway_sdk::SigningIdentity;
use fabric_protos::common::Envelope;
use fabric_protos::gateway::{
    ChaincodeEventsRequest, CommitStatusRequest, EndorseRequest, EvaluateRequest,
    SignedChaincodeEventsRequest, SignedCommitStatusRequest, SubmitRequest,
};
use fabric_protos::orderer::{SeekPosition, SeekSpecified, seek_position};
use fabric_protos::peer::{ChaincodeEndorsedAction, SignedProposal};
use prost::Message;
use tokio_stream::StreamExt;

use super::draft::Draft;
use super::steps::{call, get, put, script};
use super::{Beside, ORGS, Refused, SCRIPT, SECOND, Side, without_times};
use crate::script::{ending, failing};

const SUBJECT: &str = "gateway answers";
/// How long to wait for an event that may not come.
const EVENTS: Duration = Duration::from_secs(10);

impl Beside {
    /// Compares the Gateway service's answers.
    pub(super) async fn gateways(&mut self) {
        self.endorse_and_evaluate().await;
        self.submit_and_status().await;
        self.events().await;
    }

    async fn endorse_and_evaluate(&mut self) {
        let user = self.user(ORGS[0]);
        let channel = self.channel.clone();
        let write = || Draft::new(&channel, SCRIPT, script([put("", "gw", "1")]));
        let ends = |end: Vec<u8>| Draft::new(&channel, SCRIPT, script([put("", "gw", "1"), end]));
        let mut old = write();
        old.ahead = -3600;
        let mut other_id = write();
        other_id.tx_id = Some("0".repeat(64));
        let mut transient = Draft::new(&channel, SCRIPT, script([put("pair", "t", "1")]));
        transient.transient.insert("t".to_owned(), b"1".to_vec());
        let mut unknown_channel = write();
        unknown_channel.channel = "unknown".to_owned();
        let mut no_channel = write();
        no_channel.channel.clear();
        let cases: Vec<(&str, Draft, &[&str])> = vec![
            ("a write", write(), &[]),
            ("one organisation", write(), &ORGS[..1]),
            ("all organisations", write(), &ORGS),
            ("an organisation that is not there", write(), &["NoMSP"]),
            (
                "an organisation that is not there, and one that is",
                write(),
                &["Org1MSP", "NoMSP"],
            ),
            ("an unknown channel", unknown_channel, &[]),
            ("no channel", no_channel, &[]),
            (
                "an unknown chaincode",
                Draft::new(&channel, "unknown", script([])),
                &[],
            ),
            (
                "an unknown chaincode of an organisation",
                Draft::new(&channel, "unknown", script([])),
                &ORGS[..1],
            ),
            (
                "a refusal with 500",
                ends(ending(500, "no, said the chaincode", None)),
                &[],
            ),
            ("a refusal with 400", ends(ending(400, "bad input", None)), &[]),
            ("a refusal with 404", ends(ending(404, "not there", None)), &[]),
            ("a refusal by all", ends(ending(500, "no", None)), &ORGS),
            ("status 300", ends(ending(300, "elsewhere", None)), &[]),
            ("an ERROR", ends(failing("broken")), &[]),
            ("an ERROR everywhere", ends(failing("broken")), &ORGS),
            ("a time long ago", old, &[]),
            ("another transaction id", other_id, &[]),
            ("private data", transient.clone(), &[]),
            ("private data that another must hold", transient, &ORGS[2..]),
            (
                "a strict collection",
                Draft::new(&channel, SCRIPT, script([put("strict", "g", "1")])),
                &[],
            ),
            (
                "an unknown collection",
                Draft::new(&channel, SCRIPT, script([put("unknown", "g", "1")])),
                &[],
            ),
            (
                "a key under its own policy",
                Draft::new(&channel, SCRIPT, script([put("", "gw-owned", "1")])),
                &[],
            ),
            (
                "another chaincode",
                Draft::new(
                    &channel,
                    SCRIPT,
                    script([call(SECOND, script([put("", "g", "1")]))]),
                ),
                &[],
            ),
            (
                "a call of an unknown chaincode",
                Draft::new(&channel, SCRIPT, script([call("unknown", script([]))])),
                &[],
            ),
            (
                "qscc",
                Draft::new(
                    &channel,
                    "qscc",
                    vec![b"GetChainInfo".to_vec(), channel.clone().into_bytes()],
                ),
                &[],
            ),
            ("no arguments", Draft::new(&channel, SCRIPT, Vec::new()), &[]),
        ];
        for (case, draft, organisations) in cases {
            let signed = draft.signed(&user);
            let id = draft.transaction_id(&user);
            self.endorse_and_compare(case, &id, &channel, Some(&signed), organisations)
                .await;
            self.evaluate_and_compare(case, &id, &channel, Some(&signed), organisations)
                .await;
        }
        self.differing_endorsements(&user).await;

        let draft = write();
        let (signed, id) = (draft.signed(&user), draft.transaction_id(&user));
        let mut tampered = signed.clone();
        *tampered.signature.last_mut().expect("a signature") ^= 1;
        let junk = SignedProposal {
            proposal_bytes: b"\xffjunk".to_vec(),
            signature: b"junk".to_vec(),
        };
        let empty = SignedProposal::default();
        let unsigned = SignedProposal {
            signature: Vec::new(),
            ..signed.clone()
        };
        let stranger = super::system::stranger();
        let strange = draft.signed(&stranger);
        let expired = draft.signed(&self.expired());
        for (case, id, channel, signed) in [
            (
                "a wrong signature",
                id.as_str(),
                channel.as_str(),
                Some(&tampered),
            ),
            ("no signature", &id, &channel, Some(&unsigned)),
            ("junk for a proposal", &id, &channel, Some(&junk)),
            ("an empty proposal", &id, &channel, Some(&empty)),
            ("no proposal", &id, &channel, None),
            ("another channel in the request", &id, "other", Some(&signed)),
            ("no channel in the request", &id, "", Some(&signed)),
            ("another id in the request", "other", &channel, Some(&signed)),
            ("a stranger", &id, &channel, Some(&strange)),
            ("an expired certificate", &id, &channel, Some(&expired)),
        ] {
            self.endorse_and_compare(case, id, channel, signed, &[]).await;
            self.evaluate_and_compare(case, id, channel, signed, &[]).await;
        }
    }

    /// Chaincode that answers differently on each peer: a private value that only members have.
    async fn differing_endorsements(&mut self, user: &SigningIdentity) {
        let channel = self.channel.clone();
        let draft = Draft::new(&channel, SCRIPT, script([get("pair", "b1"), put("", "gw", "1")]));
        let (signed, id) = (draft.signed(user), draft.transaction_id(user));
        for (case, organisations) in [
            ("endorsements that differ", &["Org1MSP", "Org3MSP"][..]),
            ("endorsements that differ, planned", &[]),
        ] {
            self.endorse_and_compare(case, &id, &channel, Some(&signed), organisations)
                .await;
        }
    }

    async fn endorse_and_compare(
        &mut self,
        case: &str,
        id: &str,
        channel: &str,
        signed: Option<&SignedProposal>,
        organisations: &[&str],
    ) {
        let request = EndorseRequest {
            transaction_id: id.to_owned(),
            channel_id: channel.to_owned(),
            proposed_transaction: signed.cloned(),
            endorsing_organizations: organisations.iter().map(|id| (*id).to_owned()).collect(),
        };
        let theirs = endorse(&self.theirs, request.clone()).await;
        let ours = endorse(&self.ours, request).await;
        self.tally
            .compare(SUBJECT, &format!("endorse: {case}"), &theirs, &ours);
    }

    async fn evaluate_and_compare(
        &mut self,
        case: &str,
        id: &str,
        channel: &str,
        signed: Option<&SignedProposal>,
        organisations: &[&str],
    ) {
        let request = EvaluateRequest {
            transaction_id: id.to_owned(),
            channel_id: channel.to_owned(),
            proposed_transaction: signed.cloned(),
            target_organizations: organisations.iter().map(|id| (*id).to_owned()).collect(),
        };
        let mut found = Vec::new();
        for side in [&self.theirs, &self.ours] {
            let answer = side.gateway(ORGS[0]).evaluate(request.clone()).await;
            found.push(answer.map(|answer| answer.into_inner().result).map_err(refused));
        }
        self.tally
            .compare(SUBJECT, &format!("evaluate: {case}"), &found[0], &found[1]);
    }

    async fn submit_and_status(&mut self) {
        let user = self.user(ORGS[0]);
        let draft = self.script([put("", "submitted", "1")]);
        let envelope = self.endorsed("to be submitted", &draft, &user, &ORGS[..2]).await;
        let id = draft.transaction_id(&user);
        let mut tampered = envelope.clone();
        *tampered.signature.last_mut().expect("a signature") ^= 1;
        let channel = self.channel.clone();
        for (case, id, channel, envelope) in [
            (
                "unsigned",
                id.as_str(),
                channel.as_str(),
                Some(Envelope {
                    signature: Vec::new(),
                    ..envelope.clone()
                }),
            ),
            ("a wrong signature", &id, &channel, Some(tampered)),
            ("no envelope", &id, &channel, None),
            ("an empty envelope", &id, &channel, Some(Envelope::default())),
            (
                "junk",
                &id,
                &channel,
                Some(Envelope {
                    payload: b"\xffjunk".to_vec(),
                    signature: b"junk".to_vec(),
                }),
            ),
            ("an unknown channel", &id, "unknown", Some(envelope.clone())),
            ("no channel", &id, "", Some(envelope.clone())),
        ] {
            let request = SubmitRequest {
                transaction_id: id.to_owned(),
                channel_id: channel.to_owned(),
                prepared_transaction: envelope,
            };
            let mut found = Vec::new();
            for side in [&self.theirs, &self.ours] {
                let answer = side.gateway(ORGS[0]).submit(request.clone()).await;
                found.push(answer.map(drop).map_err(refused));
            }
            self.tally
                .compare(SUBJECT, &format!("submit: {case}"), &found[0], &found[1]);
        }
        self.order("what was submitted", &[envelope]).await;
        let stranger = super::system::stranger();
        for (case, id, channel, creator) in [
            ("a transaction", id.as_str(), channel.as_str(), &user),
            ("an unknown channel", &id, "unknown", &user),
            ("no channel", &id, "", &user),
            ("a stranger", &id, &channel, &stranger),
        ] {
            let request = CommitStatusRequest {
                transaction_id: id.to_owned(),
                channel_id: channel.to_owned(),
                identity: creator.serialized().to_vec(),
            }
            .encode_to_vec();
            let signature = creator.sign(&request).expect("signs");
            self.status_and_compare(case, SignedCommitStatusRequest { request, signature })
                .await;
        }
        for (case, request) in [("junk", b"\xffjunk".to_vec()), ("nothing", Vec::new())] {
            let signature = user.sign(&request).expect("signs");
            self.status_and_compare(case, SignedCommitStatusRequest { request, signature })
                .await;
        }
        let request = CommitStatusRequest {
            transaction_id: id,
            channel_id: channel,
            identity: user.serialized().to_vec(),
        };
        let wrong = SignedCommitStatusRequest {
            request: request.encode_to_vec(),
            signature: b"junk".to_vec(),
        };
        self.status_and_compare("a wrong signature", wrong).await;
    }

    async fn status_and_compare(&mut self, case: &str, request: SignedCommitStatusRequest) {
        let mut found = Vec::new();
        for side in [&self.theirs, &self.ours] {
            let answer = side.gateway(ORGS[0]).commit_status(request.clone()).await;
            found.push(answer.map(tonic::Response::into_inner).map_err(refused));
        }
        self.tally
            .compare(SUBJECT, &format!("commit status: {case}"), &found[0], &found[1]);
    }

    async fn events(&mut self) {
        let user = self.user(ORGS[0]);
        for (case, channel, chaincode, identity, number) in [
            ("from the start", self.channel.clone(), SCRIPT, &user, 0),
            ("an unknown channel", "unknown".to_owned(), SCRIPT, &user, 0),
            ("no channel", String::new(), SCRIPT, &user, 0),
            (
                "a stranger",
                self.channel.clone(),
                SCRIPT,
                &super::system::stranger(),
                0,
            ),
        ] {
            let start = SeekPosition {
                r#type: Some(seek_position::Type::Specified(SeekSpecified { number })),
            };
            let request = ChaincodeEventsRequest {
                channel_id: channel,
                chaincode_id: chaincode.to_owned(),
                identity: identity.serialized().to_vec(),
                start_position: Some(start),
                after_transaction_id: String::new(),
            }
            .encode_to_vec();
            let signature = identity.sign(&request).expect("signs");
            let request = SignedChaincodeEventsRequest { request, signature };
            let mut found = Vec::new();
            for side in [&self.theirs, &self.ours] {
                found.push(first_events(side, request.clone()).await);
            }
            self.tally
                .compare(SUBJECT, &format!("events: {case}"), &found[0], &found[1]);
        }
    }
}

/// The first three answers of an event stream, or its refusal.
async fn first_events(side: &Side, request: SignedChaincodeEventsRequest) -> Result<Vec<String>, Refused> {
    let stream = side
        .gateway(ORGS[0])
        .chaincode_events(request)
        .await
        .map_err(refused)?;
    let mut stream = stream.into_inner();
    let mut found = Vec::new();
    // The stream has no end; there are three or fewer.
    while found.len() < 3
        && let Ok(Some(answer)) = tokio::time::timeout(EVENTS, stream.next()).await
    {
        found.push(format!("{:?}", answer.map_err(refused)?));
    }
    Ok(found)
}

/// An endorsement through the gateway: the result's hash and who endorsed it.
async fn endorse(side: &Side, request: EndorseRequest) -> Result<String, Refused> {
    let answer = side.gateway(ORGS[0]).endorse(request).await.map_err(refused)?;
    let envelope = answer.into_inner().prepared_transaction.unwrap_or_default();
    let action = action_of(&envelope);
    let endorsers = action.endorsements.len();
    Ok(format!(
        "{endorsers} endorsements, {:?}",
        super::recording::Payload(&action.proposal_response_payload)
    ))
}

fn action_of(envelope: &Envelope) -> ChaincodeEndorsedAction {
    use fabric_protos::common::Payload;
    use fabric_protos::peer::{ChaincodeActionPayload, Transaction};
    let payload = Payload::decode(envelope.payload.as_slice()).unwrap_or_default();
    let transaction = Transaction::decode(payload.data.as_slice()).unwrap_or_default();
    let action = transaction.actions.first().map(|action| action.payload.clone());
    ChaincodeActionPayload::decode(action.unwrap_or_default().as_slice())
        .unwrap_or_default()
        .action
        .unwrap_or_default()
}

fn refused(status: tonic::Status) -> Refused {
    without_times(status.into())
}
