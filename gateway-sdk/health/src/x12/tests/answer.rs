//! What a sender reads of the answers to its file.

use super::reading::file;
use super::*;

/// Of another writer: a group of three sets, one with findings of every kind.
const ANSWER: &str = include_str!("../../../tests/samples/acknowledgment.999");

fn read(text: &str) -> Acknowledged {
    acknowledgments_from_x12(text.as_bytes()).unwrap()
}

#[test]
fn verdicts_and_findings_are_read_with_their_places() {
    let said = read(ANSWER);
    let interchanges: Vec<_> = said
        .interchanges
        .iter()
        .map(|i| (i.control.as_str(), i.verdict))
        .collect();
    assert_eq!(
        interchanges,
        [("000000007", Verdict::Accepted), ("000000008", Verdict::Rejected)]
    );
    assert!(said.interchanges[1].note.words.contains("came before"));
    let group = &said.groups[0];
    assert_eq!(
        (
            group.kind.as_str(),
            group.control.as_str(),
            group.verdict,
            group.counts
        ),
        ("HC", "7", Verdict::Partly, [3, 3, 2])
    );
    let sets: Vec<_> = said
        .sets()
        .map(|(_, set)| (set.control.as_str(), set.verdict))
        .collect();
    assert_eq!(
        sets,
        [
            ("0001", Verdict::Accepted),
            ("0002", Verdict::WithErrors),
            ("0003", Verdict::Rejected)
        ]
    );
    assert!(!said.is_accepted());
    let findings = &group.sets[1].findings;
    assert_eq!(
        (
            findings[0].id.as_str(),
            findings[0].position,
            findings[0].inside.as_str()
        ),
        ("SV1", 27, "2400")
    );
    assert_eq!(
        (findings[0].number.as_deref(), findings[1].number.as_deref()),
        (Some("A-17"), None)
    );
    let elements: Vec<_> = findings[0]
        .elements
        .iter()
        .map(|e| (e.element, e.component, e.note.to_string()))
        .collect();
    assert_eq!(
        elements,
        [
            (1, 2, "it is no code of its list (7)".to_owned()),
            (
                4,
                0,
                "it may not stand beside what else stands there (I13)".to_owned()
            )
        ]
    );
    let notes: Vec<String> = group.sets[2].notes.iter().map(Note::to_string).collect();
    assert_eq!(
        notes,
        [
            "SE does not count its segments rightly (4)",
            "segments of it are wrong (I5)"
        ]
    );
    assert!(
        !format!("{said:?}").contains("A-17"),
        "a claim's number is nobody else's"
    );
}

#[test]
fn what_is_answered_here_is_read_again() {
    for (right, wrong) in [
        ("ISA|00", "ISA|00"),
        ("|UN|2|", "|QQ|2|"),
        ("472|D8|20260601", "472|D8|20260631"),
        ("11>B>7", "11>C>7"),
        ("|MI|M-0001", "|MI|"),
        ("SE|44|", "SE|45|"),
        ("GE|1|7", "GE|2|7"),
        ("IEA|1|", "IEA|2|"),
    ] {
        let file = file();
        assert!(file.contains(right), "{right}");
        let received = received_from_x12(file.replacen(right, wrong, 1).as_bytes(), &directory()).unwrap();
        let answer = received
            .acknowledgment(&received.reply(43, 1_782_000_000))
            .unwrap();
        let said = read(&answer);
        assert_eq!(said.is_accepted(), right == wrong, "{answer}");
        let counted = |id: &str| answer.lines().filter(|line| line.starts_with(id)).count();
        let found: Vec<&Finding> = said.sets().flat_map(|(_, set)| &set.findings).collect();
        let elements: usize = found.iter().map(|finding| finding.elements.len()).sum();
        assert_eq!(
            (found.len(), elements),
            (counted("IK3*"), counted("IK4*")),
            "{answer}"
        );
        assert_eq!(said.interchanges.len(), counted("TA1*"), "{answer}");
        let unknown = "a code that is not known here: ask the receiver";
        assert!(found.iter().all(|finding| finding.note.words != unknown));
    }
}

#[test]
fn what_is_no_answer_is_refused() {
    for (right, wrong, at) in [
        ("AK9*P", "AK9*Q", "segment 19 (AK9), element 01"),
        ("AK9*P*3*3*2~", "AK9*P*3*X*2~", "segment 19 (AK9), element 03"),
        ("IK3*SV1*27", "IK3*SV1*", "segment 10 (IK3), element 02"),
        ("IK4*4**", "IK4*X**", "segment 14 (IK4), element 01"),
        ("AK1*HC*7*005010X222A1~", "IK5*A~", "segment 6 (IK5)"),
        ("IK5*R*4*I5~", "AK9*R*1*1*0~", "segment 18 (AK9)"),
        ("AK9*P*3*3*2~", "AK2*837*0004~", "transaction set 0001"),
        (
            "TA1*000000008*260701*0900*R",
            "TA1*000000008*260701*0900*Q",
            "segment 3 (TA1), element 04",
        ),
    ] {
        assert!(ANSWER.contains(right), "{right}");
        match acknowledgments_from_x12(ANSWER.replacen(right, wrong, 1).as_bytes()) {
            Err(FileError::Frame(problem)) => assert_eq!(problem.at, at, "{wrong}"),
            other => panic!("{wrong}: {other:?}"),
        }
    }
    assert!(acknowledgments_from_x12(file().as_bytes()).is_err());
    let start = ANSWER.find("TA1*").unwrap();
    let empty = format!("{}IEA*0*000000301~\n", &ANSWER[..start]);
    assert!(matches!(
        acknowledgments_from_x12(empty.as_bytes()),
        Err(FileError::Another(_))
    ));
    let alone = format!(
        "{}TA1*000000007*260701*0900*R*006~\nIEA*0*000000301~\n",
        &ANSWER[..start]
    );
    assert!(!read(&alone).is_accepted());
    // An acknowledgment of something else does not come with claims.
    let claims = file().replacen("GS|", "TA1|000000007|260701|0900|A|000'\nGS|", 1);
    let received = received_from_x12(claims.as_bytes(), &directory()).unwrap();
    assert!(received.refusal().is_some());
}

proptest! {
    #[test]
    fn any_change_of_an_answer_is_read_or_refused(file in changed(ANSWER)) {
        if let Ok(said) = acknowledgments_from_x12(&file) {
            prop_assert!(!said.interchanges.is_empty() || !said.groups.is_empty());
        }
    }
}
