//! What one side writes otherwise than the contract does: it ends no list, no report and no decision of the other's, and nobody takes it for the other's word.

use crate::claims::{
    AUTHORISATION, adjudicate, approved, authorising, book, codes, covered_as, covered_by, id, member, on,
    paid, payers, providers, receive, remitting, request, submit, view, waiting,
};
use crate::claims_forged::{forge, forge_claim, forge_word, guard, salt, stored};
use crate::fixture::{HOSPITAL, INSURER, World, bytes, world};
use careledger_api::HealthError;
use careledger_api::adjudication::Frequency;
use careledger_api::contracts::claims::{
    AdjudicationStep, AppealBody, AuthorisationAct, AuthorisationDecision, ClaimList, ClaimStatus,
    ClaimsClient, FraudFlag, Information, ListQuery, MAX_LOOKED_AT, MAX_READ, PaymentConsent, RemittanceList,
    RemittanceQuery, ReportQuery, Reversal, ServiceReport, Waiting, WaitingQuery, WaitingStep,
};
use careledger_api::date::DateRange;
use careledger_api::hashing::{keyed_hash, sha256};
use careledger_api::ids::{AuthorisationId, ClaimId, CoverageId, RemittanceId, Salt};
use careledger_api::roles::Role;
use fabric_contract_core::KeyPolicy;
use serde_json::{Value, json};

async fn list(world: &World, query: WaitingQuery) -> Waiting {
    let payer = world.client(INSURER, Role::Payer);
    let asked = ClaimsClient::new(&payer).waiting(INSURER, HOSPITAL, query);
    asked.endorsed_by([INSURER]).send().await.unwrap()
}

async fn report(world: &World, query: ReportQuery) -> ServiceReport {
    let payer = world.client(INSURER, Role::Payer);
    let asked = ClaimsClient::new(&payer).service_report(INSURER, HOSPITAL, query);
    asked.endorsed_by([INSURER]).send().await.unwrap()
}

/// What the provider has to do.
async fn to_do(world: &World, query: ListQuery) -> ClaimList {
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let query = ListQuery {
        for_provider: true,
        ..query
    };
    let asked = ClaimsClient::new(&biller).list_claims(INSURER, HOSPITAL, query);
    asked.endorsed_by([HOSPITAL]).send().await.unwrap()
}

fn held(found: &Waiting, n: u8) -> Option<&str> {
    let mut rows = found.claims.iter();
    let row = rows.find(|row| row.claim == id(n)).expect("it waits");
    row.held.as_deref()
}

fn flagging(world: &World) -> FraudFlag {
    FraudFlag {
        claim: id(1),
        line: None,
        kind: "phantom".into(),
        score: 10,
        explanation: "no record of the visit".into(),
        salt: world.wallet.salt(),
    }
}

/// Two claims of two members, both approved; the first one's payment consent is given, under the key that comes with it.
async fn consented() -> (World, String) {
    let world = approved().await;
    covered_as(&world, 2, |_| ()).await;
    let mut other = on(&world, 2, "2027-01-13");
    other.claim.coverage = CoverageId::from_bytes(bytes(2));
    submit(&world, other).await.unwrap();
    adjudicate(&world, id(2)).await.unwrap();
    let secret: Salt = serde_json::from_value(stored(&world, "secret".into())["secret"].clone()).unwrap();
    let coverage = member();
    let hash = keyed_hash(&secret, "payment-consent", &[coverage.as_bytes()]);
    (world, format!("payc~{hash}"))
}

fn consent(world: &World) -> PaymentConsent {
    PaymentConsent {
        coverage: member(),
        given: true,
        period: DateRange {
            from: "2027-01-01".parse().unwrap(),
            until: "2027-01-31".parse().unwrap(),
        },
        document: None,
        salt: world.wallet.salt(),
    }
}

