//! Terms of a charter as they are typed. Parties and spaces stay names here: what they stand for is
//! looked up later.

use comity_protocol::certificate::Method;
use std::{path::PathBuf, str::FromStr};

/// Who may read a space, as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadersArgument {
    /// Anyone.
    Everyone,
    /// Members.
    Members,
    /// Members of these parties, by name or id.
    Parties(Vec<String>),
}

impl From<&str> for ReadersArgument {
    fn from(text: &str) -> Self {
        match text {
            "everyone" => Self::Everyone,
            "members" => Self::Members,
            parties => Self::Parties(list(parties, '+')),
        }
    }
}

/// NAME:READERS[:WRITERS[:KINDS]]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceTerms {
    /// Its name.
    pub name: String,
    /// Who reads.
    pub readers: ReadersArgument,
    /// Whether only stewards write.
    pub only_stewards_write: bool,
    /// Kinds of documents; none: all.
    pub kinds: Option<Vec<String>>,
}

const SPACE_FORM: &str = "the form is NAME:READERS[:WRITERS[:KINDS]], such as support:everyone or \
                          ours:Vendor+Users:stewards:topic,reply";

impl FromStr for SpaceTerms {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(':').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let readers = parts.next().unwrap_or_default();
        if name.is_empty() || readers.is_empty() {
            return Err(format!("a space needs a name and readers: {SPACE_FORM}"));
        }
        let readers = ReadersArgument::from(readers);
        let only_stewards_write = match parts.next() {
            None | Some("" | "members") => false,
            Some("stewards") => true,
            Some(_) => return Err(format!("writers are members or stewards: {SPACE_FORM}")),
        };
        let kinds = parts.next().map(|it| {
            let mut kinds = list(it, ',');
            kinds.sort();
            kinds.dedup();
            kinds
        });
        if kinds.as_ref().is_some_and(Vec::is_empty) || parts.next().is_some() {
            return Err(SPACE_FORM.to_owned());
        }
        Ok(Self {
            name: name.to_owned(),
            readers,
            only_stewards_write,
            kinds,
        })
    }
}

fn list(text: &str, separator: char) -> Vec<String> {
    let items = text.split(separator).map(str::trim);
    items
        .filter(|it| !it.is_empty())
        .map(str::to_owned)
        .collect()
}

/// OLD=SPACE
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Successor {
    /// The space that is succeeded.
    pub old: String,
    /// The new one.
    pub new: SpaceTerms,
}

impl FromStr for Successor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (old, new) = named(text, "OLD=NAME:READERS")?;
        let new = new.parse()?;
        Ok(Self { old, new })
    }
}

fn named<'a>(text: &'a str, form: &str) -> Result<(String, &'a str), String> {
    match text.split_once('=') {
        Some((name, rest)) if !name.trim().is_empty() && !rest.trim().is_empty() => {
            Ok((name.trim().to_owned(), rest.trim()))
        }
        _ => Err(format!("the form is {form}")),
    }
}

/// NAME=TEXT
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedText {
    /// The name.
    pub name: String,
    /// The text.
    pub text: String,
}

impl FromStr for NamedText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, text) = named(text, "NAME=TEXT")?;
        let text = text.to_owned();
        Ok(Self { name, text })
    }
}

/// NAME=FILE
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// The name.
    pub name: String,
    /// The file.
    pub file: PathBuf,
}

impl FromStr for NamedFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, file) = named(text, "NAME=FILE")?;
        let file = file.into();
        Ok(Self { name, file })
    }
}

/// PARTY:KEY
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedKey {
    /// The party, by name or id.
    pub party: String,
    /// A member's name or root key.
    pub key: String,
}

impl FromStr for NamedKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Keys hold colons themselves.
        match text.split_once(':') {
            Some((party, key)) if !party.is_empty() && !key.is_empty() => Ok(Self {
                party: party.to_owned(),
                key: key.to_owned(),
            }),
            _ => Err("the form is PARTY:MEMBER".to_owned()),
        }
    }
}

/// [PARTY:]NAME
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromiseName {
    /// Who promises; none: every party.
    pub party: Option<String>,
    /// The promise's name.
    pub name: String,
}

impl FromStr for PromiseName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (party, name) = match text.rsplit_once(':') {
            Some((party, name)) => (Some(party.trim().to_owned()), name),
            None => (None, text),
        };
        let name = name.trim().to_owned();
        if name.is_empty() || party.as_ref().is_some_and(String::is_empty) {
            return Err("the form is [PARTY:]NAME".to_owned());
        }
        Ok(Self { party, name })
    }
}

/// [PARTY:]NAME=DAYS
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromiseArgument {
    /// Whose and which.
    pub name: PromiseName,
    /// Days.
    pub days: u64,
}

impl FromStr for PromiseArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "[PARTY:]NAME=DAYS, such as Vendor:answer=14";
        let (name, days) = named(text, form)?;
        let days = days.trim_end_matches(['d', ' ']);
        Ok(Self {
            name: name.parse()?,
            days: days
                .parse()
                .map_err(|_| format!("{days:?} is no number of days; the form is {form}"))?,
        })
    }
}

