"""From the source to a consumer, on real parts."""
