//! Passphrases and key files: from the environment, a file, a command or a prompt. Wiped when dropped, never printed.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::{Command, Stdio};

use snaphold::crypto::Secret;
use snaphold::error::{Error, Result};
use snaphold::limits::{KEY_FILE_MIN, SECRET_MAX};
use snaphold::source::access::Password;
use zeroize::Zeroizing;

use super::args::{GlobalArgs, NewSecretArgs};

const PASSPHRASE: &str = "SNAPHOLD_PASSPHRASE";
/// The variable with the password of an instance's source.
pub const SOURCE_PASSWORD: &str = "SNAPHOLD_SOURCE_PASSWORD";
/// The variable with a service's token.
const TOKEN: &str = "SNAPHOLD_TOKEN";
const PASSPHRASE_FILE: &str = "SNAPHOLD_PASSPHRASE_FILE";
const NEW_PASSPHRASE: &str = "SNAPHOLD_NEW_PASSPHRASE";

type Bytes = Zeroizing<Vec<u8>>;

/// What opens the repository.
pub fn existing(global: &GlobalArgs) -> Result<Secret> {
    match given(global)? {
        Some(secret) => Ok(secret),
        None => Ok(Secret::Passphrase(ask("Passphrase: ", PASSPHRASE)?)),
    }
}

/// What shall open a repository that is being made.
pub fn first(global: &GlobalArgs) -> Result<Secret> {
    match given(global)? {
        Some(secret) => Ok(secret),
        None => ask_twice("Passphrase for the new repository: ", PASSPHRASE),
    }
}

/// What shall open the repository too, or from now on.
pub fn new(arguments: &NewSecretArgs) -> Result<Secret> {
    if let Some(path) = &arguments.new_key_file {
        return key_file(path);
    }
    if let Some(path) = &arguments.new_passphrase_file {
        return passphrase_file(path);
    }
    match std::env::var_os(NEW_PASSPHRASE) {
        Some(value) => variable(NEW_PASSPHRASE, value),
        None => ask_twice("New passphrase: ", NEW_PASSPHRASE),
    }
}

/// Another of the same, wiped by itself.
pub fn copy(secret: &Secret) -> Secret {
    match secret {
        Secret::Passphrase(bytes) => Secret::Passphrase(bytes.clone()),
        Secret::KeyFile(bytes) => Secret::KeyFile(bytes.clone()),
        Secret::Nothing => Secret::Nothing,
    }
}

/// The secret that options or the environment give; options come first.
fn given(global: &GlobalArgs) -> Result<Option<Secret>> {
    if let Some(path) = &global.key_file {
        return key_file(path).map(Some);
    }
    if let Some(path) = &global.passphrase_file {
        return passphrase_file(path).map(Some);
    }
    if let Some(command) = &global.passphrase_command {
        return output_of(command).map(Some);
    }
    if let Some(value) = std::env::var_os(PASSPHRASE) {
        return variable(PASSPHRASE, value).map(Some);
    }
    std::env::var_os(PASSPHRASE_FILE).map(|path| passphrase_file(Path::new(&path))).transpose()
}

/// The token that a service is asked with.
pub fn token(global: &GlobalArgs) -> Result<Zeroizing<String>> {
    let (bytes, what) = match &global.token_file {
        Some(path) => (read_all(File::open(path), path)?, format!("the token in {}", path.display())),
        None => {
            let value = std::env::var_os(TOKEN).filter(|value| !value.is_empty()).ok_or_else(|| {
                Error::Usage(format!("a service is asked with a token; set {TOKEN}, or give --token-file FILE"))
            })?;
            (Zeroizing::new(value.into_vec()), format!("the token in {TOKEN}"))
        }
    };
    let bytes = checked(bytes, || what.clone())?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Error::Usage(format!("{what} is no text")))?;
    let line = text.lines().next().unwrap_or_default().trim();
    match line.is_empty() {
        true => Err(Error::Usage(format!("{what} is empty"))),
        false => Ok(Zeroizing::new(line.to_string())),
    }
}

/// The password of an instance's source that is given for this run.
pub fn source_password() -> Option<Password> {
    let text = std::env::var(SOURCE_PASSWORD).ok().filter(|text| !text.is_empty())?;
    Some(Password::new(text))
}

fn variable(name: &str, value: OsString) -> Result<Secret> {
    passphrase(Zeroizing::new(value.into_vec()), || format!("the passphrase in {name}"))
}

