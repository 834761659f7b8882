//! The 835 of a remittance.

use std::collections::{BTreeMap, BTreeSet};

use careledger_api::contracts::claims::{RemittanceView, RemittedClaim};
use careledger_api::date::Date;
use careledger_api::ids::{ClaimId, RemittanceId};
use careledger_sdk::claims::Account;
use careledger_sdk::wallet::unix_now;
use careledger_sdk::x12::{Envelope, Payee, Payer, Remittance, Remitted, remittance_to_x12};
use serde::Deserialize;
use serde_json::{Value, json};

use super::args::RemitArgs;
use super::billing::{Numbers, sent};
use super::parties::{Parties, Side};
use super::reading;
use crate::files::{self, Reserved};
use crate::output::Output;
use crate::{Result, values};

/// Most characters of a payment's number (TRN02).
const MAX_TRACE: usize = 50;

/// An 835 that is to be written.
pub(super) struct Advice<'a> {
    file: Reserved,
    named: Advised,
    args: &'a RemitArgs,
}

/// What an 835 says that the ledger does not know.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advised {
    sender: (String, String),
    receiver: (String, String),
    /// The number of the interchange, unless `--control` says it.
    #[serde(default)]
    control: Option<u32>,
    production: bool,
    /// The payment's number, unless `--trace` or the payment itself says it.
    #[serde(default)]
    trace: Option<String>,
    payer: Payer,
    payee: Payee,
}

impl<'a> Advice<'a> {
    /// Makes the file, and looks whether all that is in it beside the claims can be written: so it is known before anything is committed.
    pub(super) fn prepare(args: &'a RemitArgs) -> Result<Option<Self>> {
        let (Some(path), Some(from)) = (&args.x12, &args.parties) else {
            return Ok(None);
        };
        let named: Advised = files::read(from, "file that says who pays whom")?;
        let nothing = RemittanceId::from_bytes([0; 16]);
        let control = args.control.or(named.control).unwrap_or(1);
        for trace in [args.trace.as_deref(), named.trace.as_deref(), Some("1")]
            .into_iter()
            .flatten()
        {
            let made = unix_now();
            let empty = named.remittance((nothing, trace), Date::from_unix(made)?, "USD", Vec::new());
            remittance_to_x12(&empty, &named.envelope(control, made))
                .map_err(|problem| format!("an 835 by {} cannot be written: {problem}", from.display()))?;
        }
        Ok(Some(Self {
            file: Reserved::new(path)?,
            named,
            args,
        }))
    }

    /// What an 835 cannot say of claims is found before they are remitted: one of which a remittance before said that something is paid, which never was, would
    /// have that one taken back first; and one payee is paid by it.
    pub(super) async fn require_advisable(&self, parties: &Parties, claims: &[ClaimId]) -> Result<()> {
        for claim in claims {
            let view = parties.claim(*claim).await?;
            self.named.require_payee(*claim, &view.claim.provider_npi)?;
            let told = view.remittances.iter().filter(|id| !view.denials.contains(id));
            if told.count() != view.payments.len() {
                return Err(format!(
                    "claim {claim} was on a remittance before that is not paid, or was paid without one, which an 835 would have to take back first: nothing is remitted; without --x12 it is"
                )
                .into());
            }
        }
        Ok(())
    }

