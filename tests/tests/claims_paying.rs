//! A remittance's money on a running network: one payment and one word for all of its claims, whoever else is at it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use careledger::health::{HOSPITAL, INSURER};
use careledger_api::adjudication::Claim;
use careledger_api::contracts::claims::{ClaimStatus, MoneyState, RemittanceBody};
use careledger_api::ids::{ClaimId, CoverageId, PlanId, RemittanceId};
use careledger_api::roles::Role;
use careledger_sdk::claims::desk::{Desk, Settlement, Till};
use careledger_sdk::wallet::salt;
use careledger_tests::billing::{NPI, adjudicate, cover, days_ago, payment, plan, submit, view, visit};
use careledger_tests::command::{self, HealthNetwork};
use careledger_tests::hospital::Hospital;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_desks_and_one_who_pays_a_claim_by_itself_pay_a_remittance_once() {
    let hospital = Hospital::open().await;
    let one = hospital.client(INSURER, Role::Payer);
    let two = hospital.client_at(INSURER, hospital.identity(INSURER, "payer2"));
    let provider = hospital.client(HOSPITAL, Role::ProviderBilling);
    // Without a deductible, which is the year's: the days before may be of another one.
    let mut plan = plan();
    plan.deductible = 0;
    let member = cover(&one, plan).await.coverage.id;
    let mut claims: Vec<Claim> = Vec::new();
    for before in 0..5 {
        let mut claim = visit(member);
        claim.lines[0].date = days_ago(before);
        submit(&provider, &claim).await;
        adjudicate(&one, claim.id).await;
        claims.push(claim);
    }
    let all: BTreeSet<ClaimId> = claims.iter().map(|claim| claim.id).collect();
    let body = RemittanceBody {
        id: RemittanceId::from_bytes(rand::random()),
        claims: all.clone(),
        salt: salt(),
    };
    let id = body.id;
    one.claims()
        .remit(INSURER, HOSPITAL, body)
        .send()
        .await
        .expect("remitted");

    let (first, second) = (Desk::new(one.clone(), INSURER), Desk::new(two.clone(), INSURER));
    let due = first.money(HOSPITAL, id).await.expect("what is due");
    assert!(
        due.iter()
            .all(|claim| claim.state == MoneyState::ToPay && claim.held.is_none())
    );
    let sum: i64 = due.iter().map(|claim| claim.amount).sum();
    // A hundred and fifty each, of which ten copay and a tenth of the rest are the member's.
    assert_eq!(sum, 5 * 12_600);
    let single = payment(&two, claims[0].id, "CHECK-1").await;
    let (left, right, alone) = tokio::join!(
        first.pay(HOSPITAL, id, due.clone(), "EFT-1"),
        second.pay(HOSPITAL, id, due.clone(), "EFT-1"),
        two.claims().pay(INSURER, HOSPITAL, single).send(),
    );
    let (left, right) = (left.expect("a desk ends"), right.expect("a desk ends"));
    let alone = alone.is_ok();
    let ids =
        |settled: &Settlement| -> BTreeSet<ClaimId> { settled.done.iter().map(|of| of.claim).collect() };
    let mut together = all.clone();
    if alone {
        together.remove(&claims[0].id);
    }
    // Each tells all that the reference has paid, whichever of them it was, and who was first with the one claim.
    for settled in [&left, &right] {
        assert_eq!(ids(settled), together, "{settled:?}");
        assert_eq!(settled.refused.len(), usize::from(alone));
    }
    let by_desks = [&left, &right]
        .into_iter()
        .filter(|settled| settled.committed.is_some());
    assert_eq!(
        by_desks.count(),
        1,
        "one transaction for all of them: {left:?} {right:?}"
    );
    let mut transactions = BTreeSet::new();
    for claim in &all {
        let seen = view(&one, *claim).await;
        assert_eq!(
            (seen.status, seen.payments.len()),
            (ClaimStatus::Paid, 1),
            "{claim}"
        );
        if together.contains(claim) {
            assert_eq!(seen.payments[0].reference, "EFT-1");
            transactions.insert(seen.tx);
        }
    }
    assert_eq!(transactions.len(), 1);

    // The provider's word, by two at once.
    let till = Till::new(provider.clone(), HOSPITAL);
    let came = till.money(INSURER, id).await.expect("what came");
    assert_eq!(came.iter().map(|claim| claim.amount).sum::<i64>(), sum);
    let (left, right) = tokio::join!(
        till.confirm(INSURER, id, came.clone()),
        till.confirm(INSURER, id, came.clone())
    );
    for settled in [left.expect("a till ends"), right.expect("a till ends")] {
        assert_eq!((ids(&settled), settled.refused.len()), (all.clone(), 0));
    }
    assert_eq!(view(&provider, claims[0].id).await.status, ClaimStatus::Cleared);
}

