//! A provider asks for what was paid to be taken back, and a coverage that ended names what was decided for days after it, on a running network.

use careledger::health::{HOSPITAL, INSURER};
use careledger_tests::command::HealthNetwork;
use serde_json::{Value, json};

use crate::claims_paying::Files;

impl Files {
    /// The claims that wait for the payer's look whether they are reversed, each with the reason.
    fn to_reverse(&self) -> Vec<(String, String)> {
        let (ended, told) = self.run(&["waiting", "--as", INSURER, "--step", "reverse"]);
        assert!(ended, "{told}");
        let rows = told["waiting"][HOSPITAL]["claims"].as_array().cloned();
        let text = |row: &Value, field: &str| row[field].as_str().expect("a text").to_owned();
        let rows = rows.unwrap_or_default();
        rows.iter()
            .map(|row| (text(row, "claim"), text(row, "held")))
            .collect()
    }

    /// What a command of the provider's says to people.
    fn providers_words(&self, args: &[&str]) -> String {
        self.said_between(args, HOSPITAL, INSURER)
    }
}

#[test]
fn a_paid_claim_is_asked_back_and_an_ended_coverage_names_its_claims() {
    let temporary = tempfile::tempdir().expect("a directory");
    let files = Files(temporary.path().to_owned());
    let network = HealthNetwork::start(&files.path("network"));
    let coverage = files.cover();
    let claims = [3, 1, 0].map(|days| files.approved(coverage, days));
    let [first, second, third] = claims.each_ref().map(String::as_str);
    let one = files.remitted(&[first, second]);
    let why = files.write("why.txt", "the visit was billed twice\n");
    let other = files.write("other.txt", "another reason\n");
    let asking = ["reversal", "request", first, "--text", &why];
    assert!(
        !files.provider(&["reversal", "request", third, "--text", &why]).0,
        "nothing is paid of it, nor to be paid"
    );
    assert!(files.paid(&one, "EFT 1", &[]).0);

    // The correction is refused, and says what to do.
    let refused = files.providers_words(&["submit", &files.correction(first, "claim3.json").1]);
    assert!(refused.contains("claim reversal request"), "{refused}");
    assert!(!files.payer(&asking).0, "it is the provider's to ask");
    let (ended, told) = files.provider(&asking);
    assert!(ended && told["tx"].is_string(), "{told}");
    let (ended, told) = files.provider(&asking);
    assert!(ended && told["tx"].is_null(), "told, and done once: {told}");
    assert!(
        !files
            .provider(&["reversal", "request", first, "--text", &other])
            .0
    );
    let waits = files.to_reverse();
    assert!(waits.len() == 1 && waits[0].0 == first, "{waits:?}");
    let said = files.said(&["show", first]);
    assert!(
        said.contains("the visit was billed twice") && said.contains("has not answered"),
        "{said}"
    );

    let declining = ["reversal", "decline", first, "--text", &other];
    let (ended, told) = files.payer(&declining);
    assert!(ended && told["request"] == 1, "{told}");
    let (ended, told) = files.payer(&declining);
    assert!(ended && told["tx"].is_null(), "told, and done once: {told}");
    assert!(!files.payer(&["reversal", "decline", first, "--text", &why]).0);
    assert_eq!(files.to_reverse(), []);
    let said = files.providers_words(&["show", first]);
    assert!(
        said.contains("declined on ") && said.contains("another reason"),
        "{said}"
    );

    // Once more, and it is taken back and replaced.
    assert!(files.provider(&asking).0);
    assert!(files.payer(&["reverse", first, "--reason", "billed twice"]).0);
    assert_eq!(files.to_reverse(), []);
    assert!(!files.provider(&asking).0, "there is nothing to reverse any more");
    let (_, told) = files.run(&["waiting", "--as", HOSPITAL, "--step", "replace"]);
    assert_eq!(
        told["waiting"][INSURER]["claims"][0]["claim"],
        json!(first),
        "{told}"
    );
    files.replaced(first, "claim3.json");

    // What is paid, and what is decided and not remitted, for days after the coverage's last.
    let claim: Value =
        serde_json::from_str(&std::fs::read_to_string(files.path("claim3.json")).expect("a claim"))
            .expect("a claim");
    let last = claim["lines"][0]["date"].as_str().expect("a day");
    let coverage = coverage.to_string();
    let ending = ["end", &coverage, "--last", last, "--as", INSURER];
    let (ended, told) = files.run(&ending);
    assert!(ended, "{told}");
    let rows = told["outdated"].as_array().expect("a list");
    let named: Vec<_> = rows
        .iter()
        .map(|row| ["claim", "because", "remedy", "paid", "provider"].map(|field| row[field].clone()))
        .collect();
    assert_eq!(
        named,
        [
            [
                json!(second),
                json!("ended"),
                json!("reverse"),
                json!(14_000),
                json!(HOSPITAL)
            ],
            [
                json!(third),
                json!("ended"),
                json!("anew"),
                json!(0),
                json!(HOSPITAL)
            ]
        ],
        "{told}"
    );
    let waits = files.to_reverse();
    assert!(waits.len() == 1 && waits[0].0 == second, "{waits:?}");
    assert!(waits[0].1.contains("coverage"), "{waits:?}");
    assert!(files.payer(&["reverse", second, "--reason", "not covered"]).0);
    assert!(files.payer(&["adjudicate", third, "--anew"]).0);
    assert_eq!(files.to_reverse(), []);
    let (ended, told) = files.run(&ending);
    assert!(ended && told["outdated"] == json!([]), "{told}");
    network.stop();
}
