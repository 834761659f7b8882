//! From a FHIR R4 Claim to a claim, or to requests for authorisations.

use super::item::{Items, lines};
use super::node::{Findings, Node};
use super::paper::DOCUMENT;
use super::source::{Source, Within, npi, own};
use crate::claims::{Account, Named, Problem, Read, Resolver, Submission, checked};
use careledger_api::adjudication::{Claim, ClaimKind, Edit, Frequency, OtherPayer, npi_is_valid};
use careledger_api::contracts::claims::AuthorisationRequest;
use careledger_api::date::DateRange;
use careledger_api::ids::{ClaimId, CoverageId, Salt};
use std::collections::{BTreeMap, BTreeSet};

/// FHIR's code list of claims' kinds.
pub(super) const CLAIM_TYPE: &str = "http://terminology.hl7.org/CodeSystem/claim-type";
/// Systems of diagnoses that the ledger's claims carry.
const ICD10: [&str; 3] = [
    "http://hl7.org/fhir/sid/icd-10-cm",
    "http://hl7.org/fhir/sid/icd-10",
    "http://hl7.org/fhir/sid/icd-10-us",
];
/// HL7's relation of a claim to the one that it replaces or takes back.
const PRIOR: &str = "prior";

/// What a claim is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Claim,
    Authorisation,
}

/// Reads one Claim at `path` of a file.
pub(super) fn read(
    source: &Source<'_>,
    raw: &serde_json::value::RawValue,
    path: &str,
    resolver: &dyn Resolver,
) -> Read {
    let findings = Findings::default();
    let mut account = Account::default();
    let submission = Node::read(raw, path.to_owned(), &findings).and_then(|root| {
        let reader = Reader {
            source: Within::new(source, &root),
            root,
            resolver,
        };
        reader.submission(&mut account)
    });
    let (mut problems, ignored) = findings.into_parts();
    if submission.is_none() && problems.is_empty() {
        problems.push(Problem::new(path, "the claim cannot be read"));
    }
    let outcome = match submission {
        Some(Ok(submission)) if problems.is_empty() => Ok(submission),
        Some(Err(found)) if problems.is_empty() => Err(found),
        _ => Err(problems),
    };
    Read {
        at: path.to_owned(),
        account,
        outcome,
        ignored,
    }
}

/// A Claim, the file that it stands in, and who resolves its numbers.
pub(super) struct Reader<'r> {
    pub(super) source: Within<'r>,
    pub(super) root: Node<'r>,
    pub(super) resolver: &'r dyn Resolver,
}

