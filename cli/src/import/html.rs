//! HTML to Markdown, for what people wrote in web forms and mail programs.
//!
//! Written on the tokenizer alone instead of a tree: no recursion, so no depth of nesting exhausts
//! the stack, and one pass, so no nesting takes quadratic time. What comes out holds no raw HTML
//! and no link that could run code; what cannot be shown is named in [`Converted::lost`].

mod element;
mod link;
mod writer;

use html5ever::{
    tendril::StrTendril,
    tokenizer::{
        BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, states::RawKind,
    },
};
use std::{cell::RefCell, collections::BTreeSet};
use writer::Writer;

/// Markdown, and what of the HTML did not make it there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Converted {
    /// Markdown without raw HTML.
    pub markdown: String,
    /// What was lost, one line each, sorted.
    pub lost: BTreeSet<String>,
}

/// Converts an HTML fragment or document. Any text gives a result.
pub fn html_to_markdown(html: &str) -> Converted {
    convert(html, |text| text.to_owned())
}

/// As [`html_to_markdown`], with a function over each run of text, such as one that hides addresses.
pub(super) fn convert(html: &str, filter: impl Fn(&str) -> String) -> Converted {
    let sink = Sink {
        state: RefCell::new(State {
            writer: Writer::default(),
            text: String::new(),
            skip: None,
        }),
        filter,
    };
    let tokenizer = Tokenizer::new(sink, Default::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(&super::text::clean(html)));
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    let mut state = tokenizer.sink.state.into_inner();
    let text = std::mem::take(&mut state.text);
    state.writer.text(&(tokenizer.sink.filter)(&text));
    state.writer.finish()
}

struct Sink<F> {
    state: RefCell<State>,
    filter: F,
}

struct State {
    writer: Writer,
    /// Text since the last tag that matters; escaped as one piece because signs may be split.
    text: String,
    /// Element whose content is not text, until its end tag.
    skip: Option<String>,
}

impl<F: Fn(&str) -> String> TokenSink for Sink<F> {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut state = self.state.borrow_mut();
        match token {
            Token::CharacterTokens(text) if state.skip.is_none() => state.text.push_str(&text),
            Token::TagToken(tag) => return self.tag(&mut state, &tag),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

impl<F: Fn(&str) -> String> Sink<F> {
    fn tag(&self, state: &mut State, tag: &Tag) -> TokenSinkResult<()> {
        let name = tag.name.as_ref();
        if let Some(skipped) = &state.skip {
            if tag.kind == TagKind::EndTag && skipped == name {
                state.skip = None;
            }
            return TokenSinkResult::Continue;
        }
        if !element::matters(name) && unseen(name).is_none() {
            return TokenSinkResult::Continue;
        }
        let text = std::mem::take(&mut state.text);
        state.writer.text(&(self.filter)(&text));
        if let Some(raw) = unseen(name) {
            if tag.kind == TagKind::StartTag && !tag.self_closing {
                state.skip = Some(name.to_owned());
                state.writer.lost(format!("content of <{name}>"));
                return raw.map_or(TokenSinkResult::Continue, TokenSinkResult::RawData);
            }
            return TokenSinkResult::Continue;
        }
        match tag.kind {
            TagKind::StartTag => {
                let attribute = |wanted: &str| {
                    tag.attrs
                        .iter()
                        .find(|a| a.name.local.as_ref() == wanted)
                        .map(|a| (self.filter)(&a.value))
                };
                state.writer.start(name, &attribute);
            }
            TagKind::EndTag => state.writer.end(name),
        }
        TokenSinkResult::Continue
    }
}

/// Elements whose content a page does not show as text, and how the tokenizer must read them.
fn unseen(name: &str) -> Option<Option<RawKind>> {
    Some(match name {
        "script" => Some(RawKind::ScriptData),
        "style" | "iframe" | "noembed" | "noframes" => Some(RawKind::Rawtext),
        "title" | "textarea" => Some(RawKind::Rcdata),
        "template" | "object" | "applet" | "svg" | "math" | "audio" | "video" | "canvas" => None,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
