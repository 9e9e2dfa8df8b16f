"""Who a caller is: signatures, tokens, certificates."""
