"""`python -m pgwatch` is the `pgwatch` command."""

import sys

from pgwatch.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
