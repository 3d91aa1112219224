//! Types that may be shared with processes that are not trusted: nothing but atomic integers.

use std::sync::atomic::{
    AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize, AtomicU8, AtomicU16, AtomicU32,
    AtomicU64, AtomicUsize,
};

/// A type that several processes may have in shared memory at once: made of atomic integers only.
///
/// It is implemented for the atomic integers and arrays of them. For a struct of them,
/// [`shared_struct!`](crate::shared_struct) implements it and checks every field.
///
/// # Safety
/// - Any bytes at all are a value of the type, also while it is being used: it consists of atomic
///   integers and of padding, and of nothing else. A `bool`, an enum or a reference could become
///   what is none, and a plain integer could change while it is read.
/// - Its layout is fixed (`#[repr(C)]`), since the other process may have been compiled by another
///   compiler.
pub unsafe trait Shared: Sync {}

macro_rules! shared_atomics {
    ($($atomic:ty),*) => {
        $(
            // SAFETY: an atomic integer has the layout of its integer, and any bits are a value.
            unsafe impl Shared for $atomic {}
        )*
    };
}

shared_atomics!(AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize);
shared_atomics!(AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize);

// SAFETY: an array is its elements one after the other, without anything between.
unsafe impl<T: Shared, const N: usize> Shared for [T; N] {}

/// Declares a struct of atomics that can be shared between processes: `#[repr(C)]`, and
/// [`Shared`](crate::Shared).
///
/// Each field must be `Shared` itself; anything else is refused by the compiler.
///
/// ```
/// use std::sync::atomic::{AtomicU32, AtomicU64};
///
/// rte_mp::shared_struct! {
///     /// What the server and its clients count.
///     #[repr(align(64))]
///     pub struct SharedInfo {
///         pub force_quit: AtomicU32,
///         pub request_count: AtomicU64,
///     }
/// }
/// assert_eq!(size_of::<SharedInfo>(), 64);
/// ```
///
/// ```compile_fail
/// rte_mp::shared_struct! {
///     struct Broken {
///         ready: bool,
///     }
/// }
/// ```
#[macro_export]
macro_rules! shared_struct {
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $name:ident {
            $($(#[$field_attribute:meta])* $field_visibility:vis $field:ident: $type:ty),* $(,)?
        }
    ) => {
        $(#[$attribute])*
        #[repr(C)]
        $visibility struct $name {
            $($(#[$field_attribute])* $field_visibility $field: $type),*
        }

        // SAFETY: the struct has a fixed layout, and the bounds have the compiler check that every
        // field is `Shared`; there is nothing else in it.
        unsafe impl $crate::Shared for $name where $($type: $crate::Shared),* {}
    };
}
