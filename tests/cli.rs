//! `caligo-run` as its users run it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod runner;

use std::fs;
use std::path::Path;
use std::process::Command;

use runner::Bench;
use serde_json::Value;

#[test]
fn without_the_processors_own_instructions_the_bits_are_the_same() {
    let bench = Bench::new();
    for arguments in ["--rate 0.5 --qber 0.05", "--rate 0.5 --qber 0.09", "--rate 0.7 --qber 0.04"] {
        for decoder in ["fast", "balanced", "precise"] {
            let line = format!("fer {arguments} --decoder {decoder} --frames 70 --seed 4 --json");
            let [best, portable] = ["0", "1"].map(|value| {
                let output = bench.run_with(&line, &[("CALIGO_PORTABLE", value)]);
                assert!(output.status.success(), "{line}");
                let mut report: Value = serde_json::from_slice(&output.stdout).unwrap();
                assert!(report.as_object_mut().unwrap().remove("mbit_per_s").is_some());
                report
            });
            assert_eq!(best, portable, "{line}");
        }
    }
}

fn same(a: &Path, b: &Path) -> bool {
    fs::read(a).unwrap() == fs::read(b).unwrap()
}

#[test]
fn packed_keys_with_a_burst_reconcile() {
    let bench = Bench::new();
    bench.ok("demo-keys --bits 524288 --qber 0.03 --seed 7 --bursts 1 --burst-length 3000 --alice a.key --bob b.key");
    let report = bench.json("reconcile --alice a.key --bob b.key --qber 0.03 --out o.key --seed 1 --json");
    assert_eq!(report["verified"], true);
    assert_eq!(report["payload_bits"], 524_288);
    assert!(same(&bench.path("a.key"), &bench.path("o.key")));
    let leakage = &report["leakage"];
    let number = |v: &Value| v.as_u64().unwrap();
    let kinds = &leakage["by_kind"];
    assert_eq!(
        number(&leakage["exact"]),
        number(&kinds["syndrome"]) + number(&kinds["reveal"]) + number(&kinds["tag"])
    );
    assert!(number(&leakage["exact"]) < number(&leakage["syndrome_cap"]));
    assert!(number(&leakage["syndrome_cap"]) <= number(&leakage["conservative"]));
    let f = |key: &str| report[key].as_f64().unwrap();
    assert!(1.0 < f("f_limit") && f("f_limit") < f("f") && f("f") < f("f_with_tag") && f("f_with_tag") < 1.6);
    for key in
        ["blocks", "frame_errors", "qber_observed", "rate", "punctured", "shortened", "iterations_mean"]
    {
        assert!(report[key].is_number(), "{key}");
    }
    assert_eq!(kinds["sample"], 0);
    assert!((f("qber_observed") - 0.0329).abs() < 0.002);
}

#[test]
fn odd_lengths_lose_nothing() {
    let bench = Bench::new();
    for (bits, qber) in [(10_007, 0.03), (4096, 0.02), (3000, 0.11), (701, 0.05), (64, 0.01), (1, 0.0)] {
        bench.ok(&format!("demo-keys --bits {bits} --qber {qber} --format ascii --alice a.txt --bob b.txt"));
        for decoder in ["fast", "balanced", "precise"] {
            let report = bench.json(&format!(
                "reconcile --alice a.txt --bob b.txt --qber {qber} --decoder {decoder} --out o.txt --seed 1 --json"
            ));
            assert_eq!(
                (&report["verified"], &report["payload_bits"]),
                (&true.into(), &bits.into()),
                "{bits}"
            );
            assert!(same(&bench.path("a.txt"), &bench.path("o.txt")), "{bits} bits");
        }
    }
}

