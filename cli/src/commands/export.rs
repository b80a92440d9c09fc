//! `comity export`: what is here, in formats that other tools read.

use crate::{
    app::App,
    args::content::{Export, ExportFormat},
    error::{Attempting as _, CommandError},
    lookup, moment, render,
    session::Reach,
    ui::{progress::Unit, sanitize},
};
use comity_client::{Client, types::ExportLine};
use serde_json::json;
use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

/// Longest part of a file name taken from a title, in characters.
const SLUG_CHARS: usize = 60;

/// Exports documents.
pub(super) async fn export(app: &App, args: Export) -> Result<(), CommandError> {
    app.with_node(Reach::Store, async |client| {
        let space = match &args.space {
            None => None,
            Some(_) => {
                let named = (args.community.as_deref(), args.space.as_deref());
                Some(lookup::space(client, named.0, named.1).await?.space.id)
            }
        };
        let mut lines = client.export(space.as_deref()).await?;
        let mut target = Target::open(args.format, args.to.as_deref())?;
        let total = documents(client, space.as_deref()).await?;
        let unit = Unit::things("documents");
        let mut progress = app.ui.progress("exporting", unit, Some(total));
        let (mut documents, mut in_part) = (0, 0);
        while let Some(line) = lines.next().await? {
            in_part += u64::from(!line.not_kept.is_empty());
            target.put(app, client, &line).await?;
            documents += 1;
            progress.advance(1);
        }
        drop(progress);
        target.finish()?;
        if in_part > 0 {
            let in_part = render::count(in_part, "document");
            app.ui.warning(&format!(
                "the export is not whole: words of {in_part} are not kept here; each says so \
                 (`not_kept`), and none has an Automerge file"
            ));
        }
        let Some(to) = &args.to else {
            return Ok(());
        };
        if app.ui.is_json() {
            return app.ui.json(&json!({ "documents": documents, "to": to }));
        }
        let documents = render::count(documents, "document");
        app.ui
            .status(&format!("{documents} written to {}", to.display()));
        Ok(())
    })
    .await
}

/// How many documents there are to export, as far as the node knows.
async fn documents(client: &Client, space: Option<&str>) -> Result<u64, CommandError> {
    let communities = client.communities().await?;
    let spaces = communities.iter().flat_map(|it| &it.spaces);
    let wanted = spaces.filter(|it| space.is_none_or(|wanted| it.id == wanted));
    Ok(wanted.map(|it| it.documents).sum())
}

/// Where an export goes.
enum Target {
    Output,
    Lines(PathBuf, BufWriter<File>),
    Markdown(PathBuf),
    Automerge(PathBuf),
}

impl Target {
    fn open(format: ExportFormat, to: Option<&Path>) -> Result<Self, CommandError> {
        let folder = |to: &Path| {
            fs::create_dir_all(to).attempting(|| format!("make the folder {}", to.display()))?;
            Ok::<_, CommandError>(to.to_owned())
        };
        match (format, to) {
            (ExportFormat::Jsonl, None) => Ok(Self::Output),
            (ExportFormat::Jsonl, Some(to)) => {
                let file = File::create(to).attempting(|| format!("write {}", to.display()))?;
                Ok(Self::Lines(to.to_owned(), BufWriter::new(file)))
            }
            (ExportFormat::Markdown, Some(to)) => Ok(Self::Markdown(folder(to)?)),
            (ExportFormat::Automerge, Some(to)) => Ok(Self::Automerge(folder(to)?)),
            (_, None) => {
                Err(CommandError::usage("this format needs a folder").hint("add --to FOLDER"))
            }
        }
    }

    async fn put(
        &mut self,
        app: &App,
        client: &Client,
        line: &ExportLine,
    ) -> Result<(), CommandError> {
        match self {
            Self::Output => app.ui.json(line),
            Self::Lines(path, file) => {
                let text = serde_json::to_string(line).attempting(|| "write JSON")?;
                writeln!(file, "{}", sanitize::json(&text))
                    .attempting(|| format!("write {}", path.display()))
            }
            Self::Markdown(folder) => {
                let path = folder.join(file_name(line, "md"));
                write(&path, markdown(line).as_bytes())
            }
            // A file with fillers would pass for the document.
            Self::Automerge(_) if !line.not_kept.is_empty() => Ok(()),
            Self::Automerge(folder) => {
                let bytes = client.automerge(&line.id).await?;
                write(&folder.join(file_name(line, "automerge")), &bytes)
            }
        }
    }

