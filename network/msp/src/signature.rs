//! ECDSA signatures: reading them as Fabric does, and keeping them low-S.
//!
//! With (r, s) also (r, n − s) verifies. Fabric accepts only the smaller s (`bccsp/utils/ecdsa.go`), so that nobody can change
//! the bytes of a signed transaction.

use crate::der;

/// A curve whose signatures are normalised here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
const P384_ORDER: [u8; 48] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf, 0x58, 0x1a,
    0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
];
const P521_ORDER: [u8; 66] = [
    0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfa,
    0x51, 0x86, 0x87, 0x83, 0xbf, 0x2f, 0x96, 0x6b, 0x7f, 0xcc, 0x01, 0x48, 0xf7, 0x09, 0xa5, 0xd0, 0x3b,
    0xb5, 0xc9, 0xb8, 0x89, 0x9c, 0x47, 0xae, 0xbb, 0x6f, 0xb7, 0x1e, 0x91, 0x38, 0x64, 0x09,
];
/// ⌊order / 2⌋: the greatest s that counts as low.
const P256_HALF: [u8; 32] = halved(P256_ORDER);
const P384_HALF: [u8; 48] = halved(P384_ORDER);
const P521_HALF: [u8; 66] = halved(P521_ORDER);

impl Curve {
    fn order(self) -> &'static [u8] {
        match self {
            Self::P256 => &P256_ORDER,
            Self::P384 => &P384_ORDER,
            Self::P521 => &P521_ORDER,
        }
    }

    fn half(self) -> &'static [u8] {
        match self {
            Self::P256 => &P256_HALF,
            Self::P384 => &P384_HALF,
            Self::P521 => &P521_HALF,
        }
    }
}

/// The two numbers of a signature: big-endian, positive, without leading zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EcdsaSignature<'a> {
    r: &'a [u8],
    s: &'a [u8],
}

impl<'a> EcdsaSignature<'a> {
    /// Reads a DER signature. As in Go, bytes after the two numbers are not an error; they are not part of the signature.
    pub(crate) fn parse(der: &'a [u8]) -> Option<Self> {
        let (tag, body, _) = der::read(der)?;
        if tag != der::tag::SEQUENCE {
            return None;
        }
        let (r, after) = der::read_positive(body)?;
        let (s, _) = der::read_positive(after)?;
        Some(Self { r, s })
    }

    /// True when s is at most half the order of `curve`.
    pub(crate) fn is_low(&self, curve: Curve) -> bool {
        !exceeds(self.s, curve.half())
    }

    /// The strict encoding.
    pub(crate) fn encode(&self) -> Vec<u8> {
        encode(self.r, self.s)
    }

    /// The same signature with the greater s, which Fabric refuses.
    #[cfg(test)]
    pub(crate) fn encode_high_p256(&self) -> Vec<u8> {
        assert!(self.is_low(Curve::P256));
        encode(self.r, &subtract(&P256_ORDER, self.s))
    }

    /// The strict encoding with the smaller s. `None` when s is not below the order.
    pub(crate) fn encode_low(&self, curve: Curve) -> Option<Vec<u8>> {
        if self.is_low(curve) {
            return Some(self.encode());
        }
        if exceeds(self.s, curve.order()) {
            return None;
        }
        Some(encode(self.r, &subtract(curve.order(), self.s)))
    }
}

fn encode(r: &[u8], s: &[u8]) -> Vec<u8> {
    der::sequence(&[&der::unsigned(r), &der::unsigned(s)])
}

/// `number > bound`, for a `number` without leading zeros and a `bound` of fixed width.
fn exceeds(number: &[u8], bound: &[u8]) -> bool {
    let start = bound.iter().position(|byte| *byte != 0).unwrap_or(bound.len());
    let bound = &bound[start..];
    number.len() > bound.len() || (number.len() == bound.len() && number > bound)
}

/// `minuend − subtrahend`; the subtrahend is not the larger one.
fn subtract(minuend: &[u8], subtrahend: &[u8]) -> Vec<u8> {
    let mut difference = minuend.to_vec();
    let mut borrow = 0i16;
    let mut others = subtrahend.iter().rev();
    for digit in difference.iter_mut().rev() {
        let value = i16::from(*digit) - i16::from(others.next().copied().unwrap_or(0)) - borrow;
        borrow = i16::from(value < 0);
        *digit = value.rem_euclid(256) as u8;
    }
    difference
}

const fn halved<const N: usize>(number: [u8; N]) -> [u8; N] {
    let mut half = [0u8; N];
    let mut carry = 0;
    let mut index = 0;
    while index < N {
        half[index] = number[index] >> 1 | carry;
        carry = (number[index] & 1) << 7;
        index += 1;
    }
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_known() {
        assert_eq!(
            hex::encode(P256_HALF),
            "7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8"
        );
        assert_eq!(
            hex::encode(&P384_HALF[24..]),
            "e3b1a6c0fa1b96efac0d06d9245853bd76760cb5666294b9"
        );
    }

    #[test]
    fn high_s_becomes_low_and_low_stays() {
        for (curve, order) in [(Curve::P256, &P256_ORDER[..]), (Curve::P384, &P384_ORDER[..])] {
            let half = curve.half();
            let low = encode(&[5], half);
            let parsed = EcdsaSignature::parse(&low).expect("parses");
            assert!(parsed.is_low(curve), "half the order itself is low");
            assert_eq!(parsed.encode_low(curve), Some(low.clone()));

            let high = encode(&[5], &subtract(order, half));
            let parsed = EcdsaSignature::parse(&high).expect("parses");
            assert!(!parsed.is_low(curve), "half + 1 is high");
            assert_eq!(parsed.encode_low(curve), Some(low));
        }
    }

    #[test]
    fn reads_what_go_reads() {
        let strict = encode(&[1, 2], &[3]);
        let mut trailing = strict.clone();
        trailing.extend_from_slice(b"garbage");
        let parsed = EcdsaSignature::parse(&trailing).expect("trailing bytes are not part of the signature");
        assert_eq!(parsed.encode(), strict);
        assert!(
            EcdsaSignature::parse(&[0x30, 6, 2, 1, 0, 2, 1, 1]).is_none(),
            "r is zero"
        );
        assert!(
            EcdsaSignature::parse(&[0x30, 6, 2, 1, 0x81, 2, 1, 1]).is_none(),
            "r is negative"
        );
        assert!(EcdsaSignature::parse(b"").is_none());
    }
}
