//! Reads an object by its real type and notes what the type does not know, as the real server's decoder does.
//!
//! The types are not wanted, only the way they read: a [`Deserializer`] that walks the JSON beside them sees which
//! fields each struct declares, and where a value has the wrong type.

mod probe;

use std::{cell::RefCell, fmt};

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde_json::{Map, Value};

use super::quantity::{self, Quantity};
use probe::{go_struct, probe};

/// What reading an object by its type brought to light.
#[derive(Debug, Default)]
pub struct Findings {
    /// Fields the type does not have.
    pub unknown: Vec<Place>,
    /// Values that are quantities.
    pub quantities: Vec<Place>,
    /// The first value of a wrong type, in the words of the real server.
    pub mismatch: Option<String>,
    /// Where that value is and the Go type it should have, if it is the type alone that is wrong.
    pub mistyped: Option<(Place, String)>,
}

/// A place in an object, as people write it and as a JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Such as `spec.containers[0].image`.
    pub shown: String,
    /// Such as `/spec/containers/0/image`.
    pub pointer: String,
}

/// Reads `value` as a `T`. `version` is the version of its API group.
pub fn inspect<T: DeserializeOwned>(value: &Value, version: &'static str) -> Findings {
    let findings = RefCell::new(Findings::default());
    let owner = Owner { name: "", version };
    let root = Reader { value, path: &Path::Root, owner, findings: &findings };
    let outcome = T::deserialize(root);
    let mut findings = findings.into_inner();
    if let Err(Mismatch(why)) = outcome {
        findings.mismatch = Some(why);
    }
    findings
}

/// Brings `value` into the form the server stores: without nulls and unknown fields, quantities in their canonical form.
pub fn normalize(findings: &Findings, value: &mut Value) {
    for place in &findings.unknown {
        let (parent, name) = place.pointer.rsplit_once('/').unwrap_or_default();
        if let Some(map) = value.pointer_mut(parent).and_then(Value::as_object_mut) {
            map.remove(&name.replace("~1", "/").replace("~0", "~"));
        }
    }
    for place in &findings.quantities {
        let Some(slot) = value.pointer_mut(&place.pointer) else { continue };
        let text = slot.as_str().map_or_else(|| slot.to_string(), str::to_owned);
        if let Some(quantity) = Quantity::parse(&text) {
            *slot = Value::String(quantity.to_string());
        }
    }
    drop_nulls(value);
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

enum Path<'a> {
    Root,
    Field(&'a Path<'a>, &'a str),
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl Path<'_> {
    fn place(&self) -> Place {
        match self {
            Self::Root => Place { shown: String::new(), pointer: String::new() },
            Self::Field(parent, name) | Self::Key(parent, name) => {
                let Place { mut shown, mut pointer } = parent.place();
                if !shown.is_empty() {
                    shown.push('.');
                }
                shown += name;
                pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
                Place { shown, pointer }
            }
            Self::Index(parent, index) => {
                let Place { shown, pointer } = parent.place();
                Place { shown: format!("{shown}[{index}]"), pointer: format!("{pointer}/{index}") }
            }
        }
    }

    /// Returns the names of the fields on the way, without keys and indexes.
    fn fields(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Field(parent, name) => {
                let parent = parent.fields();
                if parent.is_empty() { (*name).to_owned() } else { format!("{parent}.{name}") }
            }
            Self::Key(parent, _) | Self::Index(parent, _) => parent.fields(),
        }
    }
}

/// The struct that a value is a field of.
#[derive(Clone, Copy)]
struct Owner {
    name: &'static str,
    version: &'static str,
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    value: &'a Value,
    path: &'a Path<'a>,
    owner: Owner,
    findings: &'a RefCell<Findings>,
}

impl<'a> Reader<'a> {
    fn at(self, value: &'a Value, path: &'a Path<'a>) -> Self {
        Self { value, path, ..self }
    }

    fn mismatch(self, wanted: &str) -> Mismatch {
        let found = match self.value {
            Value::Number(number) if number.is_f64() => format!("number {number}"),
            Value::Number(_) => "number".into(),
            Value::String(_) => "string".into(),
            Value::Bool(_) => "bool".into(),
            Value::Array(_) => "array".into(),
            Value::Object(_) => "object".into(),
            Value::Null => "null".into(),
        };
        self.findings.borrow_mut().mistyped = Some((self.path.place(), wanted.to_owned()));
        let Owner { name, .. } = self.owner;
        if name.is_empty() {
            return Mismatch(format!("json: cannot unmarshal {found} into Go value of type {wanted}"));
        }
        let field = self.path.fields();
        Mismatch(format!("json: cannot unmarshal {found} into Go struct field {name}.{field} of type {wanted}"))
    }

    fn integer<'de, V: Visitor<'de>>(self, wanted: &str, visitor: V) -> Result<V::Value, Mismatch> {
        match self.value {
            Value::Null => visitor.visit_i64(0),
            Value::Number(number) => {
                let Some(integer) = number.as_i64() else { return Err(self.mismatch(wanted)) };
                visitor.visit_i64(integer).map_err(|_: Mismatch| {
                    let found = self.mismatch(wanted).0;
                    Mismatch(found.replacen("unmarshal number into", &format!("unmarshal number {number} into"), 1))
                })
            }
            _ => Err(self.mismatch(wanted)),
        }
    }
}

