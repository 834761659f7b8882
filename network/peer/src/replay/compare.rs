//! The copies of one block against the rules and against each other, and where in a wrong one the first wrong byte is.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

use fabric_channel::Bundle;
use fabric_ledger::{block_header_hash, framed};
use fabric_protos::common::{Block, BlockMetadataIndex};
use prost::Message;

use super::auditor::{Auditor, Verdict, check_recorded, commit_hash_slot, last_config_slot};
use super::copies::{Accepted, Group, Height, Member};
use super::locate::{Part, first_difference, span};
use super::report::{AuditError, CopyReport, Finding, Place, Report, Wrong};
use super::source::{ReadError, Role, Source};
use crate::BlockRefused;

/// What is known of one copy so far.
pub(super) struct Copy {
    pub(super) report: CopyReport,
    /// It was found wrong.
    out: bool,
}

impl Copy {
    pub(super) fn of(source: &dyn Source, channel_id: &str) -> Self {
        let report = CopyReport {
            name: source.name().to_owned(),
            role: source.role(),
            report: Report::new(channel_id),
        };
        Self { report, out: false }
    }
}

/// A copy that is wrong: which, where it was read, its bytes, and what is wrong.
struct Fault<'h> {
    copy: usize,
    site: Option<&'h (PathBuf, u64)>,
    bytes: &'h [u8],
    block: Option<&'h Block>,
    finding: Finding,
    /// The first wrong byte, where it was found with the fault.
    at: Option<usize>,
}

pub(super) struct Checker<'a, W> {
    pub(super) auditor: &'a mut Auditor,
    pub(super) copies: Vec<Copy>,
    pub(super) stopped: &'a [AtomicBool],
    pub(super) in_force: &'a Mutex<Arc<Bundle>>,
    pub(super) watch: W,
}

