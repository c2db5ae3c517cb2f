//! Pieces of a block of memory that belongs to the caller.

use core::mem::{align_of, size_of};
use core::ptr;

/// Bytes by which any piece may have to be moved to be aligned.
pub(crate) const SLACK: usize = 16;

/// Bytes that `count` values of `T` take at most.
pub(crate) const fn room<T>(count: usize) -> usize {
    size_of::<T>().saturating_mul(count).saturating_add(SLACK)
}

/// What is left of a block.
pub(crate) struct Block {
    at: *mut u8,
    left: usize,
}

impl Block {
    /// # Safety
    /// `memory` is valid for reads and writes of `size` bytes, and nothing else uses them as long as pieces are in use.
    pub(crate) const unsafe fn new(memory: *mut u8, size: usize) -> Self {
        Self { at: memory, left: size }
    }

    /// The next place for `count` values of `T`; `None` if there is too little.
    fn take<T>(&mut self, count: usize) -> Option<*mut T> {
        let skip = self.at.align_offset(align_of::<T>());
        let bytes = size_of::<T>().checked_mul(count)?.checked_add(skip)?;
        if align_of::<T>() > SLACK || bytes > self.left {
            return None;
        }
        // SAFETY: `bytes`, of which `skip` are some, lie within what is left of the block.
        let (place, at) = unsafe { (self.at.add(skip), self.at.add(bytes)) };
        (self.at, self.left) = (at, self.left - bytes);
        Some(place.cast())
    }

    /// One value, for as long as the block lives.
    pub(crate) fn put<T>(&mut self, value: T) -> Option<*mut T> {
        let place = self.take::<T>(1)?;
        // SAFETY: aligned, within the block, and no other piece.
        unsafe { place.write(value) };
        Some(place)
    }

    /// `count` copies of `value`, for as long as the block lives.
    pub(crate) fn fill<T: Copy>(&mut self, value: T, count: usize) -> Option<&'static mut [T]> {
        let place = self.take::<T>(count)?;
        for i in 0..count {
            // SAFETY: aligned, within the block, and no other piece.
            unsafe { place.add(i).write(value) };
        }
        // SAFETY: as above, and all of it is written. That the block outlives it is what `new` asks for.
        Some(unsafe { core::slice::from_raw_parts_mut(place, count) })
    }
}

/// Overwrites `size` bytes, whoever reads them or not.
///
/// # Safety
/// They are valid for writes, and nothing refers to them.
pub(crate) unsafe fn wipe(memory: *mut u8, size: usize) {
    for i in 0..size {
        // SAFETY: the caller's.
        unsafe { ptr::write_volatile(memory.add(i), 0) };
    }
    core::sync::atomic::compiler_fence(core::sync::atomic::Ordering::SeqCst);
}

/// `length` values at `values`; an empty slice needs no pointer.
///
/// # Safety
/// Unless `length` is 0 or `values` null, `values` is valid for reads of so many, and nothing writes them meanwhile.
pub(crate) unsafe fn slice<'a, T>(values: *const T, length: usize) -> Option<&'a [T]> {
    if length == 0 {
        return Some(&[]);
    }
    // SAFETY: the caller's.
    (!values.is_null() && values.is_aligned()).then(|| unsafe { core::slice::from_raw_parts(values, length) })
}

/// `length` values at `values` to be written.
///
/// # Safety
/// Unless `values` is null, it is valid for reads and writes of so many, and nothing else uses them meanwhile.
pub(crate) unsafe fn slice_mut<'a, T>(values: *mut T, length: usize) -> Option<&'a mut [T]> {
    // SAFETY: the caller's.
    (!values.is_null() && values.is_aligned())
        .then(|| unsafe { core::slice::from_raw_parts_mut(values, length) })
}
