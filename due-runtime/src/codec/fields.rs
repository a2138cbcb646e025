//! Messages seen from outside: a table of names, a borrowed [`View`] of each field to write and a [`Slot`] to read into.
//!
//! Generated code says once per field which [`Kind`] it is, in one short line; everything else is here and in the rooms
//! beside it, compiled once. None of it is generic over a serializer on the side of the message.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use bytes::Bytes;

use super::go::is_go_name;
use super::known::{Known, KnownMut};

/// A message, by the numbers of its [`Table`].
pub trait Fields: Send + Sync {
    /// The names of the fields.
    fn table(&self) -> &'static Table;

    /// The field at `index` as it is; [`View::None`] while it is unset.
    fn view(&self, index: usize) -> View<'_>;

    /// Makes the field at `index` set, to its default value, and lends it.
    fn slot(&mut self, index: usize) -> Slot<'_>;

    /// The well-known type with a JSON form of its own that this is, if it is one.
    fn known(&self) -> Option<Known<'_>> {
        None
    }

    /// [`known`](Self::known), to read into.
    fn known_mut(&mut self) -> Option<KnownMut<'_>> {
        None
    }
}

/// prost boxes recursive messages; they are no different.
impl<M: Fields + ?Sized> Fields for Box<M> {
    fn table(&self) -> &'static Table {
        (**self).table()
    }

    fn view(&self, index: usize) -> View<'_> {
        (**self).view(index)
    }

    fn slot(&mut self, index: usize) -> Slot<'_> {
        (**self).slot(index)
    }

    fn known(&self) -> Option<Known<'_>> {
        (**self).known()
    }

    fn known_mut(&mut self) -> Option<KnownMut<'_>> {
        (**self).known_mut()
    }
}

/// What is constant about a message.
#[derive(Debug)]
pub struct Table {
    /// Full name, as `hello.v1.GreetRequest`.
    pub name: &'static str,
    /// In proto order.
    pub fields: &'static [Field],
}

impl Table {
    /// The index of a field by either of its names. `hint` is where to look first: most writers keep our order.
    pub(super) fn find(&self, name: &str, hint: usize) -> Option<usize> {
        let is = |field: &Field| field.name == name || field.json == name;
        match self.fields.get(hint) {
            Some(field) if is(field) => Some(hint),
            _ => self.fields.iter().position(is),
        }
    }

    /// The index of a field by the name that it has in Go.
    pub(super) fn find_in_go(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| is_go_name(field.name, name))
    }
}

/// What is constant about a field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The name in the .proto.
    pub name: &'static str,
    /// The name in JSON.
    pub json: &'static str,
    /// Number of the oneof it belongs to, from 1; 0 for none.
    pub oneof: u16,
    /// Whether `null` is a value of it and not the same as leaving it out.
    pub nullable: bool,
}

impl Field {
    /// A field outside of any oneof.
    pub const fn new(name: &'static str, json: &'static str) -> Self {
        Self { name, json, oneof: 0, nullable: false }
    }

    /// Puts the field into a oneof.
    #[must_use]
    pub const fn oneof(mut self, number: u16) -> Self {
        self.oneof = number;
        self
    }

    /// Says that `null` is a value: the field is a `google.protobuf.Value` or `NullValue`.
    #[must_use]
    pub const fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }
}

/// The names of an enum's numbers.
pub trait EnumTable {
    /// Sorted by number; of several names for one number the first is written and all are read.
    const NAMES: &'static [(i32, &'static str)];
    /// Whether this is `google.protobuf.NullValue`, which JSON writes as `null`.
    const NULL: bool = false;
}

impl EnumTable for prost_types::NullValue {
    const NAMES: &'static [(i32, &'static str)] = &[(0, "NULL_VALUE")];
    const NULL: bool = true;
}

/// The names of an enum, out of its type.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    names: &'static [(i32, &'static str)],
    pub(super) null: bool,
}

impl Names {
    const fn of<E: EnumTable>() -> Self {
        Self { names: E::NAMES, null: E::NULL }
    }

    pub(super) fn name(&self, number: i32) -> Option<&'static str> {
        let first = self.names.partition_point(|(known, _)| *known < number);
        self.names.get(first).filter(|(known, _)| *known == number).map(|(_, name)| *name)
    }

    pub(super) fn number(&self, name: &str) -> Option<i32> {
        self.names.iter().find(|(_, known)| *known == name).map(|(number, _)| *number)
    }
}

