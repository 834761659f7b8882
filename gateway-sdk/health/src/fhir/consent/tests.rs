//! IHE PCF's patterns as a table of expected decisions, and forms there and back.

use super::*;
use careledger_api::codes::{Action, Category, Code, CodeFilter, Label, Obligation, Purpose};
use careledger_api::contracts::consent::{Effect, Frequency, LawfulBasis, PolicyReference};
use careledger_api::date::{Date, DateRange};
use careledger_api::decision::{Item, decide_item};
use careledger_api::ids::{Hash, KemPublicKey};
use careledger_api::roles::Role;
use serde_json::{Value, json};

/// 2022-06-13, the day on which IHE's forms are dated.
const NOW: i64 = 1_655_078_400;
const VISIT: EncounterId = EncounterId::from_bytes([7; 16]);

fn directory() -> Directory {
    let clinic = |person: Option<&str>, group: Option<&str>| {
        Referent::Actor(ActorFilter {
            organisation: Some("ClinicMSP".into()),
            person: person.map(str::to_owned),
            group: group.map(str::to_owned),
            ..ActorFilter::default()
        })
    };
    Directory::of("HospitalMSP")
        .with_organisation("Organization/ex-organization", "HospitalMSP")
        .with_organisation("Organization/ex-org-researcher", "InstituteMSP")
        .with("Practitioner/ex-practitioner", clinic(Some("p"), None))
        .with("Group/ex-privilegedUsers", clinic(None, Some("break-glass")))
        .with("Encounter/ex-encounter", Referent::Encounter(VISIT))
        .with(
            "Observation/ex-alcoholUse",
            Referent::Document(DocumentId::from_bytes([1; 16])),
        )
        .with(
            "Observation/ex-bloodSugar",
            Referent::Document(DocumentId::from_bytes([2; 16])),
        )
}

fn form(provision: Value) -> Value {
    json!({
        "resourceType": "Consent", "status": "active",
        "scope": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy" }] },
        "category": [{ "coding": [{ "system": "http://loinc.org", "code": "59284-0" }] }],
        "patient": { "reference": "Patient/ex-patient" },
        "dateTime": "2022-06-13",
        "policy": [{ "uri": "http://example.org/policies/basePrivacyConsentPolicy.txt" }],
        "provision": provision,
    })
}

fn read(form: &Value) -> Imported {
    import(form.to_string().as_bytes(), &directory()).unwrap()
}

fn reasons(codes: &[&str]) -> Value {
    let coding =
        |c: &&str| json!({ "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": c });
    codes.iter().map(coding).collect()
}

/// Treatment, payment, operations.
fn tpo() -> Value {
    reasons(&["TREAT", "HPAYMT", "HOPERAT"])
}

fn levels(codes: &[&str]) -> Value {
    let system = |c: &str| match c.len() {
        1 => "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
        _ => "http://terminology.hl7.org/CodeSystem/v3-ActCode",
    };
    codes
        .iter()
        .map(|c| json!({ "system": system(c), "code": c }))
        .collect()
}

fn recipient(reference: &str) -> Value {
    json!([{
        "role": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP" }] },
        "reference": { "reference": reference },
    }])
}

fn data(meaning: &str, reference: &str) -> Value {
    json!([{ "meaning": meaning, "reference": { "reference": reference } }])
}

#[derive(Clone, Copy)]
enum Who {
    Practitioner,
    Colleague,
    Privileged,
    Researcher,
}
use Who::{Colleague, Practitioner, Privileged, Researcher};

fn requester(who: Who) -> Requester {
    let (organisation, person, groups, role) = match who {
        Practitioner => ("ClinicMSP", "p", vec!["ward".to_owned()], Role::Clinician),
        Colleague => ("ClinicMSP", "q", vec!["ward".to_owned()], Role::Clinician),
        Privileged => ("ClinicMSP", "r", vec!["break-glass".to_owned()], Role::Emergency),
        Researcher => ("InstituteMSP", "s", vec![], Role::Researcher),
    };
    Requester {
        organisation: organisation.into(),
        role,
        person: person.into(),
        groups,
    }
}

