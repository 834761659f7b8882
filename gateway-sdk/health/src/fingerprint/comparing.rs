//! Many claims' lines in few requests: a quarter's key is read once, and lines of many claims go to the vault together.

use std::collections::BTreeMap;
use std::sync::Arc;

use careledger_api::HealthError;
use careledger_api::adjudication::Claim;
use careledger_api::contracts::claims::{FingerprintKey, Period};
use careledger_api::ids::Hash;
use fabric_contract_core::CallError;

use super::{FingerprintError, Fingerprinter, Input, MAX_ELEMENTS, Person};
use crate::HealthClient;
use crate::wallet::unix_now;

/// The fingerprints of a claim's lines, by their numbers.
pub type Compared = Result<BTreeMap<u16, Hash>, Arc<FingerprintError>>;

/// A payer's run of comparisons with other payers.
#[derive(Debug)]
pub struct Comparing<'a>(Run<Connected<'a>>);

/// The vault answers no more for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverTheLimit {
    /// When it answers again, seconds.
    pub seconds: u64,
    /// How many of the claims wait for that.
    pub claims: usize,
}

impl<'a> Comparing<'a> {
    /// A run of the payer that `client` and `fingerprinter` act for: both of its role `payer`.
    pub fn new(client: &'a HealthClient, fingerprinter: Fingerprinter<'a>) -> Self {
        Self(Run::new(Connected {
            client,
            fingerprinter,
        }))
    }

    /// The fingerprints of claims' lines by their numbers, for each claim in its place; lines of quarters that are not open have none. Requests are of one
    /// quarter's lines, up to [`MAX_ELEMENTS`], whoever's they are.
    ///
    /// A claim fails alone for its member's name ([`FingerprintError::Name`]), and with all others of a quarter for which the ledger shows no key that can be
    /// read or the vault gives no answer: the rest of the run does without that quarter. Once the organisation used up what it may ask for, `over` is asked:
    /// true, after a while, has the same request made again; false has what waits fail with [`FingerprintError::OverTheLimit`], also in later calls. What is
    /// answered by then counts.
    pub async fn of(
        &mut self,
        claims: &[(&Claim, &Person)],
        over: impl AsyncFnMut(OverTheLimit) -> bool,
    ) -> Vec<Compared> {
        self.0.of(claims, over).await
    }

    /// The quarters of claims so far that are not open.
    pub fn not_open(&self) -> impl Iterator<Item = Period> {
        let quarters = self.0.quarters.iter();
        let not_open = quarters.filter(|(_, quarter)| matches!(quarter, Quarter::NotOpen));
        not_open.map(|(period, _)| *period)
    }
}

/// Where answers come from.
trait Source {
    /// The quarter's key; none if it is not open.
    async fn key(&self, period: Period) -> Result<Option<FingerprintKey>, FingerprintError>;

    /// The fingerprints of up to [`MAX_ELEMENTS`] inputs, in their order.
    async fn fingerprints(
        &self,
        period: Period,
        key: &FingerprintKey,
        inputs: &[Input],
    ) -> Result<Vec<Hash>, FingerprintError>;
}

/// The ledger, and the regulator's vault.
#[derive(Debug)]
struct Connected<'a> {
    client: &'a HealthClient,
    fingerprinter: Fingerprinter<'a>,
}

impl Source for Connected<'_> {
    async fn key(&self, period: Period) -> Result<Option<FingerprintKey>, FingerprintError> {
        match self.client.claims().fingerprint_key(period).send().await {
            Ok(key) => Ok(Some(key)),
            Err(CallError::Contract(HealthError::NotFound)) => Ok(None),
            Err(error) => Err(FingerprintError::Ledger(Box::new(error))),
        }
    }

    async fn fingerprints(
        &self,
        period: Period,
        key: &FingerprintKey,
        inputs: &[Input],
    ) -> Result<Vec<Hash>, FingerprintError> {
        let asked = self
            .fingerprinter
            .of_inputs(period, key, inputs.to_vec(), unix_now());
        asked.await
    }
}

