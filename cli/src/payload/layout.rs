//! C structs, field by field: as `--struct` packs them and `--show-struct` takes them apart.
//!
//! Fields are packed as they are written, in the byte order of this machine. What C leaves out between
//! two fields to align the second is written as `padN`.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::number::Integer;
use super::{MAX_LEN, Param, text};
use crate::escape::{Escaped, hex};

/// The fields of a struct.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Layout(Vec<Field>);

#[derive(Debug, Clone, PartialEq)]
struct Field {
    name: Option<String>,
    kind: Kind,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Integer(Integer),
    F32,
    F64,
    /// Text in so many bytes, padded with NUL.
    Text(usize),
    /// So many bytes.
    Bytes(usize),
    /// So many bytes that mean nothing.
    Padding(usize),
}

/// A field with what it holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Row {
    name: Option<String>,
    kind: String,
    value: Value,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
enum Value {
    Signed(i64),
    Unsigned(u64),
    F32(f32),
    F64(f64),
    /// Escaped, without the padding.
    Text(String),
    /// As hexadecimal digits.
    Bytes(String),
}

/// Packs fields with values, such as `u32=1,name:str16=abc,pad4`.
///
/// # Errors
/// Which field is wrong, and what would be right.
pub(super) fn pack(fields: &str) -> Result<Param, String> {
    let mut bytes = Vec::new();
    for word in fields.split(',') {
        let (field, value) = match word.split_once('=') {
            Some((field, value)) => (field, Some(value)),
            None => (word, None),
        };
        let Field { kind, .. } = field.parse()?;
        let packed = match (kind, value) {
            (Kind::Padding(size), None) => Ok(vec![0; size]),
            (Kind::Padding(_), Some(_)) => Err("padding takes no value".to_owned()),
            (_, Some(value)) => kind.pack(value),
            (_, None) => Err(format!("a value is missing; write {field}=...")),
        };
        bytes.extend(packed.map_err(|problem| format!("field {word:?}: {problem}"))?);
    }
    Param::new(bytes)
}

impl FromStr for Layout {
    type Err = String;

    fn from_str(fields: &str) -> Result<Self, String> {
        let fields = fields.split(',').map(Field::from_str).collect::<Result<Vec<_>, _>>()?;
        let layout = Self(fields);
        match layout.len() {
            0..=MAX_LEN => Ok(layout),
            len => {
                Err(format!("the fields take {len} bytes, and a parameter has at most {MAX_LEN}"))
            }
        }
    }
}

impl Layout {
    fn len(&self) -> usize {
        self.0.iter().map(|field| field.kind.size()).sum()
    }

    /// Takes a parameter apart. Padding is left out.
    ///
    /// # Errors
    /// Its length is another one.
    pub(crate) fn unpack(&self, param: &[u8]) -> Result<Vec<Row>, String> {
        if param.len() != self.len() {
            return Err(format!("{} bytes came, and the fields take {}", param.len(), self.len()));
        }
        let mut rest = param;
        let mut rows = Vec::with_capacity(self.0.len());
        for Field { name, kind } in &self.0 {
            let (bytes, after) = rest.split_at(kind.size());
            rest = after;
            if let Some(value) = kind.read(bytes) {
                rows.push(Row { name: name.clone(), kind: kind.to_string(), value });
            }
        }
        Ok(rows)
    }
}

impl FromStr for Field {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, kind) = match text.split_once(':') {
            Some((name, kind)) => (Some(name), kind),
            None => (None, text),
        };
        let is_of_a_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        if name.is_some_and(|name| name.is_empty() || !name.chars().all(is_of_a_name)) {
            return Err(format!("field {text:?}: a name has letters, digits and _ only"));
        }
        let kind = kind.parse().map_err(|problem| format!("field {text:?}: {problem}"))?;
        Ok(Self { name: name.map(str::to_owned), kind })
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let digits = word.find(|letter: char| letter.is_ascii_digit()).unwrap_or(word.len());
        let (letters, number) = word.split_at(digits);
        let number: Option<usize> = number.parse().ok();
        let len = number.filter(|len| (1..=MAX_LEN).contains(len));
        let integer = |is_signed, bits: usize| Self::Integer(Integer { is_signed, size: bits / 8 });
        match (letters, number) {
            ("u", Some(bits @ (8 | 16 | 32 | 64))) => Ok(integer(false, bits)),
            ("i", Some(bits @ (8 | 16 | 32 | 64))) => Ok(integer(true, bits)),
            ("f", Some(32)) => Ok(Self::F32),
            ("f", Some(64)) => Ok(Self::F64),
            ("str" | "hex" | "pad", _) => match (letters, len) {
                ("str", Some(len)) => Ok(Self::Text(len)),
                ("hex", Some(len)) => Ok(Self::Bytes(len)),
                (_, Some(len)) => Ok(Self::Padding(len)),
                (_, None) => Err(format!(
                    "{letters} takes a number of bytes from 1 to {MAX_LEN}, as in {letters}16"
                )),
            },
            _ => Err(format!(
                "{word:?} is no kind of field; there are u8 u16 u32 u64 i8 i16 i32 i64 f32 f64 strN hexN padN"
            )),
        }
    }
}