/// A field's value, borrowed to be written.
#[allow(missing_docs)]
pub enum View<'a> {
    /// Not set.
    None,
    Bool(bool),
    I32(i32),
    I64(i64),
    U32(u32),
    U64(u64),
    F32(f32),
    F64(f64),
    Str(&'a str),
    Bytes(&'a [u8]),
    Enum(i32, Names),
    Message(&'a dyn Fields),
    List(Box<dyn ListView + 'a>),
    Map(Box<dyn MapView + 'a>),
}

/// A field's value, borrowed to be read into.
#[allow(missing_docs)]
pub enum Slot<'a> {
    /// Nowhere: the value is skipped.
    None,
    Bool(&'a mut bool),
    I32(&'a mut i32),
    I64(&'a mut i64),
    U32(&'a mut u32),
    U64(&'a mut u64),
    F32(&'a mut f32),
    F64(&'a mut f64),
    Str(&'a mut String),
    Vec(&'a mut Vec<u8>),
    Bytes(&'a mut Bytes),
    Enum(&'a mut i32, Names),
    Message(&'a mut dyn Fields),
    List(Box<dyn ListSlot + 'a>),
    Map(Box<dyn MapSlot + 'a>),
}

/// A list to be written.
#[allow(clippy::len_without_is_empty)]
pub trait ListView {
    /// How many values there are.
    fn len(&self) -> usize;
    /// The value at `index`, which is below `len`.
    fn at(&self, index: usize) -> View<'_>;
}

/// A list to be read into. It starts empty.
pub trait ListSlot {
    /// Adds a default value and lends it.
    fn push(&mut self) -> Slot<'_>;
}

/// A map to be written.
#[allow(clippy::len_without_is_empty)]
pub trait MapView {
    /// How many entries there are.
    fn len(&self) -> usize;
    /// Hands over each entry until one is answered with `false`.
    fn each(&self, entry: &mut dyn FnMut(View<'_>, View<'_>) -> bool);
}

/// A map to be read into. It starts empty.
pub trait MapSlot {
    /// Adds an entry with a default value and lends that; `None` if `key` is of another kind or out of range.
    fn insert(&mut self, key: Key<'_>) -> Option<Slot<'_>>;
}

/// A map's key as it was found; in JSON always text.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug)]
pub enum Key<'a> {
    Text(&'a str),
    I64(i64),
    U64(u64),
    Bool(bool),
}

/// How a Rust type `T` is viewed and filled: the type alone does not say, since enums are plain `i32`.
pub trait Kind<T> {
    /// The value as it is.
    fn view(value: &T) -> View<'_>;
    /// The place to read into.
    fn slot(value: &mut T) -> Slot<'_>;
}

/// Numbers, text, bytes.
#[derive(Debug)]
pub struct Plain;

macro_rules! plain {
    ($($variant:ident: $type:ty),*) => {$(
        impl Kind<$type> for Plain {
            fn view(value: &$type) -> View<'_> {
                View::$variant(*value)
            }

            fn slot(value: &mut $type) -> Slot<'_> {
                Slot::$variant(value)
            }
        }
    )*};
}
plain!(Bool: bool, I32: i32, I64: i64, U32: u32, U64: u64, F32: f32, F64: f64);

impl Kind<String> for Plain {
    fn view(value: &String) -> View<'_> {
        View::Str(value)
    }

    fn slot(value: &mut String) -> Slot<'_> {
        Slot::Str(value)
    }
}

impl Kind<Vec<u8>> for Plain {
    fn view(value: &Vec<u8>) -> View<'_> {
        View::Bytes(value)
    }

    fn slot(value: &mut Vec<u8>) -> Slot<'_> {
        Slot::Vec(value)
    }
}

impl Kind<Bytes> for Plain {
    fn view(value: &Bytes) -> View<'_> {
        View::Bytes(value)
    }

    fn slot(value: &mut Bytes) -> Slot<'_> {
        Slot::Bytes(value)
    }
}

/// An enum `E`, kept as its number.
#[derive(Debug)]
pub struct Enum<E>(PhantomData<E>);

impl<E: EnumTable> Kind<i32> for Enum<E> {
    fn view(value: &i32) -> View<'_> {
        View::Enum(*value, Names::of::<E>())
    }

    fn slot(value: &mut i32) -> Slot<'_> {
        Slot::Enum(value, Names::of::<E>())
    }
}

/// A message.
#[derive(Debug)]
pub struct Msg;

impl<M: Fields> Kind<M> for Msg {
    fn view(value: &M) -> View<'_> {
        View::Message(value)
    }

    fn slot(value: &mut M) -> Slot<'_> {
        Slot::Message(value)
    }
}

/// A value that may be unset.
#[derive(Debug)]
pub struct Opt<K>(PhantomData<K>);

impl<T: Default, K: Kind<T>> Kind<Option<T>> for Opt<K> {
    fn view(value: &Option<T>) -> View<'_> {
        value.as_ref().map_or(View::None, K::view)
    }

    fn slot(value: &mut Option<T>) -> Slot<'_> {
        K::slot(value.insert(T::default()))
    }
}

/// A list.
#[derive(Debug)]
pub struct Rep<K>(PhantomData<K>);

impl<T: Default, K: Kind<T> + 'static> Kind<Vec<T>> for Rep<K> {
    fn view(value: &Vec<T>) -> View<'_> {
        View::List(Box::new(Items::<_, K>(value, PhantomData)))
    }

    fn slot(value: &mut Vec<T>) -> Slot<'_> {
        value.clear();
        Slot::List(Box::new(Items::<_, K>(value, PhantomData)))
    }
}

struct Items<V, K>(V, PhantomData<K>);

impl<T, K: Kind<T>> ListView for Items<&Vec<T>, K> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn at(&self, index: usize) -> View<'_> {
        self.0.get(index).map_or(View::None, K::view)
    }
}

