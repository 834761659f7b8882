//! FHIR R4's Coverage and questions about it.

use super::node::{Findings, Node};
use super::out::Out;
use super::paper::{COVERAGE, PLAN, Paper};
use super::source::{Source, Within, own};
use crate::claims::{FileError, Identifier, Named, Problem, Resolver};
use careledger_api::adjudication::{Coverage, Sex};
use careledger_api::contracts::claims::{Eligibility, EligibilityQuery};
use careledger_api::date::{Date, DateRange};
use careledger_api::ids::CoverageId;

/// A coverage as it was read, and what of it has no place on the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// For `enrolMember`, or `amendCoverage`.
    pub coverage: Coverage,
    /// What was ignored.
    pub ignored: Vec<Problem>,
}

/// A question as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EligibilityAsked {
    /// For `eligibility`.
    pub query: EligibilityQuery,
    /// Its number, for the answer; not for the ledger.
    pub number: Option<Identifier>,
    /// What was ignored.
    pub ignored: Vec<Problem>,
}

/// The last day of a coverage that has no end.
const NO_END: &str = "2200-12-31";

/// Reads a Coverage, alone or in a Bundle with its Patient, who gives the member's day of birth and sex. Its number becomes the coverage by
/// [`Resolver::coverage`], its class `plan` the plan by [`Resolver::plan`]. The inner error has every reason why it cannot be taken.
pub fn coverage_from_fhir(
    bytes: &[u8],
    resolver: &dyn Resolver,
) -> Result<Result<Member, Vec<Problem>>, FileError> {
    let source = Source::read(bytes, &["Coverage"])?;
    let (path, raw) = source.only("file of one Coverage")?;
    let findings = Findings::default();
    let coverage = Node::read(raw, path.to_owned(), &findings)
        .and_then(|root| read(&root, &Within::new(&source, &root), resolver));
    Ok(outcome(coverage, findings).map(|(coverage, ignored)| Member { coverage, ignored }))
}

fn read<'n>(root: &Node<'n>, source: &Within<'n>, resolver: &dyn Resolver) -> Option<Coverage> {
    root.only(
        &[
            "identifier",
            "status",
            "type",
            "beneficiary",
            "period",
            "payor",
            "class",
            "order",
        ],
        &["costToBeneficiary", "subrogation", "network"],
        &[
            "policyHolder",
            "subscriber",
            "subscriberId",
            "dependent",
            "relationship",
            "contract",
        ],
    );
    root.code("status", &[("active", ())]);
    for (system, _) in root.codings("type") {
        if system.as_deref().is_some_and(|s| s.ends_with("coverage-selfpay")) {
            root.wrong("type", "who pays for themselves has no payer here");
        }
    }
    let payors = root.list("payor");
    if !payors
        .iter()
        .any(|payor| resolver.is_payer(&source.named(root, payor.own_named())))
    {
        root.wrong(
            "payor",
            "it is not this payer; list its reference or number among the payer's names",
        );
    }
    let named = Named {
        reference: root.text("id").map(|id| format!("Coverage/{id}")),
        identifiers: root.identifiers(),
    };
    let id = own(&named, COVERAGE).or_else(|| resolver.coverage(&named));
    if id.is_none() {
        root.wrong(
            "identifier",
            "no coverage of the ledger is listed for it: draw an id and list it",
        );
    }
    let plan = plan(root, resolver);
    let days = days(root);
    let (plan, version) = plan?;
    let mut coverage = Coverage::new(id?, plan, version, days?);
    coverage.secondary = root.has("order") && root.positive("order", 99)? > 1;
    let patient = root
        .named("beneficiary")
        .and_then(|named| source.resource(root, &named));
    match patient {
        Some(patient) => {
            coverage.born = patient.day("birthDate");
            coverage.sex = match patient.text("gender").as_deref() {
                Some("female") => Some(Sex::Female),
                Some("male") => Some(Sex::Male),
                _ => None,
            };
        }
        None => root.ignored("beneficiary", "without the Patient in the file, day of birth and sex are unknown: rules on age or sex are not met"),
    }
    Some(coverage)
}

