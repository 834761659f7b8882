//! What a consent says: from options to provisions, and from provisions to sentences.

use careledger_api::codes::{CodeFilter, ICD10_CM};
use careledger_api::contracts::consent::{ActorFilter, Effect, Provision};
use careledger_api::date::DateRange;
use careledger_api::roles::Role;
use careledger_api::templates::{Recipients, Template};

use super::args::{GrantArgs, TermsArgs};
use crate::Result;
use crate::site::Site;
use crate::values::list;

/// Names every member.
const ANY: &str = "any";

/// The provisions that the options ask for. Fails on an organisation that is no member.
pub(super) fn provisions(args: &TermsArgs, site: &Site) -> Result<Vec<Provision>> {
    let anybody = args.to.iter().any(|to| to == ANY);
    if anybody && args.to.len() > 1 {
        return Err("--to any is everybody already; name either it or organisations".into());
    }
    for organisation in args.to.iter().chain(&args.authored_by).filter(|to| *to != ANY) {
        site.require_member(organisation)?;
    }
    let to = Recipients {
        organisations: if anybody { Vec::new() } else { args.to.clone() },
        group: args.group.clone(),
        person: args.person.clone(),
    };
    let mut provisions = match args.template {
        Some(template) => template
            .provisions(&to)
            .map_err(|e| format!("{e}; name whom with --to, --group or --person"))?,
        None => vec![stated(args, &to)],
    };
    let data_period = match (args.data_from, args.data_until) {
        (Some(from), Some(until)) if from > until => {
            return Err("--data-from lies after --data-until".into());
        }
        (Some(from), Some(until)) => Some(DateRange { from, until }),
        _ => None,
    };
    for provision in &mut provisions {
        if let Some(role) = args.role {
            restrict(provision, role);
        }
        provision.authored_by.clone_from(&args.authored_by);
        provision.documents.clone_from(&args.document);
        provision.data_period = data_period;
    }
    Ok(provisions)
}

/// For how long, in seconds: as said, or as long as the template usually holds.
pub(super) fn duration(args: &GrantArgs) -> i64 {
    let usual = args.terms.template.map_or(0, Template::seconds);
    args.duration.unwrap_or(usual)
}

fn stated(args: &TermsArgs, to: &Recipients) -> Provision {
    let actor = |organisation: Option<&String>| ActorFilter {
        organisation: organisation.cloned(),
        role: None,
        person: to.person.clone(),
        group: to.group.clone(),
    };
    let mut actors: Vec<ActorFilter> = to.organisations.iter().map(|o| actor(Some(o))).collect();
    if actors.is_empty() && (to.person.is_some() || to.group.is_some()) {
        actors.push(actor(None));
    }
    Provision {
        actors,
        purposes: args.purpose.clone(),
        categories: args.category.clone(),
        labels: args.label.clone(),
        codes: args
            .code
            .iter()
            .map(|code| CodeFilter {
                is_a: code.system == ICD10_CM,
                code: code.clone(),
            })
            .collect(),
        ..Provision::new(if args.deny { Effect::Deny } else { Effect::Permit })
    }
}

fn restrict(provision: &mut Provision, role: Role) {
    if provision.actors.is_empty() {
        provision.actors.push(ActorFilter::default());
    }
    for actor in &mut provision.actors {
        actor.role = Some(role);
    }
}

/// A provision for people: `permit ClinicMSP (clinician) for TREAT: laboratory, medication`.
pub(super) fn sentence(provision: &Provision) -> String {
    let actors: Vec<String> = provision
        .actors
        .iter()
        .map(|actor| {
            let who = actor.organisation.as_deref().unwrap_or("any member");
            let role = actor.role.map(|role| role.to_string());
            let group = actor.group.as_ref().map(|group| format!("group {group}"));
            let person = actor.person.as_ref().map(|person| format!("person {person}"));
            let who_of: Vec<String> = [role, group, person].into_iter().flatten().collect();
            match who_of.is_empty() {
                true => who.to_owned(),
                false => format!("{who} ({})", who_of.join(", ")),
            }
        })
        .collect();
    let mut text = format!(
        "{} {} for {}: {}",
        provision.effect,
        list(&actors, "any member"),
        list(&provision.purposes, "every purpose"),
        list(&provision.categories, "every category"),
    );
    let mut also = |what: &str, items: String| {
        if !items.is_empty() {
            text.push_str(&format!("; {what} {items}"));
        }
    };
    also("with labels", list(&provision.labels, ""));
    let codes: Vec<String> = provision
        .codes
        .iter()
        .map(|c| format!("{}|{}", c.code.system, c.code.code))
        .collect();
    also("only codes", list(&codes, ""));
    let dates = provision.data_period.as_ref();
    also(
        "dated",
        dates.map_or_else(String::new, |d| format!("{} to {}", d.from, d.until)),
    );
    also("written by", list(&provision.authored_by, ""));
    also("only documents", list(&provision.documents, ""));
    also("only encounters", list(&provision.encounters, ""));
    also("only to", list(&provision.actions, ""));
    also("obliged to", list(&provision.obligations, ""));
    text
}
