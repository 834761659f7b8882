//! The text form of signature policies (common/policydsl/policyparser.go):
//! `OutOf(2, 'Org1MSP.peer', AND("Org2MSP.member", 'Org3MSP.admin'))`.

use fabric_protos::common::{MspPrincipal, SignaturePolicy, SignaturePolicyEnvelope};

use super::PolicyError;
use super::build::{Role, n_out_of, role_principal, signed_by};

/// How deep gates may nest; recursion stays small whatever the input.
const MAX_DEPTH: usize = 64;

/// Parses a policy text: gates `AND`, `OR`, `OutOf` (also all lower and all upper case, and `And`, `Or`) over principals
/// `'<MSP id>.<member|admin|client|peer|orderer>'` and gates.
///
/// The envelope is byte for byte what Fabric's tools make of the same text: principals are not merged, and those of a nested
/// gate are numbered before those that stand beside it.
///
/// # Errors
/// [`PolicyError::Malformed`] with the position.
pub fn parse(text: &str) -> Result<SignaturePolicyEnvelope, PolicyError> {
    let mut parser = Parser { text, position: 0 };
    let gate = match parser.argument(0)? {
        Argument::Gate(gate) => gate,
        _ => return Err(parser.error("expected a gate: AND, OR or OutOf")),
    };
    parser.skip_space();
    if parser.position != text.len() {
        return Err(parser.error("unexpected text after the policy"));
    }
    let mut identities = Vec::new();
    let rule = gate.number(&mut identities);
    Ok(SignaturePolicyEnvelope {
        version: 0,
        rule: Some(rule),
        identities,
    })
}

struct Gate {
    needed: i32,
    arguments: Vec<Argument>,
}

enum Argument {
    Gate(Gate),
    Principal(String, Role),
    Number(i32),
}

impl Gate {
    /// The rule, with this gate's principals appended to `identities` after those of the gates inside.
    fn number(self, identities: &mut Vec<MspPrincipal>) -> SignaturePolicy {
        enum Half {
            Done(SignaturePolicy),
            Principal(MspPrincipal),
        }
        let mut halves = Vec::with_capacity(self.arguments.len());
        for argument in self.arguments {
            match argument {
                Argument::Gate(gate) => halves.push(Half::Done(gate.number(identities))),
                Argument::Principal(msp_id, role) => {
                    halves.push(Half::Principal(role_principal(&msp_id, role)))
                }
                // The parser leaves no number among the arguments.
                Argument::Number(_) => {}
            }
        }
        let rules = halves
            .into_iter()
            .map(|half| match half {
                Half::Done(rule) => rule,
                Half::Principal(principal) => {
                    identities.push(principal);
                    signed_by(identities.len() - 1)
                }
            })
            .collect();
        n_out_of(self.needed, rules)
    }
}

struct Parser<'a> {
    text: &'a str,
    position: usize,
}

