//! The committed code and orders: regenerated, independent, untainted where they say so.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use caligo_core::bits;
use caligo_core::code::{Code, mother_4096};
use caligo_core::puncture::{self, Order, order_4096};
use caligo_core::rank;
use caligo_runtime::matrix::base::BaseMatrix;
use caligo_runtime::matrix::generate::{self, File, MOTHER_SEED, ORDER_SEED};
use caligo_runtime::matrix::library::Library;
use caligo_runtime::matrix::mother::Mother;
use caligo_runtime::matrix::{patterns, qc_file, words};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn is_fresh(dir: &str, (name, content): &File) {
    let path = root().join(dir).join(name);
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(&committed == content, "{} is not what the command in its header writes", path.display());
}

#[test]
fn same_seed_same_bytes() {
    let (files, table) = generate::mother(4096, MOTHER_SEED).unwrap();
    files.iter().for_each(|file| is_fresh("ldpc_matrices", file));
    is_fresh("core/src", &table);
}

#[test]
#[ignore = "a minute: after a change of the construction, cargo test -p caligo-tests --test library -- --ignored"]
fn longer_codes_from_the_same_seed() {
    for mother in Mother::ALL {
        let (files, table) = generate::mother(mother.n(), MOTHER_SEED).unwrap();
        files.iter().for_each(|file| is_fresh("ldpc_matrices", file));
        is_fresh("core/src", &table);
    }
}

#[test]
fn tables_of_longer_codes_are_those_of_their_files() {
    for mother in Mother::ALL {
        let base = BaseMatrix::from_code(&mother.quasi_cyclic());
        let path = root().join("ldpc_matrices").join(mother.name()).with_extension("qc");
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(qc_file::read(&text).unwrap(), base);
        let manifest = root().join("ldpc_matrices").join(mother.name()).with_extension("json");
        assert!(fs::read_to_string(manifest).unwrap().contains(&generate::sha256(text.as_bytes())));
        // Shorter words are looked for in seconds; the manifest has the whole search.
        for limits in &generate::mother_design(mother.n()).unwanted[..5] {
            assert_eq!(words::all(&base, limits), BTreeSet::new(), "{mother:?} {limits:?}");
        }
    }
}

#[test]
fn orders_of_longer_codes_are_independent_and_those_of_their_manifests() {
    for mother in [Mother::N8192, Mother::N16384, Mother::N65536] {
        let base = BaseMatrix::from_code(&mother.quasi_cyclic());
        let (files, _) = generate::orders(&base, ORDER_SEED).unwrap();
        is_fresh("ldpc_matrices", files.iter().find(|file| file.0.ends_with(".patterns.json")).unwrap());
        let library = Library::mother(mother);
        let order = library.order().unwrap();
        let orders = patterns::build(&base, ORDER_SEED).unwrap();
        assert_eq!((order.puncture(), order.shorten()), (&orders.puncture[..], &orders.shorten[..]));
        let punctured = order.puncture().iter().map(|&v| usize::from(v));
        assert_eq!(rank::peel(&mother.code(), punctured), order.puncture().len());
    }
}

#[test]
fn same_orders_from_the_same_seed() {
    let base = BaseMatrix::from_code(&mother_4096::CODE);
    let (files, table) = generate::orders(&base, ORDER_SEED).unwrap();
    files.iter().for_each(|file| is_fresh("ldpc_matrices", file));
    is_fresh("core/src", &table);
}

#[test]
fn another_seed_gives_another_order() {
    let base = BaseMatrix::from_code(&mother_4096::CODE);
    let (a, b) = (patterns::build(&base, 1).unwrap(), patterns::build(&base, 2).unwrap());
    assert_ne!(a.puncture, b.puncture);
    assert_ne!(a.shorten, b.shorten);
}

#[test]
fn orders_are_valid() {
    let order = order_4096::ORDER;
    Order::new(4096, order.puncture(), order.shorten(), &mut [0; 64]).unwrap();
    assert_eq!(order.shorten().len(), 4096);
}

#[test]
fn punctured_columns_are_independent_at_all_forty_rates() {
    let code = Code::from(mother_4096::CODE);
    for percent in 51..=90 {
        let rate = f64::from(percent) / 100.0;
        let p = puncture::punctured_for(4096, 2048, rate);
        assert!(puncture::rate(4096, 2048, p, 0) <= rate);
        assert!(puncture::rate(4096, 2048, p + 1, 0) > rate);
        let prefix = order_4096::ORDER.puncture()[..p].iter().map(|&v| usize::from(v));
        assert_eq!(rank::rank_of(&code, prefix.clone()), p, "R = {rate}");
        assert_eq!(rank::peel(&code, prefix), p, "R = {rate}");
    }
}

#[test]
fn the_untainted_prefix_is_untainted_and_maximal() {
    let code = Code::from(mother_4096::CODE);
    let order = order_4096::ORDER.puncture();
    let seen = |p: usize| {
        let mut punctured = [0; 64];
        order[..p].iter().for_each(|&v| bits::set(&mut punctured, v.into(), true));
        (0..2048)
            .map(|check| {
                let mut count = 0;
                code.neighbours(check, |v| count += usize::from(bits::get(&punctured, v)));
                count
            })
            .collect::<Vec<usize>>()
    };
    assert!(seen(order_4096::UNTAINTED).iter().all(|&count| count == 1));
    assert!(seen(order_4096::UNTAINTED + 1).iter().any(|&count| count > 1));
}

#[test]
fn patterns_nest() {
    let mut last = ([0; 64], [0; 64]);
    for p in (0..=1984).step_by(31) {
        let mut masks = ([0; 64], [0; 64]);
        let pattern = order_4096::ORDER.pattern(p, 100, &mut masks.0, &mut masks.1).unwrap();
        assert_eq!((pattern.p(), pattern.s(), pattern.payload()), (p, 100, 4096 - p - 100));
        assert_eq!(bits::count_ones(pattern.shortened()), 100);
        assert!(last.0.iter().zip(&masks.0).all(|(small, large)| small & !large == 0));
        assert!(masks.0.iter().zip(&masks.1).all(|(a, b)| a & b == 0));
        last = masks;
    }
    let (mut a, mut b) = ([0; 64], [0; 64]);
    assert!(order_4096::ORDER.pattern(1985, 0, &mut a, &mut b).is_err());
    assert!(order_4096::ORDER.pattern(1000, 3096, &mut a, &mut b).is_err());
    assert!(order_4096::ORDER.pattern(1000, 3095, &mut a, &mut b).is_ok());
}
