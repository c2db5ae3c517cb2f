//! The committed rate table: the measured frame error rates come out again.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;

use caligo_core::code::mother_4096;
use caligo_core::puncture::order_4096;
use caligo_core::rate::table_4096;
use caligo_runtime::kernel::{Effort, Tier};
use caligo_runtime::montecarlo::{self, Run, clopper_pearson};

/// decoder, punctured, shortened, QBER, frames, frame errors.
type Row = (String, usize, usize, f64, u64, u64);

fn committed() -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/results/rates_4096.csv");
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.starts_with("decoder"))
        .map(|line| {
            let f: Vec<&str> = line.split(',').collect();
            let number = |i: usize| f[i].parse::<u64>().unwrap();
            (
                f[0].to_lowercase(),
                number(1) as usize,
                number(2) as usize,
                f[3].parse().unwrap(),
                number(4),
                number(5),
            )
        })
        .collect()
}

/// A fresh seed; both intervals at 99.9 % must meet.
fn comes_out_again(row: &Row, tier: Tier) {
    let (mut a, mut b) = ([0; 64], [0; 64]);
    let pattern = order_4096::ORDER.pattern(row.1, row.2, &mut a, &mut b).unwrap();
    let run = Run {
        code: mother_4096::CODE.into(),
        pattern,
        leak: 2048 - row.1,
        qber: row.3,
        effort: Effort { tier, ..Effort::default() },
        frames: 2048,
        errors: u64::MAX,
        seed: 4242,
    };
    let tally = montecarlo::run(&run, |_| {}).unwrap();
    let (low, high) = clopper_pearson(tally.frame_errors, tally.frames, 0.999);
    let (committed_low, committed_high) = clopper_pearson(row.5, row.4, 0.999);
    assert!(low <= committed_high && committed_low <= high, "{row:?}: {tally:?}");
}

#[test]
fn two_points_of_the_table_come_out_again() {
    let rows = committed();
    let near = |decoder: &str, p: usize| {
        rows.iter()
            .filter(|r| r.0 == decoder && r.1 == p && r.2 == 0)
            .min_by(|a, b| {
                let off = |r: &Row| ((r.5 as f64 / r.4 as f64) / 0.05).ln().abs();
                off(a).total_cmp(&off(b))
            })
            .unwrap_or_else(|| panic!("{decoder} {p} is in the table"))
    };
    comes_out_again(near("balanced", 0), Tier::Balanced);
    comes_out_again(near("fast", 1170), Tier::Fast);
}

#[test]
fn thresholds_rise_along_the_table_and_fall_with_the_target() {
    for table in [table_4096::PRECISE, table_4096::BALANCED, table_4096::FAST] {
        assert_eq!((table.n, table.m), (4096, 2048));
        for pair in table.points.windows(2) {
            assert!(pair[0].p > pair[1].p || pair[0].s < pair[1].s);
            assert!(pair[0].qber.iter().zip(&pair[1].qber).all(|(a, b)| a <= b));
        }
        for point in table.points {
            assert!(point.qber[0] > point.qber[1] && point.qber[1] > point.qber[2], "{point:?}");
        }
    }
    // QBER 11 % is within reach.
    assert!(table_4096::PRECISE.select(0.11, 0.01).is_ok());
}

#[test]
fn results_do_not_depend_on_the_threads() {
    let (mut a, mut b) = ([0; 64], [0; 64]);
    let pattern = order_4096::ORDER.pattern(1000, 0, &mut a, &mut b).unwrap();
    let run = Run {
        code: mother_4096::CODE.into(),
        pattern,
        leak: 1048,
        qber: 0.045,
        effort: Effort::default(),
        frames: 600,
        errors: 20,
        seed: 3,
    };
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut tally = pool.install(|| montecarlo::run(&run, |_| {})).unwrap();
        tally.seconds = 0.0;
        tally
    };
    let one = with(1);
    assert!(one.frame_errors > 0);
    assert_eq!(one, with(2));
    assert_eq!(one, with(7));
}
