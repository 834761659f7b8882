//! A provider's question about a coverage, and the payer's answer: FHIR R4's CoverageEligibilityRequest and -Response at a front desk.

use super::coverage::{about, outcome};
use super::item::{modifiers, procedure};
use super::node::{Findings, Node};
use super::out::Out;
use super::paper::{AUTHORISATION, COVERAGE, PLAN, PROCEDURE, Paper, provider};
use super::source::{Source, Within, npi};
use crate::claims::{FileError, Identifier, Problem, Resolver};
use careledger_api::adjudication::{LimitLeft, Span, npi_is_valid};
use careledger_api::contracts::claims::{
    AskedService, CoverageStanding, EligibilityAnswer, EligibilityPurpose, EligibilityQuestion,
    EligibilityView, MAX_ASKED_SERVICES, ServiceAnswer, ServiceStanding, YearSum,
};
use careledger_api::ids::{QuestionId, Salt};

/// A provider's question as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionAsked {
    /// For `askEligibility`.
    pub question: EligibilityQuestion,
    /// Its number, for the answer; not for the ledger.
    pub number: Identifier,
    /// What was ignored.
    pub ignored: Vec<Problem>,
}

/// Reads a CoverageEligibilityRequest for its provider: what is asked of which coverage on `servicedDate`, else on the day it was made. Its id is made of
/// its number by [`Numbers`](crate::claims::Numbers): the same file again is the same question. The inner error has every reason why it cannot be asked.
pub fn question_from_fhir(
    bytes: &[u8],
    resolver: &dyn Resolver,
) -> Result<Result<QuestionAsked, Vec<Problem>>, FileError> {
    let source = Source::read(bytes, &["CoverageEligibilityRequest"])?;
    let (path, raw) = source.only("file of one CoverageEligibilityRequest")?;
    let findings = Findings::default();
    let asked = Node::read(raw, path.to_owned(), &findings)
        .and_then(|root| asked(&root, &Within::new(&source, &root), resolver));
    Ok(
        outcome(asked, findings).map(|((question, number), ignored)| QuestionAsked {
            question,
            number,
            ignored,
        }),
    )
}

fn asked<'n>(
    root: &Node<'n>,
    source: &Within<'n>,
    resolver: &dyn Resolver,
) -> Option<(EligibilityQuestion, Identifier)> {
    root.only(
        &[
            "identifier",
            "status",
            "purpose",
            "patient",
            "servicedDate",
            "servicedPeriod",
            "created",
            "provider",
            "insurer",
            "insurance",
            "item",
        ],
        &["supportingInfo", "facility"],
        &["priority", "enterer"],
    );
    let number = root.identifiers().into_iter().next();
    if number.is_none() {
        root.wrong("identifier", "the provider's number of the question is needed");
    }
    let (coverage, on) = about(root, source, resolver);
    let nothing = Salt::from_bytes([0; 32]);
    let mut question = EligibilityQuestion::new(QuestionId::from_bytes([0; 16]), coverage?, on?, nothing);
    question.purposes = root
        .raws("purpose")
        .into_iter()
        .filter_map(|purpose| {
            let known = purpose.get().trim_matches('"').parse().ok();
            if known.is_none() {
                root.ignored(
                    "purpose",
                    "coverages are not looked for: the question names its own",
                );
            }
            known
        })
        .collect();
    if question.purposes.is_empty() {
        question.purposes.insert(EligibilityPurpose::Validation);
    }
    services(root, resolver, &mut question);
    let named = root.named("provider").map(|named| source.named(root, named));
    let found = named.and_then(|named| npi(&named).or_else(|| resolver.provider(&named)));
    question.provider_npi = found.filter(|npi| npi_is_valid(npi));
    if question.provider_npi.is_none() && !question.services.is_empty() {
        root.wrong("provider", "who asks about services has a valid NPI: give it as an identifier of http://hl7.org/fhir/sid/us-npi, or list the provider");
        return None;
    }
    let number = number?;
    let question = resolver.numbers().asked(question, &number.system, &number.value);
    match question.and_then(|question| question.validate().map(|()| question)) {
        Ok(question) => Some((question, number)),
        Err(error) => {
            root.wrong("item", error.to_string());
            None
        }
    }
}

