//! What a page says was just done. Addresses carry a word for it, never the sentence: nobody can put words into a page.

/// The query's name.
pub const NAME: &str = "done";

const SENTENCES: [(&str, &str); 25] = [
    ("taking", "The snapshot is being taken."),
    ("loading", "The dump is being loaded."),
    ("restoring", "The restore has begun."),
    ("undoing", "The state before is being brought back."),
    ("resumed", "The restore goes on."),
    ("aborted", "What was there before is being brought back."),
    ("exporting", "The file is being made. It is listed here once it is ready."),
    ("cloning", "The instance is being created."),
    ("held", "The snapshot is held."),
    ("deleted", "The snapshot is deleted. It can be brought back for a while."),
    ("undeleted", "The snapshot is back."),
    ("drilling", "The drill has begun."),
    ("added", "The instance is there. Take its first snapshot, or set a schedule."),
    ("saved", "Saved."),
    ("removed", "The instance is removed. Its snapshots are still listed here."),
    ("checking", "Its system is being looked at."),
    ("scheduled", "The schedule is saved."),
    ("off", "The schedule is switched off."),
    ("planned", "The plan's schedule counts again."),
    ("cancelled", "The job was asked to stop."),
    ("revoked", "The token is revoked. It counts no more."),
    ("user", "Saved. Sessions of that user have ended."),
    ("password", "The password is changed."),
    ("verifying", "All data is being verified."),
    ("freeing", "Space is being freed."),
];

/// What the query of an address says was done.
pub fn of_query(query: Option<&str>) -> Option<&'static str> {
    let word = query?.split('&').find_map(|pair| pair.strip_prefix(NAME)?.strip_prefix('='))?;
    SENTENCES.iter().find(|(known, _)| *known == word).map(|(_, sentence)| *sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_words_become_sentences() {
        assert_eq!(of_query(Some("a=b&done=saved")), Some("Saved."));
        assert_eq!(of_query(Some("done=<b>")), None);
        assert_eq!(of_query(Some("undone=saved")), None);
        assert_eq!(of_query(None), None);
    }
}