    fn finish(self) -> Result<(), CommandError> {
        match self {
            Self::Lines(path, mut file) => file
                .flush()
                .attempting(|| format!("write {}", path.display())),
            _ => Ok(()),
        }
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)
            .attempting(|| format!("make the folder {}", folder.display()))?;
    }
    fs::write(path, bytes).attempting(|| format!("write {}", path.display()))
}

/// `SPACE/KIND/TITLE-ID.ext`, of characters that every file system takes: other people chose the
/// names, so none of them may lead elsewhere.
fn file_name(line: &ExportLine, extension: &str) -> PathBuf {
    let id = render::short(&line.id);
    let community = render::short(&line.community);
    let title = slug(&title(line));
    let name = if title.is_empty() {
        format!("{}.{extension}", line.id)
    } else {
        format!("{title}-{id}.{extension}")
    };
    let space = format!("{}-{community}", slug(&line.space));
    let kind = slug(&line.kind);
    [space, kind, name].iter().collect()
}

fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars().take(SLUG_CHARS * 4) {
        if c.is_alphanumeric() {
            slug.extend(c.to_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= SLUG_CHARS {
            break;
        }
    }
    slug.trim_end_matches('-').to_owned()
}

fn title(line: &ExportLine) -> String {
    let field = |name: &str| line.fields.get(name).and_then(|value| value.as_str());
    let text = field("title").or_else(|| field("name")).unwrap_or_default();
    text.to_owned()
}

/// The text under a front matter of JSON values, which is YAML too.
fn markdown(line: &ExportLine) -> String {
    let mut front = vec![
        format!("id: {}", line.id),
        format!("kind: {}", json!(line.kind)),
        format!("space: {}", json!(line.space)),
        format!("author: {}", json!(line.author)),
        format!("party: {}", json!(line.party)),
        format!("created: {}", json!(moment::show(line.created_ms))),
        format!("heads: {}", json!(line.heads)),
    ];
    let fields = line
        .fields
        .iter()
        .filter(|(name, _)| name.as_str() != "body");
    front.extend(fields.map(|(name, value)| format!("{}: {value}", json!(name))));
    if !line.not_kept.is_empty() {
        front.push(format!("not_kept: {}", json!(line.not_kept)));
    }
    if line.fields.contains_key("origin") {
        front.push("verified: \"imported, author not verified\"".to_owned());
    }
    let body = line
        .fields
        .get("body")
        .and_then(|it| it.as_str())
        .unwrap_or_default();
    format!("---\n{}\n---\n\n{}\n", front.join("\n"), body.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(title: &str, space: &str) -> ExportLine {
        let fields = json!({ "title": title, "body": "Text", "origin": { "system": "mail" } });
        ExportLine {
            id: "0123456789abcdef".into(),
            community: "fedcba9876543210".into(),
            space: space.into(),
            kind: "topic".into(),
            author: "did:key:a".into(),
            party: None,
            created_ms: 0,
            heads: vec!["h".into()],
            fields: fields.as_object().unwrap().clone(),
            contributions: Vec::new(),
            erased: Vec::new(),
            not_kept: Vec::new(),
        }
    }

    #[test]
    fn names_that_people_chose_lead_nowhere_else() {
        let name = file_name(&line("../../etc/passwd\0", ".."), "md");
        assert_eq!(
            name,
            PathBuf::from("-fedcba98/topic/etc-passwd-01234567.md")
        );
        let name = file_name(&line("…", "Größe & Maß"), "md");
        assert_eq!(
            name,
            PathBuf::from("größe-maß-fedcba98/topic/0123456789abcdef.md")
        );
        let long = file_name(&line(&"語".repeat(500), "s"), "md");
        assert!(long.file_name().unwrap().len() < 255);
    }

    #[test]
    fn markdown_says_who_and_that_the_author_is_not_verified() {
        let text = markdown(&line("a: \"b\"", "s"));
        assert!(text.contains("author: \"did:key:a\""), "{text}");
        assert!(text.contains("\"title\": \"a: \\\"b\\\"\""), "{text}");
        assert!(text.contains("author not verified"), "{text}");
        assert!(text.ends_with("---\n\nText\n"), "{text}");
    }
}
