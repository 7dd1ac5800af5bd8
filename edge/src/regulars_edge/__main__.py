"""`python -m regulars_edge` is `regulars-edge`."""

import sys

from regulars_edge.cli import main

sys.exit(main())
