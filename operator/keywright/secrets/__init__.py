"""A credential becomes the data and the metadata of a Secret, and back. Pure: no I/O, no clock."""
