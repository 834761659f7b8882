//! The interface of `careledger consent …`.

use std::path::PathBuf;

use careledger_api::codes::{Category, Code, Label, Purpose};
use careledger_api::contracts::consent::LogKind;
use careledger_api::date::Date;
use careledger_api::ids::{AuthorityId, ConsentId, DocumentId, PatientId, RequestId};
use careledger_api::roles::Role;
use careledger_api::templates::Template;
use clap::{Args, Subcommand, ValueEnum};

use super::authority::{AssentArgs, AuthoritiesArgs, DelegateArgs, UndelegateArgs};
use super::grounds::GroundsArgs;
use super::guardian::GuardianCommand;
use super::object::{AnswerArgs, DisputeArgs};
use super::receipt::{AccountingArgs, DiscloseArgs, ReceiptArgs};
use crate::values;
use crate::wallet::Visit;
use crate::wallet::args::WalletArgs;

/// `careledger consent …`.
#[derive(Debug, Subcommand)]
pub enum ConsentCommand {
    /// Let somebody see something for a time.
    Grant(Box<GrantArgs>),
    /// List the consents that hold.
    List(ListArgs),
    /// Take consents back; it holds at once.
    Revoke(RevokeArgs),
    /// Ask a patient for a consent. As the role `clinician` or `researcher` of an organisation.
    Request(RequestArgs),
    /// List what the patient is asked for.
    Requests(RequestsArgs),
    /// Answer a request: accept it, in whole or in part, or decline it.
    Respond(RespondArgs),
    /// Show who saw or tried to see what, when and why, refused attempts and emergencies included.
    Log(LogArgs),
    /// Switch notifications of accesses on or off. The log is written all the same, and what happens to the patient's keys is told always.
    Notifications(NotificationsArgs),
    /// Let another patient of the custodian act in one's name for a time.
    Delegate(DelegateArgs),
    /// End a delegation; what was granted under it lapses at once.
    Undelegate(UndelegateArgs),
    /// List who may act in the patient's name.
    Authorities(AuthoritiesArgs),
    /// Say, as a minor with a key of their own, whether one agrees with a guardian's consent.
    Assent(AssentArgs),
    /// Guardians and proxies, by two officers of two organisations.
    #[command(subcommand)]
    Guardian(GuardianCommand),
    /// Object to an access, a broken glass or a disclosure.
    Dispute(DisputeArgs),
    /// Answer an objection. As the custodian's `dpo`.
    Answer(AnswerArgs),
    /// Write a consent's receipt, which the chain commits to.
    Receipt(ReceiptArgs),
    /// Write down a disclosure made outside the ledger. As the role `custodian`.
    Disclose(DiscloseArgs),
    /// Print the accounting of disclosures that a patient may ask for. As the role `custodian` or `dpo`.
    Accounting(AccountingArgs),
}

/// `careledger consent notifications`.
#[derive(Debug, Args)]
pub struct NotificationsArgs {
    /// Who acts, where.
    #[command(flatten)]
    pub patient: PatientArgs,
    /// Whether to be told.
    #[arg(value_enum)]
    pub switch: Switch,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Be told.
    On,
    /// Not be told.
    Off,
}

/// Who acts, where, and who carries it.
#[derive(Debug, Args)]
pub struct PatientArgs {
    /// Wallet and network.
    #[command(flatten)]
    pub wallet: WalletArgs,
    /// The custodian whose records it is about, by its MSP id. Without it, where the wallet is enrolled.
    #[arg(long, value_name = "MSP")]
    pub at: Option<String>,
    /// The organisation whose portal carries it. Without it, the custodian's own.
    #[arg(long = "as", value_name = "MSP")]
    pub carrier: Option<String>,
    /// Act in this patient's name: their id at the custodian. Needs --authority.
    #[arg(long, value_name = "ID", value_parser = values::id::<PatientId>, requires = "authority")]
    pub for_patient: Option<PatientId>,
    /// By which right: the delegation's or guardianship's id, as `consent delegate` or `consent guardian` printed it.
    #[arg(long, value_name = "ID", value_parser = values::id::<AuthorityId>, requires = "for_patient")]
    pub authority: Option<AuthorityId>,
}

