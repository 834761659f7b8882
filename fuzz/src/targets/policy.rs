//! Policies as text and as messages, evaluated with members of several kinds.

use std::sync::{Arc, OnceLock};

use fabric_msp::policy::{self, Policy, SignaturePolicy};
use fabric_msp::{Identity, Msp, MspManager};
use fabric_protos::common::{ImplicitMetaPolicy, SignaturePolicyEnvelope};
use fabric_protos::peer::{ApplicationPolicy, application_policy};
use prost::Message;

use crate::world;

/// The language of policies. What is read back from its message form must mean the same.
pub(crate) fn text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let _ = policy::parse_implicit(text);
    if let Ok(envelope) = policy::parse(text) {
        let again = SignaturePolicyEnvelope::decode(envelope.encode_to_vec().as_slice())
            .expect("what was marshalled decodes");
        assert_eq!(envelope, again);
        evaluate(envelope);
    }
}

/// A marshalled policy of any kind.
pub(crate) fn message(data: &[u8]) {
    let _ = ImplicitMetaPolicy::decode(data);
    if let Ok(envelope) = SignaturePolicyEnvelope::decode(data) {
        evaluate(envelope);
    }
    if let Ok(ApplicationPolicy {
        r#type: Some(application_policy::Type::SignaturePolicy(envelope)),
    }) = ApplicationPolicy::decode(data)
    {
        evaluate(envelope);
    }
}

fn evaluate(envelope: SignaturePolicyEnvelope) {
    let (msps, members) = members();
    let Ok(policy) = SignaturePolicy::new(envelope, msps.clone()) else {
        return;
    };
    let _ = policy.to_signature_policy();
    let all = policy.evaluate_identities(members).is_ok();
    assert_eq!(
        all,
        policy.evaluate_identities(members).is_ok(),
        "a policy answers the same each time"
    );
    let _ = policy.evaluate_identities(&[]);
}

fn members() -> &'static (Arc<MspManager>, Vec<Identity>) {
    static MEMBERS: OnceLock<(Arc<MspManager>, Vec<Identity>)> = OnceLock::new();
    MEMBERS.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory");
        let (organisation, ordering) = world::organisations(dir.path());
        let msp = |organisation: &fabric_msp::cryptogen::Organization| {
            Arc::new(Msp::from_dir(organisation.msp_dir(), organisation.msp_id()).expect("an MSP"))
        };
        let msps = Arc::new(MspManager::new([msp(&organisation), msp(&ordering)]));
        let signers = [
            organisation.user_identity("User1"),
            organisation.user_identity("Admin"),
            organisation.node_identity("peer0"),
            ordering.node_identity("orderer"),
        ];
        let members = signers.map(|signer| {
            let signer = signer.expect("an identity");
            msps.valid_identity(signer.serialized()).expect("a member")
        });
        (msps, members.into())
    })
}
