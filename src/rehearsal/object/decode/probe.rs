//! The names of types, for messages that say what was expected.

use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use super::Mismatch;

/// Asks a list or map visitor for the type of its elements, by offering one and looking at how it is read.
pub(super) fn probe(visit: impl FnOnce(Probe) -> Option<Mismatch>, version: &'static str) -> String {
    visit(Probe { version, offered: false }).map_or_else(|| "string".into(), |Mismatch(name)| name)
}

pub(super) struct Probe {
    version: &'static str,
    offered: bool,
}

impl<'de> SeqAccess<'de> for Probe {
    type Error = Mismatch;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mismatch> {
        seed.deserialize(TypeName { version: self.version }).map(Some)
    }
}

impl<'de> MapAccess<'de> for Probe {
    type Error = Mismatch;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mismatch> {
        if std::mem::replace(&mut self.offered, true) {
            return Ok(None);
        }
        seed.deserialize("key".into_deserializer()).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Mismatch> {
        seed.deserialize(TypeName { version: self.version })
    }
}

/// Answers every read with the Go name of the type that was asked for.
struct TypeName {
    version: &'static str,
}

impl<'de> Deserializer<'de> for TypeName {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Mismatch> {
        Err(Mismatch("interface {}".into()))
    }

    fn deserialize_string<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Mismatch> {
        Err(Mismatch("string".into()))
    }

    fn deserialize_str<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Mismatch> {
        Err(Mismatch("string".into()))
    }

    fn deserialize_i32<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Mismatch> {
        Err(Mismatch("int32".into()))
    }

    fn deserialize_i64<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Mismatch> {
        Err(Mismatch("int64".into()))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Mismatch> {
        Err(Mismatch(go_struct(name, self.version)))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, _: V) -> Result<V::Value, Mismatch> {
        Err(Mismatch(match name {
            "Quantity" => "resource.Quantity".into(),
            other => go_struct(other, self.version),
        }))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf option unit unit_struct seq tuple tuple_struct
        map enum identifier ignored_any
    }
}

/// Returns `v1.PodSpec`. The types of `meta` are always of version 1.
pub(super) fn go_struct(name: &str, version: &str) -> String {
    let of_meta = ["ObjectMeta", "LabelSelector", "LabelSelectorRequirement", "OwnerReference", "Time"].contains(&name);
    format!("{}.{name}", if of_meta { "v1" } else { version })
}
