"""Bodies that agencies push: unpacking them within bounds, and reading them by their form."""
