//! From the items of a FHIR R4 Claim to lines.

use super::claim::{Reader, document};
use super::node::Node;
use super::site::site;
use crate::claims::{Decimal, Resolver};
use careledger_api::adjudication::{ClaimLine, MAX_LINES, Site};
use careledger_api::date::Date;
use careledger_api::ids::{AuthorisationId, DocumentId};
use std::collections::BTreeMap;

/// The lines of a claim.
pub(super) struct Items {
    pub(super) lines: Vec<ClaimLine>,
    pub(super) currency: String,
    pub(super) total: i64,
    /// Where each line stands in the list of items.
    pub(super) indexes: BTreeMap<u16, usize>,
    /// The last day of lines that have more than one; for authorisations alone.
    pub(super) until: BTreeMap<u16, Date>,
}

/// What lines point at.
struct Pointed {
    /// The NPI of each member of the care team, and whether it is the one who did it.
    team: BTreeMap<u32, (Option<String>, bool)>,
    documents: BTreeMap<u32, Option<DocumentId>>,
}

/// Reads the items. A claim's lines have one day and an amount; a request for authorisations needs neither. None if any item cannot be read.
pub(super) fn lines(
    reader: &Reader<'_>,
    diagnoses: &BTreeMap<u32, (u8, String)>,
    claim: bool,
    authorisation: Option<AuthorisationId>,
) -> Option<Items> {
    let items = reader.root.list("item");
    if !(1..=MAX_LINES).contains(&items.len()) {
        reader.root.wrong("item", "a claim has 1 to 50 items");
        return None;
    }
    let pointed = Pointed {
        team: team(reader),
        documents: documents(reader),
    };
    let mut read = Items {
        lines: Vec::new(),
        currency: String::new(),
        total: 0,
        indexes: BTreeMap::new(),
        until: BTreeMap::new(),
    };
    for (index, item) in items.iter().enumerate() {
        let one = Item {
            reader,
            node: item,
            claim,
        };
        let Some((mut line, until, currency)) = one.line(&pointed, diagnoses) else {
            continue;
        };
        line.authorisation = authorisation;
        if !read.currency.is_empty() && !currency.is_empty() && read.currency != currency {
            item.wrong_is("net", &currency, "all lines of a claim are in one currency");
        }
        if !currency.is_empty() {
            read.currency = currency;
        }
        read.total = read.total.saturating_add(line.charge);
        if read.indexes.insert(line.sequence, index).is_some() {
            item.wrong("sequence", "another line has that number");
        }
        read.until.insert(line.sequence, until);
        read.lines.push(line);
    }
    (read.lines.len() == items.len()).then_some(read)
}

/// The care team; a member without an NPI matters where a line points at it.
fn team(reader: &Reader<'_>) -> BTreeMap<u32, (Option<String>, bool)> {
    let mut team = BTreeMap::new();
    for member in reader.root.list("careTeam") {
        member.only(
            &["sequence", "provider", "responsible", "role"],
            &[],
            &["qualification"],
        );
        let role = member.codings("role");
        let first =
            member.flag("responsible") == Some(true) || role.iter().any(|(_, code)| code == "primary");
        if let Some(sequence) = member.positive("sequence", 999) {
            let provider = reader.provider_of(&member, "provider");
            if team.insert(sequence, (provider, first)).is_some() {
                member.wrong("sequence", "another member of the care team has that number");
            }
        }
    }
    team
}

fn documents(reader: &Reader<'_>) -> BTreeMap<u32, Option<DocumentId>> {
    let mut documents = BTreeMap::new();
    for info in reader.root.list("supportingInfo") {
        let found = info
            .named("valueReference")
            .and_then(|named| document(reader, named));
        if found.is_none() {
            info.ignored(
                "category",
                "only references to documents that are anchored on the ledger are carried",
            );
        }
        let sequence = info.positive("sequence", 999);
        if sequence.is_some_and(|sequence| documents.insert(sequence, found).is_some()) {
            info.wrong("sequence", "another information has that number");
        }
    }
    documents
}

struct Item<'i, 'r> {
    reader: &'i Reader<'r>,
    node: &'i Node<'i>,
    claim: bool,
}

