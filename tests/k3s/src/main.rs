fn main() -> std::process::ExitCode {
    k3s_stand_in::program::main()
}
