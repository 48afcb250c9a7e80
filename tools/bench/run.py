"""Run the benchmark of training: `make bench`. `--help`, and `turns.py`, say what it does."""

import sys
from pathlib import Path

# The imports wait, because each process of `multiprocessing` reads this file, and only this one needs them.
if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
    from turns import main

    from filtertwins.errors import run_script

    run_script(main)
