"""`python -m guardproxy VERB`."""

from guardproxy.cli import main

main()
