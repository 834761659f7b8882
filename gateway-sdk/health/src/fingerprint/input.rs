//! What of a service goes into its fingerprint: nothing that one payer alone has, and the same however a payer writes the name.

use careledger_api::adjudication::{Claim, ClaimLine};
use careledger_api::date::Date;
use careledger_api::hashing::tagged_hash;
use icu_normalizer::DecomposingNormalizerBorrowed;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::FingerprintError;

/// Longest name, characters.
const MAX_NAME: usize = 200;

/// A member as a payer's list of members has them. It is on no ledger and reaches no vault.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Family name: 1 to 200 characters with a letter or digit among them.
    pub family: String,
    /// Given names, of which the first counts: up to 200 characters. Nothing for who has one name alone.
    #[serde(default)]
    pub given: String,
    /// Day of birth.
    pub born: Date,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Person")
    }
}

/// What is fingerprinted: a tagged hash of person, performer, procedure and day. It is as good as the person's name to who can guess that, so it stays with the payer.
#[derive(Clone, PartialEq, Eq)]
pub struct Input(Zeroizing<Vec<u8>>);

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Input")
    }
}

impl Input {
    /// The input of a claim's line for this person: family name and first given name in one form for all their spellings, day of birth, the performer's NPI, procedure and
    /// day of service. Units, charge, modifiers and place are not in it, nor the site: what a payer's systems do not have must not keep it from being met.
    /// Fails with [`FingerprintError::Name`].
    pub fn of(person: &Person, claim: &Claim, line: &ClaimLine) -> Result<Self, FingerprintError> {
        let family = Zeroizing::new(plain(&person.family).ok_or(FingerprintError::Name("family"))?);
        let given = Zeroizing::new(first_name(&person.given).ok_or(FingerprintError::Name("given"))?);
        let performer = line.rendering_npi.as_ref().unwrap_or(&claim.provider_npi);
        let born = Zeroizing::new(person.born.to_string());
        let day = line.date.to_string();
        let parts = [&*family, &*given, &*born, performer, &line.procedure, &day];
        // Names that are brought to another form have another number here: two forms never meet by chance.
        let hash = tagged_hash("fingerprint-input-2", &parts.map(|part| part.as_bytes()));
        Ok(Self(Zeroizing::new(hash.as_bytes().to_vec())))
    }

