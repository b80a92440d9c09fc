//! The `comity` binary; everything is in the library so that tests reach it.

fn main() -> std::process::ExitCode {
    comity::run::process()
}
