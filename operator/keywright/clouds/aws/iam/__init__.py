"""IAM users, which own long-lived keys."""
