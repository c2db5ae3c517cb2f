//! What a campaign found, for people: one HTML page that needs nothing else, and Markdown with its figures beside it.
//!
//! In: the folder's state, its rows. Out: the text of a page. Counts are of all rows; dots and correlations of a part of
//! them, at equal distances, so that neither memory nor page grow with the campaign.

mod findings;
mod page;
mod sections;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use findings::Findings;
pub use page::{Page, Part};

use crate::campaign::merge::recorded;
use crate::campaign::run::CampaignError;
use crate::campaign::state::FolderError;
use crate::keyfile::{self, Access};

/// Name of the page.
pub const HTML: &str = "report.html";

/// Name of the same as Markdown.
pub const MARKDOWN: &str = "report.md";

/// Name of the folder with the figures of the Markdown.
pub const FIGURES: &str = "figures";

/// Reads the campaign in `dir`, and writes [`HTML`], [`MARKDOWN`] and [`FIGURES`] into `to`.
///
/// # Errors
/// [`CampaignError`] if what is recorded cannot be read, or the report not written.
pub fn write(dir: &Path, to: &Path) -> Result<[PathBuf; 2], CampaignError> {
    let (state, store) = recorded(dir)?;
    let findings = Findings::of(&state, &store)?;
    let page = sections::page(&state, &findings);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| FolderError::Io { path, source }
    };
    let figures = to.join(FIGURES);
    fs::create_dir_all(&figures).map_err(failed(&figures))?;
    let put = |path: PathBuf, text: &str| -> Result<PathBuf, FolderError> {
        keyfile::replace(&path, Access::Shared, |out| out.write_all(text.as_bytes()))
            .map_err(failed(&path))?;
        Ok(path)
    };
    for part in &page.parts {
        if let Part::Figure { name, svg, .. } = part {
            put(figures.join(format!("{name}.svg")), svg)?;
        }
    }
    Ok([put(to.join(HTML), &page.html())?, put(to.join(MARKDOWN), &page.markdown(FIGURES))?])
}
