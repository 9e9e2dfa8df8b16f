"""What `hub feed` says of a feed over time: pause, resume, status, past days."""
