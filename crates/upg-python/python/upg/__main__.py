"""``python -m upg``: the command line."""

from ._command import main

main()
