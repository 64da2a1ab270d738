"""The drawings of docs/architecture.md, from the code and from a trace of it."""