/// A remittance of which something was paid by itself, something is held, and something falls before it is paid.
#[test]
fn a_remittance_goes_on_where_it_was_left_and_tells_what_it_leaves_out() {
    let temporary = tempfile::tempdir().expect("a directory");
    let files = Files(temporary.path().to_owned());
    let network = HealthNetwork::start(&files.path("network"));
    let coverage = files.cover();
    let claims = [0, 1, 2].map(|before| files.approved(coverage, before));
    let all: Vec<&str> = claims.iter().map(String::as_str).collect();
    let (ended, told) = files.payer(&[&["remit"], &all[..]].concat());
    assert!(ended, "{told}");
    let id = told["remittance"]["id"].as_str().expect("an id").to_owned();
    assert_eq!(told["remittance"]["total"], 3 * 14_000);
    let paying = ["pay", "--remittance", &id, "--reference", "EFT-1"];
    let counts = |told: &Value| ["count", "amount", "before", "refused"].map(|field| told[field].clone());

    // One was paid by itself before the break, and one is held.
    assert!(files.payer(&["pay", &claims[0], "--reference", "CHECK-1"]).0);
    let why = files.write("why.txt", "the visit was shorter than its level says");
    let flag = [
        "flag", &claims[1], "--kind", "upcoding", "--score", "900", "--text", &why,
    ];
    assert!(files.payer(&flag).0);
    let (ended, told) = files.payer(&paying);
    assert!(!ended, "one is held");
    assert_eq!(
        counts(&told),
        [json!(1), json!(14_000), json!(1), json!(1)],
        "{told}"
    );
    let row = |told: &Value, claim: &str| -> Value {
        let rows = told["claims"].as_array().cloned().unwrap_or_default();
        rows.into_iter()
            .find(|row| row["claim"] == claim)
            .unwrap_or_default()
    };
    assert!(
        row(&told, &claims[1])["refused"].to_string().contains("flag"),
        "{told}"
    );
    assert_eq!(row(&told, &claims[2])["tx"], told["tx"]);
    assert!(files.provider(&["confirm", &claims[0]]).0);

    // What is held is taken back instead: the rest stands.
    let reverse = ["reverse", &claims[1], "--reason", "not rendered at that level"];
    assert!(files.payer(&reverse).0);
    files.write("parties.json", &parties());
    let parties = files.name("parties.json");
    let advice = |to: &str, more: &[&str]| {
        let to = files.name(to);
        files.payer(
            &[
                &["remit", "--show", &id, "--x12", &to, "--parties", &parties],
                more,
            ]
            .concat(),
        )
    };
    assert!(
        !advice("whole.835", &[]).0,
        "it would say that the reversed one came"
    );
    assert!(!files.path("whole.835").exists());
    assert!(advice("standing.835", &["--standing"]).0);
    let file = std::fs::read_to_string(files.path("standing.835")).expect("written");
    let payments = |claim: &str| file.contains(&format!("*{claim}~")) || file.contains(&format!("*{claim}*"));
    assert!(
        file.contains("BPR*H*280*C*") || file.contains("BPR*I*280*C*"),
        "{file}"
    );
    assert_eq!(
        claims.each_ref().map(|claim| payments(claim)),
        [true, false, true],
        "{file}"
    );

    let (ended, told) = files.payer(&paying);
    assert!(ended, "nothing is left to pay");
    assert_eq!(counts(&told), [json!(0), json!(0), json!(2), json!(0)], "{told}");
    let confirming = ["confirm", "--remittance", &id];
    for expected in [
        [json!(1), json!(14_000), json!(1), json!(0)],
        [json!(0), json!(0), json!(2), json!(0)],
    ] {
        let (ended, told) = files.provider(&confirming);
        assert!(ended);
        assert_eq!(counts(&told), expected, "{told}");
    }
    network.stop();
}

