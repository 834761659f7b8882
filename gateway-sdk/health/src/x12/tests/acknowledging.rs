//! What a sender hears of its file: 999, TA1 and 277CA.

use super::reading::file;
use super::*;

/// Segments of the answer, without ISA, GS, ST and what ends them.
fn inner(answer: &str) -> Vec<&str> {
    let framing = ["ISA", "GS*", "ST*", "SE*", "GE*", "IEA"];
    let segments = answer.lines().map(|line| line.trim_end_matches('~'));
    segments
        .filter(|line| !framing.iter().any(|start| line.starts_with(start)))
        .collect()
}

fn received(file: &str) -> Received {
    received_from_x12(file.as_bytes(), &directory()).unwrap()
}

fn acknowledgment(file: &str) -> String {
    let received = received(file);
    received
        .acknowledgment(&received.reply(43, 1_782_000_000))
        .unwrap()
}

fn with(right: &str, wrong: &str) -> String {
    let file = file();
    assert!(file.contains(right), "{right}");
    file.replacen(right, wrong, 1)
}

#[test]
fn a_file_without_errors_is_accepted() {
    let answer = acknowledgment(&file());
    assert_eq!(
        inner(&answer),
        [
            "AK1*HC*7*005010X222A1",
            "AK2*837*0001*005010X222A1",
            "IK5*A",
            "AK9*A*1*1*1"
        ]
    );
    assert!(
        answer.contains("*ZZ*PAYER          *ZZ*CLINIC         *"),
        "{answer}"
    );
    let asked = file().replacen("|000000007|0|T|", "|000000007|1|T|", 1);
    assert_eq!(
        inner(&acknowledgment(&asked))[0],
        "TA1*000000007*260701*0900*A*000"
    );
}

#[test]
fn an_error_is_said_with_segment_element_and_code() {
    for (right, wrong, said) in [
        (
            "|UN|2|",
            "|QQ|2|",
            ["IK3*SV1*27*2400*8", "CTX*CLM01:A-17", "IK4*3**7"].as_slice(),
        ),
        (
            "|UN|2|",
            "|UN|X|",
            &["IK3*SV1*27*2400*8", "CTX*CLM01:A-17", "IK4*4**6"],
        ),
        (
            "SV1|HC>X-1001>59>LT|200|UN|2|",
            "SV1|HC>X-1001>59>LT||QQ||",
            &[
                "IK3*SV1*27*2400*8",
                "CTX*CLM01:A-17",
                "IK4*2**1",
                "IK4*3**7",
                "IK4*4**1",
            ],
        ),
        (
            "472|D8|20260601",
            "472|D8|20260631",
            &["IK3*DTP*28*2400*8", "CTX*CLM01:A-17", "IK4*3**8"],
        ),
        (
            "11>B>7",
            "11>C>7",
            &["IK3*CLM*16*2300*8", "CTX*CLM01:A-17", "IK4*5:2**7"],
        ),
        ("NTE|", "ZZZ|", &["IK3*ZZZ*34*2400*2", "CTX*CLM01:A-17"]),
    ] {
        let answer = acknowledgment(&with(right, wrong));
        let mut expected = vec!["AK1*HC*7*005010X222A1", "AK2*837*0001*005010X222A1"];
        expected.extend(said);
        // The other claim is taken.
        expected.extend(["IK5*E*5", "AK9*E*1*1*1"]);
        assert_eq!(inner(&answer), expected, "{wrong}");
    }
    // What is wrong above all claims is said once, and nothing of the set is taken.
    let answer = acknowledgment(&with("|MI|M-0001", "|MI|"));
    assert_eq!(
        inner(&answer)[2..],
        ["IK3*NM1*13*2010*8", "IK4*9**1", "IK5*R*5", "AK9*R*1*1*0"]
    );
}

