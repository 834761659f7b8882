use fabric_msp::policy::{Role, n_out_of, parse, role_principal, signed_by};

use super::*;

/// The sets of all policies together, as sorted names like `A.peer`.
fn sets(policies: &[&str]) -> Vec<Vec<String>> {
    let mut principals = Principals::default();
    let mut merged: Option<Vec<PrincipalSet>> = None;
    for text in policies {
        let found = principals.satisfying(&parse(text).expect("a policy"));
        merged = Some(match merged {
            None => found,
            Some(before) => principals.merge(before, found),
        });
    }
    let name = |place: &usize| {
        let message = principals.message(*place).expect("known");
        let role = MspRole::decode(message.principal.as_slice()).expect("a role");
        let kind = role.role().as_str_name().to_lowercase();
        format!("{}.{kind}", role.msp_identifier)
    };
    let mut named: Vec<Vec<String>> = merged
        .unwrap_or_default()
        .iter()
        .map(|set| {
            let mut names: Vec<String> = set.iter().map(name).collect();
            names.sort();
            names
        })
        .collect();
    named.sort();
    named
}

#[test]
fn one_set_for_each_way_to_choose() {
    assert_eq!(
        sets(&["OutOf(2, 'A.peer', 'B.peer', 'C.peer')"]),
        [["A.peer", "B.peer"], ["A.peer", "C.peer"], ["B.peer", "C.peer"]]
    );
    assert_eq!(
        sets(&["AND('A.peer', OR('B.peer', AND('C.peer', 'C.admin')))"]),
        [vec!["A.peer", "B.peer"], vec!["A.peer", "C.admin", "C.peer"]]
    );
    // One policy alone is not reduced, and a principal may be needed twice.
    assert_eq!(
        sets(&["OR('A.peer', AND('A.peer', 'A.peer'))"]),
        [vec!["A.peer"], vec!["A.peer", "A.peer"]]
    );
}

#[test]
fn unusable_policies_are_satisfied_by_nobody() {
    assert!(sets(&["OutOf(2, 'A.peer')"]).is_empty());
    let mut principals = Principals::default();
    let envelope = |rule| SignaturePolicyEnvelope {
        version: 0,
        rule,
        identities: vec![role_principal("A", Role::Peer)],
    };
    let none = [
        None,
        Some(signed_by(1)),
        Some(n_out_of(0, vec![signed_by(0)])),
        Some(n_out_of(-1, vec![signed_by(0)])),
        Some(n_out_of(1, vec![signed_by(0), n_out_of(0, Vec::new())])),
        Some(SignaturePolicy { r#type: None }),
    ];
    for rule in none {
        assert!(
            principals.satisfying(&envelope(rule.clone())).is_empty(),
            "{rule:?}"
        );
    }
    let anonymous = SignaturePolicyEnvelope {
        identities: vec![MspPrincipal {
            principal_classification: Classification::Anonymity.into(),
            principal: Vec::new(),
        }],
        ..envelope(Some(signed_by(0)))
    };
    assert!(principals.satisfying(&anonymous).is_empty());
}

#[test]
fn a_signer_counts_for_several_policies() {
    assert_eq!(
        sets(&["OR('A.peer', 'B.peer')", "AND('A.peer', 'C.peer')"]),
        [["A.peer", "C.peer"]]
    );
    assert_eq!(
        sets(&["OR('A.peer', 'B.peer')", "OR('C.peer', 'D.peer')"]),
        [
            ["A.peer", "C.peer"],
            ["A.peer", "D.peer"],
            ["B.peer", "C.peer"],
            ["B.peer", "D.peer"]
        ]
    );
    // A peer is a member, so the more special principal stands for both.
    assert_eq!(sets(&["OR('A.member')", "OR('A.peer')"]), [["A.peer"]]);
    assert_eq!(sets(&["OR('A.peer')", "OR('A.member')"]), [["A.peer"]]);
    // A client need not be a peer.
    assert_eq!(
        sets(&["OR('A.client')", "OR('A.peer')"]),
        [["A.client", "A.peer"]]
    );
    // Two are still two.
    assert_eq!(
        sets(&["AND('A.peer', 'A.peer')", "OR('A.peer')"]),
        [["A.peer", "A.peer"]]
    );
    assert_eq!(sets(&["OR('A.peer')", "OR('A.peer')"]), [["A.peer"]]);
}

#[test]
fn sets_that_contain_others_go() {
    assert_eq!(
        sets(&["OutOf(2, 'A.peer', 'B.peer', 'C.peer')", "OR('A.peer')"]),
        [["A.peer", "B.peer"], ["A.peer", "C.peer"]]
    );
    assert_eq!(
        reduced(vec![vec![0, 1, 2], vec![1, 0], vec![0, 1], vec![3]]),
        [vec![1, 0], vec![3]]
    );
}

#[test]
fn hostile_policies_cost_little() {
    let identities: Vec<MspPrincipal> = (0..200)
        .map(|number| role_principal(&format!("Org{number}"), Role::Peer))
        .collect();
    let wide = |needed| SignaturePolicyEnvelope {
        version: 0,
        rule: Some(n_out_of(needed, (0..200).map(signed_by).collect())),
        identities: identities.clone(),
    };
    let mut principals = Principals::default();
    for needed in [1, 2, 100, 199, 200] {
        let found = principals.satisfying(&wide(needed));
        assert!(
            !found.is_empty() && found.len() <= MAX_SETS,
            "{needed}: {}",
            found.len()
        );
        let size = usize::try_from(needed).expect("small");
        assert!(found.iter().all(|set| set.len() == size));
    }
    // The product of many choices.
    let either = |first| n_out_of(1, vec![signed_by(first), signed_by(first + 1)]);
    let product = SignaturePolicyEnvelope {
        rule: Some(n_out_of(60, (0..60).map(|pair| either(2 * pair)).collect())),
        ..wide(1)
    };
    let found = principals.satisfying(&product);
    assert_eq!(found.len(), MAX_SETS);
    let other = principals.satisfying(&wide(2));
    let merged = principals.merge(found, other);
    assert!(!merged.is_empty() && merged.len() <= MAX_SETS);
}

#[test]
fn few_enough_rules_to_choose_from() {
    assert_eq!(choosable(16, 10), 16);
    assert_eq!(choosable(17, 10), 16);
    assert_eq!(choosable(100_000, 1), 10_000);
    assert_eq!(choosable(200, 100), 102);
    assert_eq!((binomial(5, 2), binomial(5, 5), binomial(0, 0)), (10, 1, 1));
}
