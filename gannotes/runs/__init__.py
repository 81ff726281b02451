r"""Long runs that can be killed, shared and told apart: one folder each, and no server::

    python -m gannotes run fgan_mnist --jobs 2
    python -m gannotes status
    python -m gannotes resume
    python -m gannotes report

Any number of processes, on any number of machines that share a disk, may say `run` or `resume` for
the same folder: each run is computed by one of them. A folder that is damaged, gone or on a full
disk is one sentence, and stops no other. What a folder `runs/NAME/seed-K/` holds:

`run.json`
    the configuration; when the run is done, versions and seconds of computing too
`sitting-0.json`, `sitting-1.json`, ...
    who sat at it, since when, and what that came to
`*.checkpoint`
    while the run is not done: what it goes on from
`*.history.safetensors`
    the series that its steps returned
`*.safetensors`, `*.md`, `*.csv`
    what the recipe leaves: weights, cards, rows of tables
`traceback.txt`
    why it failed
"""

from gannotes.runs.files import replace
from gannotes.runs.folder import (
    Run,
    beside,
    check_device,
    claim,
    find,
    lay_out,
    lost,
    read,
    say,
    spent,
    state,
    versions,
)
from gannotes.runs.report import agreement, compare_rows, compare_weights, report, scores
from gannotes.runs.slurm import check_cluster, in_queue, submit
from gannotes.runs.status import estimates, span, table
from gannotes.runs.workers import attempt, work

__all__ = [
    "Run",
    "agreement",
    "attempt",
    "beside",
    "check_cluster",
    "check_device",
    "claim",
    "compare_rows",
    "compare_weights",
    "estimates",
    "find",
    "in_queue",
    "lay_out",
    "lost",
    "read",
    "replace",
    "report",
    "say",
    "scores",
    "span",
    "spent",
    "state",
    "submit",
    "table",
    "versions",
    "work",
]