fn plan(root: &Node<'_>, resolver: &dyn Resolver) -> Option<(careledger_api::ids::PlanId, u32)> {
    let classes = root.list("class");
    let class = classes
        .iter()
        .find(|class| class.codings("type").iter().any(|(_, code)| code == "plan"));
    let value = class.and_then(|class| class.text("value"));
    let Some(value) = value else {
        root.wrong("class", "a class of the type `plan` names the plan");
        return None;
    };
    let (id, version) = value
        .strip_prefix(PLAN)
        .and_then(|own| own.strip_prefix(':')?.split_once(':'))
        .unzip();
    if let (Some(Ok(id)), Some(Ok(version))) = (id.map(str::parse), version.map(str::parse)) {
        return Some((id, version));
    }
    let plan = resolver.plan(&Named {
        reference: Some(value.clone()),
        identifiers: Vec::new(),
    });
    if plan.is_none() {
        root.wrong_is("class", &value, "no plan of the ledger is listed for it");
    }
    plan
}

fn days(root: &Node<'_>) -> Option<DateRange> {
    let Some(period) = root.object("period") else {
        root.wrong(
            "period",
            "the coverage's first day is needed, and its last where it has one",
        );
        return None;
    };
    if !period.has("start") {
        period.wrong("start", "the coverage's first day is needed");
        return None;
    }
    let until = match period.has("end") {
        true => period.day("end"),
        false => NO_END.parse().ok(),
    };
    let days = DateRange {
        from: period.day("start")?,
        until: until?,
    };
    if days.from > days.until {
        period.wrong("end", "the last day is not before the first");
        return None;
    }
    Some(days)
}

/// Reads a CoverageEligibilityRequest: whether a coverage holds on `servicedDate`, else on the day it was made. The inner error has every reason why
/// it cannot be asked.
pub fn eligibility_from_fhir(
    bytes: &[u8],
    resolver: &dyn Resolver,
) -> Result<Result<EligibilityAsked, Vec<Problem>>, FileError> {
    let source = Source::read(bytes, &["CoverageEligibilityRequest"])?;
    let (path, raw) = source.only("file of one CoverageEligibilityRequest")?;
    let findings = Findings::default();
    let asked = Node::read(raw, path.to_owned(), &findings)
        .and_then(|root| asked(&root, &Within::new(&source, &root), resolver));
    Ok(
        outcome(asked, findings).map(|((query, number), ignored)| EligibilityAsked {
            query,
            number,
            ignored,
        }),
    )
}

fn asked<'n>(
    root: &Node<'n>,
    source: &Within<'n>,
    resolver: &dyn Resolver,
) -> Option<(EligibilityQuery, Option<Identifier>)> {
    root.only(
        &[
            "identifier",
            "status",
            "purpose",
            "patient",
            "servicedDate",
            "servicedPeriod",
            "created",
            "insurer",
            "insurance",
        ],
        &["supportingInfo", "item", "facility"],
        &["priority", "provider", "enterer"],
    );
    for purpose in root.raws("purpose") {
        if !matches!(purpose.get(), "\"validation\"" | "\"benefits\"") {
            root.ignored(
                "purpose",
                "only whether the coverage holds, and what the member has paid, is answered",
            );
        }
    }
    let (coverage, on) = about(root, source, resolver);
    let query = EligibilityQuery {
        coverage: coverage?,
        on: on?,
    };
    Some((query, root.identifiers().into_iter().next()))
}

/// Which coverage a question is about, and which day.
pub(super) fn about<'n>(
    root: &Node<'n>,
    source: &Within<'n>,
    resolver: &dyn Resolver,
) -> (Option<CoverageId>, Option<Date>) {
    root.code("status", &[("active", ())]);
    let insurer = root.named("insurer").map(|named| source.named(root, named));
    if !insurer.is_some_and(|insurer| resolver.is_payer(&insurer)) {
        root.wrong(
            "insurer",
            "it is not the payer that is asked; list its reference or number among the payer's names",
        );
    }
    let insurances = root.list("insurance");
    let focal: Vec<&Node<'_>> = match insurances.as_slice() {
        [only] => vec![only],
        many => many.iter().filter(|i| i.flag("focal") == Some(true)).collect(),
    };
    let coverage = match focal.as_slice() {
        [focal] => {
            let named = source.named(root, focal.named("coverage").unwrap_or_default());
            let found = own(&named, COVERAGE).or_else(|| resolver.coverage(&named));
            if found.is_none() {
                focal.wrong(
                    "coverage",
                    "no coverage of this payer is known for the member's number; list it",
                );
            }
            found
        }
        _ => {
            root.wrong("insurance", "exactly one is asked about: the focal one");
            None
        }
    };
    let on = match (root.has("servicedDate"), root.object("servicedPeriod")) {
        (true, _) => root.day("servicedDate"),
        (false, Some(period)) => period.day("start"),
        (false, None) => root.day("created"),
    };
    (coverage, on)
}

