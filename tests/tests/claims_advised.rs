//! 835s on a running network that a billing system can post: the provider's own numbers, the payment's reference, the difference after an appeal.

use careledger::health::HOSPITAL;
use careledger_api::date::Date;
use careledger_api::ids::ClaimId;
use careledger_sdk::x12::{Advice, advice_from_x12};
use careledger_tests::billing::{NPI, days_ago};
use careledger_tests::command::HealthNetwork;
use serde_json::{Value, json};

use crate::claims_paying::{Files, parties};

/// A file by hand: one claim of two lines.
const FILE: &str = include_str!("../../gateway-sdk/health/tests/samples/institutional.837");

fn yesterday() -> Date {
    days_ago(1)
}

/// The file's claim under that number, of yesterday and of its first line alone.
fn billed(number: &str) -> String {
    let day = yesterday().to_string().replace('-', "");
    let changes = [
        ("20260601", day.as_str()),
        ("CLM*I-1*450*", &format!("CLM*{number}*300*")),
        ("LX*2~\nSV2*0250**150*UN*1~\n", ""),
        ("*300*UN*2~", "*300*UN*1~"),
        ("SE*30*", "SE*28*"),
    ];
    changes.iter().fold(FILE.to_owned(), |file, (from, to)| {
        assert!(file.contains(from), "{from}");
        file.replace(from, to)
    })
}

/// An 835 of a remittance, and what the command says of it.
fn advised(
    files: &Files,
    by_payer: bool,
    remittance: &str,
    to: &str,
    more: &[&str],
) -> (bool, Value, String) {
    let (path, named) = (files.name(to), files.name("parties.json"));
    let show = ["remit", "--show", remittance, "--x12", &path, "--parties", &named];
    let args = [&show, more].concat();
    let (ended, told) = match by_payer {
        true => files.payer(&args),
        false => files.provider(&args),
    };
    (ended, told, std::fs::read_to_string(path).unwrap_or_default())
}

fn remitted(files: &Files, claims: &[&str]) -> String {
    let (ended, told) = files.payer(&[&["remit"], claims].concat());
    assert!(ended, "{told}");
    told["remittance"]["id"].as_str().expect("an id").to_owned()
}

fn paid(files: &Files, remittance: &str, reference: &str, more: &[&str]) {
    let pay = ["pay", "--remittance", remittance, "--reference", reference];
    let (ended, told) = files.payer(&[&pay, more].concat());
    assert!(ended, "{told}");
}

fn read(file: &str) -> Advice {
    advice_from_x12(file.as_bytes()).expect("an 835").remove(0)
}

