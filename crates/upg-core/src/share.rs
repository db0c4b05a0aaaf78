//! The shares of several in a number of things.

use std::ops::Range;

/// The part of `total` things that is number `which`'s of `of`: contiguous, in order, and none larger than another by more than one.
///
/// ```
/// use upg_core::share;
/// assert_eq!([0, 1, 2].map(|which| share(which, 3, 7)), [0..2, 2..4, 4..7]);
/// ```
pub fn share(which: usize, of: usize, total: usize) -> Range<usize> {
    let begin = |which: usize| (which as u128 * total as u128 / of as u128) as usize;
    begin(which)..begin(which + 1)
}
