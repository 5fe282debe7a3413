"""`python -m tfpfd`."""

from tfpfd.cli import main

main()
