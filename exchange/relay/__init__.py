"""The relay: carries what is committed to its topics, each event once, in order, whatever is killed and whenever."""
