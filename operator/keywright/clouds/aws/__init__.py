"""Amazon Web Services: the identities (`identities/`), and the services that issue keys."""
