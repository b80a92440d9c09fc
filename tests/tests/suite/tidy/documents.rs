//! Rules about documents, vectors, and what a clone of the repository needs.

use super::{assert_none, files, find, read, root};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

/// The two commands of the README: what it is for, and how it is tested.
const COMMANDS: [&str; 2] = [
    "cargo run --release -p comity -- demo",
    "cargo test --workspace",
];

/// Paths under `specs/` that a text names, in links or in prose.
fn named_specs(text: &str) -> BTreeSet<String> {
    let is_path = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    text.match_indices("specs/")
        .map(|(at, _)| text[at..].split(|c| !is_path(c)).next().unwrap_or_default())
        .map(|path| path.trim_end_matches('.').to_owned())
        .filter(|path| path.ends_with(".md") || path.ends_with(".json"))
        .filter(|path| !path.contains("NNNN"))
        .collect()
}

#[test]
fn every_named_specification_exists() {
    let root = root();
    let mut found = Vec::new();
    let mut named = BTreeSet::new();
    for file in files() {
        if !(file.has_extension("rs") || file.has_extension("md")) || file.path.ends_with("tidy.rs")
        {
            continue;
        }
        for path in named_specs(&file.text) {
            if !root.join(&path).exists() {
                found.push(format!("{}: {path}", file.path));
            }
            named.insert(path);
        }
    }
    assert!(
        named.len() > 5,
        "the search for specs finds too few: {named:?}"
    );
    assert_none("named but missing:", &found);
}

#[test]
fn threats_name_tests_that_exist() {
    let text = read("specs/threats.md");
    let quoted = text.split('`').skip(1).step_by(2);
    let named = quoted.filter_map(|it| it.strip_prefix("attacks/")?.split_once("::"));
    let mut tests: BTreeSet<(String, String)> = BTreeSet::new();
    for file in files() {
        let folder = "tests/tests/suite/network/attacks/";
        let module = file.path.strip_prefix(folder);
        let Some(module) = module.and_then(|it| it.strip_suffix(".rs")) else {
            continue;
        };
        for part in file.text.split("async fn ").skip(1) {
            let name = part.split('(').next().unwrap_or_default();
            let before = &file.text[..file.text.find(part).unwrap_or_default()];
            let line = before.trim_end_matches("async fn ").trim_end();
            if line.ends_with("worker_threads = 2)]") {
                tests.insert((module.to_owned(), name.to_owned()));
            }
        }
    }
    let named: BTreeSet<_> = named
        .map(|(module, name)| (module.to_owned(), name.to_owned()))
        .collect();
    assert!(named.len() > 10, "only {named:?}");
    assert_eq!(named, tests, "named in specs/threats.md; in the tests");
}

/// Whether a file is in a module of some test suite, as the threats name it; `…` stands for any.
fn is_in_module(path: &str, module: &str) -> bool {
    let module = module.replace("::", "/");
    let module = module.rsplit('…').next().unwrap_or_default();
    let module = module.trim_matches('/');
    let path = path.trim_end_matches(".rs");
    let in_suite = path.contains("/tests/suite/");
    in_suite
        && (module.is_empty()
            || path.ends_with(&format!("/{module}"))
            || path.contains(&format!("/{module}/")))
}

/// A name may be cut short by an ellipsis. What is no function may be a module.
#[test]
fn threats_name_modules_and_tests_that_exist() {
    let text = read("specs/threats.md");
    let quoted = text.split('`').skip(1).step_by(2);
    let named: BTreeSet<(&str, &str)> = quoted.filter_map(|it| it.rsplit_once("::")).collect();
    let files = files();
    let is_there = |(module, name): &(&str, &str)| {
        let start = match name.split_once('…') {
            Some((start, _)) => format!("fn {start}"),
            None => format!("fn {name}("),
        };
        files.iter().any(|it| {
            let own = is_in_module(&it.path, &format!("{module}::{name}"));
            own || is_in_module(&it.path, module) && it.text.contains(&start)
        })
    };
    let missing: Vec<String> = named
        .iter()
        .filter(|it| !is_there(it))
        .map(|(module, name)| format!("{module}::{name}"))
        .collect();
    assert!(named.len() > 40, "only {named:?}");
    assert_none("named in specs/threats.md but missing:", &missing);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let root = root();
    let mut found = Vec::new();
    for file in files().iter().filter(|file| file.has_extension("md")) {
        let folder = root.join(&file.path).parent().unwrap().to_owned();
        for (number, line) in file.lines() {
            for link in line
                .split("](")
                .skip(1)
                .filter_map(|it| it.split(')').next())
            {
                let target = link.split('#').next().unwrap_or_default();
                let outside = link.contains("://") || link.starts_with("mailto:");
                if !outside && !target.is_empty() && !folder.join(target).exists() {
                    found.push(format!("{}:{number}: {link}", file.path));
                }
            }
        }
    }
    assert_none("links to nothing:", &found);
}

