//! `caligo-run code`.

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use caligo_core::code::Code;
use caligo_core::puncture;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{CodeArgs, Ending, print};
use crate::calibrate::{self, CalibrateError, Thoroughness};
use crate::kernel::Tier;
use crate::keyfile::{Access, replace};
use crate::matrix::base::BaseMatrix;
use crate::matrix::generate::{self, MOTHER_SEED, ORDER_SEED, Structure};
use crate::matrix::library::Library;
use crate::matrix::mother::Mother;
use crate::matrix::peg::{self, Design};
use crate::matrix::sparse::SparseMatrix;
use crate::matrix::{alist, npy, npz, qc_file};

#[derive(Debug, Subcommand)]
pub(super) enum CodeCommand {
    /// Construct a mother code: base matrix, manifest, and the core's table.
    Build(BuildArgs),
    /// Construct any quasi-cyclic code from column degrees, as mother codes are: a .qc file.
    Construct(ConstructArgs),
    /// Construct the puncturing and shortening orders of a mother code.
    Patterns(BuildArgs),
    /// Measure the rate tables of a mother code.
    Rates(RatesArgs),
    /// Statistics of a code.
    Inspect(InspectArgs),
    /// Write a code as .alist, .npz and .npy files.
    Export(ExportArgs),
    /// Read a foreign code, check it, and write it in this project's layout.
    Import(ImportArgs),
}

#[derive(Clone, Debug, Args)]
pub(super) struct BuildArgs {
    /// Code, by its length in bits.
    #[arg(long, value_name = "N", value_enum, default_value_t)]
    code: Mother,
    /// Seed; the same seed gives the same bytes [default: that of the committed files].
    #[arg(long)]
    seed: Option<u64>,
    /// Directory of the data files; `patterns` reads the matrix from there.
    #[arg(long, value_name = "DIR", default_value = "ldpc_matrices")]
    out: PathBuf,
    /// Source directory of the core, for the generated table; none is written if not given.
    #[arg(long, value_name = "DIR")]
    core: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ConstructArgs {
    /// Size of the circulants, a multiple of 64.
    #[arg(long, value_name = "Z", default_value_t = 64, value_parser = parse_circulant)]
    z: u16,
    /// Base rows.
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u16).range(4..=1024))]
    rows: u16,
    /// Degrees of the base columns and how many have them, ascending: 2:31,3:19,22:14. One less than the rows have
    /// degree 2.
    #[arg(long, value_name = "DEGREE:COLUMNS,...", value_delimiter = ',', required = true, value_parser = parse_degree)]
    degrees: Vec<(usize, usize)>,
    /// Seed; the same seed gives the same code.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// File to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct RatesArgs {
    /// Code, by its length in bits.
    #[arg(long, value_name = "N", value_enum, default_value_t)]
    code: Mother,
    /// Seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Frames at most for one point.
    #[arg(long, default_value_t = 40_000, value_parser = clap::value_parser!(u64).range(256..))]
    frames: u64,
    /// Frame errors after which a point is done.
    #[arg(long, default_value_t = 150, value_parser = clap::value_parser!(u64).range(10..))]
    errors: u64,
    /// Percents of rate from one pattern to the next.
    #[arg(long, default_value_t = 2, value_parser = parse_step)]
    step: usize,
    /// Where to write the measured points as CSV.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Source directory of the core, for the generated table; none is written if not given.
    #[arg(long, value_name = "DIR")]
    core: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    #[command(flatten)]
    code: CodeArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    code: CodeArgs,
    /// Directory to write to; made if missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    #[command(flatten)]
    code: CodeArgs,
    /// Directory to write matrix.alist and order.json to; made if missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

fn parse_step(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|step| (1..=8).contains(step))
        .ok_or_else(|| "expected a number from 1 to 8".to_owned())
}

fn parse_circulant(text: &str) -> Result<u16, String> {
    text.parse()
        .ok()
        .filter(|z| (64..=1024).contains(z) && z % 64 == 0)
        .ok_or_else(|| "expected a multiple of 64 from 64 to 1024".to_owned())
}

