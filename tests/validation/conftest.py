"""The validation package is run from the checkout and not installed: put the checkout on the path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
