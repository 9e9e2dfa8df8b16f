"""Routes by topic: every module here has a `router`; the application finds them on disk."""