impl PatientArgs {
    /// The visit in the name of whom the options name.
    pub(super) fn acting(&self, mut visit: Visit) -> Visit {
        if let (Some(patient), Some(authority)) = (self.for_patient, self.authority) {
            visit.at = visit.at.acting_for(patient, authority);
        }
        visit
    }
}

/// `careledger consent grant`.
#[derive(Debug, Args)]
pub struct GrantArgs {
    /// Who acts, where.
    #[command(flatten)]
    pub patient: PatientArgs,
    /// What is permitted or denied.
    #[command(flatten)]
    pub terms: TermsArgs,
    /// For how long: 30m, 2h, 7d, 2w. Without it, as long as the template usually holds.
    #[arg(long = "for", value_name = "DURATION", value_parser = values::duration, required_unless_present = "template")]
    pub duration: Option<i64>,
    /// What it rests on, and how often it may be used.
    #[command(flatten)]
    pub grounds: GroundsArgs,
    /// In the place of this consent: one counts exactly when the other does not.
    #[arg(long, value_name = "ID", value_parser = values::id::<ConsentId>)]
    pub instead_of: Option<ConsentId>,
}

/// What is permitted or denied.
#[derive(Debug, Args)]
pub struct TermsArgs {
    /// Terms for a common need, in place of the options below: treatment, care-team, person, emergency-travel, research, payment,
    /// second-opinion or block.
    #[arg(long, value_name = "NAME", value_parser = values::template, conflicts_with_all = ["deny", "purpose", "category", "label", "code"])]
    pub template: Option<Template>,
    /// To whom, by MSP id; several with commas. `any` is every member of the consortium.
    #[arg(
        long,
        value_name = "MSP",
        value_delimiter = ',',
        required_unless_present = "template"
    )]
    pub to: Vec<String>,
    /// Only people with this role, as in clinician.
    #[arg(long, value_name = "ROLE")]
    pub role: Option<Role>,
    /// Only this group of the organisation: a department, a care team, a study.
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// Only this person of the organisation, as the log names it.
    #[arg(long, value_name = "PERSON")]
    pub person: Option<String>,
    /// Deny in place of permit. A denial stands over every consent.
    #[arg(long)]
    pub deny: bool,
    /// What for, by code: TREAT, ETREAT, HPAYMT, HRESCH and others; several with commas.
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = values::purpose, required_unless_present = "template")]
    pub purpose: Vec<Purpose>,
    /// Which categories, as in laboratory,medication. Without it, all.
    #[arg(long, value_name = "CATEGORY", value_delimiter = ',', value_parser = values::category)]
    pub category: Vec<Category>,
    /// Also what has these sensitivity labels, as in PSY or HIV: a permit without them does not open it.
    #[arg(long, value_name = "LABEL", value_delimiter = ',', value_parser = values::label)]
    pub label: Vec<Label>,
    /// Only items with this code: system|code, as in loinc|2345-7. A code of ICD-10 covers those under it.
    #[arg(long, value_name = "SYSTEM|CODE", value_parser = values::code)]
    pub code: Vec<Code>,
    /// Only items dated from this day on.
    #[arg(long, value_name = "DATE", value_parser = values::date, requires = "data_until")]
    pub data_from: Option<Date>,
    /// Only items dated up to this day.
    #[arg(long, value_name = "DATE", value_parser = values::date, requires = "data_from")]
    pub data_until: Option<Date>,
    /// Only items of this authoring organisation, by MSP id.
    #[arg(long, value_name = "MSP")]
    pub authored_by: Vec<String>,
    /// Only this document.
    #[arg(long, value_name = "ID", value_parser = values::id::<DocumentId>)]
    pub document: Vec<DocumentId>,
}

