//! Whether kernels may use what the machine's processor has.

use std::ffi::OsStr;
use std::sync::OnceLock;

/// Environment variable that turns dispatch off if it is neither empty nor `0`.
pub const VARIABLE: &str = "CALIGO_PORTABLE";

/// Whether kernels run as compiled for any machine, because [`VARIABLE`] says so. It is read once.
///
/// Results do not depend on it; a machine may be tried against itself, or its code paths measured.
pub fn portable() -> bool {
    static PORTABLE: OnceLock<bool> = OnceLock::new();
    *PORTABLE.get_or_init(|| std::env::var_os(VARIABLE).is_some_and(|value| says_yes(&value)))
}

fn says_yes(value: &OsStr) -> bool {
    !value.is_empty() && value != "0"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_and_zero_leave_dispatch_on() {
        let values = ["", "0", "1", "yes", "false", "00"].map(|value| says_yes(OsStr::new(value)));
        assert_eq!(values, [false, false, true, true, true, true]);
    }
}