fn parse_degree(text: &str) -> Result<(usize, usize), String> {
    text.split_once(':')
        .and_then(|(degree, columns)| Some((degree.parse().ok()?, columns.parse().ok()?)))
        .filter(|&(degree, columns): &(usize, usize)| degree >= 2 && columns >= 1)
        .ok_or_else(|| "expected a degree from 2 and a number of columns, such as 3:19".to_owned())
}

pub(super) fn run(command: &CodeCommand) -> anyhow::Result<Ending> {
    match command {
        CodeCommand::Build(args) => build(args),
        CodeCommand::Construct(args) => construct(args),
        CodeCommand::Patterns(args) => patterns(args),
        CodeCommand::Rates(args) => rates(args),
        CodeCommand::Inspect(args) => inspect(args),
        CodeCommand::Export(args) => export(args),
        CodeCommand::Import(args) => import(args),
    }
    .map(|()| Ending::Success)
}

fn build(args: &BuildArgs) -> anyhow::Result<()> {
    let (files, table) = generate::mother(args.code.n(), args.seed.unwrap_or(MOTHER_SEED))?;
    write_generated(args, &files, &table)
}

fn construct(args: &ConstructArgs) -> anyhow::Result<()> {
    let design = Design {
        z: args.z.into(),
        rows: args.rows.into(),
        degrees: args.degrees.clone(),
        passes: 1,
        unwanted: Vec::new(),
    };
    design.check().map_err(|error| super::usage(format!("--degrees: {error}")))?;
    let base = peg::build(&design, args.seed);
    base.tables().code().context("--degrees: no such code was found")?;
    let degrees: Vec<_> =
        args.degrees.iter().map(|(degree, columns)| format!("{degree}:{columns}")).collect();
    let title = format!(
        "Made by: caligo-run code construct --z {} --rows {} --degrees {} --seed {}",
        args.z,
        args.rows,
        degrees.join(","),
        args.seed
    );
    write_text(&args.out, &qc_file::write(&base, &title))
}

fn patterns(args: &BuildArgs) -> anyhow::Result<()> {
    let name = args.code.name();
    let path = args.out.join(format!("{name}.qc"));
    let text = fs::read_to_string(&path)
        .with_context(|| format!("{}: expected the base matrix that `code build` writes", path.display()))?;
    let base = qc_file::read(&text).with_context(|| path.display().to_string())?;
    let (files, table) = generate::orders(&base, args.seed.unwrap_or(ORDER_SEED))?;
    if args.code == Mother::N4096 {
        return write_generated(args, &files, &table);
    }
    // Orders of longer codes are made where they are used.
    let manifests: Vec<_> = files.into_iter().filter(|file| file.0.ends_with(".patterns.json")).collect();
    write_generated(&BuildArgs { core: None, ..args.clone() }, &manifests, &table)
}

fn write_generated(args: &BuildArgs, files: &[generate::File], table: &generate::File) -> anyhow::Result<()> {
    for (name, content) in files {
        write_text(&args.out.join(name), content)?;
    }
    if let Some(core) = &args.core {
        write_text(&core.join(&table.0), &table.1)?;
    }
    Ok(())
}

fn write_text(path: &Path, content: &str) -> anyhow::Result<()> {
    let at = || path.display().to_string();
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).with_context(at)?;
    }
    replace(path, Access::Shared, |out| out.write_all(content.as_bytes())).with_context(at)?;
    Ok(print(&format!("{}\n", path.display()))?)
}