impl<T: Default, K: Kind<T>> ListSlot for Items<&mut Vec<T>, K> {
    fn push(&mut self) -> Slot<'_> {
        self.0.push(T::default());
        self.0.last_mut().map_or(Slot::None, K::slot)
    }
}

/// A map; the kind is that of its values. Sorted, so that the same message is the same text.
#[derive(Debug)]
pub struct Map<K>(PhantomData<K>);

impl<Q: MapKey + Ord, T: Default, K: Kind<T> + 'static> Kind<BTreeMap<Q, T>> for Map<K> {
    fn view(value: &BTreeMap<Q, T>) -> View<'_> {
        View::Map(Box::new(Items::<_, K>(value, PhantomData)))
    }

    fn slot(value: &mut BTreeMap<Q, T>) -> Slot<'_> {
        value.clear();
        Slot::Map(Box::new(Items::<_, K>(value, PhantomData)))
    }
}

impl<Q: MapKey, T, K: Kind<T>> MapView for Items<&BTreeMap<Q, T>, K> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn each(&self, entry: &mut dyn FnMut(View<'_>, View<'_>) -> bool) {
        self.0.iter().all(|(key, value)| entry(key.view(), K::view(value)));
    }
}

impl<Q: MapKey + Ord, T: Default, K: Kind<T>> MapSlot for Items<&mut BTreeMap<Q, T>, K> {
    fn insert(&mut self, key: Key<'_>) -> Option<Slot<'_>> {
        let value = self.0.entry(Q::read(key)?).or_default();
        *value = T::default();
        Some(K::slot(value))
    }
}

/// What proto allows as a map's key.
pub trait MapKey: Sized {
    /// The key as it is.
    fn view(&self) -> View<'_>;
    /// The key out of what was found.
    fn read(key: Key<'_>) -> Option<Self>;
}

macro_rules! integer_keys {
    ($($variant:ident: $type:ty),*) => {$(
        impl MapKey for $type {
            fn view(&self) -> View<'_> {
                View::$variant(*self)
            }

            fn read(key: Key<'_>) -> Option<Self> {
                match key {
                    Key::Text(text) => text.parse().ok(),
                    Key::I64(number) => number.try_into().ok(),
                    Key::U64(number) => number.try_into().ok(),
                    Key::Bool(_) => None,
                }
            }
        }
    )*};
}
integer_keys!(I32: i32, I64: i64, U32: u32, U64: u64);

impl MapKey for bool {
    fn view(&self) -> View<'_> {
        View::Bool(*self)
    }

    fn read(key: Key<'_>) -> Option<Self> {
        match key {
            Key::Text(text) => text.parse().ok(),
            Key::Bool(key) => Some(key),
            Key::I64(_) | Key::U64(_) => None,
        }
    }
}

impl MapKey for String {
    fn view(&self) -> View<'_> {
        View::Str(self)
    }

    fn read(key: Key<'_>) -> Option<Self> {
        match key {
            Key::Text(text) => Some(text.into()),
            _ => None,
        }
    }
}
