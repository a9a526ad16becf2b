//! Words that are typed before something is overwritten or deleted.

use std::io::{self, BufRead, IsTerminal, Write};

use snaphold::error::{Error, Result};

use super::table::printable;

/// The word for overwriting.
pub const RESTORE: &str = "RESTORE";
/// The word for deleting.
pub const DELETE: &str = "DELETE";

/// Gets the consent to `what`, such as `overwrite files:/srv/shop`: by the word that `--confirm` gave, else by asking on a
/// terminal, where `shown` is printed before the question. Refused otherwise; nothing has been touched then.
pub fn consent(
    word: &str,
    given_word: Option<&str>,
    what: &str,
    shown: impl FnOnce() -> Result<String>,
) -> Result<bool> {
    if given(word, given_word)? {
        return Ok(true);
    }
    if !can_ask() {
        return Err(Error::Refused(format!("this would {what}; give --confirm {word} if that is meant")));
    }
    let typed = ask(word, what, &shown()?)?;
    given(word, Some(&typed))
}

/// Whether the word was given. Refused where another was.
pub fn given(word: &str, given_word: Option<&str>) -> Result<bool> {
    match given_word {
        None => Ok(false),
        Some(given_word) if given_word == word => Ok(true),
        Some(_) => Err(Error::Refused(format!("not confirmed: the word is {word}; nothing was changed"))),
    }
}

/// Whether somebody is there to be asked.
pub fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

fn ask(word: &str, what: &str, shown: &str) -> Result<String> {
    let failed = |error: io::Error| Error::Failed(format!("cannot ask for {word}: {error}"));
    let mut stderr = io::stderr();
    write!(stderr, "{shown}This would {}.\nType {word} to go on: ", printable(what)).map_err(failed)?;
    stderr.flush().map_err(failed)?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(failed)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_word_is_consent() {
        assert!(matches!(given(RESTORE, Some("RESTORE")), Ok(true)));
        assert!(matches!(given(RESTORE, None), Ok(false)));
        for word in ["", "restore", "RESTORE ", "DELETE", "yes"] {
            let refused = given(RESTORE, Some(word)).unwrap_err();
            assert_eq!(refused.kind().exit_code(), 4, "{word:?}");
        }
    }
}