fn rates(args: &RatesArgs) -> anyhow::Result<()> {
    let library = Library::mother(args.code);
    let code = library.code()?;
    let tiers = if args.code == Mother::N4096 {
        &[Tier::Precise, Tier::Balanced, Tier::Fast][..]
    } else {
        &[Tier::Balanced, Tier::Fast]
    };
    let RatesArgs { seed, frames, errors, step, .. } = *args;
    let thoroughness = Thoroughness { frames, errors, step };
    let sizes = calibrate::sizes(code.n(), code.m(), step);
    let command = format!(
        "caligo-run code rates --code {} --seed {seed} --frames {frames} --errors {errors} --step {step}",
        code.n()
    );
    let mut csv = format!(
        "# {command}\ndecoder,punctured,shortened,qber,frames,frame_errors,undetected,iterations_mean,f\n"
    );
    let bar = super::progress_bar((tiers.len() * sizes.len()) as u64, "patterns");
    let mut measure = |tier| {
        let mut last = None;
        calibrate::table(&library, tier, thoroughness, seed, |point| {
            if last.replace((point.punctured, point.shortened)) != last {
                bar.inc(1);
            }
            let _ = writeln!(
                csv,
                "{},{},{},{:.6},{},{},{},{:.3},{:.4}",
                point.decoder,
                point.punctured,
                point.shortened,
                point.qber,
                point.frames,
                point.frame_errors,
                point.undetected,
                point.iterations_mean,
                point.f
            );
        })
    };
    let tables =
        tiers.iter().map(|&tier| Ok((tier, measure(tier)?))).collect::<Result<Vec<_>, CalibrateError>>()?;
    bar.finish_and_clear();
    if let Some(path) = &args.csv {
        write_text(path, &csv)?;
    }
    let table = calibrate::rust(code.n(), code.m(), &command, &tables);
    match &args.core {
        Some(core) => write_text(&core.join(format!("rate/table_{}.rs", code.n())), &table)?,
        None => print(&table)?,
    }
    Ok(())
}

#[derive(Serialize)]
struct Inspection {
    n: usize,
    m: usize,
    z: usize,
    edges: usize,
    rank: usize,
    rate: f64,
    max_check_degree: usize,
    variable_degrees: std::collections::BTreeMap<usize, usize>,
    check_degrees: std::collections::BTreeMap<usize, usize>,
    /// Only for quasi-cyclic codes.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    structure: Option<Structure>,
    punctured_positions: usize,
    /// Rank of all punctured columns.
    punctured_rank: usize,
}

fn inspect(args: &InspectArgs) -> anyhow::Result<()> {
    let library = args.code.load()?;
    let code = library.code()?;
    let sparse = SparseMatrix::from_code(&code);
    let punctured = library.punctured_positions();
    let inspection = Inspection {
        n: code.n(),
        m: code.m(),
        z: code.z(),
        edges: code.edges(),
        rank: library.rank(),
        rate: 1.0 - code.m() as f64 / code.n() as f64,
        max_check_degree: code.max_degree(),
        variable_degrees: generate::histogram(sparse.column_degrees().iter().map(|&d| d as usize), 1),
        check_degrees: generate::histogram((0..code.m()).map(|i| sparse.row(i).len()), 1),
        structure: match &code {
            Code::Qc(qc) => Some(Structure::of(&BaseMatrix::from_code(qc))),
            Code::Sparse(_) => None,
        },
        punctured_positions: punctured,
        punctured_rank: library.padding_rank(punctured),
    };
    if args.json {
        return Ok(print(&(serde_json::to_string_pretty(&inspection)? + "\n"))?);
    }
    let mut out = String::new();
    let degrees = |map: &std::collections::BTreeMap<usize, usize>| {
        map.iter().map(|(d, c)| format!("{c} of degree {d}")).collect::<Vec<_>>().join(", ")
    };
    let i = &inspection;
    writeln!(out, "length            {} bits, {} checks (rank {}), rate {:.4}", i.n, i.m, i.rank, i.rate)?;
    writeln!(out, "edges             {} in circulants of {}", i.edges, i.z)?;
    writeln!(out, "variables         {}", degrees(&i.variable_degrees))?;
    writeln!(out, "checks            {}", degrees(&i.check_degrees))?;
    if let Some(structure) = &i.structure {
        let girth = structure.girth.map_or_else(|| "above 8".to_owned(), |g| g.to_string());
        writeln!(out, "girth             {girth}")?;
        for s in structure.cycles.iter().chain([&structure.ten]) {
            if let Some(ace) = s.least_ace {
                writeln!(
                    out,
                    "  length {:<8} {} cycles, least ACE {ace} ({} of them)",
                    s.length, s.cycles, s.at_least_ace
                )?;
            }
        }
    }
    writeln!(out, "puncturing order  {} positions, rank {}", i.punctured_positions, i.punctured_rank)?;
    Ok(print(&out)?)
}

