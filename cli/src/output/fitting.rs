//! Texts and tables that fit a terminal: cells are wrapped between words, and what is too wide beside the others has a line of its own. No word is
//! ever cut, so that an id can be copied whole.

/// Spaces between two columns.
const GAP: usize = 2;
/// How far a cell on a line of its own is indented, and a text's further lines.
const INDENT: usize = 2;

/// Rows in aligned columns under their heads, each as its lines. `width`: the terminal's columns; none for a pipe, where a row is one line.
pub(super) fn table(heads: &[&str], rows: &[Vec<String>], width: Option<usize>) -> Vec<String> {
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let all: Vec<&[String]> = std::iter::once(heads.as_slice())
        .chain(rows.iter().map(Vec::as_slice))
        .collect();
    let natural = Layout::natural(&all);
    let layout = match width {
        Some(width) if natural.total() > width => Layout::fitting(&all, &natural, width),
        _ => natural,
    };
    all.iter().flat_map(|row| layout.lines(row)).collect()
}

/// A text as lines of at most that many columns, the further ones indented; a word that is longer stays whole. So does a text with a command of ours: it
/// is to be copied.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.split('\n') {
        if line.chars().count() <= width || line.contains("careledger ") {
            lines.push(line.to_owned());
            continue;
        }
        let indent = line.chars().take_while(|c| *c == ' ').count() + INDENT;
        let parts = words(line, width, width.saturating_sub(indent));
        let further = |(index, part): (usize, String)| match index {
            0 => part,
            _ => format!("{:indent$}{part}", ""),
        };
        lines.extend(parts.into_iter().enumerate().map(further));
    }
    lines
}

/// A text in parts that are broken between words: the first and the others of at most so many columns, unless a word is longer.
fn words(text: &str, first: usize, others: usize) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut rest = text;
    loop {
        let width = if parts.is_empty() { first } else { others };
        // Spaces before the first word belong to it.
        let start = rest.len() - rest.trim_start().len();
        let mut end = None;
        for (columns, (at, char)) in rest.char_indices().enumerate() {
            if char == ' ' && at > start && (columns <= width || end.is_none()) {
                end = Some(at);
            }
            if columns >= width && end.is_some() {
                break;
            }
        }
        match end {
            Some(end) if rest.chars().count() > width => {
                parts.push(rest[..end].trim_end().to_owned());
                rest = rest[end..].trim_start();
            }
            _ => {
                parts.push(rest.to_owned());
                return parts;
            }
        }
    }
}

/// How wide each column is.
struct Layout {
    /// Columns beside each other, and their widths.
    beside: Vec<(usize, usize)>,
    /// Columns on lines of their own, below the others.
    below: Vec<usize>,
    /// How wide those may be.
    width: usize,
}

impl Layout {
    /// Every column as wide as its widest cell.
    fn natural(all: &[&[String]]) -> Self {
        let columns = all.iter().map(|row| row.len()).max().unwrap_or(0);
        let beside = (0..columns)
            .map(|column| (column, widest(all, column, |cell| cell.chars().count())))
            .collect();
        Self {
            beside,
            below: Vec::new(),
            width: usize::MAX,
        }
    }

    fn total(&self) -> usize {
        let widths: usize = self.beside.iter().map(|(_, width)| width).sum();
        widths + GAP * self.beside.len().saturating_sub(1)
    }

    /// Of the layouts that fit the one with the fewest lines: those with the longest words go below first.
    fn fitting(all: &[&[String]], natural: &Self, width: usize) -> Self {
        let least = |column: usize| {
            widest(all, column, |cell| {
                let word = |word: &str| word.chars().count();
                cell.split(' ').map(word).max().unwrap_or(0)
            })
        };
        let mut by_words: Vec<(usize, usize)> = natural
            .beside
            .iter()
            .map(|(column, _)| (least(*column), *column))
            .collect();
        by_words.sort_by_key(|(least, column)| (std::cmp::Reverse(*least), *column));
        let mut best: Option<(usize, Self)> = None;
        for count in 0..by_words.len() {
            let mut below: Vec<usize> = by_words[..count].iter().map(|(_, column)| *column).collect();
            below.sort_unstable();
            let beside = natural.beside.iter().copied();
            let mut layout = Self {
                beside: beside.filter(|(column, _)| !below.contains(column)).collect(),
                below,
                width,
            };
            let fits = layout.shrink(width, least);
            if fits {
                layout.give_back(all, natural, width);
            }
            let last = count + 1 == by_words.len();
            if !(fits || last && best.is_none()) {
                continue;
            }
            let lines = all.iter().map(|row| layout.lines(row).len()).sum();
            if best.as_ref().is_none_or(|(fewest, _)| lines < *fewest) {
                best = Some((lines, layout));
            }
        }
        best.map_or_else(|| Self::natural(all), |(_, layout)| layout)
    }

