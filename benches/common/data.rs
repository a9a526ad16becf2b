//! Data for benches: made, the same in every run, and of the kinds that a store meets.

#![allow(dead_code, reason = "each bench uses a part of it")]

/// SplitMix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            part.copy_from_slice(&word[..part.len()]);
        }
    }
}

/// What a bench is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A dump's rows: compresses to about a third.
    Text,
    /// Nothing to gain.
    Random,
    /// Database pages: headers, rows of text and numbers, free space.
    Pages,
}

/// `len` bytes of a kind.
pub fn of(kind: Kind, len: usize) -> Vec<u8> {
    match kind {
        Kind::Text => text(1, len),
        Kind::Random => random(1, len),
        Kind::Pages => pages(1, len),
    }
}

pub fn random(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    Random::new(seed).fill(&mut bytes);
    bytes
}

/// A word of a dictionary of 4,096, the frequent ones more often.
fn word(random: &mut Random) -> String {
    let mut letters = Random::new(1 + random.below(4096).min(random.below(4096)) as u64);
    (0..3 + letters.below(7)).map(|_| char::from(b'a' + letters.below(26) as u8)).collect()
}

fn row(random: &mut Random, number: u64) -> String {
    let (first, second, third) = (word(random), word(random), word(random));
    let (cents, digits) = (random.below(1_000_000), random.next());
    format!("INSERT INTO orders VALUES ({number}, '{first} {second}', '{third}', {cents}, '{digits:016x}');\n")
}

/// Rows of a dump.
pub fn text(seed: u64, len: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut text = Vec::with_capacity(len + 200);
    let mut number = seed << 32;
    while text.len() < len {
        text.extend_from_slice(row(&mut random, number).as_bytes());
        number += 1;
    }
    text.truncate(len);
    text
}

/// A page's length, bytes.
pub const PAGE: usize = 8192;

/// Pages of 8 KiB that look like PostgreSQL's: a header that says so, rows from the end on, free space between.
pub fn pages(seed: u64, len: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut file = vec![0; len];
    for (number, page) in file.chunks_mut(PAGE).enumerate() {
        let mut end = page.len();
        while end > 1200 {
            let mut row = format!("{:08}{} {}", number, word(&mut random), word(&mut random)).into_bytes();
            let mut value = [0; 24];
            random.fill(&mut value);
            row.extend(value);
            row.resize(row.len().next_multiple_of(8), 0);
            end -= row.len();
            page[end..end + row.len()].copy_from_slice(&row);
        }
        if page.len() == PAGE {
            page[..8].copy_from_slice(&random.next().to_le_bytes());
            page[18..20].copy_from_slice(&0x2004u16.to_le_bytes());
        }
    }
    file
}

/// Changes a row's value in some of the pages, as updates do: new bytes in the free space, others in the header.
pub fn update_pages(seed: u64, file: &mut [u8], updates: usize) {
    let mut random = Random::new(seed);
    let count = file.len() / PAGE;
    for _ in 0..updates {
        let page = &mut file[random.below(count) * PAGE..][..PAGE];
        let at = 24 + random.below(1000);
        random.fill(&mut page[at..at + 60]);
        page[..8].copy_from_slice(&random.next().to_le_bytes());
    }
}

/// Changes numbers in some of the rows.
pub fn update_text(seed: u64, file: &mut [u8], updates: usize) {
    let mut random = Random::new(seed);
    for _ in 0..updates {
        let at = random.below(file.len() - 8);
        file[at..at + 8].copy_from_slice(format!("{:08}", random.below(100_000_000)).as_bytes());
    }
}
