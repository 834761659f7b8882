//! What billing systems send: claims, answers and remittances in FHIR and X12.

use std::collections::{BTreeMap, BTreeSet};

use careledger_api::adjudication::check;
use careledger_api::ids::CoverageId;
use careledger_sdk::claims::{Directory, Numbers, Read, Register, Submission};
use careledger_sdk::{fhir::claims as fhir, x12};

/// FHIR's financial resources.
pub(crate) fn claim_fhir(data: &[u8]) {
    let directory = directory();
    if let Ok(read) = fhir::claims_from_fhir(data, &directory) {
        holds(&read);
        assert_eq!(
            fhir::claims_from_fhir(data, &directory).ok(),
            Some(read),
            "the same file is the same claims"
        );
    }
    let _ = fhir::answer_from_fhir(data);
    let _ = fhir::eligibility_from_fhir(data, &directory);
    if let Ok(Ok(member)) = fhir::coverage_from_fhir(data, &directory) {
        assert!(member.coverage.period.from <= member.coverage.period.until);
    }
}

/// 837 and 278, with what is answered to them, 835, 277CA and 999, in files of one interchange or several.
pub(crate) fn claim_x12(data: &[u8]) {
    if let Ok(parts) = x12::interchanges(data) {
        let kept = |bytes: &[u8]| bytes.iter().filter(|byte| !byte.is_ascii_whitespace()).count();
        assert_eq!(
            parts.iter().map(|part| kept(part)).sum::<usize>(),
            kept(data),
            "nothing is lost between two"
        );
        for part in parts {
            let _ = x12::received_from_x12(part, &directory());
        }
    }
    if let Ok(said) = x12::acknowledgments_from_x12(data) {
        assert!(!said.interchanges.is_empty() || !said.groups.is_empty());
    }
    if let Ok(received) = x12::received_from_x12(data, &directory()) {
        answers(&received);
        if let Ok(read) = received.into_reads() {
            holds(&read);
        }
    }
    if let Ok(read) = x12::authorisations_from_x12(data, &directory()) {
        holds(&read);
    }
    if let Ok(claims) = x12::acknowledged_from_x12(data) {
        assert!(claims.iter().all(|claim| !claim.statuses.is_empty()));
    }
    if let Ok(sets) = x12::advice_from_x12(data) {
        for set in sets {
            let kept: i64 = set.provider.iter().map(|(_, amount)| *amount).sum();
            assert_eq!(
                set.claims.iter().map(|claim| claim.paid).sum::<i64>() - kept,
                set.paid
            );
        }
    }
}

/// Whatever came is answered, and its claims' acknowledgment is read again.
fn answers(received: &x12::Received) {
    let Ok(reply) = received.acknowledgment(&received.reply(1, 0)) else {
        // Its sender or receiver has no number that an envelope can hold.
        return;
    };
    x12::acknowledgments_from_x12(reply.as_bytes()).expect("what is written is read");
    if received.asks_for_reviews() {
        let decisions: Vec<Vec<x12::Decision>> = received
            .reads()
            .map(|read| match &read.outcome {
                Ok(Submission::Authorisations(requests)) => {
                    requests.iter().map(|_| x12::Decision::NotAsked).collect()
                }
                _ => Vec::new(),
            })
            .collect();
        if received.refusal().is_none() {
            let answer = received.review_response(&decisions, &received.reply(2, 0));
            assert!(answer.expect("its envelope held the 999").contains("*11*"));
        }
        return;
    }
    let words: Vec<x12::Word> = received.reads().map(x12::Word::of_read).collect();
    let Ok(reply) = received.claim_acknowledgment(&words, &received.reply(2, 0)) else {
        return;
    };
    let again = x12::acknowledged_from_x12(reply.as_bytes()).expect("what is written is read");
    assert_eq!(again.len(), words.len());
}

/// What is read passes the front end of every payer, or says why not.
fn holds(read: &[Read]) {
    for read in read {
        match &read.outcome {
            Ok(Submission::Claim(body)) => assert_eq!(check(&body.claim), []),
            Ok(Submission::Authorisations(requests)) => assert!(!requests.is_empty()),
            Err(problems) => assert!(!problems.is_empty()),
        }
    }
}

fn directory() -> Directory {
    let register = Register {
        payers: BTreeSet::from(["PI|PAYER1".to_owned(), "Organization/2".to_owned()]),
        members: BTreeMap::from([
            ("MI|M-0001".to_owned(), CoverageId::from_bytes([2; 16])),
            ("Coverage/1".to_owned(), CoverageId::from_bytes([2; 16])),
        ]),
        providers: BTreeMap::from([("Organization/1".to_owned(), "1234567893".to_owned())]),
        ..Register::default()
    };
    Directory::new(register, Numbers::new(&[9; 32], "PayerMSP"))
}
