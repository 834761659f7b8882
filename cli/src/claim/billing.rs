//! A provider's own copies of claims for payers outside of the ledger: an 837, its number, and what the ledger does not know.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use careledger_api::adjudication::{Adjudication, Claim, Sex};
use careledger_api::contracts::claims::{ClaimStatus, ClaimView};
use careledger_api::date::Date;
use careledger_api::hashing::keyed_hash;
use careledger_api::ids::{ClaimId, Hash, RemittanceId, Salt};
use careledger_sdk::wallet::{salt, unix_now};
use careledger_sdk::x12::{
    Address, After, Billed, Biller, Envelope, Institution, InsuredBefore, claims_to_x12,
};
use fabric_gateway_sdk::DecodedBlock;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::acknowledging::{MAX_CONTROL, first_number};
use super::args::{BetweenArgs, X12BillArgs};
use super::parties::{Parties, Side};
use crate::files::{self, Reserved};
use crate::output::Output;
use crate::{Result, values};

/// What an 837 says that the ledger does not know.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bill {
    sender: (String, String),
    receiver: (String, String),
    /// The number of the interchange, unless `--control` says it.
    #[serde(default)]
    control: Option<u32>,
    production: bool,
    biller: Biller,
    /// The ledger's payer, where the receiver pays after it.
    #[serde(default)]
    before: Option<Before>,
    claims: BTreeMap<ClaimId, Member>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Before {
    name: String,
    number: String,
    /// The day on which it paid, or said that it does not; without it, as the ledger has it of each claim.
    #[serde(default)]
    paid: Option<Date>,
}

/// A claim's number, and the member as the receiver knows them.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Member {
    number: String,
    member_number: String,
    last_name: String,
    first_name: String,
    born: Date,
    #[serde(default)]
    sex: Option<Sex>,
    address: Address,
    #[serde(default)]
    institution: Option<Institution>,
    /// As the payer before knows them; without it, by the receiver's number, in their own name.
    #[serde(default)]
    before: Option<InsuredBefore>,
}

/// What the payer before decided, and the day on which it paid or said that it does not.
type Decided = (Adjudication, Date);

impl Bill {
    fn between(&self) -> String {
        sent(&self.sender, &self.receiver)
    }
}

/// By who sends to whom: the key of the numbers between two.
pub(super) fn sent(sender: &(String, String), receiver: &(String, String)) -> String {
    let [from, to] = [sender, receiver].map(|(kind, id)| format!("{kind}|{id}"));
    format!("{from} {to}")
}

fn stated(path: &Path) -> Result<Bill> {
    files::read_personal(path, "file that says who bills whom")
}

