//! Answers to requests for authorisations.

use super::*;
use careledger_api::contracts::claims::{
    AuthorisationRequest, AuthorisationStatus, AuthorisationView, Given,
};
use careledger_api::date::DateRange;
use careledger_api::ids::TxId;

const FILE: &str = include_str!("../../../tests/samples/request.278");

fn received(file: &str) -> Received {
    received_from_x12(file.as_bytes(), &directory()).unwrap()
}

fn view(request: &AuthorisationRequest, status: AuthorisationStatus) -> AuthorisationView {
    let given = Given {
        units: request.units,
        period: request.period,
    };
    AuthorisationView {
        request: request.clone(),
        status,
        given: (status == AuthorisationStatus::Approved).then_some(given),
        used: 0,
        text: None,
        due: 0,
        requested: date("2026-07-01"),
        tx: "0".repeat(64).parse::<TxId>().unwrap(),
    }
}

fn standing(view: AuthorisationView) -> Decision {
    Decision::Standing(Box::new(view))
}

fn requests(received: &Received) -> Vec<Vec<AuthorisationRequest>> {
    let of = |read: &Read| match &read.outcome {
        Ok(Submission::Authorisations(requests)) => requests.clone(),
        _ => Vec::new(),
    };
    received.reads().map(of).collect()
}

/// The answer's segments from BHT on.
fn answer(received: &Received, decisions: &[Vec<Decision>]) -> Vec<String> {
    let text = received
        .review_response(decisions, &received.reply(44, 1_782_000_000))
        .unwrap();
    let segments: Vec<&str> = text.lines().collect();
    let count = segments.iter().position(|s| s.starts_with("SE*")).unwrap() - 1;
    assert!(segments[count + 1].starts_with(&format!("SE*{count}*")), "{text}");
    assert!(segments[1].starts_with("GS*HI*PAYER*CLINIC*"), "{text}");
    segments[3..=count]
        .iter()
        .map(|s| s.trim_end_matches('~').to_owned())
        .collect()
}

#[test]
fn each_service_has_the_payers_decision_under_the_requests_own_numbers() {
    let received = received(FILE);
    let asked = requests(&received);
    let mut modified = view(&asked[0][1], AuthorisationStatus::Modified);
    modified.given = Some(Given {
        units: 2,
        period: DateRange {
            from: date("2026-07-02"),
            until: date("2026-07-20"),
        },
    });
    modified.text = Some("Two days: see * the plan ~".to_owned());
    let mut pended = view(&asked[1][0], AuthorisationStatus::Pended);
    pended.text = Some("What was tried before? ".repeat(30));
    let approved = view(&asked[0][0], AuthorisationStatus::Approved);
    let decisions = [
        vec![standing(approved), standing(modified)],
        vec![standing(pended)],
    ];
    let told = answer(&received, &decisions);
    let expected = [
        "BHT*0007*11*R-1*20260621*0000*19".to_owned(),
        "HL*1**20*1".into(),
        "NM1*X3*2*PAYER*****PI*PAYER1".into(),
        "HL*2*1*21*1".into(),
        "NM1*1P*2*CLINIC*****XX*1234567893".into(),
        "HL*3*2*22*1".into(),
        "NM1*IL*1*DOE*ANN****MI*M-0001".into(),
        "DMG*D8*19800229*F".into(),
        "HL*4*3*EV*1".into(),
        "TRN*2*R-1*9123456789".into(),
        "UM*HS*I*2*11:B**U".into(),
        "NM1*SJ*1*WHO*DID****XX*1000000004".into(),
        "HL*5*4*SS*0".into(),
        format!("HCR*A1*{}", asked[0][0].id),
        "DTP*472*D8*20260706".into(),
        "DTP*007*RD8*20260706-20260706".into(),
        "SV1*HC:X-1001:59**UN*2".into(),
        "HL*6*4*SS*0".into(),
        "UM*HS*I*2".into(),
        format!("HCR*A6*{}", asked[0][1].id),
        "DTP*007*RD8*20260702-20260720".into(),
        "SV2**HC:X-1002**DA*2".into(),
        "MSG*Two days  see   the plan".into(),
        "NM1*SJ*2*CLINIC*****XX*1234567893".into(),
        "HL*7*3*23*1".into(),
        "NM1*QC*1*DOE*TOM".into(),
        "DMG*D8*20150304*M".into(),
        "HL*8*7*EV*1".into(),
        "TRN*2*R-2*9123456789".into(),
        "UM*HS*I*2".into(),
        "HL*9*8*SS*0".into(),
        "HCR*A4".into(),
        "DTP*472*RD8*20260706-20260710".into(),
        "SV3*AD:X-1003*****1".into(),
    ];
    let (message, others) = told.split_last().unwrap();
    assert_eq!(others, expected);
    assert!(
        message.starts_with("MSG*What") && message.len() <= 4 + 264 && message.ends_with("..."),
        "{message}"
    );
}

