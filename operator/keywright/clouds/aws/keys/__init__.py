"""The kinds of key of AWS, one file each."""
