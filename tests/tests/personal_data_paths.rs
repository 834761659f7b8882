//! Nothing that was ever said to the health contracts or to a vault in private is where it may not be, after a story that calls every function, rightly and
//! wrongly: in no block, state, event, log or error, on no disk of a stranger and in no file of a vault; and no hash of a private key tells whose it is.
//!
//! What may lie where, by decision:
//! - the hospital's and the regulator's peers are members of `care_HospitalMSP`: they hold the bodies;
//! - a vault holds ciphertext, and of what it served transactions and documents, which are public;
//! - everywhere else, and in every block of every ledger: nothing.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use careledger::health::{CLINIC, HOSPITAL, INSURER, REGULATOR, consortium, network_config};
use careledger_api::codes::{Category, LOINC, Obligation, OverrideReason, Purpose};
use careledger_api::roles::Role;
use careledger_tests::engine;
use careledger_tests::hospital::Hospital;
use careledger_tests::leaks::dictionary::Attack;
use careledger_tests::leaks::log::Log;
use careledger_tests::leaks::{Story, ledger, play};
use careledger_tests::scan::{Hit, Needles};
use prost::Message;

const MEMBERS: [&str; 2] = [HOSPITAL, REGULATOR];
const STRANGERS: [&str; 2] = [CLINIC, INSURER];
/// Words of the private input that say nothing about anybody: codes that are also names of functions, roles or parts of protocols.
const VOCABULARY: [&str; 7] = [
    "message",
    "choice",
    "clinician",
    "billing",
    "report",
    "operation",
    "permit",
];
/// Kinds of private keys that are made of public ids alone. That the transaction is about an earlier public act is what such a key tells; of whom it is, it
/// does not.
const OF_PUBLIC_IDS: [&str; 13] = [
    "att", "bg", "bgesc", "bgrev", "cnf", "dup", "find", "findans", "ntc", "purged", "secret", "tx", "why",
];
/// Kinds that who was given the patient's random id can guess, as whoever asked for access was: which transactions and documents are that patient's.
/// docs/compliance.md says so.
const OF_THE_PATIENT: [&str; 17] = [
    "acc", "acct", "ack", "alert", "disc", "disp", "dispans", "doc", "emg", "epoch", "era", "ersreq", "pat",
    "pidx", "sum", "tell", "wards",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_path_leaves_personal_data_where_it_may_not_be() {
    if engine::embedded_only("it reads or changes the nodes' own files") {
        return;
    }
    let log = Log::capture();
    let story = Story::new(Hospital::open_on(network_config()).await);
    play(&story).await;
    let needles = story.needles(&VOCABULARY);
    assert!(
        needles.tokens() > 500,
        "only {} texts are looked for",
        needles.tokens()
    );

    let mut faults = story.surprises();
    faults.extend(errors(&story, &needles));
    faults.extend(ledgers(&story, &needles));
    faults.extend(keys(&story));
    let written = log.bytes();
    assert!(written.len() > 100_000, "the log is not at debug level");
    faults.extend(told(needles.scan("log", &written)));
    faults.extend(disks(&story, &needles));
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
    story.hospital.server.stop().await;
    story.hospital.network.stop().await;
}

/// Hits as lines, each token and form once for a place.
fn told(hits: Vec<Hit>) -> BTreeSet<String> {
    let line = |hit: Hit| {
        format!(
            "{}: {} as {}",
            hit.place,
            hit.token.chars().take(80).collect::<String>(),
            hit.form
        )
    };
    hits.into_iter().map(line).collect()
}

fn errors(story: &Story, needles: &Needles) -> BTreeSet<String> {
    let errors = story.errors();
    assert!(errors.len() > 300, "only {} errors", errors.len());
    let told = errors.iter().flat_map(|failure| {
        let hits = told(needles.scan(&format!("error of {}", failure.what), failure.text.as_bytes()));
        let text: String = failure.text.chars().take(300).collect();
        hits.into_iter().map(move |hit| format!("{hit} in {text}"))
    });
    told.collect()
}

/// Blocks with their arguments, answers, events and read-write sets, and every peer's public state.
fn ledgers(story: &Story, needles: &Needles) -> BTreeSet<String> {
    let network = &story.hospital.network;
    let mut faults = BTreeSet::new();
    for msp_id in MEMBERS.iter().chain(&STRANGERS) {
        let channel = ledger::channel(network, msp_id);
        let state = ledger::public_state(&channel);
        assert!(state.len() > 1_000, "{msp_id} has {} bytes of state", state.len());
        faults.extend(told(needles.scan(&format!("state of {msp_id}"), &state)));
    }
    let blocks = ledger::blocks(&ledger::channel(network, CLINIC));
    assert!(blocks.len() > 100, "only {} blocks", blocks.len());
    for block in blocks {
        let functions: BTreeSet<String> = ledger::hashed_keys(&block)
            .into_iter()
            .map(|key| key.function)
            .collect();
        faults.extend(told(
            needles.scan(&format!("block of {functions:?}"), &block.encode_to_vec()),
        ));
    }
    faults
}

/// The disks of who is no member, of the orderer, of both vaults and of the notifier.
fn disks(story: &Story, needles: &Needles) -> BTreeSet<String> {
    let (network, dir) = (&story.hospital.network, story.hospital.dir());
    let peers = network.dir().join("peers");
    let hosts = network.summary().organisations.iter();
    let mut places: Vec<_> = hosts
        .filter(|member| STRANGERS.contains(&member.msp_id.as_str()))
        .map(|member| peers.join(&member.host))
        .collect();
    assert_eq!(places.len(), STRANGERS.len());
    places.push(dir.join("journal"));
    let others = std::fs::read_dir(network.dir()).expect("a directory");
    places.extend(
        others
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| *path != peers),
    );
    let mut faults = BTreeSet::new();
    for place in places {
        let scanned = needles.scan_tree(&place, &|_| false).expect("readable files");
        assert!(scanned.files > 0, "nothing in {}", place.display());
        faults.extend(told(scanned.hits));
    }
    let needles = story.needles_of_vaults(&VOCABULARY);
    for place in ["vault", "replica"] {
        let scanned = needles
            .scan_tree(&dir.join(place), &|_| false)
            .expect("readable files");
        assert!(scanned.files > 3, "nothing in {place}");
        faults.extend(told(scanned.hits));
    }
    faults
}

