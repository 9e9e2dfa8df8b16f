"""Files under an operator's root: finding, opening without leaving it, hashing while reading."""
