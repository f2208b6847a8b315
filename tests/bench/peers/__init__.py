"""The portal's worker beside other task queues: `python -m tests.bench.peers [--items N] [--rounds N] [--only NAME …]`.

`--write` puts what was measured into docs/benchmarks.md. Each peer has an environment of its own, made when first
needed below `PORTAL_VAR` (else below `var`), and is never installed beside the portal.

To add a peer NAME:

1. `requirements-NAME.txt`: all that it needs, each at one version (`pip freeze` in an environment that has it).
2. `NAME.py`, which runs in that environment and so imports nothing of the portal: `prepare()` makes its tables,
   `enqueue(items, mode)` stores the work, `work(mode)` is its worker until it is terminated. `side.py` says what each
   of them is given, and has the payloads and the function that is applied to them.
3. An entry of `PEERS` in `registry.py`, one for each mode, with the question that counts finished items.
"""
