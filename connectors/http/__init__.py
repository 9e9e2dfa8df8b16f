"""HTTP: a client that reaches one host alone, its tokens, paging, and JSON records as columns."""
