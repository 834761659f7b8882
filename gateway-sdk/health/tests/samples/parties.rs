//! Who bills and pays whom, for the tests of X12 within the crate and beside it.

use super::{Address, Biller, Envelope, Payee, Payer};

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
