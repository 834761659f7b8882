//! From adjudications to FHIR R4's ClaimResponse and ExplanationOfBenefit.

use super::out::Out;
use super::paper::{
    APPEAL, CARC, CATEGORY, CLAIM, HL7_CATEGORY, Paper, RARC, RULE, insurance, kind, outcome, provider,
    service,
};
use crate::claims::amount_text;
use careledger_api::adjudication::{Claim, Edit, EditCode, Group};
use careledger_api::contracts::claims::{ClaimStatus, ExplainedLine, ExplanationOfBenefits};

type Members = Vec<(&'static str, Out)>;

/// Writes an ExplanationOfBenefit: what a member is told. `claim` is the claim that is explained.
pub fn explanation_to_fhir(claim: &Claim, explained: &ExplanationOfBenefits, paper: &Paper) -> Vec<u8> {
    let mut notes = Notes::default();
    let items = explained
        .lines
        .iter()
        .zip(&claim.lines)
        .map(|(line, asked)| {
            let mut item: Members = vec![("sequence", Out::number(line.sequence))];
            item.extend(service(asked, &explained.currency));
            item.extend(adjudicated(line, &explained.currency, &mut notes));
            Out::Object(item)
        })
        .collect();
    let mut whole = head("ExplanationOfBenefit", claim, explained, paper);
    whole.push(("provider", provider(&claim.provider_npi)));
    let number = paper
        .claim_number
        .as_ref()
        .map(|(system, number)| Out::by_number(system, number));
    whole.push((
        "claim",
        number.unwrap_or_else(|| Out::by_number(CLAIM, &claim.id.to_string())),
    ));
    whole.extend(answer(explained));
    whole.push(("insurance", Out::List(vec![Out::Object(insurance(claim))])));
    whole.push(("item", Out::List(items)));
    whole.extend(tail(explained, notes));
    Out::Object(whole).bytes()
}

/// Writes a ClaimResponse: what a provider is told.
pub fn response_to_fhir(claim: &Claim, explained: &ExplanationOfBenefits, paper: &Paper) -> Vec<u8> {
    let mut notes = Notes::default();
    let items = explained
        .lines
        .iter()
        .map(|line| {
            let mut item: Members = vec![("itemSequence", Out::number(line.sequence))];
            item.extend(adjudicated(line, &explained.currency, &mut notes));
            Out::Object(item)
        })
        .collect();
    let mut whole = head("ClaimResponse", claim, explained, paper);
    whole.push(("requestor", provider(&claim.provider_npi)));
    let number = paper
        .claim_number
        .as_ref()
        .map(|(system, number)| Out::by_number(system, number));
    whole.push((
        "request",
        number.unwrap_or_else(|| Out::by_number(CLAIM, &claim.id.to_string())),
    ));
    whole.extend(answer(explained));
    whole.push(("item", Out::List(items)));
    whole.extend(tail(explained, notes));
    Out::Object(whole).bytes()
}

fn head(resource: &str, claim: &Claim, explained: &ExplanationOfBenefits, paper: &Paper) -> Members {
    let cancelled = matches!(explained.status, ClaimStatus::Voided | ClaimStatus::Replaced);
    vec![
        ("resourceType", Out::text(resource)),
        (
            "identifier",
            Out::List(vec![Out::identifier(CLAIM, &claim.id.to_string())]),
        ),
        (
            "status",
            Out::text(if cancelled { "cancelled" } else { "active" }),
        ),
        ("type", kind(claim)),
        ("use", Out::text("claim")),
        ("patient", paper.patient(&claim.coverage.to_string())),
        ("created", Out::text(paper.created.to_string())),
        ("insurer", paper.insurer()),
    ]
}

fn answer(explained: &ExplanationOfBenefits) -> Members {
    let (outcome, disposition) = outcome(explained.status);
    vec![
        ("outcome", Out::text(outcome)),
        ("disposition", Out::text(disposition)),
    ]
}

/// Totals, payment and notes.
fn tail(explained: &ExplanationOfBenefits, mut notes: Notes) -> Members {
    let currency = &explained.currency;
    let total = |system: &str, category: &str, amount: i64| {
        Out::Object(vec![
            ("category", Out::concept(system, category)),
            ("amount", Out::money(amount, currency)),
        ])
    };
    let mut tail = vec![(
        "total",
        Out::List(vec![
            total(HL7_CATEGORY, "submitted", explained.charged),
            total(HL7_CATEGORY, "benefit", explained.paid),
            total(CATEGORY, "patient", explained.owed),
        ]),
    )];
    // A payment is named once it is one: what is only allowed may still be appealed or taken back.
    if matches!(
        explained.status,
        ClaimStatus::Payable | ClaimStatus::Paid | ClaimStatus::Cleared
    ) {
        let system = "http://terminology.hl7.org/CodeSystem/ex-paymenttype";
        tail.push((
            "payment",
            Out::Object(vec![
                ("type", Out::concept(system, "complete")),
                ("amount", Out::money(explained.paid, currency)),
            ]),
        ));
    }
    if let Some(back) = explained.taken_back.as_ref().filter(|back| back.out > 0) {
        let out = amount_text(back.out, currency);
        notes.number(&format!(
            "{out} {currency} was paid before it was taken back, and has to come back."
        ));
    }
    if let Some(last) = explained.answer_until {
        notes.number(&format!("What is asked is answered until {last}."));
    }
    if explained.can_be_appealed() {
        notes.number(&format!(
            "An appeal is made until {}; another person decides than who decided before.",
            explained.appeal_until
        ));
    }
    if let Some(last) = explained.appeal_due {
        notes.number(&format!(
            "The appeal is answered until {last}; without an answer it is taken to the next level after that."
        ));
    }
    tail.push(("processNote", Out::List(notes.written())));
    tail
}

/// What a line came to, and why.
fn adjudicated(line: &ExplainedLine, currency: &str, notes: &mut Notes) -> Members {
    let sum = |wanted: fn(&Edit) -> bool| {
        let amounts = line
            .why
            .iter()
            .filter(|edit| wanted(edit))
            .map(|edit| edit.amount);
        amounts.fold(0i64, i64::saturating_add)
    };
    let of = |code: EditCode| {
        line.why
            .iter()
            .filter(|e| e.code == code)
            .fold(0i64, |sum, e| sum.saturating_add(e.amount))
    };
    let (deductible, copay, coinsurance) = (
        of(EditCode::Deductible),
        of(EditCode::Copay),
        of(EditCode::Coinsurance),
    );
    // What the plan counts: paid, and shared by the member.
    let shared = deductible.saturating_add(copay).saturating_add(coinsurance);
    let other = of(EditCode::Coordination);
    let eligible = line.paid.saturating_add(shared).saturating_add(other);
    let amounts = [
        (HL7_CATEGORY, "submitted", Some(line.charge)),
        (
            HL7_CATEGORY,
            "eligible",
            Some(if line.pended { 0 } else { eligible }),
        ),
        (HL7_CATEGORY, "deductible", Some(deductible).filter(|a| *a > 0)),
        (HL7_CATEGORY, "copay", Some(copay).filter(|a| *a > 0)),
        (CATEGORY, "coinsurance", Some(coinsurance).filter(|a| *a > 0)),
        (HL7_CATEGORY, "benefit", Some(line.paid)),
        (CATEGORY, "patient", Some(line.owed).filter(|a| *a > 0)),
        (
            CATEGORY,
            "CO",
            Some(sum(|e| e.group == Some(Group::Contractual))).filter(|a| *a > 0),
        ),
        (
            CATEGORY,
            "OA",
            Some(sum(|e| e.group == Some(Group::Other))).filter(|a| *a > 0),
        ),
        (
            CATEGORY,
            "PI",
            Some(sum(|e| e.group == Some(Group::Payer))).filter(|a| *a > 0),
        ),
    ];
    let mut adjudication: Vec<Out> = amounts
        .into_iter()
        .filter_map(|(system, category, amount)| {
            let amount = Out::money(amount?, currency);
            Some(Out::Object(vec![
                ("category", Out::concept(system, category)),
                ("amount", amount),
            ]))
        })
        .collect();
    let mut numbers = Vec::new();
    for edit in &line.why {
        numbers.push(notes.number(&edit.explanation));
        adjudication.push(reason(edit, currency));
    }
    numbers.sort_unstable();
    numbers.dedup();
    vec![
        (
            "noteNumber",
            Out::List(numbers.into_iter().map(Out::number).collect()),
        ),
        ("adjudication", Out::List(adjudication)),
    ]
}

/// What a rule found: its effect, the rule, the reason codes, what can be done, and the amount.
fn reason(edit: &Edit, currency: &str) -> Out {
    let mut codings = vec![Out::coding(RULE, edit.code.as_str())];
    codings.extend(edit.reason.as_deref().map(|code| Out::coding(CARC, code)));
    codings.extend(edit.remark.as_deref().map(|code| Out::coding(RARC, code)));
    codings.extend(edit.appeal.map(|route| Out::coding(APPEAL, route.as_str())));
    let category = edit.effect.as_str().to_ascii_lowercase();
    let text = match edit.what_can_be_done() {
        Some(route) => format!("{}; {route}", edit.explanation),
        None => edit.explanation.to_string(),
    };
    let mut members = vec![
        ("category", Out::concept(CATEGORY, &category)),
        (
            "reason",
            Out::Object(vec![("coding", Out::List(codings)), ("text", Out::text(text))]),
        ),
    ];
    if edit.amount != 0 {
        members.push(("amount", Out::money(edit.amount, currency)));
    }
    Out::Object(members)
}

/// Notes, each text once.
#[derive(Default)]
struct Notes(Vec<String>);

impl Notes {
    /// The number of a text.
    fn number(&mut self, text: &str) -> usize {
        match self.0.iter().position(|note| note == text) {
            Some(index) => index + 1,
            None => {
                self.0.push(text.to_owned());
                self.0.len()
            }
        }
    }

    fn written(self) -> Vec<Out> {
        let note = |(index, text): (usize, String)| {
            Out::Object(vec![
                ("number", Out::number(index + 1)),
                ("type", Out::text("display")),
                ("text", Out::text(text)),
            ])
        };
        self.0.into_iter().enumerate().map(note).collect()
    }
}
