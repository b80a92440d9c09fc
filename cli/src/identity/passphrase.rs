//! Where a passphrase comes from: a flag, the environment, or the person at the terminal.
//!
//! The order is `--no-passphrase`, `--passphrase-file`, `COMITY_PASSPHRASE`,
//! `COMITY_PASSPHRASE_FILE`, the terminal. What is not given and cannot be asked for is an error:
//! a command never waits for a terminal that nobody sees, and never falls back to an empty one.

use super::environment::Environment;
use std::{
    fmt,
    fs::File,
    io::{self, IsTerminal as _, Read as _},
    path::{Path, PathBuf},
};
use thiserror::Error;
use zeroize::Zeroizing;

/// Longest passphrase, in UTF-8 bytes.
pub const PASSPHRASE_MAX_BYTES: usize = 4096;

/// A passphrase. Wiped when dropped, never printed. Its bytes are used as they are: no Unicode
/// normalization, no trimming.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// The empty passphrase: encrypted, but open to whoever has the file.
    pub fn none() -> Self {
        Self(Zeroizing::new(String::new()))
    }

    /// Whether it protects nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl From<&str> for Passphrase {
    fn from(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(hidden)")
    }
}

/// What the command line says about the passphrase.
#[derive(Debug, Default, Clone)]
pub struct PassphraseOptions {
    /// `--passphrase-file FILE`.
    pub file: Option<PathBuf>,
    /// `--no-passphrase`.
    pub none: bool,
}

/// What the passphrase is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Opening something that was sealed before; an empty one is worth a try.
    Unlock,
    /// Sealing something new: asked twice, and not empty unless explicitly so.
    New,
}

/// Why there is no usable passphrase.
#[derive(Debug, Error)]
pub enum PassphraseError {
    /// Nothing was given and there is no terminal to ask at.
    #[error("none was given, and there is no terminal to ask at")]
    NotGiven,
    /// `--no-passphrase` and `--passphrase-file` together.
    #[error("--no-passphrase and --passphrase-file contradict each other")]
    Contradiction,
    /// A new passphrase is empty, and that was not asked for.
    #[error("the new passphrase is empty")]
    Empty,
    /// The two entries differ.
    #[error("the two entries differ")]
    Differ,
    /// It is longer than [`PASSPHRASE_MAX_BYTES`].
    #[error("it is longer than {PASSPHRASE_MAX_BYTES} bytes")]
    TooLong,
    /// It is not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// The file cannot be read.
    #[error("cannot read the passphrase file {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The terminal failed.
    #[error("cannot ask at the terminal")]
    Terminal(#[source] io::Error),
}

impl PassphraseError {
    pub(super) const fn is_usage(&self) -> bool {
        matches!(self, Self::NotGiven | Self::Contradiction | Self::Empty)
    }

    pub(super) fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::NotGiven => {
                "give it with COMITY_PASSPHRASE, COMITY_PASSPHRASE_FILE or --passphrase-file"
            }
            Self::Contradiction => "give one of them",
            Self::Empty => {
                "to do without a passphrase say --no-passphrase; then everyone who gets the files \
                 can write in your name"
            }
            Self::Differ => "try again",
            Self::TooLong | Self::NotUtf8 => "choose another passphrase",
            Self::File { .. } => "check the name of the file and who may read it",
            Self::Terminal(_) => {
                "give it with COMITY_PASSPHRASE, COMITY_PASSPHRASE_FILE or --passphrase-file"
            }
        };
        vec![hint.to_owned()]
    }
}

/// Something that can ask a person for a secret.
pub trait Prompt {
    /// Whether a person is there to be asked.
    fn available(&self) -> bool;

    /// Shows `question` and returns the answer, which is not shown while it is typed.
    ///
    /// # Errors
    /// If the terminal fails.
    fn ask(&mut self, question: &str) -> io::Result<Zeroizing<String>>;
}

/// The terminal of this process, even when standard input is a file or pipe.
#[derive(Debug, Default)]
pub struct TerminalPrompt;

impl Prompt for TerminalPrompt {
    fn available(&self) -> bool {
        // A question that nobody sees would look like a hang, so standard error counts too.
        io::stderr().is_terminal() && File::open("/dev/tty").is_ok()
    }

    fn ask(&mut self, question: &str) -> io::Result<Zeroizing<String>> {
        rpassword::prompt_password(question).map(Zeroizing::new)
    }
}

/// Gets the passphrase.
///
/// # Errors
/// If none is given and none can be asked for, or what is given cannot be used.
pub fn obtain(
    options: &PassphraseOptions,
    environment: &Environment,
    prompt: &mut dyn Prompt,
    purpose: Purpose,
) -> Result<Passphrase, PassphraseError> {
    if options.none {
        return match options.file {
            Some(_) => Err(PassphraseError::Contradiction),
            None => Ok(Passphrase::none()),
        };
    }
    let text = if let Some(path) = &options.file {
        read_file(path)?
    } else if let Some(value) = &environment.passphrase {
        let text = value.to_str().ok_or(PassphraseError::NotUtf8)?;
        Zeroizing::new(text.to_owned())
    } else if let Some(path) = &environment.passphrase_file {
        read_file(Path::new(path))?
    } else if prompt.available() {
        ask(prompt, purpose)?
    } else {
        return Err(PassphraseError::NotGiven);
    };
    if text.len() > PASSPHRASE_MAX_BYTES {
        return Err(PassphraseError::TooLong);
    }
    if text.is_empty() && purpose == Purpose::New {
        return Err(PassphraseError::Empty);
    }
    Ok(Passphrase(text))
}

