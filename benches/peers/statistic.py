"""Counts and repeats."""

from statistics import median

from scipy.stats import beta


def interval(wrong, frames):
    """95 % interval of a proportion (Clopper, Pearson 1934)."""
    low = beta.ppf(0.025, wrong, frames - wrong + 1) if wrong else 0.0
    high = beta.ppf(0.975, wrong + 1, frames - wrong) if wrong < frames else 1.0
    return low, high


def same_fer(a, b):
    """Whether two (wrong, frames) may be of one frame error rate: their 95 % intervals overlap."""
    if not a[1]:
        return True
    (low_a, high_a), (low_b, high_b) = interval(*a), interval(*b)
    return low_a <= high_b and low_b <= high_a


def spread(values):
    """Median, least, most."""
    return median(values), min(values), max(values)