#[derive(Debug)]
struct Run<S> {
    source: S,
    quarters: BTreeMap<Period, Quarter>,
    /// The limit beyond which nobody waits.
    over: Option<Arc<FingerprintError>>,
}

/// What a run knows of a quarter.
#[derive(Debug, Clone)]
enum Quarter {
    Open(FingerprintKey),
    NotOpen,
    Failed(Arc<FingerprintError>),
}

/// Lines of one quarter that are asked about together.
#[derive(Default)]
struct Batch {
    inputs: Vec<Input>,
    /// Of which claim and line each is.
    of: Vec<(usize, u16)>,
}

/// What became of claims so far.
struct Found {
    claims: Vec<Compared>,
    /// Lines of each that are not answered; none for claims that were not looked at.
    left: Vec<Option<usize>>,
}

impl<S: Source> Run<S> {
    fn new(source: S) -> Self {
        Self {
            source,
            quarters: BTreeMap::new(),
            over: None,
        }
    }

    async fn of(
        &mut self,
        claims: &[(&Claim, &Person)],
        mut over: impl AsyncFnMut(OverTheLimit) -> bool,
    ) -> Vec<Compared> {
        let mut found = Found {
            claims: claims.iter().map(|_| Ok(BTreeMap::new())).collect(),
            left: vec![None; claims.len()],
        };
        let mut batches: BTreeMap<Period, Batch> = BTreeMap::new();
        for (place, (claim, person)) in claims.iter().enumerate() {
            let lines = match self.lines(claim, person).await {
                Ok(lines) => lines,
                Err(error) => {
                    found.fail(place, &error);
                    continue;
                }
            };
            found.looked_at(place, lines.len());
            for (period, line, input) in lines {
                let batch = batches.entry(period).or_default();
                batch.inputs.push(input);
                batch.of.push((place, line));
                if batch.inputs.len() == MAX_ELEMENTS {
                    let full = std::mem::take(batch);
                    self.ask(period, full, &mut found, &mut over).await;
                }
            }
        }
        for (period, batch) in batches {
            self.ask(period, batch, &mut found, &mut over).await;
        }
        found.claims
    }

    /// What is asked about a claim.
    async fn lines(
        &mut self,
        claim: &Claim,
        person: &Person,
    ) -> Result<Vec<(Period, u16, Input)>, Arc<FingerprintError>> {
        let mut lines = Vec::new();
        for line in &claim.lines {
            let period = Period::of(line.date);
            match self.quarter(period).await {
                Quarter::NotOpen => {}
                Quarter::Failed(error) => return Err(error),
                Quarter::Open(_) => {
                    lines.push((period, line.sequence, Input::of(person, claim, line)?));
                }
            }
        }
        match &self.over {
            Some(over) if !lines.is_empty() => Err(Arc::clone(over)),
            _ => Ok(lines),
        }
    }

    async fn quarter(&mut self, period: Period) -> Quarter {
        if let Some(known) = self.quarters.get(&period) {
            return known.clone();
        }
        let quarter = match self.source.key(period).await {
            Ok(Some(key)) => Quarter::Open(key),
            Ok(None) => Quarter::NotOpen,
            Err(error) => Quarter::Failed(Arc::new(error)),
        };
        self.quarters.insert(period, quarter.clone());
        quarter
    }