/// NAME=METHOD:QUORUM%:SHARE%[:concurrent]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleArgument {
    /// Its name.
    pub name: String,
    /// The method.
    pub method: Method,
    /// Ballots needed, in thousandths.
    pub quorum_permille: u64,
    /// Share needed, in thousandths.
    pub share_permille: u64,
    /// Whether each party must reach the share.
    pub concurrent: bool,
}

const RULE_FORM: &str = "NAME=METHOD:QUORUM%:SHARE%[:concurrent], such as \
                         features=ranked:50%:60%:concurrent";

impl FromStr for RuleArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) = named(text, RULE_FORM)?;
        let parts: Vec<&str> = rest.split(':').map(str::trim).collect();
        let (method, quorum, share, concurrent) = match parts.as_slice() {
            [method, quorum, share] => (method, quorum, share, false),
            [method, quorum, share, "concurrent"] => (method, quorum, share, true),
            _ => return Err(format!("the form is {RULE_FORM}")),
        };
        Ok(Self {
            name,
            method: method_named(method)?,
            quorum_permille: permille(quorum)?,
            share_permille: permille(share)?,
            concurrent,
        })
    }
}

/// The method of counting with this name.
///
/// # Errors
/// If there is none.
pub fn method_named(text: &str) -> Result<Method, String> {
    match text {
        "majority" => Ok(Method::Majority),
        "approval" => Ok(Method::Approval),
        "score" => Ok(Method::Score),
        "ranked" => Ok(Method::Ranked),
        "consent" => Ok(Method::Consent),
        _ => Err(format!(
            "{text:?} is no method; there are majority, approval, score, ranked and consent"
        )),
    }
}

/// The name of a method of counting.
pub fn method_name(method: Method) -> &'static str {
    match method {
        Method::Majority => "majority",
        Method::Approval => "approval",
        Method::Score => "score",
        Method::Ranked => "ranked",
        Method::Consent => "consent",
    }
}

/// A share in percent with at most one decimal, in thousandths.
fn permille(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no share between 0% and 100%, such as 50% or 66.7%");
    let number = text.strip_suffix('%').unwrap_or(text);
    let (whole, tenth) = number.split_once('.').unwrap_or((number, "0"));
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let tenth: u64 = match tenth.len() {
        1 => tenth.parse().map_err(|_| wrong())?,
        _ => return Err(wrong()),
    };
    let permille = whole.checked_mul(10).and_then(|it| it.checked_add(tenth));
    permille.filter(|it| *it <= 1_000).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_name_readers_writers_and_kinds() {
        let ours: SpaceTerms = "ours:Vendor + Tea Users:stewards:topic,reply,topic"
            .parse()
            .unwrap();
        let parties = vec!["Vendor".to_owned(), "Tea Users".to_owned()];
        assert_eq!(ours.readers, ReadersArgument::Parties(parties));
        assert!(ours.only_stewards_write);
        assert_eq!(ours.kinds.unwrap(), ["reply", "topic"]);
        let open: SpaceTerms = "support:everyone".parse().unwrap();
        assert_eq!(
            (open.readers, open.kinds),
            (ReadersArgument::Everyone, None)
        );
        for broken in [
            "support",
            ":everyone",
            "a:members:all",
            "a:members::",
            "a:b:members:x:y",
        ] {
            assert!(broken.parse::<SpaceTerms>().is_err(), "{broken}");
        }
        let next: Successor = "members=open:everyone".parse().unwrap();
        assert_eq!(
            (next.old.as_str(), next.new.name.as_str()),
            ("members", "open")
        );
        assert!("=open:everyone".parse::<Successor>().is_err());
    }

    #[test]
    fn promises_are_of_a_party_or_of_all() {
        let one: PromiseArgument = "Vendor:answer=14".parse().unwrap();
        assert_eq!((one.name.party.as_deref(), one.days), (Some("Vendor"), 14));
        let all: PromiseArgument = "answer=3d".parse().unwrap();
        assert_eq!((all.name.party, all.days), (None, 3));
        for broken in ["answer", "answer=soon", ":answer=3", "Vendor:=3", "=3"] {
            assert!(broken.parse::<PromiseArgument>().is_err(), "{broken}");
        }
    }

    #[test]
    fn rules_have_a_method_and_two_shares() {
        let rule: RuleArgument = "features=ranked:50%:66.7%:concurrent".parse().unwrap();
        assert_eq!((rule.quorum_permille, rule.share_permille), (500, 667));
        assert!(rule.concurrent && rule.method == Method::Ranked);
        for broken in [
            "features=ranked:50%",
            "features=lots:50%:50%",
            "features=ranked:101%:50%",
            "features=ranked:50.55%:50%",
            "features=ranked:50%:50%:yes",
            "features=ranked:-1%:50%",
        ] {
            assert!(broken.parse::<RuleArgument>().is_err(), "{broken}");
        }
    }

    #[test]
    fn a_member_of_a_party_may_be_named_by_key() {
        let named: NamedKey = "Vendor:did:key:z6Mk".parse().unwrap();
        assert_eq!(
            (named.party.as_str(), named.key.as_str()),
            ("Vendor", "did:key:z6Mk")
        );
    }
}
