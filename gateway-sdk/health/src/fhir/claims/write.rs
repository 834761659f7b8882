//! From claims and authorisations of the ledger to FHIR R4's Claim and ClaimResponse.

use super::claim::CLAIM_TYPE;
use super::out::Out;
use super::paper::{
    AUTHORISATION, CATEGORY, CLAIM, DOCUMENT, PROCEDURE, Paper, insurance, kind, provider, service,
};
use super::site;
use crate::claims::Problem;
use careledger_api::adjudication::{Claim, Frequency};
use careledger_api::contracts::claims::{AuthorisationStatus, AuthorisationView};
use std::collections::BTreeMap;

/// Writes a claim as a FHIR R4 Claim. Fails for one of which another payer paid something (FHIR has that in that payer's own ClaimResponse, and without it
/// the claim would be paid once more), for lines with different authorisations, or with and without one (FHIR has one for all lines), and for a line of
/// several teeth, areas or parts (FHIR has one for an item).
pub fn claim_to_fhir(claim: &Claim, paper: &Paper) -> Result<Vec<u8>, Problem> {
    let shared = claim.lines.first().and_then(|line| line.authorisation);
    if claim.lines.iter().any(|line| line.authorisation != shared) {
        return Err(Problem::new(
            format!("claim {}", claim.id),
            "a FHIR Claim has one authorisation for all lines: divide the claim by authorisation",
        ));
    }
    if claim.lines.iter().any(|line| line.other_payer.is_some()) {
        return Err(Problem::new(
            format!("claim {}", claim.id),
            "another payer decided before: the claim goes with that payer's ClaimResponse, which is not the ledger's to write; an 837 holds both",
        ));
    }
    let sites = claim.lines.iter().filter_map(|line| line.site.as_ref());
    if !sites.into_iter().all(site::fits) {
        return Err(Problem::new(
            format!("claim {}", claim.id),
            "an item of a FHIR Claim has one tooth, one area of the mouth or one part of the body: write a line for each",
        ));
    }
    let (system, number) = paper
        .claim_number
        .clone()
        .unwrap_or_else(|| (CLAIM.to_owned(), claim.id.to_string()));
    let void = claim.frequency == Frequency::Void;
    let mut team: Vec<&str> = claim
        .lines
        .iter()
        .filter_map(|line| line.rendering_npi.as_deref())
        .collect();
    team.sort_unstable();
    team.dedup();
    let mut documents = BTreeMap::new();
    for document in claim.lines.iter().flat_map(|line| &line.documents) {
        let next = documents.len() + 1;
        documents.entry(*document).or_insert(next);
    }
    let related = claim.replaces.map(|before| {
        let relationship = "http://terminology.hl7.org/CodeSystem/ex-relatedclaimrelationship";
        Out::Object(vec![
            ("claim", Out::by_number(CLAIM, &before.to_string())),
            ("relationship", Out::concept(relationship, "prior")),
        ])
    });
    let numbered = |members: Vec<(&'static str, Out)>, index: usize| {
        let mut all = vec![("sequence", Out::number(index + 1))];
        all.extend(members);
        Out::Object(all)
    };
    let team_out = team
        .iter()
        .enumerate()
        .map(|(i, npi)| numbered(vec![("provider", provider(npi))], i))
        .collect();
    let diagnoses = claim.diagnoses.iter().enumerate().map(|(index, code)| {
        numbered(
            vec![(
                "diagnosisCodeableConcept",
                Out::concept("http://hl7.org/fhir/sid/icd-10-cm", code),
            )],
            index,
        )
    });
    let info = documents.iter().map(|(document, sequence)| {
        let category = "http://terminology.hl7.org/CodeSystem/claiminformationcategory";
        Out::Object(vec![
            ("sequence", Out::number(sequence)),
            ("category", Out::concept(category, "attachment")),
            ("valueReference", Out::by_number(DOCUMENT, &document.to_string())),
        ])
    });
    let items = claim.lines.iter().map(|line| {
        let performer = line
            .rendering_npi
            .as_deref()
            .and_then(|npi| team.iter().position(|member| *member == npi));
        let informed = line
            .documents
            .iter()
            .filter_map(|document| documents.get(document));
        let mut item = vec![
            ("sequence", Out::number(line.sequence)),
            (
                "careTeamSequence",
                Out::List(
                    performer
                        .into_iter()
                        .map(|index| Out::number(index + 1))
                        .collect(),
                ),
            ),
            (
                "diagnosisSequence",
                Out::List(line.diagnoses.iter().map(Out::number).collect()),
            ),
            (
                "informationSequence",
                Out::List(informed.map(Out::number).collect()),
            ),
        ];
        item.extend(service(line, &claim.currency));
        Out::Object(item)
    });
    let mut focal = insurance(claim);
    focal.insert(0, ("sequence", Out::number(1)));
    focal.extend(shared.map(|id| ("preAuthRef", Out::List(vec![Out::text(id.to_string())]))));
    let priority = "http://terminology.hl7.org/CodeSystem/processpriority";
    let written = Out::Object(vec![
        ("resourceType", Out::text("Claim")),
        ("identifier", Out::List(vec![Out::identifier(&system, &number)])),
        ("status", Out::text(if void { "cancelled" } else { "active" })),
        ("type", kind(claim)),
        ("use", Out::text("claim")),
        ("patient", paper.patient(&claim.coverage.to_string())),
        ("created", Out::text(paper.created.to_string())),
        ("insurer", paper.insurer()),
        ("provider", provider(&claim.provider_npi)),
        ("priority", Out::concept(priority, "normal")),
        ("related", Out::List(related.into_iter().collect())),
        ("careTeam", Out::List(team_out)),
        ("supportingInfo", Out::List(info.collect())),
        ("diagnosis", Out::List(diagnoses.collect())),
        ("insurance", Out::List(vec![Out::Object(focal)])),
        ("item", Out::List(items.collect())),
        ("total", Out::money(claim.total, &claim.currency)),
    ]);
    Ok(written.bytes())
}

