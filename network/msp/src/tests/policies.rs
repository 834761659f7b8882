use std::sync::Arc;

use super::{Org, manager};
use crate::ca::Kind;
use crate::policy::{
    Policy, PolicyError, SignaturePolicy, SignedData, n_out_of, parse, role_principal, signed_by,
    valid_identities,
};
use crate::{Identity, MspManager, SigningIdentity};

fn policy(text: &str, msps: &Arc<MspManager>) -> SignaturePolicy {
    SignaturePolicy::new(parse(text).expect("parses"), Arc::clone(msps)).expect("compiles")
}

fn signed(signer: &SigningIdentity, message: &[u8]) -> SignedData {
    SignedData {
        data: message.to_vec(),
        identity: signer.serialized().to_vec(),
        signature: signer.sign(message).expect("signs"),
    }
}

fn identities(msps: &MspManager, signers: &[&SigningIdentity]) -> Vec<Identity> {
    signers
        .iter()
        .map(|signer| msps.identity(signer.serialized()).expect("known"))
        .collect()
}

#[test]
fn two_of_three_organisations() {
    let orgs = [Org::new("A"), Org::new("B"), Org::new("C")];
    let msps = manager(&[&orgs[0], &orgs[1], &orgs[2]]);
    let [a, b, c] = orgs.each_ref().map(|org| org.issue(Kind::Peer, "peer0"));
    let rule = policy("OutOf(2,'A.peer','B.peer','C.peer')", &msps);
    assert_eq!(
        rule.evaluate_signed(&[signed(&a, b"m"), signed(&c, b"m")]),
        Ok(())
    );
    assert!(rule.evaluate_signed(&[signed(&b, b"m")]).is_err());
    assert!(rule.evaluate_signed(&[]).is_err());
    let twice = [signed(&a, b"m"), signed(&a, b"m")];
    assert!(rule.evaluate_signed(&twice).is_err(), "one signer is one signer");
    let mut forged = signed(&b, b"m");
    forged.data = b"other".to_vec();
    assert!(rule.evaluate_signed(&[signed(&a, b"m"), forged]).is_err());
    let client = orgs[1].issue(Kind::Client, "app");
    assert!(
        rule.evaluate_signed(&[signed(&a, b"m"), signed(&client, b"m")])
            .is_err(),
        "a client is no peer"
    );
}

#[test]
fn a_bad_signature_leaves_the_place_to_a_good_one() {
    let org = Org::new("A");
    let msps = manager(&[&org]);
    let signer = org.issue(Kind::Peer, "peer0");
    let mut bad = signed(&signer, b"m");
    bad.signature = signer.sign(b"something else").expect("signs");
    let stranger = Org::new("Z").issue(Kind::Peer, "peer0");
    let set = [
        signed(&stranger, b"m"),
        bad,
        signed(&signer, b"m"),
        signed(&signer, b"m"),
    ];
    let found = valid_identities(&set, &msps);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].msp_id(), "A");
}

#[test]
fn evaluation_is_greedy() {
    // A peer is also a member. Greedy evaluation takes the first identity that fits and does not come back.
    let org = Org::new("A");
    let msps = manager(&[&org]);
    let (peer, client) = (org.issue(Kind::Peer, "peer0"), org.issue(Kind::Client, "app"));
    let rule = policy("AND('A.member','A.peer')", &msps);
    assert_eq!(
        rule.evaluate_identities(&identities(&msps, &[&client, &peer])),
        Ok(())
    );
    assert!(
        rule.evaluate_identities(&identities(&msps, &[&peer, &client]))
            .is_err(),
        "the peer was used as member"
    );
}

#[test]
fn a_failed_sub_rule_gives_its_identities_back() {
    let (a, b) = (Org::new("A"), Org::new("B"));
    let msps = manager(&[&a, &b]);
    let peer = a.issue(Kind::Peer, "peer0");
    // The first alternative uses A's peer, then fails for want of B; the second must find A's peer unused.
    let rule = policy("OR(AND('A.peer','B.peer'),'A.peer')", &msps);
    assert_eq!(rule.evaluate_identities(&identities(&msps, &[&peer])), Ok(()));
}

#[test]
fn every_rule_consumes_even_beyond_the_need() {
    // As in Fabric all rules of a gate are evaluated, also when enough hold already: the surplus is used up.
    let org = Org::new("A");
    let msps = manager(&[&org]);
    let (one, two) = (org.issue(Kind::Peer, "one"), org.issue(Kind::Peer, "two"));
    let mut envelope = parse("AND('A.peer','A.peer','A.peer')").expect("parses");
    let gate = n_out_of(1, vec![signed_by(0), signed_by(1)]);
    envelope.rule = Some(n_out_of(2, vec![gate, signed_by(2)]));
    let rule = SignaturePolicy::new(envelope, Arc::clone(&msps)).expect("compiles");
    assert!(
        rule.evaluate_identities(&identities(&msps, &[&one, &two]))
            .is_err()
    );
}

#[test]
fn malformed_envelopes() {
    let msps = manager(&[]);
    let mut envelope = parse("OR('A.member')").expect("parses");
    envelope.version = 1;
    assert!(SignaturePolicy::new(envelope.clone(), Arc::clone(&msps)).is_err());
    envelope.version = 0;
    envelope.rule = Some(signed_by(1));
    assert!(
        SignaturePolicy::new(envelope.clone(), Arc::clone(&msps)).is_err(),
        "there is one principal only"
    );
    envelope.rule = None;
    assert!(SignaturePolicy::new(envelope.clone(), Arc::clone(&msps)).is_err());
    assert!(SignaturePolicy::from_bytes(b"\xff\xff", Arc::clone(&msps)).is_err());
    envelope.rule = Some(n_out_of(0, vec![]));
    let accept_all = SignaturePolicy::new(envelope.clone(), Arc::clone(&msps)).expect("compiles");
    assert_eq!(accept_all.evaluate_identities(&[]), Ok(()));
    envelope.rule = Some(n_out_of(1, vec![]));
    envelope.identities = vec![role_principal("A", crate::policy::Role::Member)];
    let reject_all = SignaturePolicy::new(envelope, msps).expect("compiles");
    assert!(matches!(
        reject_all.evaluate_identities(&[]),
        Err(PolicyError::NotSatisfied(_))
    ));
}
