"""A world on one machine: clusters, clouds, readers. Tests, demo and benchmarks are its guests."""
