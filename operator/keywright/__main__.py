"""`python -m keywright`."""

import sys

from keywright.cli.main import main

sys.exit(main())
