//! Asking a person before something that cannot be taken back.

use std::io::{BufRead, IsTerminal, Write};

use crate::Result;

/// Asks on the terminal; only `yes` agrees. In a pipe there is nobody to ask: it fails with `what`, which says what would happen, and how to confirm it.
pub(crate) fn confirmed(question: &str, what: &str) -> Result<bool> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(format!("{what}; confirm it with --yes").into());
    }
    let mut stderr = std::io::stderr();
    write!(stderr, "{question} Type yes: ")?;
    stderr.flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}
