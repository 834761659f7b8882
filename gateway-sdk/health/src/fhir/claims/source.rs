//! A file: one resource or a Bundle, and what its references lead to.

use super::answer::{self, Answer};
use super::node::{Findings, Node, document};
use crate::claims::{FileError, Identifier, MAX_CLAIMS, Named, Problem};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::str::FromStr;

/// Largest resource that a reference is followed to, in bytes.
const MAX_FOLLOWED: usize = 256 << 10;

/// FHIR's name for NPIs.
pub(super) const NPI: &str = "http://hl7.org/fhir/sid/us-npi";

/// The resources of a file that are asked for, and what surrounds them.
pub(super) struct Source<'a> {
    /// Path and resource.
    pub(super) wanted: Vec<(String, &'a RawValue)>,
    /// Everything of a Bundle by `Type/id` and by its full URL.
    others: BTreeMap<String, (String, &'a RawValue)>,
    numbers: Memo<Vec<Identifier>>,
    answers: Memo<Answer>,
    beneficiaries: Memo<Named>,
    places: Memo<String>,
}

impl<'a> Source<'a> {
    /// The resources of one of the types `wanted` in a file.
    pub(super) fn read(bytes: &'a [u8], wanted: &[&'static str]) -> Result<Self, FileError> {
        let root = document(bytes)?;
        let kind = kind(root).unwrap_or_default();
        let mut source = Self {
            wanted: Vec::new(),
            others: BTreeMap::new(),
            numbers: Memo::default(),
            answers: Memo::default(),
            beneficiaries: Memo::default(),
            places: Memo::default(),
        };
        if wanted.contains(&kind.as_str()) {
            source.wanted.push((kind, root));
            return Ok(source);
        }
        let another = || FileError::Another(wanted.first().copied().unwrap_or("resource"));
        if kind != "Bundle" {
            return Err(another());
        }
        let bundle: Bundle<'a> = serde_json::from_str(root.get()).map_err(|_| another())?;
        for (index, entry) in bundle.entry.into_iter().enumerate() {
            let Some(raw) = entry.resource else {
                continue;
            };
            let kind = self::kind(raw).unwrap_or_default();
            let path = format!("Bundle.entry[{index}].resource");
            if let Some(url) = entry.full_url {
                source.others.insert(url, (path.clone(), raw));
            }
            if let Some(id) = id_of(raw) {
                source.others.insert(format!("{kind}/{id}"), (path.clone(), raw));
            }
            if wanted.contains(&kind.as_str()) {
                source.wanted.push((path, raw));
            }
        }
        match source.wanted.len() {
            0 => Err(another()),
            found if found > MAX_CLAIMS => Err(FileError::TooLarge),
            _ => Ok(source),
        }
    }

    /// The one resource of a file that may have one alone.
    pub(super) fn only(&self, name: &'static str) -> Result<(&str, &'a RawValue), FileError> {
        match self.wanted.as_slice() {
            [(path, raw)] => Ok((path, raw)),
            _ => Err(FileError::Another(name)),
        }
    }
}

/// What references of one resource lead to: contained in it, or of the same Bundle.
pub(super) struct Within<'n> {
    source: &'n Source<'n>,
    /// By id: path and resource.
    contained: BTreeMap<String, (String, &'n RawValue)>,
}

impl<'n> Within<'n> {
    pub(super) fn new(source: &'n Source<'n>, root: &Node<'n>) -> Self {
        let mut contained = BTreeMap::new();
        for (index, raw) in root.raws("contained").into_iter().enumerate() {
            if let Some(id) = id_of(raw) {
                contained
                    .entry(id)
                    .or_insert((format!("{}.contained[{index}]", root.path), raw));
            }
        }
        Self { source, contained }
    }

