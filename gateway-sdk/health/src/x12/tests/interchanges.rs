//! Files of several interchanges: each is read and answered, whatever the others are.

use super::reading;
use super::*;

/// The second one, with other separators than the first.
const SECOND: &str = include_str!("../../../tests/samples/institutional.837");
const REVIEW: &str = include_str!("../../../tests/samples/request.278");

fn parts(file: &str) -> Vec<String> {
    let parts = interchanges(file.as_bytes()).unwrap();
    parts
        .into_iter()
        .map(|part| String::from_utf8(part.to_vec()).unwrap())
        .collect()
}

/// What is said of each part, and how many claims or events of it count.
fn answers(file: &str) -> Vec<(String, usize)> {
    let answer = |part: &[u8]| match received_from_x12(part, &directory()) {
        Ok(received) => {
            let text = received
                .acknowledgment(&received.reply(43, 1_782_000_000))
                .unwrap();
            let word = ["TA1*", "AK9*"].map(|id| text.lines().find(|line| line.starts_with(id)));
            let word = word.into_iter().flatten().next().unwrap();
            (word.trim_end_matches('~').to_owned(), received.reads().count())
        }
        Err(error) => (error.to_string(), 0),
    };
    interchanges(file.as_bytes())
        .unwrap()
        .into_iter()
        .map(answer)
        .collect()
}

#[test]
fn each_interchange_of_a_file_is_read_by_its_own_separators() {
    let file = format!("{}\n\n{SECOND}{REVIEW}", reading::file());
    assert_eq!(
        parts(&file),
        [reading::file().trim_end(), SECOND.trim_end(), REVIEW.trim_end()]
    );
    assert_eq!(
        answers(&file),
        [
            ("AK9*A*1*1*1".to_owned(), 2),
            ("AK9*A*1*1*1".to_owned(), 1),
            ("AK9*A*1*1*1".to_owned(), 2)
        ]
    );
    // Without a line between them.
    let file = SECOND.replace('\n', "").repeat(3);
    assert_eq!(answers(&file), vec![("AK9*A*1*1*1".to_owned(), 1); 3]);
}

#[test]
fn a_broken_interchange_loses_no_other() {
    let good = ("AK9*A*1*1*1".to_owned(), 1);
    for (right, wrong, said) in [
        ("GE*1*9~", "GE*2*9~", "AK9*R*2*1*0*5"),
        ("IEA*1*", "IEA*2*", "TA1*000000009*260701*0900*R*021"),
        // Cut off at a segment's end, and within one.
        (
            "GE*1*9~\nIEA*1*000000009~\n",
            "",
            "TA1*000000009*260701*0900*R*023",
        ),
        (
            "*UN*1~\nSE*30*0001~\nGE*1*9~\nIEA*1*000000009~",
            "*UN",
            "TA1*000000009*260701*0900*R*023",
        ),
        (
            "IEA*1*000000009~",
            "IEA*1*000000009",
            "TA1*000000009*260701*0900*R*023",
        ),
        (
            "ISA*00*  ",
            "ISB*00*  ",
            "the file is no X12 837 of one interchange",
        ),
        (
            "*ZZ*CLINIC    ",
            "*ZZ*CLINIC",
            "the file is no X12 837 of one interchange",
        ),
    ] {
        let broken = SECOND.replacen(right, wrong, 1);
        assert_ne!(broken, SECOND, "{right}");
        let file = format!("{SECOND}{broken}{SECOND}");
        let answers = answers(&file);
        assert_eq!(
            (answers.first(), answers.last()),
            (Some(&good), Some(&good)),
            "{wrong}"
        );
        assert!(
            answers.iter().any(|(answer, _)| answer == said),
            "{wrong}: {answers:?}"
        );
        assert_eq!(
            answers.iter().filter(|answer| **answer == good).count(),
            2,
            "{wrong}"
        );
    }
    let file = format!("{SECOND}between\n{SECOND}");
    assert_eq!(parts(&file), [SECOND.trim_end(), "between", SECOND.trim_end()]);
    // Another alphabet than UTF-8 breaks one alone, and its sender is told.
    let mut bytes = SECOND.replace("DOE", "D\u{d6}E").into_bytes();
    let at = bytes.iter().position(|byte| *byte == 0xc3).unwrap();
    bytes.splice(at..at + 2, [0xd6]);
    bytes.extend(SECOND.bytes());
    let parts = interchanges(&bytes).unwrap();
    assert_eq!(parts.len(), 2);
    let first = received_from_x12(parts[0], &directory()).unwrap();
    let answer = first.acknowledgment(&first.reply(43, 1_782_000_000)).unwrap();
    assert!(answer.contains("TA1*000000009*260701*0900*R*022~"), "{answer}");
    assert!(
        claims_from_x12(parts[1], &directory()).unwrap()[0]
            .outcome
            .is_ok()
    );
}