/// Writes claims of the ledger as an 837 for a payer outside of it.
pub(super) async fn bill(args: &X12BillArgs, output: &Output) -> Result<()> {
    let said = stated(&args.parties)?;
    if said.claims.is_empty() {
        return Err(format!("{} names no claim under `claims`", args.parties.display()).into());
    }
    let file = Reserved::new(&args.x12)?;
    let parties = Parties::open(&args.between).await?;
    parties.require(Side::Provider)?;
    let mut found: Vec<(Claim, Option<Decided>, Member)> = Vec::new();
    for (number, (id, member)) in (1u64..).zip(&said.claims) {
        output.advance(number, said.claims.len() as u64, "reading");
        let view = parties.claim(*id).await?;
        let decided = match &said.before {
            None => None,
            Some(_) if view.adjudication.is_none() => {
                return Err(format!(
                    "claim {id} is not adjudicated; nobody can be told what was paid before"
                )
                .into());
            }
            Some(before) => {
                let paid = match before.paid {
                    Some(day) => day,
                    None => paid_on(&parties, &view).await?,
                };
                view.adjudication.map(|decided| (decided, paid))
            }
        };
        found.push((view.claim, decided, member.clone()));
    }
    let billed: Vec<Billed<'_>> = found
        .iter()
        .map(|(claim, decided, member)| Billed {
            claim,
            number: member.number.clone(),
            member_number: member.member_number.clone(),
            last_name: member.last_name.clone(),
            first_name: member.first_name.clone(),
            born: member.born,
            sex: member.sex,
            address: member.address.clone(),
            institution: member.institution.clone(),
            after: said
                .before
                .as_ref()
                .zip(decided.as_ref())
                .map(|(before, (decided, paid))| After {
                    decided,
                    paid: *paid,
                    name: before.name.clone(),
                    number: before.number.clone(),
                }),
            insured_before: member.before.clone(),
        })
        .collect();
    let (path, mut numbers) = Numbers::read(&args.between, "billed")?;
    let made = unix_now();
    let text = |control: u32, made: i64| {
        let envelope = Envelope {
            sender: said.sender.clone(),
            receiver: said.receiver.clone(),
            control,
            made,
            production: said.production,
        };
        claims_to_x12(&billed, &said.biller, &envelope).map_err(|problem| problem.to_string())
    };
    // The same at any time, and under any number.
    let content = text(1, 0)?;
    let control = numbers.take(&said.between(), args.control.or(said.control), &content, made)?;
    let text = text(control, made)?;
    // Before the file is there: what cannot be remembered is not written either.
    files::replace(&path, &numbers)?;
    file.write(&text)?;
    output.line(format!(
        "{} written as X12 837, number {control}, to {}",
        values::counted(billed.len(), "claim"),
        args.x12.display()
    ));
    output.document(&json!({
        "file": args.x12, "control": control, "claims": said.claims.keys().collect::<Vec<_>>(),
    }));
    Ok(())
}

/// The day on which the ledger's payer paid a claim, or said that it does not: that of its last step. The payer's peers hold a transaction's time against
/// their clocks.
async fn paid_on(parties: &Parties, view: &ClaimView) -> Result<Date> {
    let id = view.claim.id;
    if !matches!(
        view.status,
        ClaimStatus::Paid | ClaimStatus::Cleared | ClaimStatus::Denied
    ) {
        return Err(format!(
            "claim {id} is {}, neither paid nor denied: say in `before` under `paid` on which day its payer decided, or wait for the money",
            view.status
        )
        .into());
    }
    let network = parties.client().network();
    let block = network.block_of_transaction(view.tx.as_str()).await?;
    let transactions = DecodedBlock::decode(&block).transactions;
    let step = transactions
        .iter()
        .find(|transaction| transaction.transaction_id == view.tx.as_str())
        .ok_or_else(|| format!("the block of claim {id}'s last step does not have it"))?;
    Ok(Date::from_unix(step.timestamp.0)?)
}

/// The numbers of the interchanges that somebody wrote, and what each was for: kept in the network's directory, as `billed-MSP.json` of bills and
/// `advised-MSP.json` of remittances.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Numbers {
    /// Of the digests.
    salt: Salt,
    /// By who sends it to whom: each number with its content's digest.
    used: BTreeMap<String, BTreeMap<u32, Hash>>,
    /// By the same: digests of payments' numbers (TRN02), each with its remittance.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    traces: BTreeMap<String, BTreeMap<Hash, RemittanceId>>,
}

impl Numbers {
    pub(super) fn read(between: &BetweenArgs, what: &str) -> Result<(PathBuf, Self)> {
        let path = between.dir.join(format!("{what}-{}.json", between.own));
        let numbers = match path.exists() {
            true => files::read_list(&path, "list of the numbers of files")?,
            false => Self {
                salt: salt(),
                used: BTreeMap::new(),
                traces: BTreeMap::new(),
            },
        };
        Ok((path, numbers))
    }

