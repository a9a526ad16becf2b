//! Fixed cuts for files whose pages stay where they are.

use crate::limits::CHUNK_MAX;

/// Bytes in a chunk of a page-class file: the smallest multiple of `page_size` that is at least `target`, and at most
/// [`CHUNK_MAX`].
///
/// Never 0. A page larger than [`CHUNK_MAX`], which no supported database has, is cut at [`CHUNK_MAX`].
pub fn page_chunk_len(page_size: u32, target: u32) -> usize {
    let page = (page_size.max(1) as usize).min(CHUNK_MAX);
    let pages_wanted = (target.max(1) as usize).div_ceil(page);
    let pages_most = CHUNK_MAX / page;
    page * pages_wanted.min(pages_most)
}

/// Cuts a page-class file: every chunk has the same length, but for the last of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageCutter {
    chunk_len: usize,
}

impl PageCutter {
    /// A cutter for pages of `page_size` bytes, in chunks of [`page_chunk_len`].
    pub fn new(page_size: u32, target: u32) -> Self {
        Self { chunk_len: page_chunk_len(page_size, target) }
    }

    /// Bytes in every chunk but the last.
    pub fn chunk_len(&self) -> usize {
        self.chunk_len
    }

    /// Length of the first chunk of `data`, or `None` where more data is needed (or there is none at all).
    /// `at_end` says that the file ends with `data`.
    pub fn next_cut(&self, data: &[u8], at_end: bool) -> Option<usize> {
        match data.len() {
            0 => None,
            len if len >= self.chunk_len => Some(self.chunk_len),
            len => at_end.then_some(len),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_chunk_is_whole_pages() {
        assert_eq!(page_chunk_len(8192, 8192), 8192);
        assert_eq!(page_chunk_len(8192, 16384), 16384);
        assert_eq!(page_chunk_len(8192, 10_000), 16384);
        assert_eq!(page_chunk_len(16384, 8192), 16384);
        assert_eq!(page_chunk_len(512, 8192), 8192);
        assert_eq!(page_chunk_len(65536, 8192), 65536);
        assert_eq!(page_chunk_len(8192, 1 << 30), CHUNK_MAX);
        assert_eq!(page_chunk_len(3000, 1 << 30), 63_000);
        assert_eq!(page_chunk_len(0, 0), 1);
        assert_eq!(page_chunk_len(u32::MAX, u32::MAX), CHUNK_MAX);
    }

    #[test]
    fn only_the_last_chunk_is_short() {
        let cutter = PageCutter::new(8192, 8192);
        assert_eq!(cutter.chunk_len(), 8192);
        assert_eq!(cutter.next_cut(&[], true), None);
        assert_eq!(cutter.next_cut(&[], false), None);
        assert_eq!(cutter.next_cut(&[0; 8191], false), None);
        assert_eq!(cutter.next_cut(&[0; 8191], true), Some(8191));
        assert_eq!(cutter.next_cut(&[0; 8192], false), Some(8192));
        assert_eq!(cutter.next_cut(&[0; 20_000], true), Some(8192));
    }

    proptest! {
        #[test]
        fn any_page_size_gives_a_length_within_the_limit(page in any::<u32>(), target in any::<u32>()) {
            let len = page_chunk_len(page, target);
            prop_assert!((1..=CHUNK_MAX).contains(&len));
            if page >= 1 && page as usize <= CHUNK_MAX {
                prop_assert_eq!(len % page as usize, 0);
                prop_assert!(len >= target as usize || len + page as usize > CHUNK_MAX);
            }
        }
    }
}
