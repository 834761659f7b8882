//! Where on the body, as FHIR has it: `bodySite` is a tooth, an area of the mouth or another part; `subSite` the surfaces of a tooth.
//!
//! Teeth and areas are read by the ADA's systems (CARIN, Da Vinci) and by the FDI's two digits (HL7's own examples), other parts by SNOMED CT, what else there is
//! by the resolver. A tooth's number without its system could be either of two teeth, and is not carried.

use super::node::Node;
use super::out::Out;
use crate::claims::Resolver;
use careledger_api::adjudication::{Site, Surfaces, Tooth};

/// Teeth in the universal numbering.
const ADA_TOOTH: &str = "http://terminology.hl7.org/CodeSystem/ADAUniversalToothDesignationSystem";
/// Areas of the mouth.
const ADA_AREA: &str = "http://terminology.hl7.org/CodeSystem/ADAAreaOralCavitySystem";
/// Surfaces of teeth by the ADA.
const ADA_SURFACE: &str = "http://terminology.hl7.org/CodeSystem/ADAToothSurfaceCodes";
/// Teeth and areas of the mouth by the FDI: HL7's example list, and how HL7's examples name it.
const FDI_TOOTH: [&str; 2] = [
    "http://terminology.hl7.org/CodeSystem/ex-tooth",
    "http://fdi.org/fhir/oraltoothcodes",
];
/// Surfaces by the FDI, single or several in one code; `V` is what the ADA calls facial.
const FDI_SURFACE: [&str; 2] = [
    "http://terminology.hl7.org/CodeSystem/FDI-surface",
    "http://fdi.org/fhir/oralsurfacecodes",
];
/// Parts of the body.
const SNOMED: &str = "http://snomed.info/sct";

const SURFACES: &str =
    "surfaces of one tooth are carried, each of M, O, I, D, B, F and L, by the ADA's or the FDI's list";

/// An item's site; what cannot be carried is said, what is no code of its list is wrong.
pub(super) fn site(item: &Node<'_>, resolver: &dyn Resolver) -> Option<Site> {
    let found = body_site(item, resolver);
    if !item.has("subSite") {
        return found;
    }
    let mut found = found;
    let tooth = found.as_mut().and_then(|site| match site.teeth.len() {
        1 if site.areas.is_empty() => site.teeth.values_mut().next(),
        _ => None,
    });
    match (tooth, surfaces(item)) {
        (Some(tooth), Some(surfaces)) => *tooth = surfaces,
        _ => item.ignored("subSite", SURFACES),
    }
    found
}

fn body_site(item: &Node<'_>, resolver: &dyn Resolver) -> Option<Site> {
    let codings = item.codings("bodySite");
    let mapped = codings
        .iter()
        .find_map(|(system, code)| resolver.site(system.as_deref(), code));
    if mapped.is_some() {
        return mapped;
    }
    let known = codings
        .iter()
        .find_map(|(system, code)| Some((of_list(system.as_deref()?, code)?, code)));
    match known {
        Some((Some(site), _)) => return Some(site),
        Some((None, code)) => item.wrong_is("bodySite", code, "it is no code of its list: teeth are 1 to 32 and A to T, or two digits of the FDI; areas 00, 01, 02, 10, 20, 30 and 40; other parts numbers of SNOMED CT"),
        None if item.has("bodySite") => item.ignored("bodySite", "only teeth and areas of the mouth by the ADA's or the FDI's list are carried, and parts of the body by SNOMED CT; map the code list's to them"),
        None => {}
    }
    None
}

/// What a code of a list says; none for another list, and nothing for no code of this one.
fn of_list(system: &str, code: &str) -> Option<Option<Site>> {
    let area = |code: &str| code.parse().ok().map(Site::area);
    let tooth = |tooth: Tooth| Site::tooth(tooth, Surfaces::default());
    match system {
        ADA_TOOTH => Some(code.parse().ok().map(tooth)),
        ADA_AREA => Some(area(code)),
        SNOMED => Some(code.parse().ok().map(Site::body)),
        _ if FDI_TOOTH.contains(&system) => {
            let whole = if code == "0" { "00" } else { code };
            Some(Tooth::of_fdi(code).map(tooth).or_else(|| area(whole)))
        }
        _ => None,
    }
}

/// All surfaces; none if one of them is of another list.
fn surfaces(item: &Node<'_>) -> Option<Surfaces> {
    let mut letters = String::new();
    for concept in item.list("subSite") {
        let known = concept
            .own_codings()
            .into_iter()
            .find_map(|(system, code)| match system?.as_str() {
                ADA_SURFACE => Some(code),
                system if FDI_SURFACE.contains(&system) => Some(code.replace('V', "F")),
                _ => None,
            })?;
        // Two codes may have one surface in common, such as MO and DO.
        letters.extend(
            known
                .chars()
                .filter(|letter| !letters.contains(*letter))
                .collect::<Vec<_>>(),
        );
    }
    letters.parse().ok()
}

/// An item's site as it is written: one tooth, area or part by its code, several in words.
pub(super) fn written(site: &Site) -> Vec<(&'static str, Out)> {
    let surfaces = |surfaces: &Surfaces| {
        let each = surfaces
            .iter()
            .map(|surface| Out::concept(ADA_SURFACE, surface.as_str()));
        Out::List(each.collect())
    };
    let areas: Vec<&str> = site.areas.iter().map(|area| area.as_str()).collect();
    let mut teeth = site.teeth.iter();
    let (body_site, sub_site) = match (teeth.next(), teeth.next(), areas.as_slice(), &site.body) {
        (Some((tooth, its)), None, [], None) => (Out::concept(ADA_TOOTH, &tooth.to_string()), surfaces(its)),
        (None, None, [area], None) => (Out::concept(ADA_AREA, area), Out::List(Vec::new())),
        (None, None, [], Some(body)) => (Out::concept(SNOMED, body.as_str()), Out::List(Vec::new())),
        _ => (
            Out::Object(vec![("text", Out::text(site.to_string()))]),
            Out::List(Vec::new()),
        ),
    };
    vec![("bodySite", body_site), ("subSite", sub_site)]
}

/// Whether FHIR has codes for all of it: it has one place for an item.
pub(super) fn fits(site: &Site) -> bool {
    site.teeth.len() + site.areas.len() + usize::from(site.body.is_some()) == 1
}
