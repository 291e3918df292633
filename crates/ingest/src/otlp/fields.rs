//! The messages inside a message, as the signals of the protocol walk down to what they keep. It must never know what a field means.

use crate::wire::{Reader, WireError};
use stdx::{Error, Result};

/// Gives the messages of one field to `f`, in order; `broken` says of which request the bytes make no sense.
///
/// # Errors
/// What `broken` says, and those of `f`.
pub fn each<'a>(
    message: &'a [u8],
    number: u32,
    broken: fn(WireError) -> Error,
    mut f: impl FnMut(&'a [u8]) -> Result<()>,
) -> Result<()> {
    let mut reader = Reader::new(message);
    while let Some((n, field)) = reader.field().map_err(broken)? {
        if n == number {
            f(field.bytes().map_err(broken)?)?;
        }
    }
    Ok(())
}
