"""The brokers as the hub asks them: how they are reached, topics, who may read, groups, what a topic holds. Sends nothing."""