/// Writes why a claim is not taken as an OperationOutcome: an issue for each reason, with the path of its element.
pub fn refusal_to_fhir(problems: &[Problem]) -> Vec<u8> {
    let issue = |problem: &Problem| {
        Out::Object(vec![
            ("severity", Out::text("error")),
            ("code", Out::text("invalid")),
            ("diagnostics", Out::text(problem.to_string())),
            ("expression", Out::List(vec![Out::text(&problem.at)])),
        ])
    };
    Out::Object(vec![
        ("resourceType", Out::text("OperationOutcome")),
        ("issue", Out::List(problems.iter().map(issue).collect())),
    ])
    .bytes()
}

/// Writes the answer to a request for an authorisation as a ClaimResponse; its number for claims is `preAuthRef`, once it is given.
pub fn authorisation_to_fhir(view: &AuthorisationView, paper: &Paper) -> Vec<u8> {
    let request = &view.request;
    let (outcome, given) = match view.status {
        AuthorisationStatus::Requested => ("queued", false),
        AuthorisationStatus::Pended => ("partial", false),
        AuthorisationStatus::Approved | AuthorisationStatus::Modified => ("complete", true),
        // Denied, cancelled, expired.
        _ => ("complete", false),
    };
    let cancelled = view.status == AuthorisationStatus::Cancelled;
    let mut whole = vec![
        ("resourceType", Out::text("ClaimResponse")),
        (
            "identifier",
            Out::List(vec![Out::identifier(AUTHORISATION, &request.id.to_string())]),
        ),
        (
            "status",
            Out::text(if cancelled { "cancelled" } else { "active" }),
        ),
        // An authorisation is asked for a procedure, whatever kind of claim comes after it.
        ("type", Out::concept(CLAIM_TYPE, "professional")),
        ("use", Out::text("preauthorization")),
        ("patient", paper.patient(&request.coverage.to_string())),
        ("created", Out::text(paper.created.to_string())),
        ("insurer", paper.insurer()),
        ("requestor", provider(&request.provider_npi)),
        ("outcome", Out::text(outcome)),
        ("disposition", Out::text(view.status.as_str())),
    ];
    if given {
        whole.push(("preAuthRef", Out::text(request.id.to_string())));
        let period = view.given.map_or(request.period, |given| given.period);
        whole.push(("preAuthPeriod", Out::period(period)));
    }
    let units = view.given.map_or(request.units, |given| given.units);
    if given {
        whole.push((
            "addItem",
            Out::List(vec![Out::Object(vec![
                ("itemSequence", Out::List(vec![Out::number(1)])),
                ("productOrService", Out::concept(PROCEDURE, &request.procedure)),
                ("quantity", Out::Object(vec![("value", Out::number(units))])),
                (
                    "adjudication",
                    Out::List(vec![Out::Object(vec![
                        ("category", Out::concept(CATEGORY, "authorised-units")),
                        ("value", Out::number(units)),
                    ])]),
                ),
            ])]),
        ));
    }
    if let Some(text) = &view.text {
        whole.push((
            "processNote",
            Out::List(vec![Out::Object(vec![
                ("number", Out::number(1)),
                ("type", Out::text("display")),
                ("text", Out::text(text)),
            ])]),
        ));
    }
    Out::Object(whole).bytes()
}
