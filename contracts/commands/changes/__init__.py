"""What `hub contract` says of a change: gate."""