/// A laboratory result: instance, day, author, visit, labels.
type What = (u8, &'static str, &'static str, bool, &'static [&'static str]);
const SUGAR: What = (2, "2022-03-01", "HospitalMSP", true, &["N"]);
const ALCOHOL: What = (1, "2022-03-01", "HospitalMSP", false, &["N"]);
const OLD: What = (2, "2020-03-01", "HospitalMSP", false, &["N"]);
const FOREIGN: What = (3, "2022-03-01", "ClinicMSP", false, &["N"]);
const RESTRICTED: What = (4, "2022-03-01", "HospitalMSP", false, &["R"]);
const MIND: What = (5, "2022-03-01", "HospitalMSP", false, &["R", "PSY"]);
const ABUSE: What = (6, "2022-03-01", "HospitalMSP", false, &["R", "SDV"]);

fn asked(purpose: Purpose, (number, day, author, visit, labels): What) -> (AccessRequest, Item) {
    let date: Date = day.parse().unwrap();
    let labels: Vec<Label> = labels.iter().map(|l| l.parse().unwrap()).collect();
    let item = Item {
        document: DocumentId::from_bytes([number; 16]),
        category: Category::Laboratory,
        labels: labels.clone(),
        codes: vec![],
        date: Some(date),
        encounter: visit.then_some(VISIT),
        author: author.into(),
    };
    let request = AccessRequest {
        patient: PatientId::from_bytes([1; 32]),
        purpose,
        action: Action::Access,
        categories: vec![Category::Laboratory],
        labels: Some(labels),
        codes: None,
        data_period: Some(DateRange {
            from: date,
            until: date,
        }),
        authored_by: Some(author.into()),
        encounter: item.encounter,
        documents: Some(vec![item.document]),
        kem_key: KemPublicKey::from_bytes([0; 32]),
    };
    (request, item)
}

/// What is decided about one document, asked for by all its attributes; where the form is unclear, about the request.
fn verdict(imported: &Imported, who: Who, purpose: Purpose, what: What, at: i64) -> Verdict {
    let (request, item) = asked(purpose, what);
    let (who, policy) = (requester(who), Policy::default());
    let decision = imported.decide(&who, &request, &policy, at);
    let within = Period {
        from: NOW - 1,
        until: NOW + 86_400 * 365,
    };
    let salt = Salt::from_bytes([1; 32]);
    if let Ok(consent) = imported.consent(ConsentId::from_bytes([1; 16]), request.patient, salt, within) {
        let alone = decide_item(&[consent], &who, &request, &item, &policy, at);
        let held = alone != Verdict::Permit || decision.verdict == Verdict::Permit;
        assert!(held, "a document of a refused request");
        return alone;
    }
    decision.verdict
}

const YES: Verdict = Verdict::Permit;
const NO: Verdict = Verdict::Deny;
const NONE: Verdict = Verdict::NotApplicable;
const OPEN: Verdict = Verdict::Indeterminate;
const TREAT: Purpose = Purpose::Treatment;