#[test]
fn an_advice_has_the_providers_numbers_and_the_payments() {
    let temporary = tempfile::tempdir().expect("a directory");
    let files = Files(temporary.path().to_owned());
    let network = HealthNetwork::start(&files.path("network"));
    let coverage = files.cover();
    files.write("parties.json", &parties());
    let number = format!("PCN-{}", rand::random::<u32>());
    let batch = files.write("batch.837", &billed(&number));
    let member = coverage.to_string();
    let (ended, told) = files.provider(&["submit", &batch, "--coverage", &member]);
    assert!(ended, "{told}");
    let posted = told["claims"][0]["claim"].as_str().expect("an id").to_owned();
    assert!(files.payer(&["adjudicate", &posted]).0);
    let unknown = files.approved(coverage, 3);
    let (one, two) = (
        remitted(&files, &[&posted, &unknown]),
        remitted(&files, &[&files.approved(coverage, 4)]),
    );

    // The payer has seen no numbers; nothing is paid yet, so the remittance's id is the payment's.
    let (ended, told, file) = advised(&files, true, &one, "payers.835", &[]);
    assert!(ended && file.contains(&format!("TRN*1*{one}*")), "{told} {file}");
    assert!(
        file.contains(&format!("CLP*{posted}*1*")) && file.contains("NM1*QC*1~"),
        "{file}"
    );
    let (_, of_two, _) = advised(&files, true, &two, "other.835", &[]);
    assert_ne!(
        told["x12"]["control"], of_two["x12"]["control"],
        "two files are two"
    );
    assert_ne!(told["x12"]["trace"], of_two["x12"]["trace"]);
    let accounts = ["--accounts", &batch];
    assert!(
        !advised(&files, true, &one, "no.835", &accounts).0,
        "the numbers are the provider's"
    );

    paid(&files, &one, "EFT 77", &[]);
    let (ended, told, file) = advised(&files, false, &one, "own.835", &accounts);
    assert!(ended && file.contains("TRN*1*EFT 77*"), "{told} {file}");
    assert!(file.contains("NM1*QC*1*DOE*ANN****MI*M-0001~"), "{file}");
    let advice = read(&file);
    assert_eq!((advice.paid, advice.trace.as_str()), (28_000, "EFT 77"));
    let numbers: Vec<&str> = advice.claims.iter().map(|claim| claim.number.as_str()).collect();
    assert!(
        numbers.contains(&number.as_str()) && numbers.contains(&unknown.as_str()),
        "{numbers:?}"
    );
    assert_eq!(told["x12"]["numbered"], 1);
    let elsewhere = files.write("elsewhere.837", &billed("PCN-0"));
    let (ended, _, file) = advised(&files, false, &one, "none.835", &["--accounts", &elsewhere]);
    assert!(!ended && file.is_empty(), "none of its claims is in that file");

    // From the bank's statement to the remittance.
    for own in [true, false] {
        let list = ["remit", "--list", "--reference", "EFT 77"];
        let (_, told) = if own {
            files.payer(&list)
        } else {
            files.provider(&list)
        };
        let rows = told["remittances"].as_array().expect("a list");
        assert_eq!((rows.len(), &rows[0]["remittance"]), (1, &json!(one)), "{told}");
    }
    let (_, shown) = files.provider(&["remit", "--show", &one]);
    assert_eq!(shown["remittance"]["references"], json!(["EFT 77"]));
    let (_, told) = files.provider(&["remit", "--list"]);
    let rows = told["remittances"].as_array().expect("a list");
    // Both may be of the same second, and then their ids decide.
    let order = |id: &str| {
        let row = rows
            .iter()
            .position(|row| row["remittance"] == id)
            .expect("listed");
        (row, rows[row]["at"].as_u64().expect("a time"), id.to_owned())
    };
    let ((first, at, id), (second, then, next)) = (order(&one), order(&two));
    assert_eq!(
        first < second,
        (at, id) < (then, next),
        "in the order of time: {told}"
    );

    // A number stands for one file, and a payment's for one remittance.
    let control = ["--control", "4711", "--trace", "CHECK 1"];
    assert!(advised(&files, true, &two, "first.835", &control).0);
    for (to, wrong) in [
        ("a.835", ["--control", "4711"]),
        ("b.835", ["--trace", "CHECK 1"]),
    ] {
        let (ended, _, file) = advised(&files, true, &one, to, &wrong);
        assert!(!ended && file.is_empty(), "{wrong:?}");
    }
    let another = parties().replace(NPI, "1000000004");
    files.write("parties.json", &another);
    let (ended, _, file) = advised(&files, true, &one, "payee.835", &[]);
    assert!(!ended && file.is_empty(), "another payee than who billed");
    network.stop();
}

