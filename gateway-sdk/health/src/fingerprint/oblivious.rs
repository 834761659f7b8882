//! The verifiable oblivious pseudorandom function of RFC 9497, suite ristretto255-SHA512, mode VOPRF: both ends of it.
//!
//! ```text
//! payer:  Input -> Blinding::of -> blinded elements (random points, whatever the inputs)  -----> vault: PeriodSecret::evaluate
//!         Blinding::finish <- checks that the key is the one on the ledger <- Evaluation {elements, one proof for all} <---/
//! ```

use careledger_api::contracts::claims::Period;
use careledger_api::hashing::tagged_hash;
use careledger_api::ids::Hash;
use rand_core_06::OsRng;
use serde::{Deserialize, Serialize};
use voprf::{BlindedElement, EvaluationElement, Group, Proof, Ristretto255, VoprfClient, VoprfServer};
use zeroize::Zeroizing;

use super::input::Input;
use crate::sealing::length_prefixed;

/// Most inputs of one evaluation: the lines of two long claims.
pub const MAX_ELEMENTS: usize = 100;
/// Bytes of a public key, and of an element: a point of ristretto255 (RFC 9496).
pub const KEY_LEN: usize = 32;

/// Why an evaluation came to nothing. Nothing of an input is in it.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum ObliviousError {
    /// None, or too many.
    #[error("an evaluation is of 1 to {MAX_ELEMENTS} inputs")]
    Count,
    /// What should be a point or a proof is none.
    #[error("{0} is not of ristretto255: 32 bytes (a proof 64) in hex are")]
    Malformed(&'static str),
    /// The proof does not hold: another key was used than the one that the ledger shows, or something was altered under way.
    #[error(
        "the proof does not hold for the period's key on the ledger: take no fingerprint from this vault"
    )]
    Proof,
    /// The function is not defined for this seed or input; the chance is 2^-252.
    #[error("no key or point follows from this seed or input")]
    Undefined,
}

/// A period's key at the vault.
pub struct PeriodSecret(VoprfServer<Ristretto255>);

impl std::fmt::Debug for PeriodSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PeriodSecret")
    }
}

impl PeriodSecret {
    /// The key of a quarter, from a vault's seed. The channel is not in it: a consortium that moves to another one takes its open quarters along.
    pub fn of(seed: &[u8; 32], period: Period) -> Result<Self, ObliviousError> {
        let period = period.to_string();
        let info = length_prefixed(b"careledger/v1/fingerprint-key", &[period.as_bytes()]);
        Self::derive(seed, &info)
    }

    /// DeriveKeyPair (RFC 9497, 3.2.1): the same seed and info, the same key.
    fn derive(seed: &[u8; 32], info: &[u8]) -> Result<Self, ObliviousError> {
        let server = VoprfServer::new_from_seed(seed, info).map_err(|_| ObliviousError::Undefined)?;
        Ok(Self(server))
    }

    /// The public key, which proofs are checked against.
    pub fn public(&self) -> [u8; KEY_LEN] {
        <Ristretto255 as Group>::serialize_elem(self.0.get_public_key()).into()
    }

    /// BlindEvaluate of each element, with one proof for all of them, which takes them in this order. Fails with [`ObliviousError::Count`] and, for what is no
    /// point, [`ObliviousError::Malformed`].
    pub fn evaluate(&self, blinded: &[String]) -> Result<Evaluation, ObliviousError> {
        if !(1..=MAX_ELEMENTS).contains(&blinded.len()) {
            return Err(ObliviousError::Count);
        }
        let blinded: Vec<BlindedElement<Ristretto255>> = blinded
            .iter()
            .map(|text| {
                let bytes = point(text, "a blinded element")?;
                BlindedElement::deserialize(&bytes)
                    .map_err(|_| ObliviousError::Malformed("a blinded element"))
            })
            .collect::<Result<_, _>>()?;
        let evaluated = self
            .0
            .batch_blind_evaluate(&mut OsRng, &blinded)
            .map_err(|_| ObliviousError::Count)?;
        Ok(Evaluation {
            elements: evaluated
                .messages
                .iter()
                .map(|element| hex::encode(element.serialize()))
                .collect(),
            proof: hex::encode(evaluated.proof.serialize()),
        })
    }
}

