//! The 835 of a remittance.

use careledger_api::contracts::claims::{RemittanceView, RemittedClaim};
use careledger_api::date::Date;
use careledger_api::ids::RemittanceId;
use careledger_sdk::claims::Account;
use careledger_sdk::wallet::unix_now;
use careledger_sdk::x12::{Envelope, Payee, Payer, Remittance, Remitted, remittance_to_x12};
use serde::Deserialize;

use super::args::RemitArgs;
use super::parties::Parties;
use crate::files::{self, Reserved};
use crate::output::Output;
use crate::{Result, values};

/// An 835 that is to be written.
pub(super) struct Advice {
    file: Reserved,
    named: Advised,
    /// What was decided anew or reversed before it was paid is left out.
    standing: bool,
}

/// What an 835 says that the ledger does not know.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advised {
    sender: (String, String),
    receiver: (String, String),
    control: u32,
    production: bool,
    trace: String,
    payer: Payer,
    payee: Payee,
}

impl Advice {
    /// Makes the file, and looks whether all that is in it beside the claims can be written: so it is known before anything is committed.
    pub(super) fn prepare(args: &RemitArgs) -> Result<Option<Self>> {
        let (Some(path), Some(from)) = (&args.x12, &args.parties) else {
            return Ok(None);
        };
        let named: Advised = files::read(from, "file that says who pays whom")?;
        let nothing = RemittanceId::from_bytes([0; 16]);
        let envelope = named.envelope(unix_now());
        remittance_to_x12(&named.remittance(nothing, "USD", Vec::new())?, &envelope)
            .map_err(|problem| format!("an 835 by {} cannot be written: {problem}", from.display()))?;
        Ok(Some(Self {
            file: Reserved::new(path)?,
            named,
            standing: args.standing,
        }))
    }

    /// Writes a remittance as it was issued, also where its claims were decided anew or reversed after they were paid. Refused is one whose money went otherwise
    /// than it says, unless what stands of it alone is asked for; and one that pays a difference: its 835 would have to take the decision before it back.
    pub(super) async fn write(self, parties: &Parties, view: &RemittanceView, output: &Output) -> Result<()> {
        let asked = parties.client().claims();
        let mut claims = asked
            .remitted(parties.payer.clone(), parties.provider.clone(), view.id)
            .endorsed_by([parties.own()])
            .send()
            .await?;
        let all = claims.len();
        if self.standing {
            claims.retain(|of| of.stands);
        }
        if claims.is_empty() {
            return Err("no claim of the remittance stands; nothing is written".into());
        }
        for RemittedClaim {
            claim,
            adjudication,
            amount,
            stands,
            again,
        } in &claims
        {
            let wrong = if adjudication.allowed != *amount {
                "was paid before, and this remittance pays the difference that a later decision made"
            } else if *again {
                "was on a remittance before, was decided anew before that was paid, and an 835 of both would be booked twice"
            } else if !stands {
                "was decided anew or reversed before it was paid, and an 835 would say that this came (--standing writes the others)"
            } else {
                continue;
            };
            return Err(format!("claim {} {wrong}; nothing is written", claim.id).into());
        }
        let currency = claims.first().map_or("USD", |of| of.claim.currency.as_str());
        let remitted = claims.iter().map(|of| Remitted {
            claim: &of.claim,
            adjudication: &of.adjudication,
            reversed: false,
            account: Account::default(),
            secondary: of.claim.lines.iter().any(|line| line.other_payer.is_some()),
        });
        let remittance = self.named.remittance(view.id, currency, remitted.collect())?;
        let again = |error: String| format!("{error}; write it again with --show {}", view.id);
        let text = remittance_to_x12(&remittance, &self.named.envelope(unix_now()))
            .map_err(|problem| again(problem.to_string()))?;
        let path = self.file.write(&text).map_err(|error| again(error.to_string()))?;
        output.line(match claims.len() {
            some if some < all => format!(
                "{} of {all} stand, and are written as X12 835 to {}",
                values::counted(some, "claim"),
                path.display()
            ),
            _ => format!("written as X12 835 to {}", path.display()),
        });
        Ok(())
    }
}

impl Advised {
    fn remittance<'a>(
        &'a self,
        id: RemittanceId,
        currency: &'a str,
        claims: Vec<Remitted<'a>>,
    ) -> Result<Remittance<'a>> {
        Ok(Remittance {
            id,
            date: Date::from_unix(unix_now())?,
            trace: &self.trace,
            payer: self.payer.clone(),
            payee: self.payee.clone(),
            currency,
            claims,
            brought_forward: 0,
        })
    }

    fn envelope(&self, made: i64) -> Envelope {
        Envelope {
            sender: self.sender.clone(),
            receiver: self.receiver.clone(),
            control: self.control,
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

    fn prepare(dir: &Path, parties: &Value, file: &str) -> (Result<Option<Advice>>, PathBuf) {
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
        (Advice::prepare(&command.args), path)
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
