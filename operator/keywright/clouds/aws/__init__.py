"""Amazon Web Services: who we are (`identities/`), and what we mint from it (`keys/`)."""
