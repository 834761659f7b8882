//! From an 837P to claims.

use super::level::Level;
use super::open::{Open, Place};
use super::segment::{Segment, Transaction, transactions};
use crate::claims::{FileError, MAX_CLAIMS, Named, Problem, Read, Resolver};
use careledger_api::adjudication::npi_is_valid;

/// The implementation guide of professional claims.
pub(super) const PROFESSIONAL: &str = "005010X222A1";

/// Reads an 837P (005010X222A1): each claim by itself. Fails for a file whose frame is broken.
pub fn claims_from_x12(bytes: &[u8], resolver: &dyn Resolver) -> Result<Vec<Read>, FileError> {
    let mut claims = Vec::new();
    for transaction in transactions(bytes, "837", PROFESSIONAL, "X12 837 of one interchange")? {
        claims.extend(Reading::new(resolver).all(&transaction)?);
        if claims.len() > MAX_CLAIMS {
            return Err(FileError::TooLarge);
        }
    }
    match claims.is_empty() {
        true => Err(FileError::Another("837 with a claim (CLM)")),
        false => Ok(claims),
    }
}

/// What is known at the segment that is read.
struct Reading<'r> {
    resolver: &'r dyn Resolver,
    level: Level,
    open: Option<Open>,
    read: Vec<Read>,
}

impl<'r> Reading<'r> {
    fn new(resolver: &'r dyn Resolver) -> Self {
        Self {
            resolver,
            level: Level::default(),
            open: None,
            read: Vec::new(),
        }
    }

    fn all(mut self, transaction: &Transaction<'_>) -> Result<Vec<Read>, FileError> {
        match transaction.segments.first() {
            Some(first) if first.id == "BHT" && first.element(6) == "CH" => {}
            Some(first) => {
                let reason = "BHT comes first, and its element 06 is CH: claims for payment, not reports";
                return Err(FileError::Frame(Problem::new(first.place(), reason)));
            }
            None => return Err(FileError::Another("837 with segments")),
        }
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
            self.read.push(open.close(&self.level, self.resolver));
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
                self.open = Some(Open::begin(segment));
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
                let named = Named::number(segment.element(8), npi);
                let listed = (segment.element(8) == "XX")
                    .then(|| npi.to_owned())
                    .or_else(|| self.resolver.provider(&named));
                self.level.npi = listed.filter(|npi| npi_is_valid(npi));
                if self.level.npi.is_none() {
                    self.level.wrong(
                        segment,
                        "2010AA",
                        9,
                        "the billing provider's NPI is expected, with XX before it",
                    );
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
                        "it is not the payer that the file is sent to; list it among the payer's names",
                    );
                }
            }
            _ => {}
        }
    }
}
