"""Confrontation of the theory with finite N: one file an experiment, each predicts, simulates, judges.

Run from the checkout: `python -m validation --quick`. Not installed with the package.
"""

import os

# samples run on threads of their own; a linear algebra library that starts threads within each is several
# times slower. It reads this when it is loaded, hence here, before anything imports NumPy.
for _library in ("OPENBLAS", "MKL", "OMP"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")
