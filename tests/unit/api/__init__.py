"""The resources: parsing, problems, and their agreement with the CRDs."""
