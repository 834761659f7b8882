//! Teeth, surfaces, areas and parts: what is read, how it is written, and how two sites stand.

use super::*;

fn site(text: &str) -> Site {
    serde_json::from_str(text).unwrap()
}

fn beside(one: &str, other: &str, grain: Grain) -> Beside {
    let (one, other) = (site(one), site(other));
    let found = Site::beside(Some(&one), Some(&other), grain);
    assert_eq!(Site::beside(Some(&other), Some(&one), grain), found, "both ways");
    assert_eq!(Site::beside(Some(&one), Some(&one), grain), Beside::Same);
    found
}

#[test]
fn every_tooth_is_written_as_it_is_read() {
    let numbers = (1..=32).chain(51..=82).map(|n: u8| n.to_string());
    let letters = ('A'..='T').flat_map(|letter| [letter.to_string(), format!("{letter}S")]);
    let mut teeth = BTreeSet::new();
    for text in numbers.chain(letters) {
        let tooth: Tooth = text.parse().unwrap();
        assert_eq!(tooth.to_string(), text);
        teeth.insert(tooth);
    }
    assert_eq!(teeth.len(), 104);
    for wrong in [
        "", "0", "01", "33", "50", "83", "U", "a", "SA", "AA", "1S", "100", "٣", " 1",
    ] {
        assert!(wrong.parse::<Tooth>().is_err(), "{wrong:?}");
    }
}

#[test]
fn two_digits_of_the_fdi_are_the_same_teeth() {
    let pairs = [
        ("18", "1"),
        ("11", "8"),
        ("21", "9"),
        ("28", "16"),
        ("38", "17"),
        ("36", "19"),
        ("31", "24"),
        ("41", "25"),
        ("48", "32"),
        ("55", "A"),
        ("51", "E"),
        ("61", "F"),
        ("65", "J"),
        ("75", "K"),
        ("71", "O"),
        ("81", "P"),
        ("85", "T"),
    ];
    for (fdi, universal) in pairs {
        assert_eq!(Tooth::of_fdi(fdi), universal.parse().ok(), "{fdi}");
    }
    let quadrants = (1..=8).flat_map(|q| (1..=9).map(move |p| format!("{q}{p}")));
    let known: Vec<(String, Tooth)> = quadrants
        .filter_map(|code| Tooth::of_fdi(&code).map(|tooth| (code, tooth)))
        .collect();
    let distinct: BTreeSet<Tooth> = known.iter().map(|(_, tooth)| *tooth).collect();
    assert_eq!((known.len(), distinct.len()), (52, 52));
    for (code, tooth) in known {
        let area = match code.as_bytes()[0] {
            b'1' | b'5' => Area::UpperRight,
            b'2' | b'6' => Area::UpperLeft,
            b'3' | b'7' => Area::LowerLeft,
            _ => Area::LowerRight,
        };
        assert_eq!(tooth.quadrant(), area, "{code}");
    }
    for wrong in ["", "1", "10", "19", "56", "91", "011", "AA"] {
        assert_eq!(Tooth::of_fdi(wrong), None, "{wrong}");
    }
}

#[test]
fn surfaces_are_read_in_any_order_and_written_in_one() {
    for (text, written) in [("", ""), ("DOM", "MOD"), ("LFDIM", "MIDFL"), ("BO", "OB")] {
        let surfaces: Surfaces = text.parse().unwrap();
        assert_eq!(surfaces.to_string(), written);
        assert_eq!(
            (surfaces.iter().count(), surfaces.is_empty()),
            (text.len(), text.is_empty())
        );
    }
    for wrong in ["MM", "V", "m", "M,O", "MODBFL", "MOIDBFL", "é"] {
        assert!(wrong.parse::<Surfaces>().is_err(), "{wrong}");
    }
}

