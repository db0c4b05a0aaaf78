//! Pieces of SVG text.

use std::fmt;

/// `text` for use in element content and attributes of HTML and SVG; characters that neither allows become U+FFFD.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' | '\r' => escaped.push(c),
            '\0'..' ' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// An SVG file, for light and dark surroundings, of the element that [`Chart::svg`](super::Chart::svg) or
/// [`Heatmap::svg`](super::Heatmap::svg) gives.
pub fn standalone(element: &str) -> String {
    let head = r#"<svg xmlns="http://www.w3.org/2000/svg""#;
    let style = "<style>svg{color:#222}@media(prefers-color-scheme:dark){svg{color:#ddd}}</style>";
    let body = element.replacen("<svg", head, 1).replacen("</title>", &format!("</title>{style}"), 1);
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}\n")
}

/// An image of the given size with its title, as screen readers want it.
pub(super) fn image(width: f64, height: f64, title: &str, body: &str) -> String {
    let (width, height, title) = (Px(width), Px(height), escape(title));
    format!(
        "<svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" \
         font-family=\"system-ui,sans-serif\" font-size=\"11\" fill=\"currentColor\"><title>{title}</title>\n{body}</svg>"
    )
}

/// Which point of a text stands at its coordinates.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// Text in the colour and size of the surrounding element; `attributes` are added as they are, each with a space before.
pub(super) fn text(x: f64, y: f64, anchor: Anchor, content: &str, attributes: &str) -> String {
    let anchor = match anchor {
        Anchor::Start => "",
        Anchor::Middle => " text-anchor=\"middle\"",
        Anchor::End => " text-anchor=\"end\"",
    };
    format!("<text x=\"{}\" y=\"{}\"{anchor}{attributes}>{}</text>\n", Px(x), Px(y), escape(content))
}

/// The title of an image, in bold.
pub(super) fn heading(title: &str) -> String {
    text(2.0, 14.0, Anchor::Start, title, " font-size=\"13\" font-weight=\"600\"")
}

/// About how wide `content` is in the size of tick labels: fonts differ, so rather too wide.
pub(super) fn width_of(content: &str) -> f64 {
    6.8 * content.chars().count() as f64
}

/// The end of a name too long for a legend: of paths it says more than the beginning.
pub(super) fn shortened(name: &str, longest: usize) -> String {
    let length = name.chars().count();
    if length <= longest {
        return name.into();
    }
    std::iter::once('…').chain(name.chars().skip(length + 1 - longest)).collect()
}

/// A coordinate to a tenth of a pixel. What lies far outside comes nearer, as renderers compute in single precision.
#[derive(Clone, Copy)]
pub(super) struct Px(pub f64);

impl fmt::Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0.clamp(-1e4, 1e4) * 10.0).round() as i64;
        if tenths % 10 == 0 { write!(f, "{}", tenths / 10) } else { write!(f, "{}", tenths as f64 / 10.0) }
    }
}
