//! Which links survive, and how their destinations are written.

/// A destination as Markdown, or why there is none.
pub(super) fn destination(raw: &str) -> Result<String, &'static str> {
    // Browsers ignore whitespace and control characters in a scheme, so they go first.
    let url: String = raw
        .trim()
        .chars()
        .filter(|c| !c.is_control() && !c.is_whitespace())
        .collect();
    if url.contains('…') {
        return Err("links to hidden addresses");
    }
    let url = match url.strip_prefix("//") {
        Some(rest) => format!("https://{rest}"),
        None => url,
    };
    let scheme = url
        .split_once(':')
        .map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("http" | "https" | "ftp" | "mailto" | "news" | "irc" | "magnet" | "xmpp") => {
            Ok(encode(&url))
        }
        Some(scheme) if !scheme.contains(['/', '?', '#']) => Err("links of unsafe kinds"),
        _ => Err("relative links"),
    }
}

/// Percent-encodes what would end a Markdown destination; keeps entities from being read as such.
fn encode(url: &str) -> String {
    let mut out = String::with_capacity(url.len());
    for c in url.chars() {
        match c {
            '(' | ')' | '<' | '>' | '\\' | '"' | '\'' | '`' | '|' | '[' | ']' | '*' => {
                out.push_str(&format!("%{:02X}", u32::from(c)));
            }
            '&' => out.push_str("&amp;"),
            c => out.push(c),
        }
    }
    out
}