fn passphrase_file(path: &Path) -> Result<Secret> {
    let bytes = without_newline(read_all(File::open(path), path)?);
    passphrase(bytes, || format!("the passphrase in {}", path.display()))
}

fn key_file(path: &Path) -> Result<Secret> {
    let bytes = checked(read_all(File::open(path), path)?, || format!("the key file {}", path.display()))?;
    if bytes.len() < KEY_FILE_MIN {
        return Err(Error::Usage(format!("the key file {} is shorter than {KEY_FILE_MIN} bytes", path.display())));
    }
    Ok(Secret::KeyFile(bytes))
}

/// What a command prints. Its own complaints go to standard error; it gets no input.
fn output_of(command: &str) -> Result<Secret> {
    let failed = |why: String| Error::Failed(format!("the passphrase command failed: {why}"));
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let printed = match child.stdout.take() {
        Some(stdout) => read_bounded(stdout),
        None => Ok(Zeroizing::default()),
    };
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    let printed = printed.map_err(|error| failed(error.to_string()))?;
    // Whoever prints without end was cut off, and that is why it failed.
    if !status.success() && printed.len() <= SECRET_MAX {
        return Err(failed(status.to_string()));
    }
    passphrase(without_newline(printed), || "what the passphrase command printed".to_string())
}

fn passphrase(bytes: Bytes, what: impl Fn() -> String) -> Result<Secret> {
    checked(bytes, what).map(Secret::Passphrase)
}

fn checked(bytes: Bytes, what: impl Fn() -> String) -> Result<Bytes> {
    match bytes.len() {
        0 => Err(Error::Usage(format!("{} is empty", what()))),
        len if len > SECRET_MAX => Err(Error::Usage(format!("{} is longer than {SECRET_MAX} bytes", what()))),
        _ => Ok(bytes),
    }
}

fn read_all(file: io::Result<File>, path: &Path) -> Result<Bytes> {
    file.and_then(read_bounded).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::NotFound(format!("there is no file {}", path.display())),
        _ => Error::source(path, error),
    })
}

/// At most one byte more than a secret may have. Reserved at once: a buffer that grows leaves copies behind.
fn read_bounded(reader: impl Read) -> io::Result<Bytes> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_MAX + 2));
    reader.take(SECRET_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn without_newline(mut bytes: Bytes) -> Bytes {
    if bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
    bytes
}

/// Asks on the terminal. Standard input may be something else: what is to be loaded, say.
fn ask(prompt: &str, variable: &str) -> Result<Bytes> {
    if !io::stderr().is_terminal() {
        let files = match variable {
            NEW_PASSPHRASE => "--new-passphrase-file or --new-key-file",
            _ => "SNAPHOLD_PASSPHRASE_FILE, --passphrase-file, --passphrase-command or --key-file",
        };
        return Err(Error::Usage(format!(
            "a passphrase is needed and there is no terminal to ask on; set {variable}, or give {files}"
        )));
    }
    let typed = rpassword::prompt_password(prompt)
        .map_err(|error| Error::Failed(format!("cannot ask for the passphrase: {error}")))?;
    checked(Zeroizing::new(typed.into_bytes()), || "the passphrase".to_string())
}

fn ask_twice(prompt: &str, variable: &str) -> Result<Secret> {
    let typed = ask(prompt, variable)?;
    let again = ask("The same again: ", variable)?;
    match *typed == *again {
        true => Ok(Secret::Passphrase(typed)),
        false => Err(Error::Refused("the two passphrases differ; nothing was changed".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_newline_at_the_end_is_left_out() {
        for (stored, meant) in
            [("a\n", "a"), ("a\r\n", "a"), ("a", "a"), ("a\n\n", "a\n"), (" a \n", " a "), ("\n", "")]
        {
            assert_eq!(*without_newline(Zeroizing::new(stored.into())), meant.as_bytes());
        }
    }

    #[test]
    fn a_secret_is_neither_empty_nor_endless() {
        let fits = |len: usize| checked(Zeroizing::new(vec![b'a'; len]), || "it".into()).is_ok();
        assert_eq!([0, 1, SECRET_MAX, SECRET_MAX + 1].map(fits), [false, true, true, false]);
        assert_eq!(read_bounded(io::repeat(b'a')).unwrap().len(), SECRET_MAX + 1);
    }
}