    async fn ask(
        &mut self,
        period: Period,
        batch: Batch,
        found: &mut Found,
        over: &mut impl AsyncFnMut(OverTheLimit) -> bool,
    ) {
        if batch.inputs.is_empty() {
            return;
        }
        let refused = loop {
            let key = match (self.quarter(period).await, &self.over) {
                (Quarter::Open(key), None) => key,
                (Quarter::Failed(error), _) => break error,
                (_, Some(error)) => break Arc::clone(error),
                // Nothing is asked about a quarter that is not open.
                (Quarter::NotOpen, None) => return,
            };
            match self.source.fingerprints(period, &key, &batch.inputs).await {
                Ok(fingerprints) => {
                    for ((claim, line), fingerprint) in batch.of.into_iter().zip(fingerprints) {
                        found.answer(claim, line, fingerprint);
                    }
                    return;
                }
                Err(FingerprintError::OverTheLimit(seconds)) => {
                    let claims = found.waiting();
                    if !over(OverTheLimit { seconds, claims }).await {
                        self.over = Some(Arc::new(FingerprintError::OverTheLimit(seconds)));
                    }
                }
                Err(error) => {
                    self.quarters.insert(period, Quarter::Failed(Arc::new(error)));
                }
            }
        };
        for (claim, _) in batch.of {
            found.fail(claim, &refused);
        }
    }
}

impl Found {
    fn looked_at(&mut self, claim: usize, lines: usize) {
        if let Some(left) = self.left.get_mut(claim) {
            *left = Some(lines);
        }
    }

    fn answer(&mut self, claim: usize, line: u16, fingerprint: Hash) {
        if let Some(Ok(lines)) = self.claims.get_mut(claim) {
            lines.insert(line, fingerprint);
        }
        if let Some(Some(left)) = self.left.get_mut(claim) {
            *left = left.saturating_sub(1);
        }
    }

    fn fail(&mut self, claim: usize, error: &Arc<FingerprintError>) {
        if let Some(result) = self.claims.get_mut(claim) {
            *result = Err(Arc::clone(error));
        }
        self.looked_at(claim, 0);
    }

