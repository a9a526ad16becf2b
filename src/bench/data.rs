//! Data to measure with: made, the same in every run, and of the kinds that a store meets.

/// SplitMix64: numbers that look random and come again with the same seed.
pub struct Random(u64);

impl Random {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    #[expect(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is at least 1.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(8) {
            put(part, 0, &self.next().to_le_bytes());
        }
    }
}

/// Writes as much of `bytes` at `at` as there is room for.
fn put(into: &mut [u8], at: usize, bytes: &[u8]) {
    let room = into.get_mut(at..).unwrap_or_default();
    room.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
}

/// What data is like.
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

/// Noise.
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
            put(page, end, &row);
        }
        if page.len() == PAGE {
            put(page, 0, &random.next().to_le_bytes());
            put(page, 18, &0x2004u16.to_le_bytes());
        }
    }
    file
}

/// Changes a row's value in some of the pages, as updates do: new bytes in the free space, others in the header.
pub fn update_pages(seed: u64, file: &mut [u8], updates: usize) {
    let mut random = Random::new(seed);
    let count = file.len() / PAGE;
    for _ in 0..updates {
        let page = random.below(count) * PAGE;
        let at = 24 + random.below(1000);
        let mut row = [0; 60];
        random.fill(&mut row);
        put(file, page + at, &row);
        put(file, page, &random.next().to_le_bytes());
    }
}

/// Changes numbers in some of the rows.
pub fn update_text(seed: u64, file: &mut [u8], updates: usize) {
    let mut random = Random::new(seed);
    for _ in 0..updates {
        let at = random.below(file.len().saturating_sub(8));
        put(file, at, format!("{:08}", random.below(100_000_000)).as_bytes());
    }
}
