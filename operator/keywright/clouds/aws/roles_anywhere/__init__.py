"""IAM Roles Anywhere: sessions of roles for X.509 certificates."""