#[test]
fn every_path_in_the_tour_exists() {
    let root = root();
    let mut found = Vec::new();
    let mut checked = 0;
    for document in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        for quoted in read(document).split('`').skip(1).step_by(2) {
            let folder = quoted.split('/').next().unwrap_or_default();
            let ours = ["protocol", "node", "cli", "tests", "specs", ".ci"].contains(&folder);
            let plain = !quoted.contains(char::is_whitespace) && !quoted.contains("NNNN");
            if ours && plain {
                checked += 1;
                if !root.join(quoted).exists() {
                    found.push(format!("{document}: {quoted}"));
                }
            }
        }
    }
    assert!(checked > 30, "only {checked} paths were found");
    assert_none("named but missing:", &found);
}

#[test]
fn decisions_are_numbered_once_and_complete() {
    let mut numbers: BTreeMap<String, String> = BTreeMap::new();
    let mut found = Vec::new();
    for file in files() {
        let Some(name) = file.path.strip_prefix("specs/decisions/") else {
            continue;
        };
        let number = name.split('-').next().unwrap_or_default();
        if number.len() != 4
            || !number.bytes().all(|it| it.is_ascii_digit())
            || !name.ends_with(".md")
        {
            found.push(format!("{name}: the form is NNNN-title.md"));
            continue;
        }
        if let Some(other) = numbers.insert(number.to_owned(), name.to_owned()) {
            found.push(format!("{name}: {other} has this number"));
        }
        for heading in ["Context", "Decision", "Consequences"] {
            let told = |line: &str| {
                line.trim_start_matches(['#', '*', ' '])
                    .starts_with(heading)
            };
            if !file.text.lines().any(told) {
                found.push(format!("{name}: no {heading}"));
            }
        }
    }
    assert_none("decisions:", &found);
}

#[test]
fn vectors_parse_and_name_their_cases_once() {
    let mut count = 0;
    for file in files()
        .iter()
        .filter(|file| file.path.starts_with("specs/vectors/"))
    {
        assert!(file.has_extension("json"), "{} is no JSON", file.path);
        let parsed: serde_json::Value = serde_json::from_str(&file.text)
            .unwrap_or_else(|error| panic!("{}: {error}", file.path));
        let mut names = BTreeSet::new();
        for list in parsed.as_object().into_iter().flat_map(|it| it.iter()) {
            for case in list.1.as_array().into_iter().flatten() {
                if let Some(name) = case.get("name").and_then(serde_json::Value::as_str) {
                    assert!(names.insert((list.0, name)), "{}: {name} twice", file.path);
                }
            }
        }
        count += 1;
    }
    assert!(count > 0, "no vectors were found");
}

#[test]
fn nothing_names_the_machine_it_was_written_on() {
    let needles = [
        concat!("/wo", "rk/"),
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/Use", "rs/"),
        concat!("crates", ".io/"),
        concat!("crates", ".io\""),
        concat!("rust-", "lang.org/rustup"),
        concat!("py", "pi.org"),
        concat!("npm", "js."),
        concat!("deb.deb", "ian.org"),
    ];
    let files = files();
    let written = files.iter().filter(|file| file.path != "Cargo.lock");
    assert_none(
        "machine paths and registry hosts:",
        &find(written, &needles),
    );
}

#[test]
fn packages_come_from_the_one_registry() {
    let expected = concat!(
        "source = \"registry+https://github.com/rust-lang/crates",
        ".io-index\""
    );
    let lock = read("Cargo.lock");
    let found: Vec<String> = lock
        .lines()
        .filter(|line| line.starts_with("source = ") && *line != expected)
        .map(str::to_owned)
        .collect();
    assert_none("packages from elsewhere:", &found);
}

#[test]
fn readme_and_ci_run_the_same_two_commands() {
    let (readme, ci) = (read("README.md"), read(".ci/run"));
    for command in COMMANDS {
        assert!(
            readme.lines().any(|line| line == command),
            "README.md lacks the line {command}"
        );
        assert!(
            ci.lines().any(|line| line == format!("step {command}")),
            ".ci/run lacks the line `step {command}`"
        );
    }
}

#[cfg(unix)]
#[test]
fn ci_can_be_run() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(root().join(".ci/run"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o111, 0o111, "chmod +x .ci/run");
    assert!(read(".ci/run").contains("set -euo pipefail"));
}
