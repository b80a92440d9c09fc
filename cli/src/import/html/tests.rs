use super::*;

fn markdown(html: &str) -> String {
    html_to_markdown(html).markdown
}

#[test]
fn what_people_write_in_forms_becomes_markdown() {
    let html = "<p>A <b>bold </b>word, <em>x</em> and <code>a`b</code>.<br>Next\nline</p>\n<ul><li>one</li><li><p>two</p>\
        <p>more</p><ol start=3><li>in</li></ol></ul><blockquote><p>q</p><p>r</p></blockquote>\
        <pre class=\"lang-rust\"><code>fn x() {\n\n  ```\n}\n</code></pre><h2>T # x</h2><hr><p>5. end";
    let expected = "A **bold** word, *x* and ``a`b``.  \nNext line\n\n- one\n- two\n\n  more\n\n  3. in\n\n> q\n>\n> r\n\n\
        ````rust\nfn x() {\n\n  ```\n}\n````\n\n## T # x\n\n---\n\n5\\. end";
    assert_eq!(markdown(html), expected);
}

#[test]
fn links_and_images_are_links_and_only_safe_ones() {
    let html = "Wow!<a href=\"https://a.b/x_(y)?a=1&copy=2\">see [this]</a> <a href='java\tscript:x()'>run</a> \
        <a href=' JavaScript:x'>r</a> <a href=data:text/html,x>d</a> <a href=/q/1>rel</a> <img src=//i.c/p.png alt='a]('>\
        <a href=http://x.y><img src=http://i.c/q.png></a>";
    let converted = html_to_markdown(html);
    assert_eq!(
        converted.markdown,
        "Wow\\![see \\[this\\]](https://a.b/x_%28y%29?a=1&amp;copy=2) run r d rel [image: a\\](](https://i.c/p.png)\
        [image](http://x.y)"
    );
    let lost: Vec<_> = converted.lost.iter().map(String::as_str).collect();
    assert_eq!(lost, ["links of unsafe kinds", "relative links"]);
}

#[test]
fn nothing_of_scripts_and_raw_html_survives() {
    let html = "a<script>alert('</p>')</script><style>p{}</style>&lt;script&gt;x&lt;/script&gt; <b onclick=x()>b</b>\
        <iframe src=x>y</iframe><!-- c --><svg><a href=javascript:x>z</a></svg>]&lpar;javascript:x) &amp;lt;i&gt;";
    assert_eq!(
        markdown(html),
        "a\\<script>x\\</script> **b**\\](javascript:x) \\&lt;i>"
    );
}

#[test]
fn tables_become_tables() {
    let html = "<table><tr><th>a<th>b|c</tr><tr><td><p>1</p><p>2</p><td><code>x|y</code></td></tr><tr><td>3</table>z";
    assert_eq!(
        markdown(html),
        "| a | b\\|c |\n| --- | --- |\n| 1 2 | `x\\|y` |\n| 3 |  |\n\nz"
    );
}

#[test]
fn deep_nesting_and_long_input_end() {
    for tag in [
        "<blockquote>",
        "<ul><li>",
        "<b>",
        "<table><td>",
        "<a href=http://x>",
        "<pre>",
        "<svg>",
        "<div>",
    ] {
        let html = format!("{}x", tag.repeat(100_000));
        assert!(markdown(&html).len() <= 3 * 1024 * 1024, "{tag}");
    }
}
