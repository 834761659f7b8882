use std::collections::BTreeSet;
use std::sync::Mutex;

use careledger_api::codes::OverrideReason;
use careledger_api::contracts::consent::{Demographics, FindRecord, FindRequest, Requester, Sex};
use careledger_api::ids::{FindCode, Salt};
use careledger_api::roles::Role;
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::vault::WireError;
use fabric_msp::SigningIdentity;

use super::*;
use crate::release::tests::identity;

const NOW: i64 = 1_800_000_000;
const CODE: FindCode = FindCode::from_bytes([5; 16]);

/// A ledger with one committed search.
struct OneSearch {
    tx: TxId,
    search: Mutex<CommittedSearch>,
    logged: Mutex<Vec<FindAnswer>>,
}

impl FindChain for OneSearch {
    async fn search(&self, tx: &TxId, _: i64) -> Result<Option<CommittedSearch>, ChainError> {
        Ok((*tx == self.tx).then(|| self.search.lock().unwrap().clone()))
    }

    async fn code_holder(&self, code: Hash) -> Result<Option<PatientId>, ChainError> {
        Ok((code == CODE.hash("HospitalMSP")).then(|| patient(9)))
    }

    async fn log(&self, answer: FindAnswer) -> Result<bool, ChainError> {
        let mut logged = self.logged.lock().unwrap();
        let first = logged.is_empty();
        logged.push(answer);
        Ok(first)
    }
}

struct World {
    _dir: tempfile::TempDir,
    index: PersonIndex,
    chain: OneSearch,
    doctor: SigningIdentity,
    kem: KemKeyPair,
}

fn patient(n: u8) -> PatientId {
    PatientId::from_bytes([n; 32])
}

fn person(family: &str) -> FindQuery {
    FindQuery::Person(documents(family))
}

fn documents(family: &str) -> Demographics {
    Demographics {
        family: family.into(),
        given: "Ada".into(),
        birth: "1980-02-29".parse().unwrap(),
        sex: Sex::Female,
        postcode: "10115".into(),
    }
}

/// A search for `query` is committed; the index knows one Lovelace and two Byrons.
fn world(query: &FindQuery) -> World {
    let dir = tempfile::tempdir().unwrap();
    let index = PersonIndex::open(&dir.path().join("persons")).unwrap();
    for (n, family) in [(1, "Lovelace"), (2, "Byron"), (3, "Byron")] {
        index.enter(patient(n), Some(&documents(family))).unwrap();
    }
    let (doctor, kem, tx) = (
        identity("doctor"),
        KemKeyPair::generate(),
        TxId::try_from("aa01".to_owned()).unwrap(),
    );
    let record = FindRecord {
        tx: tx.clone(),
        at: NOW,
        requester: Requester {
            organisation: "ClinicMSP".into(),
            role: Role::Emergency,
            person: String::new(),
            groups: vec![],
        },
        request: FindRequest {
            query: query.commitment(&Salt::from_bytes([4; 32])).unwrap(),
            reason: OverrideReason::Incompetent,
            attest: true,
            encounter: None,
            kem_key: kem.public(),
        },
        salt: Salt::from_bytes([0; 32]),
    };
    let view = FindView {
        record,
        fresh: true,
        within_limits: true,
        answered: false,
    };
    let search = CommittedSearch {
        creator: doctor.serialized().to_vec(),
        view,
    };
    World {
        _dir: dir,
        index,
        chain: OneSearch {
            tx,
            search: Mutex::new(search),
            logged: Mutex::default(),
        },
        doctor,
        kem,
    }
}

fn question(query: FindQuery) -> FindQuestion {
    FindQuestion {
        custodian: "HospitalMSP".into(),
        channel: "health".into(),
        tx: "aa01".parse().unwrap(),
        query,
        salt: Salt::from_bytes([4; 32]),
    }
}

