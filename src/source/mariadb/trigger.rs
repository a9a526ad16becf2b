//! A trigger's text in a dump. The server keeps it as its author wrote it, and authors may name the database: `CREATE
//! TRIGGER shop.t AFTER INSERT ON shop.accounts …`. Such a text can be loaded into no database of another name.

/// How the tool begins a trigger.
pub const BEGIN: &[u8] = b"/*!50003 CREATE*/ ";
/// How it ends one.
pub const END: &[u8] = b"*/;;\n";

/// `statement` without the name of `database` before the trigger's and the table's; as it is where these are not found.
pub fn unqualified(statement: &[u8], database: &str) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(statement) else { return statement.to_vec() };
    match cuts(text, database) {
        Some(cuts) => {
            let mut out = String::new();
            let mut from = 0;
            for (begin, end) in cuts {
                out.push_str(text.get(from..begin).unwrap_or_default());
                from = end;
            }
            out.push_str(text.get(from..).unwrap_or_default());
            out.into_bytes()
        }
        None => statement.to_vec(),
    }
}

/// What is left out: stretches of the text.
fn cuts(text: &str, database: &str) -> Option<Vec<(usize, usize)>> {
    let mut words = Words { text, at: 0 };
    while !words.next()?.is("TRIGGER") {}
    let mut cuts = Vec::new();
    let mut name = words.next()?;
    if name.is("IF") {
        words.next()?;
        words.next()?;
        name = words.next()?;
    }
    cuts.extend(qualifier(&mut words, &name, database)?);
    while !words.next()?.is("ON") {}
    let table = words.next()?;
    cuts.extend(qualifier(&mut words, &table, database)?);
    Some(cuts)
}

/// The stretch from a database's name to the name behind its dot, where there is a dot.
fn qualifier(words: &mut Words<'_>, name: &Word<'_>, database: &str) -> Option<Option<(usize, usize)>> {
    let before = words.at;
    match words.next()?.is(".") {
        true if name.name() == database => {
            let own = words.next()?;
            Some(Some((name.begin, own.begin)))
        }
        true => words.next().map(|_| None),
        false => {
            words.at = before;
            Some(None)
        }
    }
}

/// A word, a name in quotes, or a single other character.
struct Word<'t> {
    text: &'t str,
    begin: usize,
}

impl Word<'_> {
    fn is(&self, keyword: &str) -> bool {
        self.text.eq_ignore_ascii_case(keyword)
    }

    fn name(&self) -> String {
        match self.text.strip_prefix('`').and_then(|text| text.strip_suffix('`')) {
            Some(inner) => inner.replace("``", "`"),
            None => match self.text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
                Some(inner) => inner.replace("\"\"", "\""),
                None => self.text.to_string(),
            },
        }
    }
}

struct Words<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Words<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next one; comments and the marks of the tool's own (`/*!50003`, `*/`) are none.
    fn next(&mut self) -> Option<Word<'t>> {
        loop {
            let rest = self.rest();
            let first = rest.chars().next()?;
            let skipped = if first.is_whitespace() {
                first.len_utf8()
            } else if rest.starts_with("/*!") {
                rest.find(|char: char| !char.is_ascii_digit() && !"/*!M".contains(char))?
            } else if rest.starts_with("*/") {
                2
            } else if rest.starts_with("/*") {
                rest.find("*/")? + 2
            } else if rest.starts_with("-- ") || first == '#' {
                rest.find('\n')?
            } else {
                break;
            };
            self.at += skipped;
        }
        let rest = self.rest();
        let begin = self.at;
        let len = match rest.chars().next()? {
            quote @ ('`' | '"' | '\'') => quoted_len(rest, quote)?,
            char if is_word(char) => rest.find(|char| !is_word(char)).unwrap_or(rest.len()),
            char => char.len_utf8(),
        };
        self.at += len;
        Some(Word { text: rest.get(..len)?, begin })
    }
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_' || char == '$' || !char.is_ascii()
}

/// The length of a name in quotes, which stand twice where they are part of it.
fn quoted_len(text: &str, quote: char) -> Option<usize> {
    let mut at = 1;
    loop {
        at += text.get(at..)?.find(quote)? + 1;
        match text.get(at..)?.starts_with(quote) {
            true => at += 1,
            false => return Some(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_databases_name_goes_where_it_stands_before_names() {
        let of = |text: &str| String::from_utf8(unqualified(text.as_bytes(), "shop")).unwrap();
        let head = "/*!50003 CREATE*/ /*!50017 DEFINER=`a``.b`@`%`*/ /*!50003 ";
        for (text, expected) in [
            ("trigger tr1 before insert on accounts for each row set @x = 'shop.y' \n*/;;\n", None),
            (
                "trigger shop.tr1 after insert on shop.accounts for each row set @x=shop.f() ",
                Some("trigger tr1 after insert on accounts for each row set @x=shop.f() "),
            ),
            (
                "TRIGGER `shop` . `t``r` /* on shop.x */ BEFORE\nUPDATE\n ON `shop`.`a.b` FOR",
                Some("TRIGGER `t``r` /* on shop.x */ BEFORE\nUPDATE\n ON `a.b` FOR"),
            ),
            (
                "trigger IF NOT EXISTS shop.x before delete on other.t for",
                Some("trigger IF NOT EXISTS x before delete on other.t for"),
            ),
            ("TRIGGER shop BEFORE INSERT ON shop FOR EACH ROW SET @a = 1", None),
            ("TRIGGER `unterminated", None),
        ] {
            assert_eq!(of(&format!("{head}{text}")), format!("{head}{}", expected.unwrap_or(text)));
        }
    }
}