#[test]
#[rustfmt::skip] // a table
fn the_patterns_of_ihe_pcf() {
    type Row = (&'static str, Value, Vec<(Who, Purpose, What, Verdict)>);
    let table: Vec<Row> = vec![
        // Basic.
        ("treatment, payment, operations", json!({ "type": "permit", "purpose": tpo() }), vec![
            (Colleague, TREAT, SUGAR, YES), (Colleague, Purpose::EmergencyTreatment, SUGAR, YES), (Colleague, Purpose::Payment, SUGAR, YES),
            (Researcher, Purpose::Research, SUGAR, NONE), (Privileged, Purpose::BreakTheGlass, SUGAR, NONE), (Colleague, TREAT, MIND, NONE)]),
        ("dissent", json!({ "type": "deny", "purpose": tpo() }), vec![
            (Colleague, TREAT, SUGAR, NO), (Colleague, Purpose::EmergencyTreatment, SUGAR, NO), (Privileged, Purpose::BreakTheGlass, SUGAR, NONE)]),
        ("any research", json!({ "type": "permit", "purpose": reasons(&["HRESCH"]) }), vec![
            (Researcher, Purpose::Research, SUGAR, YES), (Researcher, Purpose::ClinicalTrial, SUGAR, YES), (Colleague, TREAT, SUGAR, NONE)]),
        ("until the end of 2021", json!({ "type": "permit", "purpose": tpo(), "period": { "end": "2021-12-31" } }), vec![(Colleague, TREAT, SUGAR, NONE)]),
        ("until the end of 2022", json!({ "type": "permit", "purpose": tpo(), "period": { "end": "2022-12-31" } }), vec![(Colleague, TREAT, SUGAR, YES)]),
        // Intermediate.
        ("a timeframe", json!({ "type": "permit", "purpose": tpo(), "dataPeriod": { "start": "2022-01-01", "end": "2022-12-31" } }), vec![
            (Colleague, TREAT, SUGAR, YES), (Colleague, TREAT, OLD, NONE)]),
        ("not a timeframe", json!({ "type": "permit", "purpose": tpo(),
            "provision": [{ "type": "deny", "dataPeriod": { "start": "2022-01-01", "end": "2022-12-31" } }] }), vec![
            (Colleague, TREAT, SUGAR, NO), (Colleague, TREAT, OLD, YES), (Researcher, Purpose::Research, SUGAR, NONE)]),
        ("an organisation's", json!({ "type": "permit", "purpose": tpo(), "data": data("authoredby", "Organization/ex-organization") }), vec![
            (Colleague, TREAT, SUGAR, YES), (Colleague, TREAT, FOREIGN, NONE)]),
        ("not an organisation's", json!({ "type": "permit", "purpose": tpo(),
            "provision": [{ "type": "deny", "data": data("authoredby", "Organization/ex-organization") }] }), vec![
            (Colleague, TREAT, SUGAR, NO), (Colleague, TREAT, FOREIGN, YES)]),
        ("a practitioner's: authors are kept as organisations", json!({ "type": "permit", "purpose": tpo(),
            "data": data("authoredby", "Practitioner/ex-practitioner") }), vec![(Colleague, TREAT, SUGAR, OPEN)]),
        ("not a practitioner's", json!({ "type": "permit", "purpose": tpo(),
            "provision": [{ "type": "deny", "data": data("authoredby", "Practitioner/ex-practitioner") }] }), vec![(Colleague, TREAT, SUGAR, OPEN)]),
        ("an encounter", json!({ "type": "permit", "purpose": tpo(), "data": data("related", "Encounter/ex-encounter") }), vec![
            (Colleague, TREAT, SUGAR, YES), (Colleague, TREAT, ALCOHOL, NONE)]),
        ("not an encounter", json!({ "type": "permit", "purpose": tpo(), "provision": [{ "type": "deny", "data": data("related", "Encounter/ex-encounter") }] }), vec![
            (Colleague, TREAT, SUGAR, NO)]),
        ("specific data", json!({ "type": "permit", "purpose": tpo(), "data": data("instance", "Observation/ex-bloodSugar") }), vec![
            (Colleague, TREAT, SUGAR, YES), (Colleague, TREAT, ALCOHOL, NONE)]),
        ("not specific data", json!({ "type": "permit", "purpose": tpo(), "provision": [{ "type": "deny", "data": data("instance", "Observation/ex-alcoholUse") }] }), vec![
            (Colleague, TREAT, SUGAR, YES), (Colleague, TREAT, ALCOHOL, NO)]),
        ("a purpose of its own", json!({ "type": "permit", "purpose": [{ "system": "http://example.org/policies/purposeOfUse", "code": "FooBar" }],
            "actor": recipient("Organization/ex-org-researcher") }), vec![(Researcher, Purpose::Research, SUGAR, OPEN)]),
        ("dissent but for break-glass", json!({ "type": "deny",
            "provision": [{ "type": "permit", "purpose": reasons(&["BTG"]), "actor": recipient("Group/ex-privilegedUsers") }] }), vec![
            (Colleague, TREAT, SUGAR, NO), (Privileged, Purpose::EmergencyTreatment, SUGAR, NO), (Researcher, Purpose::Research, SUGAR, NO),
            (Privileged, Purpose::BreakTheGlass, SUGAR, YES), (Colleague, Purpose::BreakTheGlass, SUGAR, NONE)]),
        // Advanced.
        ("normal", json!({ "type": "permit", "purpose": tpo(), "securityLabel": levels(&["N"]) }), vec![
            (Colleague, TREAT, SUGAR, YES), (Colleague, TREAT, RESTRICTED, NONE), (Colleague, TREAT, MIND, NONE)]),
        ("normal and restricted", json!({ "type": "permit", "purpose": tpo(), "securityLabel": levels(&["N", "R"]) }), vec![
            (Colleague, TREAT, SUGAR, YES), (Colleague, TREAT, RESTRICTED, YES), (Colleague, TREAT, MIND, NONE)]),
        ("normal, not restricted", json!({ "type": "permit", "purpose": tpo(), "securityLabel": levels(&["N"]),
            "provision": [{ "type": "deny", "securityLabel": levels(&["R"]) }] }), vec![
            (Colleague, TREAT, SUGAR, YES), (Colleague, TREAT, RESTRICTED, NO), (Colleague, TREAT, MIND, NO)]),
        ("restricted for one", json!({ "type": "permit", "purpose": tpo(), "securityLabel": levels(&["N"]),
            "provision": [{ "type": "permit", "securityLabel": levels(&["R"]), "actor": recipient("Practitioner/ex-practitioner") }] }), vec![
            (Colleague, TREAT, SUGAR, YES), (Colleague, TREAT, RESTRICTED, NONE), (Practitioner, TREAT, RESTRICTED, YES),
            (Practitioner, Purpose::Research, RESTRICTED, NONE), (Practitioner, TREAT, MIND, NONE)]),
        ("mental health for one", json!({ "type": "permit", "purpose": tpo(), "securityLabel": levels(&["N"]),
            "provision": [{ "type": "permit", "securityLabel": levels(&["PSY"]), "actor": recipient("Practitioner/ex-practitioner") }] }), vec![
            (Practitioner, TREAT, MIND, YES), (Colleague, TREAT, MIND, NONE), (Practitioner, TREAT, ABUSE, NONE), (Practitioner, TREAT, SUGAR, YES)]),
        ("mental health or abuse for one", json!({ "type": "permit", "purpose": tpo(), "securityLabel": levels(&["N"]),
            "provision": [{ "type": "permit", "securityLabel": levels(&["PSY", "SDV"]), "actor": recipient("Practitioner/ex-practitioner") }] }), vec![
            (Practitioner, TREAT, MIND, YES), (Practitioner, TREAT, ABUSE, YES), (Colleague, TREAT, ABUSE, NONE)]),
        ("restricted by break-glass", json!({ "type": "permit", "purpose": tpo(), "securityLabel": levels(&["N"]),
            "provision": [{ "type": "permit", "purpose": reasons(&["BTG"]), "securityLabel": levels(&["R"]), "actor": recipient("Group/ex-privilegedUsers") }] }), vec![
            (Privileged, TREAT, SUGAR, YES), (Privileged, TREAT, RESTRICTED, NONE), (Privileged, Purpose::BreakTheGlass, RESTRICTED, YES),
            (Colleague, Purpose::BreakTheGlass, RESTRICTED, NONE)]),
    ];
    for (name, provision, asks) in table {
        let imported = read(&form(provision));
        for (number, (who, purpose, what, expected)) in asks.into_iter().enumerate() {
            assert_eq!(verdict(&imported, who, purpose, what, NOW), expected, "{name}, question {number}");
        }
    }
}

#[test]
fn a_consent_comes_back_from_its_form() {
    let every = Provision {
        actors: vec![
            ActorFilter {
                organisation: Some("ClinicMSP".into()),
                role: Some(Role::Clinician),
                person: Some("p".into()),
                group: Some("icu".into()),
            },
            ActorFilter {
                organisation: Some("InstituteMSP".into()),
                ..ActorFilter::default()
            },
        ],
        purposes: vec![Purpose::Treatment, Purpose::BreakTheGlass],
        actions: vec![Action::Access, Action::Use],
        categories: vec![Category::Laboratory, Category::EmergencySummary],
        labels: vec!["PSY".parse().unwrap(), "R".parse().unwrap()],
        codes: vec![CodeFilter {
            code: Code {
                system: "http://hl7.org/fhir/sid/icd-10-cm".into(),
                code: "C43".into(),
            },
            is_a: true,
        }],
        data_period: Some(DateRange {
            from: "2020-01-01".parse().unwrap(),
            until: "2022-12-31".parse().unwrap(),
        }),
        authored_by: vec!["HospitalMSP".into()],
        documents: vec![DocumentId::from_bytes([1; 16])],
        encounters: vec![VISIT],
        obligations: vec![Obligation::DeleteAfterUse, Obligation::NoRedisclosure],
        ..Provision::new(Effect::Permit)
    };
    let inner = Provision {
        period: Some(Period {
            from: NOW,
            until: NOW + 3_600,
        }),
        ..every.clone()
    };
    let open = Provision::new(Effect::Deny);
    let limits = Limits {
        max_uses: Some(3),
        frequency: Some(Frequency {
            times: 2,
            within: 3_600,
        }),
        erase_at: Some(NOW + 40_000),
    };
    for (provisions, basis) in [
        (vec![every.clone()], LawfulBasis::Consent),
        (vec![inner.clone()], LawfulBasis::Part2Consent),
        (vec![inner, open.clone(), every], LawfulBasis::HealthCare),
        (vec![open], LawfulBasis::HipaaAuthorization),
    ] {
        let denies = provisions.iter().all(|p| p.effect == Effect::Deny);
        let consent = Consent {
            id: ConsentId::from_bytes([1; 16]),
            patient: PatientId::from_bytes([1; 32]),
            period: Period {
                from: NOW,
                until: NOW + 86_400,
            },
            provisions,
            grounds: Grounds {
                policy: Some(PolicyReference {
                    uri: "http://example.org/policy".into(),
                    version: Some("7".into()),
                }),
                jurisdiction: Some("US-CA".into()),
                lawful_basis: Some(basis),
                source: Some(Hash::from_bytes([7; 32])),
            },
            // Denials have none.
            limits: if denies { Limits::default() } else { limits.clone() },
            supersedes: None,
            salt: Salt::from_bytes([1; 32]),
        };
        let written = export(
            &consent,
            &Form {
                active: true,
                patient: "Patient/f001",
                organization: "Organization/f001",
                policy: "http://example.org/policy",
            },
        );
        let imported = import(written.to_string().as_bytes(), &Directory::of("HospitalMSP")).unwrap();
        assert_eq!(imported.unclear, []);
        let nowhere = Period { from: 0, until: 1 };
        let back = imported
            .consent(consent.id, consent.patient, consent.salt, nowhere)
            .unwrap();
        assert_eq!(back, consent);
    }
}

#[test]
fn what_is_unclear_is_named_and_never_granted() {
    let permit = |more: Value| {
        let mut provision = json!({ "type": "permit", "purpose": tpo() });
        for (element, value) in more.as_object().unwrap() {
            provision[element] = value.clone();
        }
        form(provision)
    };
    let text_only = json!([{ "text": "diabetes" }]);
    let cases = [
        (form(json!({ "purpose": tpo() })), "Consent.provision.type"),
        (form(Value::Null), "Consent.provision"),
        (
            permit(json!({ "actor": recipient("Practitioner/nobody") })),
            "Consent.provision.actor[0].reference",
        ),
        (
            permit(json!({ "actor": [{ "reference": { "reference": "Organization/ex-organization" } }] })),
            "Consent.provision.actor[0].role",
        ),
        (permit(json!({ "purpose": [] })), "Consent.provision.purpose"),
        (
            permit(json!({ "purpose": reasons(&["TREAT", "SOMETHING"]) })),
            "Consent.provision.purpose[1]",
        ),
        (
            permit(json!({ "class": [{ "system": "urn:ietf:bcp:13", "code": "application/hl7-cda+xml" }] })),
            "Consent.provision.class[0]",
        ),
        (permit(json!({ "code": text_only })), "Consent.provision.code[0]"),
        (
            permit(json!({ "securityLabel": [{ "system": "urn:elsewhere", "code": "PSY" }] })),
            "Consent.provision.securityLabel[0]",
        ),
        (
            permit(
                json!({ "securityLabel": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "R" }] }),
            ),
            "Consent.provision.securityLabel[0]",
        ),
        (
            permit(json!({ "data": data("dependents", "Observation/ex-bloodSugar") })),
            "Consent.provision.data[0].meaning",
        ),
        (
            permit(json!({ "data": data("related", "Observation/ex-bloodSugar") })),
            "Consent.provision.data[0].reference",
        ),
        (
            permit(json!({ "dataPeriod": { "start": "2022-02-01", "end": "2022-01-01" } })),
            "Consent.provision.dataPeriod",
        ),
        (
            permit(json!({ "period": { "start": "soon" } })),
            "Consent.provision.period.start",
        ),
        (
            permit(json!({ "modifierExtension": [] })),
            "Consent.provision.modifierExtension",
        ),
        (
            permit(json!({ "provision": [{ "dataPeriod": { "start": "2022" } }] })),
            "Consent.provision.provision[0].type",
        ),
        (
            permit(json!({ "provision": [{ "type": "deny", "provision": [{ "type": "permit" }] }] })),
            "Consent.provision.provision[0].provision",
        ),
        // ETREAT cannot be left out of a denied TREAT.
        (
            form(
                json!({ "type": "deny", "provision": [{ "type": "permit", "purpose": reasons(&["ETREAT"]) }] }),
            ),
            "Consent.provision.type",
        ),
    ];
    for (form, path) in cases {
        let imported = read(&form);
        assert!(
            imported.unclear.iter().any(|u| u.path == path),
            "{path}: {:?}",
            imported.unclear
        );
        assert_eq!(verdict(&imported, Colleague, TREAT, SUGAR, NOW), OPEN, "{path}");
        let within = Period {
            from: NOW,
            until: NOW + 1,
        };
        let granted = imported.consent(
            ConsentId::from_bytes([1; 16]),
            PatientId::from_bytes([1; 32]),
            Salt::from_bytes([1; 32]),
            within,
        );
        assert!(granted.unwrap_err().to_string().contains(path));
    }
}