    /// Writes a remittance as it was issued, also where its claims were decided anew or reversed after they were paid, with what is taken back beside what
    /// stands in its place, and what was set off against its payment. Refused is one whose money went otherwise than it says, unless what stands of it alone
    /// is asked for. What was written, for `--json`.
    pub(super) async fn write(
        self,
        parties: &Parties,
        view: &RemittanceView,
        output: &Output,
    ) -> Result<Value> {
        let again = |error: String| format!("{error}; write it again with --show {}", view.id);
        let asked = parties.client().claims();
        let mut claims = asked
            .remitted(parties.payer.clone(), parties.provider.clone(), view.id)
            .endorsed_by([parties.own()])
            .send()
            .await?;
        let all = claims.len();
        if self.args.standing {
            claims.retain(|of| of.stands);
        }
        if claims.is_empty() {
            return Err("no claim of the remittance stands; nothing is written".into());
        }
        for of in &claims {
            if let Some(wrong) = wrong(of) {
                return Err(format!("claim {} {wrong}; nothing is written", of.claim.id).into());
            }
            // What is set off may be of another one who bills for the same provider.
            if !of.set_off {
                self.named.require_payee(of.claim.id, &of.claim.provider_npi)?;
            }
        }
        let accounts = self.accounts(parties, &claims, output)?;
        let currency = claims.first().map_or("USD", |of| of.claim.currency.as_str());
        let remitted: Vec<Remitted<'_>> = claims.iter().flat_map(|of| written(of, &accounts)).collect();
        let made = unix_now();
        let trace = self.trace(view, output);
        let text = |control: u32, made: i64, date: Date| {
            let remittance = self
                .named
                .remittance((view.id, &trace), date, currency, remitted.clone());
            remittance_to_x12(&remittance, &self.named.envelope(control, made))
                .map_err(|problem| again(problem.to_string()))
        };
        let today = Date::from_unix(made)?;
        let (path, mut numbers) = Numbers::read(&self.args.between, "advised")?;
        let between = sent(&self.named.sender, &self.named.receiver);
        if numbers.is_anothers(&between, &trace, view.id) {
            match view.references.contains(&trace) {
                // The ledger says so.
                true => output.line("an 835 of another remittance has this payment's number, too: by the ledger one payment paid both"),
                false => {
                    return Err(again(
                        "the payment's number (TRN02) was written for another remittance between the two: name another with --trace".to_owned(),
                    )
                    .into());
                }
            }
        }
        // The same at any time, and under any number.
        let content = text(1, 0, view.issued.unwrap_or(today))?;
        let given = self.args.control.or(self.named.control);
        let control = numbers
            .take(&between, given, &content, made)
            .map_err(|error| again(error.to_string()))?;
        let text = text(control, made, today)?;
        // Before the file is there: what cannot be remembered is not written either.
        files::replace(&path, &numbers)?;
        let path = self.file.write(&text).map_err(|error| again(error.to_string()))?;
        let which = match claims.len() {
            some if some < all => format!("{} of {all} stand, and are ", values::counted(some, "claim")),
            _ => String::new(),
        };
        output.line(format!(
            "{which}written as X12 835, number {control}, payment {trace}, to {}",
            path.display()
        ));
        Ok(
            json!({ "file": path, "control": control, "trace": trace, "claims": claims.len(), "numbered": accounts.len() }),
        )
    }

    /// By which numbers the provider knows the claims, as far as its files have them.
    fn accounts(
        &self,
        parties: &Parties,
        claims: &[RemittedClaim],
        output: &Output,
    ) -> Result<BTreeMap<ClaimId, Account>> {
        let args = self.args;
        if args.accounts.is_empty() {
            return Ok(BTreeMap::new());
        }
        parties.require(Side::Provider)?;
        let mut known = reading::accounts(args, &parties.payer, output)?;
        let wanted: BTreeSet<ClaimId> = claims.iter().map(|of| of.claim.id).collect();
        known.retain(|claim, _| wanted.contains(claim));
        if known.is_empty() {
            return Err("none of the remittance's claims is in these files, read with this secret; nothing is written".into());
        }
        for claim in wanted.iter().filter(|claim| !known.contains_key(claim)) {
            output.line(format!(
                "claim {claim} is in none of the files: the ledger's id stands for its number"
            ));
        }
        Ok(known)
    }

    /// The payment's number.
    fn trace(&self, view: &RemittanceView, output: &Output) -> String {
        if let Some(trace) = &self.args.trace {
            return trace.clone();
        }
        let mut references = view.references.iter();
        let paid = match (references.next(), references.next()) {
            (Some(only), None) => Some(only).filter(|only| is_plain(only)),
            _ => None,
        };
        if let Some(paid) = paid {
            return paid.clone();
        }
        let instead = self.named.trace.clone().unwrap_or_else(|| view.id.to_string());
        if !view.references.is_empty() {
            output.line(format!(
                "the remittance is paid by several references, or by one that X12 cannot hold: {instead} is the payment's number (--trace names another)"
            ));
        }
        instead
    }
}

/// Whether a reference can be a payment's number as it is.
fn is_plain(text: &str) -> bool {
    let held = |c: char| (' '..='~').contains(&c) && !['*', '~', '^', ':'].contains(&c);
    text.trim() == text && (1..=MAX_TRACE).contains(&text.len()) && text.chars().all(held)
}

/// What an 835 cannot say of a claim.
fn wrong(of: &RemittedClaim) -> Option<&'static str> {
    let before = of.before.as_ref().map_or(0, |before| before.allowed);
    if of.adjudication.allowed.checked_sub(before) != Some(of.amount) {
        Some(
            "was paid before by a decision that its remittances do not show, and the difference alone cannot be told line by line",
        )
    } else if of.again {
        Some(
            "was on a remittance before, was decided anew before that was paid, and an 835 of both would be booked twice",
        )
    } else if !of.stands {
        Some(
            "was decided anew or reversed before it was paid, and an 835 would say that this came (--standing writes the others)",
        )
    } else {
        None
    }
}

