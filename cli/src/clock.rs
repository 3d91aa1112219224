//! The time of day where the user is, and ages.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Shows a time as the clock on the wall does, to the microsecond: `14:03:07.123456`.
pub(crate) fn time_of_day(time: SystemTime) -> String {
    // Beyond the year 9999 nobody has a clock.
    let time = Timestamp::try_from(time).unwrap_or_default();
    time.to_zoned(TimeZone::system()).strftime("%H:%M:%S%.6f").to_string()
}

/// Gives the time since 1970 in nanoseconds; 0 before.
pub(crate) fn unix_nanoseconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, crate::output::nanoseconds)
}

/// An age by its two largest units: 5s, 3m07s, 2h05m, 4d12h.
pub(crate) fn age(age_ns: u64) -> String {
    let seconds = Duration::from_nanos(age_ns).as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match () {
        () if days > 0 => format!("{days}d{:02}h", hours % 24),
        () if hours > 0 => format!("{hours}h{:02}m", minutes % 60),
        () if minutes > 0 => format!("{minutes}m{:02}s", seconds % 60),
        () => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_to_the_microsecond() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_000_001_234_567);
        assert!(time_of_day(time).ends_with(":40.001234"), "{}", time_of_day(time));
        assert_eq!(unix_nanoseconds(time), 1_000_001_234_567);
        assert_eq!(unix_nanoseconds(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), 0);
    }

    #[test]
    fn ages_are_shown_by_their_two_largest_units() {
        let second = 1_000_000_000;
        let ages =
            [0, 59, 60, 187, 7500, 90_000, 86_400 * 400].map(|seconds| age(seconds * second));
        assert_eq!(ages, ["0s", "59s", "1m00s", "3m07s", "2h05m", "1d01h", "400d00h"]);
    }
}
