"""What the door keeps in PostgreSQL: nonces, the access log, lock-outs, use; and what its role may do there."""
