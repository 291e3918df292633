//! `torture`: tries to make the store lose what it acknowledged, and tells in a table what it tried. Exit code 1 if it
//! succeeded, 0 if it did not.

fn main() -> std::process::ExitCode {
    torture::main()
}
