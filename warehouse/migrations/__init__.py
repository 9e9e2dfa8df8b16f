"""How the hub's own tables came to be, one step a file under `versions/`; run by `warehouse.migrate`."""
