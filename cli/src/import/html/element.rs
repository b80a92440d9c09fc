//! What the elements of HTML mean for Markdown.

/// Whether an element changes the output at all. Others do not even interrupt a run of text.
pub(super) fn matters(name: &str) -> bool {
    is_block(name)
        || inline_mark(name).is_some()
        || matches!(name, "a" | "img" | "br" | "code" | "tt" | "q")
}

fn is_block(name: &str) -> bool {
    matches!(
        name,
        "p" | "div"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "ul"
            | "ol"
            | "li"
            | "blockquote"
            | "pre"
            | "hr"
            | "table"
            | "tr"
            | "td"
            | "th"
            | "thead"
            | "tbody"
            | "tfoot"
            | "caption"
            | "dl"
            | "dt"
            | "dd"
            | "body"
            | "html"
            | "head"
            | "section"
            | "article"
            | "header"
            | "footer"
            | "main"
            | "aside"
            | "nav"
            | "figure"
            | "figcaption"
            | "address"
            | "details"
            | "summary"
            | "center"
            | "form"
            | "fieldset"
            | "option"
    )
}

/// The sign that Markdown puts around the content of an inline element.
pub(super) fn inline_mark(name: &str) -> Option<&'static str> {
    match name {
        "em" | "i" | "cite" | "dfn" => Some("*"),
        "strong" | "b" => Some("**"),
        "del" | "s" | "strike" => Some("~~"),
        _ => None,
    }
}

/// The language that a code block names, if it is a plain word.
pub(super) fn language_of(attribute: &dyn Fn(&str) -> Option<String>) -> String {
    let class = attribute("class").unwrap_or_default();
    let language = class
        .split_whitespace()
        .find_map(|class| {
            class
                .strip_prefix("language-")
                .or_else(|| class.strip_prefix("lang-"))
        })
        .unwrap_or_default();
    let plain = language
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "+#-".contains(c));
    if plain && language.len() <= 20 && language != "none" {
        language.to_owned()
    } else {
        String::new()
    }
}
