"""A sample of a feed that is not there yet: which form it has, and its columns as a connector would give them."""
