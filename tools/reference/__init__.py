"""The reference pages that follow from the code and the CRDs."""
