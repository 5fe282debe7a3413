"""`python -m tfpfd`."""

from tfpfd_cli import main

main()
