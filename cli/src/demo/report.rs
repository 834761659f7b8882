//! What the demo measured: the steps, and the answers to the story's questions.

use std::time::Instant;

use serde::Serialize;
use serde_json::Value;

use crate::output::Output;

/// One act of the story.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// What was done.
    pub name: String,
    /// The transaction; none where nothing was submitted.
    pub tx_id: Option<String>,
    /// The block that holds it.
    pub block: Option<u64>,
    /// `VALID`, or the code of the refusal.
    pub code: String,
    /// From the call to the committed answer, milliseconds.
    pub ms: f64,
}

/// The claim of the visit.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ClaimReport {
    /// The claim's status at the end.
    pub status: String,
    /// From submission to payment, milliseconds.
    pub ms: f64,
}

/// The auditor's result over all organisations' ledgers.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AuditReport {
    /// Blocks verified, all ledgers together.
    pub blocks: u64,
    /// Transactions verified, all ledgers together.
    pub transactions: u64,
    /// Whether every one holds.
    pub ok: bool,
}

/// The document that `demo --json` prints.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Every act in order.
    pub steps: Vec<Step>,
    /// From the emergency request to the decrypted summary, verified against the clinic's own ledger, milliseconds.
    pub emergency_access_ms: f64,
    /// What the vault gave before any consent.
    pub access_before_consent: String,
    /// Categories read under the consent.
    pub categories_read: Vec<String>,
    /// What the vault gave after the revocation.
    pub access_after_revoke: String,
    /// What became of a grant that was sent a second time.
    pub replay: String,
    /// What became of an intent signed by another key.
    pub forged_intent: String,
    /// What verification said of a file with one flipped byte.
    pub tamper: String,
    /// The claim of the visit.
    pub claim: ClaimReport,
    /// The code that refused the same claim again.
    pub duplicate_claim: String,
    /// The code that refused a provider identifier with a wrong check digit.
    pub bad_npi_claim: String,
    /// Notifications the patient got.
    pub notifications: usize,
    /// Accesses and attempts the story made.
    pub accesses: usize,
    /// The audit of every ledger.
    pub audit: AuditReport,
    /// Organisations, each with its own ledger.
    pub organisations: usize,
}

/// Collects steps and tells them as they happen.
#[derive(Debug)]
pub struct Narrator<'o> {
    output: &'o Output,
    /// What was measured so far.
    pub report: Report,
    /// When the step in progress began.
    began: Instant,
}

impl<'o> Narrator<'o> {
    /// A narrator that has told nothing yet.
    pub fn new(output: &'o Output) -> Self {
        Self {
            output,
            report: Report::default(),
            began: Instant::now(),
        }
    }

    /// A chapter's headline.
    pub fn chapter(&self, title: &str) {
        self.output.line(format!("\n{title}"));
    }

    /// A remark between steps.
    pub fn remark(&self, text: impl AsRef<str>) {
        self.output.line(format!("    {}", text.as_ref()));
    }

    /// Starts the clock of a step.
    pub fn doing(&mut self, what: &str) {
        self.output.doing(what);
        self.began = Instant::now();
    }

    /// Ends a step with a committed transaction.
    pub fn committed(&mut self, name: &str, tx_id: &str, block: u64) {
        self.step(Step {
            name: name.into(),
            tx_id: Some(tx_id.into()),
            block: Some(block),
            code: "VALID".into(),
            ms: self.ms(),
        });
    }

    /// Ends a step with a refusal.
    pub fn refused(&mut self, name: &str, tx_id: Option<String>, code: &str) {
        self.step(Step {
            name: name.into(),
            tx_id,
            block: None,
            code: code.into(),
            ms: self.ms(),
        });
    }

    /// Milliseconds since the step began.
    pub fn ms(&self) -> f64 {
        milliseconds(self.began)
    }

    fn step(&mut self, step: Step) {
        let tx = step
            .tx_id
            .as_deref()
            .map_or("-".to_owned(), |t| t.chars().take(12).collect());
        let block = step.block.map_or("-".to_owned(), |b| b.to_string());
        self.output.line(format!(
            "  {:<58} tx {tx:<12} block {block:>3}  {:<13} {:>8.1} ms",
            step.name, step.code, step.ms
        ));
        self.report.steps.push(step);
    }
}

impl Report {
    /// The document for programs.
    pub fn document(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Everything that the story promises and this run did not keep; empty for a good run.
    pub fn broken_promises(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let mut expect = |holds: bool, what: &str| {
            if !holds {
                broken.push(what.to_owned());
            }
        };
        expect(
            self.access_before_consent == "refused",
            "access before consent was not refused",
        );
        expect(
            !self.categories_read.is_empty(),
            "nothing was read under the consent",
        );
        expect(
            self.access_after_revoke == "refused",
            "access after the revocation was not refused",
        );
        expect(self.replay == "refused", "a replayed grant was not refused");
        expect(self.forged_intent == "refused", "a forged intent was not refused");
        expect(self.tamper == "MISMATCH", "a flipped byte was not found");
        expect(self.claim.status == "PAID", "the claim was not paid");
        expect(
            !self.duplicate_claim.is_empty(),
            "the duplicate claim was not refused",
        );
        expect(
            !self.bad_npi_claim.is_empty(),
            "the claim with a bad NPI was not refused",
        );
        expect(
            self.notifications == self.accesses,
            "notifications and accesses differ in number",
        );
        expect(self.audit.ok, "the audit failed");
        broken
    }
}

/// Milliseconds since `began`.
pub fn milliseconds(began: Instant) -> f64 {
    (began.elapsed().as_secs_f64() * 1e5).round() / 100.0
}