#[test]
fn limits_are_read_whole_or_not_at_all_and_what_does_not_decide_never_stops_a_form() {
    let whole = |modifier: Value| {
        let mut form = form(json!({ "type": "permit", "purpose": tpo() }));
        form["modifierExtension"] = modifier;
        read(&form)
    };
    let ours = |parts: Value| whole(json!([{ "url": "urn:careledger:limits", "extension": parts }]));
    let number = |url: &str, n: i64| json!({ "url": url, "valuePositiveInt": n });
    let good =
        ours(json!([number("maxUses", 1), { "url": "eraseAt", "valueInstant": "2022-06-13T00:00:00Z" }]));
    assert_eq!(good.unclear, []);
    assert_eq!((good.limits.max_uses, good.limits.erase_at), (Some(1), Some(NOW)));
    assert_eq!(
        verdict(&good, Colleague, TREAT, SUGAR, NOW),
        NONE,
        "deleted by now"
    );
    for bad in [
        ours(json!([number("maxUses", 1), number("maxUses", 2)])),
        ours(json!([number("maxUses", -1)])),
        ours(json!([number("times", 1)])),
        ours(json!([number("others", 1)])),
        ours(json!([{ "url": "eraseAt", "valueInstant": "soon" }])),
        ours(json!("none")),
        whole(json!([{ "url": "urn:elsewhere", "valueBoolean": true }])),
        whole(json!([{ "url": "urn:careledger:limits", "extension": [] }, { "url": "urn:elsewhere" }])),
    ] {
        assert_eq!(bad.unclear.len(), 1);
        assert_eq!(verdict(&bad, Colleague, TREAT, SUGAR, NOW), OPEN);
    }
    let mut strange = form(json!({ "type": "permit", "purpose": tpo() }));
    strange["policy"] = json!([{ "uri": "no uri", "authority": "urn:iso:std:iso:3166:Germany" }]);
    strange["sourceReference"] =
        json!({ "identifier": { "system": "urn:careledger:sha-256", "value": "short" } });
    let imported = read(&strange);
    assert_eq!(
        (&imported.unclear[..], imported.grounds),
        (&[][..], Grounds::default())
    );
}

