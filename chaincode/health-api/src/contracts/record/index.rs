//! What an organisation elsewhere may learn of a patient's documents: pages of one size, whether full, empty or refused.

use crate::HealthError;
use crate::codes::{Category, Code};
use crate::date::{Date, DateRange};
use crate::ids::{DocumentId, PatientId, Salt, TxId};
use serde::{Deserialize, Serialize};

/// Entries of a page.
pub const INDEX_ENTRIES: usize = 32;
/// Bytes of an entry: used (1), document (16), version (4), category (1), days since 1970 with 0 for none (4, offset by 2^31).
const ENTRY_BYTES: usize = 26;
/// Bytes of a page: whether there are more (1), and the entries.
pub const PAGE_BYTES: usize = 1 + INDEX_ENTRIES * ENTRY_BYTES;

/// One document of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexEntry {
    /// The document.
    pub document: DocumentId,
    /// Its newest described version.
    pub version: u32,
    /// Its category.
    pub category: Category,
    /// Its clinical date.
    pub date: Option<Date>,
}

/// A page of an index: hex of always [`PAGE_BYTES`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IndexPage(Vec<u8>);

impl IndexPage {
    /// A page that says nothing: what a refusal and an empty index look like.
    pub fn blank() -> Self {
        Self(vec![0; PAGE_BYTES])
    }

    /// Page `page` (from 0) of `entries`, which are sorted here, so that their order says nothing either.
    pub fn of(mut entries: Vec<IndexEntry>, page: u32) -> Self {
        entries.sort_by_key(|entry| entry.document);
        let from = (page as usize).saturating_mul(INDEX_ENTRIES);
        let mut bytes = vec![0; PAGE_BYTES];
        bytes[0] = u8::from(entries.len() > from.saturating_add(INDEX_ENTRIES));
        let shown = entries.iter().skip(from).take(INDEX_ENTRIES);
        for (place, entry) in bytes[1..].chunks_exact_mut(ENTRY_BYTES).zip(shown) {
            place[0] = 1;
            place[1..17].copy_from_slice(entry.document.as_bytes());
            place[17..21].copy_from_slice(&entry.version.to_be_bytes());
            place[21] = Category::ALL
                .iter()
                .position(|c| *c == entry.category)
                .and_then(|at| u8::try_from(at).ok())
                .unwrap_or(u8::MAX);
            place[22..26].copy_from_slice(&day(entry.date).to_be_bytes());
        }
        Self(bytes)
    }

    /// The page's entries and whether another page follows. `INVALID_CODE` for a page that [`of`](Self::of) does not make.
    pub fn entries(&self) -> Result<(Vec<IndexEntry>, bool), HealthError> {
        let bad = || HealthError::InvalidCode("the index page has another form than expected".into());
        let mut entries = Vec::new();
        for place in self.0[1..]
            .chunks_exact(ENTRY_BYTES)
            .filter(|place| place[0] == 1)
        {
            let mut document = [0; 16];
            document.copy_from_slice(&place[1..17]);
            let word =
                |at: usize| u32::from_be_bytes([place[at], place[at + 1], place[at + 2], place[at + 3]]);
            let date = match word(22) {
                0 => None,
                days => Some(Date::from_unix((i64::from(days) - DAY_OFFSET) * 86_400)?),
            };
            entries.push(IndexEntry {
                document: DocumentId::from_bytes(document),
                version: word(17),
                category: *Category::ALL.get(usize::from(place[21])).ok_or_else(bad)?,
                date,
            });
        }
        Ok((entries, self.0[0] == 1))
    }
}

const DAY_OFFSET: i64 = 1 << 31;

fn day(date: Option<Date>) -> u32 {
    date.and_then(|date| u32::try_from(date.days() + DAY_OFFSET).ok())
        .unwrap_or(0)
}

impl TryFrom<String> for IndexPage {
    type Error = HealthError;
    fn try_from(text: String) -> Result<Self, HealthError> {
        match hex::decode(text) {
            Ok(bytes) if bytes.len() == PAGE_BYTES => Ok(Self(bytes)),
            _ => Err(HealthError::InvalidCode(
                "an index page is hex of its one fixed length".into(),
            )),
        }
    }
}

impl From<IndexPage> for String {
    fn from(page: IndexPage) -> Self {
        hex::encode(page.0)
    }
}

/// Is there a result already, before it is ordered again?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriorResultQuery {
    /// Whose records.
    pub patient: PatientId,
    /// Of which category.
    pub category: Category,
    /// With this code (exactly).
    pub code: Code,
    /// Dated in this window.
    pub window: DateRange,
}

/// An order that was not placed because its result was there. It names neither patient nor document: what it counts outlives an erasure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DuplicateOrder {
    /// What was about to be ordered.
    pub category: Category,
    /// The access that showed the result; none where the custodian's own system looked.
    pub access: Option<TxId>,
    /// Salts the private value.
    pub salt: Salt,
}

/// How many orders were avoided in a range of days.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AvoidedOrders {
    /// By category.
    pub by_category: std::collections::BTreeMap<Category, u64>,
    /// All of them.
    pub total: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: u8, date: Option<&str>) -> IndexEntry {
        IndexEntry {
            document: DocumentId::from_bytes([id; 16]),
            version: u32::from(id) + 1,
            category: Category::ALL[usize::from(id) % Category::ALL.len()],
            date: date.map(|d| d.parse().unwrap()),
        }
    }

    #[test]
    fn pages_have_one_size_and_give_back_what_they_hold() {
        let all: Vec<IndexEntry> = (0..70u8)
            .map(|id| {
                entry(
                    id,
                    match id % 3 {
                        0 => None,
                        1 => Some("1900-01-01"),
                        _ => Some("2026-11-21"),
                    },
                )
            })
            .collect();
        let mut reversed = all.clone();
        reversed.reverse();
        let size = String::from(IndexPage::blank()).len();
        let mut seen = Vec::new();
        for page in 0..4 {
            let made = IndexPage::of(reversed.clone(), page);
            let text = String::from(made);
            assert_eq!(text.len(), size);
            let (entries, more) = IndexPage::try_from(text).unwrap().entries().unwrap();
            assert_eq!(more, page < 2);
            seen.extend(entries);
        }
        assert_eq!(seen, all);
        assert_eq!(IndexPage::of(vec![], 0), IndexPage::blank());
        assert_eq!(IndexPage::of(all, u32::MAX).entries().unwrap(), (vec![], false));
    }

    #[test]
    fn what_is_no_page_is_refused() {
        assert!(IndexPage::try_from("00".repeat(PAGE_BYTES - 1)).is_err());
        assert!(IndexPage::try_from("zz".repeat(PAGE_BYTES)).is_err());
        let mut strange = IndexPage::of(vec![entry(1, None)], 0);
        strange.0[1 + 21] = 200;
        assert!(strange.entries().is_err());
    }
}