/// `careledger consent list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Who acts, where.
    #[command(flatten)]
    pub patient: PatientArgs,
    /// Also those that are over, taken back or superseded.
    #[arg(long)]
    pub all: bool,
}

/// `careledger consent revoke`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub struct RevokeArgs {
    /// Who acts, where.
    #[command(flatten)]
    pub patient: PatientArgs,
    /// The consents' ids, as `consent list` shows them.
    #[arg(value_name = "ID", value_parser = values::id::<ConsentId>, group = "which")]
    pub consents: Vec<ConsentId>,
    /// Everything that is permitted, also what this wallet has forgotten. Denials stay.
    #[arg(long, group = "which")]
    pub all: bool,
    /// Every consent that names this organisation, by MSP id.
    #[arg(long, value_name = "MSP", group = "which")]
    pub to: Option<String>,
    /// Whatever permits this organisation, now or later, named or not: a denial that holds until it is revoked by its id.
    #[arg(long, value_name = "MSP", group = "which")]
    pub shut_out: Option<String>,
}

/// `careledger consent request`.
#[derive(Debug, Args)]
pub struct RequestArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The asking organisation, by MSP id.
    #[arg(long = "as", value_name = "MSP")]
    pub asker: String,
    /// Who asks there: clinician or researcher.
    #[arg(long, value_name = "ROLE", default_value = "clinician")]
    pub role: Role,
    /// The custodian of the records, by its MSP id.
    #[arg(long, value_name = "MSP")]
    pub at: String,
    /// Who is asked: the patient's id at the custodian.
    #[arg(long, value_name = "ID", value_parser = values::id::<PatientId>)]
    pub patient: PatientId,
    /// What for, by code; several with commas.
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = values::purpose, required = true)]
    pub purpose: Vec<Purpose>,
    /// Which categories; several with commas.
    #[arg(long, value_name = "CATEGORY", value_delimiter = ',', value_parser = values::category, required = true)]
    pub category: Vec<Category>,
    /// How long the consent is to hold: 30m, 2h, 7d, 2w.
    #[arg(long = "for", value_name = "DURATION", value_parser = values::duration)]
    pub duration: i64,
    /// How long the request stays open, at most 30d.
    #[arg(long, value_name = "DURATION", value_parser = values::duration, default_value = "7d")]
    pub open: i64,
    /// A note that the patient gets by another way; the request carries its salted hash.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub note: String,
}

/// `careledger consent requests`.
#[derive(Debug, Args)]
pub struct RequestsArgs {
    /// Who acts, where.
    #[command(flatten)]
    pub patient: PatientArgs,
    /// Also those that are answered, withdrawn or over.
    #[arg(long)]
    pub all: bool,
}

/// `careledger consent respond`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("answer").required(true))]
pub struct RespondArgs {
    /// Who acts, where.
    #[command(flatten)]
    pub patient: PatientArgs,
    /// The request's id, as `consent requests` shows it.
    #[arg(value_name = "ID", value_parser = values::id::<RequestId>)]
    pub request: RequestId,
    /// Accept it: what is asked for, to the asking organisation and role, for the time it asks for.
    #[arg(long, group = "answer")]
    pub accept: bool,
    /// Decline it. The asker does not learn that.
    #[arg(long, group = "answer")]
    pub decline: bool,
    /// Accept these categories only; several with commas.
    #[arg(long, value_name = "CATEGORY", value_delimiter = ',', value_parser = values::category, requires = "accept")]
    pub category: Vec<Category>,
    /// Accept for this long only: 30m, 2h, 7d, 2w.
    #[arg(long = "for", value_name = "DURATION", value_parser = values::duration, requires = "accept")]
    pub duration: Option<i64>,
}

/// `careledger consent log`.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// Who acts, where.
    #[command(flatten)]
    pub patient: PatientArgs,
    /// Only entries of this kind: access, disclosure, found or alert.
    #[arg(long, value_name = "KIND")]
    pub kind: Vec<LogKind>,
}
