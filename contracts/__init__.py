"""What is agreed: contracts (feeds/, codes/, events/) and the code that reads and applies them."""
