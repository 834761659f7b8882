//! Who bills and pays whom, for the tests of X12 within the crate and beside it.

use super::{Account, Address, Attending, Billed, Biller, Envelope, Institution, Payee, Payer, Remitted};
use careledger_api::adjudication::{Adjudication, Claim, ClaimLine, Sex};

pub(super) fn envelope() -> Envelope {
    Envelope {
        sender: ("ZZ".into(), "CLINIC".into()),
        receiver: ("ZZ".into(), "PAYER".into()),
        control: 42,
        made: 1_782_000_000,
        production: false,
    }
}

pub(super) fn address() -> Address {
    Address {
        street: "1 MAIN STREET".into(),
        city: "SPRINGFIELD".into(),
        state: "IL".into(),
        postcode: "627010000".into(),
    }
}

pub(super) fn biller() -> Biller {
    Biller {
        name: "CLINIC".into(),
        tax_number: "123456789".into(),
        address: address(),
        telephone: "5555550100".into(),
        payer_name: "PAYER".into(),
        payer_number: "PAYER1".into(),
    }
}

pub(super) fn payer() -> Payer {
    Payer {
        name: "PAYER".into(),
        tax_number: "987654321".into(),
        address: address(),
        telephone: "5555550199".into(),
    }
}

pub(super) fn payee() -> Payee {
    Payee {
        name: "CLINIC".into(),
        npi: "1234567893".into(),
    }
}

/// A claim of the member M-0001, under the provider's number.
pub(super) fn billed<'a>(claim: &'a Claim, number: &str) -> Billed<'a> {
    Billed {
        claim,
        number: number.into(),
        member_number: "M-0001".into(),
        last_name: "DOE".into(),
        first_name: "ANN".into(),
        born: "1980-02-29".parse().unwrap(),
        sex: Some(Sex::Female),
        address: address(),
        institution: None,
        after: None,
        insured_before: None,
    }
}

/// The same claim, decided, on a remittance; `reversed`: what was paid of it comes back.
pub(super) fn remitted<'a>(claim: &'a Claim, adjudication: &'a Adjudication, reversed: bool) -> Remitted<'a> {
    Remitted {
        claim,
        adjudication,
        reversed,
        account: Account {
            claim_number: Some("A-1".into()),
            member_number: Some("M-0001".into()),
            last_name: Some("DOE".into()),
            first_name: Some("JANE".into()),
        },
        secondary: false,
    }
}

/// What an outpatient's bill says besides, with a revenue code for each line.
pub(super) fn institution(claim: &Claim, revenue: impl Fn(&ClaimLine) -> String) -> Institution {
    Institution {
        bill: "13".into(),
        statement: None,
        admitted: None,
        admission: ["3".into(), String::new(), "01".into()],
        admitting: None,
        attending: Some(Attending {
            last_name: "WHO".into(),
            first_name: "ATTENDS".into(),
            npi: "1000000004".into(),
        }),
        revenue: claim
            .lines
            .iter()
            .map(|line| (line.sequence, revenue(line)))
            .collect(),
    }
}
