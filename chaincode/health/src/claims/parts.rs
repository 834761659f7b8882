//! Looks over the pair's keys, in parts that end in time whatever somebody with altered code has written there.
//!
//! Either member writes what is absent: keys that name nothing, values of any size and form. So every key counts that a look meets, and every byte that it
//! reads, also of what it reads beside; a part ends at a number of either, and says where the next one begins.

use super::store::StoredClaim;
use crate::state::Collection;
use careledger_api::HealthError;
use careledger_api::contracts::claims::{MAX_LOOKED_AT, MAX_READ};
use careledger_api::ids::{AuthorisationId, ClaimId, QuestionId, RemittanceId};
use fabric_contract_core::ReadContext;
use serde::de::DeserializeOwned;

/// Bytes of a claim's value, or of another that its provider writes, above which it is none: far more than any form allows.
const MAX_VALUE: usize = 256 << 10;
/// Hex digits of an id.
const DIGITS: usize = 32;

/// The ids that name keys: 16 bytes, as lower-case hex.
pub(super) trait Named: Copy {
    fn from_number(number: u128) -> Self;
    fn number(self) -> u128;
}

macro_rules! named {
    ($($name:ident)+) => {$(
        impl Named for $name {
            fn from_number(number: u128) -> Self {
                Self::from_bytes(number.to_be_bytes())
            }

            fn number(self) -> u128 {
                u128::from_be_bytes(*self.as_bytes())
            }
        }
    )+};
}

named!(AuthorisationId ClaimId QuestionId RemittanceId);

/// Shows the values under `prefix` in the order of their ids, from the first one after `after` on: each with the id of its key. The last one that was looked
/// at, where there may be more than `most` or than [`MAX_READ`].
pub(super) fn each<N: Named>(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    (prefix, after): (&str, Option<N>),
    most: usize,
    mut show: impl FnMut(N, &[u8]) -> Result<(), HealthError>,
) -> Result<Option<N>, HealthError> {
    let first = match after.map(N::number) {
        None => 0,
        Some(u128::MAX) => return Ok(None),
        Some(after) => after + 1,
    };
    let begun = ctx.bytes_read();
    let start = format!("{prefix}{first:0DIGITS$x}");
    let keys = ctx.private_range(&pair.name, &start, &format!("{prefix}~"))?;
    for (before, entry) in keys.enumerate() {
        let entry = entry?;
        let name = entry.key.strip_prefix(prefix).unwrap_or_default();
        let last = match number(name) {
            Ok(id) => {
                show(N::from_number(id), &entry.value)?;
                id
            }
            // Never before the first one, so that every part leads on.
            Err(below) => below.max(first),
        };
        if before + 1 >= most || ctx.bytes_read().saturating_sub(begun) >= MAX_READ {
            return Ok(Some(N::from_number(last)));
        }
    }
    Ok(None)
}

/// Shows the pair's claims as [`each`] does. None is one of which the body has no form, or is another claim's: somebody with altered code wrote it.
pub(super) fn each_claim(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    after: Option<ClaimId>,
    mut show: impl FnMut(ClaimId, Option<StoredClaim>) -> Result<(), HealthError>,
) -> Result<Option<ClaimId>, HealthError> {
    each(ctx, pair, ("claim~", after), MAX_LOOKED_AT, |id, value| {
        let stored: Option<StoredClaim> = formed(value);
        show(id, stored.filter(|stored| stored.claim.id == id))
    })
}

/// A value of the form that is expected of it, and of no more than 256 KiB.
pub(super) fn formed<T: DeserializeOwned>(value: &[u8]) -> Option<T> {
    match value.len() {
        0..=MAX_VALUE => serde_json::from_slice(value).ok(),
        _ => None,
    }
}

/// The values under a prefix that have their form, of the first `most` keys, and whether there may be more: for what lies beside a claim.
pub(super) fn some<T: DeserializeOwned>(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    prefix: &str,
    most: usize,
) -> Result<(Vec<T>, bool), HealthError> {
    let begun = ctx.bytes_read();
    let mut found = Vec::new();
    let keys = ctx.private_range(&pair.name, prefix, &format!("{prefix}~"))?;
    for (before, entry) in keys.enumerate() {
        if before == most || ctx.bytes_read().saturating_sub(begun) >= MAX_READ {
            return Ok((found, true));
        }
        found.extend(formed(&entry?.value));
    }
    Ok((found, false))
}

/// The number of an id; of what is none, the greatest id that stands before it in the order of keys.
fn number(name: &str) -> Result<u128, u128> {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let digits = name.bytes().take(DIGITS).take_while(is_digit).count();
    let filled = |begin: &str, with: char| {
        let all: String = begin
            .chars()
            .chain(std::iter::repeat(with))
            .take(DIGITS)
            .collect();
        // Hex digits alone, of as many as the number has.
        u128::from_str_radix(&all, 16).unwrap_or_default()
    };
    let begin = &name[..digits];
    match name.as_bytes().get(digits) {
        None if digits == DIGITS => Ok(filled(begin, '0')),
        Some(_) if digits == DIGITS => Err(filled(begin, '0')),
        // Behind all ids that begin so; between the digits 9 and a; before all of them.
        Some(next) if *next > b'f' => Err(filled(begin, 'f')),
        Some(next) if *next > b'9' => Err(filled(&format!("{begin}9"), 'f')),
        _ => Err(filled(begin, '0').saturating_sub(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_id_stands_behind_the_greatest_one_before_it() {
        let id = |text: &str| u128::from_str_radix(text, 16).unwrap();
        let full = "0123456789abcdef0123456789abcdef";
        assert_eq!(number(full), Ok(id(full)));
        let cases = [
            (format!("{full}!"), full.to_owned()),
            (format!("{full}0"), full.to_owned()),
            ("7".to_owned(), format!("6{}", "f".repeat(31))),
            ("7!".to_owned(), format!("6{}", "f".repeat(31))),
            ("7:".to_owned(), format!("79{}", "f".repeat(30))),
            ("7A".to_owned(), format!("79{}", "f".repeat(30))),
            ("7g".to_owned(), format!("7{}", "f".repeat(31))),
            ("é".to_owned(), "f".repeat(32)),
            (format!("{}é", &full[..31]), full.to_owned()),
            (String::new(), "0".repeat(32)),
        ];
        for (name, below) in cases {
            assert_eq!(number(&name), Err(id(&below)), "{name}");
            assert!(below.as_str() < name.as_str() || name.is_empty(), "{name}");
        }
    }
}
