//! Blocks, policies, certificates, configuration, packages, queries and health documents.

use super::*;

pub(crate) fn block() -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().expect("a directory");
    let (organisation, ordering) = world::organisations(dir.path());
    let genesis = world::genesis(&organisation, &ordering);
    let signer = ordering.node_identity("orderer").expect("an identity");
    let envelopes = envelope().into_iter().map(|payload| {
        Envelope {
            payload,
            signature: vec![1],
        }
        .encode_to_vec()
    });
    let block = world::sign_block(&signer, 1, vec![0; 32], envelopes.collect());
    vec![genesis.encode_to_vec(), block.encode_to_vec()]
}

pub(crate) fn policy_text() -> Vec<Vec<u8>> {
    let texts = [
        "OR('Org1MSP.member', 'Org2MSP.peer')",
        "AND('Org1MSP.admin', OR('Org2MSP.client', 'Org3MSP.orderer'))",
        "OutOf(2, 'A.member', 'B.member', AND('C.peer', 'D.peer'))",
        "OutOf('1', \"A.member\")",
        "MAJORITY Endorsement",
        "ANY Readers",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

pub(crate) fn policy() -> Vec<Vec<u8>> {
    use peer::application_policy::Type as Kind;
    let parsed = policy_text().into_iter().filter_map(|text| {
        let text = String::from_utf8(text).ok()?;
        fabric_msp::policy::parse(&text).ok()
    });
    let envelopes: Vec<_> = parsed.collect();
    let application =
        envelopes
            .iter()
            .cloned()
            .map(Kind::SignaturePolicy)
            .chain([Kind::ChannelConfigPolicyReference(
                "/Channel/Application/Endorsement".into(),
            )]);
    let application = application.map(|kind| peer::ApplicationPolicy { r#type: Some(kind) }.encode_to_vec());
    envelopes
        .iter()
        .map(Message::encode_to_vec)
        .chain(application)
        .collect()
}

pub(crate) fn identity() -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().expect("a directory");
    let (organisation, _) = world::organisations(dir.path());
    let user = organisation.user_identity("User1").expect("an identity");
    let ca = organisation.ca().expect("a CA");
    vec![
        user.serialized().to_vec(),
        user.identity().certificate_pem().into_bytes(),
        ca.certificate_pem().into_bytes(),
        ca.certificate().der().to_vec(),
    ]
}

pub(crate) fn crl() -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().expect("a directory");
    let (organisation, _) = world::organisations(dir.path());
    let ca = organisation.ca().expect("a CA");
    let list = |serials: &[Vec<u8>]| ca.crl(serials).expect("a list").into_bytes();
    vec![list(&[]), list(&[vec![1], vec![0x7f; 20]])]
}

pub(crate) fn msp() -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().expect("a directory");
    let (organisation, ordering) = world::organisations(dir.path());
    let mut config = organisation.msp_config().expect("a configuration");
    let plain = config.encode_to_vec();
    config.revocation_list = crl();
    config.organizational_unit_identifiers = vec![mspproto::FabricOuIdentifier {
        certificate: config.root_certs.first().cloned().unwrap_or_default(),
        organizational_unit_identifier: "client".into(),
    }];
    vec![
        plain,
        config.encode_to_vec(),
        ordering.msp_config().expect("a configuration").encode_to_vec(),
    ]
}

fn genesis_config() -> common::Config {
    let dir = tempfile::tempdir().expect("a directory");
    let (organisation, ordering) = world::organisations(dir.path());
    let genesis = world::genesis(&organisation, &ordering);
    let (_, envelope) = fabric_channel::block::config_of(&genesis).expect("a configuration block");
    envelope.config.unwrap_or_default()
}

pub(crate) fn channel() -> Vec<Vec<u8>> {
    vec![genesis_config().encode_to_vec()]
}

pub(crate) fn config_update() -> Vec<Vec<u8>> {
    let before = genesis_config();
    let mut after = before.clone();
    let application = after
        .channel_group
        .as_mut()
        .and_then(|root| root.groups.get_mut("Application"))
        .and_then(|group| group.groups.get_mut("Org1MSP"));
    if let Some(organisation) = application {
        let anchors = peer::AnchorPeers {
            anchor_peers: vec![peer::AnchorPeer {
                host: "peer0.org1.example.com".into(),
                port: 7051,
            }],
        };
        organisation.values.insert(
            "AnchorPeers".into(),
            common::ConfigValue {
                version: 0,
                value: anchors.encode_to_vec(),
                mod_policy: "Admins".into(),
            },
        );
    }
    let update = fabric_channel::compute_update(CHANNEL, &before, &after);
    update.into_iter().map(|update| update.encode_to_vec()).collect()
}

pub(crate) fn package() -> Vec<Vec<u8>> {
    let connection = archive(&[(
        "connection.json",
        br#"{"address":"127.0.0.1:9999","dial_timeout":"10s","tls_required":false}"#,
    )]);
    vec![
        obedient_package(),
        package_of("ccaas", &connection),
        package_of("golang", &archive(&[("src/main.go", b"package main")])),
    ]
}

pub(crate) fn selector() -> Vec<Vec<u8>> {
    let queries = [
        r#"{"selector":{"a":1}}"#,
        r#"{"selector":{"a":{"$gt":0,"$lte":5},"$or":[{"b":"x"},{"b":{"$regex":"^x.*"}}]},"sort":[{"a":"desc"}],"limit":2,"skip":1}"#,
        r#"{"selector":{"a":{"$elemMatch":{"c":null}}},"fields":["a","b.c"],"bookmark":"","use_index":["d","i"]}"#,
        r#"{"selector":{"$not":{"a":{"$in":[1,2]}},"b":{"$exists":true,"$type":"string"},"c":{"$mod":[2,1]},"d":{"$size":3}}}"#,
        r#"{"selector":{"$and":[{"$nor":[{"a":{"$ne":1}}]},{"a":{"$all":[1]}},{"a":{"$allMatch":{"$eq":1}}},{"a":{"$beginsWith":"x"}}]}}"#,
    ];
    let document = br#"{"a":[1,2.5e3,{"c":"\u0001\ud83d\ude00"}],"b":"xyz"}"#;
    let alone = queries.iter().map(|query| query.as_bytes().to_vec());
    let both = queries
        .iter()
        .map(|query| [query.as_bytes(), b"\0", document].concat());
    alone.chain(both).collect()
}

pub(crate) fn block_file() -> Vec<Vec<u8>> {
    let mut files = block();
    files[0].splice(..0, EXPORT_HEADER.iter().copied());
    files
}

/// Messages from a peer, length-prefixed as in a stream.
pub(crate) fn shim() -> Vec<Vec<u8>> {
    let message = |kind: Type, payload: Vec<u8>| ChaincodeMessage {
        r#type: kind as i32,
        payload,
        txid: "x".into(),
        channel_id: CHANNEL.into(),
        ..ChaincodeMessage::default()
    };
    let params = peer::ChaincodeAdditionalParams {
        use_write_batch: true,
        max_size_write_batch: 100,
        use_get_multiple_keys: true,
        max_size_get_multiple_keys: 100,
    };
    let call = |args: &[&str]| {
        let input = peer::ChaincodeInput {
            args: args.iter().map(|arg| arg.as_bytes().to_vec()).collect(),
            ..Default::default()
        };
        ChaincodeMessage {
            proposal: Some(SignedProposal {
                proposal_bytes: self::call(CHANNEL, "fuzzed", Vec::new()).encode_to_vec(),
                signature: vec![1],
            }),
            ..message(Type::Transaction, input.encode_to_vec())
        }
    };
    let rows = peer::QueryResponse {
        results: vec![peer::QueryResultBytes {
            result_bytes: fabric_protos::queryresult::Kv {
                namespace: "fuzzed".into(),
                key: "k".into(),
                value: b"v".to_vec(),
            }
            .encode_to_vec(),
        }],
        has_more: false,
        id: "1".into(),
        metadata: Vec::new(),
    };
    let opening = [
        message(Type::Registered, Vec::new()),
        message(Type::Ready, params.encode_to_vec()),
    ];
    let streams = [
        vec![call(&["get", "k"]), message(Type::Response, b"1".to_vec())],
        vec![call(&["put", "k", "1"]), message(Type::Response, Vec::new())],
        vec![call(&["all"]), message(Type::Response, rows.encode_to_vec())],
        vec![
            call(&["org.hyperledger.fabric:GetMetadata"]),
            message(Type::Keepalive, Vec::new()),
        ],
        vec![call(&["nothing"]), message(Type::Error, b"no".to_vec())],
    ];
    let marshalled = streams.iter().map(|stream| {
        let all = opening.iter().chain(stream);
        all.flat_map(Message::encode_length_delimited_to_vec).collect()
    });
    marshalled.collect()
}

pub(crate) fn fhir() -> Vec<Vec<u8>> {
    let bundle =
        |seed| serde_json::to_vec(&careledger_sdk::fhir::generate(seed, "2026-01-01")).expect("JSON");
    vec![bundle(1), bundle(2)]
}

pub(crate) fn intent() -> Vec<Vec<u8>> {
    use careledger_api::date::Period;
    use careledger_api::ids::{Nonce, PatientId, Salt};
    use careledger_api::intent::{IntentDraft, IntentScope};
    let scope = IntentScope {
        consortium: "c".into(),
        channel: "health".into(),
        chaincode: "care".into(),
        contract: "consent".into(),
        function: "grant".into(),
    };
    let period = Period { from: 0, until: 600 };
    let (patient, nonce, salt) = (
        PatientId::from_bytes([1; 32]),
        Nonce::from_bytes([2; 16]),
        Salt::from_bytes([3; 32]),
    );
    let draft = IntentDraft::new(scope, patient, period, nonce, &("HospitalMSP",))
        .and_then(|draft| draft.transient("consent", salt, &serde_json::json!({"a": 1})))
        .and_then(|draft| draft.sign(&crate::targets::health::device_key()));
    draft
        .iter()
        .map(|signed| serde_json::to_vec(signed).expect("JSON"))
        .collect()
}