/// The hashes of private keys that every peer has, attacked with all that could be known or tried through; and that every private value has a salt.
fn keys(story: &Story) -> BTreeSet<String> {
    let network = &story.hospital.network;
    let mut functions: BTreeMap<[u8; 32], BTreeSet<String>> = BTreeMap::new();
    let clinic = ledger::channel(network, CLINIC);
    for block in ledger::blocks(&clinic) {
        for key in ledger::hashed_keys(&block) {
            let hash = key.hash.as_slice().try_into().expect("SHA-256");
            functions.entry(hash).or_default().insert(key.function);
        }
    }
    for collection in consortium().collections() {
        for hash in ledger::hashed_state(&clinic, &collection.name) {
            functions
                .entry(hash.as_slice().try_into().expect("SHA-256"))
                .or_default();
        }
    }
    let hashes: HashSet<[u8; 32]> = functions.keys().copied().collect();
    assert!(hashes.len() > 300, "only {} private keys", hashes.len());
    // Ids and organisations; names of functions are in no key.
    let known = story.public().into_iter();
    let public: BTreeSet<String> = known.filter(|id| id.len() >= 32 || id.ends_with("MSP")).collect();
    let short = short();
    let documents: BTreeSet<String> = public.iter().filter(|id| id.len() == 32).cloned().collect();

    let mut attack = Attack::new(&hashes);
    attack.alone(&public.union(&short).cloned().collect());
    attack.pairs(&public, &short);
    attack.pairs(&public, &public);
    attack.numbered(&documents, &public);
    assert!(attack.tried > 5_000_000, "only {} guesses", attack.tried);
    let mut faults = unexpected("guessed", &attack, &functions, &OF_PUBLIC_IDS);

    let patient = BTreeSet::from([story.hospital.patient.id().to_string()]);
    let mut insider = Attack::new(&hashes);
    insider.alone(&patient);
    insider.pairs(&patient, &public);
    insider.pairs(&patient, &short);
    let own = insider
        .found
        .values()
        .filter(|key| key.contains(patient.iter().next().expect("one")))
        .count();
    assert!(own > 10, "an attack with the id finds what is there: {own}");
    let known = [OF_PUBLIC_IDS.as_slice(), &OF_THE_PATIENT].concat();
    faults.extend(unexpected(
        "guessed with the patient's id",
        &insider,
        &functions,
        &known,
    ));

    for member in MEMBERS {
        for write in ledger::private_writes(&ledger::channel(network, member)) {
            let kind = write.key.split('~').next().unwrap_or_default();
            if !write.value.is_empty() && ledger::salts_of(&write.value).iter().all(|salt| salt.len() != 64) {
                faults.insert(format!("a value of {kind} has no salt"));
            }
        }
    }
    faults
}

fn unexpected(
    how: &str,
    attack: &Attack<'_>,
    functions: &BTreeMap<[u8; 32], BTreeSet<String>>,
    known: &[&str],
) -> BTreeSet<String> {
    let kind = |key: &str| key.split('~').next().unwrap_or_default().to_owned();
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (hash, key) in &attack.found {
        found
            .entry(kind(key))
            .or_default()
            .extend(functions[hash].iter().cloned());
    }
    let strange = found
        .into_iter()
        .filter(|(kind, _)| !known.contains(&kind.as_str()));
    strange
        .map(|(kind, functions)| format!("keys of kind {kind} can be {how}, in {functions:?}"))
        .collect()
}

/// What is short enough to be tried through, the story's own among it.
fn short() -> BTreeSet<String> {
    let mut short: BTreeSet<String> = (0..20).map(|n: u32| n.to_string()).collect();
    short.extend(Category::ALL.iter().map(ToString::to_string));
    short.extend(Purpose::ALL.iter().map(ToString::to_string));
    short.extend(Role::ALL.iter().map(ToString::to_string));
    short.extend(Obligation::ALL.iter().map(ToString::to_string));
    short.extend(OverrideReason::ALL.iter().map(ToString::to_string));
    short.extend(consortium().organisations.into_iter().map(|member| member.msp_id));
    let known = [
        "1234567893",
        "1000000004",
        "1999999992",
        "2000000002",
        "MRN-4711",
        "mrn-4711",
        "555-0100",
        "+15550100",
        "24725-4",
        "72166-2",
        LOINC,
        "PSYTHPN",
        "HIV",
        "OPIOIDUD",
        "PREGNANT",
        "1937-02-11",
        "1941-05-13",
        "1933-11-29",
        "Persephone",
        "Featherstonehaugh-Oduya",
        "featherstonehaughoduya",
        "LIC-88-Quincey",
        "US-WY-Laramie",
        "hepatology-Zenobia",
    ];
    short.extend(known.map(str::to_owned));
    short
}
