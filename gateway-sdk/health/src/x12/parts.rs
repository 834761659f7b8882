//! A file of several interchanges, divided.

use super::segment::ISA_LENGTH;
use crate::claims::{FileError, MAX_FILE};

/// Where an ISA has its element separators: its elements have fixed lengths.
const SEPARATORS: [usize; 16] = [3, 6, 17, 20, 31, 34, 50, 53, 69, 76, 81, 83, 89, 99, 101, 103];

/// The interchanges of a file (ISA to IEA), each with separators of its own, in their order: all that reads X12 here reads one of them. One that is cut
/// off ends where the next begins, and what stands between two is a part of its own that nothing reads, so that no part loses another. Takes time in
/// proportion to the file. Fails for a file that does not begin as an interchange, and for one that is too large.
pub fn interchanges(file: &[u8]) -> Result<Vec<&[u8]>, FileError> {
    if file.len() > MAX_FILE {
        return Err(FileError::TooLarge);
    }
    let mut rest = file.trim_ascii();
    if !rest.starts_with(b"ISA") {
        return Err(FileError::Another("X12 file: it begins with ISA"));
    }
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let (part, after) = rest.split_at(length(rest).clamp(1, rest.len()));
        parts.push(part.trim_ascii_end());
        rest = after.trim_ascii_start();
    }
    Ok(parts)
}

/// How far the first part of some bytes reaches.
fn length(bytes: &[u8]) -> usize {
    let isa = bytes.get(..ISA_LENGTH).filter(|isa| isa.starts_with(b"ISA"));
    let Some(&[_, _, _, separator, .., end]) = isa else {
        // Whatever it is, the next interchange is none of it.
        return next(bytes, 1..bytes.len(), |before| !before.is_ascii_alphanumeric());
    };
    // A text within a segment is no interchange, whatever it looks like: one begins a segment or a line.
    let begins = |before: u8| before == end || b"\r\n".contains(&before);
    let other = next(bytes, 1..ISA_LENGTH, begins);
    if other < ISA_LENGTH {
        return other;
    }
    let last = [b'I', b'E', b'A', separator];
    let mut at = ISA_LENGTH;
    while let Some(left) = bytes.get(at..).filter(|left| !left.is_empty()) {
        let ends = left.iter().position(|byte| *byte == end);
        let until = ends.map_or(bytes.len(), |length| at + length + 1);
        let other = next(bytes, at..until, begins);
        if other < until {
            return other;
        }
        let segment = bytes.get(at..until).unwrap_or_default().trim_ascii_start();
        if segment.starts_with(&last) {
            return until;
        }
        at = until;
    }
    bytes.len()
}

/// The first place within `among` at which an ISA stands behind a byte that may stand before one, blanks aside; the end of `among` without one.
fn next(bytes: &[u8], among: std::ops::Range<usize>, before: impl Fn(u8) -> bool) -> usize {
    let end = among.end;
    let begins = |at: &usize| {
        let is_header = bytes.get(*at..).is_some_and(is_header);
        let ahead = bytes.get(..*at).unwrap_or_default();
        is_header
            && ahead
                .iter()
                .rfind(|byte| **byte != b' ')
                .is_some_and(|byte| before(*byte))
    };
    among.into_iter().find(begins).unwrap_or(end)
}

fn is_header(bytes: &[u8]) -> bool {
    let Some(isa) = bytes.get(..ISA_LENGTH).filter(|isa| isa.starts_with(b"ISA")) else {
        return false;
    };
    let separator = isa.get(3).copied().unwrap_or_default();
    !separator.is_ascii_alphanumeric() && SEPARATORS.iter().all(|at| isa.get(*at) == Some(&separator))
}
