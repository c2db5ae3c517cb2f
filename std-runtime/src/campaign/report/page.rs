//! A page: parts in their order, as HTML or Markdown.

use crate::plot::chart::escaped;

/// A part of a page.
#[derive(Clone, Debug)]
pub enum Part {
    /// A heading.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// A table: head, then rows of as many cells.
    Table {
        /// Names of the columns.
        head: Vec<String>,
        /// Cells.
        rows: Vec<Vec<String>>,
    },
    /// A figure.
    Figure {
        /// Name of its file.
        name: String,
        /// What it shows, in words.
        caption: String,
        /// SVG.
        svg: String,
    },
}

/// A page.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Its title.
    pub title: String,
    /// In their order.
    pub parts: Vec<Part>,
}

const STYLE: &str =
    "body{font:16px/1.5 system-ui,sans-serif;color:#222;max-width:760px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid #ddd}
table{border-collapse:collapse;font-size:.8rem;margin:1rem 0;display:block;overflow-x:auto}
td,th{padding:.2rem .4rem;text-align:right;border-bottom:1px solid #eee;white-space:nowrap}
th{white-space:normal;vertical-align:bottom}
td:first-child,th:first-child{text-align:left}th{border-bottom:1px solid #999}
td.wide{white-space:normal;text-align:left;overflow-wrap:anywhere}
figure{margin:1.2rem 0}figcaption{font-size:.85rem;color:#555}svg{max-width:100%;height:auto}";

impl Page {
    /// One file that needs no other.
    pub fn html(&self) -> String {
        let title = escaped(&self.title);
        let mut out = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
             <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        );
        for part in &self.parts {
            match part {
                Part::Heading(text) => out += &tag("h2", text),
                Part::Text(text) => out += &tag("p", text),
                Part::Table { head, rows } => {
                    out += "<table>\n<tr>";
                    head.iter().for_each(|cell| out += &tag("th", cell));
                    out += "</tr>\n";
                    for row in rows {
                        out += "<tr>";
                        row.iter().for_each(|cell| out += &table_cell(cell));
                        out += "</tr>\n";
                    }
                    out += "</table>\n";
                }
                Part::Figure { caption, svg, .. } => {
                    out += "<figure>\n";
                    out += svg;
                    out += &tag("figcaption", caption);
                    out += "</figure>\n";
                }
            }
        }
        out + "</body>\n</html>\n"
    }

    /// The same as Markdown, with figures as files in `folder`.
    pub fn markdown(&self, folder: &str) -> String {
        let mut out = format!("# {}\n", self.title);
        for part in &self.parts {
            let text = match part {
                Part::Heading(text) => format!("\n## {text}\n"),
                Part::Text(text) => format!("\n{text}\n"),
                Part::Table { head, rows } => {
                    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | ").replace('\n', " "));
                    let rule = format!("|{}\n", "---|".repeat(head.len()));
                    let rows: String = rows.iter().map(|row| line(row)).collect();
                    format!("\n{}{rule}{rows}", line(head))
                }
                Part::Figure { name, caption, .. } => {
                    format!("\n![{name}]({folder}/{name}.svg)\n\n{caption}\n")
                }
            };
            out += &text;
        }
        out
    }
}

fn tag(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>\n", escaped(text))
}

fn table_cell(text: &str) -> String {
    let class = if text.len() > 60 { " class=\"wide\"" } else { "" };
    format!("<td{class}>{}</td>", escaped(text))
}
