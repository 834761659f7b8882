//! How results reach people and programs: text with progress on a terminal, one JSON document with `--json`, quiet in a pipe.

mod fitting;

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

/// Where results go.
#[derive(Debug, Clone)]
pub struct Output {
    json: bool,
    progress: ProgressBar,
    /// What kept a result from being written, first of all.
    lost: Arc<OnceLock<std::io::Error>>,
}

impl Output {
    /// `json`: one JSON document on stdout and nothing else there.
    pub fn new(json: bool) -> Self {
        let shown = !json && std::io::stderr().is_terminal();
        let target = if shown {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let progress = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            progress.set_style(style);
        }
        let lost = Arc::default();
        Self { json, progress, lost }
    }

    /// Whether one JSON document is wanted.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Says what is being done, on a terminal only.
    pub fn doing(&self, what: impl Into<String>) {
        if !self.progress.is_hidden() {
            self.progress.set_message(what.into());
            self.progress.enable_steady_tick(Duration::from_millis(100));
        }
    }

    /// Says how far something is, on a terminal only.
    pub fn advance(&self, done: u64, total: u64, what: impl Into<String>) {
        if !self.progress.is_hidden() {
            if self.progress.length() != Some(total)
                && let Ok(style) = ProgressStyle::with_template("{bar:40} {percent}% {msg} ({eta})")
            {
                self.progress.set_style(style);
                self.progress.set_length(total);
            }
            self.progress.set_position(done.min(total));
            self.progress.set_message(what.into());
        }
    }

    /// A line for people, broken between words where a terminal is too narrow; nothing with `--json`. A reader that has gone away is no error.
    pub fn line(&self, text: impl AsRef<str>) {
        let text = text.as_ref();
        match self.columns() {
            Some(width) => fitting::wrapped(text, width)
                .iter()
                .for_each(|line| self.shown(line)),
            None => self.shown(text),
        }
    }

    /// Rows in aligned columns under their heads, for people; nothing without rows. A pipe has a line for each row; on a terminal that is too narrow cells
    /// are wrapped, and ids have lines of their own.
    pub fn table(&self, heads: &[&str], rows: &[Vec<String>]) {
        if rows.is_empty() || self.json {
            return;
        }
        for line in fitting::table(heads, rows, self.columns()) {
            self.shown(&line);
        }
    }
    /// How wide the terminal is; none where nobody looks at one.
    fn columns(&self) -> Option<usize> {
        let (_, columns) = console::Term::stdout().size_checked()?;
        (columns > 0).then_some(usize::from(columns))
    }

    fn shown(&self, line: &str) {
        if !self.json {
            self.progress.suspend(|| self.write(line));
        }
    }

    /// A committed transaction, for people.
    pub fn committed(&self, tx_id: &str, block: u64) {
        self.line(format!("transaction {tx_id} in block {block}"));
    }

    /// The document for programs; nothing without `--json`.
    pub fn document(&self, document: &Value) {
        self.done();
        if self.json {
            self.write(&document.to_string());
        }
    }

    /// What kept a result from being written, if anything did: a full disk, say.
    pub fn lost(&self) -> Option<&std::io::Error> {
        self.lost.get()
    }

    fn write(&self, text: &str) {
        match writeln!(std::io::stdout(), "{text}") {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                // The first one tells it.
                let _later = self.lost.set(error);
            }
            _ => {}
        }
    }

    /// Ends the progress display.
    pub fn done(&self) {
        self.progress.finish_and_clear();
    }
}
