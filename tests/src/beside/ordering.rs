//! The ordering service: what it takes, what it delivers, and configuration.

use std::collections::BTreeMap;

use fabric_channel::{compute_update, sign_update};
use fabric_gateway_sdk::SigningIdentity;
use fabric_protos::common::{
    BlockMetadataIndex, ChannelHeader, Config, ConfigEnvelope, Envelope, Header, HeaderType, Payload,
    SignatureHeader,
};
use fabric_protos::orderer::{
    BatchSize, SeekInfo, SeekNewest, SeekOldest, SeekPosition, SeekSpecified, seek_info, seek_position,
};
use prost::Message;
use prost_types::Timestamp;

use super::draft::{Parts, assemble, signed_envelope};
use super::steps::put;
use super::{Beside, ORGS};

/// A case's name, what is sought, who asks, and what is changed in the header.
type Case<'a> = (
    &'a str,
    Vec<u8>,
    &'a SigningIdentity,
    &'a dyn Fn(&mut ChannelHeader),
);

impl Beside {
    /// Compares what the ordering service refuses and delivers.
    pub(super) async fn ordering(&mut self) {
        self.refused_envelopes().await;
        self.seeking().await;
    }

    async fn refused_envelopes(&mut self) {
        let user = self.user(ORGS[0]);
        let good = self.plain(&user, &|_| {}).await;
        let mut tampered = good.clone();
        *tampered.signature.last_mut().expect("a signature") ^= 1;
        let stranger = super::system::stranger();
        let strange = {
            let creator = stranger.serialized().to_vec();
            let parts = self
                .plain(&user, &|parts| parts.signature.creator.clone_from(&creator))
                .await;
            Envelope {
                signature: stranger.sign(&parts.payload).expect("signs"),
                ..parts
            }
        };
        let headless = signed_envelope(
            &Payload {
                header: None,
                data: b"data".to_vec(),
            },
            &user,
        );
        let junk_header = signed_envelope(
            &Payload {
                header: Some(Header {
                    channel_header: b"\xffjunk".to_vec(),
                    signature_header: b"\xffjunk".to_vec(),
                }),
                data: Vec::new(),
            },
            &user,
        );
        let cases: Vec<(&str, Envelope)> = vec![
            ("nothing", Envelope::default()),
            (
                "junk",
                Envelope {
                    payload: b"\xffjunk".to_vec(),
                    signature: b"junk".to_vec(),
                },
            ),
            ("no header", headless),
            ("junk for headers", junk_header),
            ("a wrong signature", tampered.clone()),
            (
                "no signature",
                Envelope {
                    signature: Vec::new(),
                    ..good.clone()
                },
            ),
            ("a stranger", strange),
            (
                "an unknown channel",
                self.plain(&user, &|parts| parts.channel.channel_id = "unknown".to_owned())
                    .await,
            ),
            (
                "no channel",
                self.plain(&user, &|parts| parts.channel.channel_id.clear()).await,
            ),
            (
                "type CONFIG",
                self.plain(&user, &|parts| parts.channel.r#type = HeaderType::Config.into())
                    .await,
            ),
            (
                "type CONFIG_UPDATE",
                self.plain(&user, &|parts| {
                    parts.channel.r#type = HeaderType::ConfigUpdate.into()
                })
                .await,
            ),
            (
                "too large",
                self.plain(&user, &|parts| parts.data = Some(vec![1; 11 << 20]))
                    .await,
            ),
            ("an expired certificate", self.by(&self.expired()).await),
            ("a peer", self.by(&self.peer(ORGS[0])).await),
        ];
        for (case, envelope) in cases {
            let theirs = self.theirs.broadcast(std::slice::from_ref(&envelope)).await;
            let ours = self.ours.broadcast(std::slice::from_ref(&envelope)).await;
            assert!(
                theirs.iter().all(|(status, _)| *status != 200),
                "{case} was meant to be refused: {theirs:?}"
            );
            self.tally.compare("broadcast answers", case, &theirs, &ours);
        }
        let broken = [tampered, good];
        let theirs = self.theirs.broadcast(&broken).await;
        let ours = self.ours.broadcast(&broken).await;
        self.tally
            .compare("broadcast answers", "a refusal ends the stream", &theirs, &ours);
    }

    /// An envelope by an identity that did not make the proposal.
    async fn by(&mut self, identity: &SigningIdentity) -> Envelope {
        let user = self.user(ORGS[0]);
        let creator = identity.serialized().to_vec();
        let envelope = self
            .plain(&user, &|parts| parts.signature.creator.clone_from(&creator))
            .await;
        Envelope {
            signature: identity.sign(&envelope.payload).expect("signs"),
            ..envelope
        }
    }

    async fn plain(&mut self, user: &SigningIdentity, edit: &dyn Fn(&mut Parts)) -> Envelope {
        let signed = self.script([put("", "ordered", "1")]).signed(user);
        let answer = self.theirs.propose(ORGS[0], &signed).await.expect("endorsed");
        assemble(
            &signed,
            answer.payload,
            answer.endorsement.into_iter().collect(),
            user,
            edit,
        )
    }

    async fn seeking(&mut self) {
        let user = self.user(ORGS[0]);
        let stranger = super::system::stranger();
        let at = |number| seek_position::Type::Specified(SeekSpecified { number });
        let oldest = || seek_position::Type::Oldest(SeekOldest {});
        let newest = || seek_position::Type::Newest(SeekNewest {});
        let seek = |start, stop, behaviour: seek_info::SeekBehavior| SeekInfo {
            start: Some(SeekPosition { r#type: start }),
            stop: Some(SeekPosition { r#type: stop }),
            behavior: behaviour.into(),
            ..SeekInfo::default()
        };
        let fail = seek_info::SeekBehavior::FailIfNotReady;
        let now = || SeekInfo::encode_to_vec(&seek(Some(oldest()), Some(at(1)), fail));
        let plain: &dyn Fn(&mut ChannelHeader) = &|_| {};
        let cases: Vec<Case<'_>> = vec![
            ("the first two", now(), &user, plain),
            (
                "the newest",
                seek(Some(newest()), Some(newest()), fail).encode_to_vec(),
                &user,
                plain,
            ),
            (
                "beyond the newest",
                seek(Some(at(99_999)), Some(at(99_999)), fail).encode_to_vec(),
                &user,
                plain,
            ),
            (
                "start after stop",
                seek(Some(at(3)), Some(at(1)), fail).encode_to_vec(),
                &user,
                plain,
            ),
            (
                "from a block to beyond",
                seek(Some(newest()), Some(at(u64::MAX)), fail).encode_to_vec(),
                &user,
                plain,
            ),
            ("no positions", SeekInfo::default().encode_to_vec(), &user, plain),
            (
                "a position of no kind",
                seek(None, Some(newest()), fail).encode_to_vec(),
                &user,
                plain,
            ),
            ("junk", b"\xffjunk".to_vec(), &user, plain),
            ("nothing", Vec::new(), &user, plain),
            ("a stranger", now(), &stranger, plain),
            ("an unknown channel", now(), &user, &|header| {
                header.channel_id = "unknown".to_owned()
            }),
            ("no channel", now(), &user, &|header| header.channel_id.clear()),
            ("no timestamp", now(), &user, &|header| header.timestamp = None),
            ("an old timestamp", now(), &user, &|header| {
                header.timestamp = Some(Timestamp {
                    seconds: 1_000_000_000,
                    nanos: 0,
                });
            }),
            ("another type", now(), &user, &|header| {
                header.r#type = HeaderType::Message.into()
            }),
        ];
        for (case, data, identity, edit) in cases {
            let request = self.seek(data, identity, edit);
            let theirs = self.theirs.orderer_delivers(request.clone()).await;
            let ours = self.ours.orderer_delivers(request.clone()).await;
            self.tally
                .compare("deliver answers", &format!("orderer: {case}"), &theirs, &ours);
            let theirs = self.theirs.peer_delivers(ORGS[0], request.clone()).await;
            let ours = self.ours.peer_delivers(ORGS[0], request).await;
            self.tally
                .compare("deliver answers", &format!("peer: {case}"), &theirs, &ours);
        }
        let mut unsigned = self.seek(now(), &user, plain);
        unsigned.signature.clear();
        let empty = Envelope::default();
        for (case, request) in [("unsigned", unsigned), ("an empty envelope", empty)] {
            let theirs = self.theirs.orderer_delivers(request.clone()).await;
            let ours = self.ours.orderer_delivers(request.clone()).await;
            self.tally
                .compare("deliver answers", &format!("orderer: {case}"), &theirs, &ours);
            let theirs = self.theirs.peer_delivers(ORGS[0], request.clone()).await;
            let ours = self.ours.peer_delivers(ORGS[0], request).await;
            self.tally
                .compare("deliver answers", &format!("peer: {case}"), &theirs, &ours);
        }
    }

    fn seek(&self, data: Vec<u8>, identity: &SigningIdentity, edit: &dyn Fn(&mut ChannelHeader)) -> Envelope {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("after 1970");
        let mut header = ChannelHeader {
            r#type: HeaderType::DeliverSeekInfo.into(),
            channel_id: self.channel.clone(),
            timestamp: Some(Timestamp {
                seconds: i64::try_from(now.as_secs()).expect("fits"),
                nanos: 0,
            }),
            ..ChannelHeader::default()
        };
        edit(&mut header);
        let signature = SignatureHeader {
            creator: identity.serialized().to_vec(),
            nonce: super::deploying::fresh(),
        };
        let payload = Payload {
            header: Some(Header {
                channel_header: header.encode_to_vec(),
                signature_header: signature.encode_to_vec(),
            }),
            data,
        };
        signed_envelope(&payload, identity)
    }

    /// Configuration updates: the orderer of each network wraps them itself, so the chains are equal in meaning only from here on.
    pub(super) async fn configuration(&mut self) {
        let genesis = self.theirs.block(ORGS[0], 0).await;
        let config = config_of(&genesis.data.clone().unwrap_or_default().data[0]);
        let mut larger = config.clone();
        edit_batch_size(&mut larger, 12);
        let update = compute_update(&self.channel, &config, &larger).expect("an update");
        let orderer = self.orderer_admin();
        let user = self.user(ORGS[0]);
        for (case, signers) in [
            ("by a user", vec![&user]),
            ("by an admin of Org1", vec![&self.admin(ORGS[0])]),
        ] {
            let envelope = sign_update(&update, &signers).expect("signed");
            let theirs = self.theirs.broadcast(std::slice::from_ref(&envelope)).await;
            let ours = self.ours.broadcast(std::slice::from_ref(&envelope)).await;
            self.tally
                .compare("configuration", &format!("an update {case}"), &theirs, &ours);
        }
        let envelope = sign_update(&update, &[&orderer]).expect("signed");
        let mut verdicts = Vec::new();
        for side in [&self.theirs, &self.ours] {
            let answer = side.broadcast(std::slice::from_ref(&envelope)).await;
            assert_eq!(answer.len(), 1, "{}: {answer:?}", side.name);
            let block = side.block(ORGS[0], self.height).await;
            let found = config_of(&block.data.clone().unwrap_or_default().data[0]);
            let (codes, hash) = super::verdict(&block);
            let slots = block.metadata.clone().unwrap_or_default().metadata;
            let signed = slots
                .get(BlockMetadataIndex::Signatures as usize)
                .is_some_and(|slot| !slot.is_empty());
            verdicts.push((answer, found, codes, hash, signed));
        }
        self.tally.compare(
            "configuration",
            "an update and its block",
            &verdicts[0],
            &verdicts[1],
        );
        self.height += 1;
        let again = [
            self.theirs.broadcast(std::slice::from_ref(&envelope)).await,
            self.ours.broadcast(std::slice::from_ref(&envelope)).await,
        ];
        self.tally
            .compare("configuration", "the same update again", &again[0], &again[1]);
        let draft = self.script([put("", "after-config", "1")]);
        let after = self.endorsed("after an update", &draft, &user, &ORGS[..2]).await;
        let mut found: BTreeMap<&str, _> = BTreeMap::new();
        for side in [&self.theirs, &self.ours] {
            let answer = side.broadcast(std::slice::from_ref(&after)).await;
            let block = side.block(ORGS[0], self.height).await;
            found.insert(side.name, (answer, super::verdict(&block), block.data));
        }
        self.height += 1;
        self.tally.compare(
            "configuration",
            "a transaction after an update",
            &found["theirs"],
            &found["ours"],
        );
    }
}

fn config_of(envelope: &[u8]) -> Config {
    let envelope = Envelope::decode(envelope).expect("an envelope");
    let payload = Payload::decode(envelope.payload.as_slice()).expect("a payload");
    let config = ConfigEnvelope::decode(payload.data.as_slice()).expect("a configuration");
    config.config.expect("a configuration")
}

fn edit_batch_size(config: &mut Config, count: u32) {
    let orderer = config
        .channel_group
        .as_mut()
        .and_then(|group| group.groups.get_mut("Orderer"))
        .expect("an orderer group");
    let value = orderer.values.get_mut("BatchSize").expect("a batch size");
    let mut size = BatchSize::decode(value.value.as_slice()).expect("decodes");
    size.max_message_count = count;
    value.value = size.encode_to_vec();
}
