"""From a landed batch to a judged one: row checks page by page, then duplicates and the batch rules."""