/// The services; each is told, or said to be left out.
fn services(root: &Node<'_>, resolver: &dyn Resolver, question: &mut EligibilityQuestion) {
    let items = root.list("item");
    if items.len() > MAX_ASKED_SERVICES {
        root.wrong("item", "a question is about at most 20 services");
        return;
    }
    for item in items {
        item.only(
            &["productOrService", "modifier", "quantity", "unitPrice"],
            &[
                "supportingInfoSequence",
                "category",
                "provider",
                "facility",
                "diagnosis",
                "detail",
            ],
            &[],
        );
        if !item.has("productOrService") {
            item.ignored(
                "productOrService",
                "only procedures of the plan are answered, no categories",
            );
            continue;
        }
        let units = match item.object("quantity") {
            Some(quantity) => quantity.positive("value", 999),
            None => (!item.has("quantity")).then_some(1),
        };
        let price = item.money("unitPrice");
        let modifiers = modifiers(&item);
        let (Some(procedure), Some(units)) = (procedure(&item, resolver), units) else {
            continue;
        };
        let mut service = AskedService {
            modifiers,
            units,
            ..AskedService::new(&procedure)
        };
        if let Some((price, currency)) = price {
            if question.currency.as_ref().is_some_and(|other| *other != currency) {
                item.wrong_is("unitPrice", &currency, "all prices are in one currency");
            }
            service.charge = price.checked_mul(i64::from(units));
            question.currency = Some(currency);
        }
        question.services.push(service);
    }
}

const BENEFIT: &str = "http://terminology.hl7.org/CodeSystem/benefit-type";
const TERM: &str = "http://terminology.hl7.org/CodeSystem/benefit-term";
/// Kinds of amounts of an estimate: `charge`, `paid`, `written-off`, `member`, and of the member's `deductible`, `copay`, `coinsurance`, `noncovered`.
const ESTIMATE: &str = "urn:careledger:estimate";
/// How a coverage or a service stands.
const STANDING: &str = "urn:careledger:standing";

/// Writes a question and the payer's answer as a CoverageEligibilityResponse; `queued` before there is one. `number` is the provider's own of the question.
pub fn answer_to_fhir(view: &EligibilityView, number: Option<&Identifier>, paper: &Paper) -> Vec<u8> {
    let question = &view.question;
    let coverage = question.coverage.to_string();
    let purposes = question.purposes.iter();
    let purposes = purposes.map(|purpose| Out::text(purpose.as_str())).collect();
    let request = match number {
        Some(number) => Out::by_number(&number.system, &number.value),
        None => Out::by_number("urn:careledger:question", &question.id.to_string()),
    };
    let (outcome, disposition) = told(view.answer.as_ref());
    let mut response = vec![
        ("resourceType", Out::text("CoverageEligibilityResponse")),
        ("status", Out::text("active")),
        ("purpose", Out::List(purposes)),
        ("patient", paper.patient(&coverage)),
        ("servicedDate", Out::text(question.on.to_string())),
        ("created", Out::text(paper.created.to_string())),
    ];
    if let Some(npi) = &question.provider_npi {
        response.push(("requestor", provider(npi)));
    }
    response.extend([
        ("request", request),
        ("outcome", Out::text(outcome)),
        ("disposition", Out::text(disposition)),
        ("insurer", paper.insurer()),
    ]);
    if let Some(answer) = &view.answer {
        response.push(("insurance", Out::List(vec![insurance(question, answer)])));
        let given: Vec<String> = answer
            .services
            .iter()
            .filter_map(|service| Some(service.authorisation.as_ref()?.given.as_ref()?.id.to_string()))
            .collect();
        if let Some(first) = given.first()
            && given.iter().all(|other| other == first)
        {
            response.push(("preAuthRef", Out::text(first)));
        }
        if answer.standing != CoverageStanding::Covered {
            let code = Out::concept(STANDING, answer.standing.as_str());
            response.push(("error", Out::List(vec![Out::Object(vec![("code", code)])])));
        }
    }
    Out::Object(response).bytes()
}

