"""Resources that somebody must refuse, and the words in which it is told."""
