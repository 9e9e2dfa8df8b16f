"""From a judged batch to its feed's table and the outbox: parts, classes of rows, texts and events, what does not fit."""
