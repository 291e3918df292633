//! What the kernel was told about the clock by the machine's time service: `adjtimex(2)`, asked with no change.
//! It must never set anything.

/// The state of the kernel's clock discipline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Discipline {
    /// A time service says that the clock is right.
    pub(super) is_synchronised: bool,
    /// Still to be corrected.
    pub(super) offset_seconds: f64,
    /// The service's estimate.
    pub(super) estimated_error_seconds: f64,
    /// The bound of the error.
    pub(super) max_error_seconds: f64,
    /// 1 is the clock's own rate.
    pub(super) frequency_ratio: f64,
    /// Of the phase-locked loop.
    pub(super) time_constant: f64,
    /// The bits STA_....
    pub(super) status: f64,
    /// Between two ticks.
    pub(super) tick_seconds: f64,
}

impl Discipline {
    /// None where the kernel may not be asked, as in some sandboxes.
    pub(super) fn read() -> Option<Discipline> {
        let (state, timex) = adjtimex_read();
        (state >= 0).then(|| Discipline::from(&timex, state))
    }

    /// Units as in adjtimex(2): errors in microseconds, the offset in nanoseconds when the status says so, the
    /// frequency in millionths with 16 bits after the point.
    fn from(timex: &libc::timex, state: libc::c_int) -> Discipline {
        let unit = if timex.status & libc::STA_NANO != 0 { 1e9 } else { 1e6 };
        Discipline {
            is_synchronised: state != libc::TIME_ERROR && timex.status & libc::STA_UNSYNC == 0,
            offset_seconds: timex.offset as f64 / unit,
            estimated_error_seconds: timex.esterror as f64 / 1e6,
            max_error_seconds: timex.maxerror as f64 / 1e6,
            frequency_ratio: 1.0 + timex.freq as f64 / 65536.0 / 1e6,
            time_constant: timex.constant as f64,
            status: f64::from(timex.status),
            tick_seconds: timex.tick as f64 / 1e6,
        }
    }
}

/// The call's result, negative if it failed, and what it filled in.
#[expect(unsafe_code, reason = "no library offers this call; the proof is below")]
fn adjtimex_read() -> (libc::c_int, libc::timex) {
    // SAFETY: `timex` is a C structure of integers only (libc's definition; no references, no niches), for which all
    // bits zero is a value. `modes` is then 0, with which adjtimex(2) changes nothing, needs no privilege, and only
    // writes within the one structure that the pointer is to, which is alive, aligned and ours alone for the call.
    // It keeps no pointer. Nothing from outside reaches this function, so that there is nothing to fuzz.
    unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        let state = libc::adjtimex(&mut timex);
        (state, timex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (status, state, offset, is synchronised, offset in seconds)
    #[test]
    fn units_and_status() {
        let (_, mut timex) = adjtimex_read();
        (timex.esterror, timex.maxerror, timex.freq) = (250, 16_000_000, -65536 * 10);
        for (status, state, offset, is_synchronised, seconds) in [
            (libc::STA_PLL | libc::STA_NANO, libc::TIME_OK, 1_500_000, true, 0.0015),
            (libc::STA_PLL, libc::TIME_OK, -1_500, true, -0.0015),
            (libc::STA_UNSYNC, libc::TIME_ERROR, 0, false, 0.0),
            (libc::STA_NANO, libc::TIME_ERROR, 0, false, 0.0),
            (libc::STA_INS, libc::TIME_INS, 0, true, 0.0),
        ] {
            (timex.status, timex.offset) = (status, offset);
            let told = Discipline::from(&timex, state);
            assert_eq!(
                (told.is_synchronised, told.offset_seconds),
                (is_synchronised, seconds),
                "{status:#x}"
            );
            assert_eq!((told.estimated_error_seconds, told.max_error_seconds), (0.00025, 16.0));
            assert!((told.frequency_ratio - (1.0 - 1e-5)).abs() < 1e-12);
        }
    }

    /// What is asked cannot change the clock: two readings agree in what only a change would alter.
    #[test]
    fn asking_changes_nothing() {
        let (state, first) = adjtimex_read();
        let (_, second) = adjtimex_read();
        if state >= 0 {
            assert_eq!((first.tick, first.constant, first.tai), (second.tick, second.constant, second.tai));
        }
    }
}