impl Parser<'_> {
    fn argument(&mut self, depth: usize) -> Result<Argument, PolicyError> {
        if depth > MAX_DEPTH {
            return Err(self.error("gates nest too deep"));
        }
        self.skip_space();
        match self.peek() {
            Some('\'' | '"') => {
                let text = self.quoted()?;
                match text.parse() {
                    Ok(number) => Ok(Argument::Number(number)),
                    Err(_) => self.principal(&text),
                }
            }
            Some(digit) if digit.is_ascii_digit() => {
                let digits = self.take_while(|character| character.is_ascii_digit());
                digits
                    .parse()
                    .map(Argument::Number)
                    .map_err(|_| self.error("the number is too large"))
            }
            Some(letter) if letter.is_ascii_alphabetic() => self.gate(depth).map(Argument::Gate),
            _ => Err(self.error("expected a gate or a quoted principal")),
        }
    }

    fn gate(&mut self, depth: usize) -> Result<Gate, PolicyError> {
        let name = self
            .take_while(|character| character.is_ascii_alphanumeric() || character == '_')
            .to_owned();
        self.skip_space();
        self.expect('(')?;
        let mut arguments = Vec::new();
        loop {
            self.skip_space();
            if arguments.is_empty() && self.peek() == Some(')') {
                break;
            }
            arguments.push(self.argument(depth + 1)?);
            self.skip_space();
            if self.peek() != Some(',') {
                break;
            }
            self.position += 1;
        }
        self.expect(')')?;

        let needed = match name.as_str() {
            "And" | "and" | "AND" => i32::try_from(arguments.len()).unwrap_or(i32::MAX),
            "Or" | "or" | "OR" => 1,
            "OutOf" | "outof" | "OUTOF" => match arguments.first() {
                Some(Argument::Number(number)) => {
                    let number = *number;
                    arguments.remove(0);
                    number
                }
                _ => return Err(self.error("the first argument of OutOf must be a number")),
            },
            _ => return Err(self.error(&format!("unknown gate {name}; expected AND, OR or OutOf"))),
        };
        if arguments.is_empty() {
            return Err(self.error(&format!("{name} needs at least one principal or gate")));
        }
        if arguments
            .iter()
            .any(|argument| matches!(argument, Argument::Number(_)))
        {
            return Err(self.error("a number is only allowed as the first argument of OutOf"));
        }
        // Fabric's parser allows one more than there are, which makes a policy that nothing satisfies.
        let most = i32::try_from(arguments.len())
            .unwrap_or(i32::MAX)
            .saturating_add(1);
        if needed < 0 || needed > most {
            return Err(self.error(&format!("{needed} out of {} is not possible", arguments.len())));
        }
        Ok(Gate { needed, arguments })
    }

    fn principal(&self, text: &str) -> Result<Argument, PolicyError> {
        let parsed = text.rsplit_once('.').and_then(|(msp_id, role)| {
            let role = match role {
                "member" => Role::Member,
                "admin" => Role::Admin,
                "client" => Role::Client,
                "peer" => Role::Peer,
                "orderer" => Role::Orderer,
                _ => return None,
            };
            let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '-');
            (!msp_id.is_empty() && msp_id.chars().all(fits))
                .then(|| Argument::Principal(msp_id.to_owned(), role))
        });
        parsed.ok_or_else(|| {
            self.error(&format!(
                "'{text}' is not a principal; expected '<MSP id>.<member|admin|client|peer|orderer>'"
            ))
        })
    }

    fn quoted(&mut self) -> Result<String, PolicyError> {
        let quote = self.peek().unwrap_or('\'');
        let rest = &self.text[self.position + 1..];
        let end = rest
            .find(quote)
            .ok_or_else(|| self.error("a quote is not closed"))?;
        let inner = rest[..end].to_owned();
        self.position += end + 2;
        Ok(inner)
    }

    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &str {
        let start = self.position;
        let rest = &self.text[start..];
        let length = rest.find(|character| !fits(character)).unwrap_or(rest.len());
        self.position += length;
        &self.text[start..start + length]
    }

    fn expect(&mut self, wanted: char) -> Result<(), PolicyError> {
        if self.peek() == Some(wanted) {
            self.position += wanted.len_utf8();
            Ok(())
        } else {
            Err(self.error(&format!("expected '{wanted}'")))
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.position..].chars().next()
    }

    fn skip_space(&mut self) {
        self.take_while(char::is_whitespace);
    }

    fn error(&self, message: &str) -> PolicyError {
        PolicyError::Malformed(format!("{message} (at position {} of the policy)", self.position))
    }
}

#[cfg(test)]
mod tests {
    use fabric_protos::common::signature_policy::Type;
    use prost::Message;

    use super::*;

    #[test]
    fn gates_become_n_out_of() {
        let envelope = parse("AND('A.member', \"B.peer\")").expect("parses");
        assert_eq!(
            envelope.identities,
            [role_principal("A", Role::Member), role_principal("B", Role::Peer)]
        );
        assert_eq!(envelope.rule, Some(n_out_of(2, vec![signed_by(0), signed_by(1)])));
        let envelope = parse("outof('2', 'A.admin','B.client','C-x.y.orderer')").expect("parses");
        assert_eq!(envelope.identities[2], role_principal("C-x.y", Role::Orderer));
        assert!(
            matches!(envelope.rule.and_then(|rule| rule.r#type), Some(Type::NOutOf(out_of)) if out_of.n == 2)
        );
    }

    #[test]
    fn nested_principals_are_numbered_first() {
        // The order in which configtxgen's three passes meet them.
        let envelope = parse("OR('A.member', AND('B.member', 'C.member'))").expect("parses");
        let expected = ["B", "C", "A"].map(|id| role_principal(id, Role::Member));
        assert_eq!(envelope.identities, expected);
        let inner = n_out_of(2, vec![signed_by(0), signed_by(1)]);
        assert_eq!(envelope.rule, Some(n_out_of(1, vec![signed_by(2), inner])));
    }

    #[test]
    fn one_member_is_the_known_encoding() {
        // SignaturePolicyEnvelope of "OR('Org1MSP.member')", as it stands in channel configurations.
        let bytes = parse("OR('Org1MSP.member')").expect("parses").encode_to_vec();
        assert_eq!(
            hex::encode(bytes),
            "12081206080112020800 1a0b12090a074f7267314d5350".replace(' ', "")
        );
    }

    #[test]
    fn what_fabric_refuses_is_refused() {
        for text in [
            "",
            "A.member",
            "'A.member'",
            "OR()",
            "OR('A.member'",
            "OR('A.member') x",
            "XOR('A.member')",
            "OR('A.boss')",
            "OR('.member')",
            "OR('A B.member')",
            "OutOf(3, 'A.member')",
            "OutOf(-1, 'A.member')",
            "OutOf('A.member', 'B.member')",
            "OutOf(1)",
            "OR(1, 'A.member')",
            "OR('A.member', )",
            "OR('A.member",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(
            parse("OutOf(2, 'A.member')").is_ok(),
            "one more than there are is allowed by Fabric"
        );
        assert!(
            parse(&"OR(".repeat(10_000)).is_err(),
            "deep nesting is an error, not a crash"
        );
    }
}