#[test]
fn what_keeps_to_the_guide_is_no_error_of_the_file() {
    for (right, wrong, statuses) in [
        ("|MI|M-0001", "|MI|M-9999", ["A3:33:IL"].as_slice()),
        ("PI|PAYER1", "PI|PAYER2", &["A3:116"]),
        ("XX|1234567893", "XX|1234567890", &["A7:562:85"]),
        ("XX|1000000004", "XX|1000000005", &["A7:562:82"]),
        ("CLM|A-17|300|", "CLM|A-17|301|", &["A8:400"]),
        ("ABK>C435", "BK>4019", &["A7:255"]),
        ("|UN|2|", "|UN|2.5|", &["A7:476"]),
        ("59>LT|200|UN", "59>LT|-200|UN", &["A7:178"]),
        ("RD8|20260602-20260602", "RD8|20260602-20260603", &["A7:187"]),
        ("REF|F8|0808", "REF|F8|ZZ08", &["A7:464"]),
        ("REF|G1|0707", "REF|G1|ZZ07", &["A7:252:PR"]),
    ] {
        let received = received(&with(right, wrong));
        let answer = received.acknowledgment(&received.reply(43, 0)).unwrap();
        assert_eq!(inner(&answer)[2..], ["IK5*A", "AK9*A*1*1*1"], "{wrong}");
        let first = received.reads().next().map(Word::of_read);
        let Some(Word::Rejected(said)) = first else {
            panic!("{wrong}: {first:?}")
        };
        let said: Vec<String> = said.iter().map(Status::to_string).collect();
        assert_eq!(said, statuses, "{wrong}");
    }
}

#[test]
fn a_broken_frame_is_answered_at_its_level() {
    for (right, wrong, said) in [
        (
            "GE|1|7",
            "GE|2|7",
            ["AK1*HC*7*005010X222A1", "AK9*R*2*1*0*5"].as_slice(),
        ),
        ("GE|1|7", "GE|1|8", &["AK1*HC*7*005010X222A1", "AK9*R*1*1*0*4"]),
        (
            "005010X222A1'\nST",
            "005010X299A1'\nST",
            &["AK1*HC*7*005010X299A1", "AK9*R*0*0*0*2"],
        ),
        (
            "0001|005010X222A1",
            "0001|005010X223A2",
            &[
                "AK1*HC*7*005010X222A1",
                "AK2*837*0001*005010X223A2",
                "IK5*R*I6",
                "AK9*R*1*1*0",
            ],
        ),
        (
            "ST|837",
            "ST|835",
            &[
                "AK1*HC*7*005010X222A1",
                "AK2*835*0001*005010X222A1",
                "IK5*R*1",
                "AK9*R*1*1*0",
            ],
        ),
        (
            "N3|1 MAIN STREET'\n",
            "",
            &[
                "AK1*HC*7*005010X222A1",
                "AK2*837*0001*005010X222A1",
                "IK5*R*4",
                "AK9*R*1*1*0",
            ],
        ),
        (
            "|0900|CH",
            "|0900|RP",
            &[
                "AK1*HC*7*005010X222A1",
                "AK2*837*0001*005010X222A1",
                "IK5*R*I6",
                "AK9*R*1*1*0",
            ],
        ),
        ("IEA|1|", "IEA|2|", &["TA1*000000007*260701*0900*R*021"]),
        (
            "IEA|1|000000007",
            "IEA|1|000000008",
            &["TA1*000000007*260701*0900*R*001"],
        ),
        ("IEA|1|000000007'", "", &["TA1*000000007*260701*0900*R*023"]),
        (
            "NTE|ADD",
            "not a segment|ADD",
            &["TA1*000000007*260701*0900*R*022"],
        ),
    ] {
        let file = with(right, wrong);
        assert_eq!(inner(&acknowledgment(&file)), said, "{wrong}");
        let received = received(&file);
        assert_eq!(
            (received.reads().count(), received.refusal().is_some()),
            (0, true)
        );
        assert!(
            received
                .claim_acknowledgment(&[], &received.reply(43, 0))
                .is_err()
        );
    }
    // Of two sets, the one with the error is named.
    let (start, end) = (file().find("ST|").unwrap(), file().find("GE|").unwrap());
    let set = file()[start..end].to_owned();
    let second = set.replace("|0001|", "|0002|").replace("|0001'", "|0002'");
    let two = file()
        .replacen("GE|1|", &format!("{second}GE|2|"), 1)
        .replacen("|0900|CH", "|0900|RP", 1)
        .replacen("GS|HC|CLINIC|PAYER|", "GS|HC|BILLING|CLAIMS|", 1);
    let answer = acknowledgment(&two);
    assert_eq!(
        inner(&answer)[1..],
        ["AK2*837*0001*005010X222A1", "IK5*R*I6", "AK9*R*2*2*0"]
    );
    assert!(answer.contains("GS*FA*CLAIMS*BILLING*"), "{answer}");
    // A second group is not taken either, and no 999 says that it is.
    let group = file();
    let (start, end) = (group.find("GS|").unwrap(), group.find("IEA|").unwrap());
    let both = group.replacen("GE|1|7'\n", &format!("GE|1|7'\n{}", &group[start..end]), 1);
    let both = both.replace("IEA|1|", "IEA|2|").replacen("GE|1|7", "GE|9|7", 1);
    assert_eq!(inner(&acknowledgment(&both)), ["TA1*000000007*260701*0900*R*024"]);
    let cut = file().trim_end().trim_end_matches('\'').to_owned();
    assert_eq!(inner(&acknowledgment(&cut)), ["TA1*000000007*260701*0900*R*023"]);
}

