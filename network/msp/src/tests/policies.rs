use std::collections::BTreeSet;
use std::sync::Arc;

use fabric_protos::common::signature_policy::Type;
use fabric_protos::common::{MspPrincipal, SignaturePolicy as Rule, SignaturePolicyEnvelope};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use prost::Message;

use super::{Org, manager};
use crate::ca::Kind;
use crate::policy::{
    Policy, PolicyError, Role, SignaturePolicy, SignedData, n_out_of, parse, role_principal, signed_by,
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
    envelope.identities = vec![role_principal("A", Role::Member)];
    let reject_all = SignaturePolicy::new(envelope, msps).expect("compiles");
    assert!(matches!(
        reject_all.evaluate_identities(&[]),
        Err(PolicyError::NotSatisfied(_))
    ));
}

#[test]
fn rules_nest_only_so_deep() {
    let msps = manager(&[&Org::new("A")]);
    let nested = |depth: usize| {
        let rule = (0..depth).fold(signed_by(0), |rule, _| n_out_of(1, vec![rule]));
        let envelope = SignaturePolicyEnvelope {
            rule: Some(rule),
            ..parse("OR('A.member')").expect("parses")
        };
        SignaturePolicy::new(envelope, Arc::clone(&msps))
    };
    assert!(nested(64).is_ok());
    let error = nested(65).expect_err("too deep").to_string();
    assert!(error.contains("nest deeper than 64"), "{error}");
    // What comes from outside is bounded by its decoding before.
    let deep = (0..5_000).fold(signed_by(0).encode_to_vec(), |inner, _| {
        let mut rules = vec![0x12];
        prost::encoding::encode_varint(inner.len() as u64, &mut rules);
        rules.extend(inner);
        let mut gate = vec![0x08, 1];
        gate.extend(rules);
        let mut rule = vec![0x12];
        prost::encoding::encode_varint(gate.len() as u64, &mut rule);
        rule.extend(gate);
        rule
    });
    let mut envelope = vec![0x12];
    prost::encoding::encode_varint(deep.len() as u64, &mut envelope);
    envelope.extend(deep);
    assert!(SignaturePolicy::from_bytes(&envelope, msps).is_err());
}

/// Fabric's algorithm as its text says it, with sets for `used`: whether a rule holds, and who was used when it returns.
fn reference(
    rule: &Rule,
    principals: &[MspPrincipal],
    satisfies: &impl Fn(usize, &MspPrincipal) -> bool,
    signers: usize,
    used: BTreeSet<usize>,
) -> (bool, BTreeSet<usize>) {
    match rule.r#type.as_ref().expect("a rule") {
        Type::SignedBy(index) => {
            let principal = &principals[usize::try_from(*index).expect("small")];
            let mut used = used;
            let fits = |signer: &usize| !used.contains(signer) && satisfies(*signer, principal);
            match (0..signers).find(fits) {
                Some(signer) => {
                    used.insert(signer);
                    (true, used)
                }
                None => (false, used),
            }
        }
        Type::NOutOf(gate) => {
            let mut verified = 0;
            let mut used = used;
            for rule in &gate.rules {
                let (holds, after) = reference(rule, principals, satisfies, signers, used.clone());
                if holds {
                    verified += 1;
                    used = after;
                }
            }
            (verified >= gate.n, used)
        }
    }
}

const MSPS: [&str; 3] = ["A", "B", "C"];
const ROLES: [Role; 4] = [Role::Member, Role::Peer, Role::Client, Role::Admin];

/// Rules over the principals `MSPS` × `ROLES`, three gates deep.
fn rules() -> impl Strategy<Value = Rule> {
    let leaf = (0..MSPS.len() * ROLES.len()).prop_map(signed_by);
    leaf.prop_recursive(3, 24, 4, |inner| {
        (-1..5, prop::collection::vec(inner, 0..4)).prop_map(|(needed, rules)| n_out_of(needed, rules))
    })
}

#[test]
fn evaluation_is_fabrics() {
    let orgs = MSPS.map(Org::new);
    let msps = manager(&orgs.each_ref());
    let identities_of: Vec<Identity> = orgs
        .iter()
        .flat_map(|org| {
            [Kind::Peer, Kind::Peer, Kind::Client, Kind::Admin]
                .iter()
                .enumerate()
                .map(|(number, kind)| org.issue(*kind, &format!("signer{number}")))
        })
        .map(|signer| msps.identity(signer.serialized()).expect("known"))
        .collect();
    let principals: Vec<MspPrincipal> = MSPS
        .iter()
        .flat_map(|msp_id| ROLES.map(|role| role_principal(msp_id, role)))
        .collect();
    // The signers in any order, some of them missing.
    let signers = Just((0..identities_of.len()).collect::<Vec<usize>>())
        .prop_shuffle()
        .prop_flat_map(|order| (0..=order.len()).prop_map(move |count| order[..count].to_vec()));
    let config = ProptestConfig {
        cases: 1_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let (mut held, mut refused) = (0, 0);
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&(rules(), signers), |(rule, signers)| {
        let chosen: Vec<Identity> = signers
            .iter()
            .map(|signer| identities_of[*signer].clone())
            .collect();
        let satisfies = |signer: usize, principal: &MspPrincipal| {
            msps.satisfies_principal(&chosen[signer], principal).is_ok()
        };
        let (expected, _) = reference(&rule, &principals, &satisfies, chosen.len(), BTreeSet::new());
        let envelope = SignaturePolicyEnvelope {
            version: 0,
            rule: Some(rule),
            identities: principals.clone(),
        };
        let policy = SignaturePolicy::new(envelope, Arc::clone(&msps)).expect("compiles");
        prop_assert_eq!(policy.evaluate_identities(&chosen).is_ok(), expected);
        Ok(())
    });
    outcome.expect("the same as Fabric's algorithm");
    // The cases say something only if both answers occur.
    let mut sample = TestRunner::deterministic();
    for _ in 0..200 {
        let rule = rules().new_tree(&mut sample).expect("a rule").current();
        let satisfies = |signer: usize, principal: &MspPrincipal| {
            msps.satisfies_principal(&identities_of[signer], principal)
                .is_ok()
        };
        match reference(
            &rule,
            &principals,
            &satisfies,
            identities_of.len(),
            BTreeSet::new(),
        )
        .0
        {
            true => held += 1,
            false => refused += 1,
        }
    }
    assert!(held > 20 && refused > 20, "{held} hold, {refused} do not");
}
