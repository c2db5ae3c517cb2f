//! What a campaign found, for people: one HTML page that needs nothing else, and Markdown with its figures beside it.
//!
//! In: the folder's state, its rows. Out: the text of a page. Counts are of all rows; dots and correlations of a part of
//! them, at equal distances, so that neither memory nor page grow with the campaign.

mod cliff;
mod findings;
mod map;
mod page;
mod sections;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use findings::Findings;
pub use page::{Page, Part};

use crate::campaign::cliff::active::ActiveError;
use crate::campaign::merge::recorded;
use crate::campaign::state::FolderError;
#[cfg(feature = "hdf5")]
use crate::campaign::store::StoreError;
use crate::keyfile::{self, Access};
use map::Map;

/// Name of the page.
pub const HTML: &str = "report.html";

/// Name of the same as Markdown.
pub const MARKDOWN: &str = "report.md";

/// Name of the folder with the figures of the Markdown.
pub const FIGURES: &str = "figures";

/// Name of the document for operators, if there are models.
pub const MANUAL: &str = "safety_manual.md";

/// Name of the table of critical numbers of pairs, if there are models.
pub const CRITICAL: &str = "n_crit.csv";

/// Reads the campaign in `dir`, and writes [`HTML`], [`MARKDOWN`] and [`FIGURES`] into `to`; if there are models, [`MANUAL`]
/// and [`CRITICAL`] too.
///
/// # Errors
/// [`ActiveError`] if what is recorded cannot be read, or the report not written.
pub fn write(dir: &Path, to: &Path) -> Result<Vec<PathBuf>, ActiveError> {
    let (state, store) = recorded(dir)?;
    let findings = Findings::of(&state, &store)?;
    let map = Map::of(dir, &state, &store)?;
    let page = sections::page(&state, &findings, map.as_ref());
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| FolderError::Io { path, source }
    };
    let figures = to.join(FIGURES);
    fs::create_dir_all(&figures).map_err(failed(&figures))?;
    let put = |path: PathBuf, content: &[u8]| -> Result<PathBuf, FolderError> {
        keyfile::replace(&path, Access::Shared, |out| out.write_all(content)).map_err(failed(&path))?;
        Ok(path)
    };
    for part in &page.parts {
        if let Part::Figure { name, svg, .. } = part {
            put(figures.join(format!("{name}.svg")), svg.as_bytes())?;
        }
    }
    let mut written = vec![
        put(to.join(HTML), page.html().as_bytes())?,
        put(to.join(MARKDOWN), page.markdown(FIGURES).as_bytes())?,
    ];
    if let Some(map) = map {
        written.push(put(to.join(MANUAL), map.manual().markdown(FIGURES).as_bytes())?);
        written.push(put(to.join(CRITICAL), map.csv().as_bytes())?);
        #[cfg(feature = "hdf5")]
        {
            let path = to.join(CRITICAL).with_extension("h5");
            let temporary = tempfile::NamedTempFile::new().map_err(failed(&path))?;
            map.hdf5(temporary.path()).map_err(|message| StoreError::Hdf5 { path: path.clone(), message })?;
            let content = fs::read(temporary.path()).map_err(failed(&path))?;
            written.push(put(path, &content)?);
        }
    }
    Ok(written)
}