#[tokio::test]
async fn a_payment_consent_of_another_form_holds_its_own_claim() {
    let (world, key) = consented().await;
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    providers!(&world, &biller, record_consent(consent(&world))).unwrap();
    let before = list(&world, WaitingQuery::default()).await;
    assert_eq!((held(&before, 1), held(&before, 2)), (None, None));
    assert!(forge(&world, HOSPITAL, &[(key, json!({"odd": salt(&world)}))]));
    let found = list(&world, WaitingQuery::default()).await;
    assert!(held(&found, 1).is_some_and(|reason| reason.contains("consent is not given")));
    assert_eq!(held(&found, 2), None);
    assert!(found.unreadable.is_empty());
    assert!(matches!(
        remitting(&world, 1).await,
        Err(HealthError::ConflictState(_))
    ));
    remitting(&world, 2).await.unwrap();
    // And it is decided on: as without consent.
    let payer = world.client(INSURER, Role::Payer);
    let mut anew = AdjudicationStep::new(id(1), world.wallet.salt());
    anew.anew = true;
    payers!(&world, &payer, adjudicate(anew)).unwrap();
    assert_ne!(view(&world, 1).await.status, ClaimStatus::Approved);
}

#[tokio::test]
async fn a_payment_consent_that_is_withheld_holds_its_own_claim() {
    let (world, _) = consented().await;
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let given = waiting!(&biller, HOSPITAL, record_consent(consent(&world)));
    assert_eq!(codes(&world, [given.withholding_private_values()]), ["VALID"]);
    let found = list(&world, WaitingQuery::default()).await;
    assert!(held(&found, 1).is_some_and(|reason| reason.contains("not readable")));
    assert_eq!(held(&found, 2), None);
    assert!(matches!(
        remitting(&world, 1).await,
        Err(HealthError::ConflictState(_))
    ));
    remitting(&world, 2).await.unwrap();
}

/// Keys that no ledger looks up, and keys that are not of that claim's statements.
fn no_statements() -> Vec<String> {
    let others = ["", "secret", "\u{0}info", "info~"].map(str::to_owned);
    let of = |id: ClaimId, end: &str| format!("info~{id}~{end}");
    let long = "a".repeat(300);
    others
        .into_iter()
        .chain([
            of(id(2), "x"),
            of(id(1), "\u{0}"),
            of(id(1), "é"),
            of(id(1), &long),
        ])
        .collect()
}

#[tokio::test]
async fn a_word_that_names_no_statement_says_nothing_of_a_pended_claim() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    submit(&world, on(&world, 1, "2027-01-14")).await.unwrap();
    let payer = world.client(INSURER, Role::Payer);
    payers!(&world, &payer, flag(flagging(&world))).unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    for key in no_statements() {
        let asked = book(&world, 1).await.tx;
        forge_word(&world, 1, |word| {
            word["said"] = json!({ format!("answer/{asked}"): {"key": key, "hash": "00".repeat(32)} });
        });
        let found = list(&world, WaitingQuery::default()).await;
        assert_eq!(found.claims[0].step, WaitingStep::Review, "{key:?}");
        assert_eq!(report(&world, ReportQuery::default()).await.claims.open, 1);
        assert_eq!(view(&world, 1).await.status, ClaimStatus::Pended);
        payers!(&world, &payer, flag(flagging(&world))).unwrap();
    }
}

#[tokio::test]
async fn a_word_that_names_no_statement_appeals_nothing() {
    let world = paid().await;
    for key in no_statements() {
        forge_word(&world, 1, |word| {
            word["said"] = json!({"appeal/1": {"key": key, "hash": "00".repeat(32)}});
        });
        assert_eq!(list(&world, WaitingQuery::default()).await, Waiting::default());
        assert!(view(&world, 1).await.appeal.is_none());
    }
    let payer = world.client(INSURER, Role::Payer);
    let reversal = Reversal {
        claim: id(1),
        reason: "paid in error".into(),
        salt: world.wallet.salt(),
    };
    payers!(&world, &payer, reverse(reversal)).unwrap();
}

/// A statement of the provider's, listed past the contract; the value is there.
fn listed(world: &World, subjects: impl Iterator<Item = String>) {
    let value = json!({"salt": salt(world)});
    let hash = sha256(&serde_json::to_vec(&value).unwrap());
    let key = format!("info~{}~made-up", id(1));
    assert!(forge(world, HOSPITAL, &[(key.clone(), value)]));
    let said: serde_json::Map<String, Value> = subjects
        .map(|subject| (subject, json!({"key": key, "hash": hash})))
        .collect();
    forge_word(world, 1, |word| word["said"] = Value::Object(said));
}

