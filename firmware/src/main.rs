//! The image; on a host, a program that prints the same.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod board;

#[cfg(target_os = "none")]
mod image {
    use super::board;
    use caligo_firmware::{Host, Line, Work};

    struct Board {
        from: u32,
        /// Ticks of each kind of work, and how often it was done.
        totals: [(u64, u64); 4],
    }

    impl Host for Board {
        fn print(&mut self, text: &[u8]) {
            board::print(text);
        }

        fn begin(&mut self) {
            self.from = board::clock();
        }

        fn end(&mut self, what: Work, times: u64) {
            let ticks = self.from.wrapping_sub(board::clock()) & 0x00ff_ffff;
            let [encode, decode, bytes, machine] = &mut self.totals;
            let total = match what {
                Work::Encode => encode,
                Work::Decode => decode,
                Work::DecodeBytes => bytes,
                Work::Machine => machine,
            };
            total.0 += u64::from(ticks);
            total.1 += times;
        }
    }

    #[unsafe(no_mangle)]
    extern "C" fn start() -> ! {
        board::start_clock();
        let mut board = Board { from: 0, totals: [(0, 0); 4] };
        let fine = caligo_firmware::run(board::memory(), &mut board);
        let names = [
            "encoding a block",
            "decoding, an iteration",
            "decoding with 8 bits, an iteration",
            "a step of a machine",
        ];
        for ((ticks, times), name) in board.totals.into_iter().zip(names) {
            let mean = (ticks * board::INSTRUCTIONS_A_TICK).checked_div(times).unwrap_or(0);
            Line::new()
                .text("measured: ")
                .text(name)
                .text(": ")
                .number(mean)
                .text(" instructions")
                .end(&mut board);
        }
        let [_, small, bytes, _] = board.totals;
        for (name, (ticks, iterations)) in [("", small), (" with 8 bits", bytes)] {
            let edges = caligo_firmware::EDGES * iterations;
            let tenths = (10 * ticks * board::INSTRUCTIONS_A_TICK).checked_div(edges).unwrap_or(0);
            let line = Line::new().text("measured: decoding").text(name).text(", an edge and iteration: ");
            let line = line.number(tenths / 10).text(".").number(tenths % 10);
            line.text(" instructions").end(&mut board);
        }
        let sizes = [
            ("flash, all of the image", board::flash()),
            ("static memory", board::static_ram()),
            ("stack", board::stack_used()),
        ];
        for (name, bytes) in sizes {
            Line::new()
                .text("measured: ")
                .text(name)
                .text(": ")
                .number(bytes as u64)
                .text(" bytes")
                .end(&mut board);
        }
        #[cfg(feature = "a-panic")]
        board::print(&[[b'\n'][core::hint::black_box(1)]]);
        board::exit(fine)
    }
}

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    use std::io::Write;

    struct Console;

    impl caligo_firmware::Host for Console {
        fn print(&mut self, text: &[u8]) {
            // Whoever closes the pipe has read enough.
            let _ = std::io::stdout().write_all(text);
        }
    }

    let mut memory = Box::new(caligo_firmware::Memory::new());
    std::process::ExitCode::from(u8::from(!caligo_firmware::run(&mut memory, &mut Console)))
}
