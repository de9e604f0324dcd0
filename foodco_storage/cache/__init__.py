"""The local cache: what was read of objects, in memory and on the disk of this host.

`route_cache` joins the levels: `memory`, and `disk` (`entry_file` is the form of its files, `usage` its bound, `folder` its
permissions). `generations` tells what is out of date, `flights` keeps many from asking for one thing. None of them knows S3:
which requests a cache may answer, and with what, is `foodco_storage.layers.cached_reads`.
"""