#[tokio::test]
async fn a_word_longer_than_the_contract_writes_says_nothing() {
    let world = paid().await;
    let one = std::iter::once("appeal/1".to_owned());
    let subjects = |more: usize| one.clone().chain((0..more).map(|n| format!("answer/{n}")));
    listed(&world, subjects(63));
    assert_eq!(
        list(&world, WaitingQuery::default()).await.claims[0].step,
        WaitingStep::Appeal
    );
    listed(&world, subjects(64));
    assert_eq!(list(&world, WaitingQuery::default()).await, Waiting::default());
    listed(&world, subjects(0));
    forge_word(&world, 1, |word| word["more"] = json!("x".repeat(1 << 16)));
    assert_eq!(list(&world, WaitingQuery::default()).await, Waiting::default());
}

/// However often the payer asks, there is room for an appeal.
#[tokio::test]
async fn answers_leave_room_for_an_appeal() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    submit(&world, on(&world, 1, "2027-01-14")).await.unwrap();
    let payer = world.client(INSURER, Role::Payer);
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    payers!(&world, &payer, flag(flagging(&world))).unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    listed(&world, (0..56).map(|n| format!("answer/{n}")));
    let information = Information {
        claim: id(1),
        text: "the record of the visit".into(),
        documents: vec![],
        salt: world.wallet.salt(),
    };
    let full = providers!(&world, &biller, provide_information(information));
    assert!(matches!(full, Err(HealthError::Limit(_))), "{full:?}");
    // Denied: it came too late.
    submit(&world, on(&world, 3, "2026-01-05")).await.unwrap();
    adjudicate(&world, id(3)).await.unwrap();
    let said = (0..56).map(|n| {
        let statement = json!({"key": format!("info~{}~{n}", id(3)), "hash": "00".repeat(32)});
        (format!("answer/{n}"), statement)
    });
    let said: serde_json::Map<String, Value> = said.collect();
    forge_word(&world, 3, |word| word["said"] = Value::Object(said));
    let appeal = AppealBody {
        claim: id(3),
        text: "the contract says more".into(),
        documents: vec![],
        salt: world.wallet.salt(),
    };
    providers!(&world, &biller, appeal(appeal)).unwrap();
}

#[tokio::test]
async fn claims_that_are_not_as_the_contract_writes_them_are_told_beside_the_others() {
    let world = approved().await;
    let body = |n: u8| on(&world, n, "2027-01-10");
    // No form, another claim's body, a body that one side alone changes, a standing that the payer did not write, a word that is nobody's own.
    let key = |kind: &str, n: u8| format!("{kind}~{}", id(n));
    let one = stored(&world, key("claim", 1));
    assert!(forge(
        &world,
        HOSPITAL,
        &[(key("claim", 2), json!({"odd": salt(&world)}))]
    ));
    assert!(forge(&world, HOSPITAL, &[(key("claim", 3), one)]));
    forge_claim(&world, &body(4), false);
    forge_claim(&world, &body(5), true);
    assert!(forge(
        &world,
        HOSPITAL,
        &[(key("head", 5), json!({"odd": salt(&world)}))]
    ));
    let unsaid = json!({"claim": body(6).claim, "received": "2027-01-14", "salt": salt(&world)});
    assert!(forge(&world, HOSPITAL, &[(key("claim", 6), unsaid)]));
    guard(
        &world,
        &key("claim", 6),
        &KeyPolicy::all_peers([INSURER, HOSPITAL]),
    );
    // More than any form takes.
    let mut long = stored(&world, key("claim", 4));
    long["claim"]["id"] = json!(id(7));
    long["more"] = json!("x".repeat(256 << 10));
    assert!(forge(&world, HOSPITAL, &[(key("claim", 7), long)]));
    let unreadable: Vec<ClaimId> = (2..=7).map(id).collect();
    let found = list(&world, WaitingQuery::default()).await;
    let steps: Vec<_> = found.claims.iter().map(|row| (row.claim, row.step)).collect();
    assert_eq!(steps, [(id(1), WaitingStep::Remit)]);
    assert_eq!(found.unreadable, unreadable);
    let told = report(&world, ReportQuery::default()).await;
    assert_eq!((told.claims.in_time, told.claims.open), (1, 0));
    assert_eq!(told.unreadable, unreadable);
    // Its provider sees where its own stand, as far as that can be read.
    let own = to_do(&world, ListQuery::default()).await;
    assert_eq!(own.unreadable, [2, 3, 5, 6, 7].map(id));
}