    #[cfg(test)]
    pub(super) fn of_bytes(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A name in the one form that its spellings have in common: letters and digits in upper case, without marks (in Unicode's compatibility decomposition, NFKD, a
/// letter's marks stand by themselves, and are neither), and with the letters that passports transcribe (ICAO Doc 9303) as [`Folding`] has them. None where
/// nothing is left, and for a text that is too long.
fn plain(text: &str) -> Option<String> {
    if text.chars().count() > MAX_NAME {
        return None;
    }
    let decomposed = DecomposingNormalizerBorrowed::new_nfkd();
    let upper: String = decomposed
        .normalize(text)
        .chars()
        .flat_map(char::to_uppercase)
        .collect();
    let mut folding = Folding::default();
    // Again, for what upper case composes anew or makes of two.
    for letter in decomposed
        .normalize(&upper)
        .chars()
        .filter(|c| c.is_alphanumeric())
    {
        folding.take(letter);
    }
    (!folding.plain.is_empty()).then_some(folding.plain)
}

/// Letters as they come, folded: what Ä, Ö, Ü, Ø, Å, Æ, Œ and ẞ are transcribed to is what is left of them without marks. So an E after A, O or U is dropped,
/// and an A after A. Both payers' names go the same way, so nothing is lost but what tells two names apart (Samuel and Samul, Noel and Nol): where these two
/// were born on one day and had the same service by the same performer on one day, a person looks.
#[derive(Default)]
struct Folding {
    plain: String,
}

impl Folding {
    fn take(&mut self, letter: char) {
        let without_marks = match letter {
            'Æ' => "AE",
            'Œ' => "OE",
            'Ø' => "O",
            'ẞ' => "SS",
            'Þ' => "TH",
            'Ð' | 'Đ' => "D",
            'Ł' => "L",
            'Ħ' => "H",
            'Ŧ' => "T",
            'Ŋ' => "N",
            other => return self.push(other),
        };
        without_marks.chars().for_each(|letter| self.push(letter));
    }

    fn push(&mut self, letter: char) {
        let transcribed = matches!(
            (self.plain.chars().next_back(), letter),
            (Some('A' | 'O' | 'U'), 'E') | (Some('A'), 'A')
        );
        if !transcribed {
            self.plain.push(letter);
        }
    }
}

/// The first of several given names, whether they are written with spaces or hyphens between them; empty where there is none. None for a text that is too
/// long.
fn first_name(given: &str) -> Option<String> {
    if given.chars().count() > MAX_NAME {
        return None;
    }
    let ends =
        |c: char| c.is_whitespace() || matches!(c, '-' | '\u{2010}'..='\u{2015}' | ',' | '.' | ';' | '/');
    Some(given.split(ends).find_map(plain).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_in_several_spellings_is_one() {
        for spelling in [
            "Müller-Lüdenscheid",
            "MULLER LUDENSCHEID",
            "Mu\u{308}ller  Lu\u{308}denscheid",
            "ｍüller lüdenscheid",
            "müllerlüdenscheid,",
        ] {
            assert_eq!(
                plain(spelling).as_deref(),
                Some("MULLERLUDENSCHEID"),
                "{spelling}"
            );
        }
        for spelling in ["Anna Maria", "ANNA", "Anna-Maria", " anna, M.", "Änna"] {
            assert_eq!(first_name(spelling).as_deref(), Some("ANNA"), "{spelling}");
        }
        assert_eq!(plain("O'Neill"), plain("O’NEILL"));
        assert_eq!(plain("Groß"), plain("GROSS"));
        assert_eq!(plain("Σίσυφος"), plain("ΣΙΣΥΦΟΣ"));
        assert_eq!(plain("ﬁscher"), plain("Fischer"));
    }

    #[test]
    fn a_transcription_is_the_name_that_it_transcribes() {
        for spellings in [
            &["Müller", "Mueller", "MUELLER", "Mu\u{308}ller", "Muller"] as &[_],
            &["Sørensen", "Soerensen", "Sorensen", "SÖRENSEN"],
            &["Ågård", "Aagaard", "Agard"],
            &["Æbelø", "Aebeloe", "Äbelö"],
            &["Groß", "GROSS", "GROẞ", "gross"],
            &["Łukasiewicz", "Lukasiewicz"],
            &["Þórðarson", "Thordarson"],
            &["Đorđević", "Dordevic"],
            &["Cœur", "Coeur"],
            // Whatever stands before and after: no order of folding tells them apart.
            &["Maaé", "MAAE", "Må-e", "Mäa"],
        ] {
            let forms: Vec<_> = spellings.iter().map(|text| plain(text)).collect();
            assert!(
                forms.iter().all(|form| *form == forms[0]),
                "{spellings:?}: {forms:?}"
            );
            let form = forms[0].clone().unwrap();
            assert_eq!(plain(&form), Some(form.clone()), "it is its own form");
        }
        // What joins falsely joins on both sides alike.
        assert_eq!(plain("Samuel"), plain("Samul"));
        assert_ne!(plain("Meyer"), plain("Myer"));
        assert_ne!(plain("Anna"), plain("Ana"));
        assert_ne!(plain("Maria"), plain("Mara"));
    }

    #[test]
    fn other_names_stay_apart_and_what_is_no_name_is_refused() {
        // Of two given names the first counts; who is known by the second at one payer is not met.
        assert_eq!(first_name("Anna"), first_name("Anna Maria"));
        for other in ["Maria Anna", "A.", "Annamaria", ""] {
            assert_ne!(first_name("Anna Maria"), first_name(other), "{other}");
        }
        assert_ne!(plain("Мюллер"), plain("Müller"), "another script");
        for nothing in ["", " ", "--", "\u{301}", "…"] {
            assert_eq!(plain(nothing), None, "{nothing:?}");
            // Who has one name alone is compared by it.
            assert_eq!(first_name(nothing).as_deref(), Some(""), "{nothing:?}");
        }
        assert_eq!(plain(&"x".repeat(MAX_NAME + 1)), None);
        assert_eq!(first_name(&"x ".repeat(MAX_NAME)), None);
    }
}
