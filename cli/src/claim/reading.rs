//! A billing system's file: its interchanges, or the one document of another form, and what its numbers stand for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use careledger_api::adjudication::{Claim, Site};
use careledger_api::contracts::claims::ClaimBody;
use careledger_api::ids::{AuthorisationId, ClaimId, CoverageId, DocumentId, PlanId};
use careledger_sdk::claims::{
    Account, Directory, FileError, MAX_FILE, Named, Numbers, Problem, Read, Register, Resolver, Submission,
};
use careledger_sdk::fhir::claims::claims_from_fhir;
use careledger_sdk::x12::{Received, interchanges, received_from_x12};

use super::args::{BetweenArgs, ReadingArgs, RemitArgs};
use crate::output::Output;
use crate::{Result, files, values};

/// What a file holds.
pub(super) struct Found(Vec<Part>);

/// A part of it that is read, or not, by itself.
pub(super) struct Part {
    /// Before each place in it, where a file has several.
    at: String,
    held: Held,
}

enum Held {
    /// An interchange, which can be answered.
    X12(Box<Received>),
    /// FHIR, or the ledger's own form.
    Other(Vec<Read>),
    /// It does not begin as an interchange of a kind that is read here, or holds nothing, or too much.
    Unreadable(FileError),
}

impl Found {
    /// A file of one part.
    fn whole(held: Held) -> Self {
        let at = String::new();
        Self(vec![Part { at, held }])
    }

    /// Its parts, in the order of the file.
    pub(super) fn parts(&self) -> &[Part] {
        &self.0
    }

    /// How many claims, or events with requests, are in it.
    pub(super) fn count(&self) -> usize {
        self.0.iter().map(|part| part.reads().len()).sum()
    }
}

impl Part {
    /// Its claims, or its events with requests.
    pub(super) fn reads(&self) -> Vec<&Read> {
        match &self.held {
            Held::X12(received) => received.reads().collect(),
            Held::Other(read) => read.iter().collect(),
            Held::Unreadable(_) => Vec::new(),
        }
    }

    /// The interchange, where it is one.
    pub(super) fn interchange(&self) -> Option<&Received> {
        match &self.held {
            Held::X12(received) => Some(received),
            Held::Other(_) | Held::Unreadable(_) => None,
        }
    }

    /// Why nothing of it counts.
    pub(super) fn broken(&self) -> Option<&FileError> {
        match &self.held {
            Held::X12(received) => received.refusal(),
            Held::Other(_) => None,
            Held::Unreadable(error) => Some(error),
        }
    }

    /// What stands before each place in it: `interchange 2, `, or nothing where there is one alone.
    pub(super) fn at(&self) -> &str {
        &self.at
    }
}

/// Everything in a file, by its form: X12 begins with an interchange's header, FHIR names its resource. Fails for one of which nothing is an interchange or
/// document that can be read; of several interchanges each is read, whatever the others are.
pub(super) fn read(path: &Path, resolver: &ForOne) -> Result<Found> {
    let bytes = files::bytes(path, MAX_FILE as u64 + 1)?;
    let failed = |error: FileError| format!("{}: {error}", path.display());
    let bytes = files::unmarked(&bytes);
    if bytes.trim_ascii_start().starts_with(b"ISA") {
        resolver.require_members()?;
        let all = interchanges(bytes).map_err(failed)?;
        if let [only] = all.as_slice() {
            let received = received_from_x12(only, resolver).map_err(failed)?;
            return Ok(Found::whole(Held::X12(Box::new(received))));
        }
        let part = |(number, bytes): (usize, &[u8])| Part {
            at: format!("interchange {number}, "),
            held: match received_from_x12(bytes, resolver) {
                Ok(received) => Held::X12(Box::new(received)),
                Err(error) => Held::Unreadable(error),
            },
        };
        return Ok(Found((1..).zip(all).map(part).collect()));
    }
    let reads = match serde_json::from_slice::<Claim>(bytes) {
        Ok(claim) => vec![own(claim, resolver)?],
        Err(error) if is_own(bytes) => {
            let (file, wrong) = (path.display(), files::spot(&error));
            return Err(format!("{file} is no claim as docs/claims-files.md has it: {wrong}").into());
        }
        Err(_) => {
            resolver.require_members()?;
            claims_from_fhir(bytes, resolver).map_err(failed)?
        }
    };
    Ok(Found::whole(Held::Other(reads)))
}

