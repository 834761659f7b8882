//! Turning a `SeekInfo` into block numbers.

use fabric_protos::common::Status;
use fabric_protos::orderer::seek_info::{SeekBehavior, SeekContentType};
use fabric_protos::orderer::seek_position::Type;
use fabric_protos::orderer::{SeekInfo, SeekPosition};

/// Blocks to send, in order from `next` until the one with number `stop` was sent.
///
/// `stop` may be a block that never comes (below `next`): the seek then has no end, as in Fabric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seek {
    pub(crate) next: u64,
    pub(crate) stop: u64,
    /// Answer `NOT_FOUND` instead of waiting for a block.
    pub(crate) fail_if_not_ready: bool,
    /// Leave out the data of all blocks but configuration blocks.
    pub(crate) headers_only: bool,
}

impl Seek {
    /// Resolves `info` on a chain of `height` blocks.
    ///
    /// The status to answer is the error: `BAD_REQUEST` for a missing or inverted range, `NOT_FOUND` for
    /// a start beyond the chain's end.
    pub(crate) fn resolve(info: &SeekInfo, height: u64) -> Result<Self, Status> {
        let (Some(start), Some(stop)) = (&info.start, &info.stop) else {
            return Err(Status::BadRequest);
        };
        let newest = height.saturating_sub(1);
        let next = first(start, height, newest)?;
        let stop = match &stop.r#type {
            Some(Type::Oldest(_)) => next,
            // From newest to newest is one block, however many were added meanwhile.
            Some(Type::Newest(_)) if start == stop => next,
            Some(Type::Newest(_)) => newest,
            Some(Type::Specified(specified)) if specified.number < next => return Err(Status::BadRequest),
            Some(Type::Specified(specified)) => specified.number,
            Some(Type::NextCommit(_)) | None => 0,
        };
        Ok(Self {
            next,
            stop,
            fail_if_not_ready: info.behavior == SeekBehavior::FailIfNotReady as i32,
            headers_only: info.content_type == SeekContentType::HeaderWithSig as i32,
        })
    }
}

fn first(start: &SeekPosition, height: u64, newest: u64) -> Result<u64, Status> {
    match &start.r#type {
        Some(Type::Oldest(_)) => Ok(0),
        Some(Type::Newest(_)) => Ok(newest),
        Some(Type::Specified(specified)) if specified.number > height => Err(Status::NotFound),
        Some(Type::Specified(specified)) => Ok(specified.number),
        Some(Type::NextCommit(_)) => Ok(height),
        None => Err(Status::NotFound),
    }
}

#[cfg(test)]
mod tests {
    use fabric_protos::orderer::{SeekNewest, SeekNextCommit, SeekOldest, SeekSpecified};

    use super::*;

    fn at(number: u64) -> Type {
        Type::Specified(SeekSpecified { number })
    }

    fn resolve(start: Type, stop: Type) -> Result<(u64, u64), Status> {
        let position = |kind| Some(SeekPosition { r#type: Some(kind) });
        let info = SeekInfo {
            start: position(start),
            stop: position(stop),
            ..SeekInfo::default()
        };
        Seek::resolve(&info, 10).map(|seek| (seek.next, seek.stop))
    }

    #[test]
    fn every_kind_of_position() {
        let (oldest, newest) = (Type::Oldest(SeekOldest {}), Type::Newest(SeekNewest {}));
        assert_eq!(resolve(oldest, newest), Ok((0, 9)));
        assert_eq!(resolve(newest, newest), Ok((9, 9)));
        assert_eq!(resolve(newest, at(u64::MAX)), Ok((9, u64::MAX)));
        assert_eq!(resolve(at(4), at(4)), Ok((4, 4)));
        assert_eq!(resolve(at(10), at(12)), Ok((10, 12)));
        assert_eq!(
            resolve(Type::NextCommit(SeekNextCommit {}), at(u64::MAX)),
            Ok((10, u64::MAX))
        );
        assert_eq!(resolve(at(3), oldest), Ok((3, 3)));
        assert_eq!(resolve(at(3), newest), Ok((3, 9)));
    }

    #[test]
    fn impossible_ranges_are_refused() {
        assert_eq!(resolve(at(11), at(12)), Err(Status::NotFound));
        assert_eq!(resolve(at(5), at(4)), Err(Status::BadRequest));
        assert_eq!(Seek::resolve(&SeekInfo::default(), 10), Err(Status::BadRequest));
        let empty = Some(SeekPosition { r#type: None });
        let info = SeekInfo {
            start: empty,
            stop: empty,
            ..SeekInfo::default()
        };
        assert_eq!(Seek::resolve(&info, 10), Err(Status::NotFound));
    }
}
