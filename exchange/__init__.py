"""Who gets the events: envelope, relay, topics and access."""