    /// The number of a file with that content: the one that is given, else one that follows from the time. A number stands for one content between two: a
    /// receiver takes another one under it for the same file again.
    pub(super) fn take(&mut self, between: &str, given: Option<u32>, content: &str, now: i64) -> Result<u32> {
        let used = self.used.entry(between.to_owned()).or_default();
        let digest = keyed_hash(&self.salt, "x12-billed", &[content.as_bytes()]);
        let is_free = |number: &u32| used.get(number).is_none_or(|of| *of == digest);
        let control = match given {
            Some(number) if is_free(&number) => number,
            Some(number) => {
                let last = used.last_key_value().map_or(0, |(number, _)| *number);
                let next = match last < MAX_CONTROL {
                    true => format!("{} is free", last + 1),
                    false => "without a number, one is taken that follows from the time".to_owned(),
                };
                return Err(format!(
                    "number {number} was used for another file between the two, and the receiver would take this one for that one again: name another with --control ({next})"
                )
                .into());
            }
            None => {
                let first = first_number(None, 1, 1, now)?;
                let mut numbers = (first..=MAX_CONTROL).chain(1..first);
                numbers.find(is_free).ok_or("every number is used")?
            }
        };
        used.insert(control, digest);
        Ok(control)
    }

    /// Whether a payment's number was written for another remittance between the two. It is kept for this one unless it was.
    pub(super) fn is_anothers(&mut self, between: &str, trace: &str, remittance: RemittanceId) -> bool {
        let digest = keyed_hash(&self.salt, "x12-trace", &[trace.as_bytes()]);
        let traces = self.traces.entry(between.to_owned()).or_default();
        *traces.entry(digest).or_insert(remittance) != remittance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(control: Option<u32>, receiver: &str) -> Bill {
        let all = json!({
            "sender": ["ZZ", "HOSPITAL"], "receiver": ["ZZ", receiver], "control": control, "production": false, "claims": {},
            "biller": {
                "name": "n", "tax_number": "1", "telephone": "1", "payer_name": "p", "payer_number": "1",
                "address": { "street": "s", "city": "c", "state": "MA", "postcode": "02108" },
            },
        });
        serde_json::from_value(all).expect("who bills whom")
    }

    #[test]
    fn a_number_stands_for_one_content_between_two() {
        let dir = tempfile::tempdir().expect("a directory");
        let between = BetweenArgs {
            dir: dir.path().to_owned(),
            own: "HospitalMSP".to_owned(),
            other: "InsurerMSP".to_owned(),
            user: None,
        };
        let take = |control: Option<u32>, given: Option<u32>, receiver: &str, content: &str| {
            let (path, mut numbers) = Numbers::read(&between, "billed")?;
            let said = said(control, receiver);
            let taken = numbers.take(&said.between(), given.or(said.control), content, 1_795_278_000);
            files::replace(&path, &numbers).expect("kept");
            taken
        };
        assert_eq!(take(Some(7), None, "A", "one").expect("a number"), 7);
        // The same again is the same file.
        assert_eq!(take(Some(7), None, "A", "one").expect("a number"), 7);
        let refused = take(Some(7), None, "A", "two")
            .expect_err("it is used")
            .to_string();
        assert!(refused.contains("--control (8 is free)"), "{refused}");
        assert_eq!(take(Some(7), Some(8), "A", "two").expect("a number"), 8);
        assert_eq!(take(Some(7), None, "B", "two").expect("a number"), 7);
        // Two in one second have two numbers.
        let one = take(None, None, "A", "three").expect("a number");
        let two = take(None, None, "A", "four").expect("a number");
        assert_eq!(
            (two, take(None, None, "A", "three").expect("a number")),
            (one + 1, one)
        );
        let last = take(None, Some(MAX_CONTROL), "A", "five").expect("a number");
        assert_eq!(last, MAX_CONTROL);
        let refused = take(None, Some(MAX_CONTROL), "A", "six").expect_err("it is used");
        assert!(refused.to_string().contains("follows from the time"), "{refused}");
    }

    #[test]
    fn a_member_in_the_wrong_place_is_not_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("parties.json");
        for wrong in [
            r#"{"sender": "Lovelace, Ada"}"#,
            r#"{"production": "Lovelace"}"#,
            r#"{"claims": {"00112233445566778899aabbccddeeff": {"born": "Lovelace"}}}"#,
            r#"{"claims": {"Lovelace": {}}}"#,
        ] {
            std::fs::write(&path, wrong).expect("written");
            let error = stated(&path).err().expect(wrong).to_string();
            assert!(error.contains("line 1") && !error.contains("Lovelace"), "{error}");
        }
    }
}