impl<W: FnMut(&Accepted<'_>) -> ControlFlow<()>> Checker<'_, W> {
    pub(super) fn run(&mut self, heights: Receiver<Height<'_>>) -> Result<(), AuditError> {
        for mut height in heights {
            // An error means that there was nothing to verify.
            let _ = height.verified.recv();
            for group in &mut height.groups {
                group.members.retain(|member| !self.copies[member.copy].out);
            }
            height.groups.retain(|group| !group.members.is_empty());
            if self.check(&height)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Checks the copies of the next block against the rules and against each other.
    fn check(&mut self, height: &Height<'_>) -> Result<ControlFlow<()>, AuditError> {
        let mut faults = Vec::new();
        let mut sound: Vec<(&Group<'_>, &Arc<Block>)> = Vec::new();
        for group in &height.groups {
            match &group.block {
                Err((why, at)) => accuse(&mut faults, group, Finding::NotABlock(why.clone()), *at),
                Ok(block) => match self.auditor.check_chain(block) {
                    Ok(()) => sound.push((group, block)),
                    Err(finding) => accuse(&mut faults, group, finding, None),
                },
            }
        }
        // Of the branches of a fork the one that most copies have is followed; none is more right.
        let lead = sound
            .iter()
            .rev()
            .max_by_key(|(group, _)| group.members.len())
            .copied();
        let Some((lead, block)) = lead else {
            self.dismiss(height, faults, None, None);
            return Ok(ControlFlow::Break(()));
        };
        let branches: Vec<_> = sound
            .iter()
            .filter(|(_, other)| other.header != block.header)
            .collect();
        for (group, other) in &branches {
            let finding = Finding::Fork {
                name: self.copies[lead.members[0].copy].report.name.clone(),
                own: hash(other),
                other: hash(block),
            };
            accuse(&mut faults, group, finding, None);
        }
        sound.retain(|(_, other)| other.header == block.header);
        let before = self.auditor.height();
        let verdict = match self.auditor.apply(block)? {
            Ok(verdict) => verdict,
            Err(finding) => {
                for (group, _) in sound {
                    accuse(&mut faults, group, finding.clone(), None);
                }
                self.dismiss(height, faults, None, None);
                return Ok(ControlFlow::Break(()));
            }
        };
        *self.in_force.lock().unwrap_or_else(PoisonError::into_inner) = self.auditor.bundle();
        let mut right: Vec<(&Group<'_>, &Member)> = Vec::new();
        for (group, block) in sound {
            let recorded = check_recorded(block, &verdict);
            for member in &group.members {
                match (self.copies[member.copy].report.role, &recorded) {
                    (Role::Orderer, _) | (Role::Peer, Ok(())) => right.push((group, member)),
                    (Role::Peer, Err(finding)) => {
                        faults.push(Fault::of(group, member, finding.clone(), None))
                    }
                }
            }
        }
        for (_, member) in &right {
            let report = &mut self.copies[member.copy].report.report;
            report.count(&verdict.codes);
            report.last_hash = self.auditor.last_hash().to_vec();
            report.commit_hash.clone_from(&verdict.commit_hash);
        }
        let is_peer = |member: &Member| self.copies[member.copy].report.role == Role::Peer;
        let best = right
            .iter()
            .find(|(_, member)| is_peer(member))
            .or(right.first())
            .map(|(group, member)| (*group, is_peer(member)));
        let agreeing: Vec<usize> = right
            .iter()
            .filter(|(_, member)| is_peer(member))
            .map(|(_, member)| member.copy)
            .collect();
        let reference = best.map(|(group, peer)| Reference {
            bytes: &group.bytes,
            whole: peer,
        });
        self.dismiss(height, faults, Some(&verdict), reference);
        let Some((group, _)) = best else {
            return Ok(ControlFlow::Break(()));
        };
        let Ok(block) = &group.block else {
            return Ok(ControlFlow::Break(()));
        };
        let agreeing = agreeing
            .iter()
            .map(|copy| self.copies[*copy].report.name.as_str())
            .collect();
        Ok((self.watch)(&Accepted {
            number: before,
            block,
            bytes: &group.bytes,
            verdict: &verdict,
            agreeing,
            auditor: self.auditor,
        }))
    }

    /// Notes what is wrong with copies and reads them no further.
    fn dismiss(
        &mut self,
        height: &Height<'_>,
        faults: Vec<Fault<'_>>,
        verdict: Option<&Verdict>,
        reference: Option<Reference<'_>>,
    ) {
        // The block was applied already when there is a verdict.
        let block = self.auditor.height() - u64::from(verdict.is_some());
        let mut wrong = Vec::new();
        for fault in faults {
            let place = self.place(&fault, verdict, reference);
            let finding = fault.finding;
            wrong.push((
                fault.copy,
                Wrong {
                    block,
                    finding,
                    place,
                },
            ));
        }
        for (copy, error) in &height.broken {
            let (finding, place) = broken(error, reference.filter(|reference| reference.whole));
            wrong.push((
                *copy,
                Wrong {
                    block,
                    finding,
                    place,
                },
            ));
        }
        for (copy, wrong) in wrong {
            let copy = (&mut self.copies[copy], &self.stopped[copy]);
            copy.1.store(true, Ordering::Relaxed);
            if !copy.0.out {
                copy.0.out = true;
                copy.0.report.report.wrong = Some(wrong);
            }
        }
    }

    /// Where the fault is: by comparison with a copy that is right, else from what should be there.
    fn place(
        &self,
        fault: &Fault<'_>,
        verdict: Option<&Verdict>,
        reference: Option<Reference<'_>>,
    ) -> Option<Place> {
        let part = part(&fault.finding)?;
        let range = span(fault.bytes, part);
        let exact = fault
            .at
            .or_else(|| {
                let reference = reference.filter(|_| !matches!(fault.finding, Finding::Fork { .. }))?;
                let at = first_difference(fault.bytes, reference.bytes)?;
                // What peers add is not in an orderer's copy.
                let shared = reference.whole || at < span(reference.bytes, Part::Slot(1)).end;
                shared.then_some(at)
            })
            .or_else(|| {
                let corrected = self.corrected(fault, part, verdict)?;
                first_difference(fault.bytes, &corrected.encode_to_vec())
            });
        let start = fault.site.map_or(0, |(_, offset)| *offset);
        let bytes = match exact {
            Some(at) => start + at as u64..start + at as u64 + 1,
            None => start + range.start as u64..start + range.end as u64,
        };
        Some(Place {
            file: fault.site.map(|(file, _)| file.clone()),
            bytes,
            exact: exact.is_some(),
        })
    }

    /// The block with the wrong part as it must be, where that follows from the rest of the chain.
    fn corrected(&self, fault: &Fault<'_>, part: Part, verdict: Option<&Verdict>) -> Option<Block> {
        const SIGNATURES: usize = BlockMetadataIndex::Signatures as usize;
        const LAST_CONFIG: usize = BlockMetadataIndex::LastConfig as usize;
        const CODES: usize = BlockMetadataIndex::TransactionsFilter as usize;
        const COMMIT_HASH: usize = BlockMetadataIndex::CommitHash as usize;
        let mut block = fault.block?.clone();
        let header = block.header.get_or_insert_default();
        let slots = &mut block.metadata.get_or_insert_default().metadata;
        let mut set = |slot: usize, bytes: Vec<u8>| {
            if slots.len() <= slot {
                slots.resize(slot + 1, Vec::new());
            }
            slots[slot] = bytes;
        };
        // Without a verdict no copy holds, and the auditor is still before this block.
        match (part, verdict) {
            (Part::Number, None) => header.number = self.auditor.height(),
            (Part::PreviousHash, None) => header.previous_hash = self.auditor.last_hash().to_vec(),
            (Part::Data, None) => {
                header.data_hash = self.auditor.signed_these_transactions(fault.block?)?.to_vec();
            }
            (Part::Slot(LAST_CONFIG), None) => {
                let number = self.auditor.expected_last_config(fault.block?);
                set(LAST_CONFIG, last_config_slot(number));
            }
            (Part::Slot(CODES), Some(verdict)) => set(CODES, verdict.codes.clone()),
            (Part::Slot(COMMIT_HASH), Some(verdict)) => {
                set(COMMIT_HASH, commit_hash_slot(&verdict.commit_hash));
            }
            (Part::Block, None) if fault.finding == Finding::OtherGenesis => {
                let genesis = self.auditor.genesis();
                let signatures = genesis.metadata.as_ref().and_then(|slots| slots.metadata.first());
                set(SIGNATURES, signatures.cloned().unwrap_or_default());
                (block.header, block.data) = (genesis.header.clone(), genesis.data.clone());
            }
            _ => return None,
        }
        Some(block)
    }
}

/// A copy of the block that is right; without a peer's part when it is an orderer's.
#[derive(Debug, Clone, Copy)]
struct Reference<'r> {
    bytes: &'r [u8],
    whole: bool,
}

impl<'h> Fault<'h> {
    fn of(group: &'h Group<'_>, member: &'h Member, finding: Finding, at: Option<usize>) -> Self {
        Self {
            copy: member.copy,
            site: member.site.as_ref(),
            bytes: &group.bytes,
            block: group.block.as_deref().ok(),
            finding,
            at,
        }
    }
}

fn accuse<'h>(faults: &mut Vec<Fault<'h>>, group: &'h Group<'_>, finding: Finding, at: Option<usize>) {
    let members = group.members.iter();
    faults.extend(members.map(|member| Fault::of(group, member, finding.clone(), at)));
}

fn part(finding: &Finding) -> Option<Part> {
    Some(match finding {
        Finding::Refused(BlockRefused::Number { .. }) => Part::Number,
        Finding::Refused(BlockRefused::PreviousHash(_)) => Part::PreviousHash,
        Finding::Refused(BlockRefused::DataHash(_)) | Finding::Unvalidated(_) => Part::Data,
        Finding::Refused(BlockRefused::Signature { .. }) => Part::Slot(0),
        Finding::Refused(BlockRefused::Transaction { index, .. }) | Finding::Transaction { index, .. } => {
            Part::Transaction(*index)
        }
        Finding::CodeCount { .. } | Finding::Code { .. } => Part::Slot(2),
        Finding::CommitHash => Part::Slot(4),
        Finding::Metadata { slot, .. } => match *slot {
            "metadata.signatures" => Part::Slot(0),
            "metadata.last_config" => Part::Slot(1),
            "metadata.orderer" => Part::Slot(3),
            _ => Part::Block,
        },
        Finding::Unreadable(_) => return None,
        _ => Part::Block,
    })
}

/// What a read that failed says of the copy, and where the damage is: with a right copy of the block the file can be
/// compared with what should be in it.
fn broken(error: &ReadError, reference: Option<Reference<'_>>) -> (Finding, Option<Place>) {
    let (what, path, offset, known, frame) = match error {
        ReadError::Failed(why) => return (Finding::Unreadable(why.clone()), None),
        ReadError::Damaged {
            what,
            file,
            offset,
            exact,
            frame,
        } => (what, file, *offset, *exact, *frame),
    };
    let length = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let compared = reference.zip(frame).and_then(|(reference, frame)| {
        let expected = framed(reference.bytes);
        let mut found = Vec::new();
        let mut file = File::open(path).ok()?;
        file.seek(SeekFrom::Start(frame)).ok()?;
        file.take(expected.len() as u64).read_to_end(&mut found).ok()?;
        Some(frame + first_difference(&found, &expected)? as u64)
    });
    let at = compared.or(known.then_some(offset));
    let place = Place {
        file: Some(path.clone()),
        bytes: at.map_or(offset..length.max(offset + 1), |at| at..at + 1),
        exact: at.is_some(),
    };
    (Finding::Damaged(what.clone()), Some(place))
}

fn hash(block: &Block) -> String {
    block
        .header
        .as_ref()
        .map(|header| hex::encode(block_header_hash(header)))
        .unwrap_or_default()
}
