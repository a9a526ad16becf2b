//! The roles that a dump names: they belong to the server, so they are not in it, and a new server has none of them.

use std::collections::BTreeSet;

use super::archive::{Contents, text};

/// Kinds of entries whose SQL names roles.
const NAMING: &[&str] = &["ACL", "DEFAULT ACL", "POLICY", "DATABASE PROPERTIES"];

/// Roles that entries are owned by or that are named in grants, policies and settings.
pub fn roles_of(contents: &Contents) -> BTreeSet<String> {
    let mut roles: BTreeSet<String> = contents.entries.iter().map(|entry| text(&entry.owner)).collect();
    for entry in contents.entries.iter().filter(|entry| NAMING.contains(&entry.kind.as_str())) {
        named_in(&text(&entry.definition), &mut roles);
    }
    roles.retain(|role| !role.is_empty() && !role.starts_with("pg_") && !["public", "PUBLIC"].contains(&role.as_str()));
    roles
}

#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    Name(String),
    Comma,
    Other,
}

/// Adds the names behind TO, FROM, ROLE and AUTHORIZATION.
fn named_in(sql: &str, roles: &mut BTreeSet<String>) {
    let mut expects = false;
    for token in tokens(sql) {
        let word = match &token {
            Token::Word(word) => word.to_ascii_uppercase(),
            _ => String::new(),
        };
        match token {
            _ if ["TO", "FROM", "ROLE", "AUTHORIZATION"].contains(&word.as_str()) => expects = true,
            Token::Name(name) | Token::Word(name) if expects => {
                roles.insert(name);
                expects = false;
            }
            // A list goes on, also behind what is no role: a role too many does no harm here.
            Token::Comma => expects = true,
            _ => expects = false,
        }
    }
}

fn tokens(sql: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut letters = sql.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' | '\'' => {
                let mut name = String::new();
                while let Some(next) = letters.next() {
                    match next {
                        next if next != letter => name.push(next),
                        _ if letters.peek() == Some(&letter) => name.extend(letters.next()),
                        _ => break,
                    }
                }
                tokens.push(if letter == '"' { Token::Name(name) } else { Token::Other });
            }
            ',' => tokens.push(Token::Comma),
            letter if letter.is_alphanumeric() || letter == '_' => {
                let mut word = String::from(letter);
                while let Some(next) = letters.next_if(|next| next.is_alphanumeric() || "_$".contains(*next)) {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
            letter if letter.is_whitespace() => {}
            _ => tokens.push(Token::Other),
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_found_where_sql_names_them() {
        let mut roles = BTreeSet::new();
        named_in("GRANT SELECT(a),UPDATE(b) ON TABLE public.t TO \"A \"\"role\";", &mut roles);
        named_in("SET SESSION AUTHORIZATION giver;\nREVOKE ALL ON SCHEMA s FROM taker;", &mut roles);
        named_in("CREATE POLICY p ON public.t TO one, two USING ((a = 'x, TO nobody'::text));", &mut roles);
        for role in ["A \"role", "giver", "taker", "one", "two"] {
            assert!(roles.contains(role), "{role}: {roles:?}");
        }
        assert!(!roles.contains("nobody"));
    }
}