/// What the vault answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// One for each blinded element, in their order: 64 lower-case hex digits.
    pub elements: Vec<String>,
    /// That all of them were made with one key: 128 hex digits.
    pub proof: String,
}

/// Inputs under way: what blinds them stays here.
pub struct Blinding {
    inputs: Vec<Input>,
    clients: Vec<VoprfClient<Ristretto255>>,
    elements: Vec<String>,
}

impl std::fmt::Debug for Blinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Blinding")
    }
}

impl Blinding {
    /// Blinds inputs, each by itself: the same input twice gives two elements that nobody can tell apart from others. [`ObliviousError::Count`] for none and
    /// for more than [`MAX_ELEMENTS`].
    pub fn of(inputs: Vec<Input>) -> Result<Self, ObliviousError> {
        if !(1..=MAX_ELEMENTS).contains(&inputs.len()) {
            return Err(ObliviousError::Count);
        }
        let (mut clients, mut elements) =
            (Vec::with_capacity(inputs.len()), Vec::with_capacity(inputs.len()));
        for input in &inputs {
            let blinded =
                VoprfClient::blind(input.as_bytes(), &mut OsRng).map_err(|_| ObliviousError::Undefined)?;
            clients.push(blinded.state);
            elements.push(hex::encode(blinded.message.serialize()));
        }
        Ok(Self {
            inputs,
            clients,
            elements,
        })
    }

    /// What the vault is given.
    pub fn elements(&self) -> &[String] {
        &self.elements
    }

    /// The fingerprints, in the order of the inputs: a tagged hash of RFC 9497's output. Fails with [`ObliviousError::Proof`] unless the evaluation was made with
    /// the secret of the public key `key`, for exactly these elements.
    pub fn finish(&self, evaluation: &Evaluation, key: &[u8]) -> Result<Vec<Hash>, ObliviousError> {
        let outputs = self.outputs(evaluation, key)?;
        let hash = |output: &Zeroizing<Vec<u8>>| tagged_hash("fingerprint", &[output.as_slice()]);
        Ok(outputs.iter().map(hash).collect())
    }

    /// Finalize (RFC 9497, 3.3.2).
    fn outputs(
        &self,
        evaluation: &Evaluation,
        key: &[u8],
    ) -> Result<Vec<Zeroizing<Vec<u8>>>, ObliviousError> {
        let key =
            Ristretto255::deserialize_elem(key).map_err(|_| ObliviousError::Malformed("the period's key"))?;
        let elements: Vec<EvaluationElement<Ristretto255>> = evaluation
            .elements
            .iter()
            .map(|text| {
                let bytes = point(text, "an evaluated element")?;
                EvaluationElement::deserialize(&bytes)
                    .map_err(|_| ObliviousError::Malformed("an evaluated element"))
            })
            .collect::<Result<_, _>>()?;
        let mut proof = [0; 2 * KEY_LEN];
        hex::decode_to_slice(&evaluation.proof, &mut proof)
            .map_err(|_| ObliviousError::Malformed("the proof"))?;
        let proof = Proof::deserialize(&proof).map_err(|_| ObliviousError::Malformed("the proof"))?;
        let inputs: Vec<&[u8]> = self.inputs.iter().map(Input::as_bytes).collect();
        let outputs = VoprfClient::batch_finalize(&inputs, &self.clients, &elements, &proof, key)
            .map_err(|_| ObliviousError::Proof)?;
        outputs
            .map(|output| {
                let output = output.map_err(|_| ObliviousError::Undefined)?;
                Ok(Zeroizing::new(output.to_vec()))
            })
            .collect()
    }
}

