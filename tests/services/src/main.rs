//! The orchestrator, for tests that run it beside the services.

fn main() -> std::process::ExitCode {
    orchestrator::cli::main()
}