impl Reader<'_> {
    /// The inner result has what the form's checks find once everything could be read.
    fn submission(&self, account: &mut Account) -> Option<Result<Submission, Vec<Problem>>> {
        let root = &self.root;
        root.only(
            &[
                "identifier",
                "status",
                "type",
                "use",
                "patient",
                "insurer",
                "provider",
                "priority",
                "related",
                "payee",
                "careTeam",
                "supportingInfo",
                "diagnosis",
                "insurance",
                "billablePeriod",
                "item",
                "total",
            ],
            &[
                "subType",
                "facility",
                "referral",
                "prescription",
                "originalPrescription",
                "procedure",
                "accident",
            ],
            &["created", "enterer", "fundsReserve"],
        );
        let used = root.code(
            "use",
            &[("claim", Use::Claim), ("preauthorization", Use::Authorisation)],
        );
        let cancelled = root.code("status", &[("active", false), ("cancelled", true)]);
        self.insurer();
        self.payee();
        let number = self.number();
        let provider = self.provider_of(root, "provider");
        let insurance = self.insurance(account, used != Some(Use::Authorisation));
        let kind = self.kind();
        let diagnoses = match used {
            Some(Use::Authorisation) => BTreeMap::new(),
            _ => self.diagnoses(),
        };
        let items = lines(
            self,
            &diagnoses,
            used == Some(Use::Claim),
            insurance.authorisation,
        );
        let (system, number) = number?;
        account.claim_number = Some(number.clone());
        let npi = provider?;
        match used? {
            Use::Claim => {
                let (frequency, replaces) = self.relation(cancelled?)?;
                let items = items?;
                self.total(&items);
                if !insurance.currency.is_empty() && insurance.currency != items.currency {
                    root.wrong_is(
                        "insurance",
                        &insurance.currency,
                        "another payer paid in another currency than the claim's",
                    );
                }
                let for_id = replaces.map(|id| (frequency.as_str(), id));
                let mut claim = Claim {
                    id: self.resolver.numbers().claim(&npi, &system, &number, for_id),
                    coverage: insurance.coverage?,
                    provider_npi: npi,
                    currency: items.currency,
                    total: items.total,
                    lines: items.lines,
                    kind: kind?,
                    frequency,
                    replaces,
                    diagnoses: diagnoses.into_values().map(|(_, code)| code).collect(),
                };
                for line in &mut claim.lines {
                    let paid = insurance.before.get(&u32::from(line.sequence));
                    line.other_payer = paid.map(|paid| OtherPayer { paid: *paid });
                    // The billing provider is not named again.
                    line.rendering_npi = line.rendering_npi.take().filter(|npi| *npi != claim.provider_npi);
                }
                let told = |edit: &Edit| {
                    let at = edit.line.map_or_else(
                        || root.path.clone(),
                        |line| {
                            let index = items.indexes.get(&line).copied().unwrap_or_default();
                            format!("{}.item[{index}]", root.path)
                        },
                    );
                    Problem::new(at, edit.explanation.as_ref())
                };
                let body = checked(claim, self.resolver.numbers(), &root.path, told);
                Some(body.map(|body| Submission::Claim(Box::new(body))))
            }
            Use::Authorisation => {
                if cancelled? {
                    root.wrong(
                        "status",
                        "an authorisation is taken back with its answer's number, not by a file",
                    );
                }
                if root.has("diagnosis") {
                    root.ignored("diagnosis", "a request for an authorisation has no place for it");
                }
                let urgent = self.urgent();
                let requests = self.requests(items?, insurance.coverage?, &npi, (&system, &number), urgent);
                Some(Ok(Submission::Authorisations(requests)))
            }
        }
    }

    fn requests(
        &self,
        items: Items,
        coverage: CoverageId,
        npi: &str,
        (system, number): (&str, &str),
        urgent: bool,
    ) -> Vec<AuthorisationRequest> {
        let numbers = self.resolver.numbers();
        let request = |line: careledger_api::adjudication::ClaimLine| {
            let unsalted = AuthorisationRequest {
                id: numbers.authorisation(npi, system, number, line.sequence),
                coverage,
                procedure: line.procedure,
                units: line.units,
                period: DateRange {
                    from: line.date,
                    until: items.until.get(&line.sequence).copied().unwrap_or(line.date),
                },
                provider_npi: line.rendering_npi.unwrap_or_else(|| npi.to_owned()),
                urgent,
                documents: line.documents,
                salt: Salt::from_bytes([0; 32]),
            };
            let salt = numbers.salt("authorisation", &unsalted).ok()?;
            Some(AuthorisationRequest { salt, ..unsalted })
        };
        items.lines.into_iter().filter_map(request).collect()
    }

    fn number(&self) -> Option<(String, String)> {
        let first = self.root.identifiers().into_iter().next();
        if first.is_none() {
            self.root.wrong(
                "identifier",
                "the provider's number of the claim is needed: submitting it again must be the same claim",
            );
        }
        first.map(|i| (i.system, i.value))
    }

    fn insurer(&self) {
        let Some(insurer) = self.root.named("insurer") else {
            return;
        };
        if !self.resolver.is_payer(&self.source.named(&self.root, insurer)) {
            self.root.wrong("insurer", "it is not the payer that the file is sent to; list its reference or number among the payer's names");
        }
    }

    fn payee(&self) {
        let Some(payee) = self.root.object("payee") else {
            return;
        };
        payee.only(&["type"], &[], &["party"]);
        for (_, code) in payee.codings("type") {
            if code != "provider" {
                payee.wrong_is("type", &code, "the provider is paid, nobody else");
            }
        }
    }

    fn kind(&self) -> Option<ClaimKind> {
        let codings = self.root.codings("type");
        let found = codings
            .iter()
            .filter(|(system, _)| system.as_deref() == Some(CLAIM_TYPE))
            .find_map(|(_, code)| code.parse().ok());
        if found.is_none() {
            self.root.wrong(
                "type",
                format!("oral, pharmacy, vision, professional or institutional of {CLAIM_TYPE} is expected"),
            );
        }
        found
    }

    fn urgent(&self) -> bool {
        let codings = self.root.codings("priority");
        codings.iter().any(|(_, code)| code == "stat")
    }

    /// Whether the claim is the first, replaces one or takes one back.
    fn relation(&self, cancelled: bool) -> Option<(Frequency, Option<ClaimId>)> {
        let related = self.root.list("related");
        let mut prior = None;
        for relation in &related {
            let codes = relation.codings("relationship");
            if !codes.iter().any(|(_, code)| code == PRIOR) {
                relation.ignored("relationship", "only `prior` counts: the claim that this one replaces, or takes back where its status is cancelled");
                continue;
            }
            let named = relation.named("claim").unwrap_or_default();
            let number = named
                .identifiers
                .first()
                .map(|i| i.value.clone())
                .or_else(|| named.reference.clone());
            let id = number.and_then(|number| number.parse().ok().or_else(|| self.resolver.claim(&number)));
            if id.is_none() || prior.is_some() {
                relation.wrong("claim", "one claim before is named, by the payer's number of it: 32 hex digits, as its answer gave them");
                return None;
            }
            prior = id;
        }
        match (prior, cancelled) {
            (None, false) => Some((Frequency::Original, None)),
            (Some(id), false) => Some((Frequency::Replacement, Some(id))),
            (Some(id), true) => Some((Frequency::Void, Some(id))),
            (None, true) => {
                self.root.wrong(
                    "related",
                    "a cancelled claim names the claim that it takes back, with the relationship `prior`",
                );
                None
            }
        }
    }

    /// The NPI of somebody whom an element names.
    pub(super) fn provider_of(&self, node: &Node<'_>, element: &str) -> Option<String> {
        let Some(named) = node.named(element) else {
            node.wrong(element, "a provider is expected");
            return None;
        };
        let named = self.source.named(&self.root, named);
        let found = npi(&named)
            .or_else(|| self.resolver.provider(&named))
            .filter(|npi| npi_is_valid(npi));
        if found.is_none() {
            node.wrong(element, "the provider has no valid NPI: give it as an identifier of http://hl7.org/fhir/sid/us-npi, or list the provider");
        }
        found
    }

    /// Diagnoses that the ledger's claims carry: position on the claim and code, by FHIR's number.
    fn diagnoses(&self) -> BTreeMap<u32, (u8, String)> {
        let (mut carried, mut numbers) = (BTreeMap::new(), BTreeSet::new());
        for diagnosis in self.root.list("diagnosis") {
            diagnosis.only(
                &["sequence", "diagnosisCodeableConcept"],
                &["diagnosisReference", "type", "onAdmission", "packageCode"],
                &[],
            );
            let sequence = diagnosis.positive("sequence", 999);
            if sequence.is_some_and(|sequence| !numbers.insert(sequence)) {
                diagnosis.wrong("sequence", "another diagnosis has that number");
            }
            let codings = diagnosis.codings("diagnosisCodeableConcept");
            let icd = codings
                .into_iter()
                .find(|(system, _)| system.as_deref().is_some_and(|s| ICD10.contains(&s)));
            match (sequence, icd) {
                (Some(sequence), Some((_, code))) => {
                    let position = u8::try_from(carried.len() + 1).unwrap_or(u8::MAX);
                    carried.insert(sequence, (position, code));
                }
                (None, _) => diagnosis.wrong("sequence", "a diagnosis has a number"),
                (_, None) => diagnosis.ignored(
                    "diagnosisCodeableConcept",
                    "only codes of ICD-10-CM are carried, with their system",
                ),
            }
        }
        // Positions follow FHIR's numbers, whatever order they are written in.
        for (index, (position, _)) in carried.values_mut().enumerate() {
            *position = u8::try_from(index + 1).unwrap_or(u8::MAX);
        }
        carried
    }

    fn total(&self, items: &Items) {
        let Some((total, currency)) = self.root.money("total") else {
            return;
        };
        if currency != items.currency || total != items.total {
            self.root.wrong(
                "total",
                "it is not the sum of the lines' amounts in their currency",
            );
        }
    }
}

/// As a number of a document.
pub(super) fn document(reader: &Reader<'_>, named: Named) -> Option<careledger_api::ids::DocumentId> {
    let named = reader.source.named(&reader.root, named);
    own(&named, DOCUMENT).or_else(|| reader.resolver.document(&named))
}
