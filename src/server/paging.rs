//! `page_size` and `continuation_token`, which every list has.

use super::error::{ApiError, Code};
use super::fields::Fields;
use crate::model::limits::{CONTINUATION_TOKEN_BYTES_MAX, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX};

/// Which page is wanted.
pub(super) struct PageRequest {
    /// Most entries.
    pub(super) size: usize,
    /// Where it starts; empty for the first page.
    pub(super) token: String,
}

impl PageRequest {
    /// Reads both fields.
    pub(super) fn read(fields: &mut Fields) -> Result<Self, ApiError> {
        let size = match fields.integer("page_size")? {
            None => PAGE_SIZE_DEFAULT,
            Some(number) => match usize::try_from(number) {
                Ok(size @ 1..=PAGE_SIZE_MAX) => size,
                _ => {
                    let expected = format!("value must be inside range [1, {PAGE_SIZE_MAX}], found {number}");
                    return Err(ApiError::field(Code::PageSizeInvalid, &fields.path("page_size"), expected));
                }
            },
        };
        let token = fields.string("continuation_token")?;
        let bare = token.trim_end_matches('=');
        let shaped = bare.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !shaped || token.len() - bare.len() > 2 || token.len() > CONTINUATION_TOKEN_BYTES_MAX {
            let expected = "expected the token of an earlier answer, as it was";
            return Err(ApiError::invalid(&fields.path("continuation_token"), expected));
        }
        Ok(Self { size, token })
    }
}
