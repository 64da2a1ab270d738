"""Claude Platform on AWS: keys, and what their readers call."""