/// Of a body with any number of lines.
#[tokio::test]
async fn a_rejection_tells_a_hundred_findings() {
    let world = approved().await;
    let mut body = on(&world, 2, "2027-01-10");
    let mut line = body.claim.lines[0].clone();
    line.units = 0;
    body.claim.lines = (0..500)
        .map(|n| {
            line.sequence = n;
            line.clone()
        })
        .collect();
    forge_claim(&world, &body, true);
    receive(&world, &[2]).await.unwrap();
    let seen = view(&world, 2).await;
    assert_eq!((seen.status, seen.rejection.len()), (ClaimStatus::Rejected, 100));
}

#[tokio::test]
async fn a_word_that_is_on_its_way_leaves_its_claim_out_and_no_other() {
    let world = approved().await;
    submit(&world, on(&world, 2, "2027-01-13")).await.unwrap();
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let mut body = on(&world, 3, "2027-01-14");
    body.claim.frequency = Frequency::Replacement;
    body.claim.replaces = Some(id(1));
    let replaced = waiting!(&biller, HOSPITAL, replace_claim(body));
    assert_eq!(codes(&world, [replaced.withholding_private_values()]), ["VALID"]);
    let found = list(&world, WaitingQuery::default()).await;
    let rows: Vec<ClaimId> = found.claims.iter().map(|row| row.claim).collect();
    assert_eq!((rows, found.unreadable), (vec![id(2)], vec![id(1)]));
    assert_eq!(report(&world, ReportQuery::default()).await.claims.open, 1);
}

#[tokio::test]
async fn nobody_puts_a_request_into_the_providers_mouth() {
    let world = authorising().await;
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let payer = world.client(INSURER, Role::Payer);
    providers!(&world, &biller, request_authorisation(request(&world, 2))).unwrap();
    let pend = AuthorisationDecision {
        id: AUTHORISATION,
        act: AuthorisationAct::Pend,
        given: None,
        reason: Some("which knee".into()),
        salt: world.wallet.salt(),
    };
    payers!(&world, &payer, decide_authorisation(pend)).unwrap();
    // A day that no calendar has, a day of today's; both pended by whoever invented them.
    let head = json!({"status": "PENDED", "given": null, "used": 0, "text": "x", "tx": "ab".repeat(32), "salt": salt(&world)});
    let invented = [(77, i64::MAX), (78, 1_800_000_000)].map(|(n, at)| {
        let mut asked = request(&world, 1);
        asked.id = AuthorisationId::from_bytes(bytes(n));
        let keys = [
            (format!("auth~{}", asked.id), json!({"request": asked, "at": at})),
            (format!("authhead~{}", asked.id), head.clone()),
        ];
        assert!(forge(&world, INSURER, &keys));
        asked.id
    });
    // One whose keys are as the contract has them, but for the day.
    let key = format!("authsaid~{}", invented[0]);
    assert!(forge(
        &world,
        INSURER,
        &[(key.clone(), json!({"salt": salt(&world)}))]
    ));
    guard(&world, &key, &KeyPolicy::any_peer([HOSPITAL]));
    guard(
        &world,
        &format!("auth~{}", invented[0]),
        &KeyPolicy::all_peers([INSURER, HOSPITAL]),
    );
    let found = to_do(&world, ListQuery::default()).await;
    let asked: Vec<_> = found.authorisations.iter().map(|row| row.authorisation).collect();
    assert_eq!(asked, [AUTHORISATION]);
    let mut unreadable = found.unreadable_requests;
    unreadable.sort();
    let mut all = invented.to_vec();
    all.sort();
    assert_eq!(unreadable, all);
}

#[tokio::test]
async fn requests_that_are_not_as_the_contract_writes_them_end_no_list_of_the_payer() {
    let world = authorising().await;
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    providers!(&world, &biller, request_authorisation(request(&world, 2))).unwrap();
    let copy = stored(&world, format!("auth~{AUTHORISATION}"));
    let key = |n: u8| format!("auth~{}", AuthorisationId::from_bytes(bytes(n)));
    let mut own = copy.clone();
    own["request"]["id"] = json!(AuthorisationId::from_bytes(bytes(79)));
    let forged = [
        (key(77), json!({"odd": salt(&world)})),
        (key(78), copy),
        (key(79), own),
        ("auth~zz".to_owned(), json!(1)),
    ];
    assert!(forge(&world, HOSPITAL, &forged));
    let found = list(&world, WaitingQuery::default()).await;
    let open: Vec<_> = found.authorisations.iter().map(|row| row.authorisation).collect();
    assert_eq!((open, found.unreadable_requests.len()), (vec![AUTHORISATION], 3));
    let told = report(&world, ReportQuery::default()).await;
    assert_eq!((told.standard.open, told.unreadable_requests.len()), (1, 3));
}

