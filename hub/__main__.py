"""`python -m hub` is the command line `hub`."""

from hub.cli import main

main()
