//! Words that are typed before something is overwritten or deleted.

use std::io::{self, BufRead, IsTerminal, Write};

use snaphold::error::{Error, Result};

use super::table::printable;

/// Gets the consent to `what`, such as `overwrite files:/srv/shop`: by the word that `--confirm` gave, else by asking on a
/// terminal. `shown` is printed before the question. Refused otherwise; nothing has been touched then.
pub fn confirm(word: &str, given: Option<&str>, what: &str, shown: &str) -> Result<()> {
    let typed = match given {
        Some(given) => given.to_string(),
        None if io::stdin().is_terminal() && io::stderr().is_terminal() => ask(word, what, shown)?,
        None => {
            return Err(Error::Refused(format!("this would {what}; give --confirm {word} if that is meant")));
        }
    };
    match typed == word {
        true => Ok(()),
        false => Err(Error::Refused(format!("not confirmed: the word is {word}; nothing was changed"))),
    }
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
        assert!(confirm("RESTORE", Some("RESTORE"), "overwrite it", "").is_ok());
        for word in ["", "restore", "RESTORE ", "DELETE", "yes"] {
            let refused = confirm("RESTORE", Some(word), "overwrite it", "").unwrap_err();
            assert_eq!(refused.kind().exit_code(), 4, "{word:?}");
        }
    }
}
