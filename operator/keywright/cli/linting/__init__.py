"""The rules of `keywright lint`: what the API server would refuse, and what it cannot see."""