/// The answer as a whole, and in words.
fn told(answer: Option<&EligibilityAnswer>) -> (&'static str, &'static str) {
    match answer.map(|answer| answer.standing) {
        None => ("queued", "The question waits for the payer."),
        Some(CoverageStanding::Covered) => (
            "complete",
            "The coverage holds on that day. Amounts are an estimate as of now, and no promise of payment.",
        ),
        Some(CoverageStanding::NotYet) => ("complete", "The coverage begins later."),
        Some(CoverageStanding::Ended) => ("complete", "The coverage has ended, or never held."),
        Some(_) => ("error", "The payer knows no such coverage."),
    }
}

fn insurance(question: &EligibilityQuestion, answer: &EligibilityAnswer) -> Out {
    let covered = answer.standing == CoverageStanding::Covered;
    let mut insurance = vec![
        (
            "coverage",
            Out::by_number(COVERAGE, &question.coverage.to_string()),
        ),
        ("inforce", Out::Flag(covered)),
    ];
    let Some(terms) = &answer.terms else {
        return Out::Object(insurance);
    };
    insurance.push(("benefitPeriod", Out::period(terms.period)));
    let plan = format!("{PLAN}:{}:{}", terms.plan, terms.plan_version);
    let mut items = Vec::new();
    if covered {
        let sums = answer.left.iter().flat_map(|left| {
            [
                ("deductible", left.deductible),
                ("copay-maximum", left.out_of_pocket),
            ]
        });
        let sums = sums.map(|(code, sum)| year(code, sum, &terms.currency)).collect();
        items.push(Out::Object(vec![
            ("description", Out::text(plan)),
            ("term", Out::concept(TERM, "annual")),
            ("benefit", Out::List(sums)),
        ]));
    }
    for service in &answer.services {
        items.extend(written(question, service, &terms.currency));
    }
    insurance.push(("item", Out::List(items)));
    Out::Object(insurance)
}

fn year(code: &str, sum: YearSum, currency: &str) -> Out {
    Out::Object(vec![
        ("type", Out::concept(BENEFIT, code)),
        ("allowedMoney", Out::money(sum.of, currency)),
        ("usedMoney", Out::money(sum.of.saturating_sub(sum.left), currency)),
    ])
}

/// The item of a service, and one for each limit of it.
fn written(question: &EligibilityQuestion, service: &ServiceAnswer, currency: &str) -> Vec<Out> {
    let place = usize::from(service.sequence).checked_sub(1);
    let Some(asked) = place.and_then(|place| question.services.get(place)) else {
        return Vec::new();
    };
    let of_service = || {
        let modifiers = asked.modifiers.iter();
        let modifiers = modifiers.map(|m| Out::concept(&format!("{PROCEDURE}:modifier"), m));
        vec![
            ("productOrService", Out::concept(PROCEDURE, &asked.procedure)),
            ("modifier", Out::List(modifiers.collect())),
        ]
    };
    let network = if service.in_network { "in" } else { "out" };
    let mut item = of_service();
    item.extend([
        (
            "excluded",
            Out::Flag(service.standing == ServiceStanding::NotCovered),
        ),
        ("name", Out::text(service.standing.as_str())),
        ("description", Out::text(words(service))),
        (
            "network",
            Out::concept("http://terminology.hl7.org/CodeSystem/benefit-network", network),
        ),
        (
            "unit",
            Out::concept("http://terminology.hl7.org/CodeSystem/benefit-unit", "individual"),
        ),
        ("benefit", Out::List(benefits(service, currency))),
    ]);
    if question.wants(EligibilityPurpose::Authorisation) {
        let needed = service.authorisation.is_some();
        item.push(("authorizationRequired", Out::Flag(needed)));
    }
    let mut all = vec![Out::Object(item)];
    all.extend(service.limits.iter().map(|limit| {
        let mut item = of_service();
        item.push(("term", Out::concept(TERM, term(limit.within))));
        item.push(("benefit", Out::List(vec![units(limit)])));
        Out::Object(item)
    }));
    all
}

