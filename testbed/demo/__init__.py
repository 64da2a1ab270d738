"""`python -m testbed.demo`: a key appears in a Secret, is used, and is renewed, in the terminal."""