/// A claim as it is written: what a remittance before told of it is taken back, and what stands in its place beside it. What was set off is taken back alone.
fn written<'a>(of: &'a RemittedClaim, accounts: &BTreeMap<ClaimId, Account>) -> Vec<Remitted<'a>> {
    let before = of.before.as_ref().map(|before| (before, true));
    let now = (&of.adjudication, of.set_off);
    let account = accounts.get(&of.claim.id).cloned().unwrap_or_default();
    let each = before.into_iter().chain([now]);
    each.map(|(adjudication, reversed)| Remitted {
        claim: &of.claim,
        adjudication,
        reversed,
        account: account.clone(),
        secondary: of.claim.lines.iter().any(|line| line.other_payer.is_some()),
    })
    .collect()
}

impl Advised {
    fn require_payee(&self, claim: ClaimId, billed: &str) -> Result<()> {
        match self.payee.npi == billed {
            true => Ok(()),
            false => Err(format!(
                "claim {claim} is billed under NPI {billed}, and the payee of --parties has NPI {}: an 835 pays one, who bills its claims; name that one, and put claims of another on a remittance of their own",
                self.payee.npi
            )
            .into()),
        }
    }

    fn remittance<'a>(
        &'a self,
        (id, trace): (RemittanceId, &'a str),
        date: Date,
        currency: &'a str,
        claims: Vec<Remitted<'a>>,
    ) -> Remittance<'a> {
        Remittance {
            id,
            date,
            trace,
            payer: self.payer.clone(),
            payee: self.payee.clone(),
            currency,
            claims,
            brought_forward: 0,
        }
    }

    fn envelope(&self, control: u32, made: i64) -> Envelope {
        Envelope {
            sender: self.sender.clone(),
            receiver: self.receiver.clone(),
            control,
            made,
            production: self.production,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use clap::Parser;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: RemitArgs,
    }

    fn parties() -> Value {
        json!({
            "sender": ["ZZ", "INSURER"], "receiver": ["ZZ", "HOSPITAL"], "control": 1, "production": false, "trace": "4711",
            "payer": {
                "name": "THE INSURER", "tax_number": "123456789", "telephone": "6175550100",
                "address": { "street": "1 MAIN STREET", "city": "BOSTON", "state": "MA", "postcode": "02108" },
            },
            "payee": { "name": "THE HOSPITAL", "npi": "1234567893" },
        })
    }

    fn prepare(dir: &Path, parties: &Value, file: &str) -> (Result<Option<Advice<'static>>>, PathBuf) {
        let named = dir.join("parties.json");
        std::fs::write(&named, parties.to_string()).expect("written");
        let path = dir.join(file);
        let words = [
            "remit",
            "00112233445566778899aabbccddeeff",
            "--as",
            "A",
            "--with",
            "B",
            "--x12",
            &path.to_string_lossy(),
            "--parties",
            &named.to_string_lossy(),
        ];
        let command = Command::try_parse_from(words).expect("a command");
        (Advice::prepare(Box::leak(Box::new(command.args))), path)
    }

    #[test]
    fn whatever_is_wrong_with_an_advice_is_found_before_it_is_needed_and_leaves_no_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let wrong = [
            ("/control", json!(0)),
            ("/sender/1", json!("X")),
            ("/trace", json!("é~*")),
            ("/trace", json!("")),
            ("/payer/name", json!("X".repeat(200))),
            ("/payer/tax_number", json!("1")),
            ("/payer/address/state", json!("Massachusetts")),
            ("/payer/telephone", json!("")),
            ("/payee/name", json!("")),
            ("/payee/npi", json!("1234567890")),
        ];
        for (pointer, value) in wrong {
            let mut all = parties();
            *all.pointer_mut(pointer).expect("a part") = value;
            let (prepared, path) = prepare(dir.path(), &all, "advice.835");
            let error = prepared.err().expect("it cannot be written").to_string();
            assert!(error.contains("parties.json"), "{pointer}: {error}");
            assert!(!path.exists(), "{pointer}");
        }
        let (prepared, _) = prepare(dir.path(), &parties(), "nowhere/advice.835");
        let error = prepared.err().expect("there is no such directory").to_string();
        assert!(error.contains("nowhere"), "{error}");
    }

    #[test]
    fn an_advice_that_is_not_written_leaves_no_file_and_one_that_is_there_stays() {
        let dir = tempfile::tempdir().expect("a directory");
        let (prepared, path) = prepare(dir.path(), &parties(), "advice.835");
        assert!(prepared.expect("it can be written").is_some() && !path.exists());
        std::fs::write(&path, "another").expect("written");
        let (prepared, _) = prepare(dir.path(), &parties(), "advice.835");
        let error = prepared.err().expect("it is there").to_string();
        assert!(error.contains("name a new file"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).expect("it stays"), "another");
    }
}
