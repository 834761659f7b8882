//! The part of YAML that an MSP's `config.yaml` uses: block mappings, block lists of mappings, plain or quoted scalars, comments.

use std::collections::BTreeMap;

/// A node of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Yaml {
    Text(String),
    Mapping(BTreeMap<String, Self>),
    List(Vec<Self>),
}

impl Yaml {
    /// Parses a file. The error is a text with the line number.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut lines = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = without_comment(line);
            if line.trim().is_empty() || line.trim() == "---" {
                continue;
            }
            let content = line.trim_start_matches(' ');
            if content.starts_with('\t') {
                return Err(format!(
                    "line {}: tabs are not allowed as indentation",
                    number + 1
                ));
            }
            lines.push(Line {
                number: number + 1,
                indent: line.len() - content.len(),
                content: content.trim_end().to_owned(),
            });
        }
        let mut rest = lines.as_slice();
        let node = match rest.first() {
            None => return Ok(Self::Mapping(BTreeMap::new())),
            Some(first) => block(&mut rest, first.indent)?,
        };
        match rest.first() {
            None => Ok(node),
            Some(line) => Err(format!("line {}: unexpected indentation", line.number)),
        }
    }

    pub(super) fn child(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Mapping(entries) => entries.get(key),
            _ => None,
        }
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.child(key) {
            Some(Self::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(super) fn list(&self, key: &str) -> &[Self] {
        match self.child(key) {
            Some(Self::List(items)) => items,
            _ => &[],
        }
    }
}

#[derive(Debug, Clone)]
struct Line {
    number: usize,
    indent: usize,
    content: String,
}

fn block(lines: &mut &[Line], indent: usize) -> Result<Yaml, String> {
    if lines.first().is_some_and(|line| is_item(&line.content)) {
        list(lines, indent)
    } else {
        mapping(lines, indent)
    }
}

fn mapping(lines: &mut &[Line], indent: usize) -> Result<Yaml, String> {
    let mut entries = BTreeMap::new();
    while let Some((line, rest)) = lines.split_first() {
        if line.indent != indent || is_item(&line.content) {
            break;
        }
        let (key, value) = key_value(line)?;
        *lines = rest;
        let node = if !value.is_empty() {
            Yaml::Text(unquoted(value).to_owned())
        } else {
            match lines.first() {
                Some(next) if next.indent > indent => block(lines, next.indent)?,
                // A list may stand at the indentation of its key.
                Some(next) if next.indent == indent && is_item(&next.content) => list(lines, indent)?,
                _ => Yaml::Text(String::new()),
            }
        };
        if entries.insert(key.to_owned(), node).is_some() {
            return Err(format!("line {}: {key} is there twice", line.number));
        }
    }
    match lines.first() {
        Some(line) if line.indent > indent => Err(format!("line {}: unexpected indentation", line.number)),
        _ => Ok(Yaml::Mapping(entries)),
    }
}

fn list(lines: &mut &[Line], indent: usize) -> Result<Yaml, String> {
    let mut items = Vec::new();
    while let Some((line, rest)) = lines.split_first() {
        if line.indent != indent || !is_item(&line.content) {
            break;
        }
        *lines = rest;
        let content = line.content[1..].trim_start_matches(' ');
        let inner = indent + line.content.len() - content.len();
        if content.contains(": ") || content.ends_with(':') {
            // The item's first entry stands on the dash's line; the others follow at its column.
            let mut nested = vec![Line {
                number: line.number,
                indent: inner,
                content: content.to_owned(),
            }];
            let more = lines.iter().take_while(|line| line.indent >= inner).count();
            nested.extend_from_slice(&lines[..more]);
            *lines = &lines[more..];
            let mut nested = nested.as_slice();
            items.push(mapping(&mut nested, inner)?);
            if let Some(left) = nested.first() {
                return Err(format!("line {}: unexpected indentation", left.number));
            }
        } else {
            items.push(Yaml::Text(unquoted(content).to_owned()));
        }
    }
    Ok(Yaml::List(items))
}

fn is_item(content: &str) -> bool {
    content == "-" || content.starts_with("- ")
}

fn key_value(line: &Line) -> Result<(&str, &str), String> {
    let split = line
        .content
        .split_once(": ")
        .or_else(|| line.content.strip_suffix(':').map(|key| (key, "")));
    let (key, value) = split.ok_or_else(|| format!("line {}: expected \"key: value\"", line.number))?;
    Ok((unquoted(key.trim()), value.trim()))
}

fn unquoted(text: &str) -> &str {
    let inner = |quote: char| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(text)
}

fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (index, character) in line.char_indices() {
        match (quote, character) {
            (None, '#') if before == ' ' => return &line[..index],
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
        before = character;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
# written by hand
NodeOUs:
  Enable: true
  ClientOUIdentifier:
    Certificate: cacerts/ca.org1.example.com-cert.pem  # of this org
    OrganizationalUnitIdentifier: \"client\"
OrganizationalUnitIdentifiers:
- Certificate: 'cacerts/a # b.pem'
  OrganizationalUnitIdentifier: commercial
- OrganizationalUnitIdentifier: legal
";

    #[test]
    fn reads_what_the_tools_write() {
        let yaml = Yaml::parse(FILE).expect("parses");
        let node_units = yaml.child("NodeOUs").expect("is there");
        assert_eq!(node_units.text("Enable"), Some("true"));
        let client = node_units.child("ClientOUIdentifier").expect("is there");
        assert_eq!(
            client.text("Certificate"),
            Some("cacerts/ca.org1.example.com-cert.pem")
        );
        assert_eq!(client.text("OrganizationalUnitIdentifier"), Some("client"));
        let items = yaml.list("OrganizationalUnitIdentifiers");
        assert_eq!(items.len(), 2);
        assert_eq!(items[0].text("Certificate"), Some("cacerts/a # b.pem"));
        assert_eq!(items[1].text("OrganizationalUnitIdentifier"), Some("legal"));
    }

    #[test]
    fn broken_files_are_refused_with_their_line() {
        for (text, line) in [
            ("NodeOUs:\n\tEnable: true", "line 2"),
            ("a: 1\n   b: 2\n  c: 3", "line 2"),
            ("a: 1\na: 2", "line 2"),
            ("just words", "line 1"),
        ] {
            let error = Yaml::parse(text).expect_err(text);
            assert!(error.contains(line), "{text:?}: {error}");
        }
    }

    #[test]
    fn an_empty_file_is_an_empty_mapping() {
        assert_eq!(Yaml::parse("# nothing\n"), Ok(Yaml::Mapping(BTreeMap::new())));
    }
}