fn export(args: &ExportArgs) -> anyhow::Result<()> {
    let library = args.code.load()?;
    let code = library.code()?;
    let order = library.order()?;
    let matrix = SparseMatrix::from_code(&code);
    let patterns = args.out.join("hybrid_patterns");
    fs::create_dir_all(&patterns).with_context(|| patterns.display().to_string())?;
    let rate = 1.0 - code.m() as f64 / code.n() as f64;
    let stem = format!("mother_code_{}_R{rate:.1}", code.n());
    write_with(&args.out.join(format!("{stem}.alist")), |out| Ok(alist::write(&matrix, out)?))?;
    write_with(&args.out.join(format!("{stem}.npz")), |out| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        npz::write(&matrix, &mut bytes)?;
        Ok(out.write_all(bytes.get_ref())?)
    })?;
    if order.puncture().is_empty() {
        return Ok(());
    }
    let indices: Vec<u64> = order.puncture().iter().map(|&v| v.into()).collect();
    write_with(&patterns.join("modulation_indices.npy"), |out| Ok(npy::write_indices(&indices, out)?))?;
    for percent in 1..100 {
        let target = f64::from(percent) / 100.0;
        let p = puncture::punctured_for(code.n(), code.m(), target);
        if target <= rate || p > order.puncture().len() {
            continue;
        }
        let mut mask = vec![false; code.n()];
        order.puncture()[..p].iter().for_each(|&v| mask[usize::from(v)] = true);
        write_with(&patterns.join(format!("pattern_rate{target:.2}.npy")), |out| {
            Ok(npy::write_mask(&mask, out)?)
        })?;
        if target >= 0.90 {
            break;
        }
    }
    Ok(())
}

fn import(args: &ImportArgs) -> anyhow::Result<()> {
    if args.code.matrix.is_none() {
        return Err(super::usage("--matrix: expected the file to import"));
    }
    let library = args.code.load()?;
    let code = library.code()?;
    let order = library.order()?;
    fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    match &code {
        Code::Qc(qc) => {
            write_text(
                &args.out.join("matrix.qc"),
                &qc_file::write(&BaseMatrix::from_code(qc), "Imported."),
            )?;
        }
        Code::Sparse(_) => write_with(&args.out.join("matrix.alist"), |out| {
            Ok(alist::write(&SparseMatrix::from_code(&code), out)?)
        })?,
    }
    let json = serde_json::json!({ "n": code.n(), "puncture": order.puncture(), "shorten": order.shorten() });
    write_text(&args.out.join("order.json"), &(json.to_string() + "\n"))?;
    let (m, rank, p) = (code.m(), library.rank(), order.puncture().len());
    if rank < m {
        print(&format!("rank {rank} of {m} checks: a syndrome leaks {rank} bits\n"))?;
    }
    if library.padding_rank(p) < p {
        print(&format!(
            "punctured columns: rank {} of {p}; longer prefixes mask less than they puncture\n",
            library.padding_rank(p)
        ))?;
    }
    Ok(())
}

fn write_with(path: &Path, fill: impl FnOnce(&mut Vec<u8>) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    fill(&mut bytes).with_context(|| path.display().to_string())?;
    replace(path, Access::Shared, |out| out.write_all(&bytes)).with_context(|| path.display().to_string())?;
    Ok(print(&format!("{}\n", path.display()))?)
}
