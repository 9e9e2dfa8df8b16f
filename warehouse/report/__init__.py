"""The report of a feed: volumes, verdicts, freshness and latency as one page that needs nothing else."""
