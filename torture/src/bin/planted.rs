//! The programs that are killed, built with bugs that can be planted in the store; `torture planted` starts it. It must
//! never be used for anything else.

fn main() -> std::process::ExitCode {
    torture::main()
}