impl Kind {
    fn size(self) -> usize {
        match self {
            Self::Integer(Integer { size, .. }) => size,
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Text(len) | Self::Bytes(len) | Self::Padding(len) => len,
        }
    }

    fn pack(self, value: &str) -> Result<Vec<u8>, String> {
        let no_number =
            |_| format!("{value:?} is no number; write one such as 1.5, -2e9, inf or nan");
        match self {
            Self::Integer(integer) => integer.parse(value),
            Self::F32 => {
                value.parse().map(|value: f32| value.to_ne_bytes().to_vec()).map_err(no_number)
            }
            Self::F64 => {
                value.parse().map(|value: f64| value.to_ne_bytes().to_vec()).map_err(no_number)
            }
            Self::Text(len) => {
                let mut bytes = text::bytes(value)?;
                if bytes.len() > len {
                    return Err(format!(
                        "the text has {} bytes; str{} would do",
                        bytes.len(),
                        bytes.len()
                    ));
                }
                bytes.resize(len, 0);
                Ok(bytes)
            }
            Self::Bytes(len) => {
                let bytes = text::hex_bytes(value)?;
                match bytes.len() == len {
                    true => Ok(bytes),
                    false => Err(format!("{} bytes are given, and it takes {len}", bytes.len())),
                }
            }
            Self::Padding(len) => Ok(vec![0; len]),
        }
    }