#[test]
fn forms_of_another_status_decide_nothing_and_strangers_are_refused() {
    for status in ["draft", "proposed", "rejected", "inactive", "entered-in-error"] {
        let mut form = form(json!({ "type": "permit" }));
        form["status"] = status.into();
        let imported = read(&form);
        assert_eq!(verdict(&imported, Colleague, TREAT, SUGAR, NOW), NONE);
    }
    let read = |text: &str| import(text.as_bytes(), &directory()).unwrap_err();
    assert_eq!(
        read("{ \"a\": ,}"),
        ConsentFormError::NotJson { line: 1, column: 8 }
    );
    assert_eq!(read("[]"), ConsentFormError::NotAConsent);
    assert_eq!(
        read("{ \"resourceType\": \"Consent\" }"),
        ConsentFormError::Status
    );
    let mut treatment = form(json!({ "type": "permit" }));
    treatment["scope"]["coding"][0]["code"] = "treatment".into();
    assert_eq!(read(&treatment.to_string()), ConsentFormError::Scope);
}

#[test]
fn what_is_anothers_to_keep_is_not_decided_here() {
    let custodian = json!([{
        "role": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "CST" }] },
        "reference": { "reference": "Organization/ex-org-researcher" },
    }]);
    let imported = read(&form(json!({ "type": "deny", "actor": custodian })));
    assert_eq!((imported.provisions.len(), imported.unclear.len()), (0, 0));
    assert_eq!(verdict(&imported, Colleague, TREAT, SUGAR, NOW), NONE);
}

