//! X12 beside the ledger: what a receiver said of a file that was sent to it, of its claims, and what was paid.

use careledger_sdk::claims::MAX_FILE;
use careledger_sdk::x12::{
    Acknowledged, AcknowledgedGroup, AcknowledgedSet, Finding, Note, acknowledgments_from_x12, interchanges,
};
use serde_json::{Value, json};

use super::args::{X12Command, X12ReadArgs};
use super::{billing, x12_answers};
use crate::output::Output;
use crate::{Result, files, values};

pub(super) async fn run(command: &X12Command, output: &Output) -> Result<()> {
    match command {
        X12Command::Read(args) => read(args, output),
        X12Command::Bill(args) => billing::bill(args, output).await,
    }
}

/// Tells what every 999 and TA1, 277CA and 835 of a file says.
fn read(args: &X12ReadArgs, output: &Output) -> Result<()> {
    let file = args.file.display();
    let bytes = files::bytes(&args.file, MAX_FILE as u64 + 1)?;
    let all = interchanges(files::unmarked(&bytes)).map_err(|error| format!("{file}: {error}"))?;
    let several = all.len() > 1;
    let (mut documents, mut refused, mut unread) = (Vec::new(), false, 0usize);
    for (number, part) in (1usize..).zip(&all) {
        let at = if several {
            format!("interchange {number}, ")
        } else {
            String::new()
        };
        let said = match x12_answers::set_of(part).as_deref() {
            Some("835") => x12_answers::remittances(part, output).map(|said| (said, true)),
            Some("277") => x12_answers::claims(part, output),
            _ => acknowledgments_from_x12(part).map(|said| {
                tell(&said, output);
                (document(&said), said.is_accepted())
            }),
        };
        match said {
            Ok((said, accepted)) => {
                refused |= !accepted;
                documents.push(said);
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
