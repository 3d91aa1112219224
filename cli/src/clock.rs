//! The time of day where the user is.

use std::time::SystemTime;

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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_time_is_shown_to_the_microsecond() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_000_001_234_567);
        assert!(time_of_day(time).ends_with(":40.001234"), "{}", time_of_day(time));
        assert_eq!(unix_nanoseconds(time), 1_000_001_234_567);
        assert_eq!(unix_nanoseconds(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), 0);
    }
}
