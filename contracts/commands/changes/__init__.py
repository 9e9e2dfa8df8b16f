"""What `hub contract` says of a change: diff and gate."""
