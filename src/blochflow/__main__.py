"""``python -m blochflow``: the command line."""

from blochflow.cli.app import main

main()
