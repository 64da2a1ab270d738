"""A test environment on one machine: clusters, clouds, clients; for tests, demo and benchmarks."""
