//! Pages of long lists: cursors that say where the next one begins, bound to what was asked.

use crate::server::catalog::{Cursor, Page};
use crate::server::fault::{Fault, Outcome};

/// Records on a page unless said otherwise.
pub const LIMIT_DEFAULT: u32 = 50;
/// Records on a page at most.
pub const LIMIT_MAX: u32 = 500;

const DIGEST_LEN: usize = 16;
const TIME_LEN: usize = 16;

/// Which page is asked for.
#[derive(Debug, Clone, Default)]
pub struct Paging {
    /// Records on it.
    pub limit: Option<u32>,
    /// Where it begins: the `next` of the page before.
    pub cursor: Option<String>,
}

impl Paging {
    /// How many records the page has.
    pub fn limit(&self) -> Outcome<usize> {
        match self.limit.unwrap_or(LIMIT_DEFAULT) {
            limit @ 1..=LIMIT_MAX => Ok(limit as usize),
            _ => Err(Fault::invalid("limit", format!("limit is from 1 to {LIMIT_MAX}"))),
        }
    }

    /// Where it begins. `asked` is all that the list was asked for: a cursor of another list is refused.
    pub fn after(&self, asked: &impl std::fmt::Debug) -> Outcome<Option<Cursor>> {
        let Some(text) = &self.cursor else { return Ok(None) };
        read(text, &digest(asked)).map(Some).ok_or_else(|| {
            Fault::invalid("cursor", "the cursor is not of this list; leave it out, and begin at the first page")
        })
    }
}

/// The cursor of the next page, as it is given out.
pub fn next<T>(page: &Page<T>, asked: &impl std::fmt::Debug) -> Option<String> {
    let Cursor { at, id } = page.next.as_ref()?;
    Some(format!("{}{:016x}{id}", digest(asked), at.cast_unsigned()))
}

fn read(text: &str, digest: &str) -> Option<Cursor> {
    let rest = text.strip_prefix(digest)?;
    let (at, id) = rest.split_at_checked(TIME_LEN)?;
    let at = u64::from_str_radix(at, 16).ok()?.cast_signed();
    let is_plain = !id.is_empty() && id.len() <= 32 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_plain.then(|| Cursor { at, id: id.to_string() })
}

fn digest(asked: &impl std::fmt::Debug) -> String {
    let mut hex = blake3::hash(format!("{asked:?}").as_bytes()).to_hex().to_string();
    hex.truncate(DIGEST_LEN);
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(text: &str) -> Paging {
        Paging { limit: None, cursor: Some(text.to_string()) }
    }

    #[test]
    fn a_cursor_comes_back_and_only_to_its_own_list() {
        let page: Page<()> = Page { items: Vec::new(), next: Some(Cursor { at: -7, id: "a0b1".into() }) };
        let text = next(&page, &("jobs", "x")).unwrap();
        assert_eq!(cursor(&text).after(&("jobs", "x")).unwrap(), page.next);
        assert!(cursor(&text).after(&("jobs", "y")).is_err());
        for wrong in ["", "zz", &text[..20], &format!("{text}'"), &text[1..]] {
            assert!(cursor(wrong).after(&("jobs", "x")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_page_has_a_sensible_length() {
        for (limit, fits) in [(0, false), (1, true), (LIMIT_MAX, true), (LIMIT_MAX + 1, false)] {
            assert_eq!(Paging { limit: Some(limit), cursor: None }.limit().is_ok(), fits);
        }
    }
}