#[test]
fn what_an_appeal_adds_is_told_as_a_difference_and_so_is_what_is_set_off() {
    let temporary = tempfile::tempdir().expect("a directory");
    let files = Files(temporary.path().to_owned());
    let network = HealthNetwork::start(&files.path("network"));
    let coverage = files.cover();
    files.write("parties.json", &parties());
    let claim = ClaimId::from_bytes(rand::random()).to_string();
    let line = |sequence: u16| json!({ "sequence": sequence, "procedure": "X-1001", "date": yesterday(), "units": 1, "charge": 18_000 });
    let twice = json!({
        "id": claim, "coverage": coverage, "provider_npi": NPI, "currency": "USD", "total": 36_000, "lines": [line(1), line(2)],
    });
    let file = files.write("twice.json", &twice.to_string());
    assert!(files.provider(&["submit", &file]).0);
    assert!(files.payer(&["adjudicate", &claim]).0);
    let first = remitted(&files, &[&claim]);
    paid(&files, &first, "EFT 90", &[]);
    assert!(files.provider(&["confirm", "--remittance", &first]).0);
    let text = files.write("appeal.txt", "both were rendered");
    assert!(files.provider(&["appeal", &claim, "--text", &text]).0);
    let decide = [
        "decide",
        &claim,
        "--overturn",
        "2:DUPLICATE",
        "--reason",
        "two visits",
        "--user",
        "payer2",
    ];
    let (ended, told) = files.payer(&decide);
    assert!(ended, "{told}");

    // Written while it is remitted, and not refused for what was paid before.
    let (path, named) = (files.name("more.835"), files.name("parties.json"));
    let (ended, told) = files.payer(&["remit", &claim, "--x12", &path, "--parties", &named]);
    assert!(ended, "{told}");
    let second = told["remittance"]["id"].as_str().expect("an id").to_owned();
    let advice = read(&std::fs::read_to_string(path).expect("written"));
    let said = |advice: &Advice| -> Vec<(String, i64, i64)> {
        let claims = advice.claims.iter();
        claims
            .map(|claim| (claim.status.clone(), claim.charge, claim.paid))
            .collect()
    };
    let difference = [
        ("22".to_owned(), -36_000, -14_000),
        ("1".to_owned(), 36_000, 28_000),
    ];
    assert_eq!((advice.paid, said(&advice)), (14_000, difference.to_vec()));
    paid(&files, &second, "EFT 91", &[]);
    let (_, _, file) = advised(&files, false, &second, "paid.835", &[]);
    assert_eq!(
        (read(&file).trace, said(&read(&file))),
        ("EFT 91".to_owned(), difference.to_vec())
    );
    let (_, _, file) = advised(&files, false, &first, "first.835", &[]);
    assert_eq!(
        said(&read(&file)),
        [("1".to_owned(), 36_000, 14_000)],
        "as it was told"
    );

    // What comes back of it by less being paid is taken back in that payment's advice, whole.
    assert!(
        files
            .payer(&["reverse", &claim, "--reason", "neither was rendered"])
            .0
    );
    let others = [2, 3, 4].map(|before| files.approved(coverage, before));
    let third = remitted(&files, &others.each_ref().map(String::as_str));
    paid(&files, &third, "EFT 92", &["--set-off", &claim]);
    let (ended, told, file) = advised(&files, true, &third, "third.835", &[]);
    assert!(ended, "{told}");
    let advice = read(&file);
    assert_eq!((advice.paid, advice.claims.len()), (3 * 14_000 - 28_000, 4));
    assert_eq!(said(&advice)[3], ("22".to_owned(), -36_000, -28_000));
    network.stop();
}

#[test]
fn what_a_payer_has_already_is_not_said_to_be_kept_from_it() {
    let temporary = tempfile::tempdir().expect("a directory");
    let files = Files(temporary.path().to_owned());
    let network = HealthNetwork::start(&files.path("network"));
    let coverage = files.cover();
    let claim = files.approved(coverage, 1);
    let self_paid = |days: i64| {
        let day = days_ago(days);
        let services = json!({ "coverage": coverage, "services": [["X-1001", day]], "restricted": true });
        let file = files.write("self-paid.json", &services.to_string());
        files.run(&["self-paid", &file, "--as", HOSPITAL]).0
    };
    // The day that the claim's file names, whatever the clock says by now.
    let text = std::fs::read_to_string(files.path("claim1.json")).expect("a claim");
    let submitted: Value = serde_json::from_str(&text).expect("a claim");
    let services = json!({ "coverage": coverage, "services": [["X-1001", submitted["lines"][0]["date"]]], "restricted": true });
    let file = files.write("had.json", &services.to_string());
    let had = || files.run(&["self-paid", &file, "--as", HOSPITAL]).0;
    assert!(!had(), "the payer has it, and would pay");
    assert!(self_paid(30), "another day");
    let mut void = submitted;
    void["id"] = json!(ClaimId::from_bytes(rand::random()).to_string());
    void["frequency"] = json!("8");
    void["replaces"] = json!(claim);
    let void_file = files.write("void.json", &void.to_string());
    assert!(files.provider(&["submit", &void_file]).0);
    assert!(
        files
            .payer(&["adjudicate", void["id"].as_str().expect("an id")])
            .0
    );
    assert!(had(), "it is taken back");
    network.stop();
}
