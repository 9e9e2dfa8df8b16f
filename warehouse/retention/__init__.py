"""What a contract's retention means, layer by layer, and how it is done: docs/decisions/0009-retention.md."""
