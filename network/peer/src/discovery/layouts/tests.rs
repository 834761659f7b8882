use fabric_msp::policy::parse;
use fabric_protos::common::MspRole;
use fabric_protos::common::msp_role::MspRoleType;
use prost::Message;

use super::*;

/// Policies by chaincode; every peer satisfies `member` and `peer` of its organisation.
struct Channel(BTreeMap<String, ChaincodePolicies>);

impl Facts for Channel {
    fn policies(&self, call: &ChaincodeCall) -> Result<Option<ChaincodePolicies>, String> {
        Ok(self.0.get(&call.name).cloned())
    }

    fn satisfies(&self, peer: &PeerInfo, principal: &MspPrincipal) -> bool {
        let role = MspRole::decode(principal.principal.as_slice()).expect("a role");
        role.msp_identifier == peer.msp_id && matches!(role.role(), MspRoleType::Member | MspRoleType::Peer)
    }
}

fn peer(msp_id: &str, chaincodes: &[(&str, &str)]) -> PeerInfo {
    PeerInfo {
        msp_id: msp_id.to_owned(),
        endpoint: Default::default(),
        identity: Vec::new(),
        ledger_height: 1,
        chaincodes: chaincodes
            .iter()
            .map(|(name, version)| ((*name).to_owned(), (*version).to_owned()))
            .collect(),
    }
}

fn peers(organisations: &[&str]) -> Vec<PeerInfo> {
    organisations
        .iter()
        .map(|msp_id| peer(msp_id, &[("cc", "1"), ("other", "3")]))
        .collect()
}

fn definition(
    sequence: i64,
    endorsement: &str,
    collections: &[(&str, &str, Option<&str>)],
) -> ChaincodePolicies {
    let policy = |text: &str| parse(text).expect("a policy");
    ChaincodePolicies {
        sequence,
        endorsement: policy(endorsement),
        collections: collections
            .iter()
            .map(|(name, members, endorsement)| {
                let policies = CollectionPolicies {
                    members: policy(members),
                    endorsement: endorsement.map(policy),
                };
                ((*name).to_owned(), policies)
            })
            .collect(),
    }
}

fn call(collections: &[&str]) -> ChaincodeCall {
    ChaincodeCall {
        name: "cc".to_owned(),
        collection_names: collections.iter().map(|name| (*name).to_owned()).collect(),
        ..Default::default()
    }
}

/// The layouts as the organisations that endorse, sorted.
fn find(
    calls: Vec<ChaincodeCall>,
    definition: &ChaincodePolicies,
    peers: &[PeerInfo],
) -> Result<Vec<Vec<String>>, String> {
    let interest = ChaincodeInterest { chaincodes: calls };
    let channel = Channel(BTreeMap::from([("cc".to_owned(), definition.clone())]));
    let found = endorsers("health", &interest, peers, &channel)?;
    Ok(organisations(&found, peers))
}

fn organisations(found: &Endorsers, peers: &[PeerInfo]) -> Vec<Vec<String>> {
    let mut layouts: Vec<Vec<String>> = found
        .layouts
        .iter()
        .map(|layout| {
            let mut organisations: Vec<String> = layout
                .iter()
                .flat_map(|(group, count)| {
                    let first = found.groups[group][0];
                    vec![peers[first].msp_id.clone(); *count as usize]
                })
                .collect();
            organisations.sort();
            organisations
        })
        .collect();
    layouts.sort();
    layouts
}

#[test]
fn any_two_of_three() {
    let definition = definition(1, "OutOf(2, 'A.peer', 'B.peer', 'C.peer')", &[]);
    let find = |organisations: &[&str]| find(vec![call(&[])], &definition, &peers(organisations));
    assert_eq!(
        find(&["A", "B", "C"]),
        Ok(vec![
            vec!["A".to_owned(), "B".to_owned()],
            vec!["A".to_owned(), "C".to_owned()],
            vec!["B".to_owned(), "C".to_owned()],
        ])
    );
    assert_eq!(find(&["A", "C"]), Ok(vec![vec!["A".to_owned(), "C".to_owned()]]));
    let error = find(&["A"]).expect_err("none");
    assert_eq!(error, "no peer combination can satisfy the endorsement policy");
}

#[test]
fn two_of_one_organisation_need_two_peers() {
    let definition = definition(1, "AND('A.peer', 'A.peer')", &[]);
    assert!(find(vec![call(&[])], &definition, &peers(&["A", "B"])).is_err());
    let found = find(vec![call(&[])], &definition, &peers(&["A", "A"])).expect("two");
    assert_eq!(found, [["A", "A"]]);
}

#[test]
fn a_collection_read_leaves_only_members() {
    let definition = definition(
        1,
        "OR('A.peer', 'B.peer', 'C.peer')",
        &[("pair", "OR('A.member', 'B.member')", None)],
    );
    let all = peers(&["A", "B", "C"]);
    assert_eq!(
        find(vec![call(&["pair"])], &definition, &all).expect("layouts"),
        [["A"], ["B"]]
    );
    let error = find(vec![call(&["none"])], &definition, &all).expect_err("no such collection");
    assert_eq!(
        error,
        "collection none doesn't exist in collection config for chaincode cc"
    );
    let interest = ChaincodeInterest {
        chaincodes: vec![call(&["pair"])],
    };
    let channel = Channel(BTreeMap::from([("cc".to_owned(), definition)]));
    assert_eq!(fitting_peers("health", &interest, &all, &channel), Ok(vec![0, 1]));
    assert_eq!(
        fitting_peers("health", &ChaincodeInterest::default(), &all, &channel),
        Ok(vec![0, 1, 2])
    );
}

