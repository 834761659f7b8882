//! X12 beside the ledger: what a receiver said of a file that was sent to it, and a provider's own copies of claims for other payers.

use std::collections::BTreeMap;

use careledger_api::adjudication::{Adjudication, Claim, Sex};
use careledger_api::date::Date;
use careledger_api::ids::ClaimId;
use careledger_sdk::claims::MAX_FILE;
use careledger_sdk::wallet::unix_now;
use careledger_sdk::x12::{
    Acknowledged, AcknowledgedGroup, AcknowledgedSet, Address, After, Billed, Biller, Envelope, Finding,
    Institution, Note, acknowledgments_from_x12, claims_to_x12, interchanges,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::args::{X12BillArgs, X12Command, X12ReadArgs};
use super::parties::{Parties, Side};
use crate::output::Output;
use crate::{Result, files, values};

pub(super) async fn run(command: &X12Command, output: &Output) -> Result<()> {
    match command {
        X12Command::Read(args) => read(args, output),
        X12Command::Bill(args) => bill(args, output).await,
    }
}

/// Tells what every 999 and TA1 of a file says.
fn read(args: &X12ReadArgs, output: &Output) -> Result<()> {
    let file = args.file.display();
    let bytes = files::bytes(&args.file, MAX_FILE as u64 + 1)?;
    let all = interchanges(&bytes).map_err(|error| format!("{file}: {error}"))?;
    let several = all.len() > 1;
    let (mut documents, mut refused, mut unread) = (Vec::new(), false, 0usize);
    for (number, part) in (1usize..).zip(&all) {
        let at = if several {
            format!("interchange {number}, ")
        } else {
            String::new()
        };
        match acknowledgments_from_x12(part) {
            Ok(said) => {
                refused |= !said.is_accepted();
                tell(&said, output);
                documents.push(document(&said));
            }
            Err(error) if !several => return Err(format!("{file}: {error}").into()),
            Err(error) => {
                unread += 1;
                output.line(format!("{at}nothing of it is read: {error}"));
                documents.push(json!({ "refused": error.to_string() }));
            }
        }
    }
    output.document(&json!({ "file": args.file, "answers": documents }));
    match (unread, refused) {
        (0, false) => Ok(()),
        (0, true) => Err("not all that was sent is accepted: correct what is said, and send it again under new control numbers".into()),
        _ => Err(format!("{unread} of {} interchanges of {file} cannot be read", all.len()).into()),
    }
}

fn tell(said: &Acknowledged, output: &Output) {
    for of in &said.interchanges {
        output.line(format!("interchange {}: {}: {}", of.control, of.verdict, of.note));
    }
    for group in &said.groups {
        let [_, came, accepted] = group.counts;
        output.line(format!(
            "group {} ({}): {}; of {} that came {accepted} accepted",
            group.control,
            kind(group),
            group.verdict,
            values::counted(came as usize, "transaction set"),
        ));
        group
            .notes
            .iter()
            .for_each(|note| output.line(format!("  {note}")));
        for set in &group.sets {
            tell_set(set, output);
        }
    }
}

fn tell_set(set: &AcknowledgedSet, output: &Output) {
    output.line(format!("  {} {}: {}", set.kind, set.control, set.verdict));
    set.notes
        .iter()
        .for_each(|note| output.line(format!("    {note}")));
    for finding in &set.findings {
        let inside = match finding.inside.as_str() {
            "" => String::new(),
            inside => format!(", loop {inside}"),
        };
        let whose = finding
            .number
            .as_ref()
            .map_or_else(String::new, |number| format!(" of {number}"));
        let Finding {
            position, id, note, ..
        } = finding;
        output.line(format!("    segment {position} ({id}{inside}){whose}: {note}"));
        for element in &finding.elements {
            let component = match element.component {
                0 => String::new(),
                component => format!(", component {component}"),
            };
            output.line(format!(
                "      element {:02}{component}: {}",
                element.element, element.note
            ));
        }
    }
}

fn kind(group: &AcknowledgedGroup) -> &str {
    match group.kind.as_str() {
        "HC" => "claims",
        "HI" => "requests for authorisations",
        other => other,
    }
}

fn document(said: &Acknowledged) -> Value {
    let note = |note: &Note| json!({ "code": note.code, "words": note.words });
    let finding = |finding: &Finding| {
        let elements = finding
            .elements
            .iter()
            .map(|of| json!({ "element": of.element, "component": of.component, "note": note(&of.note) }));
        json!({
            "segment": finding.position, "id": finding.id, "loop": finding.inside, "number": finding.number,
            "note": note(&finding.note), "elements": elements.collect::<Vec<_>>(),
        })
    };
    let set = |set: &AcknowledgedSet| {
        json!({
            "kind": set.kind, "control": set.control, "verdict": set.verdict.to_string(),
            "notes": set.notes.iter().map(note).collect::<Vec<_>>(),
            "findings": set.findings.iter().map(finding).collect::<Vec<_>>(),
        })
    };
    let group = |group: &AcknowledgedGroup| {
        json!({
            "kind": group.kind, "control": group.control, "verdict": group.verdict.to_string(),
            "sets_accepted": group.counts[2], "notes": group.notes.iter().map(note).collect::<Vec<_>>(),
            "sets": group.sets.iter().map(set).collect::<Vec<_>>(),
        })
    };
    let interchanges = said.interchanges.iter().map(
        |of| json!({ "control": of.control, "verdict": of.verdict.to_string(), "note": note(&of.note) }),
    );
    json!({
        "interchanges": interchanges.collect::<Vec<_>>(),
        "groups": said.groups.iter().map(group).collect::<Vec<_>>(),
    })
}

/// What an 837 says that the ledger does not know.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bill {
    sender: (String, String),
    receiver: (String, String),
    control: u32,
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
    /// The day on which it paid, or said that it does not.
    paid: Date,
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
}

