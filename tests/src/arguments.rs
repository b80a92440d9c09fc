//! What the programs beside the tests are given: words with a value each.

use std::{process::ExitCode, str::FromStr};

/// An option and its value.
pub struct Given {
    word: String,
    value: String,
}

impl Given {
    /// The option.
    pub fn word(&self) -> &str {
        &self.word
    }

    /// Its value.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Its value as a number.
    ///
    /// # Errors
    /// What is wrong, if it is none.
    pub fn number<T: FromStr>(&self) -> Result<T, String> {
        let parsed = self.value.parse();
        parsed.map_err(|_| format!("{} is no number for {}", self.value, self.word))
    }

    /// Nobody knows it.
    ///
    /// # Errors
    /// Always.
    pub fn unknown(&self) -> Result<(), String> {
        Err(format!("{} is not known", self.word))
    }
}

/// Hands every option of the command line to `take`.
///
/// # Errors
/// The code to end with, once usage was printed: 0 if somebody asked for it, 2 if something is wrong.
pub fn read(
    usage: &str,
    mut take: impl FnMut(&Given) -> Result<(), String>,
) -> Result<(), ExitCode> {
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if matches!(word.as_str(), "--help" | "-h") {
            println!("usage: {usage}");
            return Err(ExitCode::SUCCESS);
        }
        let taken = match words.next() {
            Some(value) => take(&Given { word, value }),
            None => Err(format!("{word} needs a value")),
        };
        if let Err(what) = taken {
            eprintln!("{what}\nusage: {usage}");
            return Err(ExitCode::from(2));
        }
    }
    Ok(())
}
