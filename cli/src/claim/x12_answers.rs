//! An 835 or a 277CA in words, for who has no system that reads them.

use careledger_sdk::claims::{FileError, amount_text};
use careledger_sdk::x12::{
    AcknowledgedClaim, Advice, AdvisedClaim, AdvisedLine, acknowledged_from_x12, advice_from_x12,
};
use serde_json::{Value, json};

use crate::output::Output;
use crate::values;

/// What an interchange holds, by its first transaction set (ST01). `None` where there is none.
pub(super) fn set_of(interchange: &[u8]) -> Option<String> {
    // ISA has a fixed length: its 4th byte divides elements, its last one ends segments.
    let (between, end) = (*interchange.get(3)?, *interchange.get(105)?);
    let mut segments = interchange.split(|byte| *byte == end);
    segments.find_map(|segment| {
        let mut elements = segment.trim_ascii().split(|byte| *byte == between);
        (elements.next()? == b"ST").then_some(())?;
        String::from_utf8(elements.next()?.to_vec()).ok()
    })
}

/// Tells what remittances say; gives them as a document.
pub(super) fn remittances(interchange: &[u8], output: &Output) -> Result<Value, FileError> {
    let advices = advice_from_x12(interchange)?;
    advices.iter().for_each(|advice| tell(advice, output));
    Ok(json!({ "remittances": advices.iter().map(document).collect::<Vec<_>>() }))
}

fn tell(advice: &Advice, output: &Output) {
    let amount = |minor: i64| amount_text(minor, &advice.currency);
    output.line(format!(
        "835: {} {} for {}, by payment {}",
        amount(advice.paid),
        advice.currency,
        values::counted(advice.claims.len(), "claim"),
        advice.trace
    ));
    for claim in &advice.claims {
        output.line(format!(
            "claim {}: {}, charged {}, paid {}",
            claim.number,
            status(claim),
            amount(claim.charge),
            amount(claim.paid)
        ));
        for line in &claim.lines {
            output.line(format!("  {}", told(line, &amount)));
        }
    }
    for (code, kept) in &advice.provider {
        let (what, kept) = match *kept < 0 {
            true => ("added", kept.saturating_neg()),
            false => ("kept back", *kept),
        };
        output.line(format!("beside the claims, {code}: {} {what}", amount(kept)));
    }
}

/// CLP02 in words.
fn status(claim: &AdvisedClaim) -> String {
    match claim.status.as_str() {
        "1" => "paid".to_owned(),
        "2" | "3" => "paid after another payer".to_owned(),
        "4" => "denied".to_owned(),
        "22" => "taken back".to_owned(),
        other => format!("status {other}"),
    }
}

fn told(line: &AdvisedLine, amount: &impl Fn(i64) -> String) -> String {
    let on = line.date.map_or_else(String::new, |day| format!(" on {day}"));
    let (charge, paid) = (amount(line.charge), amount(line.paid));
    let mut text = format!("{}{on}: charged {charge}, paid {paid}", line.procedure);
    for (group, reason, of) in &line.adjustments {
        text.push_str(&format!("; {} under {group}, reason {reason}", amount(*of)));
    }
    for remark in &line.remarks {
        text.push_str(&format!("; remark {remark}"));
    }
    text
}

fn document(advice: &Advice) -> Value {
    let line = |line: &AdvisedLine| {
        json!({
            "procedure": line.procedure, "modifiers": line.modifiers, "date": line.date, "number": line.number, "charge": line.charge,
            "paid": line.paid, "adjustments": line.adjustments, "remarks": line.remarks,
        })
    };
    let claim = |claim: &AdvisedClaim| {
        json!({
            "number": claim.number, "claim": claim.claim, "status": claim.status, "charge": claim.charge, "paid": claim.paid,
            "lines": claim.lines.iter().map(line).collect::<Vec<_>>(),
        })
    };
    json!({
        "paid": advice.paid, "currency": advice.currency, "trace": advice.trace, "beside": advice.provider,
        "claims": advice.claims.iter().map(claim).collect::<Vec<_>>(),
    })
}

/// Tells what a payer's front end says of claims; gives it as a document, and whether it has accepted all of them.
pub(super) fn claims(interchange: &[u8], output: &Output) -> Result<(Value, bool), FileError> {
    let claims = acknowledged_from_x12(interchange)?;
    for claim in &claims {
        let verdict = if claim.accepted { "accepted" } else { "rejected" };
        let each = claim.statuses.iter();
        let said: Vec<String> = each
            .map(|status| format!("{status}{}", category(&status.category)))
            .collect();
        output.line(format!("claim {}: {verdict}, {}", number(claim), said.join(", ")));
    }
    let document = claims.iter().map(|claim| {
        json!({
            "number": claim.account.claim_number, "claim": claim.claim, "accepted": claim.accepted,
            "statuses": claim.statuses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    });
    let accepted = claims.iter().all(|claim| claim.accepted);
    Ok((json!({ "claims": document.collect::<Vec<_>>() }), accepted))
}

fn number(claim: &AcknowledgedClaim) -> &str {
    claim
        .account
        .claim_number
        .as_deref()
        .unwrap_or("without a number")
}

/// A category in our own words; the codes' texts are licensed.
fn category(category: &str) -> &'static str {
    match category {
        "A1" => " (received)",
        "A2" => " (taken up for a decision)",
        "A3" => " (returned)",
        "A4" => " (not found)",
        "A6" => " (something is missing)",
        "A7" => " (something is invalid)",
        "A8" => " (two things contradict)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interchange_is_known_by_its_first_set() {
        let isa = format!("ISA|{}'", "x".repeat(101));
        assert_eq!(isa.len(), 106);
        for (rest, set) in [
            ("\nGS|HP|A'\nST|835|0001'\nSE|2|0001'", Some("835")),
            ("GS|HN|A'ST|277|0001|005010X214'", Some("277")),
            ("STC|277'", None),
            ("", None),
        ] {
            let found = set_of(format!("{isa}{rest}").as_bytes());
            assert_eq!(found.as_deref(), set, "{rest}");
        }
        assert_eq!(set_of(b"ISA"), None);
    }
}