#[test]
fn an_estimate_is_disclosed_removed_and_counted() {
    let bench = Bench::new();
    bench.ok("demo-keys --bits 200000 --qber 0.04 --drift 0.5 --alice a.npy --bob b.npy");
    let report =
        bench.json("reconcile --alice a.npy --bob b.npy --out o.npy --alice-out k.npy --seed 1 --json");
    assert_eq!(report["verified"], true);
    let sample = report["leakage"]["by_kind"]["sample"].as_u64().unwrap();
    assert_eq!(sample, 10_000);
    assert_eq!(report["payload_bits"], 200_000 - sample);
    assert!((report["qber_sampled"].as_f64().unwrap() - 0.04).abs() < 0.01);
    assert!(same(&bench.path("k.npy"), &bench.path("o.npy")));
    // A header of 128 bytes and one byte a bit.
    assert_eq!(fs::metadata(bench.path("o.npy")).unwrap().len(), 128 + 200_000 - sample);
}

#[test]
fn parts_that_fail_are_named_and_left_out() {
    let bench = Bench::new();
    bench.ok("demo-keys --bits 80000 --qber 0.15 --alice a.key --bob b.key --format bytes");
    let output = bench.run(
        "reconcile --code 4096 --alice a.key --bob b.key --qber 0.097 --target-fer 0.01 --out o.key --alice-out k.key --seed 1 --json",
    );
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let failed = report["failed"].as_array().unwrap();
    // Some parts fail and some do not, or this shows nothing.
    assert!((1..20).contains(&failed.len()) && report["verified"] == false);
    assert_eq!(String::from_utf8(output.stderr).unwrap().lines().count(), failed.len());
    let lost: u64 = failed.iter().map(|part| part["bits"].as_u64().unwrap()).sum();
    assert_eq!(report["payload_bits"].as_u64().unwrap(), 80_000 - lost);
    assert!(same(&bench.path("k.key"), &bench.path("o.key")));

    // Keys that have nothing to do with each other.
    bench.ok("demo-keys --bits 80000 --qber 0.49 --seed 3 --alice c.key --bob d.key");
    let output = bench.run("reconcile --alice c.key --bob d.key --qber 0.03 --seed 1 --json");
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    // At most the short last block, whose syndrome tells all of it.
    assert!(report["verified"] == false && report["payload_bits"].as_u64().unwrap() < 3000);
}

#[test]
fn a_wrong_guess_of_the_qber_is_survived_by_reveals() {
    let bench = Bench::new();
    bench.ok("demo-keys --bits 100000 --qber 0.06 --alice a.key --bob b.key");
    let report =
        bench.json("reconcile --code 4096 --alice a.key --bob b.key --qber 0.03 --out o.key --seed 1 --json");
    assert!(report["frame_errors"].as_u64().unwrap() > 10);
    assert!(report["leakage"]["by_kind"]["reveal"].as_u64().unwrap() > 0);
    assert!(same(&bench.path("a.key"), &bench.path("o.key")));
}

#[test]
fn bad_files_are_refused_in_one_line() {
    let bench = Bench::new();
    bench.ok("demo-keys --bits 8000 --qber 0.03 --alice a.key --bob b.key");
    bench.ok("demo-keys --bits 8008 --qber 0.03 --alice long.key --bob x.key");
    fs::write(bench.path("empty.key"), b"").unwrap();
    fs::write(bench.path("word.txt"), b"01012").unwrap();
    fs::write(bench.path("cut.npy"), b"\x93NUMPY\x01\x00\x76").unwrap();
    fs::create_dir(bench.path("dir")).unwrap();
    let text = bench.refused("reconcile --alice a.key --bob long.key --qber 0.03 --out o.key", 1);
    assert!(text.contains("8000 bits") && text.contains("8008 bits"), "{text}");
    for (file, expected) in [
        ("empty.key", "expected at least one bit"),
        ("dir", "a directory"),
        ("missing.key", "missing.key"),
        ("cut.npy", "cut.npy"),
    ] {
        let text = bench.refused(&format!("reconcile --alice a.key --bob {file} --qber 0.03 --out o.key"), 1);
        assert!(text.contains(expected) && text.contains(file), "{text}");
    }
    let text = bench.refused("reconcile --alice word.txt --bob word.txt --format ascii --out o.key", 1);
    assert!(text.contains("offset 4"), "{text}");
    let text = bench.refused("reconcile --alice a.key --bob b.key --qber 0.03 --out k --alice-out k", 2);
    assert!(text.contains("another file"), "{text}");
    // Neither is written where one cannot be.
    bench.refused("reconcile --alice a.key --bob b.key --qber 0.03 --out o.key --alice-out no/such/k.key", 1);
    let text = bench.refused("reconcile --alice a.key --bob b.key --qber 0.03 --out dir", 1);
    assert!(text.contains("dir"), "{text}");
    assert!(!bench.path("o.key").exists());
}

