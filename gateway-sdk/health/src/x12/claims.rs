//! From an 837 to claims, and from any interchange that is answered to what it holds.

use super::form::{CLAIMS, Form};
use super::level::Level;
use super::open::{Open, Place};
use super::received::{Name, Received, ReceivedClaim};
use super::review::{self, REQUESTS};
use super::segment::{Segment, Transaction, interchange};
use super::spot::Fault;
use crate::claims::{FileError, MAX_CLAIMS, Named, Read, Resolver};
use careledger_api::adjudication::npi_is_valid;

/// Reads an 837P (005010X222A1), 837I (005010X223A2, A3) or 837D (005010X224A2, A3): each claim by itself. Fails for an interchange whose frame is broken.
pub fn claims_from_x12(bytes: &[u8], resolver: &dyn Resolver) -> Result<Vec<Read>, FileError> {
    let received = received_from_x12(bytes, resolver)?;
    match received.asks_for_reviews() {
        true => Err(FileError::Another(CLAIMS.name)),
        false => received.into_reads(),
    }
}

/// Reads the same, or a 278 that asks for reviews (005010X217), with what its acknowledgments need: [`Received::acknowledgment`],
/// [`Received::claim_acknowledgment`] and [`Received::review_response`]. Fails only for what cannot be answered: what does not begin as an interchange
/// (a file of several is divided by [`super::interchanges`]), or has too many claims, or none.
pub fn received_from_x12(bytes: &[u8], resolver: &dyn Resolver) -> Result<Received, FileError> {
    let mut interchange = interchange(bytes, &[CLAIMS, REQUESTS])?;
    let reviews = interchange.asks_for_reviews();
    let mut sets = interchange.groups.iter().flat_map(|group| &group.sets);
    if interchange.broken.is_none() {
        interchange.broken = sets.find_map(if reviews { review::misfit } else { misfit });
    }
    let mut received = Received::of(&interchange);
    if received.broken.is_some() {
        return Ok(received);
    }
    let mut count = 0;
    for (group, filled) in interchange.groups.iter().zip(&mut received.groups) {
        let form = Form::of(group.gs.element(8));
        for (set, filled) in group.sets.iter().zip(&mut filled.sets) {
            if reviews {
                filled.reviews = review::Reading::new(resolver).all(set);
            } else {
                filled.claims = Reading::new(form, resolver).all(set)?;
            }
            count += filled.reads().count();
            if count > MAX_CLAIMS {
                return Err(FileError::TooLarge);
            }
        }
    }
    match (count, reviews) {
        (0, false) => Err(FileError::Another("837 with a claim (CLM)")),
        (0, true) => Err(FileError::Another("278 with a patient event (HL*EV)")),
        _ => Ok(received),
    }
}

/// Why a transaction set has no claims for payment.
fn misfit(set: &Transaction<'_>) -> Option<FileError> {
    match set.segments.first() {
        Some(first) if first.id == "BHT" && first.element(6) == "CH" => None,
        Some(first) => {
            let reason = "BHT comes first, and its element 06 is CH: claims for payment, not reports";
            Some(first.frame("ST", 6, "I6", reason))
        }
        None => Some(FileError::Another("837 with segments")),
    }
}

/// What is known at the segment that is read.
struct Reading<'r> {
    form: Form,
    resolver: &'r dyn Resolver,
    level: Level,
    open: Option<Open>,
    read: Vec<ReceivedClaim>,
}

impl<'r> Reading<'r> {
    fn new(form: Form, resolver: &'r dyn Resolver) -> Self {
        Self {
            form,
            resolver,
            level: Level::default(),
            open: None,
            read: Vec::new(),
        }
    }

    fn all(mut self, transaction: &Transaction<'_>) -> Result<Vec<ReceivedClaim>, FileError> {
        for segment in &transaction.segments {
            self.segment(segment);
            if self.read.len() > MAX_CLAIMS {
                return Err(FileError::TooLarge);
            }
        }
        self.close();
        Ok(self.read)
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            let (read, noted) = open.close(&self.level, self.resolver);
            self.read.push(ReceivedClaim { read, noted });
        }
    }

    fn segment(&mut self, segment: &Segment<'_>) {
        match segment.id {
            "HL" => {
                self.close();
                self.level.begin(segment);
            }
            "CLM" => {
                self.close();
                self.open = Some(Open::begin(self.form, segment));
            }
            "NM1" => self.name(segment),
            "SBR" => match &mut self.open {
                Some(open) => open.place = Place::Other,
                None => self.level.begin_subscriber(segment),
            },
            "CUR" => self.level.currency = segment.element(2).to_owned(),
            "DMG" if self.open.is_none() => self.level.born(segment),
            _ => {
                if let Some(open) = &mut self.open {
                    open.segment(segment, self.resolver);
                }
            }
        }
    }

    /// A name: whose it is depends on the loop.
    fn name(&mut self, segment: &Segment<'_>) {
        if let Some(open) = &mut self.open {
            open.name(segment);
            return;
        }
        match segment.element(1) {
            "85" => {
                let npi = segment.element(9);
                self.level.provider = Name::of(segment);
                let named = Named::number(segment.element(8), npi);
                let listed = (segment.element(8) == "XX")
                    .then(|| npi.to_owned())
                    .or_else(|| self.resolver.provider(&named));
                self.level.npi = listed.filter(|npi| npi_is_valid(npi));
                if self.level.npi.is_none() {
                    let reason = match segment.element(8) {
                        "XX" => {
                            "the billing provider's NPI is not one: it has ten digits, of which the last is a check digit"
                        }
                        _ => {
                            "the billing provider's NPI is expected, with XX before it, or a number that is listed"
                        }
                    };
                    self.level.wrong(segment, "2010AA", 9, Fault::Refused, reason);
                }
            }
            "IL" | "QC" => self.level.member(segment),
            "PR" => {
                let named = Named::number(segment.element(8), segment.element(9));
                self.level.payer = self.resolver.is_payer(&named);
                if !self.level.payer {
                    self.level.wrong(
                        segment,
                        "2010BB",
                        9,
                        Fault::Refused,
                        "it is not the payer that the file is sent to; list it among the payer's names",
                    );
                }
            }
            _ => {}
        }
    }
}
