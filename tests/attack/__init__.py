"""A hostile tenant beside honest ones, on a real API server: what `make attack` starts."""