/// What is kept beside the file names what the ledger has; the ledger has nothing of what it refused.
#[test]
fn a_refused_enrolment_leaves_no_file_behind() {
    let temporary = tempfile::tempdir().expect("a directory");
    let files = Files(temporary.path().to_owned());
    let network = HealthNetwork::start(&files.path("network"));
    let plan = files.plan();
    let covered = |plan: PlanId, until: &str| {
        json!({ "plan": plan, "plan_version": 1, "period": { "from": "2000-01-01", "until": until } })
            .to_string()
    };
    let file = files.write(
        "member.json",
        &covered(PlanId::from_bytes(rand::random()), "2199-12-31"),
    );
    let enrol = ["enrol", &file, "--as", INSURER];
    let kept = files.path("member.json.enrolled");
    assert!(!files.run(&enrol).0, "no plan of that id is loaded");
    assert!(!kept.exists(), "the corrected file is another coverage");
    files.write("member.json", &covered(plan, "2199-12-31"));
    let (ended, told) = files.run(&enrol);
    assert!(ended && kept.exists(), "{told}");
    // What is enrolled stays known by it, also where another one is refused afterwards.
    files.write("member.json", &covered(plan, "2198-12-31"));
    assert!(!files.run(&enrol).0, "it is of another coverage");
    files.write("member.json", &covered(plan, "2199-12-31"));
    let (ended, again) = files.run(&enrol);
    assert!(ended);
    assert_eq!(again["coverage"], told["coverage"]);
    network.stop();
}

pub(crate) fn parties() -> String {
    json!({
        "sender": ["ZZ", "INSURER"], "receiver": ["ZZ", "HOSPITAL"], "production": false,
        "payer": {
            "name": "THE INSURER", "tax_number": "123456789", "telephone": "6175550100",
            "address": { "street": "1 MAIN STREET", "city": "BOSTON", "state": "MA", "postcode": "02108" },
        },
        "payee": { "name": "THE HOSPITAL", "npi": NPI },
    })
    .to_string()
}

/// A directory with a network and what its commands read.
pub(crate) struct Files(pub(crate) PathBuf);

impl Files {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn name(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).expect("a file");
        self.name(name)
    }

    /// A plan that pays 140.00 of a visit.
    pub(crate) fn plan(&self) -> PlanId {
        let id = PlanId::from_bytes(rand::random());
        let rules = json!({
            "id": id, "version": 1, "currency": "USD", "deductible": 0, "copay": 1_000, "coinsurance": 0,
            "out_of_pocket_maximum": 200_000, "timely_filing_days": 90,
            "prices": { "X-1001": { "amount": 15_000, "max_units": 1 } },
        });
        let file = self.write("plan.json", &rules.to_string());
        assert!(self.run(&["plan", &file, "--as", INSURER]).0);
        id
    }

    pub(crate) fn cover(&self) -> CoverageId {
        let (plan, coverage) = (self.plan(), CoverageId::from_bytes(rand::random()));
        let period = json!({ "from": "2000-01-01", "until": "2199-12-31" });
        let covered = json!({ "id": coverage, "plan": plan, "plan_version": 1, "period": period });
        let file = self.write("coverage.json", &covered.to_string());
        assert!(self.run(&["enrol", &file, "--as", INSURER]).0);
        coverage
    }

    /// A visit so many days ago, submitted and approved.
    pub(crate) fn approved(&self, coverage: CoverageId, days: i64) -> String {
        let id = ClaimId::from_bytes(rand::random()).to_string();
        let claim = json!({
            "id": id, "coverage": coverage, "provider_npi": NPI, "currency": "USD", "total": 18_000,
            "lines": [{ "sequence": 1, "procedure": "X-1001", "date": days_ago(days), "units": 1, "charge": 18_000 }],
        });
        let file = self.write(&format!("claim{days}.json"), &claim.to_string());
        let (ended, told) = self.provider(&["submit", &file]);
        assert!(ended, "{told}");
        assert!(self.payer(&["adjudicate", &id]).0);
        id
    }

    pub(crate) fn payer(&self, args: &[&str]) -> (bool, Value) {
        self.run(&[args, &["--as", INSURER, "--with", HOSPITAL]].concat())
    }

    pub(crate) fn provider(&self, args: &[&str]) -> (bool, Value) {
        self.run(&[args, &["--as", HOSPITAL, "--with", INSURER]].concat())
    }

    pub(crate) fn run(&self, args: &[&str]) -> (bool, Value) {
        let network = self.name("network");
        let output = command::run(&[&["claim"], args, &["--dir", &network, "--json"]].concat());
        let document = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.status.success(), document)
    }
}
