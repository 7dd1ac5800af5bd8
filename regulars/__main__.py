"""`python -m regulars` is `regulars`."""

import sys

from regulars.cli import main

sys.exit(main())