impl Item<'_, '_> {
    /// The line, its last day and its currency.
    fn line(
        &self,
        pointed: &Pointed,
        diagnoses: &BTreeMap<u32, (u8, String)>,
    ) -> Option<(ClaimLine, Date, String)> {
        let node = self.node;
        node.only(
            &[
                "sequence",
                "careTeamSequence",
                "diagnosisSequence",
                "informationSequence",
                "productOrService",
                "modifier",
                "servicedDate",
                "servicedPeriod",
                "locationCodeableConcept",
                "quantity",
                "unitPrice",
                "factor",
                "net",
                "detail",
                "bodySite",
                "subSite",
            ],
            &[
                "procedureSequence",
                "revenue",
                "category",
                "programCode",
                "locationAddress",
                "locationReference",
                "udi",
            ],
            &["encounter"],
        );
        let sequence = node.positive("sequence", 999).and_then(|n| u16::try_from(n).ok());
        if !node.has("sequence") {
            node.wrong("sequence", "a line has a number");
        }
        let procedure = self.procedure();
        let days = self.days();
        let units = self.units();
        let money = self.amount();
        if self.claim {
            self.details(&money);
        }
        let (from, until) = days?;
        let (charge, currency) = money.unwrap_or_default();
        let mut line = ClaimLine::new(sequence?, &procedure?, from, units?, charge);
        line.modifiers = modifiers(node);
        line.place = self.place();
        line.site = self.site();
        line.diagnoses = self.diagnoses(diagnoses);
        line.rendering_npi = self.performer(&pointed.team);
        let informed = node.positives("informationSequence");
        line.documents = informed
            .iter()
            .filter_map(|n| pointed.documents.get(n).copied().flatten())
            .collect();
        Some((line, until, currency))
    }

    fn procedure(&self) -> Option<String> {
        procedure(self.node, self.reader.resolver)
    }

    /// The first and the last day. A line of a claim has one.
    fn days(&self) -> Option<(Date, Date)> {
        let node = self.node;
        if node.has("servicedDate") {
            return node.day("servicedDate").map(|day| (day, day));
        }
        let period = node
            .object("servicedPeriod")
            .or_else(|| self.reader.root.object("billablePeriod"));
        let days = period.and_then(|period| Some((period.day("start")?, period.day("end")?)));
        match days {
            None => node.wrong("servicedDate", "a line has a day of service"),
            Some((from, until)) if from > until || (self.claim && from != until) => {
                node.wrong(
                    "servicedPeriod",
                    "a line of a claim has one day of service: write a line for each day",
                );
                return None;
            }
            Some(_) => {}
        }
        days
    }

    fn units(&self) -> Option<u32> {
        match self.node.object("quantity") {
            Some(quantity) => quantity.positive("value", 999),
            None => (!self.node.has("quantity")).then_some(1),
        }
    }

    /// The line's amount: as written, and checked against price, quantity and factor where these are written too.
    fn amount(&self) -> Option<(i64, String)> {
        let node = self.node;
        let net = node.money("net");
        let price = node
            .object("unitPrice")
            .and_then(|price| Some((price.decimal("value")?, price.text("currency")?)));
        let Some((price, currency)) = price else {
            if self.claim && !node.has("net") {
                node.wrong("net", "a line of a claim has an amount");
            }
            return net;
        };
        let quantity = match node.object("quantity") {
            Some(quantity) => quantity.decimal("value")?,
            None => Decimal::ONE,
        };
        let factor = node.decimal("factor").unwrap_or(Decimal::ONE);
        let product = price.times(quantity).and_then(|product| product.times(factor));
        let Some(product) = product.and_then(|product| product.rounded(&currency)) else {
            node.wrong(
                "unitPrice",
                "price, quantity and factor make more than 10^12 minor units",
            );
            return None;
        };
        match net {
            Some((net, of)) if net != product || of != currency => {
                node.wrong("net", "it is not unitPrice x quantity x factor");
                None
            }
            Some(net) => Some(net),
            None => Some((product, currency)),
        }
    }