#[test]
fn claims_are_acknowledged_one_by_one() {
    let received = received(&with("|UN|2|", "|QQ|2|"));
    let words: Vec<Word> = received.reads().map(Word::of_read).collect();
    let envelope = received.reply(43, 1_782_000_000);
    let answer = received.claim_acknowledgment(&words, &envelope).unwrap();
    let again = acknowledged_from_x12(answer.as_bytes()).unwrap();
    let told: Vec<(Option<&str>, bool, String)> = again
        .iter()
        .map(|claim| {
            let statuses: Vec<String> = claim.statuses.iter().map(Status::to_string).collect();
            (
                claim.account.claim_number.as_deref(),
                claim.accepted,
                statuses.join(" "),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (Some("A-17"), false, "A7:476".to_owned()),
            (Some("A-18"), true, "A1:19:PR".to_owned())
        ]
    );
    assert_eq!(again[0].claim, None, "it has no number at the payer");
    let ids = received.reads().filter_map(|read| match &read.outcome {
        Ok(Submission::Claim(body)) => Some(body.claim.id),
        _ => None,
    });
    assert_eq!(again[1].claim, ids.last());
    let lines = inner(&answer);
    for expected in [
        "NM1*PR*2*PAYER*****46*PAYER",
        "TRN*2*7",
        "STC*A1:19:PR*20260621*WQ*375.25",
        "QTY*90*1",
        "QTY*AA*1",
        "AMT*YU*75.25",
        "AMT*YY*300",
        "NM1*QC*1*DOE*ANN****MI*M-0001",
        "NM1*QC*1*DOE*TOM****MI*M-0001",
        "STC*A7:476*20260621*U*300",
        "DTP*472*RD8*20260601-20260602",
        "DTP*472*D8*20260603",
    ] {
        assert!(lines.contains(&expected), "{expected}\n{answer}");
    }
    assert!(received.claim_acknowledgment(&words[..1], &envelope).is_err());
    for (right, wrong, at) in [
        ("QTY*90*1", "QTY*90*2", "transaction set 0001"),
        ("*U*300", "*Q*300", "segment 29 (STC), element 03"),
        ("QTY*AA*1", "QTY*AA*X", "segment 15 (QTY), element 02"),
        ("TRN*2*A-17", "TRN*1*A-17", "segment 29 (STC)"),
    ] {
        assert!(answer.contains(right), "{right}\n{answer}");
        match acknowledged_from_x12(answer.replacen(right, wrong, 1).as_bytes()) {
            Err(FileError::Frame(problem)) => assert_eq!(problem.at, at, "{wrong}\n{answer}"),
            other => panic!("{wrong}: {other:?}"),
        }
    }
}

#[test]
fn the_payers_word_on_the_ledger_is_told() {
    use careledger_api::HealthError;
    let received = received(&file());
    let statuses = |words: &[Word]| -> Vec<String> {
        let envelope = received.reply(43, 0);
        let answer = received.claim_acknowledgment(words, &envelope).unwrap();
        let read = acknowledged_from_x12(answer.as_bytes()).unwrap();
        read.iter().map(|claim| claim.statuses[0].to_string()).collect()
    };
    let duplicate = Word::of_refusal(&HealthError::Duplicate("of that number".into()));
    assert_eq!(statuses(&[duplicate, Word::Accepted]), ["A3:54", "A2:20"]);
    assert_eq!(
        statuses(&[Word::not_found(), Word::Received]),
        ["A4:35", "A1:19:PR"]
    );
    // More than one segment holds.
    let many: Vec<Status> = (1..=7)
        .map(|code| Status {
            category: "A7".into(),
            code: code.to_string(),
            entity: None,
        })
        .collect();
    let words = [Word::Rejected(many.clone()), Word::Accepted];
    let answer = received
        .claim_acknowledgment(&words, &received.reply(43, 0))
        .unwrap();
    assert_eq!(
        acknowledged_from_x12(answer.as_bytes()).unwrap()[0].statuses,
        many
    );
}

/// By hand: a claim that is rejected for three reasons and a line of it, and one that is accepted.
const ACKNOWLEDGMENT: &str = include_str!("../../../tests/samples/acknowledgment.277");

#[test]
fn an_acknowledgment_of_another_writer_is_read() {
    use careledger_api::ids::ClaimId;
    let claims = acknowledged_from_x12(ACKNOWLEDGMENT.as_bytes()).unwrap();
    let statuses =
        |claim: &AcknowledgedClaim| -> Vec<String> { claim.statuses.iter().map(Status::to_string).collect() };
    let [rejected, accepted] = claims.as_slice() else {
        panic!("{claims:?}")
    };
    assert_eq!(
        statuses(rejected),
        ["A7:476", "A7:454", "A3:33:IL", "A7:476"],
        "the line's last"
    );
    assert_eq!((rejected.accepted, rejected.claim), (false, None));
    assert_eq!(statuses(accepted), ["A2:20"]);
    assert_eq!(
        (accepted.accepted, accepted.claim),
        (true, Some(ClaimId::from_bytes([8; 16])))
    );
    assert_eq!(accepted.account.member_number.as_deref(), Some("M-0001"));
}

#[test]
fn nothing_of_a_person_is_shown() {
    let secret = file()
        .replace("DOE", "SECRET")
        .replace("TOM", "SECRET")
        .replace("M-0001", "SECRET");
    let received = received(&secret);
    assert!(!format!("{received:?}").contains("SECRET"));
    let answer = received.acknowledgment(&received.reply(43, 0)).unwrap();
    assert!(!answer.contains("SECRET"), "{answer}");
}

/// Whatever came is answered, and its claims' acknowledgment is read again.
fn is_answered(file: &[u8]) {
    let Ok(received) = received_from_x12(file, &directory()) else {
        return;
    };
    // Where its sender or receiver has no number that an envelope can hold, nobody can be answered.
    let Ok(answer) = received.acknowledgment(&received.reply(1, 0)) else {
        return;
    };
    assert!(answer.contains("ST*999*") || answer.contains("TA1*"), "{answer}");
    let words: Vec<Word> = received.reads().map(Word::of_read).collect();
    if let Ok(answer) = received.claim_acknowledgment(&words, &received.reply(2, 0)) {
        let again = acknowledged_from_x12(answer.as_bytes()).unwrap();
        let accepted: Vec<bool> = again.iter().map(|claim| claim.accepted).collect();
        let said: Vec<bool> = words
            .iter()
            .map(|word| !matches!(word, Word::Rejected(_)))
            .collect();
        assert_eq!(accepted, said, "{answer}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_change_of_a_file_is_answered(
        professional in changed(Box::leak(file().into_boxed_str())),
        institutional in changed(include_str!("../../../tests/samples/institutional.837")),
        dental in changed(include_str!("../../../tests/samples/dental.837")),
    ) {
        for file in [professional, institutional, dental] {
            is_answered(&file);
        }
    }

    #[test]
    fn any_change_of_an_acknowledgment_is_read_or_refused(file in changed(ACKNOWLEDGMENT)) {
        if let Ok(claims) = acknowledged_from_x12(&file) {
            prop_assert!(claims.iter().all(|claim| !claim.statuses.is_empty()));
        }
    }
}
