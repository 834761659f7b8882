//! What a member has paid in a year, without one hot key and without ever passing the year's maximum.
//!
//! `paid~H(member, year)` is the sum, and beside it lie [`SLOTS`] slots. While the deductible is not met, or the maximum could be reached, a claim reads
//! all of them, is decided on their total, and writes the sum with the slots emptied. In between it reads the sum, and adds to the one slot that its id
//! names, as long as the slot stays within its share of what the sum leaves of the maximum: `(maximum - sum) / SLOTS`. The sum changes only together with
//! all slots, so all of them full are at most the maximum, whether anybody folds them or not. Claims of one member in one block conflict where they
//! meet in a slot, or where a cap is within reach. A coverage that was amended may have had another maximum, by which its slots were filled: it has no slots
//! any more.

use super::desk::{Desk, Own};
use careledger_api::HealthError;
use careledger_api::adjudication::{Accumulators, Claim, Plan};
use careledger_api::ids::{CoverageId, Salt, TxId};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};

pub(super) const SLOTS: u8 = 8;

/// The value of `paid~H`.
#[derive(Default, Serialize, Deserialize)]
struct Sum {
    accumulators: Accumulators,
    salt: Option<Salt>,
}

/// The value of `acc~H`.
#[derive(Serialize, Deserialize)]
struct Slot {
    out_of_pocket: i64,
    salt: Salt,
}

/// What a claim's decision starts from.
pub(super) struct Start<'d, 'a, 'c> {
    desk: &'d Desk<'a, 'c>,
    coverage: CoverageId,
    year: u16,
    place: u8,
    sum: Accumulators,
    /// Whether all that was paid lies below the maximum of the plan that counts now.
    slots: bool,
}

impl<'d, 'a, 'c> Start<'d, 'a, 'c> {
    pub(super) fn of(desk: &'d Desk<'a, 'c>, claim: &Claim, amended: bool) -> Result<Self, HealthError> {
        let (coverage, year) = (claim.coverage, claim.year()?);
        let sum: Sum = desk
            .get(&sum_key(&desk.own, &coverage, year))?
            .unwrap_or_default();
        Ok(Self {
            desk,
            coverage,
            year,
            place: claim.id.as_bytes().last().copied().unwrap_or_default() % SLOTS,
            sum: sum.accumulators,
            slots: !amended,
        })
    }

    /// Decides, and counts what the decision adds in place of what one before it added. `run` is given what the member has paid without this claim, and
    /// answers with what they have paid with it; it is called twice where the first try could pass the maximum.
    pub(super) fn settle<T>(
        &self,
        plan: &Plan,
        before: Option<Accumulators>,
        run: impl Fn(Accumulators) -> Result<(T, Accumulators), HealthError>,
    ) -> Result<(T, Accumulators), HealthError> {
        if self.slots && before.is_none() && self.sum.deductible >= plan.deductible {
            let (decided, after) = run(self.sum)?;
            let added = minus(after, self.sum);
            if self.fits(plan, added)? {
                return Ok((decided, added));
            }
        }
        let total = total(self.desk.ctx, &self.desk.own, &self.coverage, self.year)?;
        let without = minus(total, before.unwrap_or_default());
        let (decided, after) = run(without)?;
        if after != total {
            let Desk { ctx, own, tx, .. } = self.desk;
            fold(ctx, own, (&self.coverage, self.year), after, tx)?;
        }
        Ok((decided, minus(after, without)))
    }

    /// Adds to the claim's slot, unless the slot would pass its share.
    fn fits(&self, plan: &Plan, added: Accumulators) -> Result<bool, HealthError> {
        if added == Accumulators::default() {
            return Ok(true);
        }
        let share = plan.out_of_pocket_maximum.saturating_sub(self.sum.out_of_pocket) / i64::from(SLOTS);
        let key = slot_key(&self.desk.own, &self.coverage, self.year, self.place);
        let slot: Option<Slot> = self.desk.get(&key)?;
        let out_of_pocket = slot
            .map_or(0, |slot| slot.out_of_pocket)
            .saturating_add(added.out_of_pocket);
        if added.deductible > 0 || out_of_pocket > share {
            return Ok(false);
        }
        let salt = self.desk.salt(&key);
        self.desk.put(&key, &Slot { out_of_pocket, salt })?;
        Ok(true)
    }
}

/// Takes back what a claim added.
pub(super) fn give_back(
    desk: &Desk<'_, '_>,
    coverage: &CoverageId,
    year: u16,
    added: Accumulators,
) -> Result<(), HealthError> {
    if added == Accumulators::default() {
        return Ok(());
    }
    let Desk { ctx, own, tx, .. } = desk;
    let total = total(ctx, own, coverage, year)?;
    fold(ctx, own, (coverage, year), minus(total, added), tx)
}

/// Sum and slots.
pub(super) fn total(
    ctx: &ReadContext<'_>,
    own: &Own,
    coverage: &CoverageId,
    year: u16,
) -> Result<Accumulators, HealthError> {
    let sum: Sum = own.get(ctx, &sum_key(own, coverage, year))?.unwrap_or_default();
    let mut total = sum.accumulators;
    for place in 0..SLOTS {
        let slot: Option<Slot> = own.get(ctx, &slot_key(own, coverage, year, place))?;
        let beside = slot.map_or(0, |slot| slot.out_of_pocket);
        total.out_of_pocket = total.out_of_pocket.saturating_add(beside);
    }
    Ok(total)
}

/// Whether anything lies beside the sum.
pub(super) fn is_folded(
    ctx: &ReadContext<'_>,
    own: &Own,
    coverage: &CoverageId,
    year: u16,
) -> Result<bool, HealthError> {
    for place in 0..SLOTS {
        if own
            .collection
            .exists(ctx, &slot_key(own, coverage, year, place))?
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes the sum, with every slot emptied.
pub(super) fn fold(
    ctx: &Context<'_>,
    own: &Own,
    (coverage, year): (&CoverageId, u16),
    accumulators: Accumulators,
    tx: &TxId,
) -> Result<(), HealthError> {
    let key = sum_key(own, coverage, year);
    let salt = Some(own.salt(&key, tx));
    own.put(ctx, &key, &Sum { accumulators, salt })?;
    for place in 0..SLOTS {
        let key = slot_key(own, coverage, year, place);
        if own.collection.exists(ctx, &key)? {
            ctx.private_del(&own.collection.name, &key)?;
        }
    }
    Ok(())
}

fn minus(from: Accumulators, what: Accumulators) -> Accumulators {
    Accumulators {
        deductible: from.deductible.saturating_sub(what.deductible),
        out_of_pocket: from.out_of_pocket.saturating_sub(what.out_of_pocket),
    }
}

fn sum_key(own: &Own, coverage: &CoverageId, year: u16) -> String {
    own.key("paid", &[coverage.as_bytes(), &year.to_be_bytes()])
}

fn slot_key(own: &Own, coverage: &CoverageId, year: u16, place: u8) -> String {
    own.key("acc", &[coverage.as_bytes(), &year.to_be_bytes(), &[place]])
}