#[test]
fn a_collection_only_written_may_be_endorsed_by_others() {
    let definition = definition(
        1,
        "AND('A.peer', 'C.peer')",
        &[("pair", "OR('A.member', 'B.member')", None)],
    );
    let all = peers(&["A", "B", "C"]);
    let mut written = call(&["pair"]);
    written.no_private_reads = true;
    assert_eq!(
        find(vec![written], &definition, &all).expect("layouts"),
        [["A", "C"]]
    );
    assert!(find(vec![call(&["pair"])], &definition, &all).is_err());
}

#[test]
fn a_collections_own_policy_stands_in_place_of_the_chaincodes() {
    let definition = definition(
        1,
        "AND('A.peer', 'B.peer', 'C.peer')",
        &[(
            "pair",
            "OR('A.member', 'B.member')",
            Some("OR('A.peer', 'B.peer')"),
        )],
    );
    let all = peers(&["A", "B", "C"]);
    assert_eq!(
        find(vec![call(&["pair"])], &definition, &all).expect("layouts"),
        [["A"], ["B"]]
    );
    let written = ChaincodeCall {
        no_private_reads: true,
        ..call(&["pair"])
    };
    let found = find(vec![written, call(&[])], &definition, &all).expect("layouts");
    assert_eq!(found, [["A", "B", "C"]]);
}

#[test]
fn a_keys_policy_may_stand_alone_or_add_to_the_chaincodes() {
    let definition = definition(1, "OR('A.peer', 'B.peer')", &[]);
    let all = peers(&["A", "B", "C"]);
    let key = |disregard, policy| ChaincodeCall {
        key_policies: vec![parse(policy).expect("a policy")],
        disregard_namespace_policy: disregard,
        ..call(&[])
    };
    let of_c = "OR('C.peer')";
    assert_eq!(
        find(vec![key(true, of_c)], &definition, &all).expect("layouts"),
        [["C"]]
    );
    let found = find(vec![key(false, of_c)], &definition, &all).expect("layouts");
    assert_eq!(found, [["A", "C"], ["B", "C"]]);
    let error = find(vec![key(true, "OutOf(2, 'C.peer')")], &definition, &all).expect_err("never");
    assert_eq!(error, "state based endorsement policy cannot be satisfied");
    let nothing = ChaincodeCall {
        disregard_namespace_policy: true,
        ..call(&[])
    };
    let error = find(vec![nothing], &definition, &all).expect_err("nothing to satisfy");
    assert!(
        error.starts_with("requested to disregard chaincode cc's policy"),
        "{error}"
    );
}

#[test]
fn a_chaincode_that_is_called_counts_with_its_policy_and_its_peers() {
    let channel = Channel(BTreeMap::from([
        ("cc".to_owned(), definition(1, "OR('A.peer', 'B.peer')", &[])),
        ("other".to_owned(), definition(3, "OR('B.peer', 'C.peer')", &[])),
    ]));
    let mut other = call(&[]);
    other.name = "other".to_owned();
    let interest = ChaincodeInterest {
        chaincodes: vec![call(&[]), other],
    };
    let all = peers(&["A", "B", "C"]);
    let found = endorsers("health", &interest, &all, &channel).expect("layouts");
    assert_eq!(organisations(&found, &all), [vec!["A", "C"], vec!["B"]]);
    // B's peer has the other chaincode in an older version, C's has it not.
    let some = [
        peer("A", &[("cc", "1"), ("other", "3")]),
        peer("B", &[("cc", "1"), ("other", "2")]),
        peer("C", &[("cc", "1")]),
    ];
    let error = endorsers("health", &interest, &some, &channel).expect_err("nobody");
    assert_eq!(error, "required chaincodes are not installed on sufficient peers");
    assert_eq!(fitting_peers("health", &interest, &some, &channel), Ok(vec![0]));
}

#[test]
fn a_principal_that_no_peer_satisfies_leads_nowhere() {
    let all = peers(&["A", "B"]);
    let find = |text: &str| find(vec![call(&[])], &definition(1, text, &[]), &all);
    assert_eq!(find("OR('A.admin', 'B.peer')").expect("layouts"), [["B"]]);
    assert!(find("AND('A.admin', 'B.peer')").is_err());
    assert_eq!(
        find("OutOf(2, 'A.peer')").expect_err("never"),
        "endorsement policy cannot be satisfied"
    );
}

#[test]
fn groups_are_principals_and_only_those_that_matter() {
    let definition = definition(1, "OR(AND('A.peer', 'A.member'), 'B.admin')", &[]);
    let all = peers(&["A", "A", "B"]);
    let interest = ChaincodeInterest {
        chaincodes: vec![call(&[])],
    };
    let channel = Channel(BTreeMap::from([("cc".to_owned(), definition)]));
    let found = endorsers("health", &interest, &all, &channel).expect("layouts");
    assert_eq!(found.layouts.len(), 1);
    assert_eq!(found.groups.len(), 2, "{found:?}");
    assert!(found.groups.values().all(|peers| peers == &[0, 1]));
    assert!(found.layouts[0].values().all(|count| *count == 1));
}

#[test]
fn an_unknown_chaincode_is_named() {
    let interest = ChaincodeInterest {
        chaincodes: vec![ChaincodeCall {
            name: "other".to_owned(),
            ..Default::default()
        }],
    };
    let channel = Channel(BTreeMap::new());
    let error = endorsers("health", &interest, &peers(&["A"]), &channel).expect_err("unknown");
    assert_eq!(
        error,
        "No metadata was found for chaincode other in channel health"
    );
}