/// Why, and under which authorisation.
fn words(service: &ServiceAnswer) -> String {
    let mut words: Vec<String> = service
        .why
        .iter()
        .map(|edit| edit.explanation.clone().into_owned())
        .collect();
    words.extend(service.covered_from.map(|day| format!("covered from {day}")));
    let given = service
        .authorisation
        .as_ref()
        .and_then(|needed| needed.given.as_ref());
    words.extend(given.map(|given| format!("{AUTHORISATION}:{}, {} units left", given.id, given.units_left)));
    words.join("; ")
}

fn benefits(service: &ServiceAnswer, currency: &str) -> Vec<Out> {
    let money = |system: &str, code: &str, amount: i64| {
        Out::Object(vec![
            ("type", Out::concept(system, code)),
            ("allowedMoney", Out::money(amount, currency)),
        ])
    };
    let mut found = Vec::new();
    if let Some(share) = service.share {
        found.push(money(BENEFIT, "copay", share.copay));
        let percent = match share.coinsurance % 100 {
            0 => ("allowedUnsignedInt", Out::number(share.coinsurance / 100)),
            part => (
                "allowedString",
                Out::text(format!("{}.{part:02}", share.coinsurance / 100)),
            ),
        };
        found.push(Out::Object(vec![
            ("type", Out::concept(BENEFIT, "copay-percent")),
            percent,
        ]));
    }
    if let Some(estimate) = &service.estimate {
        let part = &estimate.part;
        let amounts = [
            ("charge", estimate.charge),
            ("paid", estimate.paid),
            ("written-off", estimate.written_off),
            ("member", estimate.member),
            ("deductible", part.deductible),
            ("copay", part.copay),
            ("coinsurance", part.coinsurance),
            ("noncovered", part.non_covered),
        ];
        found.extend(amounts.map(|(code, amount)| money(ESTIMATE, code, amount)));
    }
    found
}

fn units(limit: &LimitLeft) -> Out {
    Out::Object(vec![
        ("type", Out::concept(BENEFIT, "benefit")),
        ("allowedUnsignedInt", Out::number(limit.units)),
        (
            "usedUnsignedInt",
            Out::number(limit.units.saturating_sub(limit.left)),
        ),
    ])
}

