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

/// 837P and 835.
pub(crate) fn claim_x12(data: &[u8]) {
    if let Ok(read) = x12::claims_from_x12(data, &directory()) {
        holds(&read);
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
