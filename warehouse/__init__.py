"""Where records rest: landing, checks, load, quarantine, outbox, receipts."""
