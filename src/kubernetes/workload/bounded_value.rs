//! A manifest as a value of limited size: a repeated YAML alias, or a list of empty lists, takes far more memory than its
//! text.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The memory of a node beside its text, rounded up.
const NODE: usize = 96;

/// Bytes that values may still take.
pub struct Room {
    left: Cell<usize>,
    full: Cell<bool>,
}

impl Room {
    pub fn new(bytes: usize) -> Room {
        Room { left: Cell::new(bytes), full: Cell::new(false) }
    }

    pub fn left(&self) -> usize {
        self.left.get()
    }

    /// Frees the room taken since then.
    pub fn restore(&self, left: usize) {
        self.left.set(left);
    }

    /// Whether the limit caused an error.
    pub fn is_full(&self) -> bool {
        self.full.get()
    }

    fn take<E: Error>(&self, bytes: usize) -> Result<(), E> {
        match self.left.get().checked_sub(bytes) {
            Some(left) => self.left.set(left),
            None => {
                self.full.set(true);
                return Err(E::custom("too large"));
            }
        }
        Ok(())
    }

    fn text<E: Error>(&self, text: &str) -> Result<String, E> {
        self.take(NODE + text.len())?;
        Ok(text.to_owned())
    }
}

/// Reads one value. Checks the remaining room before it copies anything.
impl<'de> DeserializeSeed<'de> for &Room {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &Room {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.take(NODE).map(|()| Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.take(NODE).map(|()| value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.take(NODE).map(|()| value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.take(NODE).map(|()| value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        self.take(NODE).map(|()| Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.text(text).map(Value::String)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        self.take(NODE)?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        self.take(NODE)?;
        let mut object = Map::new();
        while let Some(key) = entries.next_key_seed(Key(self))? {
            let value = entries.next_value_seed(self)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

struct Key<'a>(&'a Room);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        self.0.text(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, bytes: usize) -> Option<Value> {
        let room = Room::new(bytes);
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let value = room.deserialize(&mut deserializer).ok();
        assert_eq!(value.is_none(), room.is_full());
        value
    }

    #[test]
    fn value_equals_the_one_that_serde_reads() {
        let text = r#"{"a": [1, -2, 2.5, true, null, "x"], "b": {"c": {}}, "a\n": "\u00e9"}"#;
        assert_eq!(read(text, 4096), serde_json::from_str(text).ok());
    }

    #[test]
    fn value_beyond_the_room_is_not_built() {
        let text = format!("[{}1]", "1,".repeat(999));
        assert!(read(&text, 1001 * NODE).is_some() && read(&text, 1001 * NODE - 1).is_none());
        let text = format!("{{\"{}\":1}}", "k".repeat(1000));
        assert!(read(&text, 3 * NODE + 1000).is_some() && read(&text, 3 * NODE + 999).is_none());
    }
}
