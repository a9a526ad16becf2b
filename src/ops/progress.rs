//! How long work tells how far it is.

/// Is told how far a piece of work is. Called from many threads; must be quick.
pub trait Progress: Sync {
    /// A stage begins. `total` is how much there is to do, in bytes, where that is known.
    fn stage(&self, name: &'static str, total: Option<u64>);
    /// So many bytes more are done.
    fn advance(&self, bytes: u64);
    /// Something that the user should know, in one line.
    fn notice(&self, line: &str);
}

/// Tells nobody.
pub struct Silent;

impl Progress for Silent {
    fn stage(&self, _: &'static str, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn notice(&self, _: &str) {}
}
