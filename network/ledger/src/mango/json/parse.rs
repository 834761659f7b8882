//! The reader. Its errors are the texts of Go's scanner.

use std::fmt;

use super::{Json, MAX_DEPTH, Number, Object};

/// Why a text is no JSON, in Go's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonError(String);

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) fn whole(bytes: &[u8]) -> Result<Json, JsonError> {
    let mut reader = Reader::new(bytes, Numbers::Float64);
    let value = reader.value(0)?;
    reader.space();
    match reader.peek() {
        None => Ok(value),
        Some(byte) => Err(unexpected(byte, "after top-level value")),
    }
}

pub(super) fn first(bytes: &[u8]) -> Result<Json, JsonError> {
    let mut reader = Reader::new(bytes, Numbers::Literal);
    reader.space();
    if reader.peek().is_none() {
        return Err(JsonError("EOF".into()));
    }
    reader.value(0)
}

/// How numbers are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Numbers {
    /// Through a float64: a document's.
    Float64,
    /// As they are written: a query's.
    Literal,
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
    numbers: Numbers,
}

impl<'b> Reader<'b> {
    fn new(bytes: &'b [u8], numbers: Numbers) -> Self {
        Self {
            bytes,
            at: 0,
            numbers,
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.space();
        match self.need()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string().map(Json::String),
            b't' => self.literal(b"true", Json::Bool(true)),
            b'f' => self.literal(b"false", Json::Bool(false)),
            b'n' => self.literal(b"null", Json::Null),
            b'-' | b'0'..=b'9' => self.number(),
            byte => Err(unexpected(byte, "looking for beginning of value")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, JsonError> {
        let depth = deeper(depth)?;
        self.at += 1;
        let mut object = Object::new();
        self.space();
        if self.need()? == b'}' {
            self.at += 1;
            return Ok(Json::Object(object));
        }
        loop {
            self.space();
            match self.need()? {
                b'"' => {}
                byte => return Err(unexpected(byte, "looking for beginning of object key string")),
            }
            let name = self.string()?;
            self.space();
            match self.need()? {
                b':' => self.at += 1,
                byte => return Err(unexpected(byte, "after object key")),
            }
            let value = self.value(depth)?;
            object.insert(name, value);
            self.space();
            match self.need()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Ok(Json::Object(object));
                }
                byte => return Err(unexpected(byte, "after object key:value pair")),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, JsonError> {
        let depth = deeper(depth)?;
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.need()? == b']' {
            self.at += 1;
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.space();
            match self.need()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Ok(Json::Array(items));
                }
                byte => return Err(unexpected(byte, "after array element")),
            }
        }
    }

    fn literal(&mut self, text: &'static [u8], value: Json) -> Result<Json, JsonError> {
        for expected in text {
            let found = self.need()?;
            if found != *expected {
                let place = format!(
                    "in literal {} (expecting '{}')",
                    String::from_utf8_lossy(text),
                    char::from(*expected)
                );
                return Err(unexpected(found, &place));
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn number(&mut self) -> Result<Json, JsonError> {
        let start = self.at;
        let mut integer = true;
        if self.need()? == b'-' {
            self.at += 1;
        }
        match self.need()? {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits(),
            byte => return Err(unexpected(byte, "in numeric literal")),
        }
        if self.peek() == Some(b'.') {
            integer = false;
            self.at += 1;
            self.some_digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            integer = false;
            self.at += 1;
            if matches!(self.need()?, b'+' | b'-') {
                self.at += 1;
            }
            self.some_digits("in exponent of numeric literal")?;
        }
        let text = self.bytes.get(start..self.at).unwrap_or_default();
        let text = String::from_utf8_lossy(text);
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Json::Number(match self.numbers {
                Numbers::Float64 => Number::of_document(value),
                Numbers::Literal => Number { value, integer },
            })),
            _ => Err(JsonError(format!(
                "json: cannot unmarshal number {text} into Go value of type float64"
            ))),
        }
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self, place: &str) -> Result<(), JsonError> {
        let byte = self.need()?;
        if !byte.is_ascii_digit() {
            return Err(unexpected(byte, place));
        }
        self.digits();
        Ok(())
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let start = self.at;
            while !matches!(self.need()?, b'"' | b'\\' | 0..=0x1f) {
                self.at += 1;
            }
            push_lossy(&mut text, self.bytes.get(start..self.at).unwrap_or_default());
            match self.need()? {
                b'"' => {
                    self.at += 1;
                    return Ok(text);
                }
                b'\\' => {
                    self.at += 1;
                    let char = self.escape()?;
                    text.push(char);
                }
                byte => return Err(unexpected(byte, "in string literal")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let byte = self.need()?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.unit()?;
                self.pair(unit)?
            }
            byte => return Err(unexpected(byte, "in string escape code")),
        })
    }

    /// The character of a UTF-16 unit, together with the unit behind it where both make a pair.
    fn pair(&mut self, unit: u16) -> Result<char, JsonError> {
        let alone = |unit: u16| char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER);
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if !(0xd800..0xdc00).contains(&unit) || !rest.starts_with(b"\\u") {
            return Ok(alone(unit));
        }
        let before = self.at;
        self.at += 2;
        let next = self.unit()?;
        match char::decode_utf16([unit, next]).next() {
            Some(Ok(char)) => Ok(char),
            _ => {
                self.at = before;
                Ok(alone(unit))
            }
        }
    }

    fn unit(&mut self) -> Result<u16, JsonError> {
        let mut unit = 0u16;
        for _ in 0..4 {
            let byte = self.need()?;
            let Some(digit) = char::from(byte).to_digit(16) else {
                return Err(unexpected(byte, "in \\u hexadecimal character escape"));
            };
            unit = unit << 4 | u16::try_from(digit).unwrap_or_default();
            self.at += 1;
        }
        Ok(unit)
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn need(&self) -> Result<u8, JsonError> {
        self.peek().ok_or_else(|| JsonError("unexpected EOF".into()))
    }
}

fn deeper(depth: usize) -> Result<usize, JsonError> {
    if depth < MAX_DEPTH {
        Ok(depth + 1)
    } else {
        Err(JsonError("exceeded max depth".into()))
    }
}

fn push_lossy(text: &mut String, mut bytes: &[u8]) {
    loop {
        match std::str::from_utf8(bytes) {
            Ok(rest) => return text.push_str(rest),
            Err(error) => {
                let (good, bad) = bytes.split_at(error.valid_up_to());
                text.push_str(&String::from_utf8_lossy(good));
                text.push(char::REPLACEMENT_CHARACTER);
                bytes = bad.get(1..).unwrap_or_default();
            }
        }
    }
}

fn unexpected(byte: u8, place: &str) -> JsonError {
    let quoted = match byte {
        b'\'' => "'\\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        b'\\' => "'\\\\'".to_owned(),
        b'\n' => "'\\n'".to_owned(),
        b'\r' => "'\\r'".to_owned(),
        b'\t' => "'\\t'".to_owned(),
        0..=0x1f | 0x7f => format!("'\\x{byte:02x}'"),
        _ => format!("'{}'", char::from(byte)),
    };
    JsonError(format!("invalid character {quoted} {place}"))
}
