//! Measured efficiency: what it does not depend on, and how it is shown.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::atomic::{AtomicU64, Ordering};

use caligo_runtime::config::Strategy;
use caligo_runtime::efficiency::{Row, measure};
use caligo_runtime::matrix::library::Library;
use caligo_runtime::plot;
use caligo_runtime::session::local::Config;

const STRATEGIES: [Strategy; 3] = [Strategy::Baseline, Strategy::Blind, Strategy::Symmetric];

fn library() -> Library {
    Library::built_in()
}

fn row(strategy: Strategy, qber: f64, prior: Option<f64>, f_mean: f64) -> Row {
    Row {
        strategy,
        rounds: 10,
        qber,
        prior,
        frames: 1,
        payload: 3000,
        f_mean,
        f_with_tag: f_mean,
        fer: 0.0,
        fer_low: 0.0,
        fer_high: 1.0,
        rounds_mean: 1.0,
        revealed_mean: 0.0,
        iterations_mean: 10.0,
        caught: 0,
        undetected: 0,
        f_one_way_limit: None,
    }
}

#[test]
fn threads_change_nothing() {
    let library = library();
    for strategy in STRATEGIES {
        let rows = [1, 2].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let done = AtomicU64::new(0);
            let count = |blocks| {
                done.fetch_add(blocks, Ordering::Relaxed);
            };
            // Two sessions and a piece of a third.
            let config = Config::of(strategy);
            let row = pool.install(|| measure(&library, &config, 0.03, Some(0.03), 260, 5, count).unwrap());
            assert_eq!((row.frames, done.into_inner()), (260, 260));
            row
        });
        assert_eq!(rows[0], rows[1], "{strategy}");
    }
}

#[test]
fn every_strategy_stays_between_the_limit_and_twice_it() {
    let library = library();
    for strategy in STRATEGIES {
        let row = measure(&library, &Config::of(strategy), 0.03, Some(0.03), 64, 1, |_| {}).unwrap();
        assert!((1.0..2.0).contains(&row.f_mean), "{row:?}");
        assert!(row.f_mean < row.f_with_tag && row.fer_low <= row.fer && row.fer <= row.fer_high, "{row:?}");
        assert!(row.f_one_way_limit.is_some_and(|limit| limit > 1.0), "{row:?}");
        assert_eq!((row.frames, row.undetected), (64, 0));
    }
    for strategy in [Strategy::Blind, Strategy::Symmetric] {
        let row = measure(&library, &Config::of(strategy), 0.05, None, 64, 1, |_| {}).unwrap();
        assert!((1.0..2.0).contains(&row.f_mean) && row.prior.is_none(), "{row:?}");
    }
    assert!(measure(&library, &Config::of(Strategy::Baseline), 0.03, None, 64, 1, |_| {}).is_err());
}

#[test]
fn json_keys_are_the_contract() {
    let value = serde_json::to_value(row(Strategy::Blind, 0.02, None, 1.2)).unwrap();
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    let contract = [
        "caught",
        "f_mean",
        "f_one_way_limit",
        "f_with_tag",
        "fer",
        "fer_high",
        "fer_low",
        "frames",
        "iterations_mean",
        "payload",
        "prior",
        "qber",
        "revealed_mean",
        "rounds",
        "rounds_mean",
        "strategy",
        "undetected",
    ];
    assert_eq!(keys, contract);
    assert!(value["strategy"] == "blind" && value["prior"].is_null());
}

/// Tags close in the order they open, attributes are quoted, and no coordinate is less than a number.
fn check_svg(svg: &str) {
    let mut open = Vec::new();
    let mut rest = svg;
    while let Some((text, after)) = rest.split_once('<') {
        assert!(!text.contains('>') && !text.contains('&'), "{text}");
        let (tag, after) = after.split_once('>').unwrap();
        assert!(!tag.contains('<') && tag.matches('"').count().is_multiple_of(2), "{tag}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().unwrap());
        }
        rest = after;
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?}");
    assert!(svg.starts_with("<svg ") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
}

fn series(svg: &str) -> Vec<&str> {
    svg.split("<text")
        .filter_map(|text| text.split(['>', '<']).nth(1))
        .filter(|t| t.contains("round"))
        .collect()
}

#[test]
fn a_plot_shows_every_series_and_the_bound() {
    let mut rows = Vec::new();
    for (qber, f) in [(0.05, 1.15), (0.02, 1.25), (0.03, 1.2)] {
        rows.push(row(Strategy::Blind, qber, Some(qber), f));
        rows.push(row(Strategy::Symmetric, qber, None, f - 0.05));
        rows.push(row(Strategy::Baseline, qber, Some(0.03), f + 0.1));
        rows.push(Row { rounds: 1, ..row(Strategy::Baseline, qber, Some(qber), f + 0.2) });
    }
    let svg = plot::efficiency(&rows).unwrap();
    check_svg(&svg);
    assert_eq!(
        series(&svg),
        [
            "blind, 10 rounds, QBER known",
            "symmetric, 10 rounds, QBER unknown",
            "baseline, 10 rounds, planned for QBER 0.03",
            "baseline, 1 round, QBER known",
        ]
    );
    for text in [">QBER<", ">f = leak / (n h(QBER))<", ">bound: ", ">f = 1: ", ">0.020<", ">0.050<", ">1.0"] {
        assert!(svg.contains(text), "{text}");
    }
    // Of the curve and of its line in the legend.
    assert_eq!(svg.matches("stroke-dasharray").count(), 2);
    assert!(svg.matches('L').count() > 128);
    assert_eq!(svg, plot::efficiency(&rows.clone()).unwrap());
}

#[test]
fn anything_can_be_drawn() {
    let blind = |qber, f| row(Strategy::Blind, qber, None, f);
    let cases: [&[Row]; 7] = [
        &[],
        &[blind(0.03, 1.2)],
        &[blind(0.03, 1.2), blind(0.03, 1.2), blind(0.03, 1.3)],
        &[blind(0.0, f64::NAN), blind(f64::NAN, 1.0), blind(0.02, f64::INFINITY), blind(0.5, 1.0)],
        &[blind(0.0, 1.0), blind(1e-300, 1.0), blind(0.499_999, 3.0)],
        &[blind(1e-9, 9e5), blind(2e-9, 1e6)],
        &[Row { payload: 0, ..blind(0.03, 1.2) }, Row { payload: 1, ..blind(0.04, 1.2) }],
    ];
    for rows in cases {
        check_svg(&plot::efficiency(rows).unwrap());
    }
}
