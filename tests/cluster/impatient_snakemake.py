"""Snakemake, but its Slurm executor asks how the jobs are doing every two seconds.

By itself it waits ten seconds longer each time that none has ended, which would be most of what these tests take.
"""

from __future__ import annotations

import asyncio

from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor


async def pause(executor):
    await asyncio.sleep(2)


if __name__ == "__main__":
    Executor.sleep = pause
    main()
