"""Parts shared by the system tests, the crash tests, the demo and the benchmarks."""