    /// Reads as many bytes as it has; padding means nothing.
    fn read(self, bytes: &[u8]) -> Option<Value> {
        Some(match self {
            Self::Integer(integer) => {
                let value = integer.read(bytes);
                match i64::try_from(value) {
                    Ok(value) => Value::Signed(value),
                    Err(_) => Value::Unsigned(value.try_into().ok()?),
                }
            }
            Self::F32 => Value::F32(f32::from_ne_bytes(bytes.try_into().ok()?)),
            Self::F64 => Value::F64(f64::from_ne_bytes(bytes.try_into().ok()?)),
            Self::Text(_) => {
                let len = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                Value::Text(Escaped::bytes(&bytes[..len]).to_string())
            }
            Self::Bytes(_) => Value::Bytes(hex(bytes)),
            Self::Padding(_) => return None,
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(Integer { is_signed, size }) => {
                write!(f, "{}{}", if *is_signed { 'i' } else { 'u' }, 8 * size)
            }
            Self::F32 => f.write_str("f32"),
            Self::F64 => f.write_str("f64"),
            Self::Text(len) => write!(f, "str{len}"),
            Self::Bytes(len) => write!(f, "hex{len}"),
            Self::Padding(len) => write!(f, "pad{len}"),
        }
    }
}

/// As it can be given to `--struct`, but for commas in texts.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name}:")?;
        }
        write!(f, "{}=", self.kind)?;
        match &self.value {
            Value::Signed(value) => value.fmt(f),
            Value::Unsigned(value) => value.fmt(f),
            Value::F32(value) => value.fmt(f),
            Value::F64(value) => value.fmt(f),
            Value::Text(value) | Value::Bytes(value) => value.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(fields: &str) -> Vec<u8> {
        pack(fields).unwrap_or_else(|problem| panic!("{fields}: {problem}")).as_bytes().to_vec()
    }

    fn shown(layout: &str, param: &[u8]) -> String {
        let layout: Layout = layout.parse().expect("a good layout");
        let rows = layout.unpack(param).expect("the length is right");
        rows.iter().map(Row::to_string).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn fields_are_packed_as_written() {
        let cases: [(&str, Vec<u8>); 8] = [
            ("u32=1,u64=2", [&1_u32.to_ne_bytes()[..], &2_u64.to_ne_bytes()].concat()),
            ("u8=255,i8=-128,u16=0xffff", vec![255, 128, 255, 255]),
            ("i64=-9223372036854775808", i64::MIN.to_ne_bytes().to_vec()),
            ("u64=18446744073709551615", vec![255; 8]),
            ("str4=abc,str3=abc", b"abc\0abc".to_vec()),
            (r"str4=a\x2cb,pad2,u8=7", b"a,b\0\0\0\x07".to_vec()),
            ("hex4=00ff00ff,name:u8=1", vec![0, 255, 0, 255, 1]),
            (
                "f32=1.5,f64=-inf",
                [&1.5_f32.to_ne_bytes()[..], &f64::NEG_INFINITY.to_ne_bytes()].concat(),
            ),
        ];
        for (fields, expected) in cases {
            assert_eq!(packed(fields), expected, "{fields}");
        }
    }

    #[test]
    fn a_wrong_field_is_named_and_told_what_is_right() {
        let kinds = "there are u8 u16 u32 u64 i8 i16 i32 i64 f32 f64 strN hexN padN";
        let cases = [
            ("u32=1,u24=1", format!("field \"u24\": \"u24\" is no kind of field; {kinds}")),
            ("u8=256", "field \"u8=256\": \"256\" is none of the whole numbers from 0 to 255".to_owned()),
            ("i8=+-1", "field \"i8=+-1\": \"+-1\" is none of the whole numbers from -128 to 127".to_owned()),
            ("u32", "field \"u32\": a value is missing; write u32=...".to_owned()),
            ("str2=abc", "field \"str2=abc\": the text has 3 bytes; str3 would do".to_owned()),
            ("str=abc", "field \"str\": str takes a number of bytes from 1 to 256, as in str16".to_owned()),
            ("hex2=00", "field \"hex2=00\": 1 bytes are given, and it takes 2".to_owned()),
            ("pad2=0", "field \"pad2=0\": padding takes no value".to_owned()),
            ("f64=many", "field \"f64=many\": \"many\" is no number; write one such as 1.5, -2e9, inf or nan".to_owned()),
            ("a b:u8=1", "field \"a b:u8\": a name has letters, digits and _ only".to_owned()),
            ("", format!("field \"\": \"\" is no kind of field; {kinds}")),
            ("str200=,str57=", "257 bytes are too many: a parameter has at most 256".to_owned()),
        ];
        for (fields, expected) in cases {
            assert_eq!(pack(fields), Err(expected), "{fields}");
        }
        let error = "str200,str57".parse::<Layout>();
        let expected = "the fields take 257 bytes, and a parameter has at most 256".to_owned();
        assert_eq!(error, Err(expected));
    }

    #[test]
    fn a_parameter_is_taken_apart() {
        let param = packed("u32=7,i16=-2,pad2,f32=0.1,str8=port,hex2=00ff");
        let layout = "count:u32,i16,pad2,load:f32,name:str8,hex2";
        assert_eq!(
            shown(layout, &param),
            "count:u32=7,i16=-2,load:f32=0.1,name:str8=port,hex2=00ff"
        );
        let layout: Layout = layout.parse().expect("it is right");
        let expected = "21 bytes came, and the fields take 22".to_owned();
        assert_eq!(layout.unpack(&param[1..]), Err(expected));
        let rows = layout.unpack(&param).expect("it is right");
        let json = serde_json::to_string(&rows[0]).expect("it can be written");
        assert_eq!(json, r#"{"name":"count","kind":"u32","value":7}"#);
    }

    /// A field, and a value that it takes.
    fn field() -> impl Strategy<Value = (String, String)> {
        let text = proptest::collection::vec(any::<u8>(), 0..8).prop_map(|mut bytes| {
            while bytes.last() == Some(&0) {
                bytes.pop();
            }
            ("str8".to_owned(), Escaped::bytes(&bytes).to_string().replace(',', r"\x2c"))
        });
        prop_oneof![
            any::<u8>().prop_map(|value| ("u8".to_owned(), value.to_string())),
            any::<u16>().prop_map(|value| ("u16".to_owned(), value.to_string())),
            any::<u32>().prop_map(|value| ("u32".to_owned(), value.to_string())),
            any::<u64>().prop_map(|value| ("u64".to_owned(), value.to_string())),
            any::<i8>().prop_map(|value| ("i8".to_owned(), value.to_string())),
            any::<i16>().prop_map(|value| ("i16".to_owned(), value.to_string())),
            any::<i32>().prop_map(|value| ("i32".to_owned(), value.to_string())),
            any::<i64>().prop_map(|value| ("i64".to_owned(), value.to_string())),
            any::<f32>().prop_map(|value| ("f32".to_owned(), value.to_string())),
            any::<f64>().prop_map(|value| ("f64".to_owned(), value.to_string())),
            any::<[u8; 3]>().prop_map(|value| ("hex3".to_owned(), hex(&value))),
            text,
        ]
    }

    proptest! {
        #[test]
        fn what_was_packed_is_taken_apart_again(fields in proptest::collection::vec(field(), 1..20)) {
            let words: Vec<_> = fields.iter().map(|(kind, value)| format!("{kind}={value}")).collect();
            let kinds: Vec<_> = fields.iter().map(|(kind, _)| kind.as_str()).collect();
            let layout: Layout = kinds.join(",").parse().expect("the kinds are right");
            let param = packed(&words.join(","));
            let rows = layout.unpack(&param).expect("the length is right");
            let shown = rows.iter().map(|row| {
                let (kind, value) = row.to_string().split_once('=').map(|(kind, value)| {
                    (kind.to_owned(), value.replace(',', r"\x2c"))
                }).expect("a field has a value");
                (kind, value)
            });
            prop_assert_eq!(shown.collect::<Vec<_>>(), fields);
        }

        #[test]
        fn no_fields_are_too_strange_to_be_read(fields in any::<String>(), param in any::<Vec<u8>>()) {
            let _ = pack(&fields);
            if let Ok(layout) = fields.parse::<Layout>() {
                let _ = layout.unpack(&param);
            }
        }
    }
}