    /// What a reference leads to within the file; none for what is larger than [`MAX_FOLLOWED`].
    pub(super) fn resource(&self, root: &Node<'n>, named: &Named) -> Option<Node<'n>> {
        let (path, raw) = self.target(named)?;
        root.another(raw, path.to_owned())
    }

    /// The path of what a reference leads to.
    pub(super) fn place(&self, root: &Node<'_>, named: &Named) -> Option<Rc<String>> {
        let path = |node: &Node<'_>| Some(node.path.clone());
        self.source.places.of(root, self.target(named)?, path)
    }

    /// The payer's answer that a reference leads to.
    pub(super) fn answer(&self, root: &Node<'_>, named: &Named) -> Option<Rc<Answer>> {
        self.source.answers.of(root, self.target(named)?, answer::read)
    }

    /// Whose coverage it is that a reference leads to.
    pub(super) fn beneficiary(&self, root: &Node<'_>, named: &Named) -> Option<Named> {
        let beneficiary = |coverage: &Node<'_>| coverage.named("beneficiary");
        let found = self
            .source
            .beneficiaries
            .of(root, self.target(named)?, beneficiary)?;
        Some(Named::clone(&found))
    }

    fn target(&self, named: &Named) -> Option<(&str, &'n RawValue)> {
        let reference = named.reference.as_deref()?;
        let (path, raw) = match reference.strip_prefix('#') {
            Some(id) => self.contained.get(id)?,
            None => self.source.others.get(reference)?,
        };
        (raw.get().len() <= MAX_FOLLOWED).then_some((path, *raw))
    }

    /// As an element names it, with the numbers of the resource that it leads to. A reference within a resource names nothing outside of it.
    pub(super) fn named(&self, root: &Node<'_>, mut named: Named) -> Named {
        let numbers = |resource: &Node<'_>| Some(resource.identifiers());
        let target = self.target(&named);
        if let Some(known) = target.and_then(|target| self.source.numbers.of(root, target, numbers)) {
            named.identifiers.extend(known.iter().cloned());
        }
        named.reference = named.reference.filter(|reference| !reference.starts_with('#'));
        named
    }
}

/// What was read of resources, by their path: many elements of many claims of a file may lead to one large resource, which is read once.
struct Memo<T>(RefCell<BTreeMap<String, Known<T>>>);

/// What was read of a resource, and what was found with it.
struct Known<T> {
    value: Option<Rc<T>>,
    problems: Vec<Problem>,
    ignored: Vec<Problem>,
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T> Memo<T> {
    /// What `read` makes of a resource; what it finds is among the findings of each `root` that leads there.
    fn of(
        &self,
        root: &Node<'_>,
        (path, raw): (&str, &RawValue),
        read: impl FnOnce(&Node<'_>) -> Option<T>,
    ) -> Option<Rc<T>> {
        let mut all = self.0.borrow_mut();
        let known = all.entry(path.to_owned()).or_insert_with(|| {
            let findings = Findings::default();
            let value = Node::read(raw, path.to_owned(), &findings).and_then(|node| read(&node));
            let (problems, ignored) = findings.into_parts();
            Known {
                value: value.map(Rc::new),
                problems,
                ignored,
            }
        });
        root.gather(&known.problems, &known.ignored);
        known.value.clone()
    }
}

/// The NPI among somebody's numbers.
pub(super) fn npi(named: &Named) -> Option<String> {
    let of = |i: &&Identifier| i.system == NPI;
    named.identifiers.iter().find(of).map(|i| i.value.clone())
}

#[derive(Deserialize)]
struct Bundle<'a> {
    #[serde(borrow, default)]
    entry: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(rename = "fullUrl", default)]
    full_url: Option<String>,
    #[serde(borrow, default)]
    resource: Option<&'a RawValue>,
}

/// What every resource begins with.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "resourceType", default)]
    kind: Option<String>,
    #[serde(default)]
    id: Option<String>,
}

/// The ledger's own id among the numbers of something.
pub(super) fn own<T: FromStr>(named: &Named, system: &str) -> Option<T> {
    let of = |i: &&Identifier| i.system == system;
    named.identifiers.iter().find(of)?.value.parse().ok()
}

fn kind(raw: &RawValue) -> Option<String> {
    serde_json::from_str::<Head>(raw.get()).ok()?.kind
}

fn id_of(raw: &RawValue) -> Option<String> {
    serde_json::from_str::<Head>(raw.get()).ok()?.id
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn what_many_claims_lead_to_is_read_once_and_told_to_each() {
        let file = br#"{"resourceType":"Bundle","entry":[
            {"resource":{"resourceType":"Claim","id":"1"}},{"resource":{"resourceType":"Claim","id":"2"}},
            {"fullUrl":"urn:r","resource":{"resourceType":"ClaimResponse","id":"r","status":"draft"}}]}"#;
        let source = Source::read(file, &["Claim"]).unwrap();
        let reads = Cell::new(0);
        let memo = Memo::<()>::default();
        for (path, raw) in &source.wanted {
            let findings = Findings::default();
            let root = Node::read(raw, path.clone(), &findings).unwrap();
            let within = Within::new(&source, &root);
            for reference in ["ClaimResponse/r", "urn:r"] {
                let named = Named {
                    reference: Some(reference.to_owned()),
                    ..Named::default()
                };
                assert!(within.answer(&root, &named).is_none());
                let target = within.target(&named).unwrap();
                memo.of(&root, target, |_| {
                    reads.set(reads.get() + 1);
                    None
                });
            }
            drop(within);
            let told: Vec<String> = findings.into_parts().0.into_iter().map(|p| p.at).collect();
            assert!(
                told.contains(&"Bundle.entry[2].resource.status".to_owned()),
                "{told:?}"
            );
        }
        assert_eq!((reads.get(), source.answers.0.borrow().len()), (1, 1));
    }
}
