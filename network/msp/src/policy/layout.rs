//! Which organisations can satisfy a policy together: what a gateway asks before it picks endorsers.

use std::collections::{BTreeMap, BTreeSet};

use fabric_protos::common::msp_principal::Classification;
use fabric_protos::common::signature_policy::Type;
use fabric_protos::common::{
    MspPrincipal, MspRole, OrganizationUnit, SignaturePolicy, SignaturePolicyEnvelope,
};
use fabric_protos::msp::SerializedIdentity;
use prost::Message;

use super::PolicyError;

/// How many combinations are looked at before the policy is called too large.
const MAX_LAYOUTS: usize = 4_096;

/// The smallest combinations of signatures that satisfy `policy`: for each, how many distinct signers of which MSP. Fewest
/// signatures first; combinations that contain another one are left out.
///
/// # Errors
/// [`PolicyError::Malformed`] for a policy that does not compile, a principal without an MSP (combined, anonymity), or more than
/// 4,096 combinations.
pub fn organization_layouts(
    policy: &SignaturePolicyEnvelope,
) -> Result<Vec<BTreeMap<String, usize>>, PolicyError> {
    let owners = policy
        .identities
        .iter()
        .map(owner)
        .collect::<Result<Vec<_>, _>>()?;
    let rule = policy
        .rule
        .as_ref()
        .ok_or_else(|| PolicyError::Malformed("the rule is empty".into()))?;
    let mut layouts: Vec<Layout> = combinations(rule, &owners)?.into_iter().collect();
    layouts.sort_by_key(|layout| (layout.values().sum::<usize>(), layout.clone()));
    let mut smallest: Vec<Layout> = Vec::new();
    for layout in layouts {
        if !smallest.iter().any(|known| contains(&layout, known)) {
            smallest.push(layout);
        }
    }
    Ok(smallest)
}

type Layout = BTreeMap<String, usize>;

fn combinations(rule: &SignaturePolicy, owners: &[String]) -> Result<BTreeSet<Layout>, PolicyError> {
    match &rule.r#type {
        None => Err(PolicyError::Malformed("a rule is empty".into())),
        Some(Type::SignedBy(index)) => {
            let owner = usize::try_from(*index).ok().and_then(|index| owners.get(index));
            let owner =
                owner.ok_or_else(|| PolicyError::Malformed(format!("principal {index} does not exist")))?;
            Ok(BTreeSet::from([Layout::from([(owner.clone(), 1)])]))
        }
        Some(Type::NOutOf(out_of)) => {
            let needed = usize::try_from(out_of.n).unwrap_or(0);
            // partial[k]: the combinations that satisfy k of the rules seen so far.
            let mut partial = vec![BTreeSet::new(); needed + 1];
            partial[0].insert(Layout::new());
            if needed > out_of.rules.len() {
                return Ok(BTreeSet::new());
            }
            for rule in &out_of.rules {
                let choices = combinations(rule, owners)?;
                for satisfied in (0..needed).rev() {
                    let longer: Vec<Layout> = partial[satisfied]
                        .iter()
                        .flat_map(|layout| choices.iter().map(move |choice| sum(layout, choice)))
                        .take(MAX_LAYOUTS + 1)
                        .collect();
                    partial[satisfied + 1].extend(longer);
                    if partial[satisfied + 1].len() > MAX_LAYOUTS {
                        return Err(PolicyError::Malformed(format!(
                            "more than {MAX_LAYOUTS} ways to satisfy it"
                        )));
                    }
                }
            }
            Ok(partial.swap_remove(needed))
        }
    }
}

fn sum(one: &Layout, other: &Layout) -> Layout {
    let mut sum = one.clone();
    for (owner, count) in other {
        *sum.entry(owner.clone()).or_insert(0) += count;
    }
    sum
}

fn contains(larger: &Layout, smaller: &Layout) -> bool {
    smaller
        .iter()
        .all(|(owner, count)| larger.get(owner).is_some_and(|have| have >= count))
}

fn owner(principal: &MspPrincipal) -> Result<String, PolicyError> {
    let bytes = principal.principal.as_slice();
    let malformed = |error: prost::DecodeError| PolicyError::Malformed(format!("a principal: {error}"));
    match Classification::try_from(principal.principal_classification) {
        Ok(Classification::Role) => Ok(MspRole::decode(bytes).map_err(malformed)?.msp_identifier),
        Ok(Classification::OrganizationUnit) => {
            Ok(OrganizationUnit::decode(bytes).map_err(malformed)?.msp_identifier)
        }
        Ok(Classification::Identity) => Ok(SerializedIdentity::decode(bytes).map_err(malformed)?.mspid),
        _ => Err(PolicyError::Malformed("a principal names no MSP".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn layouts(text: &str) -> Vec<Vec<(String, usize)>> {
        let found = organization_layouts(&parse(text).expect("parses")).expect("lays out");
        found
            .into_iter()
            .map(|layout| layout.into_iter().collect())
            .collect()
    }

    fn owned(layout: &[(&str, usize)]) -> Vec<(String, usize)> {
        layout
            .iter()
            .map(|(owner, count)| ((*owner).to_owned(), *count))
            .collect()
    }

    #[test]
    fn two_of_three() {
        let expected = [[("A", 1), ("B", 1)], [("A", 1), ("C", 1)], [("B", 1), ("C", 1)]];
        assert_eq!(
            layouts("OutOf(2,'A.peer','B.peer','C.peer')"),
            expected.map(|layout| owned(&layout))
        );
    }

    #[test]
    fn larger_ways_are_left_out_and_counts_add_up() {
        assert_eq!(
            layouts("OR('A.peer', AND('A.peer','B.peer'))"),
            [owned(&[("A", 1)])]
        );
        assert_eq!(layouts("AND('A.peer','A.admin')"), [owned(&[("A", 2)])]);
        assert_eq!(
            layouts("OutOf(2,'A.peer')"),
            Vec::<Vec<_>>::new(),
            "nothing satisfies it"
        );
    }

    #[test]
    fn explosion_is_an_error() {
        let principals: Vec<String> = (0..40).map(|number| format!("'Org{number}.peer'")).collect();
        let policy = parse(&format!("OutOf(20,{})", principals.join(","))).expect("parses");
        assert!(organization_layouts(&policy).is_err());
    }
}
