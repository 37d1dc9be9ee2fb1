"""Write tests/golden/digits anew: the log that doctests and README read.

    python scripts/make_golden.py

Two runs of 20 epochs, with made-up wall times and a name of their own, so that the files are the
same every time.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from train_digits import train

from tbio import RecordWriter, read_events

GOLDEN = Path(__file__).parent.parent / "tests" / "golden" / "digits"
BEGIN = 1_700_000_000.0


def main() -> None:
    """Train, and copy the events into files whose names and first wall times are fixed."""
    shutil.rmtree(GOLDEN, ignore_errors=True)
    train(GOLDEN, learning_rate=0.5, epochs=20, clock=lambda epoch: BEGIN + 2.5 * epoch)
    for file in sorted(GOLDEN.rglob("*tfevents*")):
        first, *rest = read_events(file)
        first.wall_time = BEGIN
        file.unlink()
        with RecordWriter(file.with_name("events.out.tfevents.1700000000.golden.1.000000")) as out:
            for event in (first, *rest):
                out.write(event.SerializeToString())


if __name__ == "__main__":
    main()
