//! A payment that a reversal takes back, on a running network: it is out until it comes back, both sides' commands say so, and it comes back once.

use careledger::health::{HOSPITAL, INSURER};
use careledger_api::ids::ClaimId;
use careledger_tests::billing::NPI;
use careledger_tests::command::{self, HealthNetwork};
use serde_json::{Value, json};

use crate::claims_paying::Files;

impl Files {
    /// Puts claims on a remittance.
    pub(crate) fn remitted(&self, claims: &[&str]) -> String {
        let (ended, told) = self.payer(&[&["remit"], claims].concat());
        assert!(ended, "{told}");
        told["remittance"]["id"].as_str().expect("an id").to_owned()
    }

    pub(crate) fn paid(&self, remittance: &str, reference: &str, more: &[&str]) -> (bool, Value) {
        let paying = ["pay", "--remittance", remittance, "--reference", reference];
        self.payer(&[&paying, more].concat())
    }

    /// What a command of the payer's says to people.
    pub(crate) fn said(&self, args: &[&str]) -> String {
        self.said_between(args, INSURER, HOSPITAL)
    }

    pub(crate) fn said_between(&self, args: &[&str], own: &str, other: &str) -> String {
        let network = self.name("network");
        let between = ["--as", own, "--with", other, "--dir", &network];
        let output = command::run(&[&["claim"], args, &between].concat());
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }

    /// A file of another claim in the place of one, with the same service, and its id.
    pub(crate) fn correction(&self, before: &str, file: &str) -> (String, String) {
        let text = std::fs::read_to_string(self.path(file)).expect("a claim");
        let mut claim: Value = serde_json::from_str(&text).expect("a claim");
        let id = ClaimId::from_bytes(rand::random()).to_string();
        claim["id"] = json!(id);
        claim["frequency"] = json!("7");
        claim["replaces"] = json!(before);
        claim["provider_npi"] = json!(NPI);
        (id, self.write("replacement.json", &claim.to_string()))
    }

    /// The same, submitted.
    pub(crate) fn replaced(&self, before: &str, file: &str) -> String {
        let (id, file) = self.correction(before, file);
        let (ended, told) = self.provider(&["submit", &file]);
        assert!(ended, "{told}");
        id
    }

    /// What waits for the payer to come back, and for the provider to be given.
    fn out(&self) -> (Vec<Value>, usize) {
        let of = |own: &str, step: &str| {
            let (_, told) = self.run(&["waiting", "--as", own, "--step", step]);
            told["waiting"].clone()
        };
        let payers = of(INSURER, "recover")[HOSPITAL]["claims"].clone();
        let providers = of(HOSPITAL, "give-back")[INSURER]["claims"].clone();
        let amounts = payers
            .as_array()
            .into_iter()
            .flatten()
            .map(|row| row["out"].clone());
        (amounts.collect(), providers.as_array().map_or(0, Vec::len))
    }
}

#[test]
fn money_of_a_reversed_claim_is_out_until_it_comes_back_and_comes_back_once() {
    let temporary = tempfile::tempdir().expect("a directory");
    let files = Files(temporary.path().to_owned());
    let network = HealthNetwork::start(&files.path("network"));
    let coverage = files.cover();
    let (first, second) = (files.approved(coverage, 1), files.approved(coverage, 2));
    let one = files.remitted(&[&first]);
    assert!(files.paid(&one, "EFT 1", &[]).0);
    assert!(files.provider(&["confirm", "--remittance", &one]).0);
    assert_eq!(files.out(), (vec![], 0));

    let (ended, told) = files.payer(&["reverse", &first, "--reason", "billed twice"]);
    assert!(ended, "{told}");
    assert_eq!(told["taken_back"]["out"], 14_000, "at once: {told}");
    let sentence = "140.00 USD was paid by EFT 1 and has to come back";
    for args in [&["show", &first][..], &["explain", &first], &["list"]] {
        let said = files.said(args);
        assert!(said.contains(sentence), "{args:?}: {said}");
        assert!(!said.contains("nothing is paid or owed"), "{args:?}: {said}");
    }
    let said = files.said(&["remit", "--list"]);
    assert!(
        said.contains("140.00 USD was paid by it of claims that were reversed"),
        "{said}"
    );
    assert_eq!(files.out(), (vec![json!(14_000)], 1));

    // The replacement is paid beside it, and whoever pays it is told.
    let third = files.replaced(&first, "claim1.json");
    assert!(files.payer(&["adjudicate", &third]).0);
    let two = files.remitted(&[&second, &third]);
    let shown = files.payer(&["remit", "--show", &two]).1;
    assert_eq!(shown["remittance"]["total"], 28_000, "{shown}");
    assert!(
        !files.paid(&two, "EFT 2", &["--set-off", &second]).0,
        "nothing is out of that"
    );
    let (ended, told) = files.paid(&two, "EFT 2", &["--set-off", &first]);
    assert!(ended, "{told}");
    assert_eq!(
        (&told["count"], &told["amount"]),
        (&json!(2), &json!(28_000)),
        "{told}"
    );
    assert_eq!(
        told["set_off"],
        json!([{ "claim": first, "amount": 14_000 }]),
        "{told}"
    );
    // Once more it is done, and told so; by another way it is refused.
    let (ended, again) = files.paid(&two, "EFT 2", &["--set-off", &first]);
    assert!(ended, "{again}");
    assert_eq!(
        (&again["count"], &again["before"]),
        (&json!(0), &json!(2)),
        "{again}"
    );
    assert!(!files.payer(&["recover", &first, "--reference", "EFT 3"]).0);
    assert_eq!(files.out(), (vec![], 0));
    let said = files.said(&["explain", &first]);
    assert!(
        said.contains(&format!("set off against remittance {two}, paid by EFT 2")),
        "{said}"
    );

    // What comes back by itself.
    let (ended, told) = files.payer(&["reverse", &second, "--reason", "billed twice"]);
    assert!(ended, "{told}");
    let recovering = ["recover", &second, "--reference", "BACK 1"];
    let (ended, told) = files.payer(&recovering);
    assert!(ended, "{told}");
    assert_eq!(told["amount"], 14_000);
    let (ended, told) = files.payer(&recovering);
    assert!(ended && told["tx"].is_null(), "it is done: {told}");
    assert!(!files.payer(&["recover", &second, "--reference", "BACK 2"]).0);
    assert!(
        !files.payer(&["recover", &third, "--reference", "BACK 2"]).0,
        "it stands"
    );
    assert_eq!(files.out(), (vec![], 0));
    network.stop();
}