#[test]
fn a_site_is_bounded_and_has_one_form() {
    let text = r#"{"teeth":{"14":"DOM","3":"","AS":"B"},"areas":["10","01"]}"#;
    let one = site(text);
    assert!(one.is_valid());
    assert_eq!(one.to_string(), "3, 14 MOD, AS B, area 01, area 10");
    assert_eq!(one.places(), 5);
    let bytes = crate::hashing::canonical(&one).unwrap();
    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        r#"{"areas":["01","10"],"teeth":{"14":"MOD","3":"","AS":"B"}}"#
    );
    assert_eq!(site(r#"{"body":"8966001"}"#).to_string(), "8966001");
    for wrong in [
        r#"{"teeth":{"33":""}}"#,
        r#"{"teeth":{"3":"X"}}"#,
        r#"{"areas":["11"]}"#,
        r#"{"body":"LT"}"#,
        r#"{"body":"0123456"}"#,
        r#"{"tooth":"3"}"#,
    ] {
        assert!(serde_json::from_str::<Site>(wrong).is_err(), "{wrong}");
    }
    let many = |count: usize| Site {
        teeth: (1..=32u8)
            .chain(51..=82)
            .take(count)
            .map(|n| (n.to_string().parse().unwrap(), Surfaces::default()))
            .collect(),
        ..Site::default()
    };
    assert!(many(32).is_valid() && !many(33).is_valid());
    let areas = |count: usize| Site {
        areas: Area::ALL.iter().copied().take(count).collect(),
        ..Site::default()
    };
    assert!(areas(5).is_valid() && !areas(6).is_valid());
    assert!(!Site::default().is_valid());
    assert!(
        !Site {
            body: "8966001".parse().ok(),
            ..one
        }
        .is_valid()
    );
}

#[test]
fn two_sites_are_the_same_apart_or_unclear() {
    use Beside::{Apart, Same, Unclear};
    let cases = [
        (r#"{"teeth":{"14":"MO"}}"#, r#"{"teeth":{"14":"OM"}}"#, Same, Same),
        (
            r#"{"teeth":{"14":"MO"}}"#,
            r#"{"teeth":{"14":"DO"}}"#,
            Unclear,
            Same,
        ),
        (r#"{"teeth":{"14":"M"}}"#, r#"{"teeth":{"14":"D"}}"#, Apart, Same),
        (r#"{"teeth":{"14":"M"}}"#, r#"{"teeth":{"14":""}}"#, Unclear, Same),
        (r#"{"teeth":{"8":"I"}}"#, r#"{"teeth":{"8":"O"}}"#, Unclear, Same),
        (r#"{"teeth":{"8":"F"}}"#, r#"{"teeth":{"8":"B"}}"#, Unclear, Same),
        (
            r#"{"teeth":{"14":"MO"}}"#,
            r#"{"teeth":{"15":"MO"}}"#,
            Apart,
            Apart,
        ),
        (r#"{"teeth":{"1":""}}"#, r#"{"teeth":{"51":""}}"#, Apart, Apart),
        (r#"{"teeth":{"A":""}}"#, r#"{"teeth":{"4":""}}"#, Apart, Apart),
        (
            r#"{"teeth":{"14":"","15":""}}"#,
            r#"{"teeth":{"15":""}}"#,
            Unclear,
            Unclear,
        ),
        (r#"{"teeth":{"3":""}}"#, r#"{"areas":["10"]}"#, Unclear, Unclear),
        (r#"{"teeth":{"3":""}}"#, r#"{"areas":["01"]}"#, Unclear, Unclear),
        (r#"{"teeth":{"AS":""}}"#, r#"{"areas":["00"]}"#, Unclear, Unclear),
        (r#"{"teeth":{"3":""}}"#, r#"{"areas":["02","20"]}"#, Apart, Apart),
        (r#"{"areas":["10"]}"#, r#"{"areas":["10"]}"#, Same, Same),
        (r#"{"areas":["10"]}"#, r#"{"areas":["01"]}"#, Unclear, Unclear),
        (r#"{"areas":["10"]}"#, r#"{"areas":["40"]}"#, Apart, Apart),
        (r#"{"body":"8966001"}"#, r#"{"body":"18944008"}"#, Apart, Apart),
        (r#"{"body":"8966001"}"#, r#"{"teeth":{"3":""}}"#, Unclear, Unclear),
    ];
    for (one, other, by_surface, by_tooth) in cases {
        assert_eq!(
            beside(one, other, Grain::Surface),
            by_surface,
            "{one} {other} by surface"
        );
        assert_eq!(
            beside(one, other, Grain::Tooth),
            by_tooth,
            "{one} {other} by tooth"
        );
    }
    let one = site(r#"{"teeth":{"14":"MO"}}"#);
    assert_eq!(Site::beside(None, None, Grain::Surface), Same);
    assert_eq!(Site::beside(Some(&one), None, Grain::Surface), Unclear);
    assert!(!Site::apart_in_mouth(Some(&one), None));
    assert!(Site::apart_in_mouth(
        Some(&one),
        Some(&site(r#"{"teeth":{"15":"MO"}}"#))
    ));
    let eyes = [r#"{"body":"8966001"}"#, r#"{"body":"18944008"}"#].map(site);
    assert!(!Site::apart_in_mouth(Some(&eyes[0]), Some(&eyes[1])));
}