/// A value of the wrong type, in the real server's words.
#[derive(Debug)]
struct Mismatch(String);

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Mismatch {}

impl serde::de::Error for Mismatch {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        let wrong = |()| self.mismatch("int32");
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(*flag).map_err(|_: Mismatch| wrong(())),
            Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(integer), _, _) => visitor.visit_i64(integer).map_err(|_: Mismatch| wrong(())),
                (_, Some(integer), _) => visitor.visit_u64(integer).map_err(|_: Mismatch| wrong(())),
                (_, _, float) => visitor.visit_f64(float.unwrap_or_default()).map_err(|_: Mismatch| wrong(())),
            },
            Value::String(text) => visitor.visit_str(text),
            Value::Array(list) => visitor.visit_seq(Elements { reader: self, list, next: 0 }),
            Value::Object(map) => visitor.visit_map(Entries::new(self, Some(map), None)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.value {
            Value::Null => visitor.visit_bool(false),
            Value::Bool(flag) => visitor.visit_bool(*flag),
            _ => Err(self.mismatch("bool")),
        }
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.integer("int32", visitor)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.integer("int64", visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.value {
            Value::Null => visitor.visit_f64(0.0),
            Value::Number(number) => visitor.visit_f64(number.as_f64().unwrap_or_default()),
            _ => Err(self.mismatch("float64")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.value {
            Value::Null => visitor.visit_str(""),
            Value::String(text) => visitor.visit_str(text).map_err(|_: Mismatch| not_base64(text)),
            _ => Err(self.mismatch("string")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Mismatch> {
        match (name, self.value) {
            ("Quantity", Value::String(_) | Value::Number(_)) => {
                let text = self.value.as_str().map_or_else(|| self.value.to_string(), str::to_owned);
                if Quantity::parse(&text).is_none() {
                    return Err(Mismatch(quantity::SYNTAX.into()));
                }
                self.findings.borrow_mut().quantities.push(self.path.place());
                visitor.visit_newtype_struct(self)
            }
            ("Quantity", Value::Null) => {
                visitor.visit_newtype_struct(self.at(&Value::String(String::new()), self.path))
            }
            ("Quantity", _) => Err(Mismatch(quantity::SYNTAX.into())),
            ("Time" | "MicroTime", Value::Null) => {
                visitor.visit_newtype_struct("1970-01-01T00:00:00Z".into_deserializer())
            }
            ("Time" | "MicroTime", Value::String(text)) => visitor.visit_newtype_struct(self).map_err(|_| {
                Mismatch(format!(
                    "parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?} as \"2006\""
                ))
            }),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.value {
            Value::Array(list) => visitor.visit_seq(Elements { reader: self, list, next: 0 }),
            Value::Null => visitor.visit_seq(Elements { reader: self, list: &[], next: 0 }),
            _ => {
                Err(self.mismatch(&format!("[]{}", probe(|probe| visitor.visit_seq(probe).err(), self.owner.version))))
            }
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.value {
            Value::Object(map) => visitor.visit_map(Entries::new(self, Some(map), None)),
            Value::Null => visitor.visit_map(Entries::new(self, None, None)),
            _ => {
                let element = probe(|probe| visitor.visit_map(probe).err(), self.owner.version);
                Err(self.mismatch(&format!("map[string]{element}")))
            }
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        let map = match self.value {
            Value::Object(map) => Some(map),
            Value::Null => None,
            _ => return Err(self.mismatch(&go_struct(name, self.owner.version))),
        };
        let inside = Reader { owner: Owner { name, ..self.owner }, ..self };
        for name in map.into_iter().flat_map(Map::keys).filter(|name| !fields.contains(&name.as_str())) {
            self.findings.borrow_mut().unknown.push(Path::Field(self.path, name).place());
        }
        visitor.visit_map(Entries::new(inside, map, Some(fields)))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match self.value {
            Value::String(text) => visitor.visit_enum(UnitVariant(text)),
            _ => Err(self.mismatch("string")),
        }
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u32 u64 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

/// Of all types that are read from text without a name of their own, only bytes refuse some.
fn not_base64(text: &str) -> Mismatch {
    let strange = |byte: &u8| !(byte.is_ascii_alphanumeric() || b"+/=".contains(byte));
    let place = text.as_bytes().iter().position(strange).unwrap_or(text.len().saturating_sub(1));
    Mismatch(format!("illegal base64 data at input byte {place}"))
}

struct UnitVariant<'a>(&'a str);

impl<'de> EnumAccess<'de> for UnitVariant<'_> {
    type Error = Mismatch;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Mismatch> {
        Ok((seed.deserialize(self.0.into_deserializer())?, self))
    }
}

impl<'de> VariantAccess<'de> for UnitVariant<'_> {
    type Error = Mismatch;

    fn unit_variant(self) -> Result<(), Mismatch> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, _: S) -> Result<S::Value, Mismatch> {
        Err(Mismatch::custom("unexpected variant"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Mismatch> {
        Err(Mismatch::custom("unexpected variant"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Mismatch> {
        Err(Mismatch::custom("unexpected variant"))
    }
}

struct Elements<'a> {
    reader: Reader<'a>,
    list: &'a [Value],
    next: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Mismatch;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mismatch> {
        let Some(value) = self.list.get(self.next) else { return Ok(None) };
        let path = Path::Index(self.reader.path, self.next);
        self.next += 1;
        seed.deserialize(self.reader.at(value, &path)).map(Some)
    }
}

struct Entries<'a> {
    reader: Reader<'a>,
    entries: std::iter::Flatten<std::option::IntoIter<&'a Map<String, Value>>>,
    entry: Option<(&'a String, &'a Value)>,
    /// The fields of the struct; `None` in a map, where any key is right.
    fields: Option<&'static [&'static str]>,
}

impl<'a> Entries<'a> {
    fn new(reader: Reader<'a>, map: Option<&'a Map<String, Value>>, fields: Option<&'static [&'static str]>) -> Self {
        Self { reader, entries: map.into_iter().flatten(), entry: None, fields }
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Mismatch;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mismatch> {
        let known = |name: &str| self.fields.is_none_or(|fields| fields.contains(&name));
        self.entry = self.entries.by_ref().find(|(name, _)| known(name));
        self.entry.map(|(name, _)| seed.deserialize(name.as_str().into_deserializer())).transpose()
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Mismatch> {
        let (name, value) = self.entry.take().ok_or_else(|| Mismatch::custom("a value without a key"))?;
        let parent = self.reader.path;
        let path = if self.fields.is_some() { Path::Field(parent, name) } else { Path::Key(parent, name) };
        seed.deserialize(self.reader.at(value, &path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::object::strategic::tests::any_json;
    use crate::rehearsal::resource::{RESOURCES, of};
    use proptest::prelude::*;
    use serde_json::json;

    fn unknown(kind: &str, value: Value) -> Vec<String> {
        let findings = (of(kind).inspect)(&value);
        assert_eq!(findings.mismatch, None);
        findings.unknown.into_iter().map(|place| place.shown).collect()
    }

    #[track_caller]
    fn mismatch(kind: &str, value: Value, expected: &str) {
        assert_eq!((of(kind).inspect)(&value).mismatch.as_deref(), Some(expected));
    }

    #[test]
    fn unknown_fields_are_named_with_their_place() {
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "labels": {"any": "y"}},
            "spec": {"replica": 1, "template": {"spec": {"containers": [{"name": "c", "imag": "x"}]}}}});
        assert_eq!(unknown("Deployment", deployment), ["spec.replica", "spec.template.spec.containers[0].imag"]);
        let nulls =
            json!({"metadata": {"name": "x", "creationTimestamp": null}, "spec": {"containers": null, "volumes": []}});
        assert_eq!(unknown("Pod", nulls), [""; 0]);
    }

    #[test]
    fn wrong_types_read_as_in_go() {
        let start = "json: cannot unmarshal";
        mismatch(
            "Deployment",
            json!({"spec": {"replicas": "2"}}),
            &format!("{start} string into Go struct field DeploymentSpec.spec.replicas of type int32"),
        );
        mismatch(
            "Pod",
            json!({"spec": {"containers": [{"env": [{"name": "A", "value": 1}]}]}}),
            &format!("{start} number into Go struct field EnvVar.spec.containers.env.value of type string"),
        );
        mismatch(
            "Pod",
            json!({"spec": {"containers": {}}}),
            &format!("{start} object into Go struct field PodSpec.spec.containers of type []v1.Container"),
        );
        mismatch(
            "Pod",
            json!({"metadata": {"labels": {"a": true}}}),
            &format!("{start} bool into Go struct field ObjectMeta.metadata.labels of type string"),
        );
        mismatch(
            "Pod",
            json!({"metadata": {"labels": "a"}}),
            &format!("{start} string into Go struct field ObjectMeta.metadata.labels of type map[string]string"),
        );
        mismatch("Pod", json!({"spec": {"containers": [{"resources": {"limits": {"cpu": "x"}}}]}}), quantity::SYNTAX);
    }

    #[test]
    fn the_stored_form_is_canonical() {
        let mut pod = json!({"spec": {"x": 1, "nodeName": null, "containers": [{"resources": {"limits": {"cpu": 0.5, "memory": "1024Mi"}}}]}});
        let findings = (of("Pod").inspect)(&pod);
        normalize(&findings, &mut pod);
        assert_eq!(pod, json!({"spec": {"containers": [{"resources": {"limits": {"cpu": "500m", "memory": "1Gi"}}}]}}));
    }

    proptest! {
        #[test]
        fn nothing_panics(mut value in any_json()) {
            for resource in RESOURCES {
                let findings = (resource.inspect)(&value);
                normalize(&findings, &mut value);
            }
        }
    }
}