/// Whether JSON is meant to be a claim of the ledger's own form.
fn is_own(bytes: &[u8]) -> bool {
    let Ok(serde_json::Value::Object(members)) = serde_json::from_slice(bytes) else {
        return false;
    };
    members.contains_key("provider_npi") && !members.contains_key("resourceType")
}

/// A claim of the ledger's own form: its id is its number, and it names its coverage.
fn own(claim: Claim, resolver: &ForOne) -> Result<Read> {
    if resolver
        .coverage
        .is_some_and(|coverage| coverage != claim.coverage)
    {
        return Err(
            "the claim is of another coverage than --coverage; it names its own: leave that out".into(),
        );
    }
    let salt = resolver.numbers().salt("claim", &claim);
    let outcome = match salt {
        Ok(salt) => Ok(Submission::Claim(Box::new(ClaimBody { claim, salt }))),
        Err(error) => Err(vec![Problem::new("claim", error.to_string())]),
    };
    Ok(Read {
        at: "claim".to_owned(),
        account: Account::default(),
        outcome,
        ignored: Vec::new(),
    })
}

/// By which numbers and names a provider's files know the claims that are submitted from them. Whose they are is not asked: the ids follow from the numbers.
pub(super) fn accounts(args: &RemitArgs, payer: &str, output: &Output) -> Result<BTreeMap<ClaimId, Account>> {
    let own = &args.between;
    let secret = secret_path(args.secret.as_deref(), own);
    if !secret.exists() {
        return Err(format!(
            "{} is not there, from which the claims' ids follow",
            secret.display()
        )
        .into());
    }
    let register: Register = match &args.register {
        Some(path) => files::read_personal(path, "register")?,
        None => Register::default(),
    };
    let resolver = ForOne {
        any_payer: true,
        coverage: Some(CoverageId::from_bytes([0; 16])),
        directory: Directory::new(register, Numbers::new(&secret_of(&secret)?, payer)),
    };
    let mut known = BTreeMap::new();
    for path in &args.accounts {
        let found = read(path, &resolver)?;
        let mut unread = 0usize;
        for read in found.parts().iter().flat_map(Part::reads) {
            match &read.outcome {
                Ok(Submission::Claim(body)) => {
                    known.insert(body.claim.id, read.account.clone());
                }
                Ok(Submission::Authorisations(_)) => {}
                Err(_) => unread += 1,
            }
        }
        let broken = found
            .parts()
            .iter()
            .filter(|part| part.broken().is_some())
            .count();
        if unread + broken > 0 {
            output.line(format!(
                "{}: {} and {} of it cannot be read, and tell no numbers",
                path.display(),
                values::counted(unread, "claim"),
                values::counted(broken, "interchange")
            ));
        }
    }
    Ok(known)
}

/// The register, and what the command line says beside it.
pub(super) struct ForOne {
    directory: Directory,
    coverage: Option<CoverageId>,
    any_payer: bool,
}

/// `check`: nothing is left behind.
pub(super) fn resolver(args: &ReadingArgs, payer: &str, check: bool, output: &Output) -> Result<ForOne> {
    let register: Register = match &args.register {
        Some(path) => files::read_personal(path, "register")?,
        None => Register::default(),
    };
    Ok(ForOne {
        any_payer: args.register.is_none(),
        coverage: args.coverage,
        directory: Directory::new(register, Numbers::new(&secret(args, check, output)?, payer)),
    })
}

/// The provider's secret, drawn where there is none; a check alone leaves none behind.
fn secret(args: &ReadingArgs, check: bool, output: &Output) -> Result<[u8; 32]> {
    let path = secret_path(args.secret.as_deref(), &args.between);
    if !path.exists() {
        // Under a mistyped name one would be drawn, and every claim be another one.
        if args.secret.is_some() {
            let wanted = "leave --secret out to have the provider's own one made, or name a file with a JSON string of 64 hexadecimal digits";
            return Err(format!("{} is not there; {wanted}", path.display()).into());
        }
        let drawn = rand::random();
        if check {
            output.line("no secret for ids is there yet: the claims' ids are others when they are submitted");
        } else {
            files::write(&path, &hex::encode(drawn))?;
            output.line(format!(
                "{} is made: keep it, since ids of claims follow from it",
                path.display()
            ));
        }
        return Ok(drawn);
    }
    secret_of(&path)
}

