//! What every proposal must pass before the endorser looks at it (`core/handlers/auth/filter` of Fabric): the
//! creator's certificate has not expired, and the proposal is not too old or from the future.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fabric_msp::Identity;
use fabric_protos::common::ChannelHeader;

use super::ProposalError;

/// Refuses expired certificates, whatever the MSP says of them: block validation ignores the clock.
pub(crate) fn check_expiry(creator: &Identity, now: SystemTime) -> Result<(), ProposalError> {
    if unix_seconds(now) > creator.expires_at() {
        Err(ProposalError::Expired)
    } else {
        Ok(())
    }
}

/// Refuses proposals whose timestamp is more than `window` away from `now`, either way.
pub(crate) fn check_window(
    channel: &ChannelHeader,
    window: Duration,
    now: SystemTime,
) -> Result<(), ProposalError> {
    let (seconds, nanos) = channel
        .timestamp
        .as_ref()
        .map_or((0, 0), |timestamp| (timestamp.seconds, timestamp.nanos));
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let peer = i128::from(since.as_secs()) * 1_000_000_000 + i128::from(since.subsec_nanos());
    let client = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let allowed = i128::try_from(window.as_nanos()).unwrap_or(i128::MAX);
    if (peer - client).abs() <= allowed {
        return Ok(());
    }
    Err(ProposalError::Window {
        client: seconds,
        peer: unix_seconds(now),
        window,
    })
}

fn unix_seconds(time: SystemTime) -> i64 {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use fabric_protos::common::ChannelHeader;
    use prost_types::Timestamp;

    use super::*;

    fn at(seconds: i64, nanos: i32) -> ChannelHeader {
        ChannelHeader {
            timestamp: Some(Timestamp { seconds, nanos }),
            ..ChannelHeader::default()
        }
    }

    #[test]
    fn the_window_is_closed_on_both_sides() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let window = Duration::from_secs(300);
        for good in [at(1_000_000, 0), at(999_700, 0), at(1_000_300, 0)] {
            assert!(check_window(&good, window, now).is_ok(), "{good:?}");
        }
        for bad in [
            at(999_699, 999_999_999),
            at(1_000_300, 1),
            at(0, 0),
            at(i64::MIN, 0),
            ChannelHeader::default(),
        ] {
            assert!(
                matches!(check_window(&bad, window, now), Err(ProposalError::Window { .. })),
                "{bad:?}"
            );
        }
    }
}
