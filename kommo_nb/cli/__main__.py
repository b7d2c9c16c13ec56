"""`python -m kommo_nb.cli`, the same as `kommo-nb`."""

from . import main

main()
