"""AWS STS: sessions, their errors, and sessions as keys."""
