"""Commands of the door, one module per word."""
