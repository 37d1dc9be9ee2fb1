"""``python -m tbio`` is the ``tbio`` command."""

import sys

from tbio.cli import main

sys.exit(main())
