//! The board: start, output and end by semihosting, SysTick, the painted stack. All that is `unsafe` stands here.

use core::arch::{asm, global_asm};
use core::ptr::{addr_of, addr_of_mut, read_volatile, write_volatile};

// The reset handler in assembly: it sets up what Rust takes for granted, memory and the floating-point unit. It paints
// the stack first, so that what was used can be seen later.
global_asm!(
    ".section .vectors, \"a\"",
    ".word stack_top",
    ".word reset",
    ".rept 14",
    ".word fault",
    ".endr",
    ".section .text.reset, \"ax\"",
    ".thumb",
    ".global reset",
    ".type reset, %function",
    "reset:",
    "ldr r0, =bss_end",
    "ldr r1, =stack_top",
    "ldr r2, =0x5741434b",
    "1: cmp r0, r1",
    "bhs 2f",
    "str r2, [r0], #4",
    "b 1b",
    "2: ldr r0, =bss_start",
    "ldr r1, =bss_end",
    "movs r2, #0",
    "3: cmp r0, r1",
    "bhs 4f",
    "str r2, [r0], #4",
    "b 3b",
    "4: ldr r0, =data_start",
    "ldr r1, =data_end",
    "ldr r2, =data_load",
    "5: cmp r0, r1",
    "bhs 6f",
    "ldr r3, [r2], #4",
    "str r3, [r0], #4",
    "b 5b",
    // Access to coprocessors 10 and 11: the floating-point unit.
    "6: ldr r0, =0xe000ed88",
    "ldr r1, [r0]",
    "orr r1, r1, #0xf00000",
    "str r1, [r0]",
    "dsb",
    "isb",
    "bl start",
    "b fault",
    ".global fault",
    ".type fault, %function",
    "fault:",
    "b failed",
);

const PAINT: u32 = 0x5741_434b;

unsafe extern "C" {
    static data_start: u32;
    static data_end: u32;
    static bss_start: u32;
    static bss_end: u32;
    static flash_end: u32;
    static stack_top: u32;
}

/// A semihosting call.
fn host(operation: u32, argument: u32) -> u32 {
    let result;
    // SAFETY: the debugger or emulator takes this breakpoint; `argument` is what the operation expects at each caller.
    unsafe {
        asm!("bkpt #0xab", inout("r0") operation => result, in("r1") argument, options(nostack));
    }
    result
}

/// Prints bytes, however many.
pub fn print(text: &[u8]) {
    // SYS_WRITE to a handle of the console, opened by name.
    const NAME: &[u8; 4] = b":tt\0";
    let open = [NAME.as_ptr() as u32, 4, 3];
    let handle = host(0x01, open.as_ptr() as u32);
    let write = [handle, text.as_ptr() as u32, text.len() as u32];
    host(0x05, write.as_ptr() as u32);
    host(0x02, [handle].as_ptr() as u32);
}

/// Ends the emulation.
pub fn exit(success: bool) -> ! {
    // ADP_Stopped_ApplicationExit, or ADP_Stopped_RunTimeErrorUnknown.
    host(0x18, if success { 0x2_0026 } else { 0x2_0023 });
    loop {
        core::hint::spin_loop();
    }
}

#[unsafe(no_mangle)]
extern "C" fn failed() -> ! {
    print(b"fault\n");
    exit(false)
}

/// Instructions between two ticks of the timer: QEMU's clock advances by a nanosecond an instruction under
/// `-icount shift=0`, and the board's processor has 25 MHz.
pub const INSTRUCTIONS_A_TICK: u64 = 40;

/// Starts SysTick with the processor's clock, from its largest value down.
pub fn start_clock() {
    // SAFETY: SysTick's registers, used by nobody else.
    unsafe {
        write_volatile(0xe000_e014 as *mut u32, 0x00ff_ffff);
        write_volatile(0xe000_e018 as *mut u32, 0);
        write_volatile(0xe000_e010 as *mut u32, 5);
    }
}

/// SysTick's count, of 24 bits and falling.
pub fn clock() -> u32 {
    // SAFETY: reading the current value has no effect but on the flag that nobody reads.
    unsafe { read_volatile(0xe000_e018 as *const u32) }
}

/// Bytes of the stack that were ever used.
pub fn stack_used() -> usize {
    let (bottom, top) = (addr_of!(bss_end) as usize, addr_of!(stack_top) as usize);
    let mut at = bottom;
    // SAFETY: between the end of static memory and the stack's top, which is memory.
    while at < top && unsafe { read_volatile(at as *const u32) } == PAINT {
        at += 4;
    }
    top - at
}

/// Bytes of static memory.
pub fn static_ram() -> usize {
    let data = addr_of!(data_end) as usize - addr_of!(data_start) as usize;
    data + (addr_of!(bss_end) as usize - addr_of!(bss_start) as usize)
}

/// Bytes of code, tables and initial values.
pub fn flash() -> usize {
    addr_of!(flash_end) as usize
}

/// The image's only mutable static, given out once.
pub fn memory() -> &'static mut caligo_firmware::Memory {
    static mut MEMORY: caligo_firmware::Memory = caligo_firmware::Memory::new();
    // SAFETY: `start` calls this once, and nothing else runs.
    unsafe { &mut *addr_of_mut!(MEMORY) }
}

// A panic that the optimiser leaves in the image calls a function that does not exist: linking then fails.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn a_panic_is_reachable() -> !;
    }
    // SAFETY: never linked.
    unsafe { a_panic_is_reachable() }
}
