"""What the database knows of a feed: its contracts' versions, its tables, its topic and lane."""