    /// Takes columns from the widest until all are at most that wide together; whether that is possible without cutting a word.
    fn shrink(&mut self, width: usize, least: impl Fn(usize) -> usize) -> bool {
        let least: Vec<usize> = self.beside.iter().map(|(column, _)| least(*column)).collect();
        while self.total() > width {
            let wide = self.beside.iter_mut().zip(&least);
            let wide = wide.filter(|((_, width), least)| width > *least);
            let Some(((_, widest), _)) = wide.max_by_key(|((_, width), _)| *width) else {
                return false;
            };
            *widest -= 1;
        }
        true
    }

    /// What wrapped cells do not use makes other columns whole again, those first that need the least.
    fn give_back(&mut self, all: &[&[String]], natural: &Self, width: usize) {
        for (column, width) in &mut self.beside {
            let longest = |cell: &str| {
                let parts = words(cell, *width, *width);
                parts.iter().map(|part| part.chars().count()).max().unwrap_or(0)
            };
            *width = widest(all, *column, longest);
        }
        let mut spare = width.saturating_sub(self.total());
        let whole = |column: usize| {
            let of = natural.beside.iter().find(|(of, _)| *of == column);
            of.map_or(0, |(_, width)| *width)
        };
        let mut narrow: Vec<&mut (usize, usize)> = self.beside.iter_mut().collect();
        narrow.sort_by_key(|(column, width)| whole(*column).saturating_sub(*width));
        for (column, width) in narrow {
            let needed = whole(*column).saturating_sub(*width);
            if needed <= spare {
                (*width, spare) = (*width + needed, spare - needed);
            }
        }
    }

    fn lines(&self, row: &[String]) -> Vec<String> {
        let cells: Vec<(Vec<String>, usize)> = self
            .beside
            .iter()
            .map(|(column, width)| {
                (
                    row.get(*column)
                        .map_or(Vec::new(), |cell| words(cell, *width, *width)),
                    *width,
                )
            })
            .collect();
        let height = cells.iter().map(|(parts, _)| parts.len()).max().unwrap_or(0);
        let mut lines: Vec<String> = (0..height)
            .map(|at| {
                let parts: Vec<String> = cells
                    .iter()
                    .map(|(parts, width)| format!("{:<width$}", parts.get(at).map_or("", String::as_str)))
                    .collect();
                parts.join("  ").trim_end().to_owned()
            })
            .collect();
        for column in &self.below {
            let width = self.width.saturating_sub(INDENT);
            let parts = match row.get(*column).map(|cell| cell.trim()) {
                None | Some("") => continue,
                Some(cell) => words(cell, width, width),
            };
            lines.extend(parts.iter().map(|part| format!("{:INDENT$}{part}", "")));
        }
        lines
    }
}

