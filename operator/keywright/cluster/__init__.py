"""The Kubernetes API as Keywright uses it: few calls, plain dictionaries, one session."""