#[test]
fn no_damaged_form_stops_the_reader() {
    let whole = form(json!({
        "type": "permit", "purpose": tpo(), "securityLabel": levels(&["N"]), "actor": recipient("Group/ex-privilegedUsers"),
        "code": [{ "coding": [{ "system": "http://loinc.org", "code": "2345-7" }] }],
        "dataPeriod": { "start": "2022", "end": "2022-03" },
        "provision": [{ "type": "deny", "data": data("related", "Encounter/ex-encounter") }],
    }));
    let text = whole.to_string();
    assert_eq!(read(&whole).unclear, []);
    for at in 0..text.len() {
        let _ = import(&text.as_bytes()[..at], &directory());
        for byte in [b'0', b'"', b'{', b'[', 0xff] {
            let mut damaged = text.clone().into_bytes();
            damaged[at] = byte;
            let _ = import(&damaged, &directory());
        }
    }
    // Every element as something that it cannot be.
    let members: Vec<String> = whole["provision"].as_object().unwrap().keys().cloned().collect();
    for member in members {
        for wrong in [
            json!(null),
            json!(7),
            json!("text"),
            json!({}),
            json!([]),
            json!([7]),
            json!([[]]),
            json!([{}]),
        ] {
            let mut damaged = whole.clone();
            damaged["provision"][&member] = wrong.clone();
            let imported = read(&damaged);
            assert!(!imported.unclear.is_empty(), "{member} as {wrong}");
        }
    }
}
