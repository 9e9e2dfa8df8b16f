"""Alarms: what people should know of, raised once, repeated by policy, cleared; told in the log, on a topic, by a webhook."""