fn ask(prompt: &mut dyn Prompt, purpose: Purpose) -> Result<Zeroizing<String>, PassphraseError> {
    let mut put = |question| prompt.ask(question).map_err(PassphraseError::Terminal);
    if purpose == Purpose::Unlock {
        return put("Passphrase: ");
    }
    let first = put("New passphrase: ")?;
    if first.is_empty() {
        return Err(PassphraseError::Empty);
    }
    if *first != *put("The same again: ")? {
        return Err(PassphraseError::Differ);
    }
    Ok(first)
}

/// The content of the file without one line break at its end.
fn read_file(path: &Path) -> Result<Zeroizing<String>, PassphraseError> {
    let failed = |source| PassphraseError::File {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(PASSPHRASE_MAX_BYTES + 3));
    let file = File::open(path).map_err(failed)?;
    file.take(PASSPHRASE_MAX_BYTES as u64 + 3)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| PassphraseError::NotUtf8)?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    struct Answers(Option<VecDeque<&'static str>>);

    impl Prompt for Answers {
        fn available(&self) -> bool {
            self.0.is_some()
        }

        fn ask(&mut self, _: &str) -> io::Result<Zeroizing<String>> {
            let answer = self.0.as_mut().and_then(VecDeque::pop_front);
            answer
                .map(|text| Zeroizing::new(text.to_owned()))
                .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
        }
    }

    fn nobody() -> Answers {
        Answers(None)
    }

    fn answers(texts: &[&'static str]) -> Answers {
        Answers(Some(texts.iter().copied().collect()))
    }

    fn get(
        options: &PassphraseOptions,
        environment: &Environment,
        mut prompt: Answers,
        purpose: Purpose,
    ) -> Result<String, String> {
        obtain(options, environment, &mut prompt, purpose)
            .map(|passphrase| passphrase.0.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_terminal_and_without_a_source_it_is_an_error() {
        let result = get(
            &Default::default(),
            &Environment::default(),
            nobody(),
            Purpose::Unlock,
        );
        assert_eq!(
            result.unwrap_err(),
            "none was given, and there is no terminal to ask at"
        );
    }

    #[test]
    fn flags_go_before_the_environment_and_the_environment_before_the_terminal() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("passphrase");
        std::fs::write(&file, "from file \r\n").unwrap();
        let environment = Environment {
            passphrase: Some("from environment".into()),
            passphrase_file: Some(file.clone().into()),
            ..Environment::default()
        };
        let by_file = PassphraseOptions {
            file: Some(file),
            none: false,
        };
        let ask = || answers(&["typed"]);
        let unlock = Purpose::Unlock;
        assert_eq!(
            get(&by_file, &environment, ask(), unlock).unwrap(),
            "from file "
        );
        let options = PassphraseOptions::default();
        assert_eq!(
            get(&options, &environment, ask(), unlock).unwrap(),
            "from environment"
        );
        let environment = Environment {
            passphrase: None,
            ..environment
        };
        assert_eq!(
            get(&options, &environment, ask(), unlock).unwrap(),
            "from file "
        );
        let environment = Environment::default();
        assert_eq!(get(&options, &environment, ask(), unlock).unwrap(), "typed");
    }

    #[test]
    fn a_new_passphrase_is_asked_twice_and_must_agree() {
        let new = |texts| {
            let environment = Environment::default();
            get(
                &Default::default(),
                &environment,
                answers(texts),
                Purpose::New,
            )
        };
        assert_eq!(new(&["one", "one"]).unwrap(), "one");
        assert_eq!(new(&["one", "two"]).unwrap_err(), "the two entries differ");
        assert_eq!(new(&["", ""]).unwrap_err(), "the new passphrase is empty");
    }

    #[test]
    fn an_empty_one_needs_the_flag() {
        let environment = Environment {
            passphrase: Some("".into()),
            ..Environment::default()
        };
        let mut options = PassphraseOptions::default();
        let error = get(&options, &environment, nobody(), Purpose::New).unwrap_err();
        assert_eq!(error, "the new passphrase is empty");
        options.none = true;
        assert_eq!(
            get(&options, &environment, nobody(), Purpose::New).unwrap(),
            ""
        );
        options.file = Some("x".into());
        assert!(get(&options, &environment, nobody(), Purpose::New).is_err());
    }

    #[test]
    fn neither_debug_output_shows_the_passphrase() {
        let environment = Environment {
            passphrase: Some("swordfish".into()),
            ..Environment::default()
        };
        let shown = format!("{environment:?} {:?}", Passphrase::from("swordfish"));
        assert!(!shown.contains("swordfish"), "{shown}");
    }
}
