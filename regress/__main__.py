"""`python -m regress`."""

import sys

from regress.cli import main

if __name__ == "__main__":  # the processes of a pool of engines import it under another name
    sys.exit(main())
