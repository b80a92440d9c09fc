//! What the converters write, judged by an independent Markdown parser.

use comity::import::{html_to_markdown, plain_to_markdown};
use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

pub(super) fn parse(markdown: &str) -> Parser<'_> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_TASKLISTS;
    Parser::new_ext(markdown, options)
}

/// Nothing in a text may be HTML or lead to anything but a harmless kind of address.
pub(super) fn assert_safe(markdown: &str) {
    for event in parse(markdown) {
        match event {
            Event::Html(html) | Event::InlineHtml(html) => {
                panic!("raw HTML {html:?} in {markdown:?}")
            }
            Event::Start(Tag::Image { .. }) => panic!("an embedded image in {markdown:?}"),
            Event::Start(Tag::Link { dest_url, .. }) => {
                let scheme = dest_url
                    .split(':')
                    .next()
                    .unwrap_or_default()
                    .to_ascii_lowercase();
                let known = [
                    "http", "https", "ftp", "mailto", "news", "irc", "magnet", "xmpp",
                ];
                assert!(
                    known.contains(&scheme.as_str()),
                    "a link to {dest_url:?} in {markdown:?}"
                );
            }
            _ => {}
        }
    }
}

/// Lines as a reader sees them: quote depth and words.
fn shown(markdown: &str) -> Vec<String> {
    let mut lines = vec![];
    let (mut line, mut depth) = (String::new(), 0_usize);
    let mut end = |line: &mut String, depth: usize| {
        for part in std::mem::take(line).split('\n') {
            let words = part.split_whitespace().collect::<Vec<_>>().join(" ");
            if !words.is_empty() {
                lines.push(format!("{}{words}", ">".repeat(depth)));
            }
        }
    };
    for event in parse(markdown) {
        match event {
            Event::Text(text) => line.push_str(&text),
            Event::HardBreak | Event::SoftBreak => line.push('\n'),
            Event::Start(Tag::BlockQuote(_)) => {
                end(&mut line, depth);
                depth += 1;
            }
            Event::End(TagEnd::BlockQuote(_)) => {
                end(&mut line, depth);
                depth -= 1;
            }
            Event::Start(Tag::Paragraph | Tag::CodeBlock(_))
            | Event::End(TagEnd::Paragraph | TagEnd::CodeBlock) => {
                end(&mut line, depth);
            }
            other => panic!("{other:?} in {markdown:?}"),
        }
    }
    end(&mut line, depth);
    lines
}

/// The same of a plain text: leading `>` signs are its depth.
fn lines_of(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let mut rest = line;
        let mut depth = 0;
        while let Some(after) = rest
            .strip_prefix('>')
            .or_else(|| rest.strip_prefix(" >").filter(|_| depth > 0))
        {
            rest = after;
            depth += 1;
            if depth == 12 {
                break;
            }
        }
        let words = rest.split_whitespace().collect::<Vec<_>>().join(" ");
        if words.is_empty() {
            String::new()
        } else {
            format!("{}{words}", ">".repeat(depth))
        }
    };
    text.split('\n')
        .map(line)
        .filter(|line| !line.is_empty())
        .collect()
}

fn markdown_soup() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "b c",
        " ",
        "  ",
        "    ",
        "\n",
        "\n\n",
        "\t",
        "*",
        "**",
        "_",
        "__",
        "`",
        "```",
        "~",
        "~~",
        "~~~",
        "[",
        "]",
        "(",
        ")",
        "](x)",
        "](javascript:x)",
        "[a]: b",
        "[^1]",
        "[^1]: n",
        "!",
        "<",
        "<b>",
        "<!--",
        "-->",
        "</b>",
        "<http://x>",
        "<1@x>",
        "<.@",
        ">",
        "> ",
        ">> ",
        "\n> ",
        "\n>",
        "\n- ",
        "\n1. ",
        "\n12)",
        "\n# ",
        "\n===",
        "\n---",
        "\n| - |",
        "|",
        "\n+",
        "\\",
        "&amp;",
        "&#60;",
        "&",
        "=",
        "-",
        "#",
        "x_y_z",
        "\ndiff --git a b\n",
        "\n@@ -1,2 +1,2 @@\n",
        "\n+x",
        "\n-y",
        "\n--- a\n+++ b\n",
        "é",
        "“",
        "1.",
        "[ ] ",
        "[x] ",
        "\n:::",
        "\n***",
        "\n___",
        "$",
        "\u{a0}",
        "\u{3000}",
        "{",
        "}",
        "http://a.b/c_d_(e)",
        "\n-- \n",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn html_soup() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        " b ",
        "\n",
        "<p>",
        "</p>",
        "<b>",
        "</b>",
        "<i>",
        "</i>",
        "<s>",
        "</s>",
        "<code>",
        "</code>",
        "<pre>",
        "</pre>",
        "<br>",
        "<ul>",
        "</ul>",
        "<ol start=7>",
        "</ol>",
        "<li>",
        "</li>",
        "<blockquote>",
        "</blockquote>",
        "<table>",
        "</table>",
        "<tr>",
        "<td>",
        "</td>",
        "<h2>",
        "</h2>",
        "<a href='javascript:x'>",
        "<a href='http://x/(y)'>",
        "<a href=' java&#10;script:x'>",
        "<a href=\"http://x/&quot;><b>\">",
        "</a>",
        "<img src='http://i/\"><x>' alt='](javascript:x)'>",
        "<script>",
        "</script>",
        "<style>",
        "&lt;b&gt;",
        "&lt;",
        "&gt;",
        "&amp;lt;",
        "[",
        "]",
        "(",
        ")",
        "](javascript:x)",
        "!",
        "*",
        "_",
        "`",
        "```",
        "|",
        "\\",
        "&#92;",
        "~~",
        "- ",
        "1. ",
        "# ",
        "> ",
        "---",
        "===",
        "[a]: javascript:x",
        "<hr>",
        "<q>",
        "<svg>",
        "<title>",
        "<!--",
        "-->",
        "<div>",
        "</div>",
        "<span>",
        ":",
        "&#96;",
        "x_y",
        "[^1]",
        "&lt;1@x&gt;",
        "&lt;http://x&gt;",
        "&lt;javascript:x&gt;",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn plain_text_shows_the_same(text in markdown_soup()) {
        let markdown = plain_to_markdown(&text);
        assert_safe(&markdown);
        prop_assert_eq!(shown(&markdown), lines_of(&text), "{}", markdown);
    }

    #[test]
    fn html_yields_nothing_that_acts(html in html_soup()) {
        assert_safe(&html_to_markdown(&html).markdown);
    }
}