    /// Claims that are not answered whole.
    fn waiting(&self) -> usize {
        self.left.iter().filter(|left| **left != Some(0)).count()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use careledger_api::adjudication::ClaimLine;
    use careledger_api::ids::{ClaimId, CoverageId};

    use super::*;

    const LIMIT: u64 = 30;

    /// A vault that answers so many elements until it is refilled, and none about the second quarter of 2026.
    struct Vault {
        may: Arc<Mutex<usize>>,
        keys: Mutex<Vec<Period>>,
        asked: Mutex<Vec<(Period, usize)>>,
    }

    impl Vault {
        fn of(may: usize) -> Run<Self> {
            Run::new(Self {
                may: Arc::new(Mutex::new(may)),
                keys: Mutex::default(),
                asked: Mutex::default(),
            })
        }
    }

    impl Source for Vault {
        async fn key(&self, period: Period) -> Result<Option<FingerprintKey>, FingerprintError> {
            self.keys.lock().unwrap().push(period);
            let open = period != quarter("2026Q1");
            Ok(open.then(|| FingerprintKey::new(vec![2; 32]).unwrap()))
        }

        async fn fingerprints(
            &self,
            period: Period,
            _: &FingerprintKey,
            inputs: &[Input],
        ) -> Result<Vec<Hash>, FingerprintError> {
            if period == quarter("2026Q2") {
                return Err(FingerprintError::Refused(period));
            }
            let mut may = self.may.lock().unwrap();
            *may = may
                .checked_sub(inputs.len())
                .ok_or(FingerprintError::OverTheLimit(LIMIT))?;
            self.asked.lock().unwrap().push((period, inputs.len()));
            let hash = |input: &Input| Hash::from_bytes(input.as_bytes().try_into().unwrap());
            Ok(inputs.iter().map(hash).collect())
        }
    }

    fn quarter(text: &str) -> Period {
        text.parse().unwrap()
    }

    /// A claim with a line for each of these days.
    fn claim(days: &[&str]) -> Claim {
        let lines = days.iter().zip(1..);
        let lines =
            lines.map(|(day, sequence)| ClaimLine::new(sequence, "X-1", day.parse().unwrap(), 1, 100));
        let coverage = CoverageId::from_bytes([1; 16]);
        Claim::new(
            ClaimId::from_bytes([1; 16]),
            coverage,
            "1234567893",
            "USD",
            lines.collect(),
        )
    }

    fn person(family: &str) -> Person {
        Person {
            family: family.to_owned(),
            given: String::new(),
            born: "1980-02-29".parse().unwrap(),
        }
    }

    fn error(found: &Compared) -> Option<&FingerprintError> {
        found.as_ref().err().map(|error| &**error)
    }

    async fn never(_: OverTheLimit) -> bool {
        false
    }

    #[tokio::test]
    async fn lines_of_many_claims_go_together_and_keys_are_read_once() {
        let mut run = Vault::of(usize::MAX);
        let claim = claim(&["2026-10-01", "2026-07-01", "2026-10-02", "2026-03-31"]);
        let person = person("Lovelace");
        let all = vec![(&claim, &person); 120];
        let found = run.of(&all, never).await;
        for fingerprints in &found {
            let lines: Vec<u16> = fingerprints.as_ref().unwrap().keys().copied().collect();
            assert_eq!(lines, [1, 2, 3], "the fourth is of a quarter that is not open");
            assert_eq!(fingerprints.as_ref().unwrap(), found[0].as_ref().unwrap());
        }
        let mut asked = run.source.asked.lock().unwrap().clone();
        asked.sort();
        let expected = [
            ("2026Q3", 20),
            ("2026Q3", 100),
            ("2026Q4", 40),
            ("2026Q4", 100),
            ("2026Q4", 100),
        ];
        assert_eq!(asked, expected.map(|(period, count)| (quarter(period), count)));
        let found = run.of(&all[..1], never).await;
        assert!(found[0].is_ok());
        assert_eq!(run.source.keys.lock().unwrap().len(), 3);
    }

    #[tokio::test]
    async fn one_claims_name_and_one_quarters_vault_stop_no_other() {
        let mut run = Vault::of(usize::MAX);
        let (fine, refused) = (claim(&["2026-10-01"]), claim(&["2026-10-01", "2026-04-01"]));
        let (named, nameless) = (person("Lovelace"), person("--"));
        let found = run
            .of(&[(&fine, &nameless), (&refused, &named), (&fine, &named)], never)
            .await;
        assert!(matches!(error(&found[0]), Some(FingerprintError::Name("family"))));
        assert!(matches!(error(&found[1]), Some(FingerprintError::Refused(_))));
        assert_eq!(found[2].as_ref().unwrap().len(), 1);
        // The run does without that quarter from then on.
        let found = run.of(&[(&refused, &named)], never).await;
        assert!(matches!(error(&found[0]), Some(FingerprintError::Refused(_))));
        assert_eq!(run.source.asked.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn beyond_the_limit_what_is_answered_counts_and_the_rest_waits() {
        let claim = claim(&["2026-10-01"]);
        let person = person("Lovelace");
        let all = vec![(&claim, &person); 250];
        let mut run = Vault::of(150);
        let mut told = Vec::new();
        let found = run
            .of(&all, async |over| {
                told.push(over);
                false
            })
            .await;
        let seconds = LIMIT;
        assert_eq!(told, [OverTheLimit { seconds, claims: 150 }], "it is told once");
        assert!(found[..100].iter().all(Result::is_ok));
        let waits = |found: &Compared| matches!(error(found), Some(FingerprintError::OverTheLimit(LIMIT)));
        assert!(found[100..].iter().all(waits));
        assert!(run.of(&all[..1], never).await.iter().all(waits));
        // Another run goes on with those, and waits for the vault where it is told to.
        let mut run = Vault::of(0);
        let may = Arc::clone(&run.source.may);
        let mut times = 0;
        let found = run
            .of(&all[100..], async |over| {
                assert_eq!(over.claims, 150);
                times += 1;
                *may.lock().unwrap() += 75 * times;
                true
            })
            .await;
        assert!(found.iter().all(Result::is_ok));
        assert_eq!(times, 2);
    }
}