pub(super) fn outcome<T>(read: Option<T>, findings: Findings) -> Result<(T, Vec<Problem>), Vec<Problem>> {
    let (problems, ignored) = findings.into_parts();
    match read {
        Some(read) if problems.is_empty() => Ok((read, ignored)),
        _ => Err(problems),
    }
}

/// Writes the answer to a question about a coverage as a CoverageEligibilityResponse. `currency` is the plan's.
pub fn eligibility_to_fhir(
    asked: &EligibilityAsked,
    answer: &Eligibility,
    currency: &str,
    paper: &Paper,
) -> Vec<u8> {
    let coverage = asked.query.coverage.to_string();
    let request = asked.number.as_ref().map(|i| Out::by_number(&i.system, &i.value));
    let used = |code: &str, amount: i64| {
        let system = "http://terminology.hl7.org/CodeSystem/benefit-type";
        Out::Object(vec![
            ("type", Out::concept(system, code)),
            ("usedMoney", Out::money(amount, currency)),
        ])
    };
    let item = Out::Object(vec![
        (
            "term",
            Out::concept("http://terminology.hl7.org/CodeSystem/benefit-term", "annual"),
        ),
        (
            "benefit",
            Out::List(vec![
                used("deductible", answer.accumulators.deductible),
                used("copay-maximum", answer.accumulators.out_of_pocket),
            ]),
        ),
    ]);
    let disposition = match answer.covered {
        true => "The coverage holds on that day.",
        false => "The coverage does not hold on that day.",
    };
    Out::Object(vec![
        ("resourceType", Out::text("CoverageEligibilityResponse")),
        ("status", Out::text("active")),
        (
            "purpose",
            Out::List(vec![Out::text("validation"), Out::text("benefits")]),
        ),
        ("patient", paper.patient(&coverage)),
        ("servicedDate", Out::text(asked.query.on.to_string())),
        ("created", Out::text(paper.created.to_string())),
        (
            "request",
            request.unwrap_or_else(|| Out::by_number(COVERAGE, &coverage)),
        ),
        ("outcome", Out::text("complete")),
        ("disposition", Out::text(disposition)),
        ("insurer", paper.insurer()),
        (
            "insurance",
            Out::List(vec![Out::Object(vec![
                ("coverage", Out::by_number(COVERAGE, &coverage)),
                ("inforce", Out::Flag(answer.covered)),
                ("benefitPeriod", Out::period(answer.coverage.period)),
                ("item", Out::List(vec![item])),
            ])]),
        ),
    ])
    .bytes()
}

/// Writes a coverage, as it is on a day ([`Eligibility::coverage`]), as a Coverage, with its Patient contained as far as the payer knows them: day of birth and sex.
pub fn coverage_to_fhir(coverage: &Coverage, paper: &Paper) -> Vec<u8> {
    let id = coverage.id.to_string();
    let sex = coverage.sex.map_or("unknown", |sex| sex.as_str());
    let mut patient = vec![
        ("resourceType", Out::text("Patient")),
        ("id", Out::text("member")),
        ("gender", Out::text(sex)),
    ];
    patient.extend(
        coverage
            .born
            .map(|born| ("birthDate", Out::text(born.to_string()))),
    );
    let plan = Out::Object(vec![
        (
            "type",
            Out::concept("http://terminology.hl7.org/CodeSystem/coverage-class", "plan"),
        ),
        (
            "value",
            Out::text(format!("{PLAN}:{}:{}", coverage.plan, coverage.plan_version)),
        ),
    ]);
    Out::Object(vec![
        ("resourceType", Out::text("Coverage")),
        ("contained", Out::List(vec![Out::Object(patient)])),
        ("identifier", Out::List(vec![Out::identifier(COVERAGE, &id)])),
        ("status", Out::text("active")),
        (
            "beneficiary",
            Out::Object(vec![("reference", Out::text("#member"))]),
        ),
        ("period", Out::period(coverage.period)),
        ("payor", Out::List(vec![paper.insurer()])),
        ("class", Out::List(vec![plan])),
        ("order", Out::number(if coverage.secondary { 2 } else { 1 })),
    ])
    .bytes()
}
