"""Access statistics: what is read how often, from where, by whom; kept on this host, and shipped to a bucket for the fleet.

* `window` and `counting`: what a process has seen since it last wrote it down, bounded by `summary` and `rests`.
* `store`: one SQLite file in a directory of this user's, shared by all processes of the host. `database` has its tables,
  `merging` adds to them.
* `shipments`, `outgoing` and `formats`: what was added is sent to a telemetry bucket, each piece once.
* `recorder` and `ending`: a hook of `foodco_storage.telemetry` that brings these together.
* `questions`: answers from the store; `fleet` gives the same ones over everything that was shipped.
* `imports`: what S3's own records tell, server access logs and inventories.

The directory must be on a local disk. Keys are recorded, as `telemetry.keys` lets them be told; never what an object holds.
"""