fn widest(all: &[&[String]], column: usize, of: impl Fn(&str) -> usize) -> usize {
    let cells = all.iter().filter_map(|row| row.get(column));
    cells.map(|cell| of(cell)).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|cell| (*cell).to_owned()).collect()
    }

    #[test]
    fn a_pipe_and_a_wide_terminal_have_a_line_for_each_row() {
        let rows = [row(&["HospitalMSP", "150.00 USD", ID]), row(&["C", "", "x"])];
        let heads = ["PROVIDER", "CHARGED", "CLAIM"];
        let plain = table(&heads, &rows, None);
        assert_eq!(
            plain,
            [
                "PROVIDER     CHARGED     CLAIM".to_owned(),
                format!("HospitalMSP  150.00 USD  {ID}"),
                "C                        x".to_owned(),
            ]
        );
        for width in [57, 80] {
            assert_eq!(table(&heads, &rows, Some(width)), plain);
        }
    }

    #[test]
    fn cells_are_wrapped_where_that_is_shorter_and_ids_stay_whole_on_lines_of_their_own() {
        let heads = ["PROVIDER", "WHY", "CLAIM"];
        let short = [row(&["HospitalMSP", "it was so before", ID])];
        assert_eq!(
            table(&heads, &short, Some(60)),
            [
                "PROVIDER     WHY        CLAIM".to_owned(),
                format!("HospitalMSP  it was so  {ID}"),
                "             before".to_owned(),
            ]
        );
        let long = [
            row(&["HospitalMSP", &"word ".repeat(12), ID]),
            row(&["ClinicMSP", "", ID]),
        ];
        let lines = table(&heads, &long, Some(60));
        assert_eq!(lines[..2], ["PROVIDER     WHY", "  CLAIM"]);
        assert_eq!(lines.last().expect("a line"), &format!("  {ID}"));
    }

    #[test]
    fn what_waits_for_a_payer_fits_eighty_columns_with_its_amounts_whole() {
        let heads = [
            "PROVIDER",
            "STEP",
            "STATUS",
            "SINCE",
            "DUE",
            "CHARGED",
            "TO BE PAID",
            "CLAIM",
        ];
        let (since, due) = ("2026-11-22 00:00 UTC", "2026-11-29 00:00 UTC");
        let rows = [row(&[
            "HospitalMSP",
            "decide",
            "SUBMITTED",
            since,
            due,
            "10180.00 USD",
            "-",
            ID,
        ])];
        assert_eq!(
            table(&heads, &rows, Some(80)),
            [
                "PROVIDER     STEP    STATUS     SINCE       DUE         CHARGED       TO BE PAID",
                "  CLAIM",
                "HospitalMSP  decide  SUBMITTED  2026-11-22  2026-11-29  10180.00 USD  -",
                "                                00:00 UTC   00:00 UTC",
                &format!("  {ID}"),
            ]
        );
    }

    #[test]
    fn nothing_is_wider_than_the_terminal_but_a_word_that_is() {
        let texts = [
            "-",
            "150.00 USD",
            "2026-11-22 12:42 UTC",
            "äöü – ü",
            ID,
            "a sentence of several words, one after the other",
        ];
        for columns in 1..=9 {
            let rows: Vec<Vec<String>> = (0..7)
                .map(|at| {
                    (0..columns)
                        .map(|column| texts[(at * 5 + column) % texts.len()].to_owned())
                        .collect()
                })
                .collect();
            let heads = vec!["TO BE PAID"; columns];
            for width in [1, 10, 34, 40, 80, 200] {
                let lines = table(&heads, &rows, Some(width));
                for line in &lines {
                    let fits = line.chars().count() <= width.max(INDENT + ID.len());
                    assert!(fits, "{columns} columns in {width}: {line:?}");
                }
                let told = |lines: &[String]| {
                    let mut words: Vec<String> =
                        lines.join(" ").split_whitespace().map(str::to_owned).collect();
                    words.sort();
                    words
                };
                assert_eq!(told(&lines), told(&table(&heads, &rows, None)));
            }
        }
    }

    #[test]
    fn a_text_is_broken_between_words_and_a_command_is_not() {
        assert_eq!(wrapped("  line 1: paid", 80), ["  line 1: paid"]);
        assert_eq!(
            wrapped("  line 1: it is paid with nothing\nand so on", 20),
            ["  line 1: it is paid", "    with nothing", "and so on"]
        );
        assert_eq!(
            wrapped(&format!("claim {ID} is held"), 20),
            ["claim", &format!("  {ID}"), "  is held"]
        );
        let command = format!("next: careledger claim show {ID}");
        assert_eq!(wrapped(&command, 20), [command.as_str()]);
        for text in ["", " ", "     ", "a  b", " a"] {
            for width in [0, 1, 2] {
                let broken = wrapped(text, width).join(" ");
                assert_eq!(
                    broken.split_whitespace().collect::<String>(),
                    text.split_whitespace().collect::<String>()
                );
            }
        }
    }
}