#[test]
fn every_standing_has_its_action() {
    let received = received(FILE);
    let asked = requests(&received);
    let over = AuthorisationView {
        given: Some(Given {
            units: asked[0][0].units,
            period: asked[0][0].period,
        }),
        ..view(&asked[0][0], AuthorisationStatus::Expired)
    };
    let number = asked[0][0].id;
    for (view, action, more) in [
        (
            view(&asked[0][0], AuthorisationStatus::Requested),
            "HCR*A4".to_owned(),
            "19",
        ),
        (
            view(&asked[0][0], AuthorisationStatus::Pended),
            "HCR*A4".to_owned(),
            "19",
        ),
        (
            view(&asked[0][0], AuthorisationStatus::Denied),
            "HCR*A3".to_owned(),
            "18",
        ),
        (
            view(&asked[0][0], AuthorisationStatus::Cancelled),
            "HCR*C".to_owned(),
            "18",
        ),
        (
            view(&asked[0][0], AuthorisationStatus::Expired),
            "HCR*A3".to_owned(),
            "18",
        ),
        (over, format!("HCR*A1*{number}"), "18"),
    ] {
        let denied = |request| standing(self::view(request, AuthorisationStatus::Denied));
        let decisions = [
            vec![standing(view), denied(&asked[0][1])],
            vec![denied(&asked[1][0])],
        ];
        let told = answer(&received, &decisions);
        assert!(told[0].ends_with(&format!("*{more}")), "{told:#?}");
        let first = told.iter().find(|s| s.starts_with("HCR")).unwrap();
        assert_eq!(*first, action);
    }
    for (missing, said) in [
        (Decision::NotAsked, "SUBMIT IT"),
        (Decision::Taken, "UNDER A NEW ONE"),
    ] {
        let denied = |request| standing(view(request, AuthorisationStatus::Denied));
        let decisions = [vec![denied(&asked[0][0]), missing], vec![denied(&asked[1][0])]];
        let told = answer(&received, &decisions);
        assert_eq!(
            told.iter().filter(|s| *s == "AAA*N**33*C").count(),
            1,
            "{told:#?}"
        );
        assert!(
            told.iter().any(|s| s.starts_with("MSG*") && s.ends_with(said)),
            "{told:#?}"
        );
    }
}

#[test]
fn what_was_refused_is_said_where_it_stands() {
    for (right, wrong, said, after) in [
        ("PI*PAYER1", "PI*PAYER2", "AAA*N**79*N", "NM1*X3"),
        (
            "1P*2*CLINIC*****XX*1234567893",
            "1P*2*CLINIC*****XX*1234567890",
            "AAA*N**43*C",
            "NM1*1P",
        ),
        ("MI*M-0001", "MI*M-9999", "AAA*N**75*C", "NM1*IL"),
        ("MI*M-0001", "MI*", "AAA*N**72*C", "NM1*IL"),
        ("UM*HS*I*2*11", "UM*HS*3*2*11", "AAA*N**33*C", "TRN*2*R-1"),
        ("472*D8*20260706", "472*D8*20260731-1", "AAA*N**57*C", "TRN*2*R-1"),
    ] {
        assert!(FILE.contains(right), "{right}");
        let received = received(&FILE.replacen(right, wrong, 1));
        let decisions: Vec<Vec<Decision>> = requests(&received)
            .iter()
            .map(|of| {
                of.iter()
                    .map(|r| standing(view(r, AuthorisationStatus::Requested)))
                    .collect()
            })
            .collect();
        let told = answer(&received, &decisions);
        let at = told
            .iter()
            .position(|s| s == said)
            .unwrap_or_else(|| panic!("{wrong}: {told:#?}"));
        assert!(told[at - 1].starts_with(after), "{wrong}: {told:#?}");
        assert_eq!(
            told.iter().filter(|s| s.starts_with("TRN*2*")).count(),
            2,
            "both are answered"
        );
    }
}

#[test]
fn an_event_without_a_payer_is_refused_as_an_event() {
    let file = FILE.replacen("HL*1**20*1~\nNM1*X3*2*PAYER*****PI*PAYER1~\n", "", 1);
    let received = received(&file.replacen("SE*32*", "SE*30*", 1));
    let told = answer(&received, &[vec![], vec![]]);
    assert_eq!(
        told.iter().filter(|s| *s == "AAA*N**15*C").count(),
        2,
        "{told:#?}"
    );
}

#[test]
fn a_request_is_acknowledged_as_a_file_too() {
    let answer = |file: &str| {
        let received = received(file);
        received
            .acknowledgment(&received.reply(43, 1_782_000_000))
            .unwrap()
    };
    assert!(answer(FILE).contains("AK2*278*0001*005010X217~\nIK5*A~\nAK9*A*1*1*1~"));
    let wrong = answer(&FILE.replacen("472*D8*20260706", "472*D8*20260799", 1));
    assert!(
        wrong.contains("IK3*DTP*17*2000*8~\nCTX*TRN02:R-1~\nIK4*3**8~\nIK5*E*5~"),
        "{wrong}"
    );
    let other = answer(&FILE.replacen("BHT*0007*13", "BHT*0007*11", 1));
    assert!(other.contains("IK5*R*I6~"), "{other}");
}

#[test]
fn decisions_are_those_of_the_file() {
    let received = received(FILE);
    let envelope = received.reply(44, 1_782_000_000);
    let asked = requests(&received);
    let one = || standing(view(&asked[0][0], AuthorisationStatus::Denied));
    for decisions in [vec![], vec![vec![one()], vec![one()]], vec![vec![one(), one()]]] {
        assert!(received.review_response(&decisions, &envelope).is_err());
    }
    assert!(
        received
            .claim_acknowledgment(&[Word::Received, Word::Received], &envelope)
            .is_err()
    );
    let claims = received_from_x12(reading::FILE.as_bytes(), &directory()).unwrap();
    assert!(claims.review_response(&[vec![], vec![]], &envelope).is_err());
}
