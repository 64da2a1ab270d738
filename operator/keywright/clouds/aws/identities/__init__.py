"""The ways to be someone in AWS, one file each."""