impl World {
    async fn ask(&self, question: FindQuestion, by: &SigningIdentity) -> Result<FindReply, Refusal> {
        let signed =
            SignedRequest::new::<WireError>(question, by.serialized(), |m| Ok(by.sign(m).unwrap())).unwrap();
        let scope = Scope {
            custodian: "HospitalMSP".into(),
            channel: "health".into(),
        };
        find(&scope, &self.index, &self.chain, &signed, NOW).await
    }

    fn open(&self, reply: &FindReply) -> Option<PatientId> {
        reply.open(&self.kem, "health", &"aa01".parse().unwrap()).unwrap()
    }
}

#[tokio::test]
async fn a_code_and_a_single_match_are_found_and_logged_before_the_answer() {
    for (query, expected) in [
        (FindQuery::Code(CODE), patient(9)),
        (person("Love-Lace"), patient(1)),
    ] {
        let world = world(&query);
        let reply = world.ask(question(query), &world.doctor).await.unwrap();
        assert_eq!(world.open(&reply), Some(expected));
        assert_eq!(world.chain.logged.lock().unwrap()[0].patient, expected);
    }
}

#[tokio::test]
async fn nobody_and_several_are_the_same_answer_and_leave_the_same_trace() {
    let mut sizes = BTreeSet::new();
    for query in [
        person("Lovelace"),
        person("Byron"),
        person("Babbage"),
        person("--"),
        FindQuery::Code(FindCode::from_bytes([6; 16])),
    ] {
        let world = world(&query);
        let found = matches!(&query, FindQuery::Person(p) if p.family == "Lovelace");
        let reply = world.ask(question(query), &world.doctor).await.unwrap();
        assert_eq!(world.open(&reply).is_some(), found);
        let logged = world.chain.logged.lock().unwrap();
        assert_eq!(logged.len(), 1, "written whether found or not");
        assert!(found || (1..=9).all(|n| logged[0].patient != patient(n)));
        sizes.insert(serde_json::to_vec(&reply).unwrap().len());
    }
    assert_eq!(sizes.len(), 1);
}

#[tokio::test]
async fn a_search_is_answered_once_to_its_creator_within_its_time_and_limits() {
    let query = person("Lovelace");
    let world_ = || world(&query);
    let asked = async |change: fn(&mut FindView)| {
        let world = world_();
        change(&mut world.chain.search.lock().unwrap().view);
        let answer = world.ask(question(query.clone()), &world.doctor).await;
        assert!(
            world.chain.logged.lock().unwrap().is_empty(),
            "a refusal writes nothing"
        );
        answer.unwrap_err()
    };
    assert!(matches!(
        asked(|v| v.fresh = false).await,
        Refusal::NothingPermitted
    ));
    assert!(matches!(
        asked(|v| v.within_limits = false).await,
        Refusal::OverTheLimit
    ));
    assert!(matches!(
        asked(|v| v.answered = true).await,
        Refusal::AlreadyServed
    ));
    let world = world_();
    let other = identity("other");
    assert!(matches!(
        world.ask(question(query.clone()), &other).await,
        Err(Refusal::NotTheCreator)
    ));
    assert!(matches!(
        world.ask(question(person("Byron")), &world.doctor).await,
        Err(Refusal::BeyondTheAccess)
    ));
    let changes: [fn(&mut FindQuestion); 4] = [
        |q| q.custodian = "ClinicMSP".into(),
        |q| q.channel = "other".into(),
        |q| q.tx = "bb".parse().unwrap(),
        |q| q.salt = Salt::from_bytes([5; 32]),
    ];
    for change in changes {
        let mut wrong = question(query.clone());
        change(&mut wrong);
        assert!(world.ask(wrong, &world.doctor).await.is_err());
    }
    world.ask(question(query.clone()), &world.doctor).await.unwrap();
    assert!(matches!(
        world.ask(question(query.clone()), &world.doctor).await,
        Err(Refusal::AlreadyServed)
    ));
}
