//! Money that an organisation owes by the ledger: an instruction, and the payments that settle it, each unit once. A payment is a bank's reference, never
//! a token. Claims pay by it; a trial's milestone, which releases its payment exactly once, is an instruction of the milestone's amount in the sponsor's
//! own collection, kept and paid in the same way.

use careledger_api::HealthError;
use careledger_api::ids::TxId;
use serde::{Deserialize, Serialize};

/// What is owed, and what was paid of it. It lies within a value that is read and written by every step, so that of two payments in one block only the
/// first is valid.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Instruction {
    owed: i64,
    payments: Vec<Paid>,
    /// It was taken back, with what was paid.
    taken_back: bool,
    /// What came back of that, in minor units.
    #[serde(default)]
    returned: i64,
}

/// One payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Paid {
    /// Minor units.
    pub(crate) amount: i64,
    /// The bank's.
    pub(crate) reference: String,
    pub(crate) tx: TxId,
}

impl Instruction {
    /// Says how much is owed in all, in place of what was said before. `CONFLICT_STATE` for less than was paid, or once it was taken back.
    pub(crate) fn instruct(&mut self, owed: i64) -> Result<(), HealthError> {
        self.require_standing()?;
        if owed < self.paid() {
            return Err(HealthError::ConflictState(
                "less would be owed than was paid; take the payment back and begin anew".into(),
            ));
        }
        self.owed = owed;
        Ok(())
    }

    /// Records a payment of all that is due. `INVALID_CODE` for another amount or a reference that has not 1 to 64 printable ASCII characters,
    /// `CONFLICT_STATE` once it was taken back.
    pub(crate) fn pay(&mut self, amount: i64, reference: &str, tx: &TxId) -> Result<(), HealthError> {
        self.require_standing()?;
        require_reference(reference)?;
        if amount != self.due() {
            return Err(HealthError::InvalidCode(
                "the amount paid must be the amount that is due".into(),
            ));
        }
        self.payments.push(Paid {
            amount,
            reference: reference.to_owned(),
            tx: tx.clone(),
        });
        Ok(())
    }

    /// Takes it back: nothing is due of it any more, and what was paid is to be returned.
    pub(crate) fn take_back(&mut self) {
        (self.owed, self.taken_back) = (0, true);
    }

    /// Records that all that was paid and taken back has come back; gives how much that is. `INVALID_CODE` for a reference that no payment could have,
    /// `CONFLICT_STATE` where nothing is to come back (any more).
    pub(crate) fn recover(&mut self, reference: &str) -> Result<i64, HealthError> {
        require_reference(reference)?;
        let amount = self.out();
        if amount == 0 {
            return Err(HealthError::ConflictState(
                "nothing has to come back: nothing was paid and taken back, or it is recovered already"
                    .into(),
            ));
        }
        self.returned = self.returned.saturating_add(amount);
        Ok(amount)
    }

    /// What was paid and taken back, and has not come back.
    pub(crate) fn out(&self) -> i64 {
        match self.taken_back {
            true => self.paid().saturating_sub(self.returned).max(0),
            false => 0,
        }
    }

    /// What was paid in all, also if it was taken back since.
    pub(crate) fn paid(&self) -> i64 {
        self.payments
            .iter()
            .fold(0, |sum, paid| sum.saturating_add(paid.amount))
    }

    /// What is still to be paid.
    pub(crate) fn due(&self) -> i64 {
        self.owed.saturating_sub(self.paid()).max(0)
    }

    /// Whether money has moved and was not taken back.
    pub(crate) fn has_moved(&self) -> bool {
        !self.taken_back && !self.payments.is_empty()
    }

    pub(crate) fn payments(&self) -> &[Paid] {
        &self.payments
    }

    fn require_standing(&self) -> Result<(), HealthError> {
        if self.taken_back {
            Err(HealthError::ConflictState("the payment was taken back".into()))
        } else {
            Ok(())
        }
    }
}

fn require_reference(reference: &str) -> Result<(), HealthError> {
    let printable = reference.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    match printable && (1..=64).contains(&reference.len()) {
        true => Ok(()),
        false => Err(HealthError::InvalidCode(
            "a payment's reference has 1 to 64 printable ASCII characters".into(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tx(n: u8) -> TxId {
        hex_of(n).parse().unwrap()
    }

    fn hex_of(n: u8) -> String {
        format!("{n:02x}").repeat(32)
    }

    #[test]
    fn each_unit_is_paid_once() {
        let mut owed = Instruction::default();
        owed.instruct(100).unwrap();
        for wrong in [99, 101, 0] {
            assert!(matches!(
                owed.pay(wrong, "TRN-1", &tx(1)),
                Err(HealthError::InvalidCode(_))
            ));
        }
        owed.pay(100, "TRN-1", &tx(1)).unwrap();
        assert_eq!((owed.due(), owed.paid()), (0, 100));
        assert!(owed.pay(100, "TRN-1", &tx(2)).is_err());
        owed.instruct(130).unwrap();
        assert_eq!(owed.due(), 30, "the difference");
        assert!(matches!(owed.instruct(99), Err(HealthError::ConflictState(_))));
        owed.pay(30, "TRN-2", &tx(2)).unwrap();
        assert_eq!((owed.paid(), owed.payments().len()), (130, 2));
    }

    #[test]
    fn what_was_taken_back_is_paid_no_more() {
        let mut owed = Instruction::default();
        owed.instruct(100).unwrap();
        owed.take_back();
        assert_eq!((owed.due(), owed.has_moved()), (0, false));
        assert!(matches!(
            owed.pay(0, "TRN-1", &tx(1)),
            Err(HealthError::ConflictState(_))
        ));
        assert!(owed.instruct(100).is_err());
    }

    #[test]
    fn what_was_paid_and_taken_back_comes_back_once_and_whole() {
        let mut owed = Instruction::default();
        owed.instruct(100).unwrap();
        owed.pay(100, "TRN-1", &tx(1)).unwrap();
        assert_eq!(owed.out(), 0);
        assert!(matches!(owed.recover("R-1"), Err(HealthError::ConflictState(_))));
        owed.take_back();
        assert_eq!(owed.out(), 100);
        assert!(matches!(owed.recover(""), Err(HealthError::InvalidCode(_))));
        assert_eq!(owed.recover("R-1"), Ok(100));
        assert_eq!((owed.out(), owed.paid()), (0, 100));
        assert!(matches!(owed.recover("R-1"), Err(HealthError::ConflictState(_))));

        let mut unpaid = Instruction::default();
        unpaid.instruct(100).unwrap();
        unpaid.take_back();
        assert!(unpaid.recover("R-1").is_err());
    }

    #[test]
    fn an_instruction_of_before_comes_back_as_well() {
        let hex = hex_of(1);
        let kept = format!(
            r#"{{"owed":0,"payments":[{{"amount":80,"reference":"EFT 1","tx":"{hex}"}}],"taken_back":true}}"#
        );
        let mut owed: Instruction = serde_json::from_str(&kept).unwrap();
        assert_eq!((owed.out(), owed.recover("R-1")), (80, Ok(80)));
    }

    #[test]
    fn a_reference_can_be_printed() {
        let mut owed = Instruction::default();
        for wrong in ["", "Ä", "a\nb", "x".repeat(65).as_str()] {
            assert!(owed.pay(0, wrong, &tx(1)).is_err(), "{wrong:?}");
        }
    }
}