#[test]
fn bad_values_are_refused_in_one_line() {
    let bench = Bench::new();
    bench.ok("demo-keys --bits 8000 --qber 0.03 --alice a.key --bob b.key");
    for qber in ["0.5", "NaN", "-1", "1e9", "inf", "three", ""] {
        let text =
            bench.refused(&format!("reconcile --alice a.key --bob b.key --qber={qber} --out o.key"), 2);
        assert!(text.contains("from 0 to below 0.5"), "{text}");
        bench.refused(&format!("fer --rate 0.5 --qber={qber}"), 2);
    }
    let text = bench.refused("reconcile --alice a.key --bob b.key --qber -1", 2);
    assert!(text.contains("from 0 to below 0.5"), "{text}");
    for line in [
        "reconcile --alice a.key",
        "reconcile --alice a.key --bob b.key --decoder slow",
        "reconcile --alice a.key --bob b.key --target-fer 0",
        "fer --qber 0.03",
        "fer --rate 1.5 --qber 0.03",
        "fer --rate 0.5 --punctured 3 --qber 0.03",
        "fer --rate 0.5 --qber 0.03 --max-iterations 0",
        "demo-keys --bits 0 --qber 0.03 --alice a --bob b",
        "demo-keys --bits 9 --qber 0.03 --alice x --bob y",
        "demo-keys --bits 8 --qber 0.03 --alice x --bob ./x",
        "demo-keys --bits 8 --class-qber 0.1 --alice x --bob y --side-info y",
        "reconcile --alice a.key --bob b.key --qber none --out o.key",
        "efficiency --strategy baseline --prior none",
        "frobnicate",
    ] {
        bench.refused(line, 2);
    }
    // Understood, but not to be had.
    let text = bench.refused("reconcile --alice a.key --bob b.key --qber 0.3 --out o.key", 1);
    assert!(text.contains("QBER: expected at most"), "{text}");
    bench.refused("fer --punctured 1985 --qber 0.03", 1);
    bench.refused("fer --shortened 4096 --qber 0.03", 1);
    assert!(!bench.path("o.key").exists());
    // QBER 0 is a QBER.
    bench.ok("demo-keys --bits 8000 --qber 0 --alice a.key --bob b.key");
    let report = bench.json("reconcile --alice a.key --bob b.key --qber 0 --seed 1 --json");
    assert_eq!((&report["verified"], &report["f"]), (&true.into(), &Value::Null));
}

#[test]
fn bad_matrices_are_refused_in_one_line() {
    let bench = Bench::new();
    bench.ok("code export --out lib");
    let npz = fs::read(bench.path("lib/mother_code_4096_R0.5.npz")).unwrap();
    fs::write(bench.path("cut.npz"), &npz[..npz.len() / 2]).unwrap();
    // 3 columns, 2 rows; row 1 names column 9.
    fs::write(bench.path("range.alist"), "3 2\n1 2\n1 1 1\n2 1\n1\n1\n2\n1 2\n9 0\n").unwrap();
    fs::write(bench.path("huge.alist"), "99999999999 2\n").unwrap();
    fs::write(bench.path("shift.qc"), "qc 64 2 3\n0 0 64\n").unwrap();
    fs::write(bench.path("matrix.txt"), "1 0\n").unwrap();
    for (file, expected) in [
        ("cut.npz", "cut.npz"),
        ("range.alist", "9"),
        ("huge.alist", "huge.alist"),
        ("shift.qc", "line 2"),
        ("matrix.txt", ".qc, .alist or .npz"),
        ("missing.npz", "missing.npz"),
        ("lib/hybrid_patterns", "hybrid_patterns"),
    ] {
        let text = bench.refused(&format!("fer --rate 0.5 --qber 0.03 --frames 1 --matrix {file}"), 1);
        assert!(text.contains(expected), "{file}: {text}");
    }
    let text = bench.refused("code inspect --patterns lib/hybrid_patterns", 1);
    assert!(text.contains("--matrix"), "{text}");
}

