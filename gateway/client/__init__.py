"""What an agency uses on its side: signing, pushing, verifying receipts. Imports nothing of the warehouse."""