fn secret_path(named: Option<&Path>, between: &BetweenArgs) -> PathBuf {
    let own = || between.dir.join(format!("billing-{}.secret", between.own));
    named.map_or_else(own, Path::to_owned)
}

fn secret_of(path: &Path) -> Result<[u8; 32]> {
    let text: String = files::read(path, "secret for ids")?;
    let bytes = hex::decode(&text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| {
        let wanted = "a JSON string of 64 hexadecimal digits";
        format!("{} is no secret for ids; {wanted} is expected", path.display()).into()
    })
}

impl ForOne {
    /// Fails where nothing says whose a claim is that does not say so itself.
    pub(super) fn require_members(&self) -> Result<()> {
        match self.coverage.is_none() && self.any_payer {
            true => {
                Err("say whose the claims are: --register FILE, or --coverage ID for a file of one".into())
            }
            false => Ok(()),
        }
    }
}

impl Resolver for ForOne {
    fn is_payer(&self, insurer: &Named) -> bool {
        self.any_payer || self.directory.is_payer(insurer)
    }

    fn coverage(&self, member: &Named) -> Option<CoverageId> {
        self.coverage.or_else(|| self.directory.coverage(member))
    }

    fn provider(&self, provider: &Named) -> Option<String> {
        self.directory.provider(provider)
    }

    fn plan(&self, plan: &Named) -> Option<(PlanId, u32)> {
        self.directory.plan(plan)
    }

    fn document(&self, document: &Named) -> Option<DocumentId> {
        self.directory.document(document)
    }

    fn authorisation(&self, number: &str) -> Option<AuthorisationId> {
        self.directory.authorisation(number)
    }

    fn claim(&self, number: &str) -> Option<ClaimId> {
        self.directory.claim(number)
    }

    fn procedure(&self, system: Option<&str>, code: &str) -> Option<String> {
        self.directory.procedure(system, code)
    }

    fn site(&self, system: Option<&str>, code: &str) -> Option<Site> {
        self.directory.site(system, code)
    }

    fn numbers(&self) -> &Numbers {
        self.directory.numbers()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use careledger_api::adjudication::{Coverage, Plan, check};
    use careledger_sdk::claims::Register;

    const FILES: &str = include_str!("../../../docs/claims-files.md");

    /// The example below a heading of the docs.
    fn example(heading: &str) -> &'static str {
        let (_, below) = FILES.split_once(&format!("## {heading}\n")).unwrap();
        let (_, block) = below.split_once("```json\n").unwrap();
        block.split_once("```").unwrap().0
    }

    #[test]
    fn the_files_of_the_docs_are_read() {
        let plan: Plan = serde_json::from_str(example("A plan")).unwrap();
        plan.validate().unwrap();
        let coverage: Coverage = serde_json::from_str(example("A coverage")).unwrap();
        assert_eq!((coverage.plan, coverage.plan_version), (plan.id, plan.version));
        let claim: Claim = serde_json::from_str(example("A claim")).unwrap();
        assert_eq!(check(&claim), []);
        assert_eq!(claim.coverage, coverage.id);
        let register: Register = serde_json::from_str(example("A register")).unwrap();
        let directory = Directory::new(register, Numbers::new(&[7; 32], "InsurerMSP"));
        let read = claims_from_fhir(example("A claim in FHIR").as_bytes(), &directory).unwrap();
        let Ok(Submission::Claim(body)) = &read[0].outcome else {
            panic!("{:?}", read[0].outcome)
        };
        assert_eq!((body.claim.coverage, body.claim.total), (coverage.id, 18_000));
    }

    #[test]
    fn a_wrong_field_is_named_and_a_wrong_value_is_not() {
        let claim = example("A claim");
        let wrong = |from: &str, to: &str| {
            let text = claim.replacen(from, to, 1);
            assert_ne!(text, claim);
            assert!(is_own(text.as_bytes()));
            files::spot(&serde_json::from_str::<Claim>(&text).unwrap_err())
        };
        assert!(wrong("\"charge\"", "\"chrage\"").contains("`chrage`"));
        let value = wrong("\"2026-11-02\"", "\"Doe, Jane\"");
        assert!(value.contains("line 5") && !value.contains("Doe"), "{value}");
        assert!(!is_own(example("A claim in FHIR").as_bytes()));
    }
}
