"""The audit record: what was launched, decided and refused, in a chain that shows what was changed.

`chain` is the file's form, and appends; `record` says what is noted of a launch, `watch` when;
`entries` reads, `verify` checks, `sessions` reads what Claude keeps of its own, `ocsf` translates.
The first three are on every launch's way, and import little.
"""