fn point(text: &str, what: &'static str) -> Result<[u8; KEY_LEN], ObliviousError> {
    let mut bytes = [0; KEY_LEN];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| ObliviousError::Malformed(what))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9497, A.1.2: ristretto255-SHA512, VOPRF mode; vector 3 has a batch of two.
    mod rfc {
        pub const SEED: [u8; 32] = [0xa3; 32];
        pub const KEY_INFO: &[u8] = b"test key";
        pub const PUBLIC: &str = "c803e2cc6b05fc15064549b5920659ca4a77b2cca6f04f6b357009335476ad4e";
        pub const INPUTS: [&str; 2] = ["00", "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"];
        pub const BLINDS: [&str; 2] = [
            "64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706",
            "222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e",
        ];
        pub const BLINDED: [&str; 2] = [
            "863f330cc1a1259ed5a5998a23acfd37fb4351a793a5b3c090b642ddc439b945",
            "90a0145ea9da29254c3a56be4fe185465ebb3bf2a1801f7124bbbadac751e654",
        ];
        pub const EVALUATED: [&str; 2] = [
            "aa8fa048764d5623868679402ff6108d2521884fa138cd7f9c7669a9a014267e",
            "cc5ac221950a49ceaa73c8db41b82c20372a4c8d63e5dded2db920b7eee36a2a",
        ];
        pub const PROOF: &str = "cc203910175d786927eeb44ea847328047892ddf8590e723c37205cb74600b0a5ab5337c8eb4ceae0494c2cf89529dcf94572ed267473d567aeed6ab873dee08";
        pub const OUTPUTS: [&str; 2] = [
            "b58cfbe118e0cb94d79b5fd6a6dafb98764dff49c14e1770b566e42402da1a7da4d8527693914139caee5bd03903af43a491351d23b430948dd50cde10d32b3c",
            "8a9a2f3c7f085b65933594309041fc1898d42d0858e59f90814ae90571a6df60356f4610bf816f27afdd84f47719e480906d27ecd994985890e5f539e7ea74b6",
        ];
    }

    fn vectors_blinding() -> Blinding {
        let clients = rfc::BLINDS.iter().zip(rfc::BLINDED).map(|(blind, element)| {
            let state = hex::decode(format!("{blind}{element}")).unwrap();
            VoprfClient::deserialize(&state).unwrap()
        });
        Blinding {
            inputs: rfc::INPUTS
                .iter()
                .map(|input| Input::of_bytes(hex::decode(input).unwrap()))
                .collect(),
            clients: clients.collect(),
            elements: rfc::BLINDED.map(str::to_owned).into(),
        }
    }

    fn vectors_evaluation() -> Evaluation {
        Evaluation {
            elements: rfc::EVALUATED.map(str::to_owned).into(),
            proof: rfc::PROOF.to_owned(),
        }
    }

    fn inputs(count: u8) -> Vec<Input> {
        (0..count).map(|n| Input::of_bytes(vec![n; 32])).collect()
    }

    #[test]
    fn rfc_9497s_vectors_hold() {
        let secret = PeriodSecret::derive(&rfc::SEED, rfc::KEY_INFO).unwrap();
        assert_eq!(hex::encode(secret.public()), rfc::PUBLIC);
        let evaluated = secret.evaluate(&rfc::BLINDED.map(str::to_owned)).unwrap();
        assert_eq!(evaluated.elements, rfc::EVALUATED);
        let key = secret.public();
        // The RFC's own proof, and one of this secret with fresh randomness.
        for evaluation in [vectors_evaluation(), evaluated] {
            let outputs = vectors_blinding().outputs(&evaluation, &key).unwrap();
            let outputs: Vec<String> = outputs.iter().map(hex::encode).collect();
            assert_eq!(outputs, rfc::OUTPUTS);
        }
        for (input, output) in rfc::INPUTS.iter().zip(rfc::OUTPUTS) {
            let directly = secret.0.evaluate(&hex::decode(input).unwrap()).unwrap();
            assert_eq!(hex::encode(directly), output);
        }
    }

    #[test]
    fn blinded_elements_differ_and_fingerprints_do_not() {
        let secret = PeriodSecret::derive(&[7; 32], b"info").unwrap();
        let (one, other) = (Blinding::of(inputs(3)).unwrap(), Blinding::of(inputs(3)).unwrap());
        assert!(
            one.elements()
                .iter()
                .all(|element| !other.elements().contains(element))
        );
        let fingerprints = |blinding: &Blinding| {
            let evaluation = secret.evaluate(blinding.elements()).unwrap();
            blinding.finish(&evaluation, &secret.public()).unwrap()
        };
        let known = fingerprints(&one);
        assert_eq!(known, fingerprints(&other));
        assert!(known[0] != known[1] && known[1] != known[2]);
        // Another period, other fingerprints.
        let next = PeriodSecret::derive(&[7; 32], b"next").unwrap();
        let evaluation = next.evaluate(one.elements()).unwrap();
        assert_ne!(one.finish(&evaluation, &next.public()).unwrap(), known);
    }

    #[test]
    fn another_key_and_an_altered_answer_are_found() {
        let secret = PeriodSecret::derive(&[7; 32], b"info").unwrap();
        let other = PeriodSecret::derive(&[8; 32], b"info").unwrap();
        let blinding = Blinding::of(inputs(3)).unwrap();
        let right = secret.evaluate(blinding.elements()).unwrap();
        let key = secret.public();
        assert!(blinding.finish(&right, &key).is_ok());

        let of_another = other.evaluate(blinding.elements()).unwrap();
        let mut swapped = right.clone();
        swapped.elements.swap(0, 1);
        let mut one_of_another = right.clone();
        one_of_another.elements[2].clone_from(&of_another.elements[2]);
        let mut proof_of_another = right.clone();
        proof_of_another.proof.clone_from(&of_another.proof);
        let mut fewer = right.clone();
        fewer.elements.pop();
        let mut more = right.clone();
        more.elements.push(right.elements[0].clone());
        for (what, answer) in [
            ("another key", &of_another),
            ("order", &swapped),
            ("one of another key", &one_of_another),
            ("another's proof", &proof_of_another),
            ("fewer", &fewer),
            ("more", &more),
        ] {
            assert_eq!(
                blinding.finish(answer, &key),
                Err(ObliviousError::Proof),
                "{what}"
            );
        }
        assert_eq!(
            blinding.finish(&right, &other.public()),
            Err(ObliviousError::Proof)
        );
    }

    #[test]
    fn what_is_no_point_proof_or_number_of_inputs_is_refused() {
        let secret = PeriodSecret::derive(&[7; 32], b"info").unwrap();
        let identity = "00".repeat(32);
        for text in ["", "zz", &identity, &"ff".repeat(32), &"01".repeat(33)] {
            let refused = secret.evaluate(&[text.to_owned()]);
            assert!(matches!(refused, Err(ObliviousError::Malformed(_))), "{text}");
        }
        assert_eq!(secret.evaluate(&[]), Err(ObliviousError::Count));
        let good = Blinding::of(inputs(1)).unwrap();
        let many = vec![good.elements()[0].clone(); MAX_ELEMENTS + 1];
        assert_eq!(secret.evaluate(&many), Err(ObliviousError::Count));
        assert!(matches!(Blinding::of(Vec::new()), Err(ObliviousError::Count)));
        assert!(matches!(Blinding::of(inputs(101)), Err(ObliviousError::Count)));
        let mut answer = secret.evaluate(good.elements()).unwrap();
        for key in [&[0; 32][..], &[0xff; 32], &[1; 31]] {
            let refused = good.finish(&answer, key);
            assert!(
                matches!(refused, Err(ObliviousError::Malformed(_))),
                "{refused:?}"
            );
        }
        answer.proof.pop();
        assert!(matches!(
            good.finish(&answer, &secret.public()),
            Err(ObliviousError::Malformed(_))
        ));
    }
}