#[cfg(unix)]
#[test]
fn a_closed_or_full_output_is_no_panic() {
    let bench = Bench::new();
    bench.ok("demo-keys --bits 80000 --qber 0.19 --alice a.key --bob b.key");
    let shell = |line: &str| {
        let line = line.replace("caligo-run", env!("CARGO_BIN_EXE_caligo-run"));
        let output = Command::new("bash").args(["-c", &line]).current_dir(bench.dir.path()).output().unwrap();
        assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"), "{line}");
        output.status.code()
    };
    // The reader is gone; the failure is not forgotten.
    let line = "caligo-run reconcile --alice a.key --bob b.key --qber 0.097 --seed 1 --json | true; exit ${PIPESTATUS[0]}";
    assert_eq!(shell(line), Some(1));
    assert_eq!(shell("caligo-run code export --out lib | true; exit ${PIPESTATUS[0]}"), Some(0));
    assert_eq!(shell("caligo-run demo-keys --bits 8 --qber 0 --alice x --bob y > /dev/full"), Some(1));
    // Devices are written to, not replaced.
    assert_eq!(shell("caligo-run reconcile --alice a.key --bob a.key --qber 0.01 --out /dev/null"), Some(0));
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn exported_codes_are_the_same_code() {
    let bench = Bench::new();
    bench.ok("code export --out lib");
    assert_eq!(fs::read_dir(bench.path("lib/hybrid_patterns")).unwrap().count(), 41);
    let figures = |extra: &str| {
        let mut report = bench
            .json(&format!("fer --rate 0.7 --qber 0.04 --frames 512 --decoder fast --seed 5 --json {extra}"));
        report.as_object_mut().unwrap().remove("mbit_per_s");
        report
    };
    let own = figures("");
    assert!(own["frame_errors"].as_u64().unwrap() > 0);
    assert_eq!(own, figures("--matrix lib/mother_code_4096_R0.5.npz --patterns lib/hybrid_patterns"));
    assert_eq!(
        own,
        figures(
            "--matrix lib/mother_code_4096_R0.5.alist --patterns lib/hybrid_patterns/modulation_indices.npy"
        )
    );
    // Without the order, the nested masks give one with the same sets at the exported rates.
    fs::remove_file(bench.path("lib/hybrid_patterns/modulation_indices.npy")).unwrap();
    assert_eq!(own, figures("--matrix lib/mother_code_4096_R0.5.npz --patterns lib/hybrid_patterns"));
    bench.ok("code import --matrix lib/mother_code_4096_R0.5.npz --patterns lib/hybrid_patterns --out in");
    assert_eq!(own, figures("--matrix in/matrix.alist --patterns in/order.json"));
    let inspection = bench.json("code inspect --matrix in/matrix.alist --json");
    assert_eq!((&inspection["n"], &inspection["rank"]), (&4096.into(), &2048.into()));
}

#[test]
fn a_code_of_any_degrees_is_constructed() {
    let bench = Bench::new();
    let design = "code construct --rows 8 --degrees 2:7,3:11,6:2 --seed 4 --out";
    bench.ok(&format!("{design} a.qc"));
    bench.ok(&format!("{design} b.qc"));
    assert!(same(&bench.path("a.qc"), &bench.path("b.qc")));
    let inspection = bench.json("code inspect --matrix a.qc --json");
    assert_eq!((&inspection["n"], &inspection["m"]), (&(20 * 64).into(), &(8 * 64).into()));
    let degrees = serde_json::json!({"2": 7 * 64, "3": 11 * 64, "6": 2 * 64});
    assert_eq!(inspection["variable_degrees"], degrees);
    for degrees in ["2:6,3:11", "2:7,6:2,3:11", "2:7", "2:7,9:4", "2:7,3", "2:7,3:2000"] {
        bench.refused(&format!("code construct --rows 8 --degrees {degrees} --out c.qc"), 2);
        assert!(!bench.path("c.qc").exists(), "{degrees}");
    }
    bench.refused("code construct --z 100 --rows 8 --degrees 2:7,3:11 --out c.qc", 2);
}

#[test]
fn a_foreign_irregular_code_reconciles() {
    // 4096 columns of degrees 2 to 66, 22,562 entries, by a fixed rule.
    let degree = |c: usize| match c {
        0..64 => 66,
        64..600 => 16,
        600..1594 | 4092 => 4,
        1594..2371 | 4093.. => 3,
        _ => 2,
    };
    let (n, m) = (4096, 2048);
    let mut columns = vec![Vec::new(); n];
    let mut state = 12345u64;
    let mut load = vec![0; m];
    for (c, rows) in columns.iter_mut().enumerate() {
        if degree(c) == 2 {
            // One path through the checks: drawn at random, some of them would close cycles of a few
            // columns, which are codewords of a few bits.
            rows.extend([c - 2371, c - 2370]);
            load[c - 2371] += 1;
            load[c - 2370] += 1;
        }
        while rows.len() < degree(c) {
            // The least loaded of a few random checks.
            let pick = (0..4)
                .map(|_| {
                    state =
                        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (state >> 33) as usize % m
                })
                .filter(|r| !rows.contains(r))
                .min_by_key(|&r| load[r]);
            if let Some(row) = pick {
                load[row] += 1;
                rows.push(row);
            }
        }
        rows.sort_unstable();
    }
    let entries: usize = columns.iter().map(Vec::len).sum();
    assert_eq!(entries, 22_562);
    let mut by_row = vec![Vec::new(); m];
    for (c, rows) in columns.iter().enumerate() {
        rows.iter().for_each(|&r: &usize| by_row[r].push(c));
    }
    let line =
        |items: &[usize]| items.iter().map(|i| (i + 1).to_string()).collect::<Vec<_>>().join(" ") + "\n";
    let degrees =
        |lists: &[Vec<usize>]| lists.iter().map(|l| l.len().to_string()).collect::<Vec<_>>().join(" ");
    let widest = by_row.iter().map(Vec::len).max().unwrap();
    let mut text = format!("{n} {m}\n66 {widest}\n{}\n{}\n", degrees(&columns), degrees(&by_row));
    columns.iter().chain(&by_row).for_each(|list| text.push_str(&line(list)));
    let bench = Bench::new();
    fs::write(bench.path("foreign.alist"), text).unwrap();
    bench.ok("demo-keys --bits 40000 --qber 0.03 --alice a.key --bob b.key");
    let report = bench.json(
        "reconcile --alice a.key --bob b.key --qber 0.03 --matrix foreign.alist --out o.key --seed 1 --json",
    );
    assert_eq!(report["verified"], true);
    assert_eq!(report["rate"], 0.5, "no patterns, no puncturing");
    assert!(same(&bench.path("a.key"), &bench.path("o.key")));
}

#[test]
fn figures_do_not_depend_on_the_threads() {
    let bench = Bench::new();
    let figures = |threads| {
        let line = "fer --rate 0.6 --qber 0.062 --decoder balanced --frames 700 --errors 40 --seed 9 --json";
        let output = bench.run_with(line, &[("RAYON_NUM_THREADS", threads)]);
        let mut report: Value = serde_json::from_slice(&output.stdout).unwrap();
        report.as_object_mut().unwrap().remove("mbit_per_s");
        report
    };
    let one = figures("1");
    for key in [
        "frames",
        "frame_errors",
        "fer",
        "fer_low",
        "fer_high",
        "undetected",
        "iterations_mean",
        "f",
        "f_limit",
    ] {
        assert!(one[key].is_number(), "{key}");
    }
    assert_eq!(one, figures("3"));
    let csv = bench.ok("fer --rate 0.5 --qber 0.05 --frames 256 --csv");
    let widths: Vec<usize> = csv.lines().map(|line| line.split(',').count()).collect();
    assert_eq!(widths, [15, 15]);
}

#[test]
fn demo_keys_are_a_function_of_the_seed() {
    let bench = Bench::new();
    for (alice, bob, seed) in [("a", "b", 4), ("c", "d", 4), ("e", "f", 5)] {
        bench.ok(&format!(
            "demo-keys --bits 80000 --qber 0.05 --bursts 2 --seed {seed} --alice {alice} --bob {bob}"
        ));
    }
    assert!(same(&bench.path("a"), &bench.path("c")) && same(&bench.path("b"), &bench.path("d")));
    assert!(!same(&bench.path("a"), &bench.path("e")));
}

#[test]
fn side_information_lowers_the_leakage() {
    let bench = Bench::new();
    let text = bench.ok(
        "demo-keys --bits 200000 --class-qber 0.051,0.012 --seed 1 --alice a.key --bob b.key --side-info s.npy",
    );
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    for (class, (line, qber)) in lines[1..].iter().zip([0.051, 0.012]).enumerate() {
        assert!(line.starts_with(&format!("class {class}: ")), "{line}");
        let measured: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
        assert!((measured - qber).abs() < 0.004, "{line}");
    }
    let exact = |extra: &str| {
        let report = bench.json(&format!(
            "reconcile --code 4096 --alice a.key --bob b.key --out o.key --strategy blind --seed 1 --json {extra}"
        ));
        assert_eq!((&report["verified"], &report["payload_bits"]), (&true.into(), &200_000.into()));
        assert!(same(&bench.path("a.key"), &bench.path("o.key")));
        report["leakage"]["exact"].as_u64().unwrap()
    };
    let (without, with) = (exact(""), exact("--side-info s.npy"));
    assert!(with < without, "{with} with, {without} without");
    // Raw bytes say the same.
    let npy = fs::read(bench.path("s.npy")).unwrap();
    fs::write(bench.path("s.bin"), &npy[npy.len() - 200_000..]).unwrap();
    // But for the padding, which is random in every session: now and then a block needs another reveal or one less.
    let again = exact("--side-info s.bin");
    assert!(again.abs_diff(with) < with / 50, "{with} from .npy, {again} from bytes");
}

#[test]
fn demo_keys_of_every_kind() {
    let bench = Bench::new();
    let measured = |line: &str| -> Vec<(u64, f64)> {
        let text = bench.ok(&format!("demo-keys --bits 400000 {line} --alice a.key --bob b.key"));
        let number = |line: &str, back: usize| line.rsplit(' ').nth(back).unwrap().parse().unwrap();
        text.lines().skip(1).map(|line| (number(line, 5) as u64, number(line, 0))).collect()
    };
    let near = |found: &[(u64, f64)], expected: &[(f64, f64)]| {
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (&(bits, qber), &(share, rate)) in found.iter().zip(expected) {
            assert!((bits as f64 / 400_000.0 - share).abs() < 0.005, "{found:?}");
            assert!((qber - rate).abs() < 0.004, "{found:?}");
        }
    };
    near(&measured("--qber 0.03 --ones 0.4"), &[]);
    near(&measured("--error-given 0.0185,0.0325"), &[(0.5, 0.0185), (0.5, 0.0325)]);
    near(&measured("--error-given 0,0.04 --ones 0.4 --drift 0.5"), &[(0.6, 0.0), (0.4, 0.04)]);
    // A burst adds errors to every class: 0.5 * 40,000 / 400,000, less what it takes back.
    let classes = "--class-qber 0.05,0.01,0 --class-weight 2,1,1 --drift 1";
    near(&measured(classes), &[(0.5, 0.05), (0.25, 0.01), (0.25, 0.0)]);
    let bursts = format!("{classes} --bursts 1 --burst-length 40000");
    let rates: Vec<f64> = measured(&bursts).iter().map(|&(_, qber)| qber).collect();
    assert!(rates.iter().zip([0.095, 0.059, 0.05]).all(|(r, e)| (r - e).abs() < 0.01), "{rates:?}");
    // One class is a class as well.
    near(&measured("--class-qber 0.02 --side-info s"), &[(1.0, 0.02)]);
    assert_eq!(fs::read(bench.path("s")).unwrap(), vec![0; 400_000]);
}

#[test]
fn bad_side_information_is_refused_in_one_line() {
    let bench = Bench::new();
    bench.ok("demo-keys --bits 8000 --class-qber 0.05,0.01 --alice a.key --bob b.key --side-info s.bin");
    bench.ok("demo-keys --bits 7992 --class-qber 0.05,0.01 --alice c.key --bob d.key --side-info short.npy");
    let header = fs::read(bench.path("short.npy")).unwrap()[..128].to_vec();
    let header = String::from_utf8_lossy(&header[10..]).replace("|u1", "<u2").replace("7992", "8000");
    let mut wide = [&b"\x93NUMPY\x01\x00\x76\x00"[..], header.as_bytes()].concat();
    wide.extend((0..8000).flat_map(|i: u16| if i == 77 { 300 } else { i % 2 }.to_le_bytes()));
    fs::write(bench.path("wide.npy"), wide).unwrap();
    fs::write(bench.path("long.bin"), vec![0; 8001]).unwrap();
    fs::write(bench.path("table.npy"), fs::read(bench.path("s.bin")).unwrap()).unwrap();
    fs::create_dir(bench.path("dir")).unwrap();
    for (file, expected) in [
        ("short.npy", "expected a class for each of 8000 key bits, found 7992"),
        ("long.bin", "expected a class for each of 8000 key bits, found 8001"),
        ("wide.npy", "item 77: expected 0 to 255, found 300"),
        ("table.npy", "expected a NumPy array"),
        ("missing", "No such file"),
        ("dir", "directory"),
    ] {
        let line =
            format!("reconcile --alice a.key --bob b.key --strategy blind --out o.key --side-info {file}");
        let text = bench.refused(&line, 1);
        assert!(text.contains(&format!("{file}: ")) && text.contains(expected), "{text}");
    }
    assert!(!bench.path("o.key").exists());
    for (flags, code, expected) in [
        ("", 2, "--qber"),
        ("--class-qber 0.05,0.01 --qber 0.03", 2, "cannot be used with"),
        ("--class-qber 0.05,0.01 --error-given 0.03,0.02", 2, "cannot be used with"),
        ("--qber 0.03 --error-given 0.03,0.02", 2, "cannot be used with"),
        ("--class-qber 0.05,0.5", 2, "from 0 to below 0.5"),
        ("--class-qber 0.05,,0.1", 2, "from 0 to below 0.5"),
        ("--class-qber -1", 2, "from 0 to below 0.5"),
        ("--class-qber 0.05,0.01 --class-weight 1,0", 2, "a positive number"),
        ("--qber 0.05 --class-weight 1,1", 2, "cannot be used with"),
        ("--qber 0.05 --side-info x", 2, "cannot be used with"),
        ("--error-given 0.03,0.02 --class-weight 1,1", 2, "cannot be used with"),
        ("--error-given 0.03", 2, "two error rates"),
        ("--error-given 0.03,0.02,0.01", 2, "from 0 to below 0.5"),
        ("--qber 0.05 --ones 1", 2, "between 0 and 1"),
        ("--class-qber 0.05,0.01 --class-weight 1,1,1", 2, "expected 2 weights"),
        ("--class-qber 0.05,0.01 --class-weight 1", 2, "found 1"),
        ("--class-qber 0.01,0.3 --drift 0.8", 1, "below 0.5 at the end, found 0.54"),
        ("--qber 0.3 --drift 0.8", 1, "below 0.5 at the end, found 0.54"),
        ("--class-qber 0.05 --side-info no/such", 1, "no/such: "),
    ] {
        let text = bench.refused(&format!("demo-keys --bits 8000 {flags} --alice x --bob y"), code);
        assert!(text.contains(expected), "{flags}: {text}");
    }
    assert!(!bench.path("x").exists());
}