/// All parts of the payer's list; the claims found, and how many parts there were.
async fn parts(world: &World) -> (Vec<ClaimId>, usize) {
    let (mut found, mut query) = (Vec::new(), WaitingQuery::default());
    for part in 1.. {
        let answer = list(world, query).await;
        found.extend(answer.claims.iter().map(|row| row.claim));
        match answer.next {
            Some(next) => query.after = Some(next),
            None => return (found, part),
        }
    }
    unreachable!("it ends")
}

#[tokio::test]
async fn keys_that_name_nothing_count_and_no_part_is_lost_among_them() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    for (n, day) in [(1, "2027-01-13"), (2, "2027-01-14")] {
        submit(&world, on(&world, n, day)).await.unwrap();
    }
    assert_eq!(parts(&world).await, (vec![id(1), id(2)], 1));
    // Behind the first claim, between the two, and in front of all.
    let junk = |begin: &str| -> Vec<(String, Value)> {
        let named = (0..MAX_LOOKED_AT).map(|n| format!("claim~{begin}{n:04}~"));
        named.map(|key| (key, Value::Null)).collect()
    };
    let (one, two) = (id(1).to_string(), id(2).to_string());
    for begin in [one.as_str(), &format!("{}g", &one[..2]), "!", &format!("{two}!")] {
        assert!(forge(&world, HOSPITAL, &junk(begin)));
    }
    let (found, parts) = parts(&world).await;
    assert_eq!(found, [id(1), id(2)]);
    assert_eq!(parts, 4, "one for each heap, and one that finds no more");
}

#[tokio::test]
async fn a_part_ends_at_its_bytes() {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    let days = ["2027-01-10", "2027-01-11", "2027-01-12", "2027-01-13"];
    for (n, day) in (1..).zip(days) {
        submit(&world, on(&world, n, day)).await.unwrap();
        // It says nothing, but is read.
        let more = usize::try_from(MAX_READ / 2).unwrap();
        forge_word(&world, n, |word| word["more"] = json!("x".repeat(more)));
    }
    assert_eq!(parts(&world).await, ((1..=4).map(id).collect(), 3));
    // As does the report, and the provider's list.
    let next = report(&world, ReportQuery::default()).await.next;
    assert_eq!(next, Some(id(2)));
    let whole = to_do(&world, ListQuery::default()).await;
    assert_eq!(whole.next, Some(id(2)));
}

#[tokio::test]
async fn a_claim_is_shown_however_many_documents_somebody_attached() {
    let world = approved().await;
    assert!(!view(&world, 1).await.more_attachments);
    let named = (0..600).map(|n| (format!("file~{}~{n:04}", id(1)), json!(n)));
    let forged: Vec<(String, Value)> = named.collect();
    assert!(forge(&world, INSURER, &forged));
    let seen = view(&world, 1).await;
    assert!(seen.more_attachments && seen.attachments.is_empty());
}

#[tokio::test]
async fn remittances_that_somebody_made_up_are_told_beside() {
    let world = approved().await;
    remitting(&world, 1).await.unwrap();
    let key = |n: u8| format!("rem~{}", RemittanceId::from_bytes(bytes(n)));
    let mut long = stored(&world, key(1));
    long["id"] = json!(RemittanceId::from_bytes(bytes(3)));
    let amounts = (0..60).map(|n| (ClaimId::from_bytes(bytes(n)).to_string(), json!(1)));
    long["amounts"] = Value::Object(amounts.collect());
    assert!(forge(
        &world,
        HOSPITAL,
        &[(key(2), json!({"odd": salt(&world)})), (key(3), long)]
    ));
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let asked = ClaimsClient::new(&biller).remittances(INSURER, HOSPITAL, RemittanceQuery::default());
    let found: RemittanceList = asked.endorsed_by([HOSPITAL]).send().await.unwrap();
    assert_eq!((found.remittances.len(), found.unreadable.len()), (1, 2));
}
