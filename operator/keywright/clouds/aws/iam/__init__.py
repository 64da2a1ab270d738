"""IAM users, which carry long-lived keys."""