fn term(span: Span) -> &'static str {
    match span {
        Span::Day => "day",
        Span::Year => "annual",
        _ => "lifetime",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::testing::{MEMBER, NPI, date, directory, eligibility_answer};
    use careledger_api::contracts::claims::QuestionStatus;
    use serde_json::{Value, json};

    fn form() -> Value {
        json!({
            "resourceType": "CoverageEligibilityRequest", "status": "active", "created": "2026-06-30",
            "purpose": ["validation", "benefits", "auth-requirements", "discovery"],
            "identifier": [{ "system": "s", "value": "Q-1" }], "servicedDate": "2026-07-01", "patient": { "reference": "Patient/1" },
            "provider": { "identifier": { "system": "http://hl7.org/fhir/sid/us-npi", "value": NPI } },
            "insurer": { "identifier": { "system": "urn:careledger:msp", "value": "PayerMSP" } },
            "insurance": [{ "coverage": { "identifier": { "system": "MI", "value": "M-0001" } } }],
            "item": [
                { "productOrService": { "coding": [{ "code": "X-1001" }] }, "modifier": [{ "coding": [{ "code": "59" }] }],
                  "quantity": { "value": 2 }, "unitPrice": { "value": 90.5, "currency": "USD" } },
                { "category": { "coding": [{ "code": "30" }] } },
            ],
        })
    }

    fn read(form: &Value) -> Result<QuestionAsked, Vec<Problem>> {
        question_from_fhir(form.to_string().as_bytes(), &directory()).unwrap()
    }

    #[test]
    fn a_question_is_read_whole_and_is_the_same_each_time() {
        let asked = read(&form()).unwrap();
        let question = &asked.question;
        assert_eq!((question.coverage, question.on), (MEMBER, date("2026-07-01")));
        assert_eq!(question.purposes.len(), 3);
        assert_eq!(question.provider_npi.as_deref(), Some(NPI));
        let [service] = question.services.as_slice() else {
            panic!("{question:?}")
        };
        assert_eq!(
            (service.units, service.charge, service.modifiers.as_slice()),
            (2, Some(18_100), ["59".to_owned()].as_slice())
        );
        assert_eq!(asked.ignored.len(), 3, "{:?}", asked.ignored);
        assert_eq!(read(&form()).unwrap(), asked);
        let mut other = form();
        other["identifier"][0]["value"] = json!("Q-2");
        assert_ne!(read(&other).unwrap().question.id, question.id);
        let text = serde_json::to_string(question).unwrap();
        assert!(!text.contains("Q-1") && !text.contains("M-0001"));
    }

    #[test]
    fn what_cannot_be_asked_is_said_with_its_place() {
        let wrong = |change: &dyn Fn(&mut Value)| {
            let mut form = form();
            change(&mut form);
            let problems = read(&form).unwrap_err();
            problems.into_iter().map(|p| p.at).collect::<Vec<_>>().join(" ")
        };
        assert!(wrong(&|f| f["identifier"] = json!([])).contains("identifier"));
        assert!(wrong(&|f| f["provider"] = json!({ "reference": "Practitioner/1" })).contains("provider"));
        assert!(wrong(&|f| f["insurer"] = json!({ "reference": "Organization/9" })).contains("insurer"));
        assert!(wrong(&|f| f["item"][0]["quantity"]["value"] = json!(1.5)).contains("item[0].quantity"));
        assert!(wrong(&|f| f["insurance"][0]["coverage"] = json!({ "reference": "x" })).contains("coverage"));
    }

    fn view(answer: Option<EligibilityAnswer>) -> EligibilityView {
        EligibilityView {
            question: read(&form()).unwrap().question,
            asked: 0,
            status: match answer {
                Some(_) => QuestionStatus::Answered,
                None => QuestionStatus::Open,
            },
            answer,
            tx: "ab".repeat(32).parse().unwrap(),
        }
    }

    fn written(view: &EligibilityView) -> Value {
        let number = read(&form()).unwrap().number;
        let paper = Paper::new(date("2026-07-01"), "PayerMSP");
        serde_json::from_slice(&answer_to_fhir(view, Some(&number), &paper)).unwrap()
    }

    #[test]
    fn an_answer_is_written_with_sums_limits_authorisation_and_estimate() {
        let written = written(&view(Some(eligibility_answer())));
        assert_eq!(written["request"]["identifier"]["value"], "Q-1");
        assert_eq!(written["outcome"], "complete");
        assert!(written["disposition"].as_str().unwrap().contains("estimate"));
        assert_eq!(written["preAuthRef"], "05".repeat(16));
        let items = written["insurance"][0]["item"].as_array().unwrap();
        assert_eq!(items.len(), 3);
        let deductible = &items[0]["benefit"][0];
        assert_eq!(deductible["allowedMoney"]["value"], 200.0);
        assert_eq!(deductible["usedMoney"]["value"], 124.5);
        assert_eq!(items[1]["authorizationRequired"], true);
        assert_eq!(
            (&items[1]["excluded"], &items[1]["name"]),
            (&json!(false), &json!("COVERED"))
        );
        let benefits = items[1]["benefit"].as_array().unwrap();
        assert_eq!(benefits[1]["allowedString"], "12.50");
        let paid = benefits.iter().find(|b| b["type"]["coding"][0]["code"] == "paid");
        assert_eq!(paid.unwrap()["allowedMoney"]["value"], 83.56);
        assert_eq!(items[2]["term"]["coding"][0]["code"], "annual");
        assert_eq!(items[2]["benefit"][0]["usedUnsignedInt"], 7);
    }

    #[test]
    fn what_does_not_hold_or_is_not_known_says_no_more() {
        let open = written(&view(None));
        assert_eq!(
            (&open["outcome"], &open["insurance"]),
            (&json!("queued"), &Value::Null)
        );
        let unknown = EligibilityAnswer {
            standing: CoverageStanding::Unknown,
            terms: None,
            left: None,
            services: Vec::new(),
            ..eligibility_answer()
        };
        let unknown = written(&view(Some(unknown)));
        assert_eq!(unknown["outcome"], "error");
        assert_eq!(unknown["insurance"][0]["inforce"], false);
        assert_eq!(unknown["insurance"][0]["item"], Value::Null);
        assert_eq!(unknown["error"][0]["code"]["coding"][0]["code"], "NOT_KNOWN_HERE");
    }
}
