//! Payers' answers in FHIR R4: what a ClaimResponse or an ExplanationOfBenefit says of money.

use super::node::{Findings, Node};
use super::source::Source;
use crate::claims::{FileError, Problem};

/// What a payer answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The answer as a whole.
    pub outcome: Outcome,
    /// It is about a request for an authorisation.
    pub authorisation: bool,
    /// It was taken back.
    pub cancelled: bool,
    /// The payer's number of the authorisation that it gives.
    pub authorised: Option<String>,
    /// ISO 4217; empty where no amount is stated.
    pub currency: String,
    /// Line by line of the claim.
    pub lines: Vec<AnsweredLine>,
    /// The payer pays something, or does not say what, for lines that it added and that answer none of the claim's, or several: what it pays is
    /// in the totals alone.
    pub undivided: bool,
    /// Amounts of the claim as a whole, by category, such as `submitted` and `benefit`.
    pub totals: Vec<(String, i64)>,
    /// What is paid, where it says so.
    pub paid: Option<i64>,
    /// Codes of errors that stopped it.
    pub errors: Vec<String>,
}

/// An answer to a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnsweredLine {
    /// The line of the claim.
    pub sequence: u32,
    /// What the payer pays: category `benefit`. None where it is not there, or there several times.
    pub paid: Option<i64>,
    /// Amounts by category.
    pub amounts: Vec<(String, i64)>,
}

impl Answer {
    /// What the payer pays in all, in minor units: the total `benefit`, else the payment. None where it says neither.
    pub fn benefit(&self) -> Option<i64> {
        let benefits = self.totals.iter().filter(|(category, _)| category == BENEFIT);
        let total = benefits.map(|(_, amount)| *amount).reduce(i64::saturating_add);
        total.or(self.paid)
    }
}

/// HL7's category of what a payer pays.
const BENEFIT: &str = "benefit";

/// The answer as a whole (FHIR remittance-outcome).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It waits.
    Queued,
    /// It is decided.
    Complete,
    /// It could not be processed.
    Error,
    /// It is decided in part.
    Partial,
}

impl Outcome {
    /// FHIR's codes.
    pub(super) const CODES: [(&str, Self); 4] = [
        ("queued", Self::Queued),
        ("complete", Self::Complete),
        ("error", Self::Error),
        ("partial", Self::Partial),
    ];

    /// FHIR's code.
    pub fn as_str(self) -> &'static str {
        let found = Self::CODES.iter().find(|(_, outcome)| *outcome == self);
        found.map_or("error", |(code, _)| code)
    }
}

/// Reads a ClaimResponse or an ExplanationOfBenefit. The inner error has every reason why it cannot be read.
pub fn answer_from_fhir(bytes: &[u8]) -> Result<Result<Answer, Vec<Problem>>, FileError> {
    let source = Source::read(bytes, &["ClaimResponse", "ExplanationOfBenefit"])?;
    let (path, raw) = source.only("file of one ClaimResponse or ExplanationOfBenefit")?;
    let findings = Findings::default();
    let answer = Node::read(raw, path.to_owned(), &findings).and_then(|node| read(&node));
    let (problems, _) = findings.into_parts();
    Ok(match answer {
        Some(answer) if problems.is_empty() => Ok(answer),
        _ => Err(problems),
    })
}

/// Reads one; what is wrong is among the node's findings.
pub(super) fn read(root: &Node<'_>) -> Option<Answer> {
    let mut currency = Currency::default();
    let outcome = root.code("outcome", &Outcome::CODES);
    let authorisation = root.code(
        "use",
        &[
            ("claim", false),
            ("preauthorization", true),
            ("predetermination", true),
        ],
    );
    let cancelled = root.code("status", &[("active", false), ("cancelled", true)]);
    let mut lines = Vec::new();
    for item in root.list("item") {
        let number = if item.has("itemSequence") {
            "itemSequence"
        } else {
            "sequence"
        };
        let amounts = amounts(&item, "adjudication", &mut currency);
        match item.positive(number, 999) {
            Some(sequence) => lines.push(AnsweredLine {
                sequence,
                paid: benefit(&amounts),
                amounts,
            }),
            None => item.wrong(number, "an answer to a line names it"),
        }
    }
    // Lines that the payer added answer one of the claim's; those that answer none, or several, are in the totals alone.
    let mut undivided = false;
    for added in root.list("addItem") {
        let amounts = amounts(&added, "adjudication", &mut currency);
        let [sequence] = added.positives("itemSequence")[..] else {
            undivided |= benefit(&amounts) != Some(0);
            continue;
        };
        lines.push(AnsweredLine {
            sequence,
            paid: benefit(&amounts),
            amounts,
        });
    }
    let totals = amounts(root, "total", &mut currency);
    let paid = root
        .object("payment")
        .and_then(|payment| currency.of(&payment, "amount"));
    let errors = root
        .list("error")
        .iter()
        .flat_map(|error| error.codings("code"))
        .map(|(_, code)| code)
        .collect();
    Some(Answer {
        outcome: outcome?,
        authorisation: authorisation?,
        cancelled: cancelled?,
        authorised: root.text("preAuthRef"),
        currency: currency.0,
        lines,
        undivided,
        totals,
        paid,
        errors,
    })
}

/// The one currency of an answer.
#[derive(Default)]
struct Currency(String);

impl Currency {
    fn of(&mut self, node: &Node<'_>, element: &str) -> Option<i64> {
        let (amount, currency) = node.money(element)?;
        if !self.0.is_empty() && self.0 != currency {
            node.wrong_is(element, &currency, "an answer has one currency");
        }
        self.0 = currency;
        Some(amount)
    }
}

/// Category and amount of adjudications; those that are a percentage or a number of units have none.
fn amounts(node: &Node<'_>, element: &str, currency: &mut Currency) -> Vec<(String, i64)> {
    let mut amounts = Vec::new();
    for part in node.list(element) {
        let category = part.codings("category").into_iter().next().map(|(_, code)| code);
        match category {
            Some(category) => amounts.extend(currency.of(&part, "amount").map(|amount| (category, amount))),
            None => part.wrong("category", "an amount has a category"),
        }
    }
    amounts
}

fn benefit(amounts: &[(String, i64)]) -> Option<i64> {
    let mut benefits = amounts.iter().filter(|(category, _)| category == BENEFIT);
    match (benefits.next(), benefits.next()) {
        (Some((_, amount)), None) => Some(*amount),
        _ => None,
    }
}
