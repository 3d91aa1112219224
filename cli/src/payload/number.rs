//! Numbers of C, as people write them and as they lie in memory: in the byte order of this machine.

/// An integer of C.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Integer {
    pub(super) is_signed: bool,
    /// Its size in bytes: 1, 2, 4 or 8.
    pub(super) size: usize,
}

impl Integer {
    /// Reads a number, decimal or with `0x`, and gives its bytes.
    ///
    /// # Errors
    /// What it takes.
    pub(super) fn parse(self, text: &str) -> Result<Vec<u8>, String> {
        let (min, max) = self.range();
        let value = parse(text)
            .filter(|value| (min..=max).contains(value))
            .ok_or_else(|| format!("{text:?} is none of the whole numbers from {min} to {max}"))?;
        let mut bytes = value.to_le_bytes()[..self.size].to_vec();
        if cfg!(target_endian = "big") {
            bytes.reverse();
        }
        Ok(bytes)
    }

    /// Reads as many bytes as it has.
    pub(super) fn read(self, bytes: &[u8]) -> i128 {
        let fold = |value: i128, byte: &u8| value << 8 | i128::from(*byte);
        let value = match cfg!(target_endian = "big") {
            true => bytes.iter().fold(0, fold),
            false => bytes.iter().rev().fold(0, fold),
        };
        let (_, max) = self.range();
        // Above the largest one stand the negative ones.
        if value > max { value - (1 << self.bits()) } else { value }
    }

    fn range(self) -> (i128, i128) {
        match self.is_signed {
            true => (-(1 << (self.bits() - 1)), (1 << (self.bits() - 1)) - 1),
            false => (0, (1 << self.bits()) - 1),
        }
    }

    fn bits(self) -> usize {
        8 * self.size
    }
}

fn parse(text: &str) -> Option<i128> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (radix, digits) = match digits.strip_prefix("0x") {
        Some(digits) => (16, digits),
        None => (10, digits),
    };
    // No second sign, which the standard library would take.
    let value = u64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+'))?;
    Some(if is_negative { -i128::from(value) } else { value.into() })
}
