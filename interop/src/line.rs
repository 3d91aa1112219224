//! Lines of the protocol that test peers are driven by.
//!
//! `c/dpdk_peer.c` documents it: words separated by spaces, `%XX` for other bytes, `key=value`.

/// One line that a peer printed.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    words: Vec<String>,
}

impl Line {
    pub(crate) fn parse(line: &str) -> Self {
        Self { words: line.split(' ').map(str::to_owned).collect() }
    }

    /// What kind of line this is.
    pub(crate) fn verb(&self) -> &str {
        &self.words[0]
    }

    /// The words after the first.
    pub(crate) fn rest(&self) -> impl Iterator<Item = &str> {
        self.words[1..].iter().map(String::as_str)
    }

    /// The value of the first `key=value`, decoded.
    pub(crate) fn value(&self, key: &str) -> Option<String> {
        self.pairs().find(|(found, _)| *found == key).map(|(_, value)| decode(value))
    }

    /// The same as a number.
    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.value(key)?.parse().ok()
    }

    /// Every `key=value`, not decoded, in order.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rest().filter_map(|word| word.split_once('='))
    }
}

/// Writes bytes as one word.
pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    bytes
        .as_ref()
        .iter()
        .map(|&byte| match byte {
            b'%' => "%25".to_owned(),
            b'!'..=b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Reads one word back. Bytes that are no UTF-8 come out as replacement characters.
pub(crate) fn decode(word: &str) -> String {
    String::from_utf8_lossy(&decode_bytes(word)).into_owned()
}

/// Reads one word back as bytes.
pub(crate) fn decode_bytes(word: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(word.len());
    let mut parts = word.split('%');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let hex = part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(hex.expect("two hex digits follow each percent sign"));
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_decodes_to_the_bytes_it_was_made_from() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode_bytes(&encode(&all)), all);
        assert_eq!(encode("Got 'a%'"), "Got%20'a%25'");
    }
}
