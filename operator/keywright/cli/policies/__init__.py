"""The IAM and RAM policies that sources and grants need, and their forms for other tools."""