/// Writes claims of the ledger as an 837 for a payer outside of it.
async fn bill(args: &X12BillArgs, output: &Output) -> Result<()> {
    if args.x12.exists() {
        return Err(format!("{} is there; name a new file", args.x12.display()).into());
    }
    let said: Bill = files::read_list(&args.parties, "file that says who bills whom")?;
    if said.claims.is_empty() {
        return Err(format!("{} names no claim under `claims`", args.parties.display()).into());
    }
    let parties = Parties::open(&args.between).await?;
    parties.require(Side::Provider)?;
    let mut found: Vec<(Claim, Option<Adjudication>, Member)> = Vec::new();
    for (number, (id, member)) in (1u64..).zip(&said.claims) {
        output.advance(number, said.claims.len() as u64, "reading");
        let view = parties.claim(*id).await?;
        let decided = match (&said.before, view.adjudication) {
            (None, _) => None,
            (Some(_), Some(decided)) => Some(decided),
            (Some(_), None) => {
                return Err(format!(
                    "claim {id} is not adjudicated; nobody can be told what was paid before"
                )
                .into());
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
                .map(|(before, decided)| After {
                    decided,
                    paid: before.paid,
                    name: before.name.clone(),
                    number: before.number.clone(),
                }),
        })
        .collect();
    let envelope = Envelope {
        sender: said.sender,
        receiver: said.receiver,
        control: said.control,
        made: unix_now(),
        production: said.production,
    };
    let text = claims_to_x12(&billed, &said.biller, &envelope).map_err(|problem| problem.to_string())?;
    files::write_text(&args.x12, &text)?;
    output.line(format!(
        "{} written as X12 837 to {}",
        values::counted(billed.len(), "claim"),
        args.x12.display()
    ));
    output.document(&json!({ "file": args.x12, "claims": said.claims.keys().collect::<Vec<_>>() }));
    Ok(())
}