#[test]
fn a_text_that_looks_like_an_interchange_is_none() {
    let hidden = SECOND.replace('*', "|").replace('~', "'").replace('\n', "");
    let noted = SECOND.replacen("CL1*", &format!("NTE*ADD*{hidden}~\nCL1*"), 1);
    let noted = noted.replacen("SE*30*", "SE*31*", 1);
    let found = parts(&noted);
    assert_eq!(found.len(), 1, "{found:#?}");
}

#[test]
fn several_sets_of_a_group_and_several_groups_are_read() {
    let (start, end) = (SECOND.find("ST*").unwrap(), SECOND.find("GE*").unwrap());
    let second = SECOND[start..end].replace("*0001", "*0002").replace("I-1", "I-2");
    let two = SECOND.replacen("GE*1*", &format!("{second}GE*2*"), 1);
    let dental = include_str!("../../../tests/samples/dental.837");
    let (start, end) = (dental.find("GS*").unwrap(), dental.find("IEA*").unwrap());
    let file = two.replacen("IEA*1*", &format!("{}IEA*2*", &dental[start..end]), 1);
    let received = received_from_x12(file.as_bytes(), &directory()).unwrap();
    let numbers: Vec<_> = received
        .reads()
        .map(|read| read.account.claim_number.as_deref())
        .collect();
    assert_eq!(numbers, [Some("I-1"), Some("I-2"), Some("D-1")]);
    let answer = received
        .acknowledgment(&received.reply(43, 1_782_000_000))
        .unwrap();
    let said: Vec<&str> = answer
        .lines()
        .filter(|line| line.starts_with("AK9") || line.starts_with("IK5"))
        .collect();
    assert_eq!(
        said,
        ["IK5*A~", "IK5*A~", "AK9*A*2*2*2~", "IK5*A~", "AK9*A*1*1*1~"]
    );
}

#[test]
fn what_is_no_interchange_is_no_file() {
    for file in ["", "{}", "GS*HC~", "\n~ISA"] {
        assert!(interchanges(file.as_bytes()).is_err(), "{file}");
    }
    assert_eq!(interchanges(b" ISA").unwrap(), [b"ISA"]);
    assert_eq!(interchanges(&vec![b'I'; (8 << 20) + 1]), Err(FileError::TooLarge));
}

proptest! {
    #[test]
    fn whatever_stands_between_two_both_are_read(between in changed(SECOND)) {
        let mut file = SECOND.as_bytes().to_vec();
        file.extend(&between);
        file.extend(b"\n");
        file.extend(SECOND.as_bytes());
        let parts = interchanges(&file).unwrap();
        prop_assert_eq!(parts.first().copied(), Some(SECOND.trim_end().as_bytes()));
        prop_assert_eq!(parts.last().copied(), Some(SECOND.trim_end().as_bytes()));
        let kept: Vec<u8> = parts.concat().into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let whole: Vec<u8> = file.into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect();
        prop_assert_eq!(kept, whole, "nothing is left out");
    }
}