    /// Details have no place on the ledger, but they may not say something else than their line.
    fn details(&self, money: &Option<(i64, String)>) {
        let details = self.node.list("detail");
        if details.is_empty() {
            return;
        }
        self.node.ignored("detail", "a line is adjudicated as a whole; claim its parts as lines of their own where each is to be paid");
        let amounts: Option<Vec<i64>> = details.iter().map(|d| Some(d.money("net")?.0)).collect();
        let sum = amounts.and_then(|amounts| amounts.into_iter().try_fold(0i64, i64::checked_add));
        if let (Some(sum), Some((charge, _))) = (sum, money)
            && sum != *charge
        {
            self.node
                .wrong("detail", "the amounts of the details are not the line's");
        }
    }

    fn place(&self) -> Option<String> {
        let codings = self.node.codings("locationCodeableConcept");
        let two = |code: &String| code.len() == 2 && code.bytes().all(|b| b.is_ascii_digit());
        let found = codings
            .iter()
            .map(|(_, code)| code)
            .find(|code| two(code))
            .cloned();
        if found.is_none() && !codings.is_empty() {
            self.node.ignored(
                "locationCodeableConcept",
                "only a place of service of two digits is carried",
            );
        }
        found
    }

    /// Where on the body; a request for an authorisation has no place for it.
    fn site(&self) -> Option<Site> {
        if self.claim {
            return site(self.node, self.reader.resolver);
        }
        for element in ["bodySite", "subSite"] {
            if self.node.has(element) {
                self.node
                    .ignored(element, "a request for an authorisation has no place for it");
            }
        }
        None
    }

    fn diagnoses(&self, carried: &BTreeMap<u32, (u8, String)>) -> Vec<u8> {
        if !self.claim {
            return Vec::new();
        }
        let pointed = self.node.positives("diagnosisSequence");
        let found: Vec<u8> = pointed.iter().filter_map(|n| Some(carried.get(n)?.0)).collect();
        if found.len() != pointed.len() {
            self.node.wrong(
                "diagnosisSequence",
                "the line points at a diagnosis that is not there or is no code of ICD-10-CM",
            );
        }
        found
    }

    fn performer(&self, team: &BTreeMap<u32, (Option<String>, bool)>) -> Option<String> {
        let pointed = self.node.positives("careTeamSequence");
        let members: Vec<&(Option<String>, bool)> = pointed.iter().filter_map(|n| team.get(n)).collect();
        let one = match members.as_slice() {
            [one] => Some(*one),
            [] => None,
            many => many.iter().find(|(_, first)| *first).copied(),
        };
        if members.len() != pointed.len() || (one.is_none() && !pointed.is_empty()) {
            self.node.wrong("careTeamSequence", "the line points at one member of the care team, or at several of whom one is responsible or primary");
        }
        one.and_then(|(npi, _)| npi.clone())
    }
}

/// What a service is, as the plans call it.
pub(super) fn procedure(node: &Node<'_>, resolver: &dyn Resolver) -> Option<String> {
    let codings = node.codings("productOrService");
    let mapped = codings
        .iter()
        .find_map(|(system, code)| resolver.procedure(system.as_deref(), code));
    let plain = |(_, code): &(Option<String>, String)| is_procedure(code).then(|| code.clone());
    let found = mapped.or_else(|| codings.iter().find_map(plain));
    if found.is_none() {
        let reason = "plans have codes of 1 to 16 capital letters, digits or -; map the code list's to them";
        match codings.first() {
            Some((_, code)) => node.wrong_is("productOrService", code, reason),
            None => node.wrong("productOrService", reason),
        }
    }
    found
}

/// Modifiers of a service.
pub(super) fn modifiers(node: &Node<'_>) -> Vec<String> {
    let concepts = node.list("modifier");
    let codes: Vec<String> = concepts
        .iter()
        .flat_map(|c| c.own_codings())
        .map(|(_, code)| code)
        .collect();
    for code in &codes {
        let two = code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if !two {
            node.wrong_is("modifier", code, "a modifier is two capital letters or digits");
        }
    }
    codes
}

fn is_procedure(code: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-';
    (1..=16).contains(&code.len()) && code.bytes().all(allowed)
}
